//! srmPrepareToPut and srmStatusOfPutRequest: a hidden file beside the target, and a TURL to it.

use std::sync::Arc;

use super::access::owner;
use super::acl::Accounts;
use super::answer::{estimated_wait, turl_while};
use super::checks::not_in_request;
use super::files::{discard, hidden_name};
use super::leases::Loan;
use super::live::Live;
use super::publish::made_at_prepare;
use super::requests::{now, seconds_left};
use super::spaces::Hold;
use super::submit::{deadline, expiry, fqans, new_token, protocols, queued, waits};
use super::target::writable;
use super::transition::{Change, file_status};
use super::{Error, ErrorKind, PutAnswer, PutFileStatus, PutRequest, Site, Srm, blocking};
use crate::model::{
    Event, FileState, FileStorageType, Identity, Protocol, RelPath, RequestKind, ReturnStatus,
};
use crate::namespace::{AclMode, Located, StorageArea, TurlRequest};
use crate::store::{FileRow, RequestRow};

impl Srm {
    /// srmPrepareToPut. The answer waits up to `answer_wait` for what gets ready meanwhile.
    pub async fn prepare_to_put(&self, who: &Identity, request: PutRequest) -> PutAnswer {
        let submitted = self.submit_put(who, request).await;
        self.answer_first(submitted, put_status).await
    }

    /// srmStatusOfPutRequest.
    pub async fn status_of_put(
        &self,
        who: &Identity,
        token: &str,
        surls: Option<Vec<String>>,
    ) -> PutAnswer {
        self.answer_status(who, token, RequestKind::Put, surls, put_status).await
    }

    async fn submit_put(
        &self,
        who: &Identity,
        request: PutRequest,
    ) -> Result<Arc<Live>, ReturnStatus> {
        self.check_person(who).await?;
        let site = self.site();
        let asked = request.files.unwrap_or_default();
        if asked.is_empty() {
            return Err(ReturnStatus::invalid_request("arrayOfFileRequests is empty or missing"));
        }
        self.check_count(asked.len())?;
        let asked: Option<Vec<(String, Option<u64>)>> = asked
            .into_iter()
            .map(|file| Some((file.surl?, file.expected_size.filter(|size| *size > 0))))
            .collect();
        let asked = asked.ok_or_else(|| {
            ReturnStatus::invalid_request("targetSURL is missing: stormd does not invent names")
        })?;
        if asked.iter().any(|(_, size)| size.is_some_and(|size| i64::try_from(size).is_err())) {
            return Err(ReturnStatus::invalid_request("expectedFileSize is too large"));
        }
        let surls = || asked.iter().map(|(surl, _)| surl.as_str());
        let token = request.space_token.as_deref();
        self.check_targets(who, token, request.retention, surls).await?;
        let created = now();
        let storage_type = request.storage_type.unwrap_or(FileStorageType::Permanent);
        let file_lifetime = site.file_lifetime(who, surls().next(), request.file_lifetime)?;
        let row = RequestRow {
            fqans: fqans(who),
            description: request.description,
            deadline: deadline(created, request.total_time)?,
            pin_lifetime: site.pin_lifetime(request.pin_lifetime),
            file_lifetime: Some(file_lifetime),
            storage_type: Some(storage_type),
            overwrite: Some(request.overwrite.unwrap_or(site.config.srm.overwrite_default)),
            protocols: protocols(request.protocols)?,
            space_token: request.space_token,
            ..RequestRow::new(new_token()?, RequestKind::Put, owner(who).to_owned(), created)
        };
        let files = asked.into_iter().map(|(surl, size)| queued(surl, size)).collect();
        self.submit(who, row, files).await
    }

    /// A worker's unit: makes ready what is still queued, all in one commit.
    ///
    /// # Errors
    /// The store's: then nothing was changed.
    pub(super) async fn work_puts(
        &self,
        live: &Arc<Live>,
        who: &Identity,
        files: &[u32],
    ) -> Result<(), Error> {
        let site = self.site();
        let rows: Vec<Arc<FileRow>> =
            files.iter().filter_map(|n| live.file(*n)).filter(|row| waits(row)).collect();
        let mut prepared = self.prepare_puts(live, who, rows).await;
        let is_full = |ready: &Prepared| matches!(ready, (_, Err(error)) if error.kind.is_full());
        // Before there is no room, what may go is removed.
        if prepared.iter().any(is_full) && self.make_room().await {
            let (full, rest): (Vec<_>, Vec<_>) = prepared.into_iter().partition(is_full);
            let again = full.iter().filter_map(|(n, _)| live.file(*n)).collect();
            prepared = rest;
            prepared.extend(self.prepare_puts(live, who, again).await);
        }
        let loans = prepared.iter().filter_map(|(_, ready)| ready.as_ref().ok()?.loan.clone());
        let mut unlent = self.lend(live, loans.collect()).await;
        let turn = live.turn.lock().await;
        let mut changes = Vec::with_capacity(prepared.len());
        let (mut claimed, mut dropped) = (Vec::new(), Vec::new());
        for (n, work) in prepared {
            let work = match (work, unlent.remove(&n)) {
                (Ok(ready), Some(error)) => {
                    dropped.push(ready);
                    Err(error)
                }
                (work, _) => work,
            };
            let still_wanted = live.file(n).filter(|file| waits(file));
            match (work, still_wanted) {
                (Err(_), None) => {}
                (Ok(ready), None) => dropped.push(ready),
                (Ok(mut ready), Some(file)) => {
                    match self.claim(live, n, &ready.located.key(), &site) {
                        Ok(()) => {
                            if let Some(hold) = ready.hold.take() {
                                live.keep_room(n, hold);
                            }
                            changes.push(ready.change(live, &file));
                            claimed.push((n, ready));
                        }
                        Err(error) => {
                            dropped.push(ready);
                            changes.push(Change::failed(&file, &error));
                        }
                    }
                }
                (Err(error), Some(file)) => changes.push(Change::failed(&file, &error)),
            }
        }
        // Before their state changes, so that a crash in between leaves no litter.
        let lent = |dropped: &[Ready]| -> Vec<u32> {
            dropped.iter().filter_map(|ready| Some(ready.loan.as_ref()?.n)).collect()
        };
        let mut back = lent(&dropped);
        drop_prepared(std::mem::take(&mut dropped)).await;
        let settled = self.settle_work(live, changes).await;
        for (n, ready) in claimed {
            // After an error some may be ready all the same: the file's own state says it.
            if live.file(n).is_none_or(|file| file.state != FileState::SpaceAvailable) {
                self.core.requests.unclaim(live, n, &ready.located.key());
                live.give_room_back(n);
                dropped.push(ready);
            }
        }
        drop(turn);
        back.extend(lent(&dropped));
        self.take_back(live.id, back).await;
        drop_prepared(dropped).await;
        settled.map(|_| ())
    }

    /// What of these files needs the disk.
    async fn prepare_puts(
        &self,
        live: &Arc<Live>,
        who: &Identity,
        rows: Vec<Arc<FileRow>>,
    ) -> Vec<Prepared> {
        let failed = |error: Error| rows.iter().map(|row| (row.n, Err(error.clone()))).collect();
        let space = match self.reserved_space(live.request.space_token.as_deref()).await {
            Ok(space) => space,
            Err(error) => return failed(error),
        };
        let (srm, who, live, all) = (self.clone(), who.clone(), Arc::clone(live), rows.clone());
        let work = blocking(move || {
            let site = srm.site();
            let accounts = Accounts::new(&site, &who);
            let room = |area: &StorageArea, bytes| srm.take_room(area, space.as_ref(), bytes);
            let one =
                |row: Arc<FileRow>| (row.n, prepare(&site, &who, &accounts, &live, &row, &room));
            Ok(all.into_iter().map(one).collect())
        });
        work.await.unwrap_or_else(failed)
    }
}

/// What is told of one file; `None` for a SURL that is not in the request.
fn put_status(live: &Live, surl: String, file: Option<&FileRow>) -> PutFileStatus {
    let Some(file) = file else {
        return PutFileStatus {
            surl,
            status: not_in_request(),
            size: None,
            estimated_wait: None,
            remaining_pin: None,
            remaining_lifetime: None,
            turl: None,
        };
    };
    let ready = file.state == FileState::SpaceAvailable;
    let lifetime = match live.request.storage_type {
        Some(FileStorageType::Volatile | FileStorageType::Durable) => {
            live.request.file_lifetime.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX))
        }
        _ => Some(-1),
    };
    PutFileStatus {
        surl,
        status: file_status(file),
        size: file.size.or(file.expected_size),
        estimated_wait: estimated_wait(file),
        remaining_pin: ready.then(|| seconds_left(file.expires)),
        remaining_lifetime: lifetime.filter(|_| ready),
        turl: turl_while(ready, file),
    }
}

/// Removes the hidden files of puts that did not become live.
async fn drop_prepared(dropped: Vec<Ready>) {
    let made: Vec<Ready> = dropped.into_iter().filter(|ready| ready.made).collect();
    if made.is_empty() {
        return;
    }
    let removed = blocking(move || {
        made.iter().try_for_each(|ready| discard(&ready.located.area, &ready.hidden))
    });
    if let Err(error) = removed.await {
        tracing::warn!(%error, "hidden file of a put left behind");
    }
}

/// A file's number, and what became of it.
type Prepared = (u32, Result<Ready, Error>);

/// A put that is ready to become live.
struct Ready {
    located: Located,
    /// Room that is kept for it.
    hold: Option<Hold>,
    hidden: RelPath,
    /// The hidden file was made already.
    made: bool,
    protocol: Protocol,
    turl: String,
    /// JiT: what its mover's account needs on the way to the hidden file.
    loan: Option<Loan>,
}

impl Ready {
    fn change(&self, live: &Live, file: &FileRow) -> Change {
        let mut row = file.clone();
        row.key = Some(self.located.key());
        row.turl = Some((self.protocol, self.turl.clone()));
        row.expires = expiry(live.request.pin_lifetime);
        Change::new(&row, Event::Ready, "ready: write to the TURL, then call srmPutDone")
    }
}

/// Everything about one put that needs the disk: may he, can it be, and the hidden file.
fn prepare(
    site: &Site,
    who: &Identity,
    accounts: &Accounts<'_>,
    live: &Live,
    file: &FileRow,
    room: &dyn Fn(&StorageArea, u64) -> Result<Hold, Error>,
) -> Result<Ready, Error> {
    let mode = live.overwrite();
    let parents = site.config.srm.create_parents;
    let (located, needs) = writable(site, who, accounts, &file.surl, mode, parents)?;
    // A file of unknown size takes something, too.
    let hold = Some(room(&located.area, file.expected_size.unwrap_or(1))?);
    let hidden = hidden_name(&located.path, live.token(), file.n)
        .ok_or_else(|| Error::new(ErrorKind::IsADirectory, "the path is a directory"))?;
    let (turl, account) = accounts.turl(TurlRequest {
        located: &located,
        physical: &hidden,
        protocols: &live.request.protocols,
        anonymous_may: &|| site.anonymous_may(&located, needs),
        local: true,
    })?;
    // GridFTP servers and local programs write in place and need a file; xrootd refuses one that
    // is there; our own doors make it when data comes.
    let account = account.filter(|_| made_at_prepare(turl.protocol));
    let made = account.is_some();
    let mut loan = None;
    if let Some(account) = account {
        let expected = file.expected_size;
        if let Err(error) = accounts.make_hidden(&located, &hidden, &account, expected) {
            discard(&located.area, &hidden)?;
            return Err(error);
        }
        if located.area.acl_mode == AclMode::JiT {
            let (area, path) = (Arc::clone(&located.area), hidden.clone());
            loan = Some(Loan { n: file.n, area, path, account, read: false });
        }
    }
    Ok(Ready { located, hold, hidden, made, protocol: turl.protocol, turl: turl.url, loan })
}

impl From<crate::namespace::TurlError> for Error {
    fn from(error: crate::namespace::TurlError) -> Self {
        use crate::namespace::TurlError;
        let kind = match &error {
            TurlError::NoCommonProtocol { .. } => ErrorKind::NotSupported,
            TurlError::NoMember(_) => ErrorKind::Overloaded,
        };
        Error::new(kind, error.to_string())
    }
}
