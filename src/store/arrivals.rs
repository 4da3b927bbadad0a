//! Requests of many files: they are written by steps, between which others write. Until the last step
//! there is no such request; what a stop cut short is removed at the next start.

use futures_util::future::join_all;
use rusqlite::{Connection, OptionalExtension};

use super::writer::{Lane, PART};
use super::{FileRow, RequestId, RequestRow, Store, StoreError, write};

/// Files of one step.
pub(super) const STEP: usize = 128;

impl Store {
    /// [`Store::submit`] of more than [`STEP`] files; `also` is done in the last step. Only that one
    /// waits for the disk, and what was written before it is on disk by then.
    pub(super) async fn submit_by_steps(
        &self,
        request: RequestRow,
        files: Vec<FileRow>,
        also: impl Fn(&Connection, RequestId) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<RequestId, StoreError> {
        let (writer, owner) = (&self.inner.writer, self.owner());
        let _room = writer.room(files.len() + 1)?;
        let begun = owner.clone();
        let begin = move |connection: &Connection| begin(connection, &begun);
        let id = writer.call_soft(Lane::Part(PART), begin).await?;
        let written = join_all(steps(files).into_iter().map(|step| {
            let (owner, kind) = (owner.clone(), request.kind);
            let rows = Lane::Part(step.len().max(PART));
            writer.call_soft(rows, move |connection: &Connection| {
                write::insert_files(connection, &owner, id, kind, &step)
            })
        }));
        let ended = match written.await.into_iter().collect::<Result<Vec<()>, _>>() {
            Ok(_) => {
                let end = move |connection: &Connection| {
                    end(connection, &owner, id, &request)?;
                    also(connection, id)
                };
                writer.call(Lane::Part(PART), end).await
            }
            Err(error) => Err(error),
        };
        if ended.is_err() {
            let forget = move |connection: &Connection| forget(connection, id);
            writer.cast(Lane::Part(PART), forget).await?;
        }
        ended.map(|()| id)
    }
}

fn steps(mut files: Vec<FileRow>) -> Vec<Vec<FileRow>> {
    let mut steps = Vec::with_capacity(files.len().div_ceil(STEP));
    while files.len() > STEP {
        steps.push(files.split_off(files.len() - STEP));
    }
    steps.push(files);
    steps
}

/// Takes a number that no other request gets.
fn begin(connection: &Connection, owner: &str) -> Result<RequestId, StoreError> {
    let next = "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'requests' RETURNING seq";
    let next = connection.prepare_cached(next)?.query_row([], |row| row.get(0)).optional()?;
    let id = match next {
        Some(id) => id,
        // The first request of all.
        None => {
            connection
                .execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('requests', 1)", [])?;
            1
        }
    };
    connection
        .prepare_cached("INSERT INTO arrivals (request, owner) VALUES (?1, ?2)")?
        .execute((id, owner))?;
    Ok(RequestId(id))
}

fn end(
    connection: &Connection,
    owner: &str,
    id: RequestId,
    request: &RequestRow,
) -> Result<(), StoreError> {
    write::insert_request(connection, owner, Some(id), request)?;
    arrived(connection, id)
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
