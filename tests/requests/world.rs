//! A daemon, two people of the VO, and short ways to say what they ask.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::common::accounts;
use crate::common::client::Tls;
use crate::common::soap::{self, Answer};
use crate::common::storm::{Setup, TestStorm};
use crate::common::wire::{self, Conn, Response};

pub const BUSY: &str = "SRM_FILE_BUSY";
pub const DUPLICATION: &str = "SRM_DUPLICATION_ERROR";
pub const FAILURE: &str = "SRM_FAILURE";
pub const INVALID_PATH: &str = "SRM_INVALID_PATH";
pub const INVALID_REQUEST: &str = "SRM_INVALID_REQUEST";
pub const NOT_SUPPORTED: &str = "SRM_NOT_SUPPORTED";
pub const PARTIAL: &str = "SRM_PARTIAL_SUCCESS";
pub const PINNED: &str = "SRM_FILE_PINNED";
pub const QUEUED: &str = "SRM_REQUEST_QUEUED";
pub const READY: &str = "SRM_SPACE_AVAILABLE";
pub const SUCCESS: &str = "SRM_SUCCESS";
pub const ABORTED: &str = "SRM_ABORTED";
pub const RELEASED: &str = "SRM_RELEASED";
pub const ALWAYS: &str = "<overwriteOption>ALWAYS</overwriteOption>";
pub const DIFFERENT: &str = "<overwriteOption>WHEN_FILES_ARE_DIFFERENT</overwriteOption>";

pub struct World {
    pub storm: TestStorm,
    pub user: Arc<ClientConfig>,
    pub user2: Arc<ClientConfig>,
}

impl World {
    pub fn new() -> Self {
        Self::with("")
    }

    /// With more settings; see [`TestStorm::with`].
    pub fn with(settings: &str) -> Self {
        Self::of(TestStorm::set_up(Setup {
            settings: settings.to_owned(),
            // Movers act as an account; which one does not matter here.
            gridmap: accounts::grid_mapfile(),
            ..Setup::default()
        }))
    }

    pub fn of(storm: TestStorm) -> Self {
        Self {
            storm,
            user: wire::config(Some("voms"), Tls::Any),
            user2: wire::config(Some("voms-user2"), Tls::Any),
        }
    }

    /// All areas offer movers too, and the VO's area is of no other kind than before.
    pub fn with_movers() -> Self {
        let mut world = Self::new();
        let path = world.storm.dir().join("namespace.xml");
        let more = "<prot name=\"gsiftp\"><schema>gsiftp</schema><host>ftp.example</host>\
             <port>2811</port></prot><prot name=\"root\"><schema>root</schema>\
             <host>xroot.example</host><port>1094</port></prot></trans-prot>";
        let text = std::fs::read_to_string(&path).unwrap().replace("</trans-prot>", more);
        std::fs::write(&path, text).unwrap();
        world.storm.restart();
        world
    }

    pub fn surl(&self, name: &str) -> String {
        self.storm.surl(&format!("/test.vo/{name}"))
    }

    pub fn disk(&self, name: &str) -> PathBuf {
        self.storm.root("test.vo").join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.disk(name), bytes).unwrap();
        self.surl(name)
    }

    #[track_caller]
    pub fn holds(&self, name: &str, bytes: &[u8]) {
        let found = std::fs::read(self.disk(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(found == bytes, "{name} holds {} other bytes", found.len());
    }

    /// No hidden file is left in the VO's area.
    #[track_caller]
    pub fn tidy(&self) {
        let left = crate::common::leftovers(&self.storm.root("test.vo"));
        assert!(left.is_empty(), "{left:?}");
    }

    pub async fn ask(&self, who: &Arc<ClientConfig>, operation: &str, inner: &str) -> Answer {
        // On the heap: a test asks many times, and each call would take its own part of the stack.
        Box::pin(soap::once(who, self.storm.ports.srm, operation, inner)).await.unwrap()
    }

    pub async fn srm(&self, operation: &str, inner: &str) -> Answer {
        self.ask(&self.user, operation, inner).await
    }

    /// srmPrepareToPut of files, `more` being elements beside the array.
    pub async fn put(&self, surls: &[&str], more: &str) -> Answer {
        self.srm("srmPrepareToPut", &(soap::prepare_to_put(surls, None) + more)).await
    }

    /// The same with `expectedFileSize`.
    pub async fn put_sized(&self, surl: &str, size: u64, more: &str) -> Answer {
        self.srm("srmPrepareToPut", &(soap::prepare_to_put(&[surl], Some(size)) + more)).await
    }

    /// The same with one protocol only.
    pub async fn put_by(&self, protocol: &str, surl: &str, more: &str) -> Answer {
        let inner = soap::prepare_to_put(&[surl], None);
        let inner = inner.replace(">https<", &format!(">{protocol}<"));
        self.srm("srmPrepareToPut", &(inner + more)).await
    }

    pub async fn get(&self, surls: &[&str], more: &str) -> Answer {
        self.srm("srmPrepareToGet", &(soap::prepare_to_get(surls) + more)).await
    }

    pub async fn put_status(&self, token: &str) -> Answer {
        self.srm("srmStatusOfPutRequest", &soap::token(token)).await
    }

    pub async fn get_status(&self, token: &str) -> Answer {
        self.srm("srmStatusOfGetRequest", &soap::token(token)).await
    }

    pub async fn done(&self, token: &str, surls: &[&str]) -> Answer {
        self.srm("srmPutDone", &(soap::token(token) + &soap::surls(surls))).await
    }

    pub async fn abort(&self, token: &str) -> Answer {
        self.srm("srmAbortRequest", &soap::token(token)).await
    }

    pub async fn abort_files(&self, token: &str, surls: &[&str]) -> Answer {
        self.srm("srmAbortFiles", &(soap::token(token) + &soap::surls(surls))).await
    }

    pub async fn release(&self, token: &str, surls: &[&str]) -> Answer {
        let surls = if surls.is_empty() { String::new() } else { soap::surls(surls) };
        self.srm("srmReleaseFiles", &(soap::token(token) + &surls)).await
    }

    pub async fn rm(&self, surl: &str) -> Answer {
        self.srm("srmRm", &soap::surls(&[surl])).await
    }

    /// A request to a TURL.
    pub async fn http(&self, method: &str, turl: &str, body: &[u8]) -> Response {
        let (port, path) = wire::split_url(turl);
        wire::once(&self.user, port, method, &path, body).await.unwrap()
    }

    #[track_caller]
    pub fn stored(response: &Response) {
        assert!((200..300).contains(&response.status), "{} {}", response.status, response.text());
    }

    /// From prepare to done, with these bytes.
    pub async fn publish(&self, name: &str, bytes: &[u8], more: &str) {
        let surl = self.surl(name);
        let answer = self.put(&[&surl], more).await.expect(READY);
        Self::stored(&self.http("PUT", turl(&answer), bytes).await);
        self.done(token(&answer), &[&surl]).await.expect(SUCCESS);
    }

    /// An upload of `size` bytes of which the first half was sent.
    pub async fn half_upload(&self, turl: &str, bytes: &[u8]) -> Conn {
        let (port, path) = wire::split_url(turl);
        let mut conn = Conn::tls(&self.user, port).await.unwrap();
        let head = wire::head("PUT", &path, &[], Some(bytes.len()));
        conn.send(head.as_bytes()).await.unwrap();
        conn.send(&bytes[..bytes.len() / 2]).await.unwrap();
        conn
    }

    /// The request database, while the daemon is down.
    pub fn database(&self) -> rusqlite::Connection {
        let state = std::fs::read_dir(self.storm.dir().join("var")).unwrap();
        let found = state.map(|e| e.unwrap().path()).find(|path| {
            std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3"))
        });
        rusqlite::Connection::open(found.expect("a database")).unwrap()
    }
}

#[track_caller]
pub fn token(answer: &Answer) -> &str {
    answer.token.as_deref().unwrap_or_else(|| panic!("no token: {}", answer.xml))
}

#[track_caller]
pub fn turl(answer: &Answer) -> &str {
    let file = answer.files.first().unwrap_or_else(|| panic!("no file: {}", answer.xml));
    file.turl.as_deref().unwrap_or_else(|| panic!("no TURL: {}", answer.xml))
}

pub fn codes(answer: &Answer) -> Vec<&str> {
    answer.files.iter().map(|file| file.code.as_str()).collect()
}

pub fn number(answer: &Answer, element: &str) -> i64 {
    let text = soap::text(&answer.xml, element);
    text.and_then(|t| t.parse().ok()).unwrap_or_else(|| panic!("no {element}: {}", answer.xml))
}

/// The path behind a `file` TURL, or that of a mover whose host is elsewhere.
pub fn behind(turl: &str) -> PathBuf {
    let rest = turl.split_once("://").unwrap().1;
    PathBuf::from(format!("/{}", rest[rest.find('/').unwrap()..].trim_start_matches('/')))
}
