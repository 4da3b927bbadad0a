//! What time alone does: pins end, puts that are not done are given up, old requests are
//! forgotten.

use super::requests::now;
use super::transition::Change;
use super::{Error, Srm};
use crate::model::{Event, FileState, RequestKind, RequestToken};
use crate::store::Millis;

/// Files taken in one step.
const STEP: usize = 500;
/// How long a put whose upload is still running is left alone before it is looked at again.
const AGAIN: i64 = 5_000;

impl Srm {
    /// Ends what is due, and tells when the next one is.
    pub async fn expire_due(&self) -> Option<Millis> {
        match self.expire_step().await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "expiry");
                Some(Millis(now().0 + AGAIN))
            }
        }
    }

    async fn expire_step(&self) -> Result<Option<Millis>, Error> {
        let mut limit = STEP;
        let (full, progress) = loop {
            let due = self.core.store.due(now(), limit).await?;
            let full = due.len() == limit;
            let progress = self.expire_files(due).await?;
            // Those that can't be ended now must not hide the others.
            if progress || !full {
                break (full, progress);
            }
            limit *= 4;
        };
        if full && progress {
            return Ok(Some(now()));
        }
        let next = self.core.store.next_due().await?;
        let soon = Millis(now().0 + if progress { 1 } else { AGAIN });
        Ok(next.map(|at| if at <= now() { soon } else { at }))
    }

    /// True when one of them was ended.
    async fn expire_files(&self, due: Vec<(RequestToken, u32)>) -> Result<bool, Error> {
        let mut progress = false;
        for (token, n) in due {
            // Live requests of this daemon are all in memory.
            let Some(live) = self.core.requests.find(&token) else { continue };
            let _turn = live.turn.lock().await;
            let Some(file) = live.file(n) else { continue };
            if file.expires.is_none_or(|at| at > now()) {
                continue;
            }
            let change = match (live.kind(), file.state) {
                // A transfer that is running is not cut.
                (RequestKind::Put, FileState::SpaceAvailable) if live.is_uploading(n) => continue,
                (RequestKind::Put, FileState::SpaceAvailable) => {
                    if let Err(error) = self.discard_hidden(&live, &file).await {
                        tracing::warn!(%token, n, %error, "a put can't be ended yet");
                        continue;
                    }
                    Change::new(file, Event::Expire, "srmPutDone did not come in time")
                }
                (_, FileState::Pinned | FileState::Success) => {
                    Change::new(file, Event::Release, "the pin's lifetime is over")
                }
                _ => continue,
            };
            self.advance(&live, vec![change], false).await?;
            progress = true;
        }
        Ok(progress)
    }

    /// Forgets requests that ended longer ago than `request_kept`, in small steps.
    pub async fn purge(&self) {
        let kept = self.site().config.lifetimes.request_kept;
        let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        let before = Millis(now().0.saturating_sub(kept));
        loop {
            match self.core.store.purge(before, STEP).await {
                Ok(0) => return,
                Ok(removed) => tracing::debug!(removed, "old requests forgotten"),
                Err(error) => {
                    tracing::error!(%error, "old requests not forgotten");
                    return;
                }
            }
        }
    }
}
