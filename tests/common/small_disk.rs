//! A disk that is full soon.

use std::path::PathBuf;
use std::process::Command;

/// A file system of 8 MB: ext4 in a file, by a loop mount. Needs root, as `make test` has it.
pub struct SmallDisk {
    /// Holds the image; goes with this.
    _dir: tempfile::TempDir,
    /// Where it is mounted.
    pub mount: PathBuf,
}

impl SmallDisk {
    /// Makes and mounts it.
    pub fn new() -> Self {
        let dir = tempfile::TempDir::with_prefix("stormd-disk-").unwrap();
        let (image, mount) = (dir.path().join("image"), dir.path().join("mount"));
        std::fs::create_dir(&mount).unwrap();
        std::fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
        let run = |program: &str, args: &[&str]| {
            let output = Command::new(program).args(args).output();
            let output = output.unwrap_or_else(|e| panic!("{program}: {e}: make test installs it"));
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (image, target) = (image.display().to_string(), mount.display().to_string());
        let (made, why) = run("mke2fs", &["-q", "-F", "-t", "ext4", "-m", "0", &image]);
        assert!(made, "mke2fs: {why}");
        let (mut mounted, mut why) = run("mount", &["-o", "loop", &image, &target]);
        if !mounted {
            // Containers often have no loop devices.
            let options = ["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", &target];
            let (done, more) = run("mount", &options);
            (mounted, why) = (done, why + &more);
        }
        assert!(mounted, "no small file system can be mounted (root is needed): {why}");
        Self { _dir: dir, mount }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}
