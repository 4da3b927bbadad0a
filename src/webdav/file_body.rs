//! The bytes of a file, or of some ranges of it, read by position in large pieces.

use std::collections::VecDeque;
use std::fs::File;
use std::io::IoSliceMut;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::ReadWriteFlags;

use super::blocking::Source;
use super::crowd::{Crowd, Member};
use super::sent_file::is_at_hand;
use crate::srm::{Error, ErrorKind};

/// Bytes per piece: large enough that the hop to the blocking pool does not show.
const PIECE: usize = 512 * 1024;
/// Bytes per piece that is read where it is wanted: what TLS takes it from is in the processor's cache
/// still.
const PIECE_AT_ONCE: usize = 128 * 1024;
/// Up to so many bytes are read at once or not at all.
const SMALL: usize = 16 * 1024;
/// Bytes per piece when there are very many readers.
const LEAST: usize = 32 * 1024;
/// Bodies that are alive. Up to three pieces of a reader stand in memory.
static READERS: Crowd = Crowd::new(128 << 20, LEAST, PIECE);

/// Stretches of a file, and texts between them.
#[derive(Debug)]
pub(super) struct FileSource {
    file: File,
    parts: VecDeque<Part>,
    left: u64,
    reader: Member,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Stretch(Range<u64>),
}

impl FileSource {
    /// One stretch.
    pub(super) fn one(file: File, stretch: Range<u64>) -> Self {
        let left = stretch.end - stretch.start;
        let parts = VecDeque::from([Part::Stretch(stretch)]);
        Self { file, parts, left, reader: READERS.enter() }
    }

    /// `multipart/byteranges` (RFC 9110 14.6): the stretches of a file of `size` bytes.
    pub(super) fn multipart(
        file: File,
        stretches: Vec<Range<u64>>,
        size: u64,
        content_type: &str,
        boundary: &str,
    ) -> Self {
        let mut parts = VecDeque::with_capacity(stretches.len() * 2 + 1);
        let mut left = 0;
        let mut text = |parts: &mut VecDeque<Part>, text: String| {
            left += text.len() as u64;
            parts.push_back(Part::Text(text));
        };
        let mut data = 0;
        for stretch in stretches {
            text(
                &mut parts,
                format!(
                    "\r\n--{boundary}\r\nContent-Type: {content_type}\r\n\
                     Content-Range: bytes {}-{}/{size}\r\n\r\n",
                    stretch.start,
                    stretch.end.saturating_sub(1)
                ),
            );
            data += stretch.end - stretch.start;
            parts.push_back(Part::Stretch(stretch));
        }
        text(&mut parts, format!("\r\n--{boundary}--\r\n"));
        Self { file, parts, left: left + data, reader: READERS.enter() }
    }

    /// Reads into `piece` what is left of a stretch, as far as it has room up to `most` bytes.
    fn read(
        &self,
        piece: &mut Vec<u8>,
        stretch: &mut Range<u64>,
        most: usize,
    ) -> Result<(), Error> {
        while stretch.start < stretch.end {
            let room = piece.capacity().min(most).saturating_sub(piece.len());
            if room == 0 {
                return Ok(());
            }
            let want = usize::try_from(stretch.end - stretch.start).unwrap_or(usize::MAX);
            let old = piece.len();
            let got = if want >= piece.capacity() - old {
                // All that fits: the kernel fills memory that nobody had to clear first.
                rustix::io::pread(&self.file, spare_capacity(piece), stretch.start)
                    .map_err(std::io::Error::from)
            } else {
                piece.resize(old + want.min(room), 0);
                let got = self.file.read_at(&mut piece[old..], stretch.start);
                piece.truncate(old + got.as_ref().copied().unwrap_or(0));
                got
            };
            match got {
                Ok(0) => return Err(shorter()),
                Ok(got) => stretch.start += got as u64,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&error)),
            }
        }
        Ok(())
    }
}

impl FileSource {
    /// The next piece, of at most so many bytes.
    fn piece(&mut self, most: usize) -> Result<Option<Bytes>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        let room = usize::try_from(self.left).unwrap_or(most).min(most);
        let mut piece = Vec::with_capacity(room);
        while piece.len() < room {
            match self.parts.pop_front() {
                None => break,
                Some(Part::Text(text)) if piece.is_empty() || piece.len() + text.len() <= room => {
                    piece.extend_from_slice(text.as_bytes());
                }
                Some(Part::Text(text)) => {
                    self.parts.push_front(Part::Text(text));
                    break;
                }
                Some(Part::Stretch(mut stretch)) => {
                    self.read(&mut piece, &mut stretch, most)?;
                    if stretch.start < stretch.end {
                        self.parts.push_front(Part::Stretch(stretch));
                    }
                }
            }
        }
        self.left = self.left.saturating_sub(piece.len() as u64);
        Ok(Some(Bytes::from(piece)))
    }

    /// All of a small file, by one system call.
    fn small_at_once(&mut self) -> Option<Bytes> {
        let [Part::Stretch(stretch)] = self.parts.make_contiguous() else { return None };
        let length =
            usize::try_from(self.left).ok().filter(|length| (1..=SMALL).contains(length))?;
        let mut piece = vec![0; length];
        let into = &mut [IoSliceMut::new(&mut piece)];
        let got = rustix::io::preadv2(&self.file, into, stretch.start, ReadWriteFlags::NOWAIT);
        if got != Ok(length) {
            return None;
        }
        self.parts.clear();
        self.left = 0;
        Some(Bytes::from(piece))
    }

    /// True where the bytes of the next piece are in memory.
    fn is_at_hand(&self, most: usize) -> bool {
        let Some(Part::Stretch(stretch)) = self.parts.front() else { return false };
        is_at_hand(&self.file, stretch.start..stretch.end.min(stretch.start + most as u64))
    }
}

impl Source for FileSource {
    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.piece(self.reader.piece())
    }

    fn at_once(&mut self) -> Option<Result<Option<Bytes>, Error>> {
        if let Some(whole) = self.small_at_once() {
            return Some(Ok(Some(whole)));
        }
        let most = self.reader.piece().min(PIECE_AT_ONCE);
        self.is_at_hand(most).then(|| self.piece(most))
    }

    fn left(&self) -> Option<u64> {
        Some(self.left)
    }
}

fn shorter() -> Error {
    Error::new(ErrorKind::Internal, "the file got shorter while it was read: ask for it again")
}

fn unreadable(error: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("the file cannot be read: {error}: tell the server's administrator"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(content, 0).unwrap();
        file
    }

    fn all(mut source: FileSource) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        while let Some(piece) = source.next()? {
            assert!(!piece.is_empty() && piece.len() <= PIECE);
            out.extend_from_slice(&piece);
        }
        assert_eq!(source.left(), Some(0));
        Ok(out)
    }

    #[test]
    fn stretches_of_every_size() {
        let content: Vec<u8> = (0..PIECE * 2 + 77).map(|i| (i * 7 % 251) as u8).collect();
        let end = content.len();
        for (a, b) in [(0, end), (0, 1), (5, PIECE), (5, PIECE + 5), (3, PIECE + 6), (end - 1, end)]
        {
            let got = all(FileSource::one(file(&content), a as u64..b as u64)).unwrap();
            assert!(got == content[a..b], "{a}..{b}");
        }
        assert!(all(FileSource::one(file(b""), 0..0)).unwrap().is_empty());
    }

    #[test]
    fn many_readers_get_small_pieces() {
        let content: Vec<u8> = (0..PIECE).map(|i| (i * 7 % 251) as u8).collect();
        let mut source = FileSource::one(file(&content), 0..PIECE as u64);
        let others: Vec<Member> = (0..1024).map(|_| READERS.enter()).collect();
        let piece = source.next().unwrap().unwrap();
        assert!(piece.len() <= PIECE / 4 && piece == content[..piece.len()]);
        drop(others);
        assert!(all(source).unwrap() == content[piece.len()..]);
    }

    #[test]
    fn multipart_tells_its_length() {
        let source = FileSource::multipart(file(b"0123456789"), vec![8..10, 0..2], 10, "a/b", "B");
        let length = source.left().unwrap();
        let text = String::from_utf8(all(source).unwrap()).unwrap();
        assert_eq!(text.len() as u64, length);
        assert_eq!(
            text,
            "\r\n--B\r\nContent-Type: a/b\r\nContent-Range: bytes 8-9/10\r\n\r\n89\
             \r\n--B\r\nContent-Type: a/b\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n--B--\r\n"
        );
    }

    #[test]
    fn multipart_over_several_pieces() {
        let content: Vec<u8> = (0..PIECE * 2).map(|i| (i * 7 % 251) as u8).collect();
        let half = PIECE as u64;
        let stretches = vec![half..half * 2, 1..half - 1];
        let source = FileSource::multipart(file(&content), stretches, half * 2, "a/b", "B");
        let length = source.left().unwrap();
        let got = all(source).unwrap();
        assert_eq!(got.len() as u64, length);
        assert!(got.windows(4096).any(|w| w == &content[PIECE..PIECE + 4096]));
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let error = all(FileSource::one(file(b"abc"), 0..10)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal);
        assert!(error.explanation.contains("shorter"));
    }
}
