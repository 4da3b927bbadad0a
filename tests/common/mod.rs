//! What the integration tests share: the real binary on free ports with a generated configuration
//! ([`TestStorm`]), a throw-away grid PKI ([`pki`]), real clients ([`client`]), a client of our own
//! for what real ones will not send ([`wire`]), and SRM's envelopes ([`soap`]).
#![allow(dead_code, unused_imports)] // Every test binary uses its own part of this.

pub mod access;
pub mod accounts;
pub mod client;
pub mod codes;
pub mod disk;
pub mod frames;
pub mod grid;
pub mod http2;
pub mod movers;
pub mod passwords;
pub mod pinger;
pub mod pki;
pub mod ports;
pub mod process;
pub mod scene;
pub mod site;
pub mod small_disk;
pub mod soap;
pub mod storm;
pub mod trace;
pub mod usage;
pub mod wire;

pub use storm::TestStorm;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// The person of `usercert.pem`, as stormd must name them.
pub const USER_DN: &str = "/C=IT/O=Test Grid/CN=Test User";
/// The person of `user2cert.pem`.
pub const USER2_DN: &str = "/C=IT/O=Test Grid/CN=Test User 2";

/// Every file, directory and link below `root` with what it holds: two equal snapshots mean that
/// nothing changed on disk.
pub fn snapshot(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(root, &mut |path, kind| {
        let what = match kind {
            Kind::Directory => "directory".to_owned(),
            Kind::Link => format!("link to {}", std::fs::read_link(path).unwrap().display()),
            Kind::File => {
                let bytes = std::fs::read(path).unwrap();
                format!("file of {} bytes, adler32 {}", bytes.len(), adler32(&bytes))
            }
        };
        found.insert(path.strip_prefix(root).unwrap().display().to_string(), what);
    });
    found
}

/// Names below `root` that begin with `.storm.`: puts that are not done.
pub fn leftovers(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    walk(root, &mut |path, _| {
        if path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".storm.")) {
            found.push(path.display().to_string());
        }
    });
    found
}

enum Kind {
    Directory,
    File,
    Link,
}

fn walk(directory: &Path, visit: &mut dyn FnMut(&Path, Kind)) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let Ok(data) = path.symlink_metadata() else { continue }; // gone meanwhile
        if data.is_symlink() {
            visit(&path, Kind::Link);
        } else if data.is_dir() {
            visit(&path, Kind::Directory);
            walk(&path, visit);
        } else {
            visit(&path, Kind::File);
        }
    }
}

/// ADLER32 as SRM writes it: 8 hex digits.
pub fn adler32(bytes: &[u8]) -> String {
    format!("{:08x}", simd_adler32::adler32(&bytes))
}

/// Bytes that look like nothing else: `seed` makes each file its own.
pub fn bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(size + 8);
    while out.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(size);
    out
}

/// Asks until the answer is yes; `false` when `limit` is over.
pub fn wait_until(limit: Duration, mut ask: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if ask() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
