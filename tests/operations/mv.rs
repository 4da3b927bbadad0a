//! srmMv.

use std::os::unix::fs::symlink;

use super::common::leftovers;
use super::common::scene::Scene;
use super::{get_status, list, mkdir, mv, pin, put_done, rmdir};

#[tokio::test]
async fn moves_and_refusals() {
    let scene = Scene::with("", Vec::new(), |storm| {
        let root = storm.root("test.vo");
        std::fs::create_dir_all(root.join("into/file")).unwrap();
        std::fs::create_dir_all(root.join("t/sub")).unwrap();
        std::fs::create_dir(root.join("empty")).unwrap();
        std::fs::write(root.join("f"), "f").unwrap();
        symlink("../open", root.join("other")).unwrap();
        symlink("/etc", root.join("out")).unwrap();
    });
    let root = scene.storm.root("test.vo");
    for (from, to, code, told) in [
        ("f", "f", "SRM_SUCCESS", "same file"),
        ("t", "t", "SRM_SUCCESS", "same file"),
        ("f", "/test.vo", "SRM_SUCCESS", "same file"),
        ("f", "t/../f", "SRM_SUCCESS", "same file"),
        ("f", "dir/file", "SRM_DUPLICATION_ERROR", "exists"),
        ("dir/file", "into", "SRM_DUPLICATION_ERROR", "exists"),
        ("none", "x", "SRM_INVALID_PATH", "No such file"),
        ("f", "no/x", "SRM_INVALID_PATH", "does not exist"),
        ("f", "dir/file/x", "SRM_INVALID_PATH", "not a directory"),
        ("t", "t/x", "SRM_INVALID_PATH", "into itself"),
        ("t", "t/sub", "SRM_INVALID_PATH", "into itself"),
        ("t", "f", "SRM_DUPLICATION_ERROR", "exists"),
        ("/test.vo", "x", "SRM_AUTHORIZATION_FAILURE", "root"),
        ("/test.vo", "t", "SRM_AUTHORIZATION_FAILURE", "root"),
        ("f", "/open/f", "SRM_NOT_SUPPORTED", "different storage areas"),
        ("f", "/closed/f", "SRM_AUTHORIZATION_FAILURE", "may not approach"),
        ("/closed/f", "g", "SRM_AUTHORIZATION_FAILURE", "may not approach"),
        ("f", "/nowhere/f", "SRM_INVALID_PATH", "no storage area"),
        ("f", "other/x", "SRM_AUTHORIZATION_FAILURE", "leads out"),
        ("f", "out/x", "SRM_AUTHORIZATION_FAILURE", "leads out"),
        ("out", "x", "SRM_AUTHORIZATION_FAILURE", "leads out"),
        ("f", ".storm.x", "SRM_INVALID_PATH", ".storm."),
        ("f", "../../x", "SRM_INVALID_PATH", "above"),
    ] {
        let full = |path: &str| match path.strip_prefix('/') {
            Some(_) => path.to_owned(),
            None => format!("/test.vo/{path}"),
        };
        let answer = mv(&scene, &full(from), &full(to)).await;
        assert_eq!(answer.code, code, "{from} -> {to}: {}", answer.xml);
        assert!(answer.explanation.contains(told), "{from} -> {to}: {}", answer.explanation);
    }
    scene.unchanged();
    for (from, to, now) in [
        ("f", "g", "g"),
        ("g", "dir", "dir/g"),
        ("dir/g", "t/", "t/g"),
        ("t", "into", "into/t"),
        ("into", "empty/renamed", "empty/renamed"),
        ("empty/renamed/t/g", "g", "g"),
    ] {
        let answer = mv(&scene, &format!("/test.vo/{from}"), &format!("/test.vo/{to}")).await;
        assert_eq!(answer.code, "SRM_SUCCESS", "{from} -> {to}: {}", answer.xml);
        assert!(root.join(now).exists() && !root.join(from).exists(), "{from} -> {to}");
    }
    assert_eq!(std::fs::read(root.join("g")).unwrap(), b"f");
}

#[tokio::test]
async fn puts_and_pins() {
    let scene = Scene::new();
    let (token, _) = pin(&scene, "/test.vo/dir/file").await;
    assert_eq!(mv(&scene, "/test.vo/dir/file", "/test.vo/x").await.code, "SRM_FILE_BUSY");
    scene.srm("srmReleaseFiles", &super::soap::token(&token)).await;
    let (_, put, _, turl) = scene.put("new", None).await;
    assert_eq!(mv(&scene, "/test.vo/new", "/test.vo/x").await.code, "SRM_FILE_BUSY");
    let onto = mv(&scene, "/test.vo/dir/file", "/test.vo/new").await;
    assert_eq!(onto.code, "SRM_DUPLICATION_ERROR", "{}", onto.xml);
    scene.abort(&put).await;
    assert_eq!(scene.http("PUT", &turl, b"late").await.0, 403);
    scene.unchanged();

    // A directory that holds a live put: it goes, the put can't be done, and nothing stays hidden.
    mkdir(&scene, "/test.vo/t").await;
    mkdir(&scene, "/test.vo/t/sub").await;
    let (_, put, _, turl) = scene.put("t/sub/f", None).await;
    assert_eq!(scene.http("PUT", &turl, b"data").await.0, 201);
    assert_eq!(mv(&scene, "/test.vo/t", "/test.vo/u").await.code, "SRM_SUCCESS");
    assert_eq!(leftovers(&scene.storm.dir().join("areas")), [""; 0]);
    let (status, text) = scene.http("PUT", &turl, b"more").await;
    assert_eq!(status, 403, "{text}");
    let done = put_done(&scene, &put, "/test.vo/t/sub/f").await.expect("SRM_INVALID_PATH");
    assert_eq!(done.code, "SRM_FAILURE");
    list(&scene, "/test.vo/t/sub/f", "").await.expect("SRM_INVALID_PATH");
    assert_eq!(rmdir(&scene, "/test.vo/u/sub", false).await.code, "SRM_SUCCESS");
    assert_eq!(rmdir(&scene, "/test.vo/u", false).await.code, "SRM_SUCCESS");

    // Pins below it end, and do not hold what comes in their place.
    mkdir(&scene, "/test.vo/t").await;
    std::fs::write(scene.storm.root("test.vo").join("t/f"), "data").unwrap();
    let (token, turl) = pin(&scene, "/test.vo/t/f").await;
    assert_eq!(mv(&scene, "/test.vo/t", "/test.vo/u").await.code, "SRM_SUCCESS");
    assert_eq!(get_status(&scene, &token).await, "SRM_ABORTED");
    assert_eq!(scene.http("GET", &turl, b"").await.0, 403);
    mkdir(&scene, "/test.vo/t").await;
    std::fs::write(scene.storm.root("test.vo").join("t/f"), "other").unwrap();
    assert_eq!(mv(&scene, "/test.vo/t/f", "/test.vo/t/g").await.code, "SRM_SUCCESS");
    for directory in ["/test.vo/t", "/test.vo/u"] {
        assert_eq!(rmdir(&scene, directory, true).await.code, "SRM_SUCCESS");
    }
    scene.unchanged();
}
