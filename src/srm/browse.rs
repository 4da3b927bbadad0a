//! One page of a directory, sorted, for people who look at it in a browser. The directory is read once from
//! its beginning to its end; of what is found no more is kept than two pages take, so that memory does not grow
//! with the directory. By name, attributes are read of what is shown alone.

mod pick;

use super::access::{Needs, driver_error};
use super::data::{child, look, way, waypoint};
use super::{Entry, EntryKind, Error, ErrorKind, Srm, blocking};
use crate::fsdriver::Kind;
use crate::model::{Identity, Stfn};

/// Names of a directory that is read where all small things are done. Larger ones are read once more, by threads
/// that give way.
const FEW: usize = 10_000;

/// By what a page is sorted. Directories stand before files in every order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The bytes of the name.
    Name,
    /// Bytes of content; directories have none.
    Size,
    /// The last modification.
    Modified,
}

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// What counts.
    pub by: SortBy,
    /// The largest, the newest, the last name first.
    pub descending: bool,
}

/// Where an entry stands in an order, whether it is there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// A directory.
    pub directory: bool,
    /// What is sorted by: bytes, or nanoseconds since 1970; 0 where that is the name.
    pub value: i128,
    /// The name.
    pub name: String,
}

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageFrom {
    /// The first.
    Start,
    /// What follows on this.
    After(Position),
    /// What stands before this.
    Before(Position),
    /// The last.
    End,
}

/// What somebody wants to see of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browse {
    /// In which order.
    pub sort: Sort,
    /// PageFrom where on.
    pub from: PageFrom,
    /// Entries on a page, at least 1.
    pub count: usize,
}

/// A page.
#[derive(Debug)]
pub struct Browsed {
    /// What is on it, in order.
    pub entries: Vec<Entry>,
    /// Where its first and last entry stand; `None` when there is none.
    pub ends: Option<(Position, Position)>,
    /// Entries before it.
    pub before: u64,
    /// Entries behind it.
    pub after: u64,
    /// Entries of the directory, with those few that turn out not to be there when they are looked at.
    pub total: u64,
    /// What its reader may do here.
    pub may: May,
}

/// What somebody may do right below a directory, as far as rules tell: locks and the like show when he does it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct May {
    /// Write new files.
    pub write: bool,
    /// Make directories.
    pub make_directory: bool,
    /// Remove files and directories.
    pub remove: bool,
    /// Give them other names.
    pub rename: bool,
}

impl Srm {
    /// A page of a directory, and what its reader may do there.
    ///
    /// # Errors
    /// [`ErrorKind::NotADirectory`] for a file.
    pub async fn browse(
        &self,
        who: &Identity,
        stfn: &Stfn,
        browse: Browse,
    ) -> Result<Browsed, Error> {
        self.admit(who).await?;
        let site = self.site();
        let located = match site.reach(who, stfn, Needs::LIST) {
            Ok(located) => located,
            Err(error) if waypoint(&site, who, stfn).is_none() => return Err(error),
            Err(_) => {
                let names = site.waypoints(who, stfn);
                let names =
                    || Ok(names.clone().into_iter().map(|n| Ok((n, Some(Kind::Directory)))));
                return browse.page(names, |name| Ok(Some(way(name))));
            }
        };
        let may = |needs| site.reach(who, stfn, needs).is_ok();
        let may = May {
            write: may(Needs::CREATE),
            make_directory: may(Needs::MAKE_DIRECTORY),
            remove: may(Needs::DELETE),
            rename: may(Needs::MOVE_FROM) && may(Needs::MOVE_TO),
        };
        let stop = self.core.stopping.child_token();
        let _hung_up = stop.clone().drop_guard();
        let read = move |most: usize| {
            if look(&located)?.kind != EntryKind::Directory {
                return Err(Error::new(ErrorKind::NotADirectory, "the path is no directory"));
            }
            let told = |error| driver_error(error, &located.stfn);
            let directory = located.area.driver.directory(&located.path).map_err(told)?;
            let names = || {
                let entries = directory.entries().map_err(told)?.enumerate();
                Ok(entries.map(|(n, entry)| match n >= most || stop.is_cancelled() {
                    true => Err(Error::new(ErrorKind::Aborted, "not here, or for nobody")),
                    false => entry.map(|entry| (entry.name, entry.kind)).map_err(told),
                }))
            };
            browse.page(names, |name| child(&*directory, name.to_owned()))
        };
        let large = read.clone();
        let page = match blocking(move || read(FEW)).await {
            Err(error) if error.kind == ErrorKind::Aborted => {
                self.core.bulk.run(blocking(move || large(usize::MAX))).await?
            }
            page => page?,
        };
        Ok(Browsed { may, ..page })
    }
}
