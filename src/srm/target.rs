//! Where a new file may go: what srmPrepareToPut and srmCopy ask of a target alike.

use std::sync::Arc;

use super::access::{Needs, driver_error};
use super::acl::Accounts;
use super::files::make_parents;
use super::live::Live;
use super::requests::Taken;
use super::{Error, ErrorKind, Site, Srm, Touch};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{FileKey, Identity, OverwriteMode, RetentionPolicyInfo, ReturnStatus};
use crate::namespace::Located;

impl Srm {
    /// Space token and class agree with each other, and with the areas of these SURLs.
    pub(super) async fn check_targets<'s, S: Iterator<Item = &'s str>>(
        &self,
        who: &Identity,
        token: Option<&str>,
        retention: Option<RetentionPolicyInfo>,
        surls: impl Fn() -> S,
    ) -> Result<(), ReturnStatus> {
        let space = self.check_target_space(who, token, retention).await?;
        let site = self.site();
        match (&space, retention) {
            (Some(found), _) => site.check_in_area(who, surls(), &found.area().name),
            (None, Some(class)) => site.check_offered(who, surls(), class),
            (None, None) => Ok(()),
        }
    }

    /// Reserves the file in the index of live puts.
    pub(super) fn claim(
        &self,
        live: &Arc<Live>,
        n: u32,
        key: &FileKey,
        site: &Site,
    ) -> Result<(), Error> {
        let over_pins = site.config.srm.overwrite_pinned;
        let busy = |why| Error::new(ErrorKind::Busy, why);
        let most = site.config.limits.live_files;
        let claim = self.core.requests.claim_put(live, n, key, over_pins, most);
        let claimed = claim.map_err(|taken| match taken {
            Taken::All => too_many_live(most),
            Taken::Pin => busy("a get pins it: release or abort it first"),
            Taken::Put if live.overwrite() == OverwriteMode::Never => {
                Error::new(ErrorKind::Exists, "another put on this file is not done")
            }
            Taken::Put => busy("another put on this file is not done"),
        });
        claimed?;
        // After the claim: who locks it in between finds the put. It may be a new member of its directory.
        self.unlocked(key, Touch::Member).inspect_err(|_| {
            self.core.requests.unclaim(live, n, key);
        })
    }
}

/// The user has as many live puts and pins as one may have.
pub(super) fn too_many_live(most: usize) -> Error {
    let why = format!(
        "you have {most} files pinned or being put, and one user may have no more: release, finish or \
         abort some of them first"
    );
    Error::new(ErrorKind::NoUserSpace, why)
}

/// Finds where a SURL's new file is to go, and what rights that takes, which the caller has. With
/// `parents` the directories that are missing are made. Blocks.
pub(super) fn writable(
    site: &Site,
    who: &Identity,
    accounts: &Accounts<'_>,
    surl: &str,
    mode: OverwriteMode,
    parents: bool,
) -> Result<(Located, Needs), Error> {
    let located = site.locate_surl(who, surl, Needs::CREATE.access)?;
    let existing = match located.area.driver.stat(&located.path) {
        Ok(stat) => Some(stat),
        Err(DriverError::NotFound) => None,
        Err(error) => return Err(driver_error(error, &located.stfn)),
    };
    let needs = match &existing {
        Some(stat) if stat.kind == Kind::Directory => {
            return Err(Error::new(ErrorKind::IsADirectory, "the path is a directory"));
        }
        Some(_) => {
            // Whether it exists is told only to who may at least look.
            if mode == OverwriteMode::Never {
                site.permit(who, &located, Needs::LIST)?;
                return Err(Error::new(
                    ErrorKind::Exists,
                    "the file exists, overwite is not allowed: ask for overwriteOption ALWAYS",
                ));
            }
            Needs::put(true)
        }
        None => Needs::put(false),
    };
    site.permit(who, &located, needs)?;
    if existing.is_none() {
        check_parent(site, who, accounts, &located, parents)?;
    }
    Ok((located, needs))
}

fn check_parent(
    site: &Site,
    who: &Identity,
    accounts: &Accounts<'_>,
    located: &Located,
    parents: bool,
) -> Result<(), Error> {
    let Some(parent) = located.path.parent() else {
        return Err(Error::new(ErrorKind::IsADirectory, "the path is a directory"));
    };
    match located.area.driver.stat(&parent).map(|stat| stat.kind) {
        Ok(Kind::Directory) => Ok(()),
        Ok(_) | Err(DriverError::NotADirectory) => Err(Error::new(
            ErrorKind::NotADirectory,
            "a file stands where the parent directory should be",
        )),
        Err(DriverError::NotFound) if parents => {
            site.permit(who, located, Needs::MAKE_DIRECTORY)?;
            make_parents(accounts, &located.area, &located.path, site.config.http.fsync)
        }
        Err(DriverError::NotFound) => Err(Error::new(
            ErrorKind::ParentMissing,
            "the parent directory does not exist: make it first with srmMkdir",
        )),
        Err(error) => Err(driver_error(error, &located.stfn)),
    }
}
