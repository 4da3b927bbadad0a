//! Writes through our own HTTP doors: nothing is seen of them until they are whole.

mod append;
mod begun;
mod publish;
mod transfer;

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

pub use append::append;
use begun::{Begun, directory_is_there};
use publish::{Reader, Whole};
use transfer::{Uploading, publish_transfer};

use super::access::Needs;
use super::conditions::{judge, touch};
use super::files::{self, look_soon};
use super::part::offset;
use super::spaces::Hold;
use super::{
    Entry, EntryKind, Error, ErrorKind, Part, Precondition, Published, Srm, Target, WriteOptions,
    blocking, to_the_end,
};
use crate::fsdriver::Unpublished;
use crate::model::{Digests, Identity, RelPath, Stfn};
use crate::namespace::{Access, Located, StorageArea};

/// A write that may be done: there is room for it. Dropped unpublished, it leaves nothing behind.
pub struct Upload {
    /// What has come of it is on disk so far.
    begun: Option<Begun>,
    modified: Option<SystemTime>,
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
        reader: Reader,
        /// Room that is kept for it.
        hold: Arc<Hold>,
    },
    /// A part of a published file.
    Part { located: Located, precondition: Option<Precondition>, part: Part, hold: Arc<Hold> },
    /// The hidden file of a live put.
    Transfer { area: Arc<StorageArea>, hidden: RelPath, put: Uploading, stfn: Stfn },
}

impl Srm {
    /// Whether a write may be done; nothing is on disk of it yet.
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
        if let Some(Entry { kind: EntryKind::Directory, .. }) = existing {
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
        if existing.is_none() {
            directory_is_there(&located.area, parent).await?;
        }
        let hold = self.room_for_upload(&located, options.expected_size.unwrap_or(1)).await?;
        let hold = Arc::new(hold);
        let (precondition, modified) = (options.precondition, options.modified);
        let place = match options.part {
            Some(part) => Place::Part { located, precondition, part, hold },
            None => {
                let may_replace = site.permit(who, &located, Needs::DELETE).is_ok();
                let reader = Reader { site, who: who.clone() };
                Place::Plain { located, precondition, may_replace, reader, hold }
            }
        };
        Ok(Upload { begun: None, modified, place, srm: self.clone() })
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
        directory_is_there(&located.area, parent).await?;
        let put = Uploading::begin(holder);
        self.room_for_transfer(&located.area, &put.0, options.expected_size.unwrap_or(1)).await?;
        let modified = options.modified;
        let place = Place::Transfer { area: located.area, hidden, put, stfn: stfn.clone() };
        Ok(Upload { begun: None, modified, place, srm: self.clone() })
    }
}

impl Place {
    fn area(&self) -> &Arc<StorageArea> {
        match self {
            Self::Plain { located, .. } | Self::Part { located, .. } => &located.area,
            Self::Transfer { area, .. } => area,
        }
    }

    /// Where the file comes to lie.
    fn path(&self) -> &RelPath {
        match self {
            Self::Plain { located, .. } | Self::Part { located, .. } => &located.path,
            Self::Transfer { hidden, .. } => hidden,
        }
    }

    fn hold(&self) -> Option<Arc<Hold>> {
        match self {
            Self::Plain { hold, .. } | Self::Part { hold, .. } => Some(Arc::clone(hold)),
            Self::Transfer { put, .. } => put.0.live.hold(put.0.n),
        }
    }
}

impl Upload {
    /// Where the bytes go: open for writing. Nobody sees it.
    pub async fn begin(&mut self) -> Result<Arc<File>, Error> {
        if let Some(begun) = &self.begun {
            return Ok(Arc::clone(&begun.file));
        }
        let (area, path) = (self.place.area(), self.place.path());
        let directory = path.parent().unwrap_or_else(RelPath::root);
        let hold = self.place.hold();
        let begun = self.srm.begin(area, directory, hold.as_ref()).await?;
        Ok(Arc::clone(&self.begun.insert(begun).file))
    }

    /// Writes `rest`, a small one, behind what the file holds, and publishes it with these checksums under
    /// the target's name, in one rename: `size` bytes in all. It goes to its end, also when its client hangs
    /// up meanwhile.
    pub async fn publish(
        self,
        rest: Vec<Bytes>,
        size: u64,
        digests: Digests,
    ) -> Result<Published, Error> {
        to_the_end(self.run(rest, size, digests)).await
    }

    /// As [`Upload::publish`].
    pub(super) async fn run(
        mut self,
        rest: Vec<Bytes>,
        size: u64,
        digests: Digests,
    ) -> Result<Published, Error> {
        // A plain file that is here whole is made when it is published; else it needs one of its own.
        let late =
            matches!(self.place, Place::Plain { .. }) && self.place.area().driver.has_unnamed();
        if !late {
            self.begin().await?;
        }
        let Upload { begun, modified, place, srm } = self;
        let file = begun.as_ref().map(Begun::unpublished);
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
                let whole = Whole { rest, size, digests, modified, reader, hold };
                srm.publish_file(located, judge, file, whole).await
            }
            Place::Part { located, precondition, part, hold } => {
                let file = written(file, rest).await?;
                srm.fit_upload(&located.area, &hold, size).await?;
                let judge = move |there: Option<&Entry>| judge(precondition.as_ref(), there);
                srm.write_part(file, located, judge, part).await
            }
            Place::Transfer { area, hidden, put, stfn } => {
                let file = written(file, rest).await?;
                srm.room_for_transfer(&area, &put.0, size).await?;
                publish_transfer(file, area, hidden, &put, &stfn, (digests, modified)).await
            }
        };
        if let (Ok(_), Some(begun)) = (&published, begun) {
            begun.published().await;
        }
        published
    }
}

/// A file that was begun, with the rest of its bytes.
async fn written(file: Option<Unpublished>, rest: Vec<Bytes>) -> Result<Unpublished, Error> {
    let file = file.ok_or_else(|| Error::new(ErrorKind::Internal, "an upload without a file"))?;
    if rest.is_empty() {
        return Ok(file);
    }
    blocking(move || append(&file.file, &rest).map(|()| file)).await
}
