//! srmLs: sorted by name, paged over a short-lived snapshot of the names, and no work per entry
//! that was not asked for.

mod detail;
mod names;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::access::{Needs, driver_error, owner};
use super::files::is_hidden;
use super::{EntryKind, Error, ErrorKind, LsAnswer, LsRequest, PathDetail, Site, Srm, blocking};
use crate::fsdriver::{Directory, DriverError, Kind};
use crate::model::{FileStorageType, Identity, ReturnStatus, StatusCode, Stfn, Surl};
use crate::namespace::Located;

use detail::{ADLER32, Describer, bare, refused};
use names::Names;
pub(super) use names::Snapshots;

/// Levels in one answer. Each is a level in the XML too, which clients read by recursion.
const LEVELS: i32 = 64;

impl Srm {
    /// srmLs.
    pub async fn ls(&self, who: &Identity, request: LsRequest) -> LsAnswer {
        match self.list_surls(who, request).await {
            Ok((status, details)) => LsAnswer { status, token: None, details: Some(details) },
            Err(status) => LsAnswer { status, token: None, details: None },
        }
    }

    async fn list_surls(
        &self,
        who: &Identity,
        request: LsRequest,
    ) -> Result<(ReturnStatus, Vec<PathDetail>), ReturnStatus> {
        self.check_surls(who, &request.surls).await?;
        let not_negative = |value: Option<i32>, name: &str| match value {
            Some(n) if n < 0 => {
                Err(ReturnStatus::invalid_request(format!("{name} is negative: {n}")))
            }
            other => Ok(other),
        };
        let levels = not_negative(request.levels, "numOfLevels")?.unwrap_or(1);
        let offset = not_negative(request.offset, "offset")?.unwrap_or(0);
        let count = not_negative(request.count, "count")?.filter(|n| *n > 0);
        if request.storage_type.is_some_and(|kind| kind != FileStorageType::Permanent) {
            return Err(ReturnStatus::not_supported(
                "Filtering result by fileStorageType not supported: leave it out",
            ));
        }
        let levels = if request.all_level_recursive == Some(true) { i32::MAX } else { levels };
        let site = self.site();
        let cap = site.config.limits.ls_entries;
        let asked = count.and_then(|n| usize::try_from(n).ok());
        let full = request.full_detailed.unwrap_or(false);
        let (mut tokens, mut recorded) = (HashMap::new(), HashSet::new());
        if full {
            for area in site.namespace.areas() {
                if self.core.books.has_records(&area.name) {
                    recorded.insert(Arc::clone(&area.name));
                }
                tokens.insert(Arc::clone(&area.name), self.area_token(area).await?);
            }
        }
        let given_up = GivenUp::default();
        let mut walk = Walk {
            srm: self.clone(),
            site,
            who: who.clone(),
            describer: Describer { full, tokens, records: self.core.store.clone(), recorded },
            skip: usize::try_from(offset).unwrap_or(0),
            left: asked.map_or(cap, |n| n.min(cap)),
            capped: asked.is_none_or(|n| n > cap),
            cut: false,
            paging: levels == 1,
            deeper: levels > LEVELS,
            too_deep: false,
            given_up: Arc::clone(&given_up.0),
        };
        let _turn = self.core.snapshots.turns.acquire().await;
        let one = if request.surls.len() == 1 { request.surls.first().cloned() } else { None };
        let (walk, mut details) = blocking(move || {
            let levels = levels.min(LEVELS);
            let details: Vec<PathDetail> =
                request.surls.iter().map(|surl| walk.surl(surl, levels)).collect();
            Ok((walk, details))
        })
        .await?;
        if let (true, Some(surl), [detail]) = (full, one, details.as_mut_slice()) {
            self.add_checksum(who, &surl, detail).await;
        }
        Ok((walk.status(&details, cap), details))
    }
}

impl Srm {
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
}

/// Set when nobody waits for the answer any more: a walk through a large tree ends then.
#[derive(Default)]
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One srmLs on its way through the tree.
struct Walk {
    srm: Srm,
    site: Arc<Site>,
    who: Identity,
    describer: Describer,
    /// Children still to be skipped.
    skip: usize,
    /// Children that may still be returned.
    left: usize,
    /// Reaching the end of `left` means that the client did not get all he asked for.
    capped: bool,
    /// There was more.
    cut: bool,
    /// One level was asked for: pages are exact.
    paging: bool,
    /// More levels were asked for than are given.
    deeper: bool,
    /// There were more.
    too_deep: bool,
    given_up: Arc<AtomicBool>,
}

impl Walk {
    fn surl(&mut self, surl: &str, levels: i32) -> PathDetail {
        let parsed = match Surl::parse(surl) {
            Ok(parsed) => parsed,
            Err(error) => return bare(surl.to_owned(), Error::from(error).into()),
        };
        if let Err(error) = self.site.namespace.check_local(&parsed) {
            return bare(parsed.stfn().to_string(), Error::from(error).into());
        }
        let stfn = parsed.stfn();
        match self.site.reach(&self.who, stfn, Needs::LIST) {
            Ok(located) => self.entry(&located, levels),
            // The top and the way to an area are directories too.
            Err(error) => {
                self.waypoint(stfn, levels).unwrap_or_else(|| bare(stfn.to_string(), error.into()))
            }
        }
    }

    /// A path by itself and, where it is a directory, `levels` levels below it.
    fn entry(&mut self, located: &Located, levels: i32) -> PathDetail {
        let put = self.srm.core.requests.put_on(&located.key());
        let (mut detail, kind) = match self.describer.describe(located, None, put.as_ref()) {
            Ok(found) => found,
            Err(error) => return refused(located, error),
        };
        if kind == Kind::Directory && levels > 0 {
            match self.children(located, levels) {
                Ok(children) => detail.children = Some(children),
                Err(error) => detail.status = error.into(),
            }
        }
        detail
    }

    fn waypoint(&mut self, stfn: &Stfn, levels: i32) -> Option<PathDetail> {
        let names = self.site.waypoints(&self.who, stfn);
        if names.is_empty() {
            return None;
        }
        let mut detail = self.describer.way(stfn.to_string());
        if levels > 0 {
            let stfns = names.iter().filter_map(|name| stfn.join(name).ok());
            let mut children = Vec::new();
            for child in stfns {
                if !self.take(&mut children, |walk| walk.way_on(&child, levels - 1)) {
                    break;
                }
            }
            detail.children = Some(children);
        }
        Some(detail)
    }

    /// The root of an area, or another part of the way to one.
    fn way_on(&mut self, stfn: &Stfn, levels: i32) -> PathDetail {
        match self.site.reach(&self.who, stfn, Needs::LIST) {
            Ok(located) => self.entry(&located, levels),
            Err(_) => {
                self.waypoint(stfn, levels).unwrap_or_else(|| self.describer.way(stfn.to_string()))
            }
        }
    }

    /// Counts one child, and takes it where it is on the page. A directory before the page is
    /// shown only as the way to what is on it. False at the end of the page.
    fn take(
        &mut self,
        children: &mut Vec<PathDetail>,
        child: impl FnOnce(&mut Self) -> PathDetail,
    ) -> bool {
        if self.left == 0 {
            self.cut = true;
            return false;
        }
        let shown = self.skip == 0;
        if shown {
            self.left -= 1;
        } else {
            self.skip -= 1;
        }
        let detail = child(self);
        if shown || detail.children.as_ref().is_some_and(|below| !below.is_empty()) {
            children.push(detail);
        }
        true
    }

    fn children(&mut self, located: &Located, levels: i32) -> Result<Vec<PathDetail>, Error> {
        let told = |error| driver_error(error, &located.stfn);
        let directory = located.area.driver.directory(&located.path).map_err(told)?;
        let puts = self.puts_in(located);
        let mut children = Vec::new();
        if levels == 1 {
            self.page(located, &*directory, &puts, &mut children)?;
            return Ok(children);
        }
        if self.left == 0 {
            self.cut |= !puts.is_empty() || holds_something(&*directory).map_err(told)?;
            return Ok(children);
        }
        let names = read_names(located, &*directory, &puts)?;
        for (name, kind) in names.iter_from(0) {
            let Some(child) = child_of(located, name) else { continue };
            if self.left == 0 {
                self.cut = true;
                break;
            }
            if self.skip == 0 {
                let Some((mut detail, found)) = self.child(&*directory, &puts, &child) else {
                    continue;
                };
                self.left -= 1;
                // Links to directories are not gone through: they may go round.
                if found == Some(Kind::Directory) && kind == found {
                    self.descend(&child, levels - 1, &mut detail);
                }
                children.push(detail);
                continue;
            }
            self.skip -= 1;
            // What is skipped is not looked at, only what is below it.
            if kind != Some(Kind::Directory) {
                continue;
            }
            let mut below = bare(child.stfn.to_string(), ReturnStatus::success(""));
            self.descend(&child, levels - 1, &mut below);
            if below.children.as_ref().is_some_and(|below| !below.is_empty())
                && let Some((detail, _)) = self.child(&*directory, &puts, &child)
            {
                children.push(PathDetail { children: below.children, ..detail });
            }
        }
        Ok(children)
    }

    /// Goes on below a child: rules may be stricter there.
    fn descend(&mut self, child: &Located, levels: i32, detail: &mut PathDetail) {
        let below = self
            .site
            .permit(&self.who, child, Needs::LIST)
            .and_then(|()| self.children(child, levels));
        match below {
            Ok(children) => detail.children = Some(children),
            Err(error) => detail.status = error.into(),
        }
    }

    /// The children of one directory alone, by a snapshot of its names: what comes meanwhile is not
    /// on later pages, and what goes moves no other to another page.
    fn page(
        &mut self,
        located: &Located,
        directory: &dyn Directory,
        puts: &HashSet<String>,
        children: &mut Vec<PathDetail>,
    ) -> Result<(), Error> {
        if self.left == 0 {
            let told = |error| driver_error(error, &located.stfn);
            self.cut |= !puts.is_empty() || holds_something(directory).map_err(told)?;
            return Ok(());
        }
        let snapshots = &self.srm.core.snapshots;
        let key = (owner(&self.who).to_owned(), located.key());
        // Only a later page looks at an old list: a first one wants what is there now.
        let old = if self.paging && self.skip > 0 { snapshots.find(&key) } else { None };
        let paged = old.is_some();
        let names = match old {
            Some(names) => names,
            None => Arc::new(read_names(located, directory, puts)?),
        };
        let from = self.skip.min(names.len());
        self.skip -= from;
        let mut gone = Vec::new();
        let mut cut = false;
        for (place, (name, kind)) in (from..).zip(names.iter_from(from)) {
            if self.left == 0 {
                cut = true;
                break;
            }
            let child = child_of(located, name);
            let Some((detail, found)) = child.and_then(|child| self.child(directory, puts, &child))
            else {
                gone.push(place);
                continue;
            };
            self.left -= 1;
            // The bottom of what is given, not of what was asked for.
            self.too_deep |= self.deeper && found == Some(Kind::Directory) && kind == found;
            children.push(detail);
        }
        self.cut |= cut;
        if !self.paging || self.given_up.load(Ordering::Relaxed) {
            return Ok(());
        }
        if !gone.is_empty() && (cut || paged) {
            snapshots.keep(key, Arc::new(names.without(&gone)));
        } else if cut && !paged {
            snapshots.keep(key, names);
        }
        Ok(())
    }

    /// One child of an open directory; `None` when it is gone, or the caller.
    fn child(
        &self,
        directory: &dyn Directory,
        puts: &HashSet<String>,
        located: &Located,
    ) -> Option<(PathDetail, Option<Kind>)> {
        if self.given_up.load(Ordering::Relaxed) {
            return None;
        }
        let name = located.path.name().unwrap_or_default();
        let put = puts.contains(name).then(|| self.srm.core.requests.put_on(&located.key()));
        let put = put.flatten();
        match self.describer.describe(located, Some(directory), put.as_ref()) {
            Ok((detail, kind)) => Some((detail, Some(kind))),
            Err(DriverError::NotFound) => None,
            Err(DriverError::OtherArea) => Some((self.neighbour(located), None)),
            Err(error) => Some((refused(located, error), None)),
        }
    }

    /// The root of another area that lies in this one: shown as what its own access point says.
    fn neighbour(&self, located: &Located) -> PathDetail {
        let found = self.site.reach(&self.who, &located.stfn, Needs::LIST);
        let own = found.ok().filter(|found| found.area.name != located.area.name);
        let described = own.and_then(|own| self.describer.describe(&own, None, None).ok());
        described.map_or_else(|| refused(located, DriverError::OtherArea), |(detail, _)| detail)
    }

    /// Names of the live puts right below a directory.
    fn puts_in(&self, located: &Located) -> HashSet<String> {
        let puts = self.srm.core.requests.puts_in(&located.area.name, &located.path);
        puts.iter().filter_map(|key| key.path.name().map(str::to_owned)).collect()
    }

    fn status(&self, details: &[PathDetail], cap: usize) -> ReturnStatus {
        if self.cut && self.capped {
            return ReturnStatus::new(
                StatusCode::TooManyResults,
                format!("Max returned entries is: {cap}. Ask for the rest with offset and count"),
            );
        }
        if self.too_deep {
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
            !failed(detail)
                && detail.children.as_ref().is_none_or(|below| below.iter().all(all_well))
        }
        if details.iter().all(all_well) {
            ReturnStatus::success("All requests successfully completed")
        } else if details.iter().all(failed) {
            ReturnStatus::new(StatusCode::Failure, "All requests failed")
        } else {
            ReturnStatus::new(StatusCode::PartialSuccess, "Check file statuses for details")
        }
    }
}

/// The names in a directory, sorted, live puts among them.
fn read_names(
    located: &Located,
    directory: &dyn Directory,
    puts: &HashSet<String>,
) -> Result<Names, Error> {
    let told = |error| driver_error(error, &located.stfn);
    let mut names = Names::default();
    let full = || Error::new(ErrorKind::Internal, "the directory is too large to be listed");
    for entry in directory.entries().map_err(told)? {
        let entry = entry.map_err(told)?;
        // A link that leads nowhere counts on no page.
        let nowhere = || matches!(directory.stat(&entry.name), Err(DriverError::NotFound));
        if is_hidden(&entry.name) || (entry.kind.is_none() && nowhere()) {
            continue;
        }
        if !names.push(&entry.name, entry.kind) {
            return Err(full());
        }
    }
    if !puts.iter().all(|name| names.push(name, Some(Kind::File))) {
        return Err(full());
    }
    names.sort();
    Ok(names)
}

fn holds_something(directory: &dyn Directory) -> Result<bool, DriverError> {
    for entry in directory.entries()? {
        if !is_hidden(&entry?.name) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn child_of(located: &Located, name: &str) -> Option<Located> {
    Some(Located {
        area: Arc::clone(&located.area),
        path: located.path.join(name),
        stfn: located.stfn.join(name).ok()?,
    })
}
