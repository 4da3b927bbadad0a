//! What listens: TCP, TLS and GSI, and the HTTP/1.1 of every port. The doors are
//! [`Service`]s that are handed in, one per port; what reaches them is an ordinary request
//! with these extensions:
//!
//! - [`Identity`](crate::model::Identity): who asks;
//! - [`ConnectionInfo`]: how he came;
//! - `Arc<`[`DelegatedCredential`]`>`: only where the client delegated one;
//! - [`FileSending`]: only without TLS.
//!
//! A door says what was asked, in the words of its protocol, by an [`Outcome`] among the
//! extensions of its response.
//!
//! One connection goes through `accept` (limits, shutdown), `connection` (handshake), `gsi` (the
//! first byte, delegation), `bare` (envelopes without an HTTP head), `timeout` and `http`.

mod accept;
mod bare;
mod connection;
mod front;
mod gsi;
mod http;
mod http2;
mod judge;
mod line;
mod log;
mod p521;
mod prefixed;
mod sending;
#[cfg(test)]
mod tests;
mod timeout;
mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use ::http::{Request, Response};
use arc_swap::ArcSwap;
use axum::body::Body;
use tower::util::BoxCloneSyncService;

pub use accept::{BindError, Listener, serve};
pub use front::Front;
pub use judge::{DelegatedCredential, Judge, PendingDelegation};
pub use sending::{FileSending, LARGEST};
pub use timeout::BodyTimeout;
pub use tls::{TlsError, provider, server_config};

/// What answers requests: an axum router, or something that needs none.
pub type Service = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// What answers the requests of a port. Each request takes the newest: a reload exchanges it while
/// connections live.
pub type Door = Arc<ArcSwap<Service>>;

/// The largest request head, in bytes. hyper takes up to 100 headers in it.
const HEAD_MAX: usize = 64 * 1024;

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// TLS with or without the GSI byte and delegation, told apart by the first byte.
    Srm,
    /// TLS.
    Https,
    /// No TLS.
    Plain,
    /// No TLS, for the administrator: has some connections in reserve.
    Admin,
}

impl PortKind {
    /// The name in logs, metrics and `addresses.json`.
    pub const fn as_str(self) -> &'static str {
        match self {
            PortKind::Srm => "srm",
            PortKind::Https => "https",
            PortKind::Plain => "http",
            PortKind::Admin => "admin",
        }
    }

    const fn has_tls(self) -> bool {
        matches!(self, PortKind::Srm | PortKind::Https)
    }
}

/// How a request came: a request extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The client. An IPv4 client of a dual-stack port stands as IPv4.
    pub peer: SocketAddr,
    /// The address it called.
    pub local: SocketAddr,
    /// `TLSv1.2` or `TLSv1.3`; `None` without TLS.
    pub tls: Option<&'static str>,
    /// It began with a GSI byte.
    pub gsi: bool,
    /// It delegated a credential that holds.
    pub delegated: bool,
}

/// What a door made of a request: a response extension, for the access log and the metrics.
/// Without one, the log shows method, path and HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The operation in the words of the protocol: `srmLs`. Static, because it is a label of the
    /// metrics and must be one of a few. `None`: the HTTP method says it.
    pub operation: Option<&'static str>,
    /// What it was about: a SURL, or a path without its query. With several files: the first and
    /// how many.
    pub target: String,
    /// The status in the words of the protocol: `SRM_SUCCESS`. `None`: the HTTP status says it.
    pub status: Option<&'static str>,
    /// For the administrator: why it was refused. One line.
    pub why: Option<String>,
}
