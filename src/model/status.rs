//! SRM v2.2 status codes and the status that every answer carries.

use std::fmt;

macro_rules! status_codes {
    ($($(#[$doc:meta])* $variant:ident = $wire:literal,)*) => {
        /// `TStatusCode` of SRM v2.2, in the order of the WSDL.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum StatusCode { $($(#[$doc])* $variant,)* }

        impl StatusCode {
            /// Every code, in the order of the WSDL.
            pub const ALL: &'static [StatusCode] = &[$(StatusCode::$variant,)*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(StatusCode::$variant => $wire,)* }
            }

            /// The code of that wire name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($wire => Some(StatusCode::$variant),)* _ => None }
            }
        }
    };
}

status_codes! {
    /// Done as asked.
    Success = "SRM_SUCCESS",
    /// Failed; the explanation says why.
    Failure = "SRM_FAILURE",
    /// It is not known who asks.
    AuthenticationFailure = "SRM_AUTHENTICATION_FAILURE",
    /// It is known who asks, and he may not.
    AuthorizationFailure = "SRM_AUTHORIZATION_FAILURE",
    /// The request makes no sense as it stands.
    InvalidRequest = "SRM_INVALID_REQUEST",
    /// No such path, or of the wrong kind.
    InvalidPath = "SRM_INVALID_PATH",
    /// The file's lifetime is over.
    FileLifetimeExpired = "SRM_FILE_LIFETIME_EXPIRED",
    /// The space's lifetime is over.
    SpaceLifetimeExpired = "SRM_SPACE_LIFETIME_EXPIRED",
    /// More than the space may ever hold.
    ExceedAllocation = "SRM_EXCEED_ALLOCATION",
    /// The user's space is full.
    NoUserSpace = "SRM_NO_USER_SPACE",
    /// The storage area is full.
    NoFreeSpace = "SRM_NO_FREE_SPACE",
    /// It is there already.
    DuplicationError = "SRM_DUPLICATION_ERROR",
    /// The directory holds something.
    NonEmptyDirectory = "SRM_NON_EMPTY_DIRECTORY",
    /// More entries than one answer takes.
    TooManyResults = "SRM_TOO_MANY_RESULTS",
    /// A passing fault: try again.
    InternalError = "SRM_INTERNAL_ERROR",
    /// A lasting fault of the server.
    FatalInternalError = "SRM_FATAL_INTERNAL_ERROR",
    /// Not offered here.
    NotSupported = "SRM_NOT_SUPPORTED",
    /// Waiting for a worker.
    RequestQueued = "SRM_REQUEST_QUEUED",
    /// Being worked on.
    RequestInProgress = "SRM_REQUEST_INPROGRESS",
    /// Suspended by its owner.
    RequestSuspended = "SRM_REQUEST_SUSPENDED",
    /// Aborted.
    Aborted = "SRM_ABORTED",
    /// Released.
    Released = "SRM_RELEASED",
    /// Ready to be read.
    FilePinned = "SRM_FILE_PINNED",
    /// On disk, but no longer pinned.
    FileInCache = "SRM_FILE_IN_CACHE",
    /// Ready to be written.
    SpaceAvailable = "SRM_SPACE_AVAILABLE",
    /// Less was granted than asked.
    LowerSpaceGranted = "SRM_LOWER_SPACE_GRANTED",
    /// Done.
    Done = "SRM_DONE",
    /// Some files went well, some did not.
    PartialSuccess = "SRM_PARTIAL_SUCCESS",
    /// The request's time is over.
    RequestTimedOut = "SRM_REQUEST_TIMED_OUT",
    /// The last copy is not removed.
    LastCopy = "SRM_LAST_COPY",
    /// Somebody writes it.
    FileBusy = "SRM_FILE_BUSY",
    /// Gone for good.
    FileLost = "SRM_FILE_LOST",
    /// Not to be had for the moment.
    FileUnavailable = "SRM_FILE_UNAVAILABLE",
    /// See the explanation.
    CustomStatus = "SRM_CUSTOM_STATUS",
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `TReturnStatus`: a code and what it means here. The explanation is always filled, also on
/// success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnStatus {
    /// The code.
    pub code: StatusCode,
    /// For people: what, why, and what to do.
    pub explanation: String,
}

impl ReturnStatus {
    /// A status.
    pub fn new(code: StatusCode, explanation: impl Into<String>) -> Self {
        Self { code, explanation: explanation.into() }
    }

    /// `SRM_SUCCESS`.
    pub fn success(explanation: impl Into<String>) -> Self {
        Self::new(StatusCode::Success, explanation)
    }

    /// `SRM_INVALID_REQUEST`.
    pub fn invalid_request(explanation: impl Into<String>) -> Self {
        Self::new(StatusCode::InvalidRequest, explanation)
    }

    /// `SRM_NOT_SUPPORTED`.
    pub fn not_supported(explanation: impl Into<String>) -> Self {
        Self::new(StatusCode::NotSupported, explanation)
    }

    /// `SRM_INTERNAL_ERROR`: a passing fault.
    pub fn internal(explanation: impl Into<String>) -> Self {
        Self::new(StatusCode::InternalError, explanation)
    }
}

impl fmt::Display for ReturnStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.explanation)
    }
}
