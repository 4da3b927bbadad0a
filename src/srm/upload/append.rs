//! Bytes that came are written behind those that an upload's file holds, and it gets its time.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind as IoKind, IoSlice, Write};
use std::time::SystemTime;

use bytes::Bytes;

use super::super::{Error, ErrorKind};

/// Writes all of that. Blocks.
///
/// # Errors
/// [`ErrorKind::DiskFull`]; [`ErrorKind::NoFreeSpace`] over quota; [`ErrorKind::InvalidRequest`] for more than
/// a file of the file system holds.
pub fn append(mut file: &File, pieces: &[Bytes]) -> Result<(), Error> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(unwritable(&IoKind::WriteZero.into())),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == IoKind::Interrupted => {}
            Err(error) => return Err(unwritable(&error)),
        }
    }
    Ok(())
}

fn unwritable(error: &IoError) -> Error {
    match error.kind() {
        IoKind::StorageFull => Error::new(
            ErrorKind::DiskFull,
            "the disk of the storage area is full: remove something, or tell the server's administrator",
        ),
        IoKind::QuotaExceeded => Error::new(
            ErrorKind::NoFreeSpace,
            "the quota of the storage area is used up: remove something, or ask its administrator for more",
        ),
        IoKind::FileTooLarge => Error::new(
            ErrorKind::InvalidRequest,
            "the file is larger than the file system takes: store it in parts",
        ),
        _ => Error::new(
            ErrorKind::Internal,
            format!("the file cannot be written: {error}: tell the server's administrator"),
        ),
    }
}

/// Sets the time that the client wants the file to have. Blocks.
pub(super) fn set_modified(file: &File, at: Option<SystemTime>) -> Result<(), Error> {
    let set = at.map_or(Ok(()), |at| file.set_modified(at));
    set.map_err(|error| {
        let why = format!("the file cannot have that modification time: {error}: leave it out");
        Error::new(ErrorKind::InvalidRequest, why)
    })
}
