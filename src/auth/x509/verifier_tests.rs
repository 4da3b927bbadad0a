//! The verifier in real handshakes, in memory.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls::{ProtocolVersion, SupportedProtocolVersion, version};

use super::super::testing::*;
use super::*;

struct World {
    ca: Holder,
    user: Holder,
    host: rcgen::CertifiedKey<rcgen::KeyPair>,
}

fn world() -> World {
    let ca = Holder::root("/C=IT/CN=CA");
    let user = ca.issue("/C=IT/CN=User", |_| {});
    let host = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    World { ca, user, host }
}

/// What the server sees of the peer after the handshake, or the error that ended it.
fn shake(
    w: &World,
    version: &'static SupportedProtocolVersion,
    client: Option<(Vec<CertificateDer<'static>>, &rcgen::KeyPair)>,
) -> Result<Option<Vec<CertificateDer<'static>>>, Error> {
    let key = PrivateKeyDer::try_from(w.host.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(Arc::new(ClientVerifier::new(false)))
        .with_single_cert(vec![w.host.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(w.host.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            let key = default_provider().key_provider.load_private_key(der).unwrap();
            let certified = CertifiedKey::new(chain, key);
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
    };
    let name = ServerName::try_from(HOST).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut input = bytes.as_slice();
        while !input.is_empty() {
            server.read_tls(&mut input).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut input = bytes.as_slice();
        while !input.is_empty() {
            client.read_tls(&mut input).unwrap();
            client.process_new_packets()?;
        }
    }
    let wanted = if version.version == ProtocolVersion::TLSv1_2 {
        ProtocolVersion::TLSv1_2
    } else {
        ProtocolVersion::TLSv1_3
    };
    assert_eq!(server.protocol_version(), Some(wanted));
    Ok(server
        .peer_certificates()
        .map(|certs| certs.iter().map(|c| c.clone().into_owned()).collect()))
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

#[test]
fn proxies_and_even_refused_chains_come_through() {
    let w = world();
    let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let p521 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    let proxies = [
        w.user.proxy("1", |_| {}),
        w.user.proxy_for(rsa, "2", |_| {}),
        w.user.proxy_for(p521, "3", |_| {}),
        w.user.legacy_proxy("proxy"),
        w.user.proxy("4", |f| f.not_after = NOW - DAY),
        w.ca.proxy("5", |_| {}),
    ];
    for version in VERSIONS {
        for proxy in &proxies {
            let chain = chain(&[proxy, &w.user]);
            let seen = shake(&w, version, Some((chain.clone(), &proxy.key))).unwrap();
            assert_eq!(seen.as_deref(), Some(chain.as_slice()), "{}", proxy.name);
        }
    }
}

#[test]
fn a_certificate_is_not_demanded() {
    let w = world();
    for version in VERSIONS {
        assert_eq!(shake(&w, version, None).unwrap(), None);
    }
    assert!(ClientVerifier::new(false).root_hint_subjects().is_empty());
}

#[test]
fn somebody_elses_certificate_is_refused() {
    let w = world();
    let thief = rcgen::KeyPair::generate().unwrap();
    let proxy = w.user.proxy("1", |_| {});
    for version in VERSIONS {
        let error = shake(&w, version, Some((chain(&[&proxy, &w.user]), &thief))).unwrap_err();
        assert_eq!(error, Error::InvalidCertificate(CertificateError::BadSignature));
        let garbage = vec![CertificateDer::from(vec![0x30, 3, 1, 2, 3])];
        let error = shake(&w, version, Some((garbage, &thief))).unwrap_err();
        assert_eq!(error, Error::InvalidCertificate(CertificateError::BadEncoding));
    }
}
