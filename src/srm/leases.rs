//! What JiT areas lend: entries in ACLs that name a local account, from the moment a TURL is given
//! until its file request ends. Several requests may need one entry: the last one takes it back,
//! and what stood there before them stands there again.
//!
//! Order: first the store, durably, then the disk, then the TURL; back in the opposite order. So a
//! start finds all that may be left.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::access::driver_error;
use super::acl::{Need, Object, file_defaults, way};
use super::{Error, ErrorKind};
use crate::fsdriver::{Acl, DriverError, Kind, Permission, Subject, restore};
use crate::model::{FileKey, LocalAccount, RelPath};
use crate::namespace::{Namespace, StorageArea};
use crate::store::{LeaseRow, Lent, LentId, LentRow, RequestId};

/// A file of a request.
pub(super) type Of = (RequestId, u32);

/// A right to be lent: to come to `path`, and for a file that is there before, to read it.
#[derive(Clone)]
pub(super) struct Loan {
    pub(super) n: u32,
    pub(super) area: Arc<StorageArea>,
    pub(super) path: RelPath,
    pub(super) account: LocalAccount,
    /// The file is no hidden one of ours.
    pub(super) read: bool,
}

/// All that is lent now.
pub(super) struct Leases {
    table: Mutex<Table>,
    /// Held by who changes an ACL, or decides on it; two paths may share one.
    paths: Box<[Mutex<()>]>,
}

#[derive(Default)]
struct Table {
    leases: HashMap<Of, Lease>,
    entries: BTreeMap<(u32, FileKey), Entry>,
    last_id: i64,
}

struct Lease {
    uid: u32,
    key: FileKey,
    /// Where entries stand for it.
    at: Vec<FileKey>,
}

struct Entry {
    id: LentId,
    before: Option<Permission>,
    given: Permission,
    leases: usize,
}

impl Leases {
    const STRIPES: usize = 256;

    pub(super) fn new() -> Self {
        let paths = (0..Self::STRIPES).map(|_| Mutex::new(())).collect();
        Self { table: Mutex::default(), paths }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock of a path's ACL. Nobody takes two.
    pub(super) fn lock_path(&self, key: &FileKey) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        // The remainder is below STRIPES, so it fits.
        let stripe = (hasher.finish() % Self::STRIPES as u64) as usize;
        self.paths[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stood in an ACL before this account was lent something, and what stands there meanwhile.
    /// The caller holds the path's lock.
    pub(super) fn lent(&self, key: &FileKey, uid: u32) -> Option<(Option<Permission>, Permission)> {
        let table = self.table();
        table.entries.get(&(uid, key.clone())).map(|entry| (entry.before, entry.given))
    }

    /// Somebody changed, for good, the entry that is lent: from now on `before` is what comes back.
    /// The row to be remembered. The caller holds the path's lock.
    pub(super) fn relend(
        &self,
        key: &FileKey,
        uid: u32,
        before: Option<Permission>,
        given: Permission,
    ) -> Option<LentRow> {
        let mut table = self.table();
        let entry = table.entries.get_mut(&(uid, key.clone()))?;
        (entry.before, entry.given) = (before, given);
        Some(entry.row(key, uid))
    }

    /// True while an ACL names this account: then it is not to become somebody else's.
    pub(super) fn names(&self, uid: u32) -> bool {
        let table = self.table();
        table.leases.values().any(|lease| lease.uid == uid)
            || table.entries.keys().any(|(account, _)| *account == uid)
    }

    pub(super) fn holds(&self, of: Of) -> bool {
        self.table().leases.contains_key(&of)
    }

    /// Looks what a loan needs, and takes it down in memory. Blocks.
    pub(super) fn note(
        &self,
        request: RequestId,
        loan: &Loan,
    ) -> Result<(LeaseRow, Vec<LentRow>), Error> {
        let uid = loan.account.uid;
        let key = loan.key(&loan.path);
        let row = LeaseRow { request, n: loan.n, uid, key: key.clone() };
        let of = (request, loan.n);
        self.table().leases.insert(of, Lease { uid, key, at: Vec::new() });
        let mut rows = Vec::new();
        for (key, kind, permission) in loan.places() {
            let _guard = self.lock_path(&key);
            let known = self.table().count(&key, uid, permission);
            let row = match known {
                Some(row) => row,
                None => {
                    let acl = loan.acl(&key, kind)?;
                    let subject = Subject::User(uid);
                    let enough = match acl.entry(subject) {
                        Some(_) => acl.effective(subject).contains(permission),
                        None => acl.permits_everybody(permission),
                    };
                    if enough {
                        continue;
                    }
                    self.table().enter(&key, uid, acl.entry(subject), permission)
                }
            };
            let noted = self.table().leases.get_mut(&of).map(|lease| lease.at.push(key.clone()));
            if noted.is_none() {
                if self.table().uncount(&key, uid) {
                    self.put_back(&key, uid, &loan.area);
                }
                return Err(ended());
            }
            rows.push(row);
        }
        Ok((row, rows))
    }

    /// Sets on disk what was noted. Blocks.
    pub(super) fn give(&self, request: RequestId, loan: &Loan) -> Result<(), Error> {
        for (key, kind, permission) in loan.places() {
            let _guard = self.lock_path(&key);
            let given = self.table().given(&key, loan.account.uid);
            let more = if kind == Kind::File { file_defaults(&loan.area) } else { Vec::new() };
            if given.is_none() && more.is_empty() {
                continue;
            }
            let account = &loan.account;
            let subject = Subject::User(account.uid);
            let needed = given.map(|given| Need { subject, given, permission, account });
            let driver = &*loan.area.driver;
            let file = loan.open(&key, kind)?;
            Object { driver, file: &file, name: &key }.add(needed, &more)?;
        }
        if self.holds((request, loan.n)) { Ok(()) } else { Err(ended()) }
    }

    /// Ends a lease: entries that no other one needs are put back on disk. What needs not be
    /// remembered any more. Blocks.
    pub(super) fn end(&self, of: Of, namespace: &Namespace) -> Vec<LentId> {
        let Some(lease) = self.table().leases.remove(&of) else { return Vec::new() };
        let mut gone = Vec::new();
        for key in lease.at {
            let _guard = self.lock_path(&key);
            if self.table().uncount(&key, lease.uid) {
                // An area that is not configured now may be again: kept for a later start.
                let area = namespace.area(&key.area);
                gone.extend(area.and_then(|area| self.put_back(&key, lease.uid, area)));
            }
        }
        gone
    }

    /// Puts one entry back that nobody needs. The caller holds the path's lock.
    fn put_back(&self, key: &FileKey, uid: u32, area: &StorageArea) -> Option<LentId> {
        let (id, before, given) = {
            let table = self.table();
            let entry = table.entries.get(&(uid, key.clone()))?;
            (entry.id, entry.before, entry.given)
        };
        let driver = &*area.driver;
        let open = || match driver.stat(&key.path)?.kind {
            Kind::Directory => driver.open_directory(&key.path),
            _ => driver.open(&key.path),
        };
        let subject = Subject::User(uid);
        let restored = open().and_then(|file| restore(driver, &file, subject, before, given));
        match restored {
            // Gone with what it stood on.
            Ok(()) | Err(DriverError::NotFound | DriverError::NotADirectory) => {
                self.table().entries.remove(&(uid, key.clone()));
                Some(id)
            }
            Err(error) => {
                tracing::warn!(%error, path = %key, uid, "ACL entry left behind: the next start tries again");
                None
            }
        }
    }

    /// Takes in what a start found.
    pub(super) fn load(&self, (leases, entries): Lent) {
        let mut table = self.table();
        for LentRow { id, uid, key, before, given } in entries {
            table.last_id = table.last_id.max(id.0);
            table.entries.insert((uid, key), Entry { id, before, given, leases: 0 });
        }
        for LeaseRow { request, n, uid, key } in leases {
            let mut at = way_keys(&key);
            at.push(key.clone());
            at.retain(|key| match table.entries.get_mut(&(uid, key.clone())) {
                Some(entry) => {
                    entry.leases += 1;
                    true
                }
                None => false,
            });
            table.leases.insert((request, n), Lease { uid, key, at });
        }
    }

    /// Leases of none of these, and entries that no lease needs, end. Blocks.
    pub(super) fn tidy(
        &self,
        standing: &HashSet<Of>,
        namespace: &Namespace,
    ) -> (Vec<Of>, Vec<LentId>) {
        let ended: Vec<Of> = {
            let table = self.table();
            table.leases.keys().filter(|of| !standing.contains(of)).copied().collect()
        };
        let mut gone: Vec<LentId> = ended.iter().flat_map(|of| self.end(*of, namespace)).collect();
        let idle: Vec<(u32, FileKey)> = {
            let table = self.table();
            let idle = table.entries.iter().filter(|(_, entry)| entry.leases == 0);
            idle.map(|(at, _)| at.clone()).collect()
        };
        for (uid, key) in idle {
            let _guard = self.lock_path(&key);
            let area = namespace.area(&key.area);
            gone.extend(area.and_then(|area| self.put_back(&key, uid, area)));
        }
        (ended, gone)
    }

    /// A directory was moved: what is lent on it and below goes along.
    pub(super) fn moved(&self, from: &FileKey, to: &RelPath) -> Vec<(LentId, RelPath)> {
        let now_at = |key: &FileKey| {
            let below = (key.area == from.area).then(|| key.path.below(&from.path)).flatten();
            below.map(|below| FileKey { area: key.area.clone(), path: to.descend(&below) })
        };
        let mut table = self.table();
        let entries = std::mem::take(&mut table.entries);
        let mut moved = Vec::new();
        for ((uid, key), entry) in entries {
            let key = match now_at(&key) {
                Some(now) => {
                    moved.push((entry.id, now.path.clone()));
                    now
                }
                None => key,
            };
            table.entries.insert((uid, key), entry);
        }
        for lease in table.leases.values_mut() {
            for key in lease.at.iter_mut().chain([&mut lease.key]) {
                if let Some(now) = now_at(key) {
                    *key = now;
                }
            }
        }
        moved
    }
}

impl Table {
    /// One more lease needs an entry that is there.
    fn count(&mut self, key: &FileKey, uid: u32, permission: Permission) -> Option<LentRow> {
        let entry = self.entries.get_mut(&(uid, key.clone()))?;
        entry.leases += 1;
        entry.given = entry.given | permission;
        Some(entry.row(key, uid))
    }

    fn enter(
        &mut self,
        key: &FileKey,
        uid: u32,
        before: Option<Permission>,
        permission: Permission,
    ) -> LentRow {
        self.last_id += 1;
        let given = before.unwrap_or_default() | permission;
        let entry = Entry { id: LentId(self.last_id), before, given, leases: 1 };
        let row = entry.row(key, uid);
        self.entries.insert((uid, key.clone()), entry);
        row
    }

    /// One lease less; true when it was the last.
    fn uncount(&mut self, key: &FileKey, uid: u32) -> bool {
        self.entries.get_mut(&(uid, key.clone())).is_some_and(|entry| {
            entry.leases = entry.leases.saturating_sub(1);
            entry.leases == 0
        })
    }

    fn given(&self, key: &FileKey, uid: u32) -> Option<Permission> {
        self.entries.get(&(uid, key.clone())).map(|entry| entry.given)
    }
}

impl Entry {
    fn row(&self, key: &FileKey, uid: u32) -> LentRow {
        let Self { id, before, given, .. } = *self;
        LentRow { id, uid, key: key.clone(), before, given }
    }
}

impl Loan {
    fn key(&self, path: &RelPath) -> FileKey {
        FileKey { area: self.area.name.clone(), path: path.clone() }
    }

    /// Where entries are needed.
    fn places(&self) -> Vec<(FileKey, Kind, Permission)> {
        let key = self.key(&self.path);
        let pass = |key| (key, Kind::Directory, Permission::TRAVERSE);
        let mut places: Vec<_> = way_keys(&key).into_iter().map(pass).collect();
        if self.read {
            places.push((key, Kind::File, Permission::READ));
        }
        places
    }

    fn open(&self, key: &FileKey, kind: Kind) -> Result<std::fs::File, Error> {
        let driver = &*self.area.driver;
        let opened = match kind {
            Kind::Directory => driver.open_directory(&key.path),
            _ => driver.open(&key.path),
        };
        opened.map_err(|e| driver_error(e, key))
    }

    fn acl(&self, key: &FileKey, kind: Kind) -> Result<Acl, Error> {
        let file = self.open(key, kind)?;
        self.area.driver.acl(&file).map_err(|e| driver_error(e, key))
    }
}

fn way_keys(key: &FileKey) -> Vec<FileKey> {
    way(&key.path).into_iter().map(|path| FileKey { area: key.area.clone(), path }).collect()
}

fn ended() -> Error {
    Error::new(ErrorKind::Aborted, "the request was ended meanwhile")
}
