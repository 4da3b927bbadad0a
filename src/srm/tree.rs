//! A whole tree for our HTTP doors, directory by directory, in memory that does not grow with it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::access::{Needs, driver_error};
use super::data::{child, look};
use super::files::is_hidden;
use super::{Entry, EntryKind, Error, ErrorKind, Site, Srm, Target, blocking};
use crate::fsdriver::{DirEntries, Directory, DriverError};
use crate::model::{Identity, RelPath};
use crate::namespace::Located;

/// Directories inside each other that are entered.
const DEEPEST: usize = 64;
/// Entries that are told.
const MOST: usize = 1_000_000;

/// What is found in a tree, with a path below the top.
#[derive(Debug)]
pub enum Found {
    /// A file or directory, in this directory; what is in a directory follows.
    Entry(Arc<RelPath>, Entry),
    /// What is in this directory is not told, or not all of it: the tree goes on beyond a bound.
    Bound(RelPath),
}

/// A directory, and all below it, one at a time. Blocking: iterate on the blocking pool.
pub struct Tree {
    /// The directory itself.
    pub entry: Entry,
    /// What is in it. Hidden names are left out.
    pub members: Box<dyn Iterator<Item = Result<Found, Error>> + Send>,
}

struct Walk {
    site: Arc<Site>,
    who: Identity,
    /// Directories that are open, the top first.
    levels: Vec<Level>,
    /// Found, not yet given.
    ready: VecDeque<Found>,
    /// Entries that may still be told.
    left: usize,
}

struct Level {
    located: Located,
    below: Arc<RelPath>,
    directory: Box<dyn Directory>,
    entries: DirEntries,
}

impl Srm {
    /// All below a directory.
    ///
    /// # Errors
    /// [`ErrorKind::NotADirectory`]; [`ErrorKind::NotSupported`] for what only leads to storage areas.
    pub async fn tree(&self, who: &Identity, target: &Target) -> Result<Tree, Error> {
        self.admit(who).await?;
        let site = self.site();
        let Target::Stfn(stfn) = target else {
            return Err(Error::new(ErrorKind::NotADirectory, "a TURL names one prepared file"));
        };
        let located = match site.reach(who, stfn, Needs::LIST) {
            Err(_) if !site.waypoints(who, stfn).is_empty() => {
                let why = "only storage areas are listed with all below: ask for one of them";
                return Err(Error::new(ErrorKind::NotSupported, why));
            }
            located => located?,
        };
        let who = who.clone();
        blocking(move || {
            let entry = look(&located)?;
            if entry.kind != EntryKind::Directory {
                return Err(Error::new(ErrorKind::NotADirectory, "the path is no directory"));
            }
            let level = Level::open(located.clone(), RelPath::root());
            let levels = vec![level.map_err(|error| driver_error(error, &located.stfn))?];
            let walk = Walk { site, who, levels, ready: VecDeque::new(), left: MOST };
            Ok(Tree { entry, members: Box::new(walk) })
        })
        .await
    }
}

impl Level {
    fn open(located: Located, below: RelPath) -> Result<Self, DriverError> {
        let directory = located.area.driver.directory(&located.path)?;
        let entries = directory.entries()?;
        Ok(Self { located, below: Arc::new(below), directory, entries })
    }
}

impl Walk {
    fn enter(&mut self, located: Located, below: RelPath) -> Result<(), Error> {
        if self.levels.len() >= DEEPEST {
            self.ready.push_back(Found::Bound(below));
            return Ok(());
        }
        // What is closed to the caller looks empty.
        if self.site.permit(&self.who, &located, Needs::LIST).is_err() {
            return Ok(());
        }
        let stfn = located.stfn.clone();
        match Level::open(located, below) {
            Ok(level) => self.levels.push(level),
            // It went meanwhile, or belongs to another area.
            Err(
                DriverError::NotFound
                | DriverError::NotADirectory
                | DriverError::Escapes
                | DriverError::OtherArea
                | DriverError::Denied,
            ) => {}
            Err(error) => return Err(driver_error(error, &stfn)),
        }
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = Result<Found, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(found) = self.ready.pop_front() {
                return Some(Ok(found));
            }
            let level = self.levels.last_mut()?;
            let name = match level.entries.next() {
                None => {
                    self.levels.pop();
                    continue;
                }
                Some(Ok(name)) if is_hidden(&name.name) => continue,
                Some(Ok(name)) => name.name,
                Some(Err(error)) => return Some(Err(driver_error(error, &level.located.stfn))),
            };
            let entry = match child(&*level.directory, name) {
                Ok(Some(entry)) => entry,
                Ok(None) => continue,
                Err(error) => return Some(Err(error)),
            };
            if self.left == 0 {
                let open = self.levels.drain(..).map(|level| Found::Bound((*level.below).clone()));
                self.ready.extend(open);
                continue;
            }
            self.left -= 1;
            let directory = Arc::clone(&level.below);
            if entry.kind == EntryKind::Directory
                && let Ok(stfn) = level.located.stfn.join(&entry.name)
            {
                let (area, name) = (level.located.area.clone(), &entry.name);
                let (path, below) = (level.located.path.join(name), directory.join(name));
                if let Err(error) = self.enter(Located { area, path, stfn }, below) {
                    return Some(Err(error));
                }
            }
            return Some(Ok(Found::Entry(directory, entry)));
        }
    }
}
