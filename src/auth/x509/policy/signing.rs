//! Globus' signing policy (EACL): blocks of three lines.
//!
//! ```text
//! access_id_CA   X509    '/C=IT/O=Grid/CN=CA'
//! pos_rights     globus  CA:sign
//! cond_subjects  globus  '"/C=IT/O=Grid/*" "/C=IT/O=Other/*"'
//! ```

use super::{Fault, Issuer, Statement, Subject, issuer};
use crate::auth::dn::comparable_pattern;

/// Reads a whole file. The order of the lines is fixed; a block that is not whole is a fault.
pub(crate) fn parse(text: &str) -> Result<Vec<Statement>, Fault> {
    let mut statements = Vec::new();
    let mut block = Block::Access;
    let mut last = 1;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        last = at + 1;
        let fault = |text: String| Fault { line: at + 1, text };
        let (keyword, rest) = word(line);
        let (kind, value) = word(rest);
        let (wanted, wanted_kind) = block.wants();
        if !keyword.eq_ignore_ascii_case(wanted) || !kind.eq_ignore_ascii_case(wanted_kind) {
            return Err(fault(format!(
                "expected `{wanted} {wanted_kind} ...`, found `{}`",
                line.escape_debug()
            )));
        }
        let value = unquoted(value).map_err(fault)?;
        block = match block {
            Block::Access => Block::Rights(issuer(value).map_err(fault)?),
            Block::Rights(dn) if value.eq_ignore_ascii_case("CA:sign") => Block::Subjects(dn),
            Block::Rights(_) => {
                return Err(fault(format!("expected CA:sign, found `{}`", value.escape_debug())));
            }
            Block::Subjects(dn) => {
                for pattern in patterns(value).map_err(fault)? {
                    statements.push(Statement {
                        issuer: Issuer::Dn(dn.clone()),
                        permit: true,
                        subject: Subject::Glob(comparable_pattern(pattern)),
                    });
                }
                Block::Access
            }
        };
    }
    match block {
        Block::Access if statements.is_empty() => {
            Err(Fault { line: last, text: "no access_id_CA in it".to_owned() })
        }
        Block::Access => Ok(statements),
        Block::Rights(_) | Block::Subjects(_) => {
            Err(Fault { line: last, text: format!("the file ends before `{}`", block.wants().0) })
        }
    }
}

/// Which line of a block comes next, with what is known so far.
enum Block {
    Access,
    /// The CA's DN, comparable.
    Rights(String),
    Subjects(String),
}

impl Block {
    fn wants(&self) -> (&'static str, &'static str) {
        match self {
            Block::Access => ("access_id_CA", "X509"),
            Block::Rights(_) => ("pos_rights", "globus"),
            Block::Subjects(_) => ("cond_subjects", "globus"),
        }
    }
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

/// Without the quotes around it, which may be left out.
fn unquoted(value: &str) -> Result<&str, String> {
    let quote = match value.chars().next() {
        None => return Err("a value is missing".to_owned()),
        Some(quote @ ('\'' | '"')) => quote,
        Some(_) => return Ok(value),
    };
    match value[1..].split_once(quote) {
        Some((inner, "")) if !inner.trim().is_empty() => Ok(inner),
        Some((_, "")) => Err("a value is empty".to_owned()),
        Some((_, rest)) => {
            Err(format!("`{}` stands after the closing quote", rest.trim().escape_debug()))
        }
        None => Err(format!("no closing {quote}")),
    }
}

/// One pattern, or several in double quotes.
fn patterns(value: &str) -> Result<Vec<&str>, String> {
    if !value.contains('"') {
        return Ok(vec![value]);
    }
    let mut list = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let inner = rest.strip_prefix('"').ok_or_else(|| {
            format!("expected a pattern in double quotes, found `{}`", rest.escape_debug())
        })?;
        let (pattern, after) = inner.split_once('"').ok_or("no closing \" after a pattern")?;
        if pattern.trim().is_empty() {
            return Err("a pattern is empty".to_owned());
        }
        list.push(pattern);
        rest = after.trim_start();
    }
    Ok(list)
}
