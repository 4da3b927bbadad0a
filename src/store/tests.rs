//! The store as the core uses it, on a file in a temporary directory.

mod app_passwords;
mod arrivals;
mod contract;
mod durability;
mod leases;
mod model;
mod plans;
mod requests;

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::model::RelPath;

/// A store that dies with its directory.
struct TestStore {
    store: Store,
    dir: TempDir,
}

impl TestStore {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("storm.db"), "a").unwrap();
        Self { store, dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("storm.db")
    }

    /// Drops the store and opens the file anew.
    fn reopen(self) -> Self {
        let Self { store, dir } = self;
        drop(store);
        let store = Store::open(&dir.path().join("storm.db"), "a").unwrap();
        Self { store, dir }
    }
}

impl std::ops::Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

fn token(number: u64) -> RequestToken {
    RequestToken::parse(&format!("00000000-0000-4000-8000-{number:012x}")).unwrap()
}

fn key(path: &str) -> FileKey {
    FileKey { area: Arc::from("DTEAM"), path: RelPath::parse(path).unwrap() }
}

fn request(number: u64, kind: RequestKind) -> RequestRow {
    RequestRow {
        fqans: vec!["/dteam".to_owned(), "/dteam/Role=prod".to_owned()],
        pin_lifetime: 3600,
        ..RequestRow::new(token(number), kind, "/C=IT/CN=Somebody".to_owned(), Millis(1_000))
    }
}

fn file(n: u32, path: &str) -> FileRow {
    FileRow {
        n,
        surl: format!("srm://se/dteam/{path}"),
        key: Some(key(path)),
        state: FileState::Queued,
        code: None,
        explanation: "waits for a worker".to_owned(),
        size: None,
        expected_size: None,
        turl: None,
        expires: None,
        levels: None,
        parent: None,
        source: None,
    }
}

/// `file` moves from `expect` to `state`.
fn change(request: RequestId, expect: FileState, file: &FileRow, state: FileState) -> Advance {
    Advance { request, n: file.n, expect, row: FileRow { state, ..file.clone() } }
}
