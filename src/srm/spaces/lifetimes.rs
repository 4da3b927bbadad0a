//! How long files live: what a put gives them, srmExtendFileLifeTime without a request,
//! srmExtendFileLifeTimeInSpace; and srmPurgeFromSpace.

use super::super::access::{Needs, driver_error};
use super::super::checks::of_files;
use super::super::live::Live;
use super::super::requests::{now, seconds_left};
use super::super::{
    Error, ErrorKind, FilesAnswer, LifetimesAnswer, Srm, SurlLifetime, SurlStatus, blocking,
};
use super::find::Found;
use super::words::expired;
use crate::auth::area_authz::SpaceOperation;
use crate::fsdriver::Kind;
use crate::model::{FileKey, FileStorageType, Identity, ReturnStatus, SpaceToken, StatusCode};
use crate::namespace::Located;
use crate::store::{FileRecord, Millis};

/// How often a record is read anew that somebody else changed meanwhile.
const ATTEMPTS: usize = 5;

impl Srm {
    /// The record of a file that a put publishes now; `None` for a plain file.
    pub(in super::super) fn record_of(&self, live: &Live, n: u32, size: u64) -> Option<FileRecord> {
        let storage_type = live.request.storage_type.unwrap_or(FileStorageType::Permanent);
        let space = live.hold(n).and_then(|hold| hold.space().cloned());
        let lifetime = match storage_type {
            FileStorageType::Permanent if space.is_none() => return None,
            FileStorageType::Permanent => -1,
            _ => live.request.file_lifetime.unwrap_or(-1),
        };
        let expires = match storage_type {
            FileStorageType::Permanent => None,
            _ => self.within_space(space.as_ref(), after(lifetime)),
        };
        Some(FileRecord { space, storage_type, lifetime, expires, size })
    }

    /// A file with a lifetime ends with its space, at the latest.
    pub(super) fn within_space(
        &self,
        space: Option<&SpaceToken>,
        expires: Option<Millis>,
    ) -> Option<Millis> {
        let end = space.and_then(|token| self.core.books.find(token)?.row.expires);
        expires.into_iter().chain(end).min()
    }

    /// The half of srmExtendFileLifeTime that names no request: the lifetime of files, in seconds
    /// from now, -1 without end. It never gets shorter; permanent files have none.
    pub(in super::super) async fn extend_files(
        &self,
        who: &Identity,
        surls: Vec<String>,
        seconds: i32,
    ) -> Vec<SurlLifetime> {
        let mut files = Vec::with_capacity(surls.len());
        for surl in surls {
            let told = match self.site().reach_surl(who, &surl, Needs::CHANGE) {
                Ok(located) => self.extend_file(&located, None, Some(seconds)).await,
                Err(error) => Err(error),
            };
            files.push(lifetime_of(surl, told));
        }
        files
    }

    /// srmExtendFileLifeTimeInSpace: of the files named, or of all in the space.
    pub async fn extend_in_space(
        &self,
        who: &Identity,
        token: &str,
        surls: Option<Vec<String>>,
        seconds: Option<i32>,
    ) -> LifetimesAnswer {
        match self.extend_all(who, token, surls, seconds).await {
            Ok((files, 0)) => {
                let statuses: Vec<SurlStatus> = files
                    .iter()
                    .map(|file| SurlStatus { surl: file.surl.clone(), status: file.status.clone() })
                    .collect();
                let status = of_files(
                    &statuses,
                    "all lifetimes are extended",
                    "some lifetimes were not extended: look at the status of each",
                    "no lifetime was extended: look at the status of each",
                );
                LifetimesAnswer { status, files: Some(files) }
            }
            Ok((files, others)) => {
                let why = format!("left as they are: {others} files that you may not list");
                let extended = files.iter().any(|file| file.status.code == StatusCode::Success);
                let code = match extended {
                    true => StatusCode::PartialSuccess,
                    false => StatusCode::AuthorizationFailure,
                };
                LifetimesAnswer { status: ReturnStatus::new(code, why), files: Some(files) }
            }
            Err(status) => LifetimesAnswer { status, files: None },
        }
    }

    /// Each file that is told of, and how many others there are.
    async fn extend_all(
        &self,
        who: &Identity,
        token: &str,
        surls: Option<Vec<String>>,
        seconds: Option<i32>,
    ) -> Result<(Vec<SurlLifetime>, usize), ReturnStatus> {
        self.check_person(who).await?;
        if let Some(seconds) = seconds.filter(|seconds| *seconds == 0 || *seconds < -1) {
            return Err(ReturnStatus::invalid_request(format!(
                "newLifeTime of {seconds} s makes no sense: ask for more than 0, or -1 for no end"
            )));
        }
        if let Some(surls) = &surls {
            self.check_surls(who, surls).await?;
        }
        let found = self.find_space(who, token).await?;
        self.site().permit_space(who, found.area(), &[SpaceOperation::Write])?;
        if let Found::Reserved(_, space) = &found
            && space.is_expired(now())
        {
            return Err(expired().into());
        }
        let (surls, named) = match surls {
            Some(surls) => (surls, true),
            None => (self.surls_of(&found).await?, false),
        };
        let (mut files, mut others) = (Vec::with_capacity(surls.len()), 0);
        for surl in surls {
            let site = self.site();
            let told = match site.reach_surl(who, &surl, Needs::CHANGE) {
                Ok(located) => self.extend_file(&located, Some(&found), seconds).await,
                // A name is for who knows it, or may list it.
                Err(_) if !named && site.reach_surl(who, &surl, Needs::LIST).is_err() => {
                    others += 1;
                    continue;
                }
                Err(error) => Err(error),
            };
            files.push(lifetime_of(surl, told));
        }
        Ok((files, others))
    }

    /// All files of a reserved space, as SURLs.
    async fn surls_of(&self, found: &Found) -> Result<Vec<String>, ReturnStatus> {
        let site = self.site();
        let limit = site.config.limits.files_per_request;
        let Found::Reserved(area, space) = found else {
            let why = "this is the space of a storage area: name the files in it";
            return Err(ReturnStatus::invalid_request(why));
        };
        let files = self.core.store.files_of_space(&space.row.token, None, limit + 1).await;
        let files = files.map_err(Error::from)?;
        self.check_count(files.len())?;
        let surl = |(key, _): (FileKey, FileRecord)| site.namespace.surl(area, &key.path);
        Ok(files.into_iter().filter_map(surl).collect())
    }

    /// Seconds that the file lives from now on.
    async fn extend_file(
        &self,
        located: &Located,
        within: Option<&Found>,
        seconds: Option<i32>,
    ) -> Result<i32, Error> {
        let key = located.key();
        self.check_file(located).await?;
        let seconds = seconds.map_or_else(|| self.default_lifetime(located), i64::from);
        for _ in 0..ATTEMPTS {
            let record = self.core.store.record(&key).await?;
            let in_space = record.as_ref().and_then(|record| record.space.as_ref());
            if within
                .is_some_and(|found| found.area().name != key.area || found.reserved() != in_space)
            {
                return Err(Error::new(ErrorKind::InvalidPath, "the file is not in the space"));
            }
            let Some(record) = record.filter(|r| r.storage_type != FileStorageType::Permanent)
            else {
                return Ok(-1);
            };
            let Some(old) = record.expires else { return Ok(-1) };
            if old <= now() {
                return Err(Error::new(ErrorKind::Expired, "the file's lifetime is over"));
            }
            let new = self.within_space(record.space.as_ref(), after(seconds));
            let expires = new.map(|new| new.max(old));
            let lifetime = i64::from(seconds_left(expires));
            let wanted = FileRecord { expires, lifetime, ..record.clone() };
            let due = expires.filter(|_| record.storage_type == FileStorageType::Volatile);
            let replaced = self.core.store.replace_record(key.clone(), Some(record), Some(wanted));
            if let Some(deltas) = replaced.await? {
                self.core.books.apply(&deltas);
                due.into_iter().for_each(|at| self.note_due(at));
                return Ok(seconds_left(expires));
            }
        }
        Err(Error::new(ErrorKind::Overloaded, "others change the file all the time: try again"))
    }

    /// A file that no put is about to replace.
    async fn check_file(&self, located: &Located) -> Result<(), Error> {
        if self.core.requests.put_on(&located.key()).is_some() {
            return Err(Error::new(ErrorKind::Busy, "a put on the file is not done"));
        }
        let looked = located.clone();
        let stat = move || {
            let stat = looked.area.driver.stat(&looked.path);
            stat.map_err(|error| driver_error(error, &looked.stfn))
        };
        match blocking(stat).await?.kind {
            Kind::File => Ok(()),
            _ => Err(Error::new(ErrorKind::IsADirectory, "the path is no file")),
        }
    }

    fn default_lifetime(&self, located: &Located) -> i64 {
        let volatile = self.site().config.lifetimes.volatile_default.as_secs();
        i64::try_from(located.area.file_lifetime.unwrap_or(volatile)).unwrap_or(i64::MAX)
    }

    /// srmPurgeFromSpace: the copy of a file in a space goes, never the file. On disk there is one copy
    /// of each, which stays.
    pub async fn purge_from_space(
        &self,
        who: &Identity,
        token: &str,
        surls: Vec<String>,
    ) -> FilesAnswer {
        match self.purge_all(who, token, surls).await {
            Ok(files) => {
                let status = of_files(
                    &files,
                    "all files are purged from the space",
                    "some files were not purged: look at the status of each",
                    "no file was purged: look at the status of each",
                );
                FilesAnswer { status, files: Some(files) }
            }
            Err(status) => FilesAnswer { status, files: None },
        }
    }

    async fn purge_all(
        &self,
        who: &Identity,
        token: &str,
        surls: Vec<String>,
    ) -> Result<Vec<SurlStatus>, ReturnStatus> {
        self.check_person(who).await?;
        self.check_surls(who, &surls).await?;
        let found = self.find_space(who, token).await?;
        self.site().permit_space(who, found.area(), &[SpaceOperation::Purge])?;
        let mut files = Vec::with_capacity(surls.len());
        for surl in surls {
            let status = match self.purge_file(who, &surl, &found).await {
                Ok(status) => status,
                Err(error) => error.into(),
            };
            files.push(SurlStatus { surl, status });
        }
        Ok(files)
    }

    async fn purge_file(
        &self,
        who: &Identity,
        surl: &str,
        found: &Found,
    ) -> Result<ReturnStatus, Error> {
        let located = self.site().reach_surl(who, surl, Needs::CHANGE)?;
        let key = located.key();
        let busy = |why| Ok(ReturnStatus::new(StatusCode::Failure, why));
        match self.check_file(&located).await {
            Err(error) if error.kind == ErrorKind::Busy => {
                return busy("a put on the file is not done");
            }
            checked => checked?,
        }
        let record = self.core.store.record(&key).await?;
        let space = record.as_ref().and_then(|record| record.space.as_ref());
        if found.area().name != key.area || found.reserved() != space {
            return Err(Error::new(ErrorKind::InvalidRequest, "the file is not in the space"));
        }
        if self.core.requests.is_pinned(&key) {
            return busy("a get pins the file: release it first");
        }
        Ok(ReturnStatus::new(
            StatusCode::LastCopy,
            "this is the only copy of the file: remove it with srmRm if it is to go",
        ))
    }
}

/// The moment `seconds` from now; -1 never comes.
fn after(seconds: i64) -> Option<Millis> {
    (seconds >= 0).then(|| Millis(now().0.saturating_add(seconds.saturating_mul(1000))))
}

fn lifetime_of(surl: String, told: Result<i32, Error>) -> SurlLifetime {
    let (status, file_lifetime) = match told {
        Ok(-1) => {
            // StoRM's words: scripts look for them.
            (ReturnStatus::success("Nothing to do, SURL is permanent"), Some(-1))
        }
        Ok(seconds) => (ReturnStatus::success("the lifetime is extended"), Some(seconds)),
        Err(error) => (error.into(), None),
    };
    SurlLifetime { surl, status, file_lifetime, pin_lifetime: None }
}
