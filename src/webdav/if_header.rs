//! The `If` header (RFC 4918 10.4): what it asks for has to hold, and the lock tokens in it are submitted.

use std::sync::Arc;

use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri};

use super::destination::{destination, is_here};
use super::files::Files;
use super::place::{self, Place};
use super::reply::{Operation, Refusal};
use crate::model::Identity;
use crate::srm::{BothEnds, Entry, ErrorKind, Target};

/// Most conditions in one header.
const MOST: usize = 256;

/// One resource and what is asked of it; `None` is the one of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    resource: Option<String>,
    /// One of them has to hold.
    lists: Vec<Vec<Condition>>,
}

/// One part of a list, all of which have to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    not: bool,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Token(Arc<str>),
    /// Weak or not, and the text between the quotes.
    Tag(bool, String),
}

/// What is left to be judged at the moment of the change, by entity tags of what is changed.
pub(super) type Still = BothEnds;

/// Of what a list is that is to be judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What the request is for.
    Own,
    /// What stands at its `Destination`.
    Destination,
}

/// A list that held, and those of its entity tags that may hold no more at the moment of the change; none:
/// it will hold.
type Held = (End, Vec<Condition>);

/// What the header came to.
pub(super) struct Judged<F> {
    /// The core for a request that came with its tokens.
    pub(super) files: Arc<F>,
    /// `None`: nothing.
    pub(super) still: Option<Still>,
}

/// Judges the header, where the method changes something; 400 or 412.
pub(super) async fn judge<F: Files>(
    files: &Arc<F>,
    operation: Operation,
    who: &Identity,
    headers: &HeaderMap,
    place: &Place,
    asked: Option<&Authority>,
) -> Result<Judged<F>, Refusal> {
    let mut values = headers.get_all("if").iter().peekable();
    if values.peek().is_none() || !operation.changes() {
        return Ok(Judged { files: Arc::clone(files), still: None });
    }
    let refuse = |why: &str| {
        Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, why.to_owned())
    };
    let texts: Result<Vec<&str>, _> = values.map(|value| value.to_str()).collect();
    let text = texts.map_err(|_| refuse("the If header is not ASCII"))?.join(" ");
    let groups = parse(&text).map_err(|why| refuse(&format!("the If header is broken: {why}")))?;
    let conditions = groups.iter().flat_map(|group| group.lists.iter().flatten());
    let tokens = conditions.filter_map(|condition| match &condition.state {
        State::Token(token) => Some(Arc::clone(token)),
        State::Tag(..) => None,
    });
    let tokens: Vec<_> = tokens.collect();
    let is_own = |host: &str, port| files.is_own_address(host, port);
    // One that is broken the method itself refuses.
    let leads_to = destination(headers, asked, is_own).ok().map(|place| place.target);
    let ends = (place, leads_to.as_ref());
    let mut left = Vec::new();
    for group in &groups {
        match holds(files.as_ref(), who, asked, ends, group).await {
            Some(lists) if lists.iter().all(|(_, list)| !list.is_empty()) => left.extend(lists),
            // The method itself says better what is refused to this caller.
            _ => return Ok(Judged { files: files.submitting(who, tokens), still: None }),
        }
    }
    if !left.is_empty() {
        let files = files.submitting(who, tokens);
        let still: Still = Arc::new(move |own, other| one_holds(&left, own, other));
        return Ok(Judged { files, still: Some(still) });
    }
    Err(Refusal::new(
        StatusCode::PRECONDITION_FAILED,
        ErrorKind::Precondition,
        "no list of the If header holds: the lock may have ended, or the file changed",
    ))
}

/// True where one of these lists holds for what is there.
fn one_holds(lists: &[Held], own: Option<&Entry>, destination: Option<&Entry>) -> bool {
    lists.iter().any(|(end, list)| {
        let entry = if *end == End::Own { own } else { destination };
        let tag = entry.map(|entry| entry.etag.as_str());
        list.iter().all(|condition| match &condition.state {
            State::Token(_) => true,
            State::Tag(weak, wanted) => (!weak && tag == Some(wanted)) != condition.not,
        })
    })
}

/// Its lists that hold. `None`: the caller may not know what is there. Of another file that he may not see no
/// list holds.
async fn holds<F: Files>(
    files: &F,
    who: &Identity,
    asked: Option<&Authority>,
    (place, leads_to): (&Place, Option<&Target>),
    group: &Group,
) -> Option<Vec<Held>> {
    let resource = match &group.resource {
        None => Some(place.clone()),
        Some(uri) => elsewhere(uri, asked, |host, port| files.is_own_address(host, port)),
    };
    let (mut locks, mut tag) = (Vec::new(), None);
    let end = resource.as_ref().and_then(|found| match &found.target {
        target if *target == place.target => Some(End::Own),
        target if Some(target) == leads_to => Some(End::Destination),
        _ => None,
    });
    if let Some(found) = resource {
        locks = files.locks_over(who, &found.target).await;
        match files.stat(who, &found.target).await {
            Ok(entry) => tag = Some(entry.etag),
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Unauthenticated) => {
                return if end == Some(End::Own) { None } else { Some(Vec::new()) };
            }
            Err(_) => {}
        }
    }
    let one = |condition: &Condition| {
        let is_so = match &condition.state {
            State::Token(token) => locks.iter().any(|lock| lock.token == *token),
            State::Tag(weak, wanted) => !weak && tag.as_ref() == Some(wanted),
        };
        is_so != condition.not
    };
    let tags = |list: &Vec<Condition>| {
        let tags = list.iter().filter(|one| end.is_some() && matches!(one.state, State::Tag(..)));
        (end.unwrap_or(End::Own), tags.cloned().collect())
    };
    Some(group.lists.iter().filter(|list| list.iter().all(one)).map(tags).collect())
}

/// What a tagged list is about; `None`: nothing of this server.
fn elsewhere(
    uri: &str,
    asked: Option<&Authority>,
    is_own: impl Fn(&str, Option<u16>) -> bool,
) -> Option<Place> {
    let uri: Uri = uri.parse().ok()?;
    match uri.authority() {
        Some(named) if !is_here(named, asked, is_own) => None,
        _ => place::locate(uri.path()).ok(),
    }
}

fn parse(text: &str) -> Result<Vec<Group>, &'static str> {
    let mut groups: Vec<Group> = Vec::new();
    let mut rest = text.trim_start();
    let mut count = 0;
    let mut tagged = None;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('<') {
            let (uri, after) = after.split_once('>').ok_or("a > is missing")?;
            if tagged == Some(false) {
                return Err("a resource stands behind a list without one");
            }
            if groups.last().is_some_and(|group| group.lists.is_empty()) {
                return Err("a resource has no list");
            }
            tagged = Some(true);
            groups.push(Group { resource: Some(uri.to_owned()), lists: Vec::new() });
            rest = after.trim_start();
            continue;
        }
        if tagged.is_none() {
            tagged = Some(false);
            groups.push(Group { resource: None, lists: Vec::new() });
        }
        let (list, after) = list(rest.strip_prefix('(').ok_or("a ( is missing")?)?;
        count += list.len();
        if count > MOST {
            return Err("it holds too many conditions");
        }
        groups.last_mut().ok_or("it is empty")?.lists.push(list);
        rest = after.trim_start();
    }
    match groups.last() {
        Some(group) if !group.lists.is_empty() => Ok(groups),
        _ => Err("it holds no list"),
    }
}

/// A list behind its `(`, and what follows its `)`.
fn list(text: &str) -> Result<(Vec<Condition>, &str), &'static str> {
    let mut conditions = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            return if conditions.is_empty() {
                Err("a list is empty")
            } else {
                Ok((conditions, after))
            };
        }
        let not = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("not"));
        if not {
            rest = rest[3..].trim_start();
        }
        let (state, after) = if let Some(after) = rest.strip_prefix('<') {
            let (token, after) = after.split_once('>').ok_or("a > is missing")?;
            (State::Token(Arc::from(token.trim())), after)
        } else if let Some(after) = rest.strip_prefix('[') {
            let (weak, body) = match after.trim_start().strip_prefix("W/") {
                Some(body) => (true, body),
                None => (false, after.trim_start()),
            };
            let body = body.strip_prefix('"').ok_or("an entity tag has no quotes")?;
            let (tag, after) = body.split_once('"').ok_or("an entity tag has no end")?;
            let after = after.trim_start().strip_prefix(']').ok_or("a ] is missing")?;
            (State::Tag(weak, tag.to_owned()), after)
        } else {
            return Err("a lock token or an entity tag was expected");
        };
        conditions.push(Condition { not, state });
        rest = after.trim_start();
    }
}

/// For `crate::fuzz`.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz(text: &str) {
    let _ = parse(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(text: &str) -> Condition {
        Condition { not: false, state: State::Token(text.into()) }
    }

    /// The examples of RFC 4918 10.4.
    #[test]
    fn lists_with_and_without_a_resource() {
        assert_eq!(
            parse("(<urn:a> [\"I am an ETag\"])  (Not <DAV:no-lock> [W/\"x\"])").unwrap(),
            [Group {
                resource: None,
                lists: vec![
                    vec![
                        token("urn:a"),
                        Condition { not: false, state: State::Tag(false, "I am an ETag".into()) }
                    ],
                    vec![
                        Condition { not: true, ..token("DAV:no-lock") },
                        Condition { not: false, state: State::Tag(true, "x".into()) }
                    ],
                ]
            }]
        );
        let told = parse("<http://h/a> (<urn:a>)(<urn:b>) </b> (NOT<urn:c>)").unwrap();
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].resource.as_deref(), Some("http://h/a"));
        assert_eq!(told[0].lists, [vec![token("urn:a")], vec![token("urn:b")]]);
        assert_eq!(told[1].lists, [vec![Condition { not: true, ..token("urn:c") }]]);
    }

    #[test]
    fn what_is_broken_is_refused() {
        let many = format!("({})", "<a>".repeat(MOST + 1));
        for text in [
            "",
            "()",
            "(",
            "<a>",
            "<a> <b> (<c>)",
            "(<a>) <b> (<c>)",
            "(a)",
            "([x])",
            "([\"x\")",
            "(<a>",
            "x (<a>)",
            &many,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn resources_by_any_of_our_names() {
        let asked = Authority::from_static("se.example:8443");
        let own = |host: &str, _| host == "alias.example";
        let path = |uri| {
            let place = elsewhere(uri, Some(&asked), own)?;
            Some(place.target.stfn().as_str().to_owned())
        };
        for uri in ["/vo/a", "https://SE.example:8443/vo/a", "http://alias.example:8085/vo/a"] {
            assert_eq!(path(uri).as_deref(), Some("/vo/a"), "{uri}");
        }
        for uri in ["https://se.example/vo/a", "https://other.example:8443/vo/a", "https://x y/"] {
            assert_eq!(path(uri), None, "{uri}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[<>()\\[\\]\"Nota é-]{0,40}") {
            let _ = parse(&text);
        }
    }
}
