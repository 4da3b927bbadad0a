//! HTTP/2 (RFC 9113), where TLS agreed on it: many requests at once on one connection, bounded in
//! number, in what waits in memory, and in how often a client may change its mind.

use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::HEAD_MAX;
use super::http::Exchange;
use super::timeout::{Activity, Watched};
use crate::config::Limits;

/// Requests at once on one connection.
const STREAMS: u32 = 100;
/// Bytes that a client may send of one body before we have read them: what fits on a long line.
const STREAM_WINDOW: u32 = 4 << 20;
/// The same, of all bodies of a connection together.
const CONNECTION_WINDOW: u32 = 8 << 20;
/// Bytes of one answer that wait to be written.
const SEND_BUFFER: usize = 1 << 20;
/// Bytes in one frame from the client: fewer frames for each megabyte.
const FRAME: u32 = 256 << 10;
/// Requests that a client took back before we looked at them; after so many the connection ends
/// (CVE-2023-44487).
const RESETS: usize = 50;

/// Serves requests until one side has enough.
pub(super) async fn serve<S>(
    io: S,
    exchange: Exchange,
    limits: &Limits,
    shutdown: &CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let peer = exchange.peer();
    let activity = Arc::new(Activity::default());
    let io = Watched::new(io, activity.clone(), limits).multiplexed();
    let exchange = Arc::new(exchange);
    let service = service_fn(move |request| {
        let (exchange, activity) = (exchange.clone(), activity.clone());
        async move { exchange.answer(request, activity.begin(false)).await }
    });
    let mut server = http2::Builder::new(TokioExecutor::new());
    server
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_frame_size(FRAME)
        .max_header_list_size(HEAD_MAX as u32)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS);
    let mut connection = pin!(server.serve_connection(TokioIo::new(io), service));
    let result = tokio::select! {
        result = &mut connection => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(e) = result {
        tracing::debug!(%peer, "connection ended: {e}");
    }
}
