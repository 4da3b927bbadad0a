//! The locks that hold, in memory: every write asks here, and most find that there are none.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::{Error, ErrorKind};
use crate::model::FileKey;
use crate::store::{DavLock, Millis};

/// Most locks that one user may have.
const MOST_OF_ONE: usize = 1000;
/// Most locks in all.
const MOST: usize = 100_000;

/// See the module.
#[derive(Default)]
pub(super) struct Table {
    /// How many there are: for those who need not wait for the mutex.
    count: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_key: BTreeMap<FileKey, Vec<Arc<DavLock>>>,
    of_users: HashMap<String, usize>,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Takes a lock in, also in place of one with its token (a refresh).
    ///
    /// # Errors
    /// [`ErrorKind::LockConflict`] where another one forbids it (RFC 4918 6.1), [`ErrorKind::NoUserSpace`] and
    /// [`ErrorKind::Overloaded`] where there are too many.
    pub(super) fn insert(&self, lock: DavLock, now: Millis) -> Result<Arc<DavLock>, Error> {
        let mut inner = self.lock();
        let other =
            |one: &&Arc<DavLock>| one.token != lock.token && (one.exclusive || lock.exclusive);
        let over = inner.over(&lock.key, now);
        let below = if lock.infinite { inner.below(&lock.key, now) } else { Vec::new() };
        if let Some(other) = over.iter().chain(&below).find(other) {
            return Err(conflict(other));
        }
        inner.remove(|one| one.token == lock.token, &lock.key);
        if inner.of_users.get(&lock.user).is_some_and(|count| *count >= MOST_OF_ONE) {
            let why =
                format!("you have {MOST_OF_ONE} locks, and one may have no more: unlock some");
            return Err(Error::new(ErrorKind::NoUserSpace, why));
        }
        if inner.of_users.values().sum::<usize>() >= MOST {
            let why = "there are too many locks on this server: try again later";
            return Err(Error::new(ErrorKind::Overloaded, why));
        }
        let lock = Arc::new(lock);
        *inner.of_users.entry(lock.user.clone()).or_default() += 1;
        inner.by_key.entry(lock.key.clone()).or_default().push(Arc::clone(&lock));
        self.counted(inner);
        Ok(lock)
    }

    /// Locks that hold for a file or directory: its own, and those above it that reach down.
    pub(super) fn over(&self, key: &FileKey, now: Millis) -> Vec<Arc<DavLock>> {
        if self.is_empty() { Vec::new() } else { self.lock().over(key, now) }
    }

    /// Locks of what lies below a directory.
    pub(super) fn below(&self, key: &FileKey, now: Millis) -> Vec<Arc<DavLock>> {
        if self.is_empty() { Vec::new() } else { self.lock().below(key, now) }
    }

    pub(super) fn holds(&self, lock: &DavLock) -> bool {
        let inner = self.lock();
        inner.by_key.get(&lock.key).is_some_and(|all| all.iter().any(|one| one.token == lock.token))
    }

    pub(super) fn remove(&self, lock: &DavLock) {
        let mut inner = self.lock();
        inner.remove(|one| one.token == lock.token, &lock.key);
        self.counted(inner);
    }

    /// What was locked is gone, with all below it: the tokens of those locks, ended or not.
    pub(super) fn remove_tree(&self, key: &FileKey) -> Vec<Arc<str>> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut inner = self.lock();
        let ever = Millis(i64::MIN);
        let mut gone = inner.below(key, ever);
        gone.extend(inner.by_key.get(key).into_iter().flatten().cloned());
        let tokens = inner.forget(gone);
        self.counted(inner);
        tokens
    }

    /// Takes those out that have ended; their tokens.
    pub(super) fn remove_ended(&self, now: Millis) -> Vec<Arc<str>> {
        let mut inner = self.lock();
        let all = inner.by_key.values().flatten();
        let ended = all.filter(|one| one.expires <= now).cloned().collect();
        let tokens = inner.forget(ended);
        self.counted(inner);
        tokens
    }

    fn counted(&self, inner: MutexGuard<'_, Inner>) {
        self.count.store(inner.of_users.values().sum(), Ordering::Release);
    }
}

impl Inner {
    fn over(&self, key: &FileKey, now: Millis) -> Vec<Arc<DavLock>> {
        let mut found = Vec::new();
        let mut at = Some(key.clone());
        while let Some(place) = at {
            let here = self.by_key.get(&place).into_iter().flatten();
            let reaching = here.filter(|one| one.infinite || place == *key);
            found.extend(reaching.filter(|one| one.expires > now).cloned());
            let area = place.area;
            at = place.path.parent().map(|path| FileKey { area, path });
        }
        found
    }

    fn below(&self, key: &FileKey, now: Millis) -> Vec<Arc<DavLock>> {
        self.by_key
            .range(key..)
            .take_while(|(one, _)| {
                one.area == key.area && one.path.as_str().starts_with(key.path.as_str())
            })
            .filter(|(one, _)| *one != key && one.path.is_within(&key.path))
            .flat_map(|(_, locks)| locks)
            .filter(|one| one.expires > now)
            .cloned()
            .collect()
    }

    fn remove(&mut self, which: impl Fn(&DavLock) -> bool, key: &FileKey) {
        let Some(locks) = self.by_key.get_mut(key) else { return };
        for gone in locks.extract_if(.., |one| which(one)) {
            if let Some(count) = self.of_users.get_mut(&gone.user) {
                *count -= 1;
            }
        }
        if locks.is_empty() {
            self.by_key.remove(key);
        }
        self.of_users.retain(|_, count| *count > 0);
    }

    fn forget(&mut self, gone: Vec<Arc<DavLock>>) -> Vec<Arc<str>> {
        let tokens: HashSet<Arc<str>> = gone.iter().map(|one| Arc::clone(&one.token)).collect();
        for lock in &gone {
            self.remove(|one| one.token == lock.token, &lock.key);
        }
        tokens.into_iter().collect()
    }
}

/// What forbids a lock.
fn conflict(other: &DavLock) -> Error {
    let why = format!("{} is locked: wait until its owner unlocks it", other.root);
    Error::new(ErrorKind::LockConflict, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RelPath;

    fn lock(path: &str, exclusive: bool, infinite: bool) -> DavLock {
        DavLock {
            token: Arc::from(uuid::Uuid::new_v4().to_string()),
            key: key(path),
            root: format!("/vo/{path}"),
            user: "/CN=a".into(),
            exclusive,
            infinite,
            owner: String::new(),
            expires: Millis(100),
        }
    }

    fn key(path: &str) -> FileKey {
        FileKey { area: "A".into(), path: RelPath::parse(path).unwrap() }
    }

    fn taken(table: &Table, lock: DavLock) -> bool {
        match table.insert(lock, Millis(0)) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::LockConflict);
                false
            }
        }
    }

    #[test]
    fn what_stands_beside_what() {
        let table = Table::default();
        assert!(taken(&table, lock("d/f", true, false)));
        assert!(
            !taken(&table, lock("d/f", true, false)) && !taken(&table, lock("d/f", false, true))
        );
        // The directory alone, but not with all below; a name that begins alike is another.
        assert!(taken(&table, lock("d", true, false)) && taken(&table, lock("d-", true, true)));
        assert!(!taken(&table, lock("", true, true)));
        assert!(taken(&table, lock("s", false, true)) && taken(&table, lock("s/t", false, true)));
        assert!(!taken(&table, lock("s/t/u", true, false)));
        assert_eq!(table.over(&key("s/t/u"), Millis(0)).len(), 2);
        assert_eq!(table.over(&key("d/g"), Millis(0)).len(), 0);
        assert_eq!(table.below(&key(""), Millis(0)).len(), 5);
        assert_eq!(table.remove_tree(&key("s")).len(), 2);
        assert!(taken(&table, lock("s/t/u", true, false)));
    }

    #[test]
    fn locks_end() {
        let table = Table::default();
        let first = table.insert(lock("f", true, true), Millis(0)).unwrap();
        assert_eq!(table.over(&key("f/g"), Millis(99)).len(), 1);
        assert!(table.over(&key("f/g"), Millis(100)).is_empty());
        assert_eq!(table.remove_ended(Millis(100)), [Arc::clone(&first.token)]);
        assert!(table.is_empty() && !table.holds(&first));
    }

    #[test]
    fn one_user_has_only_so_many() {
        let table = Table::default();
        for n in 0..MOST_OF_ONE {
            table.insert(lock(&format!("f{n}"), true, true), Millis(0)).unwrap();
        }
        let more = lock("more", true, true);
        let error = table.insert(more.clone(), Millis(0)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NoUserSpace);
        // A refresh is none more, and somebody else has as many.
        let first = table.over(&key("f0"), Millis(0)).remove(0);
        let longer = DavLock { expires: Millis(500), ..DavLock::clone(&first) };
        table.insert(longer, Millis(0)).unwrap();
        assert_eq!(table.over(&key("f0"), Millis(400)).len(), 1);
        table.insert(DavLock { user: "/CN=b".into(), ..more }, Millis(0)).unwrap();
    }
}
