//! The pass over namespace.xml that holds it against [`super::grammar`]: every problem with its
//! line. It writes a clean copy beside, for yaserde to fill the types from: known elements only,
//! without comments, texts trimmed, and each element with the attribute `line`, so that what is
//! found wrong later can still be told by line. One parser has then decided what the file says.

use std::fmt::Write;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::grammar::{Content, Element, NAMESPACE};
use crate::config::nearest;

/// Deepest nesting that is read; the grammar itself needs 8.
const MAX_DEPTH: usize = 32;
/// Most problems that are told.
const MAX_PROBLEMS: usize = 200;

/// What the pass found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// The clean copy.
    pub(super) copy: String,
    /// Line and words of each problem.
    pub(super) problems: Vec<(usize, String)>,
    /// True when elements are missing or out of place, so that the copy is not worth reading.
    pub(super) broken: bool,
}

/// Reads a whole file.
pub(super) fn check(source: &str) -> Checked {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut pass = Pass { source, counted: (0, 1), open: Vec::new(), out: Checked::default() };
    pass.run();
    pass.out
}

struct Pass<'a> {
    source: &'a str,
    /// Offset up to which lines were counted, and the line there.
    counted: (usize, usize),
    open: Vec<Open>,
    out: Checked,
}

/// An element that was opened.
struct Open {
    element: &'static Element,
    line: usize,
    /// `<filesystem name=X>`, for the texts.
    label: Option<String>,
    /// Place in the sequence, and how many stand there.
    place: usize,
    count: usize,
    /// Names seen so far, for a choice and for what came too late.
    seen: Vec<&'static str>,
    text: String,
    nil: bool,
}

impl Pass<'_> {
    fn run(&mut self) {
        let mut reader = Reader::from_str(self.source);
        let mut skipping = 0usize;
        let mut root_seen = false;
        loop {
            let start = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => {
                    let at = usize::try_from(reader.error_position()).unwrap_or(start);
                    let line = self.line(at);
                    self.tell(line, format!("not well-formed XML: {error}"), true);
                    return;
                }
            };
            if self.out.problems.len() >= MAX_PROBLEMS {
                self.out.broken = true;
                return;
            }
            match event {
                Event::Start(_) if skipping > 0 => {
                    skipping += 1;
                    if skipping > MAX_DEPTH {
                        let line = self.line(start);
                        self.tell(line, "elements are nested too deeply".to_owned(), true);
                        return;
                    }
                }
                Event::End(_) if skipping > 0 => skipping -= 1,
                _ if skipping > 0 && !matches!(event, Event::Eof) => {}
                Event::Start(tag) => {
                    let line = self.line(start);
                    if !self.start(&tag, line, &mut root_seen) {
                        skipping = 1;
                    }
                }
                Event::Empty(tag) => {
                    let line = self.line(start);
                    if self.start(&tag, line, &mut root_seen) {
                        self.end();
                    }
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.text(&text.xml10_content(), start),
                Event::CData(text) => self.text(&text.xml10_content(), start),
                Event::GeneralRef(reference) => {
                    let resolved = match reference.resolve_char_ref() {
                        Ok(Some(c)) => Some(c.to_string()),
                        Ok(None) => {
                            quick_xml::escape::resolve_xml_entity(&reference.xml10_content())
                                .map(str::to_owned)
                        }
                        Err(_) => None,
                    };
                    match resolved {
                        Some(text) => self.text(&text, start),
                        None => {
                            let line = self.line(start);
                            let name = reference.xml10_content().into_owned();
                            self.tell(line, format!("unknown entity &{name};"), false);
                        }
                    }
                }
                Event::DocType(_) => {
                    let line = self.line(start);
                    let text = "<!DOCTYPE> is not taken here: take it out".to_owned();
                    self.tell(line, text, true);
                    return;
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if !root_seen {
            self.tell(
                1,
                "expected <namespace version=\"1.5.0\">, found no element".to_owned(),
                true,
            );
        } else if let Some(open) = self.open.last() {
            let text = format!("<{}> is not closed", open.element.name);
            let line = open.line;
            self.tell(line, text, true);
        }
    }

    /// Lines are asked for in the order of the file, so counting goes on where it stopped.
    fn line(&mut self, offset: usize) -> usize {
        let (from, line) = self.counted;
        if offset < from {
            self.counted = (0, 1);
            return self.line(offset);
        }
        let bytes = self.source.as_bytes();
        let end = offset.min(bytes.len());
        let more = bytes[from..end].iter().filter(|byte| **byte == b'\n').count();
        self.counted = (end, line + more);
        line + more
    }

    fn tell(&mut self, line: usize, text: String, broken: bool) {
        let label = self.open.iter().rev().find_map(|open| open.label.as_deref());
        let text = match label {
            Some(label) => format!("{label}: {text}"),
            None => text,
        };
        self.out.problems.push((line, text));
        self.out.broken |= broken;
    }

    /// True when the element is entered; else it is to be skipped.
    fn start(&mut self, tag: &BytesStart<'_>, line: usize, root_seen: &mut bool) -> bool {
        let name = tag.name().into_inner().to_owned();
        let element = if self.open.is_empty() {
            if *root_seen || name != NAMESPACE.name {
                let text = if *root_seen {
                    format!("expected nothing after </namespace>, found <{name}>")
                } else {
                    format!("expected <namespace version=\"1.5.0\">, found <{name}>")
                };
                *root_seen = true;
                self.tell(line, text, true);
                return false;
            }
            *root_seen = true;
            &NAMESPACE
        } else {
            match self.place(&name, line) {
                Some(element) => element,
                None => return false,
            }
        };
        let _ = write!(self.out.copy, "<{name} line=\"{line}\"");
        let (label, nil) = self.attributes(element, tag, line);
        self.out.copy.push('>');
        self.open.push(Open {
            element,
            line,
            label,
            place: 0,
            count: 0,
            seen: Vec::new(),
            text: String::new(),
            nil,
        });
        true
    }

    /// Finds `name` among what the open element may hold, and tells what is out of order.
    fn place(&mut self, name: &str, line: usize) -> Option<&'static Element> {
        let open = self.open.last_mut()?;
        let holder = open.element.name;
        let (complaint, element) = match &open.element.content {
            Content::Text(_) | Content::Nothing => {
                (Some(format!("<{holder}> holds no elements, found <{name}>")), None)
            }
            Content::Choice(options) => {
                let found = options.iter().find(|option| option.name == name).copied();
                let names: Vec<_> = options.iter().map(|o| format!("<{}>", o.name)).collect();
                let complaint = match found {
                    None => Some(format!(
                        "expected {} in <{holder}>, found <{name}>",
                        names.join(" or ")
                    )),
                    Some(_) if !open.seen.is_empty() => {
                        Some(format!("<{holder}> holds one of {}, found more", names.join(", ")))
                    }
                    Some(element) => {
                        open.seen.push(element.name);
                        None
                    }
                };
                (complaint, found)
            }
            Content::Sequence(children) => {
                let found = children.iter().position(|child| child.element.name == name);
                match found {
                    None => {
                        let names = children.iter().map(|child| child.element.name);
                        let hint = match nearest(name, names) {
                            Some(near) => format!("did you mean <{near}>?"),
                            None => expectation(open),
                        };
                        (Some(format!("unknown element <{name}> in <{holder}>: {hint}")), None)
                    }
                    Some(at) => {
                        let element = children[at].element;
                        let complaint = if at > open.place || open.seen.is_empty() {
                            let skipped = (open.place..at).find(|i| {
                                children[*i].min > 0 && !(*i == open.place && open.count > 0)
                            });
                            let complaint = skipped.map(|i| {
                                let after = match open.seen.last() {
                                    Some(last) => format!("after <{last}>"),
                                    None => format!("first in <{holder}>"),
                                };
                                let wanted = children[i].element.name;
                                format!("expected <{wanted}> {after}, found <{name}>")
                            });
                            (open.place, open.count) = (at, 1);
                            complaint
                        } else if at == open.place {
                            open.count += 1;
                            (open.count > children[at].max)
                                .then(|| format!("more than one <{name}> in <{holder}>"))
                        } else if open.seen.contains(&element.name) && children[at].max == 1 {
                            Some(format!("more than one <{name}> in <{holder}>"))
                        } else {
                            let last = open.seen.last().copied().unwrap_or(holder);
                            Some(format!("<{name}> stands too late: it belongs before <{last}>"))
                        };
                        open.seen.push(element.name);
                        (complaint, Some(element))
                    }
                }
            }
        };
        if let Some(text) = complaint {
            self.tell(line, text, true);
        }
        element
    }

    /// Checks and copies the attributes; the label of a named element, and `xsi:nil`.
    fn attributes(
        &mut self,
        element: &'static Element,
        tag: &BytesStart<'_>,
        line: usize,
    ) -> (Option<String>, bool) {
        let (mut label, mut nil) = (None, false);
        let mut seen: Vec<&str> = Vec::new();
        for attribute in tag.attributes() {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => {
                    self.tell(line, format!("<{}>: bad attribute: {error}", element.name), true);
                    continue;
                }
            };
            let key = attribute.key.into_inner();
            let Ok(value) = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0) else {
                self.tell(line, format!("<{}>: {key}: unknown entity", element.name), false);
                continue;
            };
            let value = value.trim();
            if key == "xsi:nil" && matches!(value, "true" | "1") {
                nil = true;
                if !element.nillable {
                    let text = format!("<{}> may not be nil: give it a value", element.name);
                    self.tell(line, text, false);
                }
                continue;
            }
            if key == "xmlns" || ["xmlns:", "xsi:", "xml:"].iter().any(|p| key.starts_with(p)) {
                continue;
            }
            let Some(known) = element.attributes.iter().find(|known| known.name == key) else {
                let names = element.attributes.iter().map(|known| known.name);
                let hint = match nearest(key, names.clone()) {
                    Some(near) => format!(": did you mean {near}?"),
                    None => match names.collect::<Vec<_>>().join(", ") {
                        none if none.is_empty() => ": it has none".to_owned(),
                        all => format!(": expected {all}"),
                    },
                };
                let text = format!("unknown attribute {key:?} of <{}>{hint}", element.name);
                self.tell(line, text, false);
                continue;
            };
            seen.push(known.name);
            if known.name == "name" {
                let short: String = value.chars().take(80).collect();
                label = Some(format!("<{} name={short}>", element.name));
            }
            match known.value.check(value) {
                Ok(()) => {
                    let escaped = quick_xml::escape::escape(value);
                    let _ = write!(self.out.copy, " {key}=\"{escaped}\"");
                }
                Err(text) => {
                    self.tell(line, format!("<{} {key}>: {text}", element.name), false);
                }
            }
        }
        for known in element.attributes.iter().filter(|known| known.required) {
            if !seen.contains(&known.name) {
                let text = format!("<{}> lacks the attribute {}", element.name, known.name);
                self.tell(line, text, false);
            }
        }
        (label, nil)
    }

    fn text(&mut self, text: &str, offset: usize) {
        let blank = text.trim().is_empty();
        match self.open.last_mut() {
            Some(open) if matches!(open.element.content, Content::Text(_)) => {
                open.text.push_str(text);
            }
            _ if blank => {}
            holder => {
                let place = match holder {
                    Some(open) => format!("in <{}>", open.element.name),
                    None => "outside <namespace>".to_owned(),
                };
                let lead = text.len() - text.trim_start().len();
                let line = self.line(offset + lead);
                let found: String = text.trim().chars().take(40).collect();
                self.tell(
                    line,
                    format!("expected elements {place}, found the text {found:?}"),
                    true,
                );
            }
        }
    }

    fn end(&mut self) {
        let Some(open) = self.open.last() else { return };
        let (element, line) = (open.element, open.line);
        let mut complaint = None;
        match &element.content {
            Content::Text(value) => {
                let text = open.text.trim();
                if open.nil && element.nillable {
                    // Not given: the copy's empty text says the same.
                } else if let Err(why) = value.check(text) {
                    complaint = Some((format!("<{}>: {why}", element.name), false));
                } else {
                    self.out.copy.push_str(&quick_xml::escape::escape(text));
                }
            }
            Content::Sequence(children) => {
                let missing = (open.place..children.len())
                    .filter(|i| children[*i].min > 0 && !(*i == open.place && open.count > 0))
                    .map(|i| format!("<{}>", children[i].element.name))
                    .collect::<Vec<_>>();
                if !missing.is_empty() {
                    let text = format!("<{}> lacks {}", element.name, missing.join(", "));
                    complaint = Some((text, true));
                }
            }
            Content::Choice(options) => {
                if open.seen.is_empty() {
                    let names: Vec<_> = options.iter().map(|o| format!("<{}>", o.name)).collect();
                    let text = format!("<{}> lacks {}", element.name, names.join(" or "));
                    complaint = Some((text, true));
                }
            }
            Content::Nothing => {}
        }
        if let Some((text, broken)) = complaint {
            self.tell(line, text, broken);
        }
        let _ = write!(self.out.copy, "</{}>", element.name);
        self.open.pop();
    }
}

/// What may come next in a sequence.
fn expectation(open: &Open) -> String {
    let Content::Sequence(children) = &open.element.content else { return String::new() };
    let next = children
        .iter()
        .enumerate()
        .skip(open.place)
        .find(|(i, child)| child.min > 0 && !(*i == open.place && open.count > 0));
    match (next, open.seen.last()) {
        (Some((_, child)), Some(last)) => {
            format!("expected <{}> after <{last}>", child.element.name)
        }
        (Some((_, child)), None) => format!("expected <{}>", child.element.name),
        (None, _) => "nothing more is expected".to_owned(),
    }
}
