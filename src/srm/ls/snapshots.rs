//! Lists that are kept for somebody's next page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

use super::names::{Marks, Named, Names};
use crate::model::{FileKey, FileStorageType, RequestToken};
use crate::srm::Error;

/// A list is dropped so long after it was last asked for,
const IDLE: Duration = Duration::from_secs(60);
/// and so long after it was made. One with a token lives that long after it was last asked for.
const LIFE: Duration = Duration::from_secs(600);
/// Bytes of all lists together.
const KEPT: usize = 64 << 20;
/// srmLs worked on at once; others wait.
const AT_ONCE: usize = 64;
/// Of those, how many may hold the names of something large.
const LARGE: usize = 2;

/// What lies below the SURLs of one srmLs, in the order in which it is told: by name in each
/// directory, and what a directory holds right behind it.
#[derive(Default)]
pub(super) struct Listing {
    /// One per SURL.
    pub(super) tops: Vec<Top>,
    pub(super) names: Names,
    /// How many were counted before those that are here.
    pub(super) first: usize,
    /// How many of those that are here count.
    pub(super) counted: usize,
    /// There are more behind them,
    pub(super) more: bool,
    /// for which there was no room.
    pub(super) full: bool,
    /// More levels were asked for than are given, and there were more.
    pub(super) too_deep: bool,
}

/// Where the names below one SURL end, and why there are none.
#[derive(Default)]
pub(super) struct Top {
    pub(super) end: usize,
    pub(super) error: Option<Error>,
    /// It could be looked at, but not what it holds.
    pub(super) unread: bool,
}

impl Listing {
    /// Whether a page of that many from `from` on can be told by it.
    pub(super) fn covers(&self, from: usize, count: usize) -> bool {
        let end = self.first + self.counted;
        from >= self.first && (!self.full || from.saturating_add(count) <= end)
    }

    /// The same without those at some places, which rise, and what they held.
    pub(super) fn without(&self, gone: &[usize]) -> Self {
        let &Self { first, more, full, too_deep, .. } = self;
        let mut left = Self { first, more, full, too_deep, ..Self::default() };
        let mut place = 0;
        // How deep lies what is gone, while what it held passes by.
        let mut below = usize::MAX;
        for top in &self.tops {
            while place < top.end {
                let Some(named) = self.names.get(place) else { break };
                if named.depth <= below {
                    below =
                        if gone.binary_search(&place).is_ok() { named.depth } else { usize::MAX };
                    if below == usize::MAX {
                        left.push(named);
                    }
                }
                place += 1;
            }
            below = usize::MAX;
            let error = top.error.clone();
            left.tops.push(Top { end: left.names.len(), error, unread: top.unread });
        }
        left
    }

    /// False when it does not fit.
    pub(super) fn push(&mut self, named: Named<'_>) -> bool {
        let fits = self.names.push(named);
        self.counted += usize::from(fits && named.marks != Marks::Way);
        fits
    }

    fn bytes(&self) -> usize {
        self.names.bytes() + self.tops.len() * size_of::<Top>()
    }
}

/// Of what.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum SnapshotKey {
    /// Somebody pages through a directory by srmLs.
    Directory(String, FileKey, Option<FileStorageType>),
    /// A request, by srmStatusOfLsRequest.
    Request(RequestToken),
}

/// Lists that somebody pages through.
pub(in crate::srm) struct Snapshots {
    kept: Mutex<Vec<Snapshot>>,
    /// A turn per srmLs at work: what each holds in memory adds up.
    pub(super) turns: Arc<Semaphore>,
    /// A turn more per walk that holds much.
    pub(super) large: Arc<Semaphore>,
    /// Lists of requests that are being made anew; the sender goes when they are.
    making: Mutex<HashMap<RequestToken, watch::Receiver<()>>>,
}

impl Default for Snapshots {
    fn default() -> Self {
        let [turns, large] = [AT_ONCE, LARGE].map(|turns| Arc::new(Semaphore::new(turns)));
        Self { kept: Mutex::default(), turns, large, making: Mutex::default() }
    }
}

struct Snapshot {
    key: SnapshotKey,
    made: Instant,
    asked: Instant,
    listing: Arc<Listing>,
}

impl Snapshot {
    fn is_fresh(&self) -> bool {
        match self.key {
            SnapshotKey::Directory(..) => self.asked.elapsed() < IDLE && self.made.elapsed() < LIFE,
            SnapshotKey::Request(_) => self.asked.elapsed() < LIFE,
        }
    }
}

impl Snapshots {
    pub(super) fn making(&self) -> MutexGuard<'_, HashMap<RequestToken, watch::Receiver<()>>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, key: &SnapshotKey) -> Option<Arc<Listing>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(Snapshot::is_fresh);
        let found = kept.iter_mut().find(|snapshot| snapshot.key == *key)?;
        found.asked = Instant::now();
        Some(Arc::clone(&found.listing))
    }

    /// Keeps a list in the place of the one before; those that were not asked for longest go where
    /// there is no room.
    pub(super) fn keep(&self, key: SnapshotKey, listing: Arc<Listing>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|snapshot| snapshot.key != key && snapshot.is_fresh());
        let now = Instant::now();
        kept.push(Snapshot { key, made: now, asked: now, listing });
        kept.sort_by_key(|snapshot| snapshot.asked);
        let mut used: usize = kept.iter().map(|snapshot| snapshot.listing.bytes()).sum();
        while used > KEPT && kept.len() > 1 {
            used -= kept.remove(0).listing.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RelPath;

    fn key(n: u32) -> SnapshotKey {
        let file = FileKey { area: Arc::from("A"), path: RelPath::root() };
        SnapshotKey::Directory(n.to_string(), file, None)
    }

    fn listing(entries: &[(&str, usize)]) -> Listing {
        let mut listing = Listing::default();
        for (name, depth) in entries {
            assert!(listing.push(Named { name, kind: None, depth: *depth, marks: Marks::Told }));
        }
        listing.tops.push(Top { end: entries.len(), ..Top::default() });
        listing
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let snapshots = Snapshots::default();
        let long = "x".repeat(250);
        let mut third = Listing::default();
        while third.bytes() < KEPT / 3 {
            assert!(third.push(Named { name: &long, kind: None, depth: 1, marks: Marks::Told }));
        }
        let third = Arc::new(third);
        for n in 0..10 {
            snapshots.keep(key(n), Arc::clone(&third));
        }
        let used: usize = snapshots.kept.lock().unwrap().iter().map(|s| s.listing.bytes()).sum();
        assert!(used <= KEPT, "{used}");
        assert!(snapshots.find(&key(9)).is_some());
        assert!(snapshots.find(&key(0)).is_none());
    }

    #[test]
    fn what_is_gone_goes_with_what_it_held() {
        let tree = [("a", 1), ("b", 1), ("c", 2), ("d", 3), ("e", 2), ("f", 1), ("g", 2)];
        let without = |gone: &[usize]| {
            let left = listing(&tree).without(gone);
            assert_eq!((left.tops[0].end, left.counted), (left.names.len(), left.names.len()));
            left.names.iter().map(|named| named.name.to_owned()).collect::<String>()
        };
        assert_eq!(without(&[]), "abcdefg");
        assert_eq!(without(&[1]), "afg");
        assert_eq!(without(&[0, 2]), "befg");
        assert_eq!(without(&[3, 5]), "abce");
        let part = Listing { first: 10, full: true, ..listing(&tree) };
        assert!(part.covers(10, 7) && part.covers(12, 5));
        assert!(!part.covers(9, 1) && !part.covers(12, 6));
        assert!(Listing { full: false, ..part }.covers(12, 600));
    }
}
