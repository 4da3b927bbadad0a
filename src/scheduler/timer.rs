//! One task that knows the next due moment, instead of a timer per pin.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::store::Millis;

/// The wall clock may jump while the task sleeps by the monotonic one: it looks again this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// Between two calls, also when the callback says that more is due already: a file that cannot be
/// dealt with must not eat a core.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// After a callback that panicked.
const AFTER_PANIC: Duration = Duration::from_secs(10);

/// Calls back whenever something is due.
pub struct Timer {
    due: Arc<Due>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Timer {
    /// Starts the task. `callback` is called at once, then whenever the moment has come that it
    /// returned last, or that [`Timer::wake_at`] named; `None` means nothing is due. It is never
    /// interrupted; `stop` ends the task between two calls. `clock` tells the time of day.
    pub fn start<C, F, Fut>(clock: C, stop: CancellationToken, callback: F) -> Self
    where
        C: Fn() -> Millis + Send + 'static,
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Option<Millis>> + Send + 'static,
    {
        let due = Arc::new(Due { at: Mutex::new(None), changed: Notify::new() });
        let task = tokio::spawn(tick(Arc::clone(&due), clock, stop, callback));
        Self { due, task: Mutex::new(Some(task)) }
    }

    /// Something is due at `at`, perhaps sooner than all that was known.
    pub fn wake_at(&self, at: Millis) {
        if self.due.sooner(at) {
            self.due.changed.notify_one();
        }
    }

    /// Returns when the task has ended after `stop`; at once when called again.
    pub async fn stopped(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // An error means that the runtime is going down.
            task.await.ok();
        }
    }
}

struct Due {
    at: Mutex<Option<Millis>>,
    changed: Notify,
}

impl Due {
    fn lock(&self) -> MutexGuard<'_, Option<Millis>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when `at` comes before what was known.
    fn sooner(&self, at: Millis) -> bool {
        let mut known = self.lock();
        let sooner = known.is_none_or(|known| at < known);
        if sooner {
            *known = Some(at);
        }
        sooner
    }
}

async fn tick<C, F, Fut>(due: Arc<Due>, clock: C, stop: CancellationToken, mut callback: F)
where
    C: Fn() -> Millis,
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<Millis>>,
{
    loop {
        // What is named from here on may be missed by the callback, and is not forgotten.
        due.lock().take();
        let mut pause = SHORTEST_PAUSE;
        match AssertUnwindSafe(async { callback().await }).catch_unwind().await {
            Ok(Some(at)) => {
                due.sooner(at);
            }
            Ok(None) => {}
            Err(_) => {
                tracing::error!("the timer's callback panicked");
                pause = AFTER_PANIC;
                due.sooner(clock());
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        loop {
            let at = *due.lock();
            let sleep = at.map_or(LONGEST_SLEEP, |at| until(at, clock()).min(LONGEST_SLEEP));
            if sleep.is_zero() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                () = due.changed.notified() => {}
                () = stop.cancelled() => return,
            }
        }
        if stop.is_cancelled() {
            return;
        }
    }
}

/// From `now` to `at`; zero when it has passed.
fn until(at: Millis, now: Millis) -> Duration {
    Duration::from_millis(u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use super::*;

    /// Milliseconds since the test began.
    fn clock() -> impl Fn() -> Millis + Clone + Send + 'static {
        let start = Instant::now();
        move || Millis(start.elapsed().as_millis() as i64)
    }

    struct Bench {
        timer: Timer,
        stop: CancellationToken,
        calls: Arc<AtomicUsize>,
        /// What the callback returns.
        next: Arc<Mutex<Option<Millis>>>,
        clock: Box<dyn Fn() -> Millis>,
    }

    impl Bench {
        fn new(next: Option<Millis>) -> Self {
            let (stop, calls) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
            let (next, clock) = (Arc::new(Mutex::new(next)), clock());
            let timer = Timer::start(clock.clone(), stop.clone(), {
                let (calls, next) = (Arc::clone(&calls), Arc::clone(&next));
                move || {
                    calls.fetch_add(1, Ordering::SeqCst);
                    std::future::ready(next.lock().unwrap().take())
                }
            });
            Self { timer, stop, calls, next, clock: Box::new(clock) }
        }

        /// Waits until that many calls were made; when it was.
        async fn calls(&self, count: usize) -> i64 {
            while self.calls.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            (self.clock)().0
        }
    }

    #[tokio::test]
    async fn it_asks_at_once_and_then_when_something_is_due() {
        let bench = Bench::new(Some(Millis(60)));
        assert!(bench.calls(1).await < 50);
        *bench.next.lock().unwrap() = Some(Millis(120));
        assert!(bench.calls(2).await >= 60);
        assert!(bench.calls(3).await >= 120);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(bench.calls.load(Ordering::SeqCst), 3, "nothing more was due");
    }

    #[tokio::test]
    async fn waking_shortens_the_sleep_and_never_lengthens_it() {
        let bench = Bench::new(Some(Millis(600_000)));
        bench.calls(1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        bench.timer.wake_at(Millis(100));
        bench.timer.wake_at(Millis(700_000));
        let at = bench.calls(2).await;
        assert!((100..5_000).contains(&at), "{at}");
    }

    #[tokio::test]
    async fn what_is_named_during_a_callback_is_not_lost() {
        let stop = CancellationToken::new();
        let (entered, mut entries) = tokio::sync::mpsc::unbounded_channel();
        let gate = Arc::new(Notify::new());
        let timer = Timer::start(clock(), stop.clone(), {
            let gate = Arc::clone(&gate);
            move || {
                entered.send(()).unwrap();
                let gate = Arc::clone(&gate);
                async move {
                    gate.notified().await;
                    None
                }
            }
        });
        entries.recv().await.unwrap();
        timer.wake_at(Millis(0));
        gate.notify_one();
        entries.recv().await.unwrap();
        // A stop does not interrupt a callback.
        stop.cancel();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!timer.task.lock().unwrap().as_ref().unwrap().is_finished());
        gate.notify_one();
        timer.stopped().await;
        timer.stopped().await;
    }

    #[tokio::test]
    async fn something_stuck_does_not_spin() {
        let stop = CancellationToken::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let timer = Timer::start(clock(), stop.clone(), {
            let calls = Arc::clone(&calls);
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
                std::future::ready(Some(Millis(0)))
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.cancel();
        timer.stopped().await;
        let calls = calls.load(Ordering::SeqCst);
        assert!((2..=11).contains(&calls), "{calls} calls in 100 ms");
    }

    #[tokio::test]
    async fn it_stops_while_it_sleeps() {
        let bench = Bench::new(None);
        bench.calls(1).await;
        bench.stop.cancel();
        bench.timer.stopped().await;
        assert_eq!(bench.calls.load(Ordering::SeqCst), 1);
    }
}
