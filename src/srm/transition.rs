//! Changes of file states: the pure function of the model says what may happen, the store takes it
//! durably, then memory follows. The only way a state changes.

use std::sync::Arc;

use super::requests::{Live, now};
use super::{Error, ErrorKind, Srm};
use crate::model::{Event, FileState, RequestKind, StatusCode, next};
use crate::store::{Advance, Advanced, End, FileRow};

/// One change: the file's row as it is to be, but for the state, which the event gives.
pub(super) struct Change {
    pub(super) event: Event,
    pub(super) row: FileRow,
}

impl Change {
    /// The event, and nothing else but its explanation.
    pub(super) fn new(mut row: FileRow, event: Event, explanation: impl Into<String>) -> Self {
        row.explanation = explanation.into();
        Self { event, row }
    }

    /// A failure with its code.
    pub(super) fn failed(mut row: FileRow, error: &Error) -> Self {
        row.code = Some(error.code());
        row.explanation = error.explanation.clone();
        row.turl = None;
        row.expires = None;
        Self { event: Event::Fail, row }
    }
}

/// What became of one change.
pub(super) type Changed = Result<FileRow, Error>;

impl Srm {
    /// Applies changes to files of one request in one durable transaction. The caller holds
    /// `live.turn`. With `abort` the whole request is marked aborted in the same transaction.
    pub(super) async fn advance(
        &self,
        live: &Arc<Live>,
        changes: Vec<Change>,
        abort: bool,
    ) -> Result<Vec<Changed>, Error> {
        let mut outcome: Vec<Option<Changed>> = Vec::with_capacity(changes.len());
        let mut rows = Vec::with_capacity(changes.len());
        for change in changes {
            let expect = match live.file(change.row.n) {
                Some(file) => file.state,
                None => return Err(internal("the request has no such file")),
            };
            match next(live.kind(), expect, change.event) {
                Ok(state) => {
                    let row = finish_row(change.row, live.kind(), state);
                    rows.push(Advance { request: live.id, n: row.n, expect, row });
                    outcome.push(None);
                }
                Err(why) => outcome.push(Some(Err(internal(&why.to_string())))),
            }
        }
        if rows.is_empty() && !abort {
            return Ok(outcome.into_iter().flatten().collect());
        }
        let after: Vec<FileRow> = rows.iter().map(|change| change.row.clone()).collect();
        let end = live.end_with(&after, abort);
        let end = end.map(|code| End { request: live.id, code, at: now() });
        let ends = end.is_some();
        let taken = if abort {
            self.core.store.mark_aborted(live.id, rows, end).await?
        } else {
            self.core.store.advance(rows, end).await?
        };

        // The store ends no request of which a file was found in another state.
        let ended = ends && taken.iter().all(|taken| *taken == Advanced::Yes);
        let mut applied = Vec::with_capacity(after.len());
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
        self.core.requests.apply(live, &applied, abort, ended);
        if let Some(soonest) = applied.iter().filter_map(|row| row.expires).min() {
            self.wake_at(soonest);
        }
        Ok(outcome.into_iter().flatten().collect())
    }
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
    let code = file.state.code().or(file.code).unwrap_or(StatusCode::Failure);
    let explanation = if file.explanation.is_empty() {
        match file.state {
            FileState::Queued => "the file waits for a worker",
            FileState::InProgress => "the file is being worked on",
            _ => "see the status code",
        }
        .to_owned()
    } else {
        file.explanation.clone()
    };
    crate::model::ReturnStatus::new(code, explanation)
}
