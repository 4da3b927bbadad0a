//! Every outcome of a file, as the first answer tells it and as status calls do; requests that rest, and
//! how they end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::common::client::Tls;
use crate::common::soap::{self, Answer};
use crate::common::{TestStorm, codes, wire};

pub const GET: (&str, &str) = ("srmPrepareToGet", "srmStatusOfGetRequest");
pub const BRING: (&str, &str) = ("srmBringOnline", "srmStatusOfBringOnlineRequest");
pub const PUT: (&str, &str) = ("srmPrepareToPut", "srmStatusOfPutRequest");
pub const COPY: (&str, &str) = ("srmCopy", "srmStatusOfCopyRequest");
const ALWAYS: &str = "<overwriteOption>ALWAYS</overwriteOption>";

/// srmCopy of files to the same path with more behind it.
pub fn copy(surls: &[String]) -> String {
    let one = |from: &String| {
        format!(
            "<requestArray><sourceSURL>{from}</sourceSURL><targetSURL>{from}-copy</targetSURL>\
             </requestArray>"
        )
    };
    let all: String = surls.iter().map(one).collect();
    format!("<arrayOfFileRequests>{all}</arrayOfFileRequests>")
}

pub struct World {
    pub storm: TestStorm,
    user: Arc<ClientConfig>,
}

impl World {
    pub fn new(settings: &str) -> Self {
        let storm = TestStorm::with(settings, Vec::new());
        std::fs::create_dir(storm.root("test.vo").join("dir")).unwrap();
        std::fs::write(storm.root("test.vo").join("file"), "x").unwrap();
        Self { storm, user: wire::config(Some("voms"), Tls::Any) }
    }

    pub fn surl(&self, path: &str) -> String {
        self.storm.surl(path)
    }

    pub async fn ask(&self, operation: &str, inner: &str) -> Answer {
        Box::pin(soap::once(&self.user, self.storm.ports.srm, operation, inner)).await.unwrap()
    }

    /// A request whose first answer is final; a status call tells the same.
    pub async fn both(
        &self,
        (first, status): (&str, &str),
        inner: &str,
        request: &str,
        files: &[&str],
    ) -> String {
        let answer = self.ask(first, inner).await;
        let token =
            soap::token(answer.token.as_deref().unwrap_or_else(|| panic!("{}", answer.xml)));
        let again = self.ask(status, &token).await;
        for told in [&answer, &again] {
            let codes: Vec<&str> = told.files.iter().map(|f| f.code.as_str()).collect();
            assert_eq!((told.code.as_str(), &codes[..]), (request, files), "{}", told.xml);
        }
        token
    }
}

pub async fn first_answers_and_status_calls() {
    let world = World::new("answer_wait = \"20s\"");
    let [new, file, dir, closed, none, part] =
        ["test.vo/new", "test.vo/file", "test.vo/dir", "closed/x", "test.vo/none", "test.vo/part"]
            .map(|path| world.surl(&format!("/{path}")));
    let put = |surls: &[&String]| soap::prepare_to_put(surls, None);
    let get = |surls: &[&String]| soap::prepare_to_get(surls);
    let (failure, partial) = ("SRM_FAILURE", "SRM_PARTIAL_SUCCESS");
    let (denied, no_path) = ("SRM_AUTHORIZATION_FAILURE", "SRM_INVALID_PATH");
    let (busy, exists) = ("SRM_FILE_BUSY", "SRM_DUPLICATION_ERROR");
    let not_supported = "SRM_NOT_SUPPORTED";

    world
        .both(
            PUT,
            &put(&[&new, &file, &dir, &closed]),
            partial,
            &["SRM_SPACE_AVAILABLE", exists, no_path, denied],
        )
        .await;
    world.both(PUT, &(put(&[&new]) + ALWAYS), failure, &[busy]).await;
    let other = |inner: String| inner.replace(">https<", ">gsiftp<");
    world.both(PUT, &other(put(&[&part])), not_supported, &[not_supported]).await;
    let large = soap::prepare_to_put(&[&part], Some(1 << 60));
    world.both(PUT, &large, "SRM_NO_FREE_SPACE", &["SRM_NO_FREE_SPACE"]).await;

    world
        .both(GET, &get(&[&file, &none, &closed]), partial, &["SRM_FILE_PINNED", no_path, denied])
        .await;
    world.both(GET, &get(&[&new]), failure, &[busy]).await;
    world.both(GET, &other(get(&[&file])), not_supported, &[not_supported]).await;
    world
        .both(BRING, &get(&[&file, &none, &closed]), partial, &["SRM_SUCCESS", no_path, denied])
        .await;
    world.both(BRING, &get(&[&new]), failure, &[busy]).await;
}

/// What begins later waits, and may be suspended meanwhile.
pub async fn requests_that_rest() {
    let world = World::new("");
    let surl = world.surl("/test.vo/file");
    let inner = soap::prepare_to_get(&[&surl]) + "<deferredStartTime>1000</deferredStartTime>";
    let answer = world.ask(BRING.0, &inner).await;
    let token = answer.token.clone().unwrap();
    let summary =
        format!("<arrayOfRequestTokens><stringArray>{token}</stringArray></arrayOfRequestTokens>");
    let token = soap::token(&token);
    let rests = async |code: &str| {
        let status = world.ask(BRING.1, &token).await;
        assert_eq!(status.code, code, "{}", status.xml);
        assert!(codes::waited(BRING.1, "request", code, &status.xml));
        assert!(codes::waited(BRING.1, "file", code, &status.xml));
        let told = world.ask("srmGetRequestSummary", &summary).await;
        assert!(codes::waited("srmGetRequestSummary", "file", code, &told.xml), "{}", told.xml);
    };
    assert_eq!(answer.code, "SRM_REQUEST_QUEUED", "{}", answer.xml);
    for level in ["request", "file"] {
        assert!(codes::waited(BRING.0, level, "SRM_REQUEST_QUEUED", &answer.xml));
    }
    rests("SRM_REQUEST_QUEUED").await;
    assert_eq!(world.ask("srmSuspendRequest", &token).await.code, "SRM_SUCCESS");
    rests("SRM_REQUEST_SUSPENDED").await;
    times_out(&world).await;
}

/// A suspended request whose time is over.
async fn times_out(world: &World) {
    let inner = soap::prepare_to_get(&[world.surl("/test.vo/file")])
        + "<desiredTotalRequestTime>2</desiredTotalRequestTime>\
           <deferredStartTime>1</deferredStartTime>";
    let token = world.ask(BRING.0, &inner).await.token.unwrap();
    let summary =
        format!("<arrayOfRequestTokens><stringArray>{token}</stringArray></arrayOfRequestTokens>");
    assert_eq!(world.ask("srmSuspendRequest", &soap::token(&token)).await.code, "SRM_SUCCESS");
    let end = Instant::now() + Duration::from_secs(10);
    while !world.ask("srmGetRequestSummary", &summary).await.xml.contains("TIMED_OUT") {
        assert!(Instant::now() < end, "a suspended request does not time out");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Aborting what has failed, and the summary of it.
pub async fn ends() {
    let world = World::new("");
    let none = world.surl("/test.vo/none");
    let answer = world.ask(GET.0, &soap::prepare_to_get(&[&none])).await;
    let token = answer.token.unwrap();
    let inner = soap::token(&token) + &soap::surls(&[&none]);
    assert_eq!(world.ask("srmAbortFiles", &inner).await.expect("SRM_FAILURE").code, "SRM_FAILURE");
    let summary =
        format!("<arrayOfRequestTokens><stringArray>{token}</stringArray></arrayOfRequestTokens>");
    let told = world.ask("srmGetRequestSummary", &summary).await;
    assert!(told.xml.contains("SRM_FAILURE"), "{}", told.xml);
}
