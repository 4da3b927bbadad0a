//! Brings what was committed over from the log of the database (`-wal`) into its file. A thread of its own
//! does it: would the writer, then all who write would wait for 30 ms each time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{StoreError, schema};

/// Pages in the log (4 KiB each) from which on they are brought over: what changes often goes into the
/// file once for many changes.
const FROM: i32 = if cfg!(test) { 64 } else { 8192 };
/// Pages in the log that are too many: the writer waits until they are brought over.
const MOST: i32 = 4 * FROM;
/// The thread goes on until so few are left, though no longer than so many rounds.
const FEW: i64 = 64;
const ROUNDS: usize = 4;

/// The thread, as the writer sees it.
pub(super) struct Checkpoints {
    /// In the log after the last commit.
    pages: Arc<AtomicI32>,
    /// To the thread, which ends when this is gone, and from it: it is done.
    ask: Option<SyncSender<()>>,
    done: Receiver<()>,
    /// The thread is at it.
    asked: bool,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread for the database at `path`, of which `writer` is the connection that commits.
    ///
    /// # Errors
    /// [`StoreError::Database`], where connection or thread are not to be had.
    pub(super) fn start(writer: &mut Connection, path: &Path) -> Result<Self, StoreError> {
        let own = schema::open_checkpointer(path)?;
        let pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&pages);
        // In the place of SQLite's own, which would do it inside of COMMIT.
        writer.wal_hook(Some(move |_: &mut _, pages| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        let (ask, asked) = mpsc::sync_channel::<()>(1);
        let (tell, done) = mpsc::sync_channel(1);
        let work = move || {
            for () in asked {
                for _ in 0..ROUNDS {
                    if bring_over(&own) < FEW {
                        break;
                    }
                }
                if tell.send(()).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("store-log".to_owned()).spawn(work);
        let thread = thread.map_err(|error| StoreError::Database(error.to_string()))?;
        Ok(Self { pages, ask: Some(ask), done, asked: false, thread: Some(thread) })
    }

    /// Called after each commit, when its callers have their answers. What was committed while the
    /// thread was at it is little, and brought over here: only when nothing is left does the log begin
    /// anew.
    pub(super) fn committed(&mut self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < FROM {
            return;
        }
        if !self.asked {
            self.asked = self.ask.as_ref().is_some_and(|ask| ask.try_send(()).is_ok());
        }
        let done = self.asked && self.done.try_recv().is_ok();
        if done || pages >= MOST {
            self.asked &= !done;
            bring_over(writer);
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.ask = None;
        // What it left is brought over when the last connection is closed.
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// Brings over as much as readers let it; pages that are left for the next time.
fn bring_over(connection: &Connection) -> i64 {
    let left = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?);
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], left).unwrap_or_else(|error| {
        tracing::warn!(%error, "the log of the request database was not brought over");
        0
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const PAGE: u64 = 4096;

    fn size(path: &Path) -> u64 {
        std::fs::metadata(path).unwrap().len()
    }

    /// A database into which one writes, its log, and who brings it over.
    fn begin(dir: &Path) -> (Connection, Checkpoints, std::path::PathBuf, std::path::PathBuf) {
        let (path, log) = (dir.join("s.db"), dir.join("s.db-wal"));
        let mut writer = schema::open_writer(&path).unwrap();
        let checkpoints = Checkpoints::start(&mut writer, &path).unwrap();
        writer.execute_batch("CREATE TABLE t (b BLOB)").unwrap();
        (writer, checkpoints, path, log)
    }

    fn commit(writer: &Connection, checkpoints: &mut Checkpoints) {
        writer.execute("INSERT INTO t VALUES (zeroblob(16384))", []).unwrap();
        checkpoints.committed(writer);
    }

    #[test]
    fn the_thread_brings_the_log_over_and_it_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, mut checkpoints, path, log) = begin(dir.path());
        let until = Instant::now() + Duration::from_secs(20);
        let mut begun_anew = 0;
        let mut last = 0;
        while begun_anew < 3 && Instant::now() < until {
            commit(&writer, &mut checkpoints);
            let pages = checkpoints.pages.load(Ordering::Relaxed);
            begun_anew += u32::from(pages < last);
            last = pages;
        }
        assert_eq!(begun_anew, 3);
        assert!(size(&log) <= (MOST as u64 + 64) * (PAGE + 24), "{}", size(&log));
        assert!(size(&path) > FROM as u64 * PAGE, "{}", size(&path));
    }

    #[test]
    fn what_a_reader_still_needs_stays_and_is_brought_over_later() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, mut checkpoints, path, _) = begin(dir.path());
        let reader = schema::open_reader(&path).unwrap();
        let count = |reader: &Connection| -> i64 {
            reader.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
        };
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(count(&reader), 0);
        for _ in 0..MOST {
            commit(&writer, &mut checkpoints);
        }
        assert_eq!(count(&reader), 0, "what a reader saw went away");
        assert!(checkpoints.pages.load(Ordering::Relaxed) > MOST);
        reader.execute_batch("COMMIT").unwrap();
        assert_eq!(count(&reader), i64::from(MOST));
        let until = Instant::now() + Duration::from_secs(20);
        while checkpoints.pages.load(Ordering::Relaxed) >= FROM {
            assert!(Instant::now() < until, "it never began anew");
            commit(&writer, &mut checkpoints);
        }
    }
}
