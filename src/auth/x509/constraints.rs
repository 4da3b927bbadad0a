//! Name constraints (RFC 5280 4.2.1.10): the names a CA may certify. Directory names, DNS names and mail
//! addresses (the subject's too) are compared; a constraint of another kind refuses every certificate
//! that has such a name.

use super::cert::Cert;
use super::der::{DerError, Reader, oid, tag};
use super::name::Name;

/// True when everything `cert` is called lies within what `ca` may certify.
pub(crate) fn allow(ca: &Cert, cert: &Cert) -> Result<bool, DerError> {
    let Some(extension) = ca.extension(oid::NAME_CONSTRAINTS) else { return Ok(true) };
    let mut constraints = Reader::sequence(&extension.value)?;
    let permitted = subtrees(constraints.optional(tag::context(0))?)?;
    let excluded = subtrees(constraints.optional(tag::context(1))?)?;
    constraints.finish()?;

    for name in names(cert)? {
        if excluded.iter().any(|base| base.covers(&name) != Some(false) && base.same_kind(&name)) {
            return Ok(false);
        }
        let mut same_kind = permitted.iter().filter(|base| base.same_kind(&name)).peekable();
        if same_kind.peek().is_some() && !same_kind.any(|base| base.covers(&name) == Some(true)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A GeneralName.
enum General {
    Directory(Name),
    Dns(String),
    Mail(String),
    /// Its tag.
    Other(u8),
}

impl General {
    fn read(tag: u8, value: &[u8]) -> Result<Self, DerError> {
        let text = || String::from_utf8(value.to_vec()).map_err(|_| DerError);
        Ok(match tag {
            0x81 => General::Mail(text()?.to_ascii_lowercase()),
            0x82 => General::Dns(text()?.to_ascii_lowercase()),
            0xa4 => General::Directory(Name::parse(value)?),
            other => General::Other(other),
        })
    }

    fn same_kind(&self, name: &General) -> bool {
        match (self, name) {
            (General::Other(a), General::Other(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(name),
        }
    }

    /// As a base: does it cover `name`? `None` when that is not known for this kind.
    fn covers(&self, name: &General) -> Option<bool> {
        match (self, name) {
            (General::Directory(base), General::Directory(name)) => Some(name.is_within(base)),
            (General::Dns(base), General::Dns(name)) => Some(domain_covers(base, name)),
            (General::Mail(base), General::Mail(name)) => {
                let host = name.rsplit_once('@').map_or("", |(_, host)| host);
                Some(match base.strip_prefix('.') {
                    Some(_) => host.ends_with(base.as_str()),
                    None if base.contains('@') => base == name,
                    None => base == host,
                })
            }
            _ => None,
        }
    }
}

fn domain_covers(base: &str, name: &str) -> bool {
    let base = base.trim_start_matches('.');
    base.is_empty()
        || name == base
        || name.strip_suffix(base).is_some_and(|head| head.ends_with('.'))
}

fn subtrees(list: Option<&[u8]>) -> Result<Vec<General>, DerError> {
    let mut reader = Reader::new(list.unwrap_or(&[]));
    let mut bases = Vec::new();
    while !reader.is_empty() {
        // minimum and maximum, which must not be there, are not looked at.
        let base = Reader::new(reader.expect(tag::SEQUENCE)?).next()?;
        bases.push(General::read(base.tag, base.value)?);
    }
    Ok(bases)
}

fn names(cert: &Cert) -> Result<Vec<General>, DerError> {
    let mut names = Vec::new();
    if !cert.subject.is_empty() {
        names.push(General::Directory(cert.subject.clone()));
        let mails = cert.subject.mails().iter();
        names.extend(mails.map(|mail| General::Mail(mail.to_ascii_lowercase())));
    }
    if let Some(extension) = cert.extension(oid::SUBJECT_ALT_NAME) {
        let mut list = Reader::sequence(&extension.value)?;
        while !list.is_empty() {
            let name = list.next()?;
            names.push(General::read(name.tag, name.value)?);
        }
    }
    Ok(names)
}
