//! One file or folder in the table of a page.

use std::fmt::Write;
use std::time::SystemTime;

use super::text::{day, escape, grouped, human_size, rfc3339, utc};
use crate::srm::{Entry, EntryKind};

/// Longest ending of a name that is told as a kind.
const ENDING: usize = 5;

/// Writes its row: name, size, time, kind. `href` is encoded; without one the name leads nowhere.
pub(super) fn write(out: &mut String, href: Option<&str>, entry: &Entry) {
    let directory = entry.kind == EntryKind::Directory;
    let name = escape(&entry.name);
    let (class, slash) = if directory { ("d", "/") } else { ("f", "") };
    // Writing to a String does not fail, here and below.
    let _ = write!(out, "<tr class=\"{class}\"><th scope=\"row\">");
    let _ = match href {
        Some(href) => write!(out, "<a href=\"{href}\"><bdi>{name}</bdi>{slash}</a></th>"),
        None => write!(out, "<bdi>{name}</bdi>{slash}</th>"),
    };
    let _ = match directory {
        true => out.write_str("<td></td>"),
        false => write!(
            out,
            "<td class=\"n\"><data value=\"{}\" title=\"{} bytes\">{}</data></td>",
            entry.size,
            grouped(entry.size),
            human_size(entry.size)
        ),
    };
    // What only leads to storage areas has no time.
    let _ = match entry.modified == SystemTime::UNIX_EPOCH {
        true => out.write_str("<td></td>"),
        false => write!(
            out,
            "<td><time datetime=\"{}\" title=\"{} UTC\">{}</time></td>",
            rfc3339(entry.modified),
            utc(entry.modified),
            day(entry.modified)
        ),
    };
    let _ = writeln!(out, "<td class=\"k\">{}</td></tr>", kind(entry));
}

/// In a word or two.
fn kind(entry: &Entry) -> String {
    if entry.kind == EntryKind::Directory {
        return "Folder".to_owned();
    }
    let ending = entry.name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
    let short = |ending: &&str| {
        (1..=ENDING).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    match ending.map(|(_, ending)| ending).filter(short) {
        Some(ending) => format!("{} file", ending.to_ascii_uppercase()),
        None => "File".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    pub(in crate::web) fn entry(name: &str, kind: EntryKind, size: u64) -> Entry {
        Entry {
            name: name.into(),
            kind,
            size,
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
            created: None,
            etag: "e".into(),
            adler32: None,
        }
    }

    #[test]
    fn rows_link_and_tell_sizes_and_times() {
        let mut out = String::new();
        let file = entry("a b.tar.gz", EntryKind::File, 1536);
        write(&mut out, Some("/webdav/vo/a%20b.tar.gz"), &file);
        assert_eq!(
            out,
            "<tr class=\"f\"><th scope=\"row\"><a href=\"/webdav/vo/a%20b.tar.gz\"><bdi>a b.tar.gz</bdi></a>\
             </th><td class=\"n\"><data value=\"1536\" title=\"1,536 bytes\">1.5 KiB</data></td><td>\
             <time datetime=\"1994-11-06T08:49:37Z\" title=\"1994-11-06 08:49:37 UTC\">06 Nov 1994 08:49</time>\
             </td><td class=\"k\">GZ file</td></tr>\n"
        );
        out.clear();
        let way =
            Entry { modified: SystemTime::UNIX_EPOCH, ..entry("d.d", EntryKind::Directory, 0) };
        write(&mut out, None, &way);
        assert_eq!(
            out,
            "<tr class=\"d\"><th scope=\"row\"><bdi>d.d</bdi>/</th><td></td><td></td>\
             <td class=\"k\">Folder</td></tr>\n"
        );
    }

    #[test]
    fn kinds_are_short_words() {
        for (name, told) in [
            ("a.root", "ROOT file"),
            ("a", "File"),
            (".hidden", "File"),
            ("a.", "File"),
            ("a.<b>", "File"),
            ("a.toolong", "File"),
        ] {
            assert_eq!(kind(&entry(name, EntryKind::File, 0)), told, "{name}");
        }
    }
}
