//! What hostile, broken and unlucky clients send: each gets a clear refusal, and nothing changes
//! on disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::time::{Duration, Instant};

use common::client::Tls;
use common::scene::Scene;
use common::small_disk::SmallDisk;
use common::soap;
use common::storm::Area;
use common::wire::{self, Conn};
use common::{bytes, leftovers, snapshot};

const NO_TOKEN: &str = "12345678-1234-1234-1234-123456789abc";

#[tokio::test]
async fn an_unknown_token() {
    let scene = Scene::new();
    let surls = soap::surls(&[scene.storm.surl("/test.vo/dir/file")]);
    let token = soap::token(NO_TOKEN);
    for (operation, inner) in [
        ("srmStatusOfPutRequest", token.clone()),
        ("srmStatusOfGetRequest", token.clone()),
        ("srmPutDone", format!("{token}{surls}")),
        ("srmReleaseFiles", format!("{token}{surls}")),
        ("srmAbortFiles", format!("{token}{surls}")),
        ("srmAbortRequest", token.clone()),
    ] {
        let answer = scene.srm(operation, &inner).await;
        assert_eq!(answer.code, "SRM_INVALID_REQUEST", "{operation}: {}", answer.xml);
        assert!(answer.explanation.contains("token"), "{operation}: {}", answer.xml);
    }
    for nonsense in ["", "x", "../../etc/passwd", "' OR 1=1 --", &"9".repeat(100_000)] {
        let answer = scene.srm("srmStatusOfPutRequest", &soap::token(nonsense)).await;
        assert_eq!(answer.code, "SRM_INVALID_REQUEST", "{}", answer.xml);
    }
    scene.unchanged();
}

#[tokio::test]
async fn the_token_of_another_person() {
    let scene = Scene::new();
    let (surl, token, port, path) = scene.put("mine", None).await;
    let other = wire::config(Some("voms-user2"), Tls::Any);
    let (token_only, surls) = (soap::token(&token), soap::surls(&[&surl]));
    for (operation, inner) in [
        ("srmStatusOfPutRequest", token_only.clone()),
        ("srmPutDone", format!("{token_only}{surls}")),
        ("srmAbortFiles", format!("{token_only}{surls}")),
        ("srmAbortRequest", token_only.clone()),
    ] {
        let answer = soap::once(&other, scene.storm.ports.srm, operation, &inner).await.unwrap();
        assert_eq!(answer.code, "SRM_AUTHORIZATION_FAILURE", "{operation}: {}", answer.xml);
        assert!(!answer.explanation.is_empty(), "{operation}: {}", answer.xml);
        assert!(answer.files.iter().all(|f| f.turl.is_none()), "{operation}: {}", answer.xml);
    }
    let theirs = wire::once(&other, port, "PUT", &path, b"theirs").await.unwrap();
    assert_eq!(theirs.status, 403, "{}", theirs.text());
    // It still is its owner's.
    let mine = wire::once(&scene.voms, port, "PUT", &path, b"mine").await.unwrap();
    assert!((200..300).contains(&mine.status), "{} {}", mine.status, mine.text());
    let done = scene.srm("srmPutDone", &format!("{token_only}{surls}")).await;
    done.expect("SRM_SUCCESS");
    let file = scene.storm.root("test.vo").join("mine");
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    std::fs::remove_file(file).unwrap();
    scene.unchanged();
}

#[tokio::test]
async fn dot_dot_in_paths() {
    let scene = Scene::new();
    let storm = &scene.storm;
    let outside = ["/test.vo/../../etc/passwd", "/../etc/passwd", "/test.vo/dir/../../../x"];
    dots(&scene, &outside).await;
    // A SURL is resolved first, and judged as where it leads.
    let inside = storm.surl("/test.vo/none/../dir/file");
    scene.srm("srmLs", &soap::surls(&[&inside])).await.expect("SRM_SUCCESS");
    let other = storm.surl("/open/../closed/x");
    let answer = scene.srm("srmLs", &soap::surls(&[&other])).await;
    assert_ne!(answer.file_code(), "SRM_SUCCESS", "{}", answer.xml);
    scene.unchanged();
}

#[tokio::test]
async fn dot_dot_in_escapes() {
    let scene = Scene::new();
    let outside = [
        "/test.vo/%2e%2e/%2e%2e/etc/passwd",
        "/%2E%2E/etc/passwd",
        "/test.vo/dir/%2e%2e/%2e./.%2e/x",
        "/test.vo/..%2f..%2fetc/passwd",
    ];
    dots(&scene, &outside).await;
    // Decoded once, not twice: this is a name.
    let surl = scene.storm.surl("/test.vo/%252e%252e/file");
    scene.srm("srmLs", &soap::surls(&[&surl])).await.expect("SRM_INVALID_PATH");
    let (status, _) = scene.http("GET", "/test.vo/%252e%252e/dir/file", b"").await;
    assert_eq!(status, 404);
    scene.unchanged();
}

async fn dots(scene: &Scene, paths: &[&str]) {
    for path in paths {
        let surl = scene.storm.surl(path);
        for (operation, inner) in [
            ("srmLs", soap::surls(&[&surl])),
            ("srmPrepareToGet", soap::prepare_to_get(&[&surl])),
            ("srmPrepareToPut", soap::prepare_to_put(&[&surl], None)),
            ("srmRm", soap::surls(&[&surl])),
        ] {
            scene.srm(operation, &inner).await.expect("SRM_INVALID_PATH");
        }
        let inner = format!("<SURL>{}</SURL>", soap::escape(&surl));
        let made = scene.srm("srmMkdir", &inner).await;
        assert_eq!(made.code, "SRM_INVALID_PATH", "{}", made.xml);
        for method in ["GET", "PUT", "DELETE", "MKCOL"] {
            for prefix in ["", "/webdav", "/fileTransfer"] {
                let (status, text) = scene.http(method, &format!("{prefix}{path}"), b"").await;
                assert_eq!(status, 400, "{method} {prefix}{path}: {text}");
                assert!(!text.trim().is_empty(), "{method} {prefix}{path}: no text");
            }
        }
    }
}

#[tokio::test]
async fn a_nul_in_a_path() {
    let scene = Scene::new();
    let surl = scene.storm.surl("/test.vo/dir/file%00.txt");
    for (operation, inner) in [
        ("srmLs", soap::surls(&[&surl])),
        ("srmPrepareToPut", soap::prepare_to_put(&[&surl], None)),
        ("srmRm", soap::surls(&[&surl])),
    ] {
        scene.srm(operation, &inner).await.expect("SRM_INVALID_PATH");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let (status, text) = scene.http(method, "/test.vo/dir/file%00.txt", b"").await;
        assert_eq!(status, 400, "{method}: {text}");
    }
    // A NUL is no character of XML.
    let inner = "<arrayOfSURLs><urlArray>srm://localhost/test.vo/a&#0;b</urlArray></arrayOfSURLs>";
    let answer = scene.srm("srmLs", inner).await;
    let refused = answer.code == "FAULT" || answer.file_code() == "SRM_INVALID_PATH";
    assert!(refused, "{}", answer.xml);
    scene.unchanged();
}

#[tokio::test]
async fn a_link_out_of_the_area() {
    let scene = Scene::with("", Vec::new(), |storm| {
        let outside = storm.dir().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("secret"), "secret").unwrap();
        let root = storm.root("test.vo");
        std::os::unix::fs::symlink(&outside, root.join("out")).unwrap();
        std::os::unix::fs::symlink("../open", root.join("other-area")).unwrap();
        std::os::unix::fs::symlink(outside.join("secret"), root.join("dir/secret")).unwrap();
    });
    for path in ["/test.vo/out/secret", "/test.vo/dir/secret", "/test.vo/other-area/file"] {
        let surl = scene.storm.surl(path);
        for (operation, inner) in
            [("srmLs", soap::surls(&[&surl])), ("srmPrepareToGet", soap::prepare_to_get(&[&surl]))]
        {
            scene.srm(operation, &inner).await.expect("SRM_AUTHORIZATION_FAILURE");
        }
        let (status, text) = scene.http("GET", path, b"").await;
        assert_eq!(status, 403, "GET {path}: {text}");
        assert!(!text.contains("secret\n") && text != "secret", "{text}");
    }
    for path in ["/test.vo/out/new", "/test.vo/other-area/new"] {
        let surl = scene.storm.surl(path);
        let inner = soap::prepare_to_put(&[&surl], None);
        scene.srm("srmPrepareToPut", &inner).await.expect("SRM_AUTHORIZATION_FAILURE");
        let (status, text) = scene.http("PUT", path, b"x").await;
        assert_eq!(status, 403, "PUT {path}: {text}");
    }
    let held = std::fs::read_dir(scene.storm.dir().join("outside")).unwrap().count();
    assert_eq!(held, 1, "something was written outside");
    scene.unchanged();
}

#[tokio::test]
async fn ten_thousand_and_one_files() {
    let scene = Scene::new();
    let surls: Vec<String> =
        (0..10_001).map(|n| scene.storm.surl(&format!("/test.vo/many/{n}"))).collect();
    for (operation, inner) in [
        ("srmPrepareToPut", soap::prepare_to_put(&surls, None)),
        ("srmPrepareToGet", soap::prepare_to_get(&surls)),
        ("srmRm", soap::surls(&surls)),
        ("srmLs", soap::surls(&surls)),
    ] {
        let answer = scene.srm(operation, &inner).await;
        assert_eq!(answer.code, "SRM_INVALID_REQUEST", "{operation}: {:.2000}", answer.xml);
        let told = answer.explanation.replace([',', ' '], "");
        assert!(told.contains("10000"), "{operation}: {}", answer.explanation);
        assert!(answer.token.is_none(), "{operation}: a token for a refused request");
    }
    scene.unchanged();
}

#[tokio::test]
async fn an_envelope_of_100_mb() {
    let scene = Scene::new();
    let before = scene.storm.memory();
    let size = 100_000_000;
    let start = soap::envelope("srmLs", "").replace("</srmLsRequest>", "").into_bytes();
    let filler = b"<urlArray>srm://localhost/test.vo/x</urlArray>".repeat(1000);
    for chunked in [false, true] {
        let started = Instant::now();
        let mut conn = Conn::tls(&scene.voms, scene.storm.ports.srm).await.unwrap();
        let (header, length) = if chunked {
            (&[("transfer-encoding", "chunked")][..], None)
        } else {
            (&[][..], Some(size))
        };
        conn.send(wire::head("POST", "/srm/managerv2", header, length).as_bytes()).await.unwrap();
        // The answer may come, and the connection go, long before all is sent.
        let mut sent = 0;
        for piece in std::iter::once(&start).chain(std::iter::repeat(&filler)) {
            let bytes = if chunked {
                [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
            } else {
                piece.clone()
            };
            if sent + piece.len() > size || conn.send(&bytes).await.is_err() {
                break;
            }
            sent += piece.len();
        }
        if let Ok(response) = conn.response("POST").await {
            let answer = soap::read(&response);
            assert_eq!((response.status, answer.code.as_str()), (500, "FAULT"), "{}", answer.xml);
            assert!(!answer.explanation.is_empty());
        } else {
            // A client that goes on sending after the answer may see a reset instead of it. The
            // length alone is refused at once, and that answer must be readable.
            assert!(sent > 0, "the connection was cut before the envelope");
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        let grown = scene.storm.memory().saturating_sub(before);
        assert!(grown < 150_000_000, "memory grew by {grown} bytes");
    }
    let mut conn = Conn::tls(&scene.voms, scene.storm.ports.srm).await.unwrap();
    conn.send(wire::head("POST", "/", &[], Some(size)).as_bytes()).await.unwrap();
    let response = conn.response("POST").await.unwrap();
    let answer = soap::read(&response);
    assert_eq!((response.status, answer.code.as_str()), (500, "FAULT"), "{}", answer.xml);
    scene.unchanged();
}

#[tokio::test]
async fn a_million_nested_elements() {
    let scene = Scene::new();
    let before = scene.storm.memory();
    let inner = "<a>".repeat(1_000_000) + &"</a>".repeat(1_000_000);
    for body in [soap::envelope("srmLs", &inner), "<a>".repeat(1_000_000)] {
        let started = Instant::now();
        let answer = wire::once(
            &scene.voms,
            scene.storm.ports.srm,
            "POST",
            "/srm/managerv2",
            body.as_bytes(),
        )
        .await
        .unwrap();
        let told = soap::read(&answer);
        assert_eq!((answer.status, told.code.as_str()), (500, "FAULT"), "{}", told.xml);
        assert!(!told.explanation.is_empty());
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
    let grown = scene.storm.memory().saturating_sub(before);
    assert!(grown < 100_000_000, "memory grew by {grown} bytes");
    scene.unchanged();
}

#[tokio::test]
async fn xml_that_is_none() {
    let scene = Scene::new();
    let ls = soap::envelope("srmLs", "");
    let laughs = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    for body in [
        String::new(),
        "hello".to_owned(),
        "<".to_owned(),
        ls[..ls.len() / 2].to_owned(),
        ls.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", laughs),
        ls.replace("srmLs>", "srmNoSuchOperation>"),
        ls.replace("</SOAP-ENV:Body>", ""),
        soap::envelope("srmLs", "<arrayOfSURLs href=\"#1\"/>")
            .replace("</SOAP-ENV:Body>", "<m id=\"1\" href=\"#1\"/></SOAP-ENV:Body>"),
    ] {
        let answer = wire::once(
            &scene.voms,
            scene.storm.ports.srm,
            "POST",
            "/srm/managerv2",
            body.as_bytes(),
        )
        .await
        .unwrap();
        let told = soap::read(&answer);
        assert_eq!(
            (answer.status, told.code.as_str()),
            (500, "FAULT"),
            "{body:.300}: {}",
            told.xml
        );
        assert!(!told.explanation.is_empty(), "{body:.300}");
    }
    scene.unchanged();
}

#[tokio::test]
async fn a_put_that_ends_early() {
    let scene = Scene::new();
    let half = bytes(100_000, 9);
    // At the DAV door: new, over an existing file, with a length, in chunks.
    for path in ["/test.vo/dir/new", "/test.vo/dir/file"] {
        for chunked in [false, true] {
            let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
            half_put(&mut conn, path, &half, chunked).await;
            drop(conn);
        }
    }
    // On a TURL: the put goes on, and can be sent again.
    let (surl, token, port, path) = scene.put("early", Some(1_000_000)).await;
    let mut conn = Conn::tls(&scene.voms, port).await.unwrap();
    half_put(&mut conn, &path, &half, false).await;
    drop(conn);
    let ended = || !scene.storm.root("test.vo").join("early").exists();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(ended(), "half a file was published");
    let inner = soap::token(&token) + &soap::surls(&[&surl]);
    let done = scene.srm("srmPutDone", &inner).await;
    assert_ne!(done.file_code(), "SRM_SUCCESS", "half a file was taken: {}", done.xml);
    assert!(ended(), "half a file was published");
    scene.srm("srmAbortRequest", &soap::token(&token)).await;
    scene.unchanged();
}

async fn half_put(conn: &mut Conn, path: &str, half: &[u8], chunked: bool) {
    if chunked {
        let header = [("transfer-encoding", "chunked")];
        conn.send(wire::head("PUT", path, &header, None).as_bytes()).await.unwrap();
        conn.send(format!("{:x}\r\n", half.len()).as_bytes()).await.unwrap();
    } else {
        conn.send(wire::head("PUT", path, &[], Some(1_000_000)).as_bytes()).await.unwrap();
    }
    conn.send(half).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_full_disk() {
    let disk = SmallDisk::new();
    let area = Area {
        name: "SMALL",
        stfn: "small",
        vo: None,
        anonymous: false,
        root: Some(disk.mount.clone()),
    };
    let scene = Scene::with("", vec![area], |_| ());
    let before = snapshot(&disk.mount);
    let large = bytes(20_000_000, 4);
    let (status, text) = scene.http("PUT", "/small/large", &large).await;
    assert_eq!(status, 507, "{text}");
    assert!(!text.trim().is_empty());
    // Told beforehand.
    let surl = scene.storm.surl("/small/large");
    let inner = soap::prepare_to_put(&[&surl], Some(20_000_000));
    scene.srm("srmPrepareToPut", &inner).await.expect("SRM_NO_FREE_SPACE");
    // Not told: the PUT finds out.
    let answer = scene.srm("srmPrepareToPut", &soap::prepare_to_put(&[&surl], None)).await;
    let answer = answer.expect("SRM_SPACE_AVAILABLE");
    let (port, path) = wire::split_url(answer.files[0].turl.as_deref().unwrap());
    let put = wire::once(&scene.voms, port, "PUT", &path, &large).await.unwrap();
    assert_eq!(put.status, 507, "{}", put.text());
    scene.abort(&answer.token.unwrap()).await;
    common::wait_until(Duration::from_secs(3), || leftovers(&disk.mount).is_empty());
    assert_eq!(snapshot(&disk.mount), before);
    // There is room again for what fits.
    let (status, text) = scene.http("PUT", "/small/fits", &large[..1_000_000]).await;
    assert_eq!(status, 201, "{text}");
    scene.unchanged();
}

#[tokio::test]
async fn an_expired_proxy() {
    refused("expired", "expired").await;
}

#[tokio::test]
async fn a_forged_proxy() {
    refused("forged", "not signed by").await;
}

#[tokio::test]
async fn an_unknown_ca() {
    refused("evil", "CA").await;
}

#[tokio::test]
async fn no_credential_at_all() {
    let scene = Scene::new();
    let nobody = wire::config(None, Tls::Any);
    let surl = scene.storm.surl("/test.vo/dir/file");
    let answer =
        soap::once(&nobody, scene.storm.ports.srm, "srmRm", &soap::surls(&[surl])).await.unwrap();
    assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{}", answer.xml);
    for (method, path) in
        [("GET", "/test.vo/dir/file"), ("PUT", "/open/new"), ("DELETE", "/open/file")]
    {
        let port = scene.storm.ports.https;
        let answer = wire::once(&nobody, port, method, path, b"").await.unwrap();
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
    }
    scene.unchanged();
}

async fn refused(kind: &str, word: &str) {
    let scene = Scene::new();
    let who = wire::config(Some(kind), Tls::Any);
    let surl = scene.storm.surl("/open/file");
    for (operation, inner) in [
        ("srmLs", soap::surls(&[&surl])),
        ("srmRm", soap::surls(&[&surl])),
        ("srmPrepareToGet", soap::prepare_to_get(&[&surl])),
        ("srmPrepareToPut", soap::prepare_to_put(&[scene.storm.surl("/open/new")], None)),
    ] {
        let answer = soap::once(&who, scene.storm.ports.srm, operation, &inner).await.unwrap();
        assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{operation}: {}", answer.xml);
        assert!(answer.explanation.contains(word), "{operation}: {}", answer.explanation);
    }
    let ping = soap::once(&who, scene.storm.ports.srm, "srmPing", "").await.unwrap();
    assert_eq!(ping.code, "FAULT", "{}", ping.xml);
    assert!(ping.explanation.contains(word), "{}", ping.xml);
    // Not even what everybody may read: the person thinks they are somebody.
    for (method, path) in [("GET", "/open/file"), ("PUT", "/open/new"), ("DELETE", "/open/file")] {
        let port = scene.storm.ports.https;
        let answer = wire::once(&who, port, method, path, b"x").await.unwrap();
        assert_eq!(answer.status, 401, "{method}: {}", answer.text());
        assert!(answer.text().contains(word), "{method}: {}", answer.text());
    }
    scene.unchanged();
}

#[tokio::test]
async fn garbage_instead_of_tls() {
    let scene = Scene::with("[limits]\nhandshake = \"1s\"\n", Vec::new(), |_| ());
    let ports = scene.storm.ports;
    for port in [ports.srm, ports.https] {
        for garbage in [
            &b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
            &[0; 4096],
            &[0xff; 4096],
            &[0x16, 0x03, 0x01, 0xff, 0xff],
            &bytes(100_000, 1),
        ] {
            let mut conn = Conn::tcp(port).await.unwrap();
            let _ = conn.send(garbage).await;
            assert!(conn.closed_within(Duration::from_secs(5)).await, "port {port} stays open");
        }
    }
    // After TLS: garbage instead of the GSI byte, of HTTP, of a delegated certificate.
    for garbage in [&b"\0\0\0\0"[..], b"0\xff\xfe\r\n\r\n", b"Dgarbage", &[0xff; 9000]] {
        let mut conn = Conn::tls(&scene.voms, ports.srm).await.unwrap();
        let _ = conn.send(garbage).await;
        assert!(conn.closed_within(Duration::from_secs(5)).await, "{garbage:?} keeps it open");
    }
    scene.srm("srmLs", &soap::surls(&[scene.storm.surl("/test.vo")])).await.expect("SRM_SUCCESS");
    scene.unchanged();
}

#[tokio::test]
async fn a_client_that_falls_silent() {
    let limits = "[limits]\nhandshake = \"1s\"\nidle_body = \"1s\"\nkeep_alive = \"2s\"\n";
    let scene = Scene::with(limits, Vec::new(), |_| ());
    let ports = scene.storm.ports;
    let post = wire::head("POST", "/srm/managerv2", &[], Some(1000));
    let put = wire::head("PUT", "/test.vo/silent", &[], Some(1000));
    let after_tls: [(&str, u16, Vec<u8>); 9] = [
        ("after the handshake, SRM", ports.srm, Vec::new()),
        ("after the handshake, https", ports.https, Vec::new()),
        ("after the GSI byte", ports.srm, b"0".to_vec()),
        ("in the delegation", ports.srm, b"D".to_vec()),
        ("in the head, SRM", ports.srm, b"0POST /srm/man".to_vec()),
        ("in the head, https", ports.https, b"GET /open/fi".to_vec()),
        ("in the envelope", ports.srm, format!("0{post}<SOAP").into_bytes()),
        ("in a bare envelope", ports.srm, b"0<?xml version".to_vec()),
        ("in a PUT", ports.https, format!("{put}half").into_bytes()),
    ];
    let mut conns = vec![("before TLS, SRM", Conn::tcp(ports.srm).await.unwrap())];
    conns.push(("before TLS, https", Conn::tcp(ports.https).await.unwrap()));
    let mut hello = Conn::tcp(ports.srm).await.unwrap();
    hello.send(&[0x16, 0x03, 0x01, 0x01, 0x00, 0x01]).await.unwrap();
    conns.push(("in the ClientHello", hello));
    conns.push(("at the plain port", Conn::tcp(ports.plain).await.unwrap()));
    for (stage, port, bytes) in after_tls {
        let mut conn = Conn::tls(&scene.voms, port).await.unwrap();
        conn.send(&bytes).await.unwrap();
        conns.push((stage, conn));
    }
    let mut idle = Conn::tls(&scene.voms, ports.https).await.unwrap();
    assert_eq!(idle.request("GET", "/open/file", &[], b"").await.unwrap().status, 200);
    conns.push(("between requests", idle));
    // All at once; each has its own few seconds.
    let mut waiting = tokio::task::JoinSet::new();
    for (stage, mut conn) in conns {
        waiting.spawn(async move { (stage, conn.closed_within(Duration::from_secs(5)).await) });
    }
    while let Some(ended) = waiting.join_next().await {
        let (stage, closed) = ended.unwrap();
        assert!(closed, "a client silent {stage} was kept");
    }
    scene.unchanged();
}

#[tokio::test]
async fn hidden_names_are_ours() {
    let scene = Scene::new();
    for name in [".storm.x", "dir/.storm.12345.0", ".storm."] {
        let surl = scene.storm.surl(&format!("/test.vo/{name}"));
        for (operation, inner) in [
            ("srmPrepareToPut", soap::prepare_to_put(&[&surl], None)),
            ("srmLs", soap::surls(&[&surl])),
            ("srmRm", soap::surls(&[&surl])),
        ] {
            scene.srm(operation, &inner).await.expect("SRM_INVALID_PATH");
        }
        for method in ["GET", "PUT", "DELETE", "MKCOL"] {
            let (status, text) = scene.http(method, &format!("/test.vo/{name}"), b"").await;
            assert!(matches!(status, 400 | 403 | 404), "{method} {name}: {status} {text}");
        }
    }
    let (_, token, _, _) = scene.put("live", None).await;
    let (_, page) = scene.http("GET", "/test.vo", b"").await;
    assert!(!page.contains(".storm."), "{page}");
    scene.abort(&token).await;
    scene.unchanged();
}
