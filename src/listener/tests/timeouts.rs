//! Clients that are silent or slow.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

use super::support::{PATIENCE, Server, answer, ask, closed, limits, post, say};
use crate::config::Limits;
use crate::listener::PortKind;

const SHORT: Duration = Duration::from_secs(1);

fn impatient(change: impl Fn(&mut Limits)) -> Limits {
    let mut limits = limits();
    change(&mut limits);
    limits
}

#[tokio::test]
async fn the_silent_are_closed_at_every_stage_before_the_door() {
    let server = Server::start(PortKind::Srm, impatient(|limits| limits.handshake = SHORT)).await;
    let tcp = async {
        let mut io = server.tcp().await;
        closed(&mut io).await
    };
    let half_hello = async {
        let mut io = server.tcp().await;
        say(&mut io, b"\x16\x03\x01\x02\x00\x01").await;
        closed(&mut io).await
    };
    let after = |text: &'static str| {
        let server = &server;
        async move {
            let mut io = server.connect().await;
            if !text.is_empty() {
                say(&mut io, text).await;
            }
            closed(&mut io).await
        }
    };
    let begun = Instant::now();
    let (tcp, hello, handshake, byte, delegation, head, envelope) = tokio::join!(
        tcp,
        half_hello,
        after(""),
        after("0"),
        after("D"),
        after("0POST /srm HTTP/1.1\r\nHost: h\r\n"),
        after("POST /srm HT"),
    );
    assert!(begun.elapsed() < PATIENCE);
    for said in [tcp, hello, handshake, byte, head, envelope] {
        assert_eq!(said, b"");
    }
    assert_eq!(delegation, super::support::REQUEST);
    assert_eq!(server.front.open_connections(), 0);
}

#[tokio::test]
async fn a_head_in_drops_does_not_live_on() {
    let server = Server::start(PortKind::Plain, impatient(|limits| limits.handshake = SHORT)).await;
    let (mut read, mut write) = server.tcp().await.into_split();
    let drops = async {
        loop {
            if tokio::io::AsyncWriteExt::write_all(&mut write, b"G").await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let begun = Instant::now();
    tokio::select! {
        () = drops => {}
        said = closed(&mut read) => assert_eq!(said, b""),
    }
    assert!(begun.elapsed() >= SHORT - Duration::from_millis(100));
}

#[tokio::test]
async fn between_requests_keep_alive_counts() {
    let server = Server::start(
        PortKind::Plain,
        impatient(|limits| {
            limits.handshake = SHORT;
            limits.keep_alive = 3 * SHORT;
        }),
    )
    .await;
    let mut io = server.tcp().await;
    assert_eq!(ask(&mut io, post("/", "")).await.status(), 200);
    tokio::time::sleep(2 * SHORT).await;
    assert_eq!(ask(&mut io, post("/slow", "")).await.status(), 200, "idle is no slow head");
    let begun = Instant::now();
    assert_eq!(closed(&mut io).await, b"");
    assert!(begun.elapsed() >= 3 * SHORT - Duration::from_millis(100));
}

#[tokio::test]
async fn a_request_under_way_is_not_timed() {
    let server = Server::start(
        PortKind::Plain,
        impatient(|limits| {
            let tenth = SHORT / 10;
            (limits.handshake, limits.keep_alive, limits.idle_body) = (tenth, tenth, tenth);
        }),
    )
    .await;
    let answer = ask(&mut server.tcp().await, post("/slow", "")).await;
    assert_eq!(answer.body, "slow but sure");
}

#[tokio::test]
async fn silent_in_the_body() {
    let server = Server::start(PortKind::Srm, impatient(|limits| limits.idle_body = SHORT)).await;
    let mut io = server.connect().await;
    say(&mut io, "0POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345").await;
    let answer = answer(&mut io).await;
    assert_eq!(answer.status(), 408);
    assert!(answer.body.contains("sent nothing for 1s"), "{}", answer.body);
    closed(&mut io).await;

    // The same of an envelope without a head.
    let mut io = server.connect().await;
    say(&mut io, "0<Envelope>").await;
    let said = String::from_utf8(closed(&mut io).await).unwrap();
    assert!(said.starts_with("HTTP/1.1 "), "{said}");
}

#[tokio::test]
async fn who_does_not_read_his_answer() {
    for kind in [PortKind::Plain, PortKind::Https] {
        let server = Server::start(kind, impatient(|limits| limits.idle_body = SHORT)).await;
        let request = "GET /flood HTTP/1.1\r\nHost: h\r\n\r\n";
        let mut plain = None;
        let mut tls = None;
        if kind == PortKind::Plain {
            say(plain.insert(server.tcp().await), request).await;
        } else {
            say(tls.insert(server.connect().await), request).await;
        }
        let begun = Instant::now();
        while server.front.open_connections() > 0 {
            assert!(begun.elapsed() < PATIENCE, "{kind:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn who_reads_slowly_is_not_cut() {
    let server = Server::start(PortKind::Https, impatient(|limits| limits.idle_body = SHORT)).await;
    let mut io = server.connect().await;
    say(&mut io, "GET /flood HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let begun = Instant::now();
    let mut piece = vec![0; 1 << 20];
    while begun.elapsed() < 3 * SHORT {
        io.read_exact(&mut piece).await.expect("it goes on");
        tokio::time::sleep(SHORT / 10).await;
    }
}
