//! How published files change, at every door: announced first, then done, then settled, so that what
//! an area holds is exact, also after a kill.

use std::sync::Arc;

use tokio::sync::MutexGuard;

use super::access::driver_error;
use super::files::{bring_back, hidden_for_removal, hide};
use super::usage::{Changing, Resized, Stand};
use super::{Error, ErrorKind, Srm, blocking, briefly};
use crate::fsdriver::{Directory, DriverError, Kind};
use crate::model::{FileKey, HIDDEN_PREFIX, RelPath};
use crate::namespace::{Located, StorageArea};
use crate::store::{FileRecord, Intent, IntentId, RecordChange, Settled};

/// A change of one file that was announced. To be settled, whatever comes of it.
#[must_use]
pub(super) struct Announced {
    area: Arc<StorageArea>,
    key: FileKey,
    before: Option<u64>,
    intents: Vec<IntentId>,
    changing: Changing,
}

impl Announced {
    /// What was announced beside the change is still to be cleared up: by the next start.
    pub(super) fn keep_litter(&mut self) {
        self.intents.truncate(1);
    }
}

impl Srm {
    /// # Errors
    /// [`ErrorKind::Busy`] while an SRM put on the file is not done: it is the put's to write.
    pub(super) fn no_put_on(&self, key: &FileKey) -> Result<(), Error> {
        match self.core.requests.put_on(key) {
            Some(_) => Err(Error::new(ErrorKind::Busy, "an SRM put on this file is not done")),
            None => Ok(()),
        }
    }

    /// Announces that a file is to come, go, or get another content; `also` is forgotten with it.
    ///
    /// # Errors
    /// [`super::ErrorKind::Busy`] while a directory above it is moved or removed; the store's.
    pub(super) async fn announce(
        &self,
        located: &Located,
        also: Option<Intent>,
    ) -> Result<Announced, Error> {
        let changing = self.core.usage.change(vec![located.key()])?;
        let before = size_of(&located.area, &located.path).await?;
        self.announce_from(located, changing, before, also).await
    }

    /// As [`Srm::announce`], of a file that was looked at since it is `changing`: its bytes are `before`.
    pub(super) async fn announce_from(
        &self,
        located: &Located,
        changing: Changing,
        before: Option<u64>,
        also: Option<Intent>,
    ) -> Result<Announced, Error> {
        let (area, key) = (Arc::clone(&located.area), located.key());
        let mut intents = vec![Intent::Change { key: key.clone(), before }];
        intents.extend(also);
        let intents = self.core.store.announce(intents).await?;
        Ok(Announced { area, key, before, intents, changing })
    }

    /// Settles a change, by what is there now.
    pub(super) async fn settle(&self, announced: Announced) {
        match size_of(&announced.area, &announced.key.path).await {
            Ok(after) => self.settle_as(announced, after).await,
            // An intent that stays would be taken for news at the next start: counting tells better.
            Err(error) => {
                let Announced { key, intents, .. } = announced;
                tracing::error!(%error, %key, "the area is counted anew");
                self.settle_all(&[], intents).await;
                self.core.usage.ask_scan(&key.area);
            }
        }
    }

    async fn settle_as(&self, announced: Announced, after: Option<u64>) {
        let Announced { key, before, intents, changing, .. } = announced;
        self.settle_all(&[Resized { key, before, after }], intents).await;
        drop(changing);
    }

    /// As [`Srm::settle`]. Where a new content of `there` bytes stands, who reads the old one by a pin is
    /// aborted.
    pub(super) async fn settle_content(&self, announced: Announced, there: Option<u64>) {
        let key = announced.key.clone();
        match there {
            Some(_) => self.settle_as(announced, there).await,
            None => self.settle(announced).await,
        }
        self.core.requests.bump();
        if there.is_some() {
            self.abort_gets(self.core.requests.pins_on(&key)).await;
        }
    }

    pub(super) async fn settle_all(&self, resized: &[Resized], intents: Vec<IntentId>) {
        // What has a record keeps it, with its new size, until it is gone.
        let holds = |one: &Resized| RecordChange::Holds(one.key.clone(), one.after);
        let known = resized.iter().filter(|one| self.remembers(&one.key.area));
        self.settle_with(resized, intents, known.map(holds).collect()).await;
    }

    async fn settle_with(
        &self,
        resized: &[Resized],
        intents: Vec<IntentId>,
        records: Vec<RecordChange>,
    ) {
        let _order = self.core.usage.order.read().await;
        let usage = self.core.usage.deltas(resized);
        let waits = !records.is_empty();
        let settled = Settled { intents, usage, records };
        self.core.usage.apply(resized);
        let settled = match waits {
            true => self.core.store.settle_records(settled).await.map(|deltas| {
                self.core.books.apply(&deltas);
            }),
            false => self.core.store.settle(settled).await,
        };
        if let Err(error) = settled {
            tracing::warn!(%error, "change of a file not settled: the next start does it");
        }
    }

    /// Announces that what has a record is to get another name; `None` where nothing has one.
    pub(super) async fn announce_move(
        &self,
        from: &FileKey,
        to: &FileKey,
    ) -> Result<Option<IntentId>, Error> {
        if !self.remembers(&from.area) {
            return Ok(None);
        }
        let intent = Intent::Move { from: from.clone(), to: to.clone() };
        Ok(self.core.store.announce(vec![intent]).await?.first().copied())
    }

    /// An empty directory is gone, and what was remembered of it.
    pub(super) async fn settle_directory_gone(&self, key: FileKey) {
        if self.core.dav.has_properties(&key.area) {
            self.settle_with(&[], Vec::new(), vec![RecordChange::TreeGone(key)]).await;
        }
    }

    /// Settles what [`Srm::announce_move`] announced.
    pub(super) async fn settle_move(
        &self,
        from: &FileKey,
        to: &FileKey,
        intent: IntentId,
        moved: bool,
    ) {
        let key = from.clone();
        let (area, from, to) = (Arc::clone(&from.area), from.path.clone(), to.path.clone());
        let change = moved.then_some(RecordChange::Moved { area, from, to });
        self.settle_with(&[], vec![intent], change.into_iter().collect()).await;
        if moved {
            self.forget_held(&key);
        }
    }

    /// A directory and all below it goes: in one step for everybody who looks, whatever happens
    /// meanwhile. Nothing below it changes until then; `guard` is its lock, which is let go of as soon
    /// as the name is free.
    pub(super) async fn remove_tree(
        &self,
        located: &Located,
        guard: MutexGuard<'_, ()>,
    ) -> Result<(), Error> {
        let (tree, area) = (located.key(), Arc::clone(&located.area));
        // Whoever moves or removes a directory above waits until this is over.
        let _changing = self.core.usage.change(vec![tree.clone()])?;
        let closed = self.core.usage.close(tree.clone()).await;
        let stood = self.core.usage.stands(&tree);
        // Should some of it stay, it is what it was.
        let records = match self.core.books.has_records(&tree.area) {
            true => self.core.store.records_below(&tree).await?,
            false => Vec::new(),
        };
        let hidden = hidden_for_removal(&located.path);
        let intent = Intent::RemoveTree {
            hidden: FileKey { path: hidden.clone(), ..tree.clone() },
            tree: tree.clone(),
        };
        let (intent, _) = self.core.store.settle_and_announce(Settled::default(), intent).await?;
        let (from, to) = (located.clone(), hidden.clone());
        if let Err(error) = blocking(move || hide(&from, &to)).await {
            self.settle_all(&[], vec![intent]).await;
            return Err(error);
        }
        let intent = match self.uncount_tree(&area, &hidden, &tree, stood, intent).await {
            Ok(next) => next,
            Err(error) => {
                self.bring_back(area, hidden, tree, intent, None).await;
                return Err(error);
            }
        };
        self.core.requests.bump();
        // Until now what is gone could be pinned.
        self.abort_gets(self.core.requests.pins_below(&tree.area, &tree.path)).await;
        let _leaving = closed.open();
        drop(guard);
        let removed = self.discard_tree(Arc::clone(&area), hidden.clone(), intent).await;
        if removed.is_err() {
            let _guard = self.core.locks.lock(&tree).await;
            let _closed = self.core.usage.close(tree.clone()).await;
            self.bring_back(area, hidden, tree, intent, Some(records)).await;
        }
        removed
    }

    /// What is left of a tree is not to be hidden from who could see it before: it gets its name back,
    /// unless another one stands there. With `records`, those that its files had, it was uncounted.
    async fn bring_back(
        &self,
        area: Arc<StorageArea>,
        hidden: RelPath,
        tree: FileKey,
        intent: IntentId,
        records: Option<Vec<(FileKey, FileRecord)>>,
    ) {
        let path = tree.path.clone();
        let left = blocking(move || {
            bring_back(&area, &hidden, &path)?;
            let Some(mut records) = records else { return Ok((0, Vec::new())) };
            let stands = |key: &FileKey| matches!(area.driver.file_size(&key.path), Ok(Some(_)));
            records.retain(|(key, _)| stands(key));
            Ok((tree_size(&area, &path)?, records))
        });
        let Ok((bytes, records)) = left.await else { return };
        self.core.usage.spoil(&tree.area);
        let resized = [Resized { key: tree, before: None, after: Some(bytes) }];
        let first = records.iter().filter_map(|(_, record)| record.expires).min();
        let set = |(key, record)| RecordChange::Set(key, Some(record));
        self.settle_with(&resized, vec![intent], records.into_iter().map(set).collect()).await;
        first.into_iter().for_each(|at| self.note_due(at));
    }

    /// A directory that has got a hidden name, from `tree`, counts no longer with all below it: `intent`
    /// announced that. The next one says that it is to be removed.
    pub(super) async fn uncount_tree(
        &self,
        area: &Arc<StorageArea>,
        hidden: &RelPath,
        tree: &FileKey,
        stood: Option<Stand>,
        intent: IntentId,
    ) -> Result<IntentId, Error> {
        let key = FileKey { area: Arc::clone(&area.name), path: hidden.clone() };
        let (place, gone) = (Arc::clone(area), hidden.clone());
        let bytes = blocking(move || tree_size(&place, &gone)).await?;
        let _order = self.core.usage.order.read().await;
        let usage = vec![self.core.usage.remove_tree(tree, bytes, stood)];
        let records = vec![RecordChange::TreeGone(tree.clone())];
        let settled = Settled { intents: vec![intent], usage, records };
        let follows = Intent::DiscardTree { hidden: key };
        let (intent, deltas) = self.core.store.settle_and_announce(settled, follows).await?;
        self.core.books.apply(&deltas);
        Ok(intent)
    }

    /// Removes a directory under a hidden name, which counts no longer.
    pub(super) async fn discard_tree(
        &self,
        area: Arc<StorageArea>,
        hidden: RelPath,
        intent: IntentId,
    ) -> Result<(), Error> {
        blocking(move || match area.driver.remove_tree(&hidden) {
            Ok(()) | Err(DriverError::NotFound) => Ok(()),
            // A link to a directory. StoRM's words: scripts look for them.
            Err(DriverError::NotADirectory) => {
                Err(Error::new(ErrorKind::NotADirectory, "Not a directory"))
            }
            Err(DriverError::NotEmpty) => Err(Error::new(
                ErrorKind::Internal,
                "files came into the directory while it was emptied: try again",
            )),
            Err(error) => {
                let mut error = driver_error(error, &area.name);
                error.explanation =
                    format!("the tree may be removed in part: {}", error.explanation);
                Err(error)
            }
        })
        .await?;
        self.settle_all(&[], vec![intent]).await;
        Ok(())
    }
}

/// Bytes of the file that bears a name; `None` where there is none. Links are not followed.
pub(super) async fn size_of(area: &Arc<StorageArea>, path: &RelPath) -> Result<Option<u64>, Error> {
    if let Some(size) = area.driver.file_size_at_once(path) {
        return size.map_err(|error| driver_error(error, path));
    }
    let (area, path) = (Arc::clone(area), path.clone());
    briefly(move || area.driver.file_size(&path).map_err(|error| driver_error(error, &path))).await
}

/// Bytes of all files in a tree, as a scan counts them.
pub(super) fn tree_size(area: &StorageArea, tree: &RelPath) -> Result<u64, Error> {
    let told = |error| driver_error(error, &area.name);
    let mut bytes = 0;
    let mut left = vec![tree.clone()];
    while let Some(path) = left.pop() {
        let directory = match area.driver.directory(&path) {
            Ok(directory) => directory,
            // A path too long to be named holds nothing of a client's.
            Err(DriverError::NotFound | DriverError::OtherArea | DriverError::BadName) => continue,
            // Nor does one that is closed to us, by a mover's account.
            Err(DriverError::Denied) => continue,
            Err(error) => return Err(told(error)),
        };
        let Contents { files, directories, .. } = contents(&*directory).map_err(told)?;
        for name in files {
            bytes += directory.file_size(&name).map_err(told)?.unwrap_or(0);
        }
        left.extend(directories.into_iter().map(|name| path.join(&name)));
    }
    Ok(bytes)
}

/// What a directory holds.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) files: Vec<Box<str>>,
    pub(super) directories: Vec<Box<str>>,
    /// Names of ours, which do not count.
    pub(super) hidden: Vec<Box<str>>,
}

/// The names in a directory: regular files and directories. Links are not followed.
pub(super) fn contents(directory: &dyn Directory) -> Result<Contents, DriverError> {
    let mut found = Contents::default();
    for entry in directory.entries()? {
        let entry = entry?;
        if entry.name.starts_with(HIDDEN_PREFIX) {
            found.hidden.push(entry.name.into_boxed_str());
            continue;
        }
        match entry.kind {
            Some(Kind::Directory) => found.directories.push(entry.name.into_boxed_str()),
            // What the directory does not tell is looked at.
            Some(Kind::File) | None => found.files.push(entry.name.into_boxed_str()),
            Some(Kind::Other) => {}
        }
    }
    Ok(found)
}
