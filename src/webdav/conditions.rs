//! The `If-…` headers (RFC 9110 13), judged in the order of 13.2.2. Owned, so that the core can
//! judge a write at the moment it knows what is there.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, header};

use super::if_header::Still;
use crate::srm::{BothEnds, Entry, Precondition};

/// What the conditions of a read come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Do as asked.
    Go,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// A request's conditions.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    if_unmodified_since: Option<SystemTime>,
    if_modified_since: Option<SystemTime>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    /// Weak or not, and the text between the quotes.
    List(Vec<(bool, String)>),
}

impl Conditions {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            if_match: tags(headers, &header::IF_MATCH),
            if_none_match: tags(headers, &header::IF_NONE_MATCH),
            if_unmodified_since: date(headers, &header::IF_UNMODIFIED_SINCE),
            if_modified_since: date(headers, &header::IF_MODIFIED_SINCE),
        }
    }

    /// True when there is one that a change heeds.
    pub(super) fn any(&self) -> bool {
        self.if_match.is_some()
            || self.if_none_match.is_some()
            || self.if_unmodified_since.is_some()
    }

    /// For GET and HEAD of a file that is there.
    pub(super) fn judge_read(&self, entry: &Entry) -> Verdict {
        if !self.still_as_known(Some(entry)) {
            return Verdict::Failed;
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) if tags.weakly(Some(entry)) => Verdict::NotModified,
            (Some(_), _) => Verdict::Go,
            (None, Some(at)) if seconds(entry.modified) <= seconds(at) => Verdict::NotModified,
            _ => Verdict::Go,
        }
    }

    /// For methods that change things; `None`: nothing is there.
    pub(super) fn allow_write(&self, entry: Option<&Entry>) -> bool {
        self.still_as_known(entry) && !self.if_none_match.as_ref().is_some_and(|t| t.weakly(entry))
    }

    /// [`Conditions::allow_write`] for the core to ask, and what else has to hold.
    pub(super) fn with(self, still: Option<Still>) -> Precondition {
        let both = self.of_both(still);
        Box::new(move |entry| both(entry, None))
    }

    /// The same for MOVE and COPY. These headers are about the source.
    pub(super) fn of_both(self, still: Option<Still>) -> BothEnds {
        Arc::new(move |source, target| {
            self.allow_write(source) && still.as_ref().is_none_or(|holds| holds(source, target))
        })
    }

    fn still_as_known(&self, entry: Option<&Entry>) -> bool {
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) => tags.strongly(entry),
            (None, Some(at)) => entry.is_none_or(|e| seconds(e.modified) <= seconds(at)),
            (None, None) => true,
        }
    }
}

/// `If-Range` (RFC 9110 13.1.5): true when the range may be served.
pub(super) fn range_holds(headers: &HeaderMap, entry: &Entry, now: SystemTime) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    let Ok(text) = value.to_str() else { return false };
    let text = text.trim();
    if let Some(tag) = text.strip_prefix('"') {
        return tag.strip_suffix('"') == Some(entry.etag.as_str());
    }
    // A date is a strong validator only once a second has gone by (RFC 9110 8.8.2.2).
    httpdate::parse_http_date(text).is_ok_and(|at| {
        seconds(at) == seconds(entry.modified) && entry.modified + Duration::from_secs(1) <= now
    })
}

impl Tags {
    fn strongly(&self, entry: Option<&Entry>) -> bool {
        match (self, entry) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            (Tags::List(list), Some(e)) => list.iter().any(|(weak, t)| !weak && *t == e.etag),
        }
    }

    fn weakly(&self, entry: Option<&Entry>) -> bool {
        match (self, entry) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            (Tags::List(list), Some(e)) => list.iter().any(|(_, t)| *t == e.etag),
        }
    }
}

/// All entity tags of a header, over all its lines. What is no entity tag matches nothing.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
    if !headers.contains_key(name) {
        return None;
    }
    let mut list = Vec::new();
    for value in headers.get_all(name) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let mut rest = text.trim();
        if rest == "*" {
            return Some(Tags::Any);
        }
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let (weak, body) = match rest.strip_prefix("W/") {
                Some(body) => (true, body),
                None => (false, rest),
            };
            let Some((tag, tail)) = body.strip_prefix('"').and_then(|b| b.split_once('"')) else {
                break;
            };
            list.push((weak, tag.to_owned()));
            rest = tail;
        }
    }
    Some(Tags::List(list))
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srm::EntryKind;

    const DAY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn entry() -> Entry {
        Entry {
            name: "f".into(),
            kind: EntryKind::File,
            size: 10,
            modified: SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_500),
            created: None,
            etag: "a,b".into(),
            adler32: None,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn reads_in_the_order_of_the_rfc() {
        use Verdict::{Failed, Go, NotModified};
        let table: [(&[(&str, &str)], Verdict); 15] = [
            (&[], Go),
            (&[("if-match", "\"x\", \"a,b\"")], Go),
            (&[("if-match", "*")], Go),
            (&[("if-match", "W/\"a,b\"")], Failed),
            (&[("if-match", "a,b")], Failed),
            (&[("if-match", "\"x\""), ("if-unmodified-since", AFTER)], Failed),
            (&[("if-match", "\"a,b\""), ("if-unmodified-since", BEFORE)], Go),
            (&[("if-unmodified-since", BEFORE)], Failed),
            (&[("if-unmodified-since", DAY)], Go),
            (&[("if-none-match", "W/\"a,b\"")], NotModified),
            (&[("if-none-match", "\"x\""), ("if-modified-since", AFTER)], Go),
            (&[("if-modified-since", DAY)], NotModified),
            (&[("if-modified-since", BEFORE)], Go),
            (&[("if-modified-since", "yesterday")], Go),
            (&[("if-match", "\"x\""), ("if-none-match", "*")], Failed),
        ];
        for (pairs, verdict) in table {
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| (*n, *v)).collect();
            assert_eq!(Conditions::of(&headers(&pairs)).judge_read(&entry()), verdict, "{pairs:?}");
        }
        let two = headers(&[("if-match", "\"x\""), ("if-match", "\"a,b\"")]);
        assert_eq!(Conditions::of(&two).judge_read(&entry()), Go);
    }

    /// A head of 64 kB full of tags took a second when each tag copied the rest of the header.
    #[test]
    fn many_tags_take_no_time() {
        let all = "\"\",".repeat(1 << 20) + "\"a,b\"";
        let started = std::time::Instant::now();
        let one = headers(&[("if-match", &all)]);
        assert_eq!(Conditions::of(&one).judge_read(&entry()), Verdict::Go);
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }

    #[test]
    fn writes() {
        let allow = |name, value, there: bool| {
            let entry = entry();
            Conditions::of(&headers(&[(name, value)])).allow_write(there.then_some(&entry))
        };
        assert!(allow("if-none-match", "*", false));
        assert!(!allow("if-none-match", "*", true));
        assert!(!allow("if-match", "*", false));
        assert!(allow("if-match", "\"a,b\"", true));
        assert!(!allow("if-match", "\"old\"", true));
        assert!(!allow("if-none-match", "\"a,b\"", true));
        assert!(allow("if-none-match", "\"old\"", true));
        assert!(!allow("if-unmodified-since", BEFORE, true));
        assert!(allow("if-unmodified-since", BEFORE, false));
    }

    #[test]
    fn if_range_is_strong() {
        let later = entry().modified + Duration::from_secs(5);
        let holds = |value, now| range_holds(&headers(&[("if-range", value)]), &entry(), now);
        assert!(range_holds(&HeaderMap::new(), &entry(), later));
        assert!(holds("\"a,b\"", later));
        assert!(!holds("W/\"a,b\"", later));
        assert!(!holds("\"", later));
        assert!(holds(DAY, later));
        assert!(!holds(DAY, entry().modified));
        assert!(!holds(AFTER, later));
    }
}
