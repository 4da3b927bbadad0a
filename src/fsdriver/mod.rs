//! What touches the disk. The core names files by their path below a storage area's root; a driver
//! opens them so that no symbolic link can lead out of it.

mod acl;
mod beneath;
mod grant;
mod lease_sys;
mod posix;
mod posix_acl;
mod posix_data;
mod posix_directory;
mod posix_tree;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crate::model::RelPath;

pub use acl::{Acl, Permission, Subject};
pub use grant::{dress, grant, restore};
pub use posix::Posix;

/// What a driver says of a file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Blocks of 512 bytes that are allocated.
    pub blocks: u64,
    /// Last modification.
    pub modified: SystemTime,
    /// Birth time, where the file system knows it.
    pub created: Option<SystemTime>,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Permission bits, `0o7777`.
    pub mode: u32,
    /// Links; 1 for a file nobody took aside.
    pub links: u64,
    /// Inode, for entity tags; never a key.
    pub inode: u64,
    /// Mount, for entity tags; never a key.
    pub device: u64,
}

/// What an entry is. Links are followed inside the area; what is neither file nor directory is
/// [`Kind::Other`] and is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A socket, device, fifo, or a link that leads nowhere.
    Other,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name. Names that are not UTF-8 are left out.
    pub name: String,
    /// What it is, where the directory itself tells; a link is `None`: ask [`Driver::stat`].
    pub kind: Option<Kind>,
}

/// Room on the file system below an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that stormd may still write.
    pub free: u64,
}

/// Why a driver refused.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// Nothing of that name.
    #[error("no such file or directory")]
    NotFound,
    /// A part of the path is no directory, or a directory was needed.
    #[error("not a directory")]
    NotADirectory,
    /// A file was needed.
    #[error("is a directory")]
    IsADirectory,
    /// It is there already.
    #[error("it exists already")]
    Exists,
    /// The directory holds something.
    #[error("the directory is not empty")]
    NotEmpty,
    /// A symbolic link leads out of the storage area.
    #[error("a link leads out of the storage area")]
    Escapes,
    /// It is, holds or lies in the root of another storage area.
    #[error("it belongs to another storage area")]
    OtherArea,
    /// The kernel says no.
    #[error("the file system does not permit it")]
    Denied,
    /// Full.
    #[error("no space left on the file system")]
    NoSpace,
    /// What it gives to one account or project is used up.
    #[error("the quota of the file system is used up")]
    OverQuota,
    /// Name too long, or not taken by the file system.
    #[error("the file system does not take that name")]
    BadName,
    /// Rename across file systems.
    #[error("source and target lie on different file systems")]
    CrossesDevices,
    /// This file system cannot do that.
    #[error("the file system does not support it")]
    NotSupported,
    /// Anything else.
    #[error("{0}")]
    Io(io::Error),
}

/// A file being written that has no name yet.
#[derive(Debug)]
pub struct Unpublished {
    /// Open for reading and writing, empty.
    pub file: Arc<File>,
    /// The hidden name it bears where the file system has no unnamed files; `None` for one that
    /// vanishes by itself when it is closed.
    pub hidden: Option<RelPath>,
}

/// The names in a directory, in the order it gives them, hidden ones too.
pub type DirEntries = Box<dyn Iterator<Item = Result<DirEntry, DriverError>> + Send>;

/// An open directory: one step to each entry, where a path would be walked again each time. It
/// stays the same directory when it is renamed meanwhile.
pub trait Directory: Send {
    /// Its names, from the beginning.
    fn entries(&self) -> Result<DirEntries, DriverError>;

    /// As [`Driver::stat`].
    fn stat(&self, name: &str) -> Result<Stat, DriverError>;

    /// As [`Driver::file_size`].
    fn file_size(&self, name: &str) -> Result<Option<u64>, DriverError>;

    /// As [`Driver::open`], of what [`Directory::stat`] called a file.
    fn open(&self, name: &str) -> Result<File, DriverError>;

    /// The ACL that new entries inherit.
    fn default_acl(&self) -> Result<Option<Acl>, DriverError>;

    /// Begins a file that nobody sees, without a name. [`DriverError::NotSupported`]: the file system
    /// has no such files.
    fn begin(&self) -> Result<Unpublished, DriverError>;

    /// Gives a file that has no name one that must be free.
    fn link(&self, file: &File, name: &str) -> Result<(), DriverError>;

    /// Gives a file another name, in place of the file that bears it.
    fn rename(&self, from: &str, to: &str) -> Result<(), DriverError>;

    /// Removes a file.
    fn remove_file(&self, name: &str) -> Result<(), DriverError>;
}

/// One storage area's file system. Every call blocks: use it on the blocking pool.
///
/// `posix` is the base; others add to it.
pub trait Driver: Send + Sync + std::fmt::Debug {
    /// The driver's name.
    fn name(&self) -> &'static str;

    /// Looks at what `path` names; links are followed inside the area.
    fn stat(&self, path: &RelPath) -> Result<Stat, DriverError>;

    /// Bytes of the regular file of that name; `None` where there is none. Links are not followed.
    fn file_size(&self, path: &RelPath) -> Result<Option<u64>, DriverError>;

    /// Looks at an open file.
    fn stat_file(&self, file: &File) -> Result<Stat, DriverError>;

    /// [`Driver::stat`] on an async thread: where the kernel has at hand what it takes, so that nobody
    /// waits for a disk or a network. `None`: that can't be said. So are the next two, and
    /// [`Driver::stat_file`] and [`Driver::attribute`] of a file they opened.
    fn stat_at_once(&self, _path: &RelPath) -> Option<Result<Stat, DriverError>> {
        None
    }

    /// [`Driver::open`], as [`Driver::stat_at_once`].
    fn open_at_once(&self, _path: &RelPath) -> Option<Result<File, DriverError>> {
        None
    }

    /// [`Driver::file_size`], as [`Driver::stat_at_once`].
    fn file_size_at_once(&self, _path: &RelPath) -> Option<Result<Option<u64>, DriverError>> {
        None
    }

    /// [`Driver::room`], as [`Driver::stat_at_once`].
    fn room_at_once(&self) -> Option<Result<Room, DriverError>> {
        None
    }

    /// Opens a directory, to look at many of its entries.
    fn directory(&self, path: &RelPath) -> Result<Box<dyn Directory>, DriverError>;

    /// Opens a file for reading.
    fn open(&self, path: &RelPath) -> Result<File, DriverError>;

    /// Opens a file for reading, and no link in its place: for files of our own making.
    fn open_own(&self, path: &RelPath) -> Result<File, DriverError>;

    /// Opens a file for reading and writing in place, and no link: what it led to has another name.
    fn open_to_write(&self, path: &RelPath) -> Result<File, DriverError>;

    /// Makes an empty file of that name, which must be free. Mode 0660.
    fn create(&self, path: &RelPath) -> Result<File, DriverError>;

    /// False where the file system was found to have no files without a name.
    fn has_unnamed(&self) -> bool {
        true
    }

    /// Begins a file in `directory` that nobody sees: without a name, or, with `hidden`, under that
    /// one. [`DriverError::NotSupported`]: the file system has no unnamed files.
    fn begin(
        &self,
        directory: &RelPath,
        hidden: Option<&RelPath>,
    ) -> Result<Unpublished, DriverError>;

    /// Gives a file from [`Driver::begin`] a name that must be free.
    fn link(&self, file: &Unpublished, to: &RelPath) -> Result<(), DriverError>;

    /// Moves `from` to `to`; where `replace` is false `to` must be free.
    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<(), DriverError>;

    /// Removes a file.
    fn remove_file(&self, path: &RelPath) -> Result<(), DriverError>;

    /// Makes a directory. Mode 0770.
    fn make_directory(&self, path: &RelPath) -> Result<(), DriverError>;

    /// Removes an empty directory.
    fn remove_directory(&self, path: &RelPath) -> Result<(), DriverError>;

    /// Removes a directory and all that is below it, whatever its depth. Links are removed, never
    /// followed.
    fn remove_tree(&self, path: &RelPath) -> Result<(), DriverError>;

    /// Makes what was written last beyond a crash: data, size and attributes of the file.
    fn sync(&self, file: &File) -> Result<(), DriverError>;

    /// Makes the names in a directory last beyond a crash.
    fn sync_directory(&self, path: &RelPath) -> Result<(), DriverError>;

    /// Reads an extended attribute; `None` when it is not set.
    fn attribute(&self, file: &File, name: &str) -> Result<Option<Vec<u8>>, DriverError>;

    /// Sets an extended attribute.
    fn set_attribute(&self, file: &File, name: &str, value: &[u8]) -> Result<(), DriverError>;

    /// Removes an extended attribute; fine when it is not set.
    fn remove_attribute(&self, file: &File, name: &str) -> Result<(), DriverError>;

    /// Names of the extended attributes that begin with `prefix`.
    fn attributes(&self, file: &File, prefix: &str) -> Result<Vec<String>, DriverError>;

    /// Sets the time of the last modification of an open file or directory.
    fn set_modified(&self, file: &File, at: SystemTime) -> Result<(), DriverError>;

    /// Sets permission bits, and takes every ACL away.
    fn set_mode(&self, file: &File, mode: u32) -> Result<(), DriverError>;

    /// Whether the file system keeps ACLs: without them no local account but ours can be let in.
    fn has_acls(&self) -> bool;

    /// Opens a directory to look at its ACL, or to change it.
    fn open_directory(&self, path: &RelPath) -> Result<File, DriverError>;

    /// The access ACL of an open file or directory, whole; its permission bits where it has no more.
    fn acl(&self, file: &File) -> Result<Acl, DriverError>;

    /// Writes the access ACL whole, with its mask as it stands: nothing of the old one stays.
    fn set_acl(&self, file: &File, acl: &Acl) -> Result<(), DriverError>;

    /// The access ACL for people, with the names of users and groups: in one line, as setfacl takes
    /// it. Slow where names are asked of another host.
    fn acl_text(&self, file: &File) -> Result<String, DriverError>;

    /// True while anybody else holds the file open for writing. `file` was opened by
    /// [`Driver::open`]. `None` where the file system cannot tell.
    fn has_writer(&self, file: &File) -> Result<Option<bool>, DriverError>;

    /// Reads all bytes of a file once, in order, and leaves no trace of that: its access time stays where
    /// it is ours, and its pages do not push what others read out of the cache. `each` takes a piece
    /// and says whether to go on; the answer is true when all was read.
    fn read_through(
        &self,
        file: &File,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<bool, DriverError>;

    /// Makes `to`, which is empty and ours, hold what `from` holds: by sharing its blocks where the file
    /// system can, else in the kernel, with its holes. Asks `go_on` between pieces; false when that
    /// said no, and `to` holds a part.
    fn copy(
        &self,
        from: &File,
        to: &File,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool, DriverError>;

    /// Writes all that `from` holds over what `to` holds from `at` on.
    fn insert(&self, from: &File, to: &File, at: u64) -> Result<(), DriverError>;

    /// Reserves blocks; the size stays as it is. Not supported: no error.
    fn preallocate(&self, file: &File, bytes: u64) -> Result<(), DriverError>;

    /// Room left.
    fn room(&self) -> Result<Room, DriverError>;

    /// The absolute path, for TURLs of outside movers only; never opened by us.
    fn physical(&self, path: &RelPath) -> std::path::PathBuf;
}
