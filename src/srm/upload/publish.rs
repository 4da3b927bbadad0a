//! A whole file gets its name: in one step for everybody who looks, and counted exactly.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::super::access::driver_error;
use super::super::acl::{Accounts, of_published};
use super::super::files::{discard, entry, hidden_for_upload, look_soon, sync_names};
use super::super::seal::{Fresh, Seal, seal, seal_fresh};
use super::super::{Entry, Error, ErrorKind, Published, Site, Srm, blocking, briefly};
use super::begun::not_begun;
use super::{append, set_modified, touch};
use crate::fsdriver::{Directory, DriverError, Stat, Unpublished};
use crate::model::{Algorithm, Digests, FileKey, Identity, RelPath};
use crate::namespace::{Located, StorageArea};
use crate::store::Intent;

/// A file that has come whole.
pub(super) struct Whole {
    /// `None`: nothing is on disk yet.
    pub(super) file: Option<Unpublished>,
    /// What is to be written behind what the file holds.
    pub(super) rest: Vec<Bytes>,
    /// Bytes in all.
    pub(super) size: u64,
    pub(super) digests: Digests,
    pub(super) modified: Option<SystemTime>,
    pub(super) reader: Reader,
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
    pub(super) async fn publish_file(
        &self,
        located: Located,
        judge: impl FnOnce(Option<&Entry>) -> Result<(), Error>,
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
        let mut announced = match existing {
            Some(_) => self.announce(&located, litter).await?,
            None => {
                self.forget_properties(&key).await?;
                self.announce_from(&located, changing, None, litter).await?
            }
        };
        let (area, left) = (Arc::clone(&located.area), passing.clone());
        let work = move || place(&located, whole, passing.as_ref(), sync);
        let published = if sync { blocking(work).await } else { briefly(work).await };
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
}

/// Blocks. What is there is replaced, by way of the name `passing`; without that there is nothing.
fn place(
    located: &Located,
    whole: Whole,
    passing: Option<&RelPath>,
    sync: bool,
) -> Result<Published, Error> {
    let driver = &*located.area.driver;
    let path = located.path.parent().unwrap_or_else(RelPath::root);
    let directory = driver.directory(&path).map_err(|error| not_begun(error, &path))?;
    if let Some(begun) = &whole.file {
        return give_name(located, &*directory, begun, &whole, passing, sync);
    }
    let begun = match directory.begin() {
        // Another file system than the area's own is mounted there.
        Err(DriverError::NotSupported) => driver.begin(&path, Some(&hidden_for_upload(&path))),
        begun => begun,
    };
    let begun = begun.map_err(|error| not_begun(error, &path))?;
    let published = give_name(located, &*directory, &begun, &whole, passing, sync);
    if let (Err(_), Some(hidden)) = (&published, &begun.hidden) {
        discard(&located.area, hidden)?;
    }
    published
}

fn give_name(
    located: &Located,
    directory: &dyn Directory,
    begun: &Unpublished,
    whole: &Whole,
    passing: Option<&RelPath>,
    sync: bool,
) -> Result<Published, Error> {
    append(&begun.file, &whole.rest)?;
    set_modified(&begun.file, whole.modified)?;
    let stat = sealed(located, directory, begun, whole, sync)?;
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
    if sync {
        sync_names(&located.area, &[&located.path])?;
    }
    let adler32 = whole.digests.get(&Algorithm::Adler32).cloned();
    let entry = entry(located.stfn.name().unwrap_or_default(), &stat, adler32);
    let entry = entry.ok_or_else(|| Error::new(ErrorKind::Internal, "not a file"))?;
    Ok(Published { created: passing.is_none(), entry })
}

/// What it is once it is ready for its name.
fn sealed(
    located: &Located,
    directory: &dyn Directory,
    begun: &Unpublished,
    whole: &Whole,
    sync: bool,
) -> Result<Stat, Error> {
    let area = &located.area;
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
