//! Reserved spaces, and what requests about them were granted.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::records::{self, RecordChange, RecordDelta};
use super::rows::corrupt;
use super::{FileRecord, Millis, RequestId, RequestRow, Store, StoreError, write};
use crate::model::{AccessLatency, FileKey, FileStorageType, RetentionPolicy, SpaceToken};

/// A reserved space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceRow {
    /// Its token.
    pub token: SpaceToken,
    /// The area it is in.
    pub area: Arc<str>,
    /// The DN of who reserved it.
    pub user: String,
    /// The FQANs they had.
    pub fqans: Vec<String>,
    /// `userSpaceTokenDescription`.
    pub description: Option<String>,
    /// Its class.
    pub retention: RetentionPolicy,
    /// Its class.
    pub latency: AccessLatency,
    /// Bytes it may hold.
    pub total: u64,
    /// Bytes that are kept free for it.
    pub guaranteed: u64,
    /// When it was reserved.
    pub created: Millis,
    /// Seconds it was given, -1 without end.
    pub lifetime: i64,
    /// When that is over.
    pub expires: Option<Millis>,
}

/// A space as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSpace {
    /// It.
    pub row: SpaceRow,
    /// Bytes of the files in it.
    pub used: u64,
    /// Its release has begun: with the end of what has a lifetime in it, where it was forced.
    pub release: Option<Option<Millis>>,
}

/// What srmReserveSpace or srmUpdateSpace granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceGrant {
    /// The space.
    pub space: SpaceToken,
    /// Its class.
    pub retention: RetentionPolicy,
    /// Its class.
    pub latency: AccessLatency,
    /// Bytes.
    pub total: u64,
    /// Bytes.
    pub guaranteed: u64,
    /// Seconds, -1 without end.
    pub lifetime: i64,
}

impl SpaceRow {
    /// What a request about it is told.
    pub fn grant(&self) -> SpaceGrant {
        SpaceGrant {
            space: self.token.clone(),
            retention: self.retention,
            latency: self.latency,
            total: self.total,
            guaranteed: self.guaranteed,
            lifetime: self.lifetime,
        }
    }
}

impl Store {
    /// Writes a space as it is from now on, and the request that asked for it, which has ended. Files
    /// in it whose lifetime is longer than its own end with it.
    pub async fn grant_space(
        &self,
        request: RequestRow,
        space: SpaceRow,
    ) -> Result<(), StoreError> {
        let owner = self.owner();
        let work = move |connection: &Connection| {
            let id = write::submit(connection, &owner, None, &request, &[])?;
            write_space(connection, &space)?;
            records::shorten(connection, &space.token, space.expires)?;
            write_grant(connection, id, &space.grant())
        };
        self.write(3, work).await
    }

    /// What a request was granted.
    pub async fn space_grant(&self, request: RequestId) -> Result<Option<SpaceGrant>, StoreError> {
        self.read(move |connection, _| grant(connection, request)).await
    }

    /// All spaces.
    pub async fn spaces(&self) -> Result<Vec<KnownSpace>, StoreError> {
        self.write(1, spaces).await
    }

    /// Takes up to `limit` files out of a space: they stay as files outside of spaces. With `end`
    /// what has a lifetime has reached its end then. When no file is left, the space is forgotten.
    /// What it came to, and whether the space is gone. Once begun, it is to be gone on with.
    pub async fn release_space(
        &self,
        space: SpaceToken,
        end: Option<Millis>,
        limit: usize,
    ) -> Result<(Vec<RecordDelta>, bool), StoreError> {
        self.write(limit, move |connection| release(connection, &space, end, limit)).await
    }
}

fn write_space(connection: &Connection, space: &SpaceRow) -> Result<(), StoreError> {
    let fqans = serde_json::to_string(&space.fqans)
        .map_err(|error| StoreError::Database(error.to_string()))?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO spaces (token, area, user, fqans, description, retention,
                 latency, total, guaranteed, created, lifetime, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            space.token.0,
            &*space.area,
            space.user,
            fqans,
            space.description,
            space.retention.as_str(),
            space.latency.as_str(),
            space.total.cast_signed(),
            space.guaranteed.cast_signed(),
            space.created.0,
            space.lifetime,
            space.expires.map(|at| at.0),
        ])?;
    Ok(())
}

fn write_grant(
    connection: &Connection,
    request: RequestId,
    grant: &SpaceGrant,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO space_grants (request, space, retention, latency, total, guaranteed,
                 lifetime)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            request.0,
            grant.space.0,
            grant.retention.as_str(),
            grant.latency.as_str(),
            grant.total.cast_signed(),
            grant.guaranteed.cast_signed(),
            grant.lifetime,
        ])?;
    Ok(())
}

fn grant(connection: &Connection, request: RequestId) -> Result<Option<SpaceGrant>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT space, retention, latency, total, guaranteed, lifetime
         FROM space_grants WHERE request = ?1",
    )?;
    let mut found = statement.query([request.0])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let (retention, latency) = class(row)?;
    Ok(Some(SpaceGrant {
        space: SpaceToken(row.get("space")?),
        retention,
        latency,
        total: bytes(row, "total")?,
        guaranteed: bytes(row, "guaranteed")?,
        lifetime: row.get("lifetime")?,
    }))
}

fn spaces(connection: &Connection) -> Result<Vec<KnownSpace>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT *, (SELECT coalesce(sum(size), 0) FROM file_records WHERE space = token) AS used
         FROM spaces",
    )?;
    let mut found = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        let fqans: String = row.get("fqans")?;
        let (retention, latency) = class(row)?;
        let space = SpaceRow {
            token: SpaceToken(row.get("token")?),
            area: Arc::from(row.get::<_, String>("area")?),
            user: row.get("user")?,
            fqans: serde_json::from_str(&fqans).map_err(|_| corrupt("a space", "fqans", &fqans))?,
            description: row.get("description")?,
            retention,
            latency,
            total: bytes(row, "total")?,
            guaranteed: bytes(row, "guaranteed")?,
            created: Millis(row.get("created")?),
            lifetime: row.get("lifetime")?,
            expires: row.get::<_, Option<i64>>("expires")?.map(Millis),
        };
        let end = row.get::<_, Option<i64>>("release_end")?.map(Millis);
        let release = row.get::<_, bool>("releasing")?.then_some(end);
        all.push(KnownSpace { row: space, used: bytes(row, "used")?, release });
    }
    Ok(all)
}

fn class(row: &Row<'_>) -> Result<(RetentionPolicy, AccessLatency), StoreError> {
    let (retention, latency): (String, String) = (row.get("retention")?, row.get("latency")?);
    let read = RetentionPolicy::parse(&retention).zip(AccessLatency::parse(&latency));
    read.ok_or_else(|| corrupt("a space", "retention, latency", &format!("{retention} {latency}")))
}

fn bytes(row: &Row<'_>, column: &str) -> Result<u64, StoreError> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn release(
    connection: &Connection,
    space: &SpaceToken,
    end: Option<Millis>,
    limit: usize,
) -> Result<(Vec<RecordDelta>, bool), StoreError> {
    connection
        .prepare_cached(
            "UPDATE spaces SET releasing = 1, release_end = ?2 WHERE token = ?1 AND releasing = 0",
        )?
        .execute((&space.0, end.map(|at| at.0)))?;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT area, path, {} FROM file_records WHERE space = ?1 LIMIT ?2",
        records::COLUMNS
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = statement.query((&space.0, limit))?;
    let mut changes = Vec::new();
    while let Some(row) = found.next()? {
        let (key, record) = (records::key_of(row)?, records::read(row)?);
        changes.push(outside(key, record, end));
    }
    drop(found);
    if !changes.is_empty() {
        return Ok((records::change(connection, &changes)?, false));
    }
    connection.prepare_cached("DELETE FROM spaces WHERE token = ?1")?.execute([&space.0])?;
    Ok((Vec::new(), true))
}

/// The record of a file that leaves its space.
fn outside(key: FileKey, record: FileRecord, end: Option<Millis>) -> RecordChange {
    if record.storage_type == FileStorageType::Permanent {
        return RecordChange::Set(key, None);
    }
    let expires = match (record.expires, end) {
        (Some(at), Some(end)) => Some(at.min(end)),
        (at, end) => end.or(at),
    };
    RecordChange::Set(key, Some(FileRecord { space: None, expires, ..record }))
}
