//! No client may be silent for ever: a watch on the connection between requests and while it
//! writes, and one on the bodies of requests.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::config::Limits;

/// How long a client that has not sent all of its request is listened to after its answer: closed
/// at once, the connection would be reset, and the answer lost on its way.
const LINGER: Duration = Duration::from_secs(5);
/// And how much of it, in bytes.
const LINGER_BYTES: usize = 16 << 20;

/// Whether the connection has a request under way: shared between the stream, which times the
/// client only while there is none, and the requests.
#[derive(Default)]
pub(super) struct Activity {
    under_way: AtomicUsize,
    begun: AtomicU64,
    /// Answers that have not been taken whole.
    answers: AtomicUsize,
    /// Pieces of answers that went out.
    moved: AtomicU64,
    /// Requests under way that end with their client.
    long: AtomicUsize,
    /// A request was answered before all of its body was read.
    unread: AtomicBool,
    waker: AtomicWaker,
}

impl Activity {
    /// A request has begun; it is over when the last clone of the answer's `Arc` is dropped.
    /// One that is `long` is not worth going on with for a client that has gone.
    pub(super) fn begin(self: &Arc<Self>, long: bool) -> Arc<UnderWay> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.long.fetch_add(usize::from(long), Ordering::SeqCst);
        Arc::new(UnderWay { activity: self.clone(), long })
    }

    /// True while a long request is under way.
    pub(super) fn is_long(&self) -> bool {
        self.long.load(Ordering::SeqCst) > 0
    }
}

/// A request that has not ended yet.
pub(super) struct UnderWay {
    activity: Arc<Activity>,
    long: bool,
}

impl UnderWay {
    /// The answer's head is out; to be followed by [`UnderWay::answered`].
    pub(super) fn answers(&self) {
        self.activity.answers.fetch_add(1, Ordering::SeqCst);
        self.moves();
    }

    /// A piece of the answer goes out.
    pub(super) fn moves(&self) {
        self.activity.moved.fetch_add(1, Ordering::Relaxed);
    }

    /// No more of the answer goes out.
    pub(super) fn answered(&self) {
        self.activity.answers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.activity.long.fetch_sub(usize::from(self.long), Ordering::SeqCst);
        self.activity.under_way.fetch_sub(1, Ordering::SeqCst);
        self.activity.waker.wake();
    }
}

/// What the client is expected to do next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Begin its first request.
    First,
    /// Finish the head it has begun.
    Head,
    /// Nothing: a request is under way.
    Busy,
    /// Begin another request.
    Idle,
}

/// What last could not be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blocked {
    No,
    Write,
    Flush,
    Shutdown,
}

/// A stream whose client must go on: `handshake` for the first byte of the first request and for
/// every head, `keep_alive` between requests, `idle_body` for taking what is written.
pub(super) struct Watched<S> {
    io: S,
    activity: Arc<Activity>,
    handshake: Duration,
    keep_alive: Duration,
    stall: Duration,
    stage: Stage,
    begun: u64,
    reading: Option<Pin<Box<Sleep>>>,
    /// HTTP/2: bytes come between requests too, and a client that takes no answer blocks no write.
    multiplexed: bool,
    moved: u64,
    blocked: Blocked,
    writing: Option<Pin<Box<Sleep>>>,
    lingering: Option<Pin<Box<Sleep>>>,
    lingered: usize,
}

impl<S> Watched<S> {
    pub(super) fn new(io: S, activity: Arc<Activity>, limits: &Limits) -> Self {
        Self {
            io,
            activity,
            handshake: limits.handshake,
            keep_alive: limits.keep_alive,
            stall: limits.idle_body,
            stage: Stage::First,
            begun: 0,
            reading: None,
            multiplexed: false,
            moved: 0,
            blocked: Blocked::No,
            writing: None,
            lingering: None,
            lingered: 0,
        }
    }

    /// For a connection of many requests at once.
    pub(super) fn multiplexed(self) -> Self {
        Self { multiplexed: true, ..self }
    }

    fn enter(&mut self, stage: Stage) {
        if self.stage != stage {
            self.stage = stage;
            self.reading = None;
        }
    }

    /// Takes notice of requests that have begun or ended since the last look.
    fn look(&mut self) {
        let begun = self.activity.begun.load(Ordering::SeqCst);
        if self.activity.under_way.load(Ordering::SeqCst) > 0 {
            self.enter(Stage::Busy);
        } else if self.stage == Stage::Busy || begun != self.begun {
            self.enter(Stage::Idle);
        }
        self.begun = begun;
    }

    fn read_time_is_up(&mut self, cx: &mut Context<'_>) -> bool {
        let allowed = match self.stage {
            Stage::Busy if self.multiplexed => self.stall,
            Stage::Busy => return false,
            Stage::First | Stage::Head => self.handshake,
            Stage::Idle => self.keep_alive,
        };
        let timer = self.reading.get_or_insert_with(|| Box::pin(sleep(allowed)));
        if timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        if self.stage != Stage::Busy {
            return true;
        }
        let moved = self.activity.moved.load(Ordering::Relaxed);
        let stalls = moved == self.moved && self.activity.answers.load(Ordering::SeqCst) > 0;
        self.moved = moved;
        if !stalls {
            timer.as_mut().reset(Instant::now() + allowed);
            // So that it wakes us.
            return timer.as_mut().poll(cx).is_ready();
        }
        true
    }

    /// Times the writer: any progress of `poll` starts its clock anew.
    fn time_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        what: Blocked,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            if what == Blocked::Write || what == self.blocked {
                self.blocked = Blocked::No;
                self.writing = None;
            }
            return poll;
        }
        self.blocked = what;
        let stall = self.stall;
        let timer = self.writing.get_or_insert_with(|| Box::pin(sleep(stall)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(timed_out("the client does not take its answer")));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let poll = Pin::new(&mut this.io).poll_read(cx, buf);
        // Registered before the look: a request that ends in between wakes us.
        this.activity.waker.register(cx.waker());
        this.look();
        // Of HTTP/2, frames that ask for nothing may come without a pause.
        let timed = poll.is_pending() || this.multiplexed;
        if !timed || !this.read_time_is_up(cx) {
            let came = poll.is_ready() && buf.filled().len() > before;
            if came && this.stage != Stage::Busy && !this.multiplexed {
                this.enter(Stage::Head);
            }
            return poll;
        }
        buf.set_filled(before);
        match this.stage {
            // Nothing is lost: an end like the client's own.
            Stage::First | Stage::Idle => Poll::Ready(Ok(())),
            Stage::Busy => Poll::Ready(Err(timed_out("the client does not take its answers"))),
            Stage::Head => {
                Poll::Ready(Err(timed_out("the client does not finish its request's head")))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Throws away what the client still sends, until it ends or is too much, or [`LINGER`] is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let mut waste = [0; 8192];
            let mut waste = ReadBuf::new(&mut waste);
            match Pin::new(&mut self.io).poll_read(cx, &mut waste) {
                Poll::Ready(Ok(())) if !waste.filled().is_empty() => {
                    self.lingered += waste.filled().len();
                    if self.lingered > LINGER_BYTES {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_write(cx, buf);
        this.time_write(cx, Blocked::Write, poll)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_flush(cx);
        this.time_write(cx, Blocked::Flush, poll)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            let poll = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.time_write(cx, Blocked::Shutdown, poll))?;
            if !this.activity.unread.load(Ordering::SeqCst) {
                return Poll::Ready(Ok(()));
            }
        }
        this.poll_linger(cx).map(Ok)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.time_write(cx, Blocked::Write, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

fn timed_out(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

/// The error of a request body whose client fell silent: doors find it in the source chain of the
/// body's error and answer 408.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client sent nothing for {0:?} in the middle of its request: send it again")]
pub struct BodyTimeout(pub Duration);

/// A request body: counts its bytes, allows `idle` between two chunks while somebody waits for the
/// next, and keeps the request under way.
pub(super) struct TimedBody<B: Body> {
    body: B,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    bytes: Arc<AtomicU64>,
    ended: bool,
    under_way: Arc<UnderWay>,
}

impl<B: Body> TimedBody<B> {
    pub(super) fn new(
        body: B,
        idle: Duration,
        bytes: Arc<AtomicU64>,
        under_way: Arc<UnderWay>,
    ) -> Self {
        Self { body, idle, timer: None, bytes, ended: false, under_way }
    }
}

impl<B> Body for TimedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.timer = None;
            this.ended = frame.is_none();
            if let Some(Ok(frame)) = &frame
                && let Some(data) = frame.data_ref()
            {
                this.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let idle = this.idle;
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(idle)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(BodyTimeout(idle).into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body> Drop for TimedBody<B> {
    fn drop(&mut self) {
        if !self.ended && !self.body.is_end_stream() {
            self.under_way.activity.unread.store(true, Ordering::SeqCst);
        }
    }
}
