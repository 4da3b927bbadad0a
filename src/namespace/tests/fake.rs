//! A driver that knows its root and nothing else.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::fsdriver::{Acl, Directory, Driver, DriverError, Room, Stat, Unpublished};
use crate::model::RelPath;

#[derive(Debug)]
struct Fake(PathBuf);

pub(super) fn driver(root: &Path) -> Arc<dyn Driver> {
    Arc::new(Fake(root.to_owned()))
}

type Done<T> = Result<T, DriverError>;

fn no<T>() -> Done<T> {
    Err(DriverError::NotSupported)
}

#[rustfmt::skip]
impl Driver for Fake {
    fn name(&self) -> &'static str { "fake" }
    fn stat(&self, _: &RelPath) -> Done<Stat> { no() }
    fn stat_file(&self, _: &File) -> Done<Stat> { no() }
    fn file_size(&self, _: &RelPath) -> Done<Option<u64>> { no() }
    fn directory(&self, _: &RelPath) -> Done<Box<dyn Directory>> { no() }
    fn open(&self, _: &RelPath) -> Done<File> { no() }
    fn open_own(&self, _: &RelPath) -> Done<File> { no() }
    fn create(&self, _: &RelPath) -> Done<File> { no() }
    fn begin(&self, _: &RelPath, _: Option<&RelPath>) -> Done<Unpublished> { no() }
    fn link(&self, _: &Unpublished, _: &RelPath) -> Done<()> { no() }
    fn rename(&self, _: &RelPath, _: &RelPath, _: bool) -> Done<()> { no() }
    fn remove_file(&self, _: &RelPath) -> Done<()> { no() }
    fn make_directory(&self, _: &RelPath) -> Done<()> { no() }
    fn remove_directory(&self, _: &RelPath) -> Done<()> { no() }
    fn remove_tree(&self, _: &RelPath) -> Done<()> { no() }
    fn sync(&self, _: &File) -> Done<()> { no() }
    fn sync_directory(&self, _: &RelPath) -> Done<()> { no() }
    fn attribute(&self, _: &File, _: &str) -> Done<Option<Vec<u8>>> { no() }
    fn set_attribute(&self, _: &File, _: &str, _: &[u8]) -> Done<()> { no() }
    fn remove_attribute(&self, _: &File, _: &str) -> Done<()> { no() }
    fn attributes(&self, _: &File, _: &str) -> Done<Vec<String>> { no() }
    fn set_modified(&self, _: &File, _: SystemTime) -> Done<()> { no() }
    fn set_mode(&self, _: &File, _: u32) -> Done<()> { no() }
    fn has_acls(&self) -> bool { false }
    fn open_directory(&self, _: &RelPath) -> Done<File> { no() }
    fn acl(&self, _: &File) -> Done<Acl> { no() }
    fn set_acl(&self, _: &File, _: &Acl) -> Done<()> { no() }
    fn acl_text(&self, _: &File) -> Done<String> { no() }
    fn has_writer(&self, _: &File) -> Done<Option<bool>> { no() }
    fn read_through(&self, _: &File, _: &mut dyn FnMut(&[u8]) -> bool) -> Done<bool> { no() }
    fn copy(&self, _: &File, _: &File, _: &mut dyn FnMut() -> bool) -> Done<bool> { no() }
    fn open_to_write(&self, _: &RelPath) -> Done<File> { no() }
    fn insert(&self, _: &File, _: &File, _: u64) -> Done<()> { no() }
    fn preallocate(&self, _: &File, _: u64) -> Done<()> { no() }
    fn room(&self) -> Done<Room> { no() }
    fn physical(&self, path: &RelPath) -> PathBuf { self.0.join(path.as_str()) }
}
