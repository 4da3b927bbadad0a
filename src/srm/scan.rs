//! Counts what storage areas hold, in the background and at half speed: areas that were never counted,
//! counts that a stop interrupted, and what an administrator wants checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::access::driver_error;
use super::changes::{Contents, contents};
use super::files::discard;
use super::requests::now;
use super::{AreaUsage, Error, ErrorKind, Srm, blocking};
use crate::fsdriver::{Directory, DriverError, Kind};
use crate::model::{HIDDEN_PREFIX, RelPath, RequestToken};
use crate::namespace::StorageArea;

/// Files looked at in one step.
const STEP: usize = 256;
/// Between two looks for areas that are new in namespace.xml.
const LOOK: Duration = Duration::from_secs(60);
/// Between two notes of where a scan stands.
const NOTE: Duration = Duration::from_secs(2);
/// Work without a rest, between two directories.
const STRETCH: Duration = Duration::from_millis(10);
/// While all files that are left are being changed.
const BUSY: Duration = Duration::from_millis(5);

/// A hidden file that no request needs is left alone for so long: it may be an upload under way.
const LITTER: Duration = Duration::from_secs(86_400);

/// Directories still to be counted, by their parent; the deepest last.
type Left = Vec<(RelPath, std::vec::IntoIter<Box<str>>)>;

impl Srm {
    /// Counts areas, one after the other, for as long as the daemon runs.
    pub async fn keep_counting(&self) {
        loop {
            let site = self.site();
            let wanted = |area: &&Arc<StorageArea>| self.core.usage.wants_scan(&area.name);
            for area in site.namespace.areas().iter().filter(wanted) {
                let begun = Instant::now();
                match self.scan(area).await {
                    Ok((bytes, drift)) => {
                        let (area, seconds) = (&area.name, begun.elapsed().as_secs_f32());
                        tracing::info!(%area, bytes, drift, seconds, "storage area counted");
                    }
                    Err(error) => tracing::error!(area = %area.name, %error, "area not counted"),
                }
            }
            self.core.usage.wait_for_scans(LOOK).await;
        }
    }

    /// Has an area counted anew, or all of them. What is known is mended by it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: no such area.
    pub fn count_anew(&self, area: Option<&str>) -> Result<(), Error> {
        let site = self.site();
        let areas = site.namespace.areas();
        if area.is_some_and(|name| areas.iter().all(|area| *area.name != *name)) {
            let all: Vec<&str> = areas.iter().map(|area| &*area.name).collect();
            let why = format!("no such storage area: there are {}", all.join(", "));
            return Err(Error::new(ErrorKind::NotFound, why));
        }
        for one in areas.iter().filter(|one| area.is_none_or(|name| *one.name == *name)) {
            self.core.usage.ask_scan(&one.name);
        }
        Ok(())
    }

    /// Notes where areas lie; those that have `moved` to another root are counted anew.
    pub(super) async fn count_in_roots(
        &self,
        roots: Vec<(Arc<str>, String)>,
        moved: Vec<Arc<str>>,
    ) {
        let _order = self.core.usage.order.write().await;
        if let Err(error) = self.core.store.set_roots(roots).await {
            tracing::error!(%error, "roots of storage areas not noted: the next start counts them");
        }
        moved.iter().for_each(|area| self.core.usage.forget(area));
    }

    /// What every area holds.
    pub fn usage(&self) -> Vec<AreaUsage> {
        let site = self.site();
        let about = |area: &Arc<StorageArea>| {
            let used = self.core.usage.used(&area.name);
            AreaUsage {
                area: area.name.to_string(),
                used: used.bytes,
                scanned_ms: used.scanned.map(|at| at.0),
                drift: used.drift,
                scanning: self.core.usage.wants_scan(&area.name),
            }
        };
        site.namespace.areas().iter().map(about).collect()
    }

    /// Bytes, and how many more or less than was known.
    async fn scan(&self, area: &Arc<StorageArea>) -> Result<(i64, i64), Error> {
        let usage = &self.core.usage;
        loop {
            // It may lie elsewhere by now.
            let site = self.site();
            let area = site.namespace.area(&area.name).unwrap_or(area);
            let begun = usage.begin_scan(&area.name);
            self.core.store.save_scan(Arc::clone(&area.name), begun.clone()).await?;
            if let Some(after) = &begun.after {
                tracing::info!(area = %area.name, %after, "the count of a storage area goes on");
            }
            if !self.count_all(area, begun.after).await? {
                continue;
            }
            let _order = usage.order.write().await;
            let at = now();
            if let Some((counted, drift)) = usage.end_scan(&area.name, at) {
                self.core.store.end_scan(Arc::clone(&area.name), counted, drift, at).await?;
                return Ok((counted, drift));
            }
        }
    }

    /// False: a tree was moved or removed where the count stood. It has to begin anew.
    async fn count_all(
        &self,
        area: &Arc<StorageArea>,
        after: Option<RelPath>,
    ) -> Result<bool, Error> {
        let mut left = match after {
            Some(after) => self.left_after(area, after).await?,
            None => match self.count_directory(area, RelPath::root()).await? {
                Some(below) => vec![(RelPath::root(), below.into_iter())],
                None => return Ok(false),
            },
        };
        let (mut noted, mut rested) = (Instant::now(), Instant::now());
        loop {
            while left.last().is_some_and(|(_, names)| names.as_slice().is_empty()) {
                left.pop();
            }
            let next = left
                .last()
                .and_then(|(parent, names)| Some(parent.join(names.as_slice().first()?)));
            let place = self.core.usage.go_to(&area.name, next.clone());
            if place.is_none() && next.is_none() {
                return Ok(true);
            }
            if (place.is_none() || place == next)
                && let Some((_, names)) = left.last_mut()
            {
                names.next();
            }
            let Some(directory) = place else { continue };
            match self.count_directory(area, directory.clone()).await? {
                Some(below) if below.is_empty() => {}
                Some(below) => left.push((directory, below.into_iter())),
                None => return Ok(false),
            }
            // Half of the time is others'.
            if rested.elapsed() >= STRETCH {
                tokio::time::sleep(rested.elapsed()).await;
                rested = Instant::now();
            }
            if noted.elapsed() >= NOTE {
                noted = Instant::now();
                let _order = self.core.usage.order.write().await;
                if let Some(row) = self.core.usage.save(&area.name) {
                    self.core.store.save_scan(Arc::clone(&area.name), row).await?;
                }
            }
        }
    }

    /// What comes after a directory that is counted.
    async fn left_after(&self, area: &Arc<StorageArea>, after: RelPath) -> Result<Left, Error> {
        let mut left = Left::new();
        let mut at = RelPath::root();
        for part in after.as_str().split('/').filter(|part| !part.is_empty()) {
            let (_, mut below) = read(area, at.clone()).await?;
            below.directories.retain(|name| **name > *part);
            left.push((at.clone(), below.directories.into_iter()));
            at = at.join(part);
        }
        let (_, below) = read(area, at.clone()).await?;
        left.push((at, below.directories.into_iter()));
        Ok(left)
    }

    /// Counts the files right in a directory; the directories in it, sorted. `None`: all has to begin
    /// anew.
    async fn count_directory(
        &self,
        area: &Arc<StorageArea>,
        path: RelPath,
    ) -> Result<Option<Vec<Box<str>>>, Error> {
        let usage = &self.core.usage;
        if !usage.enter(&area.name, &path) {
            return Ok(None);
        }
        let (mut opened, found) = read(area, path.clone()).await?;
        usage.files(&area.name, found.files);
        self.clear_litter(area, &path, found.hidden).await;
        loop {
            let names = usage.next_files(&area.name, STEP);
            if names.is_empty() {
                break;
            }
            let looked = blocking(move || {
                let size = |name: String| {
                    // What can't be looked at is not served either.
                    let size = opened.as_ref().and_then(|open| open.file_size(&name).ok()?);
                    (name, size)
                };
                let sizes: Vec<_> = names.into_iter().map(size).collect();
                Ok((opened, sizes))
            });
            let (back, sizes) = looked.await?;
            opened = back;
            if usage.count(&area.name, sizes) == 0 {
                tokio::time::sleep(BUSY).await;
            }
        }
        Ok(usage.leave(&area.name).then_some(found.directories))
    }
}

impl Srm {
    /// Removes hidden files that belong to nothing any more: a power cut may leave them.
    async fn clear_litter(&self, area: &Arc<StorageArea>, path: &RelPath, names: Vec<Box<str>>) {
        for name in names {
            if self.owns_hidden(&name) || self.core.usage.closes_in(&area.name, path) {
                continue;
            }
            let (area, hidden) = (Arc::clone(area), path.join(&name));
            let removed = blocking(move || {
                let told = |error| driver_error(error, &hidden);
                let stat = area.driver.stat(&hidden).map_err(told)?;
                let old = stat.modified.elapsed().is_ok_and(|age| age > LITTER);
                match stat.kind {
                    Kind::File if old => discard(&area, &hidden).map(|()| true),
                    Kind::Directory if old => {
                        area.driver.remove_tree(&hidden).map(|()| true).map_err(told)
                    }
                    _ => Ok(false),
                }
            });
            match removed.await {
                Ok(true) => tracing::info!(%path, %name, "left behind by a power cut: removed"),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "left behind, and not removed"),
            }
        }
    }

    /// A request that has not ended needs it.
    fn owns_hidden(&self, name: &str) -> bool {
        let token = name.strip_prefix(HIDDEN_PREFIX).and_then(|rest| rest.split('.').next());
        let token = token.and_then(RequestToken::parse);
        token.is_some_and(|token| self.core.requests.find(&token).is_some())
    }
}

/// An open directory and what it holds, directories sorted. One that is gone or closed to us holds
/// nothing.
async fn read(
    area: &Arc<StorageArea>,
    path: RelPath,
) -> Result<(Option<Box<dyn Directory>>, Contents), Error> {
    let area = Arc::clone(area);
    blocking(move || {
        let opened = area.driver.directory(&path).and_then(|directory| {
            let mut found = contents(&*directory)?;
            found.directories.sort_unstable();
            found.files.sort_unstable();
            Ok((Some(directory), found))
        });
        match opened {
            Ok(opened) => Ok(opened),
            Err(
                error @ (DriverError::NotFound
                | DriverError::NotADirectory
                | DriverError::OtherArea
                | DriverError::Escapes
                | DriverError::BadName
                | DriverError::Denied),
            ) => {
                if matches!(error, DriverError::Denied) {
                    tracing::warn!(area = %area.name, %path, "not counted: {error}");
                }
                Ok((None, Contents::default()))
            }
            Err(error) => Err(driver_error(error, &area.name)),
        }
    })
    .await
}
