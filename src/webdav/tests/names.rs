//! Names that break things elsewhere.

use super::*;
use crate::web::encode_path;

const ODD: [&str; 10] = [
    "with space",
    "quote\"and'",
    "\"><script>alert(1)<|script>",
    "\u{1f600} emoji é",
    "new\nline\r",
    "100%",
    "%2e%2e",
    "a?b#c&d;e",
    ".hidden",
    "back\\slash\x01",
];

#[tokio::test]
async fn every_method_takes_them() {
    let fake = Arc::new(Fake::new());
    fake.write("/vo/x", b"");
    for name in ODD {
        let path = format!("/vo/{}", encode_path(name));
        let put = send(&fake, "PUT", &path, &[], Body::from(name)).await;
        assert_eq!(put.code(), 201, "{name:?}");
        assert_eq!(put.outcome.target, path);
        assert_eq!(fake.content(&format!("/vo/{name}")).unwrap(), name.as_bytes());
        assert_eq!(ask(&fake, "GET", &path, &[]).await.text(), name);
        let found = ask(&fake, "PROPFIND", &path, &[("depth", "0")]).await;
        assert!(found.text().contains(&format!("<d:href>{path}</d:href>")), "{}", found.text());
        let sub = format!("{path}.d");
        assert_eq!(ask(&fake, "MKCOL", &sub, &[]).await.code(), 201);
        assert_eq!(ask(&fake, "DELETE", &sub, &[]).await.code(), 204);
    }
    let listed = ask(&fake, "PROPFIND", "/vo", &[("depth", "1")]).await;
    assert!(!listed.text().contains(['\x01', '\r']) && !listed.text().contains("<script"));
    let mut reader = quick_xml::Reader::from_str(listed.text());
    while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
    let page = ask(&fake, "GET", "/vo", &[]).await;
    // Our own.
    let text = page.text().replacen("<script>", "", 1);
    assert!(!text.contains("<script") && !text.contains("\"><scr"), "{text}");
    for name in ODD {
        let href = format!("/vo/{}", encode_path(name));
        assert!(listed.text().contains(&format!("<d:href>{href}</d:href>")), "{name:?}");
        assert!(page.text().contains(&format!("href=\"{href}\"")), "{name:?}");
        assert_eq!(ask(&fake, "DELETE", &href, &[]).await.code(), 204);
        assert_eq!(ask(&fake, "GET", &href, &[]).await.code(), 404);
    }
}

#[tokio::test]
async fn paths_that_lead_elsewhere_reach_no_core() {
    let fake = Arc::new(Fake::new());
    for method in ["GET", "HEAD", "PUT", "DELETE", "MKCOL", "PROPFIND", "OPTIONS"] {
        for path in [
            "/vo/../x",
            "/vo/%2e%2e/x",
            "/%2E%2E",
            "/vo/..%2f..%2fx",
            "/vo/a%00b",
            "/vo/%zz",
            "/webdav/../x",
            "/fileTransfer/%2e%2e/x",
            "/vo/.storm.1.0",
            "/vo/%ff",
        ] {
            let answer = ask(&fake, method, path, &[]).await;
            assert_eq!(answer.code(), 400, "{method} {path}");
            assert_eq!(answer.text().is_empty(), method == "HEAD");
        }
    }
    assert_eq!(fake.calls.load(std::sync::atomic::Ordering::Relaxed), 0);
}
