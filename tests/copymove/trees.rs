//! Directories with all below them.

use super::*;

#[tokio::test]
async fn directories_go_with_all_below_them() {
    let scene = scene();
    for (method, from, to, more, status) in [
        ("COPY", "d", "all", &[][..], 201),
        ("COPY", "d/", "alone/", &[("depth", "0")], 201),
        ("COPY", "d", "all", &[("overwrite", "F")], 412),
        ("COPY", "d", "d/e/in", &[], 409),
        ("COPY", "d/e/g", "d", &[], 409),
        ("COPY", "d", "none/all", &[], 409),
        ("MOVE", "d", "d/e/in", &[], 409),
        ("MOVE", "d/e", "d", &[], 409),
        ("MOVE", "all", "x", &[], 204),
        ("COPY", "d/e", "x", &[("depth", "infinity")], 204),
        ("COPY", "a", "x", &[], 204),
        ("COPY", "d", "x", &[], 204),
        ("MOVE", "b", "x", &[], 204),
        ("MOVE", "d", "x", &[], 204),
        ("MOVE", "x", "none/x", &[], 409),
        ("MOVE", "x", "alone", &[("overwrite", "F")], 412),
        ("MOVE", "x", "alone", &[], 204),
    ] {
        assert_eq!(carry(&scene, method, from, to, more).await, status, "{method} {from} {to}");
        tidy(&scene, &format!("{method} {from} {to} {more:?}")).await;
        let names = ["x", "all", "alone", "d"].map(|name| disk(&scene, name).is_dir());
        match (method, from, to) {
            ("COPY", "d", "all") => {
                assert!(read(&scene, "all/e/g") == read(&scene, "d/e/g"));
                assert!(read(&scene, "all/f") == read(&scene, "d/f"));
            }
            ("COPY", "d/", _) => {
                assert_eq!(std::fs::read_dir(disk(&scene, "alone")).unwrap().count(), 0);
            }
            ("MOVE", "all", "x") => assert_eq!((names[0], names[1]), (true, false)),
            ("COPY", "d/e", "x") => {
                assert!(disk(&scene, "x/g").is_file() && !disk(&scene, "x/f").exists());
            }
            ("COPY", "a", "x") => assert!(read(&scene, "x") == read(&scene, "a")),
            ("MOVE", "b", "x") => assert_eq!(read(&scene, "x").len(), 70_000),
            ("MOVE", "d", "x") => assert_eq!((names[0], names[3]), (true, false)),
            _ => {}
        }
    }
    assert_eq!(read(&scene, "alone/e/g"), bytes(20, 20));
    assert!(!disk(&scene, "x").exists());
    assert_eq!(ask(&scene, "DELETE", "/test.vo/alone", &[("depth", "0")]).await.status, 400);
    assert_eq!(ask(&scene, "DELETE", "/test.vo/alone/", &[]).await.status, 204);
    assert_eq!(ask(&scene, "DELETE", "/test.vo/alone", &[]).await.status, 404);
    tidy(&scene, "removed").await;
}

#[tokio::test]
async fn members_that_cannot_be_copied_are_told_and_the_others_are_copied() {
    let scene = Scene::with("", Vec::new(), |storm| {
        let rules = "@ALL@ / WRFDLMN permit\n@ALL@ /test.vo/d/shut WRFDLMN deny\n\
                     @ALL@ /test.vo/d/e&x RD deny\n";
        std::fs::write(storm.dir().join("path-authz.db"), rules).unwrap();
        let root = storm.root("test.vo");
        for name in ["d/shut", "d/e&x", "d/open/deep"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
            std::fs::write(root.join(name).join("f"), name).unwrap();
        }
        std::os::unix::fs::symlink("open/deep/f", root.join("d/link")).unwrap();
        std::os::unix::fs::symlink(".", root.join("d/round")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("d/out")).unwrap();
    });
    let mut storm = scene.storm;
    storm.auth = "path_authz = \"path-authz.db\"".to_owned();
    storm.restart();
    let scene = Scene { storm, ..scene };
    count(&scene.storm);
    let answer = ask(&scene, "COPY", "/webdav/test.vo/d", &[("destination", "/webdav/test.vo/c")]);
    let answer = answer.await;
    let text = answer.text();
    assert_eq!(answer.status, 207, "{text}");
    assert_eq!(text.matches("<d:response>").count(), 3, "{text}");
    for path in ["shut", "e&amp;x/f", "out"] {
        let href = format!("<d:href>/webdav/test.vo/d/{}</d:href>", path.replace("&amp;", "&"));
        let escaped = href.replace('&', "&amp;");
        let found = text.contains(&href) || text.contains(&escaped) || text.contains("d/e%26x/f");
        assert!(found, "{path}: {text}");
    }
    assert_eq!(text.matches("HTTP/1.1 403 Forbidden").count(), 3, "{text}");
    assert_eq!(read(&scene, "c/open/deep/f"), b"d/open/deep");
    assert_eq!(read(&scene, "c/link"), b"d/open/deep");
    assert!(!disk(&scene, "c/round").exists() && !disk(&scene, "c/out").exists());
    // Who may not remove all of it removes and moves nothing.
    for (method, to) in [("DELETE", None), ("MOVE", Some("/test.vo/m"))] {
        let headers: Vec<_> = to.map(|to| ("destination", to)).into_iter().collect();
        assert_eq!(ask(&scene, method, "/test.vo/d", &headers).await.status, 403, "{method}");
    }
    assert!(disk(&scene, "d/open/deep/f").exists());
    tidy(&scene, "in the end").await;
}
