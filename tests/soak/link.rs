//! A client's way to the daemon, which may be killed at any moment: an answer, or the word that it
//! was cut off. A connection that breaks while nobody kills the daemon is the daemon's fault.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::sync::watch;

use crate::common::soap::{self, Answer};
use crate::common::storm::Ports;
use crate::common::wire::{self, Conn, Response};
use crate::tally::Tally;

/// A kill is told to the clients this soon.
const TOLD: Duration = Duration::from_secs(20);

/// What the clients are told of the daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phase {
    /// Starts so far.
    pub starts: u32,
    /// It is up.
    pub up: bool,
    /// No more kills: finish what is begun.
    pub closing: bool,
}

/// The daemon was killed before it answered.
#[derive(Debug)]
pub struct Cut;

/// When a question was sent and its answer was read.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub sent: Instant,
    pub read: Instant,
}

/// One client's way.
pub struct Link {
    pub config: Arc<ClientConfig>,
    pub ports: Ports,
    pub phase: watch::Receiver<Phase>,
    pub tally: Arc<Tally>,
    conn: Option<Conn>,
    starts: u32,
    /// It was cut off, and by no kill.
    unexplained: bool,
}

impl Link {
    pub fn new(
        config: Arc<ClientConfig>,
        ports: Ports,
        phase: watch::Receiver<Phase>,
        tally: Arc<Tally>,
    ) -> Self {
        let starts = phase.borrow().starts;
        Self { config, ports, phase, tally, conn: None, starts, unexplained: false }
    }

    /// An SRM operation.
    pub async fn srm(&mut self, operation: &str, inner: &str) -> Result<(Answer, Window), Cut> {
        let sent = Instant::now();
        let asked = async {
            if self.conn.is_none() {
                self.conn = Some(Conn::tls(&self.config, self.ports.srm).await?);
            }
            let Some(conn) = &mut self.conn else { return Err(std::io::ErrorKind::Other.into()) };
            soap::call(conn, operation, inner).await
        };
        match Box::pin(asked).await {
            Ok(_) if self.is_another() => Err(Cut),
            Ok(answer) => {
                self.tally.asked(operation, answer.file_code());
                if answer.code == "FAULT" || answer.code == "SRM_INTERNAL_ERROR" {
                    let xml: String = answer.xml.chars().take(800).collect();
                    self.tally.violation(format!("{operation}: {xml}"));
                }
                Ok((answer, Window { sent, read: Instant::now() }))
            }
            Err(error) => Err(self.cut(operation, &error).await),
        }
    }

    /// srmLs; one that is not ready at once is asked for until it is.
    pub async fn list(&mut self, inner: &str) -> Result<(Answer, Window), Cut> {
        let (mut answer, mut window) = self.srm("srmLs", inner).await?;
        let Some(token) = answer.token.clone() else { return Ok((answer, window)) };
        while ["SRM_REQUEST_QUEUED", "SRM_REQUEST_INPROGRESS"].contains(&&*answer.code) {
            let last;
            (answer, last) = self.srm("srmStatusOfLsRequest", &soap::token(&token)).await?;
            window.read = last.read;
        }
        Ok((answer, window))
    }

    /// A request at the https door.
    pub async fn http(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<(Response, Window), Cut> {
        self.http_with(method, path, &[], body).await
    }

    /// The same, with headers.
    pub async fn http_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(Response, Window), Cut> {
        let sent = Instant::now();
        let asked = async {
            let mut conn = Conn::tls(&self.config, self.ports.https).await?;
            conn.request(method, path, headers, body).await
        };
        match Box::pin(asked).await {
            Ok(_) if self.is_another() => Err(Cut),
            Ok(response) => {
                self.tally.asked(method, &response.status.to_string());
                if response.status >= 500 {
                    self.tally.violation(format!("{method} {path}: {}", response.status));
                }
                Ok((response, Window { sent, read: Instant::now() }))
            }
            Err(error) => Err(self.cut(&format!("{method} {path}"), &error).await),
        }
    }

    /// Half an upload, then silence; what is said is not waited for.
    pub async fn half_upload(&mut self, path: &str, body: &[u8]) {
        let sent = async {
            let mut conn = Conn::tls(&self.config, self.ports.https).await?;
            let head = wire::head("PUT", path, &[], Some(body.len() + 1));
            conn.send(head.as_bytes()).await?;
            conn.send(body).await
        };
        // Cut or refused: nothing may come of it either way.
        let _ = Box::pin(sent).await;
    }

    /// Writes over what stands behind a `file` TURL; false when nothing stands there.
    pub fn write(path: &Path, bytes: &[u8]) -> bool {
        let file = std::fs::OpenOptions::new().write(true).truncate(true).open(path);
        file.is_ok_and(|mut file| std::io::Write::write_all(&mut file, bytes).is_ok())
    }

    /// Maybe it was the daemon after a restart that answered: the client does not know yet what that
    /// means, and takes the answer as one that was lost.
    fn is_another(&self) -> bool {
        let phase = *self.phase.borrow();
        !phase.up || phase.starts != self.starts
    }

    async fn cut(&mut self, what: &str, error: &std::io::Error) -> Cut {
        self.conn = None;
        let since = self.starts;
        let killed = self.phase.wait_for(|phase| phase.starts > since || !phase.up);
        self.unexplained = tokio::time::timeout(TOLD, killed).await.is_err();
        if self.unexplained {
            self.tally.violation(format!("{what}: {error}, and nobody killed the daemon"));
        }
        Cut
    }

    /// Waits until somebody started the daemon again.
    pub async fn wait_up(&mut self) {
        let since = self.starts;
        if !self.unexplained {
            let _ = self.phase.wait_for(|phase| phase.up && phase.starts > since).await;
        }
    }

    /// Waits until the daemon is up again, and takes note of it.
    pub async fn resume(&mut self) {
        self.conn = None;
        if std::mem::take(&mut self.unexplained) {
            return;
        }
        let since = self.starts;
        let up = self.phase.wait_for(|phase| phase.up && phase.starts > since);
        // The harness ended: there is nothing more to do.
        let starts = up.await.map_or(since, |phase| phase.starts);
        self.starts = starts;
    }
}
