//! What storage areas hold, in memory: bytes used, files that are being changed at the moment, trees
//! that are closed because they are moved or removed as a whole, and where a scan stands.

mod count;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, RwLock};

use self::count::Scan;
pub(super) use self::count::Stand;
use super::{Error, ErrorKind};
use crate::model::{FileKey, RelPath};
use crate::store::{Millis, UsageDelta, UsageRow};

/// All areas.
#[derive(Default)]
pub(super) struct Usage {
    state: Mutex<State>,
    /// A file is no longer being changed.
    calmer: Notify,
    /// A scan is wanted.
    wanted: Notify,
    /// Read from the moment a change is told apart by where a scan stands until it is on its way to
    /// the store; written while a scan notes where it stands.
    pub(super) order: RwLock<()>,
}

#[derive(Default)]
struct State {
    areas: HashMap<Arc<str>, Area>,
    changing: BTreeMap<FileKey, u32>,
    closed: Vec<FileKey>,
    /// Trees that have a hidden name by now, beside where they stood.
    leaving: Vec<FileKey>,
}

#[derive(Default)]
struct Area {
    used: i64,
    scanned: Option<Millis>,
    drift: i64,
    scan: Option<Scan>,
    /// It is to be counted anew.
    asked: bool,
}

/// A published file that got another size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resized {
    pub(super) key: FileKey,
    /// Bytes; `None`: it was not there.
    pub(super) before: Option<u64>,
    /// Bytes; `None`: it is gone.
    pub(super) after: Option<u64>,
}

impl Resized {
    fn bytes(&self) -> i64 {
        bytes(self.after) - bytes(self.before)
    }
}

fn bytes(size: Option<u64>) -> i64 {
    i64::try_from(size.unwrap_or(0)).unwrap_or(i64::MAX)
}

/// What an area holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    /// Bytes; while it was never counted whole, what is counted so far.
    pub(super) bytes: u64,
    /// When it was counted whole.
    pub(super) scanned: Option<Millis>,
    /// What the last count found beside what was known.
    pub(super) drift: i64,
}

impl Usage {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what the store remembers.
    pub(super) fn load(&self, rows: Vec<UsageRow>) {
        let mut state = self.lock();
        for row in rows {
            let scan = row.scan.map(Scan::go_on);
            let (used, scanned, drift) = (row.used, row.scanned, row.drift);
            let area = Area { used, scanned, drift, scan, asked: false };
            state.areas.insert(row.area, area);
        }
    }

    pub(super) fn used(&self, area: &str) -> Used {
        let state = self.lock();
        let Some(area) = state.areas.get(area) else {
            return Used { bytes: 0, scanned: None, drift: 0 };
        };
        let known = match &area.scan {
            Some(scan) if area.scanned.is_none() => scan.counted(),
            _ => area.used,
        };
        Used { bytes: u64::try_from(known).unwrap_or(0), scanned: area.scanned, drift: area.drift }
    }

    /// Announces that these files are about to change, to who counts or closes a tree.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`]: one lies in a tree that is being moved or removed.
    pub(super) fn change(self: &Arc<Self>, keys: Vec<FileKey>) -> Result<Changing, Error> {
        let mut state = self.lock();
        let closed = |key: &FileKey| state.closed.iter().any(|tree| holds(tree, key));
        if let Some(key) = keys.iter().find(|key| closed(key)) {
            let why = format!("/{}: a directory above it is being moved or removed", key.path);
            return Err(Error::new(ErrorKind::Busy, why));
        }
        for key in &keys {
            *state.changing.entry(key.clone()).or_default() += 1;
        }
        drop(state);
        Ok(Changing { usage: Arc::clone(self), keys })
    }

    /// Closes a tree: nothing below it changes until the guard is dropped.
    pub(super) async fn close(self: &Arc<Self>, tree: FileKey) -> Closed {
        self.lock().closed.push(tree.clone());
        let closed = Closed { usage: Arc::clone(self), tree, leaving: false };
        loop {
            let calmer = self.calmer.notified();
            let busy = {
                let state = self.lock();
                let mut below = state.changing.range(closed.tree.clone()..);
                // The names between `a` and `a/` sort in between too.
                below.any(|(key, _)| holds(&closed.tree, key))
            };
            if !busy {
                return closed;
            }
            calmer.await;
        }
    }

    /// The same changes as the store is to write them.
    pub(super) fn deltas(&self, resized: &[Resized]) -> Vec<UsageDelta> {
        let state = self.lock();
        let delta = |one: &Resized| {
            let area = state.areas.get(&one.key.area);
            let scan = area.and_then(|area| area.scan.as_ref());
            let counted = scan.is_some_and(|scan| scan.has_saved(&one.key));
            let used = one.bytes();
            let counted = if counted { used } else { 0 };
            UsageDelta { area: Arc::clone(&one.key.area), used, counted }
        };
        resized.iter().map(delta).filter(|delta| delta.used != 0).collect()
    }

    /// Takes changes over.
    pub(super) fn apply(&self, resized: &[Resized]) {
        let mut state = self.lock();
        for one in resized {
            let area = state.areas.entry(Arc::clone(&one.key.area)).or_default();
            area.used += one.bytes();
            if let Some(scan) = &mut area.scan
                && scan.has_counted(&one.key)
            {
                scan.add(one.bytes());
            }
        }
    }

    /// A tree went, with so many bytes: what the store is to write. `stood`: how it stood before it went.
    pub(super) fn remove_tree(
        &self,
        tree: &FileKey,
        bytes: u64,
        stood: Option<Stand>,
    ) -> UsageDelta {
        let bytes = -i64::try_from(bytes).unwrap_or(i64::MAX);
        let mut state = self.lock();
        let area = state.areas.entry(Arc::clone(&tree.area)).or_default();
        area.used += bytes;
        let mut counted = 0;
        if let Some(scan) = &mut area.scan {
            match scan.stands(&tree.path) {
                stand @ Stand { counted: Some(now), saved: Some(saved) }
                    if stood == Some(stand) =>
                {
                    scan.add(if now { bytes } else { 0 });
                    counted = if saved { bytes } else { 0 };
                }
                _ => scan.spoil(),
            }
        }
        UsageDelta { area: Arc::clone(&tree.area), used: bytes, counted }
    }

    /// A tree was moved within its area. `stood`: how both ends stood before.
    pub(super) fn move_tree(&self, from: &FileKey, to: &FileKey, stood: [Option<Stand>; 2]) {
        let mut state = self.lock();
        let Some(scan) = state.areas.get_mut(&from.area).and_then(|area| area.scan.as_mut()) else {
            return;
        };
        let stand = scan.stands(&from.path);
        let whole = stand.counted.is_some() && stand.saved.is_some();
        let same = stood == [Some(stand); 2] && scan.stands(&to.path) == stand;
        if !(whole && same) {
            scan.spoil();
        }
    }

    /// A tree is there again that was counted as gone: a scan under way begins anew.
    pub(super) fn spoil(&self, area: &str) {
        if let Some(scan) = self.lock().areas.get_mut(area).and_then(|area| area.scan.as_mut()) {
            scan.spoil();
        }
    }

    /// A directory right below this one is being moved or removed with all it holds.
    pub(super) fn closes_in(&self, area: &str, directory: &RelPath) -> bool {
        let state = self.lock();
        let right_in =
            |tree: &FileKey| *tree.area == *area && tree.path.parent().as_ref() == Some(directory);
        state.closed.iter().chain(&state.leaving).any(right_in)
    }
}

fn holds(tree: &FileKey, key: &FileKey) -> bool {
    tree.area == key.area && key.path.is_within(&tree.path) && key.path != tree.path
}

/// Files that are being changed, until it is dropped.
pub(super) struct Changing {
    usage: Arc<Usage>,
    keys: Vec<FileKey>,
}

impl Drop for Changing {
    fn drop(&mut self) {
        let mut state = self.usage.lock();
        for key in &self.keys {
            if let Some(count) = state.changing.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    state.changing.remove(key);
                }
            }
        }
        drop(state);
        self.usage.calmer.notify_waiters();
    }
}

/// A tree in which nothing changes, until it is dropped.
pub(super) struct Closed {
    usage: Arc<Usage>,
    tree: FileKey,
    leaving: bool,
}

impl Closed {
    /// The tree has a hidden name, and nobody finds it: what stands under its old name from now on is
    /// another one.
    pub(super) fn open(mut self) -> Self {
        let mut state = self.usage.lock();
        remove(&mut state.closed, &self.tree);
        state.leaving.push(self.tree.clone());
        drop(state);
        self.leaving = true;
        self
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let mut state = self.usage.lock();
        match self.leaving {
            true => remove(&mut state.leaving, &self.tree),
            false => remove(&mut state.closed, &self.tree),
        }
    }
}

fn remove(trees: &mut Vec<FileKey>, tree: &FileKey) {
    if let Some(place) = trees.iter().position(|one| one == tree) {
        trees.swap_remove(place);
    }
}
