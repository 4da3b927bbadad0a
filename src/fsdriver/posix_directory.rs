//! An open directory on a POSIX file system: one `statx` per entry, no walk from the root.

use std::ffi::CStr;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::beneath::{Root, file_size_at, link_at, stat_at};
use super::{
    Acl, DirEntries, DirEntry, Directory, DriverError, Kind, Stat, Unpublished, posix_acl,
};
use crate::model::RelPath;

/// Bytes of names that the kernel gives at once: some hundreds.
const BUFFER: usize = 32 << 10;

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
        // Of its own, for the place in the directory.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, ".", flags, Mode::empty())?;
        let mut ready = Vec::new().into_iter();
        let mut over = false;
        Ok(Box::new(std::iter::from_fn(move || {
            loop {
                if let Some(entry) = ready.next() {
                    return Some(Ok(entry));
                }
                if over {
                    return None;
                }
                match read(&fd) {
                    Ok(Some(more)) => ready = more.into_iter(),
                    Ok(None) => over = true,
                    Err(error) => {
                        over = true;
                        return Some(Err(error.into()));
                    }
                }
            }
        })))
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

    fn default_acl(&self) -> Result<Option<Acl>, DriverError> {
        posix_acl::read_default(&self.fd)
    }

    fn begin(&self) -> Result<Unpublished, DriverError> {
        self.root.begin(&self.fd)
    }

    fn link(&self, file: &File, name: &str) -> Result<(), DriverError> {
        link_at(file, &self.fd, name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DriverError> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    fn remove_file(&self, name: &str) -> Result<(), DriverError> {
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }
}

/// The names that one call of the kernel gives; `None` at the end.
fn read(fd: &OwnedFd) -> Result<Option<Vec<DirEntry>>, Errno> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut names = RawDir::new(fd, &mut buffer);
    let mut found = Vec::new();
    loop {
        match names.next() {
            None => return Ok(None),
            Some(entry) => {
                let entry = entry?;
                found.extend(named(fd, entry.file_name(), entry.file_type()));
            }
        }
        if names.is_buffer_empty() {
            return Ok(Some(found));
        }
    }
}

/// `None` for the directory itself, the one above it, and what is not UTF-8.
fn named(fd: &OwnedFd, name: &CStr, told: FileType) -> Option<DirEntry> {
    let name = name.to_str().ok().filter(|name| !matches!(*name, "." | ".."))?;
    let told = match told {
        // Some file systems (NFS) tell nothing.
        FileType::Unknown => {
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
            let stat = rustix::fs::statat(fd, name, flags);
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
    Some(DirEntry { name: name.to_owned(), kind })
}
