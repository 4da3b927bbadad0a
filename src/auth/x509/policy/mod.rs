//! Which names a CA may certify: Globus' `<hash>.signing_policy` and EUGridPMA's `<hash>.namespaces`, beside the
//! CA in the trust anchor directory. They bind what CAs issue, people and sub-CAs; never proxies.
//!
//! A file that cannot be parsed refuses what it should have bound: a slip of a key must not open a CA.

mod namespaces;
mod signing;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

use super::cert::Cert;
use super::kept::Files;
use super::name::Name;
use crate::auth::dn::{comparable_entry, comparable_line};
use crate::config::{NamespacesMode, PolicyKind, Problem};

/// All policy files of a directory.
#[derive(Debug)]
pub(crate) struct Policies {
    mode: NamespacesMode,
    /// By hash name in lower case.
    files: HashMap<(String, PolicyKind), PolicyFile>,
}

#[derive(Debug)]
struct PolicyFile {
    path: PathBuf,
    content: Result<Vec<Statement>, Fault>,
}

/// A line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong, and what was expected.
    pub(crate) text: String,
}

/// One permission or prohibition.
#[derive(Debug)]
pub(crate) struct Statement {
    issuer: Issuer,
    permit: bool,
    subject: Subject,
}

#[derive(Debug, PartialEq, Eq)]
enum Issuer {
    /// Whose file it is.
    Owner,
    /// Comparable.
    Dn(String),
}

/// The names that a statement is about.
#[derive(Debug)]
enum Subject {
    /// Comparable, with `*` and `?`.
    Glob(String),
    /// For the DN as it reads.
    Expression(Regex),
}

impl Statement {
    /// `owned`: the file is that of the issuer itself.
    fn is_about(&self, issuer: &str, owned: bool) -> bool {
        match &self.issuer {
            Issuer::Owner => owned,
            Issuer::Dn(dn) => dn == issuer,
        }
    }

    fn matches(&self, subject: &Name) -> bool {
        match &self.subject {
            Subject::Glob(pattern) => glob(pattern, &comparable_line(subject.line())),
            Subject::Expression(expression) => expression.is_match(subject.line()),
        }
    }
}

impl Policies {
    /// None yet.
    pub(crate) fn new(mode: NamespacesMode) -> Self {
        Self { mode, files: HashMap::new() }
    }

    /// Reads one file. `hash` is its name without the end. A fault is told with its line.
    pub(crate) fn add(
        &mut self,
        hash: &str,
        kind: PolicyKind,
        path: &Path,
        files: &mut Files<'_>,
        problems: &mut Vec<Problem>,
    ) {
        if !self.mode.kinds.contains(&kind) {
            return;
        }
        let parse = |bytes: &[u8]| {
            let text = text(bytes);
            let content = match kind {
                PolicyKind::SigningPolicy => signing::parse(&text),
                PolicyKind::Namespaces => namespaces::parse(&text),
            };
            let wrong = content.as_ref().err().map(|fault| (Some(fault.line), fault.text.clone()));
            (content, wrong.into_iter().collect())
        };
        let Some(content) = files.read(path, problems, parse) else { return };
        if content.is_err()
            && let Some(told) = problems.last_mut()
        {
            told.text += "; until this is mended every certificate of this CA is refused";
        }
        let file = PolicyFile { path: path.to_owned(), content };
        self.files.insert((hash.to_ascii_lowercase(), kind), file);
    }

    /// True when some file says something about this CA, or none need to.
    pub(crate) fn speak_of(&self, ca: &Cert) -> bool {
        let line = comparable_line(ca.subject.line());
        let own = hashes(ca);
        !self.mode.require
            || self.files.iter().any(|((hash, _), file)| {
                let owned = own.contains(hash);
                match &file.content {
                    Ok(list) => list.iter().any(|one| one.is_about(&line, owned)),
                    Err(_) => owned,
                }
            })
    }

    /// May the CA `issuers[0]` certify the name of `cert`? Its own files are asked, then those of the
    /// CAs above it, `issuers[1..]`, which may speak for it as well (as canl does).
    ///
    /// # Errors
    /// Why not, for the person.
    pub(crate) fn check(&self, cert: &Cert, issuers: &[&Cert], dir: &Path) -> Result<(), String> {
        let Some(issuer) = issuers.first() else { return Ok(()) };
        // A CA that goes on under a new key certifies its own name.
        if self.mode.kinds.is_empty() || cert.is_ca && cert.is_self_issued() {
            return Ok(());
        }
        let issuer_line = comparable_line(issuer.subject.line());
        let mut found = false;
        for &kind in self.mode.kinds {
            if found && !self.mode.all {
                break;
            }
            let Some((path, statements)) = self.statements(kind, issuers, &issuer_line)? else {
                continue;
            };
            found = true;
            let of_subject = || statements.iter().filter(|one| one.matches(&cert.subject));
            if !of_subject().any(|one| one.permit) || of_subject().any(|one| !one.permit) {
                return Err(format!(
                    "the CA `{}` may not certify the name `{}` ({}): ask your CA, or use a certificate \
                     of another one",
                    issuer.subject.line(),
                    cert.subject.line(),
                    path.display()
                ));
            }
        }
        if found || !self.mode.require {
            return Ok(());
        }
        Err(format!(
            "nothing in {} says which names the CA `{}` may certify (neither {} nor .namespaces of it): ask \
             the site to install its policy files",
            dir.display(),
            issuer.subject.line(),
            hashes(issuer).map(|hash| hash + ".signing_policy").join(", "),
        ))
    }

    /// The statements of this kind about `issuers[0]`, from the nearest file that has some.
    fn statements(
        &self,
        kind: PolicyKind,
        issuers: &[&Cert],
        issuer_line: &str,
    ) -> Result<Option<(&Path, Vec<&Statement>)>, String> {
        for (above, ca) in issuers.iter().enumerate() {
            for hash in hashes(ca) {
                let Some(file) = self.files.get(&(hash, kind)) else { continue };
                let list = file.content.as_ref().map_err(|fault| {
                    format!(
                        "the policy of the CA `{}` cannot be read ({}, line {}): ask the site to mend it",
                        ca.subject.line(),
                        file.path.display(),
                        fault.line
                    )
                })?;
                let about: Vec<&Statement> =
                    list.iter().filter(|one| one.is_about(issuer_line, above == 0)).collect();
                if !about.is_empty() {
                    return Ok(Some((&file.path, about)));
                }
            }
        }
        Ok(None)
    }
}

/// The names that the CA's files may have, today's first.
fn hashes(ca: &Cert) -> [String; 2] {
    [ca.subject.hash(), ca.subject.old_hash()]
}

/// UTF-8, or the Latin-1 of old files.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// The DN of an issuer, comparable.
fn issuer(dn: &str) -> Result<String, String> {
    match dn.trim().starts_with('/') {
        true => Ok(comparable_entry(dn)),
        false => Err(format!("`{}` is no DN in the form /C=.../CN=...", dn.escape_debug())),
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) use {namespaces::parse as parse_namespaces, signing::parse as parse_signing_policy};

/// Parses any bytes, and holds a name against all that it found.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8], parse: fn(&str) -> Result<Vec<Statement>, Fault>, subject: &Name) {
    let text = text(bytes);
    match parse(&text) {
        Ok(list) => {
            let _ = list.iter().any(|one| one.is_about("/cn=ca", true) & one.matches(subject));
        }
        Err(fault) => assert!(fault.line >= 1 && fault.line <= text.lines().count().max(1)),
    }
}

/// `*` stands for any run, `?` for one character.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut in_text) = (0, 0);
    // Where the last star stands, and the text that it has not swallowed yet.
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(&c) if c == '?' || c == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            _ => {
                let Some((star_at, swallowed)) = star else { return false };
                star = Some((star_at, swallowed + 1));
                at = star_at + 1;
                in_text = swallowed + 1;
            }
        }
    }
    pattern[at..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests;
