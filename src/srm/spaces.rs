//! Spaces: those of the storage areas, and reserved ones. Here srmGetSpaceTokens and
//! srmGetSpaceMetaData; the other operations below.

mod book;
mod change;
mod find;
pub(super) mod hold;
mod lifetimes;
mod limits;
mod release;
mod reserve;
mod room;
mod sweep;
mod target;
#[cfg(test)]
mod tests;
mod under_way;
mod words;

use std::collections::HashMap;
use std::sync::PoisonError;

use super::requests::{now, seconds_left};
use super::{Error, SpaceMetaData, SpaceMetaDataAnswer, SpaceTokensAnswer, Srm};
use crate::auth::area_authz::SpaceOperation;
use crate::model::{Identity, RetentionPolicyInfo, ReturnStatus, SpaceToken, StatusCode};
use crate::namespace::{Access, StorageArea};
use crate::store::SpaceRow;

pub(super) use book::Books;
use book::Space;
pub(super) use find::Found;
pub(super) use hold::Hold;
use reserve::seconds;
pub(super) use sweep::Sweep;
pub(super) use under_way::{UnderWay, Uploads};

impl Srm {
    /// srmGetSpaceTokens: with a description the spaces that bear it, else all that the caller may
    /// use.
    pub async fn get_space_tokens(
        &self,
        who: &Identity,
        description: Option<&str>,
    ) -> SpaceTokensAnswer {
        match self.space_tokens(who, description).await {
            Ok(tokens) => SpaceTokensAnswer {
                status: ReturnStatus::success("space tokens found"),
                tokens: Some(tokens),
            },
            Err(status) => SpaceTokensAnswer { status, tokens: None },
        }
    }

    async fn space_tokens(
        &self,
        who: &Identity,
        description: Option<&str>,
    ) -> Result<Vec<SpaceToken>, ReturnStatus> {
        self.admit(who).await?;
        let mut tokens = Vec::new();
        let site = self.site();
        let named =
            |text: &Option<String>| description.is_none_or(|name| text.as_deref() == Some(name));
        for area in site.namespace.areas() {
            if named(&area.token_description) && site.is_usable(who, area, Access::Read) {
                tokens.push(self.area_token(area).await?);
            }
        }
        let reserved = |row: &SpaceRow| named(&row.description) && site.may_use(who, row);
        tokens.extend(self.core.books.list(reserved).into_iter().map(|row| row.token));
        let limit = site.config.limits.files_per_request;
        if tokens.len() > limit {
            return Err(ReturnStatus::new(
                StatusCode::TooManyResults,
                format!(
                    "{} spaces: at most {limit} are told, name their description",
                    tokens.len()
                ),
            ));
        }
        if tokens.is_empty() {
            // StoRM's words: scripts look for them.
            return Err(ReturnStatus::invalid_request(match description {
                Some(_) => "'userSpaceTokenDescription' does not refer to an existing space",
                None => "No space tokens owned by this user",
            }));
        }
        Ok(tokens)
    }

    /// srmGetSpaceMetaData.
    pub async fn get_space_meta_data(
        &self,
        who: &Identity,
        tokens: Vec<String>,
    ) -> SpaceMetaDataAnswer {
        if let Err(error) = self.admit(who).await {
            return SpaceMetaDataAnswer { status: error.into(), spaces: None };
        }
        if tokens.is_empty() {
            let status = ReturnStatus::invalid_request("arrayOfSpaceTokens is empty or missing");
            return SpaceMetaDataAnswer { status, spaces: None };
        }
        if let Err(status) = self.check_count(tokens.len()) {
            return SpaceMetaDataAnswer { status, spaces: None };
        }
        let mut known: HashMap<String, SpaceMetaData> = HashMap::new();
        let mut spaces = Vec::with_capacity(tokens.len());
        for token in tokens {
            if let Some(told) = known.get(&token) {
                spaces.push(told.clone());
                continue;
            }
            let told = match self.query_space(who, &token).await {
                Ok(Found::Area(area)) => {
                    of_area(token.clone(), &area, self.core.usage.used(&area.name).bytes)
                }
                Ok(Found::Reserved(_, space)) => of_reserved(token.clone(), &space),
                Err(status) => bare(token.clone(), status),
            };
            known.insert(token, told.clone());
            spaces.push(told);
        }
        // One that is over, or too full, is told all the same.
        let known = |space: &&SpaceMetaData| space.total.is_some();
        let good = spaces.iter().filter(known).count();
        let status = if good == spaces.len() {
            ReturnStatus::success("all space tokens are valid")
        } else if good > 0 {
            ReturnStatus::new(StatusCode::PartialSuccess, "Check space tokens statuses for details")
        } else {
            ReturnStatus::new(StatusCode::Failure, "No valid space tokens")
        };
        SpaceMetaDataAnswer { status, spaces: Some(spaces) }
    }

    async fn query_space(&self, who: &Identity, token: &str) -> Result<Found, ReturnStatus> {
        let found = self.find_space(who, token).await?;
        if let Found::Reserved(area, _) = &found {
            self.site().permit_space(who, area, &[SpaceOperation::Query])?;
        }
        Ok(found)
    }

    pub(super) async fn area_token(&self, area: &StorageArea) -> Result<SpaceToken, Error> {
        let known = || self.core.area_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = known().get(&area.name) {
            return Ok(token.clone());
        }
        let token = self.core.store.area_token(&area.name).await?;
        // It never changes.
        known().insert(area.name.clone(), token.clone());
        Ok(token)
    }
}

/// A storage area's own space: its used bytes are all of the area.
fn of_area(token: String, area: &StorageArea, used: u64) -> SpaceMetaData {
    SpaceMetaData {
        token,
        status: ReturnStatus::success("Valid space token"),
        retention: Some(RetentionPolicyInfo {
            retention_policy: area.retention,
            access_latency: Some(area.latency),
        }),
        owner: Some("stormd".to_owned()),
        total: Some(area.total_online),
        guaranteed: Some(area.total_online),
        unused: Some(area.total_online.saturating_sub(used)),
        lifetime_assigned: Some(-1),
        lifetime_left: Some(-1),
    }
}

fn of_reserved(token: String, space: &Space) -> SpaceMetaData {
    let Space { row, used, .. } = space;
    let status = if space.is_expired(now()) {
        ReturnStatus::new(StatusCode::SpaceLifetimeExpired, "the lifetime of the space is over")
    } else if *used > row.total {
        ReturnStatus::new(StatusCode::ExceedAllocation, "the space holds more than it was given")
    } else {
        ReturnStatus::success("Valid space token")
    };
    SpaceMetaData {
        token,
        status,
        retention: Some(RetentionPolicyInfo {
            retention_policy: row.retention,
            access_latency: Some(row.latency),
        }),
        owner: Some(row.user.clone()),
        total: Some(row.total),
        guaranteed: Some(row.guaranteed),
        unused: Some(row.total.saturating_sub(*used)),
        lifetime_assigned: Some(seconds(row.lifetime)),
        lifetime_left: Some(seconds_left(row.expires)),
    }
}

fn bare(token: String, status: ReturnStatus) -> SpaceMetaData {
    SpaceMetaData {
        token,
        status,
        retention: None,
        owner: None,
        total: None,
        guaranteed: None,
        unused: None,
        lifetime_assigned: None,
        lifetime_left: None,
    }
}
