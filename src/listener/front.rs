//! What all ports share: limits, TLS, the judge of certificates, the count of connections. TLS and
//! limits can be exchanged while connections live; new ones take the newest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use rustls::ServerConfig;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::PortKind;
use super::judge::Judge;
use crate::config::Limits;
use crate::model::network;

/// Connections that the admin port has beyond `limits.connections`: health and metrics are wanted
/// most when nothing else goes.
const ADMIN_RESERVE: usize = 32;

/// Handshakes that go on at once, for each processor: each costs about a millisecond of one, and more
/// of them would make everybody else wait for their sum.
const HANDSHAKES_PER_CORE: usize = 32;

/// HTTP/2's name in ALPN (RFC 9113 3.2).
pub(super) const HTTP2: &[u8] = b"h2";

/// What all ports share. One per daemon.
pub struct Front {
    limits: ArcSwap<Limits>,
    tls: ArcSwap<Tls>,
    judge: Arc<dyn Judge>,
    open: AtomicUsize,
    /// How many of them come from one address; those of this host are not counted.
    by_address: Mutex<HashMap<IpAddr, usize>>,
    /// Handshakes whose turn it is.
    turns: Semaphore,
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
            "connections beyond limits.connections or connections_per_address"
        );
        describe_counter!(
            "stormd_tls_handshake_failures_total",
            "connections that did not get through the TLS handshake"
        );
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            limits: ArcSwap::from_pointee(limits),
            tls: ArcSwap::from_pointee(Tls::new(tls)),
            judge,
            open: AtomicUsize::new(0),
            by_address: Mutex::default(),
            turns: Semaphore::new(cores * HANDSHAKES_PER_CORE),
        })
    }

    /// New connections take this certificate from now on.
    pub fn reload_tls(&self, tls: Arc<ServerConfig>) {
        self.tls.store(Arc::new(Tls::new(tls)));
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

    /// The https port speaks HTTP/2 with who asks for it; the others do not.
    pub(super) fn tls(&self, kind: PortKind) -> Arc<ServerConfig> {
        let tls = self.tls.load();
        Arc::clone(if kind == PortKind::Https { &tls.with_http2 } else { &tls.plain })
    }

    pub(super) fn judge(&self) -> Arc<dyn Judge> {
        self.judge.clone()
    }

    /// A place for one more connection of this client, until it is dropped. `None`: there is none.
    /// The admin port has some in reserve, for every address.
    pub(super) fn admit(self: &Arc<Self>, kind: PortKind, client: IpAddr) -> Option<Place> {
        let admin = kind == PortKind::Admin;
        let limits = self.limits.load();
        let limit = limits.connections.saturating_add(if admin { ADMIN_RESERVE } else { 0 });
        let address = (!admin && !client.is_loopback()).then(|| network(client));
        let open = self.open.fetch_add(1, Ordering::AcqRel);
        // Gives back what it took when it is dropped.
        let mut place = Place { front: self.clone(), kind, address: None };
        gauge!("stormd_connections", "port" => kind.as_str()).increment(1.0);
        let mut room = open < limit;
        if let Some(address) = address.filter(|_| room) {
            let mut by_address = self.by_address();
            let open = by_address.entry(address).or_default();
            room = *open < limits.connections_per_address;
            if room {
                *open += 1;
                place.address = Some(address);
            }
        }
        if !room {
            counter!("stormd_connections_refused_total", "port" => kind.as_str()).increment(1);
            return None;
        }
        Some(place)
    }

    /// A handshake's turn, first come, first served. The semaphore is never closed.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    fn by_address(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing between lock and unlock can panic.
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same certificate twice.
struct Tls {
    plain: Arc<ServerConfig>,
    with_http2: Arc<ServerConfig>,
}

impl Tls {
    fn new(plain: Arc<ServerConfig>) -> Self {
        let mut config = ServerConfig::clone(&plain);
        config.alpn_protocols.insert(0, HTTP2.to_vec());
        Self { plain, with_http2: Arc::new(config) }
    }
}

/// One connection's place among `limits.connections`.
pub(super) struct Place {
    front: Arc<Front>,
    kind: PortKind,
    /// Where it is counted in [`Front::by_address`].
    address: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.front.open.fetch_sub(1, Ordering::AcqRel);
        gauge!("stormd_connections", "port" => self.kind.as_str()).decrement(1.0);
        let Some(address) = self.address else { return };
        let mut by_address = self.front.by_address();
        if let Some(open) = by_address.get_mut(&address) {
            *open -= 1;
            if *open == 0 {
                by_address.remove(&address);
            }
        }
    }
}
