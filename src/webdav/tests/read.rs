//! GET, HEAD, PROPFIND, OPTIONS.

use super::*;
use crate::srm::ErrorKind;
use crate::webdav::reply::DAV;

fn with(content: &[u8]) -> Arc<Fake> {
    let fake = Fake::new();
    fake.write("/vo/f.txt", content);
    Arc::new(fake)
}

#[tokio::test]
async fn get_and_head_tell_the_same() {
    let fake = with(b"0123456789");
    for path in ["/vo/f.txt", "/webdav/vo/f.txt", "/fileTransfer/vo/f.txt", "/vo/f.txt?oss.asize=1"]
    {
        let get = ask(&fake, "GET", path, &[]).await;
        let head = ask(&fake, "HEAD", path, &[]).await;
        assert_eq!((get.code(), get.text()), (200, "0123456789"));
        assert_eq!((head.code(), head.text()), (200, ""));
        for name in ["etag", "last-modified", "accept-ranges", "content-type"] {
            assert_eq!(get.header(name), head.header(name));
            assert_ne!(get.header(name), "", "{name}");
        }
        assert_eq!(head.header("content-length"), "10");
        assert_eq!(get.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(get.header("x-content-type-options"), "nosniff");
        assert_eq!((get.header("digest"), get.header("dav")), ("", ""));
    }
}

#[tokio::test]
async fn empty_and_large_files() {
    let fake = with(b"");
    let answer = ask(&fake, "GET", "/vo/f.txt", &[]).await;
    assert_eq!((answer.code(), answer.body.len()), (200, 0));
    assert_eq!(answer.header("content-length"), "0");
    let large: Vec<u8> = (0..3_000_001).map(|i| (i * 13 % 256) as u8).collect();
    fake.write("/vo/large", &large);
    let answer = ask(&fake, "GET", "/vo/large", &[]).await;
    assert!(answer.body == large);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    let answer = ask(&fake, "GET", "/vo/large", &[("range", "bytes=1000000-2999999")]).await;
    assert!(answer.body == large[1_000_000..3_000_000]);
}

#[tokio::test]
async fn ranges() {
    let fake = with(b"0123456789");
    for (range, code, body, told) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=0-", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=0-3,2-6", 206, "0123456", "bytes 0-6/10"),
        ("bytes=nonsense", 200, "0123456789", ""),
        ("bytes=20-", 416, "", "bytes */10"),
    ] {
        let answer = ask(&fake, "GET", "/vo/f.txt", &[("range", range)]).await;
        assert_eq!(answer.code(), code, "{range}");
        assert_eq!(answer.header("content-range"), told, "{range}");
        if code != 416 {
            assert_eq!(answer.text(), body, "{range}");
        }
    }
    // A range is for GET only.
    let head = ask(&fake, "HEAD", "/vo/f.txt", &[("range", "bytes=2-4")]).await;
    assert_eq!((head.code(), head.header("content-length")), (200, "10"));
    let answer = ask(&fake, "GET", "/vo/f.txt", &[("range", "bytes=8-9, 0-1")]).await;
    assert_eq!((answer.code(), answer.header("content-range")), (206, ""));
    let kind = answer.header("content-type").to_owned();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let text = answer.text();
    let part = |range: &str, data: &str| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Range: bytes {range}/10\r\n\r\n{data}"
        )
    };
    assert_eq!(text, format!("{}{}\r\n--{boundary}--\r\n", part("8-9", "89"), part("0-1", "01")));
}

#[tokio::test]
async fn conditions_on_reads() {
    let fake = with(b"0123456789");
    let first = ask(&fake, "GET", "/vo/f.txt", &[]).await;
    let (etag, date) = (first.header("etag"), first.header("last-modified"));
    let weak = format!("W/{etag}");
    for (headers, code) in [
        (vec![("if-none-match", etag)], 304),
        (vec![("if-none-match", &weak)], 304),
        (vec![("if-none-match", "\"x\"")], 200),
        (vec![("if-modified-since", date)], 304),
        (vec![("if-match", "\"x\"")], 412),
        (vec![("if-match", etag)], 200),
        (vec![("range", "bytes=0-1"), ("if-range", etag)], 206),
        (vec![("range", "bytes=0-1"), ("if-range", "\"x\"")], 200),
        (vec![("range", "bytes=0-1"), ("if-match", "\"x\"")], 412),
    ] {
        let answer = ask(&fake, "GET", "/vo/f.txt", &headers).await;
        assert_eq!(answer.code(), code, "{headers:?}");
        if code == 304 {
            assert_eq!((answer.header("etag"), answer.body.len()), (etag, 0));
        }
    }
}

#[tokio::test]
async fn digest_when_asked_and_known() {
    let fake = with(b"");
    let put = send(&fake, "PUT", "/vo/g", &[("want-digest", "adler32")], Body::from("abc")).await;
    assert_eq!((put.code(), put.header("digest")), (201, "adler32=024d0127"));
    for method in ["GET", "HEAD"] {
        let answer = ask(&fake, method, "/vo/g", &[("want-digest", "ADLER32")]).await;
        assert_eq!(answer.header("digest"), "adler32=024d0127");
        assert_eq!(ask(&fake, method, "/vo/g", &[]).await.header("digest"), "");
        let unknown = ask(&fake, method, "/vo/f.txt", &[("want-digest", "adler32")]).await;
        assert_eq!((unknown.code(), unknown.header("digest")), (200, ""));
    }
}

#[tokio::test]
async fn active_content_is_put_in_a_sandbox() {
    let fake = with(b"");
    fake.write("/vo/x.html", b"<script>");
    let answer = ask(&fake, "GET", "/vo/x.html", &[]).await;
    assert_eq!(answer.header("content-security-policy"), "sandbox");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn directories_are_pages() {
    let fake = with(b"hello");
    fake.write("/vo/b/x", b"");
    fake.write("/vo/a.dat", &[0; 2048]);
    let answer = ask(&fake, "GET", "/webdav/vo", &[("host", "se.example:8443")]).await;
    assert_eq!((answer.code(), answer.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    let policy = answer.header("content-security-policy");
    assert!(!policy.contains("unsafe") && !policy.contains("script-src 'self'"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    let text = answer.text();
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} in {text}"));
    assert!(at("href=\"/webdav/vo/b/\"") < at("href=\"/webdav/vo/a.dat\""));
    assert!(at("href=\"/webdav/vo/a.dat\"") < at("href=\"/webdav/vo/f.txt\""));
    at("2.0 KiB");
    at("3 entries");
    at("davs://se.example:8443/webdav/vo/");
    at("id=\"upload\"");
    let by_size = ask(&fake, "GET", "/vo?sort=size&order=asc", &[]).await;
    let at = |what: &str| by_size.text().find(what).unwrap();
    assert!(at("href=\"/vo/f.txt\"") < at("href=\"/vo/a.dat\""));
    let head = ask(&fake, "HEAD", "/vo/", &[]).await;
    assert_eq!((head.code(), head.body.len()), (200, 0));
    let answer = ask(&fake, "GET", "/vo", &[("host", "x\"><script>")]).await;
    assert!(!answer.text().contains("<script>\""), "{}", answer.text());
    for method in ["GET", "HEAD"] {
        assert_eq!(ask(&fake, method, "/vo?sort=colour", &[]).await.code(), 400);
        assert_eq!(ask(&fake, method, "/fileTransfer/vo", &[]).await.code(), 404);
        assert_eq!(ask(&fake, method, "/vo/f.txt/", &[]).await.code(), 404);
        assert_eq!(ask(&fake, method, "/", &[]).await.code(), 200);
    }
}

#[tokio::test]
async fn large_directories_have_pages() {
    let fake = with(b"");
    for i in 0..2_500 {
        std::fs::File::create(fake.path(&format!("/vo/{i}"))).unwrap();
    }
    let (mut link, mut rows) = ("/vo".to_owned(), 0);
    for (told, count) in [("1–1,000", 1000), ("1,001–2,000", 1000), ("2,001–2,501", 501)] {
        let answer = ask(&fake, "GET", &link, &[]).await;
        assert!(answer.text().contains(&format!(">{told} of 2,501<")), "{link}");
        assert_eq!(answer.text().matches("<tr class=\"f\">").count(), count);
        rows += count;
        let next = answer.text().split("href=\"").find(|rest| rest.contains("\">Next</a>"));
        link = match next {
            Some(rest) => format!("/vo{}", rest.split('"').next().unwrap().replace("&amp;", "&")),
            None => break,
        };
    }
    assert_eq!(rows, 2501);
}

const ASKED: &str = "<d:propfind xmlns:d=\"DAV:\"><d:prop><d:resourcetype/><d:getcontentlength/>\
                     <d:acl/></d:prop></d:propfind>";

#[tokio::test]
async fn propfind() {
    let fake = with(b"hello");
    fake.write("/vo/d \"q\"/x", b"");
    for (path, depth, code) in [
        ("/vo", "0", 207),
        ("/vo/", "1", 207),
        ("/", "1", 207),
        ("/vo/f.txt", "1", 207),
        ("/vo/f.txt", "infinity", 207),
        ("/vo/none", "0", 404),
        ("/vo/none", "1", 404),
        ("/vo/f.txt/below", "1", 404),
        ("/vo", "infinity", 403),
        ("/vo", "2", 400),
    ] {
        let answer = ask(&fake, "PROPFIND", path, &[("depth", depth)]).await;
        assert_eq!(answer.code(), code, "{path} {depth}: {}", answer.text());
    }
    let infinite = ask(&fake, "PROPFIND", "/vo", &[]).await;
    assert_eq!(infinite.code(), 403);
    assert!(infinite.text().contains("<d:propfind-finite-depth/>"));
    let answer = send(&fake, "PROPFIND", "/webdav/vo", &[("depth", "1")], Body::from(ASKED)).await;
    assert_eq!(answer.header("content-type"), "application/xml; charset=utf-8");
    let missing = |names: &str| {
        format!(
            "<d:propstat><d:prop>{names}<d:acl/></d:prop>\
             <d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>\n"
        )
    };
    let found = |props: &str| {
        format!(
            "<d:propstat><d:prop>{props}</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>"
        )
    };
    let directory = found("<d:resourcetype><d:collection/></d:resourcetype>");
    let mut lines: Vec<_> = answer.text().lines().collect();
    lines.sort_unstable();
    let href = |h: &str| format!("<d:response><d:href>/webdav/vo/{h}</d:href>");
    let none = missing("<d:getcontentlength/>");
    let file = found("<d:resourcetype/><d:getcontentlength>5</d:getcontentlength>");
    assert_eq!(
        lines,
        [
            "</d:multistatus>",
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
            "<d:multistatus xmlns:d=\"DAV:\" \
             xmlns:ns1=\"http://storm.italiangrid.org/2014/webdav\">",
            format!("{}{directory}{none}", href("")).trim_end(),
            format!("{}{directory}{none}", href("d%20%22q%22/")).trim_end(),
            format!("{}{file}{}", href("f.txt"), missing("")).trim_end(),
        ]
    );
}

#[tokio::test]
async fn propfind_bodies_are_bounded() {
    let fake = with(b"");
    let ask = |body: String| send(&fake, "PROPFIND", "/vo", &[("depth", "0")], Body::from(body));
    assert_eq!(ask("<a>".repeat(40_000)).await.code(), 413);
    assert_eq!(ask("<a>".repeat(1000)).await.code(), 400);
    assert_eq!(ask("<!DOCTYPE x>".into()).await.code(), 400);
    assert_eq!(ask(ASKED.into()).await.code(), 207);
}

#[tokio::test]
async fn options_and_what_is_not_offered() {
    let fake = with(b"");
    for path in ["/", "/vo", "/vo/none", "/webdav/vo/f.txt"] {
        let answer = ask(&fake, "OPTIONS", path, &[]).await;
        assert_eq!((answer.code(), answer.header("dav")), (200, DAV));
        assert!(answer.header("allow").contains("PROPFIND"));
    }
    let macaroon = [("content-type", "application/macaroon-request")];
    let answer = send(&fake, "POST", "/vo/f.txt", &macaroon, Body::from("{}")).await;
    assert_eq!(answer.code(), 405);
    for method in ["TRACE", "X"] {
        let answer = ask(&fake, method, "/vo/f.txt", &[]).await;
        assert_eq!(answer.code(), 405, "{method}");
        assert!(answer.header("allow").contains("PUT"), "{method}");
    }
    assert_eq!(fake.calls.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn errors_have_a_status_and_a_line_of_text() {
    let fake = with(b"");
    for (kind, method, code) in [
        (ErrorKind::Denied, "GET", 403),
        (ErrorKind::NotFound, "HEAD", 404),
        (ErrorKind::Internal, "GET", 500),
        (ErrorKind::Internal, "PUT", 409),
        (ErrorKind::Busy, "PUT", 423),
        (ErrorKind::Overloaded, "PUT", 503),
        (ErrorKind::Exists, "MKCOL", 405),
        (ErrorKind::ParentMissing, "MKCOL", 409),
        (ErrorKind::Aborted, "PUT", 409),
        (ErrorKind::Denied, "PROPFIND", 403),
        (ErrorKind::NotEmpty, "DELETE", 409),
    ] {
        *fake.deny.lock().unwrap() = Some(kind);
        let answer = ask(&fake, method, "/vo/f.txt", &[("depth", "0")]).await;
        assert_eq!(answer.code(), code, "{kind:?} {method}");
        let line = if method == "HEAD" { String::new() } else { format!("refused: {kind:?}\n") };
        assert_eq!(answer.text(), line);
        assert_eq!(answer.outcome.why.as_deref(), Some(&*format!("{kind:?}: refused: {kind:?}")));
        assert_eq!(answer.header("retry-after"), if code == 503 { "5" } else { "" });
    }
}

#[tokio::test]
async fn nobody_and_the_refused_get_401() {
    let fake = with(b"");
    fake.write("/closed/f", b"");
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let answer = ask_as(&fake, refused(), get("/vo/f.txt")).await;
    assert_eq!((answer.code(), answer.header("dav")), (401, DAV));
    assert_eq!(answer.text(), "your proxy expired 3 h ago: make a new one\n");
    assert_eq!(ask_as(&fake, Identity::Anonymous, get("/closed/f")).await.code(), 401);
    assert_eq!(ask_as(&fake, Identity::Anonymous, get("/vo/f.txt")).await.code(), 200);
}
