//! Certificate chains of the grid: proxies, VOMS attributes, trust anchors, delegation, the demo PKI.
//!
//! No TLS library judges a proxy chain: they refuse its critical extension, or take the end entity for
//! a CA. So the handshake proves only that the peer holds the leaf's key ([`ClientVerifier`]), and
//! [`Trust::judge`] then says who that is, or why not in words that the person can act upon. No sockets here.
//!
//! ```text
//! chain -> proxy (leaf up to the end entity) -> path (end entity up to an anchor; policy) -> voms -> Person
//! ```

mod anchors;
mod asn1;
mod cert;
mod constraints;
mod crl;
pub mod delegation;
pub mod demo;
mod der;
// The integration tests build these too, and use other parts of them.
#[cfg(test)]
#[allow(dead_code)]
mod forge;
#[cfg(test)]
#[allow(dead_code)]
mod forge_ac;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod kept;
mod md5;
mod name;
mod path;
mod policy;
mod proxy;
mod signature;
#[cfg(test)]
mod testing;
mod trust;
mod verifier;
mod voms;
mod when;

pub use trust::{Judgement, MAX_CHAIN_BYTES, MAX_CHAIN_CERTIFICATES, Trust};
pub use verifier::ClientVerifier;

/// The now of everything that is forged.
#[cfg(test)]
fn tests_now() -> i64 {
    testing::NOW
}

/// When the first certificate of a PEM or DER file runs out; `None` when there is none that can be
/// read.
pub fn runs_out(file: &std::path::Path) -> Option<std::time::SystemTime> {
    let bytes = kept::read_bounded(file).ok()?;
    let first = anchors::certificates(&bytes).into_iter().next()?.ok()?;
    Some(when::system_time(first.not_after))
}
