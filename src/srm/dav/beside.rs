//! What PROPFIND tells beside what the file system knows: dead properties, locks,
//! quota and checksums.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;

use super::super::access::Needs;
use super::super::files::all_kept;
use super::super::requests::now;
use super::super::{Error, Srm, Target, blocking};
use crate::fsdriver::Driver;
use crate::model::{Digests, FileKey, Identity, RelPath};
use crate::namespace::Access;
use crate::store::{DavLock, DeadProperty};

/// Which of it is asked for: the rest costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Dead properties.
    pub properties: bool,
    /// Bytes that are used and free.
    pub quota: bool,
    /// Locks.
    pub locks: bool,
    /// Checksums that are kept.
    pub checksums: bool,
}

/// What is told of one file or directory.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// By name.
    pub properties: Vec<DeadProperty>,
    /// Of the storage area it lies in.
    pub quota: Option<Quota>,
    /// Those that hold for it.
    pub locks: Vec<Arc<DavLock>>,
    /// Those that are kept with a file.
    pub digests: Digests,
    /// The caller may lock it.
    pub lockable: bool,
}

/// Bytes of a storage area (RFC 4331).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What its files hold.
    pub used: u64,
    /// What may still be written.
    pub available: u64,
}

/// What is told of a file or directory and all below it.
#[derive(Default)]
pub struct Besides {
    /// Of all alike.
    pub common: Beside,
    /// Of each by itself, the common part too; `None`: there is no more than that.
    pub each: Option<BesideOf>,
}

/// Tells of a file or directory by its path below the one that was asked about, which itself is the
/// empty path. Blocks.
pub type BesideOf = Box<dyn Fn(&RelPath) -> Result<Beside, Error> + Send>;

/// Most paths that bear dead properties and are remembered while a directory is told.
const BEARERS: usize = 10_000;

impl Srm {
    /// What PROPFIND tells of `target` and all below it; who may list it was asked before.
    pub async fn beside(&self, who: &Identity, target: &Target, wanted: Wanted) -> Besides {
        // What leads to areas lies in none, and a TURL is one file for a while.
        let Target::Stfn(stfn) = target else { return Besides::default() };
        let site = self.site();
        let Ok(located) = site.reach(who, stfn, Needs::LIST) else { return Besides::default() };
        let properties = wanted.properties && self.core.dav.has_properties(&located.area.name);
        let quota = match wanted.quota {
            true => {
                let (srm, area) = (self.clone(), located.area.clone());
                blocking(move || srm.quota(&area)).await.ok()
            }
            false => None,
        };
        let lockable = wanted.locks
            && site
                .locate(who, stfn, Access::Write)
                .is_ok_and(|located| site.permit(who, &located, Needs::CHANGE).is_ok());
        let locks = wanted.locks && !self.core.dav.table.is_empty();
        let common = Beside { quota, lockable, ..Beside::default() };
        if !properties && !locks && !wanted.checksums {
            return Besides { common, each: None };
        }
        let (srm, base, alike) = (self.clone(), located.key(), common.clone());
        let bearers = OnceCell::new();
        let each = move |below: &RelPath| {
            let key = FileKey { area: base.area.clone(), path: base.path.descend(below) };
            let core = &srm.core;
            let bears = || {
                let all = || core.store.bearers_here(&base, BEARERS).ok().flatten();
                let known: &Option<HashSet<String>> = bearers.get_or_init(all);
                known.as_ref().is_none_or(|known| known.contains(key.path.as_str()))
            };
            let properties = match properties && (below.is_root() || bears()) {
                true => core.store.properties_here(&key)?,
                false => Vec::new(),
            };
            let locks = if locks { core.dav.table.over(&key, now()) } else { Vec::new() };
            let digests = match wanted.checksums {
                true => kept_at(&*located.area.driver, &key.path).unwrap_or_default(),
                false => Digests::new(),
            };
            Ok(Beside { properties, locks, digests, ..alike.clone() })
        };
        Besides { common, each: Some(Box::new(each)) }
    }
}

/// `None` where no file is.
fn kept_at(driver: &dyn Driver, path: &RelPath) -> Option<Digests> {
    let file = driver.open(path).ok()?;
    let stat = driver.stat_file(&file).ok()?;
    Some(all_kept(driver, &file, &stat))
}
