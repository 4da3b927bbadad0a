//! srmLs that is not ready at once: srmStatusOfLsRequest, and what else is done with its token.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::common::client::Tls;
use super::common::scene::Scene;
use super::common::soap::{self, Answer};
use super::common::{codes, wire};
use super::{children, details, list, ls_pages::fill};

const STATUS: &str = "srmStatusOfLsRequest";
const NEVER: &str = "ls_wait = \"0s\"\n[limits]\nls_entries = 10\n";
const QUEUED: &str = "SRM_REQUEST_QUEUED";
const IN_PROGRESS: &str = "SRM_REQUEST_INPROGRESS";
const SUSPENDED: &str = "SRM_REQUEST_SUSPENDED";
const SUCCESS: &str = "SRM_SUCCESS";
const TOO_MANY: &str = "SRM_TOO_MANY_RESULTS";
const INVALID_REQUEST: &str = "SRM_INVALID_REQUEST";
const DENIED: &str = "SRM_AUTHORIZATION_FAILURE";

/// Code, kind, and files in all, completed, waiting and failed.
type Summary = (String, Option<String>, [Option<String>; 4]);

/// srmLs that says it is queued: its token.
#[track_caller]
fn queued(answer: &Answer) -> String {
    assert!(codes::waited("srmLs", "request", QUEUED, &answer.xml), "{}", answer.xml);
    assert!(!answer.xml.contains("<details"), "{}", answer.xml);
    answer.token.clone().expect("a token")
}

async fn ask(scene: &Scene, path: &str, options: &str) -> String {
    queued(&list(scene, path, options).await)
}

async fn status(scene: &Scene, token: &str, options: &str) -> Answer {
    scene.srm(STATUS, &(soap::token(token) + options)).await
}

/// It is not ready, and says why.
async fn waits(scene: &Scene, token: &str, code: &str) {
    let answer = status(scene, token, "").await;
    assert!(codes::waited(STATUS, "request", code, &answer.xml), "not {code}: {}", answer.xml);
    assert!(!answer.xml.contains("<details"), "{}", answer.xml);
}

/// A page, once it is ready.
async fn page(scene: &Scene, token: &str, options: &str) -> Answer {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = status(scene, token, options).await;
        if ![QUEUED, IN_PROGRESS].contains(&&*answer.code) {
            return answer;
        }
        assert!(!answer.xml.contains("<details"), "{}", answer.xml);
        assert!(Instant::now() < end, "not ready: {}", answer.xml);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn from(offset: usize, count: usize) -> String {
    format!("<offset>{offset}</offset><count>{count}</count>")
}

async fn summary(scene: &Scene, token: &str) -> Summary {
    let list = format!("<stringArray>{token}</stringArray>");
    let list = format!("<arrayOfRequestTokens>{list}</arrayOfRequestTokens>");
    let answer = scene.srm("srmGetRequestSummary", &list).await;
    let one = answer.xml.split("<summaryArray").nth(1).expect("a summary");
    let text = |name| soap::text(one, name);
    let counts = ["totalNumFilesInRequest", "numOfCompletedFiles", "numOfWaitingFiles"];
    let [all, done, waiting] = counts.map(text);
    let counts = [all, done, waiting, text("numOfFailedFiles")];
    (text("statusCode").unwrap(), text("requestType"), counts)
}

fn summed(code: &str, counts: [u32; 4]) -> Summary {
    (code.to_owned(), Some("LS".to_owned()), counts.map(|n| Some(n.to_string())))
}

/// While files come and go.
#[tokio::test]
async fn pages_of_a_token_are_the_whole() {
    let mut scene = Scene::with(NEVER, Vec::new(), |_| ());
    let path = fill(&scene, "many", 34);
    let wanted: Vec<String> = (0..34).map(|n| format!("name-{n:04}")).collect();
    let token = ask(&scene, "/test.vo/many", "").await;
    let mut all: Vec<String> = Vec::new();
    for pages in 1.. {
        let answer = page(&scene, &token, &format!("<offset>{}</offset>", all.len())).await;
        all.extend(children(&answer, "/test.vo/many"));
        std::fs::write(path.join(format!("a-new-{pages}")), "").unwrap();
        let _ = std::fs::remove_file(path.join(format!("name-{:04}", pages * 4)));
        let _ = std::fs::remove_file(path.join(format!("name-{:04}", pages * 10 + 3)));
        if answer.code != TOO_MANY {
            assert_eq!(answer.code, SUCCESS, "{}", answer.xml);
            break;
        }
        assert!(answer.explanation.contains("10"), "{}", answer.explanation);
        assert_eq!(all.len(), pages * 10);
    }
    let gone = ["name-0013", "name-0023", "name-0033"];
    let left: Vec<&String> = wanted.iter().filter(|n| !gone.contains(&n.as_str())).collect();
    assert_eq!(all.iter().collect::<Vec<_>>(), left);
    assert_eq!(summary(&scene, &token).await, summed(SUCCESS, [1, 1, 0, 0]));

    // The names are read anew after a kill, and show what is there now.
    scene.storm.kill9();
    scene.storm.restart();
    let answer = page(&scene, &token, "<count>4</count>").await;
    assert_eq!(answer.code, SUCCESS, "{}", answer.xml);
    let names = ["a-new-1", "a-new-2", "a-new-3", "a-new-4"];
    assert_eq!(children(&answer, "/test.vo/many"), names);
    assert_eq!(summary(&scene, &token).await, summed(SUCCESS, [1, 1, 0, 0]));
}

#[tokio::test]
async fn offsets_are_of_what_was_asked_for() {
    let scene = Scene::with(NEVER, Vec::new(), |_| ());
    fill(&scene, "many", 34);
    let part = ask(&scene, "/test.vo/many", &from(5, 15)).await;
    let whole = ask(&scene, "/test.vo/many", "<offset>30</offset>").await;
    for (token, options, code, first, total) in [
        (&part, String::new(), TOO_MANY, Some("name-0005"), 10),
        (&part, from(2, 3), SUCCESS, Some("name-0007"), 3),
        (&part, from(10, 0), SUCCESS, Some("name-0015"), 5),
        (&part, from(10, 10), SUCCESS, Some("name-0015"), 5),
        (&part, from(0, 11), TOO_MANY, Some("name-0005"), 10),
        (&part, from(15, 1), SUCCESS, None, 0),
        (&part, from(2_147_483_647, 2_147_483_647), SUCCESS, None, 0),
        (&whole, String::new(), SUCCESS, Some("name-0030"), 4),
    ] {
        let answer = page(&scene, token, &options).await;
        assert_eq!(answer.code, code, "{options}: {}", answer.xml);
        let names = children(&answer, "/test.vo/many");
        assert_eq!((names.first().map(String::as_str), names.len()), (first, total), "{options}");
    }
    for wrong in ["offset", "count"] {
        let answer = status(&scene, &whole, &format!("<{wrong}>-1</{wrong}>")).await;
        assert_eq!(answer.code, INVALID_REQUEST, "{wrong}: {}", answer.xml);
        assert!(answer.explanation.contains(wrong), "{}", answer.xml);
    }
    // What several levels hold, with the way to it, and full details of today.
    let options = "<allLevelRecursive>true</allLevelRecursive>\
                   <fullDetailedList>true</fullDetailedList>";
    let tree = ask(&scene, "/test.vo", options).await;
    let answer = page(&scene, &tree, &from(1, 2)).await;
    assert_eq!(children(&answer, "/test.vo"), ["dir", "dir/file", "many"]);
    assert_eq!(details(&answer)[2].number("size"), Some(1000), "{}", answer.xml);
    let answer = page(&scene, &tree, &from(30, 10)).await;
    assert_eq!(children(&answer, "/test.vo").len(), 1 + 7);
}

#[tokio::test]
async fn a_token_is_of_one_person_and_kind() {
    let scene = Scene::with(NEVER, Vec::new(), |_| ());
    let port = scene.storm.ports.srm;
    let token = ask(&scene, "/test.vo/dir", "").await;
    page(&scene, &token, "").await;
    let user2 = wire::config(Some("voms-user2"), Tls::Any);
    for operation in [STATUS, "srmAbortRequest", "srmSuspendRequest"] {
        let foreign = soap::once(&user2, port, operation, &soap::token(&token)).await.unwrap();
        assert_eq!(foreign.code, DENIED, "{operation}: {}", foreign.xml);
    }
    let inner = soap::prepare_to_get(&[scene.storm.surl("/test.vo/dir/file")]);
    let get = scene.srm("srmPrepareToGet", &inner).await.token.unwrap();
    let unknown = "01234567-89ab-4cde-8f01-23456789abcd";
    for wrong in [get.as_str(), unknown, "x", ""] {
        assert_eq!(status(&scene, wrong, "").await.code, INVALID_REQUEST, "{wrong}");
    }
    let wrong = scene.srm("srmStatusOfGetRequest", &soap::token(&token)).await;
    assert_eq!(wrong.code, INVALID_REQUEST, "{}", wrong.xml);
    let tokens = scene.srm("srmGetRequestTokens", "").await;
    assert!(tokens.xml.contains(&token), "{}", tokens.xml);
    // What is ready can't be aborted, and needs not be.
    let surls = soap::surls(&[scene.storm.surl("/test.vo/dir")]);
    let files = scene.srm("srmAbortFiles", &(soap::token(&token) + &surls)).await;
    assert_eq!(files.code, "SRM_FAILURE", "{}", files.xml);
    scene.abort(&token).await;
    assert_eq!(page(&scene, &token, "").await.code, SUCCESS);
    // Refused before there is a token.
    let wrong = list(&scene, "/test.vo", "<numOfLevels>-1</numOfLevels>").await;
    assert_eq!((wrong.code.as_str(), wrong.token), (INVALID_REQUEST, None));
    // Without rights, and without a file.
    let surls = ["/test.vo/none", "/closed/x", "/test.vo/dir", "/", "no SURL"];
    let surls: Vec<String> = surls.iter().map(|path| scene.storm.surl(path)).collect();
    let mixed = queued(&scene.srm("srmLs", &soap::surls(&surls)).await);
    let told = page(&scene, &mixed, "").await;
    let codes: Vec<&str> = told.files.iter().map(|file| file.code.as_str()).collect();
    let invalid = "SRM_INVALID_PATH";
    assert_eq!(told.code, "SRM_PARTIAL_SUCCESS", "{}", told.xml);
    // Those that could be listed, with what they hold.
    assert_eq!(codes, [invalid, DENIED, SUCCESS, SUCCESS, SUCCESS, SUCCESS, SUCCESS, invalid]);
    assert_eq!(summary(&scene, &mixed).await, summed("SRM_PARTIAL_SUCCESS", [5, 2, 0, 3]));
    let none = queued(&scene.srm("srmLs", &soap::surls(&surls[..1])).await);
    let told = page(&scene, &none, "").await;
    assert_eq!((told.code.as_str(), told.file_code()), ("SRM_FAILURE", invalid));
}

/// Lists of two million names each, in all workers that one user gets.
async fn busy(scene: &Scene) -> Vec<String> {
    let surls = soap::surls(&vec![scene.storm.surl("/test.vo/many"); 1000]);
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let token = queued(&scene.srm("srmLs", &surls).await);
        let end = Instant::now() + Duration::from_secs(10);
        while status(scene, &token, "").await.code != IN_PROGRESS {
            assert!(Instant::now() < end, "a list is not begun");
        }
        tokens.push(token);
    }
    tokens
}

#[tokio::test]
async fn lists_that_wait_rest_and_end() {
    let mut scene = Scene::with(NEVER, Vec::new(), |_| ());
    fill(&scene, "many", 2000);
    let dirs = ["/test.vo/dir", "/test.vo/none", "/open"].map(|path| scene.storm.surl(path));
    let slow = busy(&scene).await;
    let [small, other, late] = [&dirs[..], &dirs, &dirs].map(soap::surls);
    let small = queued(&scene.srm("srmLs", &small).await);
    let other = queued(&scene.srm("srmLs", &other).await);
    waits(&scene, &small, QUEUED).await;
    assert_eq!(summary(&scene, &small).await, summed(QUEUED, [3, 0, 3, 0]));
    // What has begun is not suspended.
    let suspend = async |token: &str| scene.srm("srmSuspendRequest", &soap::token(token)).await;
    assert_eq!(suspend(&slow[0]).await.code, "SRM_FAILURE");
    for token in [&small, &other] {
        assert_eq!(suspend(token).await.code, SUCCESS);
        waits(&scene, token, SUSPENDED).await;
    }
    // Others have a worker left.
    let user2 = wire::config(Some("voms-user2"), Tls::Any);
    let port = scene.storm.ports.srm;
    let call = async |operation: &'static str, inner: String| {
        soap::once(&Arc::clone(&user2), port, operation, &inner).await.unwrap()
    };
    let theirs = queued(&call("srmLs", late).await);
    let end = Instant::now() + Duration::from_secs(5);
    while call("srmStatusOfLsRequest", soap::token(&theirs)).await.code != "SRM_PARTIAL_SUCCESS" {
        assert!(Instant::now() < end, "the lists of one user are in the way of others");
    }
    waits(&scene, &slow[2], IN_PROGRESS).await;

    // A walk that is aborted ends: its worker takes what is next.
    for token in &slow {
        scene.abort(token).await;
        waits(&scene, token, "SRM_ABORTED").await;
    }
    waits(&scene, &small, SUSPENDED).await;
    let began = Instant::now();
    assert_eq!(scene.srm("srmResumeRequest", &soap::token(&small)).await.code, SUCCESS);
    assert_eq!(page(&scene, &small, "").await.code, "SRM_PARTIAL_SUCCESS");
    assert!(began.elapsed() < Duration::from_secs(5), "aborted lists go on");

    // In part, over a kill: what waited waits still, and what was aborted stays so.
    let part = soap::token(&other) + &soap::surls(&dirs[..1]);
    assert_eq!(scene.srm("srmAbortFiles", &part).await.code, SUCCESS);
    let slow = busy(&scene).await;
    let waiting = ask(&scene, "/test.vo/dir", "").await;
    waits(&scene, &waiting, QUEUED).await;
    scene.storm.kill9();
    scene.storm.restart();
    waits(&scene, &other, SUSPENDED).await;
    assert_eq!(summary(&scene, &other).await, summed(SUSPENDED, [3, 0, 2, 1]));
    assert!([QUEUED, IN_PROGRESS].contains(&&*status(&scene, &waiting, "").await.code));
    for token in &slow {
        scene.abort(token).await;
        assert_eq!(status(&scene, token, "").await.code, "SRM_ABORTED");
    }
    assert_eq!(children(&page(&scene, &waiting, "").await, "/test.vo/dir"), ["file"]);
    assert_eq!(scene.srm("srmResumeRequest", &soap::token(&other)).await.code, SUCCESS);
    let told = page(&scene, &other, "").await;
    assert_eq!(told.code, "SRM_PARTIAL_SUCCESS", "{}", told.xml);
    let codes: Vec<&str> = told.files.iter().map(|file| file.code.as_str()).collect();
    assert_eq!(codes, ["SRM_FAILURE", "SRM_INVALID_PATH", SUCCESS, SUCCESS], "{}", told.xml);
    assert!(told.file_explanation().contains("abort"), "{}", told.xml);
    assert_eq!(children(&told, "/open").last().map(String::as_str), Some("file"));
}

/// Forgotten with what was asked for.
#[tokio::test]
async fn old_lists_are_forgotten() {
    let kept = "ls_wait = \"0s\"\n[lifetimes]\nrequest_kept = \"2s\"\n";
    let mut scene = Scene::with(kept, Vec::new(), |_| ());
    let token = ask(&scene, "/test.vo/dir", "").await;
    assert_eq!(page(&scene, &token, "").await.code, SUCCESS);
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.storm.restart();
    let end = Instant::now() + Duration::from_secs(5);
    while page(&scene, &token, "").await.code != INVALID_REQUEST {
        assert!(Instant::now() < end, "an old list is still known");
    }
    scene.storm.term();
    let path = scene.storm.dir().join("var");
    let mut found = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let database = found
        .find(|path| std::fs::read(path).is_ok_and(|text| text.starts_with(b"SQLite format 3")))
        .map(|path| rusqlite::Connection::open(path).unwrap());
    let count = "SELECT count(*) FROM listings";
    let left: i64 = database.unwrap().query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

/// `fileStorageType`: files of that type, and directories as the way to them.
#[tokio::test]
async fn files_of_one_type() {
    for wait in ["20s", "0s"] {
        let settings = format!("ls_wait = \"{wait}\"\n");
        let scene = Scene::with(&settings, Vec::new(), |storm| {
            std::fs::create_dir(storm.root("test.vo").join("dir/empty")).unwrap();
        });
        for (name, kind) in [("dir/v", "VOLATILE"), ("dir/d", "DURABLE"), ("dir/p", "PERMANENT")] {
            put(&scene, name, kind, 1000, true).await;
        }
        put(&scene, "dir/live", "VOLATILE", 1000, false).await;
        let told = async |path: &str, kind: &str, options: &str| {
            let options = format!("<fileStorageType>{kind}</fileStorageType>{options}");
            let answer = list(&scene, path, &options).await;
            if wait == "0s" { page(&scene, &queued(&answer), "").await } else { answer }
        };
        let all = "<allLevelRecursive>true</allLevelRecursive>";
        for (kind, names) in [
            ("VOLATILE", vec!["dir", "dir/empty", "dir/live:SRM_FILE_BUSY", "dir/v"]),
            ("DURABLE", vec!["dir", "dir/d", "dir/empty"]),
            ("PERMANENT", vec!["dir", "dir/empty", "dir/file", "dir/p"]),
        ] {
            assert_eq!(children(&told("/test.vo", kind, all).await, "/test.vo"), names, "{kind}");
        }
        // Pages count what is told.
        let answer = told("/test.vo/dir", "VOLATILE", &from(1, 1)).await;
        assert_eq!(children(&answer, "/test.vo/dir"), ["live:SRM_FILE_BUSY"]);
        // Named by itself.
        let answer = told("/test.vo/dir/v", "VOLATILE", "").await;
        assert_eq!((answer.code.as_str(), answer.file_code()), (SUCCESS, SUCCESS));
        let answer = told("/test.vo/dir/v", "PERMANENT", "").await;
        assert_eq!(answer.file_code(), "SRM_INVALID_PATH", "{}", answer.xml);
        assert!(answer.file_explanation().contains("VOLATILE"), "{}", answer.xml);
        // An area in which no file was ever of another type.
        let answer = told("/open", "DURABLE", "").await;
        assert_eq!((answer.code.as_str(), details(&answer).len()), (SUCCESS, 1));
        // A durable file whose lifetime is over stays, and is no failure.
        put(&scene, "over", "DURABLE", 1, true).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let full = "<fullDetailedList>true</fullDetailedList>";
        let answer = told("/test.vo", "DURABLE", full).await;
        assert_eq!(answer.code, SUCCESS, "{}", answer.xml);
        assert_eq!(children(&answer, "/test.vo"), ["dir", "over:SRM_FILE_LIFETIME_EXPIRED"]);
    }
}

/// A put of a type, with a lifetime; done where asked.
async fn put(scene: &Scene, name: &str, kind: &str, seconds: u32, done: bool) {
    let surl = scene.storm.surl(&format!("/test.vo/{name}"));
    let inner = soap::prepare_to_put(&[&surl], None)
        + &format!(
            "<desiredFileLifeTime>{seconds}</desiredFileLifeTime>\
             <desiredFileStorageType>{kind}</desiredFileStorageType>"
        );
    let token = scene.srm("srmPrepareToPut", &inner).await.token.unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while super::put_status(scene, &token).await != "SRM_SPACE_AVAILABLE" {
        assert!(Instant::now() < end, "{name} can't be put");
    }
    if done {
        super::put_done(scene, &token, &format!("/test.vo/{name}")).await.expect(SUCCESS);
    }
}
