//! Signatures of certificates, CRLs and attribute certificates. The key's and the signature's algorithm
//! identifiers must both match one of the verifier's, byte for byte: nothing is negotiated.

use ::aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaParameters, UnparsedPublicKey,
};
use rustls::SignatureScheme;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};

use super::der::{DerError, Reader, tag, whole_bits, without_zeros};

/// RSA PKCS#1 and PSS with SHA-2 from 2048 bits, ECDSA on P-256, P-384, P-521, Ed25519, ML-DSA.
pub(crate) fn algorithms() -> WebPkiSupportedAlgorithms {
    static ALGORITHMS: std::sync::LazyLock<WebPkiSupportedAlgorithms> =
        std::sync::LazyLock::new(|| {
            aws_lc_rs::default_provider().signature_verification_algorithms
        });
    *ALGORITHMS
}

/// How weak a signature may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// RSA from 2048 bits, SHA-2.
    Normal,
    /// RSA from 1024 bits, and SHA-1 with RSA too: `[tls] legacy = true`.
    Legacy,
}

/// Why a signature does not count. The texts go after "the signature of ... ".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("was made with an RSA key of {0} bits, which is too short")]
    WeakKey(usize),
    #[error("uses an algorithm that is not accepted (SHA-1 and MD5 are not)")]
    Algorithm,
    #[error("does not match the key that should have made it")]
    Mismatch,
}

impl SignatureError {
    /// Cause and remedy for the person. The administrator, who alone may weigh it, hears in the log of
    /// the option that would take it.
    pub(crate) fn explain(self, what: &str, remedy: &str) -> String {
        if self != Self::Mismatch {
            tracing::info!("the signature of {what} {self}: {LEGACY_HINT}");
        }
        format!("the signature of {what} {self}: {remedy}")
    }
}

/// For the log.
pub(crate) const LEGACY_HINT: &str =
    "`[tls] legacy = true` takes RSA keys from 1024 bits and SHA-1, if you must";

/// A subject public key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PublicKey {
    /// SubjectPublicKeyInfo, DER.
    pub(crate) spki: Vec<u8>,
    /// Content of its AlgorithmIdentifier.
    algorithm: Vec<u8>,
    /// subjectPublicKey without the count of unused bits.
    pub(crate) bits: Vec<u8>,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo, all of `der`.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, DerError> {
        let mut spki = Reader::sequence(der)?;
        let algorithm = spki.expect(tag::SEQUENCE)?;
        let bits = whole_bits(spki.expect(tag::BIT_STRING)?)?;
        spki.finish()?;
        Ok(Self { spki: der.to_vec(), algorithm: algorithm.to_vec(), bits: bits.to_vec() })
    }

    /// The SHA-1 of the key's bits: the usual key identifier (RFC 5280 4.2.1.2, method 1).
    pub(crate) fn identifier(&self) -> Vec<u8> {
        use ::aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
        digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.bits).as_ref().to_vec()
    }

    /// Checks `signed` against this key.
    pub(crate) fn verify(&self, signed: &Signed, strength: Strength) -> Result<(), SignatureError> {
        let least = if strength == Strength::Legacy { 1024 } else { 2048 };
        if let Some(length) = self.rsa_bits().filter(|&length| length < least) {
            return Err(SignatureError::WeakKey(length));
        }
        if strength == Strength::Legacy
            && self.algorithm == RSA
            && let Some((_, old)) = OLD.iter().find(|(id, _)| signed.algorithm == id)
        {
            return self.verify_old(old, &signed.message, &signed.signature);
        }
        let algorithm = algorithms()
            .all
            .iter()
            .find(|one| {
                one.public_key_alg_id().as_ref() == self.algorithm
                    && one.signature_alg_id().as_ref() == signed.algorithm
            })
            .ok_or(SignatureError::Algorithm)?;
        algorithm
            .verify_signature(&self.bits, &signed.message, &signed.signature)
            .map_err(|_| SignatureError::Mismatch)
    }

    /// With an algorithm that takes RSA keys from 1024 bits.
    fn verify_old(
        &self,
        algorithm: &'static RsaParameters,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        UnparsedPublicKey::new(algorithm, &self.bits)
            .verify(message, signature)
            .map_err(|_| SignatureError::Mismatch)
    }

    /// The same for a TLS 1.2 handshake.
    pub(crate) fn verify_old_handshake(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let of_scheme = OLD_SCHEMES.iter().position(|one| *one == scheme);
        let (_, algorithm) =
            of_scheme.and_then(|at| OLD.get(at)).ok_or(SignatureError::Algorithm)?;
        self.verify_old(algorithm, message, signature)
    }

    /// Length of an RSA modulus; `None` for keys of another kind.
    pub(crate) fn rsa_bits(&self) -> Option<usize> {
        let modulus = Reader::sequence(&self.bits).ok()?.expect(tag::INTEGER).ok()?;
        let digits = without_zeros(modulus);
        let first = digits.first()?;
        Some(digits.len() * 8 - first.leading_zeros() as usize)
    }
}

/// `SEQUENCE { what is signed, AlgorithmIdentifier, BIT STRING }`: the outside of certificates, CRLs and
/// attribute certificates.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    /// What is signed, with its header.
    pub(crate) message: Vec<u8>,
    /// Content of the AlgorithmIdentifier.
    pub(crate) algorithm: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    /// Takes `der`, all of it, apart.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, DerError> {
        let mut outer = Reader::sequence(der)?;
        let message = outer.next()?;
        let algorithm = outer.expect(tag::SEQUENCE)?;
        let signature = whole_bits(outer.expect(tag::BIT_STRING)?)?;
        outer.finish()?;
        Ok(Self {
            message: message.whole.to_vec(),
            algorithm: algorithm.to_vec(),
            signature: signature.to_vec(),
        })
    }
}

/// AlgorithmIdentifier of an RSA key.
const RSA: [u8; 13] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];

/// AlgorithmIdentifier of RSA PKCS#1 with SHA-1, SHA-256 and SHA-512: what the library takes short keys
/// with. PSS and SHA-384 it does not.
static OLD: [([u8; 13], &RsaParameters); 3] = [
    (with_rsa(5), &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
    (with_rsa(11), &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
    (with_rsa(13), &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
];

/// [`OLD`] in TLS 1.2, in the same order.
pub(crate) const OLD_SCHEMES: [SignatureScheme; 3] = [
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA512,
];

const fn with_rsa(last: u8) -> [u8; 13] {
    let mut id = RSA;
    id[10] = last;
    id
}

#[cfg(test)]
mod tests {
    use super::super::der::tlv;
    use super::super::testing::signed;
    use super::*;

    /// SubjectPublicKeyInfo of an RSA key with a modulus of so many bytes, which is no product of primes.
    fn rsa(bytes: usize) -> PublicKey {
        let modulus = tlv(tag::INTEGER, &[&[0], &vec![0xc5; bytes]]);
        let key = tlv(tag::SEQUENCE, &[&modulus, &tlv(tag::INTEGER, &[&[1, 0, 1]])]);
        let kind = tlv(tag::OID, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]]);
        let algorithm = tlv(tag::SEQUENCE, &[&kind, &[5, 0]]);
        let spki = tlv(tag::SEQUENCE, &[&algorithm, &tlv(tag::BIT_STRING, &[&[0], &key])]);
        PublicKey::parse(&spki).unwrap()
    }

    #[test]
    fn each_fault_has_its_name() {
        let good = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let der = signed(&good, |_| vec![0x30, 0]);
        let signature = Signed::parse(&der).unwrap();
        let key = rcgen::PublicKeyData::subject_public_key_info(&good);
        let key = PublicKey::parse(&key).unwrap();
        assert_eq!(key.verify(&signature, Strength::Normal), Ok(()));
        assert_eq!(
            rsa(128).verify(&signature, Strength::Normal),
            Err(SignatureError::WeakKey(1024))
        );
        assert_eq!(rsa(256).verify(&signature, Strength::Normal), Err(SignatureError::Mismatch));
        let ecdsa = rcgen::KeyPair::generate().unwrap();
        let ecdsa =
            PublicKey::parse(&rcgen::PublicKeyData::subject_public_key_info(&ecdsa)).unwrap();
        assert_eq!(ecdsa.verify(&signature, Strength::Normal), Err(SignatureError::Algorithm));
        let mut other = signature;
        other.message = vec![0x30, 1, 0];
        assert_eq!(key.verify(&other, Strength::Normal), Err(SignatureError::Mismatch));
    }
}
