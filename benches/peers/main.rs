//! stormd beside the servers that people use for the same: apache2, nginx, lighttpd, rclone, dufs and
//! xrootd, each with its own keep-alive, sendfile and TLS as its documentation has it. The server of the moment
//! runs on the first processor, its client on the second. stormd and one peer take turns; what is told
//! are medians of the turns, and the median of the turns' ratios.
//!
//! `make bench-peers` installs them and writes docs/peers.md. `PEERS="nginx xrootd"` takes some of them,
//! `ROUNDS="GET 1 GiB"` what begins so, `PAIRS=3` fewer turns; then nothing is written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A bench may die.

#[path = "../../tests/common/mod.rs"]
mod common;
mod load;
mod report;
mod servers;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use rustls::ClientConfig;

use common::client::Tls;
use common::wire;
use load::{Conn, Way};
use report::{Pair, Round, Sample};
use servers::{Server, Site};
use support::Bounds;

const GIB: u64 = 1 << 30;
const SMALL: usize = 4096;
/// Small files, and connections that ask for them.
const FILES: usize = 512;
const CONNECTIONS: usize = 16;
/// How long small files are asked for in one turn.
const TURN: Duration = Duration::from_millis(500);
/// Of the large directory.
const ENTRIES: usize = 100_000;
const PAIRS: usize = 7;
/// Who takes so many times as long has this many turns.
const SLOW: f64 = 2.5;
const FEW: usize = 3;

fn main() -> ExitCode {
    let words = |name: &str| std::env::var(name).unwrap_or_default();
    let wanted: Vec<String> = words("PEERS").split_whitespace().map(str::to_owned).collect();
    let only = words("ROUNDS");
    let pairs = words("PAIRS").parse().unwrap_or(PAIRS);
    support::raise_open_files();
    // What is started from here on inherits it.
    run_on(0);
    let site = Site::new();
    fill(&site);
    let ours = site.ours();
    let peers = site.peers(&wanted);
    run_on(1);
    let config = wire::config(None, Tls::Any);
    let bench = Bench { config, pairs, ours, peers };

    let mut rounds = Vec::new();
    for way in [Way::Http, Way::Https, Way::Http2] {
        for method in ["GET", "PUT"] {
            let name = format!("{method} 1 GiB, {}", way.name());
            if name.starts_with(&only) {
                rounds.push(bench.round(name, &|server| {
                    (way != Way::Http2 || server.http2).then(|| bench.large(server, way, method))
                }));
            }
        }
    }
    for way in [Way::Http, Way::Https] {
        for method in ["GET", "PUT"] {
            let name = format!("{method} 4 KiB, {}", way.name());
            if name.starts_with(&only) {
                rounds.push(bench.round(name, &|server| Some(bench.small(server, way, method))));
            }
        }
    }
    let name = format!("PROPFIND of {ENTRIES} entries, http");
    if name.starts_with(&only) {
        rounds.push(bench.round(name, &|server| bench.listing(server)));
    }
    let mut bounds = Bounds::default();
    report::judge(&rounds, &bench.peers, &mut bounds);
    if only.is_empty() && wanted.is_empty() && pairs == PAIRS {
        let text = report::page(&rounds, &bench.ours, &bench.peers);
        fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/peers.md"), text).unwrap();
        println!("written: docs/peers.md");
    }
    bounds.exit_code()
}

/// What all serve: one large file, small files, a large directory, a folder to write into for each.
fn fill(site: &Site) {
    let piece = common::bytes(1 << 20, 1);
    let large = fs::File::create(site.open.join("large")).unwrap();
    for _ in 0..GIB >> 20 {
        std::io::Write::write_all(&mut &large, &piece).unwrap();
    }
    let small = site.open.join("small");
    fs::create_dir(&small).unwrap();
    for file in 0..FILES {
        fs::write(small.join(file.to_string()), &piece[..SMALL]).unwrap();
    }
    let many = site.open.join("many");
    fs::create_dir(&many).unwrap();
    for entry in 0..ENTRIES {
        fs::write(many.join(format!("file-{entry:06}.dat")), b"").unwrap();
    }
    for name in ["stormd", "apache2", "nginx", "lighttpd", "rclone", "dufs", "xrootd"] {
        let folder = site.open.join(format!("put-{name}"));
        fs::create_dir(&folder).unwrap();
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(folder, everybody).unwrap();
    }
    // Or the disk is busy with it while the first turns are taken.
    nix::unistd::sync();
}

/// Fetches back what a virtual machine gave to its host of its free memory: or who writes next pays for it, and the
/// one after him does not. 4 GiB, as the kernel need not take just the pages that were freed last; half of what is
/// there where that is less.
fn warm_memory() {
    let mut memory: Vec<u8> = Vec::with_capacity(available_memory().min(GIB * 8) as usize / 2);
    for page in memory.spare_capacity_mut().chunks_mut(4096) {
        page[0].write(1);
    }
    std::hint::black_box(&mut memory);
}

/// Bytes that can be had without swapping (proc(5), `MemAvailable`).
fn available_memory() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

struct Bench {
    config: Arc<ClientConfig>,
    pairs: usize,
    ours: Server,
    peers: Vec<Server>,
}

impl Bench {
    /// `take` at stormd and at each peer in turns; `None`: it has not got this.
    fn round(&self, name: String, take: &dyn Fn(&Server) -> Option<Sample>) -> Round {
        let mut pairs = Vec::new();
        for peer in &self.peers {
            let Some(theirs) = take(peer) else { continue };
            let slow = take(&self.ours).is_some_and(|ours| theirs.seconds > SLOW * ours.seconds);
            let turns = if slow { self.pairs.min(FEW) } else { self.pairs };
            let turns = (0..turns).map(|_| (take(&self.ours).unwrap(), take(peer).unwrap()));
            let pair = Pair::new(peer, turns.collect());
            println!("{name}: {}", pair.line());
            pairs.push(pair);
        }
        Round { name, pairs }
    }

    /// 1 GiB, once.
    fn large(&self, server: &Server, way: Way, method: &str) -> Sample {
        let path = match method {
            "GET" => "/open/large".to_owned(),
            _ => format!("/open/put-{}/large", server.name),
        };
        if method == "PUT" {
            warm_memory();
        }
        let before = server.cpu();
        let took = if way == Way::Http2 {
            let method = method.parse().unwrap();
            load::http2(server, &self.config, method, &path, GIB)
        } else {
            let mut conn = self.warm(server, way);
            let began = Instant::now();
            let answer = match method {
                "GET" => conn.ask("GET", &path, b""),
                _ => conn.put(&path, GIB),
            };
            assert!(matches!(answer.status, 200 | 201 | 204), "{} {}", server.name, answer.status);
            assert!(method == "PUT" || answer.size == GIB, "{} {}", server.name, answer.size);
            began.elapsed()
        };
        let cpu = server.cpu() - before;
        if method == "PUT" {
            // It must not come to the disk while others have their turn.
            let deleted = self.warm(server, way).ask("DELETE", &path, b"");
            assert!(deleted.status < 300, "{} {}", server.name, deleted.status);
        }
        Sample { amount: GIB as f64 / 1e9, seconds: took.as_secs_f64(), cpu, first: None }
    }

    /// Small files for a while, many connections at once: a request on each, then the answers.
    fn small(&self, server: &Server, way: Way, method: &str) -> Sample {
        let mut conns: Vec<Conn> = (0..CONNECTIONS).map(|_| self.warm(server, way)).collect();
        let body = vec![b'x'; if method == "PUT" { SMALL } else { 0 }];
        let path = |file: usize| match method {
            "GET" => format!("/open/small/{}", file % FILES),
            _ => format!("/open/put-{}/{file}", server.name),
        };
        // New names: ext4 takes long to find an inode among those that were freed a moment ago.
        static PUT: AtomicUsize = AtomicUsize::new(0);
        let first = PUT.fetch_add(1 << 20, Ordering::Relaxed);
        let (before, began) = (server.cpu(), Instant::now());
        let mut done = 0;
        while began.elapsed() < TURN {
            for (at, conn) in conns.iter_mut().enumerate() {
                conn.send(method, &path(first + done + at), "", &body);
            }
            for conn in conns.iter_mut().rev() {
                let answer = conn.answer(b"");
                assert!(
                    matches!(answer.status, 200 | 201 | 204),
                    "{} {}",
                    server.name,
                    answer.status
                );
                assert!(method == "PUT" || answer.size == SMALL as u64);
            }
            done += CONNECTIONS;
        }
        let (seconds, cpu) = (began.elapsed().as_secs_f64(), server.cpu() - before);
        Sample { amount: done as f64, seconds, cpu, first: None }
    }

    /// A large directory; `None` where it is not answered as WebDAV, or without its entries.
    fn listing(&self, server: &Server) -> Option<Sample> {
        const ASKED: &[u8] =
            b"<?xml version=\"1.0\"?><d:propfind xmlns:d=\"DAV:\"><d:prop><d:resourcetype/>\
            <d:getcontentlength/><d:getlastmodified/></d:prop></d:propfind>";
        let mut conn = self.warm(server, Way::Http);
        let mut ask = |needle: &[u8]| {
            let (before, began) = (server.cpu(), Instant::now());
            let headers = "Depth: 1\r\nContent-Type: application/xml\r\n";
            conn.send("PROPFIND", "/open/many/", headers, ASKED);
            let answer = conn.answer(needle);
            let (seconds, cpu) = (began.elapsed().as_secs_f64(), server.cpu() - before);
            let first = Some(answer.first.as_secs_f64());
            (Sample { amount: ENTRIES as f64, seconds, cpu, first }, answer)
        };
        let (_, answer) = ask(b"file-");
        if answer.status != 207 || answer.found < ENTRIES {
            println!("{}: {} with {} names", server.name, answer.status, answer.found);
            return None;
        }
        Some(ask(b"").0)
    }

    /// A connection that has had its handshakes.
    fn warm(&self, server: &Server, way: Way) -> Conn {
        let way = if way == Way::Http2 { Way::Https } else { way };
        let mut conn = Conn::open(server, way, &self.config);
        let answer = conn.ask("GET", "/open/small/0", b"");
        assert_eq!((answer.status, answer.size), (200, SMALL as u64), "{}", server.name);
        conn
    }
}

/// This thread and what it starts, on one processor.
fn run_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).unwrap();
}
