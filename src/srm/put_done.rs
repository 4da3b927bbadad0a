//! srmPutDone: the hidden file is looked at, sealed and renamed into place.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::access::driver_error;
use super::files::{self, Seal, bears_mark, discard, hidden_name, seal};
use super::live::Live;
use super::put::not_in_request;
use super::rm::of_files;
use super::transition::Change;
use super::{Error, ErrorKind, FilesAnswer, Srm, SurlStatus, blocking, to_the_end};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{
    Event, FileKey, FileState, Identity, OverwriteMode, Protocol, RelPath, RequestKind,
    RequestToken, ReturnStatus, StatusCode,
};
use crate::namespace::StorageArea;
use crate::store::FileRow;

/// Files that are locked, synced and written down together.
const STEP: usize = 256;
/// Threads that publish files of one step.
const LANES: usize = 8;

impl Srm {
    /// srmPutDone.
    pub async fn put_done(&self, who: &Identity, token: &str, surls: Vec<String>) -> FilesAnswer {
        let refused = |status| FilesAnswer { status, files: None };
        if let Err(status) = self.check_surls(who, &surls) {
            return refused(status);
        }
        let live = match self.find_request(who, token, Some(RequestKind::Put)).await {
            Ok(live) => live,
            Err(status) => return refused(status),
        };
        let srm = self.clone();
        let done = to_the_end(async move { Ok(srm.finish_puts(&live, &surls).await) });
        match done.await {
            Ok(files) => {
                let aborted = files.iter().all(|f| f.status.code == StatusCode::Aborted);
                let status = if aborted {
                    ReturnStatus::new(StatusCode::Aborted, "the request was aborted")
                } else {
                    of_files(
                        &files,
                        "all files are done",
                        "Details are on the file statuses",
                        "no file was done: look at the status of each",
                    )
                };
                FilesAnswer { status, files: Some(files) }
            }
            Err(error) => refused(error.into()),
        }
    }

    async fn finish_puts(&self, live: &Arc<Live>, surls: &[String]) -> Vec<SurlStatus> {
        let site = self.site();
        let picked = live.pick(Some(surls), |surl| site.canonical(surl));
        let mut statuses = Vec::with_capacity(picked.len());
        // In steps: while files are synced their locks are held, and others wait for those.
        for step in picked.chunks(STEP) {
            let mut files: Vec<u32> =
                step.iter().filter_map(|(_, file)| Some(file.as_ref()?.n)).collect();
            files.sort_unstable();
            files.dedup();
            let outcome = self.finish_step(live, &files).await;
            let mut told: HashSet<u32> = HashSet::new();
            for (surl, file) in step {
                let status = match (file.as_ref().map(|file| file.n), &outcome) {
                    (None, _) => not_in_request(),
                    (Some(_), Err(error)) => error.clone().into(),
                    (Some(n), Ok(outcome)) => match outcome.get(&n) {
                        Some(status) if told.insert(n) => status.clone(),
                        // The same SURL twice in one call: the second finds it done.
                        Some(_) | None => {
                            live.file(n).and_then(|f| not_ready(&f)).unwrap_or_else(not_yet)
                        }
                    },
                };
                statuses.push(SurlStatus { surl: surl.clone(), status });
            }
        }
        statuses
    }

    /// Publishes what can be published of `files`, in one commit; what became of each that was
    /// tried.
    async fn finish_step(
        &self,
        live: &Arc<Live>,
        files: &[u32],
    ) -> Result<HashMap<u32, ReturnStatus>, Error> {
        let known = files.iter().filter_map(|n| live.file(*n));
        let locked: HashSet<FileKey> = known.filter_map(|file| file.key.clone()).collect();
        // Files before the request, as rm does, so that the two can't wait for each other.
        let guards = self.core.locks.lock_all(&locked.iter().collect::<Vec<_>>()).await;
        let turn = live.turn.lock().await;
        let ready = files.iter().filter_map(|n| live.file(*n)).filter(|file| {
            file.state == FileState::SpaceAvailable
                && file.key.as_ref().is_some_and(|key| locked.contains(key))
        });
        let mut statuses: HashMap<u32, ReturnStatus> = HashMap::new();
        let (mut changes, mut keys) = (Vec::new(), Vec::new());
        let (mut work, mut tried) = (Vec::new(), HashMap::new());
        for file in ready {
            if live.is_uploading(file.n) {
                statuses.insert(file.n, still_written().into());
                continue;
            }
            match self.publish_of(live, &file) {
                Ok(publish) => work.push(publish),
                Err(error) => {
                    changes.push(Change::failed(&file, &error));
                    statuses.insert(file.n, error.into());
                }
            }
            tried.insert(file.n, file);
        }
        for (n, outcome) in publish_all(work).await {
            let Some(file) = tried.get(&n) else { continue };
            let status = match outcome {
                Ok(Outcome::Done(size)) => {
                    keys.extend(file.key.clone());
                    let row = FileRow { size: Some(size), ..FileRow::clone(file) };
                    changes.push(Change::new(&row, Event::Done, "done"));
                    ReturnStatus::success("done")
                }
                Ok(Outcome::Busy(error)) => error.into(),
                Err(error) => {
                    changes.push(Change::failed(file, &error));
                    error.into()
                }
            };
            statuses.insert(n, status);
        }
        self.core.requests.bump();
        let numbers: Vec<u32> = changes.iter().map(|change| change.row.n).collect();
        let changed = self.advance(live, changes, false).await?;
        for (n, changed) in numbers.into_iter().zip(changed) {
            if let Err(error) = changed {
                statuses.insert(n, error.into());
            }
        }
        drop((turn, guards));
        // Only with `overwrite_pinned` can a pin be left on what was replaced.
        for key in keys {
            self.abort_gets(self.core.requests.pins_on(&key)).await;
        }
        Ok(statuses)
    }

    fn publish_of(&self, live: &Live, file: &FileRow) -> Result<Publish, Error> {
        let site = self.site();
        let internal = |why| Error::new(ErrorKind::Internal, why);
        let key = file.key.clone().ok_or_else(|| internal("the put has no path"))?;
        let area = site.namespace.area(&key.area).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidPath,
                format!("storage area {} is no longer configured", key.area),
            )
        })?;
        let hidden = hidden_name(&key.path, live.token(), file.n)
            .ok_or_else(|| internal("the put names an area's root"))?;
        let protocol = file.turl.as_ref().map(|(protocol, _)| *protocol);
        Ok(Publish {
            area,
            target: key.path,
            hidden,
            token: live.token().clone(),
            n: file.n,
            expected: file.expected_size,
            ours: protocol.is_some_and(Protocol::is_ours),
            made: protocol.is_some_and(made_at_prepare),
            mode: live.request.overwrite.unwrap_or(OverwriteMode::Never),
            sync: site.config.http.fsync,
        })
    }
}

/// Several at once: syncs that run side by side share the disk's journal commits.
async fn publish_all(mut work: Vec<Publish>) -> Vec<(u32, Result<Outcome, Error>)> {
    let mut lanes = Vec::new();
    let length = work.len().div_ceil(LANES).max(1);
    while !work.is_empty() {
        let lane = work.split_off(work.len().saturating_sub(length));
        let numbers: Vec<u32> = lane.iter().map(|publish| publish.n).collect();
        lanes.push(async move {
            let run = move || Ok(lane.iter().map(Publish::attempt).collect::<Vec<_>>());
            match blocking(run).await {
                Ok(outcomes) => outcomes,
                Err(error) => numbers.into_iter().map(|n| (n, Err(error.clone()), None)).collect(),
            }
        });
    }
    let outcomes = futures_util::future::join_all(lanes).await.into_iter().flatten();
    let (mut all, mut directories) = (Vec::new(), HashMap::new());
    for (n, outcome, directory) in outcomes {
        if let Some(Directory { area, path }) = directory {
            directories.entry((area.name.clone(), path)).or_insert((area, Vec::new())).1.push(n);
        }
        all.push((n, outcome));
    }
    // Each directory once: its names are to outlive a crash before anybody is told.
    let synced = blocking(move || {
        let mut failed = HashMap::new();
        for ((_, path), (area, files)) in directories {
            if let Err(error) = area.driver.sync_directory(&path) {
                let error = driver_error(error, &path);
                failed.extend(files.into_iter().map(|n| (n, error.clone())));
            }
        }
        Ok(failed)
    });
    let failed = synced.await.unwrap_or_default();
    for (n, outcome) in &mut all {
        if let Some(error) = failed.get(n) {
            // It is in place and bears its mark: asked again, it is done.
            *outcome = Ok(Outcome::Busy(error.clone()));
        }
    }
    all
}

/// Where a new name stands.
struct Directory {
    area: Arc<StorageArea>,
    path: RelPath,
}

enum Outcome {
    /// Published, so many bytes.
    Done(u64),
    /// Not yet: may be asked again.
    Busy(Error),
}

struct Publish {
    area: Arc<StorageArea>,
    target: RelPath,
    hidden: RelPath,
    token: RequestToken,
    n: u32,
    expected: Option<u64>,
    /// The bytes came through our own door: whole, with a checksum nobody else could write.
    ours: bool,
    /// The hidden file was made when the put was prepared.
    made: bool,
    mode: OverwriteMode,
    sync: bool,
}

impl Publish {
    /// [`Publish::run`]; what fails for good leaves nothing behind. Also the directory to sync.
    fn attempt(&self) -> (u32, Result<Outcome, Error>, Option<Directory>) {
        let outcome = self.run();
        if outcome.is_err()
            && let Err(error) = discard(&self.area, &self.hidden)
        {
            tracing::warn!(%error, "hidden file of a put left behind");
        }
        let parent = || self.target.parent().unwrap_or_else(RelPath::root);
        let directory = (self.sync && matches!(outcome, Ok(Outcome::Done(_))))
            .then(|| Directory { area: Arc::clone(&self.area), path: parent() });
        (self.n, outcome, directory)
    }

    fn run(&self) -> Result<Outcome, Error> {
        let driver = &*self.area.driver;
        let file = match driver.open(&self.hidden) {
            Ok(file) => file,
            Err(DriverError::NotFound | DriverError::NotADirectory) => return self.without_data(),
            Err(error) => return Err(driver_error(error, &self.target)),
        };
        let told = |e| driver_error(e, &self.target);
        // First the rights: nobody can open it any more. Then who has it open still.
        driver.set_mode(&file, 0o660).map_err(told)?;
        if driver.has_writer(&file).map_err(told)? == Some(true) {
            return Ok(Outcome::Busy(still_written()));
        }
        let stat = driver.stat_file(&file).map_err(told)?;
        let existing = driver.stat(&self.target).ok();
        if existing.as_ref().is_some_and(|old| old.kind == Kind::Directory) {
            return Err(Error::new(
                ErrorKind::IsADirectory,
                "a directory of that name appeared meanwhile: the data of this put was dropped",
            ));
        }
        if stat.size == 0 && !self.ours && existing.is_some() {
            // Nothing was written over it: the old content stays.
            discard(&self.area, &self.hidden)?;
            return Ok(Outcome::Done(existing.map_or(0, |old| old.size)));
        }
        if let Some(expected) = self.expected
            && !self.ours
            && stat.size < expected
        {
            return Err(Error::new(
                ErrorKind::Precondition,
                format!(
                    "{} bytes were written, {expected} were announced: write the file again",
                    stat.size
                ),
            ));
        }
        let adler32 = if self.ours { files::adler32(driver, &file, &stat) } else { None };
        if self.mode == OverwriteMode::WhenFilesAreDifferent
            && let Some(old) = existing.filter(|old| old.size == stat.size)
            && let Some(checksum) = adler32.clone().or_else(|| read_adler32(&file))
            && self.old_checksum() == Some(checksum)
        {
            discard(&self.area, &self.hidden)?;
            return Ok(Outcome::Done(old.size));
        }
        seal(
            &self.area,
            &file,
            &Seal { adler32, mark: Some((&self.token, self.n)), sync: self.sync },
        )?;
        drop(file);
        self.rename()?;
        Ok(Outcome::Done(stat.size))
    }

    fn rename(&self) -> Result<(), Error> {
        let driver = &*self.area.driver;
        let replace = self.mode != OverwriteMode::Never;
        match driver.rename(&self.hidden, &self.target, replace) {
            Ok(()) => {}
            Err(DriverError::Exists) => {
                return Err(Error::new(
                    ErrorKind::Exists,
                    "a file of that name appeared meanwhile: the data of this put was dropped",
                ));
            }
            Err(error) => return Err(driver_error(error, &self.target)),
        }
        // A second upload may have left its passing name. The put is done all the same.
        if let Err(error) = discard(&self.area, &self.hidden) {
            tracing::warn!(%error, "hidden file of a put left behind");
        }
        Ok(())
    }

    /// No hidden file: nothing came, or a crash cut the last putDone short after its rename.
    fn without_data(&self) -> Result<Outcome, Error> {
        let driver = &*self.area.driver;
        if bears_mark(&self.area, &self.target, &self.token, self.n) {
            let size = driver.stat(&self.target).map(|stat| stat.size).unwrap_or_default();
            return Ok(Outcome::Done(size));
        }
        let parent = self.target.parent().unwrap_or_else(RelPath::root);
        if driver.stat(&parent).is_err() {
            return Err(Error::new(
                ErrorKind::ParentMissing,
                "the directory was moved or removed meanwhile",
            ));
        }
        if self.made {
            return Err(Error::new(
                ErrorKind::InvalidPath,
                "the file behind the TURL is gone: its directory was moved or removed meanwhile",
            ));
        }
        match driver.stat(&self.target) {
            Ok(old) if old.kind != Kind::Directory => return Ok(Outcome::Done(old.size)),
            Ok(_) => {
                return Err(Error::new(
                    ErrorKind::IsADirectory,
                    "a directory of that name appeared meanwhile",
                ));
            }
            Err(_) => {}
        }
        if self.expected.is_some() {
            return Err(Error::new(
                ErrorKind::Precondition,
                "nothing was written to the TURL: no file was made",
            ));
        }
        let told = |e| driver_error(e, &self.target);
        let file = driver.create(&self.hidden).map_err(told)?;
        let adler32 = Some("00000001".to_owned());
        seal(
            &self.area,
            &file,
            &Seal { adler32, mark: Some((&self.token, self.n)), sync: self.sync },
        )?;
        drop(file);
        self.rename()?;
        Ok(Outcome::Done(0))
    }

    fn old_checksum(&self) -> Option<String> {
        let driver = &*self.area.driver;
        let old = driver.open(&self.target).ok()?;
        let stat = driver.stat_file(&old).ok()?;
        files::adler32(driver, &old, &stat).or_else(|| read_adler32(&old))
    }
}

/// True for TURLs whose mover writes in place, into a file that is there: GridFTP servers and local
/// programs.
pub(super) fn made_at_prepare(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Gsiftp | Protocol::File | Protocol::Rfio)
}

/// The checksum of all bytes of a file, for what did not come through our own door.
fn read_adler32(file: &File) -> Option<String> {
    let mut sum = simd_adler32::Adler32::new();
    let mut block = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        match file.read_at(&mut block, at) {
            Ok(0) => return Some(format!("{:08x}", sum.finish())),
            Ok(n) => {
                sum.write(&block[..n]);
                at += n as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

fn not_yet() -> ReturnStatus {
    ReturnStatus::new(StatusCode::Failure, "the put is not ready: call srmStatusOfPutRequest")
}

fn still_written() -> Error {
    Error::new(ErrorKind::Busy, "somebody still writes to the TURL: call srmPutDone again")
}

fn already_done() -> ReturnStatus {
    ReturnStatus::new(StatusCode::DuplicationError, "srmPutDone was called for it already")
}

/// What putDone says of a file that is not SPACE_AVAILABLE.
fn not_ready(file: &FileRow) -> Option<ReturnStatus> {
    let status = |code, text: &str| Some(ReturnStatus::new(code, text));
    match file.state {
        FileState::SpaceAvailable => None,
        FileState::Success => Some(already_done()),
        FileState::Aborted => status(StatusCode::Aborted, "the put was aborted"),
        FileState::Expired => {
            status(StatusCode::FileLifetimeExpired, "the TURL's lifetime is over: put it again")
        }
        FileState::Queued | FileState::InProgress => Some(not_yet()),
        FileState::Failed | FileState::Pinned | FileState::Released => {
            status(StatusCode::Failure, "Check StatusOfPutRequest for more information")
        }
    }
}
