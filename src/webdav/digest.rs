//! Checksums in headers (RFC 3230): `Want-Digest` asks, `Digest` tells.

use http::{HeaderMap, HeaderName, StatusCode};

use super::reply::Refusal;
use crate::srm::ErrorKind;

/// RFC 3230 4.3.2; the name of the header both ways.
pub(super) const DIGEST: HeaderName = HeaderName::from_static("digest");

/// True when the client asks for an adler32: `Want-Digest: ADLER32`, `adler32;q=0.5, md5`.
pub(super) fn wants_adler32(headers: &HeaderMap) -> bool {
    headers.get_all("want-digest").iter().filter_map(|v| v.to_str().ok()).any(|value| {
        value.split(',').any(|wish| {
            let mut parts = wish.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("adler32"));
            let refused = parts
                .filter_map(|p| p.strip_prefix("q="))
                .any(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0));
            named && !refused
        })
    })
}

/// `adler32=03da0195`.
pub(super) fn tell(adler32: &str) -> String {
    format!("adler32={}", adler32.to_ascii_lowercase())
}

/// The adler32 that the client says its body has, if it says one. Other algorithms are passed
/// over. Not 8 hex digits: 400.
pub(super) fn claimed_adler32(headers: &HeaderMap) -> Result<Option<u32>, Refusal> {
    for value in headers.get_all(DIGEST) {
        for one in value.to_str().unwrap_or_default().split(',') {
            let Some((name, digits)) = one.trim().split_once('=') else { continue };
            if !name.trim().eq_ignore_ascii_case("adler32") {
                continue;
            }
            let digits = digits.trim();
            let hex =
                (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
            return match u32::from_str_radix(digits, 16) {
                Ok(sum) if hex => Ok(Some(sum)),
                _ => Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    ErrorKind::InvalidRequest,
                    "the Digest header's adler32 is not 8 hex digits",
                )),
            };
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn wishes() {
        for (value, wanted) in [
            ("ADLER32", true),
            ("md5;q=1, adler32;q=0.5", true),
            ("adler32;q=0", false),
            ("md5", false),
            ("xadler32", false),
        ] {
            assert_eq!(wants_adler32(&headers("want-digest", value)), wanted, "{value}");
        }
    }

    #[test]
    fn claims() {
        let claim = |value| claimed_adler32(&headers("digest", value));
        assert_eq!(claim("adler32=03DA0195").unwrap(), Some(0x03da_0195));
        assert_eq!(claim("md5=abc==,Adler32=1").unwrap(), Some(1));
        assert_eq!(claim("sha-256=abc=").unwrap(), None);
        for bad in ["adler32=", "adler32=xyz", "adler32=123456789", "adler32=+1"] {
            assert!(claim(bad).is_err(), "{bad}");
        }
    }
}
