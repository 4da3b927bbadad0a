//! What goes wrong in the core, in one enum for every door: SOAP turns it into a status code, the
//! HTTP doors into a status line.

use crate::model::{ReturnStatus, StatusCode};

/// What kind of thing went wrong. Doors match it without `_`, so that a new kind does not compile
/// until every door has a word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The credential does not hold, or one is needed and none came.
    Unauthenticated,
    /// Known, and not allowed.
    Denied,
    /// Nothing of that name.
    NotFound,
    /// The directory that should hold it is not there.
    ParentMissing,
    /// A file stands where a directory is needed.
    NotADirectory,
    /// A directory stands where a file is needed.
    IsADirectory,
    /// It is there already.
    Exists,
    /// The directory holds something.
    NotEmpty,
    /// A put on it is not done, or a get pins it.
    Busy,
    /// Somebody's WebDAV lock forbids it.
    Locked,
    /// A WebDAV lock is not to be had beside another one, or is not one of what was asked about.
    LockConflict,
    /// No mapping rule, a host that is not ours, or a path that is none.
    InvalidPath,
    /// The request makes no sense.
    InvalidRequest,
    /// The storage area is full, or a quota of its file system.
    NoFreeSpace,
    /// Its file system is full.
    DiskFull,
    /// A reserved space is full, or a user's share.
    NoUserSpace,
    /// More than there may ever be.
    ExceedAllocation,
    /// The lifetime of a space is over.
    SpaceExpired,
    /// Not offered.
    NotSupported,
    /// An `If-…` condition does not hold.
    Precondition,
    /// The request was aborted meanwhile.
    Aborted,
    /// The request's lifetime is over.
    Expired,
    /// Too much to do: try again.
    Overloaded,
    /// A fault of ours or of the machine.
    Internal,
}

impl ErrorKind {
    /// True where removing files of the area may help.
    pub const fn is_full(self) -> bool {
        matches!(self, ErrorKind::NoFreeSpace | ErrorKind::DiskFull)
    }
}

/// A refusal: its kind, and what, why and what to do, in one line for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{explanation}")]
pub struct Error {
    /// The kind.
    pub kind: ErrorKind,
    /// For people. One line.
    pub explanation: String,
}

impl Error {
    /// An error.
    pub fn new(kind: ErrorKind, explanation: impl Into<String>) -> Self {
        Self { kind, explanation: explanation.into() }
    }

    /// The SRM code.
    pub const fn code(&self) -> StatusCode {
        match self.kind {
            ErrorKind::Unauthenticated => StatusCode::AuthenticationFailure,
            ErrorKind::Denied => StatusCode::AuthorizationFailure,
            ErrorKind::NotFound
            | ErrorKind::ParentMissing
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidPath => StatusCode::InvalidPath,
            ErrorKind::Exists => StatusCode::DuplicationError,
            ErrorKind::NotEmpty => StatusCode::NonEmptyDirectory,
            ErrorKind::Busy | ErrorKind::Locked | ErrorKind::LockConflict => StatusCode::FileBusy,
            ErrorKind::InvalidRequest => StatusCode::InvalidRequest,
            ErrorKind::NoFreeSpace | ErrorKind::DiskFull => StatusCode::NoFreeSpace,
            ErrorKind::NoUserSpace => StatusCode::NoUserSpace,
            ErrorKind::ExceedAllocation => StatusCode::ExceedAllocation,
            ErrorKind::SpaceExpired => StatusCode::SpaceLifetimeExpired,
            ErrorKind::NotSupported => StatusCode::NotSupported,
            ErrorKind::Aborted => StatusCode::Aborted,
            ErrorKind::Expired => StatusCode::FileLifetimeExpired,
            ErrorKind::Precondition => StatusCode::Failure,
            ErrorKind::Overloaded | ErrorKind::Internal => StatusCode::InternalError,
        }
    }
}

impl From<Error> for ReturnStatus {
    fn from(error: Error) -> Self {
        ReturnStatus::new(error.code(), error.explanation)
    }
}
