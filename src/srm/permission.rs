//! srmSetPermission, srmGetPermission and srmCheckPermission. The first two are about the ACL on disk:
//! what local accounts may do that come by themselves. What somebody may do through stormd, which
//! srmCheckPermission tells, is said by the site's authorisation alone.

use std::fs::File;
use std::sync::Arc;

use super::access::{Needs, driver_error};
use super::checks::of_codes;
use super::people;
use super::{
    Error, ErrorKind, PermissionAnswer, PermissionChange, Permissions, SetPermission, Site, Srm,
    blocking, to_the_end,
};
use crate::auth::mapping::Unmapped;
use crate::fsdriver::{Acl, DriverError, Kind, Permission, Stat, Subject, dress};
use crate::model::{FileKey, Identity, ReturnStatus, StatusCode};
use crate::namespace::Located;
use crate::store::LentRow;

impl Srm {
    /// srmSetPermission, by who may replace and remove the file or directory.
    pub async fn set_permission(&self, who: &Identity, asked: SetPermission) -> ReturnStatus {
        let (srm, who) = (self.clone(), who.clone());
        match to_the_end(async move { srm.change_acl(&who, asked).await }).await {
            Ok(()) => ReturnStatus::success("permissions set"),
            Err(error) => error.into(),
        }
    }

    async fn change_acl(&self, who: &Identity, asked: SetPermission) -> Result<(), Error> {
        self.admit(who).await?;
        let said = asked.owner.is_some() || asked.other.is_some();
        if !said && asked.users.is_empty() && asked.groups.is_empty() {
            return Err(Error::new(ErrorKind::InvalidRequest, "no permission is named"));
        }
        self.check_count(asked.users.len() + asked.groups.len())
            .map_err(|status| Error::new(ErrorKind::InvalidRequest, status.explanation))?;
        let (site, who) = (self.site(), who.clone());
        let relent = blocking(move || {
            let located = site.reach_surl(&who, &asked.surl, Needs::SET_PERMISSION)?;
            let wanted = Wanted::new(&site, &who, asked)?;
            set(&site, &located, &wanted)
        })
        .await?;
        if !relent.is_empty() {
            self.core.store.relend(relent).await?;
        }
        Ok(())
    }

    /// srmGetPermission: the ACL, without what is lent for the time being.
    pub async fn get_permission(
        &self,
        who: &Identity,
        surls: Vec<String>,
    ) -> PermissionAnswer<Permissions> {
        self.each_surl(who, surls, read).await
    }

    /// srmCheckPermission: what the caller may do through stormd, as the bits of a mode.
    pub async fn check_permission(
        &self,
        who: &Identity,
        surls: Vec<String>,
    ) -> PermissionAnswer<u8> {
        self.each_surl(who, surls, check).await
    }

    async fn each_surl<P: Send + 'static>(
        &self,
        who: &Identity,
        surls: Vec<String>,
        look: fn(&Site, &Identity, &str) -> Result<P, Error>,
    ) -> PermissionAnswer<P> {
        let refused = |status| PermissionAnswer { status, files: None };
        if let Err(status) = self.check_surls(who, &surls).await {
            return refused(status);
        }
        let (site, who) = (self.site(), who.clone());
        let one = move |surl: String| match look(&site, &who, &surl) {
            Ok(found) => (surl, ReturnStatus::success("permissions found"), Some(found)),
            Err(error) => (surl, error.into(), None),
        };
        match blocking(move || Ok(surls.into_iter().map(one).collect::<Vec<_>>())).await {
            Ok(files) => {
                let codes: Vec<StatusCode> = files.iter().map(|(_, s, _)| s.code).collect();
                let status = of_codes(
                    &codes,
                    "all permissions found",
                    "some failed: look at the status of each",
                    "none was found: look at the status of each",
                );
                PermissionAnswer { status, files: Some(files) }
            }
            Err(error) => refused(error.into()),
        }
    }
}

/// What srmSetPermission asks for, with numbers for names.
struct Wanted {
    change: PermissionChange,
    owner: Option<Permission>,
    named: Vec<(Subject, Permission)>,
    other: Option<Permission>,
}

impl Wanted {
    fn new(site: &Site, who: &Identity, asked: SetPermission) -> Result<Self, Error> {
        let mode = |bits: u8| Permission::from_bits(u32::from(bits));
        let mapping = &site.policy.mapping;
        let mut named = Vec::with_capacity(asked.users.len() + asked.groups.len());
        for (name, bits) in asked.users {
            let uid = match who.dn() == name {
                true => site.account(who)?.uid,
                false => mapping.user_id(&name).map_err(|why| unknown("userID", why))?,
            };
            named.push((Subject::User(uid), mode(bits)));
        }
        for (name, bits) in asked.groups {
            let gid = mapping.group_id(&name).map_err(|why| unknown("groupID", why))?;
            named.push((Subject::Group(gid), mode(bits)));
        }
        let (owner, other) = (asked.owner.map(mode), asked.other.map(mode));
        Ok(Self { change: asked.change, owner, named, other })
    }

    /// The entry that is to stand where `now` stands; `None`: none.
    fn entry(&self, now: Option<Permission>, said: Permission) -> Option<Permission> {
        match self.change {
            PermissionChange::Add => Some(now.unwrap_or_default() | said),
            PermissionChange::Change => Some(said),
            PermissionChange::Remove => None,
        }
    }

    /// Makes the changes. An entry about the owner or the owning group is what has no name in an ACL.
    fn apply(&self, acl: &mut Acl, stat: &Stat) {
        let mut owner = self.owner;
        for (subject, said) in self.named.iter().copied() {
            match subject {
                Subject::User(uid) if uid == stat.uid => owner = Some(said),
                Subject::Group(gid) if gid == stat.gid => {
                    acl.set_group(self.entry(Some(acl.group), said).unwrap_or_default());
                }
                subject => acl.set(subject, self.entry(acl.entry(subject), said)),
            }
        }
        if let Some(said) = owner {
            acl.owner = self.entry(Some(acl.owner), said).unwrap_or_default();
        }
        if let Some(said) = self.other {
            acl.other = self.entry(Some(acl.other), said).unwrap_or_default();
        }
    }
}

/// An open file or directory, and the path's name in the table of leases.
struct Open {
    file: File,
    key: FileKey,
    stat: Stat,
}

impl Open {
    fn new(located: &Located) -> Result<Self, Error> {
        let driver = &*located.area.driver;
        let told = |e| driver_error(e, &located.stfn);
        let file = match driver.stat(&located.path).map_err(told)?.kind {
            Kind::Directory => driver.open_directory(&located.path),
            Kind::File => driver.open(&located.path),
            Kind::Other => Err(DriverError::NotSupported),
        };
        let file = file.map_err(told)?;
        let stat = driver.stat_file(&file).map_err(told)?;
        Ok(Self { file, key: located.key(), stat })
    }

    /// The ACL as it stands when nothing is lent. The caller holds the path's lock.
    fn lasting(&self, site: &Site, mut acl: Acl) -> Acl {
        let named: Vec<_> = acl.named().collect();
        for (subject, now) in named {
            let Subject::User(uid) = subject else { continue };
            // Another entry than the one that was given is an administrator's.
            if let Some((before, given)) = site.leases.lent(&self.key, uid)
                && given == now
            {
                acl.set(subject, before);
            }
        }
        acl
    }

    /// What a lease on it gives.
    fn lent_permission(&self) -> Permission {
        match self.stat.kind {
            Kind::Directory => Permission::TRAVERSE,
            _ => Permission::READ,
        }
    }

    /// What stormd's own account can't do without.
    fn own(&self) -> Permission {
        match self.stat.kind {
            Kind::Directory => Permission::READ_WRITE | Permission::TRAVERSE,
            _ => Permission::READ_WRITE,
        }
    }
}

/// Writes the ACL whole; what is to be remembered of what is lent meanwhile. Blocks.
fn set(site: &Arc<Site>, located: &Located, wanted: &Wanted) -> Result<Vec<LentRow>, Error> {
    let driver = &*located.area.driver;
    let told = |e| driver_error(e, &located.stfn);
    let open = Open::new(located)?;
    if !driver.has_acls() {
        let why = "the file system of this storage area keeps no ACLs";
        return Err(Error::new(ErrorKind::NotSupported, why));
    }
    let _guard = site.leases.lock_path(&open.key);
    let found = driver.acl(&open.file).map_err(told)?;
    let mut lasting = open.lasting(site, found.clone());
    wanted.apply(&mut lasting, &open.stat);
    if !lasting.owner.contains(open.own()) {
        return Err(Error::new(
            ErrorKind::NotSupported,
            format!(
                "what is stored here belongs to the account of stormd, which keeps {}: give the owner \
                 that much, and name users and groups for the rest",
                open.own()
            ),
        ));
    }
    let masked = |(subject, said): &(Subject, Permission)| {
        wanted.change != PermissionChange::Remove
            && lasting.entry(*subject).is_some()
            && !lasting.effective(*subject).contains(*said)
    };
    if wanted.named.iter().any(masked) {
        // StoRM's first words: scripts look for them.
        let why = "Local filesystem mask does not allow it: an administrator made the mask of this \
                   ACL narrower (setfacl -m mask::rwx widens it)";
        return Err(Error::new(ErrorKind::Precondition, why));
    }
    let mut acl = lasting.clone();
    let mut relent = Vec::new();
    let touched = |subject| wanted.named.iter().any(|(named, _)| *named == subject);
    let users = found.named().chain(lasting.named()).map(|(subject, _)| subject);
    let mut users: Vec<Subject> = users.filter(|s| matches!(s, Subject::User(_))).collect();
    users.sort_unstable();
    users.dedup();
    for subject in users {
        let Subject::User(uid) = subject else { continue };
        let Some((before, given)) = site.leases.lent(&open.key, uid) else { continue };
        if touched(subject) {
            let before = lasting.entry(subject);
            let given = before.unwrap_or_default() | open.lent_permission();
            acl.set(subject, Some(given));
            relent.extend(site.leases.relend(&open.key, uid, before, given));
        } else if lasting.entry(subject) == before && found.entry(subject) == Some(given) {
            acl.set(subject, Some(given));
        }
    }
    if acl != found {
        dress(driver, &open.file, &acl).map_err(told)?;
        if site.config.http.fsync {
            driver.sync(&open.file).map_err(told)?;
        }
    }
    Ok(relent)
}

/// Blocks.
fn read(site: &Site, who: &Identity, surl: &str) -> Result<Permissions, Error> {
    let located = site.reach_surl(who, surl, Needs::LIST)?;
    let open = Open::new(&located)?;
    let driver = &*located.area.driver;
    let acl = match driver.has_acls() {
        true => {
            let _guard = site.leases.lock_path(&open.key);
            let acl = driver.acl(&open.file).map_err(|e| driver_error(e, &located.stfn))?;
            open.lasting(site, acl)
        }
        false => Acl::of_mode(open.stat.mode),
    };
    let owning = (people::group(open.stat.gid), acl.effective_group().bits());
    let (mut users, mut groups) = (Vec::new(), vec![owning]);
    for (subject, _) in acl.named() {
        let mode = acl.effective(subject).bits();
        match subject {
            Subject::User(uid) => users.push((people::user(uid), mode)),
            Subject::Group(gid) => groups.push((people::group(gid), mode)),
        }
    }
    let owner = (people::user(open.stat.uid), acl.owner.bits());
    Ok(Permissions { owner, users, groups, other: acl.other.bits() })
}

/// Blocks.
fn check(site: &Site, who: &Identity, surl: &str) -> Result<u8, Error> {
    let stfn = site.local_stfn(surl)?.stfn().clone();
    let may = |needs: Needs| site.reach(who, &stfn, needs);
    // That it is there is told only to who may look.
    let located = may(Needs::LIST).or_else(|unseen| may(Needs::READ).map_err(|_| unseen))?;
    let stat = located.area.driver.stat(&located.path);
    let bits: [(Needs, Permission); 2] = match stat.map_err(|e| driver_error(e, &stfn))?.kind {
        Kind::Directory => [(Needs::LIST, Permission::LIST), (Needs::CREATE, Permission::WRITE)],
        _ => [(Needs::READ, Permission::READ), (Needs::put(true), Permission::WRITE)],
    };
    let given = bits.into_iter().filter(|(needs, _)| may(*needs).is_ok());
    Ok(given.fold(Permission::NONE, |all, (_, bit)| all | bit).bits())
}

fn unknown(field: &str, why: Unmapped) -> Error {
    let kind = match why {
        Unmapped::NameService { .. } => ErrorKind::Internal,
        _ => ErrorKind::InvalidRequest,
    };
    Error::new(kind, format!("{field}: {why}"))
}
