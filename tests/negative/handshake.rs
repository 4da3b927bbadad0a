//! What goes wrong before the first request: no certificate, the GSI byte, delegation, TLS versions, keys that
//! are too short.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::client::Tls;
use crate::common::soap;
use crate::common::wait_until;
use crate::common::wire::{self, Conn};
use crate::world::*;

#[test]
fn no_client_certificate() {
    let w = World::running();
    let answer = w.list(&[], "/test.vo/file");
    assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{}", answer.xml);
    let says = "a client certificate or proxy is needed: make one with voms-proxy-init";
    assert_eq!(answer.explanation, says);
    let (status, text) = w.get(&[], "/test.vo/file");
    assert_eq!(status, 401, "{text}");
    assert!(text.contains("certificate"), "{text}");
    // What is open to everybody stays so.
    assert_eq!(w.get(&[], "/open/file").0, 200);
    w.has_fqans(&[&w.with_ac(|_| {}), &w.user], "/test.vo,/test.vo/Role=admin");
}

/// A client that says nothing where the GSI byte is due is not waited for; one that goes on with HTTP
/// speaks https.
#[test]
fn no_gsi_byte() {
    let mut w = World::new();
    w.start_with("[limits]\nhandshake = \"1s\"\n");
    let config = config(&[&w.user], Tls::Any);
    block_on(async {
        let mut silent = Conn::tls(&config, w.storm().ports.srm).await.unwrap();
        assert!(silent.closed_within(Duration::from_secs(5)).await);
    });
    w.accepted(&[&w.user], USER);
    assert!(w.storm().access().iter().all(|line| !line.is("gsi")));
}

/// Begins a delegation: the connection, and the key of the request.
async fn delegation(w: &World) -> (Conn, Vec<u8>) {
    let config = config(&[&w.user], Tls::Any);
    let mut conn = Conn::tls(&config, w.storm().ports.srm).await.unwrap();
    conn.send(b"D").await.unwrap();
    let request = conn.some().await.unwrap();
    // SEQUENCE { SEQUENCE { version, name, key, … }, … }
    let info = content(content(&request).0).0;
    let after_name = content(content(info).1).1;
    let key = &after_name[..after_name.len() - content(after_name).1.len()];
    (conn, key.to_vec())
}

/// The content of the element that `der` begins with, and what follows the element.
fn content(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, head) = match der[1] {
        0x81 => (usize::from(der[2]), 3),
        0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
        short => (usize::from(short), 2),
    };
    (&der[head..head + length], &der[head + length..])
}

async fn list(w: &World, conn: &mut Conn) -> soap::Answer {
    let surls = soap::surls(&[&w.storm().surl("/open/file")]);
    soap::call(conn, "srmLs", &surls).await.unwrap()
}

#[test]
fn delegation_in_small_records() {
    let w = World::running();
    block_on(async {
        let (mut conn, key) = delegation(&w).await;
        let certificate = w.user.delegate(&key, "77");
        // Each a record of its own, as some clients cut them; the first within the length.
        for part in
            [&certificate[..1], &certificate[1..3], &certificate[3..200], &certificate[200..]]
        {
            conn.send(part).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(list(&w, &mut conn).await.file_code(), "SRM_SUCCESS");
    });
    let lines = w.storm().access_of("the delegation", |line| line.is("delegated"));
    assert!(lines.iter().all(|line| line.dn() == USER && line.is("gsi")), "{lines:?}");
}

#[test]
fn delegation_of_garbage() {
    let w = World::running();
    block_on(async {
        // No DER: nobody knows where the stream stands.
        for garbage in [&b"garbage"[..], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0; 100]] {
            let (mut conn, _) = delegation(&w).await;
            let _ = conn.send(garbage).await;
            assert!(conn.closed_within(Duration::from_secs(5)).await, "{garbage:?}");
        }
        // DER, but no certificate; one for another key; one that a stranger signed: they hear of it.
        let stranger = Holder::root("/CN=Stranger");
        let (_, other) = delegation(&w).await;
        for (what, says) in [
            (vec![0x30, 3, 2, 1, 5], "no readable certificate"),
            (w.user.delegate(&other, "1").to_vec(), "key"),
        ] {
            let (mut conn, _) = delegation(&w).await;
            conn.send(&what).await.unwrap();
            let answer = list(&w, &mut conn).await;
            assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{}", answer.xml);
            assert!(answer.explanation.contains(says), "{} lacks {says}", answer.explanation);
        }
        let (mut conn, key) = delegation(&w).await;
        conn.send(&stranger.delegate(&key, "1")).await.unwrap();
        let answer = list(&w, &mut conn).await;
        assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{}", answer.xml);
        // The same without fault.
        let (mut conn, key) = delegation(&w).await;
        conn.send(&w.user.delegate(&key, "1")).await.unwrap();
        assert_eq!(list(&w, &mut conn).await.file_code(), "SRM_SUCCESS");
    });
}

#[test]
fn tls_1_0_only() {
    let w = World::running();
    let try_with = |version: &str, port: u16| {
        let done = Command::new("timeout")
            .args(["10", "openssl", "s_client", version, "-cipher", "DEFAULT@SECLEVEL=0"])
            .args(["-connect", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let ports = w.storm().ports;
    for port in [ports.srm, ports.https] {
        for version in ["-tls1", "-tls1_1"] {
            let (done, told) = try_with(version, port);
            assert!(!done && told.contains("alert"), "{version}: {told}");
        }
        let (done, told) = try_with("-tls1_2", port);
        assert!(done, "{told}");
    }
    let metrics = wire::plain_get(ports.admin, "/metrics").unwrap().text();
    assert!(
        metrics.contains("stormd_tls_handshake_failures_total{port=\"srm\"} 2"),
        "{metrics:.3000}"
    );
}

/// RSA keys of 1024 bits and SHA-1: refused, until `tls.legacy` takes them; 512 bits never.
#[test]
fn keys_that_are_too_short() {
    let mut w = World::new();
    let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let ca = Holder::root_with("/C=IT/O=Forged Grid/CN=RSA CA", rsa, |_| {});
    w.anchor(&ca, "0");
    w.signing_policy(&ca, "/C=IT/O=Forged Grid/*");
    let short = Short::make(&w, &ca, 1024);
    let shorter = Short::make(&w, &ca, 512);
    w.start("");
    assert!(short.get(&w).contains("alert"), "{}", short.get(&w));
    // A line of the log comes a moment later.
    let told = wait_until(Duration::from_secs(3), || {
        let log = w.storm().log();
        log.contains("an RSA key of 1024 bits") && log.contains("`[tls] legacy = true`")
    });
    assert!(told);
    w.start("legacy = true");
    assert!(short.get(&w).contains("what is inside"), "{}", short.get(&w));
    assert!(!shorter.get(&w).contains("what is inside"));
    w.storm().access_of("the short key", |line| line.dn() == USER && line.tls() == "TLSv1.2");
    w.accepted(&[&w.user], USER);
}

/// A person of openssl's making, since the forger makes no weak keys.
struct Short {
    file: std::path::PathBuf,
}

impl Short {
    /// With a certificate signed by SHA-1.
    fn make(w: &World, ca: &Holder, bits: usize) -> Self {
        let at = |name: &str| w.path().join(format!("short-{bits}-{name}")).display().to_string();
        let ca = w.pem("ca.pem", &[ca]).display().to_string();
        let (key, request, certificate) = (at("key"), at("csr"), at("cert"));
        let new = format!("rsa:{bits}");
        for arguments in [
            vec![
                "req", "-new", "-newkey", &new, "-nodes", "-keyout", &key, "-out", &request,
                "-subj", USER,
            ],
            vec![
                "x509",
                "-req",
                "-in",
                &request,
                "-CA",
                &ca,
                "-CAkey",
                &ca,
                "-set_serial",
                "5",
                "-days",
                "2",
                "-sha1",
                "-out",
                &certificate,
            ],
        ] {
            let done = Command::new("openssl").args(&arguments).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        let file = w.path().join(format!("short-{bits}.pem"));
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        std::fs::write(&file, read(&certificate) + &read(&key)).unwrap();
        Self { file }
    }

    /// GET by openssl at the level that still knows such keys: all that it says.
    fn get(&self, w: &World) -> String {
        let port = w.storm().ports.https;
        let mut child = Command::new("timeout")
            .args([
                "10",
                "openssl",
                "s_client",
                "-tls1_2",
                "-cipher",
                "DEFAULT@SECLEVEL=0",
                "-ign_eof",
            ])
            .args(["-connect", &format!("127.0.0.1:{port}")])
            .arg("-cert")
            .arg(&self.file)
            .arg("-key")
            .arg(&self.file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let request = b"GET /open/file HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        // The other side may be gone already.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), request);
        let done = child.wait_with_output().unwrap();
        [done.stdout, done.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat()
    }
}
