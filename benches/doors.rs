//! What the SRM door costs beside TLS and HTTP alone: srmPing at the real stormd, a process of its
//! own with its default settings and its log in a file, and at a bare server, a process of its own
//! too (this program once more), that does nothing but echo.
//!
//! - Kept-alive connections, against axum behind the same TLS configuration: at least 0.70 of its
//!   requests per second.
//! - New GSI connections (handshake with a proxy chain of three RSA-2048 certificates or a VOMS
//!   proxy, the byte `0`, one srmPing), against a server that asks for the chain, looks at none of
//!   it and speaks no real HTTP: at most 1.25 of its time.
//!
//! The same client sends the same bytes to both, and both answers have the same length. They take
//! turns of a fraction of a second; what is told are medians, and the median of the turns' ratios.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A bench may die.

#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, DistinguishedName, SignatureScheme};
use stormd::auth::x509::ClientVerifier;
use stormd::listener::server_config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use common::client::Tls;
use common::{TestStorm, pki, soap, wire};
use support::{Bounds, Client, median, rate};

const LEAST_OF_ECHO: f64 = 0.70;
const MOST_OF_HANDSHAKE: f64 = 1.25;

/// Threads of clients, and kept-alive connections of each.
const THREADS: usize = 2;
const KEPT: usize = 16;
/// Threads that open connections.
const OPENERS: usize = 4;
const TURN: Duration = Duration::from_millis(300);
const TURNS: usize = 21;

/// Set in the bare server: the length of its answers.
const BARE: &str = "STORMD_BENCH_BARE";

fn main() -> ExitCode {
    if let Some(length) = std::env::var_os(BARE) {
        return bare_server(length.to_str().and_then(|l| l.parse().ok()).unwrap()).unwrap();
    }
    let storm = TestStorm::start();
    let request = support::post(&soap::envelope("srmPing", ""));
    let person = wire::config(Some("rfc2"), Tls::Any);
    let answer = {
        let mut client = Client::connect(&person, storm.ports.srm).unwrap();
        let (status, body) = client.ask(&request).unwrap();
        assert!(status == 200 && body.windows(6).any(|six| six == b"stormd"));
        body.len()
    };
    let bare = Bare::start(answer);
    println!("srmPing: {} bytes, answered with a body of {answer}", request.len());

    let mut bounds = Bounds::default();
    let (mut ours, mut theirs) = (kept(&person, storm.ports.srm), kept(&person, bare.echo));
    let ping = |clients: &mut Vec<Client>| all_at_once(clients, &request);
    let [ping_rate, echo_rate, ratio] =
        take_turns(|| rate(&mut ours, TURN, ping), || rate(&mut theirs, TURN, ping));
    println!(
        "{THREADS} times {KEPT} kept-alive connections: srmPing {ping_rate:.0}/s, echo {echo_rate:.0}/s"
    );
    bounds.at_least("srmPing rate against an axum echo", ratio, LEAST_OF_ECHO);
    drop((ours, theirs));

    for (kind, tls) in [("rfc2", Tls::V13), ("rfc2", Tls::V12), ("voms", Tls::V13)] {
        let config = wire::config(Some(kind), tls);
        let open = |port: u16| {
            rate(&mut [(); OPENERS], TURN, |()| {
                let mut client = Client::connect(&config, port)?;
                client.gsi()?;
                client.ask(&request)?;
                client.close();
                Ok(1)
            })
        };
        let [ours, theirs, ratio] = take_turns(|| open(storm.ports.srm), || open(bare.handshake));
        let each = |rate: f64| OPENERS as f64 / rate * 1e3;
        println!(
            "{kind} proxy, {}, {OPENERS} at a time: stormd {:.2} ms, bare rustls {:.2} ms",
            tls.name(),
            each(ours),
            each(theirs)
        );
        let name = format!("new connection's time, {kind} {}", tls.name());
        bounds.at_most(&name, 1.0 / ratio, MOST_OF_HANDSHAKE);
    }
    bounds.exit_code()
}

/// Median of the one, median of the other, median of one by the other.
fn take_turns(mut one: impl FnMut() -> f64, mut other: impl FnMut() -> f64) -> [f64; 3] {
    one();
    other();
    let (mut ones, mut others): (Vec<_>, Vec<_>) = (0..TURNS).map(|_| (one(), other())).unzip();
    let mut ratios: Vec<f64> = ones.iter().zip(&others).map(|(one, other)| one / other).collect();
    [median(&mut ones), median(&mut others), median(&mut ratios)]
}

fn kept(config: &Arc<ClientConfig>, port: u16) -> Vec<Vec<Client>> {
    let connect = |_| Client::connect(config, port).unwrap();
    (0..THREADS).map(|_| (0..KEPT).map(connect).collect()).collect()
}

/// A request on each connection, then the answers: the last first, so that the client sleeps while
/// the server works, and does not push it from its core for every answer.
fn all_at_once(clients: &mut [Client], request: &[u8]) -> io::Result<u32> {
    for client in &mut *clients {
        client.send(request)?;
    }
    for client in clients.iter_mut().rev() {
        client.answer()?;
    }
    Ok(clients.len() as u32)
}

/// The other process.
struct Bare {
    child: Child,
    echo: u16,
    handshake: u16,
}

impl Bare {
    fn start(answer: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(BARE, answer.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (echo, handshake) = line.trim().split_once(' ').unwrap();
        Self { child, echo: echo.parse().unwrap(), handshake: handshake.parse().unwrap() }
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
        let echo = TcpListener::bind("127.0.0.1:0").await?;
        let handshake = TcpListener::bind("127.0.0.1:0").await?;
        let ports = (echo.local_addr()?.port(), handshake.local_addr()?.port());
        runtime.spawn(serve_echo(echo, answer));
        runtime.spawn(serve_handshakes(handshake, answer));
        Ok::<_, io::Error>(ports)
    })?;
    println!("{} {}", bound.0, bound.1);
    let _ = io::stdin().read_line(&mut String::new());
    Ok(ExitCode::SUCCESS)
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
async fn serve_handshakes(listener: TcpListener, answer: usize) {
    let tls = tls(Arc::new(AcceptAll));
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
