//! The snapshot of everything that is trusted, and the judge over chains.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;

use super::anchors::Anchors;
use super::cert::Cert;
use super::kept::{Files, Kept, warning};
use super::path::{self, Purpose};
use super::proxy::{self, Proxy};
use super::voms::{self, Vomsdir};
use super::when::{GRACE, seconds, system_time};
use crate::config::{Problem, TlsSection};
use crate::model::{Person, ProxyKind, Refusal};

/// Longest chain that is looked at.
pub const MAX_CHAIN_CERTIFICATES: usize = 16;
/// Bytes of DER of a whole chain that are looked at.
pub const MAX_CHAIN_BYTES: usize = 64 << 10;

/// CAs, CRLs and VOMS servers, as the directories held them at one moment. Immutable: a reload makes a
/// new one and swaps it in.
#[derive(Debug)]
pub struct Trust {
    anchors: Arc<Anchors>,
    vomsdir: Arc<Vomsdir>,
    host: String,
    kept: Kept,
}

/// What the judge found out.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Who it is.
    pub person: Person,
    /// Until then a second look gives the same answer: the first end among certificates, attribute
    /// certificates and CRLs.
    pub review_at: SystemTime,
}

impl Trust {
    /// Reads the CA directory (hash names: certificates, CRLs, policies) and vomsdir, to be used as `tls`
    /// says. `extra` are further CAs (the demo one); `host` is our own name, to which attribute certificates may
    /// be targeted.
    ///
    /// Nothing here fails: what cannot be read is left out, and told as a warning.
    pub fn load(
        tls: &TlsSection,
        extra: &[CertificateDer<'static>],
        host: &str,
    ) -> (Self, Vec<Problem>) {
        Self::read(tls, extra, host, &Kept::default())
    }

    /// [`Trust::load`] once more. A file that is broken now goes on as it was last good, and a
    /// directory that is empty now as it was: somebody is about to fill them.
    pub fn reload(
        &self,
        tls: &TlsSection,
        extra: &[CertificateDer<'static>],
        host: &str,
    ) -> (Self, Vec<Problem>) {
        let (mut new, mut problems) = Self::read(tls, extra, host, &self.kept);
        let mut stays = |dir: &Path| {
            problems.push(warning(dir, "nothing is in it: what was there before stays".to_owned()));
            new.kept.add(&self.kept);
        };
        let same = self.anchors.same_place(&new.anchors);
        if same && new.anchors.found_none() && !self.anchors.found_none() {
            stays(&tls.trust_anchors);
            new.anchors = Arc::clone(&self.anchors);
        }
        let same = self.vomsdir.path == tls.vomsdir;
        if same && new.vomsdir.found_none() && !self.vomsdir.found_none() {
            stays(&tls.vomsdir);
            new.vomsdir = Arc::clone(&self.vomsdir);
        }
        (new, problems)
    }

    fn read(
        tls: &TlsSection,
        extra: &[CertificateDer<'static>],
        host: &str,
        last: &Kept,
    ) -> (Self, Vec<Problem>) {
        let (mut files, mut problems) = (Files::after(last), Vec::new());
        let anchors = Arc::new(Anchors::load(tls, extra, &mut files, &mut problems));
        let vomsdir = Arc::new(Vomsdir::load(&tls.vomsdir, &mut files, &mut problems));
        let kept = files.kept();
        (Self { anchors, vomsdir, host: host.to_owned(), kept }, problems)
    }

    /// How many CA certificates there are.
    pub fn ca_count(&self) -> usize {
        self.anchors.len()
    }

    /// Says who holds the key of `chain[0]`. The chain is as TLS gave it: the leaf first, each next the
    /// issuer of the one before; CAs may be missing where the directory has them.
    ///
    /// The holder of the key must have been proved (the handshake does).
    ///
    /// # Errors
    /// Cause and remedy, with the end entity's DN where it can be read.
    pub fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Result<Judgement, Refusal> {
        let refuse = |dn: Option<&str>, why: String| Refusal::new(dn.map(str::to_owned), why);
        let bytes: usize = chain.iter().map(|der| der.len()).sum();
        if chain.is_empty() {
            return Err(refuse(None, "no certificate came".to_owned()));
        }
        if chain.len() > MAX_CHAIN_CERTIFICATES || bytes > MAX_CHAIN_BYTES {
            return Err(refuse(
                None,
                format!(
                    "the certificate chain is too long ({} certificates, {bytes} bytes; at most \
                     {MAX_CHAIN_CERTIFICATES} and {MAX_CHAIN_BYTES})",
                    chain.len()
                ),
            ));
        }
        let (proxies, eec, cas) = read(chain)?;
        let dn = eec.subject.line();
        self.judge_parts(&proxies, &eec, &cas, seconds(now)).map_err(|why| refuse(Some(dn), why))
    }

    fn judge_parts(
        &self,
        proxies: &[Cert],
        eec: &Cert,
        cas: &[Cert],
        now: i64,
    ) -> Result<Judgement, String> {
        let found = path::verify(&self.anchors, eec, cas, Purpose::Client, now)?;
        let mut not_after = found.not_after;
        let mut review_at = found.review_at;

        // From the end entity down to the leaf: rights can only shrink on the way.
        let mut issuer = eec;
        let mut above: Option<Proxy> = None;
        let mut depth = None;
        for cert in proxies.iter().rev() {
            let Some(proxy) = proxy::classify(cert)? else {
                return Err(format!("`{}` is no proxy", cert.subject.line()));
            };
            let pair = proxy::Pair { issuer, above: above.as_ref(), cert, proxy: &proxy };
            depth = pair.check(depth, self.anchors.strength, now)?;
            // With the same grace as the check, so that the two agree.
            not_after = not_after.min(cert.not_after.saturating_add(GRACE));
            issuer = cert;
            above = Some(proxy);
        }

        let scene = voms::Scene {
            anchors: &self.anchors,
            vomsdir: &self.vomsdir,
            host: &self.host,
            eec,
            now,
        };
        let voms = scene.attributes(proxies);
        review_at = review_at.min(not_after).min(voms.review_at);
        Ok(Judgement {
            person: Person {
                dn: eec.subject.line().to_owned(),
                fqans: voms.fqans,
                not_after: system_time(not_after),
                proxy: above.map_or(ProxyKind::EndEntity, |proxy| proxy.kind()),
                notes: voms.notes,
                scope: None,
            },
            review_at: system_time(review_at),
        })
    }
}

/// Splits a chain into its proxies (leaf first), the end entity, and what came after it.
fn read(chain: &[CertificateDer<'_>]) -> Result<(Vec<Cert>, Cert, Vec<Cert>), Refusal> {
    let mut proxies: Vec<Cert> = Vec::new();
    let mut rest = chain.iter();
    for der in rest.by_ref() {
        let Ok(cert) = Cert::parse(der) else {
            let which = if proxies.is_empty() { "your certificate" } else { "your proxy's issuer" };
            let dn = proxies.last().map(|last| last.subject.parent_line().to_owned());
            return Err(Refusal::new(dn, format!("{which} is no readable certificate")));
        };
        if !proxy::claims_to_be(&cert) {
            // A CA certificate that cannot be read may not be needed at all.
            let cas = rest.filter_map(|der| Cert::parse(der).ok()).collect();
            return Ok((proxies, cert, cas));
        }
        proxies.push(cert);
    }
    let (dn, issuer) = match proxies.last() {
        Some(last) => (last.subject.parent_line(), last.issuer.line()),
        None => ("", ""),
    };
    let why = format!(
        "the certificate `{issuer}` that issued your proxy did not come with it: send the whole \
         chain (is the proxy file complete?)"
    );
    Err(Refusal::new(Some(dn.to_owned()).filter(|dn| !dn.is_empty()), why))
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
