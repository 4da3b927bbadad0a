//! What changes the database. Each function runs on the writer thread, inside its own savepoint:
//! after an error nothing of it remains.

use std::borrow::Borrow;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, ffi, params};

use super::rows::{self, write_bytes, write_protocols};
use super::{
    Advance, Advanced, End, FileRow, Intent, IntentId, Millis, RequestId, RequestRow, StoreError,
};
use crate::model::{FileState, RequestKind};

/// Requests that one step of a purge looks at, and files after which it stops.
const PURGE_STEP: (i64, usize) = (16, 1000);

pub(super) fn submit(
    connection: &Connection,
    owner: &str,
    id: Option<RequestId>,
    request: &RequestRow,
    files: &[Arc<FileRow>],
) -> Result<RequestId, StoreError> {
    if request.ended.is_some() && files.iter().any(|file| !file.state.is_final(request.kind)) {
        let why = format!("request {} has ended, but a file of it has not", request.token);
        return Err(StoreError::Database(why));
    }
    let id = insert_request(connection, owner, id, request)?;
    insert_files(connection, owner, id, request.kind, files)?;
    Ok(id)
}

/// The row of a request, with a number of its own or the one that was taken for it.
pub(super) fn insert_request(
    connection: &Connection,
    owner: &str,
    id: Option<RequestId>,
    request: &RequestRow,
) -> Result<RequestId, StoreError> {
    let fqans = serde_json::to_string(&request.fqans)
        .map_err(|error| StoreError::Database(error.to_string()))?;
    connection
        .prepare_cached(
            "INSERT INTO requests (id, token, owner, kind, user, fqans, description, created,
                 deadline, pin_lifetime, file_lifetime, storage_type, overwrite, protocols,
                 space_token, aborted, end_code, ended, starts, suspended)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,
                 ?9, ?10, ?11, ?12, ?13, ?14,
                 ?15, ?16, ?17, ?18, ?19, ?20)",
        )?
        .execute(params![
            id.map(|id| id.0),
            request.token.as_str(),
            owner,
            request.kind.as_str(),
            request.user,
            fqans,
            request.description,
            request.created.0,
            request.deadline.map(|at| at.0),
            request.pin_lifetime,
            request.file_lifetime,
            request.storage_type.map(|storage| storage.as_str()),
            request.overwrite.map(|mode| mode.as_str()),
            write_protocols(&request.protocols),
            request.space_token,
            request.aborted,
            request.ended.map(|(code, _)| code.as_str()),
            request.ended.map(|(_, at)| at.0),
            request.starts.map(|at| at.0),
            request.suspended,
        ])?;
    Ok(RequestId(connection.last_insert_rowid()))
}

/// Makes the changes, and adds `files` to their request where all of them could be made.
pub(super) fn expand(
    connection: &Connection,
    owner: &str,
    changes: &[Advance],
    (id, kind): (RequestId, RequestKind),
    files: &[FileRow],
) -> Result<Vec<Advanced>, StoreError> {
    let outcomes = advance(connection, changes, None)?;
    if outcomes.iter().all(|outcome| *outcome == Advanced::Yes) {
        insert_files(connection, owner, id, kind, files)?;
    }
    Ok(outcomes)
}

/// The request waits until then at the latest, or goes on.
pub(super) fn suspend(
    connection: &Connection,
    request: RequestId,
    until: Option<Millis>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE requests SET suspended = ?2 WHERE id = ?1 AND ended IS NULL")?
        .execute((request.0, until.is_some()))?;
    connection
        .prepare_cached(
            "UPDATE files SET expires = (
                 SELECT min(coalesce(deadline, ?2), coalesce(?2, deadline))
                 FROM requests WHERE id = ?1)
             WHERE request = ?1 AND state IN ('QUEUED', 'INPROGRESS')",
        )?
        .execute((request.0, until.map(|at| at.0)))?;
    Ok(())
}

pub(super) fn insert_files(
    connection: &Connection,
    owner: &str,
    id: RequestId,
    kind: RequestKind,
    files: &[impl Borrow<FileRow>],
) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO files (request, n, owner, kind, surl, area, path, state, live, code,
             explanation, size, expected_size, turl_protocol, turl, expires, levels, parent,
             source)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
             ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
             ?19)",
    )?;
    for file in files.iter().map(Borrow::borrow) {
        insert.execute(params![
            id.0,
            file.n,
            owner,
            kind.as_str(),
            file.surl,
            file.key.as_ref().map(|key| &*key.area),
            file.key.as_ref().map(|key| key.path.as_str()),
            file.state.as_str(),
            !file.state.is_final(kind),
            file.code.map(|code| code.as_str()),
            file.explanation,
            write_bytes(file.size),
            write_bytes(file.expected_size),
            file.turl.as_ref().map(|(protocol, _)| protocol.as_str()),
            file.turl.as_ref().map(|(_, url)| url),
            file.expires.map(|at| at.0),
            file.levels,
            file.parent,
            file.source,
        ])?;
    }
    Ok(())
}

pub(super) fn advance(
    connection: &Connection,
    changes: &[Advance],
    end: Option<End>,
) -> Result<Vec<Advanced>, StoreError> {
    let mut states = States::new(connection)?;
    let outcomes: Vec<Advanced> =
        changes.iter().map(|change| states.advance(change)).collect::<Result<_, _>>()?;
    if let Some(end) = end {
        connection
            .prepare_cached(
                "UPDATE requests SET end_code = ?2, ended = ?3
                 WHERE id = ?1 AND ended IS NULL
                     AND NOT EXISTS (SELECT 1 FROM files WHERE request = ?1 AND live = 1)",
            )?
            .execute((end.request.0, end.code.as_str(), end.at.0))?;
    }
    Ok(outcomes)
}

pub(super) fn mark_aborted(connection: &Connection, request: RequestId) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE requests SET aborted = 1 WHERE id = ?1 AND ended IS NULL")?
        .execute([request.0])?;
    Ok(())
}

/// One step of a purge: how many requests it removed, at most `limit`. 0: nothing is left to do.
pub(super) fn purge(
    connection: &Connection,
    owner: &str,
    ended_before: Millis,
    limit: usize,
) -> Result<usize, StoreError> {
    let (most_requests, most_files) = PURGE_STEP;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX).min(most_requests);
    let ids: Vec<i64> = connection
        .prepare_cached(
            "SELECT id FROM requests
             WHERE owner = ?1 AND ended IS NOT NULL AND ended < ?2 ORDER BY ended LIMIT ?3",
        )?
        .query_map((owner, ended_before.0, limit), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut delete_files = connection.prepare_cached("DELETE FROM files WHERE request = ?1")?;
    let mut delete_grant =
        connection.prepare_cached("DELETE FROM space_grants WHERE request = ?1")?;
    let mut delete_listing =
        connection.prepare_cached("DELETE FROM listings WHERE request = ?1")?;
    let mut delete_request = connection.prepare_cached("DELETE FROM requests WHERE id = ?1")?;
    let (mut requests, mut files) = (0, 0);
    for id in ids {
        files += delete_files.execute([id])?;
        delete_grant.execute([id])?;
        delete_listing.execute([id])?;
        requests += delete_request.execute([id])?;
        if files >= most_files {
            break;
        }
    }
    Ok(requests)
}

/// Keeps the token that is there already.
pub(super) fn area_token(
    connection: &Connection,
    area: &str,
    token: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO area_tokens (area, token) VALUES (?1, ?2) ON CONFLICT (area) DO NOTHING",
        )?
        .execute((area, token))?;
    Ok(())
}

pub(super) fn write_intent(
    connection: &Connection,
    owner: &str,
    intent: &Intent,
) -> Result<IntentId, StoreError> {
    let (kind, key, before, target) = match intent {
        Intent::Change { key, before } => ("CHANGE", key, *before, None),
        Intent::Discard { hidden } => ("DISCARD", hidden, None, None),
        Intent::RemoveTree { hidden, tree } => ("REMOVE_TREE", hidden, None, Some(tree)),
        Intent::MakeWay { hidden, tree } => ("MAKE_WAY", hidden, None, Some(tree)),
        Intent::DiscardTree { hidden } => ("DISCARD_TREE", hidden, None, None),
        Intent::Move { from, to } => ("MOVE", from, None, Some(to)),
    };
    connection
        .prepare_cached(
            "INSERT INTO intents
                 (owner, kind, hidden_area, hidden_path, bytes, target_area, target_path)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            owner,
            kind,
            &*key.area,
            key.path.as_str(),
            write_bytes(before),
            target.map(|key| &*key.area),
            target.map(|key| key.path.as_str()),
        ))?;
    Ok(IntentId(connection.last_insert_rowid()))
}

/// Writes the new states of files. Prepared once, for as many as there are.
struct States<'a> {
    connection: &'a Connection,
    update: CachedStatement<'a>,
    /// The kind of the last file's request: most often it is the next one's, too.
    kind: Option<(RequestId, RequestKind)>,
}

impl<'a> States<'a> {
    fn new(connection: &'a Connection) -> Result<Self, StoreError> {
        let update = connection.prepare_cached(
            "UPDATE files SET area = ?1, path = ?2, state = ?3, live = ?4,
                 code = ?5, explanation = ?6, size = ?7,
                 expected_size = ?8, turl_protocol = ?9, turl = ?10,
                 expires = ?11
             WHERE request = ?12 AND n = ?13 AND state = ?14",
        )?;
        Ok(Self { connection, update, kind: None })
    }

    fn advance(&mut self, change: &Advance) -> Result<Advanced, StoreError> {
        let kind = match self.kind {
            Some((request, kind)) if request == change.request => kind,
            _ => match standing(self.connection, change.request, change.n)? {
                Some((_, kind)) => kind,
                None => return Ok(Advanced::Gone),
            },
        };
        self.kind = Some((change.request, kind));
        let row = &change.row;
        let updated = self.update.execute(params![
            row.key.as_ref().map(|key| &*key.area),
            row.key.as_ref().map(|key| key.path.as_str()),
            row.state.as_str(),
            !row.state.is_final(kind),
            row.code.map(|code| code.as_str()),
            row.explanation,
            write_bytes(row.size),
            write_bytes(row.expected_size),
            row.turl.as_ref().map(|(protocol, _)| protocol.as_str()),
            row.turl.as_ref().map(|(_, url)| url),
            row.expires.map(|at| at.0),
            change.request.0,
            change.n,
            change.expect.as_str(),
        ]);
        match updated {
            Ok(0) => {
                let found = standing(self.connection, change.request, change.n)?;
                Ok(found.map_or(Advanced::Gone, |(state, _)| Advanced::Found(state)))
            }
            Ok(_) => Ok(Advanced::Yes),
            // The primary key is not written, so that only the index of live puts can be meant.
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE =>
            {
                Ok(Advanced::LivePut)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn standing(
    connection: &Connection,
    request: RequestId,
    n: u32,
) -> Result<Option<(FileState, RequestKind)>, StoreError> {
    connection
        .prepare_cached("SELECT state, kind FROM files WHERE request = ?1 AND n = ?2")?
        .query_row((request.0, n), |row| Ok(rows::state_and_kind(row)))
        .optional()?
        .transpose()
}
