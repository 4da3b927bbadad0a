//! The life of an asynchronous request and of its files: a pure function, and the only way a state
//! changes.

use std::fmt;

use super::space::wire_enum;
use super::status::StatusCode;

wire_enum! {
    /// `TRequestType`, as far as it is queued here.
    RequestKind {
        /// srmPrepareToPut.
        Put = "PREPARE_TO_PUT",
        /// srmPrepareToGet.
        Get = "PREPARE_TO_GET",
        /// srmBringOnline.
        BringOnline = "BRING_ONLINE",
        /// srmCopy.
        Copy = "COPY",
        /// srmReserveSpace: granted or refused at once, so it has no files.
        ReserveSpace = "RESERVE_SPACE",
        /// srmUpdateSpace: as srmReserveSpace.
        UpdateSpace = "UPDATE_SPACE",
        /// srmChangeSpaceForFiles.
        ChangeSpaceForFiles = "CHANGE_SPACE_FOR_FILES",
        /// srmLs that was not ready in time; its files are the SURLs.
        Ls = "LS",
    }
}

wire_enum! {
    /// `TOverwriteMode`.
    OverwriteMode {
        /// A file that is there is an error.
        Never = "NEVER",
        /// A file that is there is replaced.
        Always = "ALWAYS",
        /// It is replaced when size or checksum differ.
        WhenFilesAreDifferent = "WHEN_FILES_ARE_DIFFERENT",
    }
}

/// The token of an asynchronous request: a UUID in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestToken(String);

impl RequestToken {
    /// Takes a text of the shape `8-4-4-4-12` hex digits, as StoRM does; tokens are compared
    /// exactly, so that upper case is well formed and unknown.
    pub fn parse(text: &str) -> Option<Self> {
        let shape = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        shape.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

wire_enum! {
    /// Where one file of a request stands. The store keeps these names, but for those that are only
    /// shown.
    FileState {
        /// Waits for a worker.
        Queued = "QUEUED",
        /// A worker has it. Only shown, it is queued in the store; but for copies, whose target is
        /// claimed by it.
        InProgress = "INPROGRESS",
        /// Waits, and is not begun until its request is resumed. Only shown, like the one before.
        Suspended = "SUSPENDED",
        /// Put: ready to be written.
        SpaceAvailable = "SPACE_AVAILABLE",
        /// Get: ready to be read.
        Pinned = "PINNED",
        /// Put, change of space, list: done. Bring online: online and pinned.
        Success = "SUCCESS",
        /// Get, bring online: no longer pinned.
        Released = "RELEASED",
        /// Stopped by abort or rm.
        Aborted = "ABORTED",
        /// Failed, with a code of its own.
        Failed = "FAILED",
        /// Put: not done in time.
        Expired = "EXPIRED",
    }
}

impl FileState {
    /// Nothing happens to it any more. A bring-online that succeeded still has a pin to lose, a get
    /// that is pinned too: those have not ended.
    pub const fn is_final(self, kind: RequestKind) -> bool {
        match self {
            FileState::Released | FileState::Aborted | FileState::Failed | FileState::Expired => {
                true
            }
            FileState::Success => !matches!(kind, RequestKind::BringOnline),
            FileState::Queued
            | FileState::InProgress
            | FileState::Suspended
            | FileState::SpaceAvailable
            | FileState::Pinned => false,
        }
    }

    /// The file on disk is kept for it: a put is under way, or it is pinned.
    pub const fn holds(self, kind: RequestKind) -> bool {
        match self {
            FileState::Success => matches!(kind, RequestKind::BringOnline),
            state => state.holds_rights(),
        }
    }

    /// Nobody else may have the file on disk meanwhile: it is held, or a copy under way writes it.
    pub const fn claims(self, kind: RequestKind) -> bool {
        match self {
            FileState::InProgress => matches!(kind, RequestKind::Copy),
            state => state.holds(kind),
        }
    }

    /// No worker is needed any more: the client has what it asked for, or an error.
    pub const fn is_answered(self) -> bool {
        !matches!(self, FileState::Queued | FileState::InProgress | FileState::Suspended)
    }

    /// A TURL is open to its mover.
    pub const fn holds_rights(self) -> bool {
        matches!(self, FileState::SpaceAvailable | FileState::Pinned)
    }

    /// The code that tells this state; a failed file has a code of its own.
    pub const fn code(self) -> Option<StatusCode> {
        Some(match self {
            FileState::Queued => StatusCode::RequestQueued,
            FileState::InProgress => StatusCode::RequestInProgress,
            FileState::Suspended => StatusCode::RequestSuspended,
            FileState::SpaceAvailable => StatusCode::SpaceAvailable,
            FileState::Pinned => StatusCode::FilePinned,
            FileState::Success => StatusCode::Success,
            FileState::Released => StatusCode::Released,
            FileState::Aborted => StatusCode::Aborted,
            FileState::Expired => StatusCode::FileLifetimeExpired,
            FileState::Failed => return None,
        })
    }
}

/// What can happen to one file of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A worker takes it.
    Start,
    /// The worker is through: TURL given, or online.
    Ready,
    /// The worker gives up, or putDone finds the file unusable.
    Fail,
    /// putDone; or a copy is published.
    Done,
    /// The lifetime of pin or TURL is extended.
    Extend,
    /// releaseFiles, or the pin ran out.
    Release,
    /// abortRequest, abortFiles, or the file was removed.
    Abort,
    /// A put was not done in time.
    Expire,
}

/// The event does not fit the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} does not fit a {kind} file in state {state}")]
pub struct NotAllowed {
    /// The request's kind.
    pub kind: RequestKind,
    /// The state the file is in.
    pub state: FileState,
    /// What was to happen.
    pub event: Event,
}

/// The state after `event`, or that it may not happen.
pub fn next(kind: RequestKind, state: FileState, event: Event) -> Result<FileState, NotAllowed> {
    use FileState::*;
    let to = match (event, state, kind) {
        (Event::Start, Queued, _) => InProgress,
        (Event::Ready, Queued | InProgress, RequestKind::Put) => SpaceAvailable,
        (Event::Ready, Queued | InProgress, RequestKind::Get) => Pinned,
        (Event::Done, InProgress, RequestKind::Copy) => Success,
        (Event::Ready, Queued | InProgress, _) => Success,
        (Event::Fail, Queued | InProgress, _) => Failed,
        (Event::Fail | Event::Done, SpaceAvailable, RequestKind::Put) => {
            if matches!(event, Event::Done) { Success } else { Failed }
        }
        (Event::Extend, state, kind) if state.holds(kind) => state,
        (Event::Release, Pinned, RequestKind::Get) => Released,
        (Event::Release, Success, RequestKind::BringOnline) => Released,
        (Event::Release, Queued | InProgress, RequestKind::Get | RequestKind::BringOnline) => {
            Aborted
        }
        (Event::Abort, Queued | InProgress | SpaceAvailable | Pinned, _) => Aborted,
        (Event::Abort, Success, RequestKind::BringOnline) => Aborted,
        (Event::Expire, SpaceAvailable, RequestKind::Put) => Expired,
        _ => return Err(NotAllowed { kind, state, event }),
    };
    Ok(to)
}

/// The request's status from the states and codes of its files (srm-spec 2.2). `aborted` is true
/// once the whole request was aborted while something in it was not done.
pub fn aggregate<'a>(
    files: impl Iterator<Item = (FileState, Option<&'a StatusCode>)>,
    aborted: bool,
) -> StatusCode {
    let (mut total, mut queued, mut open, mut failed, mut stopped) = (0, 0, 0, 0, 0);
    let mut suspended = false;
    let mut common: Option<StatusCode> = None;
    let mut alike = true;
    let mut late = false;
    for (state, code) in files {
        total += 1;
        match state {
            FileState::Queued => {
                queued += 1;
                open += 1;
            }
            FileState::InProgress => open += 1,
            FileState::Suspended => suspended = true,
            FileState::SpaceAvailable
            | FileState::Pinned
            | FileState::Success
            | FileState::Released => {}
            FileState::Aborted => {
                failed += 1;
                stopped += 1;
            }
            FileState::Failed | FileState::Expired => {
                failed += 1;
                let code = code.copied().unwrap_or(StatusCode::Failure);
                alike &= *common.get_or_insert(code) == code;
                late |= code == StatusCode::RequestTimedOut;
            }
        }
    }
    if aborted {
        return StatusCode::Aborted;
    }
    if total == 0 {
        return StatusCode::Failure;
    }
    if suspended {
        return StatusCode::RequestSuspended;
    }
    if queued == total {
        return StatusCode::RequestQueued;
    }
    if open > 0 {
        return StatusCode::RequestInProgress;
    }
    match failed {
        0 => StatusCode::Success,
        n if n < total => StatusCode::PartialSuccess,
        _ if stopped == total => StatusCode::Aborted,
        _ if late => StatusCode::RequestTimedOut,
        // Lifted to the request only when it holds for every file, so that nobody stops polling
        // early.
        _ => match common {
            Some(
                code @ (StatusCode::NoFreeSpace
                | StatusCode::NoUserSpace
                | StatusCode::ExceedAllocation
                | StatusCode::NotSupported
                | StatusCode::SpaceLifetimeExpired),
            ) if alike && stopped == 0 => code,
            _ => StatusCode::Failure,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [RequestKind; 6] = [
        RequestKind::Put,
        RequestKind::Get,
        RequestKind::BringOnline,
        RequestKind::Copy,
        RequestKind::ChangeSpaceForFiles,
        RequestKind::Ls,
    ];
    const EVENTS: [Event; 8] = [
        Event::Start,
        Event::Ready,
        Event::Fail,
        Event::Done,
        Event::Extend,
        Event::Release,
        Event::Abort,
        Event::Expire,
    ];

    proptest! {
        #[test]
        fn an_ended_file_never_changes(
            kind in prop::sample::select(&KINDS[..]),
            events in prop::collection::vec(prop::sample::select(&EVENTS[..]), 0..12),
        ) {
            let mut state = FileState::Queued;
            for event in events {
                match next(kind, state, event) {
                    Ok(to) => {
                        prop_assert!(!state.is_final(kind), "{state} left by {event:?}");
                        prop_assert_ne!(to, FileState::Queued);
                        prop_assert_ne!(to, FileState::Suspended);
                        // What is extended is held, and stays what it is.
                        prop_assert!(event != Event::Extend || (to == state && to.holds(kind)));
                        prop_assert!(!(to.holds(kind) && to.is_final(kind)));
                        prop_assert_eq!(FileState::parse(to.as_str()), Some(to));
                        state = to;
                    }
                    Err(why) => {
                        prop_assert_eq!(why.state, state);
                        // What is held can be extended and aborted.
                        let may = matches!(event, Event::Extend | Event::Abort);
                        prop_assert!(!(may && state.holds(kind)), "{state} not {event:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn put_and_get_end_as_the_standard_says() {
        let put = |s, e| next(RequestKind::Put, s, e);
        assert_eq!(put(FileState::SpaceAvailable, Event::Done), Ok(FileState::Success));
        assert!(put(FileState::Success, Event::Done).is_err());
        assert!(put(FileState::Success, Event::Abort).is_err());
        assert_eq!(put(FileState::SpaceAvailable, Event::Expire), Ok(FileState::Expired));
        let get = |s, e| next(RequestKind::Get, s, e);
        assert_eq!(get(FileState::Pinned, Event::Release), Ok(FileState::Released));
        assert_eq!(get(FileState::Queued, Event::Release), Ok(FileState::Aborted));
    }

    #[test]
    fn aggregates() {
        use FileState::*;
        let of = |files: &[(FileState, Option<StatusCode>)]| {
            aggregate(files.iter().map(|(s, c)| (*s, c.as_ref())), false)
        };
        assert_eq!(of(&[(Queued, None), (Queued, None)]), StatusCode::RequestQueued);
        assert_eq!(of(&[(Queued, None), (Pinned, None)]), StatusCode::RequestInProgress);
        assert_eq!(of(&[(Pinned, None), (Released, None)]), StatusCode::Success);
        assert_eq!(of(&[(Suspended, None), (InProgress, None)]), StatusCode::RequestSuspended);
        let gone = Some(StatusCode::InvalidPath);
        assert_eq!(of(&[(Pinned, None), (Failed, gone)]), StatusCode::PartialSuccess);
        assert_eq!(of(&[(Failed, gone), (Failed, gone)]), StatusCode::Failure);
        let full = Some(StatusCode::NoFreeSpace);
        assert_eq!(of(&[(Failed, full)]), StatusCode::NoFreeSpace);
        assert_eq!(of(&[(InProgress, None), (Failed, full)]), StatusCode::RequestInProgress);
        assert_eq!(of(&[(Aborted, None), (Aborted, None)]), StatusCode::Aborted);
        let late = Some(StatusCode::RequestTimedOut);
        assert_eq!(of(&[(Failed, late), (Failed, gone)]), StatusCode::RequestTimedOut);
        assert_eq!(of(&[(Failed, late), (Pinned, None)]), StatusCode::PartialSuccess);
    }

    #[test]
    fn token_shape() {
        assert!(RequestToken::parse("0a1b2c3d-0000-4000-8000-0123456789ab").is_some());
        for bad in
            ["", "x", "0a1b2c3d-0000-4000-8000-0123456789a", "0a1b2c3d000040008000-0123456789ab-"]
        {
            assert!(RequestToken::parse(bad).is_none());
        }
    }
}
