//! The start after a stop of any kind: nothing stays half done.

use std::collections::HashSet;
use std::sync::Arc;

use super::access::driver_error;
use super::files::{
    bring_back, discard, discard_successor, hidden_name, remove_if_file, sync_names,
};
use super::live::Live;
use super::seal::published_by;
use super::submit::waits;
use super::transition::{As, Change};
use super::usage::Resized;
use super::{Error, Srm, blocking};
use crate::fsdriver::DriverError;
use crate::model::{FileKey, FileState, Fqan, Identity, Person, ProxyKind, RelPath, RequestKind};
use crate::namespace::{Access, StorageArea};
use crate::store::{Intent, IntentId, RequestId};

/// Requests loaded in one step.
const PAGE: usize = 500;

impl Srm {
    /// Loads this daemon's own requests that have not ended and goes on with them. To be called
    /// once, before the doors open.
    pub async fn recover(&self) -> Result<usize, Error> {
        self.core.store.set_roots(self.site().roots()).await?;
        self.core.usage.load(self.core.store.usage().await?);
        self.load_spaces().await?;
        self.load_dav().await?;
        self.load_app_passwords().await?;
        self.finish_intents().await?;
        self.load_locks().await?;
        self.load_leases().await?;
        let (mut standing, mut waiting) = (HashSet::new(), Vec::new());
        let mut after = RequestId(0);
        let mut loaded = 0;
        loop {
            let page = self.core.store.unfinished(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            loaded += page.len();
            for stored in page {
                let who = submitter(&stored.request.user, &stored.request.fqans);
                let live = Live::new(stored);
                self.core.requests.insert(&live);
                self.hold_again(&live).await?;
                let done = match live.kind() {
                    RequestKind::Put | RequestKind::Copy => self.recover_puts(&live, &who).await?,
                    _ => Vec::new(),
                };
                let turn = live.turn.lock().await;
                // Also without a change: a request whose files have all ended is frozen by it.
                self.advance(&live, done, As::Whole).await?;
                drop(turn);
                let files = live.files();
                let holding = files.iter().filter(|file| file.state.holds_rights());
                standing.extend(holding.map(|file| (live.id, file.n)));
                waiting.push((live, who));
            }
        }
        // Nobody comes in with rights that have run out, and no worker lends before that.
        self.expire_due().await;
        self.tidy_leases(standing).await;
        for (live, who) in waiting {
            self.enqueue(&live, &who);
        }
        Ok(loaded)
    }

    /// A put or a copy whose hidden file is gone while the target bears its mark was done; only the answer
    /// was lost. One that waits may have left a hidden file when its worker was cut short.
    async fn recover_puts(&self, live: &Arc<Live>, who: &Identity) -> Result<Vec<Change>, Error> {
        let (site, live, who) = (self.site(), Arc::clone(live), who.clone());
        let kind = live.kind();
        blocking(move || {
            let mut done = Vec::new();
            for file in (0..).map_while(|n| live.file(n)) {
                let found = match (&file.key, file.state) {
                    (Some(key), state) if state.claims(kind) => {
                        site.namespace.area(&key.area).map(|area| (area.clone(), key.path.clone()))
                    }
                    // Also of somebody who is banned by now.
                    (_, FileState::Queued) if kind == RequestKind::Put => site
                        .local_stfn(&file.surl)
                        .ok()
                        .and_then(|surl| {
                            site.namespace.locate(&who, surl.stfn(), Access::Write).ok()
                        })
                        .map(|located| (located.area, located.path)),
                    _ => None,
                };
                let Some((area, path)) = found else { continue };
                let Some(hidden) = hidden_name(&path, live.token(), file.n) else { continue };
                let tidied = if waits(&file) {
                    discard(&area, &hidden)
                } else {
                    discard_successor(&area, &hidden)
                };
                if let Err(error) = tidied {
                    // One file that can't be removed is no reason not to start.
                    tracing::warn!(token = %live.token(), file.n, %error, "left behind");
                }
                // Whether data came before the stop nobody remembers.
                if file.turl.as_ref().is_some_and(|(protocol, _)| protocol.is_ours()) {
                    live.set_uploaded(file.n, true);
                }
                if file.state.claims(kind)
                    && matches!(area.driver.stat(&hidden), Err(DriverError::NotFound))
                    && let Some((size, replaced)) =
                        published_by(&area, &path, live.token(), file.n)
                    // Else putDone may be asked again.
                    && (!site.config.http.fsync || sync_names(&area, &[&path]).is_ok())
                {
                    done.push(Change::done(&file, size, replaced));
                }
            }
            Ok(done)
        })
        .await
    }

    /// Finishes or undoes what was announced and not settled.
    async fn finish_intents(&self) -> Result<(), Error> {
        let site = self.site();
        for (id, intent) in self.core.store.intents().await? {
            let (Intent::Change { key, .. }
            | Intent::Discard { hidden: key }
            | Intent::RemoveTree { hidden: key, .. }
            | Intent::MakeWay { hidden: key, .. }
            | Intent::Move { from: key, .. }
            | Intent::DiscardTree { hidden: key }) = &intent;
            // An area that is not configured now may be again.
            let Some(area) = site.namespace.area(&key.area).cloned() else { continue };
            if let Err(error) = self.finish_intent(area, id, intent).await {
                // Kept for the next start: an area whose disk is away must not keep us down.
                tracing::error!(%error, "what was under way at the last stop is not cleared up");
            }
        }
        Ok(())
    }

    async fn finish_intent(
        &self,
        area: Arc<StorageArea>,
        id: IntentId,
        intent: Intent,
    ) -> Result<(), Error> {
        match intent {
            Intent::Change { key, before } => {
                let path = key.path.clone();
                let size = move || area.driver.file_size(&path).map_err(|e| driver_error(e, &path));
                let after = blocking(size).await?;
                self.settle_all(&[Resized { key, before, after }], vec![id]).await;
                Ok(())
            }
            // A publication that was not answered is undone: its hidden file goes, the old content is
            // still in place.
            Intent::Discard { hidden } => {
                blocking(move || discard(&area, &hidden.path)).await?;
                self.settle_all(&[], vec![id]).await;
                Ok(())
            }
            Intent::Move { from, to } => {
                let (old, new) = (from.path.clone(), to.path.clone());
                let is_there = move |path: &RelPath| match area.driver.stat(path) {
                    Ok(_) => Ok(true),
                    // A file may stand where a directory above it was.
                    Err(DriverError::NotFound | DriverError::NotADirectory) => Ok(false),
                    Err(error) => Err(driver_error(error, path)),
                };
                let moved = blocking(move || Ok(!is_there(&old)? && is_there(&new)?)).await?;
                self.settle_move(&from, &to, id, moved).await;
                Ok(())
            }
            Intent::RemoveTree { hidden: FileKey { path, .. }, tree } => {
                let (place, looked) = (Arc::clone(&area), path.clone());
                let gone = blocking(move || Ok(place.driver.stat(&looked).is_err())).await?;
                self.finish_removal(area, path, tree, id, gone).await
            }
            Intent::MakeWay { hidden: FileKey { path, .. }, tree } => {
                let (place, hidden, name) = (Arc::clone(&area), path.clone(), tree.path.clone());
                let over = blocking(move || give_name_back(&place, &hidden, &name)).await?;
                self.finish_removal(area, path, tree, id, over).await
            }
            Intent::DiscardTree { hidden } => self.discard_tree(area, hidden.path, id).await,
        }
    }

    /// Removes a tree that has its hidden name; `over`: there is none to be removed.
    async fn finish_removal(
        &self,
        area: Arc<StorageArea>,
        hidden: RelPath,
        tree: FileKey,
        id: IntentId,
        over: bool,
    ) -> Result<(), Error> {
        if over {
            self.settle_all(&[], vec![id]).await;
            return Ok(());
        }
        let stood = self.core.usage.stands(&tree);
        let id = self.uncount_tree(&area, &hidden, &tree, stood, id).await?;
        self.discard_tree(area, hidden, id).await
    }
}

/// What made way gets its name back, where nothing else stands there. Else it is removed; false for a
/// directory, which is left to be uncounted first.
fn give_name_back(area: &StorageArea, hidden: &RelPath, name: &RelPath) -> Result<bool, Error> {
    // Otherwise it never got its hidden name.
    if matches!(area.driver.stat(hidden), Err(DriverError::NotFound)) {
        return Ok(true);
    }
    match area.driver.stat(name) {
        Err(DriverError::NotFound) => bring_back(area, hidden, name).map(|()| true),
        _ => remove_if_file(area, hidden),
    }
}

/// The identity under which a request goes on after a restart: what was kept of it. That its
/// certificate may have run out meanwhile does not undo what was accepted.
fn submitter(user: &str, fqans: &[String]) -> Identity {
    Identity::Person(Arc::new(Person {
        dn: user.to_owned(),
        fqans: fqans.iter().filter_map(|text| Fqan::parse(text).ok()).collect(),
        not_after: std::time::SystemTime::now() + std::time::Duration::from_secs(86_400),
        proxy: ProxyKind::EndEntity,
        notes: Vec::new(),
        scope: None,
    }))
}
