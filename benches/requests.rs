//! What asynchronous requests cost, at the real stormd with its default settings:
//!
//! - put cycles (prepare, status, done) of 16 clients, durable: at least half as many per second as the
//!   store alone commits of the same rows, and at least 500;
//! - 500 clients at once, on kept-alive and on new GSI connections: nothing refused, nothing fails, 99
//!   of 100 kept-alive answers within a second;
//! - the status of a live request: the same with 10 and with a million requests in the database;
//! - srmPrepareToGet of 10,000 SURLs until all are pinned: at most 3 times as long as the bare
//!   `openat2`, `statx` and `getxattr` of each, and one commit;
//! - srmLs of 100,000 entries by pages: twice the entries, twice the time; memory bounded;
//! - 30,000 requests that wait: the last cost what the first did;
//! - somebody polite beside somebody greedy: 99 of 100 of his files are pinned within twice his time
//!   alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A bench may die.

#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustls::ClientConfig;
use stormd::model::{FileKey, FileState, RelPath, RequestKind, RequestToken};
use stormd::store::{Advance, FileRow, Millis, RequestRow, Store};
use tokio::task::JoinSet;

use common::client::Tls;
use common::soap::{self, Answer};
use common::wire::{self, Conn};
use common::{TestStorm, bytes};
use support::{Bounds, median};

/// What one figure is taken of.
const TIME: Duration = Duration::from_secs(5);

/// Makes this process the greedy clients of a daemon at that port.
const GREEDY_AT: &str = "STORMD_BENCH_GREEDY_AT";

fn main() -> ExitCode {
    support::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Ok(port) = std::env::var(GREEDY_AT) {
        runtime.block_on(greedily(port.parse().unwrap()));
    }
    let mut bounds = Bounds::default();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    runtime.block_on(async {
        if is_wanted("puts") {
            puts(&mut bounds).await;
        }
        if is_wanted("crowd") {
            crowd(&mut bounds).await;
        }
        if is_wanted("status") {
            status(&mut bounds).await;
        }
        if is_wanted("gets") {
            gets(&mut bounds).await;
        }
        if is_wanted("pages") {
            pages(&mut bounds).await;
        }
        if is_wanted("queue") {
            queue(&mut bounds).await;
        }
        if is_wanted("fair") {
            fair(&mut bounds).await;
        }
    });
    bounds.exit_code()
}

fn person() -> Arc<ClientConfig> {
    wire::config(Some("voms"), Tls::Any)
}

async fn srm(storm: &TestStorm, config: &Arc<ClientConfig>) -> Conn {
    Conn::tls(config, storm.ports.srm).await.unwrap()
}

async fn ask(conn: &mut Conn, operation: &str, inner: &str) -> io::Result<Answer> {
    soap::call(conn, operation, inner).await
}

fn percentile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * share) as usize]
}

/// Put cycles, beside the same rows in a store alone.
async fn puts(bounds: &mut Bounds) {
    const CLIENTS: usize = 16;
    let storm = TestStorm::start();
    let config = person();
    let (mut ratios, mut rates) = (Vec::new(), Vec::new());
    for turn in 0..3 {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let folder = format!("p{turn}-{client}");
            std::fs::create_dir(storm.root("test.vo").join(&folder)).unwrap();
            let base = storm.surl(&format!("/test.vo/{folder}"));
            let mut conn = srm(&storm, &config).await;
            clients.spawn(async move {
                let started = Instant::now();
                let mut done = 0;
                while started.elapsed() < TIME {
                    let surl = format!("{base}/{done}");
                    let put = soap::prepare_to_put(&[&surl], None);
                    let put = ask(&mut conn, "srmPrepareToPut", &put).await.unwrap();
                    let token = soap::token(&put.token.unwrap());
                    let told = ask(&mut conn, "srmStatusOfPutRequest", &token).await.unwrap();
                    assert_eq!(told.file_code(), "SRM_SPACE_AVAILABLE");
                    let inner = token + &soap::surls(&[&surl]);
                    let ended = ask(&mut conn, "srmPutDone", &inner).await.unwrap();
                    assert_eq!(ended.code, "SRM_SUCCESS", "{}", ended.explanation);
                    done += 1;
                }
                done
            });
        }
        let cycles: usize = clients.join_all().await.into_iter().sum();
        let rate = cycles as f64 / TIME.as_secs_f64();
        let bare = store_cycles(storm.dir(), CLIENTS).await;
        println!("put cycles: {rate:.0}/s; the store alone: {bare:.0}/s");
        ratios.push(rate / bare);
        rates.push(rate);
    }
    bounds.at_least("put cycles per second, 16 clients", median(&mut rates), 500.0);
    bounds.at_least("put cycles against the store alone", median(&mut ratios), 0.5);
}

/// The same rows, with nothing but the store.
async fn store_cycles(below: &Path, callers: usize) -> f64 {
    let dir = tempfile::tempdir_in(below).unwrap();
    let store = Store::open(&dir.path().join("storm.db"), "bench").unwrap();
    let mut all = JoinSet::new();
    for caller in 0..callers {
        let store = store.clone();
        all.spawn(async move {
            let started = Instant::now();
            let mut done = 0;
            while started.elapsed() < TIME {
                let (request, file) = rows(caller * 1_000_000 + done);
                let id = store.submit(request, vec![file.clone()]).await.unwrap();
                let change = |expect, state| Advance {
                    request: id,
                    n: 0,
                    expect,
                    row: FileRow { state, ..file.clone() },
                };
                let ready = change(FileState::Queued, FileState::SpaceAvailable);
                store.advance(vec![ready], None).await.unwrap();
                let over = change(FileState::SpaceAvailable, FileState::Success);
                store.advance(vec![over], None).await.unwrap();
                done += 1;
            }
            done
        });
    }
    let cycles: usize = all.join_all().await.into_iter().sum();
    store.close().await;
    cycles as f64 / TIME.as_secs_f64()
}

fn rows(number: usize) -> (RequestRow, FileRow) {
    let token =
        format!("{:08x}-0000-4000-8000-{number:012x}", number.wrapping_mul(0x9e37_79b9) as u32);
    let path = format!("data/run{:03}/file{number}", number % 100);
    let request = RequestRow {
        fqans: vec!["/test.vo".to_owned()],
        pin_lifetime: 14_400,
        ..RequestRow::new(
            RequestToken::parse(&token).unwrap(),
            RequestKind::Put,
            common::USER_DN.to_owned(),
            Millis(1_764_000_000_000),
        )
    };
    let file = FileRow {
        n: 0,
        surl: format!("srm://localhost:8444/test.vo/{path}"),
        key: RelPath::parse(&path).ok().map(|path| FileKey { area: Arc::from("TESTVO"), path }),
        state: FileState::Queued,
        code: None,
        explanation: "ready: write to the TURL, then call srmPutDone".to_owned(),
        size: None,
        expected_size: None,
        turl: None,
        expires: Some(Millis(1_764_000_000_000)),
        levels: None,
        parent: None,
        source: None,
    };
    (request, file)
}

/// 500 clients at once.
async fn crowd(bounds: &mut Bounds) {
    const CLIENTS: usize = 500;
    let storm = Arc::new(TestStorm::start());
    let config = person();
    for client in 0..CLIENTS {
        std::fs::create_dir(storm.root("test.vo").join(format!("c{client}"))).unwrap();
    }
    let failures = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (storm, config, failures) =
            (Arc::clone(&storm), Arc::clone(&config), Arc::clone(&failures));
        clients.spawn(async move {
            let mut conn = srm(&storm, &config).await;
            let started = Instant::now();
            let mut times = Vec::new();
            let folder = storm.surl(&format!("/test.vo/c{client}"));
            for turn in 0.. {
                if started.elapsed() > 2 * TIME {
                    break;
                }
                let came = round(&mut conn, &folder, turn, &mut times).await;
                failures.fetch_add(usize::from(!came), Ordering::Relaxed);
            }
            times
        });
    }
    let mut times: Vec<f64> = clients.join_all().await.concat();
    let (answers, p99) = (times.len(), percentile(&mut times, 0.99));
    println!("500 kept-alive clients: {answers} answers, p99 {:.0} ms", p99 * 1e3);
    bounds.at_most("kept-alive p99 of 500 clients, seconds", p99, 1.0);
    bounds.at_most(
        "failures of 500 kept-alive clients",
        failures.load(Ordering::Relaxed) as f64,
        0.0,
    );

    let failed = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (storm, config, failed) =
            (Arc::clone(&storm), Arc::clone(&config), Arc::clone(&failed));
        clients.spawn(async move {
            for turn in 0..3 {
                let folder = storm.surl(&format!("/test.vo/c{client}"));
                let came = match Conn::tls(&config, storm.ports.srm).await {
                    Ok(mut conn) => {
                        round(&mut conn, &folder, 1_000_000 + turn, &mut Vec::new()).await
                    }
                    Err(_) => false,
                };
                failed.fetch_add(usize::from(!came), Ordering::Relaxed);
            }
        });
    }
    clients.join_all().await;
    bounds.at_most(
        "failures of 500 clients on new connections",
        failed.load(Ordering::Relaxed) as f64,
        0.0,
    );
}

/// One put from the first step to the last, and its removal; what each answer took.
async fn round(conn: &mut Conn, folder: &str, turn: usize, times: &mut Vec<f64>) -> bool {
    let surl = format!("{folder}/{turn}");
    let mut timed = async |operation: &str, inner: String, code: &str| {
        let begun = Instant::now();
        let answer = ask(conn, operation, &inner).await.ok()?;
        times.push(begun.elapsed().as_secs_f64());
        (answer.file_code() == code).then_some(answer)
    };
    let put = soap::prepare_to_put(&[&surl], None);
    let Some(put) = timed("srmPrepareToPut", put, "SRM_SPACE_AVAILABLE").await else {
        return false;
    };
    let inner = soap::token(&put.token.unwrap()) + &soap::surls(&[&surl]);
    timed("srmPutDone", inner, "SRM_SUCCESS").await.is_some()
        && timed("srmLs", soap::surls(&[&surl]), "SRM_SUCCESS").await.is_some()
        && timed("srmRm", soap::surls(&[&surl]), "SRM_SUCCESS").await.is_some()
}

/// Status of a live request, with few and with a million requests in the database.
async fn status(bounds: &mut Bounds) {
    const MANY: usize = 1_000_000;
    let (few, mut many) = (TestStorm::start(), TestStorm::start());
    many.term();
    fill(&many.dir().join("var/stormd.db"), MANY);
    many.restart();
    let config = person();
    let mut open = Vec::new();
    for storm in [&few, &many] {
        let mut conn = srm(storm, &config).await;
        let put = soap::prepare_to_put(&[storm.surl("/test.vo/live")], None);
        let put = ask(&mut conn, "srmPrepareToPut", &put).await.unwrap();
        open.push((conn, soap::token(&put.token.unwrap())));
    }
    let mut ratios = Vec::new();
    for _ in 0..40 {
        let mut took = Vec::new();
        for (conn, token) in &mut open {
            let begun = Instant::now();
            for _ in 0..500 {
                let answer = ask(conn, "srmStatusOfPutRequest", token).await.unwrap();
                assert_eq!(answer.file_code(), "SRM_SPACE_AVAILABLE");
            }
            took.push(begun.elapsed().as_secs_f64());
        }
        ratios.push(took[1] / took[0]);
    }
    let ratio = median(&mut ratios);
    bounds.at_most("status with a million requests beside ten", ratio, 1.1);
    bounds.at_least("status with a million requests beside ten", ratio, 0.9);
}

/// So many requests that have ended, of one file each.
fn fill(database: &Path, requests: usize) {
    let mut connection = rusqlite::Connection::open(database).unwrap();
    let tx = connection.transaction().unwrap();
    {
        let owner: String = std::fs::read_to_string(database.with_file_name("owner")).unwrap();
        let mut request = tx
            .prepare(
                "INSERT INTO requests (token, owner, kind, user, fqans, created, pin_lifetime,
                     protocols, aborted, end_code, ended)
                 VALUES (?1, ?2, 'PREPARE_TO_PUT', ?3, '[]', ?4, 60, '', 0, 'SRM_SUCCESS', ?4)",
            )
            .unwrap();
        let mut file = tx
            .prepare(
                "INSERT INTO files (request, n, owner, kind, surl, state, live, explanation)
                 VALUES (?1, 0, ?2, 'PREPARE_TO_PUT', ?3, 'SUCCESS', 0, 'done')",
            )
            .unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = now.as_millis() as i64;
        for number in 0..requests {
            let token = rows(number).0.token;
            request.execute((token.as_str(), owner.trim(), common::USER_DN, now)).unwrap();
            let surl = format!("srm://localhost/test.vo/{number}");
            file.execute((tx.last_insert_rowid(), owner.trim(), surl)).unwrap();
        }
    }
    tx.commit().unwrap();
}

/// 10,000 SURLs in one srmPrepareToGet.
async fn gets(bounds: &mut Bounds) {
    const FILES: usize = 10_000;
    let storm = TestStorm::start();
    let root = storm.root("test.vo");
    std::fs::create_dir(root.join("many")).unwrap();
    for n in 0..FILES {
        std::fs::write(root.join(format!("many/{n}")), "x").unwrap();
    }
    let surls: Vec<String> =
        (0..FILES).map(|n| storm.surl(&format!("/test.vo/many/{n}"))).collect();
    let inner = soap::prepare_to_get(&surls);
    let mut conn = srm(&storm, &person()).await;
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let bare = bare_looks(&root, FILES);
        let (mut answer, mut took) = timed(&mut conn, "srmPrepareToGet", &inner).await;
        let token = answer.token.clone().unwrap();
        while answer.code != "SRM_SUCCESS" {
            let status = timed(&mut conn, "srmStatusOfGetRequest", &soap::token(&token)).await;
            (answer, took) = (status.0, took + status.1);
        }
        println!("10,000 files pinned in {took:?}; bare {bare:?}");
        ratios.push(took.as_secs_f64() / bare.as_secs_f64());
        ask(&mut conn, "srmReleaseFiles", &soap::token(&token)).await.unwrap();
    }
    bounds.at_most("10,000 SURLs pinned beside bare looks", median(&mut ratios), 3.0);
}

/// An answer, and how long it took until all of it was here; to read it is the client's.
async fn timed(conn: &mut Conn, operation: &str, inner: &str) -> (Answer, Duration) {
    let body = soap::envelope(operation, inner);
    let begun = Instant::now();
    let headers = [("content-type", "text/xml; charset=utf-8"), ("soapaction", "\"\"")];
    let response = conn.request("POST", "/srm/managerv2", &headers, body.as_bytes()).await;
    let took = begun.elapsed();
    (soap::read(&response.unwrap()), took)
}

/// `openat2`, `statx` and `getxattr` of each file, and one commit.
fn bare_looks(root: &Path, files: usize) -> Duration {
    let begun = Instant::now();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root_fd = rustix::fs::open(root, flags, Mode::empty()).unwrap();
    for n in 0..files {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let path = format!("many/{n}");
        let beneath = ResolveFlags::BENEATH;
        let fd = rustix::fs::openat2(&root_fd, path, flags, Mode::empty(), beneath).unwrap();
        let want = StatxFlags::BASIC_STATS;
        rustix::fs::statx(&fd, "", AtFlags::EMPTY_PATH, want).unwrap();
        let _ = rustix::fs::fgetxattr(&fd, "user.storm.checksum.adler32", &mut [0_u8; 64]);
    }
    let dir = tempfile::tempdir_in(root.parent().unwrap()).unwrap();
    let connection = rusqlite::Connection::open(dir.path().join("one.db")).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a TEXT);").unwrap();
    connection.execute_batch("BEGIN; INSERT INTO t VALUES ('x'); COMMIT").unwrap();
    begun.elapsed()
}

/// srmLs by pages.
async fn pages(bounds: &mut Bounds) {
    let storm = TestStorm::start();
    let root = storm.root("test.vo");
    let mut conn = srm(&storm, &person()).await;
    let mut seconds = Vec::new();
    let before = storm.memory();
    let mut most = before;
    for (name, entries) in [("half", 50_000), ("whole", 100_000)] {
        std::fs::create_dir(root.join(name)).unwrap();
        for n in 0..entries {
            std::fs::File::create(root.join(format!("{name}/file-number-{n:06}"))).unwrap();
        }
        let begun = Instant::now();
        let mut seen = 0;
        while seen < entries {
            let inner = soap::surls(&[storm.surl(&format!("/test.vo/{name}"))])
                + &format!(
                    "<fullDetailedList>true</fullDetailedList><offset>{seen}</offset>\
                            <count>2000</count>"
                );
            let answer = ask(&mut conn, "srmLs", &inner).await.unwrap();
            let page = answer.xml.matches("<path>").count() - 1;
            assert!(page > 0, "{} {}", answer.code, answer.explanation);
            seen += page;
            most = most.max(storm.memory());
        }
        assert_eq!(seen, entries);
        seconds.push(begun.elapsed().as_secs_f64());
    }
    println!("srmLs by pages: 50,000 in {:.2} s, 100,000 in {:.2} s", seconds[0], seconds[1]);
    bounds.at_most("twice the entries by pages, times as long", seconds[1] / seconds[0], 2.4);
    bounds.at_most("resident MB more while listing", (most - before) as f64 / 1e6, 64.0);
}

/// 30,000 requests that wait.
async fn queue(bounds: &mut Bounds) {
    const REQUESTS: usize = 30_000;
    const CLIENTS: usize = 8;
    let storm = TestStorm::start();
    std::fs::write(storm.root("test.vo").join("f"), "x").unwrap();
    let inner = soap::prepare_to_get(&[storm.surl("/test.vo/f")])
        + "<deferredStartTime>3600</deferredStartTime>";
    let config = person();
    let mut conns = Vec::new();
    for _ in 0..CLIENTS {
        conns.push(srm(&storm, &config).await);
    }
    let mut parts = Vec::new();
    for _ in 0..10 {
        let begun = Instant::now();
        let mut clients = JoinSet::new();
        for mut conn in std::mem::take(&mut conns) {
            let inner = inner.clone();
            clients.spawn(async move {
                for _ in 0..REQUESTS / 10 / CLIENTS {
                    let answer = ask(&mut conn, "srmBringOnline", &inner).await.unwrap();
                    assert_eq!(answer.code, "SRM_REQUEST_QUEUED", "{}", answer.explanation);
                }
                conn
            });
        }
        conns = clients.join_all().await;
        parts.push(begun.elapsed().as_secs_f64());
    }
    println!("30,000 that wait, seconds per tenth: {parts:.2?}");
    let (mut first, mut last) = (parts[..4].to_vec(), parts[6..].to_vec());
    let ratio = median(&mut last) / median(&mut first);
    bounds.at_most("30,000 waiting requests, the last beside the first", ratio, 1.2);
}

/// Somebody polite beside somebody greedy, whose clients are a process of their own. It takes only the
/// processor time that nobody else wants: at a site it runs on other machines.
async fn fair(bounds: &mut Bounds) {
    let storm = TestStorm::start();
    let root = storm.root("test.vo");
    for n in 0..1000 {
        std::fs::write(root.join(format!("f{n}")), bytes(10, n)).unwrap();
    }
    let polite = wire::config(Some("voms-user2"), Tls::Any);
    let alone = politely(&storm, &polite).await;
    let mut greedy = Command::new("chrt")
        .args(["--idle", "0"])
        .arg(std::env::current_exe().unwrap())
        .env(GREEDY_AT, storm.ports.srm.to_string())
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let beside = politely(&storm, &polite).await;
    assert!(greedy.try_wait().unwrap().is_none(), "the greedy clients died");
    greedy.kill().unwrap();
    greedy.wait().unwrap();
    println!("polite p99: {:.1} ms alone, {:.1} ms beside the greedy", alone * 1e3, beside * 1e3);
    bounds.at_most("polite p99 beside the greedy, times alone", beside / alone, 2.0);
}

/// What is asked for by 50 connections at once: a thousand files, and none of them.
async fn greedily(port: u16) {
    let surls: Vec<String> =
        (0..1000).map(|n| format!("srm://localhost:{port}/test.vo/f{n}")).collect();
    let inner = Arc::new(soap::prepare_to_get(&surls));
    let mut clients = JoinSet::new();
    for _ in 0..50 {
        let inner = Arc::clone(&inner);
        clients.spawn(async move {
            let mut conn = Conn::tls(&person(), port).await.unwrap();
            loop {
                let answer = ask(&mut conn, "srmPrepareToGet", &inner).await.unwrap();
                if let Some(token) = answer.token {
                    ask(&mut conn, "srmAbortRequest", &soap::token(&token)).await.unwrap();
                }
            }
        });
    }
    clients.join_all().await;
}

/// One file after the other until it is pinned: the 99th of a hundred.
async fn politely(storm: &TestStorm, config: &Arc<ClientConfig>) -> f64 {
    let mut conn = srm(storm, config).await;
    let mut times = Vec::new();
    let started = Instant::now();
    for n in 0.. {
        if started.elapsed() > 2 * TIME {
            break;
        }
        let inner = soap::prepare_to_get(&[storm.surl(&format!("/test.vo/f{}", n % 1000))]);
        let begun = Instant::now();
        let mut answer = ask(&mut conn, "srmPrepareToGet", &inner).await.unwrap();
        let token = answer.token.clone().unwrap();
        while answer.file_code() != "SRM_FILE_PINNED" {
            answer = ask(&mut conn, "srmStatusOfGetRequest", &soap::token(&token)).await.unwrap();
        }
        times.push(begun.elapsed().as_secs_f64());
        ask(&mut conn, "srmReleaseFiles", &soap::token(&token)).await.unwrap();
    }
    percentile(&mut times, 0.99)
}
