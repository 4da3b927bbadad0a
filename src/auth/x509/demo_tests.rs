use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration as Span;

use super::super::Trust;
use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn read_chain(path: &Path) -> Vec<CertificateDer<'static>> {
    certificates(&fs::read(path).unwrap()).into_iter().map(|cert| cert.unwrap().der).collect()
}

fn day(days: u64) -> SystemTime {
    SystemTime::now() + Span::from_secs(days * 86_400)
}

/// What storm.toml says by default, with these trust anchors.
fn demo_tls(trust_anchors: &Path) -> crate::config::TlsSection {
    crate::config::TlsSection {
        trust_anchors: trust_anchors.to_owned(),
        ..crate::config::Config::defaults(Path::new("/nonexistent")).tls
    }
}

#[test]
fn made_once_and_again_before_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("demo");
    let first = ensure(&state, HOST).unwrap();
    assert!(first.made);
    assert_eq!((mode(&state), mode(&first.trust_anchors)), (0o700, 0o755));
    assert_eq!((mode(&first.host_key), mode(&first.user_key)), (0o600, 0o600));
    assert_eq!(mode(&state.join("ca-key.pem")), 0o600);

    // Clients' directory and our own judge agree on it.
    let now = SystemTime::now();
    for trust in [
        Trust::load(&demo_tls(&first.trust_anchors), &[], HOST),
        Trust::load(&demo_tls(Path::new("/nonexistent")), std::slice::from_ref(&first.ca), HOST),
    ] {
        let user = trust.0.judge(&read_chain(&first.user_certificate), now).unwrap();
        assert_eq!(user.person.dn, first.user_dn);
        let host = trust.0.judge(&read_chain(&first.host_certificate), now).unwrap();
        assert_eq!(host.person.dn, format!("/O=stormd demo/CN={HOST}"));
    }

    bears_every_name(&first);
    has_openssl_hashes(&first);

    let again = ensure(&state, HOST).unwrap();
    assert!(!again.made);
    assert_eq!(again.ca, first.ca);
    // Close to the end of the host and user certificates: those anew, by the same CA.
    let host = fs::read(&first.host_certificate).unwrap();
    assert!(!ensure_at(&state, HOST, day(350)).unwrap().made);
    let later = ensure_at(&state, HOST, day(359)).unwrap();
    assert!(later.made);
    assert_eq!(later.ca, first.ca);
    assert_ne!(fs::read(&later.host_certificate).unwrap(), host);
    // Close to the CA's end: everything, and nothing of the old CA is left.
    let last = ensure_at(&state, HOST, day(3645)).unwrap();
    assert_ne!(last.ca, first.ca);
    assert_eq!(fs::read_dir(&last.trust_anchors).unwrap().count(), 4);
}

#[test]
fn repaired_when_broken_or_renamed() {
    let dir = tempfile::tempdir().unwrap();
    let first = ensure(dir.path(), HOST).unwrap();
    // A crash between key and certificate leaves two that do not belong together.
    fs::copy(&first.user_key, &first.host_key).unwrap();
    let again = ensure(dir.path(), HOST).unwrap();
    assert!(again.made && again.ca == first.ca);
    assert!(Pair::read(&again.host_certificate, &again.host_key).is_some());
    let user = fs::read(&first.user_certificate).unwrap();
    let renamed = ensure(dir.path(), "other.example.org").unwrap();
    assert!(renamed.made);
    assert_eq!(fs::read(&renamed.user_certificate).unwrap(), user);
    fs::remove_file(dir.path().join("ca-key.pem")).unwrap();
    let anew = ensure(dir.path(), "other.example.org").unwrap();
    assert_ne!(anew.ca, first.ca);
    assert!(ensure(dir.path(), "sp\u{e4}t").is_err());
}

fn bears_every_name(demo: &DemoPki) {
    let cert = Cert::parse(&read_chain(&demo.host_certificate)[0]).unwrap();
    assert!(has_names(&cert, &host_names(HOST).unwrap()));
    let bytes = &cert.extension(oid::SUBJECT_ALT_NAME).unwrap().value;
    for name in [&b"\x82\x09localhost"[..], b"\x87\x04\x7f\0\0\x01", HOST.as_bytes()] {
        assert!(bytes.windows(name.len()).any(|part| part == name), "{name:?}");
    }
    assert_eq!(cert.extended_key_usage().unwrap().unwrap().len(), 2);
    assert_eq!(cert.subject.last_cn(), Some(HOST));
}

/// Against the tool itself where it is installed; the vectors in `name` hold everywhere.
fn has_openssl_hashes(demo: &DemoPki) {
    for option in ["-subject_hash", "-subject_hash_old"] {
        let out = Command::new("openssl")
            .args(["x509", "-noout", option, "-in"])
            .arg(&demo.ca_file)
            .output();
        let Ok(out) = out else { return };
        let hash = String::from_utf8(out.stdout).unwrap();
        let file = demo.trust_anchors.join(format!("{}.0", hash.trim()));
        assert_eq!(fs::read(file).unwrap(), fs::read(&demo.ca_file).unwrap(), "{option}");
        assert!(demo.trust_anchors.join(format!("{}.signing_policy", hash.trim())).exists());
    }
}

const HOST: &str = "se.example.org";
