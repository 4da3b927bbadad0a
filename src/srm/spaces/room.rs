//! Room for writers, at every door alike: what is kept for them, and what an area has.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::access::driver_error;
use super::super::dav::Quota;
use super::super::files::hidden_name;
use super::super::live::Live;
use super::super::requests::{Holder, now};
use super::super::{Error, ErrorKind, Srm, blocking};
use super::hold::Hold;
use super::limits::Limits;
use super::under_way::bytes_on_disk;
use crate::model::{FileKey, RelPath, RequestKind, SpaceToken};
use crate::namespace::{Located, StorageArea};
use crate::store::KnownSpace;

impl Srm {
    /// What is promised, as the store knows it; at a start. Releases that a stop cut short go on.
    pub(in super::super) async fn load_spaces(&self) -> Result<(), Error> {
        let (spaces, records) =
            (self.core.store.spaces().await?, self.core.store.count_records().await?);
        let begun = |space: &KnownSpace| Some((space.row.token.clone(), space.release?));
        let begun: Vec<_> = spaces.iter().filter_map(begun).collect();
        self.core.books.load(spaces, records);
        begun.into_iter().for_each(|(space, end)| self.go_on_releasing(space, end));
        let srm = self.clone();
        blocking(move || {
            for area in srm.site().namespace.areas() {
                // One whose disk is away is looked at again when something is written there.
                if let Ok(stat) = area.driver.stat(&RelPath::root()) {
                    srm.core.books.set_device(&area.name, stat.device);
                }
            }
            Ok(())
        })
        .await
    }

    /// Keeps room for the live puts of a request that a restart took up.
    pub(in super::super) async fn hold_again(&self, live: &Live) -> Result<(), Error> {
        if !matches!(live.kind(), RequestKind::Put | RequestKind::Copy) {
            return Ok(());
        }
        let space = self.reserved_space(live.request.space_token.as_deref()).await?;
        for file in (0..).map_while(|n| live.file(n)) {
            if let (true, Some(key)) = (file.state.claims(live.kind()), &file.key) {
                let bytes = file.expected_size.unwrap_or(1);
                let hold = self.core.books.restore(&key.area, space.clone(), bytes);
                live.keep_room(file.n, hold);
            }
        }
        Ok(())
    }

    /// Keeps `bytes` for a writer, in a reserved space or outside of all. Blocks.
    ///
    /// # Errors
    /// [`ErrorKind::NoFreeSpace`], [`ErrorKind::DiskFull`], for a space [`ErrorKind::NoUserSpace`],
    /// [`ErrorKind::ExceedAllocation`], [`ErrorKind::SpaceExpired`].
    pub(in super::super) fn take_room(
        &self,
        area: &StorageArea,
        space: Option<&SpaceToken>,
        bytes: u64,
    ) -> Result<Hold, Error> {
        self.within(area, |limits| self.core.books.take(limits, space, bytes, now()))
    }

    /// Keeps `bytes` in all. Blocks.
    pub(in super::super) fn grow_room(
        &self,
        area: &StorageArea,
        hold: &Hold,
        bytes: u64,
    ) -> Result<(), Error> {
        self.within(area, |limits| hold.grow(limits, bytes, now()))
    }

    /// Does what needs room. Data of writers under way is on disk already in part, and is kept room
    /// for in whole: where the file system is full by that, it is looked at.
    pub(super) fn within<T>(
        &self,
        area: &StorageArea,
        work: impl Fn(&Limits) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let limits = self.limits_here(area)?;
        match work(&limits) {
            Err(error) if error.kind == ErrorKind::DiskFull => {
                let free = limits.free.saturating_add(self.written(area));
                work(&Limits { free, ..limits })
            }
            done => done,
        }
    }

    /// As [`Srm::within`], off the async threads. Before there is no room, what may go is removed.
    pub(super) async fn with_room<T: Send + 'static>(
        &self,
        area: &Arc<StorageArea>,
        work: impl Fn(&Limits) -> Result<T, Error> + Clone + Send + 'static,
    ) -> Result<T, Error> {
        if let Some(Ok(done)) = self.at_once(area, &work) {
            return Ok(done);
        }
        let attempt = || {
            let (srm, area, work) = (self.clone(), Arc::clone(area), work.clone());
            blocking(move || srm.within(&area, work))
        };
        match attempt().await {
            Err(error) if error.kind.is_full() && self.make_room().await => attempt().await,
            done => done,
        }
    }

    /// Where the kernel has at hand how full the file system is, as far as that goes.
    fn at_once<T>(
        &self,
        area: &StorageArea,
        work: &impl Fn(&Limits) -> Result<T, Error>,
    ) -> Option<Result<T, Error>> {
        let free = area.driver.room_at_once()?.ok()?.free;
        let device = area.driver.stat_at_once(&RelPath::root())?.ok()?.device;
        Some(work(&self.limits(area, free, device)))
    }

    /// Room for an upload to a file's own path. One that replaces a file in a reserved space goes into
    /// that space.
    pub(in super::super) async fn room_for_upload(
        &self,
        located: &Located,
        bytes: u64,
    ) -> Result<Hold, Error> {
        let key = located.key();
        let record = match self.core.books.has_records(&key.area) {
            true => self.core.store.record(&key).await?,
            false => None,
        };
        let space = record.and_then(|record| record.space);
        let books = Arc::clone(&self.core.books);
        let take = move |limits: &Limits| books.take(limits, space.as_ref(), bytes, now());
        self.with_room(&located.area, take).await
    }

    /// The same, now that all of it has come.
    pub(in super::super) async fn fit_upload(
        &self,
        area: &Arc<StorageArea>,
        hold: &Arc<Hold>,
        bytes: u64,
    ) -> Result<(), Error> {
        if bytes <= hold.bytes() {
            return Ok(());
        }
        let grown = Arc::clone(hold);
        self.with_room(area, move |limits| grown.grow(limits, bytes, now())).await
    }

    /// Room for an upload to a put's TURL.
    pub(in super::super) async fn room_for_transfer(
        &self,
        area: &Arc<StorageArea>,
        put: &Holder,
        bytes: u64,
    ) -> Result<(), Error> {
        let Some(hold) = put.live.hold(put.n).filter(|hold| bytes > hold.bytes()) else {
            return Ok(());
        };
        self.with_room(area, move |limits| hold.grow(limits, bytes, now())).await
    }

    /// Removes volatile files whose lifetime is over; whether any went.
    pub(in super::super) async fn make_room(&self) -> bool {
        match self.sweep_files().await {
            Ok(swept) => swept.removed > 0,
            Err(error) => {
                tracing::error!(%error, "expired files not removed");
                false
            }
        }
    }

    /// What an area holds, and what may still be written there. Blocks.
    pub(in super::super) fn quota(&self, area: &StorageArea) -> Result<Quota, Error> {
        let limits = self.limits_here(area)?;
        Ok(Quota { used: limits.used, available: self.core.books.unpromised(&limits, now()) })
    }

    fn limits_here(&self, area: &StorageArea) -> Result<Limits, Error> {
        let told = |error| driver_error(error, &area.name);
        let free = area.driver.room().map_err(told)?.free;
        let device = area.driver.stat(&RelPath::root()).map_err(told)?.device;
        Ok(self.limits(area, free, device))
    }

    fn limits(&self, area: &StorageArea, free: u64, device: u64) -> Limits {
        Limits {
            area: Arc::clone(&area.name),
            size: area.limited_size.then_some(area.total_online),
            used: self.core.usage.used(&area.name).bytes,
            free,
            device,
        }
    }

    /// What live puts and uploads have written of what is kept for them.
    fn written(&self, area: &StorageArea) -> u64 {
        let puts = self.core.requests.puts_below(&area.name, &RelPath::root());
        let named = puts.iter().filter_map(|key| self.written_of(area, key));
        let unnamed = self.core.uploads.written(area);
        // By what is kept: a put may have a hidden file, and another upload to its TURL under way.
        let mut written: HashMap<*const Hold, (Arc<Hold>, u64)> = HashMap::new();
        for (hold, bytes) in named.chain(unnamed) {
            written.entry(Arc::as_ptr(&hold)).or_insert((hold, 0)).1 += bytes;
        }
        written.into_values().map(|(hold, bytes)| bytes.min(hold.bytes())).sum()
    }

    fn written_of(&self, area: &StorageArea, key: &FileKey) -> Option<(Arc<Hold>, u64)> {
        let holder = self.core.requests.put_on(key)?;
        let hold = holder.live.hold(holder.n)?;
        let hidden = hidden_name(&key.path, holder.live.token(), holder.n)?;
        let stat = area.driver.stat(&hidden).ok()?;
        Some((hold, bytes_on_disk(&stat)))
    }
}
