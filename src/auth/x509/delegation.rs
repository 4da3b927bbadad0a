//! Delegation: we make a key and a request, the client signs a proxy for it, and we hold a credential of
//! the client's (GSI after the byte `D`; srmCopy needs it).

use std::time::SystemTime;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256, PublicKeyData,
    RsaKeySize,
};
use rustls::pki_types::CertificateDer;
use tokio::sync::{Mutex, mpsc};

use super::Trust;
use super::cert::Cert;
use super::signature::PublicKey;
use crate::model::{Person, ProxyKind};

/// An RSA-2048 key for one delegation. RSA, because Java clients know no other here.
pub struct Key(KeyPair);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// Makes one: tenths of a second of CPU. Prefer [`KeyPool::take`].
    ///
    /// # Errors
    /// The random source failed.
    pub fn generate() -> Result<Self, String> {
        KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
            .map(Self)
            .map_err(|error| format!("an RSA key could not be made: {error}"))
    }
}

/// Keys made ahead by a thread of their own, so that a delegation need not wait for one and a flood of
/// delegations costs one core at most.
#[derive(Debug)]
pub struct KeyPool {
    keys: Mutex<mpsc::Receiver<Key>>,
}

impl KeyPool {
    /// Starts the thread, which keeps `size` (at least 1) keys ready, and ends when the pool is dropped.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(size: usize) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(size.max(1));
        let make = move || {
            loop {
                match Key::generate() {
                    Ok(key) => {
                        if sender.blocking_send(key).is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        tracing::error!("{error}");
                        if sender.is_closed() {
                            return;
                        }
                        std::thread::sleep(std::time::Duration::from_secs(1));
                    }
                }
            }
        };
        std::thread::Builder::new().name("rsa-keys".to_owned()).spawn(make)?;
        Ok(Self { keys: Mutex::new(receiver) })
    }

    /// A key that nobody had before; waits for one when the pool is empty, in the order of asking. The
    /// caller bounds the wait.
    ///
    /// # Errors
    /// The thread is gone.
    pub async fn take(&self) -> Result<Key, String> {
        let key = self.keys.lock().await.recv().await;
        key.ok_or_else(|| "the key pool has ended".to_owned())
    }
}

/// The request to send: PKCS#10, DER, subject `CN=proxy`, no attributes (clients take only the key).
///
/// # Errors
/// Signing failed.
pub fn request(key: &Key) -> Result<Vec<u8>, String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "proxy");
    let csr = params
        .serialize_request(&key.0)
        .map_err(|error| format!("the certificate request could not be made: {error}"))?;
    Ok(csr.der().to_vec())
}

/// A credential that was delegated to us.
pub struct Delegated {
    /// The new proxy, then the peer's own chain.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key, PKCS#8 PEM. A secret.
    pub key_pem: String,
    /// Who delegated; `not_after` is that of the new chain.
    pub person: Person,
}

impl std::fmt::Debug for Delegated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delegated").field("person", &self.person).finish_non_exhaustive()
    }
}

/// Takes the certificate that the client signed for `key`. It must be a proxy for that very key, the chain
/// of it and `peer_chain` must hold, and it must be the person of `peer_chain`.
///
/// # Errors
/// What is wrong, for the person.
pub fn accept(
    der_cert: &[u8],
    key: &Key,
    peer_chain: &[CertificateDer<'_>],
    trust: &Trust,
    now: SystemTime,
) -> Result<Delegated, String> {
    let cert = Cert::parse(der_cert)
        .map_err(|_| "what was delegated is no readable certificate".to_owned())?;
    let ours =
        PublicKey::parse(&key.0.subject_public_key_info()).map_err(|error| error.to_string())?;
    if cert.key != ours {
        return Err("the delegated certificate is not for the key that was asked for".to_owned());
    }
    let peer = trust.judge(peer_chain, now).map_err(|refusal| refusal.why)?;
    let chain: Vec<CertificateDer<'static>> = std::iter::once(cert.der)
        .chain(peer_chain.iter().map(|der| der.clone().into_owned()))
        .collect();
    let person = trust.judge(&chain, now).map_err(|refusal| refusal.why)?.person;
    if person.proxy == ProxyKind::EndEntity || person.dn != peer.person.dn {
        return Err("the delegated certificate is no proxy of yours".to_owned());
    }
    Ok(Delegated { chain, key_pem: key.0.serialize_pem(), person })
}

#[cfg(test)]
#[path = "delegation_tests.rs"]
mod tests;
