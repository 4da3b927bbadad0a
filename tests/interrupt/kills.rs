//! kill -9 in the middle of an overwrite: before each step of it, and at random moments.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::common::client::Tls;
use super::common::trace::Trace;
use super::common::usage::count;
use super::common::wire::{self, head};
use super::common::{TestStorm, bytes};
use super::faults::some_of_a_part;
use super::*;

const SIZE: usize = 2_000_000;

/// Each step between a body and its acknowledgement: the process dies as it takes it.
#[tokio::test]
async fn at_each_step() {
    let mut scene = Scene::new();
    let place = Place::of(&scene, "TESTVO", "test.vo");
    count(&scene.storm);
    let mut seen = (0, 0);
    for method in ["PUT", "COPY"] {
        for (call, nth) in [
            ("fsync", 1),
            ("fsetxattr", 1),
            ("fsetxattr", 2),
            ("linkat", 1),
            ("renameat2,renameat", 1),
            ("fsync", 2),
        ] {
            let what = format!("{method}, killed at {call} {nth}");
            let (old, new) = (bytes(SIZE, 1), bytes(SIZE, 2));
            place.put(&scene, "f", &old, &what).await;
            place.put(&scene, "source", &new, &what).await;
            let trace = Trace::kill(scene.storm.pid(), call, nth);
            let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
            let answer = match method {
                "PUT" => conn.request("PUT", "/test.vo/f", &[], &new).await,
                _ => {
                    let to = [("destination", "/test.vo/f")];
                    conn.request("COPY", "/test.vo/source", &to, b"").await
                }
            };
            drop(trace);
            scene.storm.restart();
            let found = std::fs::read(place.root.join("f")).unwrap();
            assert!(found == old || found == new, "{what}: {} bytes of neither", found.len());
            if let Ok(answer) = answer {
                assert_eq!(answer.status, 204, "{what}: {}", answer.text());
                assert!(found == new, "{what}: it was acknowledged");
            }
            seen = if found == old { (seen.0 + 1, seen.1) } else { (seen.0, seen.1 + 1) };
            place.tidy(&scene, &what).await;
            place.put(&scene, "f", b"later", &what).await;
        }
    }
    println!("old={} new={}", seen.0, seen.1);
    assert!(seen.0 >= 8 && seen.1 >= 2, "both sides of the rename: {seen:?}");
}

/// Parts are written in place: a kill leaves some of one, and no checksum that is not of what stands there.
#[tokio::test]
async fn in_parts() {
    let mut scene = Scene::new();
    let place = Place::of(&scene, "TESTVO", "test.vo");
    count(&scene.storm);
    for call in ["copy_file_range", "fallocate", "fremovexattr", "fsync"] {
        for at in [1000, SIZE - 1000] {
            let what = format!("a part at {at}, killed at {call}");
            let (old, part) = (bytes(SIZE, 1), bytes(500_000, 2));
            place.put(&scene, "f", &old, &what).await;
            let range = format!("bytes {at}-{}/*", at + part.len() - 1);
            let trace = Trace::kill(scene.storm.pid(), call, 1);
            let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
            let put = conn.request("PUT", "/test.vo/f", &[("content-range", &range)], &part).await;
            drop(trace);
            scene.storm.restart();
            let length = some_of_a_part(&scene, &place, &old, &part, at, &what).await;
            if let Ok(put) = put {
                assert_eq!(put.status, 204, "{what}: {}", put.text());
                assert_eq!(length, SIZE.max(at + part.len()), "{what}");
            }
            place.tidy(&scene, &what).await;
            place.put(&scene, "f", b"later", &what).await;
        }
    }
}

/// The content of a turn: it says which one it is.
fn content(turn: u8) -> Vec<u8> {
    vec![turn; SIZE + usize::from(turn)]
}

/// Overwrites of every framing, slow enough to be caught in their bodies, killed at random moments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_random_moments() {
    let voms = wire::config(Some("voms"), Tls::Any);
    let storm = TestStorm::start();
    let mut scene = Scene { storm, voms, before: Default::default() };
    let place = Place::of(&scene, "TESTVO", "test.vo");
    let mut caught = 0;
    for round in 0..8_u8 {
        let port = scene.storm.ports.https;
        let clients = ["length", "chunked", "plain"].map(|name| {
            let (config, acknowledged) = (Arc::clone(&scene.voms), Arc::new(AtomicU8::new(0)));
            let (sent, known) = (Arc::new(AtomicU8::new(0)), Arc::clone(&acknowledged));
            let begun = Arc::clone(&sent);
            let task = tokio::spawn(async move {
                for turn in 1_u8.. {
                    begun.store(turn, Ordering::SeqCst);
                    let body = content(turn);
                    let mut conn = Conn::tls(&config, port).await?;
                    let path = format!("/test.vo/{name}");
                    let chunked = name == "chunked";
                    let headers = [("transfer-encoding", "chunked")];
                    let headers = if chunked { &headers[..] } else { &[] };
                    let length = (!chunked).then_some(body.len());
                    conn.send(head("PUT", &path, headers, length).as_bytes()).await?;
                    for piece in body.chunks(400_000) {
                        let frame = format!("{:x}\r\n", piece.len());
                        conn.send(if chunked { frame.as_bytes() } else { b"" }).await?;
                        conn.send(piece).await?;
                        conn.send(if chunked { b"\r\n" } else { b"" }).await?;
                        if name != "plain" {
                            tokio::time::sleep(Duration::from_millis(4)).await;
                        }
                    }
                    conn.send(if chunked { b"0\r\n\r\n" } else { b"" }).await?;
                    let put = conn.response("PUT").await?;
                    assert!([201, 204].contains(&put.status), "{}", put.text());
                    known.store(turn, Ordering::SeqCst);
                }
                std::io::Result::Ok(())
            });
            (name, task, sent, acknowledged)
        });
        tokio::time::sleep(Duration::from_millis(fastrand::u64(150..700))).await;
        scene.storm.kill9();
        for (name, task, sent, acknowledged) in clients {
            assert!(task.await.unwrap().is_err(), "{name} was killed in the middle");
            let range = acknowledged.load(Ordering::SeqCst)..=sent.load(Ordering::SeqCst);
            caught += u32::from(range.start() != range.end());
            let what = format!("round {round}: {name}, {range:?}");
            let found = std::fs::read(place.root.join(name)).unwrap_or_default();
            let turn = found.first().copied().unwrap_or_default();
            if *range.start() > 0 || turn > 0 {
                assert!(found == content(turn), "{what}: a mix of {} bytes", found.len());
            }
            // What an earlier round left may stand while nothing of this one is acknowledged.
            assert!(*range.start() == 0 || range.contains(&turn), "{what}: it is {turn}");
        }
        scene.storm.restart();
        place.tidy(&scene, &format!("round {round}")).await;
        for name in ["length", "chunked", "plain"] {
            place.put(&scene, name, &content(0), "later").await;
        }
    }
    println!("caught={caught}");
    assert!(caught >= 8, "hardly any was caught in the middle");
}
