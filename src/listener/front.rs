//! What all ports share: limits, TLS, the judge of certificates, the count of connections. TLS and
//! limits can be exchanged while connections live; new ones take the newest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use rustls::ServerConfig;

use super::PortKind;
use super::judge::Judge;
use crate::config::Limits;

/// Connections that the admin port has beyond `limits.connections`: health and metrics are wanted
/// most when nothing else goes.
const ADMIN_RESERVE: usize = 32;

/// What all ports share. One per daemon.
pub struct Front {
    limits: ArcSwap<Limits>,
    tls: ArcSwap<ServerConfig>,
    judge: Arc<dyn Judge>,
    open: AtomicUsize,
}

impl Front {
    /// For ports with these limits, the TLS of [`server_config`](super::server_config), and this
    /// judge.
    pub fn new(limits: Limits, tls: Arc<ServerConfig>, judge: Arc<dyn Judge>) -> Arc<Self> {
        describe_counter!("stormd_requests_total", "requests, by port, operation and status");
        describe_histogram!("stormd_request_seconds", "from a request's head to its answer's end");
        describe_gauge!("stormd_connections", "connections open now");
        describe_counter!(
            "stormd_connections_refused_total",
            "connections beyond limits.connections"
        );
        describe_counter!(
            "stormd_tls_handshake_failures_total",
            "connections that did not get through the TLS handshake"
        );
        Arc::new(Self {
            limits: ArcSwap::from_pointee(limits),
            tls: ArcSwap::new(tls),
            judge,
            open: AtomicUsize::new(0),
        })
    }

    /// New connections take this certificate from now on.
    pub fn reload_tls(&self, tls: Arc<ServerConfig>) {
        self.tls.store(tls);
    }

    /// New connections live under these limits from now on.
    pub fn reload_limits(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }

    /// Connections open now, on all ports.
    pub fn open_connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The limits of new connections.
    pub fn limits(&self) -> Arc<Limits> {
        self.limits.load_full()
    }

    pub(super) fn tls(&self) -> Arc<ServerConfig> {
        self.tls.load_full()
    }

    pub(super) fn judge(&self) -> Arc<dyn Judge> {
        self.judge.clone()
    }

    /// A place for one more connection, until it is dropped. `None`: there is none.
    pub(super) fn admit(self: &Arc<Self>, kind: PortKind) -> Option<Place> {
        let reserve = if kind == PortKind::Admin { ADMIN_RESERVE } else { 0 };
        let limit = self.limits.load().connections.saturating_add(reserve);
        let taken = self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| {
            (open < limit).then_some(open + 1)
        });
        if taken.is_err() {
            counter!("stormd_connections_refused_total", "port" => kind.as_str()).increment(1);
            return None;
        }
        gauge!("stormd_connections", "port" => kind.as_str()).increment(1.0);
        Some(Place { front: self.clone(), kind })
    }
}

/// One connection's place among `limits.connections`.
pub(super) struct Place {
    front: Arc<Front>,
    kind: PortKind,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.front.open.fetch_sub(1, Ordering::AcqRel);
        gauge!("stormd_connections", "port" => self.kind.as_str()).decrement(1.0);
    }
}
