//! Room that is kept for a writer from its begin to its end, however it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::Error;
use super::book::{Book, Books, Inner, fits};
use super::limits::Limits;
use super::words::unknown;
use crate::model::SpaceToken;
use crate::store::Millis;

/// Room that is kept for a writer. Dropped, it is given back: what was written by then counts as
/// used.
#[derive(Debug)]
pub(in super::super) struct Hold {
    books: Arc<Books>,
    area: Arc<str>,
    space: Option<SpaceToken>,
    bytes: AtomicU64,
    counted: bool,
}

impl Hold {
    /// Keeps `bytes` in all, if it kept less.
    pub(in super::super) fn grow(
        &self,
        limits: &Limits,
        bytes: u64,
        now: Millis,
    ) -> Result<(), Error> {
        self.books.lock().grow(self, limits, bytes, now)
    }

    /// The space it is in.
    pub(in super::super) fn space(&self) -> Option<&SpaceToken> {
        self.space.as_ref()
    }

    pub(in super::super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut inner = self.books.lock();
        let book = inner.areas.get_mut(&self.area);
        if let Some(live) = book.and_then(|book| book.live(self.space.as_ref())) {
            live.bytes = live.bytes.saturating_sub(*self.bytes.get_mut());
            live.count -= usize::from(self.counted);
        }
    }
}

impl Books {
    /// Keeps `bytes` for a writer, in a space or outside of all.
    pub(in super::super) fn take(
        self: &Arc<Self>,
        limits: &Limits,
        space: Option<&SpaceToken>,
        bytes: u64,
        now: Millis,
    ) -> Result<Hold, Error> {
        let mut hold = Hold {
            books: Arc::clone(self),
            area: Arc::clone(&limits.area),
            space: space.cloned(),
            bytes: AtomicU64::new(0),
            counted: false,
        };
        // In one step: a space that is released in between would be gone for its writer.
        let mut inner = self.lock();
        inner.grow(&hold, limits, bytes, now)?;
        inner.count(&mut hold);
        drop(inner);
        Ok(hold)
    }

    /// What a put that was live before a restart holds: nobody asks whether there is room.
    pub(in super::super) fn restore(
        self: &Arc<Self>,
        area: &Arc<str>,
        space: Option<SpaceToken>,
        bytes: u64,
    ) -> Hold {
        let mut inner = self.lock();
        // Its space may have been released.
        let space = space.filter(|token| inner.tokens.contains_key(token));
        let book = inner.areas.entry(Arc::clone(area)).or_default();
        if let Some(live) = book.live(space.as_ref()) {
            live.bytes = live.bytes.saturating_add(bytes);
        }
        let (books, area, bytes) = (Arc::clone(self), Arc::clone(area), AtomicU64::new(bytes));
        let mut hold = Hold { books, area, space, bytes, counted: false };
        inner.count(&mut hold);
        drop(inner);
        hold
    }
}

impl Inner {
    fn count(&mut self, hold: &mut Hold) {
        let book = self.areas.get_mut(&hold.area);
        if let Some(live) = book.and_then(|book| book.live(hold.space.as_ref())) {
            live.count += 1;
            hold.counted = true;
        }
    }

    fn grow(&mut self, hold: &Hold, limits: &Limits, to: u64, now: Millis) -> Result<(), Error> {
        let more = to.saturating_sub(hold.bytes.load(Ordering::Relaxed));
        if let Some(token) = &hold.space {
            let book = self.areas.get(&hold.area);
            let space = book.and_then(|book| book.spaces.get(token)).ok_or_else(unknown)?;
            fits(space, to, more, now)?;
        }
        let token = hold.space.as_ref();
        let add = |book: &mut Book| {
            if let Some(live) = book.live(token) {
                live.bytes = live.bytes.saturating_add(more);
            }
        };
        let take = |book: &mut Book| {
            if let Some(live) = book.live(token) {
                live.bytes = live.bytes.saturating_sub(more);
            }
        };
        self.attempt(limits, now, add, take)?;
        hold.bytes.fetch_add(more, Ordering::Relaxed);
        Ok(())
    }
}
