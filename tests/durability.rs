//! What was answered is on disk, and what failed left the old content and nothing else: the order
//! of system calls, disks that fail, are full or read-only, files that change behind our back, and
//! kills at random moments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::client::Tls;
use common::scene::Scene;
use common::small_disk::SmallDisk;
use common::soap::{self, Answer};
use common::storm::Area;
use common::trace::{Trace, in_order, show};
use common::wire::{self, Conn};
use common::{TestStorm, bytes, leftovers, wait_until};

const CALLS: &str =
    "fsync,fdatasync,linkat,renameat,renameat2,unlinkat,mkdirat,pwrite64,sendto,write,writev";
const SYNC: &str = "fsync|fdatasync";
const SEND: &str = "sendto|write|writev";
/// An answer goes to a socket.
const TCP: &str = "<socket:";
const WAL: &str = "stormd.db-wal>";

/// Wraps a SURL for srmMkdir and srmRmdir.
fn one(surl: &str) -> String {
    format!("<SURL>{}</SURL>", soap::escape(surl))
}

fn done(token: &str, surl: &str) -> String {
    soap::token(token) + &soap::surls(&[surl])
}

/// srmPrepareToPut for a local mover, over whatever is there.
fn prepare_local(surl: &str, more: &str) -> String {
    let inner = soap::prepare_to_put(&[surl], None).replace(">https<", ">file<");
    format!("{inner}<overwriteOption>ALWAYS</overwriteOption>{more}")
}

/// The path of the first file's file TURL.
fn local(answer: &Answer) -> String {
    let turl = answer.files[0].turl.clone().expect("a TURL");
    turl.strip_prefix("file://").expect("a file TURL").to_owned()
}

#[tokio::test]
async fn the_disk_comes_before_the_answer() {
    let scene = Scene::new();
    let (storm, pid) = (&scene.storm, scene.storm.pid());
    let root = storm.root("test.vo").canonicalize().unwrap().display().to_string();
    let unnamed = format!("{root}/#");
    let directory = format!("{root}>");
    let hidden = format!("{root}/.storm.");
    let mut https = Conn::tls(&scene.voms, storm.ports.https).await.unwrap();
    let mut srm = Conn::tls(&scene.voms, storm.ports.srm).await.unwrap();

    let trace = Trace::watch(pid, CALLS);
    let put = https.request("PUT", "/test.vo/new", &[], b"one").await.unwrap();
    let calls = trace.stop();
    assert_eq!(put.status, 201, "{}", put.text());
    in_order(&calls, &[(SYNC, &unnamed), ("linkat", "new"), (SYNC, &directory), (SEND, TCP)]);

    let trace = Trace::watch(pid, CALLS);
    let put = https.request("PUT", "/test.vo/new", &[], b"two").await.unwrap();
    let calls = trace.stop();
    assert_eq!(put.status, 204, "{}", put.text());
    let rename = "renameat|renameat2";
    let steps = [(SYNC, unnamed.as_str()), (rename, "new"), (SYNC, &directory), (SEND, TCP)];
    in_order(&calls, &steps);
    // The intent, before there is something to clear away: it has to outlive a kill only.
    in_order(&calls, &[("pwrite64", WAL), ("linkat", ".storm.")]);

    let surl = storm.surl("/test.vo/srm");
    let trace = Trace::watch(pid, CALLS);
    let inner = soap::prepare_to_put(&[&surl], Some(5));
    let prepared = soap::call(&mut srm, "srmPrepareToPut", &inner).await.unwrap();
    let calls = trace.stop();
    let token = prepared.token.clone().unwrap();
    in_order(&calls, &[(SYNC, WAL), (SEND, TCP)]);

    let (_, path) = wire::split_url(prepared.files[0].turl.as_deref().unwrap());
    let put = https.request("PUT", &path, &[], b"three").await.unwrap();
    assert_eq!(put.status, 201, "{}", put.text());
    let trace = Trace::watch(pid, CALLS);
    let ended = soap::call(&mut srm, "srmPutDone", &done(&token, &surl)).await.unwrap();
    let calls = trace.stop();
    ended.expect("SRM_SUCCESS");
    let steps =
        [(SYNC, hidden.as_str()), (rename, "srm"), (SYNC, &directory), (SYNC, WAL), (SEND, TCP)];
    in_order(&calls, &steps);

    // Names alone: made, moved, removed.
    let (a, b) = (storm.surl("/test.vo/a"), storm.surl("/test.vo/b"));
    let moved = format!("<fromSURL>{a}</fromSURL><toSURL>{b}</toSURL>");
    for (operation, inner, call) in [
        ("srmMkdir", one(&a), "mkdirat"),
        ("srmMv", moved, rename),
        ("srmRmdir", one(&b), "unlinkat"),
        ("srmRm", soap::surls(&[&surl]), "unlinkat"),
    ] {
        let trace = Trace::watch(pid, CALLS);
        let answer = soap::call(&mut srm, operation, &inner).await.unwrap();
        let calls = trace.stop();
        assert_eq!(answer.code, "SRM_SUCCESS", "{operation}: {}", answer.xml);
        in_order(&calls, &[(call, ""), (SYNC, &directory), (SEND, TCP)]);
    }
}

#[tokio::test]
async fn fsync_false_spares_the_files_only() {
    let mut scene = Scene::new();
    scene.storm.http = "fsync = false".to_owned();
    scene.storm.restart();
    let (surl, token, port, path) = scene.put("quick", None).await;
    let trace = Trace::watch(scene.storm.pid(), CALLS);
    let put = wire::once(&scene.voms, port, "PUT", &path, b"x").await.unwrap();
    assert_eq!(put.status, 201, "{}", put.text());
    scene.srm("srmPutDone", &done(&token, &surl)).await.expect("SRM_SUCCESS");
    assert_eq!(scene.http("PUT", "/test.vo/quick", b"again").await.0, 204);
    scene.srm("srmRm", &soap::surls(&[&surl])).await.expect("SRM_SUCCESS");
    let calls = trace.stop();
    let synced = |part: &str| calls.iter().any(|c| SYNC.contains(&c.name) && c.text.contains(part));
    assert!(!synced("/areas/"), "{}", show(&calls));
    assert!(synced(WAL), "{}", show(&calls));
}

#[tokio::test]
async fn a_disk_that_cannot_sync() {
    let scene = Scene::new();
    let (storm, pid) = (&scene.storm, scene.storm.pid());
    let root = storm.root("test.vo").canonicalize().unwrap();
    let file = root.join("f");
    std::fs::write(&file, "old").unwrap();

    // Data of a new file.
    let trace = Trace::fail(pid, "fsync", "EIO", None);
    let (status, text) = scene.http("PUT", "/test.vo/new", b"new").await;
    trace.stop();
    assert!((400..500).contains(&status), "{status} {text}");
    assert!(!root.join("new").exists() && leftovers(&root).is_empty());

    // Data of a put: the put has failed for good. Once a sync has failed, a second one proves
    // nothing.
    let surl = storm.surl("/test.vo/f");
    let prepared = scene.srm("srmPrepareToPut", &prepare_local(&surl, "")).await;
    let prepared = prepared.expect("SRM_SPACE_AVAILABLE");
    let (token, hidden) = (prepared.token.clone().unwrap(), local(&prepared));
    std::fs::write(&hidden, "new").unwrap();
    let trace = Trace::fail(pid, "fsync", "EIO", Some(&hidden));
    let answer = scene.srm("srmPutDone", &done(&token, &surl)).await;
    trace.stop();
    answer.expect("SRM_INTERNAL_ERROR");
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
    assert_eq!(leftovers(&root), [""; 0]);
    let status = scene.srm("srmStatusOfPutRequest", &soap::token(&token)).await;
    status.expect("SRM_INTERNAL_ERROR");

    // The name of a put: it is in place, and may be asked for again.
    let prepared = scene.srm("srmPrepareToPut", &prepare_local(&surl, "")).await;
    let (token, hidden) = (prepared.token.clone().unwrap(), local(&prepared));
    std::fs::write(&hidden, "new").unwrap();
    let trace = Trace::fail(pid, "fsync", "EIO", Some(&root.display().to_string()));
    let answer = scene.srm("srmPutDone", &done(&token, &surl)).await;
    trace.stop();
    assert_ne!(answer.file_code(), "SRM_SUCCESS", "{}", answer.xml);
    let status = scene.srm("srmStatusOfPutRequest", &soap::token(&token)).await;
    status.expect("SRM_SPACE_AVAILABLE");
    let trace = Trace::watch(pid, CALLS);
    scene.srm("srmPutDone", &done(&token, &surl)).await.expect("SRM_SUCCESS");
    let directory = format!("{}>", root.display());
    in_order(&trace.stop(), &[(SYNC, &directory), (SYNC, WAL)]);
    assert_eq!(std::fs::read(&file).unwrap(), b"new");
    assert_eq!(leftovers(&root), [""; 0]);
}

#[tokio::test]
async fn no_room_for_what_was_announced() {
    let scene = Scene::new();
    let surl = scene.storm.surl("/test.vo/big");
    let inner = soap::prepare_to_put(&[&surl], Some(4096)).replace(">https<", ">file<");
    let trace = Trace::fail(scene.storm.pid(), "fallocate", "ENOSPC", None);
    let answer = scene.srm("srmPrepareToPut", &inner).await;
    trace.stop();
    answer.expect("SRM_NO_FREE_SPACE");
    assert_eq!(leftovers(&scene.storm.root("test.vo")), [""; 0]);
    // Neither is the SURL busy.
    scene.put("big", None).await;
}

fn small(disk: &SmallDisk) -> Vec<Area> {
    let root = Some(disk.mount.clone());
    vec![Area { name: "SMALL", stfn: "small", vo: None, anonymous: false, root }]
}

fn remount(disk: &SmallDisk, how: &str) {
    let option = format!("remount,{how}");
    let status = Command::new("mount").args(["-o", &option]).arg(&disk.mount).status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn a_disk_without_inodes() {
    let disk = SmallDisk::new();
    let mut scene = Scene::with("", small(&disk), |_| ());
    std::fs::write(disk.mount.join("old"), "old").unwrap();
    let filler = disk.mount.join("filler");
    std::fs::create_dir(&filler).unwrap();
    let mut made = 0;
    while std::fs::File::create(filler.join(made.to_string())).is_ok() {
        made += 1;
        assert!(made < 1_000_000, "inodes never end");
    }
    // A start on a full disk is a start.
    scene.storm.restart();
    for name in ["new", "old"] {
        let (status, text) = scene.http("PUT", &format!("/small/{name}"), b"x").await;
        assert_eq!(status, 507, "{text}");
        let surl = scene.storm.surl(&format!("/small/{name}"));
        let answer = scene.srm("srmPrepareToPut", &prepare_local(&surl, "")).await;
        answer.expect("SRM_NO_FREE_SPACE");
    }
    let made = scene.srm("srmMkdir", &one(&scene.storm.surl("/small/d"))).await;
    assert_eq!(made.code, "SRM_NO_FREE_SPACE", "{}", made.xml);
    assert_eq!(std::fs::read(disk.mount.join("old")).unwrap(), b"old");
    assert_eq!(leftovers(&disk.mount), [""; 0]);
}

#[tokio::test]
async fn a_disk_that_becomes_read_only() {
    let disk = SmallDisk::new();
    let mut scene = Scene::with("", small(&disk), |_| ());
    std::fs::write(disk.mount.join("old"), "old").unwrap();
    let surl = scene.storm.surl("/small/old");
    let prepared = scene.srm("srmPrepareToPut", &prepare_local(&surl, "")).await;
    let (token, hidden) = (prepared.token.clone().unwrap(), local(&prepared));
    std::fs::write(&hidden, "new").unwrap();
    remount(&disk, "ro");
    let trouble = "SRM_INTERNAL_ERROR";
    let ended = scene.srm("srmPutDone", &done(&token, &surl)).await.expect(trouble);
    assert!(ended.file_explanation().to_lowercase().contains("read-only"), "{}", ended.xml);
    assert_eq!(scene.srm("srmAbortRequest", &soap::token(&token)).await.code, trouble);
    let other = scene.storm.surl("/small/other");
    scene.srm("srmPrepareToPut", &prepare_local(&other, "")).await.expect(trouble);
    scene.srm("srmRm", &soap::surls(&[&scene.storm.surl("/small/old")])).await.expect(trouble);
    for name in ["new", "other"] {
        let (status, text) = scene.http("PUT", &format!("/small/{name}"), b"x").await;
        assert_eq!(status, 409, "{text}");
    }
    assert_eq!(scene.http("GET", "/small/old", b"").await, (200, "old".to_owned()));
    // The other areas want a start all the same.
    scene.storm.restart();
    assert_eq!(scene.http("GET", "/small/old", b"").await, (200, "old".to_owned()));
    assert_eq!(scene.http("PUT", "/test.vo/elsewhere", b"x").await.0, 201);
    // The put outlived it all.
    remount(&disk, "rw");
    scene.srm("srmPutDone", &done(&token, &surl)).await.expect("SRM_SUCCESS");
    assert_eq!(std::fs::read(disk.mount.join("old")).unwrap(), b"new");
    assert_eq!(leftovers(&disk.mount), [""; 0]);
}

fn immutable(path: &Path, sign: &str) {
    let done = Command::new("chattr").arg(format!("{sign}i")).arg(path).output().unwrap();
    assert!(done.status.success(), "chattr: {}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn one_stuck_file_holds_up_no_other() {
    let mut scene = Scene::new();
    let second = "<desiredPinLifeTime>1</desiredPinLifeTime>";
    let mut hidden = Vec::new();
    for name in ["stuck", "free"] {
        let surl = scene.storm.surl(&format!("/test.vo/{name}"));
        let answer = scene.srm("srmPrepareToPut", &prepare_local(&surl, second)).await;
        hidden.push(local(&answer.expect("SRM_SPACE_AVAILABLE")));
        if hidden.len() == 1 {
            immutable(Path::new(&hidden[0]), "+");
        }
    }
    let gone = |at: usize| !Path::new(&hidden[at]).exists();
    let free = wait_until(Duration::from_secs(6), || gone(1));
    // Nor does it hold up a start.
    let successor = format!("{}.new", hidden[0]);
    std::fs::write(&successor, "").unwrap();
    immutable(Path::new(&successor), "+");
    scene.storm.restart();
    immutable(Path::new(&hidden[0]), "-");
    immutable(Path::new(&successor), "-");
    assert!(free, "the other put's file is still there");
    let root = scene.storm.root("test.vo");
    assert!(wait_until(Duration::from_secs(12), || leftovers(&root).is_empty()));
}

#[tokio::test]
async fn hidden_files_that_change_behind_our_back() {
    let scene = Scene::new();
    let root = scene.storm.root("test.vo");
    let victim = root.join("dir/file");
    let mode = || {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(&victim).unwrap().permissions().mode() & 0o7777
    };
    let before = (mode(), std::fs::read(&victim).unwrap());
    type Change<'a> = (&'a str, &'a dyn Fn(&Path));
    let changes: [Change<'_>; 4] = [
        ("deleted", &|hidden| std::fs::remove_file(hidden).unwrap()),
        ("cut", &|hidden| {
            std::fs::OpenOptions::new().write(true).open(hidden).unwrap().set_len(10).unwrap();
        }),
        ("replaced", &|hidden| {
            std::fs::remove_file(hidden).unwrap();
            std::fs::write(hidden, bytes(100, 8)).unwrap();
        }),
        ("linked", &|hidden| {
            std::fs::remove_file(hidden).unwrap();
            symlink("dir/file", hidden).unwrap();
        }),
    ];
    for (name, change) in changes {
        let (surl, token, port, path) = scene.put(name, None).await;
        let put = wire::once(&scene.voms, port, "PUT", &path, &bytes(100, 7)).await.unwrap();
        assert_eq!(put.status, 201, "{name}: {}", put.text());
        change(&root.join(format!(".storm.{token}.0")));
        let answer = scene.srm("srmPutDone", &done(&token, &surl)).await;
        assert_ne!(answer.file_code(), "SRM_SUCCESS", "{name}: {}", answer.xml);
        assert!(!root.join(name).exists(), "{name}");
        assert_eq!(leftovers(&root), [""; 0], "{name}");
    }
    assert_eq!((mode(), std::fs::read(&victim).unwrap()), before);
    // Taken back by its writer is something else.
    let (surl, token, port, path) = scene.put("taken-back", None).await;
    for (method, status) in [("PUT", 201), ("DELETE", 204)] {
        let answer = wire::once(&scene.voms, port, method, &path, b"").await.unwrap();
        assert_eq!(answer.status, status, "{method}: {}", answer.text());
    }
    scene.srm("srmPutDone", &done(&token, &surl)).await.expect("SRM_SUCCESS");
    assert_eq!(std::fs::read(root.join("taken-back")).unwrap(), b"");
}

#[tokio::test]
async fn an_upload_that_a_crash_took_is_not_done() {
    let mut scene = Scene::new();
    let root = scene.storm.root("test.vo");
    std::fs::write(root.join("old"), "old").unwrap();
    let surl = scene.storm.surl("/test.vo/old");
    let inner = soap::prepare_to_put(&[&surl], None) + "<overwriteOption>ALWAYS</overwriteOption>";
    let prepared = scene.srm("srmPrepareToPut", &inner).await;
    let token = prepared.token.clone().unwrap();
    let (port, path) = wire::split_url(prepared.files[0].turl.as_deref().unwrap());
    let put = wire::once(&scene.voms, port, "PUT", &path, b"new").await.unwrap();
    assert_eq!(put.status, 201, "{}", put.text());
    // As a power cut may leave it: the name of what was not synced yet is gone.
    scene.storm.kill9();
    std::fs::remove_file(root.join(format!(".storm.{token}.0"))).unwrap();
    scene.storm.restart();
    let answer = scene.srm("srmPutDone", &done(&token, &surl)).await;
    answer.expect("SRM_FAILURE");
    assert_eq!(std::fs::read(root.join("old")).unwrap(), b"old");
}

#[tokio::test]
async fn a_worker_that_a_crash_cut_short_leaves_nothing() {
    let mut scene = Scene::new();
    let root = scene.storm.root("test.vo");
    std::fs::create_dir(root.join("sub")).unwrap();
    let surl = scene.storm.surl("/test.vo/sub/f");
    // As the crash leaves it between the hidden file and the commit that makes the put ready.
    let inner = prepare_local(&surl, "").replace("ALWAYS", "NEVER");
    scene.srm("srmPrepareToPut", &inner).await.expect("SRM_SPACE_AVAILABLE");
    assert_eq!(leftovers(&root).len(), 1);
    let database = scene.storm.dir().join("var/stormd.db");
    scene.storm.kill9();
    let connection = rusqlite::Connection::open(&database).unwrap();
    let queued = "UPDATE files SET state = 'QUEUED', area = NULL, path = NULL, \
         turl = NULL, turl_protocol = NULL, expires = NULL";
    assert_eq!(connection.execute(queued, []).unwrap(), 1);
    drop(connection);
    // By the time it starts again, the put cannot be made ready any more.
    std::fs::write(root.join("sub/f"), "somebody's").unwrap();
    scene.storm.restart();
    assert!(wait_until(Duration::from_secs(5), || leftovers(&root).is_empty()));
    assert_eq!(std::fs::read(root.join("sub/f")).unwrap(), b"somebody's");
}

fn run_once(storm: &TestStorm) -> (Option<i32>, String) {
    let config = storm.dir().join("storm.toml");
    let mut command = Command::new("timeout");
    command.args(["5", env!("CARGO_BIN_EXE_stormd"), "--config"]).arg(config);
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn a_database_that_is_not_ours_to_use() {
    let mut scene = Scene::new();
    let (_, token, ..) = scene.put("f", None).await;
    // Somebody else uses it.
    let (code, text) = run_once(&scene.storm);
    assert!(code == Some(1) || code == Some(2), "{code:?} {text}");
    scene.storm.kill9();
    let database = scene.storm.dir().join("var/stormd.db");
    let wal = database.with_extension("db-wal");
    assert!(wal.exists(), "the kill left no WAL behind");
    let kept = (std::fs::read(&database).unwrap(), std::fs::read(&wal).unwrap());
    std::fs::remove_file(&wal).unwrap();
    std::fs::write(&database, bytes(65_536, 3)).unwrap();
    let (code, text) = run_once(&scene.storm);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("stormd.db") && text.contains("not a database"), "{text}");
    // Nothing was touched: put back, it goes on.
    assert_eq!(std::fs::read(&database).unwrap(), bytes(65_536, 3));
    std::fs::write(&database, &kept.0).unwrap();
    std::fs::write(&wal, &kept.1).unwrap();
    scene.storm.restart();
    let status = scene.srm("srmStatusOfPutRequest", &soap::token(&token)).await;
    status.expect("SRM_SPACE_AVAILABLE");
    // Deleted: every file still lists and reads.
    scene.storm.kill9();
    for name in ["stormd.db", "stormd.db-wal", "stormd.db-shm"] {
        let _ = std::fs::remove_file(scene.storm.dir().join("var").join(name));
    }
    scene.storm.restart();
    assert_eq!(scene.http("GET", "/test.vo/dir/file", b"").await.0, 200);
    scene.put("f", None).await;
}

const WRITERS: u64 = 6;

/// A whole content that tells who wrote it: a number, repeated.
fn content(number: u64) -> Vec<u8> {
    let size = [1, 100, 5_000, 300_000][usize::try_from(number % 4).unwrap()];
    number.to_be_bytes().iter().copied().cycle().take(8 + size * 8).collect()
}

/// The number, if the content is whole.
fn number(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    (content(number) == bytes).then_some(number)
}

/// What the writer of one file knows.
#[derive(Default)]
struct Known {
    answered: AtomicU64,
    sent: AtomicU64,
}

async fn overwrite(config: Arc<rustls::ClientConfig>, port: u16, path: String, known: Arc<Known>) {
    let Ok(mut conn) = Conn::tls(&config, port).await else { return };
    loop {
        let next = known.sent.load(Ordering::SeqCst) + 1;
        known.sent.store(next, Ordering::SeqCst);
        let Ok(put) = conn.request("PUT", &path, &[], &content(next)).await else { return };
        assert!(matches!(put.status, 201 | 204), "{} {}", put.status, put.text());
        known.answered.store(next, Ordering::SeqCst);
    }
}

async fn read_on(
    config: Arc<rustls::ClientConfig>,
    port: u16,
    path: String,
    stop: Arc<AtomicBool>,
) {
    let Ok(mut conn) = Conn::tls(&config, port).await else { return };
    while !stop.load(Ordering::Relaxed) {
        let Ok(got) = conn.request("GET", &path, &[], b"").await else { return };
        assert!(got.status == 404 || number(&got.body).is_some(), "a mix: {}", got.body.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_among_overwrites() {
    let mut storm = TestStorm::start();
    let config = wire::config(Some("voms"), Tls::Any);
    let root = storm.root("test.vo");
    let known: Vec<Arc<Known>> = (0..WRITERS).map(|_| Arc::default()).collect();
    for round in 0..5_u64 {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for (n, known) in known.iter().enumerate() {
            let (port, path) = (storm.ports.https, format!("/test.vo/f{n}"));
            tasks.spawn(overwrite(Arc::clone(&config), port, path.clone(), Arc::clone(known)));
            tasks.spawn(read_on(Arc::clone(&config), port, path, Arc::clone(&stop)));
        }
        tokio::time::sleep(Duration::from_millis(400 + 137 * round)).await;
        storm.kill9();
        stop.store(true, Ordering::Relaxed);
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        storm.restart();
        assert_eq!(leftovers(&root), [""; 0], "round {round}");
        for (n, known) in known.iter().enumerate() {
            let (answered, sent) =
                (known.answered.load(Ordering::SeqCst), known.sent.load(Ordering::SeqCst));
            let found = match std::fs::read(root.join(format!("f{n}"))) {
                Ok(bytes) => number(&bytes).expect("a mix on disk"),
                Err(_) => 0,
            };
            assert!(
                (answered..=sent).contains(&found),
                "round {round}, f{n}: {found} found, {answered} answered, {sent} sent"
            );
            known.answered.store(found, Ordering::SeqCst);
        }
    }
    let all: u64 = known.iter().map(|known| known.answered.load(Ordering::SeqCst)).sum();
    println!("{all} overwrites");
    assert!(all > WRITERS, "too few writes to show anything");
}

#[tokio::test]
async fn nothing_is_held_open() {
    let scene = Scene::new();
    let descriptors = || {
        let held = std::fs::read_dir(format!("/proc/{}/fd", scene.storm.pid())).unwrap();
        held.flatten()
            .filter_map(|fd| std::fs::read_link(fd.path()).ok())
            .filter(|path| path.display().to_string().contains("/areas/test.vo/"))
            .count()
    };
    for turn in 0..3 {
        let (surl, token, port, path) = scene.put(&format!("f{turn}"), None).await;
        wire::once(&scene.voms, port, "PUT", &path, b"x").await.unwrap();
        scene.srm("srmPutDone", &done(&token, &surl)).await.expect("SRM_SUCCESS");
        assert_eq!(scene.http("PUT", &format!("/test.vo/f{turn}"), b"yy").await.0, 204);
        scene.http("GET", &format!("/test.vo/f{turn}"), b"").await;
        // An upload that is cut.
        let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
        let head = wire::head("PUT", "/test.vo/cut", &[], Some(1000));
        conn.send(head.as_bytes()).await.unwrap();
        conn.send(b"only this").await.unwrap();
    }
    assert!(wait_until(Duration::from_secs(5), || descriptors() == 0), "{}", descriptors());
    assert!(!scene.storm.root("test.vo").join("cut").exists());
    assert_eq!(leftovers(&scene.storm.root("test.vo")), [""; 0]);
}

/// The status of a request that has not ended is told from memory.
#[tokio::test]
async fn a_status_call_reads_no_database() {
    let scene = Scene::new();
    let storm = &scene.storm;
    let mut srm = Conn::tls(&scene.voms, storm.ports.srm).await.unwrap();
    let put = soap::prepare_to_put(&[storm.surl("/test.vo/live")], None);
    let put = soap::call(&mut srm, "srmPrepareToPut", &put).await.unwrap();
    let token = soap::token(put.token.as_deref().unwrap());
    // What was written behind the answer is over.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let trace = Trace::watch(storm.pid(), "pread64,pwrite64,fsync,fdatasync,openat");
    for _ in 0..20 {
        let told = soap::call(&mut srm, "srmStatusOfPutRequest", &token).await.unwrap();
        told.expect("SRM_SPACE_AVAILABLE");
        let told = soap::call(
            &mut srm,
            "srmGetRequestSummary",
            &format!(
                "<arrayOfRequestTokens><stringArray>{}</stringArray></arrayOfRequestTokens>",
                put.token.as_deref().unwrap()
            ),
        )
        .await
        .unwrap();
        assert_eq!(told.code, "SRM_SUCCESS");
    }
    let touched = |calls: Vec<common::trace::Call>| {
        calls.into_iter().filter(|call| call.text.contains("stormd.db")).count()
    };
    assert_eq!(touched(trace.stop()), 0);
    // The trace sees the database where it is asked.
    let trace = Trace::watch(storm.pid(), "pread64");
    let gone = soap::token("0a1b2c3d-0000-4000-8000-0123456789ab");
    let gone = soap::call(&mut srm, "srmStatusOfPutRequest", &gone).await.unwrap();
    assert_eq!(gone.code, "SRM_INVALID_REQUEST");
    assert!(touched(trace.stop()) > 0, "a token that nobody knows is looked up");
}
