//! The trust anchor directory (`/etc/grid-security/certificates`): CA certificates and CRLs under
//! OpenSSL's hash names. The names only say what a file is: certificates are found by their real
//! subject, so that both hash styles, copies and several keys of one CA all work. Only the files that say
//! which names a CA may certify (`policy`) are found by the hash.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::cert::Cert;
use super::crl::{Crl, Signer};
use super::kept::{Files, warning, wrong};
use super::policy::Policies;
use super::signature::Strength;
use super::when::{seconds, span};
use crate::config::{CrlMode, PolicyKind, Problem, TlsSection};

/// What the directory holds. Immutable.
#[derive(Debug)]
pub(crate) struct Anchors {
    /// For messages.
    pub(crate) dir: PathBuf,
    /// By [`super::name::Name::key`] of the subject.
    cas: HashMap<Vec<u8>, Vec<Cert>>,
    /// By the issuer's key.
    crls: HashMap<Vec<u8>, Vec<Crl>>,
    pub(crate) crl_mode: CrlMode,
    pub(crate) policies: Policies,
    pub(crate) strength: Strength,
    /// CAs of our own making, which need neither CRL nor policy file.
    own: Vec<CertificateDer<'static>>,
}

impl Anchors {
    /// Reads the directory that `tls` names, and takes `extra` as further CAs. What cannot be read is
    /// told and left out.
    pub(crate) fn load(
        tls: &TlsSection,
        extra: &[CertificateDer<'static>],
        files: &mut Files<'_>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let dir = tls.trust_anchors.as_path();
        let mut this = Self {
            dir: dir.to_owned(),
            cas: HashMap::new(),
            crls: HashMap::new(),
            crl_mode: tls.crl,
            policies: Policies::new(tls.namespaces),
            strength: if tls.legacy { Strength::Legacy } else { Strength::Normal },
            own: extra.to_vec(),
        };
        let mut seen = HashSet::new();
        for der in extra {
            match Cert::parse(der) {
                Ok(cert) => this.add_ca(cert, &mut seen),
                Err(error) => problems.push(warning(dir, format!("a CA of our own: {error}"))),
            }
        }
        let mut lists = Vec::new();
        for (path, hash, kind) in hashed_files(dir, problems) {
            match kind {
                Kind::Ca => {
                    let parse = |bytes: &[u8]| {
                        let (good, bad): (Vec<_>, Vec<_>) =
                            certificates(bytes).into_iter().partition(Result::is_ok);
                        (good, bad.into_iter().filter_map(Result::err).map(wrong).collect())
                    };
                    let found = files.read(&path, problems, parse).unwrap_or_default();
                    for cert in found.into_iter().flatten() {
                        this.add_ca(cert, &mut seen);
                    }
                }
                Kind::Crl if this.crl_mode != CrlMode::Ignore => lists.push(path),
                Kind::Crl => {}
                Kind::Policy(kind) => this.policies.add(&hash, kind, &path, files, problems),
            }
        }
        // When all CAs are there: who signed it is looked at.
        for path in lists {
            let parse = |bytes: &[u8]| {
                let digest = digest(bytes);
                // Both hash names hold the same list, which may be long.
                if seen.contains(&digest) {
                    return (None, Vec::new());
                }
                match this.crl(bytes) {
                    Ok(crl) => (Some((crl, digest)), Vec::new()),
                    Err(text) => (None, vec![wrong(text)]),
                }
            };
            if let Some((crl, digest)) = files.read(&path, problems, parse).flatten() {
                seen.insert(digest);
                this.add_crl(crl, &path, problems);
            }
        }
        this.tell_what_lacks(problems);
        this
    }

    /// Every CA of this subject.
    pub(crate) fn cas(&self, subject: &[u8]) -> &[Cert] {
        self.cas.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Every CRL of this issuer.
    pub(crate) fn crls(&self, issuer: &[u8]) -> &[Crl] {
        self.crls.get(issuer).map_or(&[], Vec::as_slice)
    }

    /// True when this very certificate stands in the directory.
    pub(crate) fn holds(&self, cert: &Cert) -> bool {
        self.cas(cert.subject.key()).iter().any(|ca| ca.der == cert.der)
    }

    /// True for a CA of our own making.
    pub(crate) fn is_own(&self, ca: &Cert) -> bool {
        self.own.contains(&ca.der)
    }

    /// How many CAs there are.
    pub(crate) fn len(&self) -> usize {
        self.cas.values().map(Vec::len).sum()
    }

    /// The directory held no CA at all.
    pub(crate) fn found_none(&self) -> bool {
        self.cas.values().flatten().all(|ca| self.is_own(ca))
    }

    /// Read from the same directory, beside the same CAs of our own.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        (&self.dir, &self.own) == (&other.dir, &other.own)
    }

    fn add_ca(&mut self, cert: Cert, seen: &mut HashSet<[u8; 32]>) {
        if seen.insert(digest(&cert.der)) {
            self.cas.entry(cert.subject.key().to_vec()).or_default().push(cert);
        }
    }

    /// One CRL, signed by its issuer where the directory has that.
    fn crl(&self, bytes: &[u8]) -> Result<Crl, String> {
        let pem = CertificateRevocationListDer::pem_slice_iter(bytes).next().and_then(Result::ok);
        let der = pem.as_ref().map_or(bytes, |list| list.as_ref());
        let mut crl = Crl::parse(der).map_err(|error| error.to_string())?;
        if let Signer::Unknown(signed) = &crl.signer {
            let cas = self.cas(crl.issuer.key());
            let signer = cas.iter().find(|ca| {
                ca.key_usage.is_none_or(|usage| usage.crl_sign())
                    && ca.key.verify(signed, self.strength).is_ok()
            });
            match signer {
                Some(ca) => crl.signer = Signer::Known(ca.key.clone()),
                None if cas.is_empty() => {}
                None => {
                    let issuer = crl.issuer.line();
                    return Err(format!("this CRL was not signed by `{issuer}`: it is ignored"));
                }
            }
        }
        Ok(crl)
    }

    fn add_crl(&mut self, crl: Crl, path: &Path, problems: &mut Vec<Problem>) {
        let now = seconds(std::time::SystemTime::now());
        if let Some(end) = crl.next_update.filter(|&end| end < now) {
            let (ago, issuer) = (span(now - end), crl.issuer.line());
            problems.push(warning(
                path,
                format!(
                    "this CRL ran out {ago} ago, so that every certificate of `{issuer}` is \
                     refused: run fetch-crl"
                ),
            ));
        }
        self.crls.entry(crl.issuer.key().to_vec()).or_default().push(crl);
    }

    /// A CA without what the modes require has everybody refused: told before somebody comes.
    fn tell_what_lacks(&self, problems: &mut Vec<Problem>) {
        let cas = self.cas.values().flatten().filter(|ca| !self.is_own(ca));
        let mut told: Vec<_> = cas
            .flat_map(|ca| {
                let without = |what: &str, key: &str| {
                    let name = ca.subject.line();
                    let text = format!(
                        "the CA `{name}` has no {what}, so that its certificates are refused: install \
                         it, or see {key} in storm.toml"
                    );
                    warning(&self.dir, text)
                };
                let policy = (!self.policies.speak_of(ca))
                    .then(|| without("signing_policy or namespaces file", "tls.namespaces"));
                let crl = (self.crl_mode == CrlMode::Require
                    && self.crls(ca.subject.key()).is_empty())
                .then(|| without("CRL", "tls.crl"));
                policy.into_iter().chain(crl)
            })
            .collect();
        told.sort_by(|a, b| a.text.cmp(&b.text));
        problems.extend(told);
    }
}

enum Kind {
    Ca,
    Crl,
    Policy(PolicyKind),
}

/// `HHHHHHHH.N`, `.rN`, `.signing_policy` and `.namespaces`, in order, with the hash.
fn hashed_files(dir: &Path, problems: &mut Vec<Problem>) -> Vec<(PathBuf, String, Kind)> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(warning(
                dir,
                format!("no CA certificates can be read here ({error}): nobody's will be accepted"),
            ));
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some((hash, end)) = name.to_str().and_then(|name| name.split_once('.')) else {
            continue;
        };
        if hash.len() != 8 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            continue;
        }
        let kind = match end {
            "signing_policy" => Kind::Policy(PolicyKind::SigningPolicy),
            "namespaces" => Kind::Policy(PolicyKind::Namespaces),
            end if is_number(end) => Kind::Ca,
            end if end.strip_prefix('r').is_some_and(is_number) => Kind::Crl,
            _ => continue,
        };
        files.push((entry.path(), hash.to_owned(), kind));
    }
    files.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    files
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// All certificates of a file: PEM, or one in DER.
pub(crate) fn certificates(bytes: &[u8]) -> Vec<Result<Cert, String>> {
    let mut found: Vec<_> = CertificateDer::pem_slice_iter(bytes)
        .map(|der| match der {
            Ok(der) => Cert::parse(&der).map_err(|_| "holds a certificate that cannot be read"),
            Err(_) => Err("is broken PEM"),
        })
        .map(|cert| cert.map_err(str::to_owned))
        .collect();
    if found.is_empty() {
        found.push(Cert::parse(bytes).map_err(|_| "holds no certificate in PEM or DER".to_owned()));
    }
    found
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}
