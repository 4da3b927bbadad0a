//! srmGetSpaceTokens and srmGetSpaceMetaData, for the storage areas' own spaces.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use super::access::driver_error;
use super::{Error, Site, SpaceMetaData, SpaceMetaDataAnswer, SpaceTokensAnswer, Srm, blocking};
use crate::model::{Identity, RetentionPolicyInfo, ReturnStatus, SpaceToken, StatusCode};
use crate::namespace::{Access, StorageArea};

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
        for area in self.usable_areas(who) {
            if description.is_none_or(|text| area.token_description.as_deref() == Some(text)) {
                tokens.push(self.area_token(&area).await?);
            }
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
            let told = match self.find_space(who, &token).await {
                Ok(area) => meta_data(token.clone(), area).await,
                Err(status) => bare(token.clone(), status),
            };
            known.insert(token, told.clone());
            spaces.push(told);
        }
        let good = spaces.iter().filter(|s| s.status.code == StatusCode::Success).count();
        let status = if good == spaces.len() {
            ReturnStatus::success("all space tokens are valid")
        } else if good > 0 {
            ReturnStatus::new(StatusCode::PartialSuccess, "Check space tokens statuses for details")
        } else {
            ReturnStatus::new(StatusCode::Failure, "No valid space tokens")
        };
        SpaceMetaDataAnswer { status, spaces: Some(spaces) }
    }

    /// Checks `targetSpaceToken` and `targetFileRetentionPolicyInfo` of a request, which must
    /// agree.
    pub(super) async fn check_space(
        &self,
        who: &Identity,
        token: Option<&str>,
        retention: Option<RetentionPolicyInfo>,
    ) -> Result<Option<Arc<StorageArea>>, ReturnStatus> {
        let Some(token) = token else { return Ok(None) };
        let area = self.find_space(who, token).await?;
        match retention {
            Some(asked)
                if asked.retention_policy != area.retention
                    || asked.access_latency.is_some_and(|latency| latency != area.latency) =>
            {
                Err(ReturnStatus::invalid_request(format!(
                    "targetFileRetentionPolicyInfo does not agree with the space, which is {} {}",
                    area.retention, area.latency
                )))
            }
            _ => Ok(Some(area)),
        }
    }

    /// The area whose own token it is.
    pub(super) async fn find_space(
        &self,
        who: &Identity,
        token: &str,
    ) -> Result<Arc<StorageArea>, ReturnStatus> {
        let site = self.site();
        for area in site.namespace.areas() {
            if self.area_token(area).await?.0 == token {
                return if site.is_usable(who, area) {
                    Ok(Arc::clone(area))
                } else {
                    Err(ReturnStatus::new(
                        StatusCode::AuthorizationFailure,
                        "no approachable rule opens this space to you",
                    ))
                };
            }
        }
        // StoRM's words: scripts look for them.
        Err(ReturnStatus::invalid_request("The provided Space Token does not exists"))
    }

    pub(super) async fn area_token(&self, area: &StorageArea) -> Result<SpaceToken, ReturnStatus> {
        let known = || self.core.area_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = known().get(&area.name) {
            return Ok(token.clone());
        }
        let token = self.core.store.area_token(&area.name).await;
        let token = token.map_err(|error| ReturnStatus::from(Error::from(error)))?;
        // It never changes.
        known().insert(area.name.clone(), token.clone());
        Ok(token)
    }

    fn usable_areas(&self, who: &Identity) -> Vec<Arc<StorageArea>> {
        let site = self.site();
        let areas = site.namespace.areas().iter();
        areas.filter(|area| site.is_usable(who, area)).cloned().collect()
    }
}

impl Site {
    /// True for an area to which some mapping rule leads and that some approachable rule opens to
    /// the caller.
    fn is_usable(&self, who: &Identity, area: &StorageArea) -> bool {
        area.access_points.iter().any(|point| {
            self.namespace
                .locate(who, point, Access::Read)
                .is_ok_and(|found| found.area.name == area.name)
        })
    }
}

async fn meta_data(token: String, area: Arc<StorageArea>) -> SpaceMetaData {
    let measured = Arc::clone(&area);
    let room =
        blocking(move || measured.driver.room().map_err(|e| driver_error(e, &measured.name))).await;
    let room = match room {
        Ok(room) => room,
        Err(error) => return bare(token, error.into()),
    };
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
        // What can be written now: never more than the file system has left.
        unused: Some(room.free.min(area.total_online)),
        lifetime_assigned: Some(-1),
        lifetime_left: Some(-1),
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
