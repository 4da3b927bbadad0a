//! One PUT or GET, over HTTP/1.1 or 2, with every choice a client has.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Request;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use hyper::client::conn::http2::SendRequest;
use rustls::ClientConfig;

use crate::common::http2::{answered, two};
use crate::common::wire::{self, Conn, Response};

/// Bytes of a chunk.
const CHUNK: usize = 70_000;

/// How a PUT is sent.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub two: bool,
    pub chunked: bool,
    pub expect: bool,
}

/// Connections of both kinds, kept over requests.
pub struct Client {
    config: Arc<ClientConfig>,
    port: u16,
    one: Conn,
    pub two: SendRequest<BoxBody<Bytes, Infallible>>,
}

impl Client {
    pub async fn new(config: &Arc<ClientConfig>, port: u16) -> Self {
        let (config, one) = (config.clone(), Conn::tls(config, port).await.unwrap());
        let two = two(&config, port).await;
        Self { config, port, one, two }
    }

    pub async fn put(&mut self, path: &str, shape: Shape, data: &[u8]) -> Response {
        if shape.two {
            let body = match shape.chunked {
                true => {
                    let chunks: Vec<_> = data.chunks(CHUNK).map(Bytes::copy_from_slice).collect();
                    let frames =
                        chunks.into_iter().map(|one| Ok::<_, Infallible>(Frame::data(one)));
                    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
                }
                false => Full::from(data.to_vec()).boxed(),
            };
            return answered(&mut self.two, request("PUT", path, shape, body)).await;
        }
        let body = if shape.chunked { chunks(data) } else { data.to_vec() };
        self.one.send(head(path, shape, data.len()).as_bytes()).await.unwrap();
        // An empty body of known length is not waited for.
        if shape.expect && (shape.chunked || !data.is_empty()) {
            let go = self.one.some().await.unwrap();
            assert!(go.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&go));
        }
        self.one.send(&body).await.unwrap();
        self.one.response("PUT").await.unwrap()
    }

    pub async fn get(&mut self, path: &str, two: bool, headers: &[(&str, &str)]) -> Response {
        if !two {
            return self.one.request("GET", path, headers, b"").await.unwrap();
        }
        let mut request = Request::get(format!("https://localhost{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::default().boxed();
        answered(&mut self.two, request.body(body).unwrap()).await
    }

    /// Sends half of it, and is gone.
    pub async fn hang_up(&self, path: &str, shape: Shape, data: &[u8]) {
        let half = &data[..data.len() / 2];
        if !shape.two {
            let mut conn = Conn::tls(&self.config, self.port).await.unwrap();
            conn.send(head(path, shape, data.len()).as_bytes()).await.unwrap();
            let body = match shape.chunked {
                // Without the last chunk.
                true => chunks(half).strip_suffix(b"0\r\n\r\n").unwrap().to_vec(),
                false => half.to_vec(),
            };
            conn.send(&body).await.unwrap();
            return;
        }
        let mut conn = two(&self.config, self.port).await;
        let sent = Frame::data(Bytes::copy_from_slice(half));
        // Then nothing, for ever.
        let body = stream::once(async { Ok::<_, Infallible>(sent) }).chain(stream::pending());
        let body = BodyExt::boxed(StreamBody::new(body));
        let waiting = conn.send_request(request("PUT", path, shape, body));
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), waiting).await;
    }
}

fn request(
    method: &str,
    path: &str,
    shape: Shape,
    body: BoxBody<Bytes, Infallible>,
) -> Request<BoxBody<Bytes, Infallible>> {
    let mut request = Request::builder().method(method).uri(format!("https://localhost{path}"));
    if shape.expect {
        request = request.header("expect", "100-continue");
    }
    request.body(body).unwrap()
}

fn head(path: &str, shape: Shape, length: usize) -> String {
    let mut headers = Vec::new();
    if shape.expect {
        headers.push(("expect", "100-continue"));
    }
    if shape.chunked {
        headers.push(("transfer-encoding", "chunked"));
    }
    wire::head("PUT", path, &headers, (!shape.chunked).then_some(length))
}

fn chunks(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in data.chunks(CHUNK) {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}
