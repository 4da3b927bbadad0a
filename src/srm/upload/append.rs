//! Bytes that came are written behind those that an upload's file holds, and it gets its time.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind as IoKind, IoSlice, Write};
use std::time::SystemTime;

use bytes::Bytes;

use super::super::{Error, ErrorKind};

/// Bytes per write, about. The kernel keeps what is written at once in pages as large, and the largest are dear
/// where memory is in pieces, or was given back to the host of a virtual machine: there a write of 1 MiB
/// took five times as much of the processor as eight of these, and elsewhere the same.
const AT_ONCE: usize = 128 * 1024;

/// Writes all of that. Blocks.
///
/// # Errors
/// [`ErrorKind::DiskFull`]; [`ErrorKind::NoFreeSpace`] over quota; [`ErrorKind::InvalidRequest`] for more than
/// a file of the file system holds.
pub fn append(mut file: &File, pieces: &[Bytes]) -> Result<(), Error> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        let some = match rest[0].get(..AT_ONCE) {
            Some(some) => file.write(some),
            None => file.write_vectored(begin(rest)),
        };
        match some {
            Ok(0) => return Err(unwritable(&IoKind::WriteZero.into())),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == IoKind::Interrupted => {}
            Err(error) => return Err(unwritable(&error)),
        }
    }
    Ok(())
}

/// The first of the slices, until they have [`AT_ONCE`] bytes; none has as many.
fn begin<'a, 'b>(slices: &'a [IoSlice<'b>]) -> &'a [IoSlice<'b>] {
    let mut room = AT_ONCE;
    let some = slices.iter().take_while(|slice| {
        let more = room > 0;
        room = room.saturating_sub(slice.len());
        more
    });
    &slices[..some.count()]
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

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of slices of these lengths are written at once.
    fn first(lengths: &[usize]) -> usize {
        let bytes = vec![0; lengths.iter().copied().max().unwrap_or(0)];
        let slices: Vec<IoSlice<'_>> = lengths.iter().map(|&l| IoSlice::new(&bytes[..l])).collect();
        begin(&slices).len()
    }

    #[test]
    fn slices_are_taken_until_there_is_enough() {
        assert_eq!(first(&[AT_ONCE / 2, AT_ONCE / 2, 1]), 2);
        assert_eq!(first(&[AT_ONCE / 2, AT_ONCE / 2 - 1, 1, 1]), 3);
        assert_eq!(first(&[0, 0, 7]), 3, "empty ones stop nothing");
    }

    #[test]
    fn all_is_written_and_in_its_order() -> std::io::Result<()> {
        let pieces: Vec<Bytes> = (0..40u8)
            .map(|piece| Bytes::from(vec![piece; 90_011 * usize::from(piece % 4)]))
            .collect();
        let file = tempfile::NamedTempFile::new()?;
        append(file.as_file(), &pieces).map_err(|error| IoError::other(error.to_string()))?;
        assert!(std::fs::read(file.path())? == pieces.concat());
        Ok(())
    }
}
