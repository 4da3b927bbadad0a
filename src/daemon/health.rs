//! Is it well? Every check has its time: a file system that hangs costs one thread, not one for
//! each question, and the answer says so.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, join_all};
use tokio::time::timeout;

use crate::model::RelPath;
use crate::namespace::StorageArea;
use crate::srm::Srm;
use crate::store::Store;
use crate::web::admin::{Check, Health};

/// What takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(2);
/// With less room for the database, new requests are about to fail.
const STATE_ROOM: u64 = 16 << 20;

/// Looks at the daemon's parts.
pub(super) struct Monitor {
    srm: Srm,
    store: Store,
    state: PathBuf,
    started: Instant,
    looks: Mutex<HashMap<String, Look>>,
}

/// A look at something that may hang: everybody who asks meanwhile waits for the same one.
#[derive(Clone)]
struct Look {
    begun: Instant,
    thread: tokio::task::AbortHandle,
    found: Shared<BoxFuture<'static, Check>>,
}

impl Monitor {
    pub(super) fn new(srm: Srm, store: Store, state: &Path) -> Arc<Self> {
        let (started, looks) = (Instant::now(), Mutex::default());
        Arc::new(Self { srm, store, state: state.to_owned(), started, looks })
    }

    /// All checks, side by side.
    pub(super) async fn look(&self) -> Health {
        let mut checks = vec![self.requests(), self.store().await];
        let state = self.state.clone();
        let site = self.srm.site();
        let areas = site.namespace.areas().iter().cloned().map(|area| {
            let name = format!("area {}", area.name);
            self.bounded(name, move |name| look_at_area(name, &area))
        });
        let state =
            self.bounded("state directory".to_owned(), move |name| look_at_state(name, &state));
        let (state, areas) = futures_util::future::join(state, join_all(areas)).await;
        checks.push(state);
        checks.extend(areas);
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: self.started.elapsed().as_secs(),
            checks,
        }
    }

    fn requests(&self) -> Check {
        let detail = format!("{} open", self.srm.open_requests());
        Check { name: "requests".to_owned(), ok: true, detail }
    }

    async fn store(&self) -> Check {
        let (ok, detail) = match timeout(PATIENCE, self.store.next_due()).await {
            Ok(Ok(_)) => (true, "answers".to_owned()),
            Ok(Err(error)) => (false, error.to_string()),
            Err(_) => (false, no_answer(PATIENCE)),
        };
        Check { name: "request database".to_owned(), ok, detail }
    }

    /// Looks on the blocking pool; does not wait for long, and does not look twice at once.
    async fn bounded(
        &self,
        name: String,
        look: impl FnOnce(String) -> Check + Send + 'static,
    ) -> Check {
        let look = {
            let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
            match looks.get(&name) {
                Some(look) if !look.thread.is_finished() => look.clone(),
                _ => {
                    let new = Look::begin(name.clone(), look);
                    looks.insert(name.clone(), new.clone());
                    new
                }
            }
        };
        let patience = PATIENCE.saturating_sub(look.begun.elapsed());
        timeout(patience, look.found).await.unwrap_or_else(|_| Check {
            name,
            ok: false,
            detail: no_answer(look.begun.elapsed()),
        })
    }
}

impl Look {
    fn begin(name: String, look: impl FnOnce(String) -> Check + Send + 'static) -> Self {
        let task = tokio::task::spawn_blocking({
            let name = name.clone();
            move || look(name)
        });
        let thread = task.abort_handle();
        let cut = || "the check was cut short".to_owned();
        let found =
            async move { task.await.unwrap_or_else(|_| Check { name, ok: false, detail: cut() }) };
        Self { begun: Instant::now(), thread, found: found.boxed().shared() }
    }
}

fn no_answer(after: Duration) -> String {
    format!("no answer after {} s: does its file system hang?", after.as_secs())
}

/// The area's files are reached through its root as it was opened; people and movers see what
/// stands at that path now.
fn look_at_area(name: String, area: &StorageArea) -> Check {
    let root = area.root.display();
    let found = match (std::fs::metadata(&area.root), area.driver.stat(&RelPath::root())) {
        (Err(error), _) => Err(format!("{root}: {error}: mount it or put it back")),
        (_, Err(error)) => Err(format!("{root}: {error}")),
        (Ok(there), Ok(open)) if (there.dev(), there.ino()) != (open.device, open.inode) => {
            Err(format!("{root} is another directory than it was: reload (SIGHUP) to serve it"))
        }
        _ => match area.driver.room() {
            Ok(room) => Ok(format!("{} bytes free", room.free)),
            Err(error) => Err(format!("{root}: {error}")),
        },
    };
    let ok = found.is_ok();
    Check { name, ok, detail: found.unwrap_or_else(|why| why) }
}

fn look_at_state(name: String, state: &Path) -> Check {
    let (ok, detail) = match rustix::fs::statvfs(state) {
        Ok(vfs) => {
            let free = vfs.f_bavail.saturating_mul(vfs.f_frsize);
            let remedy =
                if free < STATE_ROOM { ": make room, or new requests will fail" } else { "" };
            (free >= STATE_ROOM, format!("{free} bytes free{remedy}"))
        }
        Err(error) => (false, format!("{}: {error}", state.display())),
    };
    Check { name, ok, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(dir: &Path) -> Arc<Monitor> {
        let config = Arc::new(crate::config::Config::defaults(dir));
        std::fs::write(dir.join("namespace.xml"), include_str!("../../namespace.xml")).unwrap();
        let (site, _) =
            super::super::load::site(dir, &config, crate::namespace::Ports::of(&config), None)
                .unwrap();
        let store = Store::open(&dir.join("db"), "test").unwrap();
        Monitor::new(Srm::new(site, store.clone()), store, dir)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_hangs_costs_one_thread() {
        let dir = tempfile::tempdir().unwrap();
        let monitor = monitor(dir.path());
        let (gate, hung) = std::sync::mpsc::channel::<()>();
        let first = monitor.bounded("area X".into(), move |name| {
            let _ = hung.recv();
            Check { name, ok: true, detail: "late".into() }
        });
        let first = first.await;
        assert!(!first.ok && first.detail.contains("no answer after 2 s"), "{first:?}");
        // While it hangs nobody looks again, and nobody waits again.
        let asked = Instant::now();
        let second = monitor.bounded("area X".into(), |_| unreachable!()).await;
        assert!(!second.ok && asked.elapsed() < Duration::from_secs(1), "{second:?}");
        drop(gate);
        let fresh = |name| Check { name, ok: true, detail: "fresh".into() };
        for _ in 0..100 {
            if monitor.looks.lock().unwrap()["area X"].thread.is_finished() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(monitor.bounded("area X".into(), fresh).await.detail, "fresh");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_root_that_is_gone_or_another_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let monitor = monitor(dir.path());
        let health = monitor.look().await;
        assert!(health.ok(), "{health:?}");
        let names: Vec<_> = health.checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["requests", "request database", "state directory", "area DEMO"]);
        let root = dir.path().join("var/storage/demo");
        let area = |health: Health| health.checks.into_iter().last().unwrap();
        std::fs::rename(&root, dir.path().join("away")).unwrap();
        let gone = area(monitor.look().await);
        assert!(!gone.ok && gone.detail.contains("put it back"), "{gone:?}");
        std::fs::create_dir(&root).unwrap();
        let other = area(monitor.look().await);
        assert!(!other.ok && other.detail.contains("SIGHUP"), "{other:?}");
    }
}
