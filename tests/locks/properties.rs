//! Dead properties, times, quota, and whole trees.

use std::time::Duration;

use crate::common::scene::Scene;
use crate::common::wait_until;
use crate::{ask, lock, mv, patch, properties, rm, status};

#[tokio::test]
async fn properties_go_the_way_of_their_file() {
    let scene = Scene::new();
    let file = "/test.vo/dir/file";
    let set = patch("<d:set><d:prop><z:a>1</z:a><z:gone/></d:prop></d:set>");
    assert_eq!(status(&scene, "PROPPATCH", file, &[], &set).await, 207);
    assert_eq!(status(&scene, "PROPPATCH", "/test.vo/dir/", &[], &set).await, 207);
    // Another content is still the same file.
    assert_eq!(status(&scene, "PUT", file, &[], "other").await, 204);
    mv(&scene, "/test.vo/dir", "/test.vo/moved").await.expect("SRM_SUCCESS");
    mv(&scene, "/test.vo/moved/file", "/test.vo/moved/renamed").await.expect("SRM_SUCCESS");
    let ask_for =
        "<d:propfind xmlns:d='DAV:' xmlns:q='urn:z'><d:prop><q:a/><q:none/></d:prop></d:propfind>";
    let value = "<z:a xmlns:z=\"urn:z\">1</z:a></d:prop><d:status>HTTP/1.1 200";
    for path in ["/test.vo/moved/", "/test.vo/moved/renamed"] {
        let told = properties(&scene, path, ask_for).await;
        assert!(told.contains(value) && told.contains("<none xmlns=\"urn:z\"/>"), "{path}: {told}");
    }
    let names = "<d:propfind xmlns:d='DAV:'><d:propname/></d:propfind>";
    let told = properties(&scene, "/test.vo/moved/renamed", names).await;
    assert!(told.contains("<a xmlns=\"urn:z\"/><gone xmlns=\"urn:z\"/>"), "{told}");
    // All or nothing, in the order of the request.
    let bad = patch(
        "<d:remove><d:prop><z:gone/></d:prop></d:remove><d:set><d:prop><d:getetag>x\
                     </d:getetag></d:prop></d:set>",
    );
    let answer =
        ask(&scene.voms, &scene, "PROPPATCH", "/test.vo/moved/renamed", &[], &bad).await.text();
    let (first, second) =
        (answer.find("424 Failed").unwrap(), answer.find("403 Forbidden").unwrap());
    assert!(first < second && answer.contains("cannot-modify-protected-property"), "{answer}");
    let told = properties(&scene, "/test.vo/moved/renamed", "").await;
    assert!(told.contains("<z:gone"), "{told}");
    // What is removed takes them along, and its successor has none.
    rm(&scene, "/test.vo/moved/renamed").await.expect("SRM_SUCCESS");
    assert_eq!(status(&scene, "PUT", "/test.vo/moved/renamed", &[], "x").await, 201);
    assert!(!properties(&scene, "/test.vo/moved/renamed", "").await.contains("urn:z"));
    rm(&scene, "/test.vo/moved/renamed").await.expect("SRM_SUCCESS");
    let dir = format!("<SURL>{}</SURL>", scene.storm.surl("/test.vo/moved"));
    scene.srm("srmRmdir", &dir).await.expect("SRM_SUCCESS");
    scene.srm("srmMkdir", &dir).await.expect("SRM_SUCCESS");
    assert!(!properties(&scene, "/test.vo/moved/", "").await.contains("urn:z"));
    // Bounded.
    let large = format!("<d:set><d:prop><z:a>{}</z:a></d:prop></d:set>", "x".repeat(60_000));
    for n in 0..5 {
        let one = patch(&large.replace("z:a", &format!("z:a{n}")));
        let answer = ask(&scene.voms, &scene, "PROPPATCH", "/test.vo/moved/", &[], &one).await;
        let expected = if n < 4 { "200 OK" } else { "507 Insufficient" };
        assert!(answer.text().contains(expected), "{n}: {}", &answer.text()[..200]);
    }
}

#[tokio::test]
async fn times_and_space_as_mounts_want_them() {
    let scene = Scene::new();
    let file = "/test.vo/timed";
    assert_eq!(status(&scene, "PUT", file, &[], "content").await, 201);
    let want = [("want-digest", "adler32")];
    let before = ask(&scene.voms, &scene, "HEAD", file, &want, "").await;
    let set = patch(
        "<d:set><d:prop><w:Win32LastModifiedTime>Sun, 06 Nov 1994 08:49:37 GMT\
         </w:Win32LastModifiedTime><w:Win32FileAttributes>00000020</w:Win32FileAttributes></d:prop></d:set>",
    );
    assert_eq!(status(&scene, "PROPPATCH", file, &[], &set).await, 207);
    let after = ask(&scene.voms, &scene, "HEAD", file, &want, "").await;
    assert_eq!(after.header("last-modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert!(before.header("digest").is_some());
    assert_eq!(before.header("digest"), after.header("digest"));
    let told = properties(&scene, file, "").await;
    assert!(
        told.contains("Win32FileAttributes xmlns:w=\"urn:schemas-microsoft-com:\">00000020"),
        "{told}"
    );
    // As rclone sends it.
    let set = patch("<d:set><d:prop><d:lastmodified>1000000000</d:lastmodified></d:prop></d:set>");
    assert_eq!(status(&scene, "PROPPATCH", file, &[], &set).await, 207);
    let after = ask(&scene.voms, &scene, "HEAD", file, &want, "").await;
    assert_eq!(after.header("last-modified"), Some("Sun, 09 Sep 2001 01:46:40 GMT"));
    assert_eq!(before.header("digest"), after.header("digest"));

    let quota = "<d:propfind xmlns:d='DAV:'><d:prop><d:quota-available-bytes/><d:quota-used-bytes/>\
                 <d:nothing/></d:prop></d:propfind>";
    let told = properties(&scene, "/test.vo/", quota).await;
    let number = |name: &str| -> u64 {
        let (_, rest) = told.split_once(&format!("<d:{name}>")).unwrap();
        rest.split_once('<').unwrap().0.parse().unwrap()
    };
    assert!(wait_until(Duration::from_secs(5), || number("quota-used-bytes") < 10_000));
    assert!(number("quota-available-bytes") > 1_000_000, "{told}");
    assert!(told.contains("404 Not Found"));
    assert!(!properties(&scene, "/test.vo/", "").await.contains("quota"));
    let headers = [("depth", "0"), ("prefer", "return=minimal")];
    let answer = ask(&scene.voms, &scene, "PROPFIND", "/test.vo/", &headers, quota).await;
    assert!(answer.text().contains("quota-used") && !answer.text().contains("404"));
}

/// `Depth: infinity`, directory by directory, with what is remembered of each.
#[tokio::test]
async fn whole_trees_are_listed() {
    let scene = Scene::new();
    let root = scene.storm.root("test.vo").join("tree");
    for n in 0..70 {
        std::fs::create_dir_all(root.join(format!("d{n}/e"))).unwrap();
        std::fs::write(root.join(format!("d{n}/e/f &{n}")), "x").unwrap();
    }
    let deep = (0..70).fold(root.clone(), |path, _| path.join("deep"));
    std::fs::create_dir_all(&deep).unwrap();
    let set = patch("<d:set><d:prop><z:a>1</z:a></d:prop></d:set>");
    assert_eq!(status(&scene, "PROPPATCH", "/test.vo/tree/d5/e/f%20&5", &[], &set).await, 207);
    lock(&scene, "/test.vo/tree/d5", &[]).await;
    let answer = ask(&scene.voms, &scene, "PROPFIND", "/test.vo/tree", &[], "").await;
    assert_eq!(answer.status, 207, "{}", answer.text());
    let text = answer.text();
    let responses: Vec<&str> = text.split("<d:response>").skip(1).collect();
    // The top, 70 of each kind, and as deep as it goes: the last is told, and that it is not entered.
    assert_eq!(responses.len(), 1 + 210 + 64 + 1);
    let of = |path: &str| {
        let href = format!("<d:href>{path}</d:href>");
        *responses.iter().find(|one| one.starts_with(&href)).unwrap_or_else(|| panic!("{path}"))
    };
    let file = of("/test.vo/tree/d5/e/f%20%265");
    assert!(
        file.contains("<z:a xmlns:z=\"urn:z\">1</z:a>") && file.contains("activelock"),
        "{file}"
    );
    assert!(!of("/test.vo/tree/d6/e/").contains("activelock"));
    assert_eq!(text.matches("<d:propfind-finite-depth/>").count(), 1);
    // What only leads to areas is not gone through.
    let answer = ask(&scene.voms, &scene, "PROPFIND", "/", &[], "").await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("propfind-finite-depth"), "{}", answer.text());
}
