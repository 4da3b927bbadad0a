//! A core over a folder, two files, and all requests that were made on them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::auth::policy::Policy;
use crate::config::Config;
use crate::fsdriver::{Driver, Posix};
use crate::model::{
    FileState, Identity, OverwriteMode, Person, ProxyKind, RequestKind, RequestToken, StatusCode,
};
use crate::namespace::Namespace;
use crate::srm::live::Live;
use crate::srm::{PutFile, PutRequest, Site, Srm};
use crate::store::Store;

/// The two files.
pub(super) const NAMES: [&str; 2] = ["a", "b"];
/// What waits longer is stuck.
const STUCK: Duration = Duration::from_secs(20);
/// Answers come at once, so that requests wait while others are made.
const SETTINGS: &str = "[srm]\nanswer_wait = \"0s\"\n[http]\nfsync = false\n\
    [workers]\nput = { threads = 1, queue = 10000 }\n";

/// The bytes of a content: a number, some times. 0 is the empty file.
pub(super) fn bytes(id: u64) -> Vec<u8> {
    let times = if id == 0 { 0 } else { usize::try_from(id).unwrap() % 7 + 1 };
    id.to_le_bytes().repeat(times)
}

/// Which content these bytes are.
pub(super) fn content(found: &[u8]) -> u64 {
    let id = found.first_chunk().map_or(0, |head| u64::from_le_bytes(*head));
    assert_eq!(bytes(id), found, "bytes that nobody wrote so");
    id
}

/// A file of a request, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Which of the two files.
    pub(super) file: usize,
    pub(super) state: FileState,
    pub(super) code: Option<StatusCode>,
}

/// A request, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) kind: RequestKind,
    pub(super) code: StatusCode,
    pub(super) ended: bool,
    pub(super) files: Vec<Shown>,
}

/// What there is at one moment.
#[derive(Debug)]
pub(super) struct Look {
    /// Contents of the two files.
    pub(super) contents: [Option<u64>; 2],
    /// In the order in which they were made.
    pub(super) requests: Vec<(RequestToken, Told)>,
}

pub(super) struct World {
    pub(super) dir: Arc<tempfile::TempDir>,
    pub(super) srm: Srm,
    pub(super) who: Identity,
    pub(super) tokens: Mutex<Vec<RequestToken>>,
    next: AtomicU64,
    /// What was uploaded to the live put on each file, or may have been.
    pub(super) uploaded: Mutex<HashMap<usize, Vec<u64>>>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::over(&Arc::new(tempfile::tempdir().unwrap()))
    }

    /// Over the folder that another has, or had.
    pub(super) fn over(dir: &Arc<tempfile::TempDir>) -> Self {
        let file = dir.path().join("storm.toml");
        let config = Arc::new(Config::parse(SETTINGS, &file).unwrap());
        let spaces = dir.path().join("namespace.xml");
        std::fs::write(&spaces, include_str!("../../../namespace.xml")).unwrap();
        let open = |root: &std::path::Path, others: &[PathBuf]| {
            std::fs::create_dir_all(root).unwrap();
            let driver = Posix::open(root, others.to_vec()).map_err(|error| error.to_string())?;
            Ok(Arc::new(driver) as Arc<dyn Driver>)
        };
        let (namespace, _) = Namespace::load(&spaces, &config, &open).unwrap();
        let (policy, _) = Policy::load(&config.auth, &file, None).unwrap();
        let store = Store::open(&dir.path().join("db"), "test").unwrap();
        let who = Identity::Person(Arc::new(Person {
            dn: "/CN=somebody".to_owned(),
            fqans: Vec::new(),
            not_after: std::time::SystemTime::now() + Duration::from_secs(86_400),
            proxy: ProxyKind::EndEntity,
            notes: Vec::new(),
            scope: None,
        }));
        Self {
            dir: Arc::clone(dir),
            srm: Srm::new(Site::new(config, Arc::new(namespace), policy), store),
            who,
            tokens: Mutex::default(),
            next: AtomicU64::new(0),
            uploaded: Mutex::default(),
        }
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.dir.path().join("var/storage/demo")
    }

    pub(super) fn surl(&self, file: usize) -> String {
        format!("srm://localhost:8444/demo/{}", NAMES[file % 2])
    }

    /// Where nothing can be put.
    pub(super) fn nowhere(&self) -> String {
        "srm://localhost:8444/demo/none/f".to_owned()
    }

    /// A content that nobody wrote before.
    pub(super) fn new_content(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A request that was made, of those that were made last.
    pub(super) fn token(&self, which: usize) -> Option<RequestToken> {
        let tokens = self.tokens.lock().unwrap();
        tokens.iter().rev().nth(which % tokens.len().clamp(1, 6)).cloned()
    }

    pub(super) fn live(&self, token: &RequestToken) -> Arc<Live> {
        self.srm.core.requests.find(token).expect("a request that is not forgotten yet")
    }

    pub(super) fn file_of(&self, surl: &str) -> usize {
        NAMES.iter().position(|name| surl.ends_with(name)).unwrap()
    }

    fn told(&self, token: &RequestToken) -> Told {
        let live = self.live(token);
        let files = live.files();
        let shown = files.iter().map(|file| Shown {
            file: self.file_of(&file.surl),
            state: file.state,
            code: file.code,
        });
        Told {
            kind: live.kind(),
            code: live.status().code,
            ended: live.is_ended(),
            files: shown.collect(),
        }
    }

    /// Everything, and that summaries say the same.
    pub(super) async fn look(&self) -> Look {
        let content = |name: &&str| match std::fs::read(self.folder().join(name)) {
            Ok(found) => Some(content(&found)),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
                None
            }
        };
        let tokens = self.tokens.lock().unwrap().clone();
        let mut requests = Vec::new();
        for token in tokens {
            let told = self.told(&token);
            self.check_summary(&token, &told).await;
            requests.push((token, told));
        }
        Look { contents: [content(&NAMES[0]), content(&NAMES[1])], requests }
    }

    async fn check_summary(&self, token: &RequestToken, told: &Told) {
        let answer = self.srm.request_summary(&self.who, vec![token.to_string()]).await;
        let summary = answer.summaries.unwrap().remove(0);
        let count = |fits: &dyn Fn(FileState) -> bool| {
            told.files.iter().filter(|file| fits(file.state)).count() as u32
        };
        let waiting = count(&|state| !state.is_answered());
        let failed = count(&|state| {
            matches!(state, FileState::Failed | FileState::Aborted | FileState::Expired)
        });
        let total = told.files.len() as u32;
        let tally = summary.files.unwrap();
        assert_eq!(
            (tally.total, tally.completed, tally.waiting, tally.failed),
            (total, total - waiting - failed, waiting, failed),
            "{told:?}"
        );
        assert_eq!(summary.status.code, told.code);
    }

    /// Until nothing waits but what is suspended.
    pub(super) async fn settle(&self) {
        let begun = Instant::now();
        let waits = |token: &RequestToken| {
            let files = self.told(token).files;
            files.iter().any(|f| matches!(f.state, FileState::Queued | FileState::InProgress))
        };
        loop {
            let tokens = self.tokens.lock().unwrap().clone();
            let Some(token) = tokens.iter().find(|token| waits(token)) else { return };
            assert!(begun.elapsed() < STUCK, "it waits for ever: {:?}", self.told(token));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends all: nothing is busy, nothing is left, and what is used is what is there.
    pub(super) async fn end(&self) {
        let tokens = self.tokens.lock().unwrap().clone();
        for token in tokens {
            let status = self.srm.abort_request(&self.who, token.as_str()).await;
            let fits = [StatusCode::Success, StatusCode::Failure].contains(&status.code);
            assert!(fits, "{status:?}");
        }
        // What only kept a worker busy ends by itself.
        let begun = Instant::now();
        while self.srm.open_requests() > 0 {
            assert!(begun.elapsed() < STUCK, "{} requests are open", self.srm.open_requests());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut held = 0;
        for entry in std::fs::read_dir(self.folder()).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            assert!(!name.starts_with(".storm."), "{name} is left");
            held += entry.metadata().unwrap().len();
        }
        assert_eq!(self.srm.core.usage.used("DEMO").bytes, held);
        assert!(self.srm.core.store.intents().await.unwrap().is_empty());
        // Nobody holds either of them any more.
        let both = PutRequest {
            files: Some(
                (0..2)
                    .map(|n| PutFile { surl: Some(self.surl(n)), ..PutFile::default() })
                    .collect(),
            ),
            overwrite: Some(OverwriteMode::Always),
            ..PutRequest::default()
        };
        let token = self.srm.prepare_to_put(&self.who, both).await.token.unwrap();
        self.tokens.lock().unwrap().push(token.clone());
        self.settle().await;
        let files = self.told(&token).files;
        assert!(files.iter().all(|f| f.state == FileState::SpaceAvailable), "{files:?}");
        self.srm.abort_request(&self.who, token.as_str()).await;
        self.srm.shutdown().await;
    }
}
