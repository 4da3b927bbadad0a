//! Numbers of requests. They are taken from the database by blocks, so that a request has its number
//! before anything of it is written, and nobody waits for that.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension};
use tokio::sync::Mutex;

use super::writer::Lane;
use super::{RequestId, Store, StoreError};

/// Numbers taken at once; a stop loses those that are left.
const BLOCK: i64 = 1024;

/// Those that are left of a block.
pub(super) type Numbers = Mutex<Range<i64>>;

impl Store {
    /// A number that no other request gets, of this daemon or another: for
    /// [`Store::submit_numbered`].
    ///
    /// # Errors
    /// [`StoreError::Busy`] at once when too much waits.
    pub async fn number(&self) -> Result<RequestId, StoreError> {
        let mut left = self.inner.numbers.lock().await;
        if left.is_empty() {
            // What is durable later makes it durable too.
            *left = self.inner.writer.call_soft(Lane::Part(0), take).await?;
        }
        let next = left.next().map(RequestId);
        next.ok_or_else(|| StoreError::Database("there are no more numbers".to_owned()))
    }
}

fn take(connection: &Connection) -> Result<Range<i64>, StoreError> {
    let move_on = "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'requests' RETURNING seq";
    let moved: Option<i64> =
        connection.prepare_cached(move_on)?.query_row([BLOCK], |row| row.get(0)).optional()?;
    let last = match moved {
        Some(last) => last,
        // The first request of all.
        None => {
            let begin = "INSERT INTO sqlite_sequence (name, seq) VALUES ('requests', ?1)";
            connection.execute(begin, [BLOCK])?;
            BLOCK
        }
    };
    Ok(last - BLOCK + 1..last + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn no_two_are_alike_also_of_two_daemons_and_after_a_start() {
        let dir = tempfile::tempdir().unwrap();
        let open = |owner| Store::open(&dir.path().join("stormd.db"), owner).unwrap();
        let mut seen = BTreeSet::new();
        for _ in 0..2 {
            let (ours, theirs) = (open("a"), open("b"));
            for _ in 0..BLOCK + 1 {
                assert!(seen.insert(ours.number().await.unwrap()));
                assert!(seen.insert(theirs.number().await.unwrap()));
            }
        }
        let (first, last) = (seen.first().unwrap(), seen.last().unwrap());
        assert_eq!((first.0, last.0), (1, 7 * BLOCK + 1));
    }
}
