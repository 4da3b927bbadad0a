//! The answer to a PROPFIND (RFC 4918 13), written straight into pieces: one entry at a time, in
//! the directory's own order, so that a directory of any size takes the memory of one piece.

use bytes::Bytes;

use super::blocking::Source;
use super::content::content_type;
use super::propfind_request::{Asked, DAV, PropertyName};
use crate::srm::{Entry, EntryKind, Error};
use crate::web::{encode_path, escape, http_date, rfc3339};

/// Bytes per piece.
const PIECE: usize = 64 * 1024;
/// The namespace in which StoRM WebDAV tells the adler32.
const STORM: &str = "http://storm.italiangrid.org/2014/webdav";

/// A property that this door knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    CreationDate,
    DisplayName,
    ContentLength,
    ContentType,
    ETag,
    LastModified,
    ResourceType,
    /// Told when asked for by name only.
    Checksum,
}

/// Those of `allprop` and `propname`.
const COMMON: [Property; 7] = [
    Property::CreationDate,
    Property::DisplayName,
    Property::ContentLength,
    Property::ContentType,
    Property::ETag,
    Property::LastModified,
    Property::ResourceType,
];

impl Property {
    fn of(name: &PropertyName) -> Option<Self> {
        if name.namespace == STORM {
            return (name.local == "Checksum").then_some(Property::Checksum);
        }
        let common = COMMON.iter().find(|p| p.name() == name.local);
        common.copied().filter(|_| name.namespace == DAV)
    }

    /// The local name.
    const fn name(self) -> &'static str {
        match self {
            Property::CreationDate => "creationdate",
            Property::DisplayName => "displayname",
            Property::ContentLength => "getcontentlength",
            Property::ContentType => "getcontenttype",
            Property::ETag => "getetag",
            Property::LastModified => "getlastmodified",
            Property::ResourceType => "resourcetype",
            Property::Checksum => "Checksum",
        }
    }

    /// The value as XML; `None` where this entry has none. A directory has no content, so none of
    /// the properties of content.
    fn value(self, entry: &Entry) -> Option<String> {
        let file = entry.kind == EntryKind::File;
        match self {
            Property::CreationDate => entry.created.map(rfc3339),
            Property::DisplayName => Some(escape(&entry.name)),
            Property::ContentLength => file.then(|| entry.size.to_string()),
            Property::ContentType => file.then(|| content_type(&entry.name).to_owned()),
            Property::ETag => file.then(|| escape(&format!("\"{}\"", entry.etag))),
            Property::LastModified => Some(http_date(entry.modified)),
            Property::ResourceType if file => Some(String::new()),
            Property::ResourceType => Some("<d:collection/>".to_owned()),
            Property::Checksum => entry.adler32.clone().filter(|_| file),
        }
    }

    fn write(self, out: &mut String, value: &str) {
        let prefix = if self == Property::Checksum { "ns1" } else { "d" };
        let name = self.name();
        if value.is_empty() {
            out.extend(["<", prefix, ":", name, "/>"]);
        } else {
            out.extend(["<", prefix, ":", name, ">", value, "</", prefix, ":", name, ">"]);
        }
    }
}

/// What to write of each entry, made once per request.
#[derive(Debug)]
pub(super) struct Writer {
    known: Vec<Property>,
    names_only: bool,
    /// Known, but to be told as missing where an entry has none.
    named: bool,
    /// Written elements of what nobody knows.
    unknown: String,
}

impl Writer {
    pub(super) fn new(asked: &Asked) -> Self {
        let (mut known, names): (Vec<_>, &[_]) = match asked {
            Asked::Names => (COMMON.to_vec(), &[]),
            Asked::All(include) => (COMMON.to_vec(), include),
            Asked::These(names) => (Vec::new(), names),
        };
        let mut unknown = String::new();
        let mut seen: Vec<&PropertyName> = Vec::new();
        for name in names {
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            match Property::of(name) {
                Some(property) if known.contains(&property) => {}
                Some(property) => known.push(property),
                None if name.namespace == DAV => unknown.extend(["<d:", &name.local, "/>"]),
                None => {
                    let namespace = escape(&name.namespace);
                    unknown.extend(["<", &name.local, " xmlns=\"", &namespace, "\"/>"]);
                }
            }
        }
        let named = matches!(asked, Asked::These(_));
        Self { known, names_only: *asked == Asked::Names, named, unknown }
    }

    /// One `response`. `href` is a path, not yet encoded.
    fn response(&self, out: &mut String, href: &str, entry: &Entry) {
        out.extend(["<d:response><d:href>", &encode_path(href), "</d:href>"]);
        let mut missing = String::new();
        let start = out.len();
        out.push_str("<d:propstat><d:prop>");
        let bare = out.len();
        for property in &self.known {
            match property.value(entry) {
                Some(_) if self.names_only => property.write(out, ""),
                Some(value) => property.write(out, &value),
                None if self.named => property.write(&mut missing, ""),
                None => {}
            }
        }
        let nothing_missing = missing.is_empty() && self.unknown.is_empty();
        if out.len() == bare && !nothing_missing {
            out.truncate(start);
        } else {
            out.push_str("</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>");
        }
        if !nothing_missing {
            out.extend(["<d:propstat><d:prop>", &missing, &self.unknown]);
            out.push_str("</d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat>");
        }
        out.push_str("</d:response>\n");
    }
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
<d:multistatus xmlns:d=\"DAV:\" xmlns:ns1=\"http://storm.italiangrid.org/2014/webdav\">\n";
const TAIL: &str = "</d:multistatus>\n";

/// Children of a directory, in its own order.
pub(super) type Children = Box<dyn Iterator<Item = Result<Entry, Error>> + Send>;

/// The whole answer: an entry, and its children.
pub(super) struct Multistatus {
    writer: Writer,
    /// Path of the entry, prefix and all; no slash at the end.
    base: String,
    top: Option<Entry>,
    children: Option<Children>,
    over: bool,
}

impl Multistatus {
    /// `base` is the path of `top` as the client asked for it, decoded.
    pub(super) fn new(writer: Writer, base: &str, top: Entry, children: Option<Children>) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { writer, base, top: Some(top), children, over: false }
    }
}

impl Source for Multistatus {
    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.over {
            return Ok(None);
        }
        let mut out = String::with_capacity(PIECE + 4096);
        let slash = |entry: &Entry| if entry.kind == EntryKind::Directory { "/" } else { "" };
        if let Some(top) = self.top.take() {
            out.push_str(HEAD);
            let href = format!("{}{}", self.base, slash(&top));
            self.writer.response(&mut out, &href, &top);
        }
        while out.len() < PIECE {
            match self.children.as_mut().and_then(|children| children.next()) {
                Some(entry) => {
                    let entry = entry?;
                    let href = format!("{}/{}{}", self.base, entry.name, slash(&entry));
                    self.writer.response(&mut out, &href, &entry);
                }
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

    fn written(asked: &Asked, entry: Entry, children: Vec<Entry>) -> String {
        let children: Children = Box::new(children.into_iter().map(Ok));
        let mut source = Multistatus::new(Writer::new(asked), "/webdav/vo/", entry, Some(children));
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
             <d:resourcetype><d:collection/></d:resourcetype></d:prop>\
             <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>\n\
             <d:response><d:href>/webdav/vo/a%0A%3Cb%3E.txt</d:href><d:propstat><d:prop>\
             <d:creationdate>1994-11-06T08:49:37Z</d:creationdate>\
             <d:displayname>a&#10;&lt;b&gt;.txt</d:displayname>\
             <d:getcontentlength>5</d:getcontentlength>\
             <d:getcontenttype>text/plain; charset=utf-8</d:getcontenttype>\
             <d:getetag>&quot;e1&quot;</d:getetag>\
             <d:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</d:getlastmodified>\
             <d:resourcetype/></d:prop>\
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
            name(DAV, "supportedlock"),
            name("u\"v", "x"),
            name("", "y"),
            name(DAV, "supportedlock"),
        ]);
        let out = written(&asked, entry("f", EntryKind::File), vec![]);
        let unknown = "<d:supportedlock/><x xmlns=\"u&quot;v\"/><y xmlns=\"\"/>";
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
                "<d:prop><d:displayname/><d:getlastmodified/><d:resourcetype/></d:prop>\
                 <d:status>HTTP/1.1 200 OK</d:status>"
            ),
            "{out}"
        );
    }

    #[test]
    fn large_directories_come_in_pieces() {
        let children: Vec<_> =
            (0..2000).map(|i| entry(&format!("f{i}"), EntryKind::File)).collect();
        let children: Children = Box::new(children.into_iter().map(Ok));
        let top = entry("", EntryKind::Directory);
        let writer = Writer::new(&Asked::All(vec![]));
        let mut source = Multistatus::new(writer, "/", top, Some(children));
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
