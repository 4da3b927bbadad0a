//! Removes a directory with all that is below it. By open directories and single names, so that no
//! link swapped in meanwhile is followed; without recursion and with few open files, so that no
//! depth is too deep: what lies too deep is moved up first.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::DriverError;
use crate::model::HIDDEN_PREFIX;

/// Directories open at once.
const OPEN: usize = 64;
/// Times a directory is read again because something was left in it.
const AGAIN: u32 = 3;

/// Removes the directory `name` in `parent` and all below it.
pub(super) fn remove(parent: &OwnedFd, name: &str) -> Result<(), DriverError> {
    let name = CString::new(name).map_err(|_| DriverError::BadName)?;
    let top = Level::open(parent, name)?;
    let mut walk = Walk { levels: vec![top], moved_up: false };
    while walk.step(parent)? {}
    Ok(())
}

struct Walk {
    /// The top first, each in the one before.
    levels: Vec<Level>,
    /// Something was moved up into the top since that was read from its beginning.
    moved_up: bool,
}

struct Level {
    fd: OwnedFd,
    entries: Dir,
    name: CString,
    again: u32,
}

impl Level {
    fn open(parent: impl AsFd, name: CString) -> Result<Self, DriverError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, &name, flags, Mode::empty())?;
        let entries = Dir::read_from(&fd)?;
        Ok(Self { fd, entries, name, again: 0 })
    }
}

impl Walk {
    /// Deals with one entry; false when all is gone.
    fn step(&mut self, parent: &OwnedFd) -> Result<bool, DriverError> {
        let depth = self.levels.len();
        let Some(level) = self.levels.last_mut() else { return Ok(false) };
        let entry = match level.entries.next() {
            None => return self.leave(parent).map(|()| true),
            Some(entry) => entry?,
        };
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            return Ok(true);
        }
        if !is_directory(&level.fd, name, entry.file_type())? {
            return match rustix::fs::unlinkat(&level.fd, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(true),
                Err(error) => Err(error.into()),
            };
        }
        if depth < OPEN {
            let below = Level::open(&level.fd, name.to_owned())?;
            self.levels.push(below);
        } else {
            let short = CString::new(format!("{HIDDEN_PREFIX}rm.{}", uuid::Uuid::new_v4()))
                .map_err(|_| DriverError::BadName)?;
            let [top, .., level] = self.levels.as_slice() else { return Ok(false) };
            rustix::fs::renameat(&level.fd, name, &top.fd, &short)?;
            self.moved_up = true;
        }
        Ok(true)
    }

    /// The last level has been read to its end.
    fn leave(&mut self, parent: &OwnedFd) -> Result<(), DriverError> {
        let Some(mut level) = self.levels.pop() else { return Ok(()) };
        let above = self.levels.last().map_or(parent, |above| &above.fd);
        match rustix::fs::unlinkat(above, &level.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            // What was moved up meanwhile, or somebody else's new file.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                if self.levels.is_empty() && self.moved_up {
                    self.moved_up = false;
                } else if level.again < AGAIN {
                    level.again += 1;
                } else {
                    return Err(DriverError::NotEmpty);
                }
                level.entries = Dir::read_from(&level.fd)?;
                self.levels.push(level);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn is_directory(parent: &OwnedFd, name: &CStr, told: FileType) -> Result<bool, DriverError> {
    match told {
        FileType::Directory => Ok(true),
        FileType::Unknown => match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        },
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn open(path: &std::path::Path) -> OwnedFd {
        OwnedFd::from(std::fs::File::open(path).unwrap())
    }

    #[test]
    fn removes_links_and_leaves_what_they_name() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("f"), "x").unwrap();
        std::fs::create_dir_all(dir.path().join("t/sub")).unwrap();
        std::fs::write(dir.path().join("t/sub/.storm.up.x"), "x").unwrap();
        symlink("../kept", dir.path().join("t/link")).unwrap();
        symlink("/etc", dir.path().join("t/sub/out")).unwrap();
        symlink("kept", dir.path().join("top-link")).unwrap();
        let top = open(dir.path());
        let refused = remove(&top, "top-link");
        assert!(matches!(refused, Err(DriverError::NotADirectory)));
        remove(&top, "t").unwrap();
        assert!(!dir.path().join("t").exists());
        assert!(kept.join("f").exists());
    }

    #[test]
    fn no_tree_is_too_deep() {
        let dir = tempfile::tempdir().unwrap();
        let top = open(dir.path());
        let mut at = top.try_clone().unwrap();
        // Deeper than any path can name.
        for level in 0..3000 {
            rustix::fs::mkdirat(&at, "d", Mode::from_raw_mode(0o700)).unwrap();
            if level % 500 == 0 {
                rustix::fs::mkdirat(&at, "side", Mode::from_raw_mode(0o700)).unwrap();
            }
            at = rustix::fs::openat(&at, "d", OFlags::RDONLY, Mode::empty()).unwrap();
        }
        remove(&top, "d").unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "only the first side");
    }
}
