//! srmReserveSpace, srmUpdateSpace and their status calls. Both are granted or refused at once: the
//! request is kept as one that has ended.

use std::sync::Arc;

use super::super::access::owner;
use super::super::checks::check_description;
use super::super::requests::now;
use super::super::submit::{fqans, new_token};
use super::super::{
    Error, ErrorKind, ReserveSpace, SpaceGrantAnswer, Srm, UpdateSpace, to_the_end,
};
use super::book::Wish;
use super::words::{expired, too_large};
use crate::auth::area_authz::SpaceOperation;
use crate::model::{
    AccessLatency, Identity, RequestKind, RequestToken, RetentionPolicyInfo, ReturnStatus,
    SpaceToken, StatusCode,
};
use crate::namespace::{Access, StorageArea};
use crate::store::{Millis, RequestRow, SpaceGrant, SpaceRow};

impl Srm {
    /// srmReserveSpace. The storage area is one that the caller may write to and that offers the
    /// class asked for; the default one of the approachable rules first.
    pub async fn reserve_space(&self, who: &Identity, asked: ReserveSpace) -> SpaceGrantAnswer {
        let (srm, who) = (self.clone(), who.clone());
        to_the_end(async move { Ok(srm.reserve(&who, asked).await) })
            .await
            .unwrap_or_else(|error| Err(error.into()))
            .unwrap_or_else(SpaceGrantAnswer::refused)
    }

    /// srmStatusOfReserveSpaceRequest.
    pub async fn status_of_reserve_space(&self, who: &Identity, token: &str) -> SpaceGrantAnswer {
        self.status_of_grant(who, token, RequestKind::ReserveSpace).await
    }

    /// srmUpdateSpace: new absolute sizes, and a lifetime from now. A shorter one takes along what is in
    /// the space and has a lifetime.
    pub async fn update_space(&self, who: &Identity, asked: UpdateSpace) -> SpaceGrantAnswer {
        let (srm, who) = (self.clone(), who.clone());
        to_the_end(async move { Ok(srm.update(&who, asked).await) })
            .await
            .unwrap_or_else(|error| Err(error.into()))
            .unwrap_or_else(SpaceGrantAnswer::refused)
    }

    /// srmStatusOfUpdateSpaceRequest.
    pub async fn status_of_update_space(&self, who: &Identity, token: &str) -> SpaceGrantAnswer {
        self.status_of_grant(who, token, RequestKind::UpdateSpace).await
    }

    async fn status_of_grant(
        &self,
        who: &Identity,
        token: &str,
        kind: RequestKind,
    ) -> SpaceGrantAnswer {
        let live = match self.find_request(who, token, Some(kind)).await {
            Ok(live) => live,
            Err(status) => return SpaceGrantAnswer::refused(status),
        };
        match self.core.store.space_grant(live.id).await {
            Ok(Some(grant)) => SpaceGrantAnswer::of(live.status(), None, grant),
            Ok(None) => SpaceGrantAnswer::refused(live.status()),
            Err(error) => SpaceGrantAnswer::refused(Error::from(error).into()),
        }
    }

    async fn reserve(
        &self,
        who: &Identity,
        asked: ReserveSpace,
    ) -> Result<SpaceGrantAnswer, ReturnStatus> {
        self.check_person(who).await?;
        check_description(asked.description.as_deref())?;
        let areas = self.areas_for(who, asked.retention)?;
        let defaults = areas.first().and_then(|area| self.space_defaults(area));
        let (mut guaranteed, mut total) = (asked.guaranteed, asked.total.filter(|size| *size > 0));
        if guaranteed == 0 && total.is_none() {
            let default = defaults.as_ref().filter(|(_, total, _)| *total > 0);
            let (given, most, _) = default.ok_or_else(|| {
                ReturnStatus::invalid_request("desiredSizeOfGuaranteedSpace is 0: say how much")
            })?;
            (guaranteed, total) = (*given, Some(*most));
        }
        let total = total.unwrap_or(guaranteed);
        if total < guaranteed {
            return Err(ReturnStatus::invalid_request(format!(
                "desiredSizeOfTotalSpace, {total}, is less than desiredSizeOfGuaranteedSpace, \
                 {guaranteed}"
            )));
        }
        check_size(total)?;
        let created = now();
        let lifetime = asked.lifetime.map(i64::from);
        let lifetime = lifetime.unwrap_or_else(|| defaults.map_or(-1, |(_, _, seconds)| seconds));
        let expires = end_of(created, lifetime)?;
        let row = |area: &StorageArea| SpaceRow {
            token: SpaceToken(uuid::Uuid::new_v4().to_string()),
            area: Arc::clone(&area.name),
            user: owner(who).to_owned(),
            fqans: fqans(who),
            description: asked.description.clone(),
            retention: area.retention,
            latency: area.latency,
            // More than there is can't be had, guaranteed or not.
            total: if area.limited_size { total.min(area.total_online) } else { total },
            guaranteed,
            created,
            lifetime,
            expires,
        };
        let turn = self.core.space_turn.lock().await;
        let mut refused: Option<Error> = None;
        for area in &areas {
            let row = row(area);
            match self.open_space(area, row.clone()).await {
                Ok(()) => {
                    let lower = row.total < total;
                    return self.grant(who, RequestKind::ReserveSpace, row, lower).await;
                }
                // What passes is better known than what does not.
                Err(error) if error.kind.is_full() => refused = Some(error),
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        drop(turn);
        Err(refused.map_or_else(|| ReturnStatus::internal("no storage area"), Into::into))
    }

    async fn open_space(&self, area: &Arc<StorageArea>, row: SpaceRow) -> Result<(), Error> {
        let srm = self.clone();
        self.with_room(area, move |limits| match limits.size {
            Some(size) if row.guaranteed > size => Err(too_large(limits, row.guaranteed, size)),
            _ => srm.core.books.open(row.clone(), limits, now()),
        })
        .await
    }

    /// Writes down what memory has granted already; takes that back where the store refuses.
    async fn grant(
        &self,
        who: &Identity,
        kind: RequestKind,
        row: SpaceRow,
        lower: bool,
    ) -> Result<SpaceGrantAnswer, ReturnStatus> {
        let code = if lower { StatusCode::LowerSpaceGranted } else { StatusCode::Success };
        let request = ended(who, kind, &row, code)?;
        let token = request.token.clone();
        let status = super::super::live::told(kind, code);
        let grant = row.grant();
        let written = self.core.store.grant_space(request, row.clone()).await;
        match written {
            Ok(()) => Ok(SpaceGrantAnswer::of(status, Some(token), grant)),
            Err(error) => {
                if kind == RequestKind::ReserveSpace {
                    self.core.books.forget(&row.token);
                }
                Err(Error::from(error).into())
            }
        }
    }

    async fn update(
        &self,
        who: &Identity,
        asked: UpdateSpace,
    ) -> Result<SpaceGrantAnswer, ReturnStatus> {
        let _turn = self.core.space_turn.lock().await;
        let (area, space) = self.find_own_space(who, &asked.token, SpaceOperation::Update).await?;
        if space.is_expired(now()) {
            return Err(expired().into());
        }
        let wish = wish(&asked)?;
        let (srm, token) = (self.clone(), space.row.token.clone());
        let updated = self
            .with_room(&area, move |limits| srm.core.books.update(&token, wish, limits, now()))
            .await;
        let (old, new, lower) = updated?;
        let end = new.expires;
        let granted = self.grant(who, RequestKind::UpdateSpace, new, lower).await;
        match (&granted, end) {
            (Err(_), _) => self.core.books.put_back(old),
            // What is in it may end sooner now.
            (Ok(_), Some(end)) => self.note_due(end),
            (Ok(_), None) => {}
        }
        granted
    }

    /// The areas in which that class may be reserved, in the order in which they are tried.
    fn areas_for(
        &self,
        who: &Identity,
        class: RetentionPolicyInfo,
    ) -> Result<Vec<Arc<StorageArea>>, ReturnStatus> {
        let site = self.site();
        let mut areas: Vec<Arc<StorageArea>> = site
            .namespace
            .areas()
            .iter()
            .filter(|area| {
                site.is_usable(who, area, Access::Write)
                    && site.permit_space(who, area, &[SpaceOperation::Write]).is_ok()
            })
            .cloned()
            .collect();
        if areas.is_empty() {
            let why = "there is no storage area that you may write to";
            return Err(Error::new(ErrorKind::Denied, why).into());
        }
        let class = RetentionPolicyInfo {
            access_latency: class.access_latency.or(Some(AccessLatency::Online)),
            ..class
        };
        areas.retain(|area| area.offers(class));
        if areas.is_empty() {
            // StoRM's words: scripts look for them.
            return Err(ReturnStatus::not_supported(
                "RetentionPolicy requested cannot be satisfied: no storage area that you may write \
                 to is of that retention policy and access latency",
            ));
        }
        let default = site.namespace.default_area(who).map(|area| Arc::clone(&area.name));
        areas.sort_by_key(|area| Some(&area.name) != default.as_ref());
        Ok(areas)
    }

    /// `defaults-values/space` of an area: guaranteed and total bytes, seconds.
    fn space_defaults(&self, area: &StorageArea) -> Option<(u64, u64, i64)> {
        let site = self.site();
        let defaults = site.namespace.details(&area.name)?.space.as_ref()?;
        let seconds = defaults.lifetime.and_then(|seconds| i64::try_from(seconds).ok());
        Some((defaults.guaranteed, defaults.total, seconds.unwrap_or(-1)))
    }
}

/// Neither the wire nor the store counts further.
fn check_size(bytes: u64) -> Result<(), ReturnStatus> {
    match i64::try_from(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(ReturnStatus::invalid_request("the size is too large")),
    }
}

/// When a lifetime that begins now is over.
fn end_of(begin: Millis, seconds: i64) -> Result<Option<Millis>, ReturnStatus> {
    match seconds {
        -1 => Ok(None),
        seconds if seconds > 0 => Ok(Some(Millis(begin.0.saturating_add(seconds * 1000)))),
        seconds => Err(ReturnStatus::invalid_request(format!(
            "a lifetime of {seconds} s makes no sense: ask for more than 0, or -1 for no end"
        ))),
    }
}

fn wish(asked: &UpdateSpace) -> Result<Wish, ReturnStatus> {
    if asked.total.is_none() && asked.guaranteed.is_none() && asked.lifetime.is_none() {
        return Err(ReturnStatus::invalid_request(
            "neither a new size nor a new lifetime is named",
        ));
    }
    if let (Some(total), Some(guaranteed)) = (asked.total, asked.guaranteed)
        && total < guaranteed
    {
        return Err(ReturnStatus::invalid_request(format!(
            "newSizeOfTotalSpaceDesired, {total}, is less than \
             newSizeOfGuaranteedSpaceDesired, {guaranteed}"
        )));
    }
    for size in [asked.total, asked.guaranteed].into_iter().flatten() {
        check_size(size)?;
    }
    let lifetime = match asked.lifetime.map(i64::from) {
        Some(seconds) => Some((seconds, end_of(now(), seconds)?)),
        None => None,
    };
    Ok(Wish { total: asked.total, guaranteed: asked.guaranteed, lifetime })
}

/// A request that was granted at once.
fn ended(
    who: &Identity,
    kind: RequestKind,
    space: &SpaceRow,
    code: StatusCode,
) -> Result<RequestRow, ReturnStatus> {
    Ok(RequestRow {
        fqans: fqans(who),
        description: space.description.clone(),
        space_token: Some(space.token.0.clone()),
        ended: Some((code, now())),
        ..RequestRow::new(new_token()?, kind, owner(who).to_owned(), now())
    })
}

impl SpaceGrantAnswer {
    fn of(status: ReturnStatus, token: Option<RequestToken>, grant: SpaceGrant) -> Self {
        Self {
            status,
            token,
            retention: Some(RetentionPolicyInfo {
                retention_policy: grant.retention,
                access_latency: Some(grant.latency),
            }),
            total: Some(grant.total),
            guaranteed: Some(grant.guaranteed),
            lifetime: Some(seconds(grant.lifetime)),
            space: Some(grant.space),
        }
    }

    fn refused(status: ReturnStatus) -> Self {
        Self {
            status,
            token: None,
            retention: None,
            total: None,
            guaranteed: None,
            lifetime: None,
            space: None,
        }
    }
}

/// Seconds as the wire counts them; -1 for no end.
pub(in super::super) fn seconds(lifetime: i64) -> i32 {
    i32::try_from(lifetime).unwrap_or(i32::MAX)
}
