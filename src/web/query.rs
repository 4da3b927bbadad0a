//! Which page of a directory a link asks for: `?sort=size&order=desc&after=f.1024.name`.

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::text::PATH;
use crate::srm::{Browse, PageFrom, Position, Sort, SortBy};

/// The order of a directory without a query.
pub(super) const BY_NAME: Sort = Sort { by: SortBy::Name, descending: false };

/// Reads the query of a request. What it does not know it leaves alone.
///
/// # Errors
/// What is wrong with what it knows, for a person.
pub fn browse(query: &str, count: usize) -> Result<Browse, String> {
    let mut wanted = Browse { sort: BY_NAME, from: PageFrom::Start, count };
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (key, value) {
            ("sort", "name") => wanted.sort.by = SortBy::Name,
            ("sort", "size") => wanted.sort.by = SortBy::Size,
            ("sort", "time") => wanted.sort.by = SortBy::Modified,
            ("order", "asc") => wanted.sort.descending = false,
            ("order", "desc") => wanted.sort.descending = true,
            ("before", "") => wanted.from = PageFrom::End,
            ("after", value) => wanted.from = PageFrom::After(position(key, value)?),
            ("before", value) => wanted.from = PageFrom::Before(position(key, value)?),
            ("sort", _) => return Err("sort is name, size or time".to_owned()),
            ("order", _) => return Err("order is asc or desc".to_owned()),
            _ => {}
        }
    }
    Ok(wanted)
}

/// A link to a page of the same directory, for an href.
pub(super) fn link(sort: Sort, from: &PageFrom) -> String {
    let by = match sort.by {
        SortBy::Name => "name",
        SortBy::Size => "size",
        SortBy::Modified => "time",
    };
    let order = if sort.descending { "desc" } else { "asc" };
    let from = match from {
        PageFrom::Start => String::new(),
        PageFrom::End => "&amp;before=".to_owned(),
        PageFrom::After(at) => format!("&amp;after={}", written(at)),
        PageFrom::Before(at) => format!("&amp;before={}", written(at)),
    };
    format!("?sort={by}&amp;order={order}{from}")
}

/// `d` or `f`, the number, the name.
fn written(at: &Position) -> String {
    let kind = if at.directory { 'd' } else { 'f' };
    format!("{kind}.{}.{}", at.value, utf8_percent_encode(&at.name, PATH))
}

fn position(key: &str, text: &str) -> Result<Position, String> {
    let read = || {
        let text = percent_decode_str(text).decode_utf8().ok()?;
        let mut parts = text.splitn(3, '.');
        let directory = match parts.next()? {
            "d" => true,
            "f" => false,
            _ => return None,
        };
        let value = parts.next()?.parse().ok()?;
        Some(Position { directory, value, name: parts.next()?.to_owned() })
    };
    read().ok_or_else(|| format!("{key} does not name a place in the list: go to the first page"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_asked_for_is_the_first_page_by_name() {
        let first = Browse { sort: BY_NAME, from: PageFrom::Start, count: 7 };
        for query in ["", "&", "C=M;O=A", "x=1&sort=name", "order=asc", "after"] {
            assert_eq!(browse(query, 7).ok(), Some(first.clone()).filter(|_| query != "after"));
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for query in [
            "sort=",
            "sort",
            "sort=color",
            "order=up",
            "after=",
            "after=x.1.a",
            "before=f.a.a",
            "after=f.1",
            "after=f.1.%ff",
            "after=f.99999999999999999999999999999999999999999.a",
        ] {
            assert!(!browse(query, 1).unwrap_err().is_empty(), "{query}");
        }
    }

    proptest! {
        #[test]
        fn links_are_read_as_they_were_meant(
            (directory, value, name) in (any::<bool>(), any::<i128>(), ".*"),
            (by, descending, from) in (0..3_usize, any::<bool>(), 0..4),
        ) {
            let by = [SortBy::Name, SortBy::Size, SortBy::Modified][by];
            let at = Position { directory, value, name };
            let from = match from {
                0 => PageFrom::Start,
                1 => PageFrom::End,
                2 => PageFrom::After(at),
                _ => PageFrom::Before(at),
            };
            let wanted = Browse { sort: Sort { by, descending }, from, count: 5 };
            let link = link(wanted.sort, &wanted.from);
            prop_assert!(link.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>".contains(&b)));
            let query = link.trim_start_matches('?').replace("&amp;", "&");
            prop_assert_eq!(browse(&query, 5), Ok(wanted));
        }

        #[test]
        fn any_query_is_read_or_refused(query in ".*") {
            let _ = browse(&query, 5);
        }
    }
}
