//! Writing a part of a file: PUT with `Content-Range` (as Apache reads it, RFC 9110 14.5), and PATCH
//! with `X-Update-Range` (sabre/dav's partial update). What cannot be honoured is refused: never is a
//! fragment stored as the file.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::reply::{Refusal, text};
use crate::srm::{Entry, ErrorKind, Part};

/// The media type of a PATCH.
pub(super) const PARTIAL: &str = "application/x-sabredav-partialupdate";

/// A part that a request writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Where.
    pub(super) part: Part,
    /// Bytes that its body has to have, where the range tells.
    length: Option<u64>,
    /// Bytes of the whole file, where the client tells.
    whole: Option<u64>,
}

/// The part that a PUT's `Content-Range` names; `None`: there is none.
pub(super) fn of_put(headers: &HeaderMap, length: Option<u64>) -> Result<Option<Asked>, Refusal> {
    let mut values = headers.get_all(header::CONTENT_RANGE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let range = value.to_str().ok().filter(|_| values.next().is_none()).and_then(content_range);
    let (first, last, whole) = range.ok_or_else(|| {
        bad("the Content-Range of a PUT is not of the form bytes 0-9/* or bytes 0-9/10")
    })?;
    let asked = Asked { part: Part::At(first), length: (last - first).checked_add(1), whole };
    asked.has(length)?;
    Ok(Some(asked))
}

/// The part that a PATCH writes.
pub(super) fn of_patch(headers: &HeaderMap, length: Option<u64>) -> Result<Asked, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(PARTIAL) {
        let why = format!("a PATCH here is of the type {PARTIAL}, with X-Update-Range");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorKind::NotSupported, why)
            .with_header(
                HeaderName::from_static("accept-patch"),
                HeaderValue::from_static(PARTIAL),
            ));
    }
    if length.is_none() {
        let why = "a PATCH needs a Content-Length";
        return Err(Refusal::new(StatusCode::LENGTH_REQUIRED, ErrorKind::InvalidRequest, why));
    }
    let range = headers.get("x-update-range").and_then(|v| v.to_str().ok()).and_then(update_range);
    let asked = range.ok_or_else(|| {
        bad("the X-Update-Range is none of append, bytes=0-9, bytes=10- and bytes=-10")
    })?;
    asked.has(length)?;
    Ok(asked)
}

impl Asked {
    /// 416 for a body that has not the length of its range.
    pub(super) fn has(&self, length: Option<u64>) -> Result<(), Refusal> {
        match (length, self.length) {
            (Some(length), Some(wanted)) if length != wanted => Err(out_of_range(&format!(
                "the range has {wanted} bytes and the request's body {length}: nothing was written"
            ))),
            _ => Ok(()),
        }
    }

    /// True for a part that is all of the file: it replaces what is there.
    pub(super) fn is_whole(&self) -> bool {
        self.part == Part::At(0) && self.whole.is_some() && self.whole == self.length
    }

    /// 416 where `there` has no such place; `None`: there is no file, which is an empty one.
    pub(super) fn fits(&self, there: Option<&Entry>) -> Result<(), Refusal> {
        let size = there.map_or(0, |entry| entry.size);
        let why = match self.part.offset(size) {
            None => "the part begins behind the end of the file, or before its begin: leave no gap",
            Some(_) if self.whole.is_some_and(|whole| whole < size) => {
                "the file is longer than the range says: remove it first, or send all of it"
            }
            Some(_) => return Ok(()),
        };
        Err(out_of_range(why).with_header(header::CONTENT_RANGE, text(&format!("bytes */{size}"))))
    }
}

fn out_of_range(why: &str) -> Refusal {
    Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorKind::InvalidRequest, why)
}

fn bad(why: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, why)
}

/// `bytes 0-9/10`: first, last and, unless it is `*`, the whole length.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (unit, range) = text.trim().split_once(' ')?;
    let (range, whole) = range.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let whole = if whole == "*" { None } else { Some(number(whole)?) };
    let sound = first <= last && last < u64::MAX && whole.is_none_or(|whole| last < whole);
    (unit.eq_ignore_ascii_case("bytes") && sound).then_some((first, last, whole))
}

fn update_range(text: &str) -> Option<Asked> {
    let text = text.trim();
    let asked = |part, length| Some(Asked { part, length, whole: None });
    if text.eq_ignore_ascii_case("append") {
        return asked(Part::End, None);
    }
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    match (first, last) {
        ("", last) => asked(Part::Last(number(last)?), None),
        (first, "") => asked(Part::At(number(first)?), None),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            asked(Part::At(first), Some(last.checked_sub(first)?.checked_add(1)?))
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap())).collect()
    }

    #[test]
    fn content_ranges() {
        let of = |value: &str, length| {
            of_put(&headers(&[("content-range", value)]), length).map_err(|r| r.status.as_u16())
        };
        let part =
            |at, length, whole| Ok(Some(Asked { part: Part::At(at), length: Some(length), whole }));
        assert_eq!(of_put(&HeaderMap::new(), None).unwrap(), None);
        assert_eq!(of("bytes 0-9/*", Some(10)), part(0, 10, None));
        assert_eq!(of("Bytes 5-5/20", None), part(5, 1, Some(20)));
        assert_eq!(of("bytes 0-9/10", Some(10)), part(0, 10, Some(10)));
        let whole = |value| of(value, None).unwrap().unwrap().is_whole();
        assert!(whole("bytes 0-9/10") && !whole("bytes 0-9/11") && !whole("bytes 0-9/*"));
        assert_eq!(of("bytes 0-9/10", Some(9)), Err(416));
        assert_eq!(of("bytes 0-9/*", Some(11)), Err(416));
        for bad in [
            "bytes */10",
            "bytes 9-0/*",
            "bytes 0-9/9",
            "bytes 0-9",
            "bytes=0-9/*",
            "lines 0-9/*",
            "bytes -9/*",
            "bytes 0-18446744073709551615/*",
            "bytes +1-2/*",
            "",
        ] {
            assert_eq!(of(bad, Some(10)), Err(400), "{bad}");
        }
        let mut two = headers(&[("content-range", "bytes 0-9/*")]);
        two.append("content-range", HeaderValue::from_static("bytes 0-9/*"));
        assert_eq!(of_put(&two, Some(10)).unwrap_err().status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn update_ranges() {
        let of = |range: &str, length| {
            let pairs = [("content-type", PARTIAL), ("x-update-range", range)];
            of_patch(&headers(&pairs), length).map(|a| a.part).map_err(|r| r.status.as_u16())
        };
        assert_eq!(of("append", Some(3)), Ok(Part::End));
        assert_eq!(of("bytes=3-6", Some(4)), Ok(Part::At(3)));
        assert_eq!(of("bytes=3-", Some(9)), Ok(Part::At(3)));
        assert_eq!(of("bytes=-5", Some(9)), Ok(Part::Last(5)));
        assert_eq!(of("bytes=3-6", Some(5)), Err(416));
        assert_eq!(of("append", None), Err(411));
        for bad in ["", "bytes", "bytes=6-3", "bytes=-", "bytes=a-", "lines=1-2", "bytes=--1"] {
            assert_eq!(of(bad, Some(4)), Err(400), "{bad}");
        }
        let other = headers(&[("content-type", "text/plain"), ("x-update-range", "append")]);
        let refusal = of_patch(&other, Some(4)).unwrap_err();
        assert_eq!(refusal.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}
