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
        (("content-range", "bytes 0-1/5"), 501),
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
async fn put_with_a_digest() {
    let fake = fake();
    let put = async |digest| {
        send(&fake, "PUT", "/vo/old", &[("digest", digest)], Body::from("abc")).await
    };
    assert_eq!(put("adler32=00000001").await.code(), 400);
    assert_eq!(fake.content("/vo/old").unwrap(), b"old content");
    assert_eq!(put("md5=xxxx==, ADLER32=024D0127").await.code(), 204);
    assert_eq!(fake.content("/vo/old").unwrap(), b"abc");
    assert_eq!(fake.unfinished(), 0);
}

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
        answer.outcome.why.as_deref().unwrap().starts_with("NoFreeSpace: "),
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
