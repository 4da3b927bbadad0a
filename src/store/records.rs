//! Records of files that are in a reserved space or have a lifetime; plain files have none. What a
//! space uses is the sum of its records, so that the two cannot part.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::{bounds, corrupt, file_key};
use super::{Millis, Store, StoreError, properties};
use crate::model::{FileKey, FileStorageType, RelPath, SpaceToken};

/// What is remembered of a file beyond what the file system knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// The reserved space it is in.
    pub space: Option<SpaceToken>,
    /// `TFileStorageType`.
    pub storage_type: FileStorageType,
    /// Seconds it was given, -1 without end.
    pub lifetime: i64,
    /// When that is over.
    pub expires: Option<Millis>,
    /// Bytes.
    pub size: u64,
}

/// A change of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// The file has this record from now on, or none.
    Set(FileKey, Option<FileRecord>),
    /// The file holds so many bytes now; `None`: it is gone, and its record with it.
    Holds(FileKey, Option<u64>),
    /// A file or directory has another name, and all below it; what bore that name is gone.
    Moved {
        /// The area.
        area: Arc<str>,
        /// Its old name.
        from: RelPath,
        /// Its new one.
        to: RelPath,
    },
    /// All below a directory is gone.
    TreeGone(FileKey),
}

/// What changes of records came to, by area and space (`None`: outside of spaces).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordDelta {
    /// The area.
    pub area: Arc<str>,
    /// The space.
    pub space: Option<SpaceToken>,
    /// Bytes more or less.
    pub bytes: i64,
    /// Records more or less.
    pub records: i64,
}

/// A volatile file whose lifetime is over, by due time and key.
pub type DueFile = (Millis, FileKey);

impl Store {
    /// Makes changes of records, durably; what they came to.
    pub async fn change_records(
        &self,
        changes: Vec<RecordChange>,
    ) -> Result<Vec<RecordDelta>, StoreError> {
        let rows = changes.len();
        self.write(rows, move |connection| change(connection, &changes)).await
    }

    /// Puts files into a space, or out of all: those whose record still is `expected`.
    pub async fn replace_record(
        &self,
        key: FileKey,
        expected: Option<FileRecord>,
        new: Option<FileRecord>,
    ) -> Result<Option<Vec<RecordDelta>>, StoreError> {
        let work = move |connection: &Connection| {
            if record(connection, &key)? != expected {
                return Ok(None);
            }
            change(connection, &[RecordChange::Set(key.clone(), new.clone())]).map(Some)
        };
        self.write(1, work).await
    }

    /// A file's record. Blocks.
    pub fn record_here(&self, key: &FileKey) -> Result<Option<FileRecord>, StoreError> {
        self.read_here(|connection| record(connection, key))
    }

    /// A file's record.
    pub async fn record(&self, key: &FileKey) -> Result<Option<FileRecord>, StoreError> {
        let key = key.clone();
        self.read(move |connection, _| record(connection, &key)).await
    }

    /// Files of a space, by key, after `after`.
    pub async fn files_of_space(
        &self,
        space: &SpaceToken,
        after: Option<FileKey>,
        limit: usize,
    ) -> Result<Vec<(FileKey, FileRecord)>, StoreError> {
        let space = space.clone();
        self.read(move |connection, _| files_of(connection, &space, after.as_ref(), limit)).await
    }

    /// The records of all files below a directory.
    pub async fn records_below(
        &self,
        tree: &FileKey,
    ) -> Result<Vec<(FileKey, FileRecord)>, StoreError> {
        let tree = tree.clone();
        self.read(move |connection, _| records_below(connection, &tree)).await
    }

    /// Volatile files that were due at `now`, in order, after `after`.
    pub async fn due_files(
        &self,
        after: DueFile,
        now: Millis,
        limit: usize,
    ) -> Result<Vec<DueFile>, StoreError> {
        self.read(move |connection, _| due(connection, &after, now, limit)).await
    }

    /// When the first volatile file after `after` is due.
    pub async fn next_file_due(&self, after: Millis) -> Result<Option<Millis>, StoreError> {
        let work = move |connection: &Connection, _: &str| {
            let mut statement = connection.prepare_cached(
                "SELECT expires FROM file_records
                 WHERE storage_type = 'VOLATILE' AND expires IS NOT NULL AND expires > ?1
                 ORDER BY expires LIMIT 1",
            )?;
            Ok(statement.query_row([after.0], |row| row.get(0).map(Millis)).optional()?)
        };
        self.read(work).await
    }

    /// How many records each area has.
    pub async fn count_records(&self) -> Result<Vec<(Arc<str>, i64)>, StoreError> {
        let work = |connection: &Connection| {
            let mut statement = connection
                .prepare_cached("SELECT area, count(*) FROM file_records GROUP BY area")?;
            let rows = statement
                .query_map([], |row| Ok((Arc::from(row.get::<_, String>(0)?), row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.write(1, work).await
    }
}

/// What changes came to, summed up.
#[derive(Default)]
struct Sum(BTreeMap<(Arc<str>, Option<String>), (i64, i64)>);

impl Sum {
    fn add(&mut self, area: &Arc<str>, record: &FileRecord, sign: i64) {
        let space = record.space.as_ref().map(|token| token.0.clone());
        let (bytes, records) = self.0.entry((Arc::clone(area), space)).or_default();
        *bytes += sign * record.size.cast_signed();
        *records += sign;
    }

    fn told(self) -> Vec<RecordDelta> {
        let told = self.0.into_iter().map(|((area, space), (bytes, records))| RecordDelta {
            area,
            space: space.map(SpaceToken),
            bytes,
            records,
        });
        told.collect()
    }
}

pub(super) fn change(
    connection: &Connection,
    changes: &[RecordChange],
) -> Result<Vec<RecordDelta>, StoreError> {
    let mut sum = Sum::default();
    for change in changes {
        properties_follow(connection, change)?;
        match change {
            RecordChange::Set(key, new) => set(connection, key, new.as_ref(), &mut sum)?,
            RecordChange::Holds(key, size) => {
                let Some(old) = record(connection, key)? else { continue };
                let new = size.map(|size| FileRecord { size, ..old.clone() });
                set(connection, key, new.as_ref(), &mut sum)?;
            }
            RecordChange::Moved { area, from, to } => {
                tree_gone(connection, area, to, &mut sum)?;
                let (below, beyond) = bounds(from);
                connection.prepare_cached(MOVE_TREE)?.execute((
                    &**area,
                    from.as_str(),
                    below,
                    beyond,
                    to.as_str(),
                ))?;
            }
            RecordChange::TreeGone(key) => tree_gone(connection, &key.area, &key.path, &mut sum)?,
        }
    }
    Ok(sum.told())
}

fn set(
    connection: &Connection,
    key: &FileKey,
    new: Option<&FileRecord>,
    sum: &mut Sum,
) -> Result<(), StoreError> {
    if let Some(old) = record(connection, key)? {
        sum.add(&key.area, &old, -1);
        if new.is_none() {
            connection
                .prepare_cached("DELETE FROM file_records WHERE area = ?1 AND path = ?2")?
                .execute((&*key.area, key.path.as_str()))?;
        }
    }
    let Some(new) = new else { return Ok(()) };
    sum.add(&key.area, new, 1);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO file_records
                 (area, path, space, storage_type, lifetime, expires, size)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            &*key.area,
            key.path.as_str(),
            new.space.as_ref().map(|token| &token.0),
            new.storage_type.as_str(),
            new.lifetime,
            within_space(connection, new)?,
            new.size.cast_signed(),
        ])?;
    Ok(())
}

/// When the file's lifetime is over: with its space at the latest, also where that has got a shorter one
/// a moment ago.
fn within_space(connection: &Connection, record: &FileRecord) -> Result<Option<i64>, StoreError> {
    let own = record.expires.map(|at| at.0);
    let permanent = record.storage_type == FileStorageType::Permanent;
    let Some(space) = record.space.as_ref().filter(|_| !permanent) else { return Ok(own) };
    let mut statement = connection.prepare_cached("SELECT expires FROM spaces WHERE token = ?1")?;
    let end = statement.query_row([&space.0], |row| row.get::<_, Option<i64>>(0)).optional()?;
    Ok([own, end.flatten()].into_iter().flatten().min())
}

/// Files with a lifetime end with their space.
pub(super) fn shorten(
    connection: &Connection,
    space: &SpaceToken,
    end: Option<Millis>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE file_records SET expires = ?2
             WHERE space = ?1 AND storage_type <> 'PERMANENT'
                 AND (expires IS NULL OR expires > ?2) AND ?2 IS NOT NULL",
        )?
        .execute((&space.0, end.map(|at| at.0)))?;
    Ok(())
}

/// What a change of a file means for its dead properties.
fn properties_follow(connection: &Connection, change: &RecordChange) -> Result<(), StoreError> {
    match change {
        RecordChange::Set(..) | RecordChange::Holds(_, Some(_)) => Ok(()),
        RecordChange::Holds(key, None) | RecordChange::TreeGone(key) => {
            properties::tree_gone(connection, &key.area, &key.path)
        }
        RecordChange::Moved { area, from, to } => properties::moved(connection, area, from, to),
    }
}

/// A file or directory is gone, with all below it.
fn tree_gone(
    connection: &Connection,
    area: &Arc<str>,
    path: &RelPath,
    sum: &mut Sum,
) -> Result<(), StoreError> {
    let (below, beyond) = bounds(path);
    let mut gone = connection.prepare_cached(&format!("{DELETE_TREE} RETURNING {COLUMNS}"))?;
    let mut found = gone.query((&**area, path.as_str(), below, beyond))?;
    while let Some(row) = found.next()? {
        sum.add(area, &read(row)?, -1);
    }
    Ok(())
}

/// Gives ?2 and all below it in area ?1 the name ?5. The range is spelt so that it is all that is read:
/// SQLite reads the whole area for one `OR` the other.
pub(super) const MOVE_TREE: &str =
    "UPDATE file_records SET path = ?5 || substr(path, length(?2) + 1)
     WHERE area = ?1 AND path >= ?2 AND path < ?4 AND (path = ?2 OR path > ?3)";

/// Removes ?2 and all below it in area ?1.
pub(super) const DELETE_TREE: &str = "DELETE FROM file_records
     WHERE area = ?1 AND path >= ?2 AND path < ?4 AND (path = ?2 OR path > ?3)";

/// Up to ?4 files of space ?1 after path ?3 in area ?2: the index holds the key after the space.
pub(super) const OF_SPACE: &str = "FROM file_records
     WHERE space = ?1 AND (area, path) > (?2, ?3) ORDER BY area, path LIMIT ?4";

/// What [`read`] reads.
pub(super) const COLUMNS: &str = "space, storage_type, lifetime, expires, size";

pub(super) fn read(row: &Row<'_>) -> Result<FileRecord, StoreError> {
    let storage_type: String = row.get("storage_type")?;
    Ok(FileRecord {
        space: row.get::<_, Option<String>>("space")?.map(SpaceToken),
        storage_type: FileStorageType::parse(&storage_type)
            .ok_or_else(|| corrupt("a file's record", "storage_type", &storage_type))?,
        lifetime: row.get("lifetime")?,
        expires: row.get::<_, Option<i64>>("expires")?.map(Millis),
        size: row.get::<_, i64>("size")?.cast_unsigned(),
    })
}

fn record(connection: &Connection, key: &FileKey) -> Result<Option<FileRecord>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM file_records WHERE area = ?1 AND path = ?2"
    ))?;
    let mut found = statement.query((&*key.area, key.path.as_str()))?;
    found.next()?.map(read).transpose()
}

fn records_below(
    connection: &Connection,
    tree: &FileKey,
) -> Result<Vec<(FileKey, FileRecord)>, StoreError> {
    let (below, beyond) = bounds(&tree.path);
    let mut statement = connection.prepare_cached(&format!(
        "SELECT area, path, {COLUMNS} FROM file_records
         WHERE area = ?1 AND path > ?2 AND path < ?3"
    ))?;
    let mut found = statement.query((&*tree.area, below, beyond))?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push((key_of(row)?, read(row)?));
    }
    Ok(all)
}

fn files_of(
    connection: &Connection,
    space: &SpaceToken,
    after: Option<&FileKey>,
    limit: usize,
) -> Result<Vec<(FileKey, FileRecord)>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT area, path, {COLUMNS} {OF_SPACE}"))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // No area's name is empty: that comes before all.
    let (area, path) = after.map_or(("", ""), |key| (&*key.area, key.path.as_str()));
    let mut found = statement.query((&space.0, area, path, limit))?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push((key_of(row)?, read(row)?));
    }
    Ok(all)
}

fn due(
    connection: &Connection,
    after: &DueFile,
    now: Millis,
    limit: usize,
) -> Result<Vec<DueFile>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT expires, area, path FROM file_records
         WHERE storage_type = 'VOLATILE' AND expires IS NOT NULL
             AND (expires, area, path) > (?1, ?2, ?3) AND expires <= ?4
         ORDER BY expires, area, path LIMIT ?5",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (at, key) = after;
    let mut found = statement.query((at.0, &*key.area, key.path.as_str(), now.0, limit))?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push((Millis(row.get("expires")?), key_of(row)?));
    }
    Ok(all)
}

pub(super) fn key_of(row: &Row<'_>) -> Result<FileKey, StoreError> {
    let (area, path): (String, String) = (row.get("area")?, row.get("path")?);
    file_key(&area, &path).ok_or_else(|| corrupt("a file's record", "path", &path))
}
