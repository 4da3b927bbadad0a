//! Hostile bytes for every parser that meets some: what the fuzzer (`fuzz/`) runs, and what a test replays from
//! `fuzz/corpus`. Not part of an ordinary build.

use std::path::Path;

use crate::auth::ban::BanList;
use crate::auth::gridmap::{GridMap, GroupMap};
use crate::auth::password::Users;
use crate::auth::path_authz::PathAuthz;
use crate::auth::watched::Format;
use crate::auth::x509::fuzz as x509;
use crate::soap;
use crate::web::fuzz_form;
use crate::webdav::fuzz as webdav;

/// A parser with the work that follows on it.
pub type Target = fn(&[u8]);

/// Each takes any bytes; whatever it makes of them, it must not panic, hang or eat memory.
pub const TARGETS: &[(&str, Target)] = &[
    ("ac", x509::attribute_certificates),
    ("chain", x509::chain),
    ("dav_body", webdav::body),
    ("dav_if", webdav::if_header),
    ("form", fuzz_form),
    ("dav_page", webdav::page),
    ("gridmap", gridmap),
    ("namespaces", x509::namespaces),
    ("path_authz", path_authz),
    ("signing_policy", x509::signing_policy),
    ("soap", request),
];

/// The files of an administrator: grid-mapfile, groupmapfile, ban list, local users.
fn gridmap(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = GridMap::parse(&text, Path::new("grid-mapfile"));
    let _ = GroupMap::parse(&text, Path::new("groupmapfile"));
    let _ = BanList::parse(&text, Path::new("ban_users.db"));
    let _ = Users::parse(&text, Path::new("users.db"));
}

/// path-authz.db.
fn path_authz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = PathAuthz::parse(&text, Path::new("path-authz.db"));
}

/// A request of SRM.
fn request(bytes: &[u8]) {
    if let Ok(decoded) = soap::decode(bytes)
        && let Ok(call) = decoded.call
    {
        let _ = soap::encode_call(&call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the fuzzer began with and what it found stays found. After a change of the forged ones,
    /// `UPDATE_CORPUS=1 cargo test --lib fuzz::` writes them anew.
    #[test]
    fn the_corpus_does_no_harm() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            for (target, name, bytes) in x509::seeds() {
                std::fs::create_dir_all(corpus.join(target)).unwrap();
                std::fs::write(corpus.join(target).join(name), bytes).unwrap();
            }
        }
        for (target, run) in TARGETS {
            let folder = corpus.join(target);
            let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(Result::unwrap).collect();
            assert!(files.len() >= 4, "too few inputs in {}", folder.display());
            for file in files {
                let bytes = std::fs::read(file.path()).unwrap();
                let begun = std::time::Instant::now();
                run(&bytes);
                assert!(begun.elapsed().as_secs() < 10, "{} is slow", file.path().display());
                // Cut short, as a connection may be.
                run(&bytes[..bytes.len() / 2]);
            }
        }
    }
}
