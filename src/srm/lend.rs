//! Lending and taking back, as operations use it: what JiT areas lend is written down before it is
//! given, and forgotten after it was taken back.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::leases::{Loan, Of};
use super::live::Live;
use super::{Error, Srm, blocking};
use crate::model::{FileKey, RelPath};
use crate::store::{LentId, RequestId};

impl Srm {
    /// Lends all that some files of a request need; why not, by file, for those that fail: of them
    /// nothing stays.
    pub(super) async fn lend(&self, live: &Live, loans: Vec<Loan>) -> HashMap<u32, Error> {
        let mut failed = HashMap::new();
        if loans.is_empty() {
            return failed;
        }
        let (site, request) = (self.site(), live.id);
        let all: Vec<u32> = loans.iter().map(|loan| loan.n).collect();
        let noted = blocking(move || {
            let mut noted = Vec::with_capacity(loans.len());
            for loan in loans {
                let rows = site.leases.note(request, &loan);
                noted.push((loan, rows));
            }
            Ok(noted)
        });
        let lent = async {
            let (mut rows, mut entries, mut good) = (Vec::new(), BTreeMap::new(), Vec::new());
            for (loan, noted) in noted.await? {
                match noted {
                    Ok((row, more)) => {
                        rows.push(row);
                        entries.extend(more.into_iter().map(|entry| (entry.id, entry)));
                        good.push(loan);
                    }
                    Err(error) => {
                        failed.insert(loan.n, error);
                    }
                }
            }
            self.core.store.lend(rows, entries.into_values().collect()).await?;
            let site = self.site();
            let give =
                move |loan: Loan| site.leases.give(request, &loan).map_err(|error| (loan.n, error));
            blocking(move || Ok(good.into_iter().map(give).collect::<Vec<_>>())).await
        };
        match lent.await {
            Ok(given) => failed.extend(given.into_iter().filter_map(Result::err)),
            Err(error) => failed.extend(all.into_iter().map(|n| (n, error.clone()))),
        }
        self.take_back(live.id, failed.keys().copied().collect()).await;
        failed
    }

    /// Takes back what was lent for these files; harmless where nothing was.
    pub(super) async fn take_back(&self, request: RequestId, files: Vec<u32>) {
        let of = files.into_iter().map(|n| (request, n));
        let site = self.site();
        let ended: Vec<Of> = of.filter(|of| site.leases.holds(*of)).collect();
        if ended.is_empty() {
            return;
        }
        let all = ended.clone();
        let gone = blocking(move || {
            Ok(all.into_iter().flat_map(|of| site.leases.end(of, &site.namespace)).collect())
        });
        self.forget_lent(ended, gone.await).await;
    }

    /// After a start: what no live file needs ends. `standing` are those that live.
    pub(super) async fn tidy_leases(&self, standing: HashSet<Of>) {
        let site = self.site();
        match blocking(move || Ok(site.leases.tidy(&standing, &site.namespace))).await {
            Ok((ended, gone)) => self.forget_lent(ended, Ok(gone)).await,
            Err(error) => tracing::error!(%error, "ACL leases"),
        }
    }

    async fn forget_lent(&self, ended: Vec<Of>, gone: Result<Vec<LentId>, Error>) {
        let forgotten = async { Ok(self.core.store.give_back(ended, gone?).await?) };
        if let Err(error) = forgotten.await {
            let error: Error = error;
            tracing::warn!(%error, "ACL leases not forgotten: the next start does it");
        }
    }

    /// Loads what was lent before a stop.
    pub(super) async fn load_leases(&self) -> Result<(), Error> {
        self.site().leases.load(self.core.store.lent().await?);
        Ok(())
    }

    /// What is lent below a directory that was moved goes along.
    pub(super) async fn move_leases(&self, from: &FileKey, to: &RelPath) {
        let moved = self.site().leases.moved(from, to);
        if !moved.is_empty()
            && let Err(error) = self.core.store.move_lent(moved).await
        {
            tracing::warn!(%error, "ACL entries of a moved directory");
        }
    }
}
