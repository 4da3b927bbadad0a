//! Has a file changed? Who it is, how large, and when it was last touched tell: what it holds is not
//! read. A directory of 400 CAs costs some milliseconds so.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What files and directories look like from outside. Two looks that are equal: nothing changed,
/// except for writes within one tick of the file system's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look(u64);

impl Look {
    /// Looks at files, and at directories with what is in them, `depth` levels down. Links are
    /// followed: a directory that is switched by a link is another one. Blocks.
    pub(super) fn at<'a>(paths: impl IntoIterator<Item = &'a Path>, depth: u8) -> Self {
        let mut sum = 0_u64;
        for path in paths {
            add(&mut sum, path, depth);
        }
        Self(sum)
    }
}

/// A sum, since directories come in any order.
fn add(sum: &mut u64, path: &Path, depth: u8) {
    let about = std::fs::metadata(path);
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    match &about {
        Ok(about) => {
            (about.dev(), about.ino(), about.size(), about.mode()).hash(&mut hasher);
            (about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec())
                .hash(&mut hasher);
        }
        Err(error) => error.raw_os_error().hash(&mut hasher),
    }
    *sum = sum.wrapping_add(hasher.finish());
    if depth > 0 && about.is_ok_and(|about| about.is_dir()) {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            add(sum, &entry.path(), depth - 1);
        }
    }
}

/// Files and directories that are read together, and how they looked when they were.
pub(super) struct Watched {
    paths: Vec<PathBuf>,
    depth: u8,
    /// When they were last read.
    read: Look,
    /// The last time somebody looked.
    last: Look,
}

impl Watched {
    /// To be made before they are read: what changes meanwhile is seen.
    pub(super) fn new(paths: Vec<PathBuf>, depth: u8) -> Self {
        let mut this = Self { paths, depth, read: Look::default(), last: Look::default() };
        this.read_now();
        this
    }

    /// They are about to be read: whatever changes from now on has not been.
    pub(super) fn read_now(&mut self) {
        self.read = self.look();
        self.last = self.read;
    }

    /// They look as they did when they were read. Blocks.
    pub(super) fn is_as_read(&self) -> bool {
        self.look() == self.read
    }

    fn look(&self) -> Look {
        Look::at(self.paths.iter().map(PathBuf::as_path), self.depth)
    }

    /// True when they are to be read (again): they look different than when they were read, and as
    /// they did at the last look, so that nobody is writing to them just now. Blocks.
    pub(super) fn changed(&mut self) -> bool {
        let now = self.look();
        let quiet = now == self.last;
        self.last = now;
        if now == self.read || !quiet {
            return false;
        }
        self.read = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_and_is_quiet_is_to_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("one/vo")).unwrap();
        std::fs::create_dir_all(path("two/vo")).unwrap();
        std::fs::write(path("one/vo/lsc"), "1").unwrap();
        std::os::unix::fs::symlink("one", path("now")).unwrap();
        let mut watched = Watched::new(vec![path("now"), path("file")], 2);
        let mut after = |change: &dyn Fn()| {
            change();
            (0..4).map(|_| watched.changed()).collect::<Vec<_>>()
        };
        const ONCE: [bool; 4] = [false, true, false, false];
        assert_eq!(after(&|| ()), [false; 4]);
        assert_eq!(after(&|| std::fs::write(path("one/vo/lsc"), "22").unwrap()), ONCE);
        assert_eq!(after(&|| std::fs::write(path("one/vo/more"), "").unwrap()), ONCE);
        assert_eq!(after(&|| std::fs::write(path("file"), "").unwrap()), ONCE);
        assert_eq!(after(&|| std::fs::remove_file(path("file")).unwrap()), ONCE);
        let switch = || {
            std::os::unix::fs::symlink("two", path("next")).unwrap();
            std::fs::rename(path("next"), path("now")).unwrap();
        };
        assert_eq!(after(&switch), ONCE);
        assert_eq!(after(&|| std::fs::write(path("one/vo/lsc"), "333").unwrap()), [false; 4]);

        // While it grows it is left alone.
        for size in 1..5 {
            std::fs::write(path("file"), vec![b'x'; size]).unwrap();
            assert!(!watched.changed());
        }
        assert!(watched.changed());
    }
}
