//! When work on a request begins: what is suspended, or begins later than it came, rests outside the
//! queue and keeps its places there.

use std::sync::Arc;

use super::Live;
use crate::model::Identity;
use crate::scheduler::{Slots, Turn};
use crate::srm::requests::now;
use crate::store::{FileRow, Millis};

/// Files whose turn came while the request was suspended, or had not begun yet.
pub(in crate::srm) struct Parked {
    /// Theirs, to be queued again.
    pub(in crate::srm) places: Slots,
    /// Who asked for them.
    pub(in crate::srm) who: Identity,
    pub(in crate::srm) files: Vec<u32>,
}

impl Live {
    /// Their turn has come: marks files as being worked on, unless they have to wait or nobody
    /// wants them any more.
    pub(in crate::srm) fn begin(&self, files: &[u32]) -> Turn {
        let mut state = self.lock();
        if state.ended {
            Turn::Never
        } else if state.suspended || self.is_deferred() {
            Turn::Later
        } else {
            state.in_hand.extend(files);
            Turn::Run
        }
    }

    /// They went wrong, and wait again.
    pub(in crate::srm) fn lay_down(&self, files: &[u32]) {
        let mut state = self.lock();
        files.iter().for_each(|n| {
            state.in_hand.remove(n);
        });
    }

    /// It is to begin later.
    pub(super) fn is_deferred(&self) -> bool {
        self.request.starts.is_some_and(|at| at > now())
    }

    /// Keeps what rests until the request goes on; gives it back where that has come already.
    pub(in crate::srm) fn park(&self, parked: Parked) -> Option<Parked> {
        let mut state = self.lock();
        if state.ended || !(state.suspended || self.is_deferred()) {
            return Some(parked);
        }
        state.parked.push(parked);
        None
    }

    /// All that rests.
    pub(in crate::srm) fn unpark(&self) -> Vec<Parked> {
        std::mem::take(&mut self.lock().parked)
    }

    /// Whether files wait that no worker has in hand; and whether they are suspended.
    pub(in crate::srm) fn rests(&self) -> (bool, bool) {
        let state = self.lock();
        let waits =
            |file: &Arc<FileRow>| !file.state.is_answered() && !state.in_hand.contains(&file.n);
        (state.files.iter().any(waits), state.suspended)
    }

    /// What waits ends then at the latest, or goes on (`None`) until the end that it has anyhow.
    pub(in crate::srm) fn set_suspended(&self, until: Option<Millis>) {
        let end = [until, self.request.deadline].into_iter().flatten().min();
        let mut state = self.lock();
        state.suspended = until.is_some();
        for file in state.files.iter_mut().filter(|file| !file.state.is_answered()) {
            Arc::make_mut(file).expires = end;
        }
    }
}
