//! The start after a stop of any kind: nothing stays half done.

use std::sync::Arc;

use super::files::{bears_mark, discard, discard_successor, hidden_name, sync_names};
use super::requests::Live;
use super::transition::Change;
use super::{Error, Srm, blocking};
use crate::model::{
    Event, FileKey, FileState, Fqan, Identity, Person, ProxyKind, RelPath, RequestKind,
};
use crate::namespace::{Access, StorageArea};
use crate::store::{FileRow, Intent, RequestId};

/// Requests loaded in one step.
const PAGE: usize = 500;

impl Srm {
    /// Loads this daemon's own requests that have not ended and goes on with them. To be called
    /// once, before the doors open.
    pub async fn recover(&self) -> Result<usize, Error> {
        self.finish_intents().await?;
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
                if live.kind() == RequestKind::Put {
                    self.recover_puts(&live, &who).await?;
                }
                self.enqueue(&live, &who);
            }
        }
        Ok(loaded)
    }

    /// A put whose hidden file is gone while the target bears its mark was done; only the answer
    /// was lost. What a worker made for a put that is not ready goes: it is made anew.
    async fn recover_puts(&self, live: &Arc<Live>, who: &Identity) -> Result<(), Error> {
        let site = self.site();
        let _turn = live.turn.lock().await;
        let mut puts = Vec::new();
        for file in live.files() {
            let place = match file.state {
                FileState::SpaceAvailable => file
                    .key
                    .clone()
                    .and_then(|key| Some((site.namespace.area(&key.area).cloned()?, key.path))),
                FileState::Queued | FileState::InProgress => {
                    let located = site.locate_surl(who, &file.surl, Access::Write);
                    located.ok().map(|located| (located.area, located.path))
                }
                _ => None,
            };
            let Some((area, path)) = place else { continue };
            let Some(hidden) = hidden_name(&path, live.token(), file.n) else { continue };
            // Whether data came before the stop nobody remembers.
            if file.turl.as_ref().is_some_and(|(protocol, _)| protocol.is_ours()) {
                live.set_uploaded(file.n, true);
            }
            puts.push((file, area, path, hidden));
        }
        if puts.is_empty() {
            return Ok(());
        }
        let (token, sync) = (live.token().clone(), site.config.http.fsync);
        let work = move || {
            let one = |(file, area, path, hidden): (
                FileRow,
                Arc<StorageArea>,
                RelPath,
                RelPath,
            )| {
                let ready = file.state == FileState::SpaceAvailable;
                let cleared = if ready { discard_successor } else { discard }(&area, &hidden);
                if let Err(error) = cleared {
                    tracing::warn!(%token, n = file.n, %error, "hidden file of a put left behind");
                }
                let done = ready
                    && area.driver.stat(&hidden).is_err()
                    && bears_mark(&area, &path, &token, file.n)
                    // Else putDone may be asked again.
                    && (!sync || sync_names(&area, &[&path]).is_ok());
                let size = || area.driver.stat(&path).map(|stat| stat.size).unwrap_or_default();
                done.then(|| FileRow { size: Some(size()), ..file })
            };
            Ok(puts.into_iter().filter_map(one).collect::<Vec<_>>())
        };
        let done = blocking(work).await?;
        let changes = done.into_iter().map(|row| Change::new(row, Event::Done, "done")).collect();
        self.advance(live, changes, false).await.map(|_| ())
    }

    /// Finishes or undoes what was announced and not taken back.
    async fn finish_intents(&self) -> Result<(), Error> {
        let site = self.site();
        for (id, intent) in self.core.store.intents().await? {
            // A publication that was not answered is undone: its hidden file goes, the old
            // content is still in place.
            let (Intent::Publish { hidden, .. } | Intent::Discard { hidden }) = intent;
            let FileKey { area, path } = hidden;
            // An area that is not configured now may be again.
            let Some(area) = site.namespace.area(&area).cloned() else { continue };
            match blocking(move || discard(&area, &path)).await {
                Ok(()) => self.core.store.clear_intent(id).await?,
                // One disk in trouble keeps no other area away. The next start tries again.
                Err(error) => tracing::warn!(%error, "hidden file of an upload left behind"),
            }
        }
        Ok(())
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
    }))
}
