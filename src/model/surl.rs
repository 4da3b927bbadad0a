//! SURLs: `srm://host[:port]/path` and `srm://host[:port]/endpoint?SFN=/path`.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::path::{PathError, Stfn};

/// Why a text is no SURL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SurlError {
    /// The scheme is not `srm`.
    #[error("invalid surl: it does not begin with srm://")]
    Scheme,
    /// The authority does not parse.
    #[error("invalid surl: the host or port does not parse")]
    Authority,
    /// A control character, blanks around it, or a percent sign that is no escape.
    #[error("invalid surl: it holds a control character, outer blanks or a broken percent escape")]
    Syntax,
    /// The path.
    #[error("invalid surl: {0}")]
    Path(#[from] PathError),
}

/// A site URL as the client wrote it, and what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct Surl {
    text: String,
    host: String,
    port: Option<u16>,
    stfn: Stfn,
}

impl Surl {
    /// Parses both forms. The path is percent-decoded once; dot segments are resolved lexically.
    pub fn parse(text: &str) -> Result<Self, SurlError> {
        let (scheme, rest) = text.split_once("://").ok_or(SurlError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("srm") {
            return Err(SurlError::Scheme);
        }
        // Blanks within the path are taken: gfal2 decodes a SURL before it sends it.
        if text.contains(char::is_control) || text != text.trim() {
            return Err(SurlError::Syntax);
        }
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = parse_authority(authority)?;
        let path = match path.find("?SFN=") {
            Some(at) => &path[at + "?SFN=".len()..],
            None => path,
        };
        // StoRM's clients leave out the slash after `SFN=`.
        let decoded = decode(path)?;
        let stfn = if decoded.starts_with('/') {
            Stfn::parse(&decoded)?
        } else {
            Stfn::parse(&format!("/{decoded}"))?
        };
        Ok(Self { text: text.to_owned(), host, port, stfn })
    }

    /// The text as the client wrote it: answers repeat it exactly.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, lower case, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one was given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The path.
    pub fn stfn(&self) -> &Stfn {
        &self.stfn
    }
}

impl fmt::Display for Surl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Surl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

fn parse_authority(text: &str) -> Result<(String, Option<u16>), SurlError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']').ok_or(SurlError::Authority)?;
        let port = match tail {
            "" => None,
            _ => Some(tail.strip_prefix(':').ok_or(SurlError::Authority)?),
        };
        host.parse::<std::net::Ipv6Addr>().map_err(|_| SurlError::Authority)?;
        (host, port)
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let ok = !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
    if !ok {
        return Err(SurlError::Authority);
    }
    let port = match port {
        None | Some("") => None,
        Some(digits) => Some(digits.parse().map_err(|_| SurlError::Authority)?),
    };
    Ok((host.to_ascii_lowercase(), port))
}

fn decode(path: &str) -> Result<String, SurlError> {
    let bytes = path.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let escape = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_hexdigit);
        if *byte == b'%' && !(escape(at + 1) && escape(at + 2)) {
            return Err(SurlError::Syntax);
        }
    }
    percent_decode_str(path)
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| SurlError::Path(PathError::NotUtf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (String, Option<u16>, String) {
        let surl = Surl::parse(text).unwrap();
        assert_eq!(surl.as_str(), text);
        (surl.host().to_owned(), surl.port(), surl.stfn().as_str().to_owned())
    }

    #[test]
    fn both_forms_name_one_path() {
        assert_eq!(parse("srm://SE.example/a/b"), ("se.example".into(), None, "/a/b".into()));
        assert_eq!(
            parse("srm://se:8444/srm/managerv2?SFN=/a/b"),
            ("se".into(), Some(8444), "/a/b".into())
        );
        assert_eq!(parse("srm://se:8444/?SFN=a"), ("se".into(), Some(8444), "/a".into()));
        assert_eq!(parse("srm://[::1]:8444/a"), ("::1".into(), Some(8444), "/a".into()));
        assert_eq!(parse("srm://se//a//b%20c"), ("se".into(), None, "/a/b c".into()));
        assert_eq!(parse("srm://se/a b").2, "/a b");
        assert_eq!(parse("srm://se").2, "/");
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(parse("srm://se/a%252e").2, "/a%2e");
        assert_eq!(parse("srm://se/a/%2e%2e/b").2, "/b");
    }

    #[test]
    fn refuses_what_is_none() {
        assert_eq!(Surl::parse("https://se/a"), Err(SurlError::Scheme));
        assert_eq!(Surl::parse("srm:///a"), Err(SurlError::Authority));
        assert_eq!(Surl::parse("srm://se:99999/a"), Err(SurlError::Authority));
        assert_eq!(Surl::parse("srm://s e/a"), Err(SurlError::Authority));
        assert_eq!(Surl::parse("srm://se/a\nb"), Err(SurlError::Syntax));
        assert_eq!(Surl::parse("srm://se/a "), Err(SurlError::Syntax));
        assert_eq!(Surl::parse("srm://se/%zz"), Err(SurlError::Syntax));
        assert_eq!(Surl::parse("srm://se/a%00"), Err(PathError::Nul.into()));
        assert_eq!(Surl::parse("srm://se/%2e%2e/x"), Err(PathError::AboveRoot.into()));
    }
}
