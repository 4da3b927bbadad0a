//! A directory as a web page: no JavaScript, light and dark by the reader's choice, a real table.

use std::fmt::Write;

use super::page;
use super::text::{encode_path, escape, human_size, rfc3339, utc};
use crate::model::Stfn;
use crate::srm::{Entry, EntryKind};

/// The page of one directory. It is written in pieces ([`Page::head`], [`Page::row`] per entry,
/// [`Page::tail`]), so that a large one need not stand in memory.
#[derive(Clone, Debug)]
pub struct Page {
    /// `https://host:8443`, as the client named us; `None` where that name is not to be trusted
    /// in a text. For the help only.
    pub origin: Option<String>,
    /// What stands before the StFN in links: empty, or `/webdav`.
    pub prefix: String,
    /// The directory.
    pub path: Stfn,
}

impl Page {
    /// Up to and with the head of the table. `sorted` is false for directories too large to sort.
    pub fn head(&self, out: &mut String, sorted: bool) {
        let title = escape(self.path.as_str());
        page::open(out, self.path.as_str());
        out.push_str("<header>\n<nav aria-label=\"Path\">");
        self.breadcrumbs(out);
        let order = if sorted { "by name" } else { "not sorted: too many entries" };
        let _ = write!(
            out,
            "</nav>\n</header>\n<main>\n<table>\n<caption>Files in <bdi>{title}</bdi> ({order})\
             </caption>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\" class=\"n\">Size\
             </th><th scope=\"col\">Modified (UTC)</th></tr></thead>\n<tbody>\n"
        );
        if let Some(parent) = self.path.parent() {
            let _ = writeln!(
                out,
                "<tr><td><a href=\"{}\">..</a> (parent directory)</td><td></td><td></td></tr>",
                self.href(&parent, true)
            );
        }
    }

    /// One entry.
    pub fn row(&self, out: &mut String, entry: &Entry) {
        let directory = entry.kind == EntryKind::Directory;
        let name = escape(&entry.name);
        let slash = if directory { "/" } else { "" };
        let _ = match self.path.join(&entry.name) {
            Ok(path) => {
                let href = self.href(&path, directory);
                write!(out, "<tr><td><a href=\"{href}\"><bdi>{name}</bdi>{slash}</a></td>")
            }
            // A name that no request could ask for: shown, not linked.
            Err(_) => write!(out, "<tr><td><bdi>{name}</bdi>{slash}</td>"),
        };
        let _ = match entry.kind {
            EntryKind::Directory => out.write_str("<td class=\"n\"></td>"),
            EntryKind::File => write!(
                out,
                "<td class=\"n\"><data value=\"{}\" title=\"{0} bytes\">{}</data></td>",
                entry.size,
                human_size(entry.size)
            ),
        };
        let _ = writeln!(
            out,
            "<td><time datetime=\"{}\">{}</time></td></tr>",
            rfc3339(entry.modified),
            utc(entry.modified)
        );
    }

    /// The end of the table and the help. `stopped` says why the list ends before its time.
    pub fn tail(&self, out: &mut String, count: u64, stopped: Option<&str>) {
        out.push_str("</tbody>\n</table>\n");
        let _ = match stopped {
            Some(why) => {
                writeln!(out, "<p role=\"alert\">The list stops here: {}</p>", escape(why))
            }
            None if count == 0 => writeln!(out, "<p>This directory is empty.</p>"),
            None if count == 1 => writeln!(out, "<p>1 entry.</p>"),
            None => writeln!(out, "<p>{count} entries.</p>"),
        };
        self.help(out);
        out.push_str("</main>\n");
        page::close(out);
    }

    fn breadcrumbs(&self, out: &mut String) {
        let mut path = Stfn::top();
        let _ = write!(out, "<a href=\"{}\">top</a>", self.href(&path, true));
        for part in self.path.parts() {
            let Ok(next) = path.join(part) else { return };
            path = next;
            let href = self.href(&path, true);
            let _ = write!(out, " / <a href=\"{href}\"><bdi>{}</bdi></a>", escape(part));
        }
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
            "<details>\n<summary>How to use this directory from a shell</summary>\n\
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

const PROXY: &str = "--cert $X509_USER_PROXY --capath $X509_CERT_DIR ";
const MAKE_PROXY: &str = "Make a proxy first, e.g. <code>voms-proxy-init --voms YOUR-VO</code>. ";

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn page(path: &str) -> Page {
        Page {
            origin: Some("https://se.example:8443".into()),
            prefix: "/webdav".into(),
            path: Stfn::parse(path).unwrap(),
        }
    }

    fn entry(name: &str, kind: EntryKind, size: u64) -> Entry {
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
        page("/vo").row(&mut out, &entry("a b", EntryKind::File, 1536));
        assert_eq!(
            out,
            "<tr><td><a href=\"/webdav/vo/a%20b\"><bdi>a b</bdi></a></td><td class=\"n\">\
             <data value=\"1536\" title=\"1536 bytes\">1.5 KiB</data></td><td>\
             <time datetime=\"1994-11-06T08:49:37Z\">1994-11-06 08:49:37</time></td></tr>\n"
        );
        out.clear();
        page("/vo").row(&mut out, &entry("d", EntryKind::Directory, 0));
        assert!(out.contains("<a href=\"/webdav/vo/d/\"><bdi>d</bdi>/</a>"), "{out}");
    }

    #[test]
    fn hostile_names_are_harmless() {
        for name in ["\"><script>alert(1)</script>", "' onmouseover='x", "</table><img src=x>"] {
            let page = page(&format!("/vo/{}", name.replace('/', "")));
            let mut out = String::new();
            page.head(&mut out, true);
            page.row(&mut out, &entry(&name.replace('/', ""), EntryKind::File, 1));
            page.tail(&mut out, 1, Some(name));
            assert!(!out.contains("<script") && !out.contains("<img"), "{out}");
            assert!(!out.contains("' on") && !out.contains("\"><s"), "{out}");
        }
    }

    #[test]
    fn the_help_fits_the_door() {
        let mut page = page("/vo/d");
        let help = |page: &Page| {
            let mut out = String::new();
            page.tail(&mut out, 0, None);
            out
        };
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
        let mut out = String::new();
        page("/vo/x y").head(&mut out, true);
        assert!(out.contains("<a href=\"/webdav/\">top</a>"), "{out}");
        assert!(out.contains("<a href=\"/webdav/vo/\"><bdi>vo</bdi></a>"), "{out}");
        assert!(out.contains("<a href=\"/webdav/vo/x%20y/\"><bdi>x y</bdi></a>"), "{out}");
        assert!(!out.contains("<script"));
    }
}
