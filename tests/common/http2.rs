//! A client of our own that speaks HTTP/2.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::wire::Response;

/// An HTTP/2 connection.
pub async fn two<E>(config: &Arc<ClientConfig>, port: u16) -> SendRequest<BoxBody<Bytes, E>>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name, tcp).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The whole answer.
pub async fn answered<E: 'static>(
    conn: &mut SendRequest<BoxBody<Bytes, E>>,
    request: Request<BoxBody<Bytes, E>>,
) -> Response {
    conn.ready().await.unwrap();
    let (head, body) = conn.send_request(request).await.unwrap().into_parts();
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    Response {
        status: head.status.as_u16(),
        headers: head.headers.iter().map(|(n, v)| (n.as_str().to_owned(), text(v))).collect(),
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}
