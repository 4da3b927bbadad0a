//! The bytes of a file where the connection can take them from the file itself: nothing is read here, but
//! looked at whether they are in memory, so that no async thread waits for a disk.

use std::fs::File;
use std::io::IoSliceMut;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::Advice;
use rustix::io::ReadWriteFlags;

use super::blocking::Source;
use crate::listener::{FileSending, LARGEST};
use crate::srm::Error;

/// Below this a file is read: that takes fewer system calls.
pub(super) const WORTH_IT: u64 = 64 * 1024;

/// One stretch of a file.
pub(super) struct SentFile {
    file: Arc<File>,
    stretch: Range<u64>,
    sending: FileSending,
}

impl SentFile {
    pub(super) fn new(file: File, stretch: Range<u64>, sending: FileSending) -> Self {
        Self { file: Arc::new(file), stretch, sending }
    }

    fn piece(&self) -> Range<u64> {
        self.stretch.start..self.stretch.end.min(self.stretch.start + LARGEST as u64)
    }

    fn lend(&mut self) -> Option<Bytes> {
        let piece = self.piece();
        if piece.is_empty() {
            return None;
        }
        self.stretch.start = piece.end;
        let length = usize::try_from(piece.end - piece.start).unwrap_or(LARGEST);
        Some(self.sending.lend(&self.file, piece.start, length))
    }
}

impl Source for SentFile {
    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let piece = self.piece();
        // What can't be read shows when it is sent.
        let length = std::num::NonZeroU64::new(piece.end - piece.start);
        let _ = rustix::fs::fadvise(&*self.file, piece.start, length, Advice::WillNeed);
        if !piece.is_empty() {
            // Its last byte is there when the others are.
            let _ = self.file.read_at(&mut [0], piece.end - 1);
        }
        Ok(self.lend())
    }

    fn at_once(&mut self) -> Option<Result<Option<Bytes>, Error>> {
        is_at_hand(&self.file, self.piece()).then(|| Ok(self.lend()))
    }

    fn left(&self) -> Option<u64> {
        Some(self.stretch.end - self.stretch.start)
    }
}

/// True where the bytes of a stretch are in memory, by its first and its last one.
pub(super) fn is_at_hand(file: &File, stretch: Range<u64>) -> bool {
    !stretch.is_empty()
        && [stretch.start, stretch.end - 1].into_iter().all(|at| {
            let mut byte = [0];
            let into = &mut [IoSliceMut::new(&mut byte)];
            matches!(rustix::io::preadv2(file, into, at, ReadWriteFlags::NOWAIT), Ok(1))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_stretch() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 * LARGEST as u64).unwrap();
        let stretch = 5..2 * LARGEST as u64 + 9;
        let mut source = SentFile::new(file, stretch, FileSending::default());
        let mut lengths = Vec::new();
        while let Some(piece) = source.next().unwrap() {
            lengths.push(piece.len());
        }
        assert_eq!(lengths, [LARGEST, LARGEST, 4]);
        assert_eq!(source.left(), Some(0));
        assert!(source.at_once().is_none());
    }

    #[test]
    fn what_was_written_a_moment_ago_is_at_hand() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"0123", 0).unwrap();
        assert!(is_at_hand(&file, 0..4));
        assert!(!is_at_hand(&file, 0..5) && !is_at_hand(&file, 2..2));
    }
}
