//! The GSI byte, delegation, and envelopes without a head.

use tokio::io::AsyncReadExt;

use super::support::{REQUEST, Server, answer, ask, closed, limits, post, say};
use crate::listener::PortKind;

const TOLD: &str = "POST /srm host=h who=/CN=Test User tls=TLSv1.3 gsi=true chain=0 body=x";

/// A DER SEQUENCE of the given inside.
fn der(inside: &[u8]) -> Vec<u8> {
    let length = u16::try_from(inside.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82], &length[..], inside].concat()
}

#[tokio::test]
async fn no_delegation_in_one_record_and_in_two() {
    let server = Server::start(PortKind::Srm, limits()).await;
    let mut io = server.connect().await;
    assert_eq!(ask(&mut io, format!("0{}", post("/srm", "x"))).await.body, TOLD);
    assert_eq!(ask(&mut io, post("/srm", "x")).await.body, TOLD, "the byte comes once");

    let mut io = server.connect().await;
    say(&mut io, "0").await;
    assert_eq!(ask(&mut io, post("/srm", "x")).await.body, TOLD);
}

#[tokio::test]
async fn the_https_port_knows_no_gsi_byte() {
    let server = Server::start(PortKind::Https, limits()).await;
    let mut io = server.connect().await;
    assert_eq!(ask(&mut io, "DELETE /f HTTP/1.1\r\nHost: h\r\n\r\n").await.status(), 200);
    let mut io = server.connect().await;
    // "0POST" is a method like any other there.
    let answer = ask(&mut io, format!("0{}", post("/f", "x"))).await;
    assert!(answer.body.starts_with("0POST /f "), "{}", answer.body);
}

#[tokio::test]
async fn delegation() {
    let server = Server::start(PortKind::Srm, limits()).await;
    let certificate = der(&[5; 900]);
    // With the request in the certificate's record, in the next, and torn.
    for step in [0, 1, 2] {
        let mut io = server.connect().await;
        say(&mut io, "D").await;
        let mut request = vec![0; REQUEST.len()];
        io.read_exact(&mut request).await.unwrap();
        assert_eq!(request, REQUEST);
        let post = post("/srm", "x");
        match step {
            0 => say(&mut io, [&certificate[..], post.as_bytes()].concat()).await,
            1 => {
                say(&mut io, &certificate).await;
                say(&mut io, post).await;
            }
            _ => {
                say(&mut io, &certificate[..3]).await;
                say(&mut io, [&certificate[3..], &post.as_bytes()[..5]].concat()).await;
                say(&mut io, &post[5..]).await;
            }
        }
        let told = TOLD.replace("chain=0", "chain=2");
        assert_eq!(answer(&mut io).await.body, told, "step {step}");
    }
}

#[tokio::test]
async fn a_bad_delegation_is_told_to_the_person() {
    let server = Server::start(PortKind::Srm, limits()).await;
    let mut io = server.connect().await;
    say(&mut io, "D").await;
    let mut request = vec![0; REQUEST.len()];
    io.read_exact(&mut request).await.unwrap();
    say(&mut io, der(b"bad")).await;
    let answer = ask(&mut io, post("/srm", "x")).await;
    let why = "who=refused(the proxy you delegated does not hold: it bears another key)";
    assert!(answer.body.contains(why), "{}", answer.body);
    assert!(answer.body.contains("gsi=true chain=0"), "{}", answer.body);
}

#[tokio::test]
async fn delegations_out_of_form_end_the_connection() {
    let server = Server::start(PortKind::Srm, limits()).await;
    for after in [&b"ELETE / HTTP/1.1\r\nHost: h\r\n\r\n"[..], b"\x30\x83\xff\xff\xff", b"\x30\x80"]
    {
        let mut io = server.connect().await;
        say(&mut io, [b"D", after].concat()).await;
        let said = closed(&mut io).await;
        assert_eq!(said, REQUEST, "{after:?}");
    }
    let mut anonymous = server.client();
    anonymous.anonymous = true;
    let mut io = anonymous.connect().await.unwrap();
    say(&mut io, "D").await;
    assert_eq!(closed(&mut io).await, b"", "nobody can delegate nothing");
}

#[tokio::test]
async fn bare_envelopes_again_and_again() {
    let server = Server::start(PortKind::Srm, limits()).await;
    let mut io = server.connect().await;
    let envelopes = [
        "<?xml version=\"1.0\"?><SOAP-ENV:Envelope>one</SOAP-ENV:Envelope>",
        "<Envelope>two</Envelope>",
    ];
    for (n, envelope) in envelopes.iter().enumerate() {
        let byte = if n == 0 { "0" } else { "" };
        let answer = ask(&mut io, format!("{byte}{envelope}\r\n")).await;
        assert_eq!(
            answer.body,
            format!(
                "POST / host=localhost who=/CN=Test User tls=TLSv1.3 gsi=true chain=0 body={envelope}"
            )
        );
    }
}

#[tokio::test]
async fn a_bare_envelope_without_end_is_bounded() {
    let mut limits = limits();
    limits.envelope = 1000;
    let server = Server::start(PortKind::Srm, limits).await;
    let mut io = server.connect().await;
    say(&mut io, "0<Envelope>").await;
    let flood = vec![b'x'; 200_000];
    // The server may have closed by then.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut io, &flood).await;
    assert!(!closed(&mut io).await.starts_with(b"HTTP/1.1 200"));
}
