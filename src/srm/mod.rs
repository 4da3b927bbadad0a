//! The core: one place per operation, all rules of SRM, and the jobs that workers run. No XML and
//! no HTTP in here: SOAP, the HTTP doors and the command line call the same functions.

mod abort;
mod access;
mod acl;
mod answer;
mod api;
mod app_passwords;
mod aside;
mod at_once;
mod bring_online;
mod browse;
mod carry;
mod changes;
mod checks;
mod checksum;
mod compare;
mod compared;
mod conditions;
mod copy;
mod copy_data;
mod copy_work;
mod data;
mod dav;
mod digest;
mod directories;
mod discovery;
mod error;
mod expand;
mod expiry;
mod explain;
mod extend;
mod files;
mod get;
mod leases;
mod lend;
mod live;
mod ls;
mod mkdir;
mod mv;
mod part;
mod people;
mod permission;
mod publish;
mod put;
mod put_done;
mod recovery;
mod release;
mod requests;
mod rm;
mod rmdir;
mod scan;
mod scope;
mod seal;
mod sign_in;
mod spaces;
mod submit;
mod summary;
mod suspend;
mod target;
#[cfg(test)]
mod tests;
mod transition;
mod tree;
mod turns;
mod upload;
mod usage;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use crate::auth::policy::Policy;
use crate::config::Config;
use crate::model::{FileKey, SpaceToken};
use crate::namespace::{Namespace, StorageArea};
use crate::scheduler::{Bulk, Pool, Timer, quick};
use crate::store::{Millis, Store, StoreError};

pub use crate::store::{DavLock, DeadProperty};

pub use api::*;
pub use app_passwords::{AppPassword, AppPasswordAsked, NewAppPassword};
pub use browse::{Browse, Browsed, May, PageFrom, Position, Sort, SortBy};
pub use carry::{Carried, Carry};
pub use dav::{Beside, BesideOf, Besides, LockWanted, PropertyPatch, Quota, Wanted};
pub use digest::Hasher;
pub use error::{Error, ErrorKind};
pub use explain::Asked;
pub use extend::{ExtendRequest, LifetimesAnswer, SurlLifetime};
pub use summary::{RequestSummary, SummaryAnswer, Tally, TokensAnswer};
pub use tree::{Found, Tree};
pub use upload::{Upload, append};

use app_passwords::AppPasswords;
use checksum::Checksums;
use dav::{Dav, Submitted, Touch};
use leases::Leases;
use ls::Snapshots;
use requests::Requests;
use sign_in::SignIn;
use spaces::{Books, Sweep, Uploads};
use turns::Turns;
use usage::Usage;

/// Files and directories that change their space at once.
const WALKS: usize = 2;
/// Lists with a token that are made at once.
const LISTS: usize = 4;

/// The core. A cheap handle: doors and jobs hold clones of it.
#[derive(Clone)]
pub struct Srm {
    core: Arc<Core>,
    /// Lock tokens that came with the request for which this handle is.
    submitted: Option<Arc<Submitted>>,
}

struct Core {
    /// What SIGHUP changes, as one: no request sees half of a reload.
    site: ArcSwap<Site>,
    store: Store,
    requests: Requests,
    puts: Pool,
    gets: Pool,
    brings: Pool,
    copies: Pool,
    /// Walks over directories, for files that change their space: puts do not wait for them.
    walks: Pool,
    /// srmLs that were not ready in time.
    lists: Pool,
    checksums: Checksums,
    /// Long reads end when it is cancelled.
    stopping: CancellationToken,
    locks: Locks,
    /// Held while a directory is moved, or replaced by what is moved: two that wait for each other's
    /// trees would wait for ever.
    tree_turn: Mutex<()>,
    /// What the store said of the areas' own spaces.
    area_tokens: std::sync::Mutex<HashMap<Arc<str>, SpaceToken>>,
    snapshots: Snapshots,
    turns: Turns,
    /// Calls and jobs of many files.
    bulk: Bulk,
    usage: Arc<Usage>,
    timer: OnceLock<Timer>,
    /// Removing files takes longer: pins end in time meanwhile.
    file_timer: OnceLock<Timer>,
    /// What is promised in each area.
    books: Arc<Books>,
    /// Uploads to our own doors.
    uploads: Arc<Uploads>,
    /// Held by whoever reserves, changes or releases a space.
    space_turn: Mutex<()>,
    sweep: Sweep,
    dav: Dav,
    app_passwords: AppPasswords,
    sign_in: SignIn,
}

/// Configuration, namespace and policy that belong together.
pub struct Site {
    /// storm.toml.
    pub config: Arc<Config>,
    /// namespace.xml.
    pub namespace: Arc<Namespace>,
    /// Who may do what.
    pub policy: Policy,
    /// What ACLs lend; a reload keeps it.
    leases: Arc<Leases>,
    /// What areas hold; a reload keeps it.
    usage: Arc<Usage>,
}

impl Site {
    /// As they were read.
    pub fn new(config: Arc<Config>, namespace: Arc<Namespace>, policy: Policy) -> Self {
        Self { config, namespace, policy, leases: Arc::new(Leases::new()), usage: Arc::default() }
    }

    /// Where each area lies.
    fn roots(&self) -> Vec<(Arc<str>, String)> {
        let root = |area: &Arc<StorageArea>| {
            (Arc::clone(&area.name), area.root.to_string_lossy().into_owned())
        };
        self.namespace.areas().iter().map(root).collect()
    }
}

impl Srm {
    /// The core over a store.
    pub fn new(site: Site, store: Store) -> Self {
        let workers = &site.config.workers;
        let pool =
            |name, size: crate::config::WorkerPool| Pool::new(name, size.threads, size.queue);
        let usage = Arc::clone(&site.usage);
        let core = Core {
            puts: pool("put", workers.put),
            gets: pool("get", workers.get),
            brings: pool("bring_online", workers.bring_online),
            copies: pool("copy", workers.copy),
            walks: Pool::new("change_space", WALKS, workers.put.queue),
            lists: Pool::new("ls", LISTS, workers.get.queue),
            checksums: Checksums::new(pool("checksum", workers.checksum)),
            stopping: CancellationToken::new(),
            site: ArcSwap::from_pointee(site),
            store,
            requests: Requests::new(),
            locks: Locks::new(),
            tree_turn: Mutex::new(()),
            area_tokens: std::sync::Mutex::default(),
            snapshots: Snapshots::default(),
            turns: Turns::default(),
            bulk: Bulk::default(),
            usage,
            timer: OnceLock::new(),
            file_timer: OnceLock::new(),
            books: Arc::default(),
            uploads: Arc::default(),
            space_turn: Mutex::new(()),
            sweep: Sweep::new(),
            dav: Dav::default(),
            app_passwords: AppPasswords::default(),
            sign_in: SignIn::new(),
        };
        Self { core: Arc::new(core), submitted: None }
    }

    /// Takes over a new configuration: requests that come from now on see it whole. An area that it
    /// lacks stays until what is live there has ended.
    pub fn reload(&self, mut site: Site) {
        let old = self.site();
        site.leases = Arc::clone(&old.leases);
        site.usage = Arc::clone(&old.usage);
        // It was just read: nobody else has it yet.
        if let Some(namespace) = Arc::get_mut(&mut site.namespace) {
            namespace.keep_parting(&old.namespace, |area| self.core.requests.use_area(area));
        }
        for area in site.namespace.parting() {
            tracing::warn!(
                "storage area {} is gone from namespace.xml: what is under way there may end, \
                 nothing new begins; a later reload lets go of its root",
                area.name
            );
        }
        let roots = site.roots();
        let moved = |area: &&Arc<StorageArea>| {
            old.namespace.area(&area.name).is_some_and(|was| was.root != area.root)
        };
        let moved = site.namespace.areas().iter().filter(moved);
        let moved: Vec<_> = moved.map(|area| Arc::clone(&area.name)).collect();
        self.core.site.store(Arc::new(site));
        let srm = self.clone();
        tokio::spawn(async move { srm.count_in_roots(roots, moved).await });
    }

    /// What is in force now.
    pub fn site(&self) -> Arc<Site> {
        self.core.site.load_full()
    }

    /// Requests that have not ended.
    pub fn open_requests(&self) -> usize {
        self.core.requests.count()
    }

    /// Starts the timers: from now on pins, TURLs and volatile files end when they should.
    pub fn start_timer(&self, stop: CancellationToken) {
        let srm = self.clone();
        let expire = move || {
            let srm = srm.clone();
            async move { srm.expire_due().await }
        };
        let srm = self.clone();
        let sweep = move || {
            let srm = srm.clone();
            async move { srm.sweep_due().await }
        };
        // A second start changes nothing: the first timers go on.
        let _ = self.core.timer.set(Timer::start(requests::now, stop.clone(), expire));
        let _ = self.core.file_timer.set(Timer::start(requests::now, stop, sweep));
    }

    fn wake_at(&self, at: Millis) {
        if let Some(timer) = self.core.timer.get() {
            timer.wake_at(at);
        }
    }

    /// The daemon stops: what reads for long ends now, and goes on after the next start.
    pub fn end_long_reads(&self) {
        self.core.stopping.cancel();
    }

    /// Lets running jobs finish and drops those that wait: they are in the store.
    pub async fn shutdown(&self) {
        self.end_long_reads();
        self.core.puts.shutdown().await;
        self.core.gets.shutdown().await;
        self.core.brings.shutdown().await;
        self.core.copies.shutdown().await;
        self.core.walks.shutdown().await;
        self.core.lists.shutdown().await;
        self.core.checksums.shutdown().await;
    }
}

/// Runs blocking work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::Internal, "the work was cut short: try again")),
    }
}

/// As [`blocking`], for work of a few short calls: see [`quick`].
async fn briefly<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let cut = || Error::new(ErrorKind::Internal, "the work was cut short: try again");
    quick(work).await.unwrap_or_else(|| Err(cut()))
}

/// Runs `work` to its end, also when the caller's future is dropped because its client hung up: what
/// was renamed must come into the store, and what the store took into memory.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::Internal, "the work was cut short: try again")),
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Error::new(
                ErrorKind::Overloaded,
                "too many requests wait for the request database: try again later",
            ),
            other => {
                tracing::error!(error = %other, "request database");
                Error::new(ErrorKind::Internal, format!("{other}: try again later"))
            }
        }
    }
}

/// One writer at a time per file, over all requests and doors. Striped: two files may share a lock.
struct Locks {
    stripes: Box<[Mutex<()>]>,
}

impl Locks {
    const STRIPES: usize = 1024;

    fn new() -> Self {
        Self { stripes: (0..Self::STRIPES).map(|_| Mutex::new(())).collect() }
    }

    fn stripe(key: &FileKey) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        // The remainder is below STRIPES, so it fits.
        (hasher.finish() % Self::STRIPES as u64) as usize
    }

    async fn lock(&self, key: &FileKey) -> MutexGuard<'_, ()> {
        self.stripes[Self::stripe(key)].lock().await
    }

    /// Locks several files, in the order of the stripes, so that two callers can't wait for each
    /// other.
    async fn lock_all(&self, keys: &[&FileKey]) -> Vec<MutexGuard<'_, ()>> {
        let mut stripes: Vec<usize> = keys.iter().map(|key| Self::stripe(key)).collect();
        stripes.sort_unstable();
        stripes.dedup();
        let mut guards = Vec::with_capacity(stripes.len());
        for stripe in stripes {
            guards.push(self.stripes[stripe].lock().await);
        }
        guards
    }
}
