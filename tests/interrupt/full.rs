//! Disks and storage areas that are full: 507 at once where the length is known, else in the middle.

use std::os::unix::fs::MetadataExt as _;

use super::common::client::Person;
use super::common::small_disk::SmallDisk;
use super::common::storm::{Area, Setup};
use super::common::usage::count;
use super::common::wire::head;
use super::common::{TestStorm, accounts, bytes, soap};
use super::*;

/// More than any of them holds.
const LARGE: usize = 20_000_000;

/// 507 in the words of RFC 4331 6, and in those of people.
#[track_caller]
fn is_full(answer: &Response, condition: &str, what: &str) {
    let text = answer.text();
    assert_eq!(answer.status, 507, "{what}: {text}");
    assert_eq!(answer.header("content-type"), Some("application/xml; charset=utf-8"), "{what}");
    for part in ["<d:error xmlns:d=\"DAV:\"", &format!("<d:{condition}/>"), "<s:message>"] {
        assert!(text.contains(part), "{what}, {part}: {text}");
    }
    let why = ["full: remove something", "no free space", "no space left"];
    assert!(why.iter().any(|words| text.contains(words)), "{what}: {text}");
}

/// Everything that writes, on an area with room for some megabytes and a file `f` of `old`.
async fn refused(scene: &Scene, place: &Place, old: &[u8], condition: &str, what: &str) {
    let (f, voms, port) = (place.path("f"), &scene.voms, scene.storm.ports.https);
    let large = bytes(LARGE, 7);
    for name in ["f", "new"] {
        let path = place.path(name);
        let before = (name == "f").then_some(old);
        // Of known length: told before anything of it is sent.
        for expect in [&[][..], &[("expect", "100-continue")]] {
            let mut conn = Conn::tls(voms, port).await.unwrap();
            conn.send(head("PUT", &path, expect, Some(LARGE)).as_bytes()).await.unwrap();
            let first = String::from_utf8_lossy(&conn.some().await.unwrap()).into_owned();
            assert!(first.starts_with("HTTP/1.1 507 "), "{what} {name}: {first}");
            place.holds(name, before, what);
        }
        let told = [("transfer-encoding", "chunked"), ("x-expected-entity-length", "20000000")];
        let mut conn = Conn::tls(voms, port).await.unwrap();
        conn.send(head("PUT", &path, &told, None).as_bytes()).await.unwrap();
        let early = conn.response("PUT").await.unwrap();
        is_full(&early, condition, &format!("{what} {name}, expected"));
        // Of unknown length: told in the middle.
        let mut conn = Conn::tls(voms, port).await.unwrap();
        conn.send(head("PUT", &path, &told[..1], None).as_bytes()).await.unwrap();
        let mut sent = 0;
        for piece in large.chunks(1 << 20) {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            if conn.send(&chunk).await.is_err() {
                break;
            }
            sent += piece.len();
        }
        let _ = conn.send(b"0\r\n\r\n").await;
        let middle = conn.response("PUT").await.unwrap();
        is_full(&middle, condition, &format!("{what} {name}, after {sent}"));
        place.holds(name, before, what);
        place.tidy(scene, what).await;
    }
    // A part that makes it too long.
    let range = format!("bytes {}-{}/*", old.len(), old.len() + LARGE - 1);
    let part = ask(scene, "PUT", &f, &[("content-range", &range)], &large).await;
    is_full(&part, condition, what);
    place.holds("f", Some(old), what);
    place.tidy(scene, what).await;
    // SRM: told beforehand, and found out.
    let surl = scene.storm.surl(&f);
    let prepare =
        |size| soap::prepare_to_put(&[&surl], size) + "<overwriteOption>ALWAYS</overwriteOption>";
    let early = scene.srm("srmPrepareToPut", &prepare(Some(LARGE as u64))).await;
    early.expect("SRM_NO_FREE_SPACE");
    let put = scene.srm("srmPrepareToPut", &prepare(None)).await.expect("SRM_SPACE_AVAILABLE");
    let (_, turl) = super::common::wire::split_url(put.files[0].turl.as_deref().unwrap());
    let upload = ask(scene, "PUT", &turl, &[], &large).await;
    is_full(&upload, condition, what);
    place.holds("f", Some(old), what);
    scene.abort(put.token.as_deref().unwrap()).await;
    place.tidy(scene, what).await;
}

/// COPY of `f`, which does not fit twice.
async fn no_copy(
    scene: &Scene,
    place: &Place,
    (old, onto): (&[u8], Option<&[u8]>),
    condition: &str,
    what: &str,
) {
    let to = place.path("copy");
    let copy = ask(scene, "COPY", &place.path("f"), &[("destination", &to)], b"").await;
    is_full(&copy, condition, what);
    place.holds("f", Some(old), what);
    place.holds("copy", onto, what);
    place.tidy(scene, what).await;
}

/// What curl shows to who uploads a file that does not fit.
fn by_curl(scene: &Scene, place: &Place, condition: &str) {
    let large = scene.storm.dir().join("large");
    std::fs::write(&large, bytes(LARGE, 7)).unwrap();
    let (large, url) = (large.display().to_string(), scene.storm.url(&place.path("by-curl")));
    let person = Person::new(&scene.storm, "voms");
    let told = person.curl(&["-w", "\n%{http_code}\n", "-T", &large, &url]);
    assert!(told.out.ends_with("\n507\n"), "{told}");
    assert!(told.out.contains(&format!("<d:{condition}/><s:message>")), "{told}");
    assert!(told.out.contains("bytes asked"), "{told}");
}

#[tokio::test]
async fn a_full_disk() {
    let disk = SmallDisk::new();
    let (name, stfn) = ("SMALL", "small");
    let root = Some(disk.mount.clone());
    let area = Area { name, stfn, vo: None, anonymous: false, root };
    let mut scene = Scene::with("", vec![area], |_| ());
    count(&scene.storm);
    let place = Place { area: name, stfn, root: disk.mount.clone() };
    let old = bytes(4_500_000, 3);
    place.put(&scene, "f", &old, "first").await;
    place.put(&scene, "copy", b"copied onto", "first").await;
    let condition = "sufficient-disk-space";
    refused(&scene, &place, &old, condition, "a full disk").await;
    no_copy(&scene, &place, (&old, Some(b"copied onto")), condition, "a full disk").await;
    by_curl(&scene, &place, condition);
    // To the last byte, by somebody else.
    let filler = disk.mount.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[7; 1024]).is_ok() {}
    drop(file);
    count(&scene.storm);
    for (method, path) in [("MKCOL", "/small/d"), ("PUT", "/small/new"), ("LOCK", "/small/locked")]
    {
        let lock = b"<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype>\
                     </lockinfo>";
        let body: &[u8] = match method {
            "MKCOL" => b"",
            "LOCK" => lock,
            _ => b"some",
        };
        let answer = ask(&scene, method, path, &[], body).await;
        let empty = method == "LOCK" && answer.status == 201;
        if !empty {
            is_full(&answer, condition, method);
        }
    }
    let put = ask(&scene, "PUT", "/small/copy", &[], &bytes(100_000, 1)).await;
    is_full(&put, condition, "onto another");
    place.holds("copy", Some(b"copied onto"), "not a byte is free");
    assert!(!disk.mount.join("d").exists());
    place.tidy(&scene, "not a byte is free").await;
    // Nor does a start change that.
    scene.storm.restart();
    place.holds("f", Some(&old), "after a start");
    place.tidy(&scene, "after a start").await;
    std::fs::remove_file(&filler).unwrap();
    count(&scene.storm);
    place.put(&scene, "f", &bytes(1_000_000, 5), "with room again").await;
    assert_eq!(ask(&scene, "MKCOL", "/small/d", &[], b"").await.status, 201);
    place.tidy(&scene, "with room again").await;
    // It is a file system of its own: else this showed nothing.
    let (own, other) = (disk.mount.metadata().unwrap(), scene.storm.dir().metadata().unwrap());
    assert_ne!(own.dev(), other.dev());
}

#[tokio::test]
async fn a_quota() {
    let size = "<TotalOnlineSize unit=\"GB\" limited-size=\"false\">100</TotalOnlineSize>";
    let less = size.replace("GB", "KB").replace("false", "true").replace("100<", "8000<");
    let changes = vec![("TESTVO", size, less)];
    let setup = Setup { changes, gridmap: accounts::grid_mapfile(), ..Setup::default() };
    let storm = TestStorm::set_up(setup);
    let voms = super::common::wire::config(Some("voms"), super::common::client::Tls::Any);
    let scene = Scene { storm, voms, before: Default::default() };
    let place = Place::of(&scene, "TESTVO", "test.vo");
    let old = bytes(4_500_000, 3);
    place.put(&scene, "f", &old, "first").await;
    let condition = "quota-not-exceeded";
    refused(&scene, &place, &old, condition, "a quota").await;
    no_copy(&scene, &place, (&old, None), condition, "a quota").await;
    by_curl(&scene, &place, condition);
    place.put(&scene, "f", &bytes(3_000_000, 4), "shorter").await;
    place.put(&scene, "g", &bytes(4_000_000, 5), "now it fits").await;
    place.tidy(&scene, "now it fits").await;
}
