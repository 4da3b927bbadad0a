//! srmPutDone: which puts may be published, and what is told of each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::acl::Accounts;
use super::checks::{not_in_request, of_files};
use super::compared::Compared;
use super::files::hidden_name;
use super::live::Live;
use super::publish::{Origin, Outcome, Publish, Room, made_at_prepare, publish_all, still_written};
use super::transition::{As, Change, STEP};
use super::{Error, ErrorKind, FilesAnswer, Srm, SurlStatus, blocking, to_the_end};
use crate::model::{
    FileKey, FileState, Identity, OverwriteMode, Protocol, RequestKind, ReturnStatus, StatusCode,
};
use crate::namespace::StorageArea;
use crate::store::FileRow;

/// By area.
type Readers = HashMap<Arc<str>, u32>;

impl Srm {
    /// srmPutDone.
    pub async fn put_done(&self, who: &Identity, token: &str, surls: Vec<String>) -> FilesAnswer {
        let refused = |status| FilesAnswer { status, files: None };
        if let Err(status) = self.check_surls(who, &surls).await {
            return refused(status);
        }
        let live = match self.find_request(who, token, Some(RequestKind::Put)).await {
            Ok(live) => live,
            Err(status) => return refused(status),
        };
        let (srm, who) = (self.clone(), who.clone());
        let done = to_the_end(async move { Ok(srm.finish_puts(&who, &live, &surls).await) });
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

    async fn finish_puts(
        &self,
        who: &Identity,
        live: &Arc<Live>,
        surls: &[String],
    ) -> Vec<SurlStatus> {
        let site = self.site();
        let picked = live.pick(Some(surls), |surl| site.canonical(surl));
        let files: Vec<&Arc<FileRow>> =
            picked.iter().filter_map(|(_, file)| file.as_ref()).collect();
        let readers = self.readers(who, &files).await;
        let mut statuses = Vec::with_capacity(picked.len());
        // In steps: while files are synced their locks are held, and others wait for those.
        for step in picked.chunks(STEP) {
            let mut files: Vec<u32> =
                step.iter().filter_map(|(_, file)| Some(file.as_ref()?.n)).collect();
            files.sort_unstable();
            files.dedup();
            let outcome = self.finish_step(live, &files, &readers).await;
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
        readers: &Readers,
    ) -> Result<HashMap<u32, ReturnStatus>, Error> {
        let mut compared = self.compare_puts(live, files, readers).await;
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
        let (mut changes, mut keys, mut unsummed) = (Vec::new(), Vec::new(), Vec::new());
        let (mut work, mut tried) = (Vec::new(), HashMap::new());
        let mut places = HashMap::new();
        for file in ready {
            if live.is_uploading(file.n) {
                statuses.insert(file.n, still_written().into());
                continue;
            }
            match self.publish_of(live, &file, readers) {
                Ok(mut publish) => {
                    publish.compared = compared.remove(&file.n);
                    if matches!(publish.origin, Origin::Mover) {
                        let place = (Arc::clone(&publish.area), publish.target.clone());
                        places.insert(file.n, place);
                    }
                    work.push(publish);
                }
                Err(error) => {
                    changes.push(Change::failed(&file, &error));
                    statuses.insert(file.n, error.into());
                }
            }
            tried.insert(file.n, file);
        }
        let changing = self.core.usage.change(locked.iter().cloned().collect())?;
        for (n, outcome) in publish_all(work).await {
            let Some(file) = tried.get(&n) else { continue };
            let status = match outcome {
                Ok(Outcome::Done { size, replaced }) => {
                    keys.extend(file.key.clone());
                    unsummed.extend(places.remove(&n));
                    changes.push(Change::done(file, size, replaced));
                    ReturnStatus::success("done")
                }
                Ok(Outcome::Later(error)) => error.into(),
                Err(error) => {
                    changes.push(Change::failed(file, &error));
                    error.into()
                }
            };
            statuses.insert(n, status);
        }
        self.core.requests.bump();
        let numbers: Vec<u32> = changes.iter().map(|change| change.row.n).collect();
        let changed = self.advance(live, changes, As::Whole).await?;
        drop(changing);
        for (n, changed) in numbers.into_iter().zip(changed) {
            if let Err(error) = changed {
                statuses.insert(n, error.into());
            }
        }
        drop((turn, guards));
        self.checksum_later(&live.request.user, unsummed);
        // Only with `overwrite_pinned` can a pin be left on what was replaced.
        for key in keys {
            self.abort_gets(self.core.requests.pins_on(&key)).await;
        }
        Ok(statuses)
    }

    /// Before anybody has to wait for it: what was put beside what stands there, where that decides.
    async fn compare_puts(
        &self,
        live: &Arc<Live>,
        files: &[u32],
        readers: &Readers,
    ) -> HashMap<u32, Compared> {
        if live.overwrite() != OverwriteMode::WhenFilesAreDifferent {
            return HashMap::new();
        }
        let ready = files
            .iter()
            .filter_map(|n| live.file(*n))
            .filter(|file| file.state == FileState::SpaceAvailable && !live.is_uploading(file.n));
        let work = ready.filter_map(|file| self.publish_of(live, &file, readers).ok()).collect();
        let compared = self.compare_all(live, work).await.into_iter();
        compared.filter_map(|publish| Some((publish.n, publish.compared?))).collect()
    }

    /// Per area of these files, the group that reads what the caller publishes there.
    async fn readers(&self, who: &Identity, files: &[&Arc<FileRow>]) -> Readers {
        let areas: HashSet<Arc<str>> =
            files.iter().filter_map(|file| Some(file.key.as_ref()?.area.clone())).collect();
        let (site, who) = (self.site(), who.clone());
        let found = blocking(move || {
            let accounts = Accounts::new(&site, &who);
            let reader = |name: Arc<str>| {
                let area = site.namespace.area(&name)?;
                Some((name, accounts.reader(area)?))
            };
            Ok(areas.into_iter().filter_map(reader).collect())
        });
        // Without an account nobody else reads it: what is published is published all the same.
        found.await.unwrap_or_default()
    }

    fn publish_of(&self, live: &Live, file: &FileRow, readers: &Readers) -> Result<Publish, Error> {
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
            room: self.room_of(live, file.n, &area),
            area,
            reader: readers.get(&key.area).copied(),
            target: key.path,
            hidden,
            token: live.token().clone(),
            n: file.n,
            expected: file.expected_size,
            uploaded: live.is_uploaded(file.n),
            origin: match protocol.is_some_and(Protocol::is_ours) {
                true => Origin::Door,
                false => Origin::Mover,
            },
            made: protocol.is_some_and(made_at_prepare),
            mode: live.overwrite(),
            compared: None,
            sync: site.config.http.fsync,
        })
    }
}

impl Srm {
    /// Whether what was written is no more than there is room for.
    pub(super) fn room_of(&self, live: &Live, n: u32, area: &Arc<StorageArea>) -> Room {
        let (srm, hold, area) = (self.clone(), live.hold(n), Arc::clone(area));
        Box::new(move |bytes| match &hold {
            Some(hold) => srm.grow_room(&area, hold, bytes).map_err(too_much),
            None => Ok(()),
        })
    }
}

/// More was written than there is room for: the codes that srmPutDone knows.
fn too_much(error: Error) -> Error {
    match error.kind {
        ErrorKind::NoFreeSpace | ErrorKind::DiskFull | ErrorKind::NoUserSpace => {
            Error::new(ErrorKind::ExceedAllocation, error.explanation)
        }
        _ => error,
    }
}

fn not_yet() -> ReturnStatus {
    ReturnStatus::new(StatusCode::Failure, "the put is not ready: call srmStatusOfPutRequest")
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
        FileState::Queued | FileState::InProgress | FileState::Suspended => Some(not_yet()),
        // It was ready, and its directory was moved.
        FileState::Failed if file.key.is_some() && file.code == Some(StatusCode::InvalidPath) => {
            status(StatusCode::InvalidPath, &file.explanation)
        }
        FileState::Failed | FileState::Pinned | FileState::Released => {
            status(StatusCode::Failure, "Check StatusOfPutRequest for more information")
        }
    }
}
