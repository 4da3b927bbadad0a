//! srmReleaseFiles.

use std::sync::Arc;

use super::access::owner;
use super::requests::Live;
use super::rm::of_files;
use super::transition::Change;
use super::{Error, FilesAnswer, Srm, SurlStatus};
use crate::model::{Event, FileState, Identity, RequestKind, ReturnStatus, StatusCode};
use crate::store::FileRow;

impl Srm {
    /// srmReleaseFiles: with a token its files, or some of them; without one, all of the caller's
    /// pins on the SURLs. Again is fine. `remove` releases only: a disk area keeps its file.
    pub async fn release_files(
        &self,
        who: &Identity,
        token: Option<&str>,
        surls: Option<Vec<String>>,
        remove: bool,
    ) -> FilesAnswer {
        let refused = |status| FilesAnswer { status, files: None };
        if let Err(error) = Self::check_identity(who) {
            return refused(error.into());
        }
        if remove {
            return refused(ReturnStatus::not_supported(
                "doRemove is not offered: release the files, then remove them with srmRm",
            ));
        }
        let surls = surls.filter(|surls| !surls.is_empty());
        if let Some(surls) = &surls
            && let Err(status) = self.check_count(surls.len())
        {
            return refused(status);
        }
        let released = match (token, surls) {
            (Some(token), surls) => self.release_request(who, token, surls).await,
            (None, Some(surls)) => self.release_surls(who, surls).await,
            (None, None) => Err(ReturnStatus::invalid_request(
                "No SURLs found matching user, input request token or list of SURLs.",
            )),
        };
        match released {
            Ok(files) => {
                let some = "some files were not released: look at the status of each";
                let status = of_files(&files, "Files released", some, "No files released");
                FilesAnswer { status, files: Some(files) }
            }
            Err(status) => refused(status),
        }
    }

    async fn release_request(
        &self,
        who: &Identity,
        token: &str,
        surls: Option<Vec<String>>,
    ) -> Result<Vec<SurlStatus>, ReturnStatus> {
        let live = self.find_request(who, token, None).await?;
        if !matches!(live.kind(), RequestKind::Get | RequestKind::BringOnline) {
            return Err(ReturnStatus::invalid_request(format!(
                "token {token} belongs to a {} request: only gets are released",
                live.kind()
            )));
        }
        let site = self.site();
        let _turn = live.turn.lock().await;
        let picked = live.pick(surls.as_deref(), |surl, file| site.same_file(surl, file));
        let open: Vec<FileRow> = picked
            .iter()
            .filter_map(|(_, file)| file.clone())
            .filter(|file| !file.state.is_final(live.kind()))
            .collect();
        self.release_open(&live, open).await.map_err(ReturnStatus::from)?;
        Ok(picked
            .into_iter()
            .map(|(surl, file)| SurlStatus { surl, status: released(&live, file) })
            .collect())
    }

    async fn release_surls(
        &self,
        who: &Identity,
        surls: Vec<String>,
    ) -> Result<Vec<SurlStatus>, ReturnStatus> {
        let site = self.site();
        let mut files = Vec::with_capacity(surls.len());
        for surl in surls {
            let status = match site.locate_surl(who, &surl, crate::namespace::Access::Read) {
                Ok(located) => {
                    let holders = self.core.requests.pins_of(owner(who), &located.key());
                    let found = !holders.is_empty();
                    let mut failed = None;
                    for holder in holders {
                        let _turn = holder.live.turn.lock().await;
                        let open: Vec<FileRow> = holder
                            .live
                            .file(holder.n)
                            .filter(|file| file.state == FileState::Pinned)
                            .into_iter()
                            .collect();
                        if let Err(error) = self.release_open(&holder.live, open).await {
                            failed = Some(error);
                        }
                    }
                    match failed {
                        Some(error) => error.into(),
                        None if found => ReturnStatus::success("Released"),
                        None => not_pinned(),
                    }
                }
                Err(error) => error.into(),
            };
            files.push(SurlStatus { surl, status });
        }
        Ok(files)
    }

    /// The caller holds the turn.
    pub(super) async fn release_open(
        &self,
        live: &Arc<Live>,
        mut files: Vec<FileRow>,
    ) -> Result<(), Error> {
        files.sort_by_key(|file| file.n);
        files.dedup_by_key(|file| file.n);
        let changes =
            files.into_iter().map(|file| Change::new(file, Event::Release, "Released")).collect();
        for changed in self.advance(live, changes, false).await? {
            changed?;
        }
        Ok(())
    }
}

/// What a release says of a file, by the state it is in afterwards.
fn released(live: &Live, before: Option<FileRow>) -> ReturnStatus {
    let Some(file) = before.and_then(|file| live.file(file.n)) else {
        return ReturnStatus::new(
            StatusCode::InvalidPath,
            "No information about this SURL in the request",
        );
    };
    match file.state {
        FileState::Released => ReturnStatus::success("Released"),
        FileState::Aborted => {
            ReturnStatus::new(StatusCode::Aborted, "it was not ready yet, and is aborted")
        }
        _ => not_pinned(),
    }
}

fn not_pinned() -> ReturnStatus {
    ReturnStatus::new(StatusCode::InvalidPath, "Not released because it is not pinned")
}
