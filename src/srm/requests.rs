//! The requests of this daemon that have not ended, in memory: what status calls read, and the
//! index that says which file is being put and which is pinned. The store is written first, this
//! after it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::model::{
    FileKey, FileState, RelPath, RequestKind, RequestToken, ReturnStatus, StatusCode, aggregate,
};
use crate::store::{FileRow, Millis, RequestId, RequestRow, StoredRequest};

/// Ended requests that are kept in memory for status calls that come right after the end.
const ENDED_KEPT: usize = 4096;

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
    files: Vec<FileRow>,
    /// Uploads under way through our own doors, per file.
    uploads: HashMap<u32, u32>,
    /// Files that data came for, or may have come for before a restart: a put of them whose
    /// hidden file is gone has lost something.
    uploaded: HashSet<u32>,
    /// Files that a worker has in hand.
    in_hand: Vec<u32>,
    aborted: bool,
    /// The request's status once every file had its answer: later it changes by abort alone.
    settled: Option<StatusCode>,
    ended: bool,
}

impl Live {
    pub(super) fn new(stored: StoredRequest) -> Arc<Self> {
        let settled = stored.request.ended.map(|(code, _)| code);
        let ended = stored.request.ended.is_some();
        let mut state = State {
            files: stored.files,
            uploads: HashMap::new(),
            uploaded: HashSet::new(),
            in_hand: Vec::new(),
            aborted: stored.request.aborted,
            settled,
            ended,
        };
        state.settle();
        let (answered, _) = watch::channel(state.is_answered());
        Arc::new(Self {
            id: stored.id,
            request: stored.request,
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
            answered,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kind(&self) -> RequestKind {
        self.request.kind
    }

    pub(super) fn token(&self) -> &RequestToken {
        &self.request.token
    }

    /// A copy of all files. A file that a worker has in hand shows as in progress.
    pub(super) fn files(&self) -> Vec<FileRow> {
        let state = self.lock();
        let mut files = state.files.clone();
        for n in &state.in_hand {
            if let Some(file) = files.get_mut(*n as usize)
                && file.state == FileState::Queued
            {
                file.state = FileState::InProgress;
            }
        }
        files
    }

    /// A copy of one file, as the store has it.
    pub(super) fn file(&self, n: u32) -> Option<FileRow> {
        self.lock().files.get(n as usize).cloned()
    }

    /// The files that some of `surls` name, in their order; `None` for one not in the request.
    /// Without `surls`: all.
    pub(super) fn pick(
        &self,
        surls: Option<&[String]>,
        same: impl Fn(&str, &FileRow) -> bool,
    ) -> Vec<(String, Option<FileRow>)> {
        let files = self.files();
        let Some(surls) = surls else {
            return files.into_iter().map(|f| (f.surl.clone(), Some(f))).collect();
        };
        // Exact text first: that is what clients send, and it costs one look-up each.
        let mut by_text: HashMap<&str, usize> = HashMap::new();
        for (at, file) in files.iter().enumerate() {
            by_text.entry(file.surl.as_str()).or_insert(at);
        }
        surls
            .iter()
            .map(|surl| {
                let at = by_text
                    .get(surl.as_str())
                    .copied()
                    .or_else(|| files.iter().position(|file| same(surl, file)));
                (surl.clone(), at.map(|at| files[at].clone()))
            })
            .collect()
    }

    /// The request's own status.
    pub(super) fn status(&self) -> ReturnStatus {
        let state = self.lock();
        let code = state.code();
        ReturnStatus::new(code, explain(self.kind(), code))
    }

    pub(super) fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Marks files as being worked on, for status calls.
    pub(super) fn take_in_hand(&self, files: &[u32]) {
        self.lock().in_hand.extend_from_slice(files);
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
            }
        }
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

    /// What the request's end would be if its files were `files`; `None` while one has not ended.
    pub(super) fn end_with(&self, changed: &[FileRow], abort: bool) -> Option<StatusCode> {
        let state = self.lock();
        if state.ended {
            return None;
        }
        let mut files = state.files.clone();
        for row in changed {
            if let Some(file) = files.get_mut(row.n as usize) {
                *file = row.clone();
            }
        }
        if !files.iter().all(|file| file.state.is_final(self.request.kind)) {
            return None;
        }
        if state.aborted || abort {
            return Some(StatusCode::Aborted);
        }
        Some(state.settled.unwrap_or_else(|| of_files(&files)))
    }

    /// Takes over what the store has taken.
    fn apply(&self, changed: &[FileRow], abort: bool, ended: bool) {
        let mut state = self.lock();
        for row in changed {
            state.in_hand.retain(|n| *n != row.n);
            if let Some(file) = state.files.get_mut(row.n as usize) {
                *file = row.clone();
            }
        }
        state.aborted |= abort;
        state.ended |= ended;
        state.settle();
        let answered = state.is_answered();
        drop(state);
        self.answered.send_replace(answered);
    }

    /// Waits until every file has its answer, or `limit` is over.
    pub(super) async fn wait_answered(&self, limit: Duration) {
        let mut watcher = self.answered.subscribe();
        // Whether it timed out does not matter: the answer tells what is there.
        let _ = tokio::time::timeout(limit, watcher.wait_for(|answered| *answered)).await;
    }
}

impl State {
    fn is_answered(&self) -> bool {
        self.files.iter().all(|file| file.state.is_answered())
    }

    fn settle(&mut self) {
        if self.settled.is_none() && self.is_answered() {
            self.settled = Some(of_files(&self.files));
        }
    }

    fn code(&self) -> StatusCode {
        if self.aborted {
            return StatusCode::Aborted;
        }
        if let Some(code) = self.settled {
            return code;
        }
        match of_files(&self.files) {
            StatusCode::RequestQueued if !self.in_hand.is_empty() => StatusCode::RequestInProgress,
            code => code,
        }
    }
}

fn of_files(files: &[FileRow]) -> StatusCode {
    aggregate(files.iter().map(|file| (file.state, file.code.as_ref())), false)
}

fn explain(kind: RequestKind, code: StatusCode) -> &'static str {
    match code {
        StatusCode::Success => match kind {
            RequestKind::Put => "all files are ready to be written, or done",
            RequestKind::Get => "all files are ready to be read, or released",
            RequestKind::BringOnline | RequestKind::Copy => "all files are done",
        },
        StatusCode::PartialSuccess => "some files failed: look at the status of each",
        StatusCode::Failure => "all files failed: look at the status of each",
        StatusCode::RequestQueued => "the request waits for a worker: ask again",
        StatusCode::RequestInProgress => "the request is being worked on: ask again",
        StatusCode::Aborted => "the request was aborted",
        StatusCode::NoFreeSpace => "there is no room for any of the files",
        StatusCode::NotSupported => "no transfer protocol in common for any of the files",
        _ => "look at the status of each file",
    }
}

/// Which file of which request.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) live: Arc<Live>,
    pub(super) n: u32,
}

impl Holder {
    fn is(&self, live: &Live, n: u32) -> bool {
        self.n == n && self.live.id == live.id
    }
}

/// All of them.
pub(super) struct Requests {
    index: Mutex<Index>,
    /// Counts removals, renames and publications: who looked at a file before one of them looks
    /// again.
    epoch: AtomicU64,
}

#[derive(Default)]
struct Index {
    by_token: HashMap<RequestToken, Arc<Live>>,
    /// Live puts (SPACE_AVAILABLE), at most one per file.
    puts: BTreeMap<FileKey, Holder>,
    /// Pinned gets.
    pins: BTreeMap<FileKey, Vec<Holder>>,
    ended: VecDeque<RequestToken>,
}

/// Why a file can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Another put on it is not done.
    Put,
    /// A get pins it.
    Pin,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self { index: Mutex::default(), epoch: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a request that was just submitted, or loaded at start.
    pub(super) fn insert(&self, live: &Arc<Live>) {
        let mut index = self.lock();
        index.by_token.insert(live.token().clone(), Arc::clone(live));
        for file in live.files() {
            let Some(key) = file.key else { continue };
            let holder = Holder { live: Arc::clone(live), n: file.n };
            match file.state {
                FileState::SpaceAvailable => {
                    index.puts.insert(key, holder);
                }
                FileState::Pinned => index.pins.entry(key).or_default().push(holder),
                _ => {}
            }
        }
    }

    pub(super) fn find(&self, token: &RequestToken) -> Option<Arc<Live>> {
        self.lock().by_token.get(token).cloned()
    }

    /// Reserves a file for a put that is about to become live.
    pub(super) fn claim_put(
        &self,
        live: &Arc<Live>,
        n: u32,
        key: &FileKey,
        over_pins: bool,
    ) -> Result<(), Taken> {
        let mut index = self.lock();
        if index.puts.contains_key(key) {
            return Err(Taken::Put);
        }
        if !over_pins && index.pins.contains_key(key) {
            return Err(Taken::Pin);
        }
        index.puts.insert(key.clone(), Holder { live: Arc::clone(live), n });
        Ok(())
    }

    /// Reserves a file for a get that is about to be pinned.
    pub(super) fn claim_pin(&self, live: &Arc<Live>, n: u32, key: &FileKey) -> Result<(), Taken> {
        let mut index = self.lock();
        if index.puts.contains_key(key) {
            return Err(Taken::Put);
        }
        index.pins.entry(key.clone()).or_default().push(Holder { live: Arc::clone(live), n });
        Ok(())
    }

    /// Gives back what [`Requests::claim_put`] or [`Requests::claim_pin`] took.
    pub(super) fn unclaim(&self, live: &Live, n: u32, key: &FileKey) {
        self.lock().forget(live, n, key);
    }

    pub(super) fn put_on(&self, key: &FileKey) -> Option<Holder> {
        self.lock().puts.get(key).cloned()
    }

    pub(super) fn pins_on(&self, key: &FileKey) -> Vec<Holder> {
        self.lock().pins.get(key).cloned().unwrap_or_default()
    }

    pub(super) fn is_pinned(&self, key: &FileKey) -> bool {
        self.lock().pins.contains_key(key)
    }

    /// Live puts on files right below a directory: listings show them.
    pub(super) fn puts_in(&self, area: &Arc<str>, directory: &RelPath) -> Vec<FileKey> {
        self.puts_below(area, directory)
            .into_iter()
            .filter(|key| key.path.parent().as_ref() == Some(directory))
            .collect()
    }

    /// Live puts on files anywhere below a directory.
    pub(super) fn puts_below(&self, area: &Arc<str>, directory: &RelPath) -> Vec<FileKey> {
        let index = self.lock();
        let first = FileKey { area: Arc::clone(area), path: directory.clone() };
        index
            .puts
            .range(first..)
            .take_while(|(key, _)| {
                key.area == *area && key.path.as_str().starts_with(directory.as_str())
            })
            .filter(|(key, _)| key.path.is_within(directory) && key.path != *directory)
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Pinned gets on files anywhere below a directory.
    pub(super) fn pins_below(&self, area: &Arc<str>, directory: &RelPath) -> Vec<Holder> {
        let index = self.lock();
        let first = FileKey { area: Arc::clone(area), path: directory.clone() };
        index
            .pins
            .range(first..)
            .take_while(|(key, _)| {
                key.area == *area && key.path.as_str().starts_with(directory.as_str())
            })
            .filter(|(key, _)| key.path.is_within(directory))
            .flat_map(|(_, holders)| holders.iter().cloned())
            .collect()
    }

    /// Takes over changes the store has taken: the request's files first, then the index.
    pub(super) fn apply(&self, live: &Arc<Live>, changed: &[FileRow], abort: bool, ended: bool) {
        live.apply(changed, abort, ended);
        let mut index = self.lock();
        for file in changed {
            let holds = matches!(file.state, FileState::SpaceAvailable | FileState::Pinned);
            if let Some(key) = file.key.as_ref().filter(|_| !holds) {
                index.forget(live, file.n, key);
            }
        }
        if ended {
            index.ended.push_back(live.token().clone());
            if index.ended.len() > ENDED_KEPT
                && let Some(oldest) = index.ended.pop_front()
            {
                index.by_token.remove(&oldest);
            }
        }
    }

    /// Pinned gets whose files `user` pinned (srmReleaseFiles without a token).
    pub(super) fn pins_of(&self, user: &str, key: &FileKey) -> Vec<Holder> {
        let mut holders = self.pins_on(key);
        holders.retain(|holder| holder.live.request.user == user);
        holders
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A file was removed, renamed or published.
    pub(super) fn bump(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// How many requests have not ended.
    pub(super) fn count(&self) -> usize {
        let index = self.lock();
        index.by_token.len() - index.ended.len()
    }
}

impl Index {
    fn forget(&mut self, live: &Live, n: u32, key: &FileKey) {
        if self.puts.get(key).is_some_and(|holder| holder.is(live, n)) {
            self.puts.remove(key);
        }
        if let Some(holders) = self.pins.get_mut(key) {
            holders.retain(|holder| !holder.is(live, n));
            if holders.is_empty() {
                self.pins.remove(key);
            }
        }
    }
}

/// Now, as the store counts.
pub(super) fn now() -> Millis {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Whole seconds until `at`, rounded up, not below 0; -1 for never.
pub(super) fn seconds_left(at: Option<Millis>) -> i32 {
    match at {
        None => -1,
        Some(at) => {
            let left = (at.0 - now().0).max(0);
            i32::try_from((left + 999) / 1000).unwrap_or(i32::MAX)
        }
    }
}
