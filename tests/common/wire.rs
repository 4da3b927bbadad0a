//! An HTTP/1.1 client of our own over TLS with any credential, for what real clients will not
//! send: broken requests, silence, half a body, hundreds at once.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::Tls;
use super::pki;

/// No answer in this time is a failure.
const LIMIT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// As many connections as the system lets us have.
pub fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

/// TLS settings for a person: `proxy-<kind>.pem`, or no client certificate.
pub fn config(kind: Option<&str>, tls: Tls) -> Arc<ClientConfig> {
    let credential = kind.map(|kind| {
        let file = pki::proxy(kind);
        let chain = CertificateDer::pem_file_iter(&file).unwrap().map(Result::unwrap).collect();
        (chain, PrivateKeyDer::from_pem_file(&file).unwrap())
    });
    config_of(credential, tls)
}

/// TLS settings for whoever has that chain and key.
pub fn config_of(
    credential: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    tls: Tls,
) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = match tls {
        Tls::Any => rustls::ALL_VERSIONS,
        Tls::V12 => &[&rustls::version::TLS12],
        Tls::V13 => &[&rustls::version::TLS13],
    };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pki::dir().join("ca/cacert.pem")).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match credential {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let key = provider.key_provider.load_private_key(key).unwrap();
            // Not `with_client_auth_cert`: it reads the certificate, and takes no proxy.
            let certified = CertifiedKey::new(chain, key);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
    };
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection.
pub struct Conn {
    stream: Box<dyn Stream>,
    /// Read, and not yet used.
    ahead: Vec<u8>,
}

impl Conn {
    /// TCP and TLS.
    pub async fn tls(config: &Arc<ClientConfig>, port: u16) -> io::Result<Self> {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
        Self::tls_over(config, tcp).await
    }

    /// TLS over a connection that is there.
    pub async fn tls_over(config: &Arc<ClientConfig>, tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
        let name = ServerName::try_from("localhost").unwrap();
        let stream = within(connector.connect(name, tcp)).await?;
        Ok(Self { stream: Box::new(stream), ahead: Vec::new() })
    }

    /// TCP only.
    pub async fn tcp(port: u16) -> io::Result<Self> {
        TcpStream::connect(("127.0.0.1", port)).await.map(Self::tcp_over)
    }

    /// A connection that is there.
    pub fn tcp_over(tcp: TcpStream) -> Self {
        Self { stream: Box::new(tcp), ahead: Vec::new() }
    }

    /// Says that nothing more will be sent (over TLS by `close_notify`), and still listens.
    pub async fn finish(&mut self) -> io::Result<()> {
        within(self.stream.shutdown()).await
    }

    /// TCP only, by a client that takes little before he reads.
    pub async fn narrow(port: u16) -> io::Result<Self> {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(16 << 10)?;
        let tcp = socket.connect((std::net::Ipv4Addr::LOCALHOST, port).into()).await?;
        Ok(Self { stream: Box::new(tcp), ahead: Vec::new() })
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Sends a request with a body of known length, and reads the answer.
    pub async fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut all = head(method, target, headers, Some(body.len())).into_bytes();
        all.extend_from_slice(body);
        self.send(&all).await?;
        self.response(method).await
    }

    /// Reads an answer; `100 Continue` is skipped.
    pub async fn response(&mut self, method: &str) -> io::Result<Response> {
        within(async {
            loop {
                let response = self.read_response(method).await?;
                if response.status != 100 {
                    return Ok(response);
                }
            }
        })
        .await
    }

    /// Waits until the other side closes; `false` when it has not within `limit`. What it sends
    /// before is dropped.
    pub async fn closed_within(&mut self, limit: Duration) -> bool {
        let mut buffer = [0; 4096];
        let end = tokio::time::Instant::now() + limit;
        loop {
            match tokio::time::timeout_at(end, self.stream.read(&mut buffer)).await {
                Err(_) => return false,
                Ok(Ok(0) | Err(_)) => return true,
                Ok(Ok(_)) => {}
            }
        }
    }

    /// What comes next, as it comes; empty at the end.
    pub async fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.ahead.is_empty() {
            within(self.more()).await.or_else(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => Ok(()),
                _ => Err(e),
            })?;
        }
        Ok(std::mem::take(&mut self.ahead))
    }

    /// Reads an answer of any size, whose body `piece` gets as it comes; the answer's own is empty.
    pub async fn streamed(&mut self, piece: &mut dyn FnMut(&[u8])) -> io::Result<Response> {
        let response = within(self.read_head()).await?;
        let chunked = response.header("transfer-encoding").is_some_and(|v| v == "chunked");
        if !chunked {
            return Err(bad("not chunked"));
        }
        loop {
            let line = within(self.line()).await?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(|_| bad("chunk size"))?;
            let mut left = size;
            while left > 0 {
                if self.ahead.is_empty() {
                    within(self.more()).await?;
                }
                let n = left.min(self.ahead.len());
                piece(&self.ahead[..n]);
                self.ahead.drain(..n);
                left -= n;
            }
            within(self.line()).await?;
            if size == 0 {
                return Ok(response);
            }
        }
    }

    async fn read_head(&mut self) -> io::Result<Response> {
        let end = loop {
            if let Some(at) = self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.ahead[..end]).into_owned();
        self.ahead.drain(..end);
        let mut lines = head.lines();
        let status = lines.next().and_then(|l| l.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| bad(&format!("no status line: {head:?}")))?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|l| l.split_once(':'))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()))
            .collect();
        Ok(Response { status, headers, body: Vec::new() })
    }

    async fn read_response(&mut self, method: &str) -> io::Result<Response> {
        let mut response = self.read_head().await?;
        let status = response.status;
        let empty = method == "HEAD" || status < 200 || matches!(status, 204 | 304);
        if empty {
            return Ok(response);
        }
        let chunked = response.header("transfer-encoding").is_some_and(|v| v == "chunked");
        let length = response.header("content-length").map(|v| v.parse::<usize>());
        response.body = match (chunked, length) {
            (true, _) => self.read_chunks().await?,
            (false, Some(length)) => self.take(length.map_err(|_| bad("content-length"))?).await?,
            (false, None) => {
                let mut body = std::mem::take(&mut self.ahead);
                self.stream.read_to_end(&mut body).await?;
                body
            }
        };
        Ok(response)
    }

    async fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(|_| bad("chunk size"))?;
            if size == 0 {
                while !self.line().await?.trim().is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(size).await?);
            self.line().await?;
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.ahead.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.ahead.drain(..=at).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, size: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < size {
            self.more().await?;
        }
        Ok(self.ahead.drain(..size).collect())
    }

    async fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16384];
        match self.stream.read(&mut buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.ahead.extend_from_slice(&buffer[..n]);
                Ok(())
            }
        }
    }
}

/// A request's head; `length` is left out for bodies of unknown length.
pub fn head(method: &str, target: &str, headers: &[(&str, &str)], length: Option<usize>) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(length) = length {
        head += &format!("content-length: {length}\r\n");
    }
    head + "\r\n"
}

/// One request on a connection of its own.
pub async fn once(
    config: &Arc<ClientConfig>,
    port: u16,
    method: &str,
    target: &str,
    body: &[u8],
) -> io::Result<Response> {
    Conn::tls(config, port).await?.request(method, target, &[], body).await
}

/// GET without TLS, for the admin door.
pub fn plain_get(port: u16, path: &str) -> io::Result<Response> {
    let mut tcp = std::net::TcpStream::connect(("127.0.0.1", port))?;
    tcp.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(tcp, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut all = Vec::new();
    tcp.read_to_end(&mut all)?;
    let text = String::from_utf8_lossy(&all).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| bad("no head"))?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
    let status = status.ok_or_else(|| bad("no status"))?;
    Ok(Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
}

/// The port and the path (with query) of a URL.
pub fn split_url(url: &str) -> (u16, String) {
    let rest = url.split_once("://").unwrap_or_else(|| panic!("no URL: {url:?}")).1;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let port = authority.rsplit(':').next().and_then(|p| p.parse().ok());
    (port.unwrap_or_else(|| panic!("no port in {url:?}")), path.to_owned())
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
