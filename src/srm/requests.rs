//! The requests of this daemon that have not ended, and the index that says which file is being put
//! and which is pinned. The store is written first, this after it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::live::Live;
use crate::model::{FileKey, FileState, RelPath, RequestKind, RequestToken};
use crate::store::{FileRow, Millis, RequestId};

/// Requests that ended a moment ago are kept in memory for status calls that come right after: so
/// many, with so many files in all.
const ENDED_KEPT: (usize, usize) = (4096, 20_000);

/// Which file of which request.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) live: Arc<Live>,
    pub(super) n: u32,
}

impl Holder {
    fn is(&self, live: &Live, n: u32) -> bool {
        self.n == n && self.live.id == live.id
    }
}

/// All of them.
pub(super) struct Requests {
    index: Mutex<Index>,
    /// Counts removals, renames and publications: who looked at a file before one of them looks
    /// again.
    epoch: AtomicU64,
}

#[derive(Default)]
struct Index {
    by_token: HashMap<RequestToken, Arc<Live>>,
    /// Live puts (SPACE_AVAILABLE) and copies under way, at most one per file.
    puts: BTreeMap<FileKey, Holder>,
    /// Pinned gets and bring-onlines: a file that many read has many.
    pins: BTreeMap<FileKey, HashMap<(RequestId, u32), Arc<Live>>>,
    /// How many of both each user has.
    of_users: HashMap<String, usize>,
    /// Those that begin later than they came.
    deferred: BTreeMap<(Millis, RequestId), Arc<Live>>,
    ended: VecDeque<Ended>,
    /// Files of those.
    ended_files: usize,
}

struct Ended {
    token: RequestToken,
    files: usize,
    at: Millis,
}

/// Why a file can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Another put on it is not done.
    Put,
    /// A get pins it.
    Pin,
    /// The user has as many live puts and pins as he may.
    All,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self { index: Mutex::default(), epoch: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a request that was just submitted; what it has of files is claimed.
    pub(super) fn enlist(&self, live: &Arc<Live>) {
        self.lock().enlist(live);
    }

    /// Takes in a request that was loaded at start.
    pub(super) fn insert(&self, live: &Arc<Live>) {
        let mut index = self.lock();
        index.enlist(live);
        // As they are, not as they are shown.
        for file in (0..).map_while(|n| live.file(n)) {
            // A directory is not kept as its files are.
            if file.levels.is_some() {
                continue;
            }
            let Some(key) = file.key.clone() else { continue };
            match file.state {
                FileState::SpaceAvailable => index.put(live, file.n, key),
                FileState::InProgress if live.kind() == RequestKind::Copy => {
                    index.put(live, file.n, key);
                }
                state if state.holds(live.kind()) => index.pin(live, file.n, key),
                _ => {}
            }
        }
    }

    pub(super) fn find(&self, token: &RequestToken) -> Option<Arc<Live>> {
        self.lock().by_token.get(token).cloned()
    }

    /// Reserves a file for a put that is about to become live, or a copy. A user may have `most` live
    /// puts and pins.
    pub(super) fn claim_put(
        &self,
        live: &Arc<Live>,
        n: u32,
        key: &FileKey,
        over_pins: bool,
        most: usize,
    ) -> Result<(), Taken> {
        let mut index = self.lock();
        if index.puts.get(key).is_some_and(|holder| !holder.is(live, n)) {
            return Err(Taken::Put);
        }
        if !over_pins && index.pins.contains_key(key) {
            return Err(Taken::Pin);
        }
        // A copy that goes on has its file already.
        if !index.puts.contains_key(key) {
            index.check_user(live, most)?;
            index.put(live, n, key.clone());
        }
        Ok(())
    }

    /// Reserves a file for a get that is about to be pinned.
    pub(super) fn claim_pin(
        &self,
        live: &Arc<Live>,
        n: u32,
        key: &FileKey,
        most: usize,
    ) -> Result<(), Taken> {
        let mut index = self.lock();
        if index.puts.contains_key(key) {
            return Err(Taken::Put);
        }
        index.check_user(live, most)?;
        index.pin(live, n, key.clone());
        Ok(())
    }

    /// Gives back what [`Requests::claim_put`] or [`Requests::claim_pin`] took.
    pub(super) fn unclaim(&self, live: &Live, n: u32, key: &FileKey) {
        self.lock().forget(live, n, key);
    }

    /// A put or a pin is live in this area.
    pub(super) fn use_area(&self, name: &str) -> bool {
        let index = self.lock();
        let mut keys = index.puts.keys().chain(index.pins.keys());
        keys.any(|key| &*key.area == name)
    }

    pub(super) fn put_on(&self, key: &FileKey) -> Option<Holder> {
        self.lock().puts.get(key).cloned()
    }

    pub(super) fn pins_on(&self, key: &FileKey) -> Vec<Holder> {
        self.lock().pins.get(key).into_iter().flat_map(holders).collect()
    }

    pub(super) fn is_pinned(&self, key: &FileKey) -> bool {
        self.lock().pins.contains_key(key)
    }

    /// Live puts on files right below a directory: listings show them.
    pub(super) fn puts_in(&self, area: &Arc<str>, directory: &RelPath) -> Vec<FileKey> {
        self.puts_below(area, directory)
            .into_iter()
            .filter(|key| key.path.parent().as_ref() == Some(directory))
            .collect()
    }

    /// Live puts on files anywhere below a directory.
    pub(super) fn puts_below(&self, area: &Arc<str>, directory: &RelPath) -> Vec<FileKey> {
        let index = self.lock();
        let first = FileKey { area: Arc::clone(area), path: directory.clone() };
        index
            .puts
            .range(first..)
            .take_while(|(key, _)| {
                key.area == *area && key.path.as_str().starts_with(directory.as_str())
            })
            .filter(|(key, _)| key.path.is_within(directory) && key.path != *directory)
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Pinned gets on files anywhere below a directory.
    pub(super) fn pins_below(&self, area: &Arc<str>, directory: &RelPath) -> Vec<Holder> {
        let index = self.lock();
        let first = FileKey { area: Arc::clone(area), path: directory.clone() };
        index
            .pins
            .range(first..)
            .take_while(|(key, _)| {
                key.area == *area && key.path.as_str().starts_with(directory.as_str())
            })
            .filter(|(key, _)| key.path.is_within(directory))
            .flat_map(|(_, pins)| holders(pins))
            .collect()
    }

    /// Takes over changes the store has taken: the request's files first, then the index.
    pub(super) fn apply(&self, live: &Arc<Live>, changed: &[FileRow], abort: bool, ended: bool) {
        live.apply(changed, abort, ended);
        let mut index = self.lock();
        for file in changed {
            if let Some(key) = file.key.as_ref().filter(|_| !file.state.claims(live.kind())) {
                index.forget(live, file.n, key);
            }
        }
        if ended {
            if let Some(at) = live.request.starts {
                index.deferred.remove(&(at, live.id));
            }
            let (token, files) = (live.token().clone(), live.len());
            index.ended.push_back(Ended { token, files, at: now() });
            index.ended_files += files;
            let (requests, files) = ENDED_KEPT;
            while index.ended.len() > requests || index.ended_files > files {
                index.forget_oldest();
            }
        }
    }

    /// Those whose start has come; and when the next one's does.
    pub(super) fn take_deferred(&self) -> (Vec<Arc<Live>>, Option<Millis>) {
        let mut index = self.lock();
        let mut due = Vec::new();
        while let Some(first) = index.deferred.first_entry() {
            let at = first.key().0;
            if at > now() {
                return (due, Some(at));
            }
            due.push(first.remove());
        }
        (due, None)
    }

    /// Forgets what ended before: the store does too.
    pub(super) fn forget_ended(&self, before: Millis) {
        let mut index = self.lock();
        while index.ended.front().is_some_and(|oldest| oldest.at < before) {
            index.forget_oldest();
        }
    }

    /// Pinned gets whose files `user` pinned (srmReleaseFiles without a token).
    pub(super) fn pins_of(&self, user: &str, key: &FileKey) -> Vec<Holder> {
        let index = self.lock();
        let pins = index.pins.get(key).into_iter().flat_map(holders);
        pins.filter(|holder| holder.live.request.user == user).collect()
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A file was removed, renamed or published.
    pub(super) fn bump(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// How many requests have not ended.
    pub(super) fn count(&self) -> usize {
        let index = self.lock();
        index.by_token.len() - index.ended.len()
    }
}

impl Index {
    fn enlist(&mut self, live: &Arc<Live>) {
        self.by_token.insert(live.token().clone(), Arc::clone(live));
        if let Some(at) = live.request.starts {
            self.deferred.insert((at, live.id), Arc::clone(live));
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.ended.pop_front() {
            self.ended_files -= oldest.files;
            self.by_token.remove(&oldest.token);
        }
    }

    fn put(&mut self, live: &Arc<Live>, n: u32, key: FileKey) {
        if self.puts.insert(key, Holder { live: Arc::clone(live), n }).is_none() {
            self.count(live);
        }
    }

    fn pin(&mut self, live: &Arc<Live>, n: u32, key: FileKey) {
        let pins = self.pins.entry(key).or_default();
        if pins.insert((live.id, n), Arc::clone(live)).is_none() {
            self.count(live);
        }
    }

    fn count(&mut self, live: &Live) {
        let user = &live.request.user;
        match self.of_users.get_mut(user) {
            Some(count) => *count += 1,
            None => {
                self.of_users.insert(user.clone(), 1);
            }
        }
    }

    fn check_user(&self, live: &Live, most: usize) -> Result<(), Taken> {
        let all = self.of_users.get(&live.request.user).is_some_and(|count| *count >= most);
        if all { Err(Taken::All) } else { Ok(()) }
    }

    fn forget(&mut self, live: &Live, n: u32, key: &FileKey) {
        let mut gone = 0;
        if self.puts.get(key).is_some_and(|holder| holder.is(live, n)) {
            self.puts.remove(key);
            gone += 1;
        }
        if let Some(pins) = self.pins.get_mut(key) {
            gone += usize::from(pins.remove(&(live.id, n)).is_some());
            if pins.is_empty() {
                self.pins.remove(key);
            }
        }
        let Some(count) = self.of_users.get_mut(&live.request.user).filter(|_| gone > 0) else {
            return;
        };
        *count -= gone;
        if *count == 0 {
            self.of_users.remove(&live.request.user);
        }
    }
}

/// Who pins a file, in no order.
fn holders(pins: &HashMap<(RequestId, u32), Arc<Live>>) -> impl Iterator<Item = Holder> {
    pins.iter().map(|((_, n), live)| Holder { live: Arc::clone(live), n: *n })
}

/// Now, as the store counts.
pub(super) fn now() -> Millis {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Whole seconds until `at`, rounded up, not below 0; -1 for never.
pub(super) fn seconds_left(at: Option<Millis>) -> i32 {
    match at {
        None => -1,
        Some(at) => {
            let left = (at.0 - now().0).max(0);
            i32::try_from((left + 999) / 1000).unwrap_or(i32::MAX)
        }
    }
}
