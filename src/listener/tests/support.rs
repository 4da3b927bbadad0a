//! A served port, certificates, a judge, and a client that writes what it is told.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::CONNECTION;
use rcgen::{CertificateParams, CertifiedKey, DnType, KeyPair};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::listener::{
    ConnectionInfo, DelegatedCredential, Front, Judge, Listener, Outcome, PendingDelegation,
    PortKind, provider, serve, server_config,
};
use crate::model::{Fqan, Identity, Person, ProxyKind, Refusal};

/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What the fake judge sends as its certificate request.
pub const REQUEST: &[u8] = b"\x30\x05 CSR!";

pub fn limits() -> Limits {
    Limits {
        files_per_request: 10,
        envelope: 1 << 20,
        connections: 100,
        connections_per_address: 100,
        calls_per_user: 100,
        live_files: 100,
        ls_entries: 10,
        handshake: PATIENCE,
        idle_body: PATIENCE,
        keep_alive: PATIENCE,
        drain: PATIENCE,
    }
}

/// What refused clients hear.
pub fn busy() -> Router {
    Router::new()
        .fallback(|| async { (StatusCode::SERVICE_UNAVAILABLE, [(CONNECTION, "close")], "busy") })
}

/// A self-signed certificate with that CN, which is also its DNS name.
pub fn certificate(cn: &str) -> CertifiedKey<KeyPair> {
    let mut params = CertificateParams::new(vec![cn.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, cn);
    let signing_key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&signing_key).unwrap();
    CertifiedKey { cert, signing_key }
}

/// Takes every certificate, with proof of possession, or none.
#[derive(Debug)]
struct AnyClient;

impl ClientCertVerifier for AnyClient {
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
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Everybody is `/CN=Test User` until `refusing` is set.
pub struct FakeJudge {
    pub asked: AtomicUsize,
    pub generation: AtomicU64,
    pub refusing: AtomicBool,
    pub not_after: Mutex<SystemTime>,
}

impl FakeJudge {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            asked: AtomicUsize::new(0),
            generation: AtomicU64::new(1),
            refusing: AtomicBool::new(false),
            not_after: Mutex::new(SystemTime::now() + Duration::from_secs(3600)),
        })
    }
}

impl Judge for FakeJudge {
    fn identity(&self, chain: &[CertificateDer<'static>], _: SystemTime) -> Identity {
        assert_eq!(chain.len(), 1);
        self.asked.fetch_add(1, Ordering::SeqCst);
        let dn = "/CN=Test User".to_owned();
        if self.refusing.load(Ordering::SeqCst) {
            let why = "you are banned".to_owned();
            return Identity::Refused(Arc::new(Refusal::new(Some(dn), why)));
        }
        let fqans = ["/test.vo", "/test.vo/Role=admin"].map(|text| Fqan::parse(text).unwrap());
        Identity::Person(Arc::new(Person {
            dn,
            fqans: fqans.to_vec(),
            not_after: *self.not_after.lock().unwrap(),
            proxy: ProxyKind::Rfc { limited: false },
            notes: Vec::new(),
            scope: None,
        }))
    }

    /// Who knows that base64 of `user:password` is `YTpi` is let in.
    fn password<'a>(&'a self, credentials: &'a str, peer: IpAddr) -> BoxFuture<'a, Identity> {
        let person = Person {
            dn: format!("/CN=a at {peer}"),
            fqans: Vec::new(),
            not_after: SystemTime::now() + Duration::from_secs(3600),
            proxy: ProxyKind::Password,
            notes: Vec::new(),
            scope: None,
        };
        Box::pin(std::future::ready(match credentials {
            "YTpi" => Identity::Person(Arc::new(person)),
            _ => Identity::Refused(Arc::new(Refusal::new(None, "wrong password".to_owned()))),
        }))
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    fn delegation<'a>(
        &'a self,
        _: &'a [CertificateDer<'static>],
        _: SystemTime,
    ) -> BoxFuture<'a, Result<Box<dyn PendingDelegation>, String>> {
        Box::pin(async { Ok(Box::new(FakePending) as Box<dyn PendingDelegation>) })
    }
}

struct FakePending;

impl PendingDelegation for FakePending {
    fn request(&self) -> &[u8] {
        REQUEST
    }

    fn accept(
        self: Box<Self>,
        certificate: CertificateDer<'static>,
        peer: &[CertificateDer<'static>],
        _: SystemTime,
    ) -> Result<DelegatedCredential, String> {
        if certificate.ends_with(b"bad") {
            return Err("it bears another key".to_owned());
        }
        let chain = std::iter::once(certificate).chain(peer.iter().cloned()).collect();
        Ok(DelegatedCredential { chain, key: PrivatePkcs8KeyDer::from(vec![1]).into() })
    }
}

/// A served port.
pub struct Server {
    pub address: SocketAddr,
    pub judge: Arc<FakeJudge>,
    pub front: Arc<Front>,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<()>,
    host: CertificateDer<'static>,
}

impl Server {
    pub async fn start(kind: PortKind, limits: Limits) -> Self {
        Self::with_door(kind, limits, door()).await
    }

    pub async fn with_door(kind: PortKind, limits: Limits, door: Router) -> Self {
        let (tls, host) = host_config();
        let judge = FakeJudge::new();
        let front = Front::new(limits, tls, judge.clone());
        let listener = Listener::bind(kind, "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr();
        let shutdown = CancellationToken::new();
        let [door, busy] = [door, busy()]
            .map(|door| Arc::new(ArcSwap::from_pointee(super::super::Service::new(door))));
        let task = tokio::spawn(serve(listener, door, busy, front.clone(), shutdown.clone()));
        Self { address, judge, front, shutdown, task, host }
    }

    pub fn client(&self) -> ClientBuilder {
        ClientBuilder {
            address: self.address,
            host: self.host.clone(),
            versions: rustls::ALL_VERSIONS,
            group: None,
            anonymous: false,
        }
    }

    /// A TLS connection with a client certificate.
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        self.client().connect().await.unwrap()
    }

    pub async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// A server's TLS with a new certificate for localhost, by way of files, and that certificate.
pub fn host_config() -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let host = certificate("localhost");
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    std::fs::write(&certificate, host.cert.pem()).unwrap();
    std::fs::write(&key, host.signing_key.serialize_pem()).unwrap();
    (
        server_config(&certificate, &key, Arc::new(AnyClient), false).unwrap(),
        host.cert.der().clone(),
    )
}

pub struct ClientBuilder {
    address: SocketAddr,
    pub host: CertificateDer<'static>,
    pub versions: &'static [&'static SupportedProtocolVersion],
    /// Offer this group only.
    pub group: Option<rustls::NamedGroup>,
    pub anonymous: bool,
}

impl ClientBuilder {
    pub fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.host.clone()).unwrap();
        let mut provider = provider();
        if let Some(group) = self.group {
            provider.kx_groups.retain(|one| one.name() == group);
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        if self.anonymous {
            return builder.with_no_client_auth();
        }
        let user = certificate("Test User");
        let key = PrivateKeyDer::from_pem_slice(user.signing_key.serialize_pem().as_bytes());
        builder.with_client_auth_cert(vec![user.cert.der().clone()], key.unwrap()).unwrap()
    }

    pub async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        self.connect_with(self.config()).await
    }

    pub async fn connect_with(
        &self,
        config: ClientConfig,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }
}

/// A door that tells what reached it. `/echo` sends the body back, `/slow` answers after half a
/// second, `/refuse` answers without reading, `/outcome` has one, `/flood` answers for ever.
pub fn door() -> Router {
    Router::new()
        .route("/echo", any(echo))
        .route(
            "/slow",
            any(|| async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                "slow but sure"
            }),
        )
        .route("/refuse", any(|| async { (http::StatusCode::INSUFFICIENT_STORAGE, "full") }))
        .route(
            "/outcome",
            any(|| async {
                let mut response = "x".into_response();
                response.extensions_mut().insert(Outcome {
                    operation: Some("srmLs"),
                    target: "srm://h/a\nb".to_owned(),
                    status: Some("SRM_SUCCESS"),
                    why: None,
                });
                response
            }),
        )
        .route(
            "/flood",
            any(|| async {
                let piece = Ok::<_, std::io::Error>(bytes::Bytes::from_static(&[7; 65536]));
                axum::body::Body::from_stream(futures_util::stream::repeat_with(move || {
                    piece.as_ref().map(Clone::clone).map_err(|_| std::io::Error::other("no"))
                }))
            }),
        )
        .fallback(tell)
}

async fn echo(request: Request) -> Response {
    match axum::body::to_bytes(request.into_body(), 1 << 24).await {
        Ok(body) => body.into_response(),
        Err(e) => {
            let mut source: Option<&dyn std::error::Error> = Some(&e);
            let mut slow = false;
            while let Some(error) = source {
                slow |= error.is::<crate::listener::BodyTimeout>();
                source = error.source();
            }
            let status = if slow {
                http::StatusCode::REQUEST_TIMEOUT
            } else {
                http::StatusCode::BAD_REQUEST
            };
            (status, e.to_string()).into_response()
        }
    }
}

async fn tell(request: Request) -> Result<String, Response> {
    let extensions = request.extensions();
    let identity = extensions.get::<Identity>().unwrap();
    let who = match identity {
        Identity::Refused(refusal) => format!("refused({})", refusal.why),
        other => other.dn().to_owned(),
    };
    let info = extensions.get::<ConnectionInfo>().unwrap();
    let delegated =
        extensions.get::<Arc<DelegatedCredential>>().map_or(0, |credential| credential.chain.len());
    assert_eq!(delegated > 0, info.delegated);
    let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
    let (method, target) = (request.method().clone(), request.uri().to_string());
    let tls = info.tls.unwrap_or("-");
    let gsi = info.gsi;
    let body = axum::body::to_bytes(request.into_body(), 1 << 24)
        .await
        .map_err(|e| (http::StatusCode::BAD_REQUEST, e.to_string()).into_response())?;
    Ok(format!(
        "{method} {target} host={} who={who} tls={tls} gsi={gsi} chain={delegated} body={}",
        host.as_deref().unwrap_or("-"),
        String::from_utf8_lossy(&body)
    ))
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub async fn say<S: AsyncWrite + Unpin>(io: &mut S, text: impl AsRef<[u8]>) {
    io.write_all(text.as_ref()).await.unwrap();
    io.flush().await.unwrap();
}

/// Reads one answer with a Content-Length.
pub async fn answer<S: AsyncRead + Unpin>(io: &mut S) -> Answer {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(io.read_u8().await.expect("the answer's head"));
        }
        let head = String::from_utf8(head).unwrap();
        let mut answer = Answer { head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        io.read_exact(&mut body).await.expect("the answer's body");
        answer.body = String::from_utf8(body).unwrap();
        answer
    };
    timeout(PATIENCE, read).await.expect("an answer in time")
}

pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(io: &mut S, text: impl AsRef<[u8]>) -> Answer {
    say(io, text).await;
    answer(io).await
}

pub fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Waits until the server has closed, and returns what came before that.
pub async fn closed<S: AsyncRead + Unpin>(io: &mut S) -> Vec<u8> {
    let mut rest = Vec::new();
    // Closed is closed, be it with or without close_notify or by reset.
    let _ = timeout(PATIENCE, io.read_to_end(&mut rest)).await.expect("the server closes");
    rest
}
