//! Who asks.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Stfn;

/// Who asks, as the doors hand it to the core. One value for every door.
#[derive(Clone, Debug)]
pub enum Identity {
    /// Nobody in particular: no certificate, no token.
    Anonymous,
    /// Somebody whose credential holds.
    Person(Arc<Person>),
    /// Somebody whose credential does not hold: no rights at all, not even those of
    /// [`Identity::Anonymous`].
    Refused(Arc<Refusal>),
}

impl Identity {
    /// The person, where there is one.
    pub fn person(&self) -> Option<&Arc<Person>> {
        match self {
            Identity::Person(person) => Some(person),
            Identity::Anonymous | Identity::Refused(_) => None,
        }
    }

    /// What his credential leaves of his rights; `None`: all of them.
    pub fn scope(&self) -> Option<&Scope> {
        self.person().and_then(|person| person.scope.as_deref())
    }

    /// The DN for the log; `-` for nobody.
    pub fn dn(&self) -> &str {
        match self {
            Identity::Anonymous => "-",
            Identity::Person(person) => &person.dn,
            Identity::Refused(refusal) => refusal.dn.as_deref().unwrap_or("-"),
        }
    }
}

/// Somebody whose certificate chain, or password, holds.
#[derive(Clone, Debug)]
pub struct Person {
    /// Subject of the end entity certificate, without the proxies' CNs, in the one-line form
    /// `/C=IT/O=Test Grid/CN=Test User`; what the site gave to somebody with a password. Requests
    /// belong to it.
    pub dn: String,
    /// From the VOMS attribute certificates, in their order; the first is the primary one.
    pub fqans: Vec<Fqan>,
    /// When the first certificate of the chain, or the password, runs out: until then the identity
    /// holds.
    pub not_after: SystemTime,
    /// What came.
    pub proxy: ProxyKind,
    /// Why VOMS attributes that came along do not count, for the person: cause and remedy each.
    pub notes: Vec<String>,
    /// What the credential leaves of the person's rights; `None`: all of them.
    pub scope: Option<Arc<Scope>>,
}

/// What an app password leaves of its maker's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// What lies at or below one of these; none: everything.
    pub paths: Vec<Stfn>,
    /// True: reading and writing; false: reading alone.
    pub write: bool,
}

impl Scope {
    /// True when the path is one of the scope's, or below one.
    pub fn encloses(&self, stfn: &Stfn) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|path| stfn.below(path).is_some())
    }
}

impl Person {
    /// The VOs of all FQANs, in order, each once.
    pub fn vos(&self) -> impl Iterator<Item = &str> {
        let mut seen: Vec<&str> = Vec::new();
        self.fqans.iter().map(Fqan::vo).filter(move |vo| {
            let new = !seen.contains(vo);
            if new {
                seen.push(vo);
            }
            new
        })
    }
}

/// The account of this host under which somebody's files are reached from outside: by gsiftp, file,
/// rfio and root TURLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAccount {
    /// Its login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group ids, each once: the primary one first. Never empty.
    pub gids: Vec<u32>,
}

/// What kind of certificate stands at the leaf, or what came in a certificate's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// No proxy: the end entity certificate itself.
    EndEntity,
    /// RFC 3820.
    Rfc {
        /// Policy language `limited`.
        limited: bool,
    },
    /// Globus draft (GSI-3).
    Draft {
        /// Policy language `limited`.
        limited: bool,
    },
    /// Globus legacy (GSI-2).
    Legacy {
        /// `CN=limited proxy`.
        limited: bool,
    },
    /// The password of a local user.
    Password,
    /// An app password.
    AppPassword,
}

impl ProxyKind {
    /// True for a proxy that was made to do less than its owner.
    pub const fn is_limited(self) -> bool {
        match self {
            ProxyKind::EndEntity | ProxyKind::Password | ProxyKind::AppPassword => false,
            ProxyKind::Rfc { limited }
            | ProxyKind::Draft { limited }
            | ProxyKind::Legacy { limited } => limited,
        }
    }
}

impl fmt::Display for ProxyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyKind::EndEntity => "eec",
            ProxyKind::Rfc { .. } => "rfc",
            ProxyKind::Draft { .. } => "draft",
            ProxyKind::Legacy { .. } => "legacy",
            ProxyKind::Password => "password",
            ProxyKind::AppPassword => "app-password",
        })?;
        if self.is_limited() { f.write_str("-limited") } else { Ok(()) }
    }
}

/// Why a credential does not hold, in words for the person who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The DN it claims, where it could be read. For the log only.
    pub dn: Option<String>,
    /// Cause and remedy: "your proxy expired 3 h ago: make a new one with voms-proxy-init".
    pub why: String,
    /// Nothing was looked at, and nothing will be for so long.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// For whoever claims to be `dn`.
    pub const fn new(dn: Option<String>, why: String) -> Self {
        Self { dn, why, retry_after: None }
    }

    /// For somebody who tried too often.
    pub const fn later(why: String, retry_after: Duration) -> Self {
        Self { dn: None, why, retry_after: Some(retry_after) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// Fully qualified attribute name: `/vo[/group…][/Role=r]`. `Role=NULL` and `Capability=NULL` are
/// dropped on reading.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fqan(String);

/// Why a text is no FQAN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no FQAN: /vo[/group...][/Role=role] was expected")]
pub struct FqanError(String);

impl Fqan {
    /// Parses and normalises.
    pub fn parse(text: &str) -> Result<Self, FqanError> {
        let error = || FqanError(text.to_owned());
        let body = text.strip_prefix('/').ok_or_else(error)?;
        let mut kept = String::new();
        let mut tail = false;
        for part in body.split('/') {
            let value = match part.split_once('=') {
                Some(("Role" | "Capability", value)) if !kept.is_empty() => {
                    tail = true;
                    value
                }
                Some(_) => return Err(error()),
                None if tail => return Err(error()),
                None => part,
            };
            let clean =
                |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ' | '@' | '+');
            if value.is_empty() || !value.chars().all(clean) || matches!(value, "." | "..") {
                return Err(error());
            }
            if !(tail && value == "NULL") {
                kept.push('/');
                kept.push_str(part);
            }
        }
        Ok(Self(kept))
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The VO: the first component.
    pub fn vo(&self) -> &str {
        self.0[1..].split('/').next().unwrap_or("")
    }
}

impl fmt::Display for Fqan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fqans_lose_their_nulls() {
        let fqan = Fqan::parse("/atlas/de/Role=NULL/Capability=NULL").unwrap();
        assert_eq!((fqan.as_str(), fqan.vo()), ("/atlas/de", "atlas"));
        assert_eq!(Fqan::parse("/atlas/Role=prod").unwrap().as_str(), "/atlas/Role=prod");
        for bad in ["atlas", "/", "/atlas//x", "/Role=x", "/a/../b", "/a/Role=x/b", "/a\0"] {
            assert!(Fqan::parse(bad).is_err(), "{bad:?}");
        }
    }
}
