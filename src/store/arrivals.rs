//! Requests of many files: they are written by steps, between which others write. Until the last step
//! there is no such request; what a stop cut short is removed at the next start.

use std::sync::Arc;

use futures_util::future::join_all;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::writer::{Lane, PART};
use super::{FileRow, ListingRow, RequestId, RequestRow, Store, StoreError, listings, write};
use crate::model::RequestKind;

/// Files of one step.
pub(super) const STEP: usize = 128;

/// A request that comes in. Only its end waits for the disk, and what was written before it is on disk
/// by then.
pub struct Arrival {
    store: Store,
    id: RequestId,
    kind: RequestKind,
    written: Vec<oneshot::Receiver<Result<(), StoreError>>>,
    ended: bool,
    _room: OwnedSemaphorePermit,
}

impl Store {
    /// Begins to write a request of so many files, under a number that was taken for it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] at once when too much waits.
    pub fn arrive(
        &self,
        id: RequestId,
        kind: RequestKind,
        files: usize,
    ) -> Result<Arrival, StoreError> {
        let _room = self.inner.writer.room(files + 1)?;
        let owner = self.owner();
        let begin = move |connection: &Connection| begin(connection, id, &owner);
        let begun = self.inner.writer.post_part(PART, begin)?;
        Ok(Arrival { store: self.clone(), id, kind, written: vec![begun], ended: false, _room })
    }
}

impl Arrival {
    /// Writes some of its files; what comes of it [`Arrival::end`] tells. A step is to be small: others
    /// write before the next one.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub fn write(&mut self, step: Vec<Arc<FileRow>>) -> Result<(), StoreError> {
        let (owner, id, kind) = (self.store.owner(), self.id, self.kind);
        let written = self.store.inner.writer.post_part(step.len().max(PART), move |connection| {
            write::insert_files(connection, &owner, id, kind, &step)
        });
        self.written.push(written?);
        Ok(())
    }

    /// The request itself, with what a srmLs asked for. After an error there is no such request.
    ///
    /// # Errors
    /// As [`Store::submit`].
    pub async fn end(
        mut self,
        request: RequestRow,
        listing: Option<ListingRow>,
    ) -> Result<(), StoreError> {
        let (id, owner) = (self.id, self.store.owner());
        let written = join_all(std::mem::take(&mut self.written)).await.into_iter();
        let written = written.map(|step| step.unwrap_or(Err(StoreError::Closed)));
        written.collect::<Result<Vec<()>, _>>()?;
        let end = move |connection: &Connection| {
            write::insert_request(connection, &owner, Some(id), &request)?;
            arrived(connection, id)?;
            listings::insert(connection, id, listing)
        };
        self.store.inner.writer.call(Lane::Part(PART), end).await?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Arrival {
    /// What did not come to its end is removed; an error means that the next start does it.
    fn drop(&mut self) {
        if !self.ended {
            let id = self.id;
            let forget = move |connection: &Connection| forget(connection, id);
            self.store.inner.writer.post_part(PART, forget).ok();
        }
    }
}

fn begin(connection: &Connection, id: RequestId, owner: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO arrivals (request, owner) VALUES (?1, ?2)")?
        .execute((id.0, owner))?;
    Ok(())
}

fn forget(connection: &Connection, id: RequestId) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM files WHERE request = ?1")?.execute([id.0])?;
    arrived(connection, id)
}

fn arrived(connection: &Connection, id: RequestId) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM arrivals WHERE request = ?1")?.execute([id.0])?;
    Ok(())
}

/// Removes what a stop cut short.
pub(super) fn clear(connection: &Connection, owner: &str) -> rusqlite::Result<()> {
    let files =
        "DELETE FROM files WHERE request IN (SELECT request FROM arrivals WHERE owner = ?1)";
    connection.execute(files, [owner])?;
    connection.execute("DELETE FROM arrivals WHERE owner = ?1", [owner])?;
    Ok(())
}
