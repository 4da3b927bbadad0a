//! What a srmLs with a token asked for.

use rusqlite::{Connection, OptionalExtension, params};

use super::{RequestId, Store, StoreError};

/// What was asked for beside SURLs and storage type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListingRow {
    /// `numOfLevels`, or the largest number there is for all of them.
    pub levels: i32,
    /// Entries before those that were asked for.
    pub offset: usize,
    /// How many were asked for; `None` is all.
    pub count: Option<usize>,
    /// `fullDetailedList`.
    pub full: bool,
}

impl Store {
    /// What a request asked for; `None` where it is no srmLs.
    pub async fn listing(&self, request: RequestId) -> Result<Option<ListingRow>, StoreError> {
        self.read(move |connection, _| find(connection, request)).await
    }
}

/// What a request asks for, where it is a srmLs.
pub(super) fn insert(
    connection: &Connection,
    request: RequestId,
    listing: Option<ListingRow>,
) -> Result<(), StoreError> {
    let Some(listing) = listing else { return Ok(()) };
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT INTO listings (request, levels, skip, most, full) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            request.0,
            listing.levels,
            number(listing.offset),
            listing.count.map(number),
            listing.full,
        ])?;
    Ok(())
}

fn find(connection: &Connection, request: RequestId) -> Result<Option<ListingRow>, StoreError> {
    let number = |n: i64| usize::try_from(n).unwrap_or(0);
    let found = connection
        .prepare_cached("SELECT levels, skip, most, full FROM listings WHERE request = ?1")?
        .query_row([request.0], |row| {
            Ok(ListingRow {
                levels: row.get("levels")?,
                offset: number(row.get("skip")?),
                count: row.get::<_, Option<i64>>("most")?.map(number),
                full: row.get("full")?,
            })
        })
        .optional()?;
    Ok(found)
}
