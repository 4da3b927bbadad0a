//! srmReleaseFiles.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::access::owner;
use super::checks::{not_in_request, of_files};
use super::live::Live;
use super::requests::Holder;
use super::transition::{As, Change, short_steps};
use super::{Error, FilesAnswer, Srm, SurlStatus, to_the_end};
use crate::model::{Event, FileKey, FileState, Identity, RequestKind, ReturnStatus, StatusCode};
use crate::store::{FileRow, RequestId};

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
        if let Err(error) = self.admit(who).await {
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
        let (srm, who, token) = (self.clone(), who.clone(), token.map(str::to_owned));
        let released = to_the_end(async move {
            Ok(match (token, surls) {
                (Some(token), surls) => srm.release_request(&who, &token, surls).await,
                (None, Some(surls)) => srm.release_surls(&who, surls).await,
                (None, None) => Err(ReturnStatus::invalid_request(
                    "No SURLs found matching user, input request token or list of SURLs.",
                )),
            })
        });
        match released.await.unwrap_or_else(|error| Err(error.into())) {
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
        let picked = live.pick_trees(surls.as_deref(), |surl| site.canonical(surl));
        let files = picked.files().into_values();
        let open = files.filter(|file| !file.state.is_final(live.kind())).collect();
        self.release_open(&live, open).await.map_err(ReturnStatus::from)?;
        let told = picked.tell(|files| released(&live, files)).into_iter();
        Ok(told.map(|(surl, status)| SurlStatus { surl, status }).collect())
    }

    async fn release_surls(
        &self,
        who: &Identity,
        surls: Vec<String>,
    ) -> Result<Vec<SurlStatus>, ReturnStatus> {
        let site = self.site();
        // By request: each has its turn and its commit once.
        let mut pins: HashMap<RequestId, (Arc<Live>, BTreeSet<u32>)> = HashMap::new();
        // A file that is named again is looked up once.
        let mut holders: HashMap<FileKey, BTreeSet<RequestId>> = HashMap::new();
        let mut located = Vec::with_capacity(surls.len());
        for surl in surls {
            let key = site.locate_surl(who, &surl, crate::namespace::Access::Read);
            let key = key.map(|located| located.key());
            if let Ok(key) = &key
                && !holders.contains_key(key)
            {
                let requests = holders.entry(key.clone()).or_default();
                for Holder { live, n } in self.core.requests.pins_of(owner(who), key) {
                    requests.insert(live.id);
                    pins.entry(live.id).or_insert_with(|| (live, BTreeSet::new())).1.insert(n);
                }
            }
            located.push((surl, key));
        }
        let mut failed: HashMap<RequestId, Error> = HashMap::new();
        for (id, (live, numbers)) in pins {
            let _turn = live.turn.lock().await;
            let open = numbers.into_iter().filter_map(|n| live.file(n));
            let open = open.filter(|file| file.state.holds(live.kind())).collect();
            if let Err(error) = self.release_open(&live, open).await {
                failed.insert(id, error);
            }
        }
        let told = |requests: BTreeSet<RequestId>| match requests.is_empty() {
            true => not_pinned(),
            false => match requests.iter().find_map(|id| failed.get(id)) {
                Some(error) => error.clone().into(),
                None => ReturnStatus::success("Released"),
            },
        };
        let told: HashMap<FileKey, ReturnStatus> =
            holders.into_iter().map(|(key, requests)| (key, told(requests))).collect();
        let files = located.into_iter().map(|(surl, key)| {
            let status = match key {
                Ok(key) => told.get(&key).cloned().unwrap_or_else(not_pinned),
                Err(error) => error.into(),
            };
            SurlStatus { surl, status }
        });
        Ok(files.collect())
    }

    /// Releases files, each named once. The caller holds the turn.
    pub(super) async fn release_open(
        &self,
        live: &Arc<Live>,
        files: Vec<Arc<FileRow>>,
    ) -> Result<(), Error> {
        if files.is_empty() {
            return Ok(());
        }
        for step in short_steps(files.len()) {
            let what = if step.end < files.len() { As::Step } else { As::Whole };
            let released = |file: &Arc<FileRow>| Change::new(file, Event::Release, "Released");
            let changes = files[step].iter().map(released).collect();
            for changed in self.advance(live, changes, what).await? {
                changed?;
            }
        }
        Ok(())
    }
}

/// What a release says of a file, by the state it is in afterwards.
fn released(live: &Live, before: &[Arc<FileRow>]) -> ReturnStatus {
    // Of several on one SURL: released, when one was.
    let after = before.iter().filter_map(|file| live.file(file.n));
    let Some(file) = after.min_by_key(|file| file.state != FileState::Released) else {
        return not_in_request();
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
