//! A bounded queue, and workers that take from it at once.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use metrics::gauge;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::queue::Queue;

/// What a job does.
pub type JobFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One unit of work. It waits in a queue, where it may be dropped at any time; once it runs it is
/// not interrupted. What must not be lost stands in the store.
pub trait Job: Send {
    /// Asked when its turn comes: one that is no longer wanted (aborted meanwhile) is dropped.
    fn is_wanted(&self) -> bool {
        true
    }

    /// Does it. Disk and database are touched on the blocking pool only.
    fn run(self: Box<Self>) -> JobFuture;

    /// How many places of the queue it takes: the files it is about.
    fn weight(&self) -> usize {
        1
    }
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
            waiting: Semaphore::new(0),
            state: Mutex::new(State { queue: Queue::default(), kept: 0, closed: false }),
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
        self.reserve(weight)?.submit(user, jobs);
        Ok(())
    }

    /// Keeps so many places, so that a request is written down only when they fit.
    ///
    /// # Errors
    /// [`Full`].
    pub fn reserve(&self, places: usize) -> Result<Slots, Full> {
        let mut state = self.shared.lock();
        if state.closed {
            return Err(Full::Closing);
        }
        let waiting = state.queue.weight() + state.kept;
        if places > self.shared.limit.saturating_sub(waiting) {
            return Err(Full::Queue {
                kind: self.shared.name.clone(),
                wanted: places,
                waiting,
                limit: self.shared.limit,
            });
        }
        state.kept += places;
        Ok(Slots { shared: Arc::clone(&self.shared), kept: places })
    }

    /// Places taken by jobs that wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().queue.weight()
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

/// Places in a queue. Given back when dropped.
#[must_use]
pub struct Slots {
    shared: Arc<Shared>,
    kept: usize,
}

impl Slots {
    /// Queues the jobs, in order. Places that are left over are given back; jobs beyond the places
    /// kept, and all once the pool is shutting down, are dropped.
    pub fn submit(mut self, user: &str, jobs: Vec<Box<dyn Job>>) {
        let mut state = self.shared.lock();
        if state.closed {
            return;
        }
        let places = std::mem::take(&mut self.kept);
        state.kept -= places;
        let (mut left, mut queued) = (places, 0);
        for job in jobs {
            let Some(rest) = left.checked_sub(job.weight()) else { break };
            left = rest;
            queued += 1;
            state.queue.push(user, job);
        }
        self.shared.tell(state.queue.weight());
        drop(state);
        self.shared.waiting.add_permits(queued);
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.shared.lock().kept -= self.kept;
    }
}

struct Shared {
    name: String,
    limit: usize,
    /// A permit per queued job; closed at shutdown.
    waiting: Semaphore,
    state: Mutex<State>,
}

struct State {
    queue: Queue,
    /// Places kept for jobs that are still to come.
    kept: usize,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, length: usize) {
        gauge!("stormd_queue_length", "kind" => self.name.clone()).set(length as f64);
    }

    fn take(&self) -> Option<Box<dyn Job>> {
        let mut state = self.lock();
        let job = state.queue.pop();
        self.tell(state.queue.weight());
        job
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let dropped = std::mem::take(&mut state.queue);
        self.tell(0);
        drop(state);
        self.waiting.close();
        // Outside the lock: a job's own drop may do anything.
        drop(dropped);
    }
}

async fn work(shared: Arc<Shared>) {
    while let Ok(permit) = shared.waiting.acquire().await {
        permit.forget();
        let Some(job) = shared.take() else { continue };
        let _busy = Busy::new(&shared.name);
        // One job's bug must not take the worker with it.
        let unit = async {
            if job.is_wanted() {
                job.run().await;
            }
        };
        if AssertUnwindSafe(unit).catch_unwind().await.is_err() {
            tracing::error!(kind = %shared.name, "a job panicked");
        }
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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::{mpsc, watch};

    use super::*;

    /// Tells its number when it starts, then waits for the gate.
    struct Gated {
        number: usize,
        started: mpsc::UnboundedSender<usize>,
        gate: watch::Receiver<bool>,
        wanted: bool,
        done: Arc<AtomicUsize>,
    }

    impl Job for Gated {
        fn is_wanted(&self) -> bool {
            self.wanted
        }

        fn run(mut self: Box<Self>) -> JobFuture {
            Box::pin(async move {
                self.started.send(self.number).unwrap();
                self.gate.wait_for(|open| *open).await.unwrap();
                self.done.fetch_add(1, Ordering::Relaxed);
            })
        }
    }

    struct Panics;

    impl Job for Panics {
        fn run(self: Box<Self>) -> JobFuture {
            panic!("a bug")
        }
    }

    struct Bench {
        gate: watch::Sender<bool>,
        started: mpsc::UnboundedReceiver<usize>,
        sender: mpsc::UnboundedSender<usize>,
        done: Arc<AtomicUsize>,
    }

    impl Bench {
        fn new() -> Self {
            let (sender, started) = mpsc::unbounded_channel();
            Self { gate: watch::Sender::new(false), started, sender, done: Arc::default() }
        }

        fn job(&self, number: usize, wanted: bool) -> Box<dyn Job> {
            Box::new(Gated {
                number,
                started: self.sender.clone(),
                gate: self.gate.subscribe(),
                wanted,
                done: Arc::clone(&self.done),
            })
        }

        fn jobs(&self, numbers: std::ops::Range<usize>) -> Vec<Box<dyn Job>> {
            numbers.map(|number| self.job(number, true)).collect()
        }

        /// The next `count` jobs that start, in any order; nothing starts after them.
        async fn starts(&mut self, count: usize) -> Vec<usize> {
            let mut seen = Vec::new();
            for _ in 0..count {
                seen.push(self.started.recv().await.unwrap());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(self.started.try_recv().is_err(), "more than {count} run at once");
            seen.sort_unstable();
            seen
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn so_many_at_once_in_order() {
        let mut bench = Bench::new();
        let pool = Pool::new("put", 3, 100);
        pool.submit("a", bench.jobs(0..10)).unwrap();
        assert_eq!(bench.starts(3).await, [0, 1, 2]);
        assert_eq!(pool.waiting(), 7);
        bench.gate.send_replace(true);
        assert_eq!(bench.starts(7).await, [3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(bench.done.load(Ordering::Relaxed), 10);
    }

    #[tokio::test]
    async fn one_worker_keeps_the_order() {
        let mut bench = Bench::new();
        bench.gate.send_replace(true);
        let pool = Pool::new("get", 1, 100);
        pool.submit("a", bench.jobs(0..20)).unwrap();
        pool.submit("b", bench.jobs(20..40)).unwrap();
        for number in 0..40 {
            assert_eq!(bench.started.recv().await, Some(number));
        }
    }

    #[tokio::test]
    async fn all_of_a_request_or_none() {
        let mut bench = Bench::new();
        let pool = Pool::new("get", 1, 4);
        pool.submit("a", bench.jobs(0..1)).unwrap();
        assert_eq!(bench.starts(1).await, [0]);
        pool.submit("a", bench.jobs(1..4)).unwrap();
        let full = pool.submit("a", bench.jobs(4..6));
        let expected = Full::Queue { kind: "get".to_owned(), wanted: 2, waiting: 3, limit: 4 };
        assert_eq!(full, Err(expected));
        // A kept place counts, and comes back.
        let kept = pool.reserve(1).unwrap();
        assert!(pool.reserve(1).is_err());
        drop(kept);
        pool.reserve(1).unwrap().submit("a", bench.jobs(6..7));
        assert_eq!(pool.waiting(), 4);
        bench.gate.send_replace(true);
        assert_eq!(bench.starts(4).await, [1, 2, 3, 6]);
        assert_eq!(pool.submit("a", bench.jobs(0..4)), Ok(()));
        assert_eq!(bench.starts(4).await, [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn a_panic_and_an_abort_leave_the_worker() {
        let mut bench = Bench::new();
        bench.gate.send_replace(true);
        let pool = Pool::new("get", 1, 10);
        let jobs = vec![Box::new(Panics) as Box<dyn Job>, bench.job(1, false), bench.job(2, true)];
        pool.submit("a", jobs).unwrap();
        assert_eq!(bench.starts(1).await, [2]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn shutdown_finishes_what_runs_and_drops_the_rest() {
        let mut bench = Bench::new();
        let pool = Arc::new(Pool::new("get", 2, 10));
        pool.submit("a", bench.jobs(0..5)).unwrap();
        assert_eq!(bench.starts(2).await, [0, 1]);
        let kept = pool.reserve(1).unwrap();
        let down = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.shutdown().await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!down.is_finished(), "it waits for what runs");
        assert_eq!(pool.submit("a", bench.jobs(5..6)), Err(Full::Closing));
        kept.submit("a", bench.jobs(6..7));
        bench.gate.send_replace(true);
        down.await.unwrap();
        assert_eq!(bench.done.load(Ordering::Relaxed), 2);
        assert_eq!(pool.waiting(), 0);
        assert!(bench.started.try_recv().is_err());
    }

    #[test]
    fn gauges_tell_queue_and_workers() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let gauges = recorder.handle();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        metrics::with_local_recorder(&recorder, || {
            runtime.block_on(async {
                let mut bench = Bench::new();
                let pool = Pool::new("get", 2, 10);
                pool.submit("a", bench.jobs(0..5)).unwrap();
                bench.starts(2).await;
                let text = gauges.render();
                assert!(text.contains("stormd_queue_length{kind=\"get\"} 3\n"), "{text}");
                assert!(text.contains("stormd_workers_busy{kind=\"get\"} 2\n"), "{text}");
                bench.gate.send_replace(true);
                bench.starts(3).await;
                let text = gauges.render();
                assert!(text.contains("stormd_queue_length{kind=\"get\"} 0\n"), "{text}");
                assert!(text.contains("stormd_workers_busy{kind=\"get\"} 0\n"), "{text}");
            });
        });
    }
}
