//! Who has a file open for writing: a read lease is granted only while nobody has (fcntl(2)).
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Takes a read lease and gives it back. `Ok(true)`: granted, so there is no writer. `Ok(false)`:
/// somebody has the file open for writing. An error: this file system or account can't tell.
pub(super) fn probe(file: &File) -> io::Result<bool> {
    match set(file, libc::F_RDLCK) {
        Ok(()) => {
            set(file, libc::F_UNLCK)?;
            Ok(true)
        }
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(false),
        Err(error) => Err(error),
    }
}

fn set(file: &File, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and F_SETLEASE takes a
    // plain int as its argument.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
