//! From the SURLs of one srmLs to the names below them. Of a directory no more names are in memory at
//! once than a window takes: what is beyond is read in another pass, so that neither the size of a
//! directory nor that of a tree matters.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};

use super::super::Error;
use super::super::access::driver_error;
use super::super::files::is_hidden;
use super::names::{Marks, Named, Names};
use super::snapshots::{Listing, Top};
use super::view::{Place, View, child_of};
use crate::fsdriver::{Directory, DriverError, Kind};
use crate::namespace::Located;

/// Levels in one answer. Each is a level in the XML too, which clients read by recursion.
pub(super) const LEVELS: i32 = 64;
/// Bytes of names of one directory that are in memory at once; half of it one level deeper. The second
/// is for the few that hold much at a time.
const WINDOW: (usize, usize) = (1 << 20, 16 << 20);
/// No level has less.
const LEAST: usize = 64 << 10;
/// Bytes of one list; what is behind it is found by another walk.
const ROOM: (usize, usize) = (2 << 20, 32 << 20);
/// Names between two looks at whether to go on.
const STRIDE: usize = 64;
/// How long a walk rests before it asks again whether it may hold much.
const REST: Duration = Duration::from_millis(10);

/// Which names are asked for.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// Levels, of which no more than [`LEVELS`] are given.
    pub(super) levels: i32,
    /// Names that are counted, and not kept.
    pub(super) skip: usize,
    /// Names that are kept.
    pub(super) most: usize,
}

/// One walk.
pub(super) struct Walk<'a> {
    view: &'a View,
    go_on: &'a (dyn Fn() -> bool + Sync),
    span: Span,
    /// Names still to be skipped, and to be kept.
    skip: usize,
    left: usize,
    steps: usize,
    large: Option<OwnedSemaphorePermit>,
    listing: Listing,
}

/// Why a directory was not gone through.
enum Halt {
    /// Nobody wants the list any more.
    Stopped,
    /// A page that holds the directory tells why.
    Unread,
}

impl From<Error> for Halt {
    fn from(_: Error) -> Self {
        Halt::Unread
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(view: &'a View, span: Span, go_on: &'a (dyn Fn() -> bool + Sync)) -> Self {
        let Span { skip, most, .. } = span;
        let listing = Listing { first: skip, ..Listing::default() };
        Self { view, go_on, span, skip, left: most, steps: 0, large: None, listing }
    }

    /// The names below all SURLs; below those that are `None` there is nothing. `None` when it was not
    /// to go on. Blocks.
    pub(super) fn of<'s>(
        mut self,
        surls: impl Iterator<Item = Option<&'s str>>,
    ) -> Option<Listing> {
        for surl in surls {
            let mut top = Top::default();
            if let Some(surl) = surl {
                match self.surl(surl, &mut top) {
                    Ok(()) => {}
                    Err(Halt::Unread) => top.unread = true,
                    Err(Halt::Stopped) => return None,
                }
            }
            top.end = self.listing.names.len();
            self.listing.tops.push(top);
        }
        self.listing.names.shrink();
        Some(self.listing)
    }

    fn surl(&mut self, surl: &str, top: &mut Top) -> Result<(), Halt> {
        self.step()?;
        let place = match self.view.place(surl) {
            Ok(place) => place,
            Err((_, error)) => {
                top.error = Some(error);
                return Ok(());
            }
        };
        let levels = self.span.levels.min(LEVELS);
        if let Place::Area(located) = &place {
            match self.view.look(located) {
                Ok(Kind::Directory) => {}
                Ok(_) => return Ok(()),
                Err(error) => {
                    top.error = Some(error);
                    return Ok(());
                }
            }
        }
        if levels == 0 { Ok(()) } else { self.place(&place, levels, 1) }
    }

    fn place(&mut self, place: &Place, levels: i32, depth: usize) -> Result<(), Halt> {
        match place {
            Place::Area(located) => self.below(located, levels, depth),
            Place::Way(stfn) => {
                for name in self.view.ways(stfn) {
                    let Ok(child) = stfn.join(&name) else { continue };
                    let named = Named {
                        name: &name,
                        kind: Some(Kind::Directory),
                        depth,
                        marks: Marks::Told,
                    };
                    self.directory(named, levels, || self.view.way_on(&child))?;
                    if self.listing.more {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// `levels` levels of names in a directory.
    fn below(&mut self, located: &Located, levels: i32, depth: usize) -> Result<(), Halt> {
        let told = |error| driver_error(error, &located.stfn);
        let directory = match located.area.driver.directory(&located.path) {
            // Its own access point tells what it holds.
            Err(DriverError::OtherArea) if depth > 1 => return Ok(()),
            opened => opened.map_err(told)?,
        };
        let puts = self.view.puts_in(located);
        if self.listing.more {
            return Ok(());
        }
        if self.left == 0 && self.view.describer.wanted.is_none() {
            self.listing.more = !puts.is_empty() || holds_something(&*directory).map_err(told)?;
            return Ok(());
        }
        let mut after: Option<String> = None;
        loop {
            let (names, more) = self.read(located, &*directory, &puts, after.as_deref(), depth)?;
            for named in names.iter() {
                let Some(child) = child_of(located, named.name) else { continue };
                let put = puts.contains(named.name);
                if !self.view.describer.tells(&child, &*directory, named.kind, || {
                    put.then(|| self.view.put_on(&child)).flatten()
                }) {
                    self.step()?;
                    continue;
                }
                // Links to directories are not gone through: they may go round.
                if named.kind == Some(Kind::Directory) {
                    self.directory(Named { depth, ..named }, levels, || Place::Area(child))?;
                } else {
                    self.take(Named { depth, ..named }, false)?;
                }
                if self.listing.more {
                    return Ok(());
                }
            }
            match names.last() {
                Some(last) if more => after = Some(last.name.to_owned()),
                _ => return Ok(()),
            }
        }
    }

    /// Takes a directory, and goes on below it.
    fn directory(
        &mut self,
        named: Named<'_>,
        levels: i32,
        place: impl FnOnce() -> Place,
    ) -> Result<(), Halt> {
        let Some(at) = self.take(named, levels > 1)? else { return Ok(()) };
        if levels == 1 {
            // The bottom of what is given, not of what was asked for.
            self.listing.too_deep |= self.span.levels > LEVELS;
            return Ok(());
        }
        let place = place();
        let entered = match &place {
            // Rules may be stricter there.
            Place::Area(located) => self.view.permit(located).map_err(Halt::from),
            Place::Way(_) => Ok(()),
        };
        match entered.and_then(|()| self.place(&place, levels - 1, named.depth + 1)) {
            Ok(()) => {}
            Err(Halt::Unread) if self.is_way(at) => {}
            Err(Halt::Unread) => self.listing.names.mark(at, Marks::Unread),
            Err(Halt::Stopped) => return Err(Halt::Stopped),
        }
        if self.is_way(at) && self.listing.names.len() == at + 1 {
            self.listing.names.pop();
        }
        Ok(())
    }

    fn is_way(&self, at: usize) -> bool {
        self.listing.names.get(at).is_some_and(|named| named.marks == Marks::Way)
    }

    /// Counts a name, and keeps it where it is asked for; a directory before that as the way to what is
    /// asked for. Where it is kept.
    fn take(&mut self, named: Named<'_>, leads_on: bool) -> Result<Option<usize>, Halt> {
        self.step()?;
        self.listing.full = self.left > 0 && self.is_full()?;
        if self.left == 0 || self.listing.full {
            self.listing.more = true;
            return Ok(None);
        }
        let marks = if self.skip > 0 { Marks::Way } else { Marks::Told };
        match marks {
            Marks::Way => self.skip -= 1,
            _ => self.left -= 1,
        }
        if marks == Marks::Way && !leads_on {
            return Ok(None);
        }
        let at = self.listing.names.len();
        // There is room, and no name is too long to be one.
        Ok(self.listing.push(Named { marks, ..named }).then_some(at))
    }

    fn is_full(&mut self) -> Result<bool, Halt> {
        if self.large.is_none() && self.listing.names.bytes() >= ROOM.0 {
            self.grow()?;
        }
        Ok(self.listing.names.bytes() >= ROOM.1)
    }

    /// The names in a directory that come after one, sorted, live puts among them; and whether there are
    /// more behind them.
    fn read(
        &mut self,
        located: &Located,
        directory: &dyn Directory,
        puts: &HashSet<String>,
        after: Option<&str>,
        depth: usize,
    ) -> Result<(Names, bool), Halt> {
        let told = |error| driver_error(error, &located.stfn);
        let mut window = Window { names: Names::default(), after, last: None, more: false };
        for entry in directory.entries().map_err(told)? {
            self.step()?;
            let entry = entry.map_err(told)?;
            // A link that leads nowhere counts on no page.
            let nowhere = || matches!(directory.stat(&entry.name), Err(DriverError::NotFound));
            if is_hidden(&entry.name) || (entry.kind.is_none() && nowhere()) {
                continue;
            }
            window.push(&entry.name, entry.kind);
            if window.names.bytes() > 2 * self.window(depth) {
                if self.large.is_none() {
                    self.grow()?;
                } else {
                    window.cut(self.window(depth));
                }
            }
        }
        puts.iter().for_each(|name| window.push(name, Some(Kind::File)));
        window.names.sort();
        Ok((window.names, window.more))
    }

    fn window(&self, depth: usize) -> usize {
        let top = if self.large.is_some() { WINDOW.1 } else { WINDOW.0 };
        let halvings = u32::try_from(depth.saturating_sub(1)).unwrap_or(u32::MAX);
        top.checked_shr(halvings).unwrap_or(0).max(LEAST)
    }

    /// Waits until it may hold much.
    fn grow(&mut self) -> Result<(), Halt> {
        while self.large.is_none() {
            match self.view.large() {
                Ok(permit) => self.large = Some(permit),
                Err(TryAcquireError::NoPermits) if (self.go_on)() => std::thread::sleep(REST),
                Err(_) => return Err(Halt::Stopped),
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Halt> {
        self.steps += 1;
        if self.steps % STRIDE == 1 && !(self.go_on)() { Err(Halt::Stopped) } else { Ok(()) }
    }
}

/// The first names after one.
struct Window<'a> {
    names: Names,
    after: Option<&'a str>,
    /// Names behind it have been left out.
    last: Option<String>,
    more: bool,
}

impl Window<'_> {
    fn push(&mut self, name: &str, kind: Option<Kind>) {
        if self.after.is_some_and(|after| name <= after) {
            return;
        }
        let within = self.last.as_deref().is_none_or(|last| name <= last);
        let named = Named { name, kind, depth: 0, marks: Marks::Told };
        // No name is too long to be one, and windows end long before there is no room.
        self.more |= !within || !self.names.push(named);
    }

    fn cut(&mut self, bytes: usize) {
        self.names.sort();
        self.more |= self.names.keep_first(bytes);
        self.last = self.names.last().map(|named| named.name.to_owned());
    }
}

fn holds_something(directory: &dyn Directory) -> Result<bool, DriverError> {
    for entry in directory.entries()? {
        if !is_hidden(&entry?.name) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_each_other_and_leave_nothing_out() {
        const BYTES: usize = 300;
        let names: Vec<String> = (0..1000_u32).map(|n| format!("{:x}", n * 7919 % 1009)).collect();
        let (mut all, mut after, mut passes) = (Vec::new(), None::<String>, 0);
        loop {
            let mut window = Window {
                names: Names::default(),
                after: after.as_deref(),
                last: None,
                more: false,
            };
            for name in &names {
                window.push(name, None);
                if window.names.bytes() > 2 * BYTES {
                    window.cut(BYTES);
                }
                assert!(window.names.bytes() <= 2 * BYTES);
            }
            window.names.sort();
            passes += 1;
            all.extend(window.names.iter().map(|named| named.name.to_owned()));
            let more = window.more;
            after = window.names.last().map(|named| named.name.to_owned());
            if !more {
                break;
            }
        }
        let mut sorted = names.clone();
        sorted.sort();
        assert_eq!(all, sorted);
        assert!(passes > 10, "{passes}");
    }
}
