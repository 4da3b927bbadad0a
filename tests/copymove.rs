//! Moving, copying and removing over WebDAV, by the wire and by real clients: what is told, what stands on
//! disk afterwards, and what a `kill -9` leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

#[path = "copymove/clients.rs"]
mod clients;
mod common;
#[path = "copymove/hang_up.rs"]
mod hang_up;
#[path = "copymove/kills.rs"]
mod kills;
#[path = "copymove/trees.rs"]
mod trees;

use std::path::PathBuf;

use common::scene::Scene;
use common::usage::{count, held, used};
use common::wire::{Conn, Response};
use common::{TestStorm, bytes, leftovers, soap};

/// Files `a` (1000 bytes) and `b` (70,000), the directory `d` with `d/f` and `d/e/g`, `x` which is empty.
fn scene() -> Scene {
    let scene = Scene::with("", Vec::new(), |storm| {
        let root = storm.root("test.vo");
        std::fs::create_dir_all(root.join("d/e")).unwrap();
        std::fs::create_dir(root.join("x")).unwrap();
        for (name, size) in [("a", 1000), ("b", 70_000), ("d/f", 10), ("d/e/g", 20)] {
            std::fs::write(root.join(name), bytes(size, size as u64)).unwrap();
        }
    });
    count(&scene.storm);
    scene
}

/// Asks as the person in the VO.
async fn ask(scene: &Scene, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    scene.https(method, path, headers, b"").await
}

/// MOVE or COPY within the area: the status.
async fn carry(scene: &Scene, method: &str, from: &str, to: &str, more: &[(&str, &str)]) -> u16 {
    let destination = format!("https://localhost:{}/test.vo/{to}", scene.storm.ports.https);
    let mut headers = vec![("destination", destination.as_str())];
    headers.extend(more);
    ask(scene, method, &format!("/test.vo/{from}"), &headers).await.status
}

fn disk(scene: &Scene, path: &str) -> PathBuf {
    scene.storm.root("test.vo").join(path)
}

fn read(scene: &Scene, path: &str) -> Vec<u8> {
    std::fs::read(disk(scene, path)).unwrap_or_default()
}

/// What is known of the area is what is there, and nothing of ours lies about.
async fn tidy(scene: &Scene, what: &str) {
    let root = scene.storm.root("test.vo");
    assert_eq!(used(&scene.storm, "TESTVO").await, held(&root), "{what}");
    assert_eq!(leftovers(&root), Vec::<String>::new(), "{what}");
}

#[tokio::test]
async fn files_go_where_they_are_sent() {
    let scene = scene();
    let (a, b) = (read(&scene, "a"), read(&scene, "b"));
    for (method, from, to, more, status) in [
        ("COPY", "a", "new", &[][..], 201),
        ("COPY", "a", "new", &[("overwrite", "F")], 412),
        ("COPY", "b", "new", &[("overwrite", "T")], 204),
        ("COPY", "b", "new/", &[], 204),
        ("COPY", "a", "none/f", &[], 409),
        ("COPY", "a", "b/f", &[], 409),
        ("COPY", "none", "f", &[], 404),
        ("COPY", "a", "a", &[], 403),
        ("COPY", "a/", "f", &[], 404),
        ("COPY", "a", "f", &[("overwrite", "x")], 400),
        ("COPY", "a", "f", &[("depth", "1")], 400),
        ("COPY", "a", "f", &[("if-match", "\"x\"")], 412),
        ("COPY", "a", "sp%20%C3%A9", &[("depth", "0")], 201),
        ("MOVE", "new", "d/e/new", &[], 201),
        ("MOVE", "d/e/new", "a", &[("overwrite", "F")], 412),
        ("MOVE", "d/e/new", "none/f", &[], 409),
        ("MOVE", "d/e/new", "d/e/new", &[], 403),
        ("MOVE", "none", "a", &[], 404),
        ("MOVE", "a", "f", &[("depth", "0")], 400),
        ("MOVE", "sp%20%C3%A9", "moved", &[("overwrite", "f")], 201),
        ("MOVE", "d/e/new", "moved", &[], 204),
    ] {
        assert_eq!(carry(&scene, method, from, to, more).await, status, "{method} {from} {to}");
        tidy(&scene, &format!("{method} {from} {to} {more:?}")).await;
    }
    assert!(read(&scene, "a") == a && read(&scene, "b") == b && read(&scene, "moved") == b);
    assert!(!disk(&scene, "d/e/new").exists() && !disk(&scene, "f").exists());
}

#[tokio::test]
async fn what_leads_elsewhere_is_refused() {
    let scene = scene();
    let https = scene.storm.ports.https;
    let own = format!("https://localhost:{https}/test.vo/f");
    let area = format!("https://localhost:{https}/open/f");
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[], 400),
        (&[("destination", "f")], 400),
        (&[("destination", "/test.vo/%2e%2e/f")], 400),
        (&[("destination", "https://elsewhere.example/test.vo/f")], 502),
        (&[("destination", "https://localhost:1/test.vo/f")], 502),
        (&[("destination", &area)], 400),
        (&[("destination", "/closed/f")], 403),
        (&[("destination", "/nowhere/f")], 409),
        (&[("destination", "/fileTransfer/test.vo/f")], 405),
        (&[("destination", "/test.vo")], 409),
        (&[("source", "https://elsewhere.example/f")], 501),
        (&[("source", "https://elsewhere.example/f"), ("destination", &own)], 400),
        (&[("destination", &own), ("transferheaderauthorization", "x")], 501),
    ];
    for (headers, status) in cases {
        for method in ["MOVE", "COPY"] {
            let answer = ask(&scene, method, "/test.vo/a", headers).await;
            assert_eq!(answer.status, *status, "{method} {headers:?}: {}", answer.text());
            assert!(!answer.text().trim().is_empty(), "{method} {headers:?}: a word of why");
        }
    }
    for path in ["/test.vo", "/test.vo/"] {
        let to = [("destination", "/test.vo/d/new")];
        assert_eq!(ask(&scene, "MOVE", path, &to).await.status, 403);
        assert_eq!(ask(&scene, "COPY", path, &to).await.status, 409);
        assert_eq!(ask(&scene, "DELETE", path, &[]).await.status, 403);
    }
    scene.unchanged();
    // The same request, with a destination of ours.
    let done = ask(&scene, "COPY", "/webdav/test.vo/a", &[("destination", "/webdav/test.vo/f")]);
    assert_eq!(done.await.status, 201);
    assert!(read(&scene, "f") == read(&scene, "a"));
}

#[tokio::test]
async fn the_rules_of_srm_hold() {
    let scene = scene();
    let sum = ask(&scene, "HEAD", "/test.vo/a", &[("want-digest", "adler32")]).await;
    let sum = sum.header("digest").expect("a checksum").to_owned();
    assert_eq!(carry(&scene, "COPY", "a", "copy", &[]).await, 201);
    let kept = ask(&scene, "HEAD", "/test.vo/copy", &[("want-digest", "adler32")]).await;
    assert_eq!(kept.header("digest"), Some(sum.as_str()));

    let (_, token, _, _) = scene.put("busy", None).await;
    for (method, from, to) in
        [("COPY", "a", "busy"), ("MOVE", "a", "busy"), ("MOVE", "d", "busy"), ("COPY", "d", "busy")]
    {
        assert_eq!(carry(&scene, method, from, to, &[]).await, 423, "{method} {from} {to}");
    }
    scene.abort(&token).await;
    let (_, token, _, _) = scene.put("d/e/busy", None).await;
    for (method, from, to) in [("COPY", "a", "d"), ("MOVE", "a", "d"), ("MOVE", "x", "d")] {
        assert_eq!(carry(&scene, method, from, to, &[]).await, 423, "{method} {from} {to}");
    }
    assert_eq!(ask(&scene, "DELETE", "/test.vo/d", &[]).await.status, 423);
    assert_eq!(read(&scene, "d/e/g").len(), 20);
    scene.abort(&token).await;

    let surl = scene.storm.surl("/test.vo/a");
    let get = soap::prepare_to_get(&[surl.as_str()]);
    let get = scene.srm("srmPrepareToGet", &get).await.expect("SRM_FILE_PINNED");
    assert_eq!(carry(&scene, "MOVE", "a", "f", &[]).await, 423, "a pinned source");
    assert_eq!(carry(&scene, "MOVE", "b", "a", &[]).await, 204, "a pinned target");
    let token = soap::token(get.token.as_deref().unwrap());
    let status = scene.srm("srmStatusOfGetRequest", &token).await;
    assert_eq!(status.files[0].code, "SRM_ABORTED", "{}", status.xml);
    tidy(&scene, "in the end").await;
}

#[tokio::test]
async fn directories_are_made_alike_with_and_without_a_slash() {
    let scene = scene();
    for (path, status) in [
        ("/test.vo/new", 201),
        ("/test.vo/new", 405),
        ("/test.vo/new/below/", 201),
        ("/test.vo/new/below/", 405),
        ("/test.vo/none/below", 409),
        ("/test.vo/a", 405),
        ("/test.vo/a/below", 409),
        ("/test.vo", 405),
        ("/test.vo/", 405),
        ("/", 405),
    ] {
        assert_eq!(ask(&scene, "MKCOL", path, &[]).await.status, status, "{path}");
    }
    let (status, _) = scene.http("MKCOL", "/test.vo/body", b"<x/>").await;
    assert_eq!(status, 415);
    let (status, _) = scene.http("PUT", "/test.vo/none/f", b"x").await;
    assert_eq!(status, 409);
    let options = ask(&scene, "OPTIONS", "/test.vo/new/", &[]).await;
    let allow = options.header("allow").unwrap().to_owned();
    assert!(["MOVE", "COPY", "MKCOL", "DELETE"].iter().all(|m| allow.contains(m)), "{allow}");
}
