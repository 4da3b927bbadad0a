//! What time alone does: pins end, puts that are not done are given up, files that were not ready in
//! time fail, old requests are forgotten.

use std::collections::HashMap;
use std::sync::Arc;

use super::live::Live;
use super::requests::now;
use super::submit::waits;
use super::transition::{As, Change};
use super::{Error, Srm};
use crate::model::{Event, FileState, RequestKind, RequestToken};
use crate::store::{FileRow, Millis};

/// Files taken in one step; requests that are forgotten in one.
const STEP: usize = 500;
/// Files looked at in one step, where most of them can't be ended yet.
const MOST: usize = 100_000;
/// How long a file that could not be ended yet (its upload is still running) is left alone.
const AGAIN: i64 = 250;

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
        let (begun, next_start) = self.core.requests.take_deferred();
        for live in begun {
            self.go_on(&live);
        }
        let mut limit = STEP;
        let stays = loop {
            let due = self.core.store.due(now(), limit).await?;
            let (count, full) = (due.len(), due.len() == limit);
            let mut by_request: HashMap<RequestToken, Vec<u32>> = HashMap::new();
            for (token, n) in due {
                by_request.entry(token).or_default().push(n);
            }
            let mut ended = 0;
            for (token, files) in by_request {
                // Live requests of this daemon are all in memory.
                let Some(live) = self.core.requests.find(&token) else { continue };
                match self.expire_files(&live, &files).await {
                    Ok(count) => ended += count,
                    // The others are ended in time all the same.
                    Err(error) => tracing::error!(%token, %error, "expiry"),
                }
            }
            if !full || (ended == 0 && limit == MOST) {
                break count > ended;
            }
            // What stays must not stand before what could be ended.
            if ended < limit / 2 {
                limit = (limit * 4).min(MOST);
            }
        };
        let next = self.core.store.next_due().await?;
        // What is due now became so meanwhile, unless something stays.
        let soon = Millis(now().0 + if stays { AGAIN } else { 0 });
        let next = next.map(|at| at.max(soon));
        Ok([next, next_start].into_iter().flatten().min())
    }

    /// Ends what is due of one request, in one commit; how many files.
    async fn expire_files(&self, live: &Arc<Live>, files: &[u32]) -> Result<usize, Error> {
        // Somebody may hold it for long, and others wait to be ended.
        let Ok(_turn) = live.turn.try_lock() else { return Ok(0) };
        let (mut changes, mut puts) = (Vec::new(), Vec::new());
        for file in files.iter().filter_map(|n| live.file(*n)) {
            if file.expires.is_none_or(|at| at > now()) {
                continue;
            }
            match (live.kind(), file.state) {
                (RequestKind::Put, FileState::SpaceAvailable) if !live.may_expire(file.n) => {}
                (RequestKind::Put, FileState::SpaceAvailable)
                | (RequestKind::Copy, FileState::InProgress) => puts.push(file),
                (_, FileState::Pinned | FileState::Success) => {
                    changes.push(Change::new(&file, Event::Release, "the pin's lifetime is over"));
                }
                _ if waits(&file) => changes.push(Change::timed_out(live, &file)),
                _ => {}
            }
        }
        for (file, discarded) in puts.iter().zip(self.discard_hidden(live, &puts).await?) {
            match discarded {
                Ok(()) if waits(file) => changes.push(Change::timed_out(live, file)),
                Ok(()) => changes.push(expired(file)),
                Err(error) => tracing::error!(token = %live.token(), file.n, %error, "expiry"),
            }
        }
        let changed = self.advance(live, changes, As::Whole).await?;
        Ok(changed.iter().filter(|changed| changed.is_ok()).count())
    }

    /// Forgets requests that ended longer ago than `request_kept`, in small steps.
    pub async fn purge(&self) {
        let kept = self.site().config.lifetimes.request_kept;
        let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        let before = Millis(now().0.saturating_sub(kept));
        self.core.requests.forget_ended(before);
        if let Err(error) = self.forget_spaces(before).await {
            tracing::error!(%error, "old spaces not forgotten");
        }
        if let Err(error) = self.forget_app_passwords(before).await {
            tracing::error!(%error, "old app passwords not forgotten");
        }
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

fn expired(file: &FileRow) -> Change {
    Change::new(file, Event::Expire, "srmPutDone did not come in time")
}
