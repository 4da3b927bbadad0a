//! What the benches share: bounds that are told and counted, medians, and a plain blocking client.
#![allow(dead_code, clippy::unwrap_used)] // Every bench uses its own part; a failing one may die.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// The bounds of one bench. `benches/run.sh` counts the lines.
#[derive(Default)]
pub struct Bounds {
    missed: usize,
}

impl Bounds {
    /// Prints whether `value` is at least `bound`.
    pub fn at_least(&mut self, name: &str, value: f64, bound: f64) {
        self.tell(value >= bound, name, value, "at least", bound);
    }

    /// Prints whether `value` is at most `bound`.
    pub fn at_most(&mut self, name: &str, value: f64, bound: f64) {
        self.tell(value <= bound, name, value, "at most", bound);
    }

    fn tell(&mut self, held: bool, name: &str, value: f64, relation: &str, bound: f64) {
        let verdict = if held { "held" } else { "MISSED" };
        println!("{verdict:6} {name}: {value:.3} ({relation} {bound:.3})");
        self.missed += usize::from(!held);
    }

    /// Failure when a bound was missed.
    pub fn exit_code(&self) -> ExitCode {
        if self.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// As many connections as the system lets us have.
pub fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

/// The middle one.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// All `workers`, each on a thread of its own, for that long: how much they did per second; `work`
/// says how much it did.
pub fn rate<W: Send>(
    workers: &mut [W],
    time: Duration,
    work: impl Fn(&mut W) -> io::Result<u32> + Sync,
) -> f64 {
    let started = Instant::now();
    let done: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter_mut()
            .map(|worker| {
                scope.spawn(|| {
                    let mut done = 0;
                    while started.elapsed() < time {
                        done += work(worker).unwrap();
                    }
                    done
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    f64::from(done) / started.elapsed().as_secs_f64()
}

/// A connection of a client that does as little as it can, so that the server's share shows.
pub struct Client {
    tls: StreamOwned<ClientConnection, TcpStream>,
    read: Vec<u8>,
}

impl Client {
    /// TCP; TLS begins with the first request.
    pub fn connect(config: &Arc<ClientConfig>, port: u16) -> io::Result<Self> {
        let tcp = TcpStream::connect(("127.0.0.1", port))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(30)))?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Self { tls: StreamOwned::new(tls, tcp), read: Vec::new() })
    }

    /// The byte with which GSI clients begin, in a record of its own as theirs.
    pub fn gsi(&mut self) -> io::Result<()> {
        self.tls.write_all(b"0")?;
        self.tls.flush()
    }

    /// Sends a request; gives the answer's status and body.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        self.send(request)?;
        self.answer()
    }

    /// Sends a request.
    pub fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.tls.write_all(request)?;
        self.tls.flush()
    }

    /// Reads the answer's status and body.
    pub fn answer(&mut self) -> io::Result<(u16, &[u8])> {
        self.read.clear();
        let mut whole = usize::MAX;
        let mut head = 0;
        while self.read.len() < whole {
            let from = self.read.len();
            self.read.resize(from + 16384, 0);
            let n = self.tls.read(&mut self.read[from..])?;
            self.read.truncate(from + n);
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if head == 0
                && let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n")
            {
                head = at + 4;
                whole = head + length(&self.read[..head])?;
            }
        }
        let status = std::str::from_utf8(&self.read[9..12]).ok().and_then(|s| s.parse().ok());
        Ok((status.ok_or(io::ErrorKind::InvalidData)?, &self.read[head..whole]))
    }

    /// Ends it as a client should.
    pub fn close(mut self) {
        self.tls.conn.send_close_notify();
        let _ = self.tls.flush();
    }
}

/// Content-Length of a head. Both sides send one.
pub fn length(head: &[u8]) -> io::Result<usize> {
    String::from_utf8_lossy(head)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A POST to the SRM door.
pub fn post(envelope: &str) -> Vec<u8> {
    format!(
        "POST /srm/managerv2 HTTP/1.1\r\nhost: localhost\r\nsoapaction: \"\"\r\n\
         content-type: text/xml; charset=utf-8\r\ncontent-length: {}\r\n\r\n{envelope}",
        envelope.len()
    )
    .into_bytes()
}
