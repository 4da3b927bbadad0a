//! srmPrepareToGet and srmStatusOfGetRequest: a pin, and a TURL to read from; and how files come online,
//! which is the same without a TURL.

use std::sync::Arc;

use super::access::{Needs, driver_error, owner};
use super::acl::Accounts;
use super::answer::{estimated_wait, turl_while};
use super::checks::not_in_request;
use super::leases::Loan;
use super::live::Live;
use super::requests::{Taken, now, seconds_left};
use super::submit::{deadline, expiry, fqans, new_token, protocols, queued, waits};
use super::target::too_many_live;
use super::transition::{Change, changed, file_status};
use super::{Error, ErrorKind, GetAnswer, GetFileStatus, GetRequest, Site, Srm, blocking};
use crate::fsdriver::Kind;
use crate::model::{Event, Identity, Protocol, RequestKind, ReturnStatus};
use crate::namespace::{AclMode, Located, TurlRequest};
use crate::store::{FileRow, Millis, RequestRow};

impl Srm {
    /// srmPrepareToGet. The answer waits up to `answer_wait` for what gets ready meanwhile.
    pub async fn prepare_to_get(&self, who: &Identity, request: GetRequest) -> GetAnswer {
        let submitted = self.submit_read(who, RequestKind::Get, request, None).await;
        self.answer_first(submitted, get_status).await
    }

    /// srmStatusOfGetRequest.
    pub async fn status_of_get(
        &self,
        who: &Identity,
        token: &str,
        surls: Option<Vec<String>>,
    ) -> GetAnswer {
        self.answer_status(who, token, RequestKind::Get, surls, get_status).await
    }

    /// `starts`: when the work begins, where that is not now.
    pub(super) async fn submit_read(
        &self,
        who: &Identity,
        kind: RequestKind,
        request: GetRequest,
        starts: Option<Millis>,
    ) -> Result<Arc<Live>, ReturnStatus> {
        self.check_person(who).await?;
        let site = self.site();
        let asked = request.files.unwrap_or_default();
        if asked.is_empty() {
            return Err(ReturnStatus::invalid_request("arrayOfFileRequests is empty or missing"));
        }
        self.check_count(asked.len())?;
        let mut files = Vec::with_capacity(asked.len());
        for file in asked {
            let surl = file.surl;
            let surl =
                surl.ok_or_else(|| ReturnStatus::invalid_request("sourceSURL is missing"))?;
            let levels = file.directory.map(|levels| levels.count()).transpose()?;
            files.push(FileRow { levels, ..queued(surl, None) });
        }
        self.check_space(who, request.space_token.as_deref(), request.retention).await?;
        let created = now();
        let row = RequestRow {
            fqans: fqans(who),
            description: request.description,
            deadline: deadline(created, request.total_time)?,
            pin_lifetime: site.pin_lifetime(request.pin_lifetime),
            storage_type: request.storage_type,
            protocols: protocols(request.protocols)?,
            space_token: request.space_token,
            starts,
            ..RequestRow::new(new_token()?, kind, owner(who).to_owned(), created)
        };
        self.submit(who, row, files).await
    }

    /// A worker's unit: makes ready what is still queued, all in one commit.
    ///
    /// # Errors
    /// The store's: then nothing was changed.
    pub(super) async fn work_gets(
        &self,
        live: &Arc<Live>,
        who: &Identity,
        files: &[u32],
    ) -> Result<(), Error> {
        let site = self.site();
        let epoch = self.core.requests.epoch();
        let rows: Vec<Arc<FileRow>> =
            files.iter().filter_map(|n| live.file(*n)).filter(|row| waits(row)).collect();
        let directories = rows.iter().filter_map(|row| Some((Arc::clone(row), row.levels?)));
        self.expand_directories(live, who, directories.collect()).await?;
        let rows: Vec<_> = rows.into_iter().filter(|row| row.levels.is_none()).collect();
        let prepared = {
            let (site, who, live, all) =
                (Arc::clone(&site), who.clone(), Arc::clone(live), rows.clone());
            let srm = self.clone();
            let work = blocking(move || {
                let accounts = Accounts::new(&site, &who);
                let one = |row: Arc<FileRow>| {
                    (row.n, srm.prepare_get(&site, &who, &accounts, &live, &row))
                };
                Ok(all.into_iter().map(one).collect::<Vec<_>>())
            });
            match work.await {
                Ok(prepared) => prepared,
                Err(error) => rows.iter().map(|row| (row.n, Err(error.clone()))).collect(),
            }
        };
        let loans = prepared.iter().filter_map(|(_, ready)| ready.as_ref().ok()?.loan.clone());
        let loans: Vec<Loan> = loans.collect();
        let lent: Vec<u32> = loans.iter().map(|loan| loan.n).collect();
        let mut unlent = self.lend(live, loans).await;
        let _turn = live.turn.lock().await;
        let mut changes = Vec::with_capacity(prepared.len());
        let mut claimed = Vec::new();
        let most = site.config.limits.live_files;
        for (n, outcome) in prepared {
            let Some(file) = live.file(n).filter(|file| waits(file)) else { continue };
            let outcome = outcome.and_then(|ready| unlent.remove(&n).map_or(Ok(ready), Err));
            let outcome = outcome.and_then(|ready| {
                let claim = self.core.requests.claim_pin(live, n, &ready.located.key(), most);
                claim.map(|()| ready).map_err(|taken| match taken {
                    Taken::All => too_many_live(most),
                    Taken::Put | Taken::Pin => being_put(),
                })
            });
            match outcome {
                Err(error) => changes.push(Change::failed(&file, &error)),
                Ok(mut ready) => {
                    claimed.push((n, ready.located.key()));
                    // Something was removed, renamed or replaced since we looked: was it this?
                    if self.core.requests.epoch() != epoch
                        && let Err(error) = ready.look_again().await
                    {
                        changes.push(Change::failed(&file, &error));
                        continue;
                    }
                    changes.push(ready.change(&live.request, FileRow::clone(&file)));
                }
            }
        }
        let settled = self.settle_work(live, changes).await;
        let over = |n: &u32| live.file(*n).is_none_or(|file| !file.state.holds(live.kind()));
        for (n, key) in &claimed {
            if over(n) {
                self.core.requests.unclaim(live, *n, key);
            }
        }
        self.take_back(live.id, lent.into_iter().filter(over).collect()).await;
        settled.map(|_| ())
    }

    fn prepare_get(
        &self,
        site: &Site,
        who: &Identity,
        accounts: &Accounts<'_>,
        live: &Live,
        row: &FileRow,
    ) -> Result<Ready, Error> {
        let located = site.reach_surl(who, &row.surl, Needs::READ)?;
        let size = file_size(&located).map_err(|error| {
            // A put that is not done has its name already.
            match self.core.requests.put_on(&located.key()) {
                Some(_) if error.kind == ErrorKind::NotFound => being_put(),
                _ => error,
            }
        })?;
        if live.kind() == RequestKind::BringOnline {
            return Ok(Ready { located, turl: None, size, loan: None });
        }
        let (turl, account) = accounts.turl(TurlRequest {
            located: &located,
            physical: &located.path,
            protocols: &live.request.protocols,
            anonymous_may: &|| site.anonymous_may(&located, Needs::READ),
            local: true,
        })?;
        let area = &located.area;
        let loan = match (account, area.acl_mode) {
            (None, _) => None,
            (Some(account), AclMode::AoT) => {
                accounts.open_file(area, &located.path, &account)?;
                None
            }
            (Some(account), AclMode::JiT) => {
                let (area, path) = (Arc::clone(area), located.path.clone());
                Some(Loan { n: row.n, area, path, account, read: true })
            }
        };
        Ok(Ready { located, turl: Some((turl.protocol, turl.url)), size, loan })
    }
}

struct Ready {
    located: Located,
    /// Of a get.
    turl: Option<(Protocol, String)>,
    size: u64,
    /// JiT: what its mover's account needs.
    loan: Option<Loan>,
}

impl Ready {
    fn change(self, request: &RequestRow, mut row: FileRow) -> Change {
        row.key = Some(self.located.key());
        let told = match &self.turl {
            Some(_) => "ready: read from the TURL, then call srmReleaseFiles",
            None => "online and pinned: call srmReleaseFiles when it is no longer needed",
        };
        row.turl = self.turl;
        row.size = Some(self.size);
        row.expires = expiry(request.pin_lifetime);
        Change::of(row, Event::Ready, told)
    }

    async fn look_again(&mut self) -> Result<(), Error> {
        let located = self.located.clone();
        self.size = blocking(move || file_size(&located)).await?;
        Ok(())
    }
}

fn being_put() -> Error {
    Error::new(ErrorKind::Busy, "a put on this file is not done")
}

/// A get as a worker would make it ready, where the kernel has at hand what it takes, and no ACL is to be
/// set; else `None`.
pub(super) fn ready_at_once(
    site: &Site,
    who: &Identity,
    request: &RequestRow,
    file: &FileRow,
) -> Option<(Located, FileRow)> {
    if file.levels.is_some() {
        return None;
    }
    let located = site.reach_surl(who, &file.surl, Needs::READ).ok()?;
    let size = size_at_once(&located)?;
    let turl = match request.kind {
        RequestKind::BringOnline => None,
        _ => Some(site.namespace.simple_turl(TurlRequest {
            located: &located,
            physical: &located.path,
            protocols: &request.protocols,
            anonymous_may: &|| site.anonymous_may(&located, Needs::READ),
            local: located.area.driver.has_acls(),
        })?),
    };
    let turl = turl.map(|turl| (turl.protocol, turl.url));
    let ready = Ready { located: located.clone(), turl, size, loan: None };
    let row = changed(request.kind, ready.change(request, file.clone())).ok()?;
    Some((located, row))
}

/// Bytes of a file that is there.
pub(super) fn size_at_once(located: &Located) -> Option<u64> {
    let stat = located.area.driver.stat_at_once(&located.path)?.ok()?;
    (stat.kind == Kind::File).then_some(stat.size)
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

/// What is told of one file; `None` for a SURL that is not in the request.
pub(super) fn get_status(live: &Live, surl: String, file: Option<&FileRow>) -> GetFileStatus {
    let Some(file) = file else {
        return GetFileStatus {
            surl,
            status: not_in_request(),
            size: None,
            estimated_wait: None,
            remaining_pin: None,
            turl: None,
        };
    };
    let pinned = file.state.holds(live.kind());
    GetFileStatus {
        surl,
        status: file_status(file),
        size: file.size,
        estimated_wait: estimated_wait(file),
        remaining_pin: pinned.then(|| seconds_left(file.expires)),
        turl: turl_while(pinned, file),
    }
}
