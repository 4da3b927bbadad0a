//! Any POSIX file system. Paths are opened beneath the area's root ([`super::beneath`]).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;

use super::beneath::{Root, file_size_at, link_at, stat_fd};
use super::posix_directory::PosixDirectory;
use super::{
    Acl, Directory, Driver, DriverError, Room, Stat, Unpublished, lease_sys, posix_acl, posix_data,
    posix_tree,
};
use crate::model::RelPath;

/// The driver of one storage area.
#[derive(Debug)]
pub struct Posix {
    root: Root,
    /// The root, for looks at what the kernel has at hand.
    cached: Option<Root>,
    has_acls: bool,
}

impl Posix {
    /// Opens an area's root. `foreign` are canonical roots of other areas that lie below it.
    pub fn open(root: &Path, foreign: Vec<PathBuf>) -> Result<Self, DriverError> {
        let root = Root::open(root, foreign)?;
        let has_acls = posix_acl::supported(&root)?;
        let cached = root.cached();
        Ok(Self { root, cached, has_acls })
    }

    /// Tries an extended attribute on a file of ours: checksums and marks live there. A file
    /// system that is full or read-only can't be tried so, and is asked what it can read.
    pub fn check_attributes(&self) -> Result<(), DriverError> {
        let root = RelPath::root();
        let fd = self.root.resolve(&root, OFlags::RDONLY | OFlags::DIRECTORY)?;
        match rustix::fs::fgetxattr(&fd, "user.storm.probe", &mut [0_u8; 1]) {
            Ok(_) | Err(Errno::NODATA | Errno::RANGE) => {}
            Err(error) => return Err(error.into()),
        }
        let probe = root.join(".storm.probe");
        let begun = match self.begin(&root, None) {
            Err(DriverError::NotSupported) => {
                // A crash may have left it; one that can't be removed shows at the next call.
                let _ = self.remove_file(&probe);
                self.begin(&root, Some(&probe))
            }
            other => other,
        };
        let result = begun.and_then(|begun| {
            let set = self.set_attribute(&begun.file, "user.storm.probe", b"1");
            begun.hidden.map_or(Ok(()), |hidden| self.remove_file(&hidden)).and(set)
        });
        match result {
            Err(DriverError::NoSpace | DriverError::OverQuota) => Ok(()),
            Err(DriverError::Io(error)) if Errno::from_io_error(&error) == Some(Errno::ROFS) => {
                Ok(())
            }
            other => other,
        }
    }
}

impl Driver for Posix {
    fn name(&self) -> &'static str {
        "posix"
    }

    fn stat(&self, path: &RelPath) -> Result<Stat, DriverError> {
        self.root.stat(path)
    }

    fn file_size(&self, path: &RelPath) -> Result<Option<u64>, DriverError> {
        let (parent, name) = match self.root.parent(path) {
            Ok(found) => found,
            Err(DriverError::NotFound | DriverError::NotADirectory) => return Ok(None),
            Err(error) => return Err(error),
        };
        file_size_at(parent, name)
    }

    fn stat_file(&self, file: &File) -> Result<Stat, DriverError> {
        stat_fd(file)
    }

    fn stat_at_once(&self, path: &RelPath) -> Option<Result<Stat, DriverError>> {
        self.cached.as_ref()?.at_once(|root| root.stat(path))
    }

    fn open_at_once(&self, path: &RelPath) -> Option<Result<File, DriverError>> {
        self.cached.as_ref()?.at_once(|root| root.open_file(path, OFlags::empty()))
    }

    fn file_size_at_once(&self, path: &RelPath) -> Option<Result<Option<u64>, DriverError>> {
        match self.cached.as_ref()?.at_once(|root| root.file_size(path))? {
            Err(DriverError::NotFound) => Some(Ok(None)),
            // Who has the parent open may know better.
            Err(_) => None,
            found => Some(found),
        }
    }

    fn room_at_once(&self) -> Option<Result<Room, DriverError>> {
        self.cached.is_some().then(|| self.room())
    }

    fn directory(&self, path: &RelPath) -> Result<Box<dyn Directory>, DriverError> {
        let fd = self.root.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(Box::new(PosixDirectory::new(self.root.clone(), path.clone(), fd)))
    }

    fn open(&self, path: &RelPath) -> Result<File, DriverError> {
        self.root.open_file(path, OFlags::empty())
    }

    fn open_own(&self, path: &RelPath) -> Result<File, DriverError> {
        self.root.open_file(path, OFlags::NOFOLLOW)
    }

    fn open_to_write(&self, path: &RelPath) -> Result<File, DriverError> {
        self.root.open_file(path, OFlags::RDWR | OFlags::NOFOLLOW)
    }

    fn create(&self, path: &RelPath) -> Result<File, DriverError> {
        let (parent, name) = self.root.parent(path)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o660))?))
    }

    fn begin(
        &self,
        directory: &RelPath,
        hidden: Option<&RelPath>,
    ) -> Result<Unpublished, DriverError> {
        if let Some(hidden) = hidden {
            return Ok(Unpublished {
                file: Arc::new(self.create(hidden)?),
                hidden: Some(hidden.clone()),
            });
        }
        self.root.begin(self.root.resolve(directory, OFlags::PATH | OFlags::DIRECTORY)?)
    }

    fn has_unnamed(&self) -> bool {
        self.root.has_unnamed()
    }

    fn link(&self, file: &Unpublished, to: &RelPath) -> Result<(), DriverError> {
        if let Some(hidden) = &file.hidden {
            return self.rename(hidden, to, false);
        }
        let (parent, name) = self.root.parent(to)?;
        link_at(&file.file, parent, name)
    }

    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<(), DriverError> {
        let (from_parent, from_name) = self.root.parent(from)?;
        let (to_parent, to_name) = self.root.parent(to)?;
        self.root.check_encloses(&from_parent, from_name)?;
        if replace {
            return Ok(rustix::fs::renameat(&from_parent, from_name, &to_parent, to_name)?);
        }
        match rustix::fs::renameat_with(
            &from_parent,
            from_name,
            &to_parent,
            to_name,
            RenameFlags::NOREPLACE,
        ) {
            // File systems that don't know the flag: look first. The core holds the file's lock.
            Err(Errno::INVAL | Errno::NOSYS) => {
                match rustix::fs::statat(&to_parent, to_name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => Err(DriverError::Exists),
                    Err(Errno::NOENT) => {
                        Ok(rustix::fs::renameat(&from_parent, from_name, &to_parent, to_name)?)
                    }
                    Err(error) => Err(error.into()),
                }
            }
            other => Ok(other?),
        }
    }

    fn remove_file(&self, path: &RelPath) -> Result<(), DriverError> {
        let (parent, name) = self.root.parent(path)?;
        Ok(rustix::fs::unlinkat(parent, name, AtFlags::empty())?)
    }

    fn make_directory(&self, path: &RelPath) -> Result<(), DriverError> {
        let (parent, name) = self.root.parent(path)?;
        Ok(rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o770))?)
    }

    fn remove_directory(&self, path: &RelPath) -> Result<(), DriverError> {
        let (parent, name) = self.root.parent(path)?;
        self.root.check_encloses(&parent, name)?;
        Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
    }

    fn remove_tree(&self, path: &RelPath) -> Result<(), DriverError> {
        let (parent, name) = self.root.parent(path)?;
        self.root.check_encloses(&parent, name)?;
        posix_tree::remove(&parent, name)
    }

    fn sync(&self, file: &File) -> Result<(), DriverError> {
        Ok(rustix::fs::fsync(file)?)
    }

    fn sync_directory(&self, path: &RelPath) -> Result<(), DriverError> {
        let fd = self.root.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(rustix::fs::fsync(fd)?)
    }

    fn attribute(&self, file: &File, name: &str) -> Result<Option<Vec<u8>>, DriverError> {
        let mut small = [0_u8; 256];
        match rustix::fs::fgetxattr(file, name, &mut small) {
            Ok(size) => Ok(Some(small[..size].to_vec())),
            // 64 KiB is the kernel's own limit.
            Err(Errno::RANGE) => {
                let mut large = vec![0_u8; 65_536];
                let size = rustix::fs::fgetxattr(file, name, &mut large)?;
                large.truncate(size);
                Ok(Some(large))
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn set_attribute(&self, file: &File, name: &str, value: &[u8]) -> Result<(), DriverError> {
        Ok(rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?)
    }

    fn remove_attribute(&self, file: &File, name: &str) -> Result<(), DriverError> {
        match rustix::fs::fremovexattr(file, name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn set_modified(&self, file: &File, at: SystemTime) -> Result<(), DriverError> {
        posix_data::set_modified(file, at)
    }

    fn attributes(&self, file: &File, prefix: &str) -> Result<Vec<String>, DriverError> {
        let mut names = vec![0_u8; 65_536];
        let size = match rustix::fs::flistxattr(file, &mut names) {
            Ok(size) => size,
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        Ok(names[..size]
            .split(|byte| *byte == 0)
            .filter_map(|name| std::str::from_utf8(name).ok())
            .filter(|name| !name.is_empty() && name.starts_with(prefix))
            .map(str::to_owned)
            .collect())
    }

    fn set_mode(&self, file: &File, mode: u32) -> Result<(), DriverError> {
        // First the ACL: while it stands, chmod would only set its mask.
        self.remove_attribute(file, "system.posix_acl_access")?;
        Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?)
    }

    fn has_acls(&self) -> bool {
        self.has_acls
    }

    fn open_directory(&self, path: &RelPath) -> Result<File, DriverError> {
        Ok(File::from(self.root.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?))
    }

    fn acl(&self, file: &File) -> Result<Acl, DriverError> {
        posix_acl::read(file)
    }

    fn set_acl(&self, file: &File, acl: &Acl) -> Result<(), DriverError> {
        posix_acl::write(file, acl)
    }

    fn acl_text(&self, file: &File) -> Result<String, DriverError> {
        posix_acl::text(file)
    }

    fn has_writer(&self, file: &File) -> Result<Option<bool>, DriverError> {
        Ok(lease_sys::probe(file).ok().map(|free| !free))
    }

    fn read_through(
        &self,
        file: &File,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<bool, DriverError> {
        posix_data::read_through(file, each)
    }

    fn copy(
        &self,
        from: &File,
        to: &File,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool, DriverError> {
        posix_data::copy(from, to, go_on)
    }

    fn insert(&self, from: &File, to: &File, at: u64) -> Result<(), DriverError> {
        posix_data::insert(from, to, at)
    }

    fn preallocate(&self, file: &File, bytes: u64) -> Result<(), DriverError> {
        if bytes == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn room(&self) -> Result<Room, DriverError> {
        let vfs = rustix::fs::fstatvfs(&*self.root.fd)?;
        let bytes = |blocks: u64| blocks.saturating_mul(vfs.f_frsize);
        Ok(Room { total: bytes(vfs.f_blocks), free: bytes(vfs.f_bavail) })
    }

    fn physical(&self, path: &RelPath) -> PathBuf {
        if path.is_root() { self.root.path.clone() } else { self.root.path.join(path.as_str()) }
    }
}
