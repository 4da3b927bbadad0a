//! From an end entity certificate up to a trust anchor: RFC 5280 6, as far as grid CAs use it.
//!
//! webpki is not used: it refuses what real CAs do (critical certificatePolicies, version 1 roots). Policies
//! are accepted and not computed, as OpenSSL does by default.

use super::anchors::Anchors;
use super::cert::Cert;
use super::constraints;
use super::crl::Signer;
use super::der::oid;
use super::signature::SignatureError;
use super::when::span;
use crate::config::CrlMode;

/// What a certificate at the bottom of a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A person or a host that connects here.
    Client,
    /// A VOMS server that signs attribute certificates.
    AttributeAuthority,
}

/// A path was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// The first end of a certificate of the path.
    pub(crate) not_after: i64,
    /// The first end of a certificate or CRL: then the answer may be another.
    pub(crate) review_at: i64,
}

/// Looks for a path from `cert`, whose own dates and usage are checked as well.
///
/// # Errors
/// Why there is none, with the remedy, for the person.
pub(crate) fn verify(
    anchors: &Anchors,
    cert: &Cert,
    sent: &[Cert],
    purpose: Purpose,
    now: i64,
) -> Result<Found, String> {
    end_entity(cert, purpose, now)?;
    let mut search = Search { anchors, sent, now, signatures: MAX_SIGNATURES, worst: None };
    let mut path = vec![cert];
    search.extend(&mut path).ok_or_else(|| match search.worst {
        Some((_, why)) => why,
        None => format!("no way from `{}` up to a trust anchor", cert.subject.line()),
    })
}

struct Search<'a> {
    anchors: &'a Anchors,
    sent: &'a [Cert],
    now: i64,
    /// How many signatures may still be checked: an upper bound for hostile chains.
    signatures: usize,
    /// The reason from the attempt that got furthest.
    worst: Option<(u8, String)>,
}

impl<'a> Search<'a> {
    fn extend(&mut self, path: &mut Vec<&'a Cert>) -> Option<Found> {
        let &last = path.last()?;
        if last.is_self_issued() && self.anchors.holds(last) {
            return match self.check(path) {
                Ok(found) => Some(found),
                Err(why) => self.fail(3, why),
            };
        }
        if path.len() == MAX_PATH {
            let why =
                format!("more than {MAX_PATH} certificates up to a trust anchor: ask your CA");
            return self.fail(2, why);
        }
        let known = self.anchors.cas(last.issuer.key());
        let sent = self.sent;
        let candidates = known.iter().chain(sent.iter().filter(|ca| ca.subject == last.issuer));
        let candidates: Vec<&'a Cert> =
            candidates.filter(|ca| path.iter().all(|one| one.der != ca.der)).collect();
        if candidates.is_empty() {
            let why = format!(
                "the certificate of CA `{}` is not among the trust anchors in {}: ask the site to \
                 install it, or use a certificate of another CA",
                last.issuer.line(),
                self.anchors.dir.display()
            );
            return self.fail(0, why);
        }
        let (likely, rest): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|ca| last.may_be_issued_by(ca));
        for ca in likely.into_iter().chain(rest) {
            self.signatures = match self.signatures.checked_sub(1) {
                Some(left) => left,
                None => {
                    return self
                        .fail(2, "too many possible chains of CAs: send fewer of them".to_owned());
                }
            };
            if let Err(error) = ca.key.verify(&last.signed, self.anchors.strength) {
                let why = match error {
                    SignatureError::Mismatch => format!(
                        "`{}` was not signed by the CA `{}` that is known here: ask the site to update its \
                         trust anchors, or your CA for a new certificate",
                        last.subject.line(),
                        ca.subject.line()
                    ),
                    error => error.explain(
                        &format!("`{}`", last.subject.line()),
                        "ask your CA for a new certificate",
                    ),
                };
                self.fail(1, why);
                continue;
            }
            path.push(ca);
            let found = self.extend(path);
            path.pop();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn fail(&mut self, rank: u8, why: String) -> Option<Found> {
        if self.worst.as_ref().is_none_or(|(other, _)| *other < rank) {
            self.worst = Some((rank, why));
        }
        None
    }

    /// The rules for a whole path, whose signatures hold.
    fn check(&self, path: &[&Cert]) -> Result<Found, String> {
        let mut found = Found { not_after: i64::MAX, review_at: i64::MAX };
        // Intermediate CAs below the one that is looked at; self-issued ones do not count.
        let mut below = 0;
        for (at, &cert) in path.iter().enumerate() {
            if at > 0 {
                self.check_ca(cert, below)?;
                for &lower in path.iter().take(at) {
                    let inner = lower.is_self_issued() && lower.der != path[0].der;
                    if !inner && !constraints::allow(cert, lower).unwrap_or(false) {
                        return Err(format!(
                            "the CA `{}` may not certify the names of `{}` (nameConstraints): ask your CA",
                            cert.subject.line(),
                            lower.subject.line()
                        ));
                    }
                }
                below += u32::from(!cert.is_self_issued());
            }
            found.not_after = found.not_after.min(cert.not_after);
        }
        // What the site has to say of the CAs comes after what they say of themselves.
        for (at, &cert) in path.iter().enumerate() {
            let issuers = &path[at + 1..];
            if let Some(issuer) = issuers.first().filter(|ca| !self.anchors.is_own(ca)) {
                self.anchors.policies.check(cert, issuers, &self.anchors.dir)?;
                found.review_at = found.review_at.min(self.check_revocation(cert, issuer)?);
            }
        }
        found.review_at = found.review_at.min(found.not_after);
        Ok(found)
    }

    fn check_ca(&self, ca: &Cert, below: u32) -> Result<(), String> {
        let name = ca.subject.line();
        if !ca.subject.is_plain() {
            return Err(not_plain(name));
        }
        // Roots of version 1 know no extensions; who put one into the directory meant it.
        let old_root = ca.version == 1 && self.anchors.holds(ca);
        if !ca.is_ca && !old_root {
            return Err(format!(
                "the chain goes through `{name}`, which is no CA: send your own certificate and its \
                 CAs, no others"
            ));
        }
        if ca.key_usage.is_some_and(|usage| !usage.key_cert_sign()) {
            return Err(format!(
                "the CA `{name}` may not sign certificates (keyUsage): ask your CA"
            ));
        }
        if ca.path_len.is_some_and(|most| below > most) {
            return Err(format!("too many CAs below `{name}` (pathLenConstraint): ask your CA"));
        }
        if let Some(extension) = ca.unknown_critical(KNOWN_CRITICAL) {
            return Err(critical(name, &extension.oid) + ": ask your CA for one without it");
        }
        if self.now < ca.not_before {
            return Err(format!("the CA `{name}` is not valid yet: wait, or check the clock"));
        }
        if self.now > ca.not_after {
            let ago = span(self.now - ca.not_after);
            return Err(format!(
                "the certificate of the CA `{name}` expired {ago} ago: ask the site to update its \
                 trust anchors in {}",
                self.anchors.dir.display()
            ));
        }
        Ok(())
    }

    /// Returns until when the answer holds.
    fn check_revocation(&self, cert: &Cert, issuer: &Cert) -> Result<i64, String> {
        // In mode "ignore" no list was read.
        let mut whole = 0;
        let mut until: Option<i64> = None;
        for crl in self.anchors.crls(issuer.subject.key()) {
            let by_this_key = match &crl.signer {
                Signer::Known(key) => *key == issuer.key,
                Signer::Unknown(signed) => {
                    if issuer.key.verify(signed, self.anchors.strength).is_err() {
                        continue;
                    }
                    true
                }
            };
            if crl.revokes(&cert.serial) {
                return Err(format!(
                    "the certificate `{}` was revoked by its CA: get a new one",
                    cert.subject.line()
                ));
            }
            if crl.is_whole() {
                // The last list of a key that the CA has given up says nothing of the new one.
                whole += u32::from(by_this_key);
                if crl.is_current(self.now) {
                    until = until.max(Some(crl.next_update.unwrap_or(i64::MAX)));
                }
            }
        }
        match until {
            Some(until) => Ok(until),
            None if whole == 0 && self.anchors.crl_mode == CrlMode::Require => Err(format!(
                "there is no revocation list of the CA `{}`: ask the site to run fetch-crl for {}",
                issuer.subject.line(),
                self.anchors.dir.display()
            )),
            None if whole == 0 => Ok(i64::MAX),
            None => Err(format!(
                "the revocation list of the CA `{}` is out of date: ask the site to run fetch-crl \
                 for {}",
                issuer.subject.line(),
                self.anchors.dir.display()
            )),
        }
    }
}

fn end_entity(cert: &Cert, purpose: Purpose, now: i64) -> Result<(), String> {
    let name = cert.subject.line();
    if cert.subject.is_empty() {
        return Err(
            "your certificate has no name (its subject is empty): ask your CA for one that has"
                .to_owned(),
        );
    }
    if !cert.subject.is_plain() {
        return Err(not_plain(name));
    }
    if cert.is_ca {
        return Err(format!("`{name}` is a CA: use a person's or a host's certificate"));
    }
    if now > cert.not_after {
        let ago = span(now - cert.not_after);
        return Err(match purpose {
            Purpose::Client => {
                format!("your certificate `{name}` expired {ago} ago: get a new one from your CA")
            }
            Purpose::AttributeAuthority => format!("the certificate `{name}` expired {ago} ago"),
        });
    }
    if now < cert.not_before {
        let ahead = span(cert.not_before - now);
        return Err(format!(
            "the certificate `{name}` is valid only in {ahead}: wait, or check the clock"
        ));
    }
    if let Some(extension) = cert.unknown_critical(KNOWN_CRITICAL) {
        return Err(critical(name, &extension.oid) + ": ask your CA for one without it");
    }
    if cert.key_usage.is_some_and(|usage| !usage.digital_signature()) {
        return Err(format!(
            "the certificate `{name}` may not sign (keyUsage lacks digitalSignature): get one that may"
        ));
    }
    // Host certificates of public CAs say serverAuth only, and hosts are clients on the grid.
    let purposes = cert.extended_key_usage().map_err(|_| {
        format!(
            "the certificate `{name}` cannot be read (extendedKeyUsage): ask your CA for a new one"
        )
    })?;
    if purposes.is_some_and(|list| !list.iter().any(|one| KNOWN_PURPOSES.contains(one))) {
        return Err(format!(
            "the certificate `{name}` is not meant for TLS (extendedKeyUsage): get one with clientAuth"
        ));
    }
    Ok(())
}

fn not_plain(name: &str) -> String {
    format!(
        "the name `{name}` cannot be told from another's: one of its parts holds what reads like a \
         further part (`/CN=...`), or is no text; get a certificate with another name"
    )
}

/// "has a critical extension nobody knows", for people.
pub(crate) fn critical(name: &str, oid: &[u8]) -> String {
    let hex: Vec<String> = oid.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "the certificate `{name}` has a critical extension that is not understood here (OID {})",
        hex.join(" ")
    )
}

/// Critical extensions that are checked here, or whose meaning is harmless (policies: see above).
const KNOWN_CRITICAL: &[&[u8]] = &[
    oid::KEY_USAGE,
    oid::SUBJECT_ALT_NAME,
    oid::ISSUER_ALT_NAME,
    oid::BASIC_CONSTRAINTS,
    oid::NAME_CONSTRAINTS,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::CERTIFICATE_POLICIES,
    oid::POLICY_MAPPINGS,
    oid::POLICY_CONSTRAINTS,
    oid::INHIBIT_ANY_POLICY,
    oid::EXTENDED_KEY_USAGE,
    oid::NS_CERT_TYPE,
];

/// clientAuth, serverAuth, any.
const KNOWN_PURPOSES: &[&[u8]] =
    &[&[0x2b, 6, 1, 5, 5, 7, 3, 2], &[0x2b, 6, 1, 5, 5, 7, 3, 1], &[0x55, 29, 37, 0]];
/// Real grid paths have two to four.
const MAX_PATH: usize = 10;
const MAX_SIGNATURES: usize = 24;
