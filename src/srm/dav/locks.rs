//! LOCK and UNLOCK (RFC 4918 6, 7, 9.10, 9.11), and the one place that says what a lock forbids, at every
//! door: SRM knows no tokens, so to SRM what is locked is busy.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::access::{Needs, driver_error};
use super::super::requests::now;
use super::super::scope::in_scope;
use super::super::{Error, ErrorKind, Srm, Target, WriteOptions, blocking, to_the_end};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{Algorithm, FileKey, Identity, Stfn};
use crate::namespace::{Access, Located};
use crate::store::{DavLock, Millis};

/// What a LOCK asks for.
#[derive(Clone, Debug)]
pub struct LockWanted {
    /// Nobody else may have one; otherwise it is shared.
    pub exclusive: bool,
    /// With all below (`Depth: infinity`).
    pub infinite: bool,
    /// What the client says of itself, as XML.
    pub owner: String,
    /// How long; `None`: as long as may be.
    pub lifetime: Option<Duration>,
}

/// The lock tokens that came with a request, and with whom: nobody else's lock opens by its token.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Submitted {
    user: String,
    tokens: HashSet<Arc<str>>,
}

/// What is about to be done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Touch {
    /// What is there gets another content, or other properties.
    Content,
    /// It comes, or goes: its directory changes too (RFC 4918 7.4).
    Member,
    /// The same, with all below it.
    Tree,
}

impl Srm {
    /// A handle for a request that came with these lock tokens.
    #[must_use]
    pub fn submitting(&self, who: &Identity, tokens: impl IntoIterator<Item = Arc<str>>) -> Srm {
        let submitted =
            Submitted { user: who.dn().to_owned(), tokens: tokens.into_iter().collect() };
        Srm { core: Arc::clone(&self.core), submitted: Some(Arc::new(submitted)) }
    }

    /// Refuses what a lock forbids to who came with these tokens. The caller holds the lock of `key`.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`].
    pub(in super::super) fn unlocked(&self, key: &FileKey, touch: Touch) -> Result<(), Error> {
        let table = &self.core.dav.table;
        if table.is_empty() {
            return Ok(());
        }
        let now = now();
        self.opened(&table.over(key, now))?;
        if let (Touch::Member | Touch::Tree, Some(path)) = (touch, key.path.parent()) {
            let parent = FileKey { area: Arc::clone(&key.area), path };
            self.opened(&table.over(&parent, now))?;
        }
        if touch == Touch::Tree {
            for lock in table.below(key, now) {
                self.opened(&table.over(&lock.key, now))?;
            }
        }
        Ok(())
    }

    /// Of the locks that hold for one file or directory one has to be the caller's: they are shared, or it
    /// is the only one.
    fn opened(&self, locks: &[Arc<DavLock>]) -> Result<(), Error> {
        let is_mine = |lock: &&Arc<DavLock>| {
            let submitted = self.submitted.as_ref();
            submitted.is_some_and(|own| own.user == lock.user && own.tokens.contains(&lock.token))
        };
        match locks.first() {
            Some(lock) if !locks.iter().any(|lock| is_mine(&lock)) => Err(Error::new(
                ErrorKind::Locked,
                format!("{} is locked: wait until its owner unlocks it", lock.root),
            )),
            _ => Ok(()),
        }
    }

    /// The locks that hold for `target`, for who may list it.
    pub async fn locks_over(&self, who: &Identity, target: &Target) -> Vec<Arc<DavLock>> {
        if self.core.dav.table.is_empty() || self.admit(who).await.is_err() {
            return Vec::new();
        }
        let Target::Stfn(stfn) = target else { return Vec::new() };
        match self.site().reach(who, stfn, Needs::LIST) {
            Ok(located) => self.core.dav.table.over(&located.key(), now()),
            Err(_) => Vec::new(),
        }
    }

    /// StFNs of the locks that may stand in the way of a change of `target`.
    pub async fn locks_about(&self, who: &Identity, target: &Target) -> Vec<String> {
        let Target::Stfn(stfn) = target else { return Vec::new() };
        let Ok(located) = self.site().reach(who, stfn, Needs::LIST) else { return Vec::new() };
        let (key, table, now) = (located.key(), &self.core.dav.table, now());
        let mut locks = table.over(&key, now);
        if let Some(path) = key.path.parent() {
            locks.extend(table.over(&FileKey { area: Arc::clone(&key.area), path }, now));
        }
        locks.extend(table.below(&key, now));
        let mut roots: Vec<String> = locks.iter().map(|lock| lock.root.clone()).collect();
        roots.sort();
        roots.dedup();
        roots.truncate(16);
        roots
    }

    /// LOCK: the lock, and whether an empty file was made for it (RFC 4918 7.3).
    ///
    /// # Errors
    /// [`ErrorKind::LockConflict`] where another lock forbids it, [`ErrorKind::Busy`] where a put is under way.
    pub async fn lock(
        &self,
        who: &Identity,
        target: &Target,
        wanted: LockWanted,
    ) -> Result<(Arc<DavLock>, bool), Error> {
        self.admit(who).await?;
        let Target::Stfn(stfn) = target else {
            return Err(Error::new(
                ErrorKind::NotSupported,
                "a TURL names one prepared file, which is nobody else's: lock files at their own path",
            ));
        };
        let located = self.site().locate(who, stfn, Access::Write)?;
        let existing = kind_at(&located).await?;
        let needs = if existing.is_some() { Needs::CHANGE } else { Needs::CREATE };
        self.site().permit(who, &located, needs)?;
        self.drop_ended_locks().await;
        let lock = DavLock {
            token: Arc::from(format!("urn:uuid:{}", uuid::Uuid::new_v4())),
            key: located.key(),
            root: located.stfn.as_str().to_owned(),
            user: who.dn().to_owned(),
            exclusive: wanted.exclusive,
            infinite: wanted.infinite,
            owner: wanted.owner,
            expires: self.lock_end(wanted.lifetime),
        };
        if existing.is_none() {
            self.unlocked(&lock.key, Touch::Member)?;
        }
        // First the lock, then the look for puts: who claims one in between finds the lock.
        let lock = self.core.dav.table.insert(lock, now())?;
        let (srm, who, stfn) = (self.clone(), who.clone(), stfn.clone());
        let kept = Arc::clone(&lock);
        to_the_end(async move {
            let done = srm.keep_lock(&who, &stfn, located, existing, &kept).await;
            if done.is_err() {
                srm.core.dav.table.remove(&kept);
            }
            Ok((kept, done?))
        })
        .await
    }

    /// Makes the file where there is none, and writes the lock down; true where it was made.
    async fn keep_lock(
        &self,
        who: &Identity,
        stfn: &Stfn,
        located: Located,
        existing: Option<Kind>,
        lock: &Arc<DavLock>,
    ) -> Result<bool, Error> {
        let made = match existing {
            Some(_) => false,
            None => self.make_locked(who, stfn, lock).await?,
        };
        let _guard = self.core.locks.lock(&lock.key).await;
        let puts = &self.core.requests;
        let busy = puts.put_on(&lock.key).is_some()
            || !puts.puts_below(&lock.key.area, &lock.key.path).is_empty();
        if busy {
            return Err(Error::new(ErrorKind::Busy, "an SRM put on it, or below it, is not done"));
        }
        if kind_at(&located).await?.is_none() || !self.core.dav.table.holds(lock) {
            return Err(Error::new(ErrorKind::NotFound, "it was removed meanwhile"));
        }
        self.core.store.keep_lock(DavLock::clone(lock)).await?;
        Ok(made)
    }

    async fn make_locked(
        &self,
        who: &Identity,
        stfn: &Stfn,
        lock: &Arc<DavLock>,
    ) -> Result<bool, Error> {
        let mut tokens = vec![Arc::clone(&lock.token)];
        tokens.extend(self.submitted.iter().flat_map(|own| own.tokens.iter().cloned()));
        let options = WriteOptions {
            expected_size: Some(0),
            precondition: Some(Box::new(|there| there.is_none())),
            ..WriteOptions::default()
        };
        let holder = self.submitting(who, tokens);
        let upload = holder.create(who, &Target::Stfn(stfn.clone()), options).await;
        let made = match upload {
            Ok(upload) => upload
                .publish(Vec::new(), 0, [(Algorithm::Adler32, EMPTY.to_owned())].into())
                .await
                .map(|_| true),
            Err(error) => Err(error),
        };
        match made {
            // Somebody else made it meanwhile.
            Err(error) if error.kind == ErrorKind::Precondition => Ok(false),
            made => made,
        }
    }

    /// LOCK without a body: the first of the caller's locks on `target` lives on (RFC 4918 9.10.2).
    ///
    /// # Errors
    /// [`ErrorKind::Precondition`] where none of the tokens that came with the request is such a lock's.
    pub async fn refresh_lock(
        &self,
        who: &Identity,
        target: &Target,
        lifetime: Option<Duration>,
    ) -> Result<Arc<DavLock>, Error> {
        self.admit(who).await?;
        let located = self.site().locate(who, target.stfn(), Access::Write)?;
        let locks = self.core.dav.table.over(&located.key(), now());
        let own = locks.into_iter().find(|lock| self.opened(std::slice::from_ref(lock)).is_ok());
        let Some(own) = own else {
            return Err(Error::new(
                ErrorKind::Precondition,
                "no lock of yours with the token of the If header holds here: lock it anew",
            ));
        };
        in_scope(who, &Stfn::parse(&own.root)?, Access::Write)?;
        let _guard = self.core.locks.lock(&own.key).await;
        let gone = || Error::new(ErrorKind::Precondition, "the lock has ended: lock it anew");
        if !self.core.dav.table.holds(&own) {
            return Err(gone());
        }
        let fresh = DavLock { expires: self.lock_end(lifetime), ..DavLock::clone(&own) };
        self.core.store.keep_lock(fresh.clone()).await?;
        self.core.dav.table.insert(fresh, now())
    }

    /// UNLOCK.
    ///
    /// # Errors
    /// [`ErrorKind::LockConflict`] where no lock with that token holds here, [`ErrorKind::Denied`] where it is
    /// somebody else's.
    pub async fn unlock(&self, who: &Identity, target: &Target, token: &str) -> Result<(), Error> {
        self.admit(who).await?;
        let located = self.site().locate(who, target.stfn(), Access::Write)?;
        let locks = self.core.dav.table.over(&located.key(), now());
        let Some(lock) = locks.into_iter().find(|lock| &*lock.token == token) else {
            let why = "no lock with that token holds here: it may have ended";
            return Err(Error::new(ErrorKind::LockConflict, why));
        };
        if lock.user != who.dn() {
            let why = "the lock is somebody else's: only they can unlock it";
            return Err(Error::new(ErrorKind::Denied, why));
        }
        // It may have been taken above, where an app password is nobody.
        in_scope(who, &Stfn::parse(&lock.root)?, Access::Write)?;
        let srm = self.clone();
        to_the_end(async move {
            let _guard = srm.core.locks.lock(&lock.key).await;
            srm.core.store.drop_locks(vec![Arc::clone(&lock.token)]).await?;
            srm.core.dav.table.remove(&lock);
            Ok(())
        })
        .await
    }

    /// What bore a name is gone, or has another one, with all below it: locks go with the name
    /// (RFC 4918 7.6, 9.6). The caller holds its lock.
    pub(in super::super) async fn locks_gone(&self, key: &FileKey) {
        self.forget_locks(self.core.dav.table.remove_tree(key)).await;
    }

    async fn drop_ended_locks(&self) {
        self.forget_locks(self.core.dav.table.remove_ended(now())).await;
    }

    async fn forget_locks(&self, tokens: Vec<Arc<str>>) {
        if tokens.is_empty() {
            return;
        }
        if let Err(error) = self.core.store.drop_locks(tokens).await {
            // The next start looks whether what is locked is there.
            tracing::warn!(%error, "locks that ended are left in the request database");
        }
    }

    fn lock_end(&self, lifetime: Option<Duration>) -> Millis {
        let most = self.site().config.http.lock_lifetime;
        let lifetime = lifetime.map_or(most, |asked| asked.min(most)).max(Duration::from_secs(1));
        Millis(now().0.saturating_add(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Takes up the locks of the last run; what was removed or moved since takes its locks with it.
    pub(in super::super) async fn load_locks(&self) -> Result<(), Error> {
        let site = self.site();
        let mut gone = Vec::new();
        for lock in self.core.store.locks().await? {
            let there = match site.namespace.area(&lock.key.area).cloned() {
                Some(area) => {
                    let path = lock.key.path.clone();
                    let stat = blocking(move || Ok(area.driver.stat(&path).map(|_| ()))).await?;
                    !matches!(stat, Err(DriverError::NotFound | DriverError::NotADirectory))
                }
                // It may be configured again.
                None => true,
            };
            let token = Arc::clone(&lock.token);
            if !there || lock.expires <= now() || self.core.dav.table.insert(lock, now()).is_err() {
                gone.push(token);
            }
        }
        self.forget_locks(gone).await;
        Ok(())
    }
}

/// The adler32 of nothing.
const EMPTY: &str = "00000001";

/// What stands at a path; `None` for nothing.
async fn kind_at(located: &Located) -> Result<Option<Kind>, Error> {
    let looked = located.clone();
    blocking(move || match looked.area.driver.stat(&looked.path) {
        Ok(stat) if stat.kind == Kind::Other => {
            Err(Error::new(ErrorKind::NotSupported, "the path is neither a file nor a directory"))
        }
        Ok(stat) => Ok(Some(stat.kind)),
        Err(DriverError::NotFound) => Ok(None),
        Err(error) => Err(driver_error(error, &looked.stfn)),
    })
    .await
}
