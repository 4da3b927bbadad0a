//! What a file system cannot remember: requests and their files, tokens of spaces, intents.
//! Nothing here is needed to find, list or read a file.

use crate::model::{
    FileKey, FileState, FileStorageType, OverwriteMode, Protocol, RequestKind, RequestToken,
    SpaceToken, StatusCode,
};

/// Milliseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

/// Number of a request's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub i64);

/// A request, as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRow {
    /// Its token.
    pub token: RequestToken,
    /// Its kind.
    pub kind: RequestKind,
    /// Who may ask about it: the DN, or `-` for anonymous.
    pub user: String,
    /// The FQANs the user had.
    pub fqans: Vec<String>,
    /// `userRequestDescription`.
    pub description: Option<String>,
    /// When it came.
    pub created: Millis,
    /// When unfinished files are given up (`desiredTotalRequestTime`).
    pub deadline: Option<Millis>,
    /// Seconds a TURL or pin lives, -1 never ends.
    pub pin_lifetime: i64,
    /// Seconds a volatile file lives.
    pub file_lifetime: Option<i64>,
    /// Put: storage type.
    pub storage_type: Option<FileStorageType>,
    /// Put: overwrite mode.
    pub overwrite: Option<OverwriteMode>,
    /// In the order of preference; empty: the area's own.
    pub protocols: Vec<Protocol>,
    /// `targetSpaceToken`.
    pub space_token: Option<String>,
    /// The whole request was aborted.
    pub aborted: bool,
    /// The final status, once every file has ended; it never changes again.
    pub ended: Option<(StatusCode, Millis)>,
}

/// One file of a request, as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRow {
    /// Place in the request, from 0.
    pub n: u32,
    /// As the client wrote it. For answers only.
    pub surl: String,
    /// Where it lies; `None` while it could not be resolved.
    pub key: Option<FileKey>,
    /// Where it stands.
    pub state: FileState,
    /// The code of a failed file.
    pub code: Option<StatusCode>,
    /// For people.
    pub explanation: String,
    /// Get: bytes of the file. Put: bytes published.
    pub size: Option<u64>,
    /// Put: `expectedFileSize`; never 0.
    pub expected_size: Option<u64>,
    /// The transfer URL.
    pub turl: Option<(Protocol, String)>,
    /// When pin or TURL ends.
    pub expires: Option<Millis>,
}

/// A request and its files.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRequest {
    /// Its row.
    pub id: RequestId,
    /// The request.
    pub request: RequestRow,
    /// Its files, by `n`.
    pub files: Vec<FileRow>,
}

/// One change of one file's state, which names the state it expects to find.
#[derive(Clone, Debug, PartialEq)]
pub struct Advance {
    /// The request.
    pub request: RequestId,
    /// The file.
    pub n: u32,
    /// Must be the state now.
    pub expect: FileState,
    /// The whole row as it is to be; `n` and `surl` are not written.
    pub row: FileRow,
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// Done.
    Yes,
    /// The file was in another state; nothing was changed.
    Found(FileState),
    /// Another put on the same file is live (`SPACE_AVAILABLE`); nothing was changed.
    LivePut,
    /// No such file of such a request; nothing was changed.
    Gone,
}

/// Something that is about to be done in several steps, written before the first of them, so that
/// the next start finishes or undoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A hidden file is to be renamed over `target`, or removed.
    Publish {
        /// The hidden file.
        hidden: FileKey,
        /// What it replaces.
        target: FileKey,
    },
    /// A hidden file may be left over.
    Discard {
        /// The hidden file.
        hidden: FileKey,
    },
}

/// Number of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntentId(pub i64);

/// What went wrong in the database.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's word.
    #[error("the request database failed: {0}")]
    Database(String),
    /// A row that does not read.
    #[error("the request database holds a row that does not read: {0}")]
    Corrupt(String),
    /// The writer has ended.
    #[error("the request database is closed")]
    Closed,
}

// The store itself (methods as the core calls them):
//
// impl Store {
//   /// Opens or makes the database file (0600), brings its schema up to date, and starts the writer thread.
//   pub fn open(path: &Path, owner: &str) -> Result<Store, StoreError>;
//   /// One durable transaction: request, files. The token is on disk when this returns.
//   pub async fn submit(&self, request: RequestRow, files: Vec<FileRow>) -> Result<RequestId, StoreError>;
//   /// One durable transaction for all; an outcome per change. `end` freezes the request's status in the same transaction.
//   pub async fn advance(&self, changes: Vec<Advance>, end: Option<End>) -> Result<Vec<Advanced>, StoreError>;
//   /// By token, of any owner. One indexed read.
//   pub async fn load(&self, token: &RequestToken) -> Result<Option<StoredRequest>, StoreError>;
//   /// Own requests that have a file which has not ended; for the start. In pages by id.
//   pub async fn unfinished(&self, after: RequestId, limit: usize) -> Result<Vec<StoredRequest>, StoreError>;
//   /// Own files whose expiry is due, soonest first.
//   pub async fn due(&self, now: Millis, limit: usize) -> Result<Vec<(RequestToken, u32)>, StoreError>;
//   /// When the next own file's expiry is due.
//   pub async fn next_due(&self) -> Result<Option<Millis>, StoreError>;
//   /// Removes requests that ended before; how many. Small steps.
//   pub async fn purge(&self, ended_before: Millis, limit: usize) -> Result<usize, StoreError>;
//   /// The token of an area's own space: made once, the same for ever.
//   pub async fn area_token(&self, area: &str) -> Result<SpaceToken, StoreError>;
//   pub async fn write_intent(&self, intent: Intent) -> Result<IntentId, StoreError>;
//   pub async fn clear_intent(&self, id: IntentId) -> Result<(), StoreError>;   (not waited for durably)
//   pub async fn intents(&self) -> Result<Vec<(IntentId, Intent)>, StoreError>;
// }
#[allow(dead_code)]
type Unused = SpaceToken;
