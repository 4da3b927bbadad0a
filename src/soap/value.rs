//! How one value is read, and what the WSDL says of it. `wire!` builds the structures from these.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use quick_xml::events::BytesStart;

use super::cursor::{Cursor, MAX_ITEMS};
use super::fault::SoapFault;
use super::text::push_text;

/// Longest text, in bytes: texts are kept with their request, and come back with its answers.
const MAX_TEXT: usize = 64 * 1024;

/// One field of a structure, as the WSDL declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    /// Element name.
    pub name: &'static str,
    /// Qualified XSD type: `xsd:int`, `impl:TReturnStatus`.
    pub xsd: &'static str,
    /// `minOccurs`: 0 or 1.
    pub min: u8,
    /// `nillable`.
    pub nillable: bool,
    /// `maxOccurs="unbounded"`.
    pub many: bool,
}

/// One structure, as the WSDL declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeInfo {
    /// Type name.
    pub name: &'static str,
    /// In the order of the wire.
    pub fields: &'static [FieldInfo],
}

/// A type that stands in one element.
pub(crate) trait Value: Sized {
    /// Qualified XSD type.
    const XSD: &'static str;

    /// Reads the element that was entered last: see [`Read`](super::cursor::Read).
    fn read(cursor: &mut Cursor<'_>, name: &'static str) -> Result<Option<Self>, SoapFault>;

    /// Writes what stands in the element.
    fn write(&self, out: &mut String);

    /// What an absent or empty element means where the WSDL demands one; `None` where nothing can
    /// be meant.
    fn absent() -> Option<Self> {
        None
    }
}

/// A field of a structure: one value, an `Option` of one, or a `Vec` of them.
pub(crate) trait Slot: Sized {
    /// What has been read so far.
    type Partial: Default;
    /// Qualified XSD type of the element.
    const XSD: &'static str;
    /// `minOccurs`.
    const MIN: u8;
    /// `nillable`.
    const NILLABLE: bool;
    /// `maxOccurs="unbounded"`.
    const MANY: bool;

    /// Reads the element `tag` into `partial`.
    fn take(
        partial: &mut Self::Partial,
        cursor: &mut Cursor<'_>,
        tag: &BytesStart<'_>,
        name: &'static str,
    ) -> Result<(), SoapFault>;

    /// All children are read. `None` when the field is missing (noted in [`Cursor::problem`]).
    fn finish(partial: Self::Partial, cursor: &mut Cursor<'_>, name: &'static str) -> Option<Self>;

    /// The field of a structure that is empty as a whole.
    fn absent() -> Option<Self>;

    /// Writes an element for each value.
    fn put(&self, out: &mut String, name: &str);
}

/// Writes `<name>value</name>`.
pub(crate) fn put_element<T: Value>(out: &mut String, name: &str, value: &T) {
    for part in ["<", name, ">"] {
        out.push_str(part);
    }
    value.write(out);
    for part in ["</", name, ">"] {
        out.push_str(part);
    }
}

impl<T: Value> Slot for T {
    type Partial = Option<T>;
    const XSD: &'static str = <T as Value>::XSD;
    const MIN: u8 = 1;
    const NILLABLE: bool = false;
    const MANY: bool = false;

    fn take(
        partial: &mut Option<T>,
        cursor: &mut Cursor<'_>,
        tag: &BytesStart<'_>,
        name: &'static str,
    ) -> Result<(), SoapFault> {
        *partial = cursor.value(tag, name, T::read)?;
        Ok(())
    }

    fn finish(partial: Option<T>, cursor: &mut Cursor<'_>, name: &'static str) -> Option<T> {
        let value = partial.or_else(<T as Value>::absent);
        if value.is_none() {
            cursor.problem(|| format!("{name} is missing or empty"));
        }
        value
    }

    fn absent() -> Option<T> {
        <T as Value>::absent()
    }

    fn put(&self, out: &mut String, name: &str) {
        put_element(out, name, self);
    }
}

impl<T: Value> Slot for Option<T> {
    type Partial = Option<T>;
    const XSD: &'static str = <T as Value>::XSD;
    const MIN: u8 = 0;
    const NILLABLE: bool = true;
    const MANY: bool = false;

    fn take(
        partial: &mut Option<T>,
        cursor: &mut Cursor<'_>,
        tag: &BytesStart<'_>,
        name: &'static str,
    ) -> Result<(), SoapFault> {
        *partial = cursor.value(tag, name, T::read)?;
        Ok(())
    }

    fn finish(partial: Option<T>, _: &mut Cursor<'_>, _: &'static str) -> Option<Option<T>> {
        Some(partial)
    }

    fn absent() -> Option<Option<T>> {
        Some(None)
    }

    fn put(&self, out: &mut String, name: &str) {
        if let Some(value) = self {
            put_element(out, name, value);
        }
    }
}

impl<T: Value> Slot for Vec<T> {
    type Partial = Vec<T>;
    const XSD: &'static str = <T as Value>::XSD;
    const MIN: u8 = 1;
    const NILLABLE: bool = true;
    const MANY: bool = true;

    fn take(
        partial: &mut Vec<T>,
        cursor: &mut Cursor<'_>,
        tag: &BytesStart<'_>,
        name: &'static str,
    ) -> Result<(), SoapFault> {
        if partial.len() >= MAX_ITEMS {
            cursor.problem(|| {
                format!("there are more than {MAX_ITEMS} {name}: ask for fewer at a time")
            });
            return cursor.skip();
        }
        // An empty item keeps its place: answers come in the order of the request.
        match cursor.value(tag, name, T::read)?.or_else(<T as Value>::absent) {
            Some(value) => partial.push(value),
            None => cursor.problem(|| format!("{name} is empty")),
        }
        Ok(())
    }

    fn finish(partial: Vec<T>, _: &mut Cursor<'_>, _: &'static str) -> Option<Vec<T>> {
        Some(partial)
    }

    fn absent() -> Option<Vec<T>> {
        Some(Vec::new())
    }

    fn put(&self, out: &mut String, name: &str) {
        for value in self {
            put_element(out, name, value);
        }
    }
}

impl Value for String {
    const XSD: &'static str = "xsd:string";

    fn read(cursor: &mut Cursor<'_>, name: &'static str) -> Result<Option<Self>, SoapFault> {
        let text = cursor.text()?;
        if text.len() > MAX_TEXT {
            cursor.problem(|| format!("{name} is longer than {MAX_TEXT} bytes"));
            return Ok(None);
        }
        Ok((!text.is_empty()).then(|| text.into_owned()))
    }

    fn write(&self, out: &mut String) {
        push_text(out, self);
    }

    fn absent() -> Option<Self> {
        Some(String::new())
    }
}

impl Value for bool {
    const XSD: &'static str = "xsd:boolean";

    fn read(cursor: &mut Cursor<'_>, name: &'static str) -> Result<Option<Self>, SoapFault> {
        scalar(cursor, name, "true or false", |text| match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }

    fn absent() -> Option<Self> {
        Some(false)
    }
}

impl Value for i32 {
    const XSD: &'static str = "xsd:int";

    fn read(cursor: &mut Cursor<'_>, name: &'static str) -> Result<Option<Self>, SoapFault> {
        scalar(cursor, name, "a whole number of 32 bits", |text| text.parse().ok())
    }

    fn write(&self, out: &mut String) {
        put_number(out, self);
    }
}

impl Value for u64 {
    const XSD: &'static str = "xsd:unsignedLong";

    fn read(cursor: &mut Cursor<'_>, name: &'static str) -> Result<Option<Self>, SoapFault> {
        scalar(cursor, name, "a whole number from 0 to 18446744073709551615", |text| {
            text.parse().ok()
        })
    }

    fn write(&self, out: &mut String) {
        put_number(out, self);
    }
}

fn put_number(out: &mut String, number: &impl Display) {
    // A String takes everything.
    let _ = write!(out, "{number}");
}

/// Reads an element that holds one word; notes a problem when `parse` does not take it.
pub(crate) fn scalar<T>(
    cursor: &mut Cursor<'_>,
    name: &'static str,
    wanted: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, SoapFault> {
    let text: Cow<'_, str> = cursor.text()?;
    let word = text.trim_ascii();
    if word.is_empty() {
        return Ok(None);
    }
    let value = parse(word);
    if value.is_none() {
        let shown: String = word.chars().take(64).collect();
        cursor.problem(|| format!("{name} is {shown:?}: {wanted} was expected"));
    }
    Ok(value)
}
