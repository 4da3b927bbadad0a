//! The test PKI: made by `tests/pki.sh` into `target/test-pki`, once, and shared by all test
//! binaries under a file lock.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// Proxies live 10 days; half of that leaves room for a long test run.
const FRESH: Duration = Duration::from_secs(5 * 24 * 3600);

/// The folder, made when it is not there, is old, or was made by another version of the script.
pub fn dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pki.sh");
        // CARGO_TARGET_TMPDIR is <target>/tmp.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
        let (dir, stamp) = (target.join("test-pki"), target.join("test-pki.stamp"));
        let lock = File::create(target.join("test-pki.lock")).unwrap();
        lock.lock().unwrap();
        let wanted = std::fs::read_to_string(&script).unwrap();
        let fresh = stamp
            .metadata()
            .and_then(|m| m.modified())
            .is_ok_and(|t| SystemTime::now().duration_since(t).unwrap_or_default() < FRESH);
        if !(fresh && std::fs::read_to_string(&stamp).is_ok_and(|made_by| made_by == wanted)) {
            let status = Command::new("bash").arg(&script).arg(&dir).status().unwrap();
            assert!(status.success(), "{} failed: see above", script.display());
            std::fs::write(&stamp, wanted).unwrap();
        }
        dir
    })
}

/// `proxy-<kind>.pem`: see the head of `tests/pki.sh` for the kinds.
pub fn proxy(kind: &str) -> PathBuf {
    let path = dir().join(format!("proxy-{kind}.pem"));
    assert!(path.exists(), "no proxy of kind {kind}: add it to tests/pki.sh");
    path
}

/// The directory of trust anchors.
pub fn certificates() -> PathBuf {
    dir().join("certificates")
}

/// The directory of LSC files.
pub fn vomsdir() -> PathBuf {
    dir().join("vomsdir")
}
