//! What is asked of every server, by one client that costs as little as it can.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::servers::Server;

/// Bytes that are read or written at once.
const PIECE: usize = 256 * 1024;

/// How a server is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Http,
    Https,
    Http2,
}

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Way::Http => "http",
            Way::Https => "https",
            Way::Http2 => "https, HTTP/2",
        }
    }
}

/// One connection of HTTP/1.1.
pub struct Conn {
    stream: Stream,
    buffer: Vec<u8>,
    /// Of the buffer, what has come and is not used.
    begin: usize,
    end: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// An answer whose body was read and let go.
pub struct Answer {
    pub status: u16,
    /// Bytes of the body.
    pub size: u64,
    /// Until the first byte.
    pub first: Duration,
    /// How often the needle stood in it.
    pub found: usize,
}

impl Conn {
    pub fn open(server: &Server, way: Way, config: &Arc<ClientConfig>) -> Self {
        let port = if way == Way::Http { server.plain } else { server.tls };
        let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let stream = if way == Way::Http {
            Stream::Plain(tcp)
        } else {
            let name = ServerName::try_from("localhost").unwrap();
            let tls = ClientConnection::new(Arc::clone(config), name).unwrap();
            Stream::Tls(Box::new(StreamOwned::new(tls, tcp)))
        };
        Self { stream, buffer: vec![0; PIECE], begin: 0, end: 0 }
    }

    /// A request without a body, answered.
    pub fn ask(&mut self, method: &str, path: &str, needle: &[u8]) -> Answer {
        self.send(method, path, "", b"");
        self.answer(needle)
    }

    /// Sends a request with a small body, or with none.
    pub fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}");
        if !body.is_empty() {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut request = (text + "\r\n").into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).unwrap();
    }

    /// PUT of that many bytes.
    pub fn put(&mut self, path: &str, size: u64) -> Answer {
        let head =
            format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n");
        self.stream.write_all(head.as_bytes()).unwrap();
        let piece = vec![b'x'; PIECE];
        let mut left = size;
        while left > 0 {
            let now = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            self.stream.write_all(&piece[..now]).unwrap();
            left -= now as u64;
        }
        self.answer(b"")
    }

    /// Reads an answer, counting where `needle` stands in it.
    pub fn answer(&mut self, needle: &[u8]) -> Answer {
        let began = Instant::now();
        let mut first = None;
        let (status, framing) = loop {
            let head = &self.buffer[self.begin..self.end];
            if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&head[..at]).to_ascii_lowercase();
                self.begin += at + 4;
                let status: u16 = head[9..12].parse().unwrap();
                if status != 100 {
                    break (status, Framing::of(status, &head));
                }
                continue;
            }
            self.more().unwrap();
            first.get_or_insert_with(|| began.elapsed());
        };
        let mut counter = Counter { needle, found: 0, tail: Vec::new() };
        let mut size = 0;
        match framing {
            Framing::Length(length) => {
                size = length;
                self.pass(length, &mut counter);
            }
            Framing::Chunked => loop {
                let chunk = self.chunk();
                self.pass(chunk, &mut counter);
                self.skip_line();
                if chunk == 0 {
                    break;
                }
                size += chunk;
            },
        }
        Answer { status, size, first: first.unwrap_or_default(), found: counter.found }
    }

    /// Lets that many bytes go by.
    fn pass(&mut self, mut length: u64, counter: &mut Counter<'_>) {
        while length > 0 {
            if self.begin == self.end {
                self.more().unwrap();
            }
            let here = ((self.end - self.begin) as u64).min(length);
            let to = self.begin + usize::try_from(here).unwrap();
            counter.look(&self.buffer[self.begin..to]);
            self.begin = to;
            length -= here;
        }
    }

    fn chunk(&mut self) -> u64 {
        let line = self.line();
        let digits = line.split(';').next().unwrap().trim();
        u64::from_str_radix(digits, 16).unwrap()
    }

    fn skip_line(&mut self) {
        self.line();
    }

    fn line(&mut self) -> String {
        loop {
            let here = &self.buffer[self.begin..self.end];
            if let Some(at) = here.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&here[..at]).into_owned();
                self.begin += at + 2;
                return line;
            }
            self.more().unwrap();
        }
    }

    fn more(&mut self) -> io::Result<()> {
        if self.begin > 0 {
            self.buffer.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        }
        let got = self.stream.read(&mut self.buffer[self.end..])?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.end += got;
        Ok(())
    }
}

enum Framing {
    Length(u64),
    Chunked,
}

impl Framing {
    fn of(status: u16, head: &str) -> Self {
        let header = |name: &str| head.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
        if status == 204 {
            Framing::Length(0)
        } else if let Some(length) = header("content-length:") {
            Framing::Length(length.parse().unwrap())
        } else {
            assert_eq!(header("transfer-encoding:"), Some("chunked"), "{head}");
            Framing::Chunked
        }
    }
}

/// Counts a text that may lie across two pieces.
struct Counter<'a> {
    needle: &'a [u8],
    found: usize,
    tail: Vec<u8>,
}

impl Counter<'_> {
    fn look(&mut self, piece: &[u8]) {
        if self.needle.is_empty() {
            return;
        }
        let keep = self.needle.len() - 1;
        let seam: Vec<u8> = self.tail.iter().chain(piece.iter().take(keep)).copied().collect();
        let times = |text: &[u8]| text.windows(keep + 1).filter(|w| *w == self.needle).count();
        self.found += times(&seam) + times(piece);
        self.tail = seam_end(&self.tail, piece, keep);
    }
}

/// The last `keep` bytes of the two together.
fn seam_end(before: &[u8], piece: &[u8], keep: usize) -> Vec<u8> {
    let last = &piece[piece.len().saturating_sub(keep)..];
    let more = keep - last.len();
    [&before[before.len().saturating_sub(more)..], last].concat()
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.read(buffer),
            Stream::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.write(bytes),
            Stream::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(tcp) => tcp.flush(),
            Stream::Tls(tls) => tls.flush(),
        }
    }
}

/// One request over HTTP/2, on a connection of its own; its handshakes are not timed.
pub fn http2(
    server: &Server,
    config: &Arc<ClientConfig>,
    method: Method,
    path: &str,
    size: u64,
) -> Duration {
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(("127.0.0.1", server.tls)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let tls = connector.connect(name, tcp).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(16 << 20)
                .initial_connection_window_size(16 << 20)
                .max_frame_size(64 * 1024)
                .handshake(TokioIo::new(tls))
                .await
                .unwrap();
        let driver = tokio::spawn(connection);
        let uri = format!("https://localhost:{}{path}", server.tls);
        let began = Instant::now();
        let request = Request::builder().method(method.clone()).uri(uri);
        let body = if method == Method::PUT {
            let piece = Bytes::from(vec![b'x'; PIECE]);
            let pieces = size / PIECE as u64;
            let frames = (0..pieces).map(move |_| Ok::<_, io::Error>(Frame::data(piece.clone())));
            StreamBody::new(futures_util::stream::iter(frames)).boxed()
        } else {
            Full::new(Bytes::new()).map_err(|never| match never {}).boxed()
        };
        let request = match method {
            Method::PUT => request.header("content-length", size),
            _ => request,
        };
        let mut answer = sender.send_request(request.body(body).unwrap()).await.unwrap();
        assert!(answer.status().is_success(), "{} {method} {}", server.name, answer.status());
        let mut got = 0;
        while let Some(frame) = answer.frame().await {
            got += frame.unwrap().data_ref().map_or(0, |data| data.len() as u64);
        }
        if method == Method::GET {
            assert_eq!(got, size, "{}", server.name);
        }
        let took = began.elapsed();
        driver.abort();
        took
    })
}
