//! srmRmdir.

use super::access::{Needs, driver_error};
use super::files::sync_names;
use super::requests::Holder;
use super::{Error, ErrorKind, Srm, Touch, blocking, to_the_end};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{Identity, ReturnStatus, StatusCode};
use crate::namespace::Located;

impl Srm {
    /// srmRmdir. The root of a storage area stays. A directory with a live put below it stays:
    /// nothing is removed then.
    pub async fn rmdir(&self, who: &Identity, surl: &str, recursive: bool) -> ReturnStatus {
        let removed = async {
            self.admit(who).await?;
            let located = self.site().reach_surl(who, surl, Needs::DELETE)?;
            if recursive {
                self.site().permit_tree(who, &located, Needs::DELETE)?;
            }
            self.remove_directory_located(located, recursive).await
        };
        match removed.await {
            Ok(()) => ReturnStatus::success("Directory removed"),
            // srmRmdir knows no SRM_FILE_BUSY.
            Err(error) if matches!(error.kind, ErrorKind::Busy | ErrorKind::Locked) => {
                ReturnStatus::new(StatusCode::Failure, error.explanation)
            }
            Err(error) => error.into(),
        }
    }

    pub(super) async fn remove_directory_located(
        &self,
        located: Located,
        recursive: bool,
    ) -> Result<(), Error> {
        let srm = self.clone();
        to_the_end(async move {
            if located.path.is_root() {
                return Err(Error::new(
                    ErrorKind::Denied,
                    "the root of a storage area is not removed",
                ));
            }
            let key = located.key();
            let guard = srm.core.locks.lock(&key).await;
            srm.unlocked(&key, Touch::Tree)?;
            let (area, path) = (&located.area, &located.path);
            if !srm.core.requests.puts_below(&area.name, path).is_empty() {
                // Without recursion the hidden file itself would keep the directory: say it in the
                // same words.
                return Err(if recursive {
                    Error::new(
                        ErrorKind::Busy,
                        "a put below the directory is not done: nothing was removed",
                    )
                } else {
                    not_empty()
                });
            }
            let sync = srm.site().config.http.fsync;
            let (looked, gone) = (located.clone(), located.clone());
            let removed = async {
                blocking(move || look(&looked)).await?;
                if recursive {
                    srm.remove_tree(&located, guard).await?;
                } else {
                    blocking(move || remove_empty(&located)).await?;
                    srm.settle_directory_gone(key.clone()).await;
                    drop(guard);
                }
                srm.locks_gone(&key).await;
                let last =
                    move || if sync { sync_names(&gone.area, &[&gone.path]) } else { Ok(()) };
                blocking(last).await
            }
            .await;
            srm.core.requests.bump();
            removed
        })
        .await
    }

    /// Aborts gets whose file was removed or replaced.
    pub(super) async fn abort_gets(&self, pins: Vec<Holder>) {
        self.end_gets(pins, "File has been removed.").await;
    }

    /// Aborts gets whose file is no longer where they pinned it.
    pub(super) async fn end_gets(&self, pins: Vec<Holder>, why: &str) {
        for Holder { live, n } in pins {
            if let Err(error) = self.abort_one(&live, n, why).await {
                tracing::warn!(token = %live.token(), n, %error, "get not aborted");
            }
        }
    }
}

/// There is a directory.
fn look(located: &Located) -> Result<(), Error> {
    match located.area.driver.stat(&located.path).map(|stat| stat.kind) {
        Ok(Kind::Directory) => Ok(()),
        Ok(Kind::File | Kind::Other) => Err(no_directory()),
        // StoRM's words: scripts look for them.
        Err(DriverError::NotFound) => {
            Err(Error::new(ErrorKind::NotFound, "Directory does not exists"))
        }
        Err(error) => Err(driver_error(error, &located.stfn)),
    }
}

fn remove_empty(located: &Located) -> Result<(), Error> {
    match located.area.driver.remove_directory(&located.path) {
        Ok(()) => Ok(()),
        Err(DriverError::NotEmpty) => Err(not_empty()),
        Err(DriverError::NotADirectory) => Err(no_directory()),
        Err(error) => Err(driver_error(error, &located.stfn)),
    }
}

/// A file, or a link: what it names is not removed through it.
fn no_directory() -> Error {
    // StoRM's words: scripts look for them.
    Error::new(ErrorKind::NotADirectory, "Not a directory")
}

fn not_empty() -> Error {
    Error::new(ErrorKind::NotEmpty, "the directory is not empty")
}
