//! Writes through our own HTTP doors: nothing is seen of them until they are whole.

mod begun;
mod transfer;

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use begun::{Begun, Named};
use transfer::{Uploading, publish_transfer};

use super::access::{Needs, driver_error};
use super::acl::{Accounts, of_published};
use super::files::{self, Seal, discard, entry, hidden_for_upload, look_soon, seal, sync_names};
use super::part::offset;
use super::spaces::{Hold, UnderWay};
use super::{
    Entry, Error, ErrorKind, Part, Precondition, Published, Srm, Target, Touch, WriteOptions,
    blocking, to_the_end,
};
use crate::fsdriver::{DriverError, Unpublished};
use crate::model::{Algorithm, Digests, FileKey, Identity, RelPath, Stfn};
use crate::namespace::{Access, Located, StorageArea};
use crate::store::Intent;

/// A write under way. Dropped unpublished, it leaves nothing behind.
pub struct Upload {
    /// Where the bytes go: open for writing, empty.
    pub file: Arc<File>,
    /// What has come of it by now counts once while the disk is full.
    under_way: UnderWay,
    modified: Option<SystemTime>,
    /// The name the file has where the file system knows no unnamed ones.
    named: Option<Named>,
    place: Place,
    srm: Srm,
}

enum Place {
    /// A file at its own path.
    Plain {
        located: Located,
        precondition: Option<Precondition>,
        /// Whether the caller may replace a file that is there by now.
        may_replace: bool,
        /// The group that reads it.
        reader: Option<u32>,
        /// Room that is kept for it.
        hold: Arc<Hold>,
    },
    /// A part of a published file.
    Part { located: Located, precondition: Option<Precondition>, part: Part, hold: Arc<Hold> },
    /// The hidden file of a live put.
    Transfer { area: Arc<StorageArea>, hidden: RelPath, put: Uploading, stfn: Stfn },
}

impl Srm {
    /// Begins a write.
    pub async fn create(
        &self,
        who: &Identity,
        target: &Target,
        options: WriteOptions,
    ) -> Result<Upload, Error> {
        self.admit(who).await?;
        match target {
            Target::Stfn(stfn) => self.create_file(who, stfn, options).await,
            Target::Transfer(stfn) => self.create_transfer(who, stfn, options).await,
        }
    }

    async fn create_file(
        &self,
        who: &Identity,
        stfn: &Stfn,
        options: WriteOptions,
    ) -> Result<Upload, Error> {
        let site = self.site();
        let located = site.locate(who, stfn, Access::Write)?;
        let existing = look_soon(&located).await?;
        site.permit(who, &located, Needs::put(existing.is_some()))?;
        if let Some(Entry { kind: super::EntryKind::Directory, .. }) = existing {
            return Err(Error::new(ErrorKind::IsADirectory, "the path is a directory"));
        }
        self.no_put_on(&located.key())?;
        self.unlocked(&located.key(), touch(existing.as_ref()))?;
        judge(options.precondition.as_ref(), existing.as_ref())?;
        if let Some(part) = options.part {
            offset(part, existing.as_ref())?;
        }
        let parent = located.path.parent().ok_or_else(|| {
            Error::new(ErrorKind::IsADirectory, "the path is a storage area's root")
        })?;
        let hidden = hidden_for_upload(&parent);
        let hold = self.room_for_upload(&located, options.expected_size.unwrap_or(1)).await?;
        let hold = Arc::new(hold);
        let (area, asked, caller) = (Arc::clone(&located.area), Arc::clone(&site), who.clone());
        let reader = move || Accounts::new(&asked, &caller).reader(&area);
        let Begun { file, named, also: reader } =
            self.begin(&located.area, parent, hidden, reader).await?;
        let under_way = self.core.uploads.enter(&located.area.name, Some(&hold), &file);
        let (precondition, modified) = (options.precondition, options.modified);
        let place = match options.part {
            Some(part) => Place::Part { located, precondition, part, hold },
            None => {
                let may_replace = site.permit(who, &located, Needs::DELETE).is_ok();
                Place::Plain { located, precondition, may_replace, reader, hold }
            }
        };
        Ok(Upload { file, under_way, modified, named, place, srm: self.clone() })
    }

    async fn create_transfer(
        &self,
        who: &Identity,
        stfn: &Stfn,
        options: WriteOptions,
    ) -> Result<Upload, Error> {
        if options.part.is_some() {
            return Err(Error::new(
                ErrorKind::NotSupported,
                "a TURL takes whole files only: send all of it",
            ));
        }
        let (located, holder) = self.find_put(who, stfn)?;
        // A live put is not an existing file.
        judge(options.precondition.as_ref(), None)?;
        let hidden = files::hidden_name(&located.path, holder.live.token(), holder.n)
            .ok_or_else(|| Error::new(ErrorKind::IsADirectory, "the path is a directory"))?;
        let parent = hidden.parent().unwrap_or_else(RelPath::root);
        let put = Uploading::begin(holder);
        let passing = hidden_for_upload(&parent);
        self.room_for_transfer(&located.area, &put.0, options.expected_size.unwrap_or(1)).await?;
        let Begun { file, named, .. } = self.begin(&located.area, parent, passing, || ()).await?;
        let hold = put.0.live.hold(put.0.n);
        let under_way = self.core.uploads.enter(&located.area.name, hold.as_ref(), &file);
        let modified = options.modified;
        let place = Place::Transfer { area: located.area, hidden, put, stfn: stfn.clone() };
        Ok(Upload { file, under_way, modified, named, place, srm: self.clone() })
    }
}

impl Upload {
    /// Publishes `size` bytes with these checksums under the target's name, in one rename.
    /// It goes to its end, also when its client hangs up meanwhile.
    pub async fn publish(self, size: u64, digests: Digests) -> Result<Published, Error> {
        to_the_end(self.run(size, digests)).await
    }

    /// As [`Upload::publish`].
    pub(super) async fn run(self, size: u64, digests: Digests) -> Result<Published, Error> {
        let Upload { file, under_way, modified, named, place, srm } = self;
        let hidden = named.as_ref().map(|named| named.path.clone());
        if let Some(at) = modified {
            // Before anything is said about the file's content as it stands.
            let file = Arc::clone(&file);
            blocking(move || file.set_modified(at).map_err(|e| unset(&e))).await?;
        }
        let file = Unpublished { file, hidden };
        let published = match place {
            Place::Plain { located, precondition, may_replace, reader, hold } => {
                srm.fit_upload(&located.area, &hold, size).await?;
                let judge = move |there: Option<&Entry>| match there {
                    Some(_) if !may_replace => Err(Error::new(
                        ErrorKind::Denied,
                        "a file of that name appeared meanwhile, and you may not replace it",
                    )),
                    there => judge(precondition.as_ref(), there),
                };
                let whole = Whole { size, digests, reader };
                let published = srm.publish_file(file, located, judge, whole).await;
                // Until it counts as used.
                drop(hold);
                published
            }
            Place::Part { located, precondition, part, hold } => {
                srm.fit_upload(&located.area, &hold, size).await?;
                let judge = move |there: Option<&Entry>| judge(precondition.as_ref(), there);
                srm.write_part(file, located, judge, part).await
            }
            Place::Transfer { area, hidden, put, stfn } => {
                srm.room_for_transfer(&area, &put.0, size).await?;
                publish_transfer(file, area, hidden, &put, &stfn, digests).await
            }
        };
        drop(under_way);
        if let (Ok(_), Some(named)) = (&published, named) {
            named.forget().await;
        }
        published
    }
}

impl Srm {
    async fn publish_file(
        &self,
        file: Unpublished,
        located: Located,
        judge: impl FnOnce(Option<&Entry>) -> Result<(), Error>,
        Whole { size, digests, reader }: Whole,
    ) -> Result<Published, Error> {
        let key = located.key();
        let sync = self.site().config.http.fsync;
        let _guard = self.core.locks.lock(&key).await;
        self.no_put_on(&key)?;
        let existing = look_soon(&located).await?;
        self.unlocked(&key, touch(existing.as_ref()))?;
        judge(existing.as_ref())?;
        if existing.is_none() {
            self.forget_properties(&key).await?;
        }
        // Replacing takes two steps on a file without a name: announced, so that a crash in
        // between leaves nothing behind.
        let passing = existing
            .map(|_| hidden_for_upload(&located.path.parent().unwrap_or_else(RelPath::root)));
        let litter = passing
            .clone()
            .map(|path| Intent::Discard { hidden: FileKey { area: key.area.clone(), path } });
        let mut announced = self.announce(&located, litter).await?;
        let (area, left) = (Arc::clone(&located.area), passing.clone());
        let published = blocking(move || {
            let driver = &*located.area.driver;
            let told = |e| driver_error(e, &located.stfn);
            let directory = located.path.parent().unwrap_or_else(RelPath::root);
            let acl = Some(of_published(&located.area, &directory, reader)?);
            let adler32 = digests.get(&Algorithm::Adler32).cloned();
            let seal_of = Seal { digests, mark: None, acl, sync };
            seal(&located.area, &file.file, &seal_of)?;
            let stat = driver.stat_file(&file.file).map_err(told)?;
            if stat.size != size {
                return Err(Error::new(ErrorKind::Internal, "not all bytes reached the disk"));
            }
            match &passing {
                None => driver.link(&file, &located.path).map_err(|error| match error {
                    DriverError::Exists => {
                        Error::new(ErrorKind::Busy, "a file of that name appeared meanwhile")
                    }
                    error => told(error),
                })?,
                Some(passing) => {
                    driver.link(&file, passing).map_err(told)?;
                    driver.rename(passing, &located.path, true).map_err(told)?;
                }
            }
            if sync {
                sync_names(&located.area, &[&located.path])?;
            }
            let name = located.stfn.name().unwrap_or_default();
            let entry = entry(name, &stat, adler32);
            let entry = entry.ok_or_else(|| Error::new(ErrorKind::Internal, "not a file"))?;
            Ok(Published { created: passing.is_none(), entry })
        })
        .await;
        let cleared = match (&published, left) {
            (Err(_), Some(passing)) => blocking(move || discard(&area, &passing)).await,
            _ => Ok(()),
        };
        // What can't be cleared now the next start clears. It changes no answer.
        if let Err(error) = cleared {
            tracing::warn!(%error, "hidden file of an upload left behind: the next start clears it");
            announced.keep_litter();
        }
        self.settle_content(announced, published.is_ok()).await;
        published
    }
}

/// What is known of a body once it is there.
struct Whole {
    size: u64,
    digests: Digests,
    reader: Option<u32>,
}

fn unset(error: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        format!("the file cannot have that modification time: {error}: leave it out"),
    )
}

/// What a write does to what stands there.
fn touch(existing: Option<&Entry>) -> Touch {
    if existing.is_some() { Touch::Content } else { Touch::Member }
}

/// Whether what stands there is as the request wants it.
pub(super) fn judge(
    precondition: Option<&Precondition>,
    existing: Option<&Entry>,
) -> Result<(), Error> {
    match precondition {
        Some(holds) if !holds(existing) => Err(unmet()),
        _ => Ok(()),
    }
}

pub(super) fn unmet() -> Error {
    Error::new(ErrorKind::Precondition, "a condition of the request does not hold")
}
