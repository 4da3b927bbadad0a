//! An open directory on a POSIX file system: one `statx` per entry, no walk from the root.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::beneath::{Root, file_size_at, stat_at};
use super::{DirEntries, DirEntry, Directory, DriverError, Kind, Stat};
use crate::model::RelPath;

/// See [`Directory`].
pub(super) struct PosixDirectory {
    root: Root,
    path: RelPath,
    fd: OwnedFd,
}

impl PosixDirectory {
    /// `fd` is `path`, resolved beneath `root`.
    pub(super) fn new(root: Root, path: RelPath, fd: OwnedFd) -> Self {
        Self { root, path, fd }
    }
}

impl Directory for PosixDirectory {
    fn entries(&self) -> Result<DirEntries, DriverError> {
        let fd = rustix::io::dup(&self.fd)?;
        let entries = Dir::read_from(&self.fd)?.filter_map(move |entry| match entry {
            Err(error) => Some(Err(error.into())),
            Ok(entry) => {
                let name = entry.file_name().to_str().ok()?;
                if matches!(name, "." | "..") {
                    return None;
                }
                let told = match entry.file_type() {
                    // Some file systems (NFS) tell nothing.
                    FileType::Unknown => {
                        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
                        let stat = rustix::fs::statat(&fd, name, flags);
                        stat.map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
                    }
                    told => told,
                };
                let kind = match told {
                    FileType::RegularFile => Some(Kind::File),
                    FileType::Directory => Some(Kind::Directory),
                    FileType::Symlink | FileType::Unknown => None,
                    _ => Some(Kind::Other),
                };
                Some(Ok(DirEntry { name: name.to_owned(), kind }))
            }
        });
        Ok(Box::new(entries))
    }

    fn stat(&self, name: &str) -> Result<Stat, DriverError> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let (stat, is_link) = stat_at(&self.fd, name, flags)?;
        // A link may lead anywhere, and a directory may be another area's root.
        if is_link || (stat.kind == Kind::Directory && !self.root.is_alone()) {
            return self.root.stat(&self.path.join(name));
        }
        Ok(stat)
    }

    fn file_size(&self, name: &str) -> Result<Option<u64>, DriverError> {
        file_size_at(&self.fd, name)
    }

    fn open(&self, name: &str) -> Result<File, DriverError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(File::from(fd)),
            Err(Errno::LOOP) => self.root.open_file(&self.path.join(name), OFlags::empty()),
            Err(error) => Err(error.into()),
        }
    }
}
