//! Ten thousand connections at once.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::common::client::Tls;
use crate::common::pinger::Pinger;
use crate::common::scene::Scene;
use crate::common::wire::{self, Conn};

/// Each of these many times.
const EACH: usize = 1000;
/// Connections that are opened at the same time.
const AT_ONCE: usize = 50;
/// Most memory that one may take, in bytes: a debug build with TLS of every kind.
const OF_ONE: u64 = 64 << 10;
/// How long they stay.
const STAY: Duration = Duration::from_secs(8);

/// What somebody does with a connection.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Nothing, after the handshake.
    Nothing,
    /// One request, and then nothing.
    Once,
    /// A head, a byte now and then.
    Head,
    /// A body, a byte now and then.
    Body,
}

/// The ten: port, with TLS or without, and what is done there.
const CROWD: [(Port, Deed); 10] = [
    (Port::Https, Deed::Nothing),
    (Port::Https, Deed::Once),
    (Port::Https, Deed::Head),
    (Port::Https, Deed::Body),
    (Port::Plain, Deed::Nothing),
    (Port::Plain, Deed::Once),
    (Port::Plain, Deed::Head),
    (Port::Plain, Deed::Body),
    (Port::Srm, Deed::Nothing),
    (Port::Srm, Deed::Body),
];

#[derive(Clone, Copy, Debug)]
enum Port {
    Https,
    Plain,
    Srm,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections() {
    wire::raise_open_files();
    // Slow, as the kind is, but not so slow that the limits end them: that is the next test.
    let settings = "[limits]\nconnections = 12000\nhandshake = \"300s\"\nidle_body = \"300s\"\n";
    let scene = Scene::with(settings, Vec::new(), |_| ());
    let patience = crate::patience(&scene);
    let before = scene.storm.memory();
    let mut all = Vec::new();
    for (port, deed) in CROWD {
        let begun = Instant::now();
        all.extend(come(&scene, port, deed).await);
        println!("{EACH} {port:?} {deed:?}: {:.1} s", begun.elapsed().as_secs_f64());
    }
    assert_eq!(all.len(), EACH * CROWD.len());
    let others = Pinger::start(&scene.voms, scene.storm.ports.srm);
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < STAY {
        for (deed, conn) in &mut all {
            if matches!(deed, Deed::Head | Deed::Body) {
                conn.send(b"x").await.unwrap();
            }
        }
        rounds += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (p99, grown) = (others.p99(), scene.storm.memory().saturating_sub(before));
    let each = grown / all.len() as u64;
    println!("{} connections, {each} bytes each, {rounds} rounds, p99 {p99:?}", all.len());
    assert!(p99 < patience, "srmPing took {p99:?}");
    assert!(each < OF_ONE, "{each} bytes each");
    // Nobody was let go.
    let open = scene.storm.connections();
    assert!(open >= all.len() as u64, "{open} are open");
    scene.unchanged();
}

async fn come(scene: &Scene, port: Port, deed: Deed) -> Vec<(Deed, Conn)> {
    let nobody = wire::config(None, Tls::Any);
    let ports = scene.storm.ports;
    let (mut coming, mut here) = (JoinSet::new(), Vec::new());
    for _ in 0..EACH {
        if coming.len() >= AT_ONCE {
            here.push((deed, coming.join_next().await.unwrap().unwrap()));
        }
        let nobody = nobody.clone();
        coming.spawn(async move {
            let conn = match port {
                Port::Https => Conn::tls(&nobody, ports.https).await,
                Port::Srm => Conn::tls(&nobody, ports.srm).await,
                Port::Plain => Conn::tcp(ports.plain).await,
            };
            let mut conn = conn.unwrap();
            match deed {
                Deed::Nothing => {}
                Deed::Once => {
                    let answer = conn.request("GET", "/open/file", &[], b"").await.unwrap();
                    assert_eq!(answer.status, 200);
                }
                Deed::Head => conn.send(b"GET /open/file HTTP/1.1\r\nx: ").await.unwrap(),
                // Of a method that reads a body before it judges.
                Deed::Body => {
                    let head = wire::head("PROPFIND", "/open/", &[("depth", "0")], Some(60_000));
                    let srm = wire::head("POST", "/srm/managerv2", &[], Some(60_000));
                    let head = if matches!(port, Port::Srm) { srm } else { head };
                    conn.send(head.as_bytes()).await.unwrap();
                }
            }
            conn
        });
    }
    for conn in coming.join_all().await {
        here.push((deed, conn));
    }
    here
}

/// Who is slow is let go when his time is up, however often he sends a byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_ones_are_let_go() {
    let settings =
        "[limits]\nhandshake = \"2s\"\nidle_body = \"2s\"\nkeep_alive = \"2s\"\ndrain = \"1s\"\n";
    let scene = Scene::with(settings, Vec::new(), |_| ());
    let mut slow = JoinSet::new();
    let nobody = wire::config(None, Tls::Any);
    // An envelope has five minutes, as a whole.
    let other = |one: &&(Port, Deed)| !matches!(one, (Port::Srm, Deed::Body));
    for (port, deed) in CROWD.iter().filter(other).copied() {
        for _ in 0..5 {
            let (nobody, ports) = (nobody.clone(), scene.storm.ports);
            slow.spawn(async move {
                let mut conn = match port {
                    Port::Https => Conn::tls(&nobody, ports.https).await.unwrap(),
                    Port::Srm => Conn::tls(&nobody, ports.srm).await.unwrap(),
                    Port::Plain => Conn::tcp(ports.plain).await.unwrap(),
                };
                let begun = Instant::now();
                match deed {
                    Deed::Nothing => {}
                    Deed::Once => {
                        conn.request("GET", "/open/file", &[], b"").await.unwrap();
                    }
                    Deed::Head => conn.send(b"GET /open/file HTTP/1.1\r\nx: ").await.unwrap(),
                    Deed::Body => {
                        let head = wire::head("PROPFIND", "/open/", &[], Some(60_000));
                        conn.send(head.as_bytes()).await.unwrap();
                    }
                }
                let mut closed = false;
                while !closed && begun.elapsed() < Duration::from_secs(20) {
                    if matches!(deed, Deed::Head | Deed::Body) {
                        let _ = conn.send(b"x").await;
                    }
                    closed = conn.closed_within(Duration::from_millis(300)).await;
                }
                assert!(closed, "{port:?} {deed:?} is still there");
                (port, deed, begun.elapsed())
            });
        }
    }
    for (port, deed, time) in slow.join_all().await {
        // His clock may begin later than ours.
        assert!(time > Duration::from_secs(1), "{port:?} {deed:?}: only {time:?}");
        assert!(time < Duration::from_secs(15), "{port:?} {deed:?}: {time:?}");
    }
    scene.unchanged();
}

/// Beyond the limit there is a word for those who come, and those who are here go on.
#[tokio::test]
async fn no_more_than_the_limit() {
    let scene = Scene::with("[limits]\nconnections = 40\n", Vec::new(), |_| ());
    let port = scene.storm.ports.plain;
    let mut here = Vec::new();
    for _ in 0..38 {
        let mut conn = Conn::tcp(port).await.unwrap();
        assert_eq!(conn.request("GET", "/open/file", &[], b"").await.unwrap().status, 200);
        here.push(conn);
    }
    let mut refused = 0;
    for _ in 0..100 {
        let mut conn = Conn::tcp(port).await.unwrap();
        match conn.request("GET", "/open/file", &[], b"").await {
            Ok(answer) if answer.status == 200 => here.push(conn),
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{}", answer.text());
                assert!(answer.header("retry-after").is_some());
                refused += 1;
            }
            // More than are told.
            Err(_) => refused += 1,
        }
    }
    assert!(here.len() <= 40, "{} are here", here.len());
    assert_eq!(here.len() + refused, 138);
    for conn in &mut here {
        assert_eq!(conn.request("GET", "/open/file", &[], b"").await.unwrap().status, 200);
    }
    // The administrator has a place all the same.
    scene.unchanged();
}
