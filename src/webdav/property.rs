//! The live properties of RFC 4918 15 and RFC 4331, and those of others that this door tells.

use std::fmt::Write as _;
use std::time::SystemTime;

use super::content::content_type;
use super::digest;
use super::propfind_request::{DAV, PropertyName};
use crate::model::Algorithm;
use crate::srm::{Beside, DavLock, Entry, EntryKind};
use crate::web::{Dates, encode_path, escape, write_escaped};

/// The namespace in which StoRM WebDAV tells the adler32.
pub(super) const STORM: &str = "http://storm.italiangrid.org/2014/webdav";

/// A property that this door knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    CreationDate,
    DisplayName,
    ContentLength,
    ContentType,
    ETag,
    LastModified,
    ResourceType,
    LockDiscovery,
    SupportedLock,
    // From here on: told when asked for by name only.
    QuotaAvailable,
    QuotaUsed,
    /// As StoRM tells it.
    Checksum,
    /// As ownCloud tells them: rclone and desktops compare with these.
    OwnCloudChecksums,
    /// As dCache tells them.
    DcacheChecksums,
}

/// Those of `allprop` and `propname`.
pub(super) const COMMON: [Property; 9] = [
    Property::CreationDate,
    Property::DisplayName,
    Property::ContentLength,
    Property::ContentType,
    Property::ETag,
    Property::LastModified,
    Property::ResourceType,
    Property::LockDiscovery,
    Property::SupportedLock,
];

/// Exclusive and shared write locks (RFC 4918 15.10).
const SUPPORTED: &str = "<d:lockentry><d:lockscope><d:exclusive/></d:lockscope><d:locktype><d:write/>\
    </d:locktype></d:lockentry><d:lockentry><d:lockscope><d:shared/></d:lockscope><d:locktype>\
    <d:write/></d:locktype></d:lockentry>";

/// Those that cost something.
const RARE: [Property; 2] = [Property::QuotaAvailable, Property::QuotaUsed];

/// The checksums of a file, one in each form.
pub(super) const CHECKSUMS: [Property; 3] =
    [Property::Checksum, Property::OwnCloudChecksums, Property::DcacheChecksums];

impl Property {
    pub(super) fn of(name: &PropertyName) -> Option<Self> {
        let elsewhere = CHECKSUMS.iter().find(|p| p.name() == name.local);
        if let Some(property) = elsewhere.filter(|p| p.namespace() == name.namespace) {
            return Some(*property);
        }
        let known = COMMON.iter().chain(&RARE).find(|p| p.name() == name.local);
        known.copied().filter(|_| name.namespace == DAV)
    }

    /// The local name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Property::CreationDate => "creationdate",
            Property::DisplayName => "displayname",
            Property::ContentLength => "getcontentlength",
            Property::ContentType => "getcontenttype",
            Property::ETag => "getetag",
            Property::LastModified => "getlastmodified",
            Property::ResourceType => "resourcetype",
            Property::LockDiscovery => "lockdiscovery",
            Property::SupportedLock => "supportedlock",
            Property::QuotaAvailable => "quota-available-bytes",
            Property::QuotaUsed => "quota-used-bytes",
            Property::Checksum => "Checksum",
            Property::OwnCloudChecksums => "checksums",
            Property::DcacheChecksums => "Checksums",
        }
    }

    const fn namespace(self) -> &'static str {
        match self {
            Property::Checksum => STORM,
            Property::OwnCloudChecksums => "http://owncloud.org/ns",
            Property::DcacheChecksums => "http://www.dcache.org/2013/webdav",
            _ => DAV,
        }
    }

    /// Writes the element of an entry; nothing, and false, where it has none. A directory has no content,
    /// so none of the properties of content; quota is told of directories (RFC 4331 3).
    pub(super) fn write(self, out: &mut String, of: &Of<'_>, dates: &mut Dates) -> bool {
        let begin = out.len();
        self.open(out, ">");
        let bare = out.len();
        if !self.write_value(out, of, dates) {
            out.truncate(begin);
            return false;
        }
        if out.len() == bare {
            out.truncate(bare - 1);
            out.push_str("/>");
        } else {
            out.extend(["</", self.prefix(), self.name(), ">"]);
        }
        true
    }

    /// Writes the element without a value.
    pub(super) fn write_name(self, out: &mut String) {
        self.open(out, "/>");
    }

    /// The value as XML; false where there is none.
    fn write_value(self, out: &mut String, of: &Of<'_>, dates: &mut Dates) -> bool {
        let Of { entry, beside, prefix } = *of;
        let file = entry.kind == EntryKind::File;
        let mut tell = |text: Option<&str>| {
            out.push_str(text.unwrap_or_default());
            text.is_some()
        };
        match self {
            Property::CreationDate => match entry.created {
                Some(at) => dates.write_rfc3339(out, at),
                None => return false,
            },
            Property::DisplayName => write_escaped(out, &entry.name),
            Property::LastModified => dates.write_http(out, entry.modified),
            Property::ResourceType => return tell(Some(if file { "" } else { "<d:collection/>" })),
            Property::LockDiscovery => {
                let now = SystemTime::now();
                out.extend(beside.locks.iter().map(|lock| active_lock(lock, prefix, now)));
            }
            // LibreOffice takes what is listed here for granted.
            Property::SupportedLock => {
                return tell(Some(if beside.lockable { SUPPORTED } else { "" }));
            }
            Property::QuotaAvailable | Property::QuotaUsed => {
                let Some(quota) = beside.quota.filter(|_| !file) else { return false };
                let used = self == Property::QuotaUsed;
                write_number(out, if used { quota.used } else { quota.available });
            }
            _ if !file => return false,
            Property::ContentLength => write_number(out, entry.size),
            Property::ContentType => return tell(Some(content_type(&entry.name))),
            Property::ETag => {
                out.push_str("&quot;");
                write_escaped(out, &entry.etag);
                out.push_str("&quot;");
            }
            Property::Checksum => {
                let kept = beside.digests.get(&Algorithm::Adler32);
                return tell(kept.or(entry.adler32.as_ref()).map(String::as_str));
            }
            Property::OwnCloudChecksums => {
                let all = some(digest::own_cloud(&beside.digests))
                    .map(|all| format!("<oc:checksum>{all}</oc:checksum>"));
                return tell(all.as_deref());
            }
            Property::DcacheChecksums => {
                return tell(some(digest::rfc3230(&beside.digests)).as_deref());
            }
        }
        true
    }

    const fn prefix(self) -> &'static str {
        match self {
            Property::Checksum => "ns1:",
            Property::OwnCloudChecksums => "oc:",
            Property::DcacheChecksums => "",
            _ => "d:",
        }
    }

    /// Writes the tag that opens the element.
    fn open(self, out: &mut String, end: &str) {
        let declared = match self {
            Property::OwnCloudChecksums => " xmlns:oc=\"http://owncloud.org/ns\"",
            Property::DcacheChecksums => " xmlns=\"http://www.dcache.org/2013/webdav\"",
            _ => "",
        };
        out.extend(["<", self.prefix(), self.name(), declared, end]);
    }
}

/// Of what a property is told.
pub(super) struct Of<'a> {
    pub(super) entry: &'a Entry,
    pub(super) beside: &'a Beside,
    /// Stands before the path of a lock.
    pub(super) prefix: &'a str,
}

fn write_number(out: &mut String, number: u64) {
    // Writing to a String does not fail.
    let _ = write!(out, "{number}");
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// A lock as `lockdiscovery` tells it (RFC 4918 14.1). `prefix` stands before its path.
pub(super) fn active_lock(lock: &DavLock, prefix: &str, now: SystemTime) -> String {
    let scope = if lock.exclusive { "exclusive" } else { "shared" };
    let depth = if lock.infinite { "infinity" } else { "0" };
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let end = u128::try_from(lock.expires.0).unwrap_or(0);
    // Rounded up, so that a lock that holds never tells 0.
    let seconds = end.saturating_sub(now).div_ceil(1000);
    format!(
        "<d:activelock><d:locktype><d:write/></d:locktype><d:lockscope><d:{scope}/></d:lockscope>\
         <d:depth>{depth}</d:depth>{}<d:timeout>Second-{seconds}</d:timeout><d:locktoken><d:href>{}\
         </d:href></d:locktoken><d:lockroot><d:href>{}</d:href></d:lockroot></d:activelock>",
        lock.owner,
        escape(&lock.token),
        encode_path(&format!("{prefix}{}", lock.root)),
    )
}

/// Writes an empty element of that name.
pub(super) fn write_name(out: &mut String, namespace: &str, local: &str) {
    if namespace == DAV {
        out.extend(["<d:", local, "/>"]);
    } else {
        out.extend(["<", local, " xmlns=\"", &escape(namespace), "\"/>"]);
    }
}
