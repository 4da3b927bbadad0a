//! MOVE and COPY under conditions: of both ends, each judged at the moment of the change.

use super::common::trace::Trace;
use super::*;

const SOURCE: &str = "/test.vo/dir/s";
const TARGET: &str = "/test.vo/dir/t";

/// Its entity tag; empty where nothing is there.
async fn tag(scene: &Scene, path: &str) -> String {
    let head = ask(&scene.voms, scene, "HEAD", path, &[], "").await;
    head.header("etag").unwrap_or_default().to_owned()
}

fn read(scene: &Scene, path: &str) -> Option<String> {
    let file = scene.storm.root("test.vo").join(path.strip_prefix("/test.vo/").unwrap());
    std::fs::read_to_string(file).ok()
}

/// Both ends anew: their entity tags.
async fn anew(scene: &Scene) -> (String, String) {
    for (path, text) in [(SOURCE, "source"), (TARGET, "target")] {
        assert!(status(scene, "PUT", path, &[], text).await < 300);
    }
    (tag(scene, SOURCE).await, tag(scene, TARGET).await)
}

#[tokio::test]
async fn entity_tags() {
    let scene = Scene::new();
    let port = scene.storm.ports.https;
    let here = format!("<https://localhost:{port}{TARGET}> ([$T])");
    let elsewhere = format!("<https://elsewhere:{port}{TARGET}> ([$T])");
    for (name, form, code) in [
        ("if", "([$S])", 204),
        ("if", "([$T])", 412),
        ("if", "(Not [$S])", 412),
        ("if", "([W/$S])", 412),
        ("if", "<$s> ([$S])", 204),
        ("if", "<$t> ([$T])", 204),
        ("if", "<$t> ([$S])", 412),
        ("if", "<$t> (Not [$T])", 412),
        ("if", "<$t> (Not [\"x\"])", 204),
        ("if", "<$s> ([\"x\"]) <$t> ([$T])", 204),
        ("if", "<$s> ([$S]) <$t> ([\"x\"])", 204),
        ("if", "<$s> ([\"x\"]) <$t> ([\"x\"])", 412),
        ("if", &here, 204),
        ("if", &elsewhere, 412),
        ("if", "</test.vo/none> ([$T])", 412),
        ("if", "</test.vo/none> (Not [$T])", 204),
        ("if-match", "$S", 204),
        ("if-match", "*", 204),
        ("if-match", "$T", 412),
        ("if-none-match", "$T", 204),
        ("if-none-match", "$S", 412),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT", 412),
    ] {
        for method in ["COPY", "MOVE"] {
            let (source, target) = anew(&scene).await;
            let value = form.replace("$S", &source).replace("$T", &target);
            let value = value.replace("$s", SOURCE).replace("$t", TARGET);
            let headers = [("destination", TARGET), (name, &value)];
            let answer = ask(&scene.voms, &scene, method, SOURCE, &headers, "").await;
            assert_eq!(answer.status, code, "{method} {form}: {}", answer.text());
            let done = code == 204;
            let text = if done { "source" } else { "target" };
            assert_eq!(read(&scene, TARGET).as_deref(), Some(text), "{method} {form}");
            let moved = done && method == "MOVE";
            assert_eq!(read(&scene, SOURCE).is_none(), moved, "{method} {form}");
        }
    }
    // Onto a free name, and of nothing.
    for (form, code) in [("<$t> ([\"x\"])", 412), ("<$t> (Not [\"x\"])", 201)] {
        for method in ["COPY", "MOVE"] {
            anew(&scene).await;
            assert_eq!(status(&scene, "DELETE", TARGET, &[], "").await, 204);
            let value = form.replace("$t", TARGET);
            let headers = [("destination", TARGET), ("if", value.as_str())];
            assert_eq!(status(&scene, method, SOURCE, &headers, "").await, code, "{method} {form}");
        }
    }
    for method in ["COPY", "MOVE"] {
        let headers = [("destination", TARGET), ("if-match", "\"x\"")];
        assert_eq!(status(&scene, method, "/test.vo/none", &headers, "").await, 404, "{method}");
    }
}

/// A directory has no entity tag that is told.
#[tokio::test]
async fn directories() {
    let scene = Scene::new();
    for method in ["COPY", "MOVE"] {
        let (from, to) = ("/test.vo/from", "/test.vo/to");
        for path in [from, to] {
            assert!(matches!(status(&scene, "MKCOL", path, &[], "").await, 201 | 405), "{path}");
        }
        for (form, code) in [
            ("([\"x\"])".to_owned(), 412),
            (format!("<{to}> ([\"x\"])"), 412),
            (format!("<{from}> (Not [\"x\"]) <{to}> ([\"x\"])"), 204),
        ] {
            let headers = [("destination", to), ("if", form.as_str())];
            assert_eq!(status(&scene, method, from, &headers, "").await, code, "{method} {form}");
        }
    }
}

/// Token and entity tag of a locked destination.
#[tokio::test]
async fn a_locked_destination() {
    let scene = Scene::new();
    for method in ["COPY", "MOVE"] {
        let (_, target) = anew(&scene).await;
        let taken = lock(&scene, TARGET, &[]).await;
        for (form, code) in [
            (format!("<{TARGET}> ([{target}])"), 423),
            (format!("<{TARGET}> ({taken} [\"x\"])"), 412),
            (format!("<{TARGET}> ({taken} [{target}])"), 204),
        ] {
            let headers = [("destination", TARGET), ("if", form.as_str())];
            assert_eq!(status(&scene, method, SOURCE, &headers, "").await, code, "{method} {form}");
        }
        let unlocked = status(&scene, "UNLOCK", TARGET, &[("lock-token", &taken)], "").await;
        assert!(matches!(unlocked, 204 | 409), "{method}: {unlocked}");
    }
}

/// They wait for the lock of a path; what it had, and was asked for, is replaced meanwhile.
#[tokio::test]
async fn somebody_is_quicker() {
    let scene = Scene::new();
    for (method, changed, name, form) in [
        ("MOVE", SOURCE, "if-match", "$S"),
        ("MOVE", SOURCE, "if", "([$S])"),
        ("MOVE", TARGET, "if", "<$t> ([$T])"),
        ("COPY", TARGET, "if", "<$t> ([$T])"),
    ] {
        let (source, target) = anew(&scene).await;
        let value = form.replace("$S", &source).replace("$T", &target).replace("$t", TARGET);
        // The PUT keeps the lock while its names are made, slowly.
        let trace = Trace::slow(scene.storm.pid(), "linkat", Duration::from_secs(1));
        let put = status(&scene, "PUT", changed, &[], "theirs");
        let carry = async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            let headers = [("destination", TARGET), (name, value.as_str())];
            status(&scene, method, SOURCE, &headers, "").await
        };
        assert_eq!(tokio::join!(put, carry), (204, 412), "{method} {form}");
        trace.stop();
        assert_eq!(read(&scene, changed).as_deref(), Some("theirs"), "{method} {form}");
        let other = if changed == SOURCE { (TARGET, "target") } else { (SOURCE, "source") };
        assert_eq!(read(&scene, other.0).as_deref(), Some(other.1), "{method} {form}");
    }
    assert_eq!(common::leftovers(&scene.storm.root("test.vo")), Vec::<String>::new());
}
