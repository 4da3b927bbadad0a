//! What is asked of the database. Each function takes a connection and sees one snapshot.

use rusqlite::{Connection, OptionalExtension};

use super::rows::{self, FILE_COLUMNS, REQUEST_COLUMNS};
use super::{FileRow, Intent, IntentId, Millis, RequestId, StoreError, StoredRequest, Summary};
use crate::model::{RequestToken, SpaceToken};

pub(super) fn load(
    connection: &Connection,
    token: &RequestToken,
) -> Result<Option<StoredRequest>, StoreError> {
    // Both reads in one transaction: no change comes between them.
    let tx = connection.unchecked_transaction()?;
    let mut statement =
        tx.prepare_cached(&format!("SELECT {REQUEST_COLUMNS} FROM requests WHERE token = ?1"))?;
    let mut found = statement.query([token.as_str()])?;
    match found.next()? {
        Some(row) => {
            let (id, request) = rows::request(row)?;
            Ok(Some(StoredRequest { id, request, files: files(&tx, id)? }))
        }
        None => Ok(None),
    }
}

pub(super) fn summary(
    connection: &Connection,
    token: &RequestToken,
) -> Result<Option<Summary>, StoreError> {
    let tx = connection.unchecked_transaction()?;
    let mut statement =
        tx.prepare_cached(&format!("SELECT {REQUEST_COLUMNS} FROM requests WHERE token = ?1"))?;
    let mut found = statement.query([token.as_str()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let (id, request) = rows::request(row)?;
    let mut counted = tx.prepare_cached(
        "SELECT state, count(*) AS files FROM files WHERE request = ?1 GROUP BY state",
    )?;
    let mut counted = counted.query([id.0])?;
    let mut files = Vec::new();
    while let Some(row) = counted.next()? {
        files.push((rows::state(row)?, row.get("files")?));
    }
    Ok(Some(Summary { request, files }))
}

/// Both by an index that holds one user's requests together.
pub(super) const TOKENS: &str =
    "SELECT token, created FROM requests WHERE user = ?1 ORDER BY id DESC LIMIT ?2";
pub(super) const DESCRIBED: &str = "SELECT token, created FROM requests
     WHERE user = ?1 AND description = ?3 ORDER BY id DESC LIMIT ?2";

pub(super) fn tokens(
    connection: &Connection,
    user: &str,
    description: Option<&str>,
    limit: usize,
) -> Result<Vec<(RequestToken, Millis)>, StoreError> {
    let sql = if description.is_some() { DESCRIBED } else { TOKENS };
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = match description {
        Some(description) => statement.query((user, row_limit(limit), description))?,
        None => statement.query((user, row_limit(limit)))?,
    };
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push((token(&row.get::<_, String>(0)?)?, Millis(row.get(1)?)));
    }
    Ok(all)
}

pub(super) fn unfinished(
    connection: &Connection,
    owner: &str,
    after: RequestId,
    limit: usize,
) -> Result<Vec<StoredRequest>, StoreError> {
    let tx = connection.unchecked_transaction()?;
    let mut statement = tx.prepare_cached(&format!(
        "SELECT {REQUEST_COLUMNS} FROM requests
         WHERE owner = ?1 AND id > ?2 AND ended IS NULL ORDER BY id LIMIT ?3"
    ))?;
    let mut found = statement.query((owner, after.0, row_limit(limit)))?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        let (id, request) = rows::request(row)?;
        all.push(StoredRequest { id, request, files: files(&tx, id)? });
    }
    Ok(all)
}

pub(super) const DUE: &str = "SELECT requests.token, files.n
     FROM files JOIN requests ON requests.id = files.request
     WHERE files.owner = ?1 AND files.live = 1 AND files.expires IS NOT NULL AND files.expires <= ?2
     ORDER BY files.expires LIMIT ?3";

pub(super) fn due(
    connection: &Connection,
    owner: &str,
    now: Millis,
    limit: usize,
) -> Result<Vec<(RequestToken, u32)>, StoreError> {
    let mut statement = connection.prepare_cached(DUE)?;
    let mut found = statement.query((owner, now.0, row_limit(limit)))?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push((token(&row.get::<_, String>(0)?)?, row.get(1)?));
    }
    Ok(all)
}

pub(super) const NEXT_DUE: &str = "SELECT expires FROM files
     WHERE owner = ?1 AND live = 1 AND expires IS NOT NULL ORDER BY expires LIMIT 1";

pub(super) fn next_due(connection: &Connection, owner: &str) -> Result<Option<Millis>, StoreError> {
    let mut statement = connection.prepare_cached(NEXT_DUE)?;
    Ok(statement.query_row([owner], |row| row.get(0).map(Millis)).optional()?)
}

pub(super) fn area_token(
    connection: &Connection,
    area: &str,
) -> Result<Option<SpaceToken>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT token FROM area_tokens WHERE area = ?1")?;
    Ok(statement.query_row([area], |row| row.get(0).map(SpaceToken)).optional()?)
}

pub(super) fn intents(
    connection: &Connection,
    owner: &str,
) -> Result<Vec<(IntentId, Intent)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, kind, hidden_area, hidden_path, bytes, target_area, target_path
         FROM intents WHERE owner = ?1 ORDER BY id",
    )?;
    let mut found = statement.query([owner])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        let id = row.get(0)?;
        all.push((IntentId(id), rows::intent(id, row)?));
    }
    Ok(all)
}

fn files(connection: &Connection, id: RequestId) -> Result<Vec<FileRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {FILE_COLUMNS} FROM files WHERE request = ?1 ORDER BY n"
    ))?;
    let mut found = statement.query([id.0])?;
    let mut files = Vec::new();
    while let Some(row) = found.next()? {
        files.push(rows::file(id, row)?);
    }
    Ok(files)
}

fn token(text: &str) -> Result<RequestToken, StoreError> {
    RequestToken::parse(text).ok_or_else(|| rows::corrupt("a request", "token", text))
}

fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
