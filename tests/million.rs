//! A directory of a million files, by every way there is to look into it: each tells all of them, once, and
//! takes a bounded part of memory; others are served meanwhile; and who hangs up, or does not read on, holds
//! nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::client::Tls;
use common::pinger::Pinger;
use common::small_disk::SmallDisk;
use common::storm::Area;
use common::wire::{self, Conn};
use common::{TestStorm, soap, wait_until};
use rustix::fs::{FileType, Mode, OFlags};
use rustls::ClientConfig;

const FILES: usize = 1_000_000;
/// Most memory that stormd may take, in bytes.
const MEMORY: u64 = 300 << 20;
/// What the others may wait for their answer, on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_millis(100);
/// Entries of a page of srmLs.
const PAGE: usize = 2000;

/// Rows of a browser's page.
const ROWS: usize = 1000;

/// What rclone asks for (`--webdav-vendor` is not ownCloud's).
const RCLONE: &str = "<?xml version=\"1.0\"?><d:propfind xmlns:d=\"DAV:\"><d:prop><d:displayname/>\
    <d:getlastmodified/><d:getcontentlength/><d:resourcetype/><d:getcontenttype/>\
    </d:prop></d:propfind>";
/// What davix asks for.
const DAVIX: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:propfind xmlns:D=\"DAV:\" \
    xmlns:L=\"LCGDM:\"><D:prop><D:displayname/><D:getlastmodified/><D:creationdate/>\
    <D:getcontentlength/><D:quota-used-bytes/><D:resourcetype><D:collection/></D:resourcetype>\
    <L:mode/></D:prop></D:propfind>";

/// The directory, and a daemon that serves it.
struct World {
    storm: TestStorm,
    directory: PathBuf,
    voms: Arc<ClientConfig>,
    _disk: SmallDisk,
}

impl World {
    fn new() -> Self {
        let disk = SmallDisk::for_files(FILES);
        let root = disk.mount.join("area");
        let directory = root.join("all");
        std::fs::create_dir_all(&directory).unwrap();
        let begun = Instant::now();
        make(&directory);
        println!("{FILES} files made in {:.1} s", begun.elapsed().as_secs_f64());
        let root = Some(root);
        let area = Area { name: "MILLION", stfn: "million", vo: None, anonymous: true, root };
        let storm =
            TestStorm::with("ls_wait = \"60s\"\n[limits]\nidle_body = \"60s\"\n", vec![area]);
        let voms = wire::config(Some("voms"), Tls::Any);
        Self { storm, directory, voms, _disk: disk }
    }

    /// Does something; tells what it took, and that nobody else suffered.
    async fn measured(&self, what: &str, work: impl Future<Output = ()>) {
        let patience = PATIENCE.max(4 * Pinger::quiet(&self.voms, self.storm.ports.srm));
        self.storm.forget_peak();
        let others = Pinger::start(&self.voms, self.storm.ports.srm);
        let begun = Instant::now();
        work.await;
        let seconds = begun.elapsed().as_secs_f64();
        let (p99, peak) = (others.p99(), self.storm.peak());
        println!("{what}: {seconds:.1} s, {} MiB, srmPing p99 {p99:.1?}", peak >> 20);
        assert!(peak < MEMORY, "{what}: {peak} bytes");
        assert!(p99 < patience, "{what}: srmPing took {p99:?}");
    }

    /// A whole PROPFIND, over https or http.
    async fn propfind(&self, secure: bool, depth: &str, body: &str) {
        let mut conn = self.connect(secure).await;
        let mut seen = Seen::default();
        let mut rest = Vec::new();
        conn.send(propfind(depth, body).as_bytes()).await.unwrap();
        let mut read = |piece: &[u8]| {
            rest.extend_from_slice(piece);
            // An entry a line.
            let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            for line in std::str::from_utf8(&rest[..end]).unwrap().lines() {
                if let Some(entry) = line.strip_prefix("<d:response><d:href>/million/all/") {
                    let (name, properties) = entry.split_once("</d:href>").unwrap();
                    if !name.is_empty() {
                        assert!(properties.contains("<d:getcontentlength>0<"), "{line}");
                        seen.add(name);
                    }
                }
            }
            rest.drain(..end);
        };
        let answer = conn.streamed(&mut read).await.unwrap();
        assert_eq!(answer.status, 207);
        assert!(rest.is_empty());
        seen.all();
    }

    /// What a browser gets: the first page and the last, in each order.
    async fn browse(&self) {
        let mut conn = self.connect(true).await;
        for (query, from) in [
            ("", Some(0)),
            ("before=", Some(FILES - ROWS)),
            ("sort=name&order=desc", Some(FILES - ROWS)),
            ("sort=size", None),
            ("sort=size&order=desc&before=", None),
            ("sort=time", None),
            ("sort=time&order=desc&before=", None),
        ] {
            let target = format!("/million/all/?{query}");
            let answer =
                conn.request("GET", &target, &[("accept", "text/html")], b"").await.unwrap();
            let page = answer.text();
            assert_eq!(answer.status, 200, "{query}: {page:.300}");
            let mut names: Vec<&str> =
                page.split("<bdi>file-").skip(1).map(|rest| &rest[..6]).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), ROWS, "{query}");
            if let Some(from) = from {
                let wanted = (from..from + ROWS).map(|n| format!("{n:06}"));
                assert!(wanted.eq(names.iter().map(ToString::to_string)), "{query}: {names:?}");
            }
        }
    }

    async fn connect(&self, secure: bool) -> Conn {
        let ports = self.storm.ports;
        let conn = match secure {
            true => Conn::tls(&self.voms, ports.https).await,
            false => Conn::tcp(ports.plain).await,
        };
        conn.unwrap()
    }

    /// srmLs, page by page.
    async fn pages(&self) {
        let mut conn = Conn::tls(&self.voms, self.storm.ports.srm).await.unwrap();
        let surls = soap::surls(&[self.storm.surl("/million/all")]);
        let (mut seen, mut last) = (Seen::default(), String::new());
        for offset in (0..FILES).step_by(PAGE) {
            let inner = format!("{surls}<offset>{offset}</offset><count>{PAGE}</count>");
            let answer = soap::call(&mut conn, "srmLs", &inner).await.unwrap();
            assert_eq!(answer.code, "SRM_SUCCESS", "{}", answer.explanation);
            let paths = answer.xml.split("<path>/million/all/").skip(1);
            for name in paths.map(|path| path.split_once('<').unwrap().0) {
                assert!(name > last.as_str(), "{name} comes after {last}");
                name.clone_into(&mut last);
                seen.add(name);
            }
        }
        seen.all();
    }
}

/// Files that were told.
struct Seen {
    each: Vec<bool>,
    count: usize,
}

impl Default for Seen {
    fn default() -> Self {
        Self { each: vec![false; FILES], count: 0 }
    }
}

impl Seen {
    fn add(&mut self, name: &str) {
        let n: usize = name.strip_prefix("file-").unwrap().parse().unwrap();
        assert!(!std::mem::replace(&mut self.each[n], true), "{name} is told twice");
        self.count += 1;
    }

    fn all(&self) {
        assert_eq!(self.count, FILES);
    }
}

/// Empty files, by names alone.
fn make(directory: &Path) {
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    let fd = rustix::fs::open(directory, flags, Mode::empty()).unwrap();
    for n in 0..FILES {
        let name = format!("file-{n:06}");
        let mode = Mode::from_raw_mode(0o640);
        rustix::fs::mknodat(&fd, &name, FileType::RegularFile, mode, 0).unwrap();
    }
}

fn propfind(depth: &str, body: &str) -> String {
    let head = wire::head("PROPFIND", "/million/all/", &[("depth", depth)], Some(body.len()));
    head + body
}

#[tokio::test]
async fn a_million_files() {
    let world = World::new();
    world.measured("PROPFIND allprop", world.propfind(true, "1", "")).await;
    world.measured("PROPFIND of rclone", world.propfind(false, "1", RCLONE)).await;
    world
        .measured("PROPFIND of davix, of all below", world.propfind(false, "infinity", DAVIX))
        .await;
    world.measured("pages of a browser", world.browse()).await;
    world.measured("srmLs by pages", world.pages()).await;
    let before = world.storm.memory();
    let readers = begun(&world).await;
    world.measured("who does not read on", idle_readers(&world, readers, before)).await;
    the_patience_with_them(&world).await;
}

/// Clients that do not read on: more than there are threads for what blocks.
const READERS: usize = 600;
/// Each has it open to read names, and to look at them.
const EACH: usize = 2;

/// Who asks and does not read on takes a piece or two of memory and no thread; when he goes he leaves nothing
/// behind.
async fn idle_readers(world: &World, conns: Vec<Conn>, before: u64) {
    let open = world.storm.open_files(&world.directory);
    assert!(open >= EACH * READERS, "{open} directories are being read");
    let grown = world.storm.memory().saturating_sub(before);
    println!("{READERS} who do not read: {} KiB each", (grown >> 10) / READERS as u64);
    // What the lists before left free may be given back by now, or be used again.
    assert!(grown < READERS as u64 * (448 << 10), "{grown} bytes more for {READERS}");
    // Had each a thread, none would be left for this.
    let asked = Instant::now();
    let ls = soap::surls(&[world.storm.surl("/million")]);
    let answer = soap::once(&world.voms, world.storm.ports.srm, "srmLs", &ls).await.unwrap();
    assert_eq!(answer.code, "SRM_SUCCESS", "{}", answer.explanation);
    assert!(asked.elapsed() < Duration::from_secs(1), "srmLs took {:?}", asked.elapsed());
    drop(conns);
    let closed = || world.storm.open_files(&world.directory) == 0;
    assert!(wait_until(Duration::from_secs(5), closed), "what nobody reads is still open");
}

/// Who does not read on is let go when his time is up.
async fn the_patience_with_them(world: &World) {
    world.storm.reload("idle_body = \"60s\"", "idle_body = \"2s\"");
    let mut conn = Conn::narrow(world.storm.ports.plain).await.unwrap();
    conn.send(propfind("1", "").as_bytes()).await.unwrap();
    assert!(!conn.some().await.unwrap().is_empty());
    assert_eq!(world.storm.open_files(&world.directory), EACH);
    let closed = || world.storm.open_files(&world.directory) == 0;
    assert!(wait_until(Duration::from_secs(10), closed), "what nobody reads is still open");
    assert!(conn.closed_within(Duration::from_secs(5)).await, "the connection is still open");
}

/// Connections on which the answer to a PROPFIND has begun.
async fn begun(world: &World) -> Vec<Conn> {
    let mut conns = Vec::new();
    for n in 0..READERS {
        let mut conn = match n % 20 {
            0 => world.connect(true).await,
            _ => Conn::narrow(world.storm.ports.plain).await.unwrap(),
        };
        conn.send(propfind("1", "").as_bytes()).await.unwrap();
        assert!(!conn.some().await.unwrap().is_empty());
        conns.push(conn);
    }
    conns
}
