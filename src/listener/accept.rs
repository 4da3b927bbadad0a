//! Binding, and the accept loop of one port, which nothing may stop but the shutdown.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Client};
use super::{Door, Front, PortKind};

/// Connections the kernel keeps for us until we accept them; `net.core.somaxconn` may say less. What
/// comes beyond it tries again after a second.
const BACKLOG: i32 = 4096;

/// How long the loop rests when the system has no file descriptor or memory for one more.
const REST: Duration = Duration::from_millis(100);

/// Clients for whom there is no room and who are told so at the same time; the rest are just closed.
const REFUSALS: usize = 64;

/// A port that is bound but not served yet. Bound first, so that the daemon can drop its
/// privileges and tell its addresses before it serves.
#[derive(Debug)]
pub struct Listener {
    kind: PortKind,
    socket: TcpListener,
    local: SocketAddr,
}

/// Why a port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({}): {source}; is another daemon using it, or is it no address of this host?", kind.as_str())]
pub struct BindError {
    /// The port's role.
    pub kind: PortKind,
    /// The address asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

impl Listener {
    /// Binds. `[::]` takes IPv4 clients too, and where the host has no IPv6 it is `0.0.0.0`. Port 0
    /// takes a free one. Must be called inside a tokio runtime.
    pub fn bind(kind: PortKind, address: SocketAddr) -> Result<Self, BindError> {
        let bound = bind(address).or_else(|e| {
            if !address.ip().is_unspecified() || !address.is_ipv6() || !lacks_ipv6(&e) {
                return Err(e);
            }
            tracing::warn!(%address, "this host has no IPv6: listening on 0.0.0.0");
            bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()))
        });
        let (socket, local) = bound.map_err(|source| BindError { kind, address, source })?;
        Ok(Self { kind, socket, local })
    }

    /// The address in use; its port is never 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The port's role.
    pub fn kind(&self) -> PortKind {
        self.kind
    }
}

/// Serves a port until `shutdown` is cancelled, then lets the requests under way finish for up to
/// `limits.drain`, cuts the rest and returns. Every request goes to `door`; of clients for whom there
/// is no room, one goes to `busy`, which has to close the connection by its answer.
pub async fn serve(
    listener: Listener,
    door: Door,
    busy: Door,
    front: Arc<Front>,
    shutdown: CancellationToken,
) {
    let Listener { kind, socket, local } = listener;
    tracing::info!(address = %local, port = kind.as_str(), "listening");
    let connections = TaskTracker::new();
    let refusals = TaskTracker::new();
    let cut = CancellationToken::new();
    let mut trouble = 0_u64;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = socket.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(e) if is_of_one_client(&e) => continue,
            Err(e) => {
                if trouble.is_multiple_of(100) {
                    tracing::warn!(
                        port = kind.as_str(),
                        "cannot accept connections: {e}; trying on (raise the open-file limit?)"
                    );
                }
                trouble += 1;
                let _ = timeout(REST, shutdown.cancelled()).await;
                continue;
            }
        };
        trouble = 0;
        let client = Client { stream, peer: canonical(peer), kind };
        let Some(place) = front.admit(kind, client.peer.ip()) else {
            tracing::debug!(peer = %client.peer, port = kind.as_str(), "no room: refused");
            if refusals.len() < REFUSALS {
                let told =
                    connection::serve(client, busy.clone(), front.clone(), None, shutdown.clone());
                refusals.spawn(timeout(front.limits().handshake, told));
            }
            continue;
        };
        let place = Some(place);
        let served =
            connection::serve(client, door.clone(), front.clone(), place, shutdown.clone());
        let cut = cut.clone();
        // On the heap, or it would be there twice.
        connections.spawn(cut.run_until_cancelled_owned(Box::pin(served)));
    }
    drop(socket);
    connections.close();
    if timeout(front.limits().drain, connections.wait()).await.is_err() {
        tracing::warn!(
            port = kind.as_str(),
            connections = connections.len(),
            "requests did not end in time: cut"
        );
        cut.cancel();
        connections.wait().await;
    }
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let socket = TcpListener::from_std(socket.into())?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}

fn lacks_ipv6(e: &io::Error) -> bool {
    let errno = e.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL))
}

/// An error of the one connection that was to be accepted, not of the port: see accept(2).
fn is_of_one_client(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// An IPv4 client of a dual-stack port, as IPv4.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = Listener::bind(PortKind::Admin, "127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(first.local_addr().port(), 0);
        let error = Listener::bind(PortKind::Admin, first.local_addr()).unwrap_err();
        assert!(error.to_string().contains(&first.local_addr().to_string()), "{error}");
    }

    #[tokio::test]
    async fn the_unspecified_address_takes_ipv4_too() {
        let listener = Listener::bind(PortKind::Plain, "[::]:0".parse().unwrap()).unwrap();
        let address = ("127.0.0.1", listener.local_addr().port());
        let (client, accepted) =
            tokio::join!(TcpStream::connect(address), listener.socket.accept());
        client.unwrap();
        assert!(canonical(accepted.unwrap().1).is_ipv4());
    }
}
