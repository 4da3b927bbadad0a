//! Heads and bodies without end, over HTTP/1.1.

use std::time::{Duration, Instant};

use crate::common::client::Tls;
use crate::common::scene::Scene;
use crate::common::wire::{self, Conn};
use crate::harmless;

/// Connections of each flood.
const MANY: usize = 200;

/// Heads beyond any bound are refused or cut, and hold no more than the largest lawful one.
#[tokio::test]
async fn heads_without_end() {
    let scene = Scene::with("[limits]\nhandshake = \"5s\"\n", Vec::new(), |_| ());
    let many = "x: y\r\n".repeat(150);
    let large = format!("x: {}\r\n", "y".repeat(100_000));
    let line = "z".repeat(200_000);
    let cases = [
        ("many headers", format!("GET /open/file HTTP/1.1\r\nhost: h\r\n{many}\r\n")),
        ("a large header", format!("GET /open/file HTTP/1.1\r\nhost: h\r\n{large}\r\n")),
        ("a target without end", format!("GET /{line} HTTP/1.1\r\nhost: h\r\n\r\n")),
        ("no line at all", line.clone()),
    ];
    for (what, head) in &cases {
        let flood = async {
            let mut conns = Vec::new();
            for n in 0..MANY {
                let mut conn = match n % 10 {
                    0 => Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap(),
                    _ => Conn::tcp(scene.storm.ports.plain).await.unwrap(),
                };
                // It may be cut before all of it is out.
                let _ = conn.send(head.as_bytes()).await;
                conns.push(conn);
            }
            for conn in &mut conns {
                if let Ok(answer) = conn.response("GET").await {
                    assert!(matches!(answer.status, 400 | 414 | 431), "{what}: {}", answer.status);
                }
                assert!(conn.closed_within(Duration::from_secs(10)).await, "{what} goes on");
            }
        };
        harmless(&scene, what, 40 << 20, flood).await;
    }
    // What is lawful still passes.
    let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
    let token = "t".repeat(30_000);
    let headers: Vec<(&str, &str)> = (0..60).map(|_| ("x", "y")).chain([("z", &*token)]).collect();
    assert_eq!(conn.request("GET", "/open/file", &headers, b"").await.unwrap().status, 200);
    scene.unchanged();
}

/// Who may not write, and sends all the same, is told so, and not listened to for long.
#[tokio::test]
async fn bodies_that_are_refused() {
    /// Read behind the refusal, then lingered over, and what is in buffers.
    const MOST: usize = 48 << 20;
    let scene = Scene::new();
    let nobody = wire::config(None, Tls::Any);
    let piece = format!("{:x}\r\n{}\r\n", 1 << 20, "b".repeat(1 << 20));
    for (method, path) in
        [("PUT", "/test.vo/new"), ("PUT", "/closed/new"), ("POST", "/open/"), ("MKCOL", "/open/d")]
    {
        let flood = async {
            let begun = Instant::now();
            let mut conn = Conn::tls(&nobody, scene.storm.ports.https).await.unwrap();
            let head = wire::head(method, path, &[("transfer-encoding", "chunked")], None);
            conn.send(head.as_bytes()).await.unwrap();
            let mut sent = 0;
            while sent < 200 << 20 && conn.send(piece.as_bytes()).await.is_ok() {
                sent += piece.len();
            }
            assert!(sent < MOST, "{method} {path}: {sent} bytes were taken");
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        };
        harmless(&scene, &format!("{method} {path}"), 20 << 20, flood).await;
    }
    scene.unchanged();
}
