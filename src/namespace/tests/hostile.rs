//! Damaged files: whatever they hold, the reader ends with problems, not with a panic.

use proptest::prelude::*;

use super::EXAMPLE;
use crate::namespace::document::Document;
use crate::namespace::reader;

/// The example with a stretch of it replaced.
fn damaged() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[<>/&;!\\[\\]a-z\"= \\n]{0,12}",
        Just("<filesystem>".to_owned()),
        Just("</filesystems>".to_owned()),
        Just("<![CDATA[".to_owned()),
        Just("&#0;".to_owned()),
        Just("\u{feff}é".to_owned()),
    ];
    (0..EXAMPLE.len(), 0..200usize, piece).prop_map(|(at, length, piece)| {
        let end = (at + length).min(EXAMPLE.len());
        format!("{}{piece}{}", &EXAMPLE[..at], &EXAMPLE[end..])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_copy_that_is_whole_can_be_read(text in damaged()) {
        let checked = reader::check(&text);
        if checked.broken {
            prop_assert!(!checked.problems.is_empty());
        } else {
            let document = yaserde::de::from_str::<Document>(&checked.copy);
            prop_assert!(document.is_ok(), "{:?}\n{}", document, checked.copy);
        }
    }

    #[test]
    fn any_text_ends_with_an_answer(text in "\\PC{0,200}") {
        prop_assert!(reader::check(&text).broken);
    }
}
