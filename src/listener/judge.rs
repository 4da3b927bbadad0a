//! What the listener asks of the rooms that know certificates: two small traits, so that this
//! room needs none of their types. The daemon implements them.

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::model::Identity;

/// Says who a certificate chain is, and makes the keys of delegations.
pub trait Judge: Send + Sync + 'static {
    /// Who showed this chain. It came by TLS, leaf first, is never empty, and the client has
    /// proved to hold the leaf's key; nothing else of it has been looked at. Called once per
    /// connection, and again when the answer may have changed, on an async thread: it must not
    /// block.
    fn identity(&self, chain: &[CertificateDer<'static>], now: SystemTime) -> Identity;

    /// Who sent these credentials in HTTP's Basic scheme (RFC 7617: `user:password` in base64) from
    /// that address. Asked for each request that brings some, on the https port only.
    fn password<'a>(&'a self, credentials: &'a str, peer: IpAddr) -> BoxFuture<'a, Identity>;

    /// A number that changes when an answer of [`Judge::identity`] may have changed: trust
    /// anchors, CRLs or the ban list were read again.
    fn generation(&self) -> u64;

    /// Begins a delegation by who showed this chain: a fresh key and a certificate request for it.
    /// Somebody who is refused must cost no key. An error is one line for the log.
    fn delegation<'a>(
        &'a self,
        chain: &'a [CertificateDer<'static>],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Box<dyn PendingDelegation>, String>>;
}

/// A delegation that waits for the client's signature.
pub trait PendingDelegation: Send {
    /// The PKCS#10 request, DER. Must fit into one TLS record (16 kB).
    fn request(&self) -> &[u8];

    /// Takes what the client signed: one DER certificate, which must bear the requested key and
    /// continue `peer`, the chain of the connection. An error is cause and remedy in one line, for
    /// the person.
    fn accept(
        self: Box<Self>,
        certificate: CertificateDer<'static>,
        peer: &[CertificateDer<'static>],
        now: SystemTime,
    ) -> Result<DelegatedCredential, String>;
}

/// A credential by which the daemon may act for a person elsewhere. Comes to the doors as a
/// request extension, in an `Arc`.
pub struct DelegatedCredential {
    /// The delegated proxy first, then the chain that signed it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The proxy's key.
    pub key: PrivateKeyDer<'static>,
}

impl fmt::Debug for DelegatedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DelegatedCredential({} certificates, key hidden)", self.chain.len())
    }
}
