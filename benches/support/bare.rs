//! Bare servers that do the same work as stormd with nothing in between, in a process of their own:
//! the bench's program once more.
#![allow(dead_code)] // Each bench uses its own part.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use stormd::auth::x509::ClientVerifier;
use stormd::listener::server_config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;

use crate::common::pki;
use crate::support;

/// Set in the bare server: the length of its answers.
const BARE: &str = "STORMD_BENCH_BARE";

/// Serves, where this process was started to; to be asked first of all.
pub fn serve_if_asked() -> Option<ExitCode> {
    let length = std::env::var(BARE).ok()?;
    support::raise_open_files();
    Some(bare_server(length.parse().unwrap()).unwrap())
}

/// The other process.
pub struct Bare {
    child: Child,
    /// Answers requests on kept connections.
    pub echo: u16,
    /// A GSI connection; looks at nothing of the client's certificate.
    pub handshake: u16,
    /// The same; sees to it that the client has the key.
    pub mutual: u16,
}

impl Bare {
    /// Starts this program once more; its answers have a body of `answer` bytes.
    pub fn start(answer: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(BARE, answer.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Vec<u16> = line.split_whitespace().map(|port| port.parse().unwrap()).collect();
        Self { child, echo: ports[0], handshake: ports[1], mutual: ports[2] }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tells its two ports and serves until it is killed, or its parent is gone.
fn bare_server(answer: usize) -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let bound = runtime.block_on(async {
        let (echo, handshake, mutual) = (listener()?, listener()?, listener()?);
        let ports = [&echo, &handshake, &mutual].map(|one| one.local_addr().unwrap().port());
        runtime.spawn(serve_echo(echo, answer));
        runtime.spawn(serve_handshakes(handshake, answer, Arc::new(AcceptAll)));
        runtime.spawn(serve_handshakes(mutual, answer, Arc::new(ClientVerifier::new(false))));
        Ok::<_, io::Error>(ports)
    })?;
    println!("{} {} {}", bound[0], bound[1], bound[2]);
    let _ = io::stdin().read_line(&mut String::new());
    Ok(ExitCode::SUCCESS)
}

/// With as long a queue as stormd's: what overflows it would wait for seconds.
fn listener() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((std::net::Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(4096)
}

fn tls(verifier: Arc<dyn ClientCertVerifier>) -> TlsAcceptor {
    let [certificate, key] = ["hostcert.pem", "hostkey.pem"].map(|name| pki::dir().join(name));
    TlsAcceptor::from(server_config(&certificate, &key, verifier, false).unwrap())
}

/// axum over hyper over the TLS configuration of stormd; answers with the request's own bytes, made
/// as long as stormd's answer.
async fn serve_echo(listener: TcpListener, answer: usize) {
    let tls = tls(Arc::new(ClientVerifier::new(false)));
    let echo = move |body: Bytes| async move {
        let mut body = Vec::from(body);
        body.resize(answer, b' ');
        body
    };
    let router: Router = Router::new().route("/srm/managerv2", post(echo));
    while let Ok((tcp, _)) = listener.accept().await {
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            tcp.set_nodelay(true)?;
            let io = TokioIo::new(tls.accept(tcp).await?);
            let service = TowerToHyperService::new(router);
            let _ = http1::Builder::new().serve_connection(io, service).await;
            Ok::<_, io::Error>(())
        });
    }
}

/// Handshake, the byte `0`, one request, one answer.
async fn serve_handshakes(
    listener: TcpListener,
    answer: usize,
    verifier: Arc<dyn ClientCertVerifier>,
) {
    let tls = tls(verifier);
    while let Ok((tcp, _)) = listener.accept().await {
        let tls = tls.clone();
        tokio::spawn(async move {
            tcp.set_nodelay(true)?;
            let mut io = tls.accept(tcp).await?;
            let mut read = Vec::with_capacity(4096);
            let body = loop {
                io.read_buf(&mut read).await?;
                if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n")
                    && read.len() >= at + 4 + support::length(&read[..at])?
                {
                    break at + 4;
                }
            };
            let mut out =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {answer}\r\n\r\n").into_bytes();
            let head = out.len();
            out.extend_from_slice(&read[body..]);
            out.resize(head + answer, b' ');
            io.write_all(&out).await?;
            io.flush().await?;
            while io.read(&mut [0; 64]).await? > 0 {}
            Ok::<_, io::Error>(())
        });
    }
}

/// Asks for a certificate as stormd does, and believes everything.
#[derive(Debug)]
struct AcceptAll;

impl ClientCertVerifier for AcceptAll {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ClientVerifier::new(false).supported_verify_schemes()
    }
}
