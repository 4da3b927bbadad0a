//! Bodies that end before they are over, in every way in which a client can be gone.

use std::io;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use rustls::ClientConfig;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::common::bytes;
use super::common::http2::two;
use super::common::soap;
use super::common::usage::count;
use super::common::wire::head;
use super::*;

const SIZE: usize = 300_000;
/// What comes of it.
const SENT: usize = SIZE / 2;

/// How the client takes its leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The connection is closed; over TLS without `close_notify`.
    Closed,
    /// The connection is reset.
    Reset,
    /// It says that it is done (over TLS by `close_notify`), and listens.
    Finished,
    /// What comes next is no chunk.
    Garbage,
}

/// How the body is framed, and where it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Length,
    InChunk,
    InChunkSize,
    BeforeLastChunk,
}

/// What is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// The whole of a file that is there.
    Old,
    /// A name that is free.
    New,
    /// A part of a file that is there.
    Part,
    /// The end of a file that is there.
    Append,
}

const CUTS: [Cut; 4] = [Cut::Length, Cut::InChunk, Cut::InChunkSize, Cut::BeforeLastChunk];
const ENDS: [End; 4] = [End::Closed, End::Reset, End::Finished, End::Garbage];

/// Half a body of [`SIZE`] bytes; `None`: this way of framing has no such end.
fn half(cut: Cut, end: End) -> Option<Vec<u8>> {
    let data = bytes(SENT, 9);
    let mut body = match cut {
        Cut::Length => data,
        Cut::InChunk => [format!("{SIZE:x}\r\n").as_bytes(), &data].concat(),
        Cut::InChunkSize => [format!("{SENT:x}\r\n").as_bytes(), &data, b"\r\n4"].concat(),
        Cut::BeforeLastChunk => [format!("{SENT:x}\r\n").as_bytes(), &data, b"\r\n"].concat(),
    };
    match (end, cut) {
        (End::Garbage, Cut::Length | Cut::InChunk) => return None,
        (End::Garbage, _) => body.extend(b"no chunk\r\n"),
        _ => {}
    }
    Some(body)
}

async fn leave(scene: &Scene, tls: bool, head: &str, body: &[u8], end: End, what: &str) {
    let ports = scene.storm.ports;
    let port = if tls { ports.https } else { ports.plain };
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    if end == End::Reset {
        SockRef::from(&tcp).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
    let mut conn = match tls {
        true => Conn::tls_over(&scene.voms, tcp).await.unwrap(),
        false => Conn::tcp_over(tcp),
    };
    conn.send(head.as_bytes()).await.unwrap();
    conn.send(body).await.unwrap();
    match end {
        // Some of it has come by then.
        End::Closed | End::Reset => tokio::time::sleep(Duration::from_millis(20)).await,
        End::Finished => conn.finish().await.unwrap(),
        End::Garbage => {}
    }
    if matches!(end, End::Finished | End::Garbage) {
        let told = conn.response("PUT").await.unwrap();
        assert_eq!(told.status, 400, "{what}: {}", told.text());
        assert!(!told.text().trim().is_empty(), "{what}: a word of why");
    }
}

#[tokio::test]
async fn clients_that_are_gone() {
    let mut scene = Scene::new();
    scene.storm.http = "anonymous_write = true".to_owned();
    scene.storm.restart();
    count(&scene.storm);
    let mut cells = 0;
    for (tls, area, stfn) in [(true, "TESTVO", "test.vo"), (false, "OPEN", "open")] {
        let place = Place::of(&scene, area, stfn);
        for (cut, end) in CUTS.into_iter().flat_map(|cut| ENDS.map(|end| (cut, end))) {
            let Some(body) = half(cut, end) else { continue };
            for over in [Over::Old, Over::New, Over::Part, Over::Append] {
                // A PATCH has a length.
                if over == Over::Append && cut != Cut::Length {
                    continue;
                }
                cells += 1;
                let what = format!("{over:?} {cut:?} {end:?} tls {tls}");
                let name = format!("f{cells}");
                let old = (over != Over::New).then(|| bytes(SIZE + 1, cells));
                if let Some(old) = &old {
                    place.put(&scene, &name, old, &what).await;
                }
                let (method, mut headers) = match over {
                    Over::Old | Over::New => ("PUT", vec![]),
                    Over::Part => ("PUT", vec![("content-range", "bytes 1-300000/*")]),
                    Over::Append => (
                        "PATCH",
                        vec![
                            ("content-type", "application/x-sabredav-partialupdate"),
                            ("x-update-range", "append"),
                        ],
                    ),
                };
                let length = (cut == Cut::Length).then_some(SIZE);
                if length.is_none() {
                    headers.push(("transfer-encoding", "chunked"));
                }
                let head = head(method, &place.path(&name), &headers, length);
                leave(&scene, tls, &head, &body, end, &what).await;
                place.holds(&name, old.as_deref(), &what);
                place.tidy(&scene, &what).await;
                place.holds(&name, old.as_deref(), &what);
                place.put(&scene, &name, &bytes(10, cells), &what).await;
            }
        }
    }
    println!("cells={cells}");
    assert_eq!(cells, 2 * (14 * 3 + 3));
}

/// How half a body ends over HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamEnd {
    Reset,
    /// END_STREAM before Content-Length is met.
    Short,
    /// The connection is closed.
    Closed,
}

/// Half a PUT; afterwards nothing is left of the client.
fn half_a_stream(voms: &Arc<ClientConfig>, port: u16, path: &str, end: StreamEnd) {
    let pieces: Vec<Bytes> = bytes(SENT, 9).chunks(20_000).map(Bytes::copy_from_slice).collect();
    let sent = stream::iter(pieces).map(|piece| Ok(Frame::data(piece)));
    let after = stream::poll_fn(move |_| match end {
        StreamEnd::Reset => Poll::Ready(Some(Err(io::ErrorKind::Other.into()))),
        StreamEnd::Short => Poll::Ready(None),
        StreamEnd::Closed => Poll::Pending,
    });
    let body = BodyExt::boxed(StreamBody::new(sent.chain(after)));
    let request = Request::put(format!("https://localhost{path}"));
    let request = request.header("content-length", SIZE).body(body).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut conn = two::<io::Error>(voms, port).await;
        let answer = tokio::time::timeout(Duration::from_millis(300), conn.send_request(request));
        match (end, answer.await) {
            (StreamEnd::Closed, Err(_)) | (StreamEnd::Reset | StreamEnd::Short, Ok(Err(_))) => {}
            (StreamEnd::Short, Ok(Ok(answer))) => assert_eq!(answer.status(), 400),
            (_, answer) => panic!("{end:?}: {answer:?}"),
        }
    });
}

#[tokio::test]
async fn streams_that_end_early() {
    let scene = Scene::new();
    let place = Place::of(&scene, "TESTVO", "test.vo");
    count(&scene.storm);
    let old = bytes(SIZE, 1);
    place.put(&scene, "f", &old, "first").await;
    for end in [StreamEnd::Reset, StreamEnd::Short, StreamEnd::Closed] {
        for name in ["f", "new"] {
            let what = format!("{end:?} {name}");
            let (voms, path) = (scene.voms.clone(), place.path(name));
            let port = scene.storm.ports.https;
            let client =
                tokio::task::spawn_blocking(move || half_a_stream(&voms, port, &path, end));
            client.await.unwrap();
            let before = (name == "f").then_some(&old[..]);
            place.holds(name, before, &what);
            place.tidy(&scene, &what).await;
            place.holds(name, before, &what);
        }
    }
    place.put(&scene, "f", b"later", "later").await;
}

/// The TURL of an overwriting put: what came before stays what it is until srmPutDone.
#[tokio::test]
async fn uploads_to_turls() {
    let scene = Scene::new();
    let place = Place::of(&scene, "TESTVO", "test.vo");
    count(&scene.storm);
    let old = bytes(SIZE, 1);
    place.put(&scene, "f", &old, "first").await;
    for end in [End::Closed, End::Reset, End::Finished] {
        let what = format!("TURL {end:?}");
        let surl = scene.storm.surl("/test.vo/f");
        let inner =
            soap::prepare_to_put(&[&surl], None) + "<overwriteOption>ALWAYS</overwriteOption>";
        let put = scene.srm("srmPrepareToPut", &inner).await.expect("SRM_SPACE_AVAILABLE");
        let (_, path) = super::common::wire::split_url(put.files[0].turl.as_deref().unwrap());
        let body = half(Cut::Length, end).unwrap();
        leave(&scene, true, &head("PUT", &path, &[], Some(SIZE)), &body, end, &what).await;
        place.holds("f", Some(&old), &what);
        place.tidy(&scene, &what).await;
        // Nothing came: the put may still be done, and the old content stays.
        let done = soap::token(put.token.as_deref().unwrap()) + &soap::surls(&[&surl]);
        scene.srm("srmPutDone", &done).await.expect("SRM_SUCCESS");
        place.holds("f", Some(&old), &what);
        place.tidy(&scene, &what).await;
    }
    place.put(&scene, "f", b"later", "later").await;
}
