//! An area's root, and how paths are opened beneath it: with `openat2` and `RESOLVE_BENEATH`, so that
//! neither a symbolic link nor a race leads out of the area.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;

use super::{DriverError, Kind, Stat, Unpublished};
use crate::model::RelPath;

/// The root of one storage area. A cheap handle: open directories hold clones of it.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) path: PathBuf,
    /// Roots of other areas that lie below ours: what resolves into one of them is theirs.
    foreign: Arc<[PathBuf]>,
    /// How paths are resolved beside what always holds.
    more: ResolveFlags,
    /// Found to have no files without a name.
    all_named: Arc<AtomicBool>,
}

/// File systems of this machine that look at an inode they have in memory without waiting (statfs(2)).
const LOCAL: [i64; 4] = [
    0xef53,      /* ext4 */
    0x5846_5342, /* xfs */
    0x9123_683e, /* btrfs */
    0x0102_1994, /* tmpfs */
];

impl Root {
    /// Opens an area's root. `foreign` are canonical roots of other areas that lie below it.
    pub(super) fn open(root: &Path, foreign: Vec<PathBuf>) -> Result<Self, DriverError> {
        let path = root.canonicalize().map_err(|e| from_io(&e))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::empty())?;
        let foreign = foreign.into_iter().filter(|f| f.starts_with(&path) && *f != path).collect();
        let more = ResolveFlags::empty();
        Ok(Self { fd: Arc::new(fd), path, foreign, more, all_named: Arc::default() })
    }

    /// The same root, for what needs no disk: a path that the kernel has not at hand is refused, as
    /// [`Root::at_once`] knows. `None` where looking at an inode may take a network.
    pub(super) fn cached(&self) -> Option<Self> {
        let kind = rustix::fs::fstatfs(&*self.fd).ok()?.f_type;
        let local = LOCAL.contains(&kind);
        let cached = Self { more: ResolveFlags::CACHED, ..self.clone() };
        // Kernels before 5.12 don't know the flag.
        (local && cached.resolve(&RelPath::root(), OFlags::PATH).is_ok()).then_some(cached)
    }

    /// `None`: the look would have to wait.
    pub(super) fn at_once<T>(
        &self,
        look: impl FnOnce(&Self) -> Result<T, DriverError>,
    ) -> Option<Result<T, DriverError>> {
        match look(self) {
            Err(DriverError::Io(error)) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => {
                None
            }
            looked => Some(looked),
        }
    }

    pub(super) fn resolve(&self, path: &RelPath, flags: OFlags) -> Result<OwnedFd, DriverError> {
        let name = if path.is_root() { "." } else { path.as_str() };
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | self.more;
        let waits = !self.more.contains(ResolveFlags::CACHED);
        // The kernel answers EAGAIN when a rename raced with the look-up and it can't tell.
        let mut tries = 0;
        let fd = loop {
            match rustix::fs::openat2(&*self.fd, name, flags | OFlags::CLOEXEC, Mode::empty(), how)
            {
                Err(Errno::AGAIN) if waits && tries < 16 => tries += 1,
                other => break other?,
            }
        };
        self.check_foreign(&fd)?;
        Ok(fd)
    }

    pub(super) fn stat(&self, path: &RelPath) -> Result<Stat, DriverError> {
        stat_fd(self.resolve(path, OFlags::PATH)?)
    }

    /// Bytes of a regular file. Links are not followed.
    pub(super) fn file_size(&self, path: &RelPath) -> Result<Option<u64>, DriverError> {
        let stat = stat_fd(self.resolve(path, OFlags::PATH | OFlags::NOFOLLOW)?)?;
        Ok((stat.kind == Kind::File).then_some(stat.size))
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
    pub(super) fn check_encloses(&self, parent: &OwnedFd, name: &str) -> Result<(), DriverError> {
        if self.is_alone() {
            return Ok(());
        }
        let real = real_path(parent)?.join(name);
        if self.foreign.iter().any(|root| root.starts_with(&real)) {
            return Err(DriverError::OtherArea);
        }
        Ok(())
    }

    /// Opens a regular file for reading.
    pub(super) fn open_file(&self, path: &RelPath, more: OFlags) -> Result<File, DriverError> {
        // O_NONBLOCK: opening a fifo that somebody put there must not hang a worker.
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK | more)?;
        match stat_fd(&fd)?.kind {
            Kind::File => Ok(File::from(fd)),
            Kind::Directory => Err(DriverError::IsADirectory),
            Kind::Other => Err(DriverError::NotSupported),
        }
    }

    /// Begins a file without a name in an open directory.
    pub(super) fn begin(&self, directory: impl AsFd) -> Result<Unpublished, DriverError> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        match rustix::fs::openat(directory, ".", flags, Mode::from_raw_mode(0o660)) {
            Ok(fd) => Ok(Unpublished { file: Arc::new(File::from(fd)), hidden: None }),
            // Kernels and file systems without O_TMPFILE answer in several ways.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                self.all_named.store(true, Ordering::Relaxed);
                Err(DriverError::NotSupported)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn has_unnamed(&self) -> bool {
        !self.all_named.load(Ordering::Relaxed)
    }

    /// The directory that holds `path`, and the name in it.
    pub(super) fn parent<'p>(&self, path: &'p RelPath) -> Result<(OwnedFd, &'p str), DriverError> {
        let (Some(directory), Some(name)) = (path.parent(), path.name()) else {
            return Err(DriverError::Denied);
        };
        Ok((self.resolve(&directory, OFlags::PATH | OFlags::DIRECTORY)?, name))
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
            Errno::NOSPC => Self::NoSpace,
            Errno::DQUOT => Self::OverQuota,
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

/// Gives a file without a name one that must be free.
pub(super) fn link_at(file: &File, directory: impl AsFd, name: &str) -> Result<(), DriverError> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, unnamed, directory, name, AtFlags::SYMLINK_FOLLOW)?)
}

/// Bytes of a regular file, and of nothing else.
pub(super) fn file_size_at(fd: impl AsFd, name: &str) -> Result<Option<u64>, DriverError> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    match rustix::fs::statx(fd, name, flags, StatxFlags::TYPE | StatxFlags::SIZE) {
        Ok(found) => {
            let file_type = FileType::from_raw_mode(u32::from(found.stx_mode));
            Ok((file_type == FileType::RegularFile).then_some(found.stx_size))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
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
