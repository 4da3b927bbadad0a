//! What is said where there is no such space, or no room in it.

use super::super::{Error, ErrorKind};
use super::limits::Limits;

/// In StoRM's words: scripts look for them.
pub(super) fn unknown() -> Error {
    Error::new(ErrorKind::InvalidRequest, "The provided Space Token does not exists")
}

/// In StoRM's words: scripts look for them.
pub(super) fn expired() -> Error {
    Error::new(ErrorKind::SpaceExpired, "Supplied SpaceToken has expired lifetime!")
}

pub(super) fn no_room(limits: &Limits, asked: u64, left: u64) -> Error {
    let area = &limits.area;
    Error::new(
        ErrorKind::NoFreeSpace,
        format!("no free space in storage area {area}: {asked} bytes asked, {left} left"),
    )
}

pub(super) fn disk_full(limits: &Limits, asked: u64, left: u64) -> Error {
    let area = &limits.area;
    Error::new(
        ErrorKind::DiskFull,
        format!(
            "no free space on the disk of storage area {area}: {asked} bytes asked, {left} left"
        ),
    )
}

pub(super) fn too_large(limits: &Limits, asked: u64, size: u64) -> Error {
    let area = &limits.area;
    Error::new(
        ErrorKind::ExceedAllocation,
        format!("storage area {area} is of {size} bytes, {asked} are asked: ask for less"),
    )
}

pub(super) fn too_many(spaces: usize) -> Error {
    let why = format!("you hold {spaces} spaces: release some of them first");
    Error::new(ErrorKind::NoUserSpace, why)
}
