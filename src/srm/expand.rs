//! The files below a directory that a request asks for (`dirOption`): read by name, so that the order
//! is that of their paths, and never through a link to a directory, which may go round.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::access::{Needs, driver_error};
use super::files::is_hidden;
use super::{Error, ErrorKind, Levels, Site};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{Identity, RelPath, ReturnStatus};
use crate::namespace::Located;

/// What would read differently in a SURL, or not at all.
const IN_SURL: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#');
/// All levels.
const ALL: i32 = -1;
/// Nobody follows a tree further down.
const DEEPEST: usize = 64;

/// What was found below a directory.
pub(super) struct Found {
    /// Below the directory.
    pub(super) path: RelPath,
    /// A directory that could not be read; else it is a file, which was not looked at further.
    pub(super) refused: Option<Error>,
}

impl Levels {
    /// How many levels of files: -1 is all of them.
    ///
    /// # Errors
    /// `SRM_INVALID_REQUEST` for a negative number.
    pub(super) fn count(&self) -> Result<i32, ReturnStatus> {
        match (self.all, self.levels) {
            (Some(true), _) => Ok(ALL),
            (_, Some(levels)) if levels < 0 => {
                Err(ReturnStatus::invalid_request("dirOption: numOfLevels is negative"))
            }
            (_, levels) => Ok(levels.unwrap_or(1)),
        }
    }
}

/// The SURL of what lies at `below` in the directory `surl`.
pub(super) fn surl_below(surl: &str, below: &RelPath) -> String {
    format!("{}/{}", surl.trim_end_matches('/'), utf8_percent_encode(below.as_str(), IN_SURL))
}

/// The files of so many levels below a directory, which the caller must be allowed to list; each file
/// is still to be authorised. Blocks.
///
/// # Errors
/// What keeps the directory itself from being listed; more than `most` files or directories below it.
pub(super) fn files_below(
    site: &Site,
    who: &Identity,
    directory: &Located,
    levels: i32,
    most: usize,
) -> Result<Vec<Found>, Error> {
    let mut walk = Walk { site, who, most, found: Vec::new(), directories: 0 };
    walk.level(directory, &RelPath::root(), levels, 0)?;
    Ok(walk.found)
}

struct Walk<'a> {
    site: &'a Site,
    who: &'a Identity,
    most: usize,
    found: Vec<Found>,
    directories: usize,
}

impl Walk<'_> {
    fn level(
        &mut self,
        located: &Located,
        below: &RelPath,
        levels: i32,
        depth: usize,
    ) -> Result<(), Error> {
        let names = self.names(located, levels, depth)?;
        for (name, kind) in names {
            let path = below.join(&name);
            if kind == Kind::File {
                self.found.push(Found { path, refused: None });
                continue;
            }
            let Ok(stfn) = located.stfn.join(&name) else { continue };
            if depth >= DEEPEST {
                return Err(too_much(&format!("goes deeper than {DEEPEST} levels")));
            }
            let (area, at) = (located.area.clone(), located.path.join(&name));
            let child = Located { area, path: at, stfn };
            match self.level(&child, &path, (levels - 1).max(ALL), depth + 1) {
                Ok(()) => {}
                // It was a directory a moment ago.
                Err(error)
                    if matches!(error.kind, ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) if error.kind == ErrorKind::InvalidRequest => return Err(error),
                Err(error) => self.found.push(Found { path, refused: Some(error) }),
            }
        }
        Ok(())
    }

    /// Names of files, and of the directories that are gone through, by name.
    fn names(
        &mut self,
        located: &Located,
        levels: i32,
        depth: usize,
    ) -> Result<Vec<(String, Kind)>, Error> {
        self.site.permit(self.who, located, Needs::LIST)?;
        let told = |error| driver_error(error, &located.stfn);
        let directory = match located.area.driver.directory(&located.path) {
            // Another area's root: what is in it is not in this one.
            Err(DriverError::OtherArea) if depth > 0 => return Ok(Vec::new()),
            directory => directory.map_err(told)?,
        };
        if levels == 0 {
            return Ok(Vec::new());
        }
        let (mut names, mut files) = (Vec::new(), self.found.len());
        for entry in directory.entries().map_err(told)? {
            let entry = entry.map_err(told)?;
            if is_hidden(&entry.name) {
                continue;
            }
            let kind = match entry.kind {
                Some(kind) => kind,
                // A link: to a file it is one more name of it.
                None => match directory.stat(&entry.name) {
                    Ok(stat) if stat.kind == Kind::File => Kind::File,
                    // Told when the file is made ready.
                    Err(DriverError::Escapes) => Kind::File,
                    _ => continue,
                },
            };
            match kind {
                Kind::File => files += 1,
                Kind::Directory if levels == 1 => continue,
                Kind::Directory => self.directories += 1,
                Kind::Other => continue,
            }
            if files > self.most || self.directories > self.most {
                return Err(too_many(self.most));
            }
            names.push((entry.name, kind));
        }
        names.sort_unstable_by(|(one, _): &(String, _), (other, _)| one.cmp(other));
        Ok(names)
    }
}

/// More than the request has room for.
pub(super) fn too_many(most: usize) -> Error {
    too_much(&format!("holds more files than the {most} for which the request has room"))
}

fn too_much(what: &str) -> Error {
    let why = format!("the directory {what}: ask for parts of it, in several requests");
    Error::new(ErrorKind::InvalidRequest, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Surl;

    #[test]
    fn surls_of_odd_names_lead_back_to_them() {
        for name in ["a", "a b", " ", "50%25", "x?SFN=/y", "é#", "new\nline", "a/b c"] {
            let below = RelPath::parse(name).unwrap();
            for base in ["srm://h:8444/d", "srm://h/d/", "srm://h/srm/managerv2?SFN=/d"] {
                let surl = Surl::parse(&surl_below(base, &below)).unwrap();
                assert_eq!(surl.stfn().as_str(), format!("/d/{name}"), "{base}");
            }
        }
    }

    #[test]
    fn levels() {
        let of = |all, levels| Levels { all, levels }.count().ok();
        assert_eq!(of(None, None), Some(1));
        assert_eq!(of(Some(false), Some(3)), Some(3));
        assert_eq!(of(Some(true), Some(3)), Some(ALL));
        assert_eq!(of(None, Some(-1)), None);
    }
}
