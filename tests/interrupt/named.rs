//! File systems on which every file has a name from its beginning on: FUSE. They are all of an area, or one
//! directory of it.

use super::common::disk::Disk;
use super::common::storm::Area;
use super::common::trace::Trace;
use super::common::usage::count;
use super::common::wire::head;
use super::common::{bytes, client::Person};
use super::kills::{SIZE, SMALL, killed};
use super::*;

struct Disks {
    _mounted: [Disk; 2],
    dir: tempfile::TempDir,
}

impl Disks {
    /// The areas `/whole` and, on another disk but for `below`, `/mixed`.
    fn new() -> (Scene, Self) {
        let dir = tempfile::TempDir::with_prefix("stormd-named-").unwrap();
        let mount = |folder: &str| {
            let folder = dir.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            Disk::by_fuse(&folder)
        };
        let mounted = [mount("whole"), mount("mixed/below")];
        let area = |name, stfn| {
            let root = Some(dir.path().join(stfn));
            Area { name, stfn, vo: None, anonymous: false, root }
        };
        let areas = vec![area("WHOLE", "whole"), area("MIXED", "mixed")];
        let scene = Scene::with("", areas, |_| ());
        count(&scene.storm);
        (scene, Self { _mounted: mounted, dir })
    }

    fn places(&self) -> (Place, Place) {
        let place = |area, stfn| Place { area, stfn, root: self.dir.path().join(stfn) };
        (place("WHOLE", "whole"), place("MIXED", "mixed"))
    }
}

/// kill -9, for the first who comes there after a start, and for the next.
#[tokio::test]
async fn killed_at_each_step() {
    let (mut scene, disks) = Disks::new();
    let (whole, mixed) = disks.places();
    let mut seen = (0, 0);
    for (place, prefix) in [(&whole, ""), (&mixed, "below/")] {
        for size in [SIZE, SMALL] {
            for (n, step) in [
                ("fsetxattr", 1),
                ("fsync", 1),
                ("renameat2,renameat", 1),
                ("renameat2,renameat", 2),
                ("fsync", 2),
            ]
            .into_iter()
            .enumerate()
            {
                let (old, new) = (bytes(size, 1), bytes(size, 2));
                let name = format!("{prefix}{size}.{n}");
                scene.storm.restart();
                killed(&mut scene, place, ("PUT", &name), (None, &new), step).await;
                place.put(&scene, &name, &old, "by name").await;
                scene.storm.restart();
                let stands = (Some(&old[..]), &new[..]);
                let is_old = killed(&mut scene, place, ("PUT", &name), stands, step).await;
                seen = if is_old { (seen.0 + 1, seen.1) } else { (seen.0, seen.1 + 1) };
                place.put(&scene, &name, b"later", "by name").await;
            }
        }
    }
    assert!(seen.0 >= 12 && seen.1 >= 4, "both sides of the rename: {seen:?}");
}

/// Who hangs up while the hidden file is made leaves none.
#[tokio::test]
async fn who_hangs_up_at_the_beginning() {
    let (scene, disks) = Disks::new();
    let (place, _) = disks.places();
    let person = Person::new(&scene.storm, "voms");
    let data = scene.storm.dir().join("data");
    std::fs::write(&data, bytes(SIZE, 1)).unwrap();
    let (data, url) = (data.display().to_string(), scene.storm.url("/whole/f"));
    let root = place.root.display().to_string();
    let late = Duration::from_secs(2);
    let trace = Trace::slow_on(scene.storm.pid(), "openat", late, &root);
    let put = person.curl(&["--http2", "-m", "1", "-T", &data, &url]);
    assert_eq!(put.code, 28, "it does not wait: {put}");
    tokio::time::sleep(late).await;
    let calls = trace.stop();
    assert!(calls.iter().any(|one| one.text.contains(".storm.up.")), "{calls:?}");
    place.holds("f", None, "given up");
    place.tidy(&scene, "given up").await;
}

/// Nor does a directory that gets another name meanwhile hold one.
#[tokio::test]
async fn in_a_directory_that_moves() {
    let (scene, disks) = Disks::new();
    let (place, _) = disks.places();
    assert_eq!(ask(&scene, "MKCOL", "/whole/d", &[], b"").await.status, 201);
    let body = bytes(SIZE, 1);
    let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
    conn.send(head("PUT", "/whole/d/f", &[], Some(SIZE)).as_bytes()).await.unwrap();
    conn.send(&body[..SIZE / 2]).await.unwrap();
    assert!(wait_until(NOTICE, || !leftovers(&place.root).is_empty()), "it is not begun");
    let to = [("destination", "/whole/e")];
    assert_eq!(ask(&scene, "MOVE", "/whole/d", &to, b"").await.status, 201);
    conn.send(&body[SIZE / 2..]).await.unwrap();
    assert_eq!(conn.response("PUT").await.unwrap().status, 409);
    place.tidy(&scene, "moved").await;
}
