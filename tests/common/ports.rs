//! Ports for daemons that are started again on the ports they had.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that Linux gives to clients (32768 and up, `ip_local_port_range`). One of those
/// may go to any client while its daemon is down, even to the client that tries to reach it: TCP
/// then connects it to itself, and the daemon finds its port in use.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

/// A port nobody listens on; this process gives none twice.
pub fn free_port() -> u16 {
    // Test binaries that run at once begin in different places.
    static NEXT: LazyLock<AtomicU32> =
        LazyLock::new(|| AtomicU32::new(std::process::id().wrapping_mul(251) % COUNT));
    loop {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + turn % COUNT).unwrap();
        let taken = |why: std::io::Error| why.kind() == std::io::ErrorKind::AddrInUse;
        let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
        if v4.is_err_and(taken) {
            continue;
        }
        // A machine without IPv6 has nobody listening there.
        if !TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).is_err_and(taken) {
            return port;
        }
    }
}
