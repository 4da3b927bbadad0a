//! srmReleaseFiles.

use std::collections::HashMap;
use std::sync::Arc;

use super::access::owner;
use super::checks::{not_in_request, of_files};
use super::live::Live;
use super::transition::Change;
use super::{Error, FilesAnswer, Srm, SurlStatus, to_the_end};
use crate::model::{Event, FileState, Identity, RequestKind, ReturnStatus, StatusCode};
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
        let open = picked.iter().flat_map(|(_, files)| files);
        let open = open.filter(|file| !file.state.is_final(live.kind())).cloned().collect();
        self.release_open(&live, open).await.map_err(ReturnStatus::from)?;
        let told = |(surl, files): (String, Vec<Arc<FileRow>>)| {
            let status = released(&live, &files);
            SurlStatus { surl, status }
        };
        Ok(picked.into_iter().map(told).collect())
    }

    async fn release_surls(
        &self,
        who: &Identity,
        surls: Vec<String>,
    ) -> Result<Vec<SurlStatus>, ReturnStatus> {
        let site = self.site();
        // By request: each has its turn and its commit once.
        let mut pins: HashMap<RequestId, (Arc<Live>, Vec<u32>)> = HashMap::new();
        let mut files = Vec::with_capacity(surls.len());
        let mut of_surl: Vec<Vec<RequestId>> = Vec::with_capacity(surls.len());
        for surl in surls {
            let mut requests = Vec::new();
            let status = match site.locate_surl(who, &surl, crate::namespace::Access::Read) {
                Ok(located) => {
                    for holder in self.core.requests.pins_of(owner(who), &located.key()) {
                        let id = holder.live.id;
                        requests.push(id);
                        let (_, numbers) =
                            pins.entry(id).or_insert_with(|| (holder.live, Vec::new()));
                        numbers.push(holder.n);
                    }
                    if requests.is_empty() {
                        not_pinned()
                    } else {
                        ReturnStatus::success("Released")
                    }
                }
                Err(error) => error.into(),
            };
            of_surl.push(requests);
            files.push(SurlStatus { surl, status });
        }
        for (id, (live, numbers)) in pins {
            let _turn = live.turn.lock().await;
            let open = numbers.into_iter().filter_map(|n| live.file(n));
            let open = open.filter(|file| file.state.holds(live.kind())).collect();
            if let Err(error) = self.release_open(&live, open).await {
                for (file, _) in files.iter_mut().zip(&of_surl).filter(|(_, of)| of.contains(&id)) {
                    file.status = error.clone().into();
                }
            }
        }
        Ok(files)
    }

    /// The caller holds the turn.
    pub(super) async fn release_open(
        &self,
        live: &Arc<Live>,
        mut files: Vec<Arc<FileRow>>,
    ) -> Result<(), Error> {
        files.sort_by_key(|file| file.n);
        files.dedup_by_key(|file| file.n);
        let changes =
            files.iter().map(|file| Change::new(file, Event::Release, "Released")).collect();
        for changed in self.advance(live, changes, false).await? {
            changed?;
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
