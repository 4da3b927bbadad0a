//! What local accounts may do on disk, for the movers that act as one (gsiftp, file, rfio): the ACLs
//! of files and directories, whole and with an explicit mask, and the TURLs that need them.
//!
//! AoT (ahead of time) areas name the account's primary group, for good; JiT (just in time) areas
//! the account itself, while the request lives ([`super::leases`]).

use std::cell::{OnceCell, RefCell};
use std::collections::HashSet;
use std::fmt::Display;
use std::fs::File;
use std::sync::Arc;

use super::access::driver_error;
use super::usage::Usage;
use super::{Error, ErrorKind, Site};
use crate::fsdriver::{Acl, Driver, DriverError, Permission, Subject, dress, grant};
use crate::model::{FileKey, Identity, LocalAccount, RelPath, Turl};
use crate::namespace::{AclMode, DefaultAclEntry, Located, StorageArea, TurlError, TurlRequest};

/// What one piece of work asks for again and again: the caller's account, and the directories that
/// are open to it already.
pub(super) struct Accounts<'a> {
    site: &'a Site,
    who: &'a Identity,
    account: OnceCell<Result<LocalAccount, Error>>,
    passed: RefCell<HashSet<FileKey>>,
}

impl<'a> Accounts<'a> {
    pub(super) fn new(site: &'a Site, who: &'a Identity) -> Self {
        let (account, passed) = (OnceCell::new(), RefCell::default());
        Self { site, who, account, passed }
    }

    /// What areas hold.
    pub(super) fn usage(&self) -> &Usage {
        &self.site.usage
    }

    fn account(&self) -> Result<LocalAccount, Error> {
        self.account.get_or_init(|| self.site.account(self.who)).clone()
    }

    /// The group that reads what the caller publishes: AoT areas are for his group. `None` where he
    /// has no account: our own doors need none.
    pub(super) fn reader(&self, area: &StorageArea) -> Option<u32> {
        let wanted = area.acl_mode == AclMode::AoT && area.driver.has_acls();
        wanted.then(|| self.account().ok()?.gids.first().copied()).flatten()
    }

    /// The TURL of the first protocol that the caller may have, and the account that its mover acts
    /// as; none for our own doors.
    pub(super) fn turl(&self, ask: TurlRequest<'_>) -> Result<(Turl, Option<LocalAccount>), Error> {
        let namespace = &self.site.namespace;
        let local = ask.located.area.driver.has_acls();
        match namespace.turl(TurlRequest { local, ..ask }) {
            Ok(turl) if turl.protocol.is_ours() => Ok((turl, None)),
            Ok(turl) => match self.account() {
                Ok(account) => Ok((turl, Some(account))),
                // Another protocol of the list may do without.
                Err(unmapped) => {
                    let other = namespace.turl(TurlRequest { local: false, ..ask });
                    other.map(|turl| (turl, None)).map_err(|_| unmapped)
                }
            },
            Err(error @ TurlError::NoCommonProtocol { .. }) if !local => Err(Error::new(
                ErrorKind::NotSupported,
                format!("{error} (the area's file system has no ACLs for other protocols)"),
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// AoT: lets the account's group pass through all directories from the area's root to `path`.
    pub(super) fn open_way(
        &self,
        area: &Arc<StorageArea>,
        path: &RelPath,
        account: &LocalAccount,
    ) -> Result<(), Error> {
        let subject = Subject::Group(primary(account)?);
        for directory in way(path) {
            let key = FileKey { area: area.name.clone(), path: directory };
            if self.passed.borrow().contains(&key) {
                continue;
            }
            let driver = &*area.driver;
            let open = driver.open_directory(&key.path).map_err(|e| driver_error(e, &key.path))?;
            let _guard = self.site.leases.lock_path(&key);
            let object = Object { driver, file: &open, name: &key };
            object.add(Some(Need::new(subject, Permission::TRAVERSE, account)), &[])?;
            self.passed.borrow_mut().insert(key);
        }
        Ok(())
    }

    /// AoT: lets the account's group read a file that is there, and come to it.
    pub(super) fn open_file(
        &self,
        area: &Arc<StorageArea>,
        path: &RelPath,
        account: &LocalAccount,
    ) -> Result<(), Error> {
        self.open_way(area, path, account)?;
        let key = FileKey { area: area.name.clone(), path: path.clone() };
        let driver = &*area.driver;
        let open = driver.open(path).map_err(|e| driver_error(e, path))?;
        let _guard = self.site.leases.lock_path(&key);
        let subject = Subject::Group(primary(account)?);
        let object = Object { driver, file: &open, name: &key };
        let need = Need::new(subject, Permission::READ, account);
        object.add(Some(need), &file_defaults(area))
    }

    /// Makes a put's hidden file, empty, for its writer alone, whatever the directory hands down; in AoT
    /// areas with the way to it. After an error it may be there.
    pub(super) fn make_hidden(
        &self,
        located: &Located,
        hidden: &RelPath,
        account: &LocalAccount,
        expected_size: Option<u64>,
    ) -> Result<(), Error> {
        let area = &located.area;
        let driver = &*area.driver;
        let told = |e| driver_error(e, &located.stfn);
        let empty = match driver.create(hidden) {
            // A worker that a crash cut short made it.
            Err(DriverError::Exists) => {
                driver.remove_file(hidden).map_err(told)?;
                driver.create(hidden).map_err(told)?
            }
            other => other.map_err(told)?,
        };
        if let Some(size) = expected_size {
            driver.preallocate(&empty, size).map_err(told)?;
        }
        let mut acl = Acl::of_mode(0o660);
        let writer = match area.acl_mode {
            AclMode::AoT => Subject::Group(primary(account)?),
            AclMode::JiT => Subject::User(account.uid),
        };
        acl.set(writer, Some(Permission::READ_WRITE));
        dress(driver, &empty, &acl).map_err(told)?;
        match area.acl_mode {
            AclMode::AoT => self.open_way(area, hidden, account),
            AclMode::JiT => Ok(()),
        }
    }

    /// What a directory that was just made gets: in AoT areas the caller's group lists it (and writes
    /// with `directory_writeperm`), everywhere the area's default-acl holds. It stays where that
    /// fails: a later TURL asks for what it needs.
    pub(super) fn dress_directory(&self, area: &StorageArea, path: &RelPath) {
        let write = self.site.config.srm.directory_writeperm;
        let more = if write { Permission::WRITE } else { Permission::NONE };
        let group = self.reader(area).map(|gid| (Subject::Group(gid), Permission::LIST | more));
        let wanted: Vec<_> = group.into_iter().chain(directory_defaults(area)).collect();
        if wanted.is_empty() || !area.driver.has_acls() {
            return;
        }
        let key = FileKey { area: area.name.clone(), path: path.clone() };
        let driver = &*area.driver;
        let dressed =
            driver.open_directory(path).map_err(|e| driver_error(e, path)).and_then(|d| {
                let _guard = self.site.leases.lock_path(&key);
                Object { driver, file: &d, name: &key }.add(None, &wanted)
            });
        if let Err(error) = dressed {
            tracing::warn!(%error, directory = %key, "its ACL could not be set");
        }
    }
}

/// The account's own group.
fn primary(account: &LocalAccount) -> Result<u32, Error> {
    account.gids.first().copied().ok_or_else(|| {
        let why = format!("local account {} has no group: give it one", account.name);
        Error::new(ErrorKind::Denied, why)
    })
}

/// The ACL of a file that is published in a directory: what that hands down, the area's default-acl,
/// and the group that reads.
pub(super) fn of_published(area: &StorageArea, inherited: Option<Acl>, reader: Option<u32>) -> Acl {
    let plain = Acl::of_mode(0o660);
    if !area.driver.has_acls() {
        return plain;
    }
    let mut acl = inherited.map_or(plain, Acl::for_file);
    for (subject, permission) in file_defaults(area) {
        acl.add(subject, permission);
    }
    if let Some(gid) = reader {
        acl.add(Subject::Group(gid), Permission::READ);
    }
    acl
}

/// The directories from an area's root to the one that holds `path`.
pub(super) fn way(path: &RelPath) -> Vec<RelPath> {
    let mut way: Vec<RelPath> = std::iter::successors(path.parent(), RelPath::parent).collect();
    way.reverse();
    way
}

/// The area's default-acl, as it stands on files.
pub(super) fn file_defaults(area: &StorageArea) -> Vec<(Subject, Permission)> {
    let one = |entry: &DefaultAclEntry| {
        let read = if entry.read { Permission::READ } else { Permission::NONE };
        let write = if entry.write { Permission::WRITE } else { Permission::NONE };
        (Subject::Group(entry.gid), read | write)
    };
    area.default_acl.iter().map(one).collect()
}

/// The same on directories: who reads files lists them, and everybody passes.
fn directory_defaults(area: &StorageArea) -> Vec<(Subject, Permission)> {
    let pass = |(subject, entry)| (subject, entry | Permission::TRAVERSE);
    file_defaults(area).into_iter().map(pass).collect()
}

/// An open file or directory whose ACL is changed. Who changes one holds its path's lock.
pub(super) struct Object<'a> {
    pub(super) driver: &'a dyn Driver,
    pub(super) file: &'a File,
    pub(super) name: &'a dyn Display,
}

/// What an account can't do without.
#[derive(Clone, Copy)]
pub(super) struct Need<'a> {
    pub(super) subject: Subject,
    /// What its entry is to say.
    pub(super) given: Permission,
    /// What must be left of it.
    pub(super) permission: Permission,
    pub(super) account: &'a LocalAccount,
}

impl<'a> Need<'a> {
    fn new(subject: Subject, permission: Permission, account: &'a LocalAccount) -> Self {
        Self { subject, given: permission, permission, account }
    }
}

impl Object<'_> {
    /// Adds what is missing of `needed` and `more`, and reads again whether `needed` is there: the
    /// mask may take it away. What the account has without an entry of ours is enough too, where the
    /// ACL is not ours to change.
    pub(super) fn add(
        &self,
        needed: Option<Need<'_>>,
        more: &[(Subject, Permission)],
    ) -> Result<(), Error> {
        let told = |e| driver_error(e, self.name);
        let needs = needed.iter().map(|need| (need.subject, need.given));
        let granted = grant(self.driver, self.file, needs.chain(more.iter().copied()));
        match (granted, needed) {
            (Ok(now), Some(need)) if !now.effective(need.subject).contains(need.permission) => {
                Err(self.masked(&now, need.permission, need.account))
            }
            (Ok(_), _) => Ok(()),
            (Err(DriverError::Denied), Some(Need { permission, account, .. })) => {
                let acl = self.driver.acl(self.file).map_err(told)?;
                let stat = self.driver.stat_file(self.file).map_err(told)?;
                let who = (account.uid, account.gids.as_slice());
                if acl.permits((stat.uid, stat.gid), who, permission) {
                    return Ok(());
                }
                let why = format!(
                    "local account {} needs {permission} on {}, which stormd does not own: give it \
                     to stormd's account, or set that ACL by hand",
                    account.name, self.name
                );
                Err(Error::new(ErrorKind::Precondition, why))
            }
            (Err(error), _) => Err(told(error)),
        }
    }

    fn masked(&self, acl: &Acl, permission: Permission, account: &LocalAccount) -> Error {
        let text = self.driver.acl_text(self.file).unwrap_or_default();
        tracing::warn!(path = %self.name, acl = %text, account = %account.name, "mask too narrow");
        let mask = acl.mask().unwrap_or_default();
        // StoRM's first words: scripts look for them.
        let why = format!(
            "Local filesystem mask does not allow it: the ACL of {} has the mask {mask}, and local \
             account {} needs {permission}; widen it there (setfacl -m mask::rwx)",
            self.name, account.name
        );
        Error::new(ErrorKind::Precondition, why)
    }
}
