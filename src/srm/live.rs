//! One request in memory: what status calls read, and whose turn it is to change it.

mod pick;
mod rest;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::spaces::hold::Hold;
use crate::model::{
    FileState, OverwriteMode, RequestKind, RequestToken, ReturnStatus, StatusCode, aggregate,
};
use crate::store::{FileRow, RequestId, RequestRow, StoredRequest};

pub(super) use rest::Parked;

/// How long a put whose TURL's lifetime ran out while its data came still waits for srmPutDone.
const TIME_FOR_DONE: Duration = Duration::from_secs(10);

/// A request that has not ended, or ended a moment ago.
pub(super) struct Live {
    pub(super) id: RequestId,
    /// As submitted. What changes afterwards stands in the state.
    pub(super) request: RequestRow,
    /// Held by whoever changes files of this request, from looking at them until the store has
    /// taken the change. Who also locks a file ([`super::Locks`]) does that first.
    pub(super) turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    answered: watch::Sender<bool>,
}

struct State {
    /// Shared with who reads them: a status call of 10,000 files copies none of their texts.
    files: Vec<Arc<FileRow>>,
    /// How many have not ended.
    open: usize,
    /// How many have no answer yet.
    waiting: usize,
    /// Uploads under way through our own doors, per file.
    uploads: HashMap<u32, u32>,
    /// Room that is kept for live puts.
    holds: HashMap<u32, Arc<Hold>>,
    /// When the last upload of a file ended.
    upload_ends: HashMap<u32, Instant>,
    /// Files that data came for, or may have come for before a restart: a put of them whose
    /// hidden file is gone has lost something.
    uploaded: HashSet<u32>,
    /// Files that a worker has in hand.
    in_hand: HashSet<u32>,
    /// What waits is not begun.
    suspended: bool,
    /// Files whose turn came while they had to rest.
    parked: Vec<Parked>,
    aborted: bool,
    /// The request's status once every file had its answer: later it changes by abort alone.
    settled: Option<StatusCode>,
    ended: bool,
}

impl Live {
    pub(super) fn new(stored: StoredRequest) -> Arc<Self> {
        let live = Self::bare(stored.id, stored.request);
        live.fill(stored.files.into_iter().map(Arc::new).collect());
        live
    }

    /// A request whose files [`Live::fill`] brings, once it is known how they are.
    pub(super) fn bare(id: RequestId, request: RequestRow) -> Arc<Self> {
        let state = State {
            open: 0,
            waiting: 0,
            files: Vec::new(),
            uploads: HashMap::new(),
            holds: HashMap::new(),
            upload_ends: HashMap::new(),
            uploaded: HashSet::new(),
            in_hand: HashSet::new(),
            suspended: request.suspended,
            parked: Vec::new(),
            aborted: request.aborted,
            settled: request.ended.map(|(code, _)| code),
            ended: request.ended.is_some(),
        };
        let (answered, _) = watch::channel(false);
        let (turn, state) = (tokio::sync::Mutex::new(()), Mutex::new(state));
        Arc::new(Self { id, request, turn, state, answered })
    }

    /// All files of a request that has none yet.
    pub(super) fn fill(&self, files: Vec<Arc<FileRow>>) {
        let kind = self.kind();
        let mut state = self.lock();
        state.open = files.iter().filter(|file| !file.state.is_final(kind)).count();
        state.waiting = files.iter().filter(|file| !file.state.is_answered()).count();
        state.files = files;
        state.settle(kind);
        self.answered.send_replace(state.waiting == 0);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kind(&self) -> RequestKind {
        self.request.kind
    }

    /// What is done where a file stands already.
    pub(super) fn overwrite(&self) -> OverwriteMode {
        self.request.overwrite.unwrap_or(OverwriteMode::Never)
    }

    pub(super) fn token(&self) -> &RequestToken {
        &self.request.token
    }

    /// All files: those that were found in a directory behind it. One that a worker has in hand
    /// shows as in progress, one that waits in a suspended request as suspended.
    pub(super) fn files(&self) -> Vec<Arc<FileRow>> {
        let state = self.lock();
        let mut files = state.files.clone();
        for file in &mut files {
            let shown = state.shown(file);
            if shown != file.state {
                Arc::make_mut(file).state = shown;
            }
        }
        // Mostly in this order already.
        files.sort_by_key(|file| (file.parent.unwrap_or(file.n), file.n));
        files
    }

    /// How many files are in each state, as it is shown.
    pub(super) fn tally(&self) -> HashMap<FileState, u32> {
        let state = self.lock();
        let mut tally = HashMap::new();
        for file in &state.files {
            *tally.entry(state.shown(file)).or_default() += 1;
        }
        tally
    }

    /// How many files.
    pub(super) fn len(&self) -> usize {
        self.lock().files.len()
    }

    /// One file, as the store has it.
    pub(super) fn file(&self, n: u32) -> Option<Arc<FileRow>> {
        self.lock().files.get(n as usize).cloned()
    }

    /// Status and files of the first answer: what is there after `limit`. Without a limit the
    /// request is told as queued, however fast the workers are.
    pub(super) async fn first_answer(
        &self,
        limit: Duration,
    ) -> (ReturnStatus, Vec<(String, Option<Arc<FileRow>>)>) {
        if limit.is_zero() {
            let as_submitted = |mut file: Arc<FileRow>| {
                if file.state != FileState::Queued {
                    let file = Arc::make_mut(&mut file);
                    (file.state, file.code, file.turl, file.size) =
                        (FileState::Queued, None, None, None);
                    file.explanation.clear();
                }
                (file.surl.clone(), Some(file))
            };
            let files = self.files().into_iter().filter(|file| file.parent.is_none());
            let files = files.map(as_submitted).collect();
            return (self.told(StatusCode::RequestQueued), files);
        }
        if !self.is_deferred() {
            self.wait_answered(limit).await;
        }
        (self.status(), self.pick(None, |_| None))
    }

    /// The request's own status.
    pub(super) fn status(&self) -> ReturnStatus {
        self.told(self.lock().code())
    }

    fn told(&self, code: StatusCode) -> ReturnStatus {
        told(self.kind(), code)
    }

    /// No worker is needed any more.
    pub(super) fn is_answered(&self) -> bool {
        self.lock().waiting == 0
    }

    pub(super) fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Takes in files that came to the request.
    pub(super) fn add(&self, files: Vec<FileRow>) {
        let kind = self.kind();
        let mut state = self.lock();
        state.open += files.iter().filter(|file| !file.state.is_final(kind)).count();
        state.waiting += files.iter().filter(|file| !file.state.is_answered()).count();
        state.files.extend(files.into_iter().map(Arc::new));
    }

    pub(super) fn begin_upload(&self, n: u32) {
        *self.lock().uploads.entry(n).or_default() += 1;
    }

    pub(super) fn end_upload(&self, n: u32) {
        let mut state = self.lock();
        if let Some(count) = state.uploads.get_mut(&n) {
            *count -= 1;
            if *count == 0 {
                state.uploads.remove(&n);
                state.upload_ends.insert(n, Instant::now());
            }
        }
    }

    /// Keeps room for a put until it ends.
    pub(super) fn keep_room(&self, n: u32, hold: Hold) {
        self.lock().holds.insert(n, Arc::new(hold));
    }

    /// The room that is kept for a put.
    pub(super) fn hold(&self, n: u32) -> Option<Arc<Hold>> {
        self.lock().holds.get(&n).cloned()
    }

    /// A put does not become live after all.
    pub(super) fn give_room_back(&self, n: u32) {
        self.lock().holds.remove(&n);
    }

    /// Remembers whether there should be data of a put through our own doors.
    pub(super) fn set_uploaded(&self, n: u32, uploaded: bool) {
        let mut state = self.lock();
        if uploaded {
            state.uploaded.insert(n);
        } else {
            state.uploaded.remove(&n);
        }
    }

    pub(super) fn is_uploaded(&self, n: u32) -> bool {
        self.lock().uploaded.contains(&n)
    }

    pub(super) fn is_uploading(&self, n: u32) -> bool {
        self.lock().uploads.contains_key(&n)
    }

    /// Whether the lifetime of this put's TURL may end it: not while data comes, nor before its
    /// writer had time to say srmPutDone.
    pub(super) fn may_expire(&self, n: u32) -> bool {
        let state = self.lock();
        !state.uploads.contains_key(&n)
            && state.upload_ends.get(&n).is_none_or(|end| end.elapsed() >= TIME_FOR_DONE)
    }

    /// What the request's end is once `changed` holds; `None` while a file has not ended.
    pub(super) fn end_with(&self, changed: &[FileRow], abort: bool) -> Option<StatusCode> {
        let state = self.lock();
        let ending = changed.iter().filter(|row| row.state.is_final(self.kind())).count();
        if state.ended || ending < state.open {
            return None;
        }
        if state.aborted || abort {
            return Some(StatusCode::Aborted);
        }
        if state.settled.is_some() {
            return state.settled;
        }
        let mut files = state.files.clone();
        for row in changed {
            if let Some(file) = files.get_mut(row.n as usize) {
                *file = Arc::new(row.clone());
            }
        }
        Some(of_answered(self.kind(), &files))
    }

    /// Takes over what the store has taken.
    pub(super) fn apply(&self, changed: &[FileRow], abort: bool, ended: bool) {
        let kind = self.kind();
        let mut guard = self.lock();
        let state = &mut *guard;
        for row in changed {
            // A copy that has begun is still in its worker's hand.
            if row.state.is_answered() {
                state.in_hand.remove(&row.n);
            }
            if !row.state.claims(kind) {
                state.holds.remove(&row.n);
            }
            if let Some(file) = state.files.get_mut(row.n as usize) {
                state.open -= usize::from(!file.state.is_final(kind) && row.state.is_final(kind));
                state.waiting -= usize::from(!file.state.is_answered() && row.state.is_answered());
                *file = Arc::new(row.clone());
            }
        }
        state.aborted |= abort;
        state.ended |= ended;
        state.settle(kind);
        let answered = state.waiting == 0;
        // Nothing is left of it to be begun. Its places are given back outside the lock.
        let parked = if answered { std::mem::take(&mut state.parked) } else { Vec::new() };
        drop(guard);
        drop(parked);
        self.answered.send_replace(answered);
    }

    /// It could not be written down: whoever came upon it finds nothing to change.
    pub(super) fn withdraw(&self) {
        self.lock().ended = true;
    }

    /// Waits until every file has its answer, or `limit` is over.
    async fn wait_answered(&self, limit: Duration) {
        let mut watcher = self.answered.subscribe();
        // Whether it timed out does not matter: the answer tells what is there.
        let _ = tokio::time::timeout(limit, watcher.wait_for(|answered| *answered)).await;
    }
}

impl State {
    fn settle(&mut self, kind: RequestKind) {
        if self.settled.is_none() && self.waiting == 0 {
            self.settled = Some(of_answered(kind, &self.files));
        }
    }

    fn code(&self) -> StatusCode {
        if self.aborted {
            return StatusCode::Aborted;
        }
        if let Some(code) = self.settled {
            return code;
        }
        aggregate(self.files.iter().map(|file| (self.shown(file), file.code.as_ref())), false)
    }

    /// The state that is told of a file.
    fn shown(&self, file: &FileRow) -> FileState {
        match file.state {
            FileState::Queued | FileState::InProgress if self.in_hand.contains(&file.n) => {
                FileState::InProgress
            }
            FileState::Queued | FileState::InProgress if self.suspended => FileState::Suspended,
            state => state,
        }
    }
}

/// The status at the moment when the last file had its answer, which stays. A file with a key was
/// made ready then, whatever became of it later: so it is the same after a restart. A copy has its
/// answer at its end.
fn of_answered(kind: RequestKind, files: &[Arc<FileRow>]) -> StatusCode {
    let then = |file: &'_ Arc<FileRow>| match file.key {
        Some(_) if kind != RequestKind::Copy => FileState::Success,
        _ => file.state,
    };
    aggregate(files.iter().map(|file| (then(file), file.code.as_ref())), false)
}

/// A request's status, in words.
pub(super) fn told(kind: RequestKind, code: StatusCode) -> ReturnStatus {
    ReturnStatus::new(code, explain(kind, code))
}

pub(super) fn explain(kind: RequestKind, code: StatusCode) -> &'static str {
    match code {
        StatusCode::Success => match kind {
            RequestKind::Put => "all files are ready to be written, or done",
            RequestKind::Get => "all files are ready to be read, or released",
            RequestKind::BringOnline => "all files are online, or released",
            RequestKind::Copy => "all files are done",
            RequestKind::ReserveSpace => "Space Reservation done",
            RequestKind::UpdateSpace => "the space is as it was asked for",
            RequestKind::ChangeSpaceForFiles => "all files are in the space",
            RequestKind::Ls => "the list is ready",
        },
        StatusCode::PartialSuccess => "some files failed: look at the status of each",
        StatusCode::Failure => "all files failed: look at the status of each",
        StatusCode::RequestQueued => "the request waits for a worker: ask again",
        StatusCode::RequestSuspended => "what waits in the request is suspended: srmResumeRequest",
        StatusCode::RequestInProgress => "the request is being worked on: ask again",
        StatusCode::Aborted => "the request was aborted",
        StatusCode::NoFreeSpace => "there is no room for any of the files",
        StatusCode::RequestTimedOut => "desiredTotalRequestTime is over: what was not ready failed",
        StatusCode::NoUserSpace => "no room of yours is left for any file: see the status of each",
        StatusCode::ExceedAllocation => "each of the files is larger than the space",
        StatusCode::SpaceLifetimeExpired => "the lifetime of the space is over",
        StatusCode::LowerSpaceGranted => "less was granted than asked: see the sizes",
        StatusCode::NotSupported if matches!(kind, RequestKind::Copy) => {
            "copies from and to other sites are not offered"
        }
        StatusCode::NotSupported => {
            "no file can be had as it was asked for: see the status of each"
        }
        _ => "look at the status of each file",
    }
}
