//! Whole files, read or copied by the daemon itself: beside what others do, not in their way.

use std::fs::File;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;

use rustix::fs::{Advice, OFlags};

use super::DriverError;

/// Bytes read at once.
const PIECE: usize = 1 << 20;
/// Bytes after which the pages behind us are given back.
const BEHIND: u64 = 8 << 20;

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
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
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
