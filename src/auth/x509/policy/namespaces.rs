//! EUGridPMA's namespaces, version 1.0: statements, one a line, which a backslash at its end carries on.
//!
//! ```text
//! #NAMESPACES-VERSION: 1.0
//! TO Issuer "/C=IT/O=Grid/CN=CA" \
//!   PERMIT Subject "/C=IT/O=Grid/.*"
//! ```

use regex_lite::Regex;

use super::{Fault, Issuer, Statement, Subject, issuer};
use crate::auth::dn::label;

/// Reads a whole file.
pub(crate) fn parse(text: &str) -> Result<Vec<Statement>, Fault> {
    let mut statements = Vec::new();
    let mut pending = String::new();
    let mut first = 1;
    let mut last = 1;
    for (at, line) in text.lines().enumerate() {
        last = at + 1;
        if let Some(version) = line.strip_prefix(VERSION)
            && version.trim() != "1.0"
        {
            let text =
                format!("version `{}` is not known, only 1.0", version.trim().escape_debug());
            return Err(Fault { line: at + 1, text });
        }
        if pending.is_empty() {
            first = at + 1;
        }
        let line = line.trim_end();
        match line.strip_suffix('\\').filter(|kept| !kept.ends_with('\\')) {
            Some(kept) => {
                pending.push_str(kept);
                pending.push(' ');
            }
            None => {
                pending.push_str(line);
                let read = statement(&pending).map_err(|text| Fault { line: first, text })?;
                statements.extend(read);
                pending.clear();
            }
        }
    }
    if !pending.trim().is_empty() {
        let text = "the file ends within a statement (a backslash at its end)".to_owned();
        return Err(Fault { line: first, text });
    }
    match statements.is_empty() {
        true => Err(Fault { line: last, text: "no statement `TO Issuer ...` in it".to_owned() }),
        false => Ok(statements),
    }
}

/// One statement; `None` for a blank line or a comment.
fn statement(text: &str) -> Result<Option<Statement>, String> {
    let tokens = tokens(text)?;
    let [to, issuer_word, who, verdict, subject_word, subject] = tokens.as_slice() else {
        return if tokens.is_empty() { Ok(None) } else { Err(FORM.to_owned()) };
    };
    if !(to.is("TO") && issuer_word.is("Issuer") && subject_word.is("Subject")) {
        return Err(FORM.to_owned());
    }
    let issuer = match who {
        Token::Quoted(dn) => Issuer::Dn(issuer(dn)?),
        Token::Word(word) if word.eq_ignore_ascii_case("SELF") => Issuer::Owner,
        Token::Word(_) => return Err(FORM.to_owned()),
    };
    let permit = verdict.is("PERMIT");
    if !permit && !verdict.is("DENY") {
        return Err(FORM.to_owned());
    }
    let Token::Quoted(expression) = subject else { return Err(FORM.to_owned()) };
    let wrong = |error: regex_lite::Error| {
        format!("\"{}\" is no regular expression: {error}", expression.escape_debug())
    };
    let expression = with_our_labels(expression);
    // Alone first: `a)|(b` must not pass by closing our own group.
    Regex::new(&expression).map_err(wrong)?;
    let expression = Regex::new(&format!("(?i)^(?:{expression})$")).map_err(wrong)?;
    Ok(Some(Statement { issuer, permit, subject: Subject::Expression(expression) }))
}

#[derive(Debug)]
enum Token {
    Word(String),
    Quoted(String),
}

impl Token {
    fn is(&self, keyword: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        if let Some(inner) = rest.strip_prefix('"') {
            let end = closing_quote(inner).ok_or("no closing \"")?;
            tokens.push(Token::Quoted(inner[..end].replace("\\\"", "\"")));
            rest = inner[end + 1..].trim_start();
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = rest[end..].trim_start();
        }
    }
    Ok(tokens)
}

/// Where the quote stands that no backslash escapes.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
}

/// The expression is held against a DN as it reads, which knows `emailAddress` and `UID` only.
fn with_our_labels(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    for (at, part) in expression.split('/').enumerate() {
        if at > 0 {
            out.push('/');
        }
        match part.split_once('=') {
            Some((kind, value)) if matches!(label(kind).as_str(), "emailaddress" | "uid") => {
                out.push_str(&label(kind));
                out.push('=');
                out.push_str(value);
            }
            _ => out.push_str(part),
        }
    }
    out
}

const VERSION: &str = "#NAMESPACES-VERSION:";
const FORM: &str = "expected TO Issuer \"<DN>\"|SELF PERMIT|DENY Subject \"<expression>\"";
