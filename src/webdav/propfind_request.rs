//! The body of a PROPFIND (RFC 4918 9.1, 14.20), read with every bound that hostile XML asks for:
//! no DOCTYPE, no undeclared prefix, small, flat.

use quick_xml::NsReader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;

/// Largest body that is read, in bytes.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// Deepest nesting.
const MAX_DEPTH: usize = 16;
/// Most properties in one request.
const MAX_NAMES: usize = 256;
/// Longest name of a namespace, in bytes: the answer repeats it with every property of every file.
const MAX_NAMESPACE: usize = 256;

/// The namespace of WebDAV.
pub(super) const DAV: &str = "DAV:";

/// A property's name: namespace (may be empty) and local name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PropertyName {
    pub(super) namespace: String,
    pub(super) local: String,
}

/// What a PROPFIND asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All that cost nothing, and these besides (`include`).
    All(Vec<PropertyName>),
    /// Names only.
    Names,
    /// These.
    These(Vec<PropertyName>),
}

/// Reads a body; an empty one asks for all. `Err` says in words what is wrong.
pub(super) fn parse(body: &[u8]) -> Result<Asked, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Ok(Asked::All(Vec::new()));
    }
    let mut reader = NsReader::from_str(text);
    let mut state = State::default();
    loop {
        let (name, empty, namespace) = match reader.read_resolved_event() {
            Ok((namespace, Event::Start(tag))) => (Some(tag), false, resolved(&namespace)?),
            Ok((namespace, Event::Empty(tag))) => (Some(tag), true, resolved(&namespace)?),
            Ok((_, Event::End(_))) => {
                state.leave();
                continue;
            }
            Ok((_, Event::DocType(_))) => return Err("a DOCTYPE is not taken".to_owned()),
            Ok((_, Event::Eof)) => break,
            Ok((_, Event::Text(text))) if state.path.is_empty() => {
                let text: &str = &text;
                if text.trim().is_empty() {
                    continue;
                }
                return Err("text stands outside of the propfind element".to_owned());
            }
            Ok(_) => continue,
            Err(error) => return Err(format!("the body is no well-formed XML: {error}")),
        };
        let Some(tag) = name else { continue };
        // Unchecked: looking for doubles takes quadratic time.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|e| format!("the body is no XML: {e}"))?;
            let key: &str = attribute.key.as_ref();
            if key.starts_with("xmlns:") && attribute.value.trim().is_empty() {
                return Err("a namespace prefix is bound to nothing".to_owned());
            }
        }
        let local = tag.local_name();
        let local: &str = local.as_ref();
        state.enter(PropertyName { namespace, local: local.to_owned() })?;
        if empty {
            state.leave();
        }
    }
    state.finish()
}

/// The namespace of an element or attribute, in words why there is none.
pub(super) fn resolved(namespace: &ResolveResult<'_>) -> Result<String, String> {
    match namespace {
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Bound(namespace) if namespace.as_ref().len() > MAX_NAMESPACE => {
            Err(format!("the name of a namespace is longer than {MAX_NAMESPACE} bytes"))
        }
        ResolveResult::Bound(namespace) => unescape(namespace.as_ref())
            .map(|text| text.into_owned())
            .map_err(|_| "a namespace holds a broken reference".to_owned()),
        ResolveResult::Unknown(prefix) => Err(format!("the prefix {prefix:?} is not declared")),
    }
}

#[derive(Default)]
struct State {
    /// From the root; names of elements that are open.
    path: Vec<PropertyName>,
    seen_root: bool,
    all: bool,
    names: bool,
    these: Option<Vec<PropertyName>>,
    include: Vec<PropertyName>,
}

impl State {
    fn enter(&mut self, name: PropertyName) -> Result<(), String> {
        if self.path.len() >= MAX_DEPTH {
            return Err(format!("the body is nested deeper than {MAX_DEPTH}"));
        }
        if !is_name(&name.local) {
            return Err("an element's name is none".to_owned());
        }
        let dav = name.namespace == DAV;
        let parent = self.path.last().filter(|p| p.namespace == DAV).map(|p| p.local.as_str());
        match (self.path.len(), parent) {
            (0, _) if dav && name.local == "propfind" && !self.seen_root => self.seen_root = true,
            (0, _) => return Err("a DAV: propfind element was expected".to_owned()),
            (1, _) if dav => match name.local.as_str() {
                "allprop" => self.all = true,
                "propname" => self.names = true,
                "prop" => _ = self.these.get_or_insert_default(),
                // `include`, and what later versions may add.
                _ => {}
            },
            (2, Some("prop")) => self.these.get_or_insert_default().push(name.clone()),
            (2, Some("include")) => self.include.push(name.clone()),
            _ => {}
        }
        if self.these.as_ref().map_or(0, Vec::len).max(self.include.len()) > MAX_NAMES {
            return Err(format!("more than {MAX_NAMES} properties in one request"));
        }
        self.path.push(name);
        Ok(())
    }

    fn leave(&mut self) {
        self.path.pop();
    }

    fn finish(self) -> Result<Asked, String> {
        if !self.seen_root || !self.path.is_empty() {
            return Err("the body ends before its time".to_owned());
        }
        match (self.all, self.names, self.these) {
            (true, false, None) => Ok(Asked::All(self.include)),
            (false, true, None) => Ok(Asked::Names),
            (false, false, Some(these)) => Ok(Asked::These(these)),
            _ => Err("exactly one of allprop, propname and prop was expected".to_owned()),
        }
    }
}

/// What may be written back as an element's name: `NCName` of XML 1.0.
pub(super) fn is_name(text: &str) -> bool {
    let starts = |c: char| {
        matches!(c, 'A'..='Z' | 'a'..='z' | '_' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}'
            | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
            | '\u{200c}' | '\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
            | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
            | '\u{10000}'..='\u{effff}')
    };
    let goes_on = |c: char| {
        starts(c)
            || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}'
                | '\u{203f}'..='\u{2040}')
    };
    text.chars().next().is_some_and(starts) && text.chars().all(goes_on)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(list: &[(&str, &str)]) -> Vec<PropertyName> {
        list.iter()
            .map(|(n, l)| PropertyName { namespace: (*n).into(), local: (*l).into() })
            .collect()
    }

    fn ok(body: &str) -> Asked {
        parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn what_clients_send() {
        assert_eq!(ok(""), Asked::All(vec![]));
        assert_eq!(
            ok("<?xml version=\"1.0\" ?><D:propfind xmlns:D=\"DAV:\"><D:allprop/></D:propfind>"),
            Asked::All(vec![])
        );
        assert_eq!(ok("<propfind xmlns=\"DAV:\"><propname></propname></propfind>\n"), Asked::Names);
        assert_eq!(
            ok("\u{feff}<d:propfind xmlns:d='DAV:' xmlns:oc=\"http://owncloud.org/ns\"><d:prop>\
                <d:getetag/> <oc:checksums/><x xmlns=\"a&amp;b\"/><y/></d:prop></d:propfind>"),
            Asked::These(names(&[
                (DAV, "getetag"),
                ("http://owncloud.org/ns", "checksums"),
                ("a&b", "x"),
                ("", "y")
            ]))
        );
        assert_eq!(
            ok("<propfind xmlns=\"DAV:\"><allprop/><include><acl/></include></propfind>"),
            Asked::All(names(&[(DAV, "acl")]))
        );
        assert_eq!(ok("<propfind xmlns=\"DAV:\"><prop/></propfind>"), Asked::These(vec![]));
    }

    #[test]
    fn what_is_refused() {
        let deep = format!("<propfind xmlns=\"DAV:\">{}", "<a>".repeat(50));
        let many = format!("<propfind xmlns=\"DAV:\"><prop>{}", "<a/>".repeat(300));
        for body in [
            "<foo>",
            "x",
            "<propfind xmlns=\"DAV:\">",
            "<propfind xmlns=\"DAV:\"/>",
            "<propfind><allprop/></propfind>",
            "<propfind xmlns=\"DAV:\"><allprop/><propname/></propfind>",
            "<d:propfind xmlns:d=\"DAV:\"><d:prop><bar:foo xmlns:bar=\"\"/></d:prop></d:propfind>",
            "<d:propfind xmlns:d=\"DAV:\"><d:prop><bar:foo/></d:prop></d:propfind>",
            "<propfind xmlns=\"DAV:\"><prop><a\"b/></prop></propfind>",
            "<propfind xmlns=\"DAV:\"><prop><1/></prop></propfind>",
            "<propfind xmlns=\"DAV:\"><prop><\u{b5}/></prop></propfind>",
            "<d:propfind xmlns:d=\"DAV:\"><d:prop><d:a:b/></d:prop></d:propfind>",
            "<propfind xmlns=\"DAV:\"><allprop/></propfind><propfind xmlns=\"DAV:\"/>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><propfind xmlns=\"DAV:\"><allprop/></propfind>",
            "<propfind xmlns=\"DAV:\"><allprop></propname></propfind>",
            &deep,
            &many,
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
        assert!(parse(b"\xff\xfe<\0").is_err());
    }

    /// What is asked for is repeated for every file: 64 kB must not become megabytes per file.
    #[test]
    fn the_answer_is_not_blown_up() {
        let space = "&amp;".repeat(10_000);
        let names = "<x:a/>".repeat(255);
        let body = format!(
            "<d:propfind xmlns:d=\"DAV:\" xmlns:x=\"{space}\"><d:prop>{names}</d:prop></d:propfind>"
        );
        assert!(body.len() < MAX_BODY);
        assert!(parse(body.as_bytes()).is_err());
        let names: String = (0..MAX_NAMES).map(|i| format!("<x:a{i}/>")).collect();
        let body = format!(
            "<d:propfind xmlns:d=\"DAV:\" xmlns:x=\"{}\"><d:prop>{names}</d:prop></d:propfind>",
            "u".repeat(MAX_NAMESPACE)
        );
        assert!(parse(body.as_bytes()).is_ok());
    }

    #[test]
    fn many_attributes_take_no_time() {
        let attributes: String = (0..7000).map(|i| format!(" a{i}=''")).collect();
        let body = format!("<propfind xmlns=\"DAV:\"><allprop{attributes}/></propfind>");
        let started = std::time::Instant::now();
        for _ in 0..20 {
            let _ = parse(body.as_bytes());
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    }

    proptest! {
        #[test]
        fn nothing_panics(body in "[<>/a-c:=\"'&;! \\[\\]?xmlns-]{0,80}") {
            let _ = parse(body.as_bytes());
        }
    }
}
