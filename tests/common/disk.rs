//! File systems of a test's own.

use std::path::PathBuf;
use std::process::Command;

/// A file system in a file, by a loop mount. Needs root, and a kernel that knows it.
pub struct Disk {
    /// Holds the image; goes with this.
    _dir: tempfile::TempDir,
    /// Where it is mounted.
    pub mount: PathBuf,
}

impl Disk {
    /// Makes it with `make ARGUMENTS IMAGE` and mounts it with these options beside `loop`.
    pub fn new(make: &str, arguments: &[&str], megabytes: u64, options: &str) -> Self {
        let dir = tempfile::TempDir::with_prefix("stormd-disk-").unwrap();
        let (image, mount) = (dir.path().join("image"), dir.path().join("mount"));
        std::fs::create_dir(&mount).unwrap();
        std::fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        let (image, target) = (image.display().to_string(), mount.display().to_string());
        run(make, &[arguments, &[image.as_str()]].concat());
        run("mount", &["-o", &format!("loop{options}"), &image, &target]);
        Self { _dir: dir, mount }
    }

    /// btrfs without ACLs: the one that still knows the option.
    pub fn without_acls() -> Self {
        Self::new("mkfs.btrfs", &["-q"], 128, ",noacl")
    }

    /// Bytes that are free, once all that was written is on disk.
    pub fn free(&self) -> u64 {
        run("sync", &["-f", &self.mount.display().to_string()]);
        let stat = rustix::fs::statvfs(&self.mount).unwrap();
        stat.f_bfree * stat.f_frsize
    }
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output();
    let done = done.unwrap_or_else(|e| panic!("{program}: {e}: make test installs it"));
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {arguments:?}: {why}");
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}
