//! Small XML bodies read into a tree, and parts of it written again as text that stands for itself: what
//! clients want kept (dead properties, the owner of a lock) goes back to other clients, so nothing
//! of it is passed on that was not read and written anew.

use quick_xml::NsReader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

use super::propfind_request::{PropertyName, is_name, resolved};
use crate::web::escape;

/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Most attributes of one element.
const MAX_ATTRIBUTES: usize = 64;

/// An element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// Its namespace and local name.
    pub(super) name: PropertyName,
    /// Its name as it was written.
    written: String,
    /// As they were written, references resolved; declarations of namespaces too.
    attributes: Vec<(String, String)>,
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    /// True for the element of that name in that namespace.
    pub(super) fn is(&self, namespace: &str, local: &str) -> bool {
        self.name.namespace == namespace && self.name.local == local
    }

    /// The elements right below.
    pub(super) fn children(&self) -> impl Iterator<Item = &Element> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The text right below.
    pub(super) fn text(&self) -> String {
        let texts = self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        texts.collect()
    }

    /// The element as text with every declaration it needs, and the `xml:lang` that holds for it, from the
    /// elements above it (the root first). Prefixes stay as they are: content may refer to them.
    pub(super) fn portable(&self, above: &[&Element]) -> String {
        let mut inherited: Vec<(&str, &str)> = Vec::new();
        for (name, value) in above.iter().flat_map(|element| &element.attributes) {
            if name == "xmlns" || name.starts_with("xmlns:") || name == "xml:lang" {
                inherited.retain(|(known, _)| known != name);
                inherited.push((name, value));
            }
        }
        let bare = self.written(&[]);
        inherited.retain(|(name, value)| {
            let needed = match name.strip_prefix("xmlns:") {
                Some(prefix) => bare.contains(&format!("{prefix}:")),
                None => *name == "xml:lang" || !value.is_empty(),
            };
            needed && self.attributes.iter().all(|(own, _)| own != name)
        });
        self.written(&inherited)
    }

    fn written(&self, more: &[(&str, &str)]) -> String {
        let mut out = String::new();
        self.write(&mut out, more);
        out
    }

    fn write(&self, out: &mut String, more: &[(&str, &str)]) {
        out.extend(["<", &self.written]);
        let own = self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(more.iter().copied()) {
            out.extend([" ", name, "=\"", &escape(value), "\""]);
        }
        if self.nodes.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for node in &self.nodes {
            match node {
                Node::Element(element) => element.write(out, &[]),
                Node::Text(text) => out.push_str(&escape(text)),
            }
        }
        out.extend(["</", &self.written, ">"]);
    }
}

/// Reads a document. `Err` says in words what is wrong.
pub(super) fn parse(body: &[u8]) -> Result<Element, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    // Open elements, the root first.
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let (namespace, event) = reader
            .read_resolved_event()
            .map_err(|error| format!("the body is no well-formed XML: {error}"))?;
        let done = match event {
            Event::Start(tag) => {
                if root.is_some() || open.len() >= MAX_DEPTH {
                    return Err(format!("more than one root, or nested deeper than {MAX_DEPTH}"));
                }
                let element = element(&namespace, &tag, &open)?;
                open.push(element);
                None
            }
            Event::Empty(tag) => {
                if root.is_some() {
                    return Err("more than one root".to_owned());
                }
                Some(element(&namespace, &tag, &open)?)
            }
            Event::End(_) => open.pop(),
            Event::DocType(_) => return Err("a DOCTYPE is not taken".to_owned()),
            Event::Eof => break,
            Event::Text(text) => {
                add_text(&mut open, &text.xml10_content())?;
                None
            }
            Event::CData(text) => {
                add_text(&mut open, &text.xml10_content())?;
                None
            }
            Event::GeneralRef(reference) => {
                add_text(&mut open, &resolve(&reference)?)?;
                None
            }
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => None,
        };
        match (done, open.last_mut()) {
            (Some(element), Some(parent)) => parent.nodes.push(Node::Element(element)),
            (Some(element), None) => root = Some(element),
            (None, _) => {}
        }
    }
    root.filter(|_| open.is_empty()).ok_or_else(|| "the body ends before its time".to_owned())
}

fn element(
    namespace: &ResolveResult<'_>,
    tag: &BytesStart<'_>,
    open: &[Element],
) -> Result<Element, String> {
    let namespace = resolved(namespace)?;
    let name = tag.name();
    let written: &str = name.as_ref();
    let written = written.to_owned();
    let mut attributes: Vec<(String, String)> = Vec::new();
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| format!("the body is no XML: {error}"))?;
        let name: &str = attribute.key.as_ref();
        let value = unescape(&attribute.value)
            .map_err(|_| "an attribute holds a broken reference".to_owned())?;
        if attributes.len() >= MAX_ATTRIBUTES {
            return Err(format!("an element has more than {MAX_ATTRIBUTES} attributes"));
        }
        if attributes.iter().any(|(known, _)| known == name) {
            return Err("an element has an attribute twice".to_owned());
        }
        if attribute.value.contains('<') || !is_text(&value) || !is_written_name(name) {
            return Err("an attribute is none".to_owned());
        }
        if name.starts_with("xmlns:") && value.is_empty() {
            return Err("a namespace prefix is bound to nothing".to_owned());
        }
        attributes.push((name.to_owned(), value.into_owned()));
    }
    let declares = |attributes: &[(String, String)], wanted: &str| {
        attributes.iter().any(|(name, _)| name.strip_prefix("xmlns:") == Some(wanted))
    };
    for (name, _) in &attributes {
        let Some((prefix, _)) = name.split_once(':') else { continue };
        let known = matches!(prefix, "xml" | "xmlns")
            || declares(&attributes, prefix)
            || open.iter().any(|element| declares(&element.attributes, prefix));
        if !known {
            return Err(format!("the prefix {prefix:?} is not declared"));
        }
    }
    let local: &str = written.split_once(':').map_or(written.as_str(), |(_, local)| local);
    if !is_written_name(&written) {
        return Err("an element's name is none".to_owned());
    }
    let name = PropertyName { namespace, local: local.to_owned() };
    Ok(Element { name, written, attributes, nodes: Vec::new() })
}

fn add_text(open: &mut [Element], text: &str) -> Result<(), String> {
    let Some(element) = open.last_mut() else {
        return match text.trim().is_empty() {
            true => Ok(()),
            false => Err("text stands outside of the document".to_owned()),
        };
    };
    if !is_text(text) {
        return Err("the body holds characters that XML does not know".to_owned());
    }
    match element.nodes.last_mut() {
        Some(Node::Text(known)) => known.push_str(text),
        _ => element.nodes.push(Node::Text(text.to_owned())),
    }
    Ok(())
}

/// What `&…;` stands for: a character, or one of the five names every XML has.
fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    let broken = || "the body holds a reference that is none".to_owned();
    if let Some(c) = reference.resolve_char_ref().map_err(|_| broken())? {
        return Ok(c.to_string());
    }
    let name: &str = reference;
    let text = quick_xml::escape::resolve_predefined_entity(name).ok_or_else(broken)?;
    Ok(text.to_owned())
}

/// A name with or without a prefix.
fn is_written_name(name: &str) -> bool {
    match name.split_once(':') {
        Some((prefix, local)) => is_name(prefix) && is_name(local),
        None => is_name(name),
    }
}

/// XML 1.0 2.2.
fn is_text(text: &str) -> bool {
    text.chars().all(|c| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => c >= ' ',
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The property in `<u><p>…</p></u>`, as it would be kept.
    fn kept(body: &str) -> String {
        let root = parse(body.as_bytes()).unwrap();
        let prop = root.children().next().unwrap();
        prop.children().next().unwrap().portable(&[&root, prop])
    }

    #[test]
    fn what_is_kept_stands_for_itself() {
        assert_eq!(
            kept(
                "<u xmlns='DAV:' xmlns:z='urn:z' xmlns:y='urn:y'><p xml:lang='de'>\
                  <z:a>1 &amp; <![CDATA[<2>]]>&#10;<z:b c=\"'\"/></z:a></p></u>"
            ),
            "<z:a xmlns=\"DAV:\" xmlns:z=\"urn:z\" xml:lang=\"de\">1 &amp; &lt;2&gt;&#10;\
             <z:b c=\"&#39;\"/></z:a>"
        );
        // A prefix that only content refers to, and one that is declared anew.
        assert_eq!(
            kept(
                "<d:u xmlns:d='DAV:' xmlns:t='urn:t' xmlns:z='urn:old'><d:p>\
                  <z:a xmlns:z='urn:new' xml:lang='en'>t:int</z:a></d:p></d:u>"
            ),
            "<z:a xmlns:z=\"urn:new\" xml:lang=\"en\" xmlns:t=\"urn:t\">t:int</z:a>"
        );
        assert_eq!(kept("<u xmlns='DAV:'><p><a xmlns=''/></p></u>"), "<a xmlns=\"\"/>");
    }

    #[test]
    fn what_is_kept_reads_as_before() {
        let root =
            parse(b"<d:u xmlns:d='DAV:' xmlns:q='u&amp;v'><d:p><q:a>&lt;x&gt;</q:a></d:p></d:u>");
        let root = root.unwrap();
        let property = root.children().next().unwrap().children().next().unwrap();
        let again = parse(property.portable(&[&root]).as_bytes()).unwrap();
        assert!(again.is("u&v", "a"));
        assert_eq!(again.text(), "<x>");
    }

    #[test]
    fn broken_and_hostile_bodies_are_refused() {
        let deep = "<a>".repeat(MAX_DEPTH + 1) + &"</a>".repeat(MAX_DEPTH + 1);
        for body in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "text<a/>",
            "<x:a/>",
            "<a x:b='1'/>",
            "<a b='1' b='2'/>",
            "<a>&unknown;</a>",
            "<a>&#0;</a>",
            "<a>\u{1}</a>",
            "<a xmlns:b=''/>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            &deep,
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(body in "[<>/a-c:=\"'&;! \\[\\]?xmlns-]{0,80}") {
            if let Ok(root) = parse(body.as_bytes()) {
                prop_assert_eq!(parse(root.portable(&[]).as_bytes()), Ok(root));
            }
        }
    }
}
