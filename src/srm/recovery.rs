//! The start after a stop of any kind: nothing stays half done.

use std::sync::Arc;

use super::files::{bears_mark, discard, hidden_name, hidden_successor};
use super::requests::Live;
use super::transition::Change;
use super::{Error, ErrorKind, Srm, blocking};
use crate::model::{Event, FileKey, FileState, Fqan, Identity, Person, ProxyKind, RequestKind};
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
                    self.recover_puts(&live).await?;
                }
                if !self.enqueue(&live, &who) {
                    tracing::warn!(token = %live.token(), "the queue is full: waits for a restart");
                }
            }
        }
        Ok(loaded)
    }

    /// A put whose hidden file is gone while the target bears its mark was done; only the answer
    /// was lost.
    async fn recover_puts(&self, live: &Arc<Live>) -> Result<(), Error> {
        let site = self.site();
        let _turn = live.turn.lock().await;
        let mut changes = Vec::new();
        for file in live.files() {
            let Some(key) = file.key.clone().filter(|_| file.state == FileState::SpaceAvailable)
            else {
                continue;
            };
            let Some(area) = site.namespace.area(&key.area).cloned() else { continue };
            let Some(hidden) = hidden_name(&key.path, live.token(), file.n) else { continue };
            let (token, n) = (live.token().clone(), file.n);
            let size = blocking(move || {
                if let Some(successor) = hidden_successor(&hidden)
                    && area.driver.stat(&successor).is_ok()
                {
                    // An upload that was not answered.
                    let removed = area.driver.remove_file(&successor);
                    removed.map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
                }
                let done =
                    area.driver.stat(&hidden).is_err() && bears_mark(&area, &key.path, &token, n);
                Ok(done.then(|| area.driver.stat(&key.path).map(|s| s.size).unwrap_or_default()))
            })
            .await?;
            if let Some(size) = size {
                let row = FileRow { size: Some(size), ..file };
                changes.push(Change::new(row, Event::Done, "done"));
            }
        }
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
            if let Some(area) = site.namespace.area(&area).cloned() {
                blocking(move || discard(&area, &path)).await?;
            }
            self.core.store.clear_intent(id).await?;
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
