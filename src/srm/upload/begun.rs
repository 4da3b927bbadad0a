//! Empty files that nobody sees, for what is about to come.

use std::fs::File;
use std::sync::Arc;

use super::super::access::driver_error;
use super::super::files::hidden_for_upload;
use super::super::spaces::{Hold, UnderWay};
use super::super::{Error, ErrorKind, Srm, blocking, briefly};
use crate::fsdriver::{Directory, DriverError, Kind, Unpublished};
use crate::model::{FileKey, RelPath};
use crate::namespace::StorageArea;
use crate::store::{Intent, IntentId};

/// A file that nobody sees.
pub(super) struct Begun {
    pub(super) file: Arc<File>,
    /// The name it has where the file system knows no unnamed ones.
    named: Option<Named>,
    /// What has come of it by now counts once while the disk is full.
    _under_way: UnderWay,
}

impl Begun {
    pub(super) fn unpublished(&self) -> Unpublished {
        let hidden = self.named.as_ref().map(|named| named.path.clone());
        Unpublished { file: Arc::clone(&self.file), hidden }
    }

    /// It has another name by now.
    pub(super) async fn published(self) {
        if let Some(named) = self.named {
            named.forget().await;
        }
    }
}

impl Srm {
    /// An empty file in `directory`, for which `hold` keeps room.
    pub(super) async fn begin(
        &self,
        area: &Arc<StorageArea>,
        directory: RelPath,
        hold: Option<&Arc<Hold>>,
    ) -> Result<Begun, Error> {
        let begun = |file: Arc<File>, named| {
            let under_way = self.core.uploads.enter(&area.name, hold, &file);
            Begun { file, named, _under_way: under_way }
        };
        if area.driver.has_unnamed() {
            let (place, above) = (Arc::clone(area), directory.clone());
            let unnamed = briefly(move || match place.driver.begin(&above, None) {
                Ok(unpublished) => Ok(Some(unpublished.file)),
                Err(DriverError::NotSupported) => Ok(None),
                Err(error) => Err(not_begun(error, &above)),
            });
            if let Some(file) = unnamed.await? {
                return Ok(begun(file, None));
            }
        }
        // A file with a name is announced first, so that a crash leaves nothing behind.
        let path = hidden_for_upload(&directory);
        let key = FileKey { area: area.name.clone(), path: path.clone() };
        let intents = self.core.store.announce(vec![Intent::Discard { hidden: key }]).await?;
        let (place, hidden) = (Arc::clone(area), path.clone());
        let mut named = Named { srm: self.clone(), path, directory: None, intents };
        // Should nobody wait for it any more, it is removed once it is there, not before.
        let make = move || {
            let told = |error| not_begun(error, &directory);
            named.directory = Some(place.driver.directory(&directory).map_err(told)?);
            let made = place.driver.begin(&directory, Some(&hidden)).map_err(told)?;
            Ok((made.file, named))
        };
        let (file, named) = blocking(make).await?;
        Ok(begun(file, Some(named)))
    }
}

/// Refuses a write into a directory that is not there, before it comes.
pub(super) async fn directory_is_there(
    area: &Arc<StorageArea>,
    directory: RelPath,
) -> Result<(), Error> {
    let looked = match area.driver.stat_at_once(&directory) {
        Some(looked) => looked,
        None => {
            let (area, path) = (Arc::clone(area), directory.clone());
            briefly(move || Ok(area.driver.stat(&path))).await?
        }
    };
    match looked {
        Ok(stat) if stat.kind == Kind::Directory => Ok(()),
        Ok(_) => Err(not_begun(DriverError::NotADirectory, &directory)),
        Err(error) => Err(not_begun(error, &directory)),
    }
}

pub(super) fn not_begun(error: DriverError, directory: &RelPath) -> Error {
    match error {
        DriverError::NotFound => Error::new(
            ErrorKind::ParentMissing,
            "the parent directory does not exist: make it first",
        ),
        DriverError::NotADirectory => Error::new(
            ErrorKind::NotADirectory,
            "a file stands where the parent directory should be",
        ),
        error => driver_error(error, directory),
    }
}

/// A hidden file with a name, and the intent that says so. Dropped, it is removed.
struct Named {
    srm: Srm,
    path: RelPath,
    /// Where it lies, also when that moves meanwhile.
    directory: Option<Box<dyn Directory>>,
    intents: Vec<IntentId>,
}

impl Named {
    /// The file was published under another name.
    async fn forget(mut self) {
        let intents = std::mem::take(&mut self.intents);
        self.srm.settle_all(&[], intents).await;
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let intents = std::mem::take(&mut self.intents);
        if intents.is_empty() {
            return;
        }
        let (srm, path) = (self.srm.clone(), self.path.clone());
        let directory = self.directory.take();
        let remove = move || match directory.and_then(|open| open.remove_file(path.name()?).err()) {
            None | Some(DriverError::NotFound) => Ok(()),
            Some(error) => Err(driver_error(error, &path)),
        };
        tokio::spawn(async move {
            if blocking(remove).await.is_ok() {
                srm.settle_all(&[], intents).await;
            }
        });
    }
}
