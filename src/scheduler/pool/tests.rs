//! The real pool, with jobs that wait at a gate.

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
    fn begin(&self) -> Turn {
        if self.wanted { Turn::Run } else { Turn::Never }
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
async fn users_take_turns_and_each_keeps_his_order() {
    let mut bench = Bench::new();
    bench.gate.send_replace(true);
    let pool = Pool::new("get", 1, 100);
    pool.submit("a", bench.jobs(0..20)).unwrap();
    pool.submit("b", bench.jobs(20..40)).unwrap();
    for number in 0..20 {
        assert_eq!(bench.started.recv().await, Some(number));
        assert_eq!(bench.started.recv().await, Some(20 + number));
    }
}

#[tokio::test]
async fn a_million_of_one_user_do_not_hold_up_another() {
    let mut bench = Bench::new();
    bench.gate.send_replace(true);
    let pool = Pool::new("get", 2, 1_500_000);
    pool.submit("greedy", bench.jobs(0..1_000_000)).unwrap();
    pool.submit("polite", bench.jobs(1_000_000..1_000_001)).unwrap();
    let mut before = 0;
    while bench.started.recv().await.unwrap() != 1_000_000 {
        before += 1;
    }
    assert!(before <= 2, "{before} of the other's came first");
}

#[tokio::test]
async fn one_user_does_not_get_all_the_workers() {
    let mut bench = Bench::new();
    let pool = Pool::new("copy", 4, 100);
    pool.submit("a", bench.jobs(0..10)).unwrap();
    assert_eq!(bench.starts(3).await, [0, 1, 2]);
    pool.submit("b", bench.jobs(20..22)).unwrap();
    assert_eq!(bench.starts(1).await, [20]);
    bench.gate.send_replace(true);
    assert_eq!(bench.starts(8).await, [3, 4, 5, 6, 7, 8, 9, 21]);
    assert_eq!((pool.waiting(), bench.done.load(Ordering::Relaxed)), (0, 12));
    // Nothing is left over: so it is the next time.
    bench.gate.send_replace(false);
    pool.submit("a", bench.jobs(0..10)).unwrap();
    assert_eq!(bench.starts(3).await.len(), 3);
    bench.gate.send_replace(true);
    assert_eq!(bench.starts(7).await.len(), 7);
}

#[tokio::test]
async fn what_was_aborted_or_put_off_holds_up_nobody() {
    let mut bench = Bench::new();
    let pool = Pool::new("copy", 4, 100);
    pool.submit("a", bench.jobs(0..3)).unwrap();
    assert_eq!(bench.starts(3).await, [0, 1, 2]);
    // The fourth worker passes over these.
    let awake = Arc::new(Mutex::new(Vec::new()));
    let rest = |again| Resting { awake: Arc::clone(&awake), again, rests: true };
    let resting = Box::new(rest(bench.job(5, true)));
    let ended = vec![bench.job(3, false), bench.job(4, false), resting, bench.job(6, true)];
    pool.submit("a", ended).unwrap();
    assert!(bench.starts(0).await.is_empty());
    bench.gate.send_replace(true);
    let started = tokio::time::timeout(Duration::from_secs(10), bench.starts(1)).await;
    assert_eq!(started.expect("the last one never starts"), [6]);
    assert_eq!((pool.waiting(), awake.lock().unwrap().len()), (0, 1));
}

#[tokio::test]
async fn all_of_a_request_or_none() {
    let mut bench = Bench::new();
    let pool = Pool::new("get", 1, 4);
    pool.submit("a", bench.jobs(0..1)).unwrap();
    assert_eq!(bench.starts(1).await, [0]);
    pool.submit("a", bench.jobs(1..4)).unwrap();
    let full = pool.submit("b", bench.jobs(4..6));
    let (kind, limit) = ("get".to_owned(), 4);
    assert_eq!(full, Err(Full::Queue { kind: kind.clone(), wanted: 2, waiting: 3, limit }));
    let share = pool.submit("a", bench.jobs(4..5));
    assert_eq!(share, Err(Full::Share { kind, wanted: 1, waiting: 3, limit }));
    // A kept place counts, and comes back.
    let kept = pool.reserve("b", 1).unwrap();
    assert!(pool.reserve("b", 1).is_err());
    drop(kept);
    pool.reserve("b", 1).unwrap().submit(bench.jobs(6..7));
    assert_eq!(pool.waiting(), 4);
    bench.gate.send_replace(true);
    assert_eq!(bench.starts(4).await, [1, 2, 3, 6]);
    assert_eq!(pool.submit("a", bench.jobs(0..4)), Ok(()));
    assert_eq!(bench.starts(4).await, [0, 1, 2, 3]);
}

/// Is put off until it is told to go on.
struct Resting {
    awake: Arc<Mutex<Vec<Slots>>>,
    again: Box<dyn Job>,
    rests: bool,
}

impl Job for Resting {
    fn begin(&self) -> Turn {
        if self.rests { Turn::Later } else { Turn::Run }
    }

    fn run(self: Box<Self>) -> JobFuture {
        self.again.run()
    }

    fn put_off(self: Box<Self>, places: Slots) {
        self.awake.lock().unwrap().push(places);
    }
}

#[tokio::test]
async fn what_is_put_off_keeps_its_place() {
    let mut bench = Bench::new();
    bench.gate.send_replace(true);
    let pool = Pool::new("get", 1, 2);
    let awake = Arc::new(Mutex::new(Vec::new()));
    let resting = Resting { awake: Arc::clone(&awake), again: bench.job(0, true), rests: true };
    pool.submit("a", vec![Box::new(resting) as Box<dyn Job>, bench.job(1, true)]).unwrap();
    assert_eq!(bench.starts(1).await, [1]);
    assert_eq!(pool.waiting(), 0, "it is in nobody's way");
    // Others find all the room there is; he himself has what he has.
    assert_eq!(pool.reserve("a", 2).err().unwrap(), share("get", 2));
    let others = pool.reserve("b", 2).unwrap();
    let places = awake.lock().unwrap().pop().unwrap();
    places.wake(vec![bench.job(2, true)]);
    assert!(bench.starts(0).await.is_empty(), "there is no room");
    // Woken by whoever makes room, in the order in which they came.
    pool.rest("c", 1).wake(vec![bench.job(3, true)]);
    drop(others);
    let mut started = [bench.started.recv().await.unwrap(), bench.started.recv().await.unwrap()];
    started.sort_unstable();
    assert_eq!(started, [2, 3]);
    assert!(pool.reserve("b", 2).is_ok());
}

fn share(kind: &str, wanted: usize) -> Full {
    Full::Share { kind: kind.to_owned(), wanted, waiting: 0, limit: 2 }
}

#[tokio::test]
async fn what_waits_for_room_ends_with_the_pool() {
    let mut bench = Bench::new();
    let pool = Pool::new("get", 1, 1);
    let _others = pool.reserve("b", 1).unwrap();
    for number in 0..3 {
        pool.rest("a", 1).wake(vec![bench.job(number, true)]);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    pool.shutdown().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(bench.started.try_recv().is_err());
    // Nobody holds on to a job any more.
    assert_eq!(bench.sender.strong_count(), 1);
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
    let kept = pool.reserve("a", 1).unwrap();
    let down = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.shutdown().await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!down.is_finished(), "it waits for what runs");
    assert_eq!(pool.submit("a", bench.jobs(5..6)), Err(Full::Closing));
    kept.submit(bench.jobs(6..7));
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
