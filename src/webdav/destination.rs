//! `Destination` (RFC 4918 10.3): where a MOVE or COPY leads.

use std::str::FromStr;

use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};

use super::place::{self, Place};
use super::reply::Refusal;
use crate::srm::ErrorKind;

/// A host, and a port unless it is that of the scheme.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: Option<u16>,
}

impl Address {
    fn of(authority: &Authority) -> Self {
        let port = authority.port_u16().filter(|port| ![80, 443].contains(port));
        Self { host: authority.host().to_ascii_lowercase(), port }
    }
}

/// Reads it. `asked` is whom the request itself was sent to; `is_own` knows our other names.
///
/// # Errors
/// 400 for what is none; 502 for another server's.
pub(super) fn destination(
    headers: &HeaderMap,
    asked: Option<&Authority>,
    is_own: impl Fn(&str, Option<u16>) -> bool,
) -> Result<Place, Refusal> {
    let bad = |why: &str| {
        let why = format!("the Destination header {why}");
        Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, why)
    };
    let mut values = headers.get_all("destination").iter();
    let value = values.next().ok_or_else(|| bad("is missing: say where it is to go"))?;
    if values.next().is_some() {
        return Err(bad("came more than once"));
    }
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| bad("is not UTF-8"))?.trim();
    // A query names no file, and a fragment not a whole one.
    let text = text.split(['?', '#']).next().unwrap_or_default();
    if text.starts_with('/') && !text.starts_with("//") {
        return place::locate(text);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(bad(
            "is neither an address, http://… or https://…, nor a path that begins with /",
        ));
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = Authority::from_str(authority).map_err(|_| bad("names no host"))?;
    if authority.as_str().contains('@') {
        return Err(bad("names a user: leave that out"));
    }
    let known = ["http", "https", "dav", "davs"].iter().any(|one| scheme.eq_ignore_ascii_case(one));
    if !(known && is_here(&authority, asked, is_own)) {
        return Err(Refusal::new(
            StatusCode::BAD_GATEWAY,
            ErrorKind::NotSupported,
            "the Destination lies on another server: third-party copy is not offered here, get the \
             file and put it there",
        ));
    }
    place::locate(if path.is_empty() { "/" } else { path })
}

/// True for ourselves: whom the request was sent to, or another name of ours.
pub(super) fn is_here(
    named: &Authority,
    asked: Option<&Authority>,
    is_own: impl Fn(&str, Option<u16>) -> bool,
) -> bool {
    let here = Address::of(named);
    asked.is_some_and(|asked| Address::of(asked) == here) || is_own(&here.host, named.port_u16())
}

/// Whom the request was sent to, as the client names us.
pub(super) fn asked(uri: &http::Uri, headers: &HeaderMap) -> Option<Authority> {
    let named = || headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    uri.authority().cloned().or_else(named)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: &str) -> Result<(String, &'static str, bool), u16> {
        let mut headers = HeaderMap::new();
        headers.insert("destination", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        let asked = Authority::from_static("se.example:8443");
        let own = |host: &str, port| host == "alias.example" && matches!(port, None | Some(8085));
        match destination(&headers, Some(&asked), own) {
            Ok(place) => Ok((place.target.stfn().as_str().to_owned(), place.prefix, place.slash)),
            Err(refusal) => Err(refusal.status.as_u16()),
        }
    }

    #[test]
    fn destinations_of_ours() {
        for (value, path, prefix, slash) in [
            ("/vo/a%20b", "/vo/a b", "", false),
            ("https://se.example:8443/webdav/vo/d/", "/vo/d", "/webdav", true),
            ("HTTP://SE.example:8443/vo/%2525", "/vo/%25", "", false),
            ("davs://alias.example/vo/x?y#z", "/vo/x", "", false),
            ("http://alias.example:8085/vo/é", "/vo/é", "", false),
            ("https://se.example:8443", "/", "", true),
        ] {
            assert_eq!(read(value), Ok((path.to_owned(), prefix, slash)), "{value}");
        }
    }

    #[test]
    fn what_leads_elsewhere() {
        for (value, code) in [
            ("https://other.example/vo/x", 502),
            ("https://se.example:8444/vo/x", 502),
            ("https://se.example/vo/x", 502),
            ("ftp://se.example:8443/vo/x", 502),
            ("https://u@se.example:8443/vo/x", 400),
            ("//se.example:8443/vo/x", 400),
            ("vo/x", 400),
            ("", 400),
            ("https:///vo/x", 400),
            ("/vo/../x", 400),
            ("/vo/%zz", 400),
            ("/vo/.storm.x", 400),
        ] {
            assert_eq!(read(value), Err(code), "{value}");
        }
    }

    #[test]
    fn a_port_of_the_scheme_may_be_left_out() {
        let mut headers = HeaderMap::new();
        headers.insert("destination", HeaderValue::from_static("https://se.example:443/a"));
        let asked = Authority::from_static("se.example");
        assert!(destination(&headers, Some(&asked), |_, _| false).is_ok());
        headers.append("destination", HeaderValue::from_static("/b"));
        assert_eq!(destination(&headers, None, |_, _| true).unwrap_err().status, 400);
        headers.clear();
        assert_eq!(destination(&headers, None, |_, _| true).unwrap_err().status, 400);
    }
}
