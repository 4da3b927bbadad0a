//! What makes way for something else of its name: it waits under a hidden name until that is in place,
//! then it goes; where nothing came it gets its name back, by us or by the next start. So that whatever
//! cuts an overwrite short, the old or the new is there.

use std::sync::Arc;

use super::changes::Announced;
use super::files::{bring_back, hidden_for_removal, hide, remove_if_file};
use super::usage::{Changing, Closed, Stand};
use super::{Error, ErrorKind, Srm, Touch, blocking};
use crate::model::{FileKey, RelPath};
use crate::namespace::{Located, StorageArea};
use crate::store::{Intent, IntentId};

/// A file or directory that made way. To be let go of, or given its name back.
#[must_use]
pub(super) struct Aside {
    area: Arc<StorageArea>,
    /// The name it had.
    tree: FileKey,
    hidden: RelPath,
    intent: IntentId,
    /// What a file held is settled by what stands there in the end.
    file: Option<Announced>,
    stood: Option<Stand>,
    /// Nothing comes into a directory that may be brought back.
    _closed: Option<Closed>,
    _changing: Changing,
}

/// A directory that counts no longer, and is still to be removed.
#[must_use]
pub(super) struct Left {
    area: Arc<StorageArea>,
    hidden: RelPath,
    intent: IntentId,
}

impl Srm {
    /// Gives what stands at a path a hidden name. The caller holds the lock of its path until
    /// something else stands there, or it was brought back.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`]: a put on it, or below it, is not done.
    pub(super) async fn step_aside(&self, located: &Located) -> Result<Aside, Error> {
        let tree = located.key();
        if located.path.is_root() {
            let why = "the root of a storage area makes no way for anything";
            return Err(Error::new(ErrorKind::Denied, why));
        }
        self.unlocked(&tree, Touch::Tree)?;
        let requests = &self.core.requests;
        if requests.put_on(&tree).is_some()
            || !requests.puts_below(&tree.area, &tree.path).is_empty()
        {
            let why = format!("a put on {}, or below it, is not done", located.stfn);
            return Err(Error::new(ErrorKind::Busy, why));
        }
        let changing = self.core.usage.change(vec![tree.clone()])?;
        let looked = located.clone();
        let size = blocking(move || Ok(looked.area.driver.file_size(&looked.path))).await?;
        let is_file = matches!(size, Ok(Some(_)));
        let closed = match is_file {
            true => None,
            false => Some(self.core.usage.close(tree.clone()).await),
        };
        let stood = self.core.usage.stands(&tree);
        let hidden = hidden_for_removal(&located.path);
        let key = FileKey { path: hidden.clone(), ..tree.clone() };
        let intent = Intent::MakeWay { hidden: key, tree: tree.clone() };
        let intent = self.core.store.announce_lasting(intent).await?;
        // Later than that, so that a start brings a file back before it looks what became of it.
        let file = match is_file {
            true => match self.announce(located, None).await {
                Ok(file) => Some(file),
                Err(error) => {
                    self.settle_all(&[], vec![intent]).await;
                    return Err(error);
                }
            },
            false => None,
        };
        let (from, to) = (located.clone(), hidden.clone());
        if let Err(error) = blocking(move || hide(&from, &to)).await {
            self.forget(file, intent).await;
            return Err(error);
        }
        let area = Arc::clone(&located.area);
        Ok(Aside { area, tree, hidden, intent, file, stood, _closed: closed, _changing: changing })
    }

    /// Something else stands there now: the old one goes, and counts no longer. A directory is still to
    /// be removed, which needs no lock: [`Srm::remove_left`].
    pub(super) async fn let_go(&self, aside: Aside) -> Option<Left> {
        let Aside { area, tree, hidden, intent, file, stood, _closed, _changing } = aside;
        let (place, path) = (Arc::clone(&area), hidden.clone());
        let left = match blocking(move || remove_if_file(&place, &path)).await {
            Ok(true) => {
                self.forget(file, intent).await;
                None
            }
            Ok(false) => match self.uncount_tree(&area, &hidden, &tree, stood, intent).await {
                Ok(intent) => Some(Left { area, hidden, intent }),
                Err(error) => {
                    self.tell_left(&error);
                    None
                }
            },
            Err(error) => {
                self.tell_left(&error);
                if let Some(file) = file {
                    self.settle(file).await;
                }
                None
            }
        };
        self.locks_gone(&tree).await;
        self.abort_gets(self.core.requests.pins_below(&tree.area, &tree.path)).await;
        left
    }

    /// Removes what [`Srm::let_go`] left over.
    pub(super) async fn remove_left(&self, left: Option<Left>) {
        if let Some(Left { area, hidden, intent }) = left
            && let Err(error) = self.discard_tree(area, hidden, intent).await
        {
            self.tell_left(&error);
        }
    }

    /// Nothing came in its place: it gets its name back.
    pub(super) async fn step_back(&self, aside: Aside) {
        let Aside { area, tree, hidden, intent, file, .. } = aside;
        match blocking(move || bring_back(&area, &hidden, &tree.path)).await {
            Ok(()) => self.forget(file, intent).await,
            Err(error) => {
                self.tell_left(&error);
                if let Some(file) = file {
                    self.settle(file).await;
                }
            }
        }
    }

    async fn forget(&self, file: Option<Announced>, intent: IntentId) {
        if let Some(file) = file {
            self.settle(file).await;
        }
        self.settle_all(&[], vec![intent]).await;
    }

    /// The client has what it asked for: this is for the administrator.
    fn tell_left(&self, error: &Error) {
        tracing::error!(%error, "what was replaced is left under a hidden name: the next start clears it");
    }
}
