//! Patterns for DNs and VOs, as approachable rules and area ACLs write them. They are anchored:
//! `atlas` does not match `atlas-test`. What is garbled is refused, since StoRM's habit of passing
//! over it admits everybody.

use regex_lite::Regex;

/// Keys a DN pattern may name.
const KEYS: &[&str] = &[
    "C",
    "ST",
    "L",
    "O",
    "OU",
    "CN",
    "DC",
    "UID",
    "E",
    "EMAILADDRESS",
    "EMAIL",
    "SERIALNUMBER",
    "STREET",
    "GN",
    "SN",
    "T",
];
/// Longest pattern that is taken, in bytes.
const MAX_PATTERN: usize = 4096;

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing there.
    #[error("the pattern is empty: write * for anybody")]
    Empty,
    /// Longer than 4096 bytes.
    #[error("the pattern is longer than 4096 bytes")]
    TooLong,
    /// Not `/KEY=value/KEY=value`.
    #[error(
        "{0:?} is no part of a DN pattern: expected /KEY=expression (in a value, write . for a slash)"
    )]
    Part(String),
    /// A key no DN has.
    #[error("unknown key {0:?} in a DN pattern: expected C, ST, L, O, OU, CN, DC or UID")]
    Key(String),
    /// The regular expression does not parse.
    #[error("{text:?} is no regular expression: {why}")]
    Expression {
        /// It.
        text: String,
        /// The parser's word.
        why: String,
    },
}

/// `*`, or `/C=IT/O=Example/CN=.*`: every part must be met by some value that the DN has for the
/// part's key; what the pattern does not name is free.
#[derive(Clone, Debug)]
pub struct DnPattern {
    /// Empty: anybody.
    parts: Vec<(String, Expression)>,
}

/// One value's pattern. Most are plain words: these need no regular expression, which costs a hundred
/// times as much, at every request.
#[derive(Clone, Debug)]
enum Expression {
    Anything,
    Word(String),
    Regex(Regex),
}

impl Expression {
    /// For the whole of a value.
    fn parse(text: &str) -> Result<Self, PatternError> {
        if is_wildcard(text) {
            return Ok(Self::Anything);
        }
        if !text.contains(|c: char| "\\.+*?()|[]{}^$".contains(c)) {
            return Ok(Self::Word(text.to_owned()));
        }
        let wrong = |error: regex_lite::Error| PatternError::Expression {
            text: text.to_owned(),
            why: error.to_string(),
        };
        // Alone first: `a)|(b` must not pass by closing our own group.
        Regex::new(text).map_err(wrong)?;
        Ok(Self::Regex(Regex::new(&format!("^(?:{text})$")).map_err(wrong)?))
    }

    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Word(word) => word == value,
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

impl DnPattern {
    /// Parses. A part `*` or `.*` without a key stands for "whatever else" and says nothing.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let text = bounded(text)?;
        if is_wildcard(text) {
            return Ok(Self { parts: Vec::new() });
        }
        let body = text.strip_prefix('/').ok_or_else(|| PatternError::Part(text.to_owned()))?;
        let mut parts = Vec::new();
        for part in body.split('/') {
            if is_wildcard(part) {
                continue;
            }
            let wrong = || PatternError::Part(part.to_owned());
            let (key, value) = part.split_once('=').ok_or_else(wrong)?;
            if value.is_empty() || value.contains('=') {
                return Err(wrong());
            }
            let key = key.trim().to_ascii_uppercase();
            if !KEYS.contains(&key.as_str()) {
                return Err(PatternError::Key(key));
            }
            parts.push((key, Expression::parse(value)?));
        }
        if parts.is_empty() {
            // "/*" would admit everybody by a slip.
            return Err(PatternError::Part(text.to_owned()));
        }
        Ok(Self { parts })
    }

    /// True for `*`: everybody, with or without a certificate.
    pub fn is_anybody(&self) -> bool {
        self.parts.is_empty()
    }

    /// Does a DN in its one-line form match?
    pub fn matches(&self, dn: &str) -> bool {
        self.parts.iter().all(|(key, value)| {
            components(dn).any(|(k, v)| k.eq_ignore_ascii_case(key) && value.matches(v))
        })
    }
}

/// A VO name as a pattern: `*`, or a regular expression for the whole name.
#[derive(Clone, Debug)]
pub struct VoPattern {
    /// `None`: anybody, no VOMS attributes needed.
    expression: Option<Expression>,
}

impl VoPattern {
    /// Anybody.
    pub fn anybody() -> Self {
        Self { expression: None }
    }

    /// Parses.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let text = bounded(text)?;
        if is_wildcard(text) {
            return Ok(Self::anybody());
        }
        Ok(Self { expression: Some(Expression::parse(text)?) })
    }

    /// True for `*`.
    pub fn is_anybody(&self) -> bool {
        self.expression.is_none()
    }

    /// Does any of these VOs match?
    pub fn matches<'a>(&self, mut vos: impl Iterator<Item = &'a str>) -> bool {
        match &self.expression {
            None => true,
            Some(expression) => vos.any(|vo| expression.matches(vo)),
        }
    }
}

fn bounded(text: &str) -> Result<&str, PatternError> {
    match text.trim() {
        "" => Err(PatternError::Empty),
        text if text.len() > MAX_PATTERN => Err(PatternError::TooLong),
        text => Ok(text),
    }
}

fn is_wildcard(text: &str) -> bool {
    matches!(text, "*" | ".*")
}

/// Keys and values of a one-line DN. A slash inside a value (`CN=host/se.example`) does not end it,
/// unless what follows looks like a key.
fn components(dn: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = dn.strip_prefix('/').unwrap_or(dn);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .match_indices('/')
            .map(|(at, _)| at)
            .find(|at| begins_with_key(&rest[at + 1..]))
            .unwrap_or(rest.len());
        let part = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or("");
        Some(part.split_once('=').unwrap_or((part, "")))
    })
}

fn begins_with_key(text: &str) -> bool {
    text.split_once('=').is_some_and(|(key, _)| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dn(pattern: &str, dn: &str) -> bool {
        DnPattern::parse(pattern).unwrap().matches(dn)
    }

    #[test]
    fn dn_patterns_are_anchored_and_by_component() {
        let user = "/C=IT/O=Test Grid/OU=CNAF/OU=People/CN=Test User 1";
        for pattern in [
            "*",
            ".*",
            "/C=IT",
            "/C=IT/O=Test Grid/.*",
            "/OU=People/C=IT",
            "/OU=CNAF/OU=People",
            "/CN=Test User [0-9]",
            "/cn=.*",
            "/CN=*",
            "/C=IT|FR",
        ] {
            assert!(dn(pattern, user), "{pattern}");
        }
        for pattern in ["/C=I", "/O=Test", "/CN=User", "/OU=Peo", "/DC=.*", "/OU=CNAF/OU=Other"] {
            assert!(!dn(pattern, user), "{pattern}");
        }
    }

    #[test]
    fn slashes_inside_values_stay_there() {
        assert!(dn("/CN=host.se\\.example", "/C=IT/CN=host/se.example"));
        assert!(!dn("/CN=host", "/C=IT/CN=host/se.example"));
        assert!(dn("/DC=ch/DC=cern/CN=.*", "/DC=ch/DC=cern/CN=a b/CN=12"));
    }

    #[test]
    fn garbled_patterns_are_refused() {
        for bad in [
            "",
            "  ",
            "C=IT",
            "/C",
            "/C=IT/garbled",
            "/C=",
            "/X=1",
            "/CN=a=b",
            "/CN=(",
            "/CN=a)|(b",
            "/*",
            "//C=IT",
            "/C=IT/",
        ] {
            assert!(DnPattern::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(DnPattern::parse("/X=1").unwrap_err(), PatternError::Key("X".into()));
        assert_eq!(
            DnPattern::parse("/C=IT/garbled").unwrap_err(),
            PatternError::Part("garbled".into())
        );
    }

    #[test]
    fn vo_patterns_are_anchored() {
        let vo = |pattern: &str, vos: &[&str]| {
            VoPattern::parse(pattern).unwrap().matches(vos.iter().copied())
        };
        assert!(vo("atlas", &["cms", "atlas"]));
        assert!(!vo("atlas", &["atlas-test", "myatlas"]));
        assert!(vo("atlas|cms", &["cms"]) && !vo("atlas|cms", &["cms2"]));
        assert!(vo("*", &[]) && vo(".*", &[]) && !vo("atlas.*", &[]));
        assert!(VoPattern::parse("[").is_err() && VoPattern::parse("").is_err());
    }
}
