//! The TLS of the server: which provider, which versions, whose certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, ServerConfig};

use super::p521::SECP521R1;

/// Why no TLS configuration can be made of the files that were named.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("cannot read the host {what} `{}`: {source}; is it PEM, and may stormd's account read it?", path.display())]
    Read {
        /// `certificate` or `key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: pem::Error,
    },
    /// A PEM file without a certificate.
    #[error("no certificate in `{}`: it must hold the host certificate in PEM, then its chain", .0.display())]
    NoCertificate(PathBuf),
    /// The two do not belong together, or are of a kind that TLS does not take.
    #[error("host certificate `{}` and key `{}` cannot be used: {source}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// The cryptography of every TLS end in the daemon: aws-lc, with secp521r1 as one more group.
pub fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.push(SECP521R1);
    provider
}

/// The configuration of the TLS ports: TLS 1.2 and 1.3, the certificate (chain) and key of two PEM
/// files, a client certificate as `verifier` wants it. `legacy` leaves TLS 1.2 only, as old clients' keys
/// want it. Reads files: at start and on reload only.
pub fn server_config(
    certificate: &Path,
    key: &Path,
    verifier: Arc<dyn ClientCertVerifier>,
    legacy: bool,
) -> Result<Arc<ServerConfig>, TlsError> {
    let read = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Read { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(read("certificate", certificate))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(read("key", key))?;
    let unusable = |source| TlsError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    };
    let versions: &[_] = if legacy { &[&TLS12] } else { &[&TLS13, &TLS12] };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .map_err(unusable)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    // After a TLS 1.3 handshake a GSI client waits until it hears something, and takes the ticket
    // for that; OpenSSL's GSI clients stumble over a second one. So exactly one.
    config.send_tls13_tickets = 1;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The version's name in logs.
pub(super) fn version_name(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    }
}

#[cfg(test)]
mod tests {
    use rustls::server::NoClientAuth;

    use super::*;

    #[test]
    fn files_that_do_not_fit_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let pair = |_| rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let [one, other] = [0, 1].map(pair);
        let certificate = write("cert.pem", &one.cert.pem());
        let key = write("key.pem", &one.signing_key.serialize_pem());
        let foreign = write("foreign.pem", &other.signing_key.serialize_pem());
        let empty = write("empty.pem", "");
        let missing = dir.path().join("missing.pem");
        let make = |certificate: &Path, key: &Path| {
            server_config(certificate, key, Arc::new(NoClientAuth), false)
        };

        let config = make(&certificate, &key).unwrap();
        assert_eq!(config.send_tls13_tickets, 1);
        let groups: Vec<_> =
            config.crypto_provider().kx_groups.iter().map(|group| group.name()).collect();
        assert_eq!(groups.last(), Some(&rustls::NamedGroup::secp521r1));
        assert!(matches!(make(&empty, &key), Err(TlsError::NoCertificate(_))));
        assert!(matches!(make(&missing, &key), Err(TlsError::Read { what: "certificate", .. })));
        assert!(matches!(make(&certificate, &empty), Err(TlsError::Read { what: "key", .. })));
        assert!(matches!(make(&certificate, &foreign), Err(TlsError::Unusable { .. })));
    }
}
