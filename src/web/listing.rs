//! A directory as a web page: a table with links that sort it and lead to its other pages, which needs no
//! JavaScript. For who may write there a script adds uploads, new folders, other names, and removal.

use std::fmt::Write;

use super::text::{encode_path, escape, grouped};
use super::{page, query, row};
use crate::model::Stfn;
use crate::srm::{Browse, Browsed, Entry, EntryKind, May, PageFrom, Position, Sort, SortBy};

/// Dialogs and such that the script fills.
const ACTIONS: &str = include_str!("actions.html");

/// The page of one directory. It is written in pieces ([`Page::head`], [`Page::row`] per entry,
/// [`Page::tail`]), so that who reads slowly holds no more than its entries.
#[derive(Debug)]
pub struct Page {
    /// `https://host:8443`, as the client named us; `None` where that name is not to be trusted
    /// in a text. For the help only.
    pub origin: Option<String>,
    /// What stands before the StFN in links: empty, or `/webdav`.
    pub prefix: String,
    /// The directory.
    pub path: Stfn,
    /// What was asked for.
    pub asked: Browse,
    /// What is shown; its entries are given to [`Page::row`].
    pub shown: Browsed,
}

impl Page {
    /// Up to and with the head of the table.
    pub fn head(&self, out: &mut String) {
        page::open(out, self.path.as_str());
        out.push_str("<header>\n<nav aria-label=\"Folders above\">");
        self.breadcrumbs(out);
        let name = self.path.name().map_or_else(|| TOP.to_owned(), escape);
        // Writing to a String does not fail, here and below.
        let _ = write!(
            out,
            "</nav>\n<div class=\"title\"><h1 id=\"title\" tabindex=\"-1\"><bdi>{name}</bdi></h1>\n"
        );
        self.tools(out);
        let base = self.href(&self.path, true);
        let _ = write!(
            out,
            "</div>\n</header>\n<main>\n{}<div id=\"list\" data-path=\"{base}\" data-may=\"{}\">\n",
            if self.shown.may == May::default() { "" } else { ACTIONS },
            letters(self.shown.may)
        );
        if self.is_part() {
            self.pages(out);
        }
        let _ = write!(
            out,
            "<div class=\"card\"><table>\n<caption class=\"unseen\">Files and folders in <bdi>{}</bdi>\
             </caption>\n<thead><tr>",
            escape(self.path.as_str())
        );
        for (by, word, class) in COLUMNS {
            self.column(out, by, word, class);
        }
        out.push_str("<th scope=\"col\" class=\"k\">Kind</th></tr></thead>\n<tbody>\n");
        if let Some(parent) = self.path.parent() {
            let _ = writeln!(
                out,
                "<tr class=\"up\"><th scope=\"row\"><a href=\"{}\" aria-label=\"Parent folder\">..</a></th>\
                 <td></td><td></td><td class=\"k\"></td></tr>",
                self.href(&parent, true)
            );
        }
    }

    /// One entry.
    pub fn row(&self, out: &mut String, entry: &Entry) {
        // There are names that no request could ask for: shown, not linked.
        let path = self.path.join(&entry.name);
        let href = path.map(|path| self.href(&path, entry.kind == EntryKind::Directory));
        row::write(out, href.ok().as_deref(), entry);
    }

    /// All behind the table.
    pub fn tail(&self, out: &mut String) {
        out.push_str("</tbody>\n</table></div>\n");
        let _ = match self.shown.total {
            _ if self.is_part() => {
                self.pages(out);
                Ok(())
            }
            0 => writeln!(out, "<p class=\"note\">This folder is empty.</p>"),
            1 => writeln!(out, "<p class=\"note\">1 entry</p>"),
            total => writeln!(out, "<p class=\"note\">{} entries</p>", grouped(total)),
        };
        out.push_str("</div>\n");
        if self.shown.may != May::default() {
            let _ = writeln!(out, "<script>{}</script>", *page::SCRIPT);
        }
        self.help(out);
        out.push_str("</main>\n");
        page::close(out);
    }

    fn breadcrumbs(&self, out: &mut String) {
        let mut path = Stfn::top();
        let here = |path: &Stfn| if *path == self.path { " aria-current=\"page\"" } else { "" };
        let top = self.href(&path, true);
        let _ = write!(out, "<ol><li><a href=\"{top}\"{}>{TOP}</a></li>", here(&path));
        for part in self.path.parts() {
            let Ok(next) = path.join(part) else { break };
            path = next;
            let (href, here, part) = (self.href(&path, true), here(&path), escape(part));
            let _ = write!(out, "<li><a href=\"{href}\"{here}><bdi>{part}</bdi></a></li>");
        }
        out.push_str("</ol>");
    }

    /// What the script brings to life.
    fn tools(&self, out: &mut String) {
        let may = self.shown.may;
        if may == May::default() {
            return;
        }
        out.push_str("<div id=\"tools\" hidden>");
        if may.make_directory {
            out.push_str("<button id=\"folder\">New folder</button>");
        }
        if may.write {
            out.push_str(
                "<button id=\"upload\" class=\"main\">Upload files</button>\
                 <input id=\"files\" type=\"file\" multiple hidden aria-label=\"Files to upload\">",
            );
        }
        out.push_str("</div>\n<noscript><p class=\"note\">To change something here, switch on JavaScript.</p></noscript>");
    }

    /// The head of a column: a link that sorts by it, or the other way round.
    fn column(&self, out: &mut String, by: SortBy, word: &str, class: &str) {
        let now = self.asked.sort;
        let (told, mark, descending) = match (by == now.by, now.descending) {
            (true, false) => (" aria-sort=\"ascending\"", "↑", true),
            (true, true) => (" aria-sort=\"descending\"", "↓", false),
            // The largest and the newest are what people look for.
            (false, _) => ("", "", by != SortBy::Name),
        };
        let href = query::link(Sort { by, descending }, &PageFrom::Start);
        let _ = write!(
            out,
            "<th scope=\"col\"{class}{told}><a href=\"{href}\">{word}</a><span aria-hidden=\"true\"> {mark}</span></th>"
        );
    }

    /// There are other pages.
    fn is_part(&self) -> bool {
        self.shown.before > 0 || self.shown.total > self.asked.count as u64
    }

    /// The way to the other pages.
    fn pages(&self, out: &mut String) {
        let Browsed { ends, before, after, total, .. } = &self.shown;
        let sort = self.asked.sort;
        let shown = total - before - after;
        let span = match shown {
            0 => "no entries here any more".to_owned(),
            _ => format!(
                "{}–{} of {}",
                grouped(before + 1),
                grouped(before + shown),
                grouped(*total)
            ),
        };
        let back = *before > 0;
        let on = *after > 0;
        let at = |pick: fn(&(Position, Position)) -> &Position| {
            ends.as_ref().map(|ends| pick(ends).clone())
        };
        let previous = at(|ends| &ends.0).map_or(PageFrom::End, PageFrom::Before);
        let following = at(|ends| &ends.1).map_or(PageFrom::Start, PageFrom::After);
        let link = |out: &mut String, there: bool, word: &str, from: &PageFrom| {
            let _ = match there {
                true => write!(
                    out,
                    "<a class=\"button\" href=\"{}\">{word}</a>",
                    query::link(sort, from)
                ),
                false => write!(out, "<span class=\"button off\">{word}</span>"),
            };
        };
        out.push_str("<nav class=\"pages\" aria-label=\"Pages\">");
        link(out, back, "First", &PageFrom::Start);
        link(out, back, "Previous", &previous);
        let _ = write!(out, "<span class=\"note\">{span}</span>");
        link(out, on, "Next", &following);
        link(out, on, "Last", &PageFrom::End);
        out.push_str("</nav>\n");
    }

    fn help(&self, out: &mut String) {
        let Some(origin) = &self.origin else { return };
        let path = self.href(&self.path, true);
        let url = escape(&format!("{origin}{path}"));
        let (dav, proxy, first) = match origin.strip_prefix("https://") {
            Some(host) => (escape(&format!("davs://{host}{path}")), PROXY, MAKE_PROXY),
            None => (url.clone(), "", ""),
        };
        let _ = write!(
            out,
            "<details>\n<summary>How to use this folder from a shell</summary>\n\
             <p>{first}In place of NAME goes the name of a file.</p>\n<pre>\
             gfal-ls {dav}\n\
             gfal-copy {dav}NAME file:///tmp/NAME\n\
             gfal-copy file:///tmp/NAME {dav}NAME\n\
             curl {proxy}-O {url}NAME\n\
             curl {proxy}-T NAME {url}\n\
             </pre>\n<p>The same address works in every WebDAV client.</p>\n</details>\n"
        );
    }

    fn href(&self, path: &Stfn, directory: bool) -> String {
        let slash = if directory && path.as_str() != "/" { "/" } else { "" };
        format!("{}{}{slash}", self.prefix, encode_path(path.as_str()))
    }
}

/// What stands above all storage areas.
const TOP: &str = "Storage";
/// Columns that sort, with their class.
const COLUMNS: [(SortBy, &str, &str); 3] = [
    (SortBy::Name, "Name", ""),
    (SortBy::Size, "Size", " class=\"n\""),
    (SortBy::Modified, "Modified (UTC)", ""),
];
const PROXY: &str = "--cert $X509_USER_PROXY --capath $X509_CERT_DIR ";
const MAKE_PROXY: &str = "Make a proxy first, e.g. <code>voms-proxy-init --voms YOUR-VO</code>. ";

/// For the script: what may be done here.
fn letters(may: May) -> String {
    let all = [(may.write, 'w'), (may.make_directory, 'm'), (may.remove, 'd'), (may.rename, 'r')];
    all.into_iter().filter(|(may, _)| *may).map(|(_, letter)| letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::row::tests::entry;

    fn page(path: &str) -> Page {
        let shown = Browsed {
            entries: Vec::new(),
            ends: None,
            before: 0,
            after: 0,
            total: 0,
            may: May::default(),
        };
        Page {
            origin: Some("https://se.example:8443".into()),
            prefix: "/webdav".into(),
            path: Stfn::parse(path).unwrap(),
            asked: query::browse("", 1000).unwrap(),
            shown,
        }
    }

    fn written(page: &Page, entries: &[Entry]) -> String {
        let mut out = String::new();
        page.head(&mut out);
        entries.iter().for_each(|entry| page.row(&mut out, entry));
        page.tail(&mut out);
        out
    }

    #[test]
    fn hostile_names_are_harmless() {
        for name in [
            "\"><script>alert(1)<|script>",
            "' onmouseover='x",
            "<|table><img src=x onerror=alert(1)>",
            "a\nb\r\tc",
            "\u{202e}gpj.exe",
            "%2f..%2f",
            "javascript:alert(1)",
            "-->",
        ] {
            let name = &name.replace('|', "\u{2215}");
            let mut page = page(&format!("/vo/{name}"));
            page.shown.may.write = true;
            let entries = [EntryKind::File, EntryKind::Directory].map(|kind| entry(name, kind, 1));
            let out = written(&page, &entries).replace(&format!("<script>{}", *page::SCRIPT), "");
            assert!(!out.contains("<script") && !out.contains("<img"), "{out}");
            assert!(!out.contains("' on") && !out.contains("\"><scr"), "{out}");
            // Each name that may run backwards is fenced in.
            let fenced = format!("<bdi>{}</bdi>", escape(name));
            assert_eq!(out.matches(&fenced).count(), 4, "{out}");
            for href in out.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(href.starts_with(['/', '?']) || href == "data:,", "{href}");
            }
        }
    }

    #[test]
    fn the_help_fits_the_door() {
        let mut page = page("/vo/d");
        let help = |page: &Page| written(page, &[]);
        assert!(help(&page).contains("gfal-ls davs://se.example:8443/webdav/vo/d/\n"));
        assert!(help(&page).contains("-T NAME https://se.example:8443/webdav/vo/d/\n"));
        page.origin = Some("http://se.example:8085".into());
        assert!(help(&page).contains("curl -O http://se.example:8085/webdav/vo/d/NAME\n"));
        assert!(!help(&page).contains("proxy"));
        page.origin = None;
        assert!(!help(&page).contains("<details>"));
    }

    #[test]
    fn breadcrumbs_lead_up() {
        let out = written(&page("/vo/x y"), &[]);
        assert!(out.contains("<a href=\"/webdav/\">Storage</a>"), "{out}");
        assert!(out.contains("<a href=\"/webdav/vo/\"><bdi>vo</bdi></a>"), "{out}");
        let here = "<a href=\"/webdav/vo/x%20y/\" aria-current=\"page\"><bdi>x y</bdi></a>";
        assert!(out.contains(here), "{out}");
        assert!(out.contains("<h1 id=\"title\" tabindex=\"-1\"><bdi>x y</bdi></h1>"), "{out}");
        let top = written(&page("/"), &[]);
        assert!(top.contains("<bdi>Storage</bdi></h1>") && !top.contains("Parent folder"), "{top}");
    }

    #[test]
    fn who_may_do_nothing_gets_no_script() {
        let mut page = page("/vo");
        let out = written(&page, &[]);
        assert!(!out.contains("<script") && !out.contains("<dialog") && !out.contains("<button"));
        page.shown.may = May { remove: true, rename: true, ..May::default() };
        let out = written(&page, &[]);
        assert!(out.contains("data-may=\"dr\"") && out.contains("<script>"), "{out}");
        assert!(!out.contains("id=\"upload\"") && !out.contains("id=\"folder\""), "{out}");
        page.shown.may = May { write: true, make_directory: true, ..May::default() };
        let out = written(&page, &[]);
        assert!(out.contains("id=\"upload\"") && out.contains("id=\"folder\""), "{out}");
    }

    #[test]
    fn columns_sort_and_turn_round() {
        let mut page = page("/vo");
        let out = written(&page, &[]);
        assert!(out.contains(
            "<th scope=\"col\" aria-sort=\"ascending\"><a href=\"?sort=name&amp;order=desc\">Name</a>"
        ));
        assert!(
            out.contains("<th scope=\"col\" class=\"n\"><a href=\"?sort=size&amp;order=desc\">")
        );
        page.asked = query::browse("sort=time&order=desc", 1000).unwrap();
        let out = written(&page, &[]);
        assert!(out.contains("aria-sort=\"descending\"><a href=\"?sort=time&amp;order=asc\">Mod"));
        assert!(out.contains("<a href=\"?sort=name&amp;order=asc\">Name</a>"), "{out}");
    }

    #[test]
    fn large_directories_have_pages() {
        let mut page = page("/vo");
        page.shown.total = 1;
        assert!(written(&page, &[]).contains("<p class=\"note\">1 entry</p>"));
        page.shown.total = 1000;
        assert!(written(&page, &[]).contains("<p class=\"note\">1,000 entries</p>"));
        let at = |name: &str| Position { directory: false, value: 5, name: name.into() };
        page.asked.sort.by = SortBy::Size;
        page.shown = Browsed {
            before: 1000,
            after: 500,
            total: 2500,
            ends: Some((at("a"), at("&\""))),
            ..page.shown
        };
        let out = written(&page, &[]);
        let all = "?sort=size&amp;order=asc";
        for (word, from) in [
            ("First", ""),
            ("Previous", "&amp;before=f.5.a"),
            ("Next", "&amp;after=f.5.%26%22"),
            ("Last", "&amp;before="),
        ] {
            let link = format!("<a class=\"button\" href=\"{all}{from}\">{word}</a>");
            assert!(out.contains(&link), "{link} in {out}");
        }
        assert!(out.contains(">1,001–2,000 of 2,500<"), "{out}");
        page.shown.before = 0;
        let out = written(&page, &[]);
        assert!(out.contains("<span class=\"button off\">First</span>"), "{out}");
    }
}
