//! Locks of the WebDAV door (RFC 4918 6), so that they outlive a restart. While the daemon runs they are
//! looked up in memory; here is only what a start reads.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::rows::{corrupt, file_key};
use super::{Millis, Store, StoreError};
use crate::model::FileKey;

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DavLock {
    /// Its token, a URI.
    pub token: Arc<str>,
    /// What is locked.
    pub key: FileKey,
    /// The StFN by which it was asked for.
    pub root: String,
    /// Whose it is: the DN, or `-` for anonymous.
    pub user: String,
    /// Nobody else may have one; otherwise it is shared.
    pub exclusive: bool,
    /// It holds for all below (`Depth: infinity`).
    pub infinite: bool,
    /// The `owner` element as the client wrote it; may be empty.
    pub owner: String,
    /// When it ends.
    pub expires: Millis,
}

impl Store {
    /// Writes down a lock, durably, as it is from now on.
    pub async fn keep_lock(&self, lock: DavLock) -> Result<(), StoreError> {
        self.write(1, move |connection| keep(connection, &lock)).await
    }

    /// Forgets locks, durably.
    pub async fn drop_locks(&self, tokens: Vec<Arc<str>>) -> Result<(), StoreError> {
        let rows = tokens.len();
        let work = move |connection: &Connection| {
            let mut statement =
                connection.prepare_cached("DELETE FROM dav_locks WHERE token = ?1")?;
            tokens.iter().try_for_each(|token| statement.execute([&**token]).map(|_| ()))?;
            Ok(())
        };
        self.write(rows, work).await
    }

    /// All locks.
    pub async fn locks(&self) -> Result<Vec<DavLock>, StoreError> {
        self.write(1, all).await
    }
}

fn keep(connection: &Connection, lock: &DavLock) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO dav_locks
                 (token, area, path, root, user, exclusive, infinite, owner, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            &*lock.token,
            &*lock.key.area,
            lock.key.path.as_str(),
            lock.root,
            lock.user,
            lock.exclusive,
            lock.infinite,
            lock.owner,
            lock.expires.0,
        ])?;
    Ok(())
}

fn all(connection: &Connection) -> Result<Vec<DavLock>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT token, area, path, root, user, exclusive, infinite, owner, expires FROM dav_locks",
    )?;
    let mut found = statement.query([])?;
    let mut locks = Vec::new();
    while let Some(row) = found.next()? {
        let (area, path): (String, String) = (row.get("area")?, row.get("path")?);
        locks.push(DavLock {
            token: Arc::from(row.get::<_, String>("token")?),
            key: file_key(&area, &path).ok_or_else(|| corrupt("a lock", "path", &path))?,
            root: row.get("root")?,
            user: row.get("user")?,
            exclusive: row.get("exclusive")?,
            infinite: row.get("infinite")?,
            owner: row.get("owner")?,
            expires: Millis(row.get("expires")?),
        });
    }
    Ok(locks)
}
