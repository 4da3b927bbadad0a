//! What a srmLs with a token asked for.

use rusqlite::{Connection, OptionalExtension, params};

use super::writer::Lane;
use super::{FileRow, RequestId, RequestRow, Store, StoreError, arrivals, write};

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
    /// As [`Store::submit`], with what was asked for, in the same transaction.
    ///
    /// # Errors
    /// As [`Store::submit`].
    pub async fn submit_listing(
        &self,
        request: RequestRow,
        files: Vec<FileRow>,
        listing: ListingRow,
    ) -> Result<RequestId, StoreError> {
        if files.len() > arrivals::STEP {
            let also = move |connection: &Connection, id| insert(connection, id, listing);
            return self.submit_by_steps(request, files, also).await;
        }
        let owner = self.owner();
        let rows = files.len() + 2;
        let work = move |connection: &Connection| {
            let id = write::submit(connection, &owner, &request, &files)?;
            insert(connection, id, listing)?;
            Ok(id)
        };
        self.inner.writer.call(Lane::New(rows), work).await
    }

    /// What a request asked for; `None` where it is no srmLs.
    pub async fn listing(&self, request: RequestId) -> Result<Option<ListingRow>, StoreError> {
        self.read(move |connection, _| find(connection, request)).await
    }
}

fn insert(
    connection: &Connection,
    request: RequestId,
    listing: ListingRow,
) -> Result<(), StoreError> {
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
