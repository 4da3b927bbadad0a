//! Response bodies that come from the disk: each piece is made on the blocking pool, one piece
//! ahead of the socket, and no thread waits for a slow client. What the kernel has in memory already
//! is made where it is wanted: a hop to another thread costs more than the copy.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::srm::{Error, ErrorKind};

/// Where the pieces of a body come from. It may block.
pub(super) trait Source: Send + 'static {
    /// The next piece, not empty; `None` at the end.
    fn next(&mut self) -> Result<Option<Bytes>, Error>;

    /// The next piece where it takes no disk, so that it may be made on an async thread; `None`: call
    /// [`Source::next`].
    fn at_once(&mut self) -> Option<Result<Option<Bytes>, Error>> {
        None
    }

    /// Bytes still to come, where that is known beforehand.
    fn left(&self) -> Option<u64>;
}

/// A body over a [`Source`]. An error ends the connection, since the head is gone by then.
pub(super) struct BlockingBody<S> {
    state: State<S>,
    /// Made, not yet taken.
    ready: Option<Bytes>,
    /// So far no piece took the blocking pool.
    hot: bool,
    /// Bytes still to be taken.
    left: Option<u64>,
}

type Made<S> = (S, Result<Option<Bytes>, Error>);

enum State<S> {
    Resting(S),
    Making(JoinHandle<Made<S>>),
    Done,
}

impl<S: Source> BlockingBody<S> {
    /// Makes the first piece, so that what fails at once can still be told with a status.
    pub(super) async fn start(mut source: S) -> Result<Self, Error> {
        let left = source.left();
        let (hot, (source, piece)) = match source.at_once() {
            Some(piece) => (true, (source, piece)),
            None => (false, make(source).await.map_err(|_| broken())?),
        };
        let ready = piece?;
        let state = match (&ready, source.left()) {
            (None, _) | (_, Some(0)) => State::Done,
            _ => State::Resting(source),
        };
        Ok(Self { state, ready, hot, left })
    }

    fn give(&mut self, piece: Bytes) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(piece.len() as u64);
        }
        metrics::counter!("stormd_http_sent_bytes_total").increment(piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    /// The next piece, where it takes no disk.
    fn at_once(&mut self) -> Option<Result<Option<Bytes>, Error>> {
        let State::Resting(source) = &mut self.state else { return None };
        let made = source.at_once()?;
        if !matches!(made, Ok(Some(_))) || source.left() == Some(0) {
            self.state = State::Done;
        }
        Some(made)
    }

    fn begin_next(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Resting(source) if source.left() != Some(0) => State::Making(make(source)),
            State::Resting(_) => State::Done,
            other => other,
        };
    }
}

impl<S: Source + Unpin> Body for BlockingBody<S> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if !this.hot {
            this.begin_next();
        }
        if let Some(piece) = this.ready.take() {
            return this.give(piece);
        }
        if this.hot {
            match this.at_once() {
                Some(Ok(Some(piece))) => return this.give(piece),
                Some(Ok(None)) => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    this.hot = false;
                    this.begin_next();
                }
            }
        }
        let State::Making(handle) = &mut this.state else { return Poll::Ready(None) };
        let made = ready!(Pin::new(handle).poll(cx));
        this.state = State::Done;
        match made {
            Ok((source, Ok(Some(piece)))) => {
                this.state = State::Resting(source);
                this.begin_next();
                this.give(piece)
            }
            Ok((_, Ok(None))) => Poll::Ready(None),
            Ok((_, Err(error))) => Poll::Ready(Some(Err(error))),
            Err(_) => Poll::Ready(Some(Err(broken()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_none() && matches!(self.state, State::Done)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn make<S: Source>(mut source: S) -> JoinHandle<Made<S>> {
    tokio::task::spawn_blocking(move || {
        let piece = source.next();
        (source, piece)
    })
}

fn broken() -> Error {
    Error::new(
        ErrorKind::Internal,
        "reading failed inside the server: try again, and tell its administrator",
    )
}
