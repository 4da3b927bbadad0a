//! The one thread that writes. It commits everything that waits in one transaction, so that many
//! callers share the price of making it durable.

mod order;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::StoreError;
use super::checkpoint::Checkpoints;
pub(super) use order::PART;
use order::{Heavy, gather};

/// Rows that may wait to be written, in each [`Lane`]: bounds memory, and the length of one commit.
const WAITING_ROWS: u32 = 1 << 17;
/// How long a caller waits for its turn to wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which bound a unit falls under, and how many rows it counts for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lane {
    /// New work: refused at once when too much waits.
    New(usize),
    /// Work that goes on: waits for its turn, for a while.
    Standing(usize),
    /// A part of what has got room as a whole: see [`Writer::room`].
    Part(usize),
}

impl Lane {
    fn rows(self) -> usize {
        let (Lane::New(rows) | Lane::Standing(rows) | Lane::Part(rows)) = self;
        rows
    }
}

/// The thread, and the way to it.
pub(super) struct Writer {
    sender: Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    new: Arc<Semaphore>,
    standing: Arc<Semaphore>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread, which owns the connection from now on.
    pub(super) fn start(
        connection: Connection,
        mut checkpoints: Checkpoints,
    ) -> std::io::Result<Self> {
        // The semaphores bound what is in this channel.
        let (sender, receiver) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&commits);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&connection, &mut checkpoints, &receiver, &counter))?;
        Ok(Self {
            sender,
            thread: Mutex::new(Some(thread)),
            new: Arc::new(Semaphore::new(WAITING_ROWS as usize)),
            standing: Arc::new(Semaphore::new(WAITING_ROWS as usize)),
            commits,
        })
    }

    /// Runs `work` in the next transaction; returns once it is on disk. When the caller goes away
    /// meanwhile, the work is done all the same. It may be run twice, the first time undone.
    pub(super) async fn call<T, F>(&self, lane: Lane, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.ask(lane, true, work).await
    }

    /// As [`Writer::call`], but returns when the system has it: it outlives a kill of this process,
    /// not a power cut.
    pub(super) async fn call_soft<T, F>(&self, lane: Lane, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.ask(lane, false, work).await
    }

    async fn ask<T, F>(&self, lane: Lane, durable: bool, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = self.permit(lane).await?;
        let outcome = self.post(permit, lane.rows(), durable, work)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    /// Has a part of so many rows done, of what has got room as a whole, after those that were posted
    /// before it. It does not wait for the disk.
    pub(super) fn post_part<T, F>(
        &self,
        rows: usize,
        work: F,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.post(None, rows, false, work)
    }

    fn post<T, F>(
        &self,
        permit: Option<OwnedSemaphorePermit>,
        rows: usize,
        durable: bool,
        work: F,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let call = Call { work, durable, rows, outcome: None, answer, _permit: permit };
        self.sender.send(Message::Unit(Box::new(call))).map_err(|_| StoreError::Closed)?;
        Ok(outcome)
    }

    /// Has `work` done after everything that was sent before it; nobody learns when.
    pub(super) async fn cast<F>(&self, lane: Lane, work: F) -> Result<(), StoreError>
    where
        F: Fn(&Connection) -> Result<(), StoreError> + Send + 'static,
    {
        let permit = self.permit(lane).await?;
        let cast = Cast { work, _permit: permit };
        self.sender.send(Message::Unit(Box::new(cast))).map_err(|_| StoreError::Closed)
    }

    /// Transactions that were committed so far.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Writes what waits, closes the connection and ends the thread. Blocks.
    pub(super) fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // An error means that the thread has ended already.
            self.sender.send(Message::Stop).ok();
            thread.join().ok();
        }
    }

    /// Room for so many rows of new work, to be written by parts.
    pub(super) fn room(&self, rows: usize) -> Result<OwnedSemaphorePermit, StoreError> {
        let limit = Arc::clone(&self.new);
        limit.try_acquire_many_owned(permits(rows)).map_err(|_| StoreError::Busy)
    }

    async fn permit(&self, lane: Lane) -> Result<Option<OwnedSemaphorePermit>, StoreError> {
        match lane {
            Lane::New(rows) => self.room(rows).map(Some),
            Lane::Part(_) => Ok(None),
            Lane::Standing(rows) => {
                let permit = Arc::clone(&self.standing).acquire_many_owned(permits(rows));
                match tokio::time::timeout(PATIENCE, permit).await {
                    Ok(Ok(permit)) => Ok(Some(permit)),
                    Ok(Err(_)) => Err(StoreError::Closed),
                    Err(_) => Err(StoreError::Busy),
                }
            }
        }
    }
}

/// A unit larger than the bound may pass alone.
fn permits(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(WAITING_ROWS).clamp(1, WAITING_ROWS)
}

enum Message {
    Unit(Box<dyn Unit>),
    Stop,
}

/// What is done wholly or not at all, beside others in one transaction.
trait Unit: Send {
    /// Somebody waits for the answer.
    fn is_awaited(&self) -> bool;
    /// It must be on disk before the answer.
    fn is_durable(&self) -> bool;
    /// Rows that it writes, where somebody waits for it. What nobody waits for keeps its place among
    /// what is light.
    fn rows(&self) -> usize;
    /// Does it. After an error it is undone, and perhaps run again.
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;
    /// Tells what came of it, once that is known for good.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Call<T, F> {
    work: F,
    durable: bool,
    rows: usize,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<T, F> Unit for Call<T, F>
where
    T: Send,
    F: Fn(&Connection) -> Result<T, StoreError> + Send,
{
    fn is_awaited(&self) -> bool {
        true
    }

    fn is_durable(&self) -> bool {
        self.durable
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let outcome = guarded(&self.work, connection);
        let told = outcome.as_ref().map(|_| ()).map_err(StoreError::clone);
        self.outcome = Some(outcome);
        told
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (self.outcome, committed) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(error)) => Err(error),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // An error means that the caller has gone.
        self.answer.send(outcome).ok();
    }
}

struct Cast<F> {
    work: F,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<F> Unit for Cast<F>
where
    F: Fn(&Connection) -> Result<(), StoreError> + Send,
{
    fn is_awaited(&self) -> bool {
        false
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn rows(&self) -> usize {
        0
    }

    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        guarded(&self.work, connection)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        if let Err(error) = committed {
            tracing::warn!(%error, "a change that nobody waits for was not written");
        }
    }
}

/// A bug in one unit must not take the others with it.
fn guarded<T, F>(work: &F, connection: &Connection) -> Result<T, StoreError>
where
    F: Fn(&Connection) -> Result<T, StoreError>,
{
    catch_unwind(AssertUnwindSafe(|| work(connection)))
        .unwrap_or_else(|_| Err(StoreError::Database("a change panicked".to_owned())))
}

fn run(
    connection: &Connection,
    checkpoints: &mut Checkpoints,
    receiver: &Receiver<Message>,
    commits: &AtomicU64,
) {
    let mut crowd = 1;
    let mut synced = true;
    let mut heavy = Heavy::default();
    loop {
        let (group, stop) = gather(receiver, crowd, heavy.due());
        let group = heavy.let_pass(group, stop);
        crowd = group.len();
        let began = std::time::Instant::now();
        // Waiting for the disk is most of the price of a commit.
        let sync = stop || group.iter().any(|unit| unit.is_durable());
        match set_sync(connection, &mut synced, sync) {
            Ok(()) => commit(connection, group, commits),
            Err(error) => refuse(group, &error),
        }
        heavy.took(began.elapsed());
        checkpoints.committed(connection);
        if stop {
            return;
        }
    }
}

/// Whether commits from now on wait for the disk; `synced`: whether they do.
fn set_sync(connection: &Connection, synced: &mut bool, sync: bool) -> Result<(), StoreError> {
    if *synced != sync {
        let mode = if sync { "FULL" } else { "NORMAL" };
        connection.pragma_update(None, "synchronous", mode)?;
        *synced = sync;
    }
    Ok(())
}

/// Nothing of these was done.
fn refuse(group: Vec<Box<dyn Unit>>, error: &StoreError) {
    for unit in group {
        unit.answer(Err(error.clone()));
    }
}

fn commit(connection: &Connection, mut group: Vec<Box<dyn Unit>>, commits: &AtomicU64) {
    if group.is_empty() {
        return;
    }
    let committed = transact(connection, &mut group).map_err(|error| {
        tracing::error!(%error, units = group.len(), "the request database was not written");
        undo(connection);
        error
    });
    if committed.is_ok() {
        commits.fetch_add(1, Ordering::Relaxed);
    }
    for unit in group {
        unit.answer(committed.clone());
    }
}

/// Savepoints cost a fifth of the rate, and hardly any unit fails: so first without.
fn transact(connection: &Connection, group: &mut [Box<dyn Unit>]) -> Result<(), StoreError> {
    execute(connection, "BEGIN IMMEDIATE")?;
    if group.iter_mut().any(|unit| unit.run(connection).is_err()) {
        undo(connection);
        execute(connection, "BEGIN IMMEDIATE")?;
        apart(connection, group)?;
    }
    execute(connection, "COMMIT")
}

/// Runs each unit in a savepoint, so that the error of one undoes that one only.
fn apart(connection: &Connection, group: &mut [Box<dyn Unit>]) -> Result<(), StoreError> {
    for unit in group {
        execute(connection, "SAVEPOINT unit")?;
        if let Err(error) = unit.run(connection) {
            // A full disk may have undone the whole transaction, and the units before this one.
            if connection.is_autocommit() {
                return Err(error);
            }
            execute(connection, "ROLLBACK TO unit")?;
        }
        execute(connection, "RELEASE unit")?;
    }
    Ok(())
}

fn undo(connection: &Connection) {
    if !connection.is_autocommit() {
        // Should this fail too, the next BEGIN fails and says so.
        execute(connection, "ROLLBACK").ok();
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
