//! What was done to the paths that all clients share. Nobody knows the order of what was done at
//! once, but what was over before something else began came first: so a read may give what was
//! written by a write that is not certainly covered by a later one, and nothing else.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::link::Window;

/// What a change leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    File(u64),
    Nothing,
    /// What was moved here: whatever was written anywhere.
    Any,
}

#[derive(Debug)]
struct Change {
    id: u64,
    left: Left,
    sent: Instant,
    /// When it was over; `None` while nobody knows.
    over: Option<Instant>,
    /// It was done. Else it may have been.
    sure: bool,
}

/// A put that is certainly live from then to then, as long as nobody removes it.
#[derive(Debug)]
struct Put {
    id: u64,
    from: Instant,
    until: Instant,
}

#[derive(Debug, Default)]
struct Path {
    changes: Vec<Change>,
    puts: Vec<Put>,
}

/// Of all shared paths.
#[derive(Default)]
pub struct History {
    paths: Mutex<BTreeMap<String, Path>>,
    next: std::sync::atomic::AtomicU64,
}

impl History {
    fn path<T>(&self, path: &str, work: impl FnOnce(&mut Path) -> T) -> T {
        work(self.paths.lock().unwrap().entry(path.to_owned()).or_default())
    }

    /// A change is about to be asked for; puts end by it, unless it fails.
    pub fn begin(&self, path: &str, left: Left) -> u64 {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.path(path, |path| {
            path.puts.clear();
            path.changes.push(Change { id, left, sent: Instant::now(), over: None, sure: false });
        });
        id
    }

    /// It was done, or refused.
    pub fn end(&self, path: &str, id: u64, done: bool) {
        self.path(path, |path| {
            if !done {
                path.changes.retain(|change| change.id != id);
            }
            for change in path.changes.iter_mut().filter(|change| change.id == id) {
                (change.over, change.sure) = (Some(Instant::now()), true);
            }
        });
    }

    /// Its answer was cut off; by now the daemon was started again, and it was done or was not.
    pub fn doubt(&self, path: &str, id: u64) {
        self.path(path, |path| {
            for change in path.changes.iter_mut().filter(|change| change.id == id) {
                change.over = Some(Instant::now());
            }
        });
    }

    /// A put was told to be ready. The other put that certainly is live, if there is one.
    pub fn ready(&self, path: &str, window: Window, lifetime: Duration) -> Result<u64, String> {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.path(path, |path| {
            let meets = |put: &&Put| put.from < window.sent && put.until > window.read;
            if let Some(other) = path.puts.iter().find(meets) {
                return Err(format!("{other:?}"));
            }
            // A removal that ran meanwhile may have ended it already.
            let meddled = |change: &Change| change.over.is_none_or(|over| over > window.sent);
            if path.changes.iter().any(meddled) {
                return Ok(id);
            }
            path.puts.push(Put { id, from: window.read, until: window.sent + lifetime });
            Ok(id)
        })
    }

    /// A put is about to end.
    pub fn unready(&self, path: &str, id: u64) {
        self.path(path, |path| path.puts.retain(|put| put.id != id));
    }

    /// What is wrong with having read this in that time; `None` is no file.
    pub fn judge(&self, path: &str, window: Window, found: Option<u64>) -> Option<String> {
        self.path(path, |path| {
            let mut fitting = Vec::new();
            let before = |change: &&Change| change.sent <= window.read;
            for change in path.changes.iter().filter(before) {
                let covered = path.changes.iter().any(|later| {
                    later.sure
                        && change.over.is_some_and(|over| over < later.sent)
                        && later.over.is_some_and(|over| over < window.sent)
                });
                if !covered {
                    fitting.push(change.left);
                }
            }
            let certain =
                |change: &Change| change.sure && change.over.is_some_and(|o| o < window.sent);
            if !path.changes.iter().any(certain) {
                // As it was at the start.
                fitting.push(Left::Nothing);
            }
            let fits = |left: &Left| match left {
                Left::File(content) => found == Some(*content),
                Left::Nothing => found.is_none(),
                Left::Any => found.is_some(),
            };
            let told = || format!("{found:?} was found, where one of {fitting:?} could be");
            (!fitting.iter().any(fits)).then(told)
        })
    }
}
