//! What the command line asks the daemon that runs, at its admin port.

use std::path::{Path, PathBuf};

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Bytes of an answer at the most.
const ANSWER: usize = 16 << 20;

/// Why the daemon was not asked, or did not do it.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A file that a running daemon keeps can't be read.
    #[error("{}: {why}: does stormd run with this configuration, and may you read it?", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It can't be reached.
    #[error("no answer from the admin port {address}: {why}")]
    Unreachable {
        /// The address.
        address: String,
        /// Why.
        why: String,
    },
    /// It refused.
    #[error("{0}")]
    Refused(String),
}

/// The way to the daemon that runs on a state directory.
pub struct AdminClient {
    address: String,
    token: String,
}

impl AdminClient {
    /// Finds the daemon's address and the token in its state directory.
    ///
    /// # Errors
    /// [`AdminError::State`]: it does not run, or the files are not for us.
    pub fn find(state: &Path) -> Result<Self, AdminError> {
        let read = |name: &str| {
            let path = state.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok((path, text)),
                Err(error) => Err(AdminError::State { path, why: error.to_string() }),
            }
        };
        let (path, addresses) = read("addresses.json")?;
        let addresses: serde_json::Value = serde_json::from_str(&addresses).unwrap_or_default();
        let Some(address) = addresses["admin"].as_str() else {
            return Err(AdminError::State { path, why: "it names no admin port".to_owned() });
        };
        let (_, token) = read("admin.token")?;
        Ok(Self { address: address.to_owned(), token: token.trim().to_owned() })
    }

    /// Asks, and gives the body of the answer.
    ///
    /// # Errors
    /// [`AdminError::Unreachable`]; [`AdminError::Refused`] with the daemon's words.
    pub async fn ask(&self, method: Method, path: &str) -> Result<String, AdminError> {
        self.tell(method, path, String::new()).await
    }

    /// As [`AdminClient::ask`], with a body.
    ///
    /// # Errors
    /// The same.
    pub async fn tell(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<String, AdminError> {
        let lost = |error: &dyn std::fmt::Display| AdminError::Unreachable {
            address: self.address.clone(),
            why: error.to_string(),
        };
        let stream = TcpStream::connect(&self.address).await.map_err(|error| lost(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| lost(&e))?;
        // It ends with the sender.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.address)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| lost(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| lost(&error))?;
        let status: StatusCode = answer.status();
        let body =
            Limited::new(answer.into_body(), ANSWER).collect().await.map_err(|e| lost(&e))?;
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if status.is_success() {
            Ok(text)
        } else {
            Err(AdminError::Refused(text.trim().to_owned()))
        }
    }
}
