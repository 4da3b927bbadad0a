//! srmLs that is not ready in time: a request, whose names a worker reads, and srmStatusOfLsRequest.
//!
//! A srmLs that was not ready in time is asked for once more by a worker: its answer holds one page, and a
//! token stands for all of them. What is remembered of it is what was asked for. The names are in memory
//! alone, and read anew when they are asked for and not there.

use std::sync::Arc;

use tokio::sync::watch;

use super::super::access::owner;
use super::super::live::Live;
use super::super::requests::now;
use super::super::submit::{fqans, new_token, queued, waits};
use super::super::transition::{Change, STEP, file_status};
use super::super::turns::pass_on;
use super::super::{Error, ErrorKind, LsAnswer, PathDetail, Srm, blocking};
use super::detail::bare;
use super::page::Pager;
use super::snapshots::{Listing, SnapshotKey};
use super::walk::{Span, Walk};
use super::{Asked, Part, counted, not_negative, status};
use crate::model::{Event, FileState, Identity, RequestKind, ReturnStatus, StatusCode, Surl};
use crate::scheduler::{Job, JobFuture};
use crate::store::{FileRow, ListingRow, RequestRow};

impl Srm {
    /// What is not ready in time becomes a request.
    pub(super) async fn list_later(&self, who: &Identity, asked: &Asked) -> LsAnswer {
        match self.submit_ls(who, asked).await {
            Ok(live) => {
                // Its names come with the status call, however fast they are read.
                let code = StatusCode::RequestQueued;
                let token = Some(live.token().clone());
                LsAnswer { token, ..LsAnswer::bare(super::super::live::told(live.kind(), code)) }
            }
            Err(status) => LsAnswer::bare(status),
        }
    }

    async fn submit_ls(&self, who: &Identity, asked: &Asked) -> Result<Arc<Live>, ReturnStatus> {
        self.check_person(who).await?;
        let row = RequestRow {
            fqans: fqans(who),
            storage_type: asked.wanted,
            ..RequestRow::new(new_token()?, RequestKind::Ls, owner(who).to_owned(), now())
        };
        let listing = ListingRow {
            levels: asked.levels,
            offset: asked.offset,
            count: asked.count,
            full: asked.full,
        };
        let files = asked.surls.iter().map(|surl| queued(surl.clone(), None)).collect();
        self.submit_listing(who, row, files, Some(listing)).await
    }

    /// srmStatusOfLsRequest: a page of what srmLs asked for, once its names are read.
    pub async fn status_of_ls(
        &self,
        who: &Identity,
        token: &str,
        offset: Option<i32>,
        count: Option<i32>,
    ) -> LsAnswer {
        let found = self.find_ls(who, token, offset, count).await;
        let (live, offset, count) = match found {
            Ok(found) => found,
            Err(status) => return LsAnswer::bare(status),
        };
        let status = live.status();
        if !live.is_answered() || status.code == StatusCode::Aborted {
            return LsAnswer::bare(status);
        }
        let asked = match self.asked_of(&live).await {
            Ok(asked) => Arc::new(asked),
            Err(error) => return LsAnswer::bare(error.into()),
        };
        let rest = asked.count.map(|most| most.saturating_sub(offset));
        let count = count.into_iter().chain(rest).min();
        let cap = self.site().config.limits.ls_entries;
        let part = Part::of(asked.offset.saturating_add(offset), count, cap);
        match self.listing_of(&live, who, &asked, part).await {
            Ok(Some(listing)) => {
                let told = self.tell(&live, who, &asked, listing, part).await;
                self.answer_ls(who, &asked, told).await
            }
            Ok(None) => {
                let why = "its names are read once more: ask again";
                LsAnswer::bare(ReturnStatus::new(StatusCode::RequestInProgress, why))
            }
            Err(error) => LsAnswer::bare(error.into()),
        }
    }

    async fn find_ls(
        &self,
        who: &Identity,
        token: &str,
        offset: Option<i32>,
        count: Option<i32>,
    ) -> Result<(Arc<Live>, usize, Option<usize>), ReturnStatus> {
        let live = self.find_request(who, token, Some(RequestKind::Ls)).await?;
        let offset = not_negative(offset, "offset")?.unwrap_or(0);
        Ok((live, usize::try_from(offset).unwrap_or(0), counted(count)?))
    }

    /// What a request asked for.
    async fn asked_of(&self, live: &Live) -> Result<Asked, Error> {
        let missing = || Error::new(ErrorKind::Internal, "what was to be listed is not known");
        let row = self.core.store.listing(live.id).await?.ok_or_else(missing)?;
        Ok(Asked {
            surls: (0..).map_while(|n| live.file(n)).map(|file| file.surl.clone()).collect(),
            levels: row.levels,
            offset: row.offset,
            count: row.count,
            full: row.full,
            wanted: live.request.storage_type,
        })
    }

    /// A worker's unit: reads the names, so that they are there when the request says so.
    ///
    /// # Errors
    /// The store's: what was not written down is done again.
    pub(in super::super) async fn work_listing(
        &self,
        live: &Arc<Live>,
        who: &Identity,
    ) -> Result<(), Error> {
        let asked = Arc::new(self.asked_of(live).await?);
        let skip = asked.offset;
        let wanted = Arc::clone(live);
        let go_on = move || !wanted.is_answered();
        // The next start does what was stopped; what was aborted, nobody.
        let Some(listing) = self.read_names(live, who, &asked, skip, go_on).await? else {
            return Ok(());
        };
        let _turn = live.turn.lock().await;
        let mut changes = Vec::new();
        for (n, top) in (0..).zip(&listing.tops) {
            let Some(file) = live.file(n).filter(|file| waits(file)) else { continue };
            changes.push(match &top.error {
                None => Change::new(&file, Event::Ready, "listed"),
                Some(error) => Change::failed(&file, error),
            });
        }
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            self.settle_work(live, changes.by_ref().take(STEP).collect()).await?;
        }
        Ok(())
    }

    /// Reads the names from the `skip`th on and keeps them; `None` when it was not to go on.
    async fn read_names(
        &self,
        live: &Arc<Live>,
        who: &Identity,
        asked: &Arc<Asked>,
        skip: usize,
        go_on: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Option<Arc<Listing>>, Error> {
        let view = self.view(who, asked).await?;
        let turn = self.ls_turn().await?;
        let (srm, live, asked) = (self.clone(), Arc::clone(live), Arc::clone(asked));
        blocking(move || {
            let _turn = turn;
            let go_on = || go_on() && !srm.core.stopping.is_cancelled();
            let before = skip.saturating_sub(asked.offset);
            let most = asked.count.map_or(usize::MAX, |count| count.saturating_sub(before));
            let span = Span { levels: asked.levels, skip, most };
            let surls = (0..).zip(&asked.surls).map(|(n, surl)| {
                let wanted = live.file(n).is_some_and(|file| is_wanted(&file));
                wanted.then_some(surl.as_str())
            });
            let Some(listing) = Walk::new(&view, span, &go_on).of(surls) else { return Ok(None) };
            let listing = Arc::new(listing);
            let key = SnapshotKey::Request(live.token().clone());
            srm.core.snapshots.keep(key, Arc::clone(&listing));
            Ok(Some(listing))
        })
        .await
    }

    /// The names that are kept, or are read anew within `ls_wait`.
    async fn listing_of(
        &self,
        live: &Arc<Live>,
        who: &Identity,
        asked: &Arc<Asked>,
        part: Part,
    ) -> Result<Option<Arc<Listing>>, Error> {
        let key = SnapshotKey::Request(live.token().clone());
        let kept = || {
            let kept = self.core.snapshots.find(&key);
            kept.filter(|listing| listing.covers(part.from, part.most))
        };
        if let Some(listing) = kept() {
            return Ok(Some(listing));
        }
        let mut made = self.read_again(live, who, asked, part.from)?;
        pass_on();
        let wait = self.site().config.srm.ls_wait;
        // Whether it came to an end does not matter: what is there is told.
        let _ = tokio::time::timeout(wait, made.changed()).await;
        Ok(kept())
    }

    /// Has the names read anew, once at a time; the receiver's other end goes when that is done.
    fn read_again(
        &self,
        live: &Arc<Live>,
        who: &Identity,
        asked: &Arc<Asked>,
        skip: usize,
    ) -> Result<watch::Receiver<()>, Error> {
        let (done, made) = watch::channel(());
        {
            let mut making = self.core.snapshots.making();
            if let Some(made) = making.get(live.token()) {
                return Ok(made.clone());
            }
            making.insert(live.token().clone(), made.clone());
        }
        let again = Again {
            srm: self.clone(),
            live: Arc::clone(live),
            who: who.clone(),
            asked: Arc::clone(asked),
            skip,
            _done: done,
        };
        let queued = self.pool(live.kind()).submit(&live.request.user, vec![Box::new(again)]);
        queued.map_err(|full| Error::new(ErrorKind::Overloaded, full.to_string()))?;
        Ok(made)
    }

    async fn tell(
        &self,
        live: &Arc<Live>,
        who: &Identity,
        asked: &Arc<Asked>,
        listing: Arc<Listing>,
        part: Part,
    ) -> Result<(ReturnStatus, Vec<PathDetail>), Error> {
        let view = self.view(who, asked).await?;
        let turn = self.ls_turn().await?;
        let (live, asked) = (Arc::clone(live), Arc::clone(asked));
        blocking(move || {
            let _turn = turn;
            let cap = view.site.config.limits.ls_entries;
            let span = (part.from, part.most);
            let surls = (0..).zip(&asked.surls).map(|(n, surl)| {
                let file = live.file(n).filter(|file| !is_wanted(file));
                (surl.as_str(), file.map(|file| failed(&file)))
            });
            let page = Pager::new(&view, &listing, asked.levels, span, &|| true).of(surls);
            if !page.gone.is_empty() {
                let key = SnapshotKey::Request(live.token().clone());
                view.srm.core.snapshots.keep(key, Arc::new(listing.without(&page.gone)));
            }
            Ok((status(&page, part, listing.too_deep, cap), page.details))
        })
        .await
    }
}

/// The names below it are told.
fn is_wanted(file: &FileRow) -> bool {
    waits(file) || file.state == FileState::Success
}

/// A SURL that could not be listed, or was aborted.
fn failed(file: &FileRow) -> PathDetail {
    let path = Surl::parse(&file.surl).map(|surl| surl.stfn().to_string());
    let status = match file_status(file) {
        // No code of entries.
        aborted if aborted.code == StatusCode::Aborted => {
            ReturnStatus::new(StatusCode::Failure, aborted.explanation)
        }
        status => status,
    };
    bare(path.unwrap_or_else(|_| file.surl.clone()), status)
}

/// Names that are read once more.
struct Again {
    srm: Srm,
    live: Arc<Live>,
    who: Identity,
    asked: Arc<Asked>,
    skip: usize,
    _done: watch::Sender<()>,
}

impl Drop for Again {
    fn drop(&mut self) {
        self.srm.core.snapshots.making().remove(self.live.token());
    }
}

impl Again {
    async fn work(self: Box<Self>) {
        let Again { srm, live, who, asked, skip, .. } = &*self;
        if let Err(error) = srm.read_names(live, who, asked, *skip, || true).await {
            tracing::error!(token = %live.token(), %error, "names not read anew");
        }
    }
}

impl Job for Again {
    fn run(self: Box<Self>) -> JobFuture {
        Box::pin(async move {
            let srm = self.srm.clone();
            srm.core.bulk.run(self.work()).await;
        })
    }
}
