//! What a file system cannot remember: requests and their files, spaces, lifetimes, intents.
//! Nothing here is needed to find, list or read a file.
//!
//! One writer thread owns the SQLite connection and commits everything that waits in one durable
//! transaction; readers have connections of their own. SQL stands in this room only.

mod app_passwords;
mod arrivals;
mod asked;
mod checkpoint;
mod dav_locks;
mod leases;
mod listings;
mod numbers;
mod properties;
mod read;
mod records;
mod rows;
mod schema;
mod spaces;
mod sqlite;
mod usage;
mod write;
mod writer;

#[cfg(test)]
mod tests;

pub use app_passwords::AppPasswordRow;
pub use arrivals::Arrival;
pub use dav_locks::DavLock;
pub use leases::{LeaseRow, Lent, LentId, LentRow};
pub use listings::ListingRow;
pub use properties::DeadProperty;
pub use records::{DueFile, FileRecord, RecordChange, RecordDelta};
pub use spaces::{KnownSpace, SpaceGrant, SpaceRow};
pub use sqlite::Store;
pub use usage::{ScanRow, Settled, UsageDelta, UsageRow};

use std::path::PathBuf;

use crate::model::{
    FileKey, FileState, FileStorageType, OverwriteMode, Protocol, RequestKind, RequestToken,
    StatusCode,
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
    /// When work on it begins, where that is later than it came (`deferredStartTime`).
    pub starts: Option<Millis>,
    /// What waits in it is not begun (srmSuspendRequest).
    pub suspended: bool,
    /// The whole request was aborted.
    pub aborted: bool,
    /// The final status, once every file has ended; it never changes again.
    pub ended: Option<(StatusCode, Millis)>,
}

impl RequestRow {
    /// A request of which nothing is said but this.
    pub fn new(token: RequestToken, kind: RequestKind, user: String, created: Millis) -> Self {
        Self {
            token,
            kind,
            user,
            fqans: Vec::new(),
            description: None,
            created,
            deadline: None,
            pin_lifetime: 0,
            file_lifetime: None,
            storage_type: None,
            overwrite: None,
            protocols: Vec::new(),
            space_token: None,
            starts: None,
            suspended: false,
            aborted: false,
            ended: None,
        }
    }
}

/// One file of a request, as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRow {
    /// Place in the request, from 0.
    pub n: u32,
    /// As the client wrote it: what is read or written. For answers only.
    pub surl: String,
    /// Copy: the SURL that is copied to `surl`.
    pub source: Option<String>,
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
    /// Put: `expectedFileSize`. Copy: bytes of the source. Never 0.
    pub expected_size: Option<u64>,
    /// The transfer URL.
    pub turl: Option<(Protocol, String)>,
    /// When pin or TURL ends.
    pub expires: Option<Millis>,
    /// Of a directory whose files are asked for (`dirOption`): how many levels of them; -1 is all.
    pub levels: Option<i32>,
    /// The `n` of the directory in which it was found.
    pub parent: Option<u32>,
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

/// A request, and how many of its files stand where.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The request.
    pub request: RequestRow,
    /// No state twice.
    pub files: Vec<(FileState, u32)>,
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

/// The end of a request: every file of it has ended, and its status never changes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The request.
    pub request: RequestId,
    /// Its final status.
    pub code: StatusCode,
    /// When.
    pub at: Millis,
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
    /// A published file is about to come, go, or get another content.
    Change {
        /// The file.
        key: FileKey,
        /// Bytes it had before; `None`: it was not there.
        before: Option<u64>,
    },
    /// A hidden file may be left over.
    Discard {
        /// The hidden file.
        hidden: FileKey,
    },
    /// A directory gets a hidden name, to be removed with all below it. What it holds still counts
    /// as used.
    RemoveTree {
        /// The directory, under its hidden name.
        hidden: FileKey,
        /// The name it had.
        tree: FileKey,
    },
    /// A file or directory gets a hidden name, so that something else can take its own. It goes once that
    /// is there; else it gets its name back. What it holds still counts as used.
    MakeWay {
        /// It, under its hidden name.
        hidden: FileKey,
        /// The name it had.
        tree: FileKey,
    },
    /// A file or directory of whose files some have records is about to get another name.
    Move {
        /// Its old name.
        from: FileKey,
        /// Its new one.
        to: FileKey,
    },
    /// A directory under a hidden name is to be removed. What it holds no longer counts as used.
    DiscardTree {
        /// The directory.
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
    /// Too much waits to be written. Passing.
    #[error("too much waits for the request database: try again in a moment")]
    Busy,
    /// A newer program wrote it.
    #[error(
        "{} was written by a newer stormd (schema {found}, this one knows {known}): install that \
         version again, or move the file away",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// It could not be opened.
    #[error("cannot open the request database {}: {why}", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// Why.
        why: String,
    },
}
