//! Data over http(s) beside what SRM knows: live puts, pins, TURLs, checksums.

use super::common::client::Tls;
use super::common::scene::Scene;
use super::common::{adler32, leftovers, soap, wire};
use super::{attribute, get_status, list, pin, plain, put_done, set_attribute};

#[tokio::test]
async fn a_live_put_is_locked_at_its_own_path() {
    let scene = Scene::new();
    let (_, token, _, turl) = scene.put("dir/new", None).await;
    for (method, status) in [("PUT", 423), ("HEAD", 404), ("GET", 404), ("PROPFIND", 404)] {
        let answer = scene.https(method, "/test.vo/dir/new", &[("depth", "0")], b"").await;
        assert_eq!(answer.status, status, "{method}: {}", answer.text());
    }
    // Its TURL is open to its person, and holds nothing until data came.
    assert!(turl.starts_with("/fileTransfer/test.vo/dir/"), "{turl}");
    for method in ["HEAD", "GET", "PROPFIND", "DELETE"] {
        let answer = scene.https(method, &turl, &[("depth", "0")], b"").await;
        assert_eq!(answer.status, 404, "{method}: {}", answer.text());
    }
    // A live put is not an existing file.
    let once = [("if-none-match", "*")];
    assert_eq!(scene.https("PUT", &turl, &once, b"first").await.status, 201);
    let second = scene.https("PUT", &turl, &[], b"second").await.status;
    assert!((200..300).contains(&second), "{second}");
    let head = scene.https("HEAD", &turl, &[], b"").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("6")));
    let found = scene.https("PROPFIND", &turl, &[("depth", "0")], b"").await;
    assert_eq!(found.status, 207, "{}", found.text());
    assert_eq!(scene.http("GET", &turl, b"").await.1, "second");
    // Nobody else's.
    let other = wire::config(Some("voms-user2"), Tls::Any);
    let found = scene.https("PROPFIND", &turl, &[("depth", "1")], b"").await;
    assert_eq!(found.status, 207, "{}", found.text());
    for method in ["GET", "HEAD", "PUT", "DELETE", "PROPFIND"] {
        let port = scene.storm.ports.https;
        let mut conn = wire::Conn::tls(&other, port).await.unwrap();
        let answer = conn.request(method, &turl, &[("depth", "0")], b"").await.unwrap();
        assert_eq!(answer.status, 403, "{method}: {}", answer.text());
        assert_eq!(plain(&scene, method, &turl, b"").await.status, 401, "{method}");
    }
    put_done(&scene, &token, "/test.vo/dir/new").await.expect("SRM_SUCCESS");
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        assert_eq!(scene.http(method, &turl, b"x").await.0, 403, "{method} after putDone");
    }
    let path = scene.storm.root("test.vo").join("dir/new");
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    assert_eq!(attribute(&path, "user.storm.checksum.adler32"), Some(adler32(b"second")));
    assert!(attribute(&path, "user.storm.checksum.stamp").is_some_and(|s| s.starts_with("6:")));
}

#[tokio::test]
async fn an_overwriting_put_is_not_seen_before_its_end() {
    let scene = Scene::new();
    let path = scene.storm.root("test.vo").join("dir/file");
    let old = std::fs::read(&path).unwrap();
    let surl = scene.storm.surl("/test.vo/dir/file");
    let inner = soap::prepare_to_put(&[&surl], None);
    scene.srm("srmPrepareToPut", &inner).await.expect("SRM_DUPLICATION_ERROR");
    let inner = format!("{inner}<overwriteOption>ALWAYS</overwriteOption>");
    let put = scene.srm("srmPrepareToPut", &inner).await.expect("SRM_SPACE_AVAILABLE");
    let (_, turl) = wire::split_url(put.files[0].turl.as_deref().unwrap());
    let whole = async || {
        let answer = scene.https("GET", "/test.vo/dir/file", &[], b"").await;
        assert_eq!(answer.status, 200);
        answer.body
    };
    assert_eq!(whole().await, old);
    assert_eq!(scene.https("PUT", &turl, &[("if-none-match", "*")], b"new").await.status, 201);
    assert_eq!(whole().await, old);
    assert_eq!(scene.http("PUT", "/test.vo/dir/file", b"x").await.0, 423);
    list(&scene, "/test.vo/dir/file", "").await.expect("SRM_FILE_BUSY");
    put_done(&scene, &put.token.unwrap(), "/test.vo/dir/file").await.expect("SRM_SUCCESS");
    assert_eq!(whole().await, b"new");
    assert_eq!(leftovers(&scene.storm.dir().join("areas")), [""; 0]);
}

#[tokio::test]
async fn deleting_a_live_put() {
    let scene = Scene::new();
    let (_, token, _, turl) = scene.put("new", None).await;
    assert_eq!(scene.http("PUT", &turl, b"data").await.0, 201);
    // What was uploaded is taken back; the put stays.
    assert_eq!(scene.http("DELETE", &turl, b"").await.0, 204);
    assert_eq!(scene.http("HEAD", &turl, b"").await.0, 404);
    assert_eq!(super::put_status(&scene, &token).await, "SRM_SPACE_AVAILABLE");
    let (status, text) = scene.http("DELETE", "/test.vo/new", b"").await;
    assert!([204, 423].contains(&status), "{status} {text}");
    scene.abort(&token).await;
    scene.unchanged();
}

#[tokio::test]
async fn a_pinned_file_may_be_replaced_and_its_gets_end() {
    let scene = Scene::new();
    let (token, turl) = pin(&scene, "/test.vo/dir/file").await;
    assert_eq!(scene.http("GET", &turl, b"").await.0, 200);
    let put = scene.http("PUT", "/test.vo/dir/file", b"new").await;
    assert_eq!(put.0, 204, "{}", put.1);
    assert_eq!(get_status(&scene, &token).await, "SRM_ABORTED");
    assert_eq!(scene.http("GET", &turl, b"").await.0, 403);
    assert_eq!(scene.http("GET", "/test.vo/dir/file", b"").await.1, "new");
    // The TURL of a get: while it is pinned, for its person, and not to write.
    let (token, turl) = pin(&scene, "/test.vo/dir/file").await;
    let other = wire::config(Some("voms-user2"), Tls::Any);
    let port = scene.storm.ports.https;
    assert_eq!(wire::once(&other, port, "GET", &turl, b"").await.unwrap().status, 403);
    assert_eq!(scene.http("PUT", &turl, b"x").await.0, 403);
    assert_eq!(scene.http("DELETE", &turl, b"").await.0, 403);
    scene.srm("srmReleaseFiles", &soap::token(&token)).await;
    assert_eq!(scene.http("GET", &turl, b"").await.0, 403);
    // DELETE ends gets too.
    let (token, _) = pin(&scene, "/test.vo/dir/file").await;
    assert_eq!(scene.http("DELETE", "/test.vo/dir/file", b"").await.0, 204);
    assert_eq!(get_status(&scene, &token).await, "SRM_ABORTED");
}

#[tokio::test]
async fn attributes_of_a_published_file() {
    let scene = Scene::new();
    let path = scene.storm.root("test.vo").join("dir/file");
    set_attribute(&path, "user.storm.migrated", "");
    set_attribute(&path, "user.storm.checksum.adler32", "deadbeef");
    assert_eq!(scene.http("PUT", "/test.vo/dir/file", b"new").await.0, 204);
    assert_eq!(attribute(&path, "user.storm.migrated"), None);
    assert_eq!(attribute(&path, "user.storm.checksum.adler32"), Some(adler32(b"new")));
    let data = path.metadata().unwrap();
    let modified = data.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let stamp = attribute(&path, "user.storm.checksum.stamp").unwrap();
    assert_eq!(stamp, format!("3:{}", modified.as_nanos()));
    use std::os::unix::fs::MetadataExt;
    assert_eq!(data.mode() & 0o777, 0o660);
    let head = scene.https("HEAD", "/test.vo/dir/file", &[("want-digest", "adler32")], b"").await;
    assert_eq!(head.header("digest"), Some(format!("adler32={}", adler32(b"new")).as_str()));
    // A half body leaves the old file.
    let mut conn = wire::Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
    let head = wire::head("PUT", "/test.vo/dir/file", &[], Some(1000));
    conn.send(format!("{head}part").as_bytes()).await.unwrap();
    drop(conn);
    assert_eq!(scene.http("GET", "/test.vo/dir/file", b"").await.1, "new");
}

/// Rights are looked at again when the data is there: a file that somebody else made meanwhile is
/// not replaced by one who may only make new ones.
#[tokio::test]
async fn a_file_that_appears_under_an_upload() {
    let mut scene = Scene::new();
    let rules = "algorithm=PathAuthzAlgBestMatch\n@ALL@ / WRFLMN permit\n@ALL@ / D deny\n";
    std::fs::write(scene.storm.dir().join("path-authz.db"), rules).unwrap();
    scene.storm.restart();
    let mut conn = wire::Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
    let headers = [("expect", "100-continue")];
    let head = wire::head("PUT", "/test.vo/dir/new", &headers, Some(4));
    conn.send(head.as_bytes()).await.unwrap();
    conn.send(b"mi").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let path = scene.storm.root("test.vo").join("dir/new");
    std::fs::write(&path, "theirs").unwrap();
    conn.send(b"ne").await.unwrap();
    let answer = conn.response("PUT").await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
}
