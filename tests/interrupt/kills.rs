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

pub const SIZE: usize = 2_000_000;
/// So little is written where it gets its name.
pub const SMALL: usize = 5000;

/// Steps between a body and its acknowledgement, on file systems that have files without a name.
const STEPS: [(&str, usize); 6] = [
    ("fsync", 1),
    ("fsetxattr", 1),
    ("fsetxattr", 2),
    ("linkat", 1),
    ("renameat2,renameat", 1),
    ("fsync", 2),
];

/// A change of the file at `name`: the process dies as it takes a step of it. True where the old state stands.
pub async fn killed(
    scene: &mut Scene,
    place: &Place,
    (method, name): (&str, &str),
    (old, new): (Option<&[u8]>, &[u8]),
    (call, nth): (&str, usize),
) -> bool {
    let before = old.map_or(0, <[u8]>::len);
    let what = format!("{method} of {} over {before}, killed at {call} {nth}", new.len());
    let path = place.path(name);
    let trace = Trace::kill(scene.storm.pid(), call, nth);
    let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
    let answer = match method {
        "PUT" => conn.request("PUT", &path, &[], new).await,
        _ => {
            let to = [("destination", path.as_str())];
            conn.request("COPY", &place.path("source"), &to, b"").await
        }
    };
    drop(trace);
    scene.storm.restart();
    let found = std::fs::read(place.root.join(name)).ok();
    let stands_new = found.as_deref() == Some(new);
    assert!(stands_new || found.as_deref() == old, "{what}: neither the old nor the new");
    if let Ok(answer) = answer {
        let status = if old.is_some() { 204 } else { 201 };
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(stands_new, "{what}: it was acknowledged");
    }
    place.tidy(scene, &what).await;
    !stands_new
}

/// Each step between a body and its acknowledgement.
#[tokio::test]
async fn at_each_step() {
    let mut scene = Scene::new();
    let place = Place::of(&scene, "TESTVO", "test.vo");
    count(&scene.storm);
    let mut seen = (0, 0);
    for (method, size) in [("PUT", SIZE), ("PUT", SMALL), ("COPY", SIZE)] {
        for step in STEPS {
            let (old, new) = (bytes(size, 1), bytes(size, 2));
            place.put(&scene, "f", &old, method).await;
            place.put(&scene, "source", &new, method).await;
            let stands = (Some(&old[..]), &new[..]);
            let is_old = killed(&mut scene, &place, (method, "f"), stands, step).await;
            seen = if is_old { (seen.0 + 1, seen.1) } else { (seen.0, seen.1 + 1) };
            place.put(&scene, "f", b"later", method).await;
        }
    }
    println!("old={} new={}", seen.0, seen.1);
    assert!(seen.0 >= 12 && seen.1 >= 3, "both sides of the rename: {seen:?}");
    // A new name.
    for (n, size) in [SIZE, SMALL].into_iter().enumerate() {
        for step in STEPS {
            let (name, new) = (format!("new.{n}.{}.{}", step.0, step.1), bytes(size, 3));
            killed(&mut scene, &place, ("PUT", &name), (None, &new), step).await;
            place.put(&scene, &name, b"later", "a new name").await;
        }
    }
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
