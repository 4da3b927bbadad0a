//! Locks and dead properties of the WebDAV door: what they forbid to whom, at the SRM door too; that they
//! outlive kill -9, end at their second, and go the way of their file; and cadaver, which edits under a lock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

#[path = "locks/at_the_change.rs"]
mod at_the_change;
#[path = "locks/both_ends.rs"]
mod both_ends;
mod common;
#[path = "locks/properties.rs"]
mod properties_follow;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::TestStorm;
use common::client::Tls;
use common::scene::Scene;
use common::soap;
use common::wire::{self, Conn, Response};
use rustls::ClientConfig;

const LOCKINFO: &str = "<?xml version='1.0'?><l:lockinfo xmlns:l='DAV:'><l:lockscope><l:exclusive/>\
    </l:lockscope><l:locktype><l:write/></l:locktype><l:owner><l:href>mailto:me</l:href></l:owner>\
    </l:lockinfo>";

/// A request by whoever that is.
async fn ask(
    who: &Arc<ClientConfig>,
    scene: &Scene,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let mut conn = Conn::tls(who, scene.storm.ports.https).await.unwrap();
    conn.request(method, path, headers, body.as_bytes()).await.unwrap()
}

/// The same by the person of the scene; the status.
async fn status(
    scene: &Scene,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> u16 {
    ask(&scene.voms, scene, method, path, headers, body).await.status
}

/// Locks; the token, in its angle brackets.
#[track_caller]
fn token(answer: &Response) -> String {
    assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.text());
    let token = answer.header("lock-token").unwrap().to_owned();
    let bare = token.trim_matches(['<', '>']);
    assert!(bare.starts_with("urn:uuid:") && answer.text().contains(bare), "{}", answer.text());
    token
}

async fn lock(scene: &Scene, path: &str, headers: &[(&str, &str)]) -> String {
    token(&ask(&scene.voms, scene, "LOCK", path, headers, LOCKINFO).await)
}

async fn properties(scene: &Scene, path: &str, body: &str) -> String {
    let answer = ask(&scene.voms, scene, "PROPFIND", path, &[("depth", "0")], body).await;
    assert_eq!(answer.status, 207, "{}", answer.text());
    answer.text()
}

fn patch(inner: &str) -> String {
    format!(
        "<d:propertyupdate xmlns:d='DAV:' xmlns:z='urn:z' xmlns:w='urn:schemas-microsoft-com:'>{inner}\
         </d:propertyupdate>"
    )
}

async fn mv(scene: &Scene, from: &str, to: &str) -> soap::Answer {
    let (from, to) = (scene.storm.surl(from), scene.storm.surl(to));
    scene.srm("srmMv", &format!("<fromSURL>{from}</fromSURL><toSURL>{to}</toSURL>")).await
}

async fn prepare(scene: &Scene, path: &str) -> soap::Answer {
    let inner = soap::prepare_to_put(&[scene.storm.surl(path)], None);
    let inner = format!("{inner}<overwriteOption>ALWAYS</overwriteOption>");
    scene.srm("srmPrepareToPut", &inner).await
}

async fn rm(scene: &Scene, path: &str) -> soap::Answer {
    scene.srm("srmRm", &soap::surls(&[scene.storm.surl(path)])).await
}

#[tokio::test]
async fn what_is_locked_is_busy_at_every_door() {
    let scene = Scene::new();
    let other = wire::config(Some("voms-user2"), Tls::Any);
    let path = "/test.vo/dir/file";
    let taken = lock(&scene, path, &[("timeout", "Second-600")]).await;
    let own = format!("({taken})");
    let own: &[(&str, &str)] = &[("if", &own)];

    let told = properties(&scene, path, "").await;
    for word in [
        "<d:exclusive/></d:lockscope><d:depth>infinity</d:depth>",
        "<l:owner xmlns:l=\"DAV:\"><l:href>mailto:me</l:href></l:owner>",
        "<d:lockroot><d:href>/test.vo/dir/file</d:href></d:lockroot>",
        "<d:timeout>Second-",
        "<d:supportedlock><d:lockentry>",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
    // Nobody changes it without the token, and nobody else with it.
    let set = patch("<d:set><d:prop><z:a/></d:prop></d:set>");
    for (who, headers) in [(&scene.voms, &[][..]), (&other, own)] {
        for (method, body) in [("PUT", "new"), ("DELETE", ""), ("PROPPATCH", &set)] {
            let answer = ask(who, &scene, method, path, headers, body).await;
            assert_eq!(answer.status, 423, "{method}: {}", answer.text());
            let why = "<d:lock-token-submitted><d:href>/test.vo/dir/file</d:href>";
            assert!(answer.text().contains(why), "{method}: {}", answer.text());
        }
    }
    let answer = ask(&other, &scene, "LOCK", path, &[], LOCKINFO).await;
    assert_eq!(answer.status, 423);
    assert!(answer.text().contains("<d:no-conflicting-lock>"), "{}", answer.text());
    let answer = ask(&other, &scene, "UNLOCK", path, &[("lock-token", &taken)], "").await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    // Reading goes on.
    assert_eq!(ask(&other, &scene, "GET", path, &[], "").await.status, 200);

    assert_eq!(prepare(&scene, path).await.file_code(), "SRM_FILE_BUSY");
    rm(&scene, path).await.expect("SRM_FILE_BUSY");
    mv(&scene, path, "/test.vo/moved").await.expect("SRM_FILE_BUSY");
    mv(&scene, "/test.vo/dir", "/test.vo/moved").await.expect("SRM_FILE_BUSY");
    let tree =
        format!("<SURL>{}</SURL><recursive>true</recursive>", scene.storm.surl("/test.vo/dir"));
    scene.srm("srmRmdir", &tree).await.expect("SRM_FAILURE");
    scene.unchanged();

    // Who has it goes on, and refreshes it.
    assert_eq!(status(&scene, "PUT", path, own, "new").await, 204);
    let refreshed = ask(&scene.voms, &scene, "LOCK", path, own, "").await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let stolen = ask(&other, &scene, "LOCK", path, own, "").await;
    assert_eq!(stolen.status, 412, "{}", stolen.text());
    let wrong = [("lock-token", "<urn:uuid:0>")];
    assert_eq!(status(&scene, "UNLOCK", path, &wrong, "").await, 409);
    assert_eq!(status(&scene, "UNLOCK", path, &[("lock-token", &taken)], "").await, 204);
    rm(&scene, path).await.expect("SRM_SUCCESS");
}

/// LibreOffice opens for reading only what offers no lock, and takes an offer for a promise.
#[tokio::test]
async fn locks_are_offered_to_who_may_have_them() {
    let scene = Scene::new();
    let body = "<propfind xmlns='DAV:'><prop><supportedlock/></prop></propfind>";
    let path = "/open/file";
    let mut nobody = Conn::tcp(scene.storm.ports.plain).await.unwrap();
    let headers = [("depth", "0")];
    let told = nobody.request("PROPFIND", path, &headers, body.as_bytes()).await.unwrap();
    assert_eq!(told.status, 207, "{}", told.text());
    let text = told.text();
    assert!(text.contains("supportedlock") && !text.contains("lockentry"), "{text}");
    let lock = nobody.request("LOCK", path, &headers, LOCKINFO.as_bytes()).await.unwrap();
    assert_eq!(lock.status, 401, "{}", lock.text());
    let text = properties(&scene, path, body).await;
    assert!(text.contains("<d:supportedlock><d:lockentry>"), "{text}");
    token(&ask(&scene.voms, &scene, "LOCK", path, &headers, LOCKINFO).await);
}

#[tokio::test]
async fn a_put_under_way_is_not_locked() {
    let scene = Scene::new();
    let (_, token, _, _) = scene.put("dir/new", None).await;
    for path in ["/test.vo/dir/new", "/test.vo/dir"] {
        let answer = ask(&scene.voms, &scene, "LOCK", path, &[], LOCKINFO).await;
        assert_eq!(answer.status, 423, "{path}: {}", answer.text());
    }
    scene.abort(&token).await;
    lock(&scene, "/test.vo/dir", &[]).await;
    assert_eq!(prepare(&scene, "/test.vo/dir/new").await.file_code(), "SRM_FILE_BUSY");
}

#[tokio::test]
async fn a_missing_name_is_locked_by_an_empty_file() {
    let scene = Scene::new();
    let path = "/test.vo/dir/new";
    let answer = ask(&scene.voms, &scene, "LOCK", path, &[], LOCKINFO).await;
    assert_eq!(answer.status, 201);
    let taken = format!("({})", token(&answer));
    let head = ask(&scene.voms, &scene, "HEAD", path, &[], "").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("0")));
    // As davfs2 does.
    let tag = head.header("etag").unwrap().to_owned();
    let headers = [("if", taken.as_str()), ("if-match", tag.as_str())];
    assert_eq!(status(&scene, "PUT", path, &headers, "content").await, 204);
    // A lock goes with its file, and what comes after it is free.
    assert_eq!(status(&scene, "DELETE", path, &[("if", &taken)], "").await, 204);
    assert_eq!(status(&scene, "PUT", path, &[], "again").await, 201);
    assert_eq!(status(&scene, "LOCK", "/test.vo/none/new", &[], LOCKINFO).await, 409);
}

#[tokio::test]
async fn a_locked_directory_guards_what_is_in_it() {
    let scene = Scene::new();
    let (dir, file) = ("/test.vo/dir", "/test.vo/dir/file");
    let taken = lock(&scene, dir, &[("depth", "0")]).await;
    // Its members may change; which there are may not.
    assert_eq!(status(&scene, "PUT", file, &[], "x").await, 204);
    for (method, path) in [("PUT", "/test.vo/dir/b"), ("DELETE", file), ("MKCOL", "/test.vo/dir/c")]
    {
        assert_eq!(status(&scene, method, path, &[], "").await, 423, "{method}");
    }
    let mkdir = format!("<SURL>{}</SURL>", scene.storm.surl("/test.vo/dir/c"));
    scene.srm("srmMkdir", &mkdir).await.expect("SRM_FAILURE");
    let tagged = format!("</test.vo/dir> ({taken})");
    assert_eq!(status(&scene, "PUT", "/test.vo/dir/b", &[("if", &tagged)], "x").await, 201);
    // A lock on a member beside it; one of all below is not to be had then.
    let member = lock(&scene, file, &[]).await;
    assert_eq!(status(&scene, "UNLOCK", dir, &[("lock-token", &taken)], "").await, 204);
    assert_eq!(status(&scene, "LOCK", dir, &[], LOCKINFO).await, 423);
    assert_eq!(status(&scene, "UNLOCK", file, &[("lock-token", &member)], "").await, 204);
    let deep = lock(&scene, dir, &[]).await;
    assert_eq!(status(&scene, "PUT", file, &[], "x").await, 423);
    assert_eq!(status(&scene, "PUT", file, &[("if", &format!("({deep})"))], "x").await, 204);
    // Shared locks bear each other, and each opens.
    assert_eq!(status(&scene, "UNLOCK", file, &[("lock-token", &deep)], "").await, 204);
    let shared = LOCKINFO.replace("exclusive", "shared");
    let other = wire::config(Some("voms-user2"), Tls::Any);
    let one = token(&ask(&scene.voms, &scene, "LOCK", file, &[], &shared).await);
    token(&ask(&other, &scene, "LOCK", file, &[], &shared).await);
    assert_eq!(status(&scene, "LOCK", file, &[], LOCKINFO).await, 423);
    assert_eq!(status(&scene, "PUT", file, &[], "y").await, 423);
    assert_eq!(status(&scene, "PUT", file, &[("if", &format!("({one})"))], "y").await, 204);
}

/// RFC 4918 10.4: 412 where no list holds, 423 where one does and the token was not sent.
#[tokio::test]
async fn the_if_header() {
    let scene = Scene::new();
    let path = "/test.vo/dir/file";
    let taken = lock(&scene, path, &[]).await;
    let head = ask(&scene.voms, &scene, "HEAD", path, &[], "").await;
    let tag = head.header("etag").unwrap().to_owned();
    let port = scene.storm.ports.https;
    for (text, code) in [
        (format!("({taken} [{tag}])"), 207),
        (format!("({taken} [\"other\"])"), 412),
        (format!("({taken}) (Not <DAV:no-lock> [\"other\"])"), 207),
        (format!("({taken} [\"other\"]) (Not <DAV:no-lock>)"), 207),
        ("(<DAV:no-lock>)".to_owned(), 412),
        ("(Not <DAV:no-lock>)".to_owned(), 423),
        (format!("(Not {taken})"), 412),
        (format!("([{tag}])"), 423),
        (format!("</test.vo/dir/file> ({taken})"), 207),
        (format!("</webdav/test.vo/dir/file> ({taken})"), 207),
        (format!("<https://localhost/test.vo/dir/file> ({taken})"), 207),
        (format!("<https://elsewhere:{port}/test.vo/dir/file> ({taken})"), 412),
        (format!("</test.vo/none> ({taken})"), 412),
        (format!("</test.vo/none> (Not {taken})"), 207),
        ("(".to_owned(), 400),
        (String::new(), 400),
    ] {
        let set = patch("<d:set><d:prop><z:a>1</z:a></d:prop></d:set>");
        let answer = ask(&scene.voms, &scene, "PROPPATCH", path, &[("if", &text)], &set).await;
        assert_eq!(answer.status, code, "{text}: {}", answer.text());
    }
    // Who may not look learns nothing of it.
    let nobody = wire::config(None, Tls::Any);
    let answer = ask(&nobody, &scene, "PUT", path, &[("if", "(<DAV:no-lock>)")], "x").await;
    let dav = answer.header("dav").unwrap();
    assert!(answer.status == 401 && dav.starts_with("1, 2, 3"), "{} {dav}", answer.status);
}

#[tokio::test]
async fn locks_and_properties_outlive_a_kill_and_end_in_time() {
    let mut scene = Scene::new();
    let (path, brief) = ("/test.vo/dir/file", "/test.vo/brief");
    let set = patch("<d:set><d:prop xml:lang='de'><z:a>Grüße <z:b/></z:a></d:prop></d:set>");
    assert_eq!(status(&scene, "PROPPATCH", path, &[], &set).await, 207);
    let taken = lock(&scene, path, &[("timeout", "Infinite")]).await;
    let short = lock(&scene, brief, &[("timeout", "Second-3")]).await;
    let began = Instant::now();
    scene.storm.restart();
    let told = properties(&scene, path, "").await;
    assert!(told.contains("<z:a xmlns:z=\"urn:z\" xml:lang=\"de\">Grüße <z:b/></z:a>"), "{told}");
    assert!(told.contains(taken.trim_matches(['<', '>'])), "{told}");
    rm(&scene, path).await.expect("SRM_FILE_BUSY");
    assert_eq!(status(&scene, "PUT", path, &[("if", &format!("({taken})"))], "x").await, 204);
    // The other ends, neither before its second nor long after it.
    let free = |answer: u16| answer == 204;
    loop {
        let answer = status(&scene, "PUT", brief, &[], "x").await;
        if began.elapsed() < Duration::from_millis(2500) {
            assert_eq!(answer, 423);
        }
        if free(answer) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{short} does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What is gone after a stop is not locked any more.
    scene.storm.kill9();
    std::fs::remove_file(scene.storm.root("test.vo").join("dir/file")).unwrap();
    scene.storm.restart();
    assert_eq!(status(&scene, "PUT", path, &[], "new").await, 201);
    let told = properties(&scene, path, "").await;
    assert!(!told.contains("urn:z") && !told.contains("activelock"), "{told}");
}

/// cadaver locks a file, replaces it under the lock and unlocks it.
#[test]
fn cadaver_edits_under_a_lock() {
    let mut storm = TestStorm::start();
    storm.http = "anonymous_write = true".to_owned();
    storm.restart();
    let open = storm.root("open");
    std::fs::write(open.join("text"), "old").unwrap();
    std::fs::write(storm.dir().join("home/new"), "edited").unwrap();
    let mut cadaver = Command::new("cadaver")
        .args(["-r", "/dev/null"])
        .arg(format!("http://localhost:{}/open/", storm.ports.plain))
        .env("HOME", storm.dir().join("home"))
        .current_dir(storm.dir().join("home"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cadaver is missing: make test installs it");
    let deeds = "lock text\nput new text\ndiscover text\npropset text colour blue\npropget text colour\n\
                 unlock text\nquit\n";
    cadaver.stdin.take().unwrap().write_all(deeds.as_bytes()).unwrap();
    let done = cadaver.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert_eq!(std::fs::read_to_string(open.join("text")).unwrap(), "edited", "{told}");
    assert!(told.contains("Scope: exclusive") && told.contains("blue"), "{told}");
    assert!(!told.contains("failed"), "{told}");
    for method in ["LOCK", "PUT", "PROPPATCH", "UNLOCK"] {
        let lines = storm.access_of(method, |line| line.op() == method);
        assert!(!lines.is_empty(), "{method}: {told}");
    }
}
