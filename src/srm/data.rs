//! Reading through our own HTTP doors: one file, or the list of a directory.

use std::fs::File;
use std::time::SystemTime;

use super::access::{Needs, driver_error};
use super::files::{adler32, entry, hidden_name, is_hidden};
use super::{Entry, EntryKind, Error, ErrorKind, Lister, Reader, Site, Srm, Target, blocking};
use crate::fsdriver::{Directory, DriverError, Kind};
use crate::model::{Identity, RequestKind, Stfn};
use crate::namespace::Located;

impl Srm {
    /// Looks at a file or directory.
    pub async fn stat(&self, who: &Identity, target: &Target) -> Result<Entry, Error> {
        self.admit(who).await?;
        let site = self.site();
        let located = match self.find_transfer(who, target)? {
            Some(located) => located,
            None => match site.reach(who, target.stfn(), Needs::LIST) {
                Ok(located) => located,
                Err(error) => {
                    let way = waypoint(&site, who, target.stfn());
                    return way.ok_or_else(|| hidden_way(&site, who, target.stfn(), error));
                }
            },
        };
        match open_at_once(&located) {
            Some(file) => seen(&located, &file?),
            None => blocking(move || look(&located)).await,
        }
    }

    /// Opens a file for reading.
    pub async fn open(&self, who: &Identity, target: &Target) -> Result<Reader, Error> {
        self.admit(who).await?;
        let site = self.site();
        let located = match self.find_transfer(who, target)? {
            Some(located) => located,
            None => match site.reach(who, target.stfn(), Needs::READ) {
                Ok(located) => located,
                Err(error) => {
                    return Err(match waypoint(&site, who, target.stfn()) {
                        Some(_) => Error::new(ErrorKind::IsADirectory, "the path is a directory"),
                        None => hidden_way(&site, who, target.stfn(), error),
                    });
                }
            },
        };
        if let Some(file) = open_at_once(&located) {
            return read(&located, file?);
        }
        blocking(move || {
            let driver = &*located.area.driver;
            let file = driver.open(&located.path);
            read(&located, file.map_err(|error| driver_error(error, &located.stfn))?)
        })
        .await
    }

    /// Lists a directory, in its own order.
    pub async fn list(&self, who: &Identity, target: &Target) -> Result<Lister, Error> {
        self.admit(who).await?;
        let Target::Stfn(stfn) = target else {
            self.find_transfer(who, target)?;
            return Err(Error::new(
                ErrorKind::NotADirectory,
                "a TURL names one prepared file: list directories at their own path",
            ));
        };
        let site = self.site();
        let located = match site.reach(who, stfn, Needs::LIST) {
            Ok(located) => located,
            Err(error) => {
                let list = way_list(&site, who, stfn);
                return list.ok_or_else(|| hidden_way(&site, who, stfn, error));
            }
        };
        blocking(move || {
            let entry = look(&located)?;
            if entry.kind != EntryKind::Directory {
                return Err(Error::new(ErrorKind::NotADirectory, "the path is no directory"));
            }
            let told = |error| driver_error(error, &located.stfn);
            let directory = located.area.driver.directory(&located.path).map_err(told)?;
            let names = directory.entries().map_err(told)?;
            let children = names.filter_map(move |name| match name {
                Ok(name) if is_hidden(&name.name) => None,
                Ok(name) => child(&*directory, name.name).transpose(),
                Err(error) => Some(Err(driver_error(error, &located.stfn))),
            });
            Ok(Lister { entry, children: Box::new(children) })
        })
        .await
    }

    /// What a TURL points at; `None` for a path of its own.
    pub(super) fn find_transfer(
        &self,
        who: &Identity,
        target: &Target,
    ) -> Result<Option<Located>, Error> {
        let Target::Transfer(stfn) = target else { return Ok(None) };
        let located = self.site().locate(who, stfn, crate::namespace::Access::Read)?;
        let mut pins = self.core.requests.pins_on(&located.key());
        // A bring-online has no TURL.
        pins.retain(|holder| holder.live.kind() == RequestKind::Get);
        let pinned = match who {
            Identity::Person(_) => {
                pins.iter().any(|holder| Self::is_owner(who, &holder.live.request.user))
            }
            // A http TURL is given only for what anybody may read at its own path too.
            Identity::Anonymous if !pins.is_empty() => return Ok(None),
            Identity::Anonymous | Identity::Refused(_) => false,
        };
        if pinned {
            return Ok(Some(located));
        }
        match self.find_put(who, stfn) {
            Ok((located, holder)) => {
                let path = hidden_name(&located.path, holder.live.token(), holder.n);
                let path = path.ok_or_else(not_served)?;
                Ok(Some(Located { path, ..located }))
            }
            Err(_) => Err(Error::new(
                ErrorKind::Denied,
                "no live srmPrepareToGet or srmPrepareToPut of yours on this path: the TURL is \
                 closed",
            )),
        }
    }
}

/// A file that the kernel has at hand; `None`: it takes a look on the blocking pool.
fn open_at_once(located: &Located) -> Option<Result<File, Error>> {
    match located.area.driver.open_at_once(&located.path)? {
        Ok(file) => Some(Ok(file)),
        Err(error @ DriverError::NotFound) => Some(Err(driver_error(error, &located.stfn))),
        Err(_) => None,
    }
}

/// Without a checksum: most readers do not ask for it ([`Srm::checksum`]).
fn read(located: &Located, file: File) -> Result<Reader, Error> {
    let stat = located.area.driver.stat_file(&file);
    let stat = stat.map_err(|error| driver_error(error, &located.stfn))?;
    let name = located.stfn.name().unwrap_or_default();
    let entry = entry(name, &stat, None).ok_or_else(not_served)?;
    Ok(Reader { file, entry })
}

fn seen(located: &Located, file: &File) -> Result<Entry, Error> {
    let driver = &*located.area.driver;
    let stat = driver.stat_file(file).map_err(|error| driver_error(error, &located.stfn))?;
    let name = located.stfn.name().unwrap_or_default();
    entry(name, &stat, adler32(driver, file, &stat)).ok_or_else(not_served)
}

pub(super) fn look(located: &Located) -> Result<Entry, Error> {
    let driver = &*located.area.driver;
    let told = |e| driver_error(e, &located.stfn);
    let stat = driver.stat(&located.path).map_err(told)?;
    let checksum = match stat.kind {
        // One file asked for by name: its checksum is worth an open.
        Kind::File => driver.open(&located.path).ok().and_then(|file| {
            let stat = driver.stat_file(&file).ok()?;
            adler32(driver, &file, &stat)
        }),
        Kind::Directory | Kind::Other => None,
    };
    entry(located.stfn.name().unwrap_or_default(), &stat, checksum).ok_or_else(not_served)
}

/// One child; `None` for what is gone meanwhile, leads out, or is neither file nor directory.
pub(super) fn child(directory: &dyn Directory, name: String) -> Result<Option<Entry>, Error> {
    match directory.stat(&name) {
        Ok(stat) => Ok(entry(name, &stat, None)),
        Err(
            DriverError::NotFound
            | DriverError::Escapes
            | DriverError::OtherArea
            | DriverError::Denied,
        ) => Ok(None),
        Err(error) => Err(driver_error(error, &name)),
    }
}

/// A directory that exists only as the way to a storage area.
pub(super) fn waypoint(site: &Site, who: &Identity, stfn: &Stfn) -> Option<Entry> {
    let leads = !site.waypoints(who, stfn).is_empty();
    leads.then(|| way(stfn.name().unwrap_or_default()))
}

/// Why nobody sees a path. Where it leads to areas, only not to any that everybody may read, whoever signs in
/// may see it: a mount that begins there sends its password when it is asked, and not before.
fn hidden_way(site: &Site, who: &Identity, stfn: &Stfn, error: Error) -> Error {
    match who {
        Identity::Anonymous if site.namespace.is_way(stfn) => Error::new(
            ErrorKind::Denied,
            "what lies below is not for everybody: a client certificate or proxy is needed",
        ),
        _ => error,
    }
}

fn way_list(site: &Site, who: &Identity, stfn: &Stfn) -> Option<Lister> {
    let entry = waypoint(site, who, stfn)?;
    let names = site.waypoints(who, stfn);
    let children = names.into_iter().map(|name| Ok(way(&name)));
    Some(Lister { entry, children: Box::new(children) })
}

pub(super) fn way(name: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        kind: EntryKind::Directory,
        size: 0,
        modified: SystemTime::UNIX_EPOCH,
        created: None,
        etag: "way".to_owned(),
        adler32: None,
    }
}

fn not_served() -> Error {
    Error::new(ErrorKind::NotSupported, "the path is neither a file nor a directory")
}
