//! SOAP envelopes without any HTTP head, as StoRM's clientSRM sends them when its endpoint names
//! no scheme. A connection whose first byte is `<` speaks so to its end: this stream puts a head
//! before every envelope and frames it as chunks, and the rest of the house sees HTTP. The answers
//! go out with their HTTP heads: the clients concerned read both forms.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: localhost\r\n\
    Content-Type: text/xml; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";

/// How much is read, and framed, at once.
const PIECE: usize = 16 * 1024;

/// What flows, as far as is known.
enum Mode {
    /// Nothing has come yet.
    Unknown,
    /// Ordinary HTTP.
    Http,
    /// Envelopes; this is between two of them.
    Between,
    /// Inside one, of which that many bytes have come.
    Within(u64, Closing),
}

/// `io`, with heads put before bare envelopes of up to `limit` bytes. A longer one ends the stream.
pub(super) struct BareSoap<S> {
    io: S,
    limit: u64,
    mode: Mode,
    /// Read from `io`, not looked at yet.
    raw: BytesMut,
    /// Framed, to be read from us.
    framed: BytesMut,
}

impl<S> BareSoap<S> {
    pub(super) fn new(io: S, limit: u64) -> Self {
        Self { io, limit, mode: Mode::Unknown, raw: BytesMut::new(), framed: BytesMut::new() }
    }

    /// Frames what stands in `raw`. `false`: the envelope is too large.
    fn frame(&mut self) -> bool {
        while !self.raw.is_empty() {
            match &mut self.mode {
                Mode::Unknown | Mode::Http => {
                    self.framed.unsplit(self.raw.split());
                }
                Mode::Between => {
                    let blank =
                        self.raw.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                    self.raw.advance(blank);
                    if !self.raw.is_empty() {
                        self.framed.extend_from_slice(HEAD);
                        self.mode = Mode::Within(0, Closing::default());
                    }
                }
                Mode::Within(so_far, closing) => {
                    let end = closing.find(&self.raw);
                    let piece = self.raw.split_to(end.unwrap_or(self.raw.len()));
                    *so_far += piece.len() as u64;
                    if *so_far > self.limit {
                        return false;
                    }
                    self.framed.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                    self.framed.extend_from_slice(&piece);
                    self.framed.extend_from_slice(b"\r\n");
                    if end.is_some() {
                        self.framed.extend_from_slice(b"0\r\n\r\n");
                        self.mode = Mode::Between;
                    }
                }
            }
        }
        true
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BareSoap<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.framed.is_empty() {
                let n = this.framed.len().min(buf.remaining());
                buf.put_slice(&this.framed.split_to(n));
                return Poll::Ready(Ok(()));
            }
            match this.mode {
                Mode::Http => return Pin::new(&mut this.io).poll_read(cx, buf),
                Mode::Unknown => {
                    let before = buf.filled().len();
                    ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
                    let Some(first) = buf.filled().get(before) else {
                        return Poll::Ready(Ok(()));
                    };
                    if *first != b'<' {
                        this.mode = Mode::Http;
                        return Poll::Ready(Ok(()));
                    }
                    this.mode = Mode::Between;
                    this.raw.extend_from_slice(&buf.filled()[before..]);
                    buf.set_filled(before);
                }
                Mode::Between | Mode::Within(..) => {
                    let mut piece = [0; PIECE];
                    let mut piece = ReadBuf::new(&mut piece);
                    ready!(Pin::new(&mut this.io).poll_read(cx, &mut piece))?;
                    if piece.filled().is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                    this.raw.extend_from_slice(piece.filled());
                }
            }
            if !this.frame() {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("an envelope of more than {} bytes came", this.limit),
                )));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BareSoap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// Finds the closing tag of the envelope, in pieces of any size: `</`, a name that is `Envelope`
/// after its prefix, white space, `>`. A comment that holds such a tag cuts the envelope there, and
/// the SOAP door then calls it broken.
#[derive(Default)]
enum Closing {
    #[default]
    Text,
    /// After `<`.
    Open,
    /// In the local name, `Some(n)`: it begins like `Envelope`, for n bytes.
    Name(Option<usize>),
    /// In the white space after the whole name.
    Blank,
}

impl Closing {
    const NAME: &[u8] = b"Envelope";

    /// Where the tag ends, if it ends in `bytes`.
    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            *self = match (&self, byte) {
                (Closing::Name(Some(n)), b'>') if *n == Self::NAME.len() => {
                    *self = Closing::Text;
                    return Some(at + 1);
                }
                (Closing::Blank, b'>') => {
                    *self = Closing::Text;
                    return Some(at + 1);
                }
                (_, b'<') => Closing::Open,
                (Closing::Open, b'/') => Closing::Name(Some(0)),
                (Closing::Name(_), b':') => Closing::Name(Some(0)),
                (Closing::Name(_), b'>') => Closing::Text,
                (Closing::Name(Some(n)), byte)
                    if *n == Self::NAME.len() && byte.is_ascii_whitespace() =>
                {
                    Closing::Blank
                }
                (Closing::Name(Some(n)), byte) if Self::NAME.get(*n) == Some(byte) => {
                    Closing::Name(Some(n + 1))
                }
                (Closing::Name(_), _) => Closing::Name(None),
                (Closing::Blank, byte) if byte.is_ascii_whitespace() => Closing::Blank,
                _ => Closing::Text,
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn framed(input: &[u8], step: usize, limit: u64) -> io::Result<String> {
        let (mut end, io) = tokio::io::duplex(step);
        let input = input.to_vec();
        let writer = tokio::spawn(async move {
            // Fails where the reader refuses the envelope.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut end, &input).await;
        });
        let mut out = String::new();
        let result = BareSoap::new(io, limit).read_to_string(&mut out).await;
        writer.await.unwrap();
        result.map(|_| out)
    }

    /// Undoes the framing.
    fn bodies(mut text: &str) -> Vec<String> {
        let mut found = Vec::new();
        while let Some((head, rest)) = text.split_once("\r\n\r\n") {
            assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
            let (mut body, mut left) = (String::new(), rest);
            loop {
                let (size, rest) = left.split_once("\r\n").unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                body.push_str(&rest[..size]);
                left = rest[size..].strip_prefix("\r\n").unwrap();
                if size == 0 {
                    break;
                }
            }
            found.push(body);
            text = left;
        }
        assert_eq!(text, "");
        found
    }

    #[tokio::test]
    async fn envelopes_are_cut_where_they_end() {
        let one =
            "<?xml version=\"1.0\"?>\n<S:Envelope><a></a></EnvelopeX></Envelop></S:Envelope >";
        let two = "<Envelope><b/></Envelope>";
        let both = format!("{one}\r\n{two}\r\n");
        for step in [1, 7, 4096] {
            let text = framed(both.as_bytes(), step, 1000).await.unwrap();
            assert_eq!(bodies(&text), [one, two], "step {step}");
        }
    }

    #[tokio::test]
    async fn http_passes_and_the_bound_holds() {
        let http = "POST /</Envelope> HTTP/1.1\r\n\r\n<x></Envelope><y>";
        assert_eq!(framed(http.as_bytes(), 3, 5).await.unwrap(), http);
        let envelope = "<Envelope></Envelope>";
        assert!(framed(envelope.as_bytes(), 5, envelope.len() as u64).await.is_ok());
        let error = framed(envelope.as_bytes(), 5, envelope.len() as u64 - 1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
