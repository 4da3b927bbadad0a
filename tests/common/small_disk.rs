//! A disk of a test's own: one that is full soon, or one for more files than others have room for.

use std::path::PathBuf;
use std::process::Command;

/// A file system: ext4 in a file, by a loop mount. Needs root, as `make test` has it.
pub struct SmallDisk {
    /// Holds the image; goes with this.
    _dir: tempfile::TempDir,
    /// Where it is mounted.
    pub mount: PathBuf,
}

impl SmallDisk {
    /// Makes and mounts one of 8 MB.
    pub fn new() -> Self {
        Self::with(8, &[], "")
    }

    /// One for so many files, all of them empty. It has no journal: making and removing them waits for
    /// nobody.
    pub fn for_files(files: usize) -> Self {
        let inodes = files + 1000;
        let arguments = ["-N", &inodes.to_string(), "-O", "^has_journal"];
        Self::with(64 + inodes / 2048, &arguments, &format!(",nr_inodes={inodes}"))
    }

    /// `more`: arguments of mke2fs; `else_more`: options of the tmpfs in its stead.
    fn with(megabytes: usize, more: &[&str], else_more: &str) -> Self {
        let dir = tempfile::TempDir::with_prefix("stormd-disk-").unwrap();
        let (image, mount) = (dir.path().join("image"), dir.path().join("mount"));
        std::fs::create_dir(&mount).unwrap();
        std::fs::File::create(&image).unwrap().set_len((megabytes as u64) << 20).unwrap();
        let run = |program: &str, args: &[&str]| {
            let output = Command::new(program).args(args).output();
            let output = output.unwrap_or_else(|e| panic!("{program}: {e}: make test installs it"));
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (image, target) = (image.display().to_string(), mount.display().to_string());
        let arguments = [&["-q", "-F", "-t", "ext4", "-m", "0"], more, &[image.as_str()]].concat();
        let (made, why) = run("mke2fs", &arguments);
        assert!(made, "mke2fs: {why}");
        let (mut mounted, mut why) = run("mount", &["-o", "loop", &image, &target]);
        if !mounted {
            // Containers often have no loop devices.
            let options = format!("size={megabytes}m,mode=0700{else_more}");
            let (done, more) = run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &target]);
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
