//! The body of a PROPPATCH (RFC 4918 9.2, 14.19).

use std::time::SystemTime;

use super::property::Property;
use super::propfind_request::{DAV, PropertyName};
use super::xml::{self, Element};

/// Where Windows keeps times and attributes of files.
const WINDOWS: &str = "urn:schemas-microsoft-com:";
/// Most properties in one request.
const MOST: usize = 256;

/// What becomes of one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) name: PropertyName,
    pub(super) deed: Deed,
}

/// See [`Change`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// It has this element as its value.
    Set(String),
    Remove,
    /// A time of the last modification, and the element where it is to be kept beside.
    Modified(SystemTime, Option<String>),
    /// Only the server says what it is (RFC 4918 15).
    Protected,
    /// A time that is none.
    NoTime,
}

/// Reads a body. `Err` says in words what is wrong.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Change>, String> {
    let root = xml::parse(body)?;
    if !root.is(DAV, "propertyupdate") {
        return Err("a DAV: propertyupdate element was expected".to_owned());
    }
    let mut changes = Vec::new();
    for update in root.children() {
        let set = update.is(DAV, "set");
        if !set && !update.is(DAV, "remove") {
            continue;
        }
        for prop in update.children().filter(|child| child.is(DAV, "prop")) {
            for property in prop.children() {
                let kept = || property.portable(&[&root, update, prop]);
                changes.push(change(property, set, kept));
                if changes.len() > MOST {
                    return Err(format!("more than {MOST} properties in one request"));
                }
            }
        }
    }
    match changes.is_empty() {
        true => Err("no property is set or removed".to_owned()),
        false => Ok(changes),
    }
}

fn change(property: &Element, set: bool, kept: impl FnOnce() -> String) -> Change {
    let name = property.name.clone();
    let at = || httpdate::parse_http_date(property.text().trim()).ok();
    let modified = |kept: Option<String>| at().map_or(Deed::NoTime, |at| Deed::Modified(at, kept));
    let deed = match (Property::of(&name), name.local.as_str()) {
        (Some(Property::LastModified), _) if set => modified(None),
        (Some(_), _) => Deed::Protected,
        // What rclone and ownCloud's clients send.
        (None, "lastmodified") if name.namespace == DAV && set => {
            match property.text().trim().parse() {
                Ok(seconds) => {
                    after_1970(seconds).map_or(Deed::NoTime, |at| Deed::Modified(at, None))
                }
                Err(_) => modified(None),
            }
        }
        (None, "Win32LastModifiedTime") if name.namespace == WINDOWS && set => {
            modified(Some(kept()))
        }
        _ if set => Deed::Set(kept()),
        _ => Deed::Remove,
    };
    Change { name, deed }
}

fn after_1970(seconds: u32) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn deeds(body: &str) -> Vec<(String, Deed)> {
        let changes = parse(body.as_bytes()).unwrap();
        changes.into_iter().map(|change| (change.name.local, change.deed)).collect()
    }

    /// As Windows sends it after each upload.
    #[test]
    fn what_windows_sends() {
        let told = deeds(
            "<?xml version=\"1.0\" encoding=\"utf-8\" ?><D:propertyupdate xmlns:D=\"DAV:\" \
             xmlns:Z=\"urn:schemas-microsoft-com:\"><D:set><D:prop>\
             <Z:Win32CreationTime>Sun, 06 Nov 1994 08:49:37 GMT</Z:Win32CreationTime>\
             <Z:Win32LastModifiedTime>Sun, 06 Nov 1994 08:49:37 GMT</Z:Win32LastModifiedTime>\
             <Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set>\
             </D:propertyupdate>",
        );
        assert!(matches!(&told[0].1, Deed::Set(kept) if kept.contains("1994")));
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert!(matches!(&told[1].1, Deed::Modified(t, Some(_)) if *t == at), "{told:?}");
        assert!(matches!(&told[2].1, Deed::Set(_)));
    }

    #[test]
    fn live_properties_are_the_servers() {
        let told = deeds(
            "<propertyupdate xmlns='DAV:'><set><prop><getetag>1</getetag><lastmodified>5\
             </lastmodified><getlastmodified>never</getlastmodified></prop></set>\
             <remove><prop><getlastmodified/><x xmlns='u'/></prop></remove></propertyupdate>",
        );
        let told: Vec<_> = told.into_iter().map(|(_, deed)| deed).collect();
        let five = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
        assert_eq!(
            told,
            [
                Deed::Protected,
                Deed::Modified(five, None),
                Deed::NoTime,
                Deed::Protected,
                Deed::Remove
            ]
        );
    }

    #[test]
    fn nothing_to_do_is_refused() {
        for body in [
            "",
            "<propfind xmlns='DAV:'/>",
            "<propertyupdate xmlns='DAV:'/>",
            "<propertyupdate xmlns='DAV:'><set><prop/></set></propertyupdate>",
            "<propertyupdate><set><prop><a/></prop></set></propertyupdate>",
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
