//! The bounded walk over a document that somebody else wrote: one pass, no recursion that the
//! document could drive deeper than a limit, no allocation per event.
//!
//! Typed reading (`value.rs`) asks this cursor for the next child and for an element's text. A value
//! that does not parse is no reason to stop: the first such problem is kept in [`Cursor::problem`],
//! so that the answer can be the operation's own.

use std::borrow::Cow;
use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::fault::SoapFault;
use super::text::is_xml_char;

/// Elements inside one another that a request may have. The deepest lawful one has nine.
pub(crate) const REQUEST_DEPTH: usize = 32;

/// Items that one list may have: the memory a message takes is a small multiple of its size. The
/// core has its own, lower limit for files.
pub(crate) const MAX_ITEMS: usize = 100_000;

/// How many times the message's own size its references may make us read.
const REFERENCE_FACTOR: usize = 4;

/// Where the walk stands.
pub(crate) struct Cursor<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    max_depth: usize,
    targets: HashMap<&'a str, Target<'a>>,
    /// Bytes that references may still make us read.
    budget: usize,
    problem: Option<String>,
}

/// Reads the rest of the element that was entered last, up to its end; it is told the element's name.
/// `None` when it is empty, or when it does not parse (noted in [`Cursor::problem`]).
pub(crate) type Read<T> = fn(&mut Cursor<'_>, &'static str) -> Result<Option<T>, SoapFault>;

/// An element with an `id`.
struct Target<'a> {
    /// From its start tag to its end tag.
    text: &'a str,
    /// It is being read: a reference to it from within would be a circle.
    open: bool,
}

/// What an element's attributes say about its value.
enum Marks<'t> {
    Plain,
    Nil,
    Href(Cow<'t, str>),
}

impl<'a> Cursor<'a> {
    /// At the start of `text`.
    pub(crate) fn new(text: &'a str, max_depth: usize) -> Result<Self, SoapFault> {
        // Most clients send no reference: only a document that holds the word is searched for
        // targets.
        let targets =
            if text.contains("href") { targets(text, max_depth)? } else { HashMap::new() };
        let budget = text.len().saturating_mul(REFERENCE_FACTOR);
        Ok(Self { reader: reader(text), depth: 0, max_depth, targets, budget, problem: None })
    }

    /// The first value that did not parse, in words for people.
    pub(crate) fn take_problem(&mut self) -> Option<String> {
        self.problem.take()
    }

    /// Notes a value that does not parse; only the first is kept.
    pub(crate) fn problem(&mut self, text: impl FnOnce() -> String) {
        if self.problem.is_none() {
            self.problem = Some(text());
        }
    }

    /// The next child of the element that was entered last, or `None` at its end. Text between
    /// children is passed over.
    pub(crate) fn child(&mut self) -> Result<Option<BytesStart<'a>>, SoapFault> {
        loop {
            match self.event()? {
                Event::Start(tag) => return Ok(Some(tag)),
                Event::End(_) => return Ok(None),
                Event::Eof => return Err(cut_off()),
                _ => {}
            }
        }
    }

    /// Passes over the rest of the element that was entered last.
    pub(crate) fn skip(&mut self) -> Result<(), SoapFault> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if matches!(self.event()?, Event::Eof) {
                return Err(cut_off());
            }
        }
        Ok(())
    }

    /// The text of the element that was entered last, up to its end; children are passed over.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, SoapFault> {
        let mut text = Cow::Borrowed("");
        loop {
            let piece = match self.event()? {
                Event::Text(piece) => piece.xml10_content(),
                Event::CData(piece) => piece.xml10_content(),
                Event::GeneralRef(entity) => {
                    text.to_mut().push(resolve(&entity)?);
                    continue;
                }
                Event::Start(_) => {
                    self.skip()?;
                    continue;
                }
                Event::End(_) => return Ok(text),
                Event::Eof => return Err(cut_off()),
                _ => continue,
            };
            if text.is_empty() {
                text = piece;
            } else {
                text.to_mut().push_str(&piece);
            }
        }
    }

    /// Reads the element `tag`, whose start was just passed, by `read`. `None` when it is empty or
    /// `xsi:nil`. Follows `href`.
    pub(crate) fn value<T>(
        &mut self,
        tag: &BytesStart<'_>,
        name: &'static str,
        read: Read<T>,
    ) -> Result<Option<T>, SoapFault> {
        if tag.attributes_raw().is_empty() {
            return read(self, name);
        }
        match marks(tag)? {
            Marks::Plain => read(self, name),
            Marks::Nil => {
                self.skip()?;
                Ok(None)
            }
            Marks::Href(href) => {
                self.skip()?;
                self.follow(&href, name, read)
            }
        }
    }

    /// The next event, or `Eof`; keeps count of the depth.
    pub(crate) fn event(&mut self) -> Result<Event<'a>, SoapFault> {
        let event = self.reader.read_event().map_err(|error| {
            let at = self.reader.error_position();
            SoapFault::client(format!("the message is not well-formed XML at byte {at}: {error}"))
        })?;
        match &event {
            Event::Start(_) => self.deeper()?,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => {
                return Err(SoapFault::client("a SOAP message must not hold a DOCTYPE"));
            }
            Event::GeneralRef(entity) => {
                resolve(entity)?;
            }
            _ => {}
        }
        Ok(event)
    }

    fn deeper(&mut self) -> Result<(), SoapFault> {
        self.depth += 1;
        if self.depth > self.max_depth {
            let max = self.max_depth;
            return Err(SoapFault::client(format!(
                "the message nests elements more than {max} deep: no SRM request needs that"
            )));
        }
        Ok(())
    }

    /// Reads the target of a reference in place of the element that holds it. gSOAP writes a value
    /// once and refers to it from each place (measured with 2.8.124), so a target may serve more
    /// than once; circles are refused, and what all references together make us read is bounded.
    fn follow<T>(
        &mut self,
        href: &str,
        name: &'static str,
        read: Read<T>,
    ) -> Result<Option<T>, SoapFault> {
        let refused = |why: &str| {
            let href: String = href.chars().take(64).collect();
            SoapFault::client(format!("{name} refers to {href:?}, which {why}"))
        };
        let id = href.strip_prefix('#').unwrap_or_default();
        let Some(target) = self.targets.get_mut(id) else {
            return Err(refused("is not in the message"));
        };
        if std::mem::replace(&mut target.open, true) {
            return Err(refused("is around it: the message refers in a circle"));
        }
        let text = target.text;
        let Some(budget) = self.budget.checked_sub(text.len()) else {
            return Err(refused("was used too often already"));
        };
        self.budget = budget;
        // A chain of references has a depth too.
        self.deeper()?;
        let outer = std::mem::replace(&mut self.reader, reader(text));
        let value = match self.child()? {
            Some(tag) => self.value(&tag, name, read)?,
            None => None,
        };
        self.reader = outer;
        self.depth = self.depth.saturating_sub(1);
        if let Some(target) = self.targets.get_mut(id) {
            target.open = false;
        }
        Ok(value)
    }
}

fn reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader
}

fn cut_off() -> SoapFault {
    SoapFault::client("the message ends in the middle: it was cut off on the way")
}

/// The character an entity stands for. None but the five of XML and the numbered ones exist here.
fn resolve(entity: &BytesRef<'_>) -> Result<char, SoapFault> {
    let known = match entity.resolve_char_ref() {
        Ok(Some(char)) => is_xml_char(char).then_some(char),
        Ok(None) => match entity.xml10_content().as_ref() {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => None,
        },
        Err(_) => None,
    };
    known.ok_or_else(|| {
        let name: String = entity.xml10_content().chars().take(32).collect();
        SoapFault::client(format!("&{name}; is no entity that a SOAP message may use"))
    })
}

/// Looks for `xsi:nil` and `href`; the rest (`xsi:type`, `SOAP-ENC:arrayType`, ...) says nothing
/// that is not known. Prefixes are not looked at.
fn marks<'t>(tag: &'t BytesStart<'_>) -> Result<Marks<'t>, SoapFault> {
    let mut marks = Marks::Plain;
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| bad_attribute(tag, &error))?;
        match attribute.key.local_name().as_ref() {
            "nil" | "null" if matches!(attribute.value.trim(), "true" | "1") => {
                return Ok(Marks::Nil);
            }
            "href" if attribute.key.prefix().is_none() => marks = Marks::Href(attribute.value),
            _ => {}
        }
    }
    Ok(marks)
}

/// A tag whose attributes cannot be read.
pub(crate) fn bad_attribute(tag: &BytesStart<'_>, error: &dyn std::fmt::Display) -> SoapFault {
    let name: String = tag.name().as_ref().chars().take(64).collect();
    SoapFault::client(format!("the attributes of {name} are not well-formed: {error}"))
}

/// Every element with an `id`, from its start tag to its end tag.
fn targets(text: &str, max_depth: usize) -> Result<HashMap<&str, Target<'_>>, SoapFault> {
    let mut found = HashMap::new();
    let mut walk = Cursor {
        reader: reader(text),
        depth: 0,
        max_depth,
        targets: HashMap::new(),
        budget: 0,
        problem: None,
    };
    let mut open: Vec<Option<(&str, usize)>> = Vec::with_capacity(max_depth);
    loop {
        let before = position(&walk.reader);
        match walk.event()? {
            Event::Start(tag) => open.push(id(&tag, text)?.map(|id| (id, before))),
            Event::End(_) => {
                let Some(Some((id, from))) = open.pop() else { continue };
                let part = text.get(from..position(&walk.reader)).unwrap_or_default();
                if found.insert(id, Target { text: part, open: false }).is_some() {
                    return Err(SoapFault::client("two elements of the message have the same id"));
                }
            }
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// The `id` of an element, as a piece of `text`.
fn id<'a>(tag: &BytesStart<'_>, text: &'a str) -> Result<Option<&'a str>, SoapFault> {
    if tag.attributes_raw().is_empty() {
        return Ok(None);
    }
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| bad_attribute(tag, &error))?;
        if attribute.key.as_ref() == "id" {
            return Ok(within(text, &attribute.value));
        }
    }
    Ok(None)
}

/// `part` as a piece of `whole`, when it lies in it: the reader's events borrow from the document,
/// but say so only for as long as they live themselves.
fn within<'a>(whole: &'a str, part: &str) -> Option<&'a str> {
    let from = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    whole.get(from..from.checked_add(part.len())?)
}
