//! Dead properties (RFC 4918 4.2): what clients of the WebDAV door want remembered of a file or directory
//! and nobody else understands. They follow what bears them, in the transaction that settles its change.

use std::collections::HashSet;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::rows::bounds;
use super::{Store, StoreError};
use crate::model::{FileKey, RelPath};

/// A dead property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadProperty {
    /// Its namespace; may be empty.
    pub namespace: String,
    /// Its local name.
    pub name: String,
    /// The whole element, with every declaration it needs. `None` in a change: it goes.
    pub element: Option<String>,
}

impl Store {
    /// What a file or directory bears, by name.
    pub async fn properties(&self, key: &FileKey) -> Result<Vec<DeadProperty>, StoreError> {
        let key = key.clone();
        self.read(move |connection, _| find(connection, &key)).await
    }

    /// As [`Store::properties`]. Blocks.
    pub fn properties_here(&self, key: &FileKey) -> Result<Vec<DeadProperty>, StoreError> {
        self.read_here(|connection| find(connection, key))
    }

    /// Paths below a directory that bear something; `None` where they are more than `most`. Blocks.
    pub fn bearers_here(
        &self,
        key: &FileKey,
        most: usize,
    ) -> Result<Option<HashSet<String>>, StoreError> {
        let found = self.read_here(|connection| bearers(connection, key, most))?;
        Ok(Some(found).filter(|found| found.len() <= most))
    }

    /// Sets and removes properties, durably, all or none.
    pub async fn patch_properties(
        &self,
        key: FileKey,
        changes: Vec<DeadProperty>,
    ) -> Result<(), StoreError> {
        let rows = changes.len();
        let work = move |connection: &Connection| {
            changes.iter().try_for_each(|change| patch(connection, &key, change))
        };
        self.write(rows, work).await
    }

    /// Gives `to` what `from` bears, and nothing else.
    pub async fn copy_properties(&self, from: FileKey, to: FileKey) -> Result<(), StoreError> {
        let work = move |connection: &Connection| {
            tree_gone(connection, &to.area, &to.path)?;
            connection
                .prepare_cached(
                    "INSERT INTO dav_properties (area, path, namespace, name, element)
                     SELECT ?3, ?4, namespace, name, element
                     FROM dav_properties WHERE area = ?1 AND path = ?2",
                )?
                .execute((&*from.area, from.path.as_str(), &*to.area, to.path.as_str()))?;
            Ok(())
        };
        self.write(1, work).await
    }

    /// Forgets what bears a name, and all below it, bore.
    pub async fn forget_properties(&self, key: FileKey) -> Result<(), StoreError> {
        self.write(1, move |connection| tree_gone(connection, &key.area, &key.path)).await
    }

    /// Areas in which something bears properties.
    pub async fn areas_with_properties(&self) -> Result<Vec<String>, StoreError> {
        let work = |connection: &Connection| {
            let mut statement =
                connection.prepare_cached("SELECT DISTINCT area FROM dav_properties")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.write(1, work).await
    }
}

/// `to` bears what `from` bore, with all below it.
pub(super) fn moved(
    connection: &Connection,
    area: &str,
    from: &RelPath,
    to: &RelPath,
) -> Result<(), StoreError> {
    tree_gone(connection, area, to)?;
    let (below, beyond) = bounds(from);
    connection.prepare_cached(MOVE_TREE)?.execute((
        area,
        from.as_str(),
        below,
        beyond,
        to.as_str(),
    ))?;
    Ok(())
}

/// As [`super::records::MOVE_TREE`].
pub(super) const MOVE_TREE: &str =
    "UPDATE dav_properties SET path = ?5 || substr(path, length(?2) + 1)
     WHERE area = ?1 AND path >= ?2 AND path < ?4 AND (path = ?2 OR path > ?3)";

/// As [`super::records::DELETE_TREE`].
pub(super) const DELETE_TREE: &str = "DELETE FROM dav_properties
     WHERE area = ?1 AND path >= ?2 AND path < ?4 AND (path = ?2 OR path > ?3)";

fn bearers(
    connection: &Connection,
    key: &FileKey,
    most: usize,
) -> Result<HashSet<String>, StoreError> {
    let (below, beyond) = match key.path.is_root() {
        // To SQLite any blob is greater than any text.
        true => (String::new(), Value::Blob(Vec::new())),
        false => {
            let (below, beyond) = bounds(&key.path);
            (below, Value::Text(beyond))
        }
    };
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT path FROM dav_properties
         WHERE area = ?1 AND path > ?2 AND path < ?3 LIMIT ?4",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX - 1) + 1;
    let rows = statement.query_map((&*key.area, below, beyond, most), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What bore a name is gone, with all below it.
pub(super) fn tree_gone(
    connection: &Connection,
    area: &str,
    path: &RelPath,
) -> Result<(), StoreError> {
    let (below, beyond) = bounds(path);
    connection.prepare_cached(DELETE_TREE)?.execute((area, path.as_str(), below, beyond))?;
    Ok(())
}

fn find(connection: &Connection, key: &FileKey) -> Result<Vec<DeadProperty>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT namespace, name, element FROM dav_properties
         WHERE area = ?1 AND path = ?2 ORDER BY namespace, name",
    )?;
    let rows = statement.query_map((&*key.area, key.path.as_str()), |row| {
        Ok(DeadProperty { namespace: row.get(0)?, name: row.get(1)?, element: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn patch(connection: &Connection, key: &FileKey, change: &DeadProperty) -> Result<(), StoreError> {
    let DeadProperty { namespace, name, element } = change;
    let (area, path) = (&*key.area, key.path.as_str());
    match element {
        Some(element) => connection
            .prepare_cached(
                "INSERT OR REPLACE INTO dav_properties (area, path, namespace, name, element)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((area, path, namespace, name, element))?,
        None => connection
            .prepare_cached(
                "DELETE FROM dav_properties
                 WHERE area = ?1 AND path = ?2 AND namespace = ?3 AND name = ?4",
            )?
            .execute((area, path, namespace, name))?,
    };
    Ok(())
}
