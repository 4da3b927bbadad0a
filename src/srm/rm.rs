//! srmRm, and DELETE of the HTTP doors.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::access::{Needs, driver_error};
use super::checks::of_files;
use super::conditions::judge;
use super::files::{look, sync_names};
use super::{
    Error, ErrorKind, FilesAnswer, Precondition, Srm, SurlStatus, Target, Touch, blocking,
    to_the_end,
};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{Identity, ReturnStatus, StatusCode};
use crate::namespace::Located;

/// What removing came to.
pub(super) enum Removed {
    /// A file is gone.
    File,
    /// There was no file yet, only a put on it: that was aborted.
    Put,
}

impl Srm {
    /// srmRm: files only. Pins do not keep a file: running gets are aborted, puts that are not
    /// done too.
    pub async fn rm(&self, who: &Identity, surls: Vec<String>) -> FilesAnswer {
        if let Err(status) = self.check_surls(who, &surls).await {
            return FilesAnswer { status, files: None };
        }
        let site = self.site();
        let mut files = Vec::with_capacity(surls.len());
        let mut gone = Vec::new();
        for surl in surls {
            let removed = match site.reach_surl(who, &surl, Needs::DELETE) {
                Ok(located) => {
                    let removed = self.remove_located(located.clone(), None).await;
                    if matches!(removed, Ok(Removed::File)) {
                        gone.push((files.len(), located));
                    }
                    removed
                }
                Err(error) => Err(error),
            };
            let status = match removed {
                Ok(Removed::File) => ReturnStatus::success("File removed"),
                Ok(Removed::Put) => ReturnStatus::success("the put on it was aborted"),
                Err(error) => error.into(),
            };
            files.push(SurlStatus { surl, status });
        }
        // Once per directory, not once per file.
        if let Err((places, error)) = self.sync_removed(gone).await {
            for place in places {
                files[place].status = error.clone().into();
            }
        }
        let all_denied = files.iter().all(|f| f.status.code == StatusCode::AuthorizationFailure);
        let status = if all_denied {
            ReturnStatus::new(StatusCode::AuthorizationFailure, "none of the files may be removed")
        } else {
            of_files(&files, "All files removed", "Some files were not removed", "No files removed")
        };
        FilesAnswer { status, files: Some(files) }
    }

    /// DELETE: a file, a directory with all below it (RFC 4918 9.6.1), or what was uploaded to a TURL. The
    /// precondition is one of files, judged at the moment of the change.
    pub async fn remove(
        &self,
        who: &Identity,
        target: &Target,
        precondition: Option<Precondition>,
    ) -> Result<(), Error> {
        self.admit(who).await?;
        let stfn = match target {
            Target::Stfn(stfn) => stfn,
            Target::Transfer(stfn) => return self.remove_upload(who, stfn).await,
        };
        let located = self.site().reach(who, stfn, Needs::DELETE)?;
        let driver = located.area.clone();
        let path = located.path.clone();
        let kind = blocking(move || Ok(driver.driver.stat(&path).map(|stat| stat.kind))).await?;
        match kind {
            Ok(Kind::Directory) => {
                self.site().permit_tree(who, &located, Needs::DELETE)?;
                self.remove_directory_located(located, true).await
            }
            _ => {
                self.remove_located(located.clone(), precondition).await?;
                self.sync_removed(vec![(0, located)]).await.map_err(|(_, error)| error)
            }
        }
    }

    /// Makes removals last beyond a crash; else gives the places of those that may come back.
    async fn sync_removed(&self, gone: Vec<(usize, Located)>) -> Result<(), (Vec<usize>, Error)> {
        if !self.site().config.http.fsync || gone.is_empty() {
            return Ok(());
        }
        let mut by_area: BTreeMap<Arc<str>, Vec<(usize, Located)>> = BTreeMap::new();
        for (place, located) in gone {
            let area = Arc::clone(&located.area.name);
            by_area.entry(area).or_default().push((place, located));
        }
        let mut failed: Option<(Vec<usize>, Error)> = None;
        for files in by_area.into_values() {
            let places: Vec<usize> = files.iter().map(|(place, _)| *place).collect();
            let synced = blocking(move || {
                let paths: Vec<_> = files.iter().map(|(_, located)| &located.path).collect();
                files.first().map_or(Ok(()), |(_, first)| sync_names(&first.area, &paths))
            });
            if let Err(error) = synced.await {
                failed.get_or_insert_with(|| (Vec::new(), error)).0.extend(places);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    pub(super) async fn remove_located(
        &self,
        located: Located,
        precondition: Option<Precondition>,
    ) -> Result<Removed, Error> {
        let srm = self.clone();
        to_the_end(async move {
            let key = located.key();
            let _guard = srm.core.locks.lock(&key).await;
            srm.unlocked(&key, Touch::Member)?;
            if precondition.is_some() {
                let looked = located.clone();
                let there = blocking(move || look(&looked)).await?;
                judge(precondition.as_ref(), there.as_ref())?;
            }
            let put = srm.core.requests.put_on(&key);
            if let Some(holder) = &put {
                srm.abort_one(&holder.live, holder.n, "File has been removed.").await?;
            }
            let announced = srm.announce(&located, None).await?;
            let removed = blocking(move || unlink(&located)).await;
            srm.settle(announced).await;
            srm.core.requests.bump();
            match removed {
                Ok(()) => {
                    srm.locks_gone(&key).await;
                    srm.abort_gets(srm.core.requests.pins_on(&key)).await;
                    Ok(Removed::File)
                }
                Err(error) if error.kind == ErrorKind::NotFound => {
                    // Requests on a file that is gone are stale.
                    srm.abort_gets(srm.core.requests.pins_on(&key)).await;
                    if put.is_some() { Ok(Removed::Put) } else { Err(error) }
                }
                Err(error) => Err(error),
            }
        })
        .await
    }
}

fn unlink(located: &Located) -> Result<(), Error> {
    let driver = &*located.area.driver;
    match driver.stat(&located.path).map(|stat| stat.kind) {
        Ok(Kind::Directory) => {
            return Err(Error::new(
                ErrorKind::IsADirectory,
                "The specified file is a directory. Not removed",
            ));
        }
        // A link that leads out is not ours to follow, and not a client's to remove; nor is
        // another area's root.
        Err(error @ (DriverError::Escapes | DriverError::OtherArea)) => {
            return Err(driver_error(error, &located.stfn));
        }
        _ => {}
    }
    match driver.remove_file(&located.path) {
        Ok(()) => Ok(()),
        // StoRM's words: scripts look for them.
        Err(DriverError::NotFound) => Err(Error::new(ErrorKind::NotFound, "File does not exist")),
        Err(error) => Err(driver_error(error, &located.stfn)),
    }
}
