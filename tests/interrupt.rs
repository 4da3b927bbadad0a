//! Writes that do not come to their end: clients that are gone in the middle, disks that are full or fail,
//! quotas, kill -9. The old content stands there, to the last byte, or the whole new one; nothing of ours
//! lies about, what is told of the area is what it holds, and the next PUT is a PUT.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;
#[path = "interrupt/ends.rs"]
mod ends;
#[path = "interrupt/faults.rs"]
mod faults;
#[path = "interrupt/full.rs"]
mod full;
#[path = "interrupt/kills.rs"]
mod kills;

use std::path::PathBuf;
use std::time::Duration;

use common::scene::Scene;
use common::usage::{held, used};
use common::wire::{Conn, Response};
use common::{leftovers, wait_until};

/// How long the daemon may take to notice that a client is gone, and to clear up.
const NOTICE: Duration = Duration::from_secs(10);

/// A request at the https door, as the person in the VO.
async fn ask(
    scene: &Scene,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    scene.https(method, path, headers, body).await
}

/// Where the storage area of a test lies: its name, the first part of its paths, its folder.
struct Place {
    area: &'static str,
    stfn: &'static str,
    root: PathBuf,
}

impl Place {
    fn of(scene: &Scene, area: &'static str, stfn: &'static str) -> Self {
        Self { area, stfn, root: scene.storm.root(stfn) }
    }

    /// `cmp` of a file with what it has to hold; `None`: it is not there.
    #[track_caller]
    fn holds(&self, name: &str, content: Option<&[u8]>, what: &str) {
        let found = std::fs::read(self.root.join(name)).ok();
        let told = |bytes: Option<&[u8]>| bytes.map(<[u8]>::len);
        assert!(
            found.as_deref() == content,
            "{what}: {name} is not what it was: {:?} bytes, should be {:?}",
            told(found.as_deref()),
            told(content)
        );
    }

    /// Nothing hidden lies about, nothing without a name is held open, and the area is told to hold what
    /// it does hold.
    async fn tidy(&self, scene: &Scene, what: &str) {
        let held_open = || {
            let all = std::fs::read_dir(format!("/proc/{}/fd", scene.storm.pid())).unwrap();
            let paths = all.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
            let root = self.root.display().to_string();
            paths.filter(|path| path.display().to_string().starts_with(&format!("{root}/"))).count()
        };
        let clear = || leftovers(&self.root).is_empty() && held_open() == 0;
        let cleared = wait_until(NOTICE, clear);
        assert!(cleared, "{what}: {:?}, {} files are open", leftovers(&self.root), held_open());
        let known = used(&scene.storm, self.area).await;
        assert_eq!(known, held(&self.root), "{what}: bytes that the area is told to hold");
    }

    /// A PUT over what stands there, or of what does not.
    async fn put(&self, scene: &Scene, name: &str, content: &[u8], what: &str) {
        let status = if self.root.join(name).exists() { 204 } else { 201 };
        let put = ask(scene, "PUT", &self.path(name), &[], content).await;
        assert_eq!(put.status, status, "{what}: a PUT of {name}: {}", put.text());
        self.holds(name, Some(content), what);
    }

    fn path(&self, name: &str) -> String {
        format!("/{}/{name}", self.stfn)
    }
}
