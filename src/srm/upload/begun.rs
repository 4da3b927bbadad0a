//! Empty files that nobody sees, for what is about to come.

use std::fs::File;
use std::sync::Arc;

use super::super::access::driver_error;
use super::super::files::discard;
use super::super::{Error, ErrorKind, Srm, blocking};
use crate::fsdriver::DriverError;
use crate::model::{FileKey, RelPath};
use crate::namespace::StorageArea;
use crate::store::{Intent, IntentId};

/// An empty file that nobody sees.
pub(super) struct Begun<T> {
    pub(super) file: Arc<File>,
    pub(super) named: Option<Named>,
    pub(super) also: T,
}

impl Srm {
    /// An empty file in `directory` that nobody sees, and what else has to be found out off the async
    /// threads.
    pub(super) async fn begin<T: Send + 'static>(
        &self,
        area: &Arc<StorageArea>,
        directory: RelPath,
        hidden: RelPath,
        also: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Begun<T>, Error> {
        let (place, above) = (Arc::clone(area), directory.clone());
        let (unnamed, also) = blocking(move || match place.driver.begin(&above, None) {
            Ok(unpublished) => Ok((Some(unpublished.file), also())),
            Err(DriverError::NotSupported) => Ok((None, also())),
            Err(error) => Err(not_begun(error, &above)),
        })
        .await?;
        if let Some(file) = unnamed {
            return Ok(Begun { file, named: None, also });
        }
        // A file with a name is announced first, so that a crash leaves nothing behind.
        let key = FileKey { area: area.name.clone(), path: hidden.clone() };
        let announced = self.core.store.announce(vec![Intent::Discard { hidden: key }]).await?;
        let (area, path) = (Arc::clone(area), hidden.clone());
        let named = Named { srm: self.clone(), area: Arc::clone(&area), path, intents: announced };
        let begin = move || area.driver.begin(&directory, Some(&hidden));
        let work = move || begin().map_err(|error| driver_error(error, &"the upload"));
        let begun = blocking(work).await?;
        Ok(Begun { file: begun.file, named: Some(named), also })
    }
}

fn not_begun(error: DriverError, directory: &RelPath) -> Error {
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
pub(super) struct Named {
    srm: Srm,
    area: Arc<StorageArea>,
    pub(super) path: RelPath,
    intents: Vec<IntentId>,
}

impl Named {
    /// The file was published under another name.
    pub(super) async fn forget(mut self) {
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
        let (srm, area, path) = (self.srm.clone(), Arc::clone(&self.area), self.path.clone());
        tokio::spawn(async move {
            if blocking(move || discard(&area, &path)).await.is_ok() {
                srm.settle_all(&[], intents).await;
            }
        });
    }
}
