//! Changes of file states: the pure function of the model says what may happen, the store takes it
//! durably, then memory follows. The only way a state changes.

use std::ops::Range;
use std::sync::Arc;

use super::live::Live;
use super::requests::now;
use super::seal::Replaced;
use super::usage::Resized;
use super::{Error, ErrorKind, Srm};
use crate::model::{Event, FileState, RequestKind, StatusCode, next};
use crate::store::{Advance, Advanced, End, FileRow, RecordChange, Settled};

/// Files of one request that are worked on and change together, at most: they share a commit, and
/// others wait for none that is longer.
pub(super) const STEP: usize = 128;

/// Files of one step of something larger that only its end waits for, about: others write between two
/// steps.
pub(super) const SHORT_STEP: usize = 64;

/// The short steps of something about so many files, one at least. They are alike: a last one of a few
/// files would pass for somebody's small request, to which what is large gives way.
pub(super) fn short_steps(files: usize) -> impl Iterator<Item = Range<usize>> {
    let steps = (files / SHORT_STEP).max(1);
    (0..steps).map(move |step| step * files / steps..(step + 1) * files / steps)
}

/// One change: the file's row as it is to be, but for the state, which the event gives.
pub(super) struct Change {
    pub(super) event: Event,
    pub(super) row: FileRow,
    /// What was published by it.
    resized: Option<Resized>,
}

impl Change {
    /// The event, and nothing else but its explanation.
    pub(super) fn new(row: &FileRow, event: Event, explanation: impl Into<String>) -> Self {
        Self::of(row.clone(), event, explanation)
    }

    /// The same of a row that nobody else needs.
    pub(super) fn of(row: FileRow, event: Event, explanation: impl Into<String>) -> Self {
        Self { event, row: FileRow { explanation: explanation.into(), ..row }, resized: None }
    }

    /// A put is done: bytes of the file now, and what it replaced. Where the old content was kept,
    /// what is remembered of the file stays as well.
    pub(super) fn done(row: &FileRow, size: u64, (before, after): Replaced) -> Self {
        let changed = row.key.clone().filter(|_| before.is_some() || after.is_some());
        let resized = changed.map(|key| Resized { key, before, after });
        let change = Self::new(row, Event::Done, "done");
        Self { row: FileRow { size: Some(size), ..change.row }, resized, ..change }
    }

    /// A failure with its code.
    pub(super) fn failed(row: &FileRow, error: &Error) -> Self {
        let change = Self::new(row, Event::Fail, error.explanation.clone());
        Self { row: FileRow { code: Some(error.code()), ..change.row }, ..change }
    }

    /// It was not ready when `desiredTotalRequestTime` was over, or was suspended for too long.
    pub(super) fn timed_out(live: &Live, row: &FileRow) -> Self {
        let why = match live.request.deadline {
            Some(at) if at <= now() => "not ready within desiredTotalRequestTime",
            _ => "suspended for longer than a pin may last: ask for it again",
        };
        let change = Self::new(row, Event::Fail, why);
        Self { row: FileRow { code: Some(StatusCode::RequestTimedOut), ..change.row }, ..change }
    }
}

/// What became of one change.
pub(super) type Changed = Result<FileRow, Error>;

/// What a transaction is beside its changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    /// Nothing.
    Whole,
    /// A step of something that nobody is told of before its last step: it does not wait for the disk,
    /// which that one does for both.
    Step,
    /// The end of a request that is aborted as a whole.
    Abort,
}

impl Srm {
    /// Applies changes to files of one request in one durable transaction. The caller holds
    /// `live.turn`. A request whose files have all ended is frozen, also where nothing changes.
    pub(super) async fn advance(
        &self,
        live: &Arc<Live>,
        changes: Vec<Change>,
        what: As,
    ) -> Result<Vec<Changed>, Error> {
        let abort = what == As::Abort;
        let mut outcome: Vec<Option<Changed>> = Vec::with_capacity(changes.len());
        let mut rows = Vec::with_capacity(changes.len());
        let (mut resized, mut records, mut due) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            let expect = match live.file(change.row.n) {
                Some(file) => file.state,
                None => return Err(internal("the request has no such file")),
            };
            match next(live.kind(), expect, change.event) {
                Ok(state) => {
                    let row = finish_row(change.row, live.kind(), state);
                    if let Some(change) = change.resized {
                        let record = self.record_of(live, row.n, row.size.unwrap_or(0));
                        due.extend(record.as_ref().and_then(|record| record.expires));
                        if record.is_some() || self.core.books.has_records(&change.key.area) {
                            records.push(RecordChange::Set(change.key.clone(), record));
                        }
                        resized.push(change);
                    }
                    rows.push(Advance { request: live.id, n: row.n, expect, row });
                    outcome.push(None);
                }
                Err(why) => outcome.push(Some(Err(internal(&why.to_string())))),
            }
        }
        let after: Vec<FileRow> = rows.iter().map(|change| change.row.clone()).collect();
        let end = live.end_with(&after, abort);
        let end = end.map(|code| End { request: live.id, code, at: now() });
        if rows.is_empty() && !abort && end.is_none() {
            return Ok(outcome.into_iter().flatten().collect());
        }
        let taken = if abort {
            self.core.store.mark_aborted(live.id, rows, end).await?
        } else if what == As::Step && resized.is_empty() && end.is_none() {
            self.core.store.advance_step(rows).await?
        } else if resized.is_empty() {
            self.core.store.advance(rows, end).await?
        } else {
            let _order = self.core.usage.order.read().await;
            let usage = self.core.usage.deltas(&resized);
            let settled = Settled { intents: Vec::new(), usage, records };
            let (taken, deltas) = self.core.store.publish(rows, end, settled).await?;
            self.core.usage.apply(&resized);
            self.core.books.apply(&deltas);
            due.into_iter().for_each(|at| self.note_due(at));
            taken
        };

        let wanted = after.len();
        let mut applied = Vec::with_capacity(wanted);
        let mut results = taken.into_iter().zip(after);
        for slot in outcome.iter_mut().filter(|slot| slot.is_none()) {
            let Some((taken, row)) = results.next() else { break };
            *slot = Some(match taken {
                Advanced::Yes => {
                    applied.push(row.clone());
                    Ok(row)
                }
                Advanced::Found(state) => Err(Error::new(
                    ErrorKind::Internal,
                    format!("the file is {state} meanwhile: ask for its status"),
                )),
                Advanced::LivePut => {
                    Err(Error::new(ErrorKind::Busy, "another put on this file is not done"))
                }
                Advanced::Gone => Err(internal("the request is no longer known")),
            });
        }
        // The store freezes nothing while a file of it lives.
        let ended = end.is_some() && applied.len() == wanted;
        self.core.requests.apply(live, &applied, abort, ended);
        // What was lent to local accounts goes with the state that needed it.
        let over = applied.iter().filter(|row| !row.state.holds_rights());
        self.take_back(live.id, over.clone().map(|row| row.n).collect()).await;
        over.filter_map(|row| row.key.as_ref()).for_each(|key| self.freed(key));
        if let Some(soonest) = applied.iter().filter_map(|row| row.expires).min() {
            self.wake_at(soonest);
        }
        Ok(outcome.into_iter().flatten().collect())
    }
}

/// Makes a directory of a request ready and adds what was found in it, in one durable transaction. The
/// caller holds the turn.
pub(super) async fn added_to(
    srm: &Srm,
    live: &Arc<Live>,
    change: Change,
    found: Vec<FileRow>,
) -> Result<(), Error> {
    let expect = live.file(change.row.n).map(|file| file.state);
    let expect = expect.ok_or_else(|| internal("the request has no such file"))?;
    let state =
        next(live.kind(), expect, change.event).map_err(|why| internal(&why.to_string()))?;
    let row = finish_row(change.row, live.kind(), state);
    let advance = Advance { request: live.id, n: row.n, expect, row: row.clone() };
    let request = (live.id, live.kind());
    let taken = srm.core.store.expand(request, vec![advance], found.clone()).await?;
    if taken.iter().any(|taken| *taken != Advanced::Yes) {
        return Err(internal("the directory is in another state meanwhile: ask for its status"));
    }
    let expires = row.expires;
    // First what is still to be done: else the request would be settled for a moment.
    live.add(found);
    srm.core.requests.apply(live, &[row], false, false);
    if let Some(at) = expires {
        srm.wake_at(at);
    }
    Ok(())
}

/// The row after a change of a file that nobody has seen yet.
pub(super) fn changed(kind: RequestKind, change: Change) -> Result<FileRow, Error> {
    let state = next(kind, change.row.state, change.event);
    let state = state.map_err(|why| internal(&why.to_string()))?;
    Ok(finish_row(change.row, kind, state))
}

/// What no longer holds in a state leaves the row with it.
fn finish_row(mut row: FileRow, kind: RequestKind, state: FileState) -> FileRow {
    row.state = state;
    if state != FileState::Failed {
        row.code = None;
    }
    if state.is_final(kind) {
        row.expires = None;
        row.turl = None;
    }
    row
}

fn internal(why: &str) -> Error {
    Error::new(ErrorKind::Internal, why)
}

/// The status of one file of a request.
pub(super) fn file_status(file: &FileRow) -> crate::model::ReturnStatus {
    let code = match file.state.code().or(file.code) {
        // A code of requests only: a file that came too late failed.
        None | Some(StatusCode::RequestTimedOut) => StatusCode::Failure,
        Some(code) => code,
    };
    let explanation = if file.explanation.is_empty() {
        match file.state {
            FileState::Queued => "the file waits for a worker",
            FileState::InProgress => "the file is being worked on",
            FileState::Suspended => "the file waits until its request is resumed",
            _ => "see the status code",
        }
        .to_owned()
    } else {
        file.explanation.clone()
    };
    crate::model::ReturnStatus::new(code, explanation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_steps_are_alike_and_leave_nothing_out() {
        for files in [0, 1, 63, 64, 65, 127, 128, 129, 1000, 10_000] {
            let steps: Vec<_> = short_steps(files).collect();
            assert_eq!(steps.first().map(|step| step.start), Some(0));
            assert!(steps.windows(2).all(|two| two[0].end == two[1].start));
            assert_eq!(steps.last().map(|step| step.end), Some(files));
            let least = steps.iter().map(|step| step.len()).min();
            assert!(least >= Some(files.min(SHORT_STEP)), "{files}: {steps:?}");
            assert!(steps.iter().all(|step| step.len() < 2 * SHORT_STEP), "{files}: {steps:?}");
        }
    }
}
