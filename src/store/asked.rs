//! What is asked of requests beside their states: summaries, tokens, suspension, files that come later.

use std::sync::Arc;

use rusqlite::Connection;

use super::writer::Lane;
use super::{
    Advance, Advanced, FileRow, Millis, RequestId, Store, StoreError, Summary, read, write,
};
use crate::model::{RequestKind, RequestToken};

impl Store {
    /// [`Store::advance`] without an end, and adds `files` to the request in the same transaction,
    /// unless a change was not made.
    pub async fn expand(
        &self,
        request: (RequestId, RequestKind),
        changes: Vec<Advance>,
        files: Vec<FileRow>,
    ) -> Result<Vec<Advanced>, StoreError> {
        let owner = Arc::clone(&self.inner.owner);
        let rows = changes.len() + files.len();
        let work = move |connection: &Connection| {
            write::expand(connection, &owner, &changes, request, &files)
        };
        self.inner.writer.call(Lane::Standing(rows), work).await
    }

    /// Writes down that a request is suspended, and that what waits in it ends at that moment at the
    /// latest; or that it goes on (`None`). One that has ended stays as it is. It has so many files.
    pub async fn suspend(
        &self,
        request: RequestId,
        until: Option<Millis>,
        files: usize,
    ) -> Result<(), StoreError> {
        let work = move |connection: &Connection| write::suspend(connection, request, until);
        self.inner.writer.call(Lane::Standing(files), work).await
    }

    /// The request of that token, whoever owns it, with its files counted; one snapshot.
    pub async fn summary(&self, token: &RequestToken) -> Result<Option<Summary>, StoreError> {
        let token = token.clone();
        self.read(move |connection, _| read::summary(connection, &token)).await
    }

    /// A user's newest requests, with that description or with any; when each came. What others
    /// have here costs nothing.
    pub async fn tokens(
        &self,
        user: &str,
        description: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(RequestToken, Millis)>, StoreError> {
        let (user, description) = (user.to_owned(), description.map(str::to_owned));
        let ask = move |connection: &Connection, _: &str| {
            read::tokens(connection, &user, description.as_deref(), limit)
        };
        self.read(ask).await
    }
}
