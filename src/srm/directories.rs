//! A directory in srmPrepareToGet, srmBringOnline or srmCopy: it becomes ready itself, and its files come
//! to the request in the same commit.

use std::sync::Arc;

use super::access::{Needs, driver_error};
use super::acl::Accounts;
use super::copy::check_site;
use super::expand::{Found, files_below, surl_below, too_many};
use super::files::make_parents;
use super::live::Live;
use super::submit::{expiry, queued, waits};
use super::transition::{Change, added_to};
use super::{Error, ErrorKind, Site, Srm, blocking};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{Event, FileKey, FileState, Identity};
use crate::namespace::Located;
use crate::store::FileRow;

impl Srm {
    /// Expands the directories among these rows, each in one commit, and queues what was found.
    ///
    /// # Errors
    /// The store's: those that were not expanded wait still.
    pub(super) async fn expand_directories(
        &self,
        live: &Arc<Live>,
        who: &Identity,
        directories: Vec<(Arc<FileRow>, i32)>,
    ) -> Result<(), Error> {
        for (row, levels) in directories {
            let site = self.site();
            let limit = site.config.limits.files_per_request;
            let most = limit.saturating_sub(live.len());
            let looked = {
                let (who, row) = (who.clone(), Arc::clone(&row));
                blocking(move || look(&site, &who, &row, levels, most)).await
            };
            let turn = live.turn.lock().await;
            if live.file(row.n).is_none_or(|file| !waits(&file)) {
                continue;
            }
            // Another worker may have added files meanwhile.
            let looked = looked.and_then(|(key, found)| {
                let most = limit.saturating_sub(live.len());
                if found.len() > most { Err(too_many(most)) } else { Ok((key, found)) }
            });
            let (key, found) = match looked {
                Ok(looked) => looked,
                Err(error) => {
                    self.settle_work(live, vec![Change::failed(&row, &error)]).await?;
                    continue;
                }
            };
            let found = rows(live, &row, found);
            let told = if found.is_empty() {
                "ready: no file of it was found"
            } else {
                "ready: its files follow it in the request"
            };
            let ready = FileRow {
                key: Some(key),
                expires: expiry(live.request.pin_lifetime),
                ..FileRow::clone(&row)
            };
            let waiting = found.iter().filter(|file| waits(file)).map(|file| file.n).collect();
            added_to(self, live, Change::new(&ready, Event::Ready, told), found).await?;
            drop(turn);
            self.enqueue_files(live, who, waiting);
        }
        Ok(())
    }
}

fn look(
    site: &Site,
    who: &Identity,
    row: &FileRow,
    levels: i32,
    most: usize,
) -> Result<(FileKey, Vec<Found>), Error> {
    let surl = row.source.as_deref().unwrap_or(&row.surl);
    if row.source.is_some() {
        check_site(site, surl)?;
        check_site(site, &row.surl)?;
    }
    let located = site.reach_surl(who, surl, Needs::LIST)?;
    let stat = located.area.driver.stat(&located.path);
    match stat.map_err(|error| driver_error(error, &located.stfn))?.kind {
        Kind::Directory => {}
        Kind::File | Kind::Other => {
            return Err(Error::new(
                ErrorKind::NotADirectory,
                "isSourceADirectory is true, and the path is no directory",
            ));
        }
    }
    let found = files_below(site, who, &located, levels, most)?;
    let key = match row.source {
        Some(_) => make_target(site, who, row, &located)?,
        None => located.key(),
    };
    Ok((key, found))
}

/// The directory that a copied one becomes, with those above it.
fn make_target(
    site: &Site,
    who: &Identity,
    row: &FileRow,
    source: &Located,
) -> Result<FileKey, Error> {
    let target = site.locate_surl(who, &row.surl, Needs::MAKE_DIRECTORY.access)?;
    let (from, to) = (source.key(), target.key());
    if from.area == to.area && to.path.is_within(&from.path) {
        let why = "a directory can't be copied into itself";
        return Err(Error::new(ErrorKind::InvalidPath, why));
    }
    match target.area.driver.stat(&target.path).map(|stat| stat.kind) {
        Ok(Kind::Directory) => {}
        Ok(_) => {
            let why = "the source is a directory, and the target a file";
            return Err(Error::new(ErrorKind::NotADirectory, why));
        }
        Err(DriverError::NotFound) => {
            site.permit(who, &target, Needs::MAKE_DIRECTORY)?;
            let accounts = Accounts::new(site, who);
            let below = target.path.join("f");
            make_parents(&accounts, &target.area, &below, site.config.http.fsync)?;
        }
        Err(error) => return Err(driver_error(error, &target.stfn)),
    }
    Ok(to)
}

/// What was found, as files of the request.
fn rows(live: &Live, directory: &FileRow, found: Vec<Found>) -> Vec<FileRow> {
    let row = |(n, Found { path, refused }): (u32, Found)| {
        let file = FileRow {
            n,
            parent: Some(directory.n),
            expires: live.request.deadline,
            source: directory.source.as_ref().map(|source| surl_below(source, &path)),
            ..queued(surl_below(&directory.surl, &path), None)
        };
        match refused {
            None => file,
            Some(error) => FileRow {
                state: FileState::Failed,
                code: Some(error.code()),
                explanation: error.explanation,
                expires: None,
                ..file
            },
        }
    };
    let first = u32::try_from(live.len()).unwrap_or(u32::MAX);
    (first..).zip(found).map(row).collect()
}
