//! VOMS: the FQANs that attribute certificates inside a proxy grant. A certificate that does not hold
//! is dropped with a reason and never fails the person, who then has fewer FQANs.

mod ac;
mod dir;

pub(crate) use dir::Vomsdir;

use super::anchors::Anchors;
use super::cert::{Cert, Extension, find};
use super::der::{Reader, oid, tag};
use super::path::{self, Purpose};
use super::when::{GRACE, span};
use crate::model::Fqan;
use ac::{AttributeCertificate, HolderName};

/// Everything an attribute certificate is judged by.
pub(crate) struct Scene<'a> {
    pub(crate) anchors: &'a Anchors,
    pub(crate) vomsdir: &'a Vomsdir,
    /// Our own name, for targets.
    pub(crate) host: &'a str,
    /// The end entity, who must be the holder.
    pub(crate) eec: &'a Cert,
    pub(crate) now: i64,
}

/// What all attribute certificates together grant.
#[derive(Debug)]
pub(crate) struct Granted {
    /// In order, each once.
    pub(crate) fqans: Vec<Fqan>,
    /// The first end of an accepted certificate, or of what vouches for it.
    pub(crate) review_at: i64,
    /// Why others were dropped.
    pub(crate) notes: Vec<String>,
}

impl Scene<'_> {
    /// Reads the attribute certificates of the proxy that has some and is nearest to the leaf;
    /// `proxies` begin with the leaf.
    pub(crate) fn attributes(&self, proxies: &[Cert]) -> Granted {
        let mut granted = Granted { fqans: Vec::new(), review_at: i64::MAX, notes: Vec::new() };
        let Some(extension) = proxies.iter().find_map(|one| one.extension(oid::VOMS_ACS)) else {
            return granted;
        };
        let mut drop = |why: &str| granted.notes.push(why.to_owned());
        let list = match ac::split(&extension.value) {
            Ok(list) if list.len() <= MAX_ACS => list,
            Ok(_) => {
                drop(&format!("more than {MAX_ACS} attribute certificates: ask for fewer VOs"));
                return granted;
            }
            Err(_) => {
                drop("the list of attribute certificates cannot be read");
                return granted;
            }
        };
        let mut fqans: Vec<Fqan> = Vec::new();
        let mut review_at = i64::MAX;
        for der in list {
            match self.accept(der) {
                Ok((names, until)) => {
                    review_at = review_at.min(until);
                    for fqan in names {
                        if !fqans.contains(&fqan) {
                            fqans.push(fqan);
                        }
                    }
                }
                Err(why) => drop(&why),
            }
        }
        granted.fqans = fqans;
        granted.review_at = review_at;
        granted
    }

    /// One attribute certificate: its FQANs and until when they hold, or why it grants nothing.
    fn accept(&self, der: &[u8]) -> Result<(Vec<Fqan>, i64), String> {
        let ac = AttributeCertificate::parse(der)
            .map_err(|_| anew("the attribute certificate cannot be read"))?;
        let (vo, server) = authority(&ac)?;
        let fqans = fqans(&ac, vo)?;
        self.check_dates(&ac)?;
        self.check_holder(&ac)?;
        self.check_extensions(&ac)?;
        let until = self.check_signature(&ac, vo, server)?;
        Ok((fqans, until.min(ac.not_after.saturating_add(GRACE))))
    }

    fn check_dates(&self, ac: &AttributeCertificate) -> Result<(), String> {
        if self.now > ac.not_after.saturating_add(GRACE) {
            let ago = span(self.now - ac.not_after);
            return Err(format!("they expired {ago} ago: run voms-proxy-init again"));
        }
        if self.now < ac.not_before.saturating_sub(GRACE) {
            let ahead = span(ac.not_before - self.now);
            return Err(format!("they are valid only in {ahead}: is a clock wrong?"));
        }
        Ok(())
    }

    /// The holder is named by serial and, in the field for the issuer, by the end entity's own subject
    /// (what VOMS servers have always written) or by its issuer (RFC 5755).
    fn check_holder(&self, ac: &AttributeCertificate) -> Result<(), String> {
        let held = match &ac.holder {
            HolderName::Certificate { names, serial } => {
                *serial == self.eec.serial
                    && names.iter().any(|one| *one == self.eec.subject || *one == self.eec.issuer)
            }
            HolderName::Entity(names) => names.contains(&self.eec.subject),
            HolderName::Unknown => false,
        };
        if held { Ok(()) } else { Err(anew("they were given to somebody else")) }
    }

    fn check_extensions(&self, ac: &AttributeCertificate) -> Result<(), String> {
        if ac.extensions.iter().any(|one| one.critical && one.oid != oid::TARGETS) {
            return Err(anew(
                "the attribute certificate has a critical extension that is not known",
            ));
        }
        if find(&ac.extensions, oid::NO_REV_AVAIL).is_none() {
            return Err(anew("the attribute certificate lacks noRevAvail"));
        }
        match find(&ac.extensions, oid::TARGETS) {
            Some(targets) if !targets_include(targets, self.host) => Err(format!(
                "they are meant for other hosts than `{}`: run voms-proxy-init without -target",
                self.host
            )),
            _ => Ok(()),
        }
    }

    /// An LSC that exists decides; without one, a certificate in vomsdir may. Returns until when.
    fn check_signature(
        &self,
        ac: &AttributeCertificate,
        vo: &str,
        server: &str,
    ) -> Result<i64, String> {
        let strength = self.anchors.strength;
        let sent =
            ac.aa_certs().map_err(|_| anew("the VOMS server's certificate cannot be read"))?;
        let (signer, rest) = match self.vomsdir.lsc(vo, server) {
            Some(lsc) => {
                let Some((first, rest)) = sent.split_first() else {
                    return Err(anew("the VOMS server's certificate did not come with them"));
                };
                if !lsc.matches(&sent) {
                    return Err(format!(
                        "they were signed by `{}` (CA `{}`), which is not what {} says: ask the site to update it",
                        first.subject.line(),
                        first.issuer.line(),
                        lsc.path.display()
                    ));
                }
                (first, rest)
            }
            None => {
                let local = self.vomsdir.certificates(vo);
                let mut named = local.filter(|one| one.subject == ac.issuer).peekable();
                if named.peek().is_none() {
                    return Err(format!(
                        "no VOMS server `{server}` is known for the VO `{vo}`: ask the site for the \
                         file {}",
                        self.vomsdir.lsc_path(vo, server).display()
                    ));
                }
                let Some(signer) = named.find(|one| one.key.verify(&ac.signed, strength).is_ok())
                else {
                    return Err(format!(
                        "the signature does not match the certificate of `{}` in {}: ask the site to \
                         update it",
                        ac.issuer.line(),
                        self.vomsdir.path.display()
                    ));
                };
                (signer, &sent[..])
            }
        };
        let name = signer.subject.line();
        if signer.subject != ac.issuer {
            return Err(format!(
                "they say to be from `{}` and came with the certificate of `{name}`: tell the VO",
                ac.issuer.line()
            ));
        }
        ac.key_id_names(signer)?;
        signer.key.verify(&ac.signed, strength).map_err(|error| {
            let what = format!("the attribute certificate of the VOMS server `{name}`");
            error.explain(&what, "run voms-proxy-init again, and tell the VO if that does not help")
        })?;
        path::verify(self.anchors, signer, rest, Purpose::AttributeAuthority, self.now)
            .map(|found| found.review_at)
            .map_err(|why| format!("the VOMS server's certificate does not hold: {why}"))
    }
}

/// A cause with the remedy that helps against whatever is wrong with an attribute certificate.
fn anew(cause: &str) -> String {
    format!("{cause}: run voms-proxy-init again")
}

/// VO and server name of the one policyAuthority, `vo://host:port`. Both may become a file name, and are
/// held to what is harmless in one.
fn authority(ac: &AttributeCertificate) -> Result<(&str, &str), String> {
    let bad = || {
        format!(
            "the policy authority `{}` is not vo://host:port: tell the VO",
            ac.authority.escape_debug()
        )
    };
    let (vo, rest) = ac.authority.split_once("://").ok_or_else(bad)?;
    let host = match rest.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) => return Err(bad()),
        None => rest,
    };
    if dir::is_file_name(vo) && dir::is_file_name(host) { Ok((vo, host)) } else { Err(bad()) }
}

fn fqans(ac: &AttributeCertificate, vo: &str) -> Result<Vec<Fqan>, String> {
    if ac.fqans.is_empty() {
        return Err(anew("they name no group"));
    }
    ac.fqans
        .iter()
        .map(|text| {
            let fqan = Fqan::parse(text).map_err(|error| error.to_string())?;
            if fqan.vo() == vo {
                Ok(fqan)
            } else {
                Err(format!("`{fqan}` is not of the VO `{vo}` that signed it: tell the VO"))
            }
        })
        .collect()
}

/// True when one of the targets is our host: a bare name, or a URI of it. Encoders nest the list
/// differently, so sequences and `[0]` are walked to the names inside.
fn targets_include(targets: &Extension, host: &str) -> bool {
    const CHOICE: u8 = tag::context(0);
    const URI: u8 = tag::context_primitive(6);
    const DNS: u8 = tag::context_primitive(2);
    let mut open = vec![(Reader::new(&targets.value), 0)];
    while let Some((mut reader, depth)) = open.pop() {
        while !reader.is_empty() {
            let Ok(tlv) = reader.next() else { return false };
            match tlv.tag {
                tag::SEQUENCE | CHOICE if depth < MAX_DEPTH => {
                    open.push((Reader::new(tlv.value), depth + 1));
                }
                URI | DNS => {
                    let Ok(text) = std::str::from_utf8(tlv.value) else { continue };
                    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
                    let bare = bare.split(['/', ':']).next().unwrap_or("");
                    if bare.eq_ignore_ascii_case(host) {
                        return true;
                    }
                }
                _ => {}
            }
        }
    }
    false
}

/// Takes any bytes apart as far as that goes without trust.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    for der in ac::split(bytes).unwrap_or_default() {
        let Ok(ac) = AttributeCertificate::parse(der) else { continue };
        if let Ok((vo, server)) = authority(&ac) {
            assert!(!vo.contains('/') && !server.contains('/'));
            let _ = fqans(&ac, vo);
        }
        for extension in &ac.extensions {
            let _ = targets_include(extension, "se.example.org");
        }
        for cert in ac.aa_certs().unwrap_or_default() {
            let _ = ac.key_id_names(&cert);
        }
    }
}

/// Nobody belongs to more VOs at once.
const MAX_ACS: usize = 32;
/// Nesting of the targets.
const MAX_DEPTH: usize = 6;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
