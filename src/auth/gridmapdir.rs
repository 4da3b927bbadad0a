//! Pool accounts: who has which, as hard links in a directory that several hosts and services may
//! share.
//!
//! `dteam001`, an empty file, is an account of the pool `dteam`. It is leased to somebody while a second
//! name of it, made of that person's DN, stands beside it: link count 1 is free, 2 is taken. The names are
//! those of LCMAPS 1.6, so that its leases and ours are the same. Removing the second name ends a lease;
//! its time is set at every use, so that old ones can be told.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{
    Access, AtFlags, CWD, FlockOperation, Timespec, Timestamps, UTIME_NOW, access, flock, utimensat,
};

use crate::config::{Problem, Severity};

/// How often a lease is tried for when others come between.
const TRIES: u32 = 10;
/// Between two of these.
const PAUSE: Duration = Duration::from_millis(5);
/// Pauses that a lease waits for another one on its account to go; fewer than [`TRIES`].
const PATIENCE: u32 = 4;

/// The file that is locked while a lease is looked for or made. Links alone do not do: who finds a lease that
/// another host has just linked for the same person can't know whether that host will keep it.
const LOCK: &str = ".stormd.lock";

/// Why no pool account could be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Every account is leased.
    #[error(
        "every account of the pool {pool} is taken: ask the site to add some to {} or to end old \
         leases", .directory.display()
    )]
    Full {
        /// Without its dot.
        pool: String,
        /// The gridmapdir.
        directory: PathBuf,
    },
    /// No file of the pool's accounts is there.
    #[error("the pool {pool} has no account in {}: ask the site to add some", .directory.display())]
    Empty {
        /// Without its dot.
        pool: String,
        /// The gridmapdir.
        directory: PathBuf,
    },
    /// Whoever has none is given none now.
    #[error("no account of the pool {pool} is leased to that person")]
    None {
        /// Without its dot.
        pool: String,
    },
    /// Two leases name one account.
    #[error(
        "the pool account {account} is leased twice in {}: ask the site to end one of the leases",
        .directory.display()
    )]
    Twice {
        /// The account.
        account: String,
        /// The gridmapdir.
        directory: PathBuf,
    },
    /// The directory cannot be used.
    #[error("the leases of pool accounts in {} cannot be used: {why}", .directory.display())]
    Io {
        /// The gridmapdir.
        directory: PathBuf,
        /// The system's word.
        why: String,
    },
}

/// What looking without taking finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// This account is leased to the key.
    Account(String),
    /// None yet; so many are free, and this is the first of them.
    Free(usize, String),
}

/// A gridmapdir.
#[derive(Debug)]
pub struct GridMapDir {
    path: PathBuf,
    /// One of our threads at a time.
    turn: Mutex<()>,
}

impl GridMapDir {
    /// The directory; it need not be there yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), turn: Mutex::new(()) }
    }

    /// Why no lease can be made here, where that can be told beforehand.
    pub fn problem(&self) -> Option<Problem> {
        let error = access(&self.path, Access::WRITE_OK | Access::EXEC_OK).err()?;
        let text = format!(
            "pool accounts cannot be leased: {}: the directory must be there, and belong to the \
             account of stormd with the files in it",
            io::Error::from(error)
        );
        let (file, severity) = (self.path.clone(), Severity::Warning);
        Some(Problem { file, line: None, text, severity })
    }

    /// The account of `pool` that `key` has, or has from now on: one that is free, and that `usable`
    /// takes. A lease of another pool is ended. Blocks.
    pub fn lease(
        &self,
        key: &str,
        pool: &str,
        usable: &dyn Fn(&str) -> bool,
    ) -> Result<String, LeaseError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let _locked = self.lock();
        let lease = self.path.join(key);
        let mut twice = None;
        for _ in 0..TRIES {
            match self.held(&lease, key, pool)? {
                Existing::Ours(account) => {
                    self.touch(&lease)?;
                    return Ok(account);
                }
                Existing::Other => self.end(&lease)?,
                // Somebody has linked it and is about to look, as we do below.
                Existing::Shared(account) => {
                    twice = Some(account);
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Existing::None => {}
            }
            if let Some(account) = self.take(&lease, pool, usable)? {
                return Ok(account);
            }
            // Others were faster everywhere, or made this very lease.
            std::thread::sleep(PAUSE);
        }
        Err(match twice {
            Some(account) => LeaseError::Twice { account, directory: self.path.clone() },
            None => self.full(pool),
        })
    }

    /// One stormd at a time, on whatever host: only LCMAPS comes between. Where no file can be made, no
    /// lease can be either.
    fn lock(&self) -> Option<File> {
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(self.path.join(LOCK)).ok()?;
        flock(&file, FlockOperation::LockExclusive).ok().map(|()| file)
    }

    /// As [`GridMapDir::lease`], and nothing is changed.
    pub fn look(&self, key: &str, pool: &str) -> Result<Held, LeaseError> {
        let lease = self.path.join(key);
        if let Existing::Ours(account) = self.held(&lease, key, pool)? {
            return Ok(Held::Account(account));
        }
        let accounts = self.accounts(pool)?;
        if accounts.is_empty() {
            return Err(self.empty(pool));
        }
        let mut free = accounts.into_iter().filter(|account| self.links(account) == Some(1));
        let first = free.next().ok_or_else(|| self.full(pool))?;
        Ok(Held::Free(1 + free.count(), first))
    }

    /// `None` when others came between.
    fn take(
        &self,
        lease: &Path,
        pool: &str,
        usable: &dyn Fn(&str) -> bool,
    ) -> Result<Option<String>, LeaseError> {
        let accounts = self.accounts(pool)?;
        if accounts.is_empty() {
            return Err(self.empty(pool));
        }
        let mut raced = false;
        for account in accounts {
            if self.links(&account) != Some(1) || !usable(&account) {
                continue;
            }
            match fs::hard_link(self.path.join(&account), lease) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(self.io(error)),
            }
            if self.alone(&account, lease)? {
                self.touch(lease)?;
                // The directory is what remembers it.
                File::open(&self.path).and_then(|d| d.sync_all()).map_err(|e| self.io(e))?;
                return Ok(Some(account));
            }
            self.end(lease)?;
            raced = true;
        }
        if raced { Ok(None) } else { Err(self.full(pool)) }
    }

    /// Is ours the one lease on the account? Where two were made at once the first by name stays, so
    /// that nobody who looks meanwhile finds a lease that is about to go.
    fn alone(&self, account: &str, lease: &Path) -> Result<bool, LeaseError> {
        for _ in 0..PATIENCE {
            if self.links(account) == Some(2) {
                return Ok(true);
            }
            let ours = fs::metadata(lease).map_err(|e| self.io(e))?;
            for entry in fs::read_dir(&self.path).map_err(|e| self.io(e))? {
                let entry = entry.map_err(|e| self.io(e))?;
                let name = entry.file_name();
                let other = entry.ino() == ours.ino() && name.as_encoded_bytes().contains(&b'%');
                if other && Some(name.as_os_str()) < lease.file_name() {
                    return Ok(false);
                }
            }
            std::thread::sleep(PAUSE);
        }
        Ok(self.links(account) == Some(2))
    }

    fn held(&self, lease: &Path, key: &str, pool: &str) -> Result<Existing, LeaseError> {
        let about = match fs::metadata(lease) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Existing::None),
            Err(error) => return Err(self.io(error)),
        };
        let mut name = None;
        for entry in fs::read_dir(&self.path).map_err(|e| self.io(e))? {
            let entry = entry.map_err(|e| self.io(e))?;
            // Leases hold a %, accounts do not.
            if entry.ino() == about.ino() && entry.file_name() != *key {
                let other = entry.file_name().to_string_lossy().into_owned();
                if !other.contains('%') {
                    name = Some(other);
                }
            }
        }
        Ok(match name {
            Some(name) if !is_account_of(&name, pool) => Existing::Other,
            // The account's own file was taken away.
            None => Existing::Other,
            Some(name) if about.nlink() > 2 => Existing::Shared(name),
            Some(name) => Existing::Ours(name),
        })
    }

    /// Sorted, so that all take them in one order.
    fn accounts(&self, pool: &str) -> Result<Vec<String>, LeaseError> {
        let mut names = HashSet::new();
        for entry in fs::read_dir(&self.path).map_err(|e| self.io(e))? {
            let name = entry.map_err(|e| self.io(e))?.file_name();
            if let Some(name) = name.to_str().filter(|name| is_account_of(name, pool)) {
                names.insert(name.to_owned());
            }
        }
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        Ok(names)
    }

    fn links(&self, account: &str) -> Option<u64> {
        fs::metadata(self.path.join(account)).ok().map(|about| about.nlink())
    }

    fn touch(&self, lease: &Path) -> Result<(), LeaseError> {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        utimensat(CWD, lease, &times, AtFlags::empty()).map_err(|error| self.io(error.into()))
    }

    fn end(&self, lease: &Path) -> Result<(), LeaseError> {
        match fs::remove_file(lease) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io(error)),
            _ => Ok(()),
        }
    }

    fn full(&self, pool: &str) -> LeaseError {
        LeaseError::Full { pool: pool.to_owned(), directory: self.path.clone() }
    }

    fn empty(&self, pool: &str) -> LeaseError {
        LeaseError::Empty { pool: pool.to_owned(), directory: self.path.clone() }
    }

    fn io(&self, error: io::Error) -> LeaseError {
        LeaseError::Io { directory: self.path.clone(), why: error.to_string() }
    }
}

enum Existing {
    None,
    Ours(String),
    /// Of another pool, or of an account that is gone.
    Other,
    /// An account with a second lease.
    Shared(String),
}

/// `dteam001` is one of the pool `dteam`; `dteamsgm` and `dteam` are not.
fn is_account_of(name: &str, pool: &str) -> bool {
    name.strip_prefix(pool).is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The name of a lease: the DN, then the groups that VOMS attributes give, the primary one first and
/// the others by their number. What is no ASCII letter or digit is `%hh`; of other bytes LCMAPS writes
/// `%ff`, and so do we, or its leases would not be found.
pub(super) fn lease_key(dn: &str, groups: &[String]) -> String {
    let mut key = String::with_capacity(dn.len() * 2);
    for byte in dn.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() => key.push(byte.to_ascii_lowercase().into()),
            byte if byte.is_ascii() => key.push_str(&format!("%{byte:02x}")),
            _ => key.push_str("%ff"),
        }
    }
    for group in groups {
        key.push(':');
        key.push_str(group);
    }
    key
}

#[cfg(test)]
mod tests;
