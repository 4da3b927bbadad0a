//! How a request is written down. Where the kernel has at hand what a get takes, no worker is needed:
//! it is looked at as the request comes, and its files are written once, as pinned. Of many, some are
//! written while others are looked at.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;

use super::get::{ready_at_once, size_at_once};
use super::live::Live;
use super::submit::waits;
use super::transition::{SHORT_STEP, short_steps};
use super::{Error, ErrorKind, Site, Srm};
use crate::model::{Identity, RequestKind};
use crate::namespace::Located;
use crate::store::{FileRow, ListingRow, RequestRow};

/// Steps of one request that are looked at side by side.
const TOGETHER: usize = 2;

/// A file of a request; where it can be pinned at once, what stands there, and the row that it has then.
type Looked = (FileRow, Option<(Located, FileRow)>);

/// What a look takes, for all files of a request alike.
struct Looker {
    site: Arc<Site>,
    who: Identity,
    request: RequestRow,
}

impl Looker {
    fn look(&self, files: Vec<FileRow>) -> Vec<Looked> {
        let reads = matches!(self.request.kind, RequestKind::Get | RequestKind::BringOnline);
        let may = reads && self.request.starts.is_none();
        let one = |file: FileRow| {
            let at_once = || ready_at_once(&self.site, &self.who, &self.request, &file);
            let pinned = may.then(at_once).flatten();
            (file, pinned)
        };
        files.into_iter().map(one).collect()
    }
}

impl Srm {
    /// Writes a request down, with what is ready of it at once; `looked` is told when nothing is left
    /// but to wait for the store.
    ///
    /// # Errors
    /// The store's: then there is no such request.
    pub(super) async fn write_down(
        &self,
        who: &Identity,
        request: RequestRow,
        files: Vec<FileRow>,
        listing: Option<ListingRow>,
        looked: oneshot::Sender<()>,
    ) -> Result<Arc<Live>, Error> {
        let id = self.core.store.number().await?;
        let live = Live::bare(id, request.clone());
        // Nobody knows the request yet, but pins of it are found from now on.
        let turn = live.turn.lock().await;
        let mut rows = Vec::with_capacity(files.len());
        let looker = Looker { site: self.site(), who: who.clone(), request };
        let written = self.write_rows(&live, looker, files, listing, looked, &mut rows).await;
        if let Err(error) = written {
            for row in &rows {
                row.key.iter().for_each(|key| self.core.requests.unclaim(&live, row.n, key));
            }
            live.withdraw();
            return Err(error);
        }
        let pinned = rows.iter().filter(|row| !waits(row));
        let soonest = pinned.filter_map(|row| row.expires).min();
        live.fill(rows);
        self.core.requests.enlist(&live);
        drop(turn);
        soonest.into_iter().for_each(|at| self.wake_at(at));
        Ok(live)
    }

    /// The rows themselves: those that were claimed stand in `rows`, also after an error.
    async fn write_rows(
        &self,
        live: &Arc<Live>,
        looker: Looker,
        files: Vec<FileRow>,
        listing: Option<ListingRow>,
        looked: oneshot::Sender<()>,
        rows: &mut Vec<Arc<FileRow>>,
    ) -> Result<(), Error> {
        let (store, epoch) = (&self.core.store, self.core.requests.epoch());
        if files.len() <= SHORT_STEP {
            rows.extend(self.pin_looked(live, looker.look(files), epoch));
            // An error means that the call has ended.
            looked.send(()).ok();
            store.submit_numbered(live.id, looker.request, rows.clone(), listing).await?;
            return Ok(());
        }
        let mut arrival = store.arrive(live.id, live.kind(), files.len())?;
        let looker = Arc::new(looker);
        let steps = stream::iter(steps(files)).map(|step| {
            let looker = Arc::clone(&looker);
            tokio::spawn(async move { looker.look(step) })
        });
        let mut steps = steps.buffered(TOGETHER);
        while let Some(step) = steps.next().await {
            let cut_short =
                |_| Error::new(ErrorKind::Internal, "the work was cut short: try again");
            let step = self.pin_looked(live, step.map_err(cut_short)?, epoch);
            rows.extend(step.iter().cloned());
            arrival.write(step)?;
        }
        looked.send(()).ok();
        arrival.end(live.request.clone(), listing).await?;
        Ok(())
    }

    /// Claims what can be pinned; the rest waits for workers. The caller holds the turn.
    fn pin_looked(&self, live: &Arc<Live>, looked: Vec<Looked>, epoch: u64) -> Vec<Arc<FileRow>> {
        let most = self.site().config.limits.live_files;
        let requests = &self.core.requests;
        let claim = |(located, mut row): (Located, FileRow)| {
            let key = row.key.as_ref()?;
            requests.claim_pin(live, row.n, key, most).ok()?;
            // Something was removed, renamed or replaced since we looked: was it this?
            if requests.epoch() != epoch {
                match size_at_once(&located) {
                    Some(size) => row.size = Some(size),
                    None => {
                        requests.unclaim(live, row.n, key);
                        return None;
                    }
                }
            }
            Some(row)
        };
        let row = |(file, pinned): Looked| Arc::new(pinned.and_then(claim).unwrap_or(file));
        looked.into_iter().map(row).collect()
    }
}

fn steps(files: Vec<FileRow>) -> impl Iterator<Item = Vec<FileRow>> {
    let sizes = short_steps(files.len());
    let mut files = files.into_iter();
    sizes.map(move |step| files.by_ref().take(step.len()).collect())
}
