//! What is promised in each area: to reserved spaces, to files outside of them, to writers under way.
//! Small, in memory, behind one lock; a start makes it anew from the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::{Error, ErrorKind};
use super::limits::Limits;
use super::words::{disk_full, expired, no_room, too_large, too_many, unknown};
use crate::model::SpaceToken;
use crate::store::{KnownSpace, Millis, RecordDelta, SpaceRow};

/// Spaces that one person may hold.
const SPACES_OF_ONE: usize = 1000;

/// What is known of a space.
#[derive(Clone, Debug)]
pub(in super::super) struct Space {
    /// As the store has it.
    pub(in super::super) row: SpaceRow,
    /// Bytes of the files in it.
    pub(in super::super) used: u64,
    live: Live,
    /// It is being released: nothing new comes in.
    closing: bool,
}

/// Writers under way, and the bytes kept for them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Live {
    pub(super) count: usize,
    pub(super) bytes: u64,
}

/// All areas'.
#[derive(Debug, Default)]
pub(in super::super) struct Books {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) areas: HashMap<Arc<str>, Book>,
    /// Which area a space is in.
    pub(super) tokens: HashMap<SpaceToken, Arc<str>>,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) spaces: HashMap<SpaceToken, Space>,
    outside: Live,
    /// Files that have a record.
    records: i64,
    device: u64,
}

/// New sizes and lifetime of a space; what is absent stays.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Wish {
    /// Bytes.
    pub(in super::super) total: Option<u64>,
    /// Bytes.
    pub(in super::super) guaranteed: Option<u64>,
    /// Seconds from now, -1 without end, and the moment of its end.
    pub(in super::super) lifetime: Option<(i64, Option<Millis>)>,
}

/// A file that changes its space.
#[derive(Clone, Debug)]
pub(in super::super) struct Shift {
    pub(in super::super) from: Option<SpaceToken>,
    pub(in super::super) to: Option<SpaceToken>,
    pub(in super::super) bytes: u64,
}

impl Space {
    fn new(row: SpaceRow, used: u64) -> Self {
        Self { row, used, live: Live::default(), closing: false }
    }

    pub(in super::super) fn is_expired(&self, now: Millis) -> bool {
        self.row.expires.is_some_and(|at| at <= now)
    }

    fn wanted(&self) -> u64 {
        self.used.saturating_add(self.live.bytes)
    }

    /// Bytes that nobody else may have. What an expired space was guaranteed is free again.
    fn promise(&self, now: Millis) -> u64 {
        if self.is_expired(now) { self.wanted() } else { self.wanted().max(self.row.guaranteed) }
    }
}

impl Book {
    /// Of the area's size.
    fn promised(&self, used: u64, now: Millis) -> u64 {
        let inside: u64 = self.spaces.values().map(|space| space.used).sum();
        let outside = used.saturating_sub(inside);
        let spaces = self.spaces.values().map(|space| space.promise(now));
        spaces.fold(outside.saturating_add(self.outside.bytes), u64::saturating_add)
    }

    /// Of the file system's free space.
    fn unwritten(&self, now: Millis) -> u64 {
        let spaces = self.spaces.values().map(|space| space.promise(now) - space.used);
        spaces.fold(self.outside.bytes, u64::saturating_add)
    }

    fn shift(&mut self, from: &Option<SpaceToken>, to: &Option<SpaceToken>, bytes: u64) {
        if let Some(space) = from.as_ref().and_then(|token| self.spaces.get_mut(token)) {
            space.used = space.used.saturating_sub(bytes);
        }
        if let Some(space) = to.as_ref().and_then(|token| self.spaces.get_mut(token)) {
            space.used = space.used.saturating_add(bytes);
        }
    }

    pub(super) fn live(&mut self, space: Option<&SpaceToken>) -> Option<&mut Live> {
        match space {
            None => Some(&mut self.outside),
            Some(token) => self.spaces.get_mut(token).map(|space| &mut space.live),
        }
    }
}

impl Inner {
    fn insert(&mut self, KnownSpace { row, used, release }: KnownSpace) {
        self.tokens.insert(row.token.clone(), Arc::clone(&row.area));
        let book = self.areas.entry(Arc::clone(&row.area)).or_default();
        let space = Space { closing: release.is_some(), ..Space::new(row, used) };
        book.spaces.insert(space.row.token.clone(), space);
    }

    /// What is promised to the area, and on its file system.
    fn state(&self, limits: &Limits, now: Millis) -> (u64, u64) {
        let promised =
            self.areas.get(&limits.area).map_or(0, |book| book.promised(limits.used, now));
        let neighbours = self.areas.values().filter(|book| book.device == limits.device);
        let unwritten = neighbours.map(|book| book.unwritten(now)).fold(0, u64::saturating_add);
        (promised, unwritten)
    }

    /// Makes a change, and takes it back where more would be promised than there is.
    pub(super) fn attempt(
        &mut self,
        limits: &Limits,
        now: Millis,
        change: impl FnOnce(&mut Book),
        undo: impl FnOnce(&mut Book),
    ) -> Result<(), Error> {
        self.areas.entry(Arc::clone(&limits.area)).or_default().device = limits.device;
        let before = self.state(limits, now);
        if let Some(book) = self.areas.get_mut(&limits.area) {
            change(book);
        }
        let after = self.state(limits, now);
        let refusal = match limits.size {
            Some(size) if after.0 > before.0 && after.0 > size => {
                no_room(limits, after.0 - before.0, size.saturating_sub(before.0))
            }
            _ if after.1 > before.1 && after.1 > limits.free => {
                disk_full(limits, after.1 - before.1, limits.free.saturating_sub(before.1))
            }
            _ => return Ok(()),
        };
        if let Some(book) = self.areas.get_mut(&limits.area) {
            undo(book);
        }
        Err(refusal)
    }
}

impl Books {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the store knows, at a start.
    pub(in super::super) fn load(&self, spaces: Vec<KnownSpace>, records: Vec<(Arc<str>, i64)>) {
        let mut inner = self.lock();
        for (area, count) in records {
            inner.areas.entry(area).or_default().records = count;
        }
        for space in spaces {
            inner.insert(space);
        }
    }

    /// The file system an area lies on.
    pub(in super::super) fn set_device(&self, area: &Arc<str>, device: u64) {
        self.lock().areas.entry(Arc::clone(area)).or_default().device = device;
    }

    pub(in super::super) fn find(&self, token: &SpaceToken) -> Option<Space> {
        let inner = self.lock();
        let space = inner.areas.get(inner.tokens.get(token)?)?.spaces.get(token)?;
        (!space.closing).then(|| space.clone())
    }

    /// All spaces that `pick` picks, by token.
    pub(in super::super) fn list(&self, pick: impl Fn(&SpaceRow) -> bool) -> Vec<SpaceRow> {
        let inner = self.lock();
        let spaces = inner.areas.values().flat_map(|book| book.spaces.values());
        let picked = spaces.filter(|space| !space.closing && pick(&space.row));
        let mut rows: Vec<SpaceRow> = picked.map(|space| space.row.clone()).collect();
        rows.sort_by(|a, b| (a.created, &a.token.0).cmp(&(b.created, &b.token.0)));
        rows
    }

    /// True where some file of the area has a record.
    pub(in super::super) fn has_records(&self, area: &str) -> bool {
        self.lock().areas.get(area).is_some_and(|book| book.records > 0)
    }

    /// Bytes that are promised to nobody yet, of the area's size and its file system's.
    pub(super) fn unpromised(&self, limits: &Limits, now: Millis) -> u64 {
        let (promised, unwritten) = self.lock().state(limits, now);
        let left = limits.size.map_or(u64::MAX, |size| size.saturating_sub(promised));
        left.min(limits.free.saturating_sub(unwritten))
    }

    /// Takes over what the store has taken.
    pub(in super::super) fn apply(&self, deltas: &[RecordDelta]) {
        let mut inner = self.lock();
        for delta in deltas {
            let book = inner.areas.entry(Arc::clone(&delta.area)).or_default();
            book.records += delta.records;
            if let Some(space) = delta.space.as_ref().and_then(|token| book.spaces.get_mut(token)) {
                space.used = space.used.saturating_add_signed(delta.bytes);
            }
        }
    }

    /// Keeps what a new space is guaranteed.
    pub(in super::super) fn open(
        &self,
        row: SpaceRow,
        limits: &Limits,
        now: Millis,
    ) -> Result<(), Error> {
        let mut inner = self.lock();
        let spaces = inner.areas.values().flat_map(|book| book.spaces.values());
        if spaces.filter(|space| space.row.user == row.user).count() >= SPACES_OF_ONE {
            return Err(too_many(SPACES_OF_ONE));
        }
        let token = row.token.clone();
        let add = |book: &mut Book| {
            book.spaces.insert(token.clone(), Space::new(row, 0));
        };
        let remove = |book: &mut Book| {
            book.spaces.remove(&token);
        };
        inner.attempt(limits, now, add, remove)?;
        inner.tokens.insert(token, Arc::clone(&limits.area));
        Ok(())
    }

    /// Gives a space other sizes and another lifetime: as it was, as it is now, and whether less was
    /// granted than asked.
    pub(in super::super) fn update(
        &self,
        token: &SpaceToken,
        wish: Wish,
        limits: &Limits,
        now: Millis,
    ) -> Result<(SpaceRow, SpaceRow, bool), Error> {
        let mut inner = self.lock();
        let book = inner.areas.get(&limits.area);
        let space = book.and_then(|book| book.spaces.get(token)).ok_or_else(unknown)?;
        let (old, wanted) = (space.row.clone(), space.wanted());
        let mut total = wish.total.unwrap_or_else(|| old.total.max(wish.guaranteed.unwrap_or(0)));
        let guaranteed = wish.guaranteed.unwrap_or_else(|| old.guaranteed.min(total));
        if let Some(size) = limits.size {
            if guaranteed > size {
                return Err(too_large(limits, guaranteed, size));
            }
            total = total.min(size);
        }
        // What is in it, or on the way into it, stays.
        total = total.max(wanted);
        let lower = wish.total.is_some_and(|asked| asked != total);
        let (lifetime, expires) = wish.lifetime.unwrap_or((old.lifetime, old.expires));
        let new = SpaceRow { total, guaranteed, lifetime, expires, ..old.clone() };
        let put = |row: SpaceRow| {
            move |book: &mut Book| {
                if let Some(space) = book.spaces.get_mut(&row.token) {
                    space.row = row;
                }
            }
        };
        inner.attempt(limits, now, put(new.clone()), put(old.clone()))?;
        Ok((old, new, lower))
    }

    /// Takes [`Books::update`] back: the store did not take it.
    pub(in super::super) fn put_back(&self, row: SpaceRow) {
        let token = row.token.clone();
        self.with(&token, |space| space.row = row);
    }

    /// Lets nothing new into a space, unless a writer is under way there.
    pub(in super::super) fn close(&self, token: &SpaceToken) -> Result<(), Error> {
        self.with(token, |space| {
            if space.live.count > 0 {
                let why = "a put into the space is not done: finish or abort it first";
                return Err(Error::new(ErrorKind::Busy, why));
            }
            space.closing = true;
            Ok(())
        })
        .unwrap_or_else(|| Err(unknown()))
    }

    /// Takes [`Books::close`] back.
    pub(in super::super) fn reopen(&self, token: &SpaceToken) {
        self.with(token, |space| space.closing = false);
    }

    /// The space is gone.
    pub(in super::super) fn forget(&self, token: &SpaceToken) {
        let mut inner = self.lock();
        if let Some(area) = inner.tokens.remove(token)
            && let Some(book) = inner.areas.get_mut(&area)
        {
            book.spaces.remove(token);
        }
    }

    /// Moves a file's bytes between a space and another, or outside of all (`None`).
    pub(in super::super) fn shift(
        &self,
        shift: &Shift,
        limits: &Limits,
        now: Millis,
    ) -> Result<(), Error> {
        let mut inner = self.lock();
        if let Some(token) = &shift.to {
            let book = inner.areas.get(&limits.area);
            let space = book.and_then(|book| book.spaces.get(token)).ok_or_else(unknown)?;
            fits(space, shift.bytes, shift.bytes, now)?;
        }
        let there = |book: &mut Book| book.shift(&shift.from, &shift.to, shift.bytes);
        let back = |book: &mut Book| book.shift(&shift.to, &shift.from, shift.bytes);
        inner.attempt(limits, now, there, back)
    }

    /// Takes [`Books::shift`] back.
    pub(in super::super) fn unshift(&self, area: &str, shift: &Shift) {
        if let Some(book) = self.lock().areas.get_mut(area) {
            book.shift(&shift.to, &shift.from, shift.bytes);
        }
    }

    fn with<T>(&self, token: &SpaceToken, change: impl FnOnce(&mut Space) -> T) -> Option<T> {
        let mut inner = self.lock();
        let area = inner.tokens.get(token).cloned()?;
        inner.areas.get_mut(&area)?.spaces.get_mut(token).map(change)
    }
}

/// Whether a space takes a file of `size` bytes, of which `more` are new to it.
pub(super) fn fits(space: &Space, size: u64, more: u64, now: Millis) -> Result<(), Error> {
    if space.closing {
        return Err(unknown());
    }
    if space.is_expired(now) {
        return Err(expired());
    }
    let total = space.row.total;
    if size > total {
        return Err(Error::new(
            ErrorKind::ExceedAllocation,
            format!("the space is of {total} bytes, the file of {size}: reserve a larger one"),
        ));
    }
    let left = total.saturating_sub(space.wanted());
    if more > left {
        return Err(Error::new(
            ErrorKind::NoUserSpace,
            format!("the space is full: {more} bytes asked, {left} of {total} left"),
        ));
    }
    Ok(())
}
