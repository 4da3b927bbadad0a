//! Parts of files in the real core: bytes, checksums, counts, pins and live puts.

use super::common::scene::Scene;
use super::common::usage::{held, used};
use super::common::wire::{self, Conn};
use super::common::{adler32, bytes, leftovers, soap};
use super::header;

const PARTIAL: &str = "application/x-sabredav-partialupdate";

async fn patch(scene: &Scene, path: &str, range: &str, data: &[u8]) -> u16 {
    let headers = [("content-type", PARTIAL), ("x-update-range", range)];
    scene.https("PATCH", path, &headers, data).await.status
}

/// What lies on disk and is not counted: some of it came behind the daemon's back.
async fn uncounted(scene: &Scene) -> u64 {
    let used = used(&scene.storm, "TESTVO").await;
    held(&scene.storm.root("test.vo")) - used
}

#[tokio::test]
async fn parts_of_a_published_file() {
    let scene = Scene::new();
    let path = "/test.vo/file";
    let before = uncounted(&scene).await;
    let mut whole = bytes(100_000, 1);
    let first = scene.https("PUT", path, &[], &whole).await;
    assert_eq!(first.status, 201);
    let mut etags = vec![header(&first, "etag").to_owned()];
    for (range, at, size) in [
        ("bytes 10-1009/*", 10, 1000),
        ("bytes 99000-100999/101000", 99_000, 2000),
        ("bytes 101000-101000/*", 101_000, 1),
        ("bytes 0-0/*", 0, 1),
    ] {
        let part = bytes(size, at as u64);
        let put = scene.https("PUT", path, &[("content-range", range)], &part).await;
        assert_eq!(put.status, 204, "{range}: {}", put.text());
        whole.resize(whole.len().max(at + size), 0);
        whole[at..at + size].copy_from_slice(&part);
        let get = scene.https("GET", path, &[("want-digest", "adler32")], b"").await;
        assert!(get.body == whole, "{range}");
        assert_eq!(header(&get, "digest"), format!("adler32={}", adler32(&whole)), "{range}");
        assert_eq!(header(&get, "etag"), header(&put, "etag"), "{range}");
        etags.push(header(&put, "etag").to_owned());
        assert_eq!(uncounted(&scene).await, before);
    }
    assert_eq!(patch(&scene, path, "append", b"more").await, 204);
    whole.extend(b"more");
    assert_eq!(patch(&scene, path, "bytes=-2", b"!!").await, 204);
    let end = whole.len() - 2;
    whole[end..].copy_from_slice(b"!!");
    assert!(scene.https("GET", path, &[], b"").await.body == whole);
    assert_eq!(uncounted(&scene).await, before);
    etags.dedup();
    assert_eq!(etags.len(), 5, "{etags:?}");
    // What is refused changes nothing.
    for (name, value, status) in [
        ("content-range", "bytes 200000-200000/*", 416),
        ("content-range", "bytes 0-1/*", 416),
        ("content-range", "bytes 0-0/10", 416),
        ("content-range", "bytes 0-0", 400),
        ("content-range", "bytes 0-0/*", 412),
        ("content-encoding", "gzip", 415),
        ("content-other", "x", 501),
    ] {
        let stale = [(name, value), ("if-match", etags[0].as_str())];
        let answer = scene.https("PUT", path, &stale, b"x").await;
        assert_eq!(answer.status, status, "{name}: {value}: {}", answer.text());
    }
    assert_eq!(patch(&scene, path, "bytes=200000-", b"x").await, 416);
    assert_eq!(patch(&scene, "/test.vo/none", "append", b"x").await, 404);
    assert!(scene.https("GET", path, &[], b"").await.body == whole);
    assert_eq!(leftovers(&scene.storm.root("test.vo")), Vec::<String>::new());
}

/// Half a part is no part; and parts that come together do not mix.
#[tokio::test]
async fn hung_up_and_at_once() {
    const PART: usize = 50_000;
    let scene = Scene::new();
    let path = "/test.vo/file";
    let before = uncounted(&scene).await;
    let old = bytes(4 * PART, 1);
    assert_eq!(scene.https("PUT", path, &[], &old).await.status, 201);
    let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
    let range = [("content-range", "bytes 0-49999/*")];
    conn.send(wire::head("PUT", path, &range, Some(PART)).as_bytes()).await.unwrap();
    conn.send(&bytes(PART / 2, 9)).await.unwrap();
    drop(conn);
    assert!(scene.https("GET", path, &[], b"").await.body == old);

    let data: Vec<Vec<u8>> = (0..4).map(|n| bytes(PART, 10 + n)).collect();
    let put = async |n: usize| {
        let range = format!("bytes {}-{}/*", n * PART, (n + 1) * PART - 1);
        scene.https("PUT", path, &[("content-range", &range)], &data[n]).await.status
    };
    let append = async |data: &[u8]| patch(&scene, path, "append", data).await;
    let (a, b) = (vec![b'a'; 9000], vec![b'b'; 9000]);
    let all = tokio::join!(put(0), put(1), put(2), put(3), append(&a), append(&b));
    assert_eq!(all, (204, 204, 204, 204, 204, 204));
    let got = scene.https("GET", path, &[], b"").await.body;
    assert!(got[..4 * PART] == data.concat());
    let tail = &got[4 * PART..];
    assert!(tail == [&a[..], &b].concat() || tail == [&b[..], &a].concat());
    assert_eq!(uncounted(&scene).await, before);
}

#[tokio::test]
async fn live_puts_and_pins() {
    let scene = Scene::new();
    let (surl, token, port, turl) = scene.put("busy", None).await;
    assert_eq!(wire::once(&scene.voms, port, "PUT", &turl, b"data").await.unwrap().status, 201);
    let range = [("content-range", "bytes 0-0/*")];
    let mut conn = Conn::tls(&scene.voms, port).await.unwrap();
    assert_eq!(conn.request("PUT", &turl, &range, b"x").await.unwrap().status, 501);
    let done = soap::token(&token) + &soap::surls(&[&surl]);
    assert_eq!(scene.srm("srmPutDone", &done).await.code, "SRM_SUCCESS");

    let get = soap::prepare_to_get(&[&surl]);
    let pinned = scene.srm("srmPrepareToGet", &get).await.expect("SRM_FILE_PINNED");
    assert_eq!(scene.https("PUT", "/test.vo/busy", &range, b"D").await.status, 204);
    let status = soap::token(pinned.token.as_deref().unwrap());
    let status = scene.srm("srmStatusOfGetRequest", &status).await;
    assert_eq!(status.file_code(), "SRM_ABORTED", "{}", status.xml);

    let overwrite =
        soap::prepare_to_put(&[&surl], None) + "<overwriteOption>ALWAYS</overwriteOption>";
    let put = scene.srm("srmPrepareToPut", &overwrite).await.expect("SRM_SPACE_AVAILABLE");
    assert_eq!(scene.https("PUT", "/test.vo/busy", &range, b"E").await.status, 423);
    assert_eq!(patch(&scene, "/test.vo/busy", "append", b"E").await, 423);
    scene.abort(put.token.as_deref().unwrap()).await;
    assert_eq!(scene.https("GET", "/test.vo/busy", &[], b"").await.body, b"Data");
}

#[tokio::test]
async fn under_a_lock() {
    let scene = Scene::new();
    let path = "/test.vo/dir/file";
    let lock = "<lockinfo xmlns=\"DAV:\"><lockscope><exclusive/></lockscope><locktype><write/></locktype>\
                </lockinfo>";
    let taken = scene.https("LOCK", path, &[("depth", "0")], lock.as_bytes()).await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    let token = format!("({})", header(&taken, "lock-token"));
    let range = ("content-range", "bytes 0-0/*");
    assert_eq!(scene.https("PUT", path, &[range], b"x").await.status, 423);
    assert_eq!(patch(&scene, path, "append", b"x").await, 423);
    let put = scene.https("PUT", path, &[range, ("if", &token)], b"x").await;
    assert_eq!(put.status, 204, "{}", put.text());
    let append = [("content-type", PARTIAL), ("x-update-range", "append"), ("if", &token)];
    assert_eq!(scene.https("PATCH", path, &append, b"y").await.status, 204);
    assert_eq!(scene.https("GET", path, &[], b"").await.body.len(), 1001);
}
