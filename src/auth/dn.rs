//! DNs as people write them into grid files, compared by value: LSC files, signing policies, gridmaps
//! and ban lists all go through here, so that one spelling means one person everywhere.

/// A DN in one-line form as an administrator wrote it, made comparable. Quotes around it go, `\/` and
/// `\+` of newer OpenSSL are `/` and `+`, and `\xC3\xA9` of older ones is the letter it stands for; then
/// see [`comparable_line`].
pub fn comparable_entry(line: &str) -> String {
    let line = line.trim();
    let bare = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(line);
    comparable_line(&unescaped(bare))
}

/// A DN in one-line form, made comparable: the usual labels of one attribute (`E`, `Email`,
/// `emailAddress`; `UID`, `USERID`), capitals and white space no longer differ.
pub fn comparable_line(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for part in line.split('/').skip(1) {
        push_part(&mut out, part);
    }
    out
}

/// A DN in which `*` and `?` may stand, made comparable to [`comparable_line`]. Unlike a DN it need not
/// begin with a slash.
pub(crate) fn comparable_pattern(pattern: &str) -> String {
    let pattern = unescaped(pattern.trim());
    let head = pattern.split('/').next().unwrap_or("");
    folded(head) + &comparable_line(&pattern)
}

/// Capitals and white space no longer differ; the form that OpenSSL hashes.
pub(crate) fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let words = text.split(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    for word in words.filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().map(|c| c.to_ascii_lowercase()));
    }
    out
}

/// The one name of a label in lower case.
pub(crate) fn label(text: &str) -> String {
    let label = text.trim().to_ascii_lowercase();
    match label.as_str() {
        "e" | "email" | "1.2.840.113549.1.9.1" => "emailaddress".to_owned(),
        "userid" | "0.9.2342.19200300.100.1.1" => "uid".to_owned(),
        "0.9.2342.19200300.100.1.25" => "dc".to_owned(),
        "s" => "st".to_owned(),
        _ => label,
    }
}

fn push_part(out: &mut String, part: &str) {
    out.push('/');
    match part.split_once('=') {
        Some((kind, value)) => {
            out.push_str(&label(kind));
            out.push('=');
            out.push_str(&folded(value));
        }
        None => out.push_str(&folded(part)),
    }
}

/// Undoes OpenSSL's escapes. Control characters stay as they are written, `\x0A`: a DN shows them so.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (bytes, length) = hex_run(rest);
        if length > 0 {
            let letters = match std::str::from_utf8(&bytes) {
                Ok(text) => text.to_owned(),
                // A T61String, in which everybody writes Latin-1.
                Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
            };
            match letters.chars().any(char::is_control) {
                true => out.push_str(&rest[..length]),
                false => out.push_str(&letters),
            }
            rest = &rest[length..];
            continue;
        }
        match rest.as_bytes().get(1) {
            Some(b'/' | b'+') => rest = &rest[1..],
            _ => {
                out.push('\\');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// The bytes of the `\xHH\xHH…` that `text` begins with, and its length.
fn hex_run(text: &str) -> (Vec<u8>, usize) {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let one = |four: &[u8]| match four {
        [b'\\', b'x', high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let bytes: Vec<u8> = text.as_bytes().chunks(4).map_while(one).collect();
    let length = 4 * bytes.len();
    (bytes, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_administrators_compare() {
        let line = comparable_entry("\"/DC=ch/E=a@b/USERID=x/CN=host\\/voms.example.org\"");
        assert_eq!(line, comparable_line("/dc=ch/emailAddress=a@b/UID=x/CN=host/VOMS.example.org"));
        assert_ne!(line, comparable_line("/dc=ch/emailAddress=a@b/UID=y/CN=host/voms.example.org"));
    }

    #[test]
    fn letters_and_quotes_compare() {
        let jose = comparable_line("/O=Grid/CN=Jos\u{e9} \"Pepe\"");
        for entry in [
            "/O=Grid/CN=Jos\\xC3\\xA9 \"Pepe\"",
            "/O=Grid/CN=Jos\\xe9 \"Pepe\"",
            "\"/O=Grid/CN=Jos\u{e9} \"Pepe\"\"",
        ] {
            assert_eq!(comparable_entry(entry), jose, "{entry}");
        }
        // A control character cannot be smuggled in; one in a DN is shown by its number.
        assert_eq!(comparable_entry("/CN=x\\x0A"), comparable_line("/CN=x\\x0A"));
        assert_eq!(comparable_entry("/CN=a\\b\\"), comparable_line("/CN=a\\b\\"));
        assert_eq!(comparable_entry("\"").len(), 0);
    }

    #[test]
    fn patterns_keep_their_stars() {
        assert_eq!(comparable_pattern("/C=it/O=INFN/*"), "/c=it/o=infn/*");
        assert_eq!(comparable_pattern("*"), "*");
        assert_eq!(comparable_pattern("*/E=*"), "*/emailaddress=*");
    }
}
