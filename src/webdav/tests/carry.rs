//! MOVE and COPY through the router.

use super::*;
use crate::srm::ErrorKind;

fn fake() -> Arc<Fake> {
    let fake = Fake::new();
    fake.write("/vo/a", b"a");
    fake.write("/vo/b", b"b");
    fake.write("/vo/d/x&y", b"");
    Arc::new(fake)
}

#[tokio::test]
async fn what_a_request_says() {
    let fake = fake();
    for (method, path, headers, code) in [
        ("COPY", "/vo/a", &[("destination", "/vo/new")][..], 201),
        ("COPY", "/vo/a", &[("destination", "http://se.example/webdav/vo/new?x")], 204),
        ("MOVE", "/vo/new", &[("destination", "/vo/b"), ("overwrite", "F")], 412),
        ("MOVE", "/vo/new", &[("destination", "/vo/b"), ("overwrite", "T")], 204),
        ("MOVE", "/vo/b", &[("destination", "/vo/b")], 403),
        ("MOVE", "/vo/d", &[("destination", "/vo/d/e")], 409),
        ("MOVE", "/vo/b/", &[("destination", "/vo/c")], 404),
        ("MOVE", "/vo/b", &[("destination", "/vo/c"), ("depth", "1")], 400),
        ("COPY", "/vo/b", &[("destination", "/vo/c"), ("depth", "1")], 400),
        ("COPY", "/vo/b", &[("destination", "/vo/c"), ("overwrite", "?")], 400),
        ("COPY", "/vo/b", &[("destination", "/vo/c"), ("if-none-match", "*")], 412),
        ("COPY", "/vo/b", &[("destination", "https://se.example:1/vo/c")], 502),
        ("COPY", "/vo/b", &[("destination", "/fileTransfer/vo/c")], 405),
        ("MOVE", "/fileTransfer/vo/b", &[("destination", "/vo/c")], 405),
        ("COPY", "/vo/b", &[("source", "https://other.example/f")], 501),
        ("COPY", "/vo/b", &[("source", "https://x/f"), ("destination", "/vo/c")], 400),
        ("COPY", "/vo/b", &[("destination", "/vo/c"), ("transferheaderx", "y")], 501),
        ("COPY", "/vo/b", &[], 400),
    ] {
        let answer = ask(&fake, method, path, headers).await;
        assert_eq!(answer.code(), code, "{method} {path} {headers:?}");
    }
    assert_eq!(fake.content("/vo/b").unwrap(), b"a");
    assert_eq!(fake.content("/vo/c"), None);
    *fake.deny.lock().unwrap() = Some(ErrorKind::Denied);
    assert_eq!(ask(&fake, "MOVE", "/vo/b", &[("destination", "/vo/c")]).await.code(), 403);
}

#[tokio::test]
async fn members_that_failed_are_told() {
    let fake = fake();
    let to = [("destination", "/webdav/vo/c/")];
    let answer = ask(&fake, "COPY", "/webdav/vo/d/", &to).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(answer.code(), 207);
    assert_eq!(
        text,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<d:multistatus xmlns:d=\"DAV:\">\n\
         <d:response><d:href>/webdav/vo/c/x%26y</d:href>\
         <d:status>HTTP/1.1 507 Insufficient Storage</d:status>\
         <d:responsedescription>full &amp; over</d:responsedescription></d:response>\n\
         </d:multistatus>\n"
    );
    let alone = [("destination", "/vo/e"), ("depth", "0")];
    assert_eq!(ask(&fake, "COPY", "/vo/d", &alone).await.code(), 201);
}
