//! File systems of a test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in a file, by a loop mount. Needs root, and a kernel that knows it.
pub struct Disk {
    /// Holds the image; goes with this.
    dir: tempfile::TempDir,
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
        Self { dir, mount }
    }

    /// btrfs without ACLs: the one that still knows the option.
    pub fn without_acls() -> Self {
        Self::new("mkfs.btrfs", &["-q"], 128, ",noacl")
    }

    /// One by FUSE, mounted on that folder: it has no files without a name, and the kernel has nothing of it at
    /// hand.
    pub fn by_fuse(folder: &Path) -> Self {
        let dir = tempfile::TempDir::with_prefix("stormd-disk-").unwrap();
        let image = dir.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let (image, target) = (image.display().to_string(), folder.display().to_string());
        run("mke2fs", &["-q", "-F", "-t", "ext4", "-m", "0", &image]);
        run("fuse2fs", &[&image, &target]);
        Self { dir, mount: folder.to_owned() }
    }

    /// Bytes that are free, once all that was written is on disk.
    pub fn free(&self) -> u64 {
        run("sync", &["-f", &self.mount.display().to_string()]);
        let stat = rustix::fs::statvfs(&self.mount).unwrap();
        stat.f_bfree * stat.f_frsize
    }
}

/// A disk that can be made to fail: a file system in a file on another one, which is shut down under it.
/// What was written to the disk before is there again once it is mended.
pub struct FailingDisk {
    outer: Disk,
    /// Where it is mounted.
    pub mount: PathBuf,
}

impl FailingDisk {
    /// ext4 of that size; a failure leaves it writable as long as ext4 can.
    pub fn new(megabytes: u64) -> Self {
        let quick = ["-q", "-F", "-t", "ext4", "-m", "0"];
        let outer = Disk::new("mke2fs", &quick, megabytes * 2 + 16, "");
        let image = outer.mount.join("image");
        std::fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        run("mke2fs", &[&quick[..], &[&image.display().to_string()]].concat());
        let mount = outer.dir.path().join("inner");
        std::fs::create_dir(&mount).unwrap();
        let disk = Self { outer, mount };
        disk.attach();
        disk
    }

    fn attach(&self) {
        let image = self.outer.mount.join("image").display().to_string();
        let target = self.mount.display().to_string();
        run("mount", &["-o", "loop,errors=continue", &image, &target]);
    }

    /// From now on every block that is read or written is an I/O error.
    pub fn fail(&self) {
        // All that was acknowledged so far is on the disk, or it was not synced.
        run("xfs_io", &["-x", "-c", "shutdown", &self.outer.mount.display().to_string()]);
    }

    /// Another disk with what this one held. Nobody may use it at that moment.
    pub fn mend(&self) {
        run("umount", &[&self.mount.display().to_string()]);
        let outer = self.outer.mount.display().to_string();
        run("umount", &[&outer]);
        let image = self.outer.dir.path().join("image").display().to_string();
        run("mount", &["-o", "loop", &image, &outer]);
        self.attach();
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-q", "-l"]).arg(&self.mount).status();
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
