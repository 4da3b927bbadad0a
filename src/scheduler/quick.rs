//! Work of a few short calls that may wait for a disk, but hardly ever does. A thread of its own for each
//! would cost more than the work: here one takes what comes in a row, and another is called only where
//! the row grows, or where somebody has waited long.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// The row may be so long for each thread that works.
const ROW: usize = 16;
/// Who waits longer calls another thread.
const PATIENCE: Duration = Duration::from_millis(5);
/// A thread that has had nothing to do for so long ends.
const KEPT: Duration = Duration::from_secs(10);
/// Threads, at most: so many disks may hang.
const MOST: usize = 512;

static THREADS: LazyLock<Threads> = LazyLock::new(Threads::default);

type Work = Box<dyn FnOnce() + Send>;

/// Does `work` off the async threads; `None`: it panicked. It is done also when nobody waits for it any more.
pub async fn quick<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    THREADS.take(work).await
}

#[derive(Default)]
struct Threads {
    state: Mutex<State>,
    called: Condvar,
}

#[derive(Default)]
struct State {
    row: VecDeque<Work>,
    /// Threads that work, or were called to.
    busy: usize,
    /// Threads that wait to be called.
    idle: usize,
    /// Calls that no thread has heard yet.
    calls: usize,
    /// When a thread was last called, or took work out of the row.
    moved: Option<Instant>,
}

impl Threads {
    async fn take<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, mut waiting) = oneshot::channel();
        self.put(Box::new(move || {
            // An error means that nobody waits any more.
            let _ = done.send(work());
        }));
        loop {
            match tokio::time::timeout(PATIENCE, &mut waiting).await {
                Ok(done) => return done.ok(),
                Err(_) => self.hurry(),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&'static self, work: Work) {
        let mut state = self.lock();
        state.row.push_back(work);
        let stuck = || state.moved.is_none_or(|last| last.elapsed() > PATIENCE);
        if state.row.len() > ROW * state.busy || stuck() {
            self.call(state);
        }
    }

    fn hurry(&'static self) {
        let state = self.lock();
        if !state.row.is_empty() {
            self.call(state);
        }
    }

    /// One thread more.
    fn call(&'static self, mut state: MutexGuard<'_, State>) {
        state.moved = Some(Instant::now());
        if state.idle > 0 {
            state.idle -= 1;
            state.calls += 1;
            state.busy += 1;
            self.called.notify_one();
        } else if state.busy < MOST {
            state.busy += 1;
            drop(state);
            let begun = thread::Builder::new().name("disk".to_owned()).spawn(|| self.run());
            if let Err(error) = begun {
                tracing::warn!(%error, "no thread more for what waits for a disk");
                self.lock().busy -= 1;
            }
        }
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            while let Some(work) = state.row.pop_front() {
                state.moved = Some(Instant::now());
                drop(state);
                // Whoever waits sees that it is gone.
                let _ = catch_unwind(AssertUnwindSafe(work));
                state = self.lock();
            }
            state.busy -= 1;
            state.idle += 1;
            let waited = self.called.wait_timeout_while(state, KEPT, |state| state.calls == 0);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.calls == 0 {
                state.idle -= 1;
                return;
            }
            state.calls -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::mpsc;

    use super::*;

    fn threads() -> &'static Threads {
        Box::leak(Box::default())
    }

    #[tokio::test]
    async fn few_threads_do_much_in_a_row() {
        let threads = threads();
        let many = (0..32).map(|n| threads.take(move || (n, thread::current().id())));
        let done: Vec<_> = futures_util::future::join_all(many).await;
        let numbers: Vec<i32> = done.iter().map(|one| one.unwrap().0).collect();
        assert_eq!(numbers, (0..32).collect::<Vec<_>>());
        let used: HashSet<_> = done.iter().map(|one| one.unwrap().1).collect();
        assert!(used.len() <= 32 / ROW, "{}", used.len());
    }

    #[tokio::test]
    async fn what_hangs_holds_up_nobody() {
        let threads = threads();
        let (release, hung) = mpsc::channel::<()>();
        let hanging = tokio::spawn(threads.take(move || hung.recv().is_ok()));
        for n in 0..20 {
            assert_eq!(threads.take(move || n).await, Some(n));
        }
        release.send(()).unwrap();
        assert_eq!(hanging.await.unwrap(), Some(true));
    }

    #[tokio::test]
    async fn a_panic_is_told_and_ends_no_thread() {
        let threads = threads();
        assert_eq!(threads.take(|| panic!("broken")).await, None::<()>);
        assert_eq!(threads.take(|| 7).await, Some(7));
    }
}
