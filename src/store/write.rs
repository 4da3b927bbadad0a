//! What changes the database. Each function runs on the writer thread, inside its own savepoint:
//! after an error nothing of it remains.

use rusqlite::{Connection, OptionalExtension, ffi, named_params};

use super::rows::{self, write_bytes, write_protocols};
use super::{
    Advance, Advanced, End, FileRow, Intent, IntentId, Millis, RequestId, RequestRow, StoreError,
};
use crate::model::{FileState, RequestKind};

/// Requests that one step of a purge looks at, and files after which it stops.
const PURGE_STEP: (i64, usize) = (64, 1000);

pub(super) fn submit(
    connection: &Connection,
    owner: &str,
    request: &RequestRow,
    files: &[FileRow],
) -> Result<RequestId, StoreError> {
    if request.ended.is_some() && files.iter().any(|file| !file.state.is_final(request.kind)) {
        let why = format!("request {} has ended, but a file of it has not", request.token);
        return Err(StoreError::Database(why));
    }
    let fqans = serde_json::to_string(&request.fqans)
        .map_err(|error| StoreError::Database(error.to_string()))?;
    connection
        .prepare_cached(
            "INSERT INTO requests (token, owner, kind, user, fqans, description, created, deadline,
                 pin_lifetime, file_lifetime, storage_type, overwrite, protocols, space_token,
                 aborted, end_code, ended)
             VALUES (:token, :owner, :kind, :user, :fqans, :description, :created, :deadline,
                 :pin_lifetime, :file_lifetime, :storage_type, :overwrite, :protocols, :space_token,
                 :aborted, :end_code, :ended)",
        )?
        .execute(named_params! {
            ":token": request.token.as_str(),
            ":owner": owner,
            ":kind": request.kind.as_str(),
            ":user": request.user,
            ":fqans": fqans,
            ":description": request.description,
            ":created": request.created.0,
            ":deadline": request.deadline.map(|at| at.0),
            ":pin_lifetime": request.pin_lifetime,
            ":file_lifetime": request.file_lifetime,
            ":storage_type": request.storage_type.map(|storage| storage.as_str()),
            ":overwrite": request.overwrite.map(|mode| mode.as_str()),
            ":protocols": write_protocols(&request.protocols),
            ":space_token": request.space_token,
            ":aborted": request.aborted,
            ":end_code": request.ended.map(|(code, _)| code.as_str()),
            ":ended": request.ended.map(|(_, at)| at.0),
        })?;
    let id = connection.last_insert_rowid();
    let mut insert = connection.prepare_cached(
        "INSERT INTO files (request, n, owner, kind, surl, area, path, state, live, code,
             explanation, size, expected_size, turl_protocol, turl, expires)
         VALUES (:request, :n, :owner, :kind, :surl, :area, :path, :state, :live, :code,
             :explanation, :size, :expected_size, :turl_protocol, :turl, :expires)",
    )?;
    for file in files {
        insert.execute(named_params! {
            ":request": id,
            ":n": file.n,
            ":owner": owner,
            ":kind": request.kind.as_str(),
            ":surl": file.surl,
            ":area": file.key.as_ref().map(|key| &*key.area),
            ":path": file.key.as_ref().map(|key| key.path.as_str()),
            ":state": file.state.as_str(),
            ":live": !file.state.is_final(request.kind),
            ":code": file.code.map(|code| code.as_str()),
            ":explanation": file.explanation,
            ":size": write_bytes(file.size),
            ":expected_size": write_bytes(file.expected_size),
            ":turl_protocol": file.turl.as_ref().map(|(protocol, _)| protocol.as_str()),
            ":turl": file.turl.as_ref().map(|(_, url)| url),
            ":expires": file.expires.map(|at| at.0),
        })?;
    }
    Ok(RequestId(id))
}

pub(super) fn advance(
    connection: &Connection,
    changes: &[Advance],
    end: Option<End>,
) -> Result<Vec<Advanced>, StoreError> {
    let outcomes: Vec<Advanced> =
        changes.iter().map(|change| advance_one(connection, change)).collect::<Result<_, _>>()?;
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
    let mut delete_request = connection.prepare_cached("DELETE FROM requests WHERE id = ?1")?;
    let (mut requests, mut files) = (0, 0);
    for id in ids {
        files += delete_files.execute([id])?;
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
    let (kind, hidden, target) = match intent {
        Intent::Publish { hidden, target } => ("PUBLISH", hidden, Some(target)),
        Intent::Discard { hidden } => ("DISCARD", hidden, None),
    };
    connection
        .prepare_cached(
            "INSERT INTO intents (owner, kind, hidden_area, hidden_path, target_area, target_path)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            owner,
            kind,
            &*hidden.area,
            hidden.path.as_str(),
            target.map(|key| &*key.area),
            target.map(|key| key.path.as_str()),
        ))?;
    Ok(IntentId(connection.last_insert_rowid()))
}

pub(super) fn clear_intent(connection: &Connection, id: IntentId) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM intents WHERE id = ?1")?.execute([id.0])?;
    Ok(())
}

fn advance_one(connection: &Connection, change: &Advance) -> Result<Advanced, StoreError> {
    let Some((state, kind)) = standing(connection, change.request, change.n)? else {
        return Ok(Advanced::Gone);
    };
    if state != change.expect {
        return Ok(Advanced::Found(state));
    }
    let row = &change.row;
    let updated = connection
        .prepare_cached(
            "UPDATE files SET area = :area, path = :path, state = :state, live = :live,
                 code = :code, explanation = :explanation, size = :size,
                 expected_size = :expected_size, turl_protocol = :turl_protocol, turl = :turl,
                 expires = :expires
             WHERE request = :request AND n = :n AND state = :expect",
        )?
        .execute(named_params! {
            ":request": change.request.0,
            ":n": change.n,
            ":expect": change.expect.as_str(),
            ":area": row.key.as_ref().map(|key| &*key.area),
            ":path": row.key.as_ref().map(|key| key.path.as_str()),
            ":state": row.state.as_str(),
            ":live": !row.state.is_final(kind),
            ":code": row.code.map(|code| code.as_str()),
            ":explanation": row.explanation,
            ":size": write_bytes(row.size),
            ":expected_size": write_bytes(row.expected_size),
            ":turl_protocol": row.turl.as_ref().map(|(protocol, _)| protocol.as_str()),
            ":turl": row.turl.as_ref().map(|(_, url)| url),
            ":expires": row.expires.map(|at| at.0),
        });
    match updated {
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
