//! Uploads to TURLs: the live put behind one, and the hidden file that its data becomes.

use std::sync::Arc;
use std::time::SystemTime;

use super::super::access::driver_error;
use super::super::files::{self, discard, discard_successor, entry, hidden_successor};
use super::super::live::Live;
use super::super::requests::Holder;
use super::super::seal::{Seal, seal};
use super::super::{Error, ErrorKind, Published, Srm, blocking, to_the_end};
use super::append::set_modified;
use crate::fsdriver::{DriverError, Unpublished};
use crate::model::{Algorithm, Digests, FileState, Identity, Protocol, RelPath, Stfn};
use crate::namespace::{Access, Located, StorageArea};

impl Srm {
    /// The live put whose TURL `stfn` is, for its own person only.
    pub(in crate::srm) fn find_put(
        &self,
        who: &Identity,
        stfn: &Stfn,
    ) -> Result<(Located, Holder), Error> {
        let located = self.site().locate(who, stfn, Access::Write)?;
        let closed = || {
            Error::new(
                ErrorKind::Denied,
                "no live srmPrepareToPut of yours on this path: the TURL is closed",
            )
        };
        let holder = self.core.requests.put_on(&located.key()).ok_or_else(closed)?;
        let file = holder.live.file(holder.n).ok_or_else(closed)?;
        let open = match who {
            Identity::Person(_) => Self::is_owner(who, &holder.live.request.user),
            // A http TURL is given only where anybody may write, and http knows nobody.
            Identity::Anonymous => {
                file.turl.as_ref().is_some_and(|(protocol, _)| *protocol == Protocol::Http)
            }
            Identity::Refused(_) => false,
        };
        if open && file.state == FileState::SpaceAvailable {
            Ok((located, holder))
        } else {
            Err(closed())
        }
    }

    /// DELETE of a put's TURL: takes back what was uploaded; the put stays.
    pub(in crate::srm) async fn remove_upload(
        &self,
        who: &Identity,
        stfn: &Stfn,
    ) -> Result<(), Error> {
        let (located, holder) = self.find_put(who, stfn)?;
        let hidden = files::hidden_name(&located.path, holder.live.token(), holder.n)
            .ok_or_else(|| Error::new(ErrorKind::IsADirectory, "the path is a directory"))?;
        to_the_end(async move {
            let _turn = holder.live.turn.lock().await;
            let removed = blocking(move || {
                let there = located.area.driver.stat(&hidden).is_ok();
                discard(&located.area, &hidden)?;
                if there {
                    Ok(())
                } else {
                    Err(Error::new(ErrorKind::NotFound, "nothing was written to the TURL yet"))
                }
            })
            .await;
            if removed.is_ok() {
                holder.live.set_uploaded(holder.n, false);
            }
            removed
        })
        .await
    }
}

/// Gives an upload to a TURL its hidden name; a second one replaces the first.
pub(super) async fn publish_transfer(
    file: Unpublished,
    area: Arc<StorageArea>,
    hidden: RelPath,
    put: &Uploading,
    stfn: &Stfn,
    (digests, modified): (Digests, Option<SystemTime>),
) -> Result<Published, Error> {
    let live: &Arc<Live> = &put.0.live;
    let _turn = live.turn.lock().await;
    if live.file(put.0.n).is_none_or(|file| file.state != FileState::SpaceAvailable) {
        return Err(Error::new(ErrorKind::Aborted, "the put was ended meanwhile: nothing is kept"));
    }
    let name = stfn.name().unwrap_or_default().to_owned();
    live.set_uploaded(put.0.n, true);
    blocking(move || {
        let driver = &*area.driver;
        let told = |e| driver_error(e, &area.name);
        set_modified(&file.file, modified)?;
        // putDone syncs, and sets the mark.
        let adler32 = digests.get(&Algorithm::Adler32).cloned();
        let seal_of = Seal { digests, mark: None, acl: None, sync: false };
        seal(&area, &file.file, &seal_of)?;
        match driver.link(&file, &hidden) {
            Ok(()) => {}
            Err(DriverError::Exists) => {
                let successor = hidden_successor(&hidden)
                    .ok_or_else(|| Error::new(ErrorKind::Internal, "no name for the upload"))?;
                // A crash may have left it.
                discard_successor(&area, &hidden)?;
                driver.link(&file, &successor).map_err(told)?;
                driver.rename(&successor, &hidden, true).map_err(told)?;
            }
            Err(DriverError::NotFound) => {
                return Err(Error::new(
                    ErrorKind::ParentMissing,
                    "the directory was moved or removed meanwhile",
                ));
            }
            Err(error) => return Err(told(error)),
        }
        let stat = driver.stat_file(&file.file).map_err(told)?;
        let entry = entry(&name, &stat, adler32)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "not a file"))?;
        Ok(Published { created: true, entry })
    })
    .await
}

/// Counts an upload to a live put while it runs: expiry and putDone wait for it.
pub(super) struct Uploading(pub(super) Holder);

impl Uploading {
    pub(super) fn begin(holder: Holder) -> Self {
        holder.live.begin_upload(holder.n);
        Self(holder)
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        self.0.live.end_upload(self.0.n);
    }
}
