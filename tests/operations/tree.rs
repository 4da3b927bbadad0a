//! srmMkdir, srmRmdir and srmRm.

use std::os::unix::fs::{MetadataExt, symlink};

use super::common::leftovers;
use super::common::scene::Scene;
use super::common::soap::Answer;
use super::{get_status, list, mkdir, pin, put_done, put_status, rm, rmdir};

#[track_caller]
fn is(answer: &Answer, code: &str, told: &str) {
    assert_eq!(answer.code, code, "{}", answer.xml);
    assert!(answer.explanation.contains(told), "{told}: {}", answer.explanation);
}

#[tokio::test]
async fn making_directories() {
    let scene = Scene::new();
    let mut path = "/test.vo/new".to_owned();
    for _ in 0..9 {
        is(&mkdir(&scene, &path).await, "SRM_SUCCESS", "Directory created");
        path += "/n";
    }
    let root = scene.storm.root("test.vo");
    assert_eq!(root.join("new").metadata().unwrap().mode() & 0o7777, 0o770);
    for (path, code, told) in [
        ("/test.vo/new", "SRM_DUPLICATION_ERROR", "Path exists and it's a directory."),
        ("/test.vo", "SRM_DUPLICATION_ERROR", "Path exists and it's a directory."),
        ("/test.vo/dir/file", "SRM_INVALID_PATH", "Path specified exists as a file."),
        ("/test.vo/dir/file/x", "SRM_INVALID_PATH", "a file stands where the parent"),
        ("/test.vo/no/x", "SRM_INVALID_PATH", "Parent directory does not exists. Recursive"),
        ("/nowhere/x", "SRM_INVALID_PATH", "no storage area"),
        ("/closed/x", "SRM_AUTHORIZATION_FAILURE", "may not approach"),
        ("/test.vo/.storm.x", "SRM_INVALID_PATH", ".storm."),
    ] {
        is(&mkdir(&scene, path).await, code, told);
    }
    assert_eq!(scene.srm("srmMkdir", "").await.code, "SRM_INVALID_PATH");
    // A put that is not done keeps its name.
    let (_, token, _, _) = scene.put("coming", None).await;
    is(&mkdir(&scene, "/test.vo/coming").await, "SRM_DUPLICATION_ERROR", "put");
    assert_eq!(scene.http("MKCOL", "/test.vo/coming", b"").await.0, 423);
    put_done(&scene, &token, "/test.vo/coming").await.expect("SRM_SUCCESS");
    assert!(root.join("coming").is_file());
}

#[tokio::test]
async fn removing_directories() {
    let scene = Scene::with("", Vec::new(), |storm| {
        let root = storm.root("test.vo");
        std::fs::create_dir_all(root.join("t/a/b")).unwrap();
        std::fs::create_dir(root.join("empty")).unwrap();
        for name in ["t/f", "t/a/f", "t/a/b/f"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        // Links are removed, never followed: not inside, not out, not at the top.
        symlink("../dir", root.join("t/inside")).unwrap();
        symlink("/etc", root.join("t/a/outside")).unwrap();
        symlink("nowhere", root.join("t/dangling")).unwrap();
        symlink("dir", root.join("way")).unwrap();
    });
    let root = scene.storm.root("test.vo");
    for (path, recursive, code, told) in [
        ("/test.vo/none", false, "SRM_INVALID_PATH", "Directory does not exists"),
        ("/test.vo/none", true, "SRM_INVALID_PATH", "Directory does not exists"),
        ("/test.vo/dir/file", true, "SRM_INVALID_PATH", "Not a directory"),
        ("/test.vo/way", true, "SRM_INVALID_PATH", "Not a directory"),
        ("/test.vo/way", false, "SRM_INVALID_PATH", "Not a directory"),
        ("/test.vo/t", false, "SRM_NON_EMPTY_DIRECTORY", "not empty"),
        ("/test.vo", false, "SRM_AUTHORIZATION_FAILURE", "root"),
        ("/test.vo", true, "SRM_AUTHORIZATION_FAILURE", "root"),
        ("/", true, "SRM_INVALID_PATH", "no storage area"),
        ("/closed", true, "SRM_AUTHORIZATION_FAILURE", "may not approach"),
        ("/test.vo/t/a/outside", true, "SRM_AUTHORIZATION_FAILURE", "leads out"),
    ] {
        is(&rmdir(&scene, path, recursive).await, code, told);
    }
    scene.unchanged();
    is(&rmdir(&scene, "/test.vo/empty", false).await, "SRM_SUCCESS", "Directory removed");
    let (token, _) = pin(&scene, "/test.vo/t/a/b/f").await;
    is(&rmdir(&scene, "/test.vo/t", true).await, "SRM_SUCCESS", "Directory removed");
    assert_eq!(get_status(&scene, &token).await, "SRM_ABORTED");
    assert!(!root.join("t").exists() && root.join("dir/file").exists());
    assert!(std::path::Path::new("/etc/passwd").exists());
}

#[tokio::test]
async fn removing_a_directory_over_a_live_put() {
    let scene = Scene::new();
    mkdir(&scene, "/test.vo/t").await;
    mkdir(&scene, "/test.vo/t/sub").await;
    let (_, token, _, turl) = scene.put("t/sub/f", None).await;
    assert_eq!(scene.http("PUT", &turl, b"data").await.0, 201);
    is(&rmdir(&scene, "/test.vo/t/sub", false).await, "SRM_NON_EMPTY_DIRECTORY", "not empty");
    let refused = rmdir(&scene, "/test.vo/t", true).await;
    is(&refused, "SRM_FAILURE", "nothing was removed");
    put_done(&scene, &token, "/test.vo/t/sub/f").await.expect("SRM_SUCCESS");
    is(&rmdir(&scene, "/test.vo/t", true).await, "SRM_SUCCESS", "removed");
    scene.unchanged();
}

#[tokio::test]
async fn removing_files() {
    let scene = Scene::with("", Vec::new(), |storm| {
        let root = storm.root("test.vo");
        symlink("file", root.join("dir/link")).unwrap();
        symlink("nowhere", root.join("dir/dangling")).unwrap();
        symlink("/etc/passwd", root.join("dir/out")).unwrap();
        std::fs::write(root.join("dir/g"), "g").unwrap();
    });
    let root = scene.storm.root("test.vo");
    let ask = async |paths: &[&str]| {
        let answer = rm(&scene, paths).await;
        let codes: Vec<String> = answer.files.iter().map(|f| f.code.clone()).collect();
        let surls: Vec<String> = answer.files.iter().map(|f| f.surl.clone()).collect();
        assert_eq!(surls, paths.iter().map(|p| scene.storm.surl(p)).collect::<Vec<_>>());
        (answer.code, codes.join(" "), answer.files[0].explanation.clone())
    };
    let (code, files, why) = ask(&["/test.vo/none", "/test.vo/dir"]).await;
    assert_eq!(
        (code.as_str(), files.as_str()),
        ("SRM_FAILURE", "SRM_INVALID_PATH SRM_INVALID_PATH")
    );
    assert!(why.contains("File does not exist"), "{why}");
    let (.., why) = ask(&["/test.vo/dir"]).await;
    assert!(why.contains("is a directory. Not removed"), "{why}");
    let (code, files, _) = ask(&["/closed/x", "/test.vo/dir/out"]).await;
    assert_eq!(code, "SRM_AUTHORIZATION_FAILURE");
    assert_eq!(files, "SRM_AUTHORIZATION_FAILURE SRM_AUTHORIZATION_FAILURE");
    scene.unchanged();
    // A link is removed, not what it names; the same file twice is gone the second time.
    let paths =
        ["/test.vo/dir/link", "/test.vo/dir/dangling", "/test.vo/none", "/test.vo/dir/link"];
    let (code, files, _) = ask(&paths).await;
    assert_eq!(code, "SRM_PARTIAL_SUCCESS");
    assert_eq!(files, "SRM_SUCCESS SRM_SUCCESS SRM_INVALID_PATH SRM_INVALID_PATH");
    assert!(root.join("dir/file").exists());
    assert!(root.join("dir/dangling").symlink_metadata().is_err());
    // Pins do not keep a file; a put on it is aborted.
    let (token, turl) = pin(&scene, "/test.vo/dir/file").await;
    let (_, put, _, _) = scene.put("dir/new", None).await;
    let (code, files, _) = ask(&["/test.vo/dir/file", "/test.vo/dir/new", "/test.vo/dir/g"]).await;
    assert_eq!(
        (code.as_str(), files.as_str()),
        ("SRM_SUCCESS", "SRM_SUCCESS SRM_SUCCESS SRM_SUCCESS")
    );
    let status = scene.srm("srmStatusOfGetRequest", &super::soap::token(&token)).await;
    assert_eq!(status.file_code(), "SRM_ABORTED", "{}", status.xml);
    assert!(status.file_explanation().contains("File has been removed"), "{}", status.xml);
    assert_eq!(scene.http("GET", &turl, b"").await.0, 403);
    assert_eq!(put_status(&scene, &put).await, "SRM_ABORTED");
    list(&scene, "/test.vo/dir/new", "").await.expect("SRM_INVALID_PATH");
    assert_eq!(leftovers(&scene.storm.dir().join("areas")), [""; 0]);
    assert_eq!(scene.srm("srmRm", "").await.code, "SRM_INVALID_REQUEST");
}
