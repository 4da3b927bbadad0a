//! PUT, DELETE, MKCOL through the router.

use std::sync::atomic::Ordering;

use futures_util::StreamExt;

use super::*;
use crate::srm::ErrorKind;

fn fake() -> Arc<Fake> {
    let fake = Fake::new();
    fake.write("/vo/old", b"old content");
    Arc::new(fake)
}

#[tokio::test]
async fn put_creates_and_replaces() {
    let fake = fake();
    let new = send(&fake, "PUT", "/vo/new", &[], Body::from("hello")).await;
    assert_eq!((new.code(), new.body.len()), (201, 0));
    assert_eq!(new.outcome.why, None);
    assert_eq!(*fake.expected.lock().unwrap(), Some(5));
    assert_eq!(fake.content("/vo/new").unwrap(), b"hello");
    let etag = ask(&fake, "HEAD", "/vo/new", &[]).await.header("etag").to_owned();
    assert_eq!(new.header("etag"), etag);
    let old = send(&fake, "PUT", "/webdav/vo/old", &[], Body::from("")).await;
    assert_eq!(old.code(), 204);
    assert_eq!(fake.content("/vo/old").unwrap(), b"");
    let turl = send(&fake, "PUT", "/fileTransfer/vo/t?x=1", &[], Body::from("t")).await;
    assert_eq!(turl.code(), 201);
}

#[tokio::test]
async fn put_is_refused_before_the_core_is_asked() {
    let fake = fake();
    for (headers, code) in [
        (("content-range", "bytes 0-1/5"), 416),
        (("content-range", "bytes 0-1"), 400),
        (("content-encoding", "gzip"), 415),
        (("content-foo", "x"), 501),
        (("expect", "something"), 417),
        (("digest", "adler32=xyz"), 400),
    ] {
        let answer = send(&fake, "PUT", "/vo/old", &[headers], Body::from("x")).await;
        assert_eq!(answer.code(), code, "{headers:?}");
    }
    assert_eq!(send(&fake, "PUT", "/vo/d/", &[], Body::from("x")).await.code(), 409);
    assert_eq!(fake.calls.load(Ordering::Relaxed), 0);
    for (name, value) in [("content-type", "a/b"), ("content-encoding", "identity")] {
        let answer = send(&fake, "PUT", "/vo/old", &[(name, value)], Body::from("x")).await;
        assert_eq!(answer.code(), 204);
    }
}

#[tokio::test]
async fn put_where_it_cannot_be() {
    let fake = fake();
    for (path, code) in [("/vo", 405), ("/vo/none/f", 409)] {
        assert_eq!(send(&fake, "PUT", path, &[], Body::from("x")).await.code(), code, "{path}");
    }
}

#[tokio::test]
async fn put_conditions() {
    let fake = fake();
    let etag = ask(&fake, "HEAD", "/vo/old", &[]).await.header("etag").to_owned();
    for (path, header, code) in [
        ("/vo/old", ("if-none-match", "*"), 412),
        ("/vo/old", ("if-match", "\"x\""), 412),
        ("/vo/none", ("if-match", "*"), 412),
        ("/vo/old", ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"), 412),
        ("/vo/new", ("if-none-match", "*"), 201),
        ("/vo/old", ("if-match", etag.as_str()), 204),
    ] {
        let answer = send(&fake, "PUT", path, &[header], Body::from("n")).await;
        assert_eq!(answer.code(), code, "{path} {header:?}");
    }
    assert_eq!(fake.content("/vo/none"), None);
}

#[tokio::test]
async fn times_and_lengths_that_clients_tell() {
    let fake = fake();
    let put = async |headers: &[(&str, &str)], body| {
        let answer = send(&fake, "PUT", "/vo/old", headers, body).await;
        (answer.code(), answer.header("x-oc-mtime").to_owned())
    };
    let at = [("x-oc-mtime", "784111777")];
    assert_eq!(put(&at, Body::from("x")).await, (204, "accepted".to_owned()));
    let modified = ask(&fake, "HEAD", "/vo/old", &[]).await.header("last-modified").to_owned();
    assert_eq!(modified, "Sun, 06 Nov 1994 08:49:37 GMT");
    for bad in ["", "yesterday", "-1", "1e300", "NaN"] {
        assert_eq!(put(&[("x-oc-mtime", bad)], Body::from("y")).await.0, 400, "{bad}");
    }
    let pieces = [Ok::<_, std::io::Error>("abc")];
    let chunked = Body::from_stream(futures_util::stream::iter(pieces));
    let expected = [("x-expected-entity-length", "1000")];
    assert_eq!(put(&expected, chunked).await, (204, String::new()));
    assert_eq!(*fake.expected.lock().unwrap(), Some(1000));
    assert_eq!(fake.content("/vo/old").unwrap(), b"abc");
}

#[tokio::test]
async fn parts() {
    const PARTIAL: &str = "application/x-sabredav-partialupdate";
    let fake = fake();
    let put = async |path: &str, range, data: &'static str| {
        let headers = [("content-range", range)];
        let answer = send(&fake, "PUT", path, &headers, Body::from(data)).await;
        (answer.code(), answer.header("content-range").to_owned(), fake.content(path))
    };
    let is = |text: &str| Some(text.as_bytes().to_vec());
    let said = |code, range: &str, text| (code, range.to_owned(), is(text));
    assert_eq!(put("/vo/old", "bytes 0-2/*", "new").await, said(204, "", "new content"));
    assert_eq!(put("/vo/old", "bytes 9-12/13", "NTXY").await, said(204, "", "new conteNTXY"));
    assert_eq!(put("/vo/old", "bytes 13-13/20", "!").await, said(204, "", "new conteNTXY!"));
    assert_eq!(put("/vo/old", "bytes 15-15/*", "?").await.0, 416);
    assert_eq!(put("/vo/old", "bytes 0-0/5", "x").await, said(416, "bytes */14", "new conteNTXY!"));
    assert_eq!(put("/vo/old", "bytes 0-4/5", "whole").await, said(204, "", "whole"));
    assert_eq!(put("/vo/begun", "bytes 0-2/9", "abc").await, said(201, "", "abc"));
    assert_eq!(put("/vo/none", "bytes 1-1/*", "x").await, (416, "bytes */0".to_owned(), None));
    assert_eq!(put("/vo", "bytes 0-0/*", "x").await.0, 405);
    assert_eq!(put("/fileTransfer/vo/old", "bytes 0-0/*", "x").await.0, 501);

    let patch = async |path: &str, range, data: &'static str| {
        let headers = [
            ("content-type", PARTIAL),
            ("content-length", &*data.len().to_string()),
            ("x-update-range", range),
        ];
        let answer = send(&fake, "PATCH", path, &headers, Body::from(data)).await;
        (answer.code(), fake.content(path))
    };
    assert_eq!(patch("/vo/old", "append", "++").await, (204, is("whole++")));
    assert_eq!(patch("/vo/old", "bytes=1-2", "HO").await, (204, is("wHOle++")));
    assert_eq!(patch("/vo/old", "bytes=6-", "--").await, (204, is("wHOle+--")));
    assert_eq!(patch("/vo/old", "bytes=-3", "end!").await, (204, is("wHOleend!")));
    assert_eq!(patch("/vo/old", "bytes=-30", "x").await.0, 416);
    assert_eq!(patch("/vo/old", "bytes=30-", "x").await.0, 416);
    assert_eq!(patch("/vo/none", "append", "x").await, (404, None));
    let plain = [("content-type", "text/plain"), ("x-update-range", "append")];
    let answer = send(&fake, "PATCH", "/vo/old", &plain, Body::from("x")).await;
    assert_eq!((answer.code(), answer.header("accept-patch")), (415, PARTIAL));
    let pieces = [Ok::<_, std::io::Error>("x")];
    let chunked = Body::from_stream(futures_util::stream::iter(pieces));
    let headers = [("content-type", PARTIAL), ("x-update-range", "append")];
    assert_eq!(send(&fake, "PATCH", "/vo/old", &headers, chunked).await.code(), 411);
    assert_eq!(fake.unfinished(), 0);
}

#[tokio::test]
async fn put_with_a_digest() {
    let fake = fake();
    let put = async |digest| {
        send(&fake, "PUT", "/vo/old", &[("digest", digest)], Body::from("abc")).await
    };
    assert_eq!(put("adler32=00000001").await.code(), 400);
    assert_eq!(fake.content("/vo/old").unwrap(), b"old content");
    assert_eq!(put("unixsum=1, ADLER32=024D0127").await.code(), 204);
    assert_eq!(fake.content("/vo/old").unwrap(), b"abc");
    let get = async |wish| {
        let answer = ask(&fake, "GET", "/vo/old", &[wish]).await;
        [answer.header("digest"), answer.header("repr-digest")].map(str::to_owned)
    };
    let told = |digest: &str, repr: &str| [digest.to_owned(), repr.to_owned()];
    assert_eq!(get(("want-digest", "adler32")).await, told("adler32=024d0127", ""));
    let sha = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    assert_eq!(get(("want-repr-digest", "sha-256=1")).await, told("", sha));
    assert_eq!(get(("x", "y")).await, told("", ""));
    let all = [("repr-digest", sha), ("want-digest", "md5"), ("content-md5", MD5)];
    let answer = send(&fake, "PUT", "/vo/new", &all, Body::from("abc")).await;
    assert_eq!((answer.code(), answer.header("digest")), (201, &*format!("md5={MD5}")));
    assert_eq!(fake.unfinished(), 0);
}

/// Of `abc`.
const MD5: &str = "kAFQmDzST7DWlj99KOF/cg==";

#[tokio::test]
async fn large_bodies_arrive_whole() {
    let fake = fake();
    let data: Vec<u8> = (0..5_000_003).map(|i| (i * 31 % 256) as u8).collect();
    let pieces: Vec<_> = data
        .chunks(777)
        .map(|c| Ok::<_, std::io::Error>(bytes::Bytes::copy_from_slice(c)))
        .collect();
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let sum = simd_adler32::adler32(&data.as_slice());
    let answer = send(&fake, "PUT", "/vo/large", &[("want-digest", "adler32")], body).await;
    assert_eq!(answer.code(), 201);
    assert_eq!(answer.header("digest"), format!("adler32={sum:08x}"));
    assert_eq!(*fake.expected.lock().unwrap(), None);
    assert!(fake.content("/vo/large").unwrap() == data);
}

#[tokio::test]
async fn a_full_disk_is_507() {
    let mut full = Fake::new();
    full.full = true;
    full.write("/vo/old", b"old");
    let fake = Arc::new(full);
    let answer = send(&fake, "PUT", "/vo/old", &[], Body::from(vec![1; 3_000_000])).await;
    assert_eq!(answer.code(), 507);
    assert_eq!(fake.content("/vo/old").unwrap(), b"old");
    assert!(
        answer.outcome.why.as_deref().unwrap().starts_with("DiskFull: "),
        "{:?}",
        answer.outcome
    );
    // Told before the client has sent the next block, here: ever.
    let block = Ok::<_, std::io::Error>(bytes::Bytes::from(vec![1; 1 << 20]));
    let body = futures_util::stream::iter([block]).chain(futures_util::stream::pending());
    let answer = send(&fake, "PUT", "/vo/old", &[], Body::from_stream(body)).await;
    assert_eq!(answer.code(), 507);
}

#[tokio::test]
async fn a_body_that_stalls_or_breaks_publishes_nothing() {
    let fake = fake();
    let half = Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"half"));
    let stall = futures_util::stream::iter([half]).chain(futures_util::stream::pending());
    let answer = send(&fake, "PUT", "/vo/old", &[], Body::from_stream(stall)).await;
    assert_eq!(answer.code(), 408);
    let cut = futures_util::stream::iter([
        Ok(bytes::Bytes::from_static(b"half")),
        Err(std::io::Error::other("cut")),
    ]);
    let answer = send(&fake, "PUT", "/vo/old", &[], Body::from_stream(cut)).await;
    assert_eq!(answer.code(), 400);
    assert_eq!(fake.content("/vo/old").unwrap(), b"old content");
    assert_eq!(fake.unfinished(), 0);
}

#[tokio::test]
async fn delete() {
    let fake = fake();
    fake.write("/vo/d/x", b"");
    fake.write("/vo/full/of", b"");
    for (path, header, code) in [
        ("/vo/none", ("x", "y"), 404),
        ("/vo/d", ("depth", "0"), 400),
        ("/vo/d", ("depth", "x"), 400),
        ("/fileTransfer/vo/d", ("x", "y"), 403),
        ("/fileTransfer/vo/none", ("x", "y"), 404),
        ("/vo/old/", ("x", "y"), 404),
        ("/vo/old", ("if-match", "\"x\""), 412),
        ("/vo/old", ("if-match", "*"), 204),
        ("/fileTransfer/vo/d/x", ("x", "y"), 204),
        ("/vo/d/", ("depth", "infinity"), 204),
        ("/vo/full", ("x", "y"), 204),
    ] {
        let answer = ask(&fake, "DELETE", path, &[header]).await;
        assert_eq!(answer.code(), code, "{path} {header:?}");
    }
}

#[tokio::test]
async fn mkcol() {
    let fake = fake();
    for (path, body, code) in [
        ("/vo/d", "", 201),
        ("/vo/d/", "", 405),
        ("/vo/old", "", 405),
        ("/vo/none/d", "", 409),
        ("/vo/e", "<x/>", 415),
        ("/fileTransfer/vo/e", "", 405),
        ("/webdav/vo/f/", "", 201),
    ] {
        let answer = send(&fake, "MKCOL", path, &[], Body::from(body)).await;
        assert_eq!(answer.code(), code, "{path}");
    }
    assert!(fake.path("/vo/f").is_dir());
    *fake.deny.lock().unwrap() = Some(ErrorKind::Denied);
    assert_eq!(ask(&fake, "MKCOL", "/vo/g", &[]).await.code(), 403);
}
