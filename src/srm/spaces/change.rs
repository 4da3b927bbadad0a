//! srmChangeSpaceForFiles: into a reserved space, or back to the area's own. Directories take long, so
//! that workers do it, which nobody else waits for.

use std::sync::Arc;

use tokio::sync::MutexGuard;

use super::super::access::{Needs, driver_error, owner};
use super::super::checks::not_in_request;
use super::super::files::is_hidden;
use super::super::live::Live;
use super::super::requests::now;
use super::super::submit::{fqans, new_token, queued, waits};
use super::super::transition::{Change, file_status};
use super::super::{ChangeSpaceAnswer, Error, ErrorKind, Srm, SurlStatus, blocking};
use super::book::Shift;
use super::limits::Limits;
use crate::fsdriver::{DriverError, Kind};
use crate::model::{
    Event, FileKey, FileStorageType, Identity, RelPath, RequestKind, ReturnStatus, SpaceToken,
};
use crate::namespace::{Located, StorageArea};
use crate::store::{FileRecord, FileRow, RequestRow};

impl Srm {
    /// srmChangeSpaceForFiles. A directory stands for all files below it. The answer waits up to
    /// `answer_wait`.
    pub async fn change_space(
        &self,
        who: &Identity,
        surls: Vec<String>,
        token: &str,
    ) -> ChangeSpaceAnswer {
        let submitted = self.submit_change(who, surls, token).await;
        self.answer_first(submitted, change_status).await
    }

    /// srmStatusOfChangeSpaceForFilesRequest.
    pub async fn status_of_change_space(&self, who: &Identity, token: &str) -> ChangeSpaceAnswer {
        let kind = RequestKind::ChangeSpaceForFiles;
        self.answer_status(who, token, kind, None, change_status).await
    }

    async fn submit_change(
        &self,
        who: &Identity,
        surls: Vec<String>,
        token: &str,
    ) -> Result<Arc<Live>, ReturnStatus> {
        self.check_person(who).await?;
        self.check_surls(who, &surls).await?;
        if let Some(space) = self.check_target_space(who, Some(token), None).await? {
            let surls = surls.iter().map(String::as_str);
            self.site().check_in_area(who, surls, &space.area().name)?;
        }
        let row = RequestRow {
            fqans: fqans(who),
            space_token: Some(token.to_owned()),
            ..RequestRow::new(
                new_token()?,
                RequestKind::ChangeSpaceForFiles,
                owner(who).to_owned(),
                now(),
            )
        };
        self.submit(who, row, surls.into_iter().map(|surl| queued(surl, None)).collect()).await
    }

    /// A worker's unit.
    ///
    /// # Errors
    /// The store's: what was not written down is done again.
    pub(in super::super) async fn work_changes(
        &self,
        live: &Arc<Live>,
        who: &Identity,
        files: &[u32],
    ) -> Result<(), Error> {
        let target = self.reserved_space(live.request.space_token.as_deref()).await?;
        for n in files {
            let Some(file) = live.file(*n).filter(|file| waits(file)) else { continue };
            let done = self.change_surl(who, &file.surl, target.as_ref(), live, *n).await;
            let (turn, change) = match done {
                // The next start does it: it is left queued.
                Ok(None) => break,
                Ok(Some(Done { key, text, turn })) => {
                    let row = FileRow { key: Some(key), ..FileRow::clone(&file) };
                    (turn, Change::new(&row, Event::Ready, text))
                }
                Err(error) => (None, Change::failed(&file, &error)),
            };
            let _turn = match turn {
                Some(turn) => turn,
                None => live.turn.lock().await,
            };
            // It may have been aborted meanwhile.
            if !is_wanted(live, *n) {
                continue;
            }
            self.settle_work(live, vec![change]).await?;
        }
        Ok(())
    }

    async fn change_surl<'l>(
        &self,
        who: &Identity,
        surl: &str,
        target: Option<&SpaceToken>,
        live: &'l Live,
        n: u32,
    ) -> Result<Option<Done<'l>>, Error> {
        let go_on = || !self.core.stopping.is_cancelled() && is_wanted(live, n);
        let site = self.site();
        let located = site.reach_surl(who, surl, Needs::CHANGE)?;
        let looked = located.clone();
        let kind = blocking(move || {
            let stat = looked.area.driver.stat(&looked.path);
            stat.map(|stat| stat.kind).map_err(|error| driver_error(error, &looked.stfn))
        });
        let key = located.key();
        match kind.await {
            Ok(Kind::Directory) => {
                site.permit_tree(who, &located, Needs::CHANGE)?;
                let text = self.change_tree(&located, target, &go_on).await?;
                Ok(text.map(|text| Done { key, text, turn: None }))
            }
            // A put that is not done may have no file yet.
            Err(error) if self.core.requests.put_on(&key).is_none() => Err(error),
            _ => {
                let turn = self.change_file(&located.area, &key, target, Some((live, n))).await?;
                Ok(Some(Done { key, text: "the file is in the space".to_owned(), turn }))
            }
        }
    }

    /// All files below a directory, one after the other; `None` when it is not to go on.
    async fn change_tree(
        &self,
        located: &Located,
        target: Option<&SpaceToken>,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<String>, Error> {
        let area = &located.area;
        let mut open = vec![located.path.clone()];
        let (mut changed, mut failed) = (0_u64, 0_u64);
        let mut first: Option<Error> = None;
        while let Some(directory) = open.pop() {
            let (place, path) = (Arc::clone(area), directory.clone());
            for (path, kind) in blocking(move || children(&place, &path)).await? {
                if !go_on() {
                    return Ok(None);
                }
                if kind == Kind::Directory {
                    open.push(path);
                    continue;
                }
                let key = FileKey { area: Arc::clone(&area.name), path };
                match self.change_file(area, &key, target, None).await {
                    Ok(_) => changed += 1,
                    Err(error) => {
                        failed += 1;
                        first.get_or_insert(error);
                    }
                }
            }
        }
        match first {
            None => Ok(Some(format!("{changed} files are in the space"))),
            Some(error) => Err(Error::new(
                error.kind,
                format!(
                    "{failed} files were not changed, {changed} are in the space; the first: {}",
                    error.explanation
                ),
            )),
        }
    }

    /// `named`: the file of a request that this file is, which must still be wanted when the change is
    /// written; and nobody aborts it between that and its end: its turn is given back.
    async fn change_file<'l>(
        &self,
        area: &Arc<StorageArea>,
        key: &FileKey,
        target: Option<&SpaceToken>,
        named: Option<(&'l Live, u32)>,
    ) -> Result<Option<MutexGuard<'l, ()>>, Error> {
        let _guard = self.core.locks.lock(key).await;
        // No directory above is moved or removed until the file's record is written.
        let _changing = self.core.usage.change(vec![key.clone()])?;
        if self.core.requests.put_on(key).is_some() {
            return Err(Error::new(ErrorKind::Busy, "a put on the file is not done"));
        }
        let (place, path) = (Arc::clone(area), key.path.clone());
        let bytes = blocking(move || {
            let stat = place.driver.stat(&path).map_err(|error| driver_error(error, &path))?;
            match stat.kind {
                Kind::File => Ok(stat.size),
                _ => Err(Error::new(ErrorKind::InvalidPath, "it is no file any more")),
            }
        })
        .await?;
        let old = self.core.store.record(key).await?;
        let from = old.as_ref().and_then(|record| record.space.clone());
        if from.as_ref() == target {
            return Ok(None);
        }
        if old.as_ref().and_then(|record| record.expires).is_some_and(|at| at <= now()) {
            return Err(Error::new(ErrorKind::Expired, "the file's lifetime is over"));
        }
        let shift = Shift { from, to: target.cloned(), bytes };
        let (srm, wanted) = (self.clone(), shift.clone());
        let place = Arc::clone(area);
        // Its lock is held: nothing is removed here to make room.
        let shifted = move |limits: &Limits| {
            // Held as by a writer, so that the space is not released before the record is written.
            let to = wanted.to.as_ref();
            let hold = to.map(|to| srm.core.books.take(limits, Some(to), 0, now())).transpose()?;
            srm.core.books.shift(&wanted, limits, now()).map(|()| hold)
        };
        let looking = self.clone();
        let _hold = blocking(move || looking.within(&place, shifted)).await?;
        let new = self.moved_record(old.as_ref(), target, bytes);
        let due = new.as_ref().and_then(|record| record.expires);
        let turn = match named {
            Some((live, n)) => {
                let turn = live.turn.lock().await;
                if !is_wanted(live, n) {
                    self.core.books.unshift(&area.name, &shift);
                    return Err(Error::new(ErrorKind::Aborted, "it was aborted meanwhile"));
                }
                Some(turn)
            }
            None => None,
        };
        let replaced = self.core.store.replace_record(key.clone(), old, new).await;
        self.core.books.unshift(&area.name, &shift);
        match replaced? {
            Some(deltas) => self.core.books.apply(&deltas),
            None => return Err(Error::new(ErrorKind::Busy, "the file changed meanwhile")),
        }
        due.into_iter().for_each(|at| self.note_due(at));
        Ok(turn)
    }

    /// The record of a file that comes into a space, or leaves all.
    fn moved_record(
        &self,
        old: Option<&FileRecord>,
        target: Option<&SpaceToken>,
        size: u64,
    ) -> Option<FileRecord> {
        let plain = FileRecord {
            space: None,
            storage_type: FileStorageType::Permanent,
            lifetime: -1,
            expires: None,
            size,
        };
        let old = old.cloned().unwrap_or(plain);
        let space = target.cloned();
        if old.storage_type == FileStorageType::Permanent {
            return space.map(|space| FileRecord { space: Some(space), size, ..old });
        }
        let expires = self.within_space(space.as_ref(), old.expires);
        Some(FileRecord { space, expires, size, ..old })
    }
}

/// What one SURL came to.
struct Done<'l> {
    key: FileKey,
    text: String,
    /// The request's, where it is held already.
    turn: Option<MutexGuard<'l, ()>>,
}

/// True until somebody aborts it.
fn is_wanted(live: &Live, n: u32) -> bool {
    live.file(n).is_some_and(|file| waits(&file))
}

/// Files and directories in a directory; links are not followed.
fn children(area: &StorageArea, directory: &RelPath) -> Result<Vec<(RelPath, Kind)>, Error> {
    let told = |error: DriverError| driver_error(error, directory);
    let open = match area.driver.directory(directory) {
        Ok(open) => open,
        // It is gone, or is another area's.
        Err(DriverError::NotFound | DriverError::NotADirectory | DriverError::OtherArea) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(told(error)),
    };
    let mut found = Vec::new();
    for entry in open.entries().map_err(told)? {
        let entry = entry.map_err(told)?;
        if let Some(kind @ (Kind::File | Kind::Directory)) = entry.kind
            && !is_hidden(&entry.name)
        {
            found.push((directory.join(&entry.name), kind));
        }
    }
    Ok(found)
}

fn change_status(_live: &Live, surl: String, file: Option<&FileRow>) -> SurlStatus {
    SurlStatus { status: file.map_or_else(not_in_request, file_status), surl }
}
