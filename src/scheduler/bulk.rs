//! Where what is large is worked on: threads that give way to all others, so that whoever asks for
//! thousands of files takes the processors that nobody else wants just now.

use std::future::Future;
use std::io;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// Niceness of these threads (`setpriority(2)`): about a tenth of the weight of the others. They are
/// not to starve either.
const NICE: i32 = 10;

/// The threads; they start when the first large thing comes.
#[derive(Default)]
pub struct Bulk {
    runtime: Mutex<Option<Runtime>>,
}

impl Bulk {
    /// Runs `work` on these threads, with what it spawns; it is dropped with the caller, and panics
    /// there. Without threads to be had it runs where the caller is.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let handle = match self.handle() {
            // What is large already stays where it is.
            Ok(handle) if handle.id() != Handle::current().id() => handle,
            _ => return work.await,
        };
        match AbortOnDropHandle::new(handle.spawn(work)).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The threads live as long as whoever calls this.
                Err(_) => std::future::pending().await,
            },
        }
    }

    fn handle(&self) -> io::Result<Handle> {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*runtime {
            return Ok(runtime.handle().clone());
        }
        let new = Builder::new_multi_thread()
            .thread_name("bulk")
            .on_thread_start(give_way)
            .enable_all()
            .build()?;
        Ok(runtime.insert(new).handle().clone())
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The last handle may go inside of a task, where nothing may wait.
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

/// Lowers the priority of this thread alone: Linux counts niceness by thread.
fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "large work keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn nice() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[tokio::test]
    async fn what_is_large_gives_way_and_what_it_spawns_too() {
        let (bulk, own) = (Bulk::default(), nice());
        let (task, thread) =
            bulk.run(async { (nice(), tokio::task::spawn_blocking(nice).await.unwrap()) }).await;
        assert_eq!((task, thread), (NICE.max(own), NICE.max(own)));
        assert_eq!(nice(), own, "the caller's thread was slowed down");
    }

    #[tokio::test]
    async fn it_ends_with_its_caller_and_panics_there() {
        let bulk = Arc::new(Bulk::default());
        let panics = Arc::clone(&bulk);
        let caller = tokio::spawn(async move { panics.run(async { panic!("on purpose") }).await });
        assert!(caller.await.is_err_and(|error| error.is_panic()));
        struct Ends(Arc<AtomicBool>);
        impl Drop for Ends {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        let ended = Arc::new(AtomicBool::new(false));
        let ends = Ends(Arc::clone(&ended));
        let call = bulk.run(async move {
            let _ends = ends;
            std::future::pending::<()>().await;
        });
        let waited = tokio::time::timeout(std::time::Duration::from_millis(50), call).await;
        assert!(waited.is_err());
        while !ended.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
    }
}
