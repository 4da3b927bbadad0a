//! The end of volatile files: removed at their second, unless somebody reads or writes them; then when
//! they are free.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, StreamExt};

use super::super::access::driver_error;
use super::super::files::sync_names;
use super::super::requests::now;
use super::super::{Error, ErrorKind, Srm, blocking, to_the_end};
use crate::fsdriver::DriverError;
use crate::model::{FileKey, FileStorageType, RelPath, Stfn};
use crate::namespace::Located;
use crate::store::{DueFile, Millis};

/// Files looked at in one step.
const STEP: usize = 200;
/// Files removed at once.
const LANES: usize = 8;
/// When what could not be removed (its disk is away) is tried again.
const AGAIN: i64 = 60_000;
/// The same, where a directory above it is being moved or removed.
const SOON: i64 = 250;

/// How far the volatile files that are due have been looked at.
pub(in super::super) struct Sweep {
    state: Mutex<State>,
    /// One at a time.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    /// All up to here are gone, or held.
    after: DueFile,
    /// Something due at or after this moment has come since.
    low: Option<Millis>,
    /// Due, and read or written by somebody.
    held: HashSet<FileKey>,
}

/// What a sweep came to.
#[derive(Debug, Default)]
pub(in super::super) struct Swept {
    /// Files that are gone.
    pub(in super::super) removed: usize,
    /// When the next is due.
    pub(in super::super) next: Option<Millis>,
}

impl Sweep {
    pub(in super::super) fn new() -> Self {
        let state = State { after: before(Millis(0)), low: None, held: HashSet::new() };
        Self { state: Mutex::new(state), turn: tokio::sync::Mutex::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Where to go on.
    fn begin(&mut self) -> DueFile {
        if let Some(low) = self.low.take()
            && low <= self.after.0
        {
            self.after = before(low);
        }
        self.after.clone()
    }
}

/// Comes before all files that are due at `at`.
fn before(at: Millis) -> DueFile {
    (at, FileKey { area: Arc::from(""), path: RelPath::root() })
}

impl Srm {
    /// A file is due at `at`.
    pub(in super::super) fn note_due(&self, at: Millis) {
        let mut state = self.core.sweep.lock();
        state.low = Some(state.low.map_or(at, |low| low.min(at)));
        drop(state);
        if let Some(timer) = self.core.file_timer.get() {
            timer.wake_at(at);
        }
    }

    /// Nobody reads or writes the file any more: should it be due, it goes now.
    pub(in super::super) fn freed(&self, key: &FileKey) {
        if !self.core.sweep.lock().held.contains(key) {
            return;
        }
        let (srm, key) = (self.clone(), key.clone());
        tokio::spawn(async move {
            if let Err(error) = srm.remove_due(&key).await {
                tracing::error!(%error, "an expired file is left behind");
            }
        });
    }

    /// What was below `from` has other names now: nobody who frees the old ones finds it.
    pub(in super::super) fn forget_held(&self, from: &FileKey) {
        let below = |key: &FileKey| key.area == from.area && key.path.is_within(&from.path);
        self.core.sweep.lock().held.retain(|key| !below(key));
        // Those that are due already are looked at again.
        self.note_due(Millis(0));
    }

    /// Removes the volatile files that are due, and tells when the next one is.
    pub(in super::super) async fn sweep_due(&self) -> Option<Millis> {
        match self.sweep_files().await {
            Ok(swept) => swept.next,
            Err(error) => {
                tracing::error!(%error, "expired files not removed");
                Some(Millis(now().0 + AGAIN))
            }
        }
    }

    /// Removes the volatile files that are due.
    pub(in super::super) async fn sweep_files(&self) -> Result<Swept, Error> {
        let _turn = self.core.sweep.turn.lock().await;
        let mut swept = Swept::default();
        let (mut failed, mut again): (Option<Millis>, _) = (None, AGAIN);
        loop {
            let after = self.core.sweep.lock().begin();
            // One moment for both: what comes due between two would be neither found nor waited for.
            let at = now();
            let due = self.core.store.due_files(after.clone(), at, STEP).await?;
            let Some(last) = due.last().cloned() else {
                swept.next = self.core.store.next_file_due(after.0.max(at)).await?;
                break;
            };
            // Side by side: their directories' journal commits are shared.
            let removed =
                stream::iter(due).map(|(at, key)| async move { (at, self.remove_due(&key).await) });
            let mut removed = std::pin::pin!(removed.buffer_unordered(LANES));
            while let Some((at, removed)) = removed.next().await {
                match removed {
                    Ok(true) => swept.removed += 1,
                    Ok(false) => {}
                    Err(error) => {
                        if error.kind == ErrorKind::Busy {
                            again = SOON;
                        } else {
                            tracing::error!(%error, "an expired file is left behind");
                        }
                        failed = Some(failed.map_or(at, |before| before.min(at)));
                    }
                }
            }
            self.core.sweep.lock().after = last;
        }
        if let Some(at) = failed {
            let mut state = self.core.sweep.lock();
            state.low = Some(state.low.map_or(at, |low| low.min(at)));
            let again = Millis(now().0 + again);
            swept.next = Some(swept.next.map_or(again, |next| next.min(again)));
        }
        Ok(swept)
    }

    /// Removes one file whose time is over; false where it is held, or has more time by now.
    async fn remove_due(&self, key: &FileKey) -> Result<bool, Error> {
        let (srm, key) = (self.clone(), key.clone());
        to_the_end(async move {
            let _guard = srm.core.locks.lock(&key).await;
            // First the note, then the look: who frees it in between finds the note.
            srm.core.sweep.lock().held.insert(key.clone());
            if srm.core.requests.put_on(&key).is_some() || srm.core.requests.is_pinned(&key) {
                return Ok(false);
            }
            srm.core.sweep.lock().held.remove(&key);
            let record = srm.core.store.record(&key).await?;
            let due = record.is_some_and(|record| {
                record.storage_type == FileStorageType::Volatile
                    && record.expires.is_some_and(|at| at <= now())
            });
            // An area that is not configured now may be again.
            let area = srm.site().namespace.area(&key.area).cloned();
            let (true, Some(area)) = (due, area) else { return Ok(false) };
            let sync = srm.site().config.http.fsync;
            let stfn =
                area.access_points.first().map_or_else(Stfn::top, |at| at.descend(&key.path));
            let located = Located { area, path: key.path.clone(), stfn };
            // Its record goes with it when that is settled.
            let announced = srm.announce(&located, None).await?;
            let removed = blocking(move || {
                match located.area.driver.remove_file(&located.path) {
                    // It was removed behind our back, or something else stands there now.
                    Ok(())
                    | Err(
                        DriverError::NotFound
                        | DriverError::NotADirectory
                        | DriverError::IsADirectory,
                    ) => {}
                    Err(error) => return Err(driver_error(error, &located.stfn)),
                }
                if sync { sync_names(&located.area, &[&located.path]) } else { Ok(()) }
            });
            let removed = removed.await;
            srm.settle(announced).await;
            srm.core.requests.bump();
            removed?;
            srm.locks_gone(&key).await;
            // Whoever pinned it since we looked has a pin on nothing.
            srm.abort_gets(srm.core.requests.pins_on(&key)).await;
            Ok(true)
        })
        .await
    }
}
