//! What storage areas hold: bytes used, how far a scan has come, and changes of published files that
//! are under way. Runs on the writer thread but for the reads.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::records::{self, RecordChange, RecordDelta};
use super::rows::corrupt;
use super::{IntentId, Millis, Store, StoreError};
use crate::model::RelPath;

/// What is known of one area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// Its name.
    pub area: Arc<str>,
    /// Bytes of its files: the last scan's count and every change since. Before the first scan has
    /// ended: the changes alone.
    pub used: i64,
    /// When the last scan ended.
    pub scanned: Option<Millis>,
    /// What that scan found beside what was known: bytes.
    pub drift: i64,
    /// The scan that is under way.
    pub scan: Option<ScanRow>,
}

/// A scan that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRow {
    /// The last directory of which all files are counted; `None`: it has just begun.
    pub after: Option<RelPath>,
    /// Bytes counted up to there, and every change since of what is counted.
    pub counted: i64,
}

/// A change of what an area holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageDelta {
    /// Its name.
    pub area: Arc<str>,
    /// Bytes more or less.
    pub used: i64,
    /// Of those, bytes of what a scan has counted already.
    pub counted: i64,
}

/// What changes of published files came to: written in one transaction with what caused them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The intents that announced them.
    pub intents: Vec<IntentId>,
    /// The bytes.
    pub usage: Vec<UsageDelta>,
    /// What became of their records.
    pub records: Vec<RecordChange>,
}

impl Settled {
    /// True where there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.intents.is_empty() && self.usage.is_empty() && self.records.is_empty()
    }

    /// Rows that it changes.
    pub(super) fn rows(&self) -> usize {
        self.intents.len() + self.usage.len() + self.records.len()
    }
}

impl Store {
    /// Notes the roots of areas, by their names. What is known of an area is forgotten where it was
    /// counted in another root.
    pub async fn set_roots(&self, roots: Vec<(Arc<str>, String)>) -> Result<(), StoreError> {
        let work = move |connection: &Connection| {
            roots.iter().try_for_each(|(area, root)| set_root(connection, area, root))
        };
        self.write(1, work).await
    }
}

pub(super) fn settle(
    connection: &Connection,
    settled: &Settled,
) -> Result<Vec<RecordDelta>, StoreError> {
    for delta in &settled.usage {
        connection
            .prepare_cached(
                "INSERT INTO area_usage (area, used, drift, counted) VALUES (?1, ?2, 0, ?3)
                 ON CONFLICT (area) DO UPDATE
                     SET used = used + excluded.used, counted = counted + excluded.counted",
            )?
            .execute((&*delta.area, delta.used, delta.counted))?;
    }
    for id in &settled.intents {
        connection.prepare_cached("DELETE FROM intents WHERE id = ?1")?.execute([id.0])?;
    }
    records::change(connection, &settled.records)
}

pub(super) fn usage(connection: &Connection) -> Result<Vec<UsageRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT area, used, scanned, drift, scanning, scan_after, counted FROM area_usage",
    )?;
    let mut found = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

fn read(row: &Row<'_>) -> Result<UsageRow, StoreError> {
    let area: String = row.get("area")?;
    let scan = if row.get("scanning")? {
        let after: Option<String> = row.get("scan_after")?;
        let parse = |text: String| {
            RelPath::parse(&text).map_err(|_| corrupt(&format!("area {area}"), "scan_after", &text))
        };
        Some(ScanRow { after: after.map(parse).transpose()?, counted: row.get("counted")? })
    } else {
        None
    };
    Ok(UsageRow {
        used: row.get("used")?,
        scanned: row.get::<_, Option<i64>>("scanned")?.map(Millis),
        drift: row.get("drift")?,
        scan,
        area: area.into(),
    })
}

/// The root of an area. What was counted in another one is forgotten.
fn set_root(connection: &Connection, area: &str, root: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM area_usage WHERE area = ?1 AND root <> ?2")?
        .execute((area, root))?;
    connection
        .prepare_cached(
            "INSERT INTO area_usage (area, used, drift, root) VALUES (?1, 0, 0, ?2)
             ON CONFLICT (area) DO UPDATE SET root = excluded.root",
        )?
        .execute((area, root))?;
    Ok(())
}

/// Where a scan stands; the first call begins it.
pub(super) fn save_scan(
    connection: &Connection,
    area: &str,
    scan: &ScanRow,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO area_usage (area, used, drift, scanning, scan_after, counted)
             VALUES (?1, 0, 0, 1, ?2, ?3)
             ON CONFLICT (area) DO UPDATE
                 SET scanning = 1, scan_after = excluded.scan_after, counted = excluded.counted",
        )?
        .execute((area, scan.after.as_ref().map(RelPath::as_str), scan.counted))?;
    Ok(())
}

/// A scan has ended: what it counted is what the area holds.
pub(super) fn end_scan(
    connection: &Connection,
    area: &str,
    counted: i64,
    drift: i64,
    at: Millis,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE area_usage SET used = ?2, drift = ?3, scanned = ?4,
                 scanning = 0, scan_after = NULL, counted = 0
             WHERE area = ?1",
        )?
        .execute(params![area, counted, drift, at.0])?;
    Ok(())
}

/// Notes that this daemon runs, on that boot of the machine; whether the machine was cut off while
/// the last run was under way: what was not synced then may be lost, so all areas are to be counted.
pub(super) fn begin_run(
    connection: &Connection,
    owner: &str,
    boot: &str,
) -> Result<bool, StoreError> {
    let last = connection
        .prepare_cached("SELECT boot FROM runs WHERE owner = ?1")?
        .query_row([owner], |row| row.get::<_, String>(0))
        .optional()?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO runs (owner, boot) VALUES (?1, ?2)")?
        .execute((owner, boot))?;
    let cut_off = last.is_some_and(|last| last != boot);
    if cut_off {
        let all = "UPDATE area_usage SET scanning = 1, scan_after = NULL, counted = 0";
        connection.prepare_cached(all)?.execute([])?;
    }
    Ok(cut_off)
}

/// The run ends as it should.
pub(super) fn end_run(connection: &Connection, owner: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM runs WHERE owner = ?1")?.execute([owner])?;
    Ok(())
}
