//! Any POSIX file system. Paths are opened relative to the area's root with `openat2` and
//! `RESOLVE_BENEATH`, so that neither a symbolic link nor a race leads out of the area.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, StatxFlags,
    XattrFlags,
};
use rustix::io::Errno;

use super::posix_directory::PosixDirectory;
use super::{Directory, Driver, DriverError, Kind, Room, Stat, Unpublished, lease_sys, posix_tree};
use crate::model::RelPath;

/// The driver of one storage area. A cheap handle: open directories hold clones of it.
#[derive(Clone, Debug)]
pub struct Posix {
    root: Arc<OwnedFd>,
    path: PathBuf,
    /// Roots of other areas that lie below ours: what resolves into one of them is theirs.
    foreign: Arc<[PathBuf]>,
}

impl Posix {
    /// Opens an area's root. `foreign` are canonical roots of other areas that lie below it.
    pub fn open(root: &Path, foreign: Vec<PathBuf>) -> Result<Self, DriverError> {
        let path = root.canonicalize().map_err(|e| from_io(&e))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::empty())?;
        let foreign = foreign.into_iter().filter(|f| f.starts_with(&path) && *f != path).collect();
        Ok(Self { root: Arc::new(fd), path, foreign })
    }

    /// Tries an extended attribute on a file of ours: checksums and marks live there. A file
    /// system that is full or read-only can't be tried so, and is asked what it can read.
    pub fn check_attributes(&self) -> Result<(), DriverError> {
        let root = RelPath::root();
        let fd = self.resolve(&root, OFlags::RDONLY | OFlags::DIRECTORY)?;
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
            Err(DriverError::NoSpace) => Ok(()),
            Err(DriverError::Io(error)) if Errno::from_io_error(&error) == Some(Errno::ROFS) => {
                Ok(())
            }
            other => other,
        }
    }

    pub(super) fn resolve(&self, path: &RelPath, flags: OFlags) -> Result<OwnedFd, DriverError> {
        let name = if path.is_root() { "." } else { path.as_str() };
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        // The kernel answers EAGAIN when a rename raced with the look-up and it can't tell.
        let mut tries = 0;
        let fd = loop {
            match rustix::fs::openat2(
                &*self.root,
                name,
                flags | OFlags::CLOEXEC,
                Mode::empty(),
                how,
            ) {
                Err(Errno::AGAIN) if tries < 16 => tries += 1,
                other => break other?,
            }
        };
        self.check_foreign(&fd)?;
        Ok(fd)
    }

    /// True where no other area's root lies below ours.
    pub(super) fn is_alone(&self) -> bool {
        self.foreign.is_empty()
    }

    fn check_foreign(&self, fd: &OwnedFd) -> Result<(), DriverError> {
        if self.is_alone() {
            return Ok(());
        }
        let real = real_path(fd)?;
        if self.foreign.iter().any(|root| real.starts_with(root)) {
            return Err(DriverError::OtherArea);
        }
        Ok(())
    }

    /// Refuses to move or remove a directory that holds another area's root.
    fn check_encloses(&self, parent: &OwnedFd, name: &str) -> Result<(), DriverError> {
        if self.is_alone() {
            return Ok(());
        }
        let real = real_path(parent)?.join(name);
        if self.foreign.iter().any(|root| root.starts_with(&real)) {
            return Err(DriverError::OtherArea);
        }
        Ok(())
    }

    fn open_with(&self, path: &RelPath, more: OFlags) -> Result<File, DriverError> {
        // O_NONBLOCK: opening a fifo that somebody put there must not hang a worker.
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK | more)?;
        match stat_fd(&fd)?.kind {
            Kind::File => Ok(File::from(fd)),
            Kind::Directory => Err(DriverError::IsADirectory),
            Kind::Other => Err(DriverError::NotSupported),
        }
    }

    /// The directory that holds `path`, and the name in it.
    fn parent<'p>(&self, path: &'p RelPath) -> Result<(OwnedFd, &'p str), DriverError> {
        let (Some(directory), Some(name)) = (path.parent(), path.name()) else {
            return Err(DriverError::Denied);
        };
        Ok((self.resolve(&directory, OFlags::PATH | OFlags::DIRECTORY)?, name))
    }
}

impl Driver for Posix {
    fn name(&self) -> &'static str {
        "posix"
    }

    fn stat(&self, path: &RelPath) -> Result<Stat, DriverError> {
        let fd = self.resolve(path, OFlags::PATH)?;
        stat_fd(&fd)
    }

    fn stat_file(&self, file: &File) -> Result<Stat, DriverError> {
        stat_fd(file)
    }

    fn directory(&self, path: &RelPath) -> Result<Box<dyn Directory>, DriverError> {
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(Box::new(PosixDirectory::new(self.clone(), path.clone(), fd)))
    }

    fn open(&self, path: &RelPath) -> Result<File, DriverError> {
        self.open_with(path, OFlags::empty())
    }

    fn open_own(&self, path: &RelPath) -> Result<File, DriverError> {
        self.open_with(path, OFlags::NOFOLLOW)
    }

    fn create(&self, path: &RelPath) -> Result<File, DriverError> {
        let (parent, name) = self.parent(path)?;
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
            return Ok(Unpublished { file: self.create(hidden)?, hidden: Some(hidden.clone()) });
        }
        let parent = self.resolve(directory, OFlags::PATH | OFlags::DIRECTORY)?;
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        match rustix::fs::openat(&parent, ".", flags, Mode::from_raw_mode(0o660)) {
            Ok(fd) => Ok(Unpublished { file: File::from(fd), hidden: None }),
            // Kernels and file systems without O_TMPFILE answer in several ways.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Err(DriverError::NotSupported),
            Err(error) => Err(error.into()),
        }
    }

    fn link(&self, file: &Unpublished, to: &RelPath) -> Result<(), DriverError> {
        if let Some(hidden) = &file.hidden {
            return self.rename(hidden, to, false);
        }
        let (parent, name) = self.parent(to)?;
        let unnamed = format!("/proc/self/fd/{}", file.file.as_raw_fd());
        Ok(rustix::fs::linkat(CWD, unnamed, parent, name, AtFlags::SYMLINK_FOLLOW)?)
    }

    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<(), DriverError> {
        let (from_parent, from_name) = self.parent(from)?;
        let (to_parent, to_name) = self.parent(to)?;
        self.check_encloses(&from_parent, from_name)?;
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
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(parent, name, AtFlags::empty())?)
    }

    fn make_directory(&self, path: &RelPath) -> Result<(), DriverError> {
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o770))?)
    }

    fn remove_directory(&self, path: &RelPath) -> Result<(), DriverError> {
        let (parent, name) = self.parent(path)?;
        self.check_encloses(&parent, name)?;
        Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
    }

    fn remove_tree(&self, path: &RelPath) -> Result<(), DriverError> {
        let (parent, name) = self.parent(path)?;
        self.check_encloses(&parent, name)?;
        posix_tree::remove(&parent, name)
    }

    fn sync(&self, file: &File) -> Result<(), DriverError> {
        Ok(rustix::fs::fsync(file)?)
    }

    fn sync_directory(&self, path: &RelPath) -> Result<(), DriverError> {
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
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

    fn has_writer(&self, file: &File) -> Result<Option<bool>, DriverError> {
        Ok(lease_sys::probe(file).ok().map(|free| !free))
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
        let vfs = rustix::fs::fstatvfs(&*self.root)?;
        let bytes = |blocks: u64| blocks.saturating_mul(vfs.f_frsize);
        Ok(Room { total: bytes(vfs.f_blocks), free: bytes(vfs.f_bavail) })
    }

    fn physical(&self, path: &RelPath) -> PathBuf {
        if path.is_root() { self.path.clone() } else { self.path.join(path.as_str()) }
    }
}

impl From<Errno> for DriverError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Self::NotFound,
            Errno::NOTDIR => Self::NotADirectory,
            Errno::ISDIR => Self::IsADirectory,
            Errno::EXIST => Self::Exists,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            Errno::NOSPC | Errno::DQUOT => Self::NoSpace,
            Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => Self::BadName,
            Errno::OPNOTSUPP | Errno::NOSYS => Self::NotSupported,
            // RESOLVE_BENEATH answers EXDEV for a link that leads out; rename's EXDEV is told apart
            // by its caller, who knows both ends.
            Errno::XDEV | Errno::LOOP => Self::Escapes,
            other => Self::Io(other.into()),
        }
    }
}

fn from_io(error: &io::Error) -> DriverError {
    match Errno::from_io_error(error) {
        Some(errno) => errno.into(),
        None => DriverError::Io(io::Error::new(error.kind(), error.to_string())),
    }
}

/// Where an open file or directory lies now.
fn real_path(fd: &OwnedFd) -> Result<PathBuf, DriverError> {
    std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).map_err(|e| from_io(&e))
}

pub(super) fn stat_fd(fd: impl AsFd) -> Result<Stat, DriverError> {
    Ok(stat_at(fd, "", AtFlags::EMPTY_PATH)?.0)
}

/// The second: whether it is a symbolic link.
pub(super) fn stat_at(
    fd: impl AsFd,
    name: &str,
    flags: AtFlags,
) -> Result<(Stat, bool), DriverError> {
    let want = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let found = rustix::fs::statx(fd, name, flags, want)?;
    let created = StatxFlags::from_bits_retain(found.stx_mask)
        .contains(StatxFlags::BTIME)
        .then(|| time(found.stx_btime.tv_sec, found.stx_btime.tv_nsec));
    let file_type = FileType::from_raw_mode(u32::from(found.stx_mode));
    let kind = match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        _ => Kind::Other,
    };
    let stat = Stat {
        kind,
        size: found.stx_size,
        blocks: found.stx_blocks,
        modified: time(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
        created,
        uid: found.stx_uid,
        gid: found.stx_gid,
        mode: u32::from(found.stx_mode) & 0o7777,
        links: u64::from(found.stx_nlink),
        inode: found.stx_ino,
        device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
    };
    Ok((stat, file_type == FileType::Symlink))
}

fn time(seconds: i64, nanoseconds: u32) -> SystemTime {
    let fraction = Duration::from_nanos(u64::from(nanoseconds));
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = if seconds >= 0 {
        SystemTime::UNIX_EPOCH.checked_add(whole)
    } else {
        SystemTime::UNIX_EPOCH.checked_sub(whole)
    };
    base.and_then(|t| t.checked_add(fraction)).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn area() -> (tempfile::TempDir, Posix) {
        let dir = tempfile::tempdir().unwrap();
        let driver = Posix::open(dir.path(), Vec::new()).unwrap();
        (dir, driver)
    }

    fn rel(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    #[test]
    fn links_are_followed_inside_and_never_out() {
        let (dir, driver) = area();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::fs::write(dir.path().join("d/f"), b"x").unwrap();
        symlink("d/f", dir.path().join("inside")).unwrap();
        symlink("/etc/passwd", dir.path().join("absolute")).unwrap();
        symlink("../../../etc", dir.path().join("up")).unwrap();
        assert_eq!(driver.stat(&rel("inside")).unwrap().size, 1);
        assert!(matches!(driver.stat(&rel("absolute")), Err(DriverError::Escapes)));
        assert!(matches!(driver.open(&rel("up/passwd")), Err(DriverError::Escapes)));
        assert!(matches!(driver.create(&rel("up/new")), Err(DriverError::Escapes)));
        assert!(matches!(driver.directory(&rel("up")).err(), Some(DriverError::Escapes)));
        let top = driver.directory(&RelPath::root()).unwrap();
        assert_eq!(top.stat("inside").unwrap().size, 1);
        assert!(top.open("inside").is_ok());
        assert!(matches!(top.stat("absolute"), Err(DriverError::Escapes)));
        assert!(matches!(top.open("absolute"), Err(DriverError::Escapes)));
        assert!(matches!(top.stat("none"), Err(DriverError::NotFound)));
    }

    #[test]
    fn another_areas_root_below_ours_is_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("tape");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("f"), b"x").unwrap();
        symlink("tape", dir.path().join("link")).unwrap();
        let driver = Posix::open(dir.path(), vec![inner.canonicalize().unwrap()]).unwrap();
        assert!(matches!(driver.stat(&rel("tape/f")), Err(DriverError::OtherArea)));
        assert!(matches!(driver.stat(&rel("link/f")), Err(DriverError::OtherArea)));
        let top = driver.directory(&RelPath::root()).unwrap();
        assert!(matches!(top.stat("tape"), Err(DriverError::OtherArea)));
        assert!(matches!(top.stat("link"), Err(DriverError::OtherArea)));
    }

    #[test]
    fn another_areas_root_is_not_moved_or_removed_with_ours() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/tape");
        std::fs::create_dir_all(&inner).unwrap();
        symlink("a", dir.path().join("way")).unwrap();
        let driver = Posix::open(dir.path(), vec![inner.canonicalize().unwrap()]).unwrap();
        for path in ["a/tape", "way/tape"] {
            let done = driver.remove_directory(&rel(path));
            assert!(matches!(done, Err(DriverError::OtherArea)), "{path}");
        }
        let done = driver.rename(&rel("a"), &rel("b"), false);
        assert!(matches!(done, Err(DriverError::OtherArea)));
        let done = driver.remove_tree(&rel("a"));
        assert!(matches!(done, Err(DriverError::OtherArea)));
        assert!(inner.is_dir());
    }

    #[test]
    fn an_unpublished_file_is_seen_only_once_linked() {
        let (dir, driver) = area();
        let mut file = driver.begin(&RelPath::root(), None).unwrap();
        file.file.write_all(b"abc").unwrap();
        driver.set_attribute(&file.file, "user.storm.checksum.adler32", b"024d0127").unwrap();
        driver.link(&file, &rel("f")).unwrap();
        assert!(matches!(driver.link(&file, &rel("f")), Err(DriverError::Exists)));
        assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"abc");
        let open = driver.open(&rel("f")).unwrap();
        let value = driver.attribute(&open, "user.storm.checksum.adler32").unwrap();
        assert_eq!(value.as_deref(), Some(b"024d0127".as_slice()));
        assert_eq!(driver.attributes(&open, "user.storm.").unwrap().len(), 1);
        let top = driver.directory(&RelPath::root()).unwrap();
        assert_eq!(top.entries().unwrap().count(), 1);
    }

    #[test]
    fn where_there_are_no_unnamed_files_it_has_a_hidden_name() {
        let (dir, driver) = area();
        let hidden = rel(".storm.up");
        let file = driver.begin(&RelPath::root(), Some(&hidden)).unwrap();
        assert!(dir.path().join(".storm.up").exists());
        driver.link(&file, &rel("f")).unwrap();
        assert!(dir.path().join("f").exists() && !dir.path().join(".storm.up").exists());
        let none = driver.begin(&rel("none"), None);
        assert!(matches!(none.unwrap_err(), DriverError::NotFound));
    }

    #[test]
    fn our_own_files_are_no_links() {
        let (dir, driver) = area();
        std::fs::write(dir.path().join("f"), b"x").unwrap();
        symlink("f", dir.path().join("link")).unwrap();
        assert!(driver.open(&rel("link")).is_ok() && driver.open_own(&rel("f")).is_ok());
        assert!(driver.open_own(&rel("link")).is_err());
    }

    #[test]
    fn rename_respects_what_is_there() {
        let (dir, driver) = area();
        std::fs::write(dir.path().join("a"), b"a").unwrap();
        std::fs::write(dir.path().join("b"), b"b").unwrap();
        assert!(matches!(driver.rename(&rel("a"), &rel("b"), false), Err(DriverError::Exists)));
        driver.rename(&rel("a"), &rel("b"), true).unwrap();
        assert_eq!(std::fs::read(dir.path().join("b")).unwrap(), b"a");
    }

    #[test]
    fn a_writer_is_noticed() {
        let (dir, driver) = area();
        std::fs::write(dir.path().join("f"), b"x").unwrap();
        let reader = driver.open(&rel("f")).unwrap();
        assert_eq!(driver.has_writer(&reader).unwrap(), Some(false));
        let writer = std::fs::OpenOptions::new().write(true).open(dir.path().join("f")).unwrap();
        assert_eq!(driver.has_writer(&reader).unwrap(), Some(true));
        drop(writer);
        assert_eq!(driver.has_writer(&reader).unwrap(), Some(false));
    }

    #[test]
    fn the_root_itself_is_never_removed_or_renamed() {
        let (_dir, driver) = area();
        assert!(matches!(driver.remove_directory(&RelPath::root()), Err(DriverError::Denied)));
        assert!(matches!(
            driver.rename(&RelPath::root(), &rel("x"), true),
            Err(DriverError::Denied)
        ));
    }
}
