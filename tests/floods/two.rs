//! HTTP/2 misused: each has a number that says how much of it is taken.

use std::time::{Duration, Instant};

use crate::common::bytes;
use crate::common::client::Tls;
use crate::common::frames::*;
use crate::common::scene::Scene;
use crate::common::wire::{self, Conn};
use crate::harmless;

/// Bytes of the file that is asked for again and again.
const LARGE: usize = 8 << 20;

fn scene() -> Scene {
    let settings = "[limits]\nhandshake = \"3s\"\nidle_body = \"3s\"\nkeep_alive = \"3s\"\n";
    Scene::with(settings, Vec::new(), |storm| {
        std::fs::write(storm.root("open").join("large"), bytes(LARGE, 3)).unwrap();
    })
}

async fn connect(scene: &Scene, settings: &[u8]) -> Conn {
    open(&wire::config(None, Tls::Any), scene.storm.ports.https, settings).await
}

/// Sends it again and again until the other side has enough: how often it took it.
async fn until_refused(
    conn: &mut Conn,
    most: usize,
    mut next: impl FnMut(u32) -> Vec<u8>,
) -> usize {
    for n in 0..most {
        if conn.send(&next(u32::try_from(n).unwrap())).await.is_err() {
            return n;
        }
    }
    most
}

/// Requests that are taken back at once (CVE-2023-44487).
#[tokio::test]
async fn rapid_reset() {
    const MOST: usize = 100_000;
    let scene = scene();
    let flood = async {
        let mut conn = connect(&scene, &[]).await;
        let sent = until_refused(&mut conn, MOST / 50, |round| {
            let streams = (0..50).flat_map(|n| {
                let stream = (round * 50 + n) * 2 + 1;
                let asks = request("GET", "/open/large");
                let mut both = frame(HEADERS, END_HEADERS | END_STREAM, stream, &asks);
                both.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
                both
            });
            streams.collect()
        });
        let sent = sent.await * 50;
        assert!(sent < MOST, "{sent} were taken");
        println!("{sent} requests were taken back before the connection ended");
    };
    harmless(&scene, "rapid reset", 20 << 20, flood).await;
    scene.unchanged();
}

/// A head that never ends (CVE-2024-27316), and one that grows when it is read (RFC 7541 4.1).
#[tokio::test]
async fn heads_that_never_end() {
    let scene = scene();
    let more = frame(CONTINUATION, 0, 1, &header("x", &"y".repeat(100)).repeat(100));
    let flood = async {
        let mut conn = connect(&scene, &[]).await;
        let head = frame(HEADERS, END_STREAM, 1, &request("GET", "/open/file"));
        conn.send(&head).await.unwrap();
        let sent = until_refused(&mut conn, 10_000, |_| more.clone()).await;
        assert!(sent < 1000, "{sent} frames were taken");
    };
    harmless(&scene, "CONTINUATION", 20 << 20, flood).await;
    let small = async {
        let mut conn = connect(&scene, &[]).await;
        let head = frame(HEADERS, END_STREAM, 1, &request("GET", "/open/file"));
        conn.send(&head).await.unwrap();
        let nothing = frame(CONTINUATION, 0, 1, b"").repeat(1000);
        let sent = until_refused(&mut conn, 10_000, |_| nothing.clone()).await;
        assert!(sent < 10_000, "{sent} thousand empty frames were taken");
    };
    harmless(&scene, "empty CONTINUATION", 20 << 20, small).await;
    let bomb = async {
        let mut conn = connect(&scene, &[]).await;
        // Into the table, by RFC 7541 6.2.1, and out of it 16,000 times.
        let mut head = request("GET", "/open/file");
        head.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
        head.extend([b'y'; 4000]);
        head.extend([0xbe; 12_000]);
        conn.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &head)).await.unwrap();
        let came = frames(&mut conn, Duration::from_secs(1)).await;
        let answers: Vec<_> = came.iter().filter(|one| one.0 == HEADERS).collect();
        assert!(answers.iter().all(|one| !one.3.contains(&0x88)), "200: {came:?}");
        assert!(came.iter().any(|one| matches!(one.0, HEADERS | RST_STREAM | GOAWAY)), "{came:?}");
    };
    harmless(&scene, "headers out of the table", 20 << 20, bomb).await;
    scene.unchanged();
}

/// Frames that ask for an answer, from somebody who does not read, and from somebody who does.
#[tokio::test]
async fn settings_and_pings() {
    let scene = scene();
    for (what, one) in [
        ("SETTINGS", frame(SETTINGS, 0, 0, &setting(INITIAL_WINDOW, 65_535))),
        ("PING", frame(PING, 0, 0, &[7; 8])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        ("unknown frames", frame(0xee, 0, 0, b"?")),
    ] {
        let many = one.repeat(1000);
        let deaf = async {
            let begun = Instant::now();
            let mut conn = connect(&scene, &[]).await;
            while begun.elapsed() < Duration::from_secs(20) {
                let sent = tokio::time::timeout(Duration::from_secs(5), conn.send(&many)).await;
                if !matches!(sent, Ok(Ok(()))) {
                    break;
                }
            }
            // The time of who has asked for nothing is up, whatever else he sends.
            assert!(begun.elapsed() < Duration::from_secs(15), "{what} go on");
        };
        harmless(&scene, &format!("{what}, unread"), 20 << 20, deaf).await;
    }
    scene.unchanged();
}

/// Who asks for more than he may have, and takes none of it.
#[tokio::test]
async fn windows_that_stay_shut() {
    let scene = scene();
    let flood = async {
        let mut all = Vec::new();
        for _ in 0..20 {
            let mut conn = connect(&scene, &setting(INITIAL_WINDOW, 0)).await;
            let mut cut = false;
            for n in 0..200 {
                let asks = request("GET", "/open/large");
                let ask = frame(HEADERS, END_HEADERS | END_STREAM, n * 2 + 1, &asks);
                cut |= conn.send(&ask).await.is_err();
            }
            all.push((conn, cut));
        }
        for (conn, cut) in &mut all {
            let came = frames(conn, Duration::from_secs(10)).await;
            let refused = came.iter().filter(|one| one.0 == RST_STREAM).count();
            // Who goes on all the same loses the connection, perhaps while he sends still.
            let over = *cut || came.iter().any(|one| one.0 == GOAWAY);
            assert!(refused >= 100 || over, "{refused} streams were refused");
            assert!(came.iter().all(|one| one.0 != DATA || one.3.is_empty()));
            assert!(conn.closed_within(Duration::from_secs(10)).await, "still there");
        }
    };
    harmless(&scene, "shut windows", 150 << 20, flood).await;
    let drops = async {
        let mut conn = connect(&scene, &setting(INITIAL_WINDOW, 1)).await;
        let ask = frame(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/open/large"));
        conn.send(&ask).await.unwrap();
        // A byte at a time, as fast as it goes.
        let more = frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()).repeat(100);
        let sent = until_refused(&mut conn, 500, |_| more.clone()).await;
        println!("{sent} times 100 bytes asked for one by one");
    };
    harmless(&scene, "windows of a byte", 20 << 20, drops).await;
    // What is lawful still passes.
    let mut conn = connect(&scene, &[]).await;
    let ask = frame(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/open/file"));
    conn.send(&ask).await.unwrap();
    let came = frames(&mut conn, Duration::from_millis(500)).await;
    let data = came.iter().filter(|one| one.0 == DATA).flat_map(|one| one.3.clone());
    assert_eq!(data.collect::<Vec<_>>(), b"open to all");
    scene.unchanged();
}

/// Bodies on many streams at once, of which none ends: what waits is bounded, and ends in time.
#[tokio::test]
async fn bodies_that_never_end() {
    let scene = scene();
    let flood = async {
        let mut conn = connect(&scene, &[]).await;
        let data = vec![b'd'; 16_000];
        for n in 0..100 {
            let asks = request("PROPFIND", "/open/");
            conn.send(&frame(HEADERS, END_HEADERS, n * 2 + 1, &asks)).await.unwrap();
        }
        for n in 0..2000 {
            if conn.send(&frame(DATA, 0, (n % 100) * 2 + 1, &data)).await.is_err() {
                break;
            }
        }
        let came = frames(&mut conn, Duration::from_secs(5)).await;
        // No window is so wide: some are answered in time, or none, and the connection ends.
        assert!(came.iter().all(|one| one.0 != HEADERS || one.3.first() != Some(&0x88)), "200");
        assert!(conn.closed_within(Duration::from_secs(10)).await, "still there");
    };
    harmless(&scene, "bodies of streams", 40 << 20, flood).await;
    scene.unchanged();
}
