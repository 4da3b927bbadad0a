//! Conditions are judged at the moment of the change, not when its request came.

use super::common::bytes;
use super::common::trace::Trace;
use super::*;

/// A PUT whose body ends after `between` was done.
async fn put_around(scene: &Scene, header: (&str, &str), between: impl Future) -> u16 {
    let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
    let head = wire::head("PUT", "/test.vo/dir/file", &[header], Some(2000));
    let body = bytes(2000, 9);
    conn.send(head.as_bytes()).await.unwrap();
    conn.send(&body[..1000]).await.unwrap();
    // It is under way.
    tokio::time::sleep(Duration::from_millis(300)).await;
    between.await;
    conn.send(&body[1000..]).await.unwrap();
    conn.response("PUT").await.unwrap().status
}

#[tokio::test]
async fn an_entity_tag_of_the_if_header() {
    let scene = Scene::new();
    let path = "/test.vo/dir/file";
    let file = scene.storm.root("test.vo").join("dir/file");
    let etag = async || {
        let head = ask(&scene.voms, &scene, "HEAD", path, &[], "").await;
        head.header("etag").unwrap().to_owned()
    };
    for form in ["({})", "</test.vo/dir/file> (Not <DAV:no-lock> {})", "(<urn:x>) ({})"] {
        let wanted = form.replace("{}", &format!("[{}]", etag().await));
        let header = ("if", wanted.as_str());
        // Nothing happens meanwhile; somebody else is quicker.
        assert_eq!(put_around(&scene, header, async {}).await, 204, "{form}");
        let wanted = form.replace("{}", &format!("[{}]", etag().await));
        let other = async { assert_eq!(status(&scene, "PUT", path, &[], "theirs").await, 204) };
        assert_eq!(put_around(&scene, ("if", &wanted), other).await, 412, "{form}");
        assert_eq!(std::fs::read(&file).unwrap(), b"theirs", "{form}");
    }
    // Where one list holds whatever stands there, so does the header.
    let wanted = format!("([{}]) (Not <DAV:no-lock>)", etag().await);
    let other = async { assert_eq!(status(&scene, "PUT", path, &[], "more").await, 204) };
    assert_eq!(put_around(&scene, ("if", &wanted), other).await, 204);
    assert_eq!(std::fs::read(&file).unwrap(), bytes(2000, 9));
}

/// A DELETE waits for the lock of its path; what it wants to remove is replaced meanwhile.
#[tokio::test]
async fn what_is_removed() {
    let scene = Scene::new();
    let path = "/test.vo/dir/file";
    let file = scene.storm.root("test.vo").join("dir/file");
    for name in ["if-match", "if"] {
        let head = ask(&scene.voms, &scene, "HEAD", path, &[], "").await;
        let etag = head.header("etag").unwrap().to_owned();
        let wanted = if name == "if" { format!("([{etag}])") } else { etag };
        // The PUT keeps the lock while its names are made, slowly.
        let trace = Trace::slow(scene.storm.pid(), "linkat", Duration::from_secs(1));
        let put = status(&scene, "PUT", path, &[], "theirs");
        let delete = async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            status(&scene, "DELETE", path, &[(name, &wanted)], "").await
        };
        assert_eq!(tokio::join!(put, delete), (204, 412), "{name}");
        trace.stop();
        assert_eq!(std::fs::read(&file).unwrap(), b"theirs", "{name}");
    }
    let head = ask(&scene.voms, &scene, "HEAD", path, &[], "").await;
    let header = [("if-match", head.header("etag").unwrap())];
    assert_eq!(status(&scene, "DELETE", path, &header, "").await, 204);
    assert!(!file.exists());
}
