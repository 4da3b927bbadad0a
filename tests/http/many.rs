//! HTTP/2 beside 1.1: who gets it, errors that leave the connection alone, and clients that mean harm.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};

use super::common::bytes;
use super::common::client::Person;
use super::common::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, frame, open, request,
};
use super::common::http2::{answered, two};
use super::common::scene::Scene;
use super::common::wire;
use super::header;
use super::talk::{Client, Shape};

#[tokio::test]
async fn real_clients() {
    let scene = Scene::new();
    let person = Person::new(&scene.storm, "voms");
    let data = scene.storm.dir().join("data");
    std::fs::write(&data, bytes(3_000_000, 1)).unwrap();
    let back = scene.storm.dir().join("back");
    let [data, back] = [data, back].map(|path| path.display().to_string());
    let url = scene.storm.url("/test.vo/h2");
    for (version, name) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let told = ["-w", "%{http_version}", version];
        let put = person.curl(&[&told[..], &["-T", &data, &url]].concat()).ok();
        assert_eq!(put.out.trim(), name, "{put}");
        let get = person.curl(&[&told[..], &["-o", &back, &url]].concat()).ok();
        assert_eq!(get.out.trim(), name, "{get}");
        assert!(std::fs::read(&data).unwrap() == std::fs::read(&back).unwrap());
    }
    // The SRM port stays what its clients know.
    let mut config = rustls::ClientConfig::clone(&scene.voms);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", scene.storm.ports.srm)).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name, tcp).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_connection_outlives_errors() {
    let scene = Scene::new();
    let mut client = Client::new(&scene.voms, scene.storm.ports.https).await;
    for two in [false, true] {
        let shape = Shape { two, chunked: false, expect: false };
        for (path, status) in [("/test.vo/none/f", 409), ("/test.vo", 405), ("/none/f", 404)] {
            let answer = client.put(path, shape, &bytes(50_000, 1)).await;
            assert!(answer.status == status || answer.status == 403, "{path}: {}", answer.status);
            assert!(answer.status >= 400);
        }
        assert_eq!(client.get("/test.vo/none", two, &[]).await.status, 404);
        let ranges = [("range", "bytes=0-1,4-5")];
        let answer = client.get("/test.vo/dir/file", two, &ranges).await;
        assert_eq!(answer.status, 206);
        assert!(header(&answer, "content-type").starts_with("multipart/byteranges"));
        let beyond = [("range", "bytes=1000-")];
        let answer = client.get("/test.vo/dir/file", two, &beyond).await;
        assert_eq!((answer.status, header(&answer, "content-range")), (416, "bytes */1000"));
    }
}

/// A hundred at once over one connection; each its own answer.
#[tokio::test]
async fn many_at_once() {
    let scene = Scene::new();
    let conn = two(&scene.voms, scene.storm.ports.https).await;
    let put = |n: usize| {
        let mut conn = conn.clone();
        async move {
            let body = Full::from(bytes(20_000 + n, n as u64)).boxed();
            let request = Request::put(format!("https://localhost/test.vo/{n}"));
            answered(&mut conn, request.body(body).unwrap()).await.status
        }
    };
    let all = futures_util::future::join_all((0..120).map(put)).await;
    assert!(all.iter().all(|status| *status == 201), "{all:?}");
    for n in 0..120 {
        let disk = scene.storm.root("test.vo").join(n.to_string());
        assert!(std::fs::read(disk).unwrap() == bytes(20_000 + n, n as u64), "{n}");
    }
}

/// Requests taken back at once, heads without end, answers that nobody takes: the connection ends, and
/// everybody else is served.
#[tokio::test]
async fn who_means_harm() {
    let scene = Scene::with("[limits]\nidle_body = \"2s\"\n", Vec::new(), |storm| {
        std::fs::write(storm.root("test.vo").join("large"), bytes(20_000_000, 1)).unwrap();
    });
    let port = scene.storm.ports.https;
    let get = |path: &str| {
        let request = Request::get(format!("https://localhost{path}"));
        request.body(Full::<Bytes>::default().boxed()).unwrap()
    };
    let whole = request("GET", "/");
    // Taken back before they were looked at, as CVE-2023-44487 does.
    let resets: Vec<u8> = (0..1000)
        .flat_map(|n| {
            let stream = 2 * n + 1;
            let head = frame(HEADERS, END_STREAM | END_HEADERS, stream, &whole);
            [head, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        })
        .collect();
    let mut conn = open(&scene.voms, port, &[]).await;
    let _ = conn.send(&resets).await;
    assert!(conn.closed_within(Duration::from_secs(5)).await, "1000 resets are taken");
    // A head that never ends.
    let mut conn = open(&scene.voms, port, &[]).await;
    conn.send(&frame(HEADERS, END_STREAM, 1, &whole)).await.unwrap();
    for _ in 0..500 {
        // A literal header of 16 kB: x: yyy…
        let mut block = vec![0x10, 1, b'x', 0x7f, 0x80, 0x7d];
        block.resize(block.len() + 127 + 16_000, b'y');
        if conn.send(&frame(CONTINUATION, 0, 1, &block)).await.is_err() {
            break;
        }
    }
    assert!(conn.closed_within(Duration::from_secs(5)).await, "8 MB of head are taken");
    // The control: the same hand, and a request like any other.
    let mut conn = open(&scene.voms, port, &[]).await;
    conn.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &whole)).await.unwrap();
    assert!(!conn.closed_within(Duration::from_secs(1)).await);

    // A head of 100 kB.
    let mut conn = two(&scene.voms, port).await;
    let mut large = get("/test.vo/dir/file");
    for n in 0..50 {
        let name = http::HeaderName::from_bytes(format!("x-{n}").as_bytes()).unwrap();
        large.headers_mut().insert(name, "y".repeat(2000).parse().unwrap());
    }
    let refused = conn.send_request(large).await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status() == 431));

    // Answers that are not taken.
    let mut conn = two(&scene.voms, port).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        conn.ready().await.unwrap();
        waiting.push(conn.send_request(get("/test.vo/large")).await.unwrap());
    }
    let started = std::time::Instant::now();
    while conn.ready().await.is_ok() && !conn.is_closed() {
        assert!(started.elapsed() < Duration::from_secs(20), "never closed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    drop(waiting);

    let answer = wire::once(&scene.voms, port, "GET", "/test.vo/dir/file", b"").await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(scene.storm.healthy());
}
