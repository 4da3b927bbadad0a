//! The work of srmCopy: what workers do with a file. Its target is claimed as a put's is, the bytes go
//! into the hidden file of a put, and that is published as one. A copy that was cut short begins
//! again from the start.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::Arc;

use super::access::{Needs, driver_error};
use super::acl::Accounts;
use super::copy::check_site;
use super::copy_data::{Copied, copy_file, no_file};
use super::files::{discard, hidden_name};
use super::live::Live;
use super::publish::{Origin, Outcome, Publish, Room, publish_all};
use super::seal::{Replaced, published_by};
use super::spaces::Hold;
use super::submit::waits;
use super::target::writable;
use super::transition::Change;
use super::{Error, ErrorKind, Site, Srm, blocking};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{Event, FileState, Identity, OverwriteMode, RelPath};
use crate::namespace::{Located, StorageArea};
use crate::store::FileRow;

/// Small files that share commits, at most.
const MOST: usize = 64;
/// Bytes that are copied before what is done is published, unless one file alone is larger.
const PORTION: u64 = 64 << 20;

/// What a worker found of a file before it begins.
enum Prepared {
    /// It is to be copied.
    Ready(Ready),
    /// It was published, and only the answer was lost: bytes now, and what it replaced.
    Done(u64, Replaced),
}

/// A copy that may be.
struct Ready {
    n: u32,
    source: Located,
    target: Located,
    hidden: RelPath,
    /// Bytes of the source.
    size: u64,
    /// Room that is kept for it; after a restart the request has that already.
    hold: Option<Hold>,
    /// The group that reads what is published.
    reader: Option<u32>,
}

/// A file's number, and what became of it.
type Found = (u32, Result<Prepared, Error>);

impl Srm {
    /// Files of a request that one worker takes: large ones are shared out.
    pub(super) fn copy_batch(&self, files: usize) -> usize {
        let threads = self.site().config.workers.copy.threads.max(1);
        files.div_ceil(4 * threads).clamp(1, MOST)
    }

    /// A worker's unit: copies what is still wanted. Of large files it keeps as many in `files` as
    /// make up a portion, and gives the others back to the queue.
    ///
    /// # Errors
    /// The store's, and what may pass: the files are to be tried again.
    pub(super) async fn work_copies(
        &self,
        live: &Arc<Live>,
        who: &Identity,
        files: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let rows: Vec<Arc<FileRow>> =
            files.iter().filter_map(|n| live.file(*n)).filter(|row| waits(row)).collect();
        let directories = rows.iter().filter_map(|row| Some((Arc::clone(row), row.levels?)));
        self.expand_directories(live, who, directories.collect()).await?;
        let rows: Vec<_> = rows.into_iter().filter(|row| row.levels.is_none()).collect();
        let mut prepared = self.prepare_copies(live, who, rows.clone()).await?;
        let is_full = |one: &Found| matches!(one, (_, Err(error)) if error.kind.is_full());
        // Before there is no room, what may go is removed.
        if prepared.iter().any(is_full) && self.make_room().await {
            let (full, rest): (Vec<_>, Vec<_>) = prepared.into_iter().partition(is_full);
            let again = full.iter().filter_map(|(n, _)| live.file(*n)).collect();
            prepared = rest;
            prepared.extend(self.prepare_copies(live, who, again).await?);
        }
        let begun: HashSet<u32> = prepared.iter().map(|(n, _)| *n).collect();
        let others: Vec<u32> =
            rows.iter().map(|row| row.n).filter(|n| !begun.contains(n)).collect();
        files.retain(|n| !others.contains(n));
        live.lay_down(&others);
        self.enqueue_files(live, who, others);
        let mut copied = Vec::new();
        for (ready, to) in self.begin_copies(live, prepared).await? {
            let (srm, live) = (self.clone(), Arc::clone(live));
            let work = blocking(move || {
                let done = copy_data(&srm, &live, &ready, to);
                Ok((ready, done))
            });
            copied.push(work.await?);
        }
        self.finish_copies(live, copied).await
    }

    /// The first of them, up to a portion; at least one.
    async fn prepare_copies(
        &self,
        live: &Arc<Live>,
        who: &Identity,
        rows: Vec<Arc<FileRow>>,
    ) -> Result<Vec<Found>, Error> {
        let space = self.reserved_space(live.request.space_token.as_deref()).await?;
        let (srm, who, live) = (self.clone(), who.clone(), Arc::clone(live));
        blocking(move || {
            let site = srm.site();
            let accounts = Accounts::new(&site, &who);
            let room = |area: &StorageArea, bytes| srm.take_room(area, space.as_ref(), bytes);
            let (mut found, mut bytes) = (Vec::new(), 0_u64);
            for row in rows {
                let one = prepare(&site, &who, &accounts, &live, &row, &room);
                if let Ok(Prepared::Ready(ready)) = &one {
                    bytes = bytes.saturating_add(ready.size);
                }
                // Room that was kept for this one is given back.
                if bytes > PORTION && !found.is_empty() {
                    break;
                }
                found.push((row.n, one));
            }
            Ok(found)
        })
        .await
    }

    /// Claims the targets, writes that down in one commit, and makes the hidden files.
    async fn begin_copies(
        &self,
        live: &Arc<Live>,
        prepared: Vec<Found>,
    ) -> Result<Vec<(Ready, File)>, Error> {
        let site = self.site();
        let _turn = live.turn.lock().await;
        let (mut changes, mut claimed) = (Vec::new(), Vec::new());
        for (n, outcome) in prepared {
            let Some(file) = live.file(n).filter(|file| waits(file)) else { continue };
            let outcome = outcome.and_then(|prepared| match prepared {
                Prepared::Ready(ready) => {
                    self.claim(live, n, &ready.target.key(), &site).map(|()| Prepared::Ready(ready))
                }
                done => Ok(done),
            });
            match outcome {
                Err(error) => changes.push(Change::failed(&file, &error)),
                Ok(Prepared::Done(size, replaced)) => {
                    changes.push(Change::done(&file, size, replaced));
                }
                Ok(Prepared::Ready(mut ready)) => {
                    if let Some(hold) = ready.hold.take() {
                        live.keep_room(n, hold);
                    }
                    if file.state == FileState::Queued {
                        let key = Some(ready.target.key());
                        let expected_size = Some(ready.size).filter(|size| *size > 0);
                        let row = FileRow { key, expected_size, ..FileRow::clone(&file) };
                        changes.push(Change::new(&row, Event::Start, "being copied"));
                    }
                    claimed.push(ready);
                }
            }
        }
        let settled = self.settle_work(live, changes).await;
        let mut begun = Vec::new();
        for ready in claimed {
            if is_wanted(live, ready.n) {
                begun.push(ready);
            } else {
                self.core.requests.unclaim(live, ready.n, &ready.target.key());
                live.give_room_back(ready.n);
            }
        }
        settled?;
        let made = blocking(move || {
            let one = |ready: Ready| (make_hidden(&ready), ready);
            Ok(begun.into_iter().map(one).collect::<Vec<_>>())
        });
        let (mut open, mut failed) = (Vec::new(), Vec::new());
        for (made, ready) in made.await? {
            match (made, live.file(ready.n)) {
                (Ok(file), _) => open.push((ready, file)),
                (Err(error), Some(row)) => failed.push(Change::failed(&row, &error)),
                (Err(_), None) => {}
            }
        }
        self.settle_work(live, failed).await?;
        Ok(open)
    }

    /// Publishes what was copied, in one commit. What was stopped is left as it is: whoever aborted it
    /// has cleared it away, and a start after a stop begins again.
    async fn finish_copies(
        &self,
        live: &Arc<Live>,
        copied: Vec<(Ready, Result<Option<Copied>, Error>)>,
    ) -> Result<(), Error> {
        let keys: Vec<_> = copied.iter().map(|(ready, _)| ready.target.key()).collect();
        let (mut work, mut failed) = (Vec::new(), Vec::new());
        let (mut to_sum, mut unsummed) = (Vec::new(), HashMap::new());
        for (ready, outcome) in copied {
            match outcome {
                Ok(Some(copied)) => {
                    let place = (Arc::clone(&ready.target.area), ready.target.path.clone());
                    unsummed.extend(copied.adler32.is_none().then_some((ready.n, place)));
                    work.push(self.publish_copy(live, ready, copied));
                }
                Ok(None) => {}
                Err(error) => failed.extend(live.file(ready.n).map(|file| (file, error))),
            }
        }
        if live.overwrite() == OverwriteMode::WhenFilesAreDifferent {
            work = self.compare_all(live, work).await;
        }
        // Files before the request, as rm does, so that the two can't wait for each other.
        let guards = self.core.locks.lock_all(&keys.iter().collect::<Vec<_>>()).await;
        let turn = live.turn.lock().await;
        work.retain(|publish| is_wanted(live, publish.n));
        failed.retain(|(file, _)| is_wanted(live, file.n));
        let (mut changes, mut done, mut later) = (Vec::new(), Vec::new(), None);
        let left: Vec<_> = failed.iter().map(|(file, _)| Arc::clone(file)).collect();
        let cleared = self.discard_hidden(live, &left).await?;
        for ((file, error), cleared) in failed.into_iter().zip(cleared) {
            match cleared {
                Ok(()) => changes.push(Change::failed(&file, &error)),
                Err(error) => later = Some(error),
            }
        }
        let changing = self.core.usage.change(keys)?;
        for (n, outcome) in publish_all(work).await {
            let Some(file) = live.file(n) else { continue };
            match outcome {
                Ok(Outcome::Done { size, replaced }) => {
                    done.extend(file.key.clone());
                    to_sum.extend(unsummed.remove(&n));
                    changes.push(Change::done(&file, size, replaced));
                }
                Ok(Outcome::Later(error)) => later = Some(error),
                Err(error) => changes.push(Change::failed(&file, &error)),
            }
        }
        self.core.requests.bump();
        self.settle_work(live, changes).await?;
        drop((changing, turn, guards));
        self.checksum_later(&live.request.user, to_sum);
        // Only with `overwrite_pinned` can a pin be left on what was replaced.
        for key in done {
            self.abort_gets(self.core.requests.pins_on(&key)).await;
        }
        later.map_or(Ok(()), Err)
    }

    fn publish_copy(&self, live: &Live, ready: Ready, copied: Copied) -> Publish {
        let (srm, hold, place) = (self.clone(), live.hold(ready.n), Arc::clone(&ready.target.area));
        let room: Room = Box::new(move |bytes| match &hold {
            Some(hold) => srm.grow_room(&place, hold, bytes),
            None => Ok(()),
        });
        Publish {
            room,
            area: ready.target.area,
            target: ready.target.path,
            hidden: ready.hidden,
            token: live.token().clone(),
            n: ready.n,
            expected: Some(copied.size),
            uploaded: false,
            origin: Origin::Copy(copied.adler32),
            made: true,
            mode: live.overwrite(),
            compared: None,
            reader: ready.reader,
            sync: self.site().config.http.fsync,
        }
    }
}

/// True while nobody has ended a copy that has begun.
fn is_wanted(live: &Live, n: u32) -> bool {
    live.file(n).is_some_and(|file| file.state == FileState::InProgress)
}

/// May he, and can it be? Blocks.
fn prepare(
    site: &Site,
    who: &Identity,
    accounts: &Accounts<'_>,
    live: &Live,
    row: &FileRow,
    room: &dyn Fn(&StorageArea, u64) -> Result<Hold, Error>,
) -> Result<Prepared, Error> {
    if let (FileState::InProgress, Some(key)) = (row.state, &row.key)
        && let Some(area) = site.namespace.area(&key.area)
    {
        if let Some((size, replaced)) = published_by(area, &key.path, live.token(), row.n) {
            return Ok(Prepared::Done(size, replaced));
        }
        if let Some(hidden) = hidden_name(&key.path, live.token(), row.n) {
            discard(area, &hidden)?;
        }
    }
    let from = row.source.as_deref().unwrap_or_default();
    check_site(site, from)?;
    check_site(site, &row.surl)?;
    let source = site.reach_surl(who, from, Needs::READ)?;
    let told = |error| driver_error(error, &source.stfn);
    let stat = source.area.driver.stat(&source.path).map_err(told)?;
    match stat.kind {
        Kind::File => {}
        Kind::Directory => {
            let why = "the source is a directory: say so in dirOption to copy what is in it";
            return Err(Error::new(ErrorKind::IsADirectory, why));
        }
        Kind::Other => return Err(no_file()),
    }
    // Below a directory that is copied, the tree is made as it is needed.
    let parents = site.config.srm.create_parents || row.parent.is_some();
    let (target, _) = writable(site, who, accounts, &row.surl, live.overwrite(), parents)?;
    if row.key.as_ref().is_some_and(|key| *key != target.key()) {
        let why = "the target leads elsewhere than when the copy began: copy it again";
        return Err(Error::new(ErrorKind::InvalidPath, why));
    }
    let hold = match live.hold(row.n) {
        Some(_) => None,
        // An empty one takes something, too.
        None => Some(room(&target.area, stat.size.max(1))?),
    };
    let hidden = hidden_name(&target.path, live.token(), row.n)
        .ok_or_else(|| Error::new(ErrorKind::IsADirectory, "the path is a directory"))?;
    let reader = accounts.reader(&target.area);
    let (n, size) = (row.n, stat.size);
    Ok(Prepared::Ready(Ready { n, source, target, hidden, size, hold, reader }))
}

/// An empty file, where a copy that was cut short may have left one.
fn make_hidden(ready: &Ready) -> Result<File, Error> {
    let driver = &*ready.target.area.driver;
    let made = match driver.create(&ready.hidden) {
        Err(DriverError::Exists) => {
            driver.remove_file(&ready.hidden).and_then(|()| driver.create(&ready.hidden))
        }
        made => made,
    };
    // Whatever the directory hands down, nobody else comes in before it is published.
    let closed = made.and_then(|file| driver.set_mode(&file, 0o600).map(|()| file));
    closed.map_err(|error| driver_error(error, &ready.target.stfn))
}

/// Fills the hidden file; `None` when nobody wants it any more, or the daemon stops. Blocks.
fn copy_data(srm: &Srm, live: &Live, ready: &Ready, to: File) -> Result<Option<Copied>, Error> {
    let stop = &srm.core.stopping;
    let mut go_on = || !stop.is_cancelled() && is_wanted(live, ready.n);
    copy_file(srm, &ready.source, &ready.target, &to, &mut go_on)
}
