//! srmLs: by name, page by page, and no work per entry that was not asked for. What is not ready within
//! `ls_wait` becomes a request with a token, of which srmStatusOfLsRequest tells.
//!
//! First come names (`walk`), then what is told of those on the page (`page`). Names stand in the order
//! of their bytes, and what a directory holds right behind it. Names that were read once are kept for
//! later pages (`snapshots`): of one directory that somebody pages through, and of what a token stands
//! for. On these pages what came meanwhile does not show, what went moves nothing to another page, and
//! what is told of each name is of today. So it is for as long as they are kept, and as far as they go (32 MiB
//! of names); then, and after a restart, names are read anew. Pages of other lists, which go through
//! several levels or directories, are counted off anew each time.

mod detail;
mod names;
mod page;
mod request;
mod snapshots;
mod view;
mod walk;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::access::Needs;
use super::{EntryKind, Error, ErrorKind, LsAnswer, LsRequest, PathDetail, Srm, blocking};
use crate::model::{FileStorageType, Identity, ReturnStatus, StatusCode};

use detail::{ADLER32, Describer};
use page::{Page, Pager};
use snapshots::{Listing, SnapshotKey};
use view::{Place, View};
use walk::{LEVELS, Span, Walk};

pub(super) use snapshots::Snapshots;

/// What srmLs asked for, once it was checked.
struct Asked {
    surls: Vec<String>,
    /// Of names below each; beyond [`LEVELS`] none are given.
    levels: i32,
    offset: usize,
    count: Option<usize>,
    full: bool,
    wanted: Option<FileStorageType>,
}

/// How much of it one answer tells.
#[derive(Clone, Copy)]
struct Part {
    from: usize,
    most: usize,
    /// More was asked for than one answer tells.
    capped: bool,
}

impl Srm {
    /// srmLs.
    pub async fn ls(&self, who: &Identity, request: LsRequest) -> LsAnswer {
        let asked = match self.check_ls(who, request).await {
            Ok(asked) => Arc::new(asked),
            Err(status) => return LsAnswer::bare(status),
        };
        let wait = self.site().config.srm.ls_wait;
        if !wait.is_zero()
            && let Ok(told) = tokio::time::timeout(wait, self.list_now(who, &asked)).await
        {
            return self.answer_ls(who, &asked, told).await;
        }
        self.list_later(who, &asked).await
    }

    async fn check_ls(&self, who: &Identity, request: LsRequest) -> Result<Asked, ReturnStatus> {
        self.check_surls(who, &request.surls).await?;
        let levels = not_negative(request.levels, "numOfLevels")?.unwrap_or(1);
        let offset = not_negative(request.offset, "offset")?.unwrap_or(0);
        Ok(Asked {
            surls: request.surls,
            levels: if request.all_level_recursive == Some(true) { i32::MAX } else { levels },
            offset: usize::try_from(offset).unwrap_or(0),
            count: counted(request.count)?,
            full: request.full_detailed.unwrap_or(false),
            wanted: request.storage_type,
        })
    }

    async fn list_now(
        &self,
        who: &Identity,
        asked: &Arc<Asked>,
    ) -> Result<(ReturnStatus, Vec<PathDetail>), Error> {
        let view = self.view(who, asked).await?;
        let cap = view.site.config.limits.ls_entries;
        let part = Part::of(asked.offset, asked.count, cap);
        let turn = self.ls_turn().await?;
        let given_up = GivenUp::default();
        let (asked, stopped) = (Arc::clone(asked), Arc::clone(&given_up.0));
        let told = blocking(move || {
            let _turn = turn;
            let go_on = || !stopped.load(Ordering::Relaxed);
            Ok(view
                .list(&asked, part, &go_on)
                .map(|(page, too_deep)| (status(&page, part, too_deep, cap), page.details)))
        });
        // Nobody waits for what was stopped.
        told.await?.ok_or_else(|| Error::new(ErrorKind::Internal, "the list was given up"))
    }

    /// A list that is ready.
    async fn answer_ls(
        &self,
        who: &Identity,
        asked: &Asked,
        told: Result<(ReturnStatus, Vec<PathDetail>), Error>,
    ) -> LsAnswer {
        let (status, mut details) = match told {
            Ok(told) => told,
            Err(error) => return LsAnswer::bare(error.into()),
        };
        if let (true, [surl], [detail]) = (asked.full, &asked.surls[..], &mut details[..]) {
            self.add_checksum(who, surl, detail).await;
        }
        LsAnswer { details: Some(details), ..LsAnswer::bare(status) }
    }

    /// One file asked for by name: that is how clients ask for a checksum. Lists compute none.
    async fn add_checksum(&self, who: &Identity, surl: &str, detail: &mut PathDetail) {
        let there =
            detail.kind == Some(EntryKind::File) && detail.status.code == StatusCode::Success;
        if there
            && detail.checksum.is_none()
            && let Ok(located) = self.site().reach_surl(who, surl, Needs::LIST)
        {
            let sum = self.checksum_at(who, located).await;
            detail.checksum = sum.map(|value| (ADLER32.to_owned(), value));
        }
    }

    async fn view(&self, who: &Identity, asked: &Asked) -> Result<View, Error> {
        let site = self.site();
        let (mut tokens, mut recorded) = (HashMap::new(), HashSet::new());
        for area in site.namespace.areas() {
            if (asked.full || asked.wanted.is_some()) && self.core.books.has_records(&area.name) {
                recorded.insert(Arc::clone(&area.name));
            }
            if asked.full {
                tokens.insert(Arc::clone(&area.name), self.area_token(area).await?);
            }
        }
        let (full, wanted) = (asked.full, asked.wanted);
        let records = self.core.store.clone();
        let describer = Describer { full, tokens, records, recorded, wanted };
        Ok(View { srm: self.clone(), site, who: who.clone(), describer })
    }

    async fn ls_turn(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Error> {
        let turn = Arc::clone(&self.core.snapshots.turns).acquire_owned().await;
        // It is never closed.
        turn.map_err(|_| Error::new(ErrorKind::Internal, "stormd is shutting down"))
    }
}

impl View {
    /// Names and what is told of them, and whether there are more below; `None` when nobody wants it
    /// any more.
    fn list(
        &self,
        asked: &Asked,
        part: Part,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Option<(Page, bool)> {
        let walk = |skip: usize, most: usize| {
            let span = Span { levels: asked.levels, skip, most };
            Walk::new(self, span, go_on).of(asked.surls.iter().map(|surl| Some(surl.as_str())))
        };
        let tell = |listing: &Listing| {
            let part = (part.from, part.most);
            let surls = asked.surls.iter().map(|surl| (surl.as_str(), None));
            (Pager::new(self, listing, asked.levels, part, go_on).of(surls), listing.too_deep)
        };
        if asked.levels == 0 {
            return Some(tell(&Listing::default()));
        }
        let Some(key) = self.paged(asked) else {
            return Some(tell(&walk(part.from, part.most)?));
        };
        let snapshots = &self.srm.core.snapshots;
        // Only a later page looks at an old list: a first one wants what is there now.
        let old = if part.from > 0 { snapshots.find(&key) } else { None };
        let old = old.filter(|old| old.covers(part.from, part.most));
        let paged = old.is_some();
        let listing = match old {
            Some(listing) => listing,
            None => {
                let listing = walk(0, usize::MAX)?;
                let there = listing.covers(part.from, part.most);
                Arc::new(if there { listing } else { walk(part.from, usize::MAX)? })
            }
        };
        let (page, too_deep) = tell(&listing);
        if !page.gone.is_empty() && (page.cut || paged) {
            snapshots.keep(key, Arc::new(listing.without(&page.gone)));
        } else if page.cut && !paged {
            snapshots.keep(key, listing);
        }
        Some((page, too_deep))
    }

    /// Under what the names of one directory are kept, where that is all that is asked for.
    fn paged(&self, asked: &Asked) -> Option<SnapshotKey> {
        match (&asked.surls[..], asked.levels) {
            ([surl], 1) => match self.place(surl) {
                Ok(Place::Area(located)) => {
                    let user = self.who.dn().to_owned();
                    Some(SnapshotKey::Directory(user, located.key(), asked.wanted))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl Part {
    fn of(from: usize, count: Option<usize>, cap: usize) -> Self {
        let most = count.map_or(cap, |count| count.min(cap));
        Self { from, most, capped: count.is_none_or(|count| count > cap) }
    }
}

impl LsAnswer {
    fn bare(status: ReturnStatus) -> Self {
        Self { status, token: None, details: None }
    }
}

/// Set when nobody waits for the answer any more: a walk through a large tree ends then.
#[derive(Default)]
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn not_negative(value: Option<i32>, name: &str) -> Result<Option<i32>, ReturnStatus> {
    match value {
        Some(n) if n < 0 => Err(ReturnStatus::invalid_request(format!("{name} is negative: {n}"))),
        other => Ok(other),
    }
}

/// `count`: 0 is as many as there are.
fn counted(count: Option<i32>) -> Result<Option<usize>, ReturnStatus> {
    let count = not_negative(count, "count")?.filter(|n| *n > 0);
    Ok(count.and_then(|n| usize::try_from(n).ok()))
}

/// The status of a page.
fn status(page: &Page, part: Part, too_deep: bool, cap: usize) -> ReturnStatus {
    if page.cut && part.capped {
        return ReturnStatus::new(
            StatusCode::TooManyResults,
            format!("Max returned entries is: {cap}. Ask for the rest with offset and count"),
        );
    }
    if too_deep {
        return ReturnStatus::new(
            StatusCode::TooManyResults,
            format!("the tree goes deeper than {LEVELS} levels: list what is below by itself"),
        );
    }
    // A file that is busy, or over, is listed all the same; an entry that can't be is no success.
    fn failed(detail: &PathDetail) -> bool {
        !matches!(
            detail.status.code,
            StatusCode::Success | StatusCode::FileBusy | StatusCode::FileLifetimeExpired
        )
    }
    fn all_well(detail: &PathDetail) -> bool {
        !failed(detail) && detail.children.as_ref().is_none_or(|below| below.iter().all(all_well))
    }
    if page.details.iter().all(all_well) {
        ReturnStatus::success("All requests successfully completed")
    } else if page.details.iter().all(failed) {
        ReturnStatus::new(StatusCode::Failure, "All requests failed")
    } else {
        ReturnStatus::new(StatusCode::PartialSuccess, "Check file statuses for details")
    }
}
