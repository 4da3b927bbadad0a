//! The key exchange group secp521r1 (RFC 8422, RFC 8446 4.2.7), which rustls' provider leaves out
//! and ARC's clients offer alone.

use aws_lc_rs::agreement::{ECDH_P521, PrivateKey, UnparsedPublicKey, agree};
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// secp521r1 over aws-lc.
pub(super) static SECP521R1: &dyn SupportedKxGroup = &Secp521r1;

/// An uncompressed point: 0x04 and two coordinates of 66 bytes.
const POINT: usize = 1 + 2 * 66;

#[derive(Debug)]
struct Secp521r1;

impl SupportedKxGroup for Secp521r1 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let key = PrivateKey::generate(&ECDH_P521).map_err(|_| GetRandomFailed)?;
        let public = key.compute_public_key().map_err(|_| GetRandomFailed)?.as_ref().to_vec();
        Ok(Box::new(Exchange { key, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct Exchange {
    key: PrivateKey,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let bad = Error::from(PeerMisbehaved::InvalidKeyShare);
        // aws-lc reads other encodings too; TLS allows this one only.
        if peer.len() != POINT || peer.first() != Some(&0x04) {
            return Err(bad);
        }
        agree(&self.key, UnparsedPublicKey::new(&ECDH_P521, peer), bad, |secret| {
            Ok(SharedSecret::from(secret))
        })
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_agree() {
        let (a, b) = (SECP521R1.start().unwrap(), SECP521R1.start().unwrap());
        let (of_a, of_b) = (a.pub_key().to_vec(), b.pub_key().to_vec());
        assert_eq!((of_a.len(), of_a[0]), (POINT, 4));
        let (left, right) = (a.complete(&of_b).unwrap(), b.complete(&of_a).unwrap());
        assert_eq!(left.secret_bytes(), right.secret_bytes());
        assert_eq!(left.secret_bytes().len(), 66);
    }

    #[test]
    fn points_that_are_none_are_refused() {
        let good = SECP521R1.start().unwrap().pub_key().to_vec();
        let mut off_curve = good.clone();
        off_curve[100] ^= 1;
        let mut compressed = good[..67].to_vec();
        compressed[0] = 2;
        for bad in [&[][..], &[4; POINT], &good[..POINT - 1], &off_curve, &compressed] {
            let exchange = SECP521R1.start().unwrap();
            assert_eq!(
                exchange.complete(bad).err(),
                Some(Error::from(PeerMisbehaved::InvalidKeyShare))
            );
        }
    }
}
