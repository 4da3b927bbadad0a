//! Which space a token names, and what the caller may do there.

use std::sync::Arc;

use super::super::requests::now;
use super::super::{Error, ErrorKind, Site, Srm};
use super::book::Space;
use super::words::{expired, unknown};
use crate::auth::area_authz::SpaceOperation;
use crate::model::{Fqan, Identity, RetentionPolicyInfo, ReturnStatus, SpaceToken};
use crate::namespace::{Access, AreaAuthz, StorageArea};
use crate::store::SpaceRow;

/// What a space token names.
pub(in super::super) enum Found {
    /// A storage area's own space: all that is in no reserved one.
    Area(Arc<StorageArea>),
    /// A reserved space, and the area it is in.
    Reserved(Arc<StorageArea>, Box<Space>),
}

impl Found {
    pub(in super::super) fn area(&self) -> &Arc<StorageArea> {
        match self {
            Found::Area(area) | Found::Reserved(area, _) => area,
        }
    }

    /// The token under which files of it are kept; `None` for an area's own.
    pub(in super::super) fn reserved(&self) -> Option<&SpaceToken> {
        match self {
            Found::Area(_) => None,
            Found::Reserved(_, space) => Some(&space.row.token),
        }
    }
}

impl Srm {
    /// The space of that token, for who may use it.
    pub(in super::super) async fn find_space(
        &self,
        who: &Identity,
        token: &str,
    ) -> Result<Found, ReturnStatus> {
        let site = self.site();
        let closed = |why: &str| ReturnStatus::from(Error::new(ErrorKind::Denied, why));
        if let Some(space) = self.core.books.find(&SpaceToken(token.to_owned())) {
            let area = site.namespace.area(&space.row.area).cloned().ok_or_else(unknown)?;
            return if site.may_use(who, &space.row) {
                Ok(Found::Reserved(area, Box::new(space)))
            } else {
                Err(closed("the space belongs to somebody else, and to no VO group of yours"))
            };
        }
        for area in site.namespace.areas() {
            if self.area_token(area).await?.0 == token {
                return if site.is_usable(who, area, Access::Read) {
                    Ok(Found::Area(Arc::clone(area)))
                } else {
                    Err(closed("no approachable rule opens this space to you"))
                };
            }
        }
        Err(unknown().into())
    }

    /// A reserved space that the caller may change (`operation`): it is theirs, or the area's authz-db
    /// gives them that letter.
    pub(super) async fn find_own_space(
        &self,
        who: &Identity,
        token: &str,
        operation: SpaceOperation,
    ) -> Result<(Arc<StorageArea>, Box<Space>), ReturnStatus> {
        self.check_person(who).await?;
        let denied = |why: &str| Err(Error::new(ErrorKind::Denied, why).into());
        let Found::Reserved(area, space) = self.find_space(who, token).await? else {
            return denied("this is the space of a storage area: its administrator sets it");
        };
        let site = self.site();
        let given = matches!(area.authz, AreaAuthz::Db(_));
        if site.permit_space(who, &area, &[operation]).is_err() {
            return denied("the authz-db of the space's storage area does not permit it");
        }
        if !given && !Self::is_owner(who, &space.row.user) {
            return denied("the space belongs to somebody else");
        }
        Ok((area, space))
    }

    /// Checks `targetSpaceToken` and `targetFileRetentionPolicyInfo` of a request, which must
    /// agree.
    pub(in super::super) async fn check_space(
        &self,
        who: &Identity,
        token: Option<&str>,
        retention: Option<RetentionPolicyInfo>,
    ) -> Result<Option<Found>, ReturnStatus> {
        let Some(token) = token else { return Ok(None) };
        let found = self.find_space(who, token).await?;
        let area = found.area();
        if retention.is_some_and(|asked| !area.offers(asked)) {
            return Err(ReturnStatus::invalid_request(format!(
                "targetFileRetentionPolicyInfo does not agree with the space, which is {} {}",
                area.retention, area.latency
            )));
        }
        Ok(Some(found))
    }

    /// As [`Srm::check_space`], for files that are to go into the space.
    pub(in super::super) async fn check_target_space(
        &self,
        who: &Identity,
        token: Option<&str>,
        retention: Option<RetentionPolicyInfo>,
    ) -> Result<Option<Found>, ReturnStatus> {
        let found = self.check_space(who, token, retention).await?;
        match &found {
            Some(Found::Reserved(_, space)) if space.is_expired(now()) => Err(expired().into()),
            _ => Ok(found),
        }
    }

    /// The reserved space that a request's `targetSpaceToken` names. A token that is no area's may
    /// be of a space that is gone: who writes into it is told.
    pub(in super::super) async fn reserved_space(
        &self,
        token: Option<&str>,
    ) -> Result<Option<SpaceToken>, Error> {
        let Some(token) = token else { return Ok(None) };
        for area in self.site().namespace.areas() {
            if self.area_token(area).await?.0 == token {
                return Ok(None);
            }
        }
        Ok(Some(SpaceToken(token.to_owned())))
    }
}

impl Site {
    /// True for an area to which some mapping rule leads and that some approachable rule opens to
    /// the caller.
    pub(super) fn is_usable(&self, who: &Identity, area: &StorageArea, access: Access) -> bool {
        area.access_points.iter().any(|point| {
            self.namespace
                .locate(who, point, access)
                .is_ok_and(|found| found.area.name == area.name)
        })
    }

    /// A reserved space is for who reserved it, and for the VO group in whose name that was.
    pub(super) fn may_use(&self, who: &Identity, space: &SpaceRow) -> bool {
        let Some(person) = who.person() else { return false };
        let Some(area) = self.namespace.area(&space.area) else { return false };
        let group = space.fqans.first().map(|fqan| group_of(fqan));
        let shares =
            |fqan: &Fqan| group.is_some_and(|group| is_within(group_of(fqan.as_str()), group));
        (Srm::is_owner(who, &space.user) || person.fqans.iter().any(shares))
            && self.is_usable(who, area, Access::Read)
    }
}

/// An FQAN without its role.
fn group_of(fqan: &str) -> &str {
    fqan.split_once("/Role=").map_or(fqan, |(group, _)| group)
}

fn is_within(group: &str, above: &str) -> bool {
    group.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_holds_those_below_it_and_no_other() {
        let within = |fqan, above| is_within(group_of(fqan), group_of(above));
        assert!(within("/atlas/Role=production", "/atlas"));
        assert!(within("/atlas/de", "/atlas/Role=production"));
        assert!(!within("/atlas-test", "/atlas"));
        assert!(!within("/atlas", "/atlas/de"));
    }
}
