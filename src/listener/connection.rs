//! One connection, from the handshake to its end.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::Method;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use metrics::counter;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::bare::BareSoap;
use super::front::{HTTP2, Place};
use super::gsi::{self, GsiError};
use super::http::{Caller, Exchange};
use super::http2;
use super::line::Line;
use super::prefixed::Prefixed;
use super::sending::{FileSending, Socket};
use super::timeout::{Activity, Watched};
use super::{ConnectionInfo, Door, Front, HEAD_MAX, PortKind, tls};
use crate::config::Limits;
use crate::model::{Identity, Refusal};

/// What hyper may keep of a connection's input, in bytes: it holds on to that much for as long as the
/// connection lives, for each of thousands. TLS brings 16 kB at a time anyway.
const BUFFER_MAX: usize = HEAD_MAX + 16 * 1024;

/// How much more than `limits.envelope` of a bare envelope passes, so that the door sees it is too
/// large and can say so.
const ENVELOPE_SLACK: u64 = 64 * 1024;

/// How long a handshake may have a turn: two round trips to a client not too far away.
const TURN: Duration = Duration::from_millis(100);

/// A client that was accepted.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) peer: std::net::SocketAddr,
    pub(super) kind: PortKind,
}

/// Why a connection ended before HTTP began: for the debug log.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the connection is gone: {0}")]
    Socket(io::Error),
    #[error("TLS handshake: {0}")]
    Handshake(io::Error),
    #[error("TLS handshake: not over after {0:?}")]
    SlowHandshake(Duration),
    #[error(transparent)]
    Gsi(#[from] GsiError),
}

/// Serves one connection to its end; after `shutdown`, to the end of its request. It is counted by
/// its `place`, where it has one.
pub(super) async fn serve(
    client: Client,
    door: Door,
    front: Arc<Front>,
    place: Option<Place>,
    shutdown: CancellationToken,
) {
    let (kind, peer) = (client.kind, client.peer);
    let limits = front.limits();
    // Each on the heap for as long as it lasts: thousands that wait for their next request need no room
    // for a handshake any more, nor for what others speak.
    match Box::pin(open(client, door, &front, &limits, &shutdown)).await {
        Ok(Some((io, exchange))) => {
            let served: Pin<Box<dyn Future<Output = ()> + Send>> = match io {
                Io::Plain(io) => Box::pin(http(io, exchange, &limits, &shutdown)),
                Io::Srm(io) => Box::pin(http(io, exchange, &limits, &shutdown)),
                Io::One(io) => Box::pin(http(io, exchange, &limits, &shutdown)),
                Io::Two(io) => Box::pin(http2::serve(io, exchange, &limits, &shutdown)),
            };
            served.await;
        }
        Ok(None) => {}
        Err(failure) => {
            let port = kind.as_str();
            if matches!(failure, Failure::Handshake(_) | Failure::SlowHandshake(_)) {
                counter!("stormd_tls_handshake_failures_total", "port" => port).increment(1);
            }
            tracing::debug!(%peer, port, "connection ended before a request: {failure}");
        }
    }
    drop(place);
}

/// A stream of requests, by what is spoken on it.
enum Io {
    Plain(Socket),
    Srm(Box<BareSoap<Prefixed<TlsStream<TcpStream>>>>),
    One(Box<Prefixed<TlsStream<TcpStream>>>),
    Two(Box<Prefixed<TlsStream<TcpStream>>>),
}

/// All that comes before the first request. `None`: there is a shutdown.
async fn open(
    client: Client,
    door: Door,
    front: &Front,
    limits: &Limits,
    shutdown: &CancellationToken,
) -> Result<Option<(Io, Exchange)>, Failure> {
    let Client { stream, peer, kind } = client;
    stream.set_nodelay(true).map_err(Failure::Socket)?;
    let local = stream.local_addr().map_err(Failure::Socket)?;
    let local = std::net::SocketAddr::new(local.ip().to_canonical(), local.port());
    let plain = ConnectionInfo { peer, local, tls: None, gsi: false, delegated: false };
    if !kind.has_tls() {
        let caller = Caller::anonymous();
        let sending = FileSending::default();
        let exchange = Exchange::new(kind, plain, caller, None, front.judge(), door, limits)
            .sending(sending.clone());
        return Ok(Some((Io::Plain(Socket::new(stream, sending)), exchange)));
    }

    // Nothing was asked yet: a shutdown may end this at once.
    let opening = async {
        let stream = handshake(stream, kind, front, limits.handshake).await?;
        let session = stream.get_ref().1;
        let info =
            ConnectionInfo { tls: Some(tls::version_name(session.protocol_version())), ..plain };
        let http2 = session.alpn_protocol() == Some(HTTP2);
        let chain: Vec<CertificateDer<'static>> = session
            .peer_certificates()
            .map(|chain| chain.iter().map(|one| one.clone().into_owned()).collect())
            .unwrap_or_default();
        let judge = front.judge();
        let opened = if kind == PortKind::Srm {
            gsi::open(stream, &chain, &*judge, limits.handshake).await?
        } else {
            gsi::Opened {
                io: Prefixed::new(Default::default(), stream),
                gsi: false,
                delegation: None,
            }
        };
        Ok::<_, Failure>((opened, info, chain, judge, http2))
    };
    let Some(opening) = shutdown.run_until_cancelled(opening).await else {
        return Ok(None);
    };
    let (opened, info, chain, judge, http2) = opening?;

    let caller = Caller::judged(chain, Arc::clone(&judge));
    let (caller, delegated) = match opened.delegation {
        None => (caller, None),
        Some(Ok(credential)) => (caller, Some(Arc::new(credential))),
        // Let him in, with no rights, so that he can be told.
        Some(Err(why)) => (refused(caller, &why), None),
    };
    let info = ConnectionInfo { gsi: opened.gsi, delegated: delegated.is_some(), ..info };
    let exchange = Exchange::new(kind, info, caller, delegated, judge, door, limits);
    let io = if kind == PortKind::Srm {
        let limit = limits.envelope.saturating_add(ENVELOPE_SLACK);
        Io::Srm(Box::new(BareSoap::new(opened.io, limit)))
    } else if http2 {
        Io::Two(Box::new(opened.io))
    } else {
        Io::One(Box::new(opened.io))
    };
    Ok(Some((io, exchange)))
}

/// Who delegated what does not hold. Where his own chain does not either, that is the reason.
fn refused(caller: Caller, why: &str) -> Caller {
    let identity = caller.identity();
    if let Identity::Refused(_) = identity {
        return caller;
    }
    let dn = Some(identity.dn().to_owned());
    let why = format!("the proxy you delegated does not hold: {why}");
    Caller::fixed(Identity::Refused(Arc::new(Refusal::new(dn, why))))
}

/// Handshakes take their turn, so that thousands at once do not hold up the requests of those who are
/// there already, nor each other beyond their time: who waits for his turn is not timed. A turn is
/// short: who makes us wait goes on without one.
async fn handshake(
    stream: TcpStream,
    kind: PortKind,
    front: &Front,
    patience: Duration,
) -> Result<TlsStream<TcpStream>, Failure> {
    let slow = |_| Failure::SlowHandshake(patience);
    timeout(patience, stream.readable()).await.map_err(slow)?.map_err(Failure::Socket)?;
    let turn = front.turn().await;
    let mut shaken = pin!(timeout(patience, TlsAcceptor::from(front.tls(kind)).accept(stream)));
    let done = match timeout(TURN, shaken.as_mut()).await {
        Ok(done) => done,
        Err(_) => {
            drop(turn);
            shaken.await
        }
    };
    done.map_err(slow)?.map_err(Failure::Handshake)
}

/// True for what may take hours without a word to its client.
fn is_long(method: &Method) -> bool {
    method.as_str() == "COPY"
}

/// Speaks HTTP/1.1 until one side has enough.
async fn http<S>(io: S, exchange: Exchange, limits: &Limits, shutdown: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let peer = exchange.peer();
    let activity = Arc::new(Activity::default());
    let (line, busy) = (Line::new(io), activity.clone());
    let io = Watched::new(line.clone(), activity.clone(), limits);
    let exchange = Arc::new(exchange);
    let service = service_fn(move |request| {
        let (exchange, activity) = (exchange.clone(), activity.clone());
        let long = is_long(request.method());
        async move { exchange.answer(request, activity.begin(long)).await }
    });
    let mut server = http1::Builder::new();
    // `Watched` does the timing: hyper's own timer cannot tell an idle client from a slow head.
    server.header_read_timeout(None).max_header_size(HEAD_MAX).max_buf_size(BUFFER_MAX);
    // Who has said all he has to say still gets his answer.
    server.half_close(true);
    let mut connection = pin!(server.serve_connection(TokioIo::new(io), service));
    let gone = poll_fn(|cx| if busy.is_long() { line.poll_gone(cx) } else { Poll::Pending });
    let result = tokio::select! {
        // A request that begins in the first is seen in the second.
        biased;
        result = &mut connection => result,
        () = gone => return tracing::debug!(%peer, "the client of a long request has gone"),
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(e) = result {
        tracing::debug!(%peer, "connection ended: {e}");
    }
}
