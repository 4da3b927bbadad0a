//! A bounded queue, and workers that take from it at once.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use metrics::gauge;
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;

use super::queue::{NoRoom, Queue};

/// Of so many workers or more, one is kept for other users: what runs is not interrupted, and may take
/// long.
const SPARE_FROM: usize = 4;

/// What a job does.
pub type JobFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One unit of work. It waits in a queue, where it may be dropped at any time; once it runs it is
/// not interrupted. What must not be lost stands in the store.
pub trait Job: Send {
    /// Asked when its turn has come; it runs at once where it says so.
    fn begin(&self) -> Turn {
        Turn::Run
    }

    /// It is to wait longer, outside the queue: it may keep its places, which rest, to be queued again
    /// by them ([`Slots::wake`]).
    fn put_off(self: Box<Self>, _places: Slots) {}

    /// Does it. Disk and database are touched on the blocking pool only.
    fn run(self: Box<Self>) -> JobFuture;

    /// How many places of the queue it takes: the files it is about.
    fn weight(&self) -> usize {
        1
    }
}

/// What a job says when its turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It runs.
    Run,
    /// It has to wait for something: see [`Job::put_off`].
    Later,
    /// It is no longer wanted (aborted meanwhile).
    Never,
}

/// Why jobs were not taken. Passing: the client may try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The queue's bound.
    #[error(
        "{wanted} more do not fit in the {kind} queue ({waiting} of {limit} wait): try again later"
    )]
    Queue {
        /// Name of the pool.
        kind: String,
        /// Jobs that came.
        wanted: usize,
        /// Jobs that wait, or have a place kept.
        waiting: usize,
        /// Jobs that may wait.
        limit: usize,
    },
    /// The bound of one user's part of it.
    #[error(
        "{wanted} more of one user do not fit in the {kind} queue ({waiting} of {limit} wait, and \
         others want room too): try again later"
    )]
    Share {
        /// Name of the pool.
        kind: String,
        /// Jobs that came.
        wanted: usize,
        /// Jobs that wait, or have a place kept.
        waiting: usize,
        /// Jobs that may wait.
        limit: usize,
    },
    /// The daemon is going down.
    #[error("stormd is shutting down: try again later")]
    Closing,
}

/// So many jobs of one kind at once, and so many that wait. Gauges `stormd_queue_length{kind}` and
/// `stormd_workers_busy{kind}`.
pub struct Pool {
    shared: Arc<Shared>,
    workers: TaskTracker,
}

impl Pool {
    /// Starts `threads` workers (at least one) for at most `queue` waiting jobs, on the runtime it
    /// is called in. `name` is the `kind` of the gauges.
    pub fn new(name: &str, threads: usize, queue: usize) -> Self {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            limit: queue,
            most: if threads < SPARE_FROM { threads.max(1) } else { threads - 1 },
            waiting: Semaphore::new(0),
            state: Mutex::new(State { queue: Queue::default(), passed: 0, closed: false }),
            first: tokio::sync::Mutex::new(()),
            freed: Notify::new(),
        });
        shared.tell(0);
        let workers = TaskTracker::new();
        for _ in 0..threads.max(1) {
            workers.spawn(work(Arc::clone(&shared)));
        }
        workers.close();
        Self { shared, workers }
    }

    /// Queues the jobs of one request, in order: all, or none.
    ///
    /// # Errors
    /// [`Full`], and the jobs are dropped.
    pub fn submit(&self, user: &str, jobs: Vec<Box<dyn Job>>) -> Result<(), Full> {
        let weight = jobs.iter().map(|job| job.weight()).sum();
        self.reserve(user, weight)?.submit(jobs);
        Ok(())
    }

    /// Keeps so many places for a user, so that a request is written down only when they fit.
    ///
    /// # Errors
    /// [`Full`].
    pub fn reserve(&self, user: &str, places: usize) -> Result<Slots, Full> {
        let user: Arc<str> = Arc::from(user);
        let mut state = self.shared.lock();
        if state.closed {
            return Err(Full::Closing);
        }
        let waiting = state.queue.places();
        let (kind, limit) = (self.shared.name.clone(), self.shared.limit);
        match state.queue.take_places(&user, places, limit) {
            Ok(()) => {
                Ok(Slots { shared: Arc::clone(&self.shared), user, kept: places, resting: false })
            }
            Err(NoRoom::All) => Err(Full::Queue { kind, wanted: places, waiting, limit }),
            Err(NoRoom::Share) => Err(Full::Share { kind, wanted: places, waiting, limit }),
        }
    }

    /// Places outside the queue for what is known already, however long the queue is: see
    /// [`Slots::wake`].
    pub fn rest(&self, user: &str, places: usize) -> Slots {
        let user: Arc<str> = Arc::from(user);
        self.shared.lock().queue.rest(&user, places);
        Slots { shared: Arc::clone(&self.shared), user, kept: places, resting: true }
    }

    /// Places taken by jobs that wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().queue.weight()
    }

    /// Places that there are.
    pub fn limit(&self) -> usize {
        self.shared.limit
    }

    /// Takes no more jobs, drops those that wait, and returns when those that run are done. What
    /// was dropped is found in the store at the next start.
    pub async fn shutdown(&self) {
        self.shared.close();
        self.workers.wait().await;
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Places of one user in a queue, or beside it, where they count for nobody but him. Given back when
/// dropped.
#[must_use]
pub struct Slots {
    shared: Arc<Shared>,
    user: Arc<str>,
    kept: usize,
    resting: bool,
}

impl Slots {
    /// Moves them beside the queue.
    fn rest(mut self) -> Self {
        let mut state = self.shared.lock();
        if !state.closed {
            state.queue.rest(&self.user, self.kept);
            state.queue.give_back(&self.user, self.kept);
        }
        drop(state);
        self.resting = true;
        self.shared.freed.notify_one();
        self
    }

    /// Moves places that rest into the queue, and `jobs` with them: now, or as soon as there is room;
    /// first come, first served.
    pub fn wake(mut self, jobs: Vec<Box<dyn Job>>) {
        let shared = Arc::clone(&self.shared);
        if shared.first.try_lock().is_ok_and(|_first| self.take()) {
            return self.submit(jobs);
        }
        tokio::spawn(async move {
            let first = shared.first.lock().await;
            while !self.take() {
                shared.freed.notified().await;
            }
            drop(first);
            self.submit(jobs);
        });
    }

    /// True where there is no more to wait for.
    fn take(&mut self) -> bool {
        let mut state = self.shared.lock();
        if !state.closed && self.resting {
            self.resting = !state.queue.wake(&self.user, self.kept, self.shared.limit);
        }
        state.closed || !self.resting
    }

    /// Queues the jobs, in order. Places that are left over are given back; jobs beyond the places
    /// kept, and all once the pool is shutting down, are dropped.
    pub fn submit(mut self, jobs: Vec<Box<dyn Job>>) {
        let mut state = self.shared.lock();
        if state.closed {
            return;
        }
        let mut queued = 0;
        for job in jobs {
            let Some(left) = self.kept.checked_sub(job.weight()) else { break };
            self.kept = left;
            queued += 1;
            state.queue.push(&self.user, job);
        }
        self.shared.tell(state.queue.weight());
        drop(state);
        self.shared.waiting.add_permits(queued);
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // The queue of a pool that was closed has forgotten them.
        match (state.closed, self.resting) {
            (true, _) => {}
            (false, true) => state.queue.end_rest(&self.user, self.kept),
            (false, false) => state.queue.give_back(&self.user, self.kept),
        }
        drop(state);
        self.shared.freed.notify_one();
    }
}

struct Shared {
    name: String,
    limit: usize,
    /// Jobs of one user that run at once.
    most: usize,
    /// A permit per queued job; closed at shutdown.
    waiting: Semaphore,
    state: Mutex<State>,
    /// Of those who wait for room: whose turn it is.
    first: tokio::sync::Mutex<()>,
    /// There may be room.
    freed: Notify,
}

struct State {
    queue: Queue,
    /// Permits that found only jobs of users who have all the workers they get.
    passed: usize,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, length: usize) {
        gauge!("stormd_queue_length", "kind" => self.name.clone()).set(length as f64);
    }

    /// The next job, its places, and the count of it among the user's running ones.
    fn take(self: &Arc<Self>) -> Option<(Box<dyn Job>, Slots, Running)> {
        let mut state = self.lock();
        let Some((user, job)) = state.queue.pop(self.most) else {
            state.passed += 1;
            return None;
        };
        self.tell(state.queue.weight());
        let kept = job.weight();
        let running = Running { shared: Arc::clone(self), user: Arc::clone(&user) };
        let places = Slots { shared: Arc::clone(self), user, kept, resting: false };
        Some((job, places, running))
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let dropped = std::mem::take(&mut state.queue);
        self.tell(0);
        drop(state);
        self.waiting.close();
        self.freed.notify_one();
        // Outside the lock: a job's own drop may do anything.
        drop(dropped);
    }
}

async fn work(shared: Arc<Shared>) {
    while let Ok(permit) = shared.waiting.acquire().await {
        permit.forget();
        // Whether it runs or not, it was in the way of the user's next one.
        let Some((job, places, _running)) = shared.take() else { continue };
        // One job's bug must not take the worker with it.
        let unit = async {
            match job.begin() {
                Turn::Run => {
                    drop(places);
                    let _busy = Busy::new(&shared.name);
                    job.run().await;
                }
                Turn::Later => job.put_off(places.rest()),
                Turn::Never => {}
            }
        };
        if AssertUnwindSafe(unit).catch_unwind().await.is_err() {
            tracing::error!(kind = %shared.name, "a job panicked");
        }
    }
}

/// One user's job that was taken, while it lives.
struct Running {
    shared: Arc<Shared>,
    user: Arc<str>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.closed {
            return;
        }
        state.queue.end(&self.user);
        // One of those that had to be passed over may come now.
        let again = state.passed.min(1);
        state.passed -= again;
        drop(state);
        self.shared.waiting.add_permits(again);
    }
}

/// Counts a busy worker while it lives.
struct Busy<'a>(&'a str);

impl<'a> Busy<'a> {
    fn new(name: &'a str) -> Self {
        gauge!("stormd_workers_busy", "kind" => name.to_owned()).increment(1.0);
        Self(name)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        gauge!("stormd_workers_busy", "kind" => self.0.to_owned()).decrement(1.0);
    }
}

#[cfg(test)]
mod tests;
