//! srmMkdir, and MKCOL of the HTTP doors.

use super::access::{Needs, driver_error};
use super::acl::Accounts;
use super::data::waypoint;
use super::files::sync_names;
use super::{Error, ErrorKind, Srm, Target, Touch, blocking, to_the_end};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{Identity, ReturnStatus, StatusCode};
use crate::namespace::Located;

impl Srm {
    /// srmMkdir: not recursive.
    pub async fn mkdir(&self, who: &Identity, surl: &str) -> ReturnStatus {
        let made = async {
            self.admit(who).await?;
            let located = self.site().reach_surl(who, surl, Needs::MAKE_DIRECTORY)?;
            self.make_located(who, located).await
        };
        match made.await {
            Ok(()) => ReturnStatus::success("Directory created"),
            // srmMkdir knows no SRM_FILE_BUSY.
            Err(error) if error.kind == ErrorKind::Busy => {
                ReturnStatus::new(StatusCode::DuplicationError, error.explanation)
            }
            Err(error) if error.kind == ErrorKind::Locked => {
                ReturnStatus::new(StatusCode::Failure, error.explanation)
            }
            Err(error) => error.into(),
        }
    }

    /// Makes a directory.
    pub async fn make_directory(&self, who: &Identity, target: &Target) -> Result<(), Error> {
        let Target::Stfn(stfn) = target else {
            return Err(Error::new(
                ErrorKind::NotSupported,
                "a TURL names one prepared file: make directories at their own path",
            ));
        };
        self.admit(who).await?;
        let site = self.site();
        let exists = || Error::new(ErrorKind::Exists, format!("{stfn} is there already"));
        let located = match site.reach(who, stfn, Needs::MAKE_DIRECTORY) {
            Ok(located) => located,
            Err(error) => return Err(waypoint(&site, who, stfn).map_or(error, |_| exists())),
        };
        let made = self.make_located(who, located.clone()).await;
        match made {
            // A file stands in its place, or in that of a directory above it.
            Err(error) if error.kind == ErrorKind::NotADirectory => {
                let there = blocking(move || Ok(located.area.driver.stat(&located.path).is_ok()));
                Err(if there.await? { exists() } else { error })
            }
            made => made,
        }
    }

    async fn make_located(&self, who: &Identity, located: Located) -> Result<(), Error> {
        let (srm, who) = (self.clone(), who.clone());
        to_the_end(async move {
            let key = located.key();
            let _guard = srm.core.locks.lock(&key).await;
            srm.unlocked(&key, Touch::Member)?;
            if srm.core.requests.put_on(&key).is_some() {
                return Err(Error::new(ErrorKind::Busy, "an SRM put on this path is not done"));
            }
            let site = srm.site();
            srm.core.usage.will_make(&key.area, &key.path);
            let made = blocking(move || {
                make(&located)?;
                let accounts = Accounts::new(&site, &who);
                accounts.dress_directory(&located.area, &located.path);
                if site.config.http.fsync {
                    sync_names(&located.area, &[&located.path])
                } else {
                    Ok(())
                }
            });
            made.await?;
            srm.forget_properties(&key).await
        })
        .await
    }
}

fn make(located: &Located) -> Result<(), Error> {
    let driver = &*located.area.driver;
    // StoRM's words in the texts below: scripts look for them.
    let exists = |kind| match kind {
        Kind::Directory => Error::new(ErrorKind::Exists, "Path exists and it's a directory."),
        Kind::File | Kind::Other => {
            Error::new(ErrorKind::NotADirectory, "Path specified exists as a file.")
        }
    };
    if located.path.is_root() {
        return Err(exists(Kind::Directory));
    }
    match driver.make_directory(&located.path) {
        Ok(()) => Ok(()),
        Err(DriverError::Exists) => {
            Err(exists(driver.stat(&located.path).map_or(Kind::Other, |stat| stat.kind)))
        }
        Err(DriverError::NotFound) => Err(Error::new(
            ErrorKind::ParentMissing,
            "Parent directory does not exists. Recursive directory creation Not Allowed",
        )),
        Err(DriverError::NotADirectory) => {
            Err(Error::new(ErrorKind::NotADirectory, "a file stands where the parent should be"))
        }
        Err(error) => Err(driver_error(error, &located.stfn)),
    }
}
