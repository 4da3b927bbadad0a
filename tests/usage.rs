//! What storage areas hold: exact at every door, while files come and go, and after a kill; what is
//! done behind stormd's back is found and mended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::client::Tls;
use common::scene::Scene;
use common::soap;
use common::usage::{held, known, used};
use common::wire::{self, Conn};
use common::{TestStorm, bytes, wait_until};
use rustls::ClientConfig;

const AREA: &str = "TESTVO";

/// `stormd admin …`: exit code, standard output, standard error.
fn admin(storm: &TestStorm, arguments: &[&str]) -> (i32, String, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_stormd"))
        .arg("--config")
        .arg(storm.dir().join("storm.toml"))
        .arg("admin")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code().unwrap_or(-1), text(&done.stdout), text(&done.stderr))
}

#[track_caller]
fn same(known: u64, storm: &TestStorm, what: &str) {
    assert_eq!(known, held(&storm.root("test.vo")), "{what}");
}

#[tokio::test]
async fn every_door_tells_what_it_adds_and_takes() {
    let scene = Scene::with("", Vec::new(), |storm| {
        let root = storm.root("test.vo");
        std::fs::create_dir_all(root.join("tree/a/b")).unwrap();
        std::fs::write(root.join("tree/one"), bytes(111, 1)).unwrap();
        std::fs::write(root.join("tree/a/b/two"), bytes(222, 2)).unwrap();
        std::os::unix::fs::symlink("one", root.join("tree/link")).unwrap();
        std::os::unix::fs::symlink("tree", root.join("way")).unwrap();
    });
    let storm = &scene.storm;
    let surl = |path: &str| storm.surl(&format!("/test.vo/{path}"));
    let step = |what: &'static str| Box::pin(known_is_held(storm, what));
    assert_eq!(admin(storm, &["space", "check"]).0, 0);
    step("as found").await;

    Box::pin(puts(&scene)).await;

    let mv = |from: &str, to: &str| {
        format!("<fromSURL>{}</fromSURL><toSURL>{}</toSURL>", surl(from), surl(to))
    };
    for (from, to) in [("srm", "moved"), ("moved", "tree/a"), ("tree/a", "c")] {
        assert_eq!(scene.srm("srmMv", &mv(from, to)).await.code, "SRM_SUCCESS", "{from} {to}");
        step("srmMv").await;
    }
    assert_eq!(scene.srm("srmMv", &mv("dav", "c/moved")).await.code, "SRM_DUPLICATION_ERROR");
    step("srmMv that failed").await;
    // By a link: the file it leads to goes or comes, or the link itself.
    let (status, text) = scene.http("PUT", "/test.vo/way/three", &bytes(333, 5)).await;
    assert_eq!(status, 201, "{text}");
    step("PUT through a link to a directory").await;
    for path in ["tree/link", "c/moved", "dav"] {
        assert_eq!(scene.srm("srmRm", &soap::surls(&[surl(path)])).await.code, "SRM_SUCCESS");
        step("srmRm").await;
    }
    assert_eq!(scene.http("DELETE", "/test.vo/tree/one", b"").await.0, 204);
    step("DELETE").await;
    for path in ["c", "tree"] {
        let tree = format!("<SURL>{}</SURL><recursive>true</recursive>", surl(path));
        assert_eq!(scene.srm("srmRmdir", &tree).await.code, "SRM_SUCCESS");
        step("srmRmdir with all below").await;
    }
    let (code, out, error) = admin(storm, &["space", "check"]);
    assert_eq!((code, error.as_str()), (0, ""));
    for line in out.lines() {
        assert!(line.ends_with(", as was known"), "{out}");
    }
    assert!(out.contains(AREA), "{out}");
}

async fn puts(scene: &Scene) {
    let storm = &scene.storm;
    let surl = |path: &str| storm.surl(&format!("/test.vo/{path}"));
    for (size, code) in [(500, 201), (300, 204), (0, 204), (700, 204)] {
        let (status, text) = scene.http("PUT", "/test.vo/dav", &bytes(size, 3)).await;
        assert_eq!(status, code, "{text}");
        known_is_held(storm, "PUT").await;
    }
    for size in [900, 400] {
        put(&scene.voms, storm.ports.srm, &surl("srm"), size).await.unwrap();
        known_is_held(storm, "srmPutDone").await;
    }
    let (target, token, port, path) = scene.put("waiting", None).await;
    let put = wire::once(&scene.voms, port, "PUT", &path, &bytes(77, 4)).await.unwrap();
    assert_eq!(put.status, 201);
    known_is_held(storm, "data of a put that is not done").await;
    let done = soap::token(&token) + &soap::surls(&[&target]);
    assert_eq!(scene.srm("srmPutDone", &done).await.code, "SRM_SUCCESS");
    known_is_held(storm, "srmPutDone").await;
    let (target, token, port, path) = scene.put("aborted", None).await;
    wire::once(&scene.voms, port, "PUT", &path, b"nothing comes of it").await.unwrap();
    scene.abort(&token).await;
    known_is_held(storm, "srmAbortRequest").await;
    let gone = scene.srm("srmRm", &soap::surls(&[&target])).await;
    assert_eq!(gone.file_code(), "SRM_INVALID_PATH");
    known_is_held(storm, "srmRm of nothing").await;
}

async fn known_is_held(storm: &TestStorm, what: &str) {
    same(used(storm, AREA).await, storm, what);
}

#[tokio::test]
async fn what_is_done_behind_stormds_back_is_told_and_mended() {
    let scene = Scene::new();
    let storm = &scene.storm;
    assert_eq!(admin(storm, &["space", "check"]).0, 0);
    let before = used(storm, AREA).await;
    std::fs::write(storm.root("test.vo").join("behind"), bytes(4321, 6)).unwrap();
    assert_eq!(used(storm, AREA).await, before, "nobody told");
    let (code, out, _) = admin(storm, &["space", "check", AREA]);
    assert_eq!(code, 0, "{out}");
    assert_eq!(
        out,
        format!("{AREA}: {} bytes used, +4321 beside what was known: mended\n", before + 4321)
    );
    same(used(storm, AREA).await, storm, "mended");
    let (code, out, _) = admin(storm, &["space", "show"]);
    assert_eq!(code, 0);
    assert!(out.contains(&format!("{AREA}: {} bytes used, counted ", before + 4321)), "{out}");

    let (code, _, error) = admin(storm, &["space", "check", "NO SUCH&AREA"]);
    assert_eq!(code, 1);
    assert!(error.contains("no such storage area") && error.contains(AREA), "{error}");
    let mut conn = Conn::tcp(storm.ports.admin).await.unwrap();
    for headers in [&[][..], &[("Authorization", "Bearer nonsense")]] {
        let refused = conn.request("GET", "/space", headers, b"").await.unwrap();
        assert_eq!(refused.status, 401);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        assert!(refused.text().contains("admin.token"), "{}", refused.text());
    }
    // What is open stays open.
    assert!(storm.healthy());
}

#[test]
fn a_daemon_that_does_not_run_is_told() {
    let mut storm = TestStorm::start();
    storm.term();
    let (code, out, error) = admin(&storm, &["space", "show"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("addresses.json") && error.contains("does stormd run"), "{error}");
}

/// Writes, replaces and removes until it is told to stop, or the daemon is gone.
async fn churn(
    storm: Storm,
    config: Arc<ClientConfig>,
    client: usize,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) {
    let mut turn = client;
    while !stop.load(Ordering::Relaxed) {
        turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pick = turn >> 33;
        let name = format!("/test.vo/churn/{client}/{}", pick % 5);
        let size = pick / 7 % 3000;
        let Storm { https, srm } = storm;
        let one = |operation: &'static str, inner: String| {
            let config = Arc::clone(&config);
            async move { soap::once(&config, srm, operation, &inner).await.map(|_| ()) }
        };
        let surl = |path: &str| format!("srm://localhost:{srm}{path}");
        let came = match pick % 11 {
            0..=4 => wire::once(&config, https, "PUT", &name, &bytes(size, 7)).await.map(|_| ()),
            5 => wire::once(&config, https, "DELETE", &name, b"").await.map(|_| ()),
            6 => one("srmRm", soap::surls(&[surl(&name)])).await,
            7 => {
                let to = format!("/test.vo/churn/{client}/m{}", pick % 3);
                let ends = (surl(&name), surl(&to));
                let inner = format!("<fromSURL>{}</fromSURL><toSURL>{}</toSURL>", ends.0, ends.1);
                one("srmMv", inner).await
            }
            8 => {
                let tree = surl(&format!("/test.vo/churn/{client}"));
                let inner = format!("<SURL>{tree}</SURL><recursive>true</recursive>");
                let gone = one("srmRmdir", inner).await;
                gone.and(one("srmMkdir", format!("<SURL>{tree}</SURL>")).await)
            }
            _ => put(&config, srm, &surl(&name), size).await,
        };
        if came.is_err() {
            break;
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// An SRM put from the first step to the last.
async fn put(
    config: &Arc<ClientConfig>,
    port: u16,
    surl: &str,
    size: usize,
) -> std::io::Result<()> {
    let inner = soap::prepare_to_put(&[surl], None);
    let inner = format!("{inner}<overwriteOption>ALWAYS</overwriteOption>");
    let answer = soap::once(config, port, "srmPrepareToPut", &inner).await?;
    let turl = answer.files.first().and_then(|file| file.turl.clone());
    let (Some(token), Some(turl)) = (answer.token, turl) else { return Ok(()) };
    let (https, path) = wire::split_url(&turl);
    wire::once(config, https, "PUT", &path, &bytes(size, 8)).await?;
    let done = soap::token(&token) + &soap::surls(&[surl]);
    soap::once(config, port, "srmPutDone", &done).await.map(|_| ())
}

#[derive(Clone, Copy)]
struct Storm {
    https: u16,
    srm: u16,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_changes_nothing_of_what_is_known() {
    let config = wire::config(Some("voms"), Tls::Any);
    let mut storm = TestStorm::start();
    for client in 0..8 {
        std::fs::create_dir_all(storm.root("test.vo").join(format!("churn/{client}"))).unwrap();
    }
    let done = Arc::new(AtomicUsize::new(0));
    for round in 0..8_u64 {
        let stop = Arc::new(AtomicBool::new(false));
        let ports = Storm { https: storm.ports.https, srm: storm.ports.srm };
        let clients: Vec<_> = (0..8)
            .map(|n| (Arc::clone(&config), n, Arc::clone(&stop), Arc::clone(&done)))
            .map(|(config, n, stop, done)| tokio::spawn(churn(ports, config, n, stop, done)))
            .collect();
        tokio::time::sleep(Duration::from_millis(400 + 97 * round)).await;
        storm.kill9();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.unwrap();
        }
        storm.restart();
        same(used(&storm, AREA).await, &storm, &format!("round {round}"));
        assert_eq!(known(&storm, AREA).await["drift"], 0);
    }
    assert!(done.load(Ordering::Relaxed) > 50, "hardly anything was done");
    let (code, out, _) = admin(&storm, &["space", "check", AREA]);
    assert_eq!(code, 0);
    assert!(out.contains("as was known"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_goes_on_where_a_kill_stopped_it_while_files_come_and_go() {
    let config = wire::config(Some("voms"), Tls::Any);
    let mut storm = TestStorm::start();
    let root = storm.root("test.vo");
    storm.kill9();
    std::fs::remove_file(storm.dir().join("var/stormd.db")).unwrap();
    for n in 0..8_000 {
        let folder = root.join(format!("wide/{:02}/{n}", n % 50));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("file"), bytes(10 + n % 90, 9)).unwrap();
    }
    std::fs::create_dir_all(root.join("churn/1")).unwrap();
    storm.restart();
    let mut kills = 0;
    while known(&storm, AREA).await["scanning"] == true && kills < 2 {
        let stop = Arc::new(AtomicBool::new(false));
        let ports = Storm { https: storm.ports.https, srm: storm.ports.srm };
        let (ours, told) = (Arc::clone(&config), Arc::clone(&stop));
        let client = tokio::spawn(churn(ports, ours, 1, told, Arc::default()));
        // A scan notes where it stands every two seconds.
        tokio::time::sleep(Duration::from_millis(2600)).await;
        storm.kill9();
        stop.store(true, Ordering::Relaxed);
        client.await.unwrap();
        storm.restart();
        kills += 1;
    }
    assert!(kills > 0, "the count was over before the first kill");
    assert!(wait_until(Duration::from_secs(5), || storm.log().contains("area goes on")));
    same(used(&storm, AREA).await, &storm, "counted");
    let (code, out, _) = admin(&storm, &["space", "check", AREA]);
    assert_eq!(code, 0);
    assert!(out.contains("as was known"), "{out}");
}

#[tokio::test]
async fn an_area_that_lies_elsewhere_is_counted_there() {
    let mut storm = TestStorm::start();
    std::fs::write(storm.root("test.vo").join("f"), bytes(1000, 1)).unwrap();
    assert_eq!(admin(&storm, &["space", "check"]).0, 0);
    assert_eq!(used(&storm, AREA).await, 1000);
    let other = storm.dir().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("g"), bytes(777, 2)).unwrap();
    let file = storm.dir().join("namespace.xml");
    let root = |path: &std::path::Path| format!("<root>{}</root>", path.display());
    let first = std::fs::read_to_string(&file).unwrap();
    let moved = first.replace(&root(&storm.root("test.vo")), &root(&other));
    assert_ne!(first, moved);
    // By a restart there, by a reload back and there again.
    std::fs::write(&file, &moved).unwrap();
    storm.restart();
    assert_eq!(used(&storm, AREA).await, 777);
    for (text, bytes) in [(&first, 1000), (&moved, 777)] {
        std::fs::write(&file, text).unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(storm.pid()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
        let mut left = 500;
        while known(&storm, AREA).await["used"] != bytes {
            left -= 1;
            assert!(left > 0, "{}", known(&storm, AREA).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(used(&storm, AREA).await, bytes);
    }
    // What was counted there is known at the next start.
    storm.restart();
    assert_eq!(known(&storm, AREA).await["used"], 777);
}
