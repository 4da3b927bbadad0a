//! srmLs: sorted by name, paged over a short-lived snapshot of the names, and no work per entry
//! that was not asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::access::{Needs, driver_error, owner};
use super::files::{adler32, is_hidden};
use super::{EntryKind, Error, ErrorKind, LsAnswer, LsRequest, PathDetail, Srm, blocking};
use crate::fsdriver::{DriverError, Kind, Stat};
use crate::model::{
    FileKey, FileLocality, FileStorageType, Identity, RetentionPolicyInfo, ReturnStatus,
    SpaceToken, StatusCode, Stfn,
};
use crate::namespace::{Located, StorageArea};

/// Deepest recursion; file systems take no deeper paths.
const LEVELS: i32 = 2048;
/// How long the names of a directory are kept for the next page.
const SNAPSHOT_LIFE: Duration = Duration::from_secs(60);
/// Snapshots kept at once, over all users.
const SNAPSHOTS: usize = 64;

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
        self.check_surls(who, &request.surls)?;
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
                "Filtering result by fileStorageType not supported: every file here is PERMANENT",
            ));
        }
        let levels = if request.all_level_recursive == Some(true) { LEVELS } else { levels };
        let cap = self.site().config.limits.ls_entries;
        let asked = count.and_then(|n| usize::try_from(n).ok());
        let mut walk = Walk {
            srm: self.clone(),
            who: who.clone(),
            full: request.full_detailed.unwrap_or(false),
            skip: usize::try_from(offset).unwrap_or(0),
            left: asked.map_or(cap, |n| n.min(cap)),
            capped: asked.is_none_or(|n| n > cap),
            cut: false,
            tokens: HashMap::new(),
        };
        if walk.full {
            for area in self.site().namespace.areas() {
                walk.tokens.insert(Arc::clone(&area.name), self.area_token(area).await?);
            }
        }
        let (walk, details) = blocking(move || {
            let details: Vec<PathDetail> =
                request.surls.iter().map(|surl| walk.surl(surl, levels)).collect();
            Ok((walk, details))
        })
        .await?;
        Ok((walk.status(&details, cap), details))
    }
}

/// One srmLs on its way through the tree.
struct Walk {
    srm: Srm,
    who: Identity,
    full: bool,
    /// Children still to be skipped.
    skip: usize,
    /// Children that may still be returned.
    left: usize,
    /// Reaching the end of `left` means that the client did not get all he asked for.
    capped: bool,
    /// There was more.
    cut: bool,
    /// Of every area, where asked for.
    tokens: HashMap<Arc<str>, SpaceToken>,
}

impl Walk {
    fn surl(&mut self, surl: &str, levels: i32) -> PathDetail {
        let site = self.srm.site();
        match site.reach_surl(&self.who, surl, Needs::LIST) {
            Ok(located) => self.entry(&located, levels),
            Err(error) => {
                // The top and the way to an area are directories too.
                let way = crate::model::Surl::parse(surl)
                    .ok()
                    .filter(|s| site.namespace.check_local(s).is_ok())
                    .and_then(|s| self.waypoint(s.stfn(), levels));
                let path = crate::model::Surl::parse(surl)
                    .map_or_else(|_| surl.to_owned(), |s| s.stfn().to_string());
                way.unwrap_or_else(|| bare(path, error.into()))
            }
        }
    }

    fn waypoint(&self, stfn: &Stfn, levels: i32) -> Option<PathDetail> {
        let names = self.srm.site().namespace.waypoints(&self.who, stfn);
        if names.is_empty() {
            return None;
        }
        let directory = |path: String| PathDetail {
            kind: Some(EntryKind::Directory),
            size: Some(0),
            other: self.full.then_some(0o5),
            ..bare(path, ReturnStatus::success("Successful request completion"))
        };
        let children = names.iter().filter_map(|name| stfn.join(name).ok());
        let children = children.map(|child| directory(child.to_string())).collect();
        Some(PathDetail {
            children: (levels > 0).then_some(children),
            ..directory(stfn.to_string())
        })
    }

    /// An entry and, where it is a directory, `levels` levels below it.
    fn entry(&mut self, located: &Located, levels: i32) -> PathDetail {
        let (mut detail, kind) = self.detail(located);
        if kind == Some(Kind::Directory) && levels > 0 {
            match self.children(located, levels) {
                Ok(children) => detail.children = Some(children),
                Err(error) => detail.status = error.into(),
            }
        }
        detail
    }

    fn children(&mut self, located: &Located, levels: i32) -> Result<Vec<PathDetail>, Error> {
        let names = self.names(located)?;
        let mut children = Vec::new();
        if levels == 1 {
            // What the client skips is not looked at.
            let jump = self.skip.min(names.len());
            self.skip -= jump;
            self.page(located, &names[jump..], &mut children);
            return Ok(children);
        }
        for name in names.iter() {
            if self.left == 0 {
                self.cut = true;
                break;
            }
            let Some(child) = child_of(located, name) else { continue };
            let shown = self.skip == 0;
            if shown {
                self.left -= 1;
            } else {
                self.skip -= 1;
            }
            let detail = self.entry(&child, levels - 1);
            // A directory before the page is shown only as the way to what is on it.
            if shown || detail.children.as_ref().is_some_and(|below| !below.is_empty()) {
                children.push(detail);
            }
        }
        Ok(children)
    }

    fn page(&mut self, located: &Located, names: &[String], children: &mut Vec<PathDetail>) {
        for name in names {
            if self.left == 0 {
                self.cut = true;
                return;
            }
            let Some(child) = child_of(located, name) else { continue };
            self.left -= 1;
            children.push(self.detail(&child).0);
        }
    }

    /// The names in a directory, sorted, live puts among them.
    fn names(&self, located: &Located) -> Result<Arc<Vec<String>>, Error> {
        let key = (owner(&self.who).to_owned(), located.key());
        let snapshots = &self.srm.core.snapshots;
        // Only a later page looks at an old list: a first one wants what is there now.
        if self.skip > 0
            && let Some(names) = snapshots.find(&key)
        {
            return Ok(names);
        }
        let listed = located
            .area
            .driver
            .list(&located.path)
            .map_err(|error| driver_error(error, &located.stfn))?;
        let mut names = Vec::new();
        for name in listed {
            let name = name.map_err(|error| driver_error(error, &located.stfn))?.name;
            if !is_hidden(&name) {
                names.push(name);
            }
        }
        let puts = self.srm.core.requests.puts_in(&located.area.name, &located.path);
        names.extend(puts.iter().filter_map(|key| key.path.name().map(str::to_owned)));
        names.sort_unstable();
        names.dedup();
        let names = Arc::new(names);
        if names.len() > self.left {
            snapshots.keep(key, Arc::clone(&names));
        }
        Ok(names)
    }

    /// What is told of one path, without its children.
    fn detail(&self, located: &Located) -> (PathDetail, Option<Kind>) {
        let path = located.stfn.to_string();
        let put = self.srm.core.requests.put_on(&located.key());
        match located.area.driver.stat(&located.path) {
            Ok(stat) => {
                let mut detail = self.describe(located, path, &stat);
                if put.is_some() {
                    detail.status = busy();
                }
                (detail, Some(stat.kind))
            }
            Err(DriverError::NotFound) if put.is_some() => {
                (self.describe_put(located, path, put.as_ref()), Some(Kind::File))
            }
            Err(error) => (bare(path, driver_error(error, &located.stfn).into()), None),
        }
    }

    fn describe(&self, located: &Located, path: String, stat: &Stat) -> PathDetail {
        let ok = ReturnStatus::success("Successful request completion");
        let (kind, size) = match stat.kind {
            Kind::File => (EntryKind::File, stat.size),
            Kind::Directory => (EntryKind::Directory, 0),
            Kind::Other => {
                let error = Error::new(ErrorKind::NotSupported, "neither file nor directory");
                return bare(path, error.into());
            }
        };
        let mut detail = PathDetail { size: Some(size), kind: Some(kind), ..bare(path, ok) };
        if !self.full {
            return detail;
        }
        let mode = |shift: u32| u8::try_from(stat.mode >> shift & 0o7).unwrap_or(0);
        detail.created = stat.created;
        detail.modified = Some(stat.modified);
        detail.lifetime_assigned = Some(-1);
        detail.lifetime_left = Some(-1);
        detail.owner = Some((names::user(stat.uid), mode(6)));
        detail.group = Some((names::group(stat.gid), mode(3)));
        detail.other = Some(mode(0));
        if kind == EntryKind::File {
            self.describe_file(&located.area, &mut detail);
            detail.locality = Some(FileLocality::Online);
            let driver = &*located.area.driver;
            detail.checksum = driver
                .open(&located.path)
                .ok()
                .and_then(|file| adler32(driver, &file, stat))
                .map(|value| ("ADLER32".to_owned(), value));
        }
        detail
    }

    fn describe_file(&self, area: &StorageArea, detail: &mut PathDetail) {
        detail.storage_type = Some(FileStorageType::Permanent);
        detail.retention = Some(RetentionPolicyInfo {
            retention_policy: area.retention,
            access_latency: Some(area.latency),
        });
        detail.space_tokens = self.tokens.get(&area.name).cloned().into_iter().collect();
    }

    /// A put that is not done, on a name that is not there yet: what is known of it.
    fn describe_put(
        &self,
        located: &Located,
        path: String,
        put: Option<&super::requests::Holder>,
    ) -> PathDetail {
        let hidden = put.and_then(|holder| {
            super::files::hidden_name(&located.path, holder.live.token(), holder.n)
        });
        let stat = hidden.as_ref().and_then(|path| located.area.driver.stat(path).ok());
        let size = stat.as_ref().map_or(0, |stat| stat.size);
        let mut detail =
            PathDetail { size: Some(size), kind: Some(EntryKind::File), ..bare(path, busy()) };
        if self.full {
            self.describe_file(&located.area, &mut detail);
            detail.modified = stat.as_ref().map(|stat| stat.modified);
            detail.locality = Some(FileLocality::None);
            detail.lifetime_assigned = Some(-1);
            detail.lifetime_left = Some(-1);
            let driver = &*located.area.driver;
            detail.checksum = hidden
                .and_then(|path| driver.open(&path).ok())
                .and_then(|file| adler32(driver, &file, stat.as_ref()?))
                .map(|value| ("ADLER32".to_owned(), value));
        }
        detail
    }

    fn status(&self, details: &[PathDetail], cap: usize) -> ReturnStatus {
        if self.cut && self.capped {
            return ReturnStatus::new(
                StatusCode::TooManyResults,
                format!("Max returned entries is: {cap}. Ask for the rest with offset and count"),
            );
        }
        // A file that is busy is listed all the same; an entry that can't be is no success.
        fn failed(detail: &PathDetail) -> bool {
            !matches!(detail.status.code, StatusCode::Success | StatusCode::FileBusy)
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

fn child_of(located: &Located, name: &str) -> Option<Located> {
    Some(Located {
        area: Arc::clone(&located.area),
        path: located.path.join(name),
        stfn: located.stfn.join(name).ok()?,
    })
}

fn busy() -> ReturnStatus {
    ReturnStatus::new(StatusCode::FileBusy, "a put on this file is not done")
}

fn bare(path: String, status: ReturnStatus) -> PathDetail {
    PathDetail {
        path,
        status,
        size: None,
        created: None,
        modified: None,
        storage_type: None,
        retention: None,
        locality: None,
        space_tokens: Vec::new(),
        kind: None,
        lifetime_assigned: None,
        lifetime_left: None,
        owner: None,
        group: None,
        other: None,
        checksum: None,
        children: None,
    }
}

/// Whose list, of which directory.
type SnapshotKey = (String, FileKey);

/// Names of directories that somebody pages through.
#[derive(Default)]
pub(super) struct Snapshots {
    kept: Mutex<Vec<Snapshot>>,
}

type Snapshot = (SnapshotKey, Instant, Arc<Vec<String>>);

impl Snapshots {
    fn find(&self, key: &SnapshotKey) -> Option<Arc<Vec<String>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, at, _)| at.elapsed() < SNAPSHOT_LIFE);
        kept.iter().find(|(k, ..)| k == key).map(|(.., names)| Arc::clone(names))
    }

    fn keep(&self, key: SnapshotKey, names: Arc<Vec<String>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(k, at, _)| *k != key && at.elapsed() < SNAPSHOT_LIFE);
        if kept.len() == SNAPSHOTS {
            kept.remove(0);
        }
        kept.push((key, Instant::now(), names));
    }
}

/// Names of accounts. The name service can be slow: each number is asked for once.
mod names {
    use super::{HashMap, Mutex, PoisonError};
    use nix::unistd::{Gid, Group, Uid, User};
    use std::sync::LazyLock;

    /// A site has few owners; should it have many, forgetting them all is cheap.
    const KEPT: usize = 4096;

    type Kept = LazyLock<Mutex<HashMap<u32, String>>>;
    static USERS: Kept = LazyLock::new(Mutex::default);
    static GROUPS: Kept = LazyLock::new(Mutex::default);

    pub(super) fn user(uid: u32) -> String {
        cached(&USERS, uid, |id| Some(User::from_uid(Uid::from_raw(id)).ok()??.name))
    }

    pub(super) fn group(gid: u32) -> String {
        cached(&GROUPS, gid, |id| Some(Group::from_gid(Gid::from_raw(id)).ok()??.name))
    }

    fn cached(kept: &Kept, id: u32, look_up: impl Fn(u32) -> Option<String>) -> String {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = kept.get(&id) {
            return name.clone();
        }
        let name = look_up(id).unwrap_or_else(|| id.to_string());
        if kept.len() == KEPT {
            kept.clear();
        }
        kept.insert(id, name.clone());
        name
    }
}
