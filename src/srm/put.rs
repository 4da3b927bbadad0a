//! srmPrepareToPut and srmStatusOfPutRequest: a hidden file beside the target, and a TURL to it.

use std::sync::Arc;
use std::time::Duration;

use super::access::{Needs, check_room, driver_error, owner};
use super::files::{discard, hidden_name, make_parents};
use super::requests::{Live, Taken, now, seconds_left};
use super::transition::{Change, file_status};
use super::{Error, ErrorKind, PutAnswer, PutFileStatus, PutRequest, Site, Srm, blocking};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{
    Event, FileState, FileStorageType, Identity, OverwriteMode, Protocol, RequestKind,
    RequestToken, ReturnStatus, StatusCode,
};
use crate::namespace::{Located, TurlRequest};
use crate::scheduler::{Job, JobFuture, Pool};
use crate::store::{FileRow, Millis, RequestRow, StoredRequest};

/// Files of one request that one worker takes at once, so that they share a commit.
pub(super) const BATCH: usize = 256;
/// Until files that could not be taken up are handed to the workers again.
const AGAIN: Duration = Duration::from_secs(5);

impl Srm {
    /// srmPrepareToPut. The answer waits up to `answer_wait` for what gets ready meanwhile.
    pub async fn prepare_to_put(&self, who: &Identity, request: PutRequest) -> PutAnswer {
        match self.submit_put(who, request).await {
            Ok(live) => {
                live.wait_answered(self.site().config.srm.answer_wait).await;
                let files = live.files();
                PutAnswer {
                    token: Some(live.token().clone()),
                    ..self.put_answer(&live, files.into_iter().map(|f| (f.surl.clone(), Some(f))))
                }
            }
            Err(status) => {
                PutAnswer { status, token: None, files: None, remaining_total_time: None }
            }
        }
    }

    /// srmStatusOfPutRequest.
    pub async fn status_of_put(
        &self,
        who: &Identity,
        token: &str,
        surls: Option<Vec<String>>,
    ) -> PutAnswer {
        match self.find_request(who, token, Some(RequestKind::Put)).await {
            Ok(live) => {
                let site = self.site();
                let picked = live.pick(surls.as_deref(), |surl, file| site.same_file(surl, file));
                PutAnswer { token: None, ..self.put_answer(&live, picked.into_iter()) }
            }
            Err(status) => {
                PutAnswer { status, token: None, files: None, remaining_total_time: None }
            }
        }
    }

    fn put_answer(
        &self,
        live: &Live,
        files: impl Iterator<Item = (String, Option<FileRow>)>,
    ) -> PutAnswer {
        let lifetime = match live.request.storage_type {
            Some(FileStorageType::Volatile | FileStorageType::Durable) => {
                live.request.file_lifetime.and_then(|s| i32::try_from(s).ok())
            }
            _ => Some(-1),
        };
        let status_of = |(surl, file): (String, Option<FileRow>)| match file {
            Some(file) => {
                let ready = file.state == FileState::SpaceAvailable;
                PutFileStatus {
                    surl,
                    status: file_status(&file),
                    size: file.size.or(file.expected_size),
                    estimated_wait: (!file.state.is_answered()).then_some(1),
                    remaining_pin: ready.then(|| seconds_left(file.expires)),
                    remaining_lifetime: ready.then_some(lifetime).flatten(),
                    turl: file.turl.filter(|_| ready).map(|(_, url)| url),
                }
            }
            None => PutFileStatus {
                surl,
                status: not_in_request(),
                size: None,
                estimated_wait: None,
                remaining_pin: None,
                remaining_lifetime: None,
                turl: None,
            },
        };
        PutAnswer {
            status: live.status(),
            token: None,
            files: Some(files.map(status_of).collect()),
            remaining_total_time: live.request.deadline.map(|at| seconds_left(Some(at))),
        }
    }

    async fn submit_put(
        &self,
        who: &Identity,
        request: PutRequest,
    ) -> Result<Arc<Live>, ReturnStatus> {
        Self::check_identity(who)?;
        let site = self.site();
        let asked = request.files.unwrap_or_default();
        if asked.is_empty() {
            return Err(ReturnStatus::invalid_request("arrayOfFileRequests is empty or missing"));
        }
        self.check_count(asked.len())?;
        let asked: Option<Vec<(String, Option<u64>)>> = asked
            .into_iter()
            .map(|file| Some((file.surl?, file.expected_size.filter(|size| *size > 0))))
            .collect();
        let asked = asked.ok_or_else(|| {
            ReturnStatus::invalid_request("targetSURL is missing: stormd does not invent names")
        })?;
        if asked.iter().any(|(_, size)| size.is_some_and(|size| i64::try_from(size).is_err())) {
            return Err(ReturnStatus::invalid_request("expectedFileSize is too large"));
        }
        let space =
            self.check_space(who, request.space_token.as_deref(), request.retention).await?;
        if let Some(area) = space {
            site.check_in_area(who, asked.iter().map(|(surl, _)| surl.as_str()), &area.name)?;
        }
        let created = now();
        let lifetimes = &site.config.lifetimes;
        let storage_type = request.storage_type.unwrap_or(FileStorageType::Permanent);
        let row = RequestRow {
            token: new_token()?,
            kind: RequestKind::Put,
            user: owner(who).to_owned(),
            fqans: fqans(who),
            description: request.description,
            created,
            deadline: deadline(created, request.total_time)?,
            pin_lifetime: site.pin_lifetime(request.pin_lifetime),
            file_lifetime: match request.file_lifetime {
                Some(seconds) if seconds > 0 => Some(i64::from(seconds)),
                _ => i64::try_from(lifetimes.volatile_default.as_secs()).ok(),
            },
            storage_type: Some(storage_type),
            overwrite: Some(request.overwrite.unwrap_or(site.config.srm.overwrite_default)),
            protocols: protocols(request.protocols)?,
            space_token: request.space_token,
            aborted: false,
            ended: None,
        };
        let files = asked.into_iter().map(|(surl, size)| queued(surl, size)).collect();
        self.submit(who, row, files).await
    }

    /// One durable transaction, then to the workers.
    pub(super) async fn submit(
        &self,
        who: &Identity,
        request: RequestRow,
        mut files: Vec<FileRow>,
    ) -> Result<Arc<Live>, ReturnStatus> {
        for (n, file) in (0_u32..).zip(files.iter_mut()) {
            file.n = n;
        }
        // A place in the queue first: what is on disk is worked on.
        let pool = self.pool(request.kind);
        let slots = pool
            .reserve(files.len())
            .map_err(|full| Error::new(ErrorKind::Overloaded, full.to_string()))?;
        let id = self
            .core
            .store
            .submit(request.clone(), files.clone())
            .await
            .map_err(|error| ReturnStatus::from(Error::from(error)))?;
        let live = Live::new(StoredRequest { id, request, files });
        self.core.requests.insert(&live);
        slots.submit(&live.request.user, self.jobs(&live, who));
        Ok(live)
    }

    /// Hands what a restart left to do to the workers.
    pub(super) fn enqueue(&self, live: &Arc<Live>, who: &Identity) {
        for files in queued_batches(live) {
            self.enqueue_files(live, who, files);
        }
    }

    fn enqueue_files(&self, live: &Arc<Live>, who: &Identity, files: Vec<u32>) {
        let work = self.work(live, who, files.clone());
        if let Err(full) = self.pool(live.kind()).submit(&live.request.user, vec![work]) {
            tracing::debug!(token = %live.token(), %full, "handed to the workers later");
            self.try_later(live, who, files);
        }
    }

    /// The files stay queued, and are taken up again in a while: the queue was full, or the
    /// database in trouble.
    pub(super) fn try_later(&self, live: &Arc<Live>, who: &Identity, files: Vec<u32>) {
        let (srm, live, who) = (self.clone(), Arc::clone(live), who.clone());
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            if !live.is_ended() {
                srm.enqueue_files(&live, &who, files);
            }
        });
    }

    fn pool(&self, kind: RequestKind) -> &Pool {
        match kind {
            RequestKind::Put => &self.core.puts,
            RequestKind::Get | RequestKind::BringOnline | RequestKind::Copy => &self.core.gets,
        }
    }

    fn jobs(&self, live: &Arc<Live>, who: &Identity) -> Vec<Box<dyn Job>> {
        queued_batches(live).into_iter().map(|batch| self.work(live, who, batch)).collect()
    }

    fn work(&self, live: &Arc<Live>, who: &Identity, files: Vec<u32>) -> Box<dyn Job> {
        Box::new(Work { srm: self.clone(), live: Arc::clone(live), who: who.clone(), files })
    }

    /// A worker's unit: makes ready what is still queued, all in one commit.
    async fn work_puts(&self, live: &Arc<Live>, who: &Identity, files: &[u32]) {
        live.take_in_hand(files);
        let site = self.site();
        let mut prepared = Vec::with_capacity(files.len());
        for n in files {
            let Some(file) = live.file(*n) else { continue };
            let (site, who, live) = (Arc::clone(&site), who.clone(), Arc::clone(live));
            let work = blocking(move || prepare(&site, &who, &live, file)).await;
            prepared.push((*n, work));
        }
        let _turn = live.turn.lock().await;
        let mut changes = Vec::with_capacity(prepared.len());
        let mut claimed = Vec::new();
        for (n, work) in prepared {
            let Some(file) = live.file(n) else { continue };
            let still_wanted = matches!(file.state, FileState::Queued | FileState::InProgress);
            match work {
                Ok(ready) if !still_wanted => self.drop_prepared(&ready).await,
                Err(_) if !still_wanted => {}
                Ok(ready) => match self.claim(live, n, &ready, &site) {
                    Ok(()) => {
                        claimed.push((n, ready.located.key(), ready.clone()));
                        changes.push(ready.change(live));
                    }
                    Err(error) => {
                        self.drop_prepared(&ready).await;
                        changes.push(Change::failed(file, &error));
                    }
                },
                Err(error) => changes.push(Change::failed(file, &error)),
            }
        }
        let numbers: Vec<u32> = changes.iter().map(|change| change.row.n).collect();
        let undone: Vec<u32> = match self.advance(live, changes, false).await {
            Ok(outcome) => numbers
                .into_iter()
                .zip(outcome)
                .filter_map(|(n, changed)| changed.is_err().then_some(n))
                .collect(),
            Err(error) => {
                tracing::error!(token = %live.token(), %error, "puts not made ready: tried later");
                self.try_later(live, who, numbers.clone());
                numbers
            }
        };
        for (n, key, ready) in claimed.iter().filter(|(n, ..)| undone.contains(n)) {
            self.core.requests.unclaim(live, *n, key);
            self.drop_prepared(ready).await;
        }
    }

    /// Reserves the file in the index of live puts.
    fn claim(&self, live: &Arc<Live>, n: u32, ready: &Ready, site: &Site) -> Result<(), Error> {
        let over_pins = site.config.srm.overwrite_pinned;
        let claim = self.core.requests.claim_put(live, n, &ready.located.key(), over_pins);
        claim.map_err(|taken| match taken {
            Taken::Pin => busy("a get pins it: release or abort it first"),
            Taken::Put if overwrite(live) == OverwriteMode::Never => {
                Error::new(ErrorKind::Exists, "another put on this file is not done")
            }
            Taken::Put => busy("another put on this file is not done"),
        })
    }

    async fn drop_prepared(&self, ready: &Ready) {
        if !ready.made {
            return;
        }
        let (area, hidden) = (Arc::clone(&ready.located.area), ready.hidden.clone());
        if let Err(error) = blocking(move || discard(&area, &hidden)).await {
            tracing::warn!(%error, "hidden file of a put left behind");
        }
    }
}

/// Numbers of a request's files that wait for a worker, as workers take them.
fn queued_batches(live: &Live) -> Vec<Vec<u32>> {
    let waits = |file: &FileRow| matches!(file.state, FileState::Queued | FileState::InProgress);
    let queued: Vec<u32> =
        live.files().iter().filter(|file| waits(file)).map(|file| file.n).collect();
    queued.chunks(BATCH).map(<[u32]>::to_vec).collect()
}

/// Some files of a request, as workers take them.
struct Work {
    srm: Srm,
    live: Arc<Live>,
    who: Identity,
    files: Vec<u32>,
}

impl Job for Work {
    fn weight(&self) -> usize {
        self.files.len()
    }

    fn is_wanted(&self) -> bool {
        !self.live.is_ended()
    }

    fn run(self: Box<Self>) -> JobFuture {
        Box::pin(async move {
            let Work { srm, live, who, files } = *self;
            match live.kind() {
                RequestKind::Put => srm.work_puts(&live, &who, &files).await,
                _ => srm.work_gets(&live, &who, &files).await,
            }
        })
    }
}

/// A put that is ready to become live.
#[derive(Clone)]
struct Ready {
    located: Located,
    hidden: crate::model::RelPath,
    /// The hidden file was made already.
    made: bool,
    protocol: Protocol,
    turl: String,
    row: FileRow,
}

impl Ready {
    fn change(&self, live: &Live) -> Change {
        let mut row = self.row.clone();
        row.key = Some(self.located.key());
        row.turl = Some((self.protocol, self.turl.clone()));
        row.expires = expiry(live.request.pin_lifetime);
        Change::new(row, Event::Ready, "ready: write to the TURL, then call srmPutDone")
    }
}

/// Everything about one put that needs the disk: may he, can it be, and the hidden file.
fn prepare(site: &Site, who: &Identity, live: &Live, file: FileRow) -> Result<Ready, Error> {
    let located = site.locate_surl(who, &file.surl, Needs::CREATE.access)?;
    let mode = overwrite(live);
    let driver = &*located.area.driver;
    let existing = match driver.stat(&located.path) {
        Ok(stat) => Some(stat),
        Err(DriverError::NotFound) => None,
        Err(error) => return Err(driver_error(error, &located.stfn)),
    };
    let anonymous_needs = match &existing {
        Some(stat) if stat.kind == Kind::Directory => {
            return Err(Error::new(ErrorKind::IsADirectory, "the path is a directory"));
        }
        Some(_) => {
            // Whether it exists is told only to who may at least look.
            if mode == OverwriteMode::Never {
                site.permit(who, &located, Needs::LIST)?;
                return Err(Error::new(
                    ErrorKind::Exists,
                    "the file exists, overwite is not allowed: ask for overwriteOption ALWAYS",
                ));
            }
            Needs::DELETE
        }
        None => Needs::CREATE,
    };
    site.permit(who, &located, anonymous_needs)?;
    if existing.is_none() {
        check_parent(site, who, &located)?;
    }
    if let Some(size) = file.expected_size {
        check_room(&located.area, size)?;
    }
    let hidden = hidden_name(&located.path, live.token(), file.n)
        .ok_or_else(|| Error::new(ErrorKind::IsADirectory, "the path is a directory"))?;
    let turl = site.namespace.turl(TurlRequest {
        located: &located,
        physical: &hidden,
        protocols: &live.request.protocols,
        anonymous_may: site.anonymous_may(&located, anonymous_needs),
    })?;
    // GridFTP servers and local programs write in place and need a file; xrootd refuses one that
    // is there; our own doors make it when data comes.
    let made = matches!(turl.protocol, Protocol::Gsiftp | Protocol::File | Protocol::Rfio);
    if made {
        let told = |e| driver_error(e, &located.stfn);
        let empty = match driver.create(&hidden) {
            // A worker that a crash cut short made it.
            Err(DriverError::Exists) => {
                driver.remove_file(&hidden).map_err(told)?;
                driver.create(&hidden).map_err(told)?
            }
            other => other.map_err(told)?,
        };
        if let Some(size) = file.expected_size
            && let Err(error) = driver.preallocate(&empty, size)
        {
            discard(&located.area, &hidden)?;
            return Err(told(error));
        }
    }
    Ok(Ready { located, hidden, made, protocol: turl.protocol, turl: turl.url, row: file })
}

fn check_parent(site: &Site, who: &Identity, located: &Located) -> Result<(), Error> {
    let Some(parent) = located.path.parent() else {
        return Err(Error::new(ErrorKind::IsADirectory, "the path is a directory"));
    };
    match located.area.driver.stat(&parent).map(|stat| stat.kind) {
        Ok(Kind::Directory) => Ok(()),
        Ok(_) | Err(DriverError::NotADirectory) => Err(Error::new(
            ErrorKind::NotADirectory,
            "a file stands where the parent directory should be",
        )),
        Err(DriverError::NotFound) if site.config.srm.create_parents => {
            site.permit(who, located, Needs::MAKE_DIRECTORY)?;
            make_parents(&located.area, &located.path, site.config.http.fsync)
        }
        Err(DriverError::NotFound) => Err(Error::new(
            ErrorKind::ParentMissing,
            "the parent directory does not exist: make it first with srmMkdir",
        )),
        Err(error) => Err(driver_error(error, &located.stfn)),
    }
}

impl Site {
    /// A space token is good for its own storage area only.
    fn check_in_area<'s>(
        &self,
        who: &Identity,
        surls: impl Iterator<Item = &'s str>,
        area: &str,
    ) -> Result<(), ReturnStatus> {
        for surl in surls {
            if let Ok(located) = self.locate_surl(who, surl, Needs::CREATE.access)
                && *located.area.name != *area
            {
                return Err(ReturnStatus::invalid_request(format!(
                    "targetSpaceToken is a space of storage area {area}, {surl} lies in {}",
                    located.area.name
                )));
            }
        }
        Ok(())
    }

    /// True when a SURL names the file of a row: the same path, however it is written.
    pub(super) fn same_file(&self, surl: &str, file: &FileRow) -> bool {
        use crate::model::Surl;
        match (Surl::parse(surl), Surl::parse(&file.surl)) {
            (Ok(asked), Ok(kept)) => {
                asked.stfn() == kept.stfn() && self.namespace.check_local(&asked).is_ok()
            }
            _ => surl == file.surl,
        }
    }

    /// Seconds a pin or TURL lives: -1 and what is too long is the maximum, absent and 0 the
    /// default.
    pub(super) fn pin_lifetime(&self, asked: Option<i32>) -> i64 {
        let lifetimes = &self.config.lifetimes;
        let seconds =
            |d: std::time::Duration| i64::try_from(d.as_secs()).unwrap_or(i64::from(i32::MAX));
        let maximum = seconds(lifetimes.pin_maximum);
        match asked {
            None | Some(0) => seconds(lifetimes.pin_default).min(maximum),
            Some(n) if n < 0 => maximum,
            Some(n) => i64::from(n).min(maximum),
        }
    }
}

/// The moment a pin that starts now ends.
pub(super) fn expiry(seconds: i64) -> Option<Millis> {
    (seconds >= 0).then(|| Millis(now().0.saturating_add(seconds.saturating_mul(1000))))
}

/// `desiredTotalRequestTime`: negative is refused, 0 means that each file is tried once.
pub(super) fn deadline(
    created: Millis,
    total_time: Option<i32>,
) -> Result<Option<Millis>, ReturnStatus> {
    match total_time {
        Some(seconds) if seconds < 0 => {
            Err(ReturnStatus::invalid_request("desiredTotalRequestTime is negative"))
        }
        Some(seconds) if seconds > 0 => Ok(Some(Millis(created.0 + i64::from(seconds) * 1000))),
        _ => Ok(None),
    }
}

/// The client's list without what nobody knows; a list of only such is refused at once.
pub(super) fn protocols(asked: Option<Vec<String>>) -> Result<Vec<Protocol>, ReturnStatus> {
    let asked = asked.unwrap_or_default();
    let known: Vec<Protocol> = asked.iter().filter_map(|name| name.parse().ok()).collect();
    if known.is_empty() && !asked.is_empty() {
        // StoRM's words: scripts look for them.
        return Err(ReturnStatus::not_supported(format!(
            "No supported protocols provided. Asked: {}",
            asked.join(", ")
        )));
    }
    Ok(known)
}

/// A file that waits for a worker.
pub(super) fn queued(surl: String, expected_size: Option<u64>) -> FileRow {
    FileRow {
        n: 0,
        surl,
        key: None,
        state: FileState::Queued,
        code: None,
        explanation: String::new(),
        size: None,
        expected_size,
        turl: None,
        expires: None,
    }
}

pub(super) fn new_token() -> Result<RequestToken, ReturnStatus> {
    RequestToken::parse(&uuid::Uuid::new_v4().to_string())
        .ok_or_else(|| ReturnStatus::internal("no token could be made"))
}

pub(super) fn fqans(who: &Identity) -> Vec<String> {
    who.person().map_or_else(Vec::new, |person| {
        person.fqans.iter().map(|fqan| fqan.as_str().to_owned()).collect()
    })
}

pub(super) fn not_in_request() -> ReturnStatus {
    ReturnStatus::new(StatusCode::InvalidPath, "No information about this SURL in the request")
}

fn overwrite(live: &Live) -> OverwriteMode {
    live.request.overwrite.unwrap_or(OverwriteMode::Never)
}

fn busy(why: &str) -> Error {
    Error::new(ErrorKind::Busy, why)
}

impl From<crate::namespace::TurlError> for Error {
    fn from(error: crate::namespace::TurlError) -> Self {
        use crate::namespace::TurlError;
        let kind = match &error {
            TurlError::NoCommonProtocol { .. } => ErrorKind::NotSupported,
            TurlError::NoMember(_) => ErrorKind::Overloaded,
        };
        Error::new(kind, error.to_string())
    }
}
