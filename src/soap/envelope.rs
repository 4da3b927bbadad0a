//! The envelope, both ways: which operation a message calls and with what, and how an answer is
//! wrapped. No I/O here, and nothing of the core.

use std::borrow::Cow;
use std::sync::LazyLock;

use quick_xml::events::{BytesStart, Event};

use super::cursor::{Cursor, REQUEST_DEPTH, bad_attribute};
use super::fault::SoapFault;
use super::operation::{Call, Operation, Reply};
use super::text::push_text;

/// The namespace of SRM v2.2.
pub const SRM_NAMESPACE: &str = "http://srm.lbl.gov/StorageResourceManager";
/// SOAP 1.1: what we speak.
pub const SOAP_NAMESPACE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// SOAP encoding (SOAP 1.1, section 5).
pub const ENCODING_NAMESPACE: &str = "http://schemas.xmlsoap.org/soap/encoding/";
/// SOAP 1.2: understood, answered in 1.1.
const SOAP12_NAMESPACE: &str = "http://www.w3.org/2003/05/soap-envelope";

/// Answers nest listings, so that a client reads deeper than a server does.
const ANSWER_DEPTH: usize = 1024;

/// A request that was understood as far as its operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// What is called.
    pub operation: Operation,
    /// With what; or the element that does not parse, in words for people.
    pub call: Result<Call, String>,
}

/// Reads a request. What is not well-formed, too deep, or calls nothing we know is a fault; a bad
/// value is not (see [`Decoded::call`]). The caller has bounded the size.
pub fn decode(body: &[u8]) -> Result<Decoded, SoapFault> {
    let mut cursor = Cursor::new(utf8(body)?, REQUEST_DEPTH)?;
    let mut call = None;
    let operation = open(&mut cursor, |name, cursor, tag| {
        let operation = Operation::parse(name).ok_or_else(|| unknown_operation(name))?;
        call = Call::read(operation, cursor, tag)?;
        Ok(operation)
    })?;
    let call = match (cursor.take_problem(), call) {
        (None, Some(call)) => Ok(call),
        (problem, _) => Err(problem.unwrap_or_else(|| "the request is empty".to_owned())),
    };
    Ok(Decoded { operation, call })
}

/// Reads the answer to `operation`. A fault in the message, and an answer that makes no sense, come
/// back as `Err`.
pub fn decode_reply(operation: Operation, body: &[u8]) -> Result<Reply, SoapFault> {
    let mut cursor = Cursor::new(utf8(body)?, ANSWER_DEPTH)?;
    let mut reply = None;
    open(&mut cursor, |name, cursor, tag| {
        if name != operation.response_name() {
            let wanted = operation.response_name();
            let name: String = name.chars().take(64).collect();
            return Err(SoapFault::server(format!("{wanted} was expected, {name} came")));
        }
        reply = Reply::read(operation, cursor, tag)?;
        Ok(())
    })?;
    match (cursor.take_problem(), reply) {
        (None, Some(reply)) => Ok(reply),
        (problem, _) => Err(SoapFault::server(problem.unwrap_or_default())),
    }
}

/// Writes an answer.
pub fn encode(reply: &Reply) -> Vec<u8> {
    wrap(reply.operation().response_name(), |out| reply.write(out))
}

/// Writes a request.
pub fn encode_call(call: &Call) -> Vec<u8> {
    wrap(call.operation().name(), |out| call.write(out))
}

/// Writes a fault (SOAP 1.1, section 4.4).
pub fn encode_fault(fault: &SoapFault) -> Vec<u8> {
    let mut out = envelope_head();
    out.push_str("<SOAP-ENV:Fault><faultcode>SOAP-ENV:");
    out.push_str(fault.code.as_str());
    out.push_str("</faultcode><faultstring>");
    push_text(&mut out, &fault.text);
    out.push_str("</faultstring></SOAP-ENV:Fault>");
    out.push_str(ENVELOPE_TAIL);
    out.into_bytes()
}

fn utf8(body: &[u8]) -> Result<&str, SoapFault> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        SoapFault::client(format!("the message is not UTF-8 at byte {at}"))
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn unknown_operation(name: &str) -> SoapFault {
    let name: String = name.chars().take(64).collect();
    SoapFault::client(format!("{name} is no operation of SRM v2.2"))
}

/// Walks through a whole message: `read` is called inside the first child of the Body with its
/// local name and its accessor's tag, if any. The rest is checked too, so that nothing is done for
/// a message that was cut off.
fn open<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl FnOnce(&str, &mut Cursor<'a>, Option<&BytesStart<'a>>) -> Result<T, SoapFault>,
) -> Result<T, SoapFault> {
    let envelope = root(cursor)?;
    let soap = namespace(&[&envelope])?;
    let known = [SOAP_NAMESPACE, SOAP12_NAMESPACE].into_iter().find(|known| *known == soap);
    let (Some(soap), "Envelope") = (known, envelope.local_name().as_ref()) else {
        return Err(SoapFault::client("this is no SOAP message: a SOAP 1.1 Envelope was expected"));
    };
    let body = loop {
        let child =
            cursor.child()?.ok_or_else(|| SoapFault::client("the SOAP Envelope holds no Body"))?;
        if child.local_name().as_ref() == "Body" && namespace(&[&envelope, &child])? == soap {
            break child;
        }
        cursor.skip()?;
    };
    let tag = cursor.child()?.ok_or_else(|| {
        SoapFault::client("the SOAP Body is empty: an operation of SRM v2.2 was expected")
    })?;
    let scope = [&envelope, &body, &tag];
    let name = tag.local_name();
    let name = name.as_ref();
    let space = namespace(&scope)?;
    if name == "Fault" && space == soap {
        return Err(read_fault(cursor)?);
    }
    if space != SRM_NAMESPACE {
        let (name, space): (String, String) =
            (name.chars().take(64).collect(), space.chars().take(128).collect());
        return Err(SoapFault::client(format!(
            "{name} is in the namespace {space:?}: {SRM_NAMESPACE:?} was expected (SRM v2.2)"
        )));
    }
    let accessor = cursor.child()?;
    let value = read(name, cursor, accessor.as_ref())?;
    if accessor.is_some() {
        while cursor.child()?.is_some() {
            cursor.skip()?;
        }
    }
    // Behind the operation: what it refers to (multiRef), and no second operation.
    while let Some(more) = cursor.child()? {
        let referred =
            more.attributes().with_checks(false).flatten().any(|a| a.key.as_ref() == "id");
        if !referred {
            return Err(SoapFault::client("the SOAP Body holds more than one operation"));
        }
        cursor.skip()?;
    }
    while cursor.child()?.is_some() {
        cursor.skip()?;
    }
    end(cursor)?;
    Ok(value)
}

/// The first element.
fn root<'a>(cursor: &mut Cursor<'a>) -> Result<BytesStart<'a>, SoapFault> {
    loop {
        match cursor.event()? {
            Event::Start(tag) => return Ok(tag),
            Event::Text(text) if text.trim_ascii().is_empty() => {}
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => return Err(SoapFault::client("the message is empty")),
            _ => return Err(SoapFault::client("this is no SOAP message: it begins with text")),
        }
    }
}

/// Nothing may stand behind the Envelope.
fn end(cursor: &mut Cursor<'_>) -> Result<(), SoapFault> {
    loop {
        match cursor.event()? {
            Event::Eof => return Ok(()),
            Event::Text(text) if text.trim_ascii().is_empty() => {}
            Event::Comment(_) | Event::PI(_) => {}
            _ => return Err(SoapFault::client("something stands behind the SOAP Envelope")),
        }
    }
}

/// The namespace of the innermost tag of `scope`, or "" for none.
fn namespace<'t>(scope: &[&'t BytesStart<'_>]) -> Result<Cow<'t, str>, SoapFault> {
    let Some(tag) = scope.last() else { return Ok(Cow::Borrowed("")) };
    let name = tag.name();
    let prefix = name.prefix();
    for tag in scope.iter().rev() {
        // Unchecked: looking for doubles takes quadratic time.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| bad_attribute(tag, &error))?;
            let declares = match (&prefix, attribute.key.prefix()) {
                (None, None) => attribute.key.as_ref() == "xmlns",
                (Some(prefix), Some(xmlns)) => {
                    xmlns.as_ref() == "xmlns"
                        && attribute.key.local_name().as_ref() == prefix.as_ref()
                }
                _ => false,
            };
            if declares {
                return Ok(attribute.value);
            }
        }
    }
    match prefix {
        None => Ok(Cow::Borrowed("")),
        Some(prefix) => {
            let prefix: String = prefix.as_ref().chars().take(64).collect();
            Err(SoapFault::client(format!("the namespace prefix {prefix} is not declared")))
        }
    }
}

/// The text of a fault that the other side sent.
fn read_fault(cursor: &mut Cursor<'_>) -> Result<SoapFault, SoapFault> {
    let mut fault = SoapFault::server("a SOAP fault without words");
    while let Some(tag) = cursor.child()? {
        match tag.local_name().as_ref() {
            "faultcode" if cursor.text()?.ends_with("Client") => {
                fault.code = super::FaultCode::Client;
            }
            "faultcode" => {}
            "faultstring" => fault.text = cursor.text()?.into_owned(),
            _ => cursor.skip()?,
        }
    }
    Ok(fault)
}

const ENVELOPE_TAIL: &str = "</SOAP-ENV:Body></SOAP-ENV:Envelope>";

fn envelope_head() -> String {
    static HEAD: LazyLock<String> = LazyLock::new(|| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><SOAP-ENV:Envelope \
             xmlns:SOAP-ENV=\"{SOAP_NAMESPACE}\" xmlns:SOAP-ENC=\"{ENCODING_NAMESPACE}\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><SOAP-ENV:Body>"
        )
    });
    // Room for a short answer; from 1 KiB on, glibc's malloc takes a slower way.
    let mut out = String::with_capacity(1000);
    out.push_str(&HEAD);
    out
}

/// The envelope around one element `srm:<name>`.
fn wrap(name: &str, content: impl FnOnce(&mut String)) -> Vec<u8> {
    static ATTRIBUTES: LazyLock<String> = LazyLock::new(|| {
        format!(" xmlns:srm=\"{SRM_NAMESPACE}\" SOAP-ENV:encodingStyle=\"{ENCODING_NAMESPACE}\">")
    });
    let mut out = envelope_head();
    for part in ["<srm:", name, &ATTRIBUTES] {
        out.push_str(part);
    }
    content(&mut out);
    for part in ["</srm:", name, ">", ENVELOPE_TAIL] {
        out.push_str(part);
    }
    out.into_bytes()
}
