//! The answer to a PROPFIND (RFC 4918 13), written straight into pieces: one entry at a time, in
//! the directory's own order, so that a directory of any size takes the memory of one piece.

use std::sync::Arc;

use bytes::Bytes;

use super::blocking::Source;
use super::property::{CHECKSUMS, COMMON, Of, Property, write_name};
use super::propfind_request::{Asked, PropertyName};
use crate::model::RelPath;
use crate::srm::{Beside, Besides, DeadProperty, Entry, EntryKind, Error, Found, Wanted};
use crate::web::{Dates, encode_path, write_path};

/// Bytes per piece.
const PIECE: usize = 64 * 1024;
/// What to write of each entry, made once per request.
#[derive(Debug)]
pub(super) struct Writer {
    known: Vec<Property>,
    /// Asked for, and told only of what bears them.
    dead: Vec<PropertyName>,
    names_only: bool,
    /// Those of `known` were asked for by name: told as missing where an entry has none.
    named: bool,
    /// Every dead property is told.
    all_dead: bool,
    /// What is missing is not told (`Brief`, `Prefer: return=minimal`).
    brief: bool,
    /// Stands before the path of a lock.
    prefix: &'static str,
    dates: Dates,
    /// What an entry lacks, while it is written.
    missing: String,
}

impl Writer {
    /// `prefix` is what stood before the StFN in the request.
    pub(super) fn new(asked: &Asked, brief: bool, prefix: &'static str) -> Self {
        let (mut known, names): (Vec<_>, &[_]) = match asked {
            Asked::Names => (COMMON.to_vec(), &[]),
            Asked::All(include) => (COMMON.to_vec(), include),
            Asked::These(names) => (Vec::new(), names),
        };
        let mut dead: Vec<PropertyName> = Vec::new();
        let mut seen: Vec<&PropertyName> = Vec::new();
        for name in names {
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            match Property::of(name) {
                Some(property) if known.contains(&property) => {}
                Some(property) => known.push(property),
                None => dead.push(name.clone()),
            }
        }
        let named = matches!(asked, Asked::These(_));
        let names_only = *asked == Asked::Names;
        Self {
            known,
            dead,
            names_only,
            named,
            all_dead: !named,
            brief,
            prefix,
            dates: Dates::default(),
            missing: String::new(),
        }
    }

    /// What the core has to look for.
    pub(super) fn wanted(&self) -> Wanted {
        let any = |list: &[Property]| self.known.iter().any(|one| list.contains(one));
        Wanted {
            properties: self.all_dead || !self.dead.is_empty(),
            locks: any(&[Property::LockDiscovery, Property::SupportedLock]),
            checksums: any(&CHECKSUMS),
            quota: any(&[Property::QuotaAvailable, Property::QuotaUsed]),
        }
    }

    /// The rest of a `response`, behind the path in its `href`.
    fn response(&mut self, out: &mut String, entry: &Entry, beside: &Beside) {
        out.push_str("</d:href>");
        let mut missing = std::mem::take(&mut self.missing);
        let start = out.len();
        out.push_str("<d:propstat><d:prop>");
        let bare = out.len();
        let of = Of { entry, beside, prefix: self.prefix };
        for property in &self.known {
            let begin = out.len();
            if !property.write(out, &of, &mut self.dates) {
                if self.named {
                    property.write_name(&mut missing);
                }
            } else if self.names_only {
                out.truncate(begin);
                property.write_name(out);
            }
        }
        self.write_dead(out, &mut missing, beside);
        if out.len() == bare && !missing.is_empty() && !self.brief {
            out.truncate(start);
        } else {
            out.push_str("</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>");
        }
        if !missing.is_empty() && !self.brief {
            out.extend(["<d:propstat><d:prop>", &missing]);
            out.push_str("</d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat>");
        }
        out.push_str("</d:response>\n");
        missing.clear();
        self.missing = missing;
    }

    fn write_dead(&self, out: &mut String, missing: &mut String, beside: &Beside) {
        if self.all_dead {
            for one in &beside.properties {
                match &one.element {
                    Some(element) if !self.names_only => out.push_str(element),
                    _ => write_name(out, &one.namespace, &one.name),
                }
            }
        }
        for name in &self.dead {
            let is_it =
                |one: &&DeadProperty| one.namespace == name.namespace && one.name == name.local;
            match beside.properties.iter().find(is_it).and_then(|one| one.element.as_ref()) {
                // Told with all others.
                Some(_) if self.all_dead => {}
                Some(element) => out.push_str(element),
                None => write_name(missing, &name.namespace, &name.local),
            }
        }
    }
}

const HREF: &str = "<d:response><d:href>";
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
<d:multistatus xmlns:d=\"DAV:\" xmlns:ns1=\"http://storm.italiangrid.org/2014/webdav\">\n";
/// What is not told of a tree (RFC 4918 9.1).
const BOUND: &str = "</d:href><d:status>HTTP/1.1 403 Forbidden</d:status><d:error>\
    <d:propfind-finite-depth/></d:error></d:response>\n";
const TAIL: &str = "</d:multistatus>\n";

/// What lies below a directory, in its own order.
pub(super) type Children = Box<dyn Iterator<Item = Result<Found, Error>> + Send>;

/// The whole answer: an entry, and its children.
pub(super) struct Multistatus {
    writer: Writer,
    /// Path of the entry, prefix and all, encoded; no slash at the end.
    base: String,
    top: Option<Entry>,
    children: Option<Children>,
    /// The directory of the last entry, and its path as [`Multistatus::base`], with a slash.
    directory: (Arc<RelPath>, String),
    beside: Besides,
    over: bool,
}

impl Multistatus {
    /// `base` is the path of `top` as the client asked for it, decoded.
    pub(super) fn new(
        writer: Writer,
        base: &str,
        top: Entry,
        children: Option<Children>,
        beside: Besides,
    ) -> Self {
        let base = encode_path(base.trim_end_matches('/'));
        let directory = (Arc::new(RelPath::root()), format!("{base}/"));
        Self { writer, base, top: Some(top), children, directory, beside, over: false }
    }

    /// `path` gives that of the entry, below the top.
    fn response(
        &mut self,
        out: &mut String,
        entry: &Entry,
        path: impl FnOnce() -> RelPath,
    ) -> Result<(), Error> {
        match &self.beside.each {
            None => self.writer.response(out, entry, &self.beside.common),
            Some(each) => self.writer.response(out, entry, &each(&path())?),
        }
        Ok(())
    }

    fn top(&mut self, out: &mut String, top: &Entry) -> Result<(), Error> {
        out.extend([HEAD, HREF, &self.base, slash(top)]);
        self.response(out, top, RelPath::root)
    }

    fn found(&mut self, out: &mut String, found: Found) -> Result<(), Error> {
        match found {
            Found::Entry(directory, entry) => {
                if *directory != *self.directory.0 {
                    let path = encode_path(directory.as_str());
                    self.directory = (Arc::clone(&directory), format!("{}/{path}/", self.base));
                }
                out.extend([HREF, &self.directory.1]);
                write_path(out, &entry.name);
                out.push_str(slash(&entry));
                self.response(out, &entry, || directory.join(&entry.name))
            }
            Found::Bound(below) => {
                let slash = if below.is_root() { "" } else { "/" };
                out.extend([HREF, &self.base, slash, &encode_path(below.as_str()), "/", BOUND]);
                Ok(())
            }
        }
    }
}

const fn slash(entry: &Entry) -> &'static str {
    match entry.kind {
        EntryKind::Directory => "/",
        EntryKind::File => "",
    }
}

impl Source for Multistatus {
    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.over {
            return Ok(None);
        }
        let mut out = String::with_capacity(PIECE + 4096);
        if let Some(top) = self.top.take() {
            self.top(&mut out, &top)?;
        }
        while out.len() < PIECE {
            match self.children.as_mut().and_then(|children| children.next()) {
                Some(found) => self.found(&mut out, found?)?,
                None => {
                    out.push_str(TAIL);
                    self.over = true;
                    break;
                }
            }
        }
        Ok(Some(Bytes::from(out)))
    }

    fn left(&self) -> Option<u64> {
        self.over.then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::webdav::property::STORM;
    use crate::webdav::propfind_request::DAV;

    fn entry(name: &str, kind: EntryKind) -> Entry {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let file = kind == EntryKind::File;
        Entry {
            name: name.into(),
            kind,
            size: if file { 5 } else { 0 },
            modified: at,
            created: file.then_some(at),
            etag: "e1".into(),
            adler32: file.then(|| "0123abcd".into()),
        }
    }

    fn written_by(writer: Writer, entry: Entry, children: Option<Children>) -> Multistatus {
        Multistatus::new(writer, "/webdav/vo/", entry, children, Besides::default())
    }

    fn written(asked: &Asked, entry: Entry, children: Vec<Entry>) -> String {
        let below = |entry: Entry| Found::Entry(Arc::new(RelPath::root()), entry);
        let children: Children = Box::new(children.into_iter().map(below).map(Ok));
        let mut source = written_by(Writer::new(asked, false, ""), entry, Some(children));
        let mut out = String::new();
        while let Some(piece) = source.next().unwrap() {
            out.push_str(std::str::from_utf8(&piece).unwrap());
        }
        assert_eq!(source.left(), Some(0));
        out
    }

    #[test]
    fn allprop_of_a_directory_with_a_file() {
        let dir = entry("vo", EntryKind::Directory);
        let file = entry("a\n<b>.txt", EntryKind::File);
        assert_eq!(
            written(&Asked::All(vec![]), dir, vec![file]),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <d:multistatus xmlns:d=\"DAV:\" \
             xmlns:ns1=\"http://storm.italiangrid.org/2014/webdav\">\n\
             <d:response><d:href>/webdav/vo/</d:href><d:propstat><d:prop>\
             <d:displayname>vo</d:displayname>\
             <d:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</d:getlastmodified>\
             <d:resourcetype><d:collection/></d:resourcetype><d:lockdiscovery/><d:supportedlock/></d:prop>\
             <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>\n\
             <d:response><d:href>/webdav/vo/a%0A%3Cb%3E.txt</d:href><d:propstat><d:prop>\
             <d:creationdate>1994-11-06T08:49:37Z</d:creationdate>\
             <d:displayname>a&#10;&lt;b&gt;.txt</d:displayname>\
             <d:getcontentlength>5</d:getcontentlength>\
             <d:getcontenttype>text/plain; charset=utf-8</d:getcontenttype>\
             <d:getetag>&quot;e1&quot;</d:getetag>\
             <d:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</d:getlastmodified>\
             <d:resourcetype/><d:lockdiscovery/><d:supportedlock/></d:prop>\
             <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>\n\
             </d:multistatus>\n"
        );
    }

    #[test]
    fn named_properties_that_are_missing_stand_apart() {
        let name = |n: &str, l: &str| PropertyName { namespace: n.into(), local: l.into() };
        let asked = Asked::These(vec![
            name(DAV, "getcontentlength"),
            name(STORM, "Checksum"),
            name(DAV, "acl"),
            name("u\"v", "x"),
            name("", "y"),
            name(DAV, "acl"),
        ]);
        let out = written(&asked, entry("f", EntryKind::File), vec![]);
        let unknown = "<d:acl/><x xmlns=\"u&quot;v\"/><y xmlns=\"\"/>";
        assert!(
            out.contains(&format!(
                "<d:propstat><d:prop><d:getcontentlength>5</d:getcontentlength>\
                 <ns1:Checksum>0123abcd</ns1:Checksum></d:prop>\
                 <d:status>HTTP/1.1 200 OK</d:status></d:propstat><d:propstat><d:prop>{unknown}\
                 </d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>"
            )),
            "{out}"
        );
        let out = written(&asked, entry("d", EntryKind::Directory), vec![]);
        assert!(
            out.contains(&format!(
                "</d:href><d:propstat><d:prop><d:getcontentlength/><ns1:Checksum/>{unknown}\
                 </d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>"
            )),
            "{out}"
        );
    }

    #[test]
    fn names_have_no_values() {
        let out = written(&Asked::Names, entry("d", EntryKind::Directory), vec![]);
        assert!(
            out.contains(
                "<d:prop><d:displayname/><d:getlastmodified/><d:resourcetype/><d:lockdiscovery/>\
                 <d:supportedlock/></d:prop>\
                 <d:status>HTTP/1.1 200 OK</d:status>"
            ),
            "{out}"
        );
    }

    #[test]
    fn large_directories_come_in_pieces() {
        let children: Vec<_> =
            (0..2000).map(|i| entry(&format!("f{i}"), EntryKind::File)).collect();
        let below = |entry: Entry| Found::Entry(Arc::new(RelPath::root()), entry);
        let children: Children = Box::new(children.into_iter().map(below).map(Ok));
        let top = entry("", EntryKind::Directory);
        let writer = Writer::new(&Asked::All(vec![]), false, "");
        let mut source = Multistatus::new(writer, "/", top, Some(children), Besides::default());
        let mut pieces = 0;
        let mut count = 0;
        while let Some(piece) = source.next().unwrap() {
            pieces += 1;
            assert!(piece.len() < PIECE + 4096);
            count += std::str::from_utf8(&piece).unwrap().matches("<d:response>").count();
        }
        assert_eq!(count, 2001);
        assert!(pieces > 10);
    }
}
