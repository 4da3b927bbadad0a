//! From a request that was checked to files that workers take: the durable submission, the jobs, and
//! what puts and gets have in common.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::checks::{check_description, check_surl_length};
use super::live::{Live, Parked};
use super::requests::now;
use super::transition::{As, Change, STEP};
use super::turns::{is_bulky, pass_on};
use super::{Error, ErrorKind, Site, Srm, to_the_end};
use crate::model::{FileState, Identity, Protocol, RequestKind, RequestToken, ReturnStatus, Surl};
use crate::scheduler::{Job, JobFuture, Pool, Slots, Turn};
use crate::store::{FileRow, ListingRow, Millis, RequestRow};

/// One worker's files are at most such a part of the queue, so that they find room beside others'.
const PART: usize = 4;
/// After a failure of the request database.
const AGAIN: Duration = Duration::from_secs(5);

impl Srm {
    /// One durable transaction, then to the workers.
    pub(super) async fn submit(
        &self,
        who: &Identity,
        request: RequestRow,
        files: Vec<FileRow>,
    ) -> Result<Arc<Live>, ReturnStatus> {
        self.submit_listing(who, request, files, None).await
    }

    /// The same, with what a srmLs asked for.
    pub(super) async fn submit_listing(
        &self,
        who: &Identity,
        request: RequestRow,
        mut files: Vec<FileRow>,
        listing: Option<ListingRow>,
    ) -> Result<Arc<Live>, ReturnStatus> {
        check_description(request.description.as_deref())?;
        for file in &files {
            file.source.iter().chain([&file.surl]).try_for_each(|surl| check_surl_length(surl))?;
        }
        for (n, file) in (0_u32..).zip(files.iter_mut()) {
            file.n = n;
            // Until it is ready: then the pin's end takes its place.
            file.expires = request.deadline;
        }
        // A place in the queue first: what is on disk is worked on.
        let slots = self
            .pool(request.kind)
            .reserve(&request.user, files.len())
            .map_err(|full| Error::new(ErrorKind::Overloaded, full.to_string()))?;
        let (looked, seen) = oneshot::channel();
        let (srm, who) = (self.clone(), who.clone());
        let live = to_the_end(async move {
            let live = srm.write_down(&who, request, files, listing, looked).await?;
            slots.submit(srm.jobs_of(&live, &who, &waiting(&live)));
            for at in [live.request.deadline, live.request.starts].into_iter().flatten() {
                srm.wake_at(at);
            }
            Ok(live)
        });
        // What waits for a commit costs others nothing: they share it.
        let only_waits = async {
            seen.await.ok();
            pass_on();
        };
        let (live, ()) = tokio::join!(live, only_waits);
        live.map_err(ReturnStatus::from)
    }

    /// Hands what a restart left to do to the workers, now or as soon as there is room.
    pub(super) fn enqueue(&self, live: &Arc<Live>, who: &Identity) {
        self.enqueue_files(live, who, waiting(live));
    }

    /// Queues what rests in a request that was resumed, or whose start has come: now, or as soon as
    /// there is room.
    pub(super) fn go_on(&self, live: &Arc<Live>) {
        for Parked { places, who, files } in live.unpark() {
            places.wake(self.jobs_of(live, &who, &files));
        }
    }

    /// Queues files that the store knows, now or as soon as there is room.
    pub(super) fn enqueue_files(&self, live: &Arc<Live>, who: &Identity, files: Vec<u32>) {
        if live.is_ended() {
            return;
        }
        let pool = self.pool(live.kind());
        for job in self.jobs_of(live, who, &files) {
            pool.rest(&live.request.user, job.weight()).wake(vec![job]);
        }
    }

    fn enqueue_later(&self, live: &Arc<Live>, who: &Identity, files: Vec<u32>) {
        let (srm, live, who) = (self.clone(), Arc::clone(live), who.clone());
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            srm.enqueue_files(&live, &who, files);
        });
    }

    pub(super) fn pool(&self, kind: RequestKind) -> &Pool {
        match kind {
            RequestKind::Put | RequestKind::ReserveSpace | RequestKind::UpdateSpace => {
                &self.core.puts
            }
            RequestKind::ChangeSpaceForFiles => &self.core.walks,
            RequestKind::Ls => &self.core.lists,
            RequestKind::BringOnline => &self.core.brings,
            RequestKind::Get => &self.core.gets,
            RequestKind::Copy => &self.core.copies,
        }
    }

    fn jobs_of(&self, live: &Arc<Live>, who: &Identity, files: &[u32]) -> Vec<Box<dyn Job>> {
        let job = |batch: &[u32]| {
            let (srm, live, who) = (self.clone(), Arc::clone(live), who.clone());
            Box::new(Work { srm, live, who, files: batch.to_vec() }) as Box<dyn Job>
        };
        let batch = match live.kind() {
            RequestKind::Copy => self.copy_batch(files.len()),
            // One list over all SURLs.
            RequestKind::Ls => return files.chunks(files.len().max(1)).map(job).collect(),
            _ => STEP,
        };
        let most = self.pool(live.kind()).limit() / PART;
        files.chunks(batch.min(most).max(1)).map(job).collect()
    }

    /// Fails what waits: its time is over.
    async fn give_up(&self, live: &Arc<Live>, files: &[u32]) -> Result<(), Error> {
        let _turn = live.turn.lock().await;
        let late = files.iter().filter_map(|n| live.file(*n)).filter(|file| waits(file));
        let late: Vec<_> = late.collect();
        // A copy that a stop cut short left something.
        for discarded in self.discard_hidden(live, &late).await? {
            discarded?;
        }
        let late = late.iter().map(|file| Change::timed_out(live, file)).collect();
        self.settle_work(live, late).await.map(|_| ())
    }

    /// Writes down what a worker made ready, and which files failed: the numbers of the files that
    /// are ready now. A file that the store does not take as ready fails. The caller holds the turn.
    pub(super) async fn settle_work(
        &self,
        live: &Arc<Live>,
        changes: Vec<Change>,
    ) -> Result<Vec<u32>, Error> {
        let numbers: Vec<u32> = changes.iter().map(|change| change.row.n).collect();
        let outcome = self.advance(live, changes, As::Whole).await?;
        let (mut ready, mut refused) = (Vec::new(), Vec::new());
        for (n, changed) in numbers.into_iter().zip(outcome) {
            match changed {
                Ok(row) if row.state == FileState::Failed => {}
                Ok(_) => ready.push(n),
                Err(error) => refused.extend(live.file(n).map(|row| Change::failed(&row, &error))),
            }
        }
        if !refused.is_empty() {
            self.advance(live, refused, As::Whole).await?;
        }
        Ok(ready)
    }
}

/// The files that a worker has to look at: as they are, not as they are shown, since what is suspended
/// rests outside the queue.
fn waiting(live: &Live) -> Vec<u32> {
    let files = (0..).map_while(|n| live.file(n));
    files.filter(|file| waits(file)).map(|file| file.n).collect()
}

/// True for a file that a worker has to look at.
pub(super) fn waits(file: &FileRow) -> bool {
    matches!(file.state, FileState::Queued | FileState::InProgress)
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

    fn begin(&self) -> Turn {
        self.live.begin(&self.files)
    }

    fn put_off(self: Box<Self>, places: Slots) {
        let Work { srm, live, who, files } = *self;
        // It may go on by now.
        if let Some(Parked { places, who, files }) = live.park(Parked { places, who, files }) {
            places.wake(srm.jobs_of(&live, &who, &files));
        }
    }

    fn run(self: Box<Self>) -> JobFuture {
        Box::pin(async move {
            let srm = self.srm.clone();
            // A list that was not ready in time is large, whatever it is of.
            match self.live.kind() == RequestKind::Ls || is_bulky(self.live.len()) {
                true => srm.core.bulk.run(self.work()).await,
                false => self.work().await,
            }
        })
    }
}

impl Work {
    async fn work(self) {
        let Work { srm, live, who, mut files } = self;
        let done = match live.kind() {
            _ if live.request.deadline.is_some_and(|at| at <= now()) => {
                srm.give_up(&live, &files).await
            }
            RequestKind::Put => srm.work_puts(&live, &who, &files).await,
            RequestKind::Copy => srm.work_copies(&live, &who, &mut files).await,
            RequestKind::ChangeSpaceForFiles => srm.work_changes(&live, &who, &files).await,
            RequestKind::Ls => srm.work_listing(&live, &who).await,
            _ => srm.work_gets(&live, &who, &files).await,
        };
        if let Err(error) = done {
            // They are queued in the store, and nothing else will look at them.
            tracing::error!(token = %live.token(), %error, "files not made ready: again soon");
            live.lay_down(&files);
            srm.enqueue_later(&live, &who, files);
        }
    }
}

impl Site {
    /// The form by which two ways to write one local SURL are told to be one.
    pub(super) fn canonical(&self, surl: &str) -> Option<String> {
        let surl = Surl::parse(surl).ok()?;
        self.namespace.check_local(&surl).ok()?;
        Some(surl.stfn().to_string())
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

/// `deferredStartTime`: when the work begins; `None` is at once.
pub(super) fn start(
    site: &Site,
    deferred: Option<i32>,
    total_time: Option<i32>,
) -> Result<Option<Millis>, ReturnStatus> {
    let seconds = match deferred {
        None | Some(0) => return Ok(None),
        Some(seconds) => i64::from(seconds),
    };
    let refused = |why: &str| Err(ReturnStatus::invalid_request(why));
    if seconds < 0 {
        return refused("deferredStartTime is negative");
    }
    // It keeps a place in the queue meanwhile.
    if seconds > site.pin_lifetime(Some(-1)) {
        return refused("deferredStartTime is longer than the longest pin of this site");
    }
    if total_time.is_some_and(|total| total > 0 && i64::from(total) <= seconds) {
        return refused("desiredTotalRequestTime would be over before deferredStartTime");
    }
    Ok(Some(Millis(now().0 + seconds * 1000)))
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
        levels: None,
        parent: None,
        source: None,
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
