//! Dead properties: set and removed all or none, bounded, and gone with what bore them.

use std::sync::Arc;
use std::time::SystemTime;

use super::super::access::{Needs, driver_error};
use super::super::files::set_modified;
use super::super::{Error, ErrorKind, Srm, Target, Touch, blocking, to_the_end};
use crate::fsdriver::Kind;
use crate::model::{FileKey, Identity};
use crate::namespace::Located;
use crate::store::DeadProperty;

/// Most properties of one file or directory.
const MOST: usize = 256;
/// Most bytes of all its properties.
const MOST_BYTES: usize = 256 * 1024;

/// What a PROPPATCH changes.
#[derive(Clone, Debug, Default)]
pub struct PropertyPatch {
    /// In the order in which they are to be made.
    pub changes: Vec<DeadProperty>,
    /// The time of the last modification from now on.
    pub modified: Option<SystemTime>,
}

impl Srm {
    /// PROPPATCH (RFC 4918 9.2): all of it, or nothing.
    ///
    /// # Errors
    /// [`ErrorKind::NoFreeSpace`] for more than one file may bear.
    pub async fn patch_properties(
        &self,
        who: &Identity,
        target: &Target,
        patch: PropertyPatch,
    ) -> Result<(), Error> {
        self.admit(who).await?;
        let Target::Stfn(stfn) = target else {
            return Err(Error::new(
                ErrorKind::NotSupported,
                "a TURL names one prepared file: set properties at its own path",
            ));
        };
        let located = self.site().reach(who, stfn, Needs::CHANGE)?;
        let srm = self.clone();
        to_the_end(async move { srm.patch_located(located, patch).await }).await
    }

    async fn patch_located(&self, located: Located, patch: PropertyPatch) -> Result<(), Error> {
        let key = located.key();
        let _guard = self.core.locks.lock(&key).await;
        self.unlocked(&key, Touch::Content)?;
        let (looked, modified) = (located.clone(), patch.modified);
        let look = move || {
            let told = |error| driver_error(error, &looked.stfn);
            match looked.area.driver.stat(&looked.path).map_err(told)?.kind {
                Kind::File | Kind::Directory => Ok(()),
                Kind::Other => {
                    Err(Error::new(ErrorKind::NotSupported, "the path is no regular file"))
                }
            }
        };
        blocking(look).await?;
        if !patch.changes.is_empty() {
            self.check_amount(&key, &patch.changes).await?;
        }
        if let Some(at) = modified {
            blocking(move || set_modified(&located, at)).await?;
            self.core.requests.bump();
        }
        if !patch.changes.is_empty() {
            // First, so that nobody who removes the file meanwhile thinks that there are none.
            self.core.dav.note_properties(&key.area);
            self.core.store.patch_properties(key, patch.changes).await?;
        }
        Ok(())
    }

    async fn check_amount(&self, key: &FileKey, changes: &[DeadProperty]) -> Result<(), Error> {
        let mut all = self.core.store.properties(key).await?;
        for change in changes {
            all.retain(|one| (&one.namespace, &one.name) != (&change.namespace, &change.name));
            all.extend(change.element.is_some().then(|| change.clone()));
        }
        let bytes = |one: &DeadProperty| {
            one.namespace.len() + one.name.len() + one.element.as_ref().map_or(0, String::len)
        };
        if all.len() > MOST || all.iter().map(bytes).sum::<usize>() > MOST_BYTES {
            return Err(Error::new(
                ErrorKind::NoFreeSpace,
                format!(
                    "a file may bear {MOST} properties of {MOST_BYTES} bytes in all: remove some \
                     first"
                ),
            ));
        }
        Ok(())
    }

    /// Gives a copy the dead properties of what it was made of, and no others.
    pub(in super::super) async fn copy_properties(
        &self,
        from: &FileKey,
        to: &FileKey,
    ) -> Result<(), Error> {
        let dav = &self.core.dav;
        if !dav.has_properties(&from.area) && !dav.has_properties(&to.area) {
            return Ok(());
        }
        dav.note_properties(&to.area);
        Ok(self.core.store.copy_properties(from.clone(), to.clone()).await?)
    }

    /// A new file or directory does not inherit what one of the same name bore, which was removed
    /// behind our back, or a directory which a kill overtook.
    pub(in super::super) async fn forget_properties(&self, key: &FileKey) -> Result<(), Error> {
        if !self.core.dav.has_properties(&key.area) {
            return Ok(());
        }
        if self.core.store.properties(key).await?.is_empty() {
            return Ok(());
        }
        Ok(self.core.store.forget_properties(key.clone()).await?)
    }

    /// True where a change in that area is told to the store beyond its bytes.
    pub(in super::super) fn remembers(&self, area: &Arc<str>) -> bool {
        self.core.books.has_records(area) || self.core.dav.has_properties(area)
    }
}
