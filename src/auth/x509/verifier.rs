//! The client side of the TLS handshake: asks for a certificate, takes whichever comes, and lets the
//! handshake through when the peer holds the leaf's key. Who that is says [`super::Trust::judge`]
//! later, so that a refused person gets words instead of an alert.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::verify_tls13_signature_with_raw_key;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::cert::Cert;
use super::signature::{LEGACY_HINT, OLD_SCHEMES, PublicKey, Strength, algorithms};
use super::{MAX_CHAIN_BYTES, MAX_CHAIN_CERTIFICATES};

/// Proves possession of the leaf's key, and nothing else. A certificate is asked for, not demanded;
/// no CA names are sent, because a long list of them breaks old clients.
#[derive(Clone, Copy, Debug)]
pub struct ClientVerifier {
    strength: Strength,
}

impl ClientVerifier {
    /// `legacy` as in `[tls] legacy`: with it, TLS 1.3 must not be offered, which knows PSS only, and
    /// that no short key can do here.
    pub fn new(legacy: bool) -> Self {
        Self { strength: if legacy { Strength::Legacy } else { Strength::Normal } }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    /// Only what could not be answered later is refused here: a leaf without a readable key, and a chain
    /// beyond every bound.
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let bytes: usize = intermediates.iter().map(|der| der.len()).sum();
        if intermediates.len() >= 4 * MAX_CHAIN_CERTIFICATES
            || end_entity.len() + bytes > 4 * MAX_CHAIN_BYTES
        {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        }
        key(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = key(cert)?;
        let bad = || Error::InvalidCertificate(CertificateError::BadSignature);
        if self.strength == Strength::Legacy && key.rsa_bits().is_some() {
            return key
                .verify_old_handshake(dss.scheme, message, dss.signature())
                .map(|()| HandshakeSignatureValid::assertion())
                .map_err(|_| bad());
        }
        tell_of_short_key(&key);
        let spki = SubjectPublicKeyInfoDer::from(key.spki.as_slice());
        let entity = webpki::RawPublicKeyEntity::try_from(&spki).map_err(|_| bad())?;
        // In TLS 1.2 the scheme does not bind the curve: every algorithm of it may be the one.
        let algorithms = algorithms();
        let (_, candidates) =
            algorithms.mapping.iter().find(|(scheme, _)| *scheme == dss.scheme).ok_or_else(bad)?;
        candidates
            .iter()
            .find(|one| entity.verify_signature(**one, message, dss.signature()).is_ok())
            .map(|_| HandshakeSignatureValid::assertion())
            .ok_or_else(bad)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = key(cert)?;
        tell_of_short_key(&key);
        let spki = SubjectPublicKeyInfoDer::from(key.spki.as_slice());
        verify_tls13_signature_with_raw_key(message, &spki, dss, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = algorithms().supported_schemes();
        if self.strength == Strength::Legacy {
            schemes.retain(|one| !is_rsa(*one));
            schemes.extend(OLD_SCHEMES.iter().rev());
        }
        schemes
    }
}

/// The handshake is about to fail with an alert that says nothing.
fn tell_of_short_key(key: &PublicKey) {
    if let Some(bits) = key.rsa_bits().filter(|&bits| bits < 2048) {
        tracing::info!(
            "a client came with an RSA key of {bits} bits and was refused: {LEGACY_HINT}"
        );
    }
}

fn is_rsa(scheme: SignatureScheme) -> bool {
    use SignatureScheme::{
        RSA_PKCS1_SHA1, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
        RSA_PSS_SHA384, RSA_PSS_SHA512,
    };
    matches!(
        scheme,
        RSA_PKCS1_SHA1
            | RSA_PKCS1_SHA256
            | RSA_PKCS1_SHA384
            | RSA_PKCS1_SHA512
            | RSA_PSS_SHA256
            | RSA_PSS_SHA384
            | RSA_PSS_SHA512
    )
}

/// The leaf's key.
fn key(leaf: &CertificateDer<'_>) -> Result<PublicKey, Error> {
    match Cert::parse(leaf) {
        Ok(cert) => Ok(cert.key),
        Err(_) => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
    }
}

#[cfg(test)]
#[path = "verifier_tests.rs"]
mod tests;
