//! srmBringOnline and srmStatusOfBringOnlineRequest: a pin without a TURL. What lies on disk is online.

use super::get::get_status;
use super::submit::start;
use super::{BringOnlineAnswer, GetRequest, Srm};
use crate::model::{Identity, RequestKind};

impl Srm {
    /// srmBringOnline, begun `deferred` seconds from now. The answer waits up to `answer_wait` for what
    /// gets ready meanwhile.
    pub async fn bring_online(
        &self,
        who: &Identity,
        request: GetRequest,
        deferred: Option<i32>,
    ) -> BringOnlineAnswer {
        let submitted = match start(&self.site(), deferred, request.total_time) {
            Ok(starts) => self.submit_read(who, RequestKind::BringOnline, request, starts).await,
            Err(status) => Err(status),
        };
        self.answer_first(submitted, get_status).await
    }

    /// srmStatusOfBringOnlineRequest.
    pub async fn status_of_bring_online(
        &self,
        who: &Identity,
        token: &str,
        surls: Option<Vec<String>>,
    ) -> BringOnlineAnswer {
        self.answer_status(who, token, RequestKind::BringOnline, surls, get_status).await
    }
}
