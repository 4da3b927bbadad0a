//! Checksums of files that came without one, or were changed since: computed when somebody asks, or
//! after a put through an outside mover. Bounded in threads and waiting files; whoever asks for one
//! content of one file shares one computation, and waits no longer than any answer does.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::access::Needs;
use super::files::{keep, kept, version};
use super::turns::pass_on;
use super::{Entry, EntryKind, Hasher, Srm, Target, blocking};
use crate::fsdriver::{Driver, Kind};
use crate::model::{Algorithm, FileKey, Identity, RelPath};
use crate::namespace::{Located, StorageArea};
use crate::scheduler::{Job, JobFuture, Pool};

/// Lower-case hex digits, once they are known. The sender goes when there will be none.
type Waiting = watch::Receiver<Option<String>>;

/// The workers, and what they have in hand.
pub(super) struct Checksums {
    pool: Pool,
    running: Mutex<HashMap<Content, Waiting>>,
}

/// One checksum of one content of one file.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Content {
    key: FileKey,
    version: String,
    algorithm: Algorithm,
}

impl Checksums {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, running: Mutex::default() }
    }

    pub(super) async fn shutdown(&self) {
        self.pool.shutdown().await;
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Content, Waiting>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Srm {
    /// A checksum of what `entry` describes, which was found at `target` a moment ago: kept, or
    /// computed now. `None`: not within `answer_wait`, though the work goes on; or the file changes.
    pub async fn checksum(
        &self,
        who: &Identity,
        target: &Target,
        entry: &Entry,
        algorithm: Algorithm,
    ) -> Option<String> {
        if entry.kind != EntryKind::File {
            return None;
        }
        if algorithm == Algorithm::Adler32 && entry.adler32.is_some() {
            return entry.adler32.clone();
        }
        let located = match target {
            Target::Stfn(stfn) => self.site().reach(who, stfn, Needs::LIST).ok(),
            Target::Transfer(_) => self.find_transfer(who, target).ok().flatten(),
        };
        let located = located?;
        let (area, path) = (Arc::clone(&located.area), located.path.clone());
        match blocking(move || Ok(look(&area, &path, algorithm))).await.ok()?? {
            (version, _) if version != entry.etag => None,
            (_, Some(kept)) => Some(kept),
            (version, None) => self.checksum_of(who, &located, version, algorithm).await,
        }
    }

    /// What is computed of each file that comes through our own doors.
    pub fn checksums(&self) -> Vec<Algorithm> {
        self.site().config.http.checksums.clone()
    }

    /// The adler32 of a published file by its place; also what is kept.
    pub(super) async fn checksum_at(&self, who: &Identity, located: Located) -> Option<String> {
        let (area, path) = (Arc::clone(&located.area), located.path.clone());
        let algorithm = Algorithm::Adler32;
        match blocking(move || Ok(look(&area, &path, algorithm))).await.ok()?? {
            (_, Some(kept)) => Some(kept),
            (version, None) => self.checksum_of(who, &located, version, algorithm).await,
        }
    }

    async fn checksum_of(
        &self,
        who: &Identity,
        located: &Located,
        version: String,
        algorithm: Algorithm,
    ) -> Option<String> {
        let wait = self.site().config.srm.answer_wait;
        let (area, path) = (&located.area, &located.path);
        let mut waiting = self.begin_checksum(who.dn(), area, path, version, algorithm)?;
        pass_on();
        let known = tokio::time::timeout(wait, waiting.wait_for(Option::is_some)).await;
        known.ok()?.ok()?.clone()
    }

    /// Computes what these published files lack: nobody waits for it, and what does not fit in the
    /// queue is left until somebody asks.
    pub(super) fn checksum_later(&self, user: &str, files: Vec<(Arc<StorageArea>, RelPath)>) {
        if files.is_empty() {
            return;
        }
        let (srm, user) = (self.clone(), user.to_owned());
        let begin = move || {
            for (area, path) in files {
                let algorithm = Algorithm::Adler32;
                let Some((version, None)) = look(&area, &path, algorithm) else { continue };
                if srm.begin_checksum(&user, &area, &path, version, algorithm).is_none() {
                    tracing::debug!("checksum queue full: the rest is left until somebody asks");
                    break;
                }
            }
            Ok(())
        };
        tokio::spawn(blocking(begin));
    }

    fn begin_checksum(
        &self,
        user: &str,
        area: &Arc<StorageArea>,
        path: &RelPath,
        version: String,
        algorithm: Algorithm,
    ) -> Option<Waiting> {
        let checksums = &self.core.checksums;
        let key = FileKey { area: Arc::clone(&area.name), path: path.clone() };
        let content = Content { key, version, algorithm };
        let (done, waiting) = watch::channel(None);
        {
            let mut running = checksums.running();
            if let Some(waiting) = running.get(&content) {
                return Some(waiting.clone());
            }
            running.insert(content.clone(), waiting.clone());
        }
        // Dropped in the queue or at its end, it leaves the table.
        let compute = Compute { srm: self.clone(), area: Arc::clone(area), content, done };
        checksums.pool.submit(user, vec![Box::new(compute)]).ok().map(|()| waiting)
    }
}

/// One computation.
struct Compute {
    srm: Srm,
    area: Arc<StorageArea>,
    content: Content,
    done: watch::Sender<Option<String>>,
}

impl Drop for Compute {
    fn drop(&mut self) {
        self.srm.core.checksums.running().remove(&self.content);
    }
}

impl Job for Compute {
    fn run(self: Box<Self>) -> JobFuture {
        Box::pin(async move {
            let (area, content) = (Arc::clone(&self.area), self.content.clone());
            let stop = self.srm.core.stopping.clone();
            let work = move || Ok(compute(&area, &content, &mut || !stop.is_cancelled()));
            if let Ok(Some(sum)) = blocking(work).await {
                self.done.send_replace(Some(sum));
            }
        })
    }
}

/// The version of a published file, and its checksum where one is kept.
fn look(
    area: &StorageArea,
    path: &RelPath,
    algorithm: Algorithm,
) -> Option<(String, Option<String>)> {
    let driver = &*area.driver;
    let file = driver.open(path).ok()?;
    let stat = driver.stat_file(&file).ok()?;
    Some((version(&stat), kept(driver, &file, &stat, algorithm)))
}

/// Reads the file and keeps what it finds, unless somebody writes to it meanwhile.
fn compute(
    area: &StorageArea,
    content: &Content,
    go_on: &mut dyn FnMut() -> bool,
) -> Option<String> {
    let driver = &*area.driver;
    let file = driver.open(&content.key.path).ok()?;
    let written = || driver.has_writer(&file).ok().flatten() == Some(true);
    let stat = driver.stat_file(&file).ok()?;
    if stat.kind != Kind::File || version(&stat) != content.version || written() {
        return None;
    }
    // Somebody else's answer may have come just before.
    if let Some(kept) = kept(driver, &file, &stat, content.algorithm) {
        return Some(kept);
    }
    let sum = read_checksum(driver, &file, content.algorithm, go_on)?;
    if version(&driver.stat_file(&file).ok()?) != content.version || written() {
        return None;
    }
    if let Err(error) = keep(driver, &file, &stat, content.algorithm, &sum) {
        tracing::warn!(%error, path = %content.key, "its checksum can't be kept: computed again each time");
    }
    Some(sum)
}

/// The checksum of all bytes of a file; `None` when it can't be read, or `go_on` said no.
pub(super) fn read_checksum(
    driver: &dyn Driver,
    file: &File,
    algorithm: Algorithm,
    go_on: &mut dyn FnMut() -> bool,
) -> Option<String> {
    let mut hasher = Hasher::new([algorithm]);
    let mut each = |piece: &[u8]| {
        hasher.update(piece);
        go_on()
    };
    let whole = driver.read_through(file, &mut each).ok()?;
    whole.then(|| hasher.finish().remove(&algorithm)).flatten()
}
