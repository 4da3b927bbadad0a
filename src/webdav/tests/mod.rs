//! The door against a small core: requests through the router, and bytes over real sockets.

mod carry;
mod fake;
mod names;
mod read;
mod wire;
mod write;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::{DoorOptions, router};
use crate::listener::Outcome;
use crate::model::{Identity, Person, ProxyKind, Refusal};
use fake::Fake;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    outcome: Outcome,
}

impl Answer {
    fn code(&self) -> u16 {
        self.status.as_u16()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn options() -> DoorOptions {
    DoorOptions { secure: true, idle_body: Duration::from_millis(300) }
}

async fn ask_as(fake: &Arc<Fake>, who: Identity, request: Request<Body>) -> Answer {
    let mut request = request;
    request.extensions_mut().insert(who);
    let response = router(fake.clone(), options()).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
        outcome: head.extensions.get::<Outcome>().unwrap().clone(),
    }
}

async fn ask(fake: &Arc<Fake>, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(fake, method, path, headers, Body::empty()).await
}

async fn send(
    fake: &Arc<Fake>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask_as(fake, person("/CN=somebody"), request.body(body).unwrap()).await
}

fn person(dn: &str) -> Identity {
    Identity::Person(Arc::new(Person {
        dn: dn.into(),
        fqans: Vec::new(),
        not_after: SystemTime::now() + Duration::from_secs(3600),
        proxy: ProxyKind::EndEntity,
        notes: Vec::new(),
        scope: None,
    }))
}

fn refused() -> Identity {
    let why = "your proxy expired 3 h ago: make a new one".to_owned();
    Identity::Refused(Arc::new(Refusal::new(None, why)))
}

/// The door behind a real server on a free port.
async fn server(fake: &Arc<Fake>) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(fake.clone(), options());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Sends bytes and reads until `enough` says so, the connection ends, or 5 s are over.
async fn talk(stream: &mut TcpStream, bytes: &[u8], enough: impl Fn(&str) -> bool) -> String {
    stream.write_all(bytes).await.unwrap();
    let mut got = Vec::new();
    let read = async {
        let mut buffer = vec![0; 65536];
        while !enough(&String::from_utf8_lossy(&got)) {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => got.extend_from_slice(&buffer[..n]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("no answer in time");
    String::from_utf8_lossy(&got).into_owned()
}

/// True for an answer with head and (by Content-Length) body.
fn complete(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
    length.is_none_or(|n| body.len() >= n.parse().unwrap())
}
