//! Text in XML: which characters it may hold, and how it is written.

/// `Char` of XML 1.0, section 2.2.
pub(super) const fn is_xml_char(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Writes `text` so that it reads back as it is: markup and CR, which alone would read back as LF, as
/// references. What no XML document may hold (a file name may: control characters, U+FFFE, U+FFFF)
/// becomes U+FFFD.
pub(super) fn push_text(out: &mut String, text: &str) {
    // 0xef begins U+FFFE and U+FFFF, and much else that may stay.
    let plain = |byte: u8| {
        matches!(byte, b' '..=0xee | 0xf0.. | b'\t' | b'\n') && !matches!(byte, b'<' | b'>' | b'&')
    };
    if text.bytes().all(plain) {
        out.push_str(text);
        return;
    }
    for char in text.chars() {
        match char {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\r' => out.push_str("&#13;"),
            char if is_xml_char(char) => out.push(char),
            _ => out.push('\u{fffd}'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_so_that_they_read_back() {
        let written = |text: &str| {
            let mut out = String::new();
            push_text(&mut out, text);
            out
        };
        assert_eq!(written("/a b/ä\u{feff}\t\n\"'"), "/a b/ä\u{feff}\t\n\"'");
        assert_eq!(written("<BE:1> & ]]>\r"), "&lt;BE:1&gt; &amp; ]]&gt;&#13;");
        assert_eq!(written("a\0b\u{1f}\u{fffe}\u{ffff}"), "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}");
    }
}
