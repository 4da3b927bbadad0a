//! Certificate revocation lists (RFC 5280 5), read at load time.

use std::collections::HashSet;

use super::cert::{Extension, extensions, find, time};
use super::der::{DerError, Reader, oid, small_integer, tag, without_zeros};
use super::name::Name;
use super::signature::{PublicKey, Signed};
use super::when::GRACE;

/// One list.
#[derive(Debug)]
pub(crate) struct Crl {
    pub(crate) issuer: Name,
    pub(crate) this_update: i64,
    /// `None`: it does not run out.
    pub(crate) next_update: Option<i64>,
    revoked: HashSet<Vec<u8>>,
    /// It lists only what changed, so that it can revoke but not vouch.
    delta: bool,
    pub(crate) signer: Signer,
}

/// Whose key signed a list.
#[derive(Debug)]
pub(crate) enum Signer {
    /// No CA of the directory; one that comes in somebody's chain may still have.
    Unknown(Signed),
    /// A CA of the directory. It may have had other keys before.
    Known(PublicKey),
}

/// Why a list is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CrlError {
    #[error("is no readable CRL")]
    Der(#[from] DerError),
    #[error("has a critical extension that is not understood, so that it cannot be used")]
    Extension,
    #[error("lists other CAs' certificates (an indirect CRL), which is not supported")]
    Indirect,
}

impl Crl {
    /// Reads one CRL, all of `der`. Its signature is not looked at.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, CrlError> {
        let signed = Signed::parse(der)?;
        let mut tbs = Reader::sequence(&signed.message)?;
        tbs.optional(tag::INTEGER)?;
        if tbs.expect(tag::SEQUENCE)? != signed.algorithm {
            return Err(DerError.into());
        }
        let issuer = Name::parse(tbs.next()?.whole)?;
        let this_update = time(&mut tbs)?;
        let next_update = match tbs.clone().next() {
            Ok(tlv) if matches!(tlv.tag, 0x17 | tag::GENERALIZED_TIME) => Some(time(&mut tbs)?),
            _ => None,
        };
        let mut revoked = HashSet::new();
        if let Some(list) = tbs.optional(tag::SEQUENCE)? {
            let mut list = Reader::new(list);
            while !list.is_empty() {
                let mut entry = Reader::new(list.expect(tag::SEQUENCE)?);
                let serial = without_zeros(entry.expect(tag::INTEGER)?);
                time(&mut entry)?;
                if !entry.is_empty() && is_removal(&extensions(entry.next()?.whole)?)? {
                    continue;
                }
                revoked.insert(serial.to_vec());
            }
        }
        let list = match tbs.optional(tag::context(0))? {
            Some(explicit) => extensions(explicit)?,
            None => Vec::new(),
        };
        tbs.finish()?;

        let known = [oid::DELTA_CRL, oid::ISSUING_DISTRIBUTION_POINT, oid::AUTHORITY_KEY_ID];
        if list.iter().any(|one| one.critical && !known.contains(&one.oid.as_slice())) {
            return Err(CrlError::Extension);
        }
        if let Some(point) = find(&list, oid::ISSUING_DISTRIBUTION_POINT) {
            let mut fields = Reader::sequence(&point.value)?;
            while !fields.is_empty() {
                let field = fields.next()?;
                if field.tag == tag::context_primitive(4) && field.value != [0] {
                    return Err(CrlError::Indirect);
                }
            }
        }
        Ok(Self {
            issuer,
            this_update,
            next_update,
            revoked,
            delta: find(&list, oid::DELTA_CRL).is_some(),
            signer: Signer::Unknown(signed),
        })
    }

    /// True when the certificate with this serial (no leading zeros) is on the list.
    pub(crate) fn revokes(&self, serial: &[u8]) -> bool {
        self.revoked.contains(serial)
    }

    /// True when the list is a whole one: it also says who is *not* revoked.
    pub(crate) fn is_whole(&self) -> bool {
        !self.delta
    }

    /// True while a certificate that is not on the list may be taken for good.
    pub(crate) fn is_current(&self, now: i64) -> bool {
        self.this_update <= now + GRACE && self.next_update.is_none_or(|end| now <= end)
    }
}

/// reasonCode removeFromCRL: the entry takes a certificate off the base list.
fn is_removal(entry: &[Extension]) -> Result<bool, CrlError> {
    const REASON: &[u8] = &[0x55, 29, 21];
    const CERTIFICATE_ISSUER: &[u8] = &[0x55, 29, 29];
    const ENUMERATED: u8 = 0x0a;
    if find(entry, CERTIFICATE_ISSUER).is_some() {
        return Err(CrlError::Indirect);
    }
    match find(entry, REASON) {
        Some(reason) => {
            let code = Reader::new(&reason.value).expect(ENUMERATED)?;
            Ok(small_integer(code)? == 8)
        }
        None => Ok(false),
    }
}
