//! Files on the plain port: the kernel takes them from its page cache to the socket (sendfile(2)), and
//! nobody copies them. hyper knows bytes only: so a body gives it bytes that stand for those of the
//! file, never to be read, and the connection knows them by where they lie.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Most bytes that can be stood for at once.
pub const LARGEST: usize = 1 << 20;
/// Bytes per sendfile(2): less than one segment takes (64 KiB with its heads). 64 KiB and more at a time took
/// a third more of the processor, over the loopback (Linux 6.18).
const AT_A_TIME: usize = 40 * 1024;

/// What stands for bytes of files: zeros that are never touched, and take no memory so.
static STAND_IN: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; LARGEST].into_boxed_slice());

/// Lets a body give bytes of files without reading them. One for each connection of the plain port, in the
/// extensions of its requests. All that was lent for a connection has to be sent on it, in that order.
#[derive(Clone, Default)]
pub struct FileSending(Arc<Inner>);

#[derive(Default)]
struct Inner {
    queue: Mutex<VecDeque<Lent>>,
    /// Who writes on the connection was told that it takes what is handed on as it lies.
    told: AtomicBool,
}

/// Bytes of a file that are to be sent.
struct Lent {
    file: Arc<File>,
    at: u64,
    left: usize,
}

impl FileSending {
    /// True where what is lent comes to the socket as it lies; else it must not be used.
    pub fn is_open(&self) -> bool {
        self.0.told.load(Ordering::Relaxed)
    }

    /// Stands for `length` bytes of the file, at most [`LARGEST`], from `at` on.
    pub fn lend(&self, file: &Arc<File>, at: u64, length: usize) -> Bytes {
        let stand_in = &STAND_IN[..length.min(LARGEST)];
        let lent = Lent { file: Arc::clone(file), at, left: stand_in.len() };
        self.queue(|queue| queue.push_back(lent));
        Bytes::from_static(stand_in)
    }

    fn queue<T>(&self, work: impl FnOnce(&mut VecDeque<Lent>) -> T) -> T {
        // Nothing in `work` can panic.
        work(&mut self.0.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends up to `most` of the bytes that were lent first.
    fn send(&self, socket: &TcpStream, most: usize) -> io::Result<usize> {
        self.queue(|queue| {
            let lent = queue.front_mut().ok_or(io::ErrorKind::InvalidData)?;
            let most = lent.left.min(most).min(AT_A_TIME);
            let sent = rustix::fs::sendfile(socket, &lent.file, Some(&mut lent.at), most)?;
            if sent == 0 {
                let why = "the file got shorter while it was sent";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
            }
            lent.left -= sent;
            if lent.left == 0 {
                queue.pop_front();
            }
            Ok(sent)
        })
    }
}

/// A socket that knows what stands for bytes of files.
pub(super) struct Socket {
    stream: TcpStream,
    sending: FileSending,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, sending: FileSending) -> Self {
        Self { stream, sending }
    }

    fn poll_send(&self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            let send = || self.sending.send(&self.stream, most);
            match self.stream.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

/// True for a part of [`STAND_IN`].
fn stands_in(bytes: &[u8]) -> bool {
    STAND_IN.as_ptr_range().contains(&bytes.as_ptr()) && !bytes.is_empty()
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let filled = bufs.iter().position(|buf| !buf.is_empty()).unwrap_or(0);
        let bufs = &bufs[filled..];
        match bufs.iter().position(|buf| stands_in(buf)) {
            Some(0) => this.poll_send(cx, bufs[0].len()),
            Some(at) => Pin::new(&mut this.stream).poll_write_vectored(cx, &bufs[..at]),
            None => Pin::new(&mut this.stream).poll_write_vectored(cx, bufs),
        }
    }

    /// Always: only what is handed on as it lies is known again.
    fn is_write_vectored(&self) -> bool {
        self.sending.0.told.store(true, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Socket, FileSending, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let sending = FileSending::default();
        (Socket::new(accepted.unwrap().0, sending.clone()), sending, client.unwrap())
    }

    fn file(content: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Arc::new(file)
    }

    #[tokio::test]
    async fn files_come_where_their_stand_ins_are_written() {
        let (mut socket, sending, mut client) = pair().await;
        let content: Vec<u8> = (0..3 * LARGEST).map(|i| (i * 7 % 251) as u8).collect();
        let file = file(&content);
        let writer = tokio::spawn(async move {
            socket.write_all(b"head").await.unwrap();
            let mut at = 5;
            while at < content.len() {
                let length = LARGEST.min(content.len() - at);
                socket.write_all(&sending.lend(&file, at as u64, length)).await.unwrap();
                at += length;
            }
            socket.write_all(b"tail").await.unwrap();
            content
        });
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        let content = writer.await.unwrap();
        assert!(got == [b"head", &content[5..], b"tail"].concat());
    }

    #[tokio::test]
    async fn what_stands_between_is_written_first() {
        let (mut socket, sending, mut client) = pair().await;
        let lent = sending.lend(&file(b"0123456789"), 2, 3);
        let bufs = [&b""[..], b"ab", &lent, b"yz"].map(io::IoSlice::new);
        let mut all = 0;
        for expected in [2, 3, 2] {
            let mut rest = bufs;
            let mut rest = rest.as_mut_slice();
            io::IoSlice::advance_slices(&mut rest, all);
            let written = socket.write_vectored(rest).await.unwrap();
            assert_eq!(written, expected);
            all += written;
        }
        drop(socket);
        let mut got = String::new();
        client.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "ab234yz");
    }

    #[tokio::test]
    async fn a_file_that_shrinks_ends_the_connection() {
        let (mut socket, sending, _client) = pair().await;
        let lent = sending.lend(&file(b"abc"), 0, 10);
        let error = socket.write_all(&lent).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
