//! srmPutDone: the hidden file is looked at, sealed and renamed into place.

use std::sync::Arc;

use super::access::driver_error;
use super::files::{
    self, Seal, bears_mark, discard, discard_successor, hidden_name, seal, sync_names,
};
use super::requests::Live;
use super::rm::of_files;
use super::transition::Change;
use super::{Error, ErrorKind, FilesAnswer, Srm, SurlStatus, blocking};
use crate::fsdriver::DriverError;
use crate::model::{
    Event, FileState, Identity, OverwriteMode, RelPath, RequestKind, RequestToken, ReturnStatus,
    StatusCode,
};
use crate::namespace::StorageArea;
use crate::store::FileRow;

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
        match self.finish_puts(&live, &surls).await {
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

    async fn finish_puts(
        &self,
        live: &Arc<Live>,
        surls: &[String],
    ) -> Result<Vec<SurlStatus>, Error> {
        let site = self.site();
        let pick = || live.pick(Some(surls), |surl, file| site.same_file(surl, file));
        // Files before the request, as rm does, so that the two can't wait for each other.
        let named: Vec<_> = pick().into_iter().filter_map(|(_, file)| file?.key).collect();
        let _guards = self.core.locks.lock_all(&named.iter().collect::<Vec<_>>()).await;
        let _turn = live.turn.lock().await;
        let picked = pick();
        let mut statuses: Vec<SurlStatus> = Vec::with_capacity(picked.len());
        let mut changes = Vec::new();
        let mut places = Vec::new();
        let mut keys = Vec::new();
        for (surl, file) in picked {
            let place = statuses.len();
            let status = match &file {
                None => ReturnStatus::new(
                    StatusCode::InvalidPath,
                    "No information about this SURL in the request",
                ),
                Some(file) if changes.iter().any(|c: &Change| c.row.n == file.n) => already_done(),
                Some(file) => match not_ready(file) {
                    Some(status) => status,
                    None => match self.publish_put(live, file).await {
                        Ok(Outcome::Done(size)) => {
                            keys.extend(file.key.clone());
                            let mut row = file.clone();
                            row.size = Some(size);
                            changes.push(Change::new(row, Event::Done, "done"));
                            places.push(place);
                            ReturnStatus::success("done")
                        }
                        Ok(Outcome::Later(error)) => error.into(),
                        // What can't be cleared away keeps the put: abort and expiry try again.
                        Err(error) if self.discard_hidden(live, file).await.is_err() => {
                            error.into()
                        }
                        Err(error) => {
                            changes.push(Change::failed(file.clone(), &error));
                            places.push(place);
                            error.into()
                        }
                    },
                },
            };
            statuses.push(SurlStatus { surl, status });
        }
        self.core.requests.bump();
        let outcome = self.advance(live, changes, false).await?;
        for (place, changed) in places.into_iter().zip(outcome) {
            if let Err(error) = changed {
                statuses[place].status = error.into();
            }
        }
        // Only with `overwrite_pinned` can a pin be left on what was replaced.
        for key in keys {
            self.abort_gets(self.core.requests.pins_on(&key)).await;
        }
        Ok(statuses)
    }

    async fn publish_put(&self, live: &Arc<Live>, file: &FileRow) -> Result<Outcome, Error> {
        let site = self.site();
        let key = file
            .key
            .clone()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the put has no path"))?;
        let area = site.namespace.area(&key.area).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidPath,
                format!("storage area {} is no longer configured", key.area),
            )
        })?;
        let hidden = hidden_name(&key.path, live.token(), file.n)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the put names an area's root"))?;
        if live.is_uploading(file.n) {
            return Ok(Outcome::Later(still_written()));
        }
        let publish = Publish {
            area,
            target: key.path,
            hidden,
            token: live.token().clone(),
            n: file.n,
            expected: file.expected_size,
            uploaded: live.is_uploaded(file.n),
            ours: file.turl.as_ref().is_some_and(|(protocol, _)| protocol.is_ours()),
            mode: live.request.overwrite.unwrap_or(OverwriteMode::Never),
            sync: site.config.http.fsync,
        };
        blocking(move || publish.run()).await
    }
}

enum Outcome {
    /// Published, so many bytes.
    Done(u64),
    /// Not yet: may be asked again.
    Later(Error),
}

struct Publish {
    area: Arc<StorageArea>,
    target: RelPath,
    hidden: RelPath,
    token: RequestToken,
    n: u32,
    expected: Option<u64>,
    /// There must be data.
    uploaded: bool,
    /// The bytes came through our own door: whole, with a checksum nobody else could write.
    ours: bool,
    mode: OverwriteMode,
    sync: bool,
}

impl Publish {
    fn run(&self) -> Result<Outcome, Error> {
        let driver = &*self.area.driver;
        let file = match driver.open_own(&self.hidden) {
            Ok(file) => file,
            // A link, a directory: none of our making.
            Err(DriverError::Escapes | DriverError::IsADirectory | DriverError::NotSupported) => {
                return Err(spoilt());
            }
            Err(DriverError::NotFound | DriverError::NotADirectory) => return self.without_data(),
            Err(error) => return Err(driver_error(error, &self.target)),
        };
        let told = |e| driver_error(e, &self.target);
        // First the rights: nobody can open it any more. Then who has it open still.
        driver.set_mode(&file, 0o660).map_err(told)?;
        if driver.has_writer(&file).map_err(told)? == Some(true) {
            return Ok(Outcome::Later(still_written()));
        }
        let stat = driver.stat_file(&file).map_err(told)?;
        let existing = driver.stat(&self.target).ok();
        if stat.size == 0 && !self.ours && existing.is_some() {
            // Nothing was written over it: the old content stays.
            discard(&self.area, &self.hidden)?;
            return Ok(Outcome::Done(existing.map_or(0, |old| old.size)));
        }
        if let Some(expected) = self.expected
            && !self.ours
            && stat.size < expected
        {
            discard(&self.area, &self.hidden)?;
            return Err(Error::new(
                ErrorKind::Precondition,
                format!(
                    "{} bytes were written, {expected} were announced: write the file again",
                    stat.size
                ),
            ));
        }
        let adler32 = if self.ours { files::adler32(driver, &file, &stat) } else { None };
        if self.ours && adler32.is_none() {
            // Our door left a checksum of what it took: this is something else, or not all of it.
            return Err(spoilt());
        }
        if self.mode == OverwriteMode::WhenFilesAreDifferent
            && let Some(old) = existing.filter(|old| old.size == stat.size)
            && adler32.is_some()
            && self.old_checksum() == adler32
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
        self.rename(stat.size)
    }

    fn rename(&self, size: u64) -> Result<Outcome, Error> {
        let driver = &*self.area.driver;
        // A second upload may have left its passing name.
        discard_successor(&self.area, &self.hidden)?;
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
        Ok(self.published(size))
    }

    /// It is in place; should the disk not confirm that, putDone may be asked again.
    fn published(&self, size: u64) -> Outcome {
        if self.sync
            && let Err(error) = sync_names(&self.area, &[&self.target])
        {
            return Outcome::Later(error);
        }
        Outcome::Done(size)
    }

    /// No hidden file: nothing came, or a crash cut the last putDone short after its rename.
    fn without_data(&self) -> Result<Outcome, Error> {
        let driver = &*self.area.driver;
        if bears_mark(&self.area, &self.target, &self.token, self.n) {
            let size = driver.stat(&self.target).map(|stat| stat.size).unwrap_or_default();
            return Ok(self.published(size));
        }
        let parent = self.target.parent().unwrap_or_else(RelPath::root);
        if driver.stat(&parent).is_err() {
            return Err(Error::new(
                ErrorKind::ParentMissing,
                "the directory was moved or removed meanwhile",
            ));
        }
        if self.uploaded {
            return Err(Error::new(
                ErrorKind::Precondition,
                "there is no data, and it may have been lost: put the file again",
            ));
        }
        if let Ok(old) = driver.stat(&self.target) {
            return Ok(Outcome::Done(old.size));
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
        self.rename(0)
    }

    fn old_checksum(&self) -> Option<String> {
        let driver = &*self.area.driver;
        let old = driver.open(&self.target).ok()?;
        let stat = driver.stat_file(&old).ok()?;
        files::adler32(driver, &old, &stat)
    }
}

fn spoilt() -> Error {
    Error::new(
        ErrorKind::Precondition,
        "what is on disk is not what was uploaded: put the file again",
    )
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
        FileState::Queued | FileState::InProgress => {
            status(StatusCode::Failure, "the put is not ready: call srmStatusOfPutRequest")
        }
        FileState::Failed | FileState::Pinned | FileState::Released => {
            status(StatusCode::Failure, "Check StatusOfPutRequest for more information")
        }
    }
}
