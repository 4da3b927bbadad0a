//! Reads the access lines out of stormd's log: one per request, `key=value` text.

use std::collections::BTreeMap;

/// The fields of a line. A value may hold blanks, so a line is cut at the names of the fields.
const FIELDS: &[&str] = &[
    "id",
    "peer",
    "port",
    "dn",
    "fqan",
    "proxy",
    "tls",
    "gsi",
    "delegated",
    "op",
    "target",
    "status",
    "why",
    "bytes_in",
    "bytes_out",
    "whole",
    "ms",
];

/// One request.
#[derive(Clone, Debug)]
pub struct Access(BTreeMap<&'static str, String>);

impl Access {
    /// A field; empty when it is absent.
    pub fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    /// End entity's DN.
    pub fn dn(&self) -> &str {
        self.get("dn")
    }

    /// `TLSv1.2` or `TLSv1.3`.
    pub fn tls(&self) -> &str {
        self.get("tls")
    }

    /// Operation: `srmLs`, `PUT` and so on.
    pub fn op(&self) -> &str {
        self.get("op")
    }

    /// SURL, path or token.
    pub fn target(&self) -> &str {
        self.get("target")
    }

    /// `true` in a yes/no field.
    pub fn is(&self, field: &str) -> bool {
        self.get(field) == "true"
    }
}

/// The access line in `line`, if it is one.
pub fn parse(line: &str) -> Option<Access> {
    let line = without_colour(line);
    let at = line.find(" access:").or_else(|| line.find("access "))?;
    let text = &line[at..];
    // Where each field's name begins; only the first of a name counts, so that a target cannot
    // bring in a second one.
    let mut starts: Vec<(usize, &'static str)> = FIELDS
        .iter()
        .filter_map(|field| text.find(&format!(" {field}=")).map(|at| (at, *field)))
        .collect();
    starts.sort_unstable();
    let mut fields = BTreeMap::new();
    for (i, (at, field)) in starts.iter().enumerate() {
        let end = starts.get(i + 1).map_or(text.len(), |next| next.0);
        let value = text[at + field.len() + 2..end].trim();
        fields.insert(*field, unquoted(value));
    }
    (fields.contains_key("op") && fields.contains_key("id")).then_some(Access(fields))
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => value
            .strip_prefix("Some(\"")
            .and_then(|v| v.strip_suffix("\")"))
            .unwrap_or(value)
            .to_owned(),
    }
}

fn without_colour(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // ESC [ … letter
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            out.push(c);
        }
    }
    out
}
