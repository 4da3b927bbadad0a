//! The bound on connections, and the shutdown.

use std::time::{Duration, Instant};

use super::support::{Server, answer, ask, closed, limits, post, say};
use crate::listener::PortKind;

#[tokio::test]
async fn one_too_many() {
    for kind in [PortKind::Https, PortKind::Plain] {
        let mut limits = limits();
        limits.connections = 1;
        let server = Server::start(kind, limits.clone()).await;
        let first = server.tcp().await;
        while server.front.open_connections() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // He is told, and that is all.
        let told = if kind == PortKind::Plain {
            let mut second = server.tcp().await;
            let told = ask(&mut second, post("/", "")).await;
            assert_eq!(closed(&mut second).await, b"");
            told
        } else {
            let mut second = server.connect().await;
            let told = ask(&mut second, post("/", "")).await;
            assert_eq!(closed(&mut second).await, b"");
            told
        };
        assert_eq!((told.status(), told.body.as_str()), (503, "busy"));
        assert_eq!(server.front.open_connections(), 1);
        drop(first);
        while server.front.open_connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        limits.connections = 2;
        server.front.reload_limits(limits);
        let _first = server.tcp().await;
        let mut second = server.tcp().await;
        if kind == PortKind::Plain {
            assert_eq!(ask(&mut second, post("/", "")).await.status(), 200);
        }
    }
}

#[tokio::test]
async fn one_address_does_not_take_all_places() {
    let mut limits = limits();
    limits.connections = 6;
    limits.connections_per_address = 2;
    let server = Server::start(PortKind::Srm, limits).await;
    let mut places = Vec::new();
    let mut comes = |address: &str, kind| {
        places.push(server.front.admit(kind, address.parse().unwrap()));
        places.last().is_some_and(Option::is_some)
    };
    assert!(comes("192.0.2.1", PortKind::Srm) && comes("192.0.2.1", PortKind::Https));
    assert!(!comes("192.0.2.1", PortKind::Srm));
    assert!(comes("192.0.2.1", PortKind::Admin), "health and metrics are for everybody");
    assert!(comes("2001:db8::1", PortKind::Srm) && comes("2001:db8::2", PortKind::Srm));
    assert!(!comes("2001:db8::ffff:3", PortKind::Srm), "one network");
    assert!(comes("127.0.0.1", PortKind::Srm), "this host is not counted");
    assert!(!comes("192.0.2.2", PortKind::Srm), "six in all");
    assert_eq!(server.front.open_connections(), 6);
    places.clear();
    assert_eq!(server.front.open_connections(), 0);
    let client = [192, 0, 2, 1].into();
    let again: Vec<_> = (0..3).map(|_| server.front.admit(PortKind::Srm, client)).collect();
    assert_eq!(again.iter().flatten().count(), 2, "what was given back can be had again");
}

#[tokio::test]
async fn the_administrator_gets_in() {
    let mut limits = limits();
    limits.connections = 0;
    let server = Server::start(PortKind::Admin, limits).await;
    assert_eq!(ask(&mut server.tcp().await, post("/", "")).await.status(), 200);
}

#[tokio::test]
async fn shutdown_lets_requests_finish() {
    let server = Server::start(PortKind::Srm, limits()).await;
    let mut silent = server.connect().await;
    let mut idle = server.connect().await;
    assert_eq!(ask(&mut idle, format!("0{}", post("/", ""))).await.status(), 200);
    let mut busy = server.connect().await;
    say(&mut busy, post("/slow", "")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.shutdown.cancel();
    assert_eq!(answer(&mut busy).await.body, "slow but sure");
    for io in [&mut silent, &mut idle, &mut busy] {
        assert_eq!(closed(io).await, b"");
    }
    server.task.await.unwrap();
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn shutdown_cuts_what_does_not_end() {
    let mut limits = limits();
    limits.drain = Duration::from_millis(300);
    let server = Server::start(PortKind::Plain, limits).await;
    let mut io = server.tcp().await;
    say(&mut io, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    server.shutdown.cancel();
    assert_eq!(closed(&mut io).await, b"");
    server.task.await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(server.front.open_connections(), 0);
}
