//! srmAbortRequest and srmAbortFiles.

use std::collections::HashMap;
use std::sync::Arc;

use super::checks::{not_in_request, of_files};
use super::files::{discard, hidden_name};
use super::live::Live;
use super::requests::Holder;
use super::transition::{As, Change, Changed, short_steps};
use super::{Error, ErrorKind, FilesAnswer, Srm, SurlStatus, blocking, to_the_end};
use crate::model::{
    Event, FileKey, FileState, Identity, RelPath, RequestKind, ReturnStatus, StatusCode,
};
use crate::store::FileRow;

impl Srm {
    /// srmAbortRequest. Twice is fine; what is done stays done.
    pub async fn abort_request(&self, who: &Identity, token: &str) -> ReturnStatus {
        let live = match self.find_request(who, token, None).await {
            Ok(live) => live,
            Err(status) => return status,
        };
        let srm = self.clone();
        let aborted = to_the_end(async move { srm.abort_live(&live).await });
        aborted.await.unwrap_or_else(ReturnStatus::from)
    }

    async fn abort_live(&self, live: &Arc<Live>) -> Result<ReturnStatus, Error> {
        let _turn = live.turn.lock().await;
        let files = live.files();
        let open: Vec<u32> =
            files.iter().filter(|f| !f.state.is_final(live.kind())).map(|f| f.n).collect();
        if open.is_empty() {
            // Nothing left to abort: harmless, unless something was finished that the client
            // believes it takes back.
            let kind = live.kind();
            if matches!(kind, RequestKind::ReserveSpace | RequestKind::UpdateSpace) {
                return Ok(ReturnStatus::new(
                    StatusCode::Failure,
                    "the request is done and can't be aborted: release the space with \
                     srmReleaseSpace",
                ));
            }
            let changes = kind != RequestKind::Ls;
            let done = changes && files.iter().any(|file| file.state == FileState::Success);
            return Ok(if done && live.status().code != StatusCode::Aborted {
                ReturnStatus::new(
                    StatusCode::Failure,
                    "the request is done and can't be aborted: remove the files with srmRm",
                )
            } else {
                ReturnStatus::success("the request has ended already")
            });
        }
        let outcome = self.abort_open(live, &open, true, "aborted by srmAbortRequest").await?;
        Ok(if outcome.iter().all(|(_, changed)| changed.is_ok()) {
            ReturnStatus::success("Abort request completed.")
        } else {
            ReturnStatus::new(
                StatusCode::PartialSuccess,
                "some files were not aborted: look at their status, and call it again",
            )
        })
    }

    /// srmAbortFiles.
    pub async fn abort_files(
        &self,
        who: &Identity,
        token: &str,
        surls: Vec<String>,
    ) -> FilesAnswer {
        if let Err(status) = self.check_surls(who, &surls).await {
            return FilesAnswer { status, files: None };
        }
        let live = match self.find_request(who, token, None).await {
            Ok(live) => live,
            Err(status) => return FilesAnswer { status, files: None },
        };
        let srm = self.clone();
        let aborted = to_the_end(async move { srm.abort_surls(&live, &surls).await });
        match aborted.await {
            Ok(files) => {
                let status = of_files(
                    &files,
                    "Abort request completed.",
                    "some files were not aborted: look at the status of each",
                    "Abort failed.",
                );
                FilesAnswer { status, files: Some(files) }
            }
            Err(error) => FilesAnswer { status: error.into(), files: None },
        }
    }

    async fn abort_surls(
        &self,
        live: &Arc<Live>,
        surls: &[String],
    ) -> Result<Vec<SurlStatus>, Error> {
        let site = self.site();
        let _turn = live.turn.lock().await;
        let picked = live.pick_trees(Some(surls), |surl| site.canonical(surl));
        let files = picked.files().into_values();
        let open = files.filter(|file| !file.state.is_final(live.kind())).map(|file| file.n);
        let open: Vec<u32> = open.collect();
        let outcome: HashMap<u32, Changed> =
            self.abort_open(live, &open, false, "aborted").await?.into_iter().collect();
        let told = |files: &[Arc<FileRow>]| {
            let mut failed = files.iter().filter_map(|file| outcome.get(&file.n)?.as_ref().err());
            if let Some(error) = failed.next() {
                return error.clone().into();
            }
            if files.iter().any(|file| outcome.contains_key(&file.n)) {
                return ReturnStatus::success("File request successfully aborted.");
            }
            match files.iter().min_by_key(|file| file.state == FileState::Aborted) {
                None => not_in_request(),
                Some(file) if file.state == FileState::Aborted => {
                    ReturnStatus::success("aborted already")
                }
                Some(_) => ReturnStatus::new(
                    StatusCode::Failure,
                    "Request is in a final status. Abort not allowed.",
                ),
            }
        };
        let told = picked.tell(told).into_iter();
        Ok(told.map(|(surl, status)| SurlStatus { surl, status }).collect())
    }

    /// Aborts one file of somebody's request, because the file itself is going.
    pub(super) async fn abort_one(&self, live: &Arc<Live>, n: u32, why: &str) -> Result<(), Error> {
        let _turn = live.turn.lock().await;
        if live.file(n).is_none_or(|file| file.state.is_final(live.kind())) {
            return Ok(());
        }
        for (_, changed) in self.abort_open(live, &[n], false, why).await? {
            changed?;
        }
        Ok(())
    }

    /// A directory was moved: live puts below it end, and what they have on disk, which went along
    /// and would never be found there, is removed. Gets below it end: nobody pins the files where
    /// they are now, and what comes in their place is nobody's yet.
    pub(super) async fn fail_moved(&self, from: &FileKey, to: &RelPath) {
        self.move_leases(from, to).await;
        let pins = self.core.requests.pins_below(&from.area, &from.path);
        self.end_gets(pins, "the directory of the file was moved: ask for it there").await;
        for key in self.core.requests.puts_below(&from.area, &from.path) {
            let Some(holder) = self.core.requests.put_on(&key) else { continue };
            let Some(path) = key.path.below(&from.path).map(|below| to.descend(&below)) else {
                continue;
            };
            if let Err(error) = self.fail_one(&holder, FileKey { path, ..key }).await {
                tracing::warn!(token = %holder.live.token(), %error, "put of a moved directory");
            }
        }
    }

    async fn fail_one(&self, holder: &Holder, now_at: FileKey) -> Result<(), Error> {
        let Holder { live, n } = holder;
        let _turn = live.turn.lock().await;
        let writes = |file: &Arc<FileRow>| match live.kind() {
            RequestKind::Copy => file.state == FileState::InProgress,
            _ => file.state == FileState::SpaceAvailable,
        };
        let Some(file) = live.file(*n).filter(writes) else { return Ok(()) };
        let moved = Arc::new(FileRow { key: Some(now_at), ..FileRow::clone(&file) });
        for discarded in self.discard_hidden(live, &[moved]).await? {
            discarded?;
        }
        let why = "the directory was moved meanwhile: what was written there is dropped";
        let error = Error::new(ErrorKind::InvalidPath, why);
        self.advance(live, vec![Change::failed(&file, &error)], As::Whole).await.map(|_| ())
    }

    /// What became of each. The caller holds the turn. Hidden files go first: should we crash in
    /// between, the put is still live and nothing is left behind for good.
    async fn abort_open(
        &self,
        live: &Arc<Live>,
        files: &[u32],
        whole: bool,
        why: &str,
    ) -> Result<Vec<(u32, Changed)>, Error> {
        let files: Vec<Arc<FileRow>> = files.iter().filter_map(|n| live.file(*n)).collect();
        let (mut outcome, mut changes) = (Vec::new(), Vec::new());
        for (file, discarded) in files.iter().zip(self.discard_hidden(live, &files).await?) {
            match discarded {
                Ok(()) => changes.push(Change::new(file, Event::Abort, why)),
                Err(error) => outcome.push((file.n, Err(error))),
            }
        }
        // None could be cleared away: the request goes on as if nobody had asked.
        if whole && changes.is_empty() {
            for (_, refused) in &outcome {
                refused.as_ref().map_err(Error::clone)?;
            }
        }
        // The last step ends the request: until then it is one of which some files were aborted.
        let all = changes.len();
        let mut left = changes.into_iter();
        for step in short_steps(all) {
            let what = match step.end < all {
                true => As::Step,
                false if whole => As::Abort,
                false => As::Whole,
            };
            let step: Vec<Change> = left.by_ref().take(step.len()).collect();
            let numbers: Vec<u32> = step.iter().map(|change| change.row.n).collect();
            let changed = self.advance(live, step, what).await?;
            outcome.extend(numbers.into_iter().zip(changed));
        }
        Ok(outcome)
    }

    /// Removes what live puts and copies have on disk; what became of each.
    pub(super) async fn discard_hidden(
        &self,
        live: &Arc<Live>,
        files: &[Arc<FileRow>],
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let writes = matches!(live.kind(), RequestKind::Put | RequestKind::Copy);
        if !writes || files.iter().all(|file| file.key.is_none()) {
            return Ok(files.iter().map(|_| Ok(())).collect());
        }
        let (site, live, files) = (self.site(), Arc::clone(live), files.to_vec());
        blocking(move || {
            let one = |file: &Arc<FileRow>| {
                let Some(key) = &file.key else { return Ok(()) };
                let Some(area) = site.namespace.area(&key.area) else { return Ok(()) };
                let Some(hidden) = hidden_name(&key.path, live.token(), file.n) else {
                    return Ok(());
                };
                discard(area, &hidden)
            };
            Ok(files.iter().map(one).collect())
        })
        .await
    }
}
