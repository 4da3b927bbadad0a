//! From a request's path to what it names. Percent signs are decoded once, here, and nowhere else.

use http::StatusCode;
use percent_encoding::percent_decode_str;

use super::reply::Refusal;
use crate::model::Stfn;
use crate::srm::{ErrorKind, Target};

/// The same files under StoRM WebDAV's prefix.
const ALIAS: &str = "/webdav";
/// Where the TURLs of prepared files live.
const TRANSFER: &str = "/fileTransfer";

/// What a request's path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// For the core.
    pub(super) target: Target,
    /// What stood before the StFN: links in the answer begin with it too.
    pub(super) prefix: &'static str,
    /// The path ended in a slash: it means a directory.
    pub(super) slash: bool,
}

/// Reads the path of a request target (without query). `.`, `..` and NUL, encoded or not, broken
/// escapes and names of stormd's own are refused with 400.
pub(super) fn locate(raw: &str) -> Result<Place, Refusal> {
    let stfn = decode(raw)?;
    let slash = raw.ends_with('/');
    let within = |prefix: &str| {
        let prefix = Stfn::parse(prefix).ok()?;
        stfn.below(&prefix).map(|rest| Stfn::top().descend(&rest))
    };
    if let Some(stfn) = within(TRANSFER) {
        return Ok(Place { target: Target::Transfer(stfn), prefix: TRANSFER, slash });
    }
    if let Some(stfn) = within(ALIAS) {
        return Ok(Place { target: Target::Stfn(stfn), prefix: ALIAS, slash });
    }
    Ok(Place { target: Target::Stfn(stfn), prefix: "", slash })
}

/// The answer to `/file/`.
pub(super) fn names_a_file() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        ErrorKind::NotADirectory,
        "there is no such directory, but a file of that name: leave out the slash at the end",
    )
}

fn decode(raw: &str) -> Result<Stfn, Refusal> {
    let refuse =
        |why: String| Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, why);
    let bytes = raw.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let hex = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_hexdigit);
        if *byte == b'%' && !(hex(at + 1) && hex(at + 2)) {
            return Err(refuse(
                "the path holds a broken percent escape: write % as %25".to_owned(),
            ));
        }
    }
    let text = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| refuse("the path is not UTF-8".to_owned()))?;
    Stfn::parse_strict(&text).map_err(|error| refuse(format!("{error}: ask for another path")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(raw: &str) -> (String, &'static str, bool) {
        let place = locate(raw).unwrap();
        let kind = matches!(place.target, Target::Transfer(_));
        assert_eq!(kind, place.prefix == TRANSFER);
        (place.target.stfn().as_str().to_owned(), place.prefix, place.slash)
    }

    #[test]
    fn prefixes_are_whole_parts() {
        assert_eq!(target("/vo/f"), ("/vo/f".into(), "", false));
        assert_eq!(target("/webdav/vo/f"), ("/vo/f".into(), ALIAS, false));
        assert_eq!(target("/webdav"), ("/".into(), ALIAS, false));
        assert_eq!(target("/webdavs/f"), ("/webdavs/f".into(), "", false));
        assert_eq!(target("//webdav//vo//"), ("/vo".into(), ALIAS, true));
        assert_eq!(target("/fileTransfer/vo/f"), ("/vo/f".into(), TRANSFER, false));
        assert_eq!(target("/webdav/fileTransfer/f").1, ALIAS);
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(target("/vo/a%20b%2Fc").0, "/vo/a b/c");
        assert_eq!(target("/vo/%252e%252e").0, "/vo/%2e%2e");
        assert_eq!(target("/vo/%F0%9F%98%80%0A%22").0, "/vo/\u{1f600}\n\"");
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for raw in [
            "/vo/..",
            "/vo/../x",
            "/%2e%2e/x",
            "/vo/%2E./x",
            "/vo/..%2fx",
            "/./vo",
            "/vo/a%00",
            "/vo/%zz",
            "/vo/%4",
            "/vo/%",
            "/vo/%ff",
            "/vo/.storm.x",
            "/vo/%2Estorm.x",
            "*",
            "",
        ] {
            let refusal = locate(raw).unwrap_err();
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{raw}");
            assert!(!refusal.explanation.is_empty());
        }
        let long = format!("/{}", "a".repeat(300));
        assert!(locate(&long).is_err());
    }
}
