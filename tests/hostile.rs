//! An attacker with a network connection, with and without a certificate, and a malicious member of
//! the VO: what each tries gains nothing and costs the others little.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::client::Tls;
use common::scene::Scene;
use common::wire::{self, Conn};
use common::{USER_DN, bytes, pki, soap};
use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Somebody whose certificate the test CA signed, or nobody but they themselves, with these names.
fn somebody(names: &[(DnType, &str)], trusted: bool) -> Arc<ClientConfig> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in names {
        params.distinguished_name.push(kind.clone(), *value);
    }
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let cert = if trusted {
        let read = |name: &str| std::fs::read_to_string(pki::dir().join("ca").join(name)).unwrap();
        let ca_key = KeyPair::from_pem(&read("cakey.pem")).unwrap();
        // As tests/pki.sh names it.
        let mut ca = CertificateParams::default();
        ca.distinguished_name = DistinguishedName::new();
        ca.distinguished_name.push(DnType::CountryName, "IT");
        ca.distinguished_name.push(DnType::OrganizationName, "Test Grid");
        ca.distinguished_name.push(DnType::CommonName, "Test CA");
        let ca = Issuer::new(ca, ca_key);
        params.signed_by(&key, &ca).unwrap()
    } else {
        params.self_signed(&key).unwrap()
    };
    let chain = vec![CertificateDer::from(cert)];
    wire::config_of(Some((chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())), Tls::Any)
}

/// One organisation called `Test Grid/CN=Test User` reads like an organisation and its Test User.
#[tokio::test]
async fn a_name_that_reads_like_anothers() {
    let scene = Scene::new();
    let names = [(DnType::CountryName, "IT"), (DnType::OrganizationName, "Test Grid/CN=Test User")];
    let thief = somebody(&names, true);
    let (_, token, port, turl) = scene.put("mine", None).await;
    for operation in ["srmStatusOfPutRequest", "srmAbortRequest"] {
        let inner = soap::token(&token);
        let port = scene.storm.ports.srm;
        let answer = soap::once(&thief, port, operation, &inner).await.unwrap();
        assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{}", answer.xml);
        assert!(answer.explanation.contains("another's"), "{}", answer.explanation);
    }
    let put = wire::once(&thief, port, "PUT", &turl, b"x").await.unwrap();
    assert_eq!(put.status, 401, "{}", put.text());
    let lines = scene.storm.access_of("thief", |a| a.op() == "PUT");
    assert_eq!(lines[0].dn(), USER_DN, "they do read the same");
    scene.abort(&token).await;
    scene.unchanged();
}

/// Anybody can make a certificate for themselves: it must not cost us an RSA key.
#[tokio::test]
async fn delegations_by_nobody() {
    let scene = Scene::new();
    let nobody = somebody(&[(DnType::CommonName, "Nobody")], false);
    let port = scene.storm.ports.srm;
    let mut requests = Vec::new();
    for _ in 0..8 {
        let mut conn = Conn::tls(&nobody, port).await.unwrap();
        conn.send(b"D").await.unwrap();
        let request = conn.some().await.unwrap();
        assert_eq!(request.first(), Some(&0x30));
        requests.push((conn, request));
    }
    assert!(requests.windows(2).all(|pair| pair[0].1 == pair[1].1), "keys were made for nobody");
    // They come as far as being told.
    let (mut conn, request) = requests.swap_remove(0);
    conn.send(&request).await.unwrap();
    let surl = scene.storm.surl("/open/file");
    let answer = soap::call(&mut conn, "srmRm", &soap::surls(&[surl])).await.unwrap();
    assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{}", answer.xml);
    assert!(answer.explanation.contains("trust anchor"), "{}", answer.explanation);
    // A person gets a key of their own each time.
    let mut theirs = Vec::new();
    for _ in 0..2 {
        let mut conn = Conn::tls(&scene.voms, port).await.unwrap();
        conn.send(b"D").await.unwrap();
        theirs.push(conn.some().await.unwrap());
    }
    assert_ne!(theirs[0], theirs[1]);
    assert!(!theirs.contains(&requests[0].1));
    scene.unchanged();
}

/// A page of another site can make its reader's browser send an envelope, certificate and all.
#[tokio::test]
async fn a_web_page_that_acts_for_its_reader() {
    let scene = Scene::new();
    let body = soap::envelope("srmRm", &soap::surls(&[scene.storm.surl("/test.vo/dir/file")]));
    for header in
        [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
    {
        let mut conn = Conn::tls(&scene.voms, scene.storm.ports.srm).await.unwrap();
        let headers = [("content-type", "text/plain"), header];
        let answer = conn.request("POST", "/srm", &headers, body.as_bytes()).await.unwrap();
        let answer = soap::read(&answer);
        assert_eq!(answer.code, "FAULT", "{}", answer.xml);
        assert!(answer.explanation.contains("web page"), "{}", answer.explanation);
    }
    // At the https door nothing that a page can send without asking first changes anything, and
    // who asks first is told nothing.
    let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
    let from = [("origin", "https://evil.example"), ("access-control-request-method", "DELETE")];
    let asked = conn.request("OPTIONS", "/test.vo/dir/file", &from, b"").await.unwrap();
    assert!(asked.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "{asked:?}");
    let posted = conn.request("POST", "/test.vo/dir/file", &from[..1], b"x").await.unwrap();
    assert_eq!(posted.status, 405);
    scene.unchanged();
}

/// Two servers in a row must not see two different requests: what has two lengths, or a length that
/// can be read in two ways, ends the connection, and what follows is never answered. (With both a
/// length and chunks the chunks count, RFC 9112 6.3: hyper tells us of no length then.)
#[tokio::test]
async fn requests_with_two_lengths() {
    let scene = Scene::new();
    let second = "DELETE /test.vo/dir/file HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let chunk = format!("0\r\n\r\n{second}");
    let cases = [
        (
            "two lengths",
            format!("content-length: 5\r\ncontent-length: {}\r\n", second.len()),
            second,
        ),
        ("a list of lengths", "content-length: 0, 52\r\n".to_owned(), second),
        ("a signed length", "content-length: +0\r\n".to_owned(), second),
        ("chunked twice", "transfer-encoding: chunked, chunked\r\n".to_owned(), &chunk),
        ("chunked not last", "transfer-encoding: chunked, identity\r\n".to_owned(), &chunk),
        ("an odd coding", "transfer-encoding: xchunked\r\n".to_owned(), &chunk),
        ("a folded header", "x: a\r\n transfer-encoding: chunked\r\n".to_owned(), second),
        ("a blank before the colon", "transfer-encoding : chunked\r\n".to_owned(), &chunk),
    ];
    for method in ["PUT", "GET", "PROPFIND"] {
        for (what, headers, rest) in &cases {
            let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
            let all =
                format!("{method} /test.vo/dir HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n{rest}");
            conn.send(all.as_bytes()).await.unwrap();
            let _ = conn.response(method).await;
            let next = conn.response("DELETE").await;
            assert!(next.is_err(), "{method} with {what}: a second answer: {next:?}");
        }
    }
    scene.unchanged();
}

/// A connection that began with an envelope holds envelopes to its end.
#[tokio::test]
async fn http_behind_a_bare_envelope() {
    let scene = Scene::new();
    let mut conn = Conn::tls(&scene.voms, scene.storm.ports.srm).await.unwrap();
    let rm = soap::envelope("srmRm", &soap::surls(&[scene.storm.surl("/test.vo/dir/file")]));
    let head = wire::head("POST", "/", &[], Some(rm.len()));
    let all = soap::envelope("srmPing", "") + &head + &rm;
    conn.send(all.as_bytes()).await.unwrap();
    assert_eq!(conn.response("POST").await.unwrap().status, 200);
    let answer = soap::read(&conn.response("POST").await.unwrap());
    assert_eq!(answer.code, "FAULT", "{}", answer.xml);
    scene.unchanged();
}

/// Memory is bounded for all clients together, not only for each.
#[tokio::test]
async fn many_large_envelopes_that_never_end() {
    let scene = Scene::new();
    let before = scene.storm.memory();
    let nobody = wire::config(None, Tls::Any);
    let head = wire::head("POST", "/", &[("transfer-encoding", "chunked")], None);
    let piece = format!("{:x}\r\n{}\r\n", 1_000_000, "x".repeat(1_000_000));
    let mut conns = Vec::new();
    let mut told = 0;
    for _ in 0..200 {
        let mut conn = Conn::tls(&nobody, scene.storm.ports.srm).await.unwrap();
        conn.send(head.as_bytes()).await.unwrap();
        if conn.send(piece.as_bytes()).await.is_ok() {
            conns.push(conn);
        }
    }
    let grown = scene.storm.memory().saturating_sub(before);
    assert!(grown < 100_000_000, "memory grew by {grown} bytes");
    for conn in &mut conns {
        if let Ok(Ok(answer)) =
            tokio::time::timeout(Duration::from_millis(20), conn.response("POST")).await
        {
            assert_eq!(answer.status, 500);
            told += 1;
        }
    }
    assert!(told > 50, "{told} were told to try again");
    // The others do not notice.
    scene.srm("srmLs", &soap::surls(&[scene.storm.surl("/test.vo")])).await.expect("SRM_SUCCESS");
    scene.unchanged();
}

/// A byte a chunk: the pieces of a body must not cost more than the body.
#[tokio::test]
async fn an_envelope_in_drops() {
    let scene = Scene::new();
    let mut conn = Conn::tls(&scene.voms, scene.storm.ports.srm).await.unwrap();
    conn.send(wire::head("POST", "/", &[("transfer-encoding", "chunked")], None).as_bytes())
        .await
        .unwrap();
    let before = scene.storm.memory();
    let drops = "1\r\nx\r\n".repeat(100_000);
    for _ in 0..20 {
        conn.send(drops.as_bytes()).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let grown = scene.storm.memory().saturating_sub(before);
    assert!(grown < 20_000_000, "2 MB in drops grew memory by {grown} bytes");
    scene.unchanged();
}

/// Answers nobody reads are not made.
#[tokio::test]
async fn pipelined_requests_whose_answers_are_not_read() {
    let large = |storm: &common::TestStorm| {
        std::fs::write(storm.root("open").join("large"), bytes(4_000_000, 3)).unwrap();
    };
    let scene = Scene::with("", Vec::new(), large);
    let before = scene.storm.memory();
    let nobody = wire::config(None, Tls::Any);
    let mut conns = Vec::new();
    for _ in 0..20 {
        let mut conn = Conn::tls(&nobody, scene.storm.ports.https).await.unwrap();
        let many = wire::head("GET", "/open/large", &[], None).repeat(500);
        conn.send(many.as_bytes()).await.unwrap();
        conns.push(conn);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = scene.storm.memory().saturating_sub(before);
    assert!(grown < 80_000_000, "memory grew by {grown} bytes");
    scene.unchanged();
}

/// A client that stops in the middle is told so, and what it sent is gone.
#[tokio::test]
async fn a_put_that_falls_silent() {
    let scene = Scene::with("[limits]\nidle_body = \"2s\"\n", Vec::new(), |_| ());
    for target in ["/test.vo/new", "/test.vo/dir/file"] {
        let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
        conn.send((wire::head("PUT", target, &[], Some(1000)) + "half").as_bytes()).await.unwrap();
        let answer = conn.response("PUT").await.unwrap();
        assert_eq!(answer.status, 408, "{}", answer.text());
    }
    scene.unchanged();
}

/// What one head or one small body can make us compute or write is bounded.
#[tokio::test]
async fn heads_and_bodies_that_cost_much() {
    let scene = Scene::new();
    let nobody = wire::config(None, Tls::Any);
    let port = scene.storm.ports.https;
    let tags = "\"\",".repeat(15_000);
    let dots = format!("bytes={}", "0-0,".repeat(10_000));
    let started = Instant::now();
    let mut conn = Conn::tls(&nobody, port).await.unwrap();
    for _ in 0..10 {
        let headers = [("if-none-match", tags.as_str())];
        assert_eq!(conn.request("GET", "/open/file", &headers, b"").await.unwrap().status, 200);
        let headers = [("range", dots.as_str())];
        assert_eq!(conn.request("GET", "/open/file", &headers, b"").await.unwrap().status, 416);
    }
    let space = "&quot;".repeat(9_000);
    let body = format!(
        "<d:propfind xmlns:d=\"DAV:\" xmlns:x=\"{space}\"><d:prop>{}</d:prop></d:propfind>",
        "<x:a/>".repeat(255)
    );
    let depth = [("depth", "1")];
    let answer = conn.request("PROPFIND", "/open/", &depth, body.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 400, "{:.200}", answer.text());
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    for range in [
        "bytes=18446744073709551615-",
        "bytes=-18446744073709551616",
        "bytes=5-18446744073709551615",
    ] {
        let status =
            conn.request("GET", "/open/file", &[("range", range)], b"").await.unwrap().status;
        assert!(matches!(status, 206 | 416), "{range}: {status}");
    }
    scene.unchanged();
}

/// 10,000 SURLs as long as a path may be: a lawful request, and one whose texts are too long.
#[tokio::test]
async fn very_long_surls() {
    let scene = Scene::new();
    let before = scene.storm.memory();
    let part = "p".repeat(250);
    let path = format!("/test.vo/{}", [part.as_str(); 8].join("/"));
    let surls: Vec<String> =
        (0..10_000).map(|i| scene.storm.surl(&format!("{path}/{i}"))).collect();
    let started = Instant::now();
    let answer = scene.srm("srmPrepareToGet", &soap::prepare_to_get(&surls)).await;
    assert_eq!(answer.files.len(), 10_000, "{:.500}", answer.xml);
    assert!(answer.files.iter().all(|file| file.explanation.len() < 4096));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let grown = scene.storm.memory().saturating_sub(before);
    assert!(grown < 400_000_000, "memory grew by {grown} bytes");
    let padded = format!("srm://localhost/{}?SFN=/test.vo/dir/file", "x".repeat(1 << 20));
    let answer = scene.srm("srmLs", &soap::surls(&[&padded])).await;
    assert_eq!(answer.code, "SRM_INVALID_REQUEST", "{:.500}", answer.xml);
    assert!(answer.xml.len() < 4096);
    scene.unchanged();
}

/// Other spellings of a path lead to the same file or nowhere.
#[tokio::test]
async fn odd_spellings_of_paths() {
    let scene = Scene::new();
    for (target, status) in [
        ("//open///file", 200),
        ("/webdav/open/file", 200),
        ("/webdav//open/%66ile", 200),
        ("/open%2ffile", 200),
        ("/fileTransfer/open/file", 403),
        ("/fileTransfer/fileTransfer/open/file", 404),
        ("/webdav/fileTransfer/open/file", 404),
        ("/webdav/webdav/open/file", 404),
        ("/%77ebdav/open/file", 200),
        ("/open/file.", 404),
        ("/open/file%20", 404),
        ("/open/file/", 404),
        ("/open/file%00", 400),
        ("/open/dir%5c..%5cfile", 404),
        ("/open\\file", 404),
        ("/open/%c0%af..%c0%affile", 400),
        ("/open/%252e%252e/file", 404),
        ("/open/%2e%2e/closed/f", 400),
        ("/open/..;/file", 404),
        ("/open/file?../../x", 200),
        ("https://evil.example/open/file", 200),
    ] {
        let (got, text) = scene.http("GET", target, b"").await;
        assert_eq!(got, status, "{target}: {text:.200}");
    }
    for (name, value) in [("x-http-method-override", "DELETE"), ("x-method-override", "PUT")] {
        let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
        conn.request("GET", "/test.vo/dir/file", &[(name, value)], b"").await.unwrap();
    }
    scene.unchanged();
}

/// Names and contents that a member chose do nothing in a reader's browser, header or log.
#[tokio::test]
async fn names_that_are_code() {
    let scene = Scene::new();
    let page = "<script>alert(document.cookie)</script>";
    let names = [
        "%3Cimg%20src=x%20onerror=alert(1)%3E.html",
        "%22%3E%3Cscript%3Ealert(1)%3C%2fscript%3E".trim_end_matches("%3C%2fscript%3E"),
        "a%0d%0aSet-Cookie:%20x=y%0d%0a.svg",
        "%E2%80%AEcod.exe",
    ];
    for name in names {
        let (status, text) =
            scene.http("PUT", &format!("/test.vo/dir/{name}"), page.as_bytes()).await;
        assert_eq!(status, 201, "{name}: {text}");
    }
    let (_, listing) = scene.http("GET", "/test.vo/dir/", b"").await;
    // Our own is there once.
    let listing = listing.replacen("<script>", "", 1);
    assert!(!listing.contains("<img") && !listing.contains("<script"), "{listing}");
    assert!(!listing.contains("\nSet-Cookie"), "{listing}");
    for name in names {
        let target = format!("/test.vo/dir/{name}");
        let answer =
            wire::once(&scene.voms, scene.storm.ports.https, "GET", &target, b"").await.unwrap();
        assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let active = name.ends_with(".html") || name.ends_with(".svg");
        assert_eq!(answer.header("content-security-policy"), active.then_some("sandbox"), "{name}");
        assert_eq!(scene.http("DELETE", &target, b"").await.0, 204);
    }
    for line in scene.storm.log().lines() {
        assert!(!line.starts_with("Set-Cookie"), "a log line of a client's making: {line}");
    }
    scene.unchanged();
}

/// A session that is taken up again is judged again, and stays its owner's.
#[tokio::test]
async fn sessions_taken_up_again() {
    let scene = Scene::new();
    let port = scene.storm.ports.srm;
    for tls in [Tls::V12, Tls::V13] {
        for (kind, code) in [("voms", "SRM_SUCCESS"), ("expired", "SRM_AUTHENTICATION_FAILURE")] {
            let mut config = Arc::unwrap_or_clone(wire::config(Some(kind), tls));
            config.resumption = rustls::client::Resumption::in_memory_sessions(8);
            let config = Arc::new(config);
            for _ in 0..3 {
                let inner = soap::surls(&[scene.storm.surl("/test.vo/dir")]);
                let answer = soap::once(&config, port, "srmLs", &inner).await.unwrap();
                assert_eq!(answer.code, code, "{kind} {tls:?}: {}", answer.xml);
            }
        }
    }
    scene.unchanged();
}
