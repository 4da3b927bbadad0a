//! Somebody who pings while others are busy, and what he had to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use super::soap;
use super::wire::Conn;

/// Between two pings.
const PAUSE: Duration = Duration::from_millis(10);

/// srmPing on a kept connection, on a thread of its own, until it is asked what came of it.
pub struct Pinger {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Pinger {
    /// Begins.
    pub fn start(who: &Arc<ClientConfig>, port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (who, over) = (Arc::clone(who), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut conn = Conn::tls(&who, port).await.unwrap();
                let mut times = Vec::new();
                while times.is_empty() || !over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let answer = soap::call(&mut conn, "srmPing", "").await.unwrap();
                    assert!(answer.xml.contains("versionInfo"), "{}", answer.xml);
                    times.push(begun.elapsed());
                    tokio::time::sleep(PAUSE).await;
                }
                times
            })
        });
        Self { stop, thread }
    }

    /// What the 99th of a hundred has to wait while nobody else does anything: on a machine that is busy
    /// with other things, longer than on another.
    pub fn quiet(who: &Arc<ClientConfig>, port: u16) -> Duration {
        let alone = Self::start(who, port);
        std::thread::sleep(50 * PAUSE);
        alone.p99()
    }

    /// Ends: the 99th of a hundred.
    pub fn p99(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = self.thread.join().expect("srmPing");
        times.sort();
        times[(times.len() * 99 / 100).min(times.len() - 1)]
    }
}
