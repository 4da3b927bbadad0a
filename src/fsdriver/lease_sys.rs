//! Who has a file open for writing: a read lease is granted only while nobody has (fcntl(2)).
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Once;

/// Takes a read lease and gives it back. `Ok(true)`: granted, so there is no writer. `Ok(false)`:
/// somebody has the file open for writing. An error: this file system or account can't tell.
pub(super) fn probe(file: &File) -> io::Result<bool> {
    ignore_signal();
    match set(file, libc::F_RDLCK) {
        Ok(()) => {
            set(file, libc::F_UNLCK)?;
            Ok(true)
        }
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whoever opens the file for writing while the lease is held makes the kernel send SIGIO, which ends
/// a process that does not expect it. The open itself waits until the lease is given back.
fn ignore_signal() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: SIG_IGN installs no handler, so that nothing of ours runs inside a signal.
        unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
    });
}

fn set(file: &File, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and F_SETLEASE takes a
    // plain int as its argument.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_seen_and_a_lease_that_is_broken_ends_nobody() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("f");
        let writer = File::create(&path).unwrap();
        let file = File::open(&path).unwrap();
        assert!(!probe(&file).unwrap());
        drop(writer);
        assert!(probe(&file).unwrap());
        set(&file, libc::F_RDLCK).unwrap();
        // Breaks the lease: SIGIO comes, and the open waits.
        let opening = std::thread::spawn(move || File::options().write(true).open(path));
        std::thread::sleep(std::time::Duration::from_millis(200));
        set(&file, libc::F_UNLCK).unwrap();
        opening.join().unwrap().unwrap();
        assert!(probe(&file).unwrap());
    }
}
