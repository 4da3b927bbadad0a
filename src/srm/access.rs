//! From a SURL or StFN and a caller to a place he may use: host, mapping rule, approachable rules,
//! space authorisation, path authorisation, in this order, at every door.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Error, ErrorKind, Site};
use crate::auth::area_authz::{AreaAcl, SpaceOperation};
use crate::auth::mapping::{Mapping, Unmapped};
use crate::auth::path_authz::{Decision, PathAuthz, PathOperation};
use crate::fsdriver::DriverError;
use crate::model::{Identity, LocalAccount, PathError, Stfn, Surl, SurlError};
use crate::namespace::{Access, AreaAuthz, LocateError, Located, StorageArea};

/// Who may do what: path-authz.db and the areas' own authz-db files.
#[derive(Debug)]
pub struct Policy {
    /// path-authz.db.
    pub path_authz: PathAuthz,
    /// Who has which local account.
    pub mapping: Mapping,
    /// Per storage area that names an authz-db.
    pub area_authz: HashMap<Arc<str>, AreaAcl>,
}

/// What an operation needs: letters on the path, letters on the space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    pub(super) access: Access,
    path: &'static [PathOperation],
    space: &'static [SpaceOperation],
}

impl Needs {
    pub(super) const LIST: Self =
        Self::new(Access::Read, &[PathOperation::List], &[SpaceOperation::Read]);
    pub(super) const READ: Self = Self::new(
        Access::Read,
        &[PathOperation::ReadFile],
        &[SpaceOperation::Read, SpaceOperation::Replicate],
    );
    pub(super) const CREATE: Self = Self::new(
        Access::Write,
        &[PathOperation::WriteFile, PathOperation::CreateFile],
        &[SpaceOperation::Write],
    );
    pub(super) const DELETE: Self =
        Self::new(Access::Write, &[PathOperation::Delete], &[SpaceOperation::Write]);
    pub(super) const MAKE_DIRECTORY: Self =
        Self::new(Access::Write, &[PathOperation::MakeDirectory], &[SpaceOperation::Write]);
    pub(super) const MOVE_FROM: Self = Self::new(
        Access::Write,
        &[PathOperation::ReadFile, PathOperation::Delete],
        &[SpaceOperation::Write],
    );
    pub(super) const MOVE_TO: Self = Self::CREATE;

    const fn new(
        access: Access,
        path: &'static [PathOperation],
        space: &'static [SpaceOperation],
    ) -> Self {
        Self { access, path, space }
    }
}

impl Site {
    /// The local account under which the caller's files are reached by gsiftp, file, rfio and root
    /// TURLs. `held` tells user ids that an ACL lease names: such a pool account is not given
    /// to somebody else. Blocks.
    pub(super) fn account(
        &self,
        who: &Identity,
        held: &dyn Fn(u32) -> bool,
    ) -> Result<LocalAccount, Error> {
        refuse(who)?;
        let Some(person) = who.person() else {
            return Err(Error::new(ErrorKind::Denied, "anonymous clients have no local account"));
        };
        self.policy.mapping.account(person, held).map_err(Error::from)
    }

    /// Finds what a SURL names, without asking whether the caller may.
    pub(super) fn locate_surl(
        &self,
        who: &Identity,
        surl: &str,
        access: Access,
    ) -> Result<Located, Error> {
        let surl = Surl::parse(surl)?;
        self.namespace.check_local(&surl)?;
        self.locate(who, surl.stfn(), access)
    }

    /// Finds what an StFN names, without asking whether the caller may.
    pub(super) fn locate(
        &self,
        who: &Identity,
        stfn: &Stfn,
        access: Access,
    ) -> Result<Located, Error> {
        refuse(who)?;
        Ok(self.namespace.locate(who, stfn, access)?)
    }

    /// Finds what a SURL names and asks whether the caller may.
    pub(super) fn reach_surl(
        &self,
        who: &Identity,
        surl: &str,
        needs: Needs,
    ) -> Result<Located, Error> {
        let located = self.locate_surl(who, surl, needs.access)?;
        self.permit(who, &located, needs)?;
        Ok(located)
    }

    /// Finds what an StFN names and asks whether the caller may.
    pub(super) fn reach(
        &self,
        who: &Identity,
        stfn: &Stfn,
        needs: Needs,
    ) -> Result<Located, Error> {
        let located = self.locate(who, stfn, needs.access)?;
        self.permit(who, &located, needs)?;
        Ok(located)
    }

    /// Space authorisation, then path authorisation.
    pub(super) fn permit(
        &self,
        who: &Identity,
        located: &Located,
        needs: Needs,
    ) -> Result<(), Error> {
        let denied = |why: String| Err(Error::new(ErrorKind::Denied, why));
        let area = &located.area;
        match &area.authz {
            AreaAuthz::PermitAll => {}
            AreaAuthz::DenyAll => {
                return denied(format!("storage area {} is closed to everybody", area.name));
            }
            AreaAuthz::Db(_) => {
                let permitted = self
                    .policy
                    .area_authz
                    .get(&area.name)
                    .is_some_and(|db| db.permits(who, needs.space));
                if !permitted {
                    return denied(format!(
                        "the authz-db of storage area {} does not permit it",
                        area.name
                    ));
                }
            }
        }
        // Without a mapping to local groups, everybody is judged by @ALL@.
        judged(self.policy.path_authz.decide(None, &located.stfn, needs.path), "on", located)
    }

    /// As [`Site::permit`], for what is done to all that lies below: rules may be stricter there.
    pub(super) fn permit_tree(
        &self,
        who: &Identity,
        located: &Located,
        needs: Needs,
    ) -> Result<(), Error> {
        self.permit(who, located, needs)?;
        let below = self.policy.path_authz.decide_below(None, &located.stfn, needs.path);
        judged(below, "below", located)
    }

    /// True when an anonymous client may do the same on this path: only then a http TURL is given.
    pub(super) fn anonymous_may(&self, located: &Located, needs: Needs) -> bool {
        let anonymous = Identity::Anonymous;
        self.namespace
            .locate(&anonymous, &located.stfn, needs.access)
            .is_ok_and(|found| found.key() == located.key())
            && self.permit(&anonymous, located, needs).is_ok()
    }
}

fn judged(decision: Decision, place: &str, located: &Located) -> Result<(), Error> {
    let stfn = &located.stfn;
    let why = match decision {
        Decision::Permit => return Ok(()),
        Decision::Deny { line } => {
            format!("path authorisation denies it {place} {stfn} (line {line} of path-authz.db)")
        }
        Decision::Undecided => format!("no entry of path-authz.db permits it {place} {stfn}"),
    };
    Err(Error::new(ErrorKind::Denied, why))
}

/// Refuses a credential that does not hold.
pub(super) fn refuse(who: &Identity) -> Result<(), Error> {
    match who {
        Identity::Refused(refusal) => {
            Err(Error::new(ErrorKind::Unauthenticated, refusal.why.clone()))
        }
        Identity::Anonymous | Identity::Person(_) => Ok(()),
    }
}

/// Whose request it is: the DN, or `-`.
pub(super) fn owner(who: &Identity) -> &str {
    who.dn()
}

/// The driver's refusal, about `path` of `area`, in words for a client. Physical paths are not
/// told.
pub(super) fn driver_error(error: DriverError, what: &dyn std::fmt::Display) -> Error {
    let kind = match &error {
        DriverError::NotFound => ErrorKind::NotFound,
        DriverError::NotADirectory => ErrorKind::NotADirectory,
        DriverError::IsADirectory => ErrorKind::IsADirectory,
        DriverError::Exists => ErrorKind::Exists,
        DriverError::NotEmpty => ErrorKind::NotEmpty,
        DriverError::Escapes | DriverError::OtherArea | DriverError::Denied => ErrorKind::Denied,
        DriverError::NoSpace => ErrorKind::NoFreeSpace,
        DriverError::BadName | DriverError::CrossesDevices => ErrorKind::InvalidPath,
        DriverError::NotSupported => ErrorKind::NotSupported,
        DriverError::Io(_) => ErrorKind::Internal,
    };
    if kind == ErrorKind::Internal {
        tracing::error!(%error, path = %what, "file system");
    }
    match error {
        // StoRM's words: scripts look for them.
        DriverError::NotFound => Error::new(kind, format!("No such file or directory: {what}")),
        error => Error::new(kind, format!("{what}: {error}")),
    }
}

impl From<Unmapped> for Error {
    fn from(why: Unmapped) -> Self {
        Error::new(ErrorKind::Denied, format!("you have no local account here: {why}"))
    }
}

impl From<SurlError> for Error {
    fn from(error: SurlError) -> Self {
        Error::new(ErrorKind::InvalidPath, error.to_string())
    }
}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        Error::new(ErrorKind::InvalidPath, error.to_string())
    }
}

impl From<LocateError> for Error {
    fn from(error: LocateError) -> Self {
        let kind = match &error {
            LocateError::NotManaged(_) | LocateError::NotLocal(_) => ErrorKind::InvalidPath,
            LocateError::NotApproachable { .. } => ErrorKind::Denied,
        };
        Error::new(kind, error.to_string())
    }
}

/// Room for `bytes` more in an area, as far as file system and configured size tell.
pub(super) fn check_room(area: &StorageArea, bytes: u64) -> Result<(), Error> {
    let room = area.driver.room().map_err(|e| driver_error(e, &area.name))?;
    let limited = area.limited_size && bytes > area.total_online;
    if bytes > room.free || limited {
        return Err(Error::new(
            ErrorKind::NoFreeSpace,
            format!(
                "no free space in storage area {}: {bytes} bytes asked, {} left",
                area.name,
                if limited { area.total_online.min(room.free) } else { room.free }
            ),
        ));
    }
    Ok(())
}
