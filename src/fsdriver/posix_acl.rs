//! ACLs of open files: read and written whole, in the kernel's own form. Names are looked up only for
//! what people see, by exacl.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

use exacl::{AclEntry, AclOption, Perm};
use rustix::fs::{OFlags, XattrFlags};
use rustix::io::Errno;

use super::beneath::{Root, stat_fd};
use super::{Acl, DriverError, Permission};
use crate::model::RelPath;

const NONE: Permission = Permission::NONE;
const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// Whether the file system below an area keeps ACLs.
pub(super) fn supported(root: &Root) -> Result<bool, DriverError> {
    let fd = root.resolve(&RelPath::root(), OFlags::RDONLY | OFlags::DIRECTORY)?;
    match rustix::fs::fgetxattr(&fd, ACCESS, &mut [0_u8; 1]) {
        Ok(_) | Err(Errno::NODATA | Errno::RANGE) => Ok(true),
        Err(Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// See [`super::Driver::acl`].
pub(super) fn read(file: &File) -> Result<Acl, DriverError> {
    match attribute(file, ACCESS)? {
        Some(acl) => Ok(acl),
        None => Ok(Acl::of_mode(stat_fd(file)?.mode)),
    }
}

/// See [`super::Directory::default_acl`].
pub(super) fn read_default(directory: impl AsFd) -> Result<Option<Acl>, DriverError> {
    match attribute(directory, DEFAULT) {
        Err(DriverError::NotSupported) => Ok(None),
        other => other,
    }
}

/// See [`super::Driver::set_acl`].
pub(super) fn write(file: &File, acl: &Acl) -> Result<(), DriverError> {
    Ok(rustix::fs::fsetxattr(file, ACCESS, &acl.encode(), XattrFlags::empty())?)
}

/// See [`super::Driver::acl_text`].
pub(super) fn text(file: &File) -> Result<String, DriverError> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let entries = exacl::getfacl(path, AclOption::ACCESS_ACL).map_err(DriverError::Io)?;
    let one = |entry: &AclEntry| {
        let bit = |perm, permission| if entry.perms.contains(perm) { permission } else { NONE };
        let permission = bit(Perm::READ, Permission::READ)
            | bit(Perm::WRITE, Permission::WRITE)
            | bit(Perm::EXECUTE, Permission::TRAVERSE);
        format!("{}:{}:{permission}", entry.kind, entry.name)
    };
    Ok(entries.iter().map(one).collect::<Vec<_>>().join(","))
}

fn attribute(file: impl AsFd, name: &str) -> Result<Option<Acl>, DriverError> {
    let mut small = [0_u8; 512];
    let found = match rustix::fs::fgetxattr(&file, name, &mut small) {
        Ok(size) => Acl::decode(&small[..size]),
        Err(Errno::NODATA) => return Ok(None),
        Err(Errno::RANGE) => {
            let mut large = vec![0_u8; 65_536];
            let size = rustix::fs::fgetxattr(&file, name, &mut large)?;
            Acl::decode(&large[..size])
        }
        Err(error) => return Err(error.into()),
    };
    let unread = || DriverError::Io(std::io::Error::other("an ACL that does not read"));
    found.map(Some).ok_or_else(unread)
}
