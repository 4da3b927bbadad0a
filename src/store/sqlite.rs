//! The store over SQLite, in the words of the domain.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::checkpoint::Checkpoints;
use super::numbers::Numbers;
use super::writer::{Lane, Writer};
use super::{
    Advance, Advanced, End, FileRow, Intent, IntentId, LeaseRow, Lent, LentId, LentRow, ListingRow,
    Millis, RecordDelta, RequestId, RequestRow, ScanRow, Settled, StoreError, StoredRequest,
    UsageRow, arrivals, leases, listings, read, schema, usage, write,
};
use crate::model::{RelPath, RequestToken, SpaceToken};

/// How many times as long as a step of a purge its rest is.
const PURGE_REST: u32 = 2;
/// Connections for reading.
const READERS: usize = 4;

/// The request database. A handle: clones share it.
///
/// What a writing method returned is on disk, unless it says less: it outlives a kill and a power
/// cut. Writing methods
/// go on to their end when the caller's future is dropped. [`StoreError::Busy`] says that too much
/// waits: at once for [`Store::submit`], after half a minute for the others. After an error of
/// the disk (full, say) reading goes on, and so does writing as soon as the disk lets it.
#[derive(Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

impl Store {
    /// Opens the database file, or makes it with mode 0600; brings its tables up to date; starts
    /// the writer thread. `owner` is this daemon's id: several may share a file, and each goes on
    /// with, expires and purges its own requests only.
    ///
    /// # Errors
    /// [`StoreError::Newer`], or [`StoreError::Open`] with the reason.
    pub fn open(path: &Path, owner: &str) -> Result<Store, StoreError> {
        let failed = |why: String| StoreError::Open { path: path.to_owned(), why };
        let mut connection = schema::open_writer(path)?;
        arrivals::clear(&connection, owner).map_err(|error| failed(error.to_string()))?;
        // A reader that cannot be had is better known now.
        let reader = schema::open_reader(path).map_err(|error| failed(error.to_string()))?;
        let checkpoints = Checkpoints::start(&mut connection, path)?;
        let writer =
            Writer::start(connection, checkpoints).map_err(|error| failed(error.to_string()))?;
        let readers = Arc::new(Readers {
            path: path.to_owned(),
            idle: Mutex::new(vec![reader]),
            limit: Arc::new(Semaphore::new(READERS)),
        });
        let (owner, numbers) = (Arc::from(owner), Numbers::default());
        Ok(Store { inner: Arc::new(Inner { owner, readers, writer, numbers }) })
    }

    /// Writes a new request and its files, all or nothing: the token is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Busy`] at once when too much waits; [`StoreError::Database`] for a token that
    /// is there already, for two files with one `n`, for an ended request with a file that has not.
    pub async fn submit(
        &self,
        request: RequestRow,
        files: Vec<FileRow>,
    ) -> Result<RequestId, StoreError> {
        let id = self.number().await?;
        let files = files.into_iter().map(Arc::new).collect();
        self.submit_numbered(id, request, files, None).await.map(|()| id)
    }

    /// As [`Store::submit`], under a number that was taken for it, with what a srmLs asked for.
    ///
    /// # Errors
    /// As [`Store::submit`].
    pub async fn submit_numbered(
        &self,
        id: RequestId,
        request: RequestRow,
        files: Vec<Arc<FileRow>>,
        listing: Option<ListingRow>,
    ) -> Result<(), StoreError> {
        // What has ended is refused as a whole where a file of it has not.
        if files.len() > arrivals::STEP && request.ended.is_none() {
            let mut arrival = self.arrive(id, request.kind, files.len())?;
            for step in files.chunks(arrivals::STEP) {
                arrival.write(step.to_vec())?;
            }
            return arrival.end(request, listing).await;
        }
        let owner = Arc::clone(&self.inner.owner);
        let rows = files.len() + 1;
        let work = move |connection: &Connection| {
            write::submit(connection, &owner, Some(id), &request, &files)?;
            listings::insert(connection, id, listing)
        };
        self.inner.writer.call(Lane::New(rows), work).await
    }

    /// Makes the changes that find the state they expect, in one durable transaction; an outcome
    /// per change, in order. A change that was not made does not hinder the others. `end` freezes
    /// its request's status in the same transaction, unless a file of it has not ended even
    /// after the changes, or the status is frozen already.
    pub async fn advance(
        &self,
        changes: Vec<Advance>,
        end: Option<End>,
    ) -> Result<Vec<Advanced>, StoreError> {
        let rows = changes.len();
        let work = move |connection: &Connection| write::advance(connection, &changes, end);
        self.inner.writer.call(Lane::Standing(rows), work).await
    }

    /// [`Store::advance`] of one step of a change that is told when its last step is on disk: it outlives
    /// a kill.
    pub async fn advance_step(&self, changes: Vec<Advance>) -> Result<Vec<Advanced>, StoreError> {
        let rows = changes.len();
        let work = move |connection: &Connection| write::advance(connection, &changes, None);
        self.inner.writer.call_soft(Lane::Standing(rows), work).await
    }

    /// [`Store::advance`], and marks `request` as aborted in the same transaction. A request whose
    /// status is frozen is not marked.
    pub async fn mark_aborted(
        &self,
        request: RequestId,
        changes: Vec<Advance>,
        end: Option<End>,
    ) -> Result<Vec<Advanced>, StoreError> {
        let rows = changes.len() + 1;
        let work = move |connection: &Connection| {
            write::mark_aborted(connection, request)?;
            write::advance(connection, &changes, end)
        };
        self.inner.writer.call(Lane::Standing(rows), work).await
    }

    /// The request of that token, whoever owns it; one snapshot.
    pub async fn load(&self, token: &RequestToken) -> Result<Option<StoredRequest>, StoreError> {
        let token = token.clone();
        self.read(move |connection, _| read::load(connection, &token)).await
    }

    /// Own requests whose status is not frozen, at most `limit` of those after `after`, by id: what
    /// a start goes on with. `RequestId(0)` comes before all.
    pub async fn unfinished(
        &self,
        after: RequestId,
        limit: usize,
    ) -> Result<Vec<StoredRequest>, StoreError> {
        self.read(move |connection, owner| read::unfinished(connection, owner, after, limit)).await
    }

    /// Own files that have not ended and whose `expires` is `now` or before, soonest first.
    pub async fn due(
        &self,
        now: Millis,
        limit: usize,
    ) -> Result<Vec<(RequestToken, u32)>, StoreError> {
        self.read(move |connection, owner| read::due(connection, owner, now, limit)).await
    }

    /// The soonest `expires` of an own file that has not ended.
    pub async fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        self.read(read::next_due).await
    }

    /// Removes own requests that ended before `ended_before`, the oldest first and at most `limit`,
    /// in small steps between which others write; how many it removed. It rests between steps, so that
    /// the disk is theirs most of the time.
    pub async fn purge(&self, ended_before: Millis, limit: usize) -> Result<usize, StoreError> {
        let mut removed = 0;
        while removed < limit {
            let owner = Arc::clone(&self.inner.owner);
            let left = limit - removed;
            let work =
                move |connection: &Connection| write::purge(connection, &owner, ended_before, left);
            let began = Instant::now();
            match self.inner.writer.call(Lane::Standing(1), work).await? {
                0 => break,
                step => removed += step,
            }
            tokio::time::sleep(began.elapsed().saturating_mul(PURGE_REST)).await;
        }
        Ok(removed)
    }

    /// The token of an area's own space: made at the first call, the same for ever.
    pub async fn area_token(&self, area: &str) -> Result<SpaceToken, StoreError> {
        let area = area.to_owned();
        let asked = area.clone();
        let found = self.read(move |connection, _| read::area_token(connection, &asked)).await?;
        if let Some(token) = found {
            return Ok(token);
        }
        let work = move |connection: &Connection| {
            write::area_token(connection, &area, &Uuid::new_v4().to_string())?;
            let missing = || StoreError::Corrupt(format!("area {area} has no token"));
            read::area_token(connection, &area)?.ok_or_else(missing)
        };
        self.inner.writer.call(Lane::Standing(1), work).await
    }

    /// Writes down what is about to be done, in order. It outlives a kill, but not a power cut: for
    /// that nobody waits here.
    pub async fn announce(&self, intents: Vec<Intent>) -> Result<Vec<IntentId>, StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        let rows = intents.len();
        let work = move |connection: &Connection| {
            intents.iter().map(|intent| write::write_intent(connection, &owner, intent)).collect()
        };
        self.inner.writer.call_soft(Lane::Standing(rows), work).await
    }

    /// As [`Store::announce`], and outlives a power cut too.
    pub async fn announce_lasting(&self, intent: Intent) -> Result<IntentId, StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        let work = move |connection: &Connection| write::write_intent(connection, &owner, &intent);
        self.inner.writer.call(Lane::Standing(1), work).await
    }

    /// Writes down what announced changes came to, and forgets that they were announced. Nobody
    /// waits for it: after a crash the intents are still there, and tell what has to be looked at.
    /// Not for changes of records: see [`Store::settle_records`].
    pub async fn settle(&self, settled: Settled) -> Result<(), StoreError> {
        let work = move |connection: &Connection| usage::settle(connection, &settled).map(|_| ());
        self.inner.writer.cast(Lane::Standing(1), work).await
    }

    /// As [`Store::settle`], and tells what the records came to. It outlives a kill.
    pub async fn settle_records(&self, settled: Settled) -> Result<Vec<RecordDelta>, StoreError> {
        let rows = settled.rows();
        let work = move |connection: &Connection| usage::settle(connection, &settled);
        self.inner.writer.call_soft(Lane::Standing(rows), work).await
    }

    /// As [`Store::settle_records`], and announces what follows, in the same transaction.
    pub async fn settle_and_announce(
        &self,
        settled: Settled,
        intent: Intent,
    ) -> Result<(IntentId, Vec<RecordDelta>), StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        let work = move |connection: &Connection| {
            let deltas = usage::settle(connection, &settled)?;
            Ok((write::write_intent(connection, &owner, &intent)?, deltas))
        };
        self.inner.writer.call_soft(Lane::Standing(2), work).await
    }

    /// [`Store::advance`], and what published files came to in the same transaction.
    pub async fn publish(
        &self,
        changes: Vec<Advance>,
        end: Option<End>,
        settled: Settled,
    ) -> Result<(Vec<Advanced>, Vec<RecordDelta>), StoreError> {
        let rows = changes.len() + settled.rows();
        let work = move |connection: &Connection| {
            let deltas = usage::settle(connection, &settled)?;
            Ok((write::advance(connection, &changes, end)?, deltas))
        };
        self.inner.writer.call(Lane::Standing(rows), work).await
    }

    /// What is known of all areas.
    pub async fn usage(&self) -> Result<Vec<UsageRow>, StoreError> {
        // By the writer, so that it comes after every settle before it.
        self.inner.writer.call_soft(Lane::Standing(1), usage::usage).await
    }

    /// Notes where a scan stands; the first call begins it.
    pub async fn save_scan(&self, area: Arc<str>, scan: ScanRow) -> Result<(), StoreError> {
        let work = move |connection: &Connection| usage::save_scan(connection, &area, &scan);
        self.inner.writer.call_soft(Lane::Standing(1), work).await
    }

    /// Ends a scan: `counted` bytes are what the area holds, `drift` more or less than was known.
    pub async fn end_scan(
        &self,
        area: Arc<str>,
        counted: i64,
        drift: i64,
        at: Millis,
    ) -> Result<(), StoreError> {
        let work =
            move |connection: &Connection| usage::end_scan(connection, &area, counted, drift, at);
        self.inner.writer.call(Lane::Standing(1), work).await
    }

    /// This daemon runs, on the boot of that id. True when the machine was cut off while it ran
    /// before: what nobody had synced may be lost.
    pub async fn begin_run(&self, boot: String) -> Result<bool, StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        let work = move |connection: &Connection| usage::begin_run(connection, &owner, &boot);
        self.inner.writer.call(Lane::Standing(1), work).await
    }

    /// The run ends as it should.
    pub async fn end_run(&self) -> Result<(), StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        let work = move |connection: &Connection| usage::end_run(connection, &owner);
        self.inner.writer.call(Lane::Standing(1), work).await
    }

    /// Own intents that were not cleared, in the order in which they were written.
    pub async fn intents(&self) -> Result<Vec<(IntentId, Intent)>, StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        // By the writer, so that it comes after every clear_intent before it.
        let work = move |connection: &Connection| read::intents(connection, &owner);
        self.inner.writer.call(Lane::Standing(1), work).await
    }

    /// Writes down, durably, what ACLs are about to give to local accounts. An entry that is known
    /// by its number keeps what was there before.
    pub async fn lend(
        &self,
        leases: Vec<LeaseRow>,
        entries: Vec<LentRow>,
    ) -> Result<(), StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        let rows = leases.len() + entries.len();
        let work =
            move |connection: &Connection| leases::lend(connection, &owner, &leases, &entries);
        self.inner.writer.call(Lane::Standing(rows), work).await
    }

    /// Writes down, durably, that entries which are lent were changed for good meanwhile: what is to
    /// come back is another now.
    pub async fn relend(&self, entries: Vec<LentRow>) -> Result<(), StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        let rows = entries.len();
        let work = move |connection: &Connection| leases::relend(connection, &owner, &entries);
        self.inner.writer.call(Lane::Standing(rows), work).await
    }

    /// Forgets what was taken back. Does not wait for the disk: after a crash it is taken back once
    /// more.
    pub async fn give_back(
        &self,
        leases: Vec<(RequestId, u32)>,
        entries: Vec<LentId>,
    ) -> Result<(), StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        let rows = leases.len() + entries.len();
        let work =
            move |connection: &Connection| leases::give_back(connection, &owner, &leases, &entries);
        self.inner.writer.cast(Lane::Standing(rows), work).await
    }

    /// A directory was moved, and what is lent below it with it.
    pub async fn move_lent(&self, entries: Vec<(LentId, RelPath)>) -> Result<(), StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        let rows = entries.len();
        let work = move |connection: &Connection| leases::moved(connection, &owner, &entries);
        self.inner.writer.call(Lane::Standing(rows), work).await
    }

    /// All that is lent by requests of this daemon; entries by number.
    pub async fn lent(&self) -> Result<Lent, StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        // By the writer, so that it comes after every give_back before it.
        let work = move |connection: &Connection| leases::lent(connection, &owner);
        self.inner.writer.call(Lane::Standing(1), work).await
    }

    /// Transactions that were committed since the store was opened.
    pub fn commits(&self) -> u64 {
        self.inner.writer.commits()
    }

    /// Writes what waits and ends the writer. From now on writing methods fail with
    /// [`StoreError::Closed`]; reading still works. Dropping the last handle does the same, but
    /// blocks its thread meanwhile.
    pub async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        // An error means that the runtime is going down; dropping the store does it then.
        tokio::task::spawn_blocking(move || inner.writer.stop()).await.ok();
    }

    pub(super) async fn write<T, F>(&self, rows: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner.writer.call(Lane::Standing(rows), work).await
    }

    /// As [`Store::read`], here and now: for threads that may block.
    pub(super) fn read_here<T>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.inner.readers.with(ask)
    }

    pub(super) fn owner(&self) -> Arc<str> {
        Arc::clone(&self.inner.owner)
    }

    pub(super) async fn read<T, F>(&self, ask: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &str) -> Result<T, StoreError> + Send + 'static,
    {
        let readers = Arc::clone(&self.inner.readers);
        let owner = Arc::clone(&self.inner.owner);
        let limit = Arc::clone(&readers.limit);
        let permit = limit.acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let task = tokio::task::spawn_blocking(move || {
            // It lives as long as the connection is in use, also when the caller has gone.
            let _permit = permit;
            readers.with(|connection| ask(connection, &owner))
        });
        task.await.map_err(|error| StoreError::Database(error.to_string()))?
    }

    #[cfg(test)]
    pub(super) async fn on_writer<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.writer.call(Lane::Standing(1), work).await
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.inner.readers.path)
            .field("owner", &self.inner.owner)
            .finish_non_exhaustive()
    }
}

pub(super) struct Inner {
    pub(super) owner: Arc<str>,
    readers: Arc<Readers>,
    pub(super) writer: Writer,
    pub(super) numbers: Numbers,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The readers go first: the last connection to close tidies up, and must be able to write.
        self.readers.idle().clear();
        self.writer.stop();
    }
}

/// Connections for reading, opened as they are needed.
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    limit: Arc<Semaphore>,
}

impl Readers {
    fn with<T>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path)?,
        };
        let answer = ask(&connection);
        self.idle().push(connection);
        answer
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
