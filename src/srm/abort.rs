//! srmAbortRequest and srmAbortFiles.

use std::sync::Arc;

use super::files::{discard, hidden_name};
use super::requests::Live;
use super::rm::of_files;
use super::transition::Change;
use super::{Error, FilesAnswer, Srm, SurlStatus, blocking};
use crate::model::{Event, FileState, Identity, RequestKind, ReturnStatus, StatusCode};
use crate::store::FileRow;

impl Srm {
    /// srmAbortRequest. Twice is fine; what is done stays done.
    pub async fn abort_request(&self, who: &Identity, token: &str) -> ReturnStatus {
        let live = match self.find_request(who, token, None).await {
            Ok(live) => live,
            Err(status) => return status,
        };
        let _turn = live.turn.lock().await;
        let files = live.files();
        let open: Vec<FileRow> =
            files.iter().filter(|file| !file.state.is_final(live.kind())).cloned().collect();
        if open.is_empty() {
            // Nothing left to abort: harmless, unless something was finished that the client
            // believes it takes back.
            return if files.iter().any(|file| file.state == FileState::Success) {
                ReturnStatus::new(
                    StatusCode::Failure,
                    "the request is done and can't be aborted: remove the files with srmRm",
                )
            } else {
                ReturnStatus::success("the request has ended already")
            };
        }
        match self.abort_open(&live, open, true, "aborted by srmAbortRequest").await {
            Ok(outcome) if outcome.iter().all(Result::is_ok) => {
                ReturnStatus::success("Abort request completed.")
            }
            Ok(_) => ReturnStatus::new(StatusCode::PartialSuccess, "some files were not aborted"),
            Err(error) => error.into(),
        }
    }

    /// srmAbortFiles.
    pub async fn abort_files(
        &self,
        who: &Identity,
        token: &str,
        surls: Vec<String>,
    ) -> FilesAnswer {
        if let Err(status) = self.check_surls(who, &surls) {
            return FilesAnswer { status, files: None };
        }
        let live = match self.find_request(who, token, None).await {
            Ok(live) => live,
            Err(status) => return FilesAnswer { status, files: None },
        };
        let site = self.site();
        let _turn = live.turn.lock().await;
        let picked = live.pick(Some(&surls), |surl, file| site.same_file(surl, file));
        let mut files = Vec::with_capacity(picked.len());
        for (surl, file) in picked {
            let status = match file {
                None => ReturnStatus::new(
                    StatusCode::InvalidPath,
                    "No information about this SURL in the request",
                ),
                Some(file) if file.state == FileState::Aborted => {
                    ReturnStatus::success("aborted already")
                }
                Some(file) if file.state.is_final(live.kind()) => ReturnStatus::new(
                    StatusCode::Failure,
                    "Request is in a final status. Abort not allowed.",
                ),
                // The same SURL twice in one call: the second finds it aborted.
                Some(file) => match live.file(file.n).map(|f| f.state) {
                    Some(FileState::Aborted) => ReturnStatus::success("aborted already"),
                    _ => match self.abort_open(&live, vec![file], false, "aborted").await {
                        Ok(outcome) => match outcome.into_iter().next() {
                            Some(Err(error)) => error.into(),
                            _ => ReturnStatus::success("File request successfully aborted."),
                        },
                        Err(error) => error.into(),
                    },
                },
            };
            files.push(SurlStatus { surl, status });
        }
        let status = of_files(
            &files,
            "Abort request completed.",
            "some files were not aborted: look at the status of each",
            "Abort failed.",
        );
        FilesAnswer { status, files: Some(files) }
    }

    /// Aborts one file of somebody's request, because the file itself is going.
    pub(super) async fn abort_one(&self, live: &Arc<Live>, n: u32, why: &str) -> Result<(), Error> {
        let _turn = live.turn.lock().await;
        let Some(file) = live.file(n).filter(|f| !f.state.is_final(live.kind())) else {
            return Ok(());
        };
        self.abort_open(live, vec![file], false, why).await.map(|_| ())
    }

    /// The caller holds the turn. Hidden files go first: should we crash in between, the put is
    /// still live and nothing is left behind for good.
    async fn abort_open(
        &self,
        live: &Arc<Live>,
        files: Vec<FileRow>,
        whole: bool,
        why: &str,
    ) -> Result<Vec<super::transition::Changed>, Error> {
        for file in &files {
            self.discard_hidden(live, file).await?;
        }
        let changes = files.into_iter().map(|file| Change::new(file, Event::Abort, why)).collect();
        self.advance(live, changes, whole).await
    }

    /// Removes what a live put has on disk.
    pub(super) async fn discard_hidden(
        &self,
        live: &Arc<Live>,
        file: &FileRow,
    ) -> Result<(), Error> {
        let Some(key) = file.key.as_ref().filter(|_| live.kind() == RequestKind::Put) else {
            return Ok(());
        };
        let Some(area) = self.site().namespace.area(&key.area).cloned() else { return Ok(()) };
        let Some(hidden) = hidden_name(&key.path, live.token(), file.n) else { return Ok(()) };
        blocking(move || discard(&area, &hidden)).await
    }
}
