//! What stormd takes of a machine while little is asked of it, and how fast it tells a directory: memory of
//! an idle daemon and of idle connections of every kind, the time to its first answer, and PROPFIND of 100,000
//! entries beside the bare calls of the system that it is made of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A bench may die.

#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::client::Tls;
use common::wire::{self, Conn};
use common::{TestStorm, soap};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustls::ClientConfig;
use support::{Bounds, median};

/// Idle connections of each kind.
const IDLE: usize = 2000;
/// Entries of the directory.
const ENTRIES: usize = 100_000;
/// Times that it is told.
const TIMES: usize = 7;

fn main() -> ExitCode {
    wire::raise_open_files();
    let mut bounds = Bounds::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        rest(&mut bounds).await;
        idle(&mut bounds).await;
        listing(&mut bounds).await;
    });
    bounds.exit_code()
}

/// A start with 10,000 files of requests in the store, and what it takes then.
async fn rest(bounds: &mut Bounds) {
    let mut storm = TestStorm::start();
    std::fs::write(storm.root("test.vo").join("f"), "x").unwrap();
    let surls: Vec<String> = (0..500).map(|n| storm.surl(&format!("/test.vo/{n}"))).collect();
    let voms = wire::config(Some("voms"), Tls::Any);
    for _ in 0..20 {
        let inner = soap::prepare_to_get(&surls);
        soap::once(&voms, storm.ports.srm, "srmPrepareToGet", &inner).await.unwrap();
    }
    let mut starts: Vec<f64> = (0..TIMES)
        .map(|_| {
            storm.kill9();
            let begun = Instant::now();
            storm.restart();
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    // The test's own look is 20 ms apart.
    bounds.at_most("ms from the start to the first answer", median(&mut starts), 100.0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    bounds.at_most("resident MiB of an idle daemon", mib(storm.memory()), 20.0);
}

#[allow(clippy::cast_precision_loss)]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Memory of connections that have had an answer and wait.
async fn idle(bounds: &mut Bounds) {
    let nobody = wire::config(None, Tls::Any);
    let voms = wire::config(Some("voms"), Tls::Any);
    for (what, two, config) in [
        ("http", false, None),
        ("https", false, Some(&nobody)),
        ("https with a certificate", false, Some(&voms)),
        ("https by HTTP/2", true, Some(&nobody)),
    ] {
        let storm = TestStorm::start();
        std::fs::write(storm.root("open").join("f"), "x").unwrap();
        let mut all = Vec::new();
        // What the first ones need, later ones share.
        for _ in 0..50 {
            all.push(answered(&storm, two, config).await);
        }
        let before = storm.memory();
        for _ in 0..IDLE {
            all.push(answered(&storm, two, config).await);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let each = mib(storm.memory().saturating_sub(before)) * 1024.0 / IDLE as f64;
        bounds.at_most(&format!("KiB of an idle connection, {what}"), each, 40.0);
    }
}

/// A connection on which a file was read.
async fn answered(storm: &TestStorm, two: bool, config: Option<&Arc<ClientConfig>>) -> Conn {
    use common::frames::{END_HEADERS, END_STREAM, HEADERS, frame, open, request};
    let mut conn = match config {
        None => Conn::tcp(storm.ports.plain).await.unwrap(),
        Some(config) if two => {
            let mut conn = open(config, storm.ports.https, &[]).await;
            let ask = request("GET", "/open/f");
            conn.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &ask)).await.unwrap();
            let mut came = Vec::new();
            // The answer's head, and its one byte.
            while !came.ends_with(b"x") {
                came.extend(conn.some().await.unwrap());
            }
            return conn;
        }
        Some(config) => Conn::tls(config, storm.ports.https).await.unwrap(),
    };
    assert_eq!(conn.request("GET", "/open/f", &[], b"").await.unwrap().status, 200);
    conn
}

/// PROPFIND of a directory, over http, with what a mount asks for.
async fn listing(bounds: &mut Bounds) {
    const ASKED: &str = "<d:propfind xmlns:d=\"DAV:\"><d:prop><d:getcontentlength/>\
        <d:getlastmodified/><d:resourcetype/></d:prop></d:propfind>";
    let storm = TestStorm::start();
    let directory = storm.root("open").join("many");
    std::fs::create_dir(&directory).unwrap();
    for n in 0..ENTRIES {
        std::fs::File::create(directory.join(format!("file-number-{n:06}"))).unwrap();
    }
    let (mut ours, mut bare, mut first) = (Vec::new(), Vec::new(), Vec::new());
    let before = storm.memory();
    for _ in 0..TIMES {
        bare.push(looks(&directory).as_secs_f64());
        let mut conn = Conn::tcp(storm.ports.plain).await.unwrap();
        let head = wire::head("PROPFIND", "/open/many/", &[("depth", "1")], Some(ASKED.len()));
        let begun = Instant::now();
        conn.send((head + ASKED).as_bytes()).await.unwrap();
        let (mut came, mut entries) = (None, 0);
        let mut read = |piece: &[u8]| {
            came.get_or_insert_with(|| begun.elapsed());
            entries += piece.iter().filter(|byte| **byte == b'\n').count();
        };
        assert_eq!(conn.streamed(&mut read).await.unwrap().status, 207);
        ours.push(begun.elapsed().as_secs_f64());
        first.push(came.unwrap().as_secs_f64() * 1000.0);
        // Two lines stand before them, the directory's own among them, and one behind.
        assert_eq!(entries, ENTRIES + 4);
    }
    let (ours, bare) = (median(&mut ours), median(&mut bare));
    println!(
        "PROPFIND of {ENTRIES}: {ours:.3} s, {:.0}/s; bare {bare:.3} s",
        ENTRIES as f64 / ours
    );
    bounds.at_most("PROPFIND of 100,000 against bare getdents and statx", ours / bare, 2.0);
    bounds.at_most("ms to its first byte", median(&mut first), 5.0);
    let more = mib(storm.memory().saturating_sub(before));
    bounds.at_most("resident MiB more while listing", more, 8.0);
}

/// Each name, and what the system knows of it.
fn looks(directory: &Path) -> Duration {
    let begun = Instant::now();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(directory, flags, Mode::empty()).unwrap();
    let names = rustix::fs::Dir::read_from(&fd).unwrap();
    let want = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    for name in names {
        rustix::fs::statx(&fd, name.unwrap().file_name(), AtFlags::SYMLINK_NOFOLLOW, want).unwrap();
    }
    begun.elapsed()
}
