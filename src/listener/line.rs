//! What tells a client that is gone while a long piece of work goes on for it without a word.
//!
//! HTTP/1.1 reads nothing while a request is under way, so that it sees no end; and most requests are better
//! brought to theirs, for a client that closes its side may still wait for the answer. Long work is another
//! matter: only what is written would tell the one from the other, and nothing is written for hours.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of the next request is taken before its turn.
const AHEAD: usize = 4096;

/// A stream that two hold: who serves it, and who looks after its client.
pub(super) struct Line<S>(Arc<Mutex<Inner<S>>>);

struct Inner<S> {
    io: S,
    /// Read, and not yet taken by who serves it.
    ahead: BytesMut,
}

impl<S> Clone for Line<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Line<S> {
    pub(super) fn new(io: S) -> Self {
        Self(Arc::new(Mutex::new(Inner { io, ahead: BytesMut::new() })))
    }

    /// Both are of one task: nobody waits here.
    fn inner(&self) -> MutexGuard<'_, Inner<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + Unpin> Line<S> {
    /// Ready once the client has closed its side, or is away. Who sends another request meanwhile is there.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Inner { io, ahead } = &mut *self.inner();
        if !ahead.is_empty() {
            return Poll::Pending;
        }
        let mut piece = [0; AHEAD];
        let mut piece = ReadBuf::new(&mut piece);
        match ready!(Pin::new(io).poll_read(cx, &mut piece)) {
            Ok(()) if !piece.filled().is_empty() => {
                ahead.extend_from_slice(piece.filled());
                // Who serves it may be waiting for that.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Inner { io, ahead } = &mut *self.inner();
        if ahead.is_empty() {
            return Pin::new(io).poll_read(cx, buf);
        }
        let taken = ahead.len().min(buf.remaining());
        buf.put_slice(&ahead[..taken]);
        ahead.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner().io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner().io.is_write_vectored()
    }
}
