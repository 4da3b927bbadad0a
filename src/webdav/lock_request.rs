//! What a LOCK asks for: body, `Depth` and `Timeout` (RFC 4918 9.10, 10.2, 10.7).

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::propfind_request::DAV;
use super::xml;
use crate::srm::LockWanted;

/// Longest `owner` element, in bytes: `lockdiscovery` repeats it.
const MAX_OWNER: usize = 4096;

/// Reads a request; `None`: a refresh, which has no body. `Err` says in words what is wrong.
pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Option<LockWanted>, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let root = xml::parse(body)?;
    if !root.is(DAV, "lockinfo") {
        return Err("a DAV: lockinfo element was expected".to_owned());
    }
    let holds = |outer: &str, inner: &str| {
        let mut found = root.children().filter(|child| child.is(DAV, outer));
        found.any(|child| child.children().any(|child| child.is(DAV, inner)))
    };
    if !holds("locktype", "write") {
        return Err("only write locks are offered".to_owned());
    }
    let exclusive = match (holds("lockscope", "exclusive"), holds("lockscope", "shared")) {
        (true, false) => true,
        (false, true) => false,
        _ => return Err("either an exclusive or a shared lock was expected".to_owned()),
    };
    let owner = root.children().find(|child| child.is(DAV, "owner"));
    let owner = owner.map(|owner| owner.portable(&[&root])).unwrap_or_default();
    if owner.len() > MAX_OWNER {
        return Err(format!("the owner element is longer than {MAX_OWNER} bytes"));
    }
    let infinite = match headers.get("depth").map(HeaderValue::as_bytes) {
        Some(b"0") => false,
        None => true,
        Some(text) if text.eq_ignore_ascii_case(b"infinity") => true,
        Some(_) => return Err("the Depth of a lock is 0 or infinity".to_owned()),
    };
    Ok(Some(LockWanted { exclusive, infinite, owner, lifetime: lifetime(headers) }))
}

/// The first of the times of `Timeout` that reads; `None`: as long as may be.
pub(super) fn lifetime(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("timeout")?.to_str().ok()?;
    let one = |word: &str| {
        let word = word.trim();
        if word.eq_ignore_ascii_case("infinite") {
            return Some(None);
        }
        let number = word.get(..7).filter(|head| head.eq_ignore_ascii_case("second-"))?;
        let digits = word.get(number.len()..)?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // More than there are numbers for is as good as for ever.
        is_number.then(|| digits.parse().ok().map(Duration::from_secs))
    };
    text.split(',').find_map(one).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    const BODY: &[u8] = b"<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope>\
        <D:locktype><D:write/></D:locktype><D:owner><D:href>me</D:href></D:owner></D:lockinfo>";

    #[test]
    fn what_clients_send() {
        let wanted = parse(&headers(&[("timeout", "Infinite, Second-4100000000")]), BODY);
        let wanted = wanted.unwrap().unwrap();
        assert!(wanted.exclusive && wanted.infinite && wanted.lifetime.is_none());
        assert_eq!(wanted.owner, "<D:owner xmlns:D=\"DAV:\"><D:href>me</D:href></D:owner>");
        let told = headers(&[("timeout", "Second-180"), ("depth", "0")]);
        let wanted = parse(&told, BODY).unwrap().unwrap();
        assert!(!wanted.infinite && wanted.lifetime == Some(Duration::from_secs(180)));
        assert!(parse(&told, b"\r\n").unwrap().is_none());
        for (text, seconds) in [
            ("Extend, second-5", Some(5)),
            ("Second-99999999999999999999", None),
            ("Second-x", None),
        ] {
            let told = lifetime(&headers(&[("timeout", text)]));
            assert_eq!(told, seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn what_is_no_lock_is_refused() {
        let text = std::str::from_utf8(BODY).unwrap();
        let long = text.replace("me", &"x".repeat(MAX_OWNER));
        for body in [
            "<a/>",
            &text.replace("write", "read"),
            &text.replace("<D:exclusive/>", ""),
            &text.replace("<D:exclusive/>", "<D:exclusive/><D:shared/>"),
            &long,
        ] {
            assert!(parse(&HeaderMap::new(), body.as_bytes()).is_err(), "{body}");
        }
        assert!(parse(&headers(&[("depth", "1")]), BODY).is_err());
    }
}
