//! From a SURL or StFN and a caller to a place he may use: ban list, local account where one is
//! required, host, mapping rule, approachable rules, space authorisation, path authorisation, in this
//! order, at every door.

use std::sync::Arc;

use super::scope::in_scope;
use super::{Error, ErrorKind, Site, Srm, blocking};
use crate::auth::area_authz::SpaceOperation;
use crate::auth::mapping::Unmapped;
use crate::auth::path_authz::{Decision, PathOperation};
use crate::auth::trace::Trace;
use crate::fsdriver::DriverError;
use crate::model::{Identity, LocalAccount, PathError, Person, Stfn, Surl, SurlError};
use crate::namespace::{Access, AreaAuthz, LocateError, Located, StorageArea};

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
    /// To change what is remembered of a file, not the file.
    pub(super) const CHANGE: Self =
        Self::new(Access::Write, &[PathOperation::WriteFile], &[SpaceOperation::Write]);
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
    /// To say who else may come near it: who may replace and remove it.
    pub(super) const SET_PERMISSION: Self = Self::new(
        Access::Write,
        &[PathOperation::WriteFile, PathOperation::Delete],
        &[SpaceOperation::Write],
    );

    /// To put a file where one is, or is not, already.
    pub(super) const fn put(existing: bool) -> Self {
        if existing { Self::DELETE } else { Self::CREATE }
    }

    const fn new(
        access: Access,
        path: &'static [PathOperation],
        space: &'static [SpaceOperation],
    ) -> Self {
        Self { access, path, space }
    }
}

impl Srm {
    /// Lets nobody through whose credential does not hold, who is banned, or who has no local account
    /// where one is required. Where an account is needed it is looked for off the async threads, so
    /// that [`Site`] finds it remembered.
    pub(super) async fn admit(&self, who: &Identity) -> Result<(), Error> {
        let site = self.site();
        let policy = &site.policy;
        if let Identity::Person(person) = who
            && (policy.require_mapping || policy.path_authz.get().names_groups())
            && policy.mapping.known(person).is_none()
        {
            let (site, person) = (Arc::clone(&site), Arc::clone(person));
            // Whether there is one is for the checks below to say.
            blocking(move || Ok(site.local(&person, &mut Trace::off()).is_ok())).await?;
        }
        site.admit(who)
    }
}

impl Site {
    /// The local account under which the caller's files are reached by gsiftp, file, rfio and root
    /// TURLs. Blocks.
    pub(super) fn account(&self, who: &Identity) -> Result<LocalAccount, Error> {
        self.admit(who)?;
        let Some(person) = who.person() else {
            return Err(Error::new(ErrorKind::Denied, "anonymous clients have no local account"));
        };
        Ok(self.local(person, &mut Trace::off())?)
    }

    /// As [`Srm::admit`], here and now.
    pub(super) fn admit(&self, who: &Identity) -> Result<(), Error> {
        self.admit_told(who, &mut Trace::off())
    }

    fn admit_told(&self, who: &Identity, told: &mut Trace) -> Result<(), Error> {
        let person = match who {
            Identity::Person(person) => person,
            Identity::Anonymous => return Ok(()),
            Identity::Refused(refusal) => {
                return Err(Error::new(ErrorKind::Unauthenticated, refusal.why.clone()));
            }
        };
        let policy = &self.policy;
        if policy.bans.get().bans(person, told) {
            return Err(Error::new(
                ErrorKind::Denied,
                "you, or a group of yours, are banned at this site: ask its administrators why",
            ));
        }
        if !policy.require_mapping && !told.is_on() {
            return Ok(());
        }
        let account = self.local(person, told);
        told.tell("local account", || match &account {
            Ok(LocalAccount { name, uid, gids }) => {
                let gids: Vec<String> = gids.iter().map(u32::to_string).collect();
                format!("{name}, uid {uid}, gids {}", gids.join(" "))
            }
            Err(why) => format!("none: {why}"),
        });
        match account {
            Err(why) if policy.require_mapping => Err(Error::new(
                ErrorKind::Unauthenticated,
                format!("this site serves only who has a local account, and you have none: {why}"),
            )),
            _ => Ok(()),
        }
    }

    /// Finds what a SURL names, without asking whether the caller may.
    pub(super) fn locate_surl(
        &self,
        who: &Identity,
        surl: &str,
        access: Access,
    ) -> Result<Located, Error> {
        self.locate(who, self.local_stfn(surl)?.stfn(), access)
    }

    /// Finds what an StFN names, without asking whether the caller may.
    pub(super) fn locate(
        &self,
        who: &Identity,
        stfn: &Stfn,
        access: Access,
    ) -> Result<Located, Error> {
        self.locate_told(who, stfn, access, &mut Trace::off())
    }

    /// Finds what a SURL names and asks whether the caller may.
    pub(super) fn reach_surl(
        &self,
        who: &Identity,
        surl: &str,
        needs: Needs,
    ) -> Result<Located, Error> {
        self.reach(who, self.local_stfn(surl)?.stfn(), needs)
    }

    /// Finds what an StFN names and asks whether the caller may.
    pub(super) fn reach(
        &self,
        who: &Identity,
        stfn: &Stfn,
        needs: Needs,
    ) -> Result<Located, Error> {
        let located = self.locate(who, stfn, needs.access)?;
        self.permit(who, &located, needs).map_err(|error| with_notes(who, error))?;
        Ok(located)
    }

    /// Space authorisation, then path authorisation.
    pub(super) fn permit(
        &self,
        who: &Identity,
        located: &Located,
        needs: Needs,
    ) -> Result<(), Error> {
        self.permit_told(who, located, needs, &mut Trace::off())
    }

    /// As [`Site::permit`], for what is done to all that lies below: rules may be stricter there.
    pub(super) fn permit_tree(
        &self,
        who: &Identity,
        located: &Located,
        needs: Needs,
    ) -> Result<(), Error> {
        self.permit_tree_told(who, located, needs, &mut Trace::off())
    }

    /// True when an anonymous client may do the same on this path: only then a http TURL is given.
    pub(super) fn anonymous_may(&self, located: &Located, needs: Needs) -> bool {
        let anonymous = Identity::Anonymous;
        self.namespace
            .locate(&anonymous, &located.stfn, needs.access)
            .is_ok_and(|found| found.key() == located.key())
            && self.permit(&anonymous, located, needs).is_ok()
    }

    pub(super) fn local_stfn(&self, surl: &str) -> Result<Surl, Error> {
        let surl = Surl::parse(surl)?;
        self.namespace.check_local(&surl)?;
        Ok(surl)
    }

    pub(super) fn locate_told(
        &self,
        who: &Identity,
        stfn: &Stfn,
        access: Access,
        told: &mut Trace,
    ) -> Result<Located, Error> {
        self.admit_told(who, told)?;
        in_scope(who, stfn, access)?;
        let located = self.namespace.locate_told(who, stfn, access, told);
        located.map_err(|error| with_notes(who, error.into()))
    }

    pub(super) fn permit_told(
        &self,
        who: &Identity,
        located: &Located,
        needs: Needs,
        told: &mut Trace,
    ) -> Result<(), Error> {
        self.permit_space_told(who, &located.area, needs.space, told)?;
        let path_authz = self.policy.path_authz.get();
        let groups = self.groups(who, told)?;
        let decision = path_authz.decide(&groups, &located.stfn, needs.path, told);
        judged(decision, "on", located)
    }

    /// What an area's own rules say of an operation on its space.
    pub(super) fn permit_space(
        &self,
        who: &Identity,
        area: &StorageArea,
        needed: &[SpaceOperation],
    ) -> Result<(), Error> {
        self.permit_space_told(who, area, needed, &mut Trace::off())
    }

    fn permit_space_told(
        &self,
        who: &Identity,
        area: &StorageArea,
        needed: &[SpaceOperation],
        told: &mut Trace,
    ) -> Result<(), Error> {
        let denied = |why: String| Err(Error::new(ErrorKind::Denied, why));
        match &area.authz {
            AreaAuthz::PermitAll => {
                told.tell("space authorisation", || format!("{}: permit-all", area.name));
            }
            AreaAuthz::DenyAll => {
                told.tell("space authorisation", || format!("{}: deny-all", area.name));
                return denied(format!("storage area {} is closed to everybody", area.name));
            }
            AreaAuthz::Db(_) => {
                let acl = self.policy.area_authz.get(&area.name);
                if !acl.is_some_and(|acl| acl.get().permits(who, needed, told)) {
                    return denied(format!(
                        "the authz-db of storage area {} does not permit it",
                        area.name
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) fn permit_tree_told(
        &self,
        who: &Identity,
        located: &Located,
        needs: Needs,
        told: &mut Trace,
    ) -> Result<(), Error> {
        self.permit_told(who, located, needs, told)?;
        let path_authz = self.policy.path_authz.get();
        let groups = self.groups(who, told)?;
        let below = path_authz.decide_below(&groups, &located.stfn, needs.path, told);
        judged(below, "below", located)
    }

    /// The caller's local groups, where path-authz.db asks for any. Whoever is mapped nowhere has none;
    /// whose account cannot be had at the moment is refused: a `deny` may be meant for him.
    fn groups(&self, who: &Identity, told: &mut Trace) -> Result<Vec<u32>, Error> {
        let Some(person) = who.person() else { return Ok(Vec::new()) };
        if !self.policy.path_authz.get().names_groups() {
            return Ok(Vec::new());
        }
        // Its steps were told when the caller was admitted.
        let mut quiet = if told.is_on() { Trace::on() } else { Trace::off() };
        match self.local(person, &mut quiet) {
            Ok(account) => Ok(account.gids),
            Err(Unmapped::NoEntry(_)) => Ok(Vec::new()),
            Err(why) => Err(why.into()),
        }
    }

    fn local(&self, person: &Person, told: &mut Trace) -> Result<LocalAccount, Unmapped> {
        if told.is_on() {
            return self.policy.mapping.explain(person, told);
        }
        // A pool account that an ACL still names is nobody else's yet.
        self.policy.mapping.account(person, &|uid| self.leases.names(uid))
    }
}

/// Who is refused for want of a certificate or a VO should hear of that, and why VOMS attributes that they
/// came with did not count.
fn with_notes(who: &Identity, error: Error) -> Error {
    match who {
        Identity::Anonymous if error.kind == ErrorKind::Denied => {
            let why = format!("{}: a client certificate or proxy is needed", error.explanation);
            Error::new(ErrorKind::Denied, why)
        }
        Identity::Person(person) if error.kind == ErrorKind::Denied && !person.notes.is_empty() => {
            let notes = person.notes.join("; ");
            let why = format!("{}; your VOMS attributes did not count: {notes}", error.explanation);
            Error::new(ErrorKind::Denied, why)
        }
        _ => error,
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
        DriverError::NoSpace => ErrorKind::DiskFull,
        DriverError::OverQuota => ErrorKind::NoFreeSpace,
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
