//! Whole files, read or copied by the daemon itself: beside what others do, not in their way.

use std::fs::File;
use std::io::ErrorKind;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{Advice, FallocateFlags, OFlags, SeekFrom};
use rustix::io::Errno;

use super::DriverError;

/// Bytes read at once.
const PIECE: usize = 1 << 20;
/// Bytes after which the pages behind us are given back.
const BEHIND: u64 = 8 << 20;

/// Bytes that the kernel copies at once; between two of these a copy can be stopped.
const CHUNK: u64 = 32 << 20;

/// See [`super::Driver::read_through`].
pub(super) fn read_through(
    file: &File,
    each: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<bool, DriverError> {
    // All three are hints: a file that is another account's keeps its access time up to date.
    if let Ok(flags) = rustix::fs::fcntl_getfl(file) {
        let _ = rustix::fs::fcntl_setfl(file, flags | OFlags::NOATIME);
    }
    let advise = |from, length, advice| {
        let _ = rustix::fs::fadvise(file, from, NonZeroU64::new(length), advice);
    };
    advise(0, 0, Advice::Sequential);
    let mut piece = vec![0; PIECE];
    let (mut at, mut given_back) = (0, 0);
    let whole = loop {
        match file.read_at(&mut piece, at) {
            Ok(0) => break true,
            Ok(read) if !each(&piece[..read]) => break false,
            Ok(read) => at += read as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(DriverError::Io(error)),
        }
        if at - given_back >= BEHIND {
            advise(given_back, at - given_back, Advice::DontNeed);
            given_back = at;
        }
    };
    advise(0, 0, Advice::DontNeed);
    Ok(whole)
}

/// See [`super::Driver::copy`].
pub(super) fn copy(
    from: &File,
    to: &File,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<bool, DriverError> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(true);
    }
    let stat = rustix::fs::fstat(from)?;
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    // What does not fit is told now, not after hours; where there are holes, less is enough.
    if stat.st_blocks.cast_unsigned().saturating_mul(512) >= size && size > 0 {
        match rustix::fs::fallocate(to, FallocateFlags::KEEP_SIZE, 0, size) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // What is not written stays a hole.
    rustix::fs::ftruncate(to, size)?;
    let (mut at, mut in_kernel) = (0, true);
    while let Some(data) = data_from(from, at, size)? {
        at = data.start;
        while at < data.end {
            if !go_on() {
                return Ok(false);
            }
            let wanted = CHUNK.min(data.end - at);
            let copied = match in_kernel {
                true => copy_in_kernel(from, to, at, wanted)?,
                false => Some(copy_here(from, to, at, wanted)?),
            };
            match copied {
                // It became shorter: the caller sees that it changed.
                Some(0) => return Ok(true),
                Some(copied) => at += copied,
                None => in_kernel = false,
            }
        }
    }
    Ok(true)
}

/// See [`super::Driver::insert`].
pub(super) fn insert(from: &File, to: &File, at: u64) -> Result<(), DriverError> {
    let mut piece = vec![0; PIECE];
    let mut done = 0;
    loop {
        match from.read_at(&mut piece, done) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                to.write_all_at(&piece[..read], at + done).map_err(told)?;
                done += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(told(error)),
        }
    }
}

/// The next stretch of data at or after `at`; all that is left, where the file system tells no holes.
fn data_from(file: &File, at: u64, size: u64) -> Result<Option<Range<u64>>, DriverError> {
    if at >= size {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some(at..size)),
        Err(error) => return Err(error.into()),
    };
    let end = rustix::fs::seek(file, SeekFrom::Hole(start))?.min(size);
    Ok((start < end).then_some(start..end))
}

/// How many bytes were copied; `None`: not between these files.
fn copy_in_kernel(
    from: &File,
    to: &File,
    at: u64,
    wanted: u64,
) -> Result<Option<u64>, DriverError> {
    let (mut read, mut written) = (at, at);
    let wanted = usize::try_from(wanted).unwrap_or(PIECE);
    match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), wanted) {
        // Some file systems say so of what they can't.
        Ok(0) | Err(Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => Ok(None),
        Ok(copied) => Ok(Some(copied as u64)),
        Err(Errno::INTR) => copy_in_kernel(from, to, at, wanted as u64),
        Err(error) => Err(error.into()),
    }
}

fn copy_here(from: &File, to: &File, at: u64, wanted: u64) -> Result<u64, DriverError> {
    let mut piece = vec![0; PIECE.min(usize::try_from(wanted).unwrap_or(PIECE))];
    let read = loop {
        match from.read_at(&mut piece, at) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => break read.map_err(told)?,
        }
    };
    to.write_all_at(&piece[..read], at).map_err(told)?;
    Ok(read as u64)
}

/// Sets the time of the last modification.
pub(super) fn set_modified(file: &File, at: std::time::SystemTime) -> Result<(), DriverError> {
    file.set_modified(at).map_err(told)
}

fn told(error: std::io::Error) -> DriverError {
    match Errno::from_io_error(&error) {
        Some(errno) => errno.into(),
        None => DriverError::Io(error),
    }
}
