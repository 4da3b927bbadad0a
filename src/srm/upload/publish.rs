//! A whole file gets its name: in one step for everybody who looks, and counted exactly.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::super::access::driver_error;
use super::super::acl::{Accounts, of_published};
use super::super::changes::size_of;
use super::super::conditions::touch;
use super::super::files::{discard, entry, hidden_for_upload, look_soon, sync_names};
use super::super::seal::{Fresh, Seal, seal, seal_fresh};
use super::super::spaces::{Hold, Uploads};
use super::super::{Entry, Error, ErrorKind, Published, Site, Srm, blocking, briefly};
use super::append::{append, set_modified};
use super::begun::not_begun;
use crate::fsdriver::{Directory, DriverError, Stat, Unpublished};
use crate::model::{Algorithm, Digests, FileKey, Identity, RelPath};
use crate::namespace::{Located, StorageArea};
use crate::store::Intent;

/// A file that has come whole.
pub(super) struct Whole {
    /// What is to be written behind what is on disk.
    pub(super) rest: Vec<Bytes>,
    /// Bytes in all.
    pub(super) size: u64,
    pub(super) digests: Digests,
    pub(super) modified: Option<SystemTime>,
    pub(super) reader: Reader,
    /// Room that is kept for it until it counts as used.
    pub(super) hold: Arc<Hold>,
}

/// Who finds out which group reads what he publishes.
pub(super) struct Reader {
    pub(super) site: Arc<Site>,
    pub(super) who: Identity,
}

impl Reader {
    /// Blocks.
    fn group(&self, area: &StorageArea) -> Option<u32> {
        Accounts::new(&self.site, &self.who).reader(area)
    }
}

impl Srm {
    /// `file`: where something is on disk of it.
    pub(super) async fn publish_file(
        &self,
        located: Located,
        judge: impl FnOnce(Option<&Entry>) -> Result<(), Error>,
        file: Option<Unpublished>,
        whole: Whole,
    ) -> Result<Published, Error> {
        let key = located.key();
        let sync = self.site().config.http.fsync;
        let _guard = self.core.locks.lock(&key).await;
        self.no_put_on(&key)?;
        // From here on no directory above it moves.
        let changing = self.core.usage.change(vec![key.clone()])?;
        let existing = look_soon(&located).await?;
        self.unlocked(&key, touch(existing.as_ref()))?;
        judge(existing.as_ref())?;
        // Replacing takes two steps on a file without a name: announced, so that a crash in
        // between leaves nothing behind.
        let hidden = || hidden_for_upload(&located.path.parent().unwrap_or_else(RelPath::root));
        let passing = existing.is_some().then(hidden);
        let litter =
            passing.clone().map(|path| Intent::Discard { hidden: FileKey { path, ..key.clone() } });
        // A link there is replaced, not what it leads to: so its own bytes count.
        let before = match existing {
            Some(_) => size_of(&located.area, &located.path).await?,
            None => {
                self.forget_properties(&key).await?;
                None
            }
        };
        let mut announced = self.announce_from(&located, changing, before, litter).await?;
        let (area, left) = (Arc::clone(&located.area), passing.clone());
        let uploads = Arc::clone(&self.core.uploads);
        let placing = Arc::new(Placing { located, whole, uploads, passing, sync });
        let published = match placing.run(file).await {
            Ok(None) => self.place_by_name(&placing).await,
            placed => placed.and_then(|published| published.ok_or_else(unplaced)),
        };
        let cleared = match (&published, left) {
            (Err(_), Some(passing)) => blocking(move || discard(&area, &passing)).await,
            _ => Ok(()),
        };
        // What can't be cleared now the next start clears. It changes no answer.
        if let Err(error) = cleared {
            tracing::warn!(%error, "hidden file of an upload left behind: the next start clears it");
            announced.keep_litter();
        }
        let there = published.as_ref().ok().map(|published| published.entry.size);
        self.settle_content(announced, there).await;
        published
    }

    /// Where another file system than the area's own is mounted: one without unnamed files.
    async fn place_by_name(&self, placing: &Arc<Placing>) -> Result<Published, Error> {
        let Located { area, path, .. } = &placing.located;
        let directory = path.parent().unwrap_or_else(RelPath::root);
        let begun = self.begin(area, directory, Some(&placing.whole.hold)).await?;
        let placed = placing.run(Some(begun.unpublished())).await?;
        begun.published().await;
        placed.ok_or_else(unplaced)
    }
}

fn unplaced() -> Error {
    Error::new(ErrorKind::Internal, "the file has got no name: send it again")
}

/// A file that is on its way to its name.
struct Placing {
    located: Located,
    whole: Whole,
    uploads: Arc<Uploads>,
    /// What is there is replaced, by way of this name; without that there is nothing.
    passing: Option<RelPath>,
    sync: bool,
}

impl Placing {
    /// `Ok(None)`, and nothing done: the file has to be begun under a hidden name, which is announced first.
    async fn run(self: &Arc<Self>, begun: Option<Unpublished>) -> Result<Option<Published>, Error> {
        let placing = Arc::clone(self);
        let work = move || placing.place(begun);
        if self.sync { blocking(work).await } else { briefly(work).await }
    }

    /// Blocks.
    fn place(&self, begun: Option<Unpublished>) -> Result<Option<Published>, Error> {
        let path = self.located.path.parent().unwrap_or_else(RelPath::root);
        let told = |error| not_begun(error, &path);
        let directory = self.located.area.driver.directory(&path).map_err(told)?;
        if let Some(begun) = begun {
            return self.give_name(&*directory, &begun).map(Some);
        }
        let begun = match directory.begin() {
            Err(DriverError::NotSupported) => return Ok(None),
            begun => begun.map_err(told)?,
        };
        let (area, hold) = (&self.located.area.name, &self.whole.hold);
        let _under_way = self.uploads.enter(area, Some(hold), &begun.file);
        self.give_name(&*directory, &begun).map(Some)
    }

    fn give_name(
        &self,
        directory: &dyn Directory,
        begun: &Unpublished,
    ) -> Result<Published, Error> {
        let Self { located, whole, passing, sync, .. } = self;
        append(&begun.file, &whole.rest)?;
        set_modified(&begun.file, whole.modified)?;
        let stat = self.sealed(directory, begun)?;
        if stat.size != whole.size {
            return Err(Error::new(ErrorKind::Internal, "not all bytes reached the disk"));
        }
        let name = located.path.name().unwrap_or_default();
        let link = |name: &str| match &begun.hidden {
            None => directory.link(&begun.file, name),
            Some(_) => {
                let above = located.path.parent().unwrap_or_else(RelPath::root);
                located.area.driver.link(begun, &above.join(name))
            }
        };
        let told = |error| driver_error(error, &located.stfn);
        match passing {
            None => link(name).map_err(|error| match error {
                DriverError::Exists => {
                    Error::new(ErrorKind::Busy, "a file of that name appeared meanwhile")
                }
                error => told(error),
            })?,
            Some(passing) => {
                let passing = passing.name().unwrap_or_default();
                link(passing).and_then(|()| directory.rename(passing, name)).map_err(told)?;
            }
        }
        if *sync {
            sync_names(&located.area, &[&located.path])?;
        }
        let adler32 = whole.digests.get(&Algorithm::Adler32).cloned();
        let entry = entry(located.stfn.name().unwrap_or_default(), &stat, adler32);
        let entry = entry.ok_or_else(|| Error::new(ErrorKind::Internal, "not a file"))?;
        Ok(Published { created: passing.is_none(), entry })
    }

    /// What it is once it is ready for its name.
    fn sealed(&self, directory: &dyn Directory, begun: &Unpublished) -> Result<Stat, Error> {
        let Self { located, whole, sync, .. } = self;
        let (area, sync) = (&located.area, *sync);
        let told = |error| driver_error(error, &located.stfn);
        let inherited = match area.driver.has_acls() {
            true => directory.default_acl().map_err(told)?,
            false => None,
        };
        let plain = inherited.is_none();
        let acl = of_published(area, inherited, whole.reader.group(area));
        let file = &*begun.file;
        if begun.hidden.is_none() {
            let stat = area.driver.stat_file(file).map_err(told)?;
            let fresh = Fresh { stat: &stat, digests: &whole.digests, acl, plain, sync };
            seal_fresh(area, file, fresh)?;
            return Ok(stat);
        }
        let digests = whole.digests.clone();
        seal(area, file, &Seal { digests, mark: None, acl: Some(acl), sync })?;
        area.driver.stat_file(file).map_err(told)
    }
}
