//! srmPrepareToGet and srmStatusOfGetRequest: a pin, and a TURL to read from.

use std::sync::Arc;

use super::access::{Needs, driver_error, owner};
use super::put::{deadline, expiry, fqans, new_token, not_in_request, protocols, queued};
use super::requests::{Live, now, seconds_left};
use super::transition::{Change, file_status};
use super::{Error, ErrorKind, GetAnswer, GetFileStatus, GetRequest, Site, Srm, blocking};
use crate::fsdriver::Kind;
use crate::model::{Event, FileState, Identity, Protocol, RequestKind, ReturnStatus};
use crate::namespace::{Located, TurlRequest};
use crate::store::{FileRow, RequestRow};

impl Srm {
    /// srmPrepareToGet. The answer waits up to `answer_wait` for what gets ready meanwhile.
    pub async fn prepare_to_get(&self, who: &Identity, request: GetRequest) -> GetAnswer {
        match self.submit_get(who, request).await {
            Ok(live) => {
                live.wait_answered(self.site().config.srm.answer_wait).await;
                let files = live.files();
                GetAnswer {
                    token: Some(live.token().clone()),
                    ..get_answer(&live, files.into_iter().map(|f| (f.surl.clone(), Some(f))))
                }
            }
            Err(status) => {
                GetAnswer { status, token: None, files: None, remaining_total_time: None }
            }
        }
    }

    /// srmStatusOfGetRequest.
    pub async fn status_of_get(
        &self,
        who: &Identity,
        token: &str,
        surls: Option<Vec<String>>,
    ) -> GetAnswer {
        match self.find_request(who, token, Some(RequestKind::Get)).await {
            Ok(live) => {
                let site = self.site();
                let picked = live.pick(surls.as_deref(), |surl, file| site.same_file(surl, file));
                get_answer(&live, picked.into_iter())
            }
            Err(status) => {
                GetAnswer { status, token: None, files: None, remaining_total_time: None }
            }
        }
    }

    async fn submit_get(
        &self,
        who: &Identity,
        request: GetRequest,
    ) -> Result<Arc<Live>, ReturnStatus> {
        Self::check_identity(who)?;
        let site = self.site();
        let asked = request.files.unwrap_or_default();
        if asked.is_empty() {
            return Err(ReturnStatus::invalid_request("arrayOfFileRequests is empty or missing"));
        }
        self.check_count(asked.len())?;
        if asked.iter().any(|file| file.is_directory) {
            return Err(ReturnStatus::not_supported(
                "directories in srmPrepareToGet are not offered: list them, then ask for the files",
            ));
        }
        let files: Option<Vec<FileRow>> =
            asked.into_iter().map(|file| Some(queued(file.surl?, None))).collect();
        let files = files.ok_or_else(|| ReturnStatus::invalid_request("sourceSURL is missing"))?;
        self.check_space(who, request.space_token.as_deref(), request.retention).await?;
        let created = now();
        let row = RequestRow {
            token: new_token()?,
            kind: RequestKind::Get,
            user: owner(who).to_owned(),
            fqans: fqans(who),
            description: request.description,
            created,
            deadline: deadline(created, request.total_time)?,
            pin_lifetime: site.pin_lifetime(request.pin_lifetime),
            file_lifetime: None,
            storage_type: request.storage_type,
            overwrite: None,
            protocols: protocols(request.protocols)?,
            space_token: request.space_token,
            aborted: false,
            ended: None,
        };
        self.submit(who, row, files).await
    }

    /// A worker's unit: makes ready what is still queued, all in one commit.
    pub(super) async fn work_gets(&self, live: &Arc<Live>, who: &Identity, files: &[u32]) {
        live.take_in_hand(files);
        let site = self.site();
        let rows: Vec<FileRow> = files.iter().filter_map(|n| live.file(*n)).collect();
        let epoch = self.core.requests.epoch();
        let prepared = {
            let (site, who, live) = (Arc::clone(&site), who.clone(), Arc::clone(live));
            let work = move || {
                let one = |row: FileRow| (row.n, prepare(&site, &who, &live, row));
                Ok(rows.into_iter().map(one).collect::<Vec<_>>())
            };
            blocking(work).await.unwrap_or_default()
        };
        let _turn = live.turn.lock().await;
        let mut changes = Vec::with_capacity(prepared.len());
        let mut claimed = Vec::new();
        for (n, outcome) in prepared {
            let Some(file) = live.file(n) else { continue };
            if !matches!(file.state, FileState::Queued | FileState::InProgress) {
                continue;
            }
            match outcome {
                Err(error) => changes.push(Change::failed(file, &error)),
                Ok(ready) => {
                    let key = ready.located.key();
                    if self.core.requests.claim_pin(live, n, &key).is_err() {
                        let busy = Error::new(ErrorKind::Busy, "a put on this file is not done");
                        changes.push(Change::failed(file, &busy));
                        continue;
                    }
                    claimed.push((n, key));
                    // Something was removed or renamed since we looked: was it this?
                    if self.core.requests.epoch() != epoch
                        && let Err(error) = ready.look_again().await
                    {
                        changes.push(Change::failed(file, &error));
                        continue;
                    }
                    changes.push(ready.change(live));
                }
            }
        }
        let numbers: Vec<(u32, bool)> =
            changes.iter().map(|c| (c.row.n, c.event == Event::Ready)).collect();
        let pinned: Vec<u32> = match self.advance(live, changes, false).await {
            Ok(outcome) => numbers
                .into_iter()
                .zip(outcome)
                .filter_map(|((n, ready), changed)| (ready && changed.is_ok()).then_some(n))
                .collect(),
            Err(error) => {
                tracing::error!(token = %live.token(), %error, "gets not made ready: tried later");
                self.try_later(live, who, numbers.iter().map(|(n, _)| *n).collect());
                Vec::new()
            }
        };
        for (n, key) in claimed.iter().filter(|(n, _)| !pinned.contains(n)) {
            self.core.requests.unclaim(live, *n, key);
        }
    }

    /// Finds a request by its token, for who it belongs to. `kind`: the kind it must be of.
    pub(super) async fn find_request(
        &self,
        who: &Identity,
        token: &str,
        kind: Option<RequestKind>,
    ) -> Result<Arc<Live>, ReturnStatus> {
        Self::check_identity(who)?;
        // StoRM's words below: scripts look for them.
        let Some(parsed) = crate::model::RequestToken::parse(token) else {
            return Err(ReturnStatus::invalid_request(format!(
                "invalid token: {}",
                token.chars().take(64).collect::<String>()
            )));
        };
        let live = match self.core.requests.find(&parsed) {
            Some(live) => live,
            None => match self.core.store.load(&parsed).await {
                Ok(Some(stored)) => Live::new(stored),
                Ok(None) => {
                    return Err(ReturnStatus::invalid_request(format!(
                        "No request found matching token {parsed}"
                    )));
                }
                Err(error) => return Err(Error::from(error).into()),
            },
        };
        if !Self::is_owner(who, &live.request.user) {
            return Err(ReturnStatus::new(
                crate::model::StatusCode::AuthorizationFailure,
                "the request was made by somebody else",
            ));
        }
        match kind {
            Some(kind) if kind != live.kind() => Err(ReturnStatus::invalid_request(format!(
                "token {parsed} belongs to a {} request",
                live.kind()
            ))),
            _ => Ok(live),
        }
    }
}

struct Ready {
    located: Located,
    protocol: Protocol,
    turl: String,
    size: u64,
    row: FileRow,
}

impl Ready {
    fn change(self, live: &Live) -> Change {
        let mut row = self.row;
        row.key = Some(self.located.key());
        row.turl = Some((self.protocol, self.turl));
        row.size = Some(self.size);
        row.expires = expiry(live.request.pin_lifetime);
        Change::new(row, Event::Ready, "ready: read from the TURL, then call srmReleaseFiles")
    }

    async fn look_again(&self) -> Result<(), Error> {
        let located = self.located.clone();
        blocking(move || file_size(&located).map(|_| ())).await
    }
}

fn prepare(site: &Site, who: &Identity, live: &Live, row: FileRow) -> Result<Ready, Error> {
    let located = site.reach_surl(who, &row.surl, Needs::READ)?;
    let size = file_size(&located)?;
    let turl = site.namespace.turl(TurlRequest {
        located: &located,
        physical: &located.path,
        protocols: &live.request.protocols,
        anonymous_may: site.anonymous_may(&located, Needs::READ),
    })?;
    Ok(Ready { located, protocol: turl.protocol, turl: turl.url, size, row })
}

fn file_size(located: &Located) -> Result<u64, Error> {
    let stat = located
        .area
        .driver
        .stat(&located.path)
        .map_err(|error| driver_error(error, &located.stfn))?;
    match stat.kind {
        Kind::File => Ok(stat.size),
        Kind::Directory => Err(Error::new(ErrorKind::IsADirectory, "the path is a directory")),
        Kind::Other => Err(Error::new(ErrorKind::NotSupported, "the path is no regular file")),
    }
}

fn get_answer(live: &Live, files: impl Iterator<Item = (String, Option<FileRow>)>) -> GetAnswer {
    let status_of = |(surl, file): (String, Option<FileRow>)| match file {
        Some(file) => {
            let pinned = file.state == FileState::Pinned;
            GetFileStatus {
                surl,
                status: file_status(&file),
                size: file.size,
                estimated_wait: (!file.state.is_answered()).then_some(1),
                remaining_pin: pinned.then(|| seconds_left(file.expires)),
                turl: file.turl.filter(|_| pinned).map(|(_, url)| url),
            }
        }
        None => GetFileStatus {
            surl,
            status: not_in_request(),
            size: None,
            estimated_wait: None,
            remaining_pin: None,
            turl: None,
        },
    };
    GetAnswer {
        status: live.status(),
        token: None,
        files: Some(files.map(status_of).collect()),
        remaining_total_time: live.request.deadline.map(|at| seconds_left(Some(at))),
    }
}
