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
        let mut second = server.tcp().await;
        if kind == PortKind::Plain {
            let answer = ask(&mut second, post("/", "")).await;
            assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("10")));
            assert_eq!(answer.body.lines().count(), 1);
        }
        assert_eq!(closed(&mut second).await, b"");
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
