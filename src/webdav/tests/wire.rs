//! What only a real connection shows: framing, `Expect`, cut bodies, keep-alive.

use std::fs;

use super::*;

async fn connect(fake: &Arc<Fake>) -> TcpStream {
    TcpStream::connect(server(fake).await).await.unwrap()
}

fn chunked(data: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in data.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

#[tokio::test]
async fn every_shape_of_put() {
    let fake = Arc::new(Fake::new());
    fake.write("/vo/x", b"");
    let mut stream = connect(&fake).await;
    let n: Vec<u8> = (0..2_500_000).map(|i| (i * 17 % 256) as u8).collect();
    let mut number = 0;
    for by_length in [true, false] {
        for data in [&b""[..], b"1", &n] {
            for expect in [true, false] {
                for before in [None, Some(&b"before"[..]), Some(&n[..])] {
                    number += 1;
                    let path = format!("/vo/{number}");
                    if let Some(before) = before {
                        fake.write(&path, before);
                    }
                    let framing = match by_length {
                        true => format!("content-length: {}", data.len()),
                        false => "transfer-encoding: chunked".to_owned(),
                    };
                    let waits = if expect { "expect: 100-continue\r\n" } else { "" };
                    // ARC sends the whole URL.
                    let head = format!(
                        "PUT https://h:1{path} HTTP/1.1\r\nhost: h\r\n{framing}\r\n{waits}\r\n"
                    );
                    let body = if by_length { data.to_vec() } else { chunked(data, 70_000) };
                    let case = format!("{by_length} {} {expect} {}", data.len(), before.is_some());
                    if expect && !(by_length && data.is_empty()) {
                        let go =
                            talk(&mut stream, head.as_bytes(), |t| t.ends_with("\r\n\r\n")).await;
                        assert!(go.starts_with("HTTP/1.1 100 "), "{case}: {go}");
                    } else {
                        stream.write_all(head.as_bytes()).await.unwrap();
                    }
                    let answer = talk(&mut stream, &body, complete).await;
                    let code = if before.is_some() { "204" } else { "201" };
                    assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{case}: {answer}");
                    assert!(answer.contains("\r\netag: \""), "{case}: {answer}");
                    assert!(fake.content(&path).unwrap() == data, "{case}");
                }
            }
        }
    }
    assert_eq!((number, fake.unfinished()), (36, 0));
}

#[tokio::test]
async fn a_digest_behind_the_body() {
    let fake = Arc::new(Fake::new());
    let mut stream = connect(&fake).await;
    for (trailer, digest, code) in [
        ("trailer: digest\r\n", "sha=qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "201"),
        ("trailer: digest\r\n", "sha=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "400"),
        ("trailer: digest\r\n", "adler32=1", "400"),
        ("trailer: digest\r\n", "md5=broken", "400"),
    ] {
        let request = format!(
            "PUT /vo/{code} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n{trailer}\r\n\
             3\r\nabc\r\n0\r\ndigest: {digest}\r\n\r\n"
        );
        fs::create_dir_all(fake.path("/vo")).unwrap();
        let answer = talk(&mut stream, request.as_bytes(), complete).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{digest}: {answer}");
    }
    assert_eq!(fake.content("/vo/201").unwrap(), b"abc");
    assert_eq!((fake.content("/vo/400"), fake.unfinished()), (None, 0));
}

#[tokio::test]
async fn a_body_that_ends_early_publishes_nothing() {
    let fake = Arc::new(Fake::new());
    fake.write("/vo/old", b"old");
    for request in [
        "content-length: 10\r\n\r\nhalf",
        "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "transfer-encoding: chunked\r\n\r\n9\r\nhalf",
        "transfer-encoding: chunked\r\n\r\nzz\r\n",
        "content-length: 10\r\n\r\n",
    ] {
        for path in ["/vo/old", "/vo/new"] {
            let mut stream = connect(&fake).await;
            let all = format!("PUT {path} HTTP/1.1\r\nhost: h\r\n{request}");
            stream.write_all(all.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let answer = talk(&mut stream, b"", |_| false).await;
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
                "{request}: {answer}"
            );
        }
    }
    // One that stays connected, and silent.
    let mut stream = connect(&fake).await;
    let all = b"PUT /vo/new HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nhalf";
    let answer = talk(&mut stream, all, complete).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(fake.content("/vo/old").unwrap(), b"old");
    assert_eq!(fake.content("/vo/new"), None);
    for _ in 0..50 {
        if fake.unfinished() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("uploads are left behind");
}

#[tokio::test]
async fn a_refused_body_is_not_asked_for() {
    let fake = Arc::new(Fake::new());
    let mut stream = connect(&fake).await;
    let head = b"PUT /closed/x HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\
                 expect: 100-continue\r\n\r\n";
    let answer = talk(&mut stream, head, complete).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    // One that sends it all before it listens still gets to read the answer, and may go on.
    let mut stream = connect(&fake).await;
    let mut all = b"PUT /closed/x HTTP/1.1\r\nhost: h\r\ncontent-length: 3000000\r\n\r\n".to_vec();
    all.resize(all.len() + 3_000_000, b'x');
    let answer = talk(&mut stream, &all, complete).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let next = talk(&mut stream, b"OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n", complete).await;
    assert!(next.starts_with("HTTP/1.1 200 ") && next.contains("dav: 1"), "{next}");
}

#[tokio::test]
async fn a_file_that_shrinks_ends_the_connection() {
    let fake = Arc::new(Fake::new());
    fake.write("/vo/f", &vec![7; 700_000]);
    fake.lie.store(10, std::sync::atomic::Ordering::Relaxed);
    let mut stream = connect(&fake).await;
    let answer = talk(&mut stream, b"GET /vo/f HTTP/1.1\r\nhost: h\r\n\r\n", |_| false).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 700010"), "{head}");
    assert!(body.len() < 700_010);
    // Where it shows at once, there is an answer.
    fake.write("/vo/g", b"");
    let mut stream = connect(&fake).await;
    let answer = talk(&mut stream, b"GET /vo/g HTTP/1.1\r\nhost: h\r\n\r\n", complete).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
}

#[tokio::test]
async fn heads_over_the_wire() {
    let fake = Arc::new(Fake::new());
    fake.write("/vo/f", b"0123456789");
    fake.write("/vo/empty", b"");
    let mut stream = connect(&fake).await;
    for (request, told) in [
        ("HEAD /vo/f", "content-length: 10\r\n"),
        ("HEAD /vo/empty", "content-length: 0\r\n"),
        ("GET /vo/empty", "content-length: 0\r\n"),
        ("GET /vo/f", "content-length: 10\r\n"),
        ("HEAD /vo/none", "HTTP/1.1 404"),
        ("HEAD /vo", "HTTP/1.1 200"),
        ("DELETE /vo/empty", "HTTP/1.1 204"),
        ("MKCOL /vo/d", "HTTP/1.1 201"),
        ("PUT /vo/p", "HTTP/1.1 201"),
    ] {
        let all = format!("{request} HTTP/1.1\r\nhost: h\r\n\r\n");
        let head = request.starts_with("HEAD");
        let answer = talk(&mut stream, all.as_bytes(), |t| {
            if head { t.contains("\r\n\r\n") } else { complete(t) }
        })
        .await;
        assert!(answer.contains(told), "{request}: {answer}");
        assert!(answer.contains("date: "), "{answer}");
    }
}
