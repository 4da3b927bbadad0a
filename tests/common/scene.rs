//! A daemon, a person, and something on disk that must stay as it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::accounts;
use super::client::Tls;
use super::soap::{self, Answer};
use super::storm::{Area, Setup, TestStorm};
use super::wire::{self, Conn, Response};
use super::{bytes, snapshot};

/// A daemon with something on disk that must stay as it is.
pub struct Scene {
    /// The daemon.
    pub storm: TestStorm,
    /// A person in the VO.
    pub voms: Arc<ClientConfig>,
    /// All areas, as they must stay.
    pub before: BTreeMap<String, String>,
}

impl Scene {
    /// With default settings.
    pub fn new() -> Self {
        Self::with("", Vec::new(), |_| ())
    }

    /// With more settings and areas (see [`TestStorm::with`]); `prepare` may put more on disk.
    pub fn with(settings: &str, more: Vec<Area>, prepare: impl Fn(&TestStorm)) -> Self {
        // Movers act as an account; which one does not matter here.
        let gridmap = accounts::grid_mapfile();
        let settings = settings.to_owned();
        let storm = TestStorm::set_up(Setup { settings, areas: more, gridmap, ..Setup::default() });
        let root = storm.root("test.vo");
        std::fs::create_dir(root.join("dir")).unwrap();
        std::fs::write(root.join("dir/file"), bytes(1000, 5)).unwrap();
        std::fs::write(storm.root("open").join("file"), "open to all").unwrap();
        prepare(&storm);
        let before = snapshot(&storm.dir().join("areas"));
        Self { storm, voms: wire::config(Some("voms"), Tls::Any), before }
    }

    /// An SRM operation by the person in the VO.
    pub async fn srm(&self, operation: &str, inner: &str) -> Answer {
        // Long tests hold many of these: on the heap they take no stack.
        let call = soap::once(&self.voms, self.storm.ports.srm, operation, inner);
        Box::pin(call).await.unwrap()
    }

    /// A request at the https door by the same person: status and text.
    pub async fn http(&self, method: &str, target: &str, body: &[u8]) -> (u16, String) {
        let port = self.storm.ports.https;
        let answer = Box::pin(wire::once(&self.voms, port, method, target, body)).await.unwrap();
        (answer.status, answer.text())
    }

    /// A request at the https door by the same person, with headers, over a connection of its own.
    pub async fn https(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut conn = Conn::tls(&self.voms, self.storm.ports.https).await.unwrap();
        conn.request(method, target, headers, body).await.unwrap()
    }

    /// Takes a put as far as its TURL: SURL, token, and the TURL's port and path.
    pub async fn put(&self, name: &str, size: Option<u64>) -> (String, String, u16, String) {
        let surl = self.storm.surl(&format!("/test.vo/{name}"));
        let answer = self.srm("srmPrepareToPut", &soap::prepare_to_put(&[&surl], size)).await;
        let answer = answer.expect("SRM_SPACE_AVAILABLE");
        let turl = answer.files[0].turl.clone().expect("a TURL");
        let (port, path) = wire::split_url(&turl);
        (surl, answer.token.expect("a token"), port, path)
    }

    /// Aborts a request.
    pub async fn abort(&self, token: &str) {
        assert_eq!(self.srm("srmAbortRequest", &soap::token(token)).await.code, "SRM_SUCCESS");
    }

    /// The disk is as it was, and the daemon alive.
    #[track_caller]
    pub fn unchanged(&self) {
        // A cut upload is cleared when the daemon notices, a moment later.
        let areas = self.storm.dir().join("areas");
        super::wait_until(Duration::from_secs(3), || snapshot(&areas) == self.before);
        assert_eq!(snapshot(&areas), self.before);
        assert!(self.storm.healthy());
    }
}
