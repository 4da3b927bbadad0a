//! The live properties of RFC 4918 15 and RFC 4331, and those of others that this door tells.

use std::time::SystemTime;

use super::content::content_type;
use super::digest;
use super::propfind_request::{DAV, PropertyName};
use crate::model::Algorithm;
use crate::srm::{Beside, DavLock, Entry, EntryKind};
use crate::web::{encode_path, escape, http_date, rfc3339};

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

    /// The value as XML; `None` where this entry has none. A directory has no content, so none of
    /// the properties of content; quota is told of directories (RFC 4331 3).
    pub(super) fn value(self, entry: &Entry, beside: &Beside, prefix: &str) -> Option<String> {
        let file = entry.kind == EntryKind::File;
        let quota = beside.quota.filter(|_| !file);
        match self {
            Property::CreationDate => entry.created.map(rfc3339),
            Property::DisplayName => Some(escape(&entry.name)),
            Property::ContentLength => file.then(|| entry.size.to_string()),
            Property::ContentType => file.then(|| content_type(&entry.name).to_owned()),
            Property::ETag => file.then(|| escape(&format!("\"{}\"", entry.etag))),
            Property::LastModified => Some(http_date(entry.modified)),
            Property::ResourceType if file => Some(String::new()),
            Property::ResourceType => Some("<d:collection/>".to_owned()),
            Property::LockDiscovery => {
                let locks = beside.locks.iter();
                Some(locks.map(|lock| active_lock(lock, prefix, SystemTime::now())).collect())
            }
            // LibreOffice takes what is listed here for granted.
            Property::SupportedLock if beside.lockable => Some(SUPPORTED.to_owned()),
            Property::SupportedLock => Some(String::new()),
            Property::QuotaAvailable => quota.map(|quota| quota.available.to_string()),
            Property::QuotaUsed => quota.map(|quota| quota.used.to_string()),
            Property::Checksum => {
                let kept = beside.digests.get(&Algorithm::Adler32);
                kept.or(entry.adler32.as_ref()).filter(|_| file).cloned()
            }
            Property::OwnCloudChecksums => some(digest::own_cloud(&beside.digests))
                .map(|all| format!("<oc:checksum>{all}</oc:checksum>")),
            Property::DcacheChecksums => some(digest::rfc3230(&beside.digests)),
        }
    }

    /// Writes the element; an empty value makes an empty element.
    pub(super) fn write(self, out: &mut String, value: &str) {
        let (prefix, declared) = match self {
            Property::Checksum => ("ns1:", ""),
            Property::OwnCloudChecksums => ("oc:", " xmlns:oc=\"http://owncloud.org/ns\""),
            Property::DcacheChecksums => ("", " xmlns=\"http://www.dcache.org/2013/webdav\""),
            _ => ("d:", ""),
        };
        let name = self.name();
        if value.is_empty() {
            out.extend(["<", prefix, name, declared, "/>"]);
        } else {
            out.extend(["<", prefix, name, declared, ">", value, "</", prefix, name, ">"]);
        }
    }
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
