//! srmSuspendRequest and srmResumeRequest: what waits in a request is not begun for a while, which is no
//! longer than the longest pin. It keeps its places beside those that wait; its time runs on.

use std::sync::Arc;

use super::live::Live;
use super::submit::expiry;
use super::{Error, Srm, to_the_end};
use crate::model::{Identity, ReturnStatus, StatusCode};

impl Srm {
    /// srmSuspendRequest: files that a worker has in hand are finished. Twice is fine.
    pub async fn suspend_request(&self, who: &Identity, token: &str) -> ReturnStatus {
        self.set_suspended(who, token, true).await
    }

    /// srmResumeRequest.
    pub async fn resume_request(&self, who: &Identity, token: &str) -> ReturnStatus {
        self.set_suspended(who, token, false).await
    }

    async fn set_suspended(&self, who: &Identity, token: &str, suspended: bool) -> ReturnStatus {
        let live = match self.find_request(who, token, None).await {
            Ok(live) => live,
            Err(status) => return status,
        };
        let srm = self.clone();
        let done = to_the_end(async move { srm.suspend_live(&live, suspended).await });
        done.await.unwrap_or_else(ReturnStatus::from)
    }

    async fn suspend_live(&self, live: &Arc<Live>, suspended: bool) -> Result<ReturnStatus, Error> {
        let _turn = live.turn.lock().await;
        let (waits, was) = live.rests();
        match (suspended, was) {
            (true, true) if waits => Ok(ReturnStatus::success("the request is suspended already")),
            (true, _) if !waits => Ok(ReturnStatus::new(
                StatusCode::Failure,
                "nothing in the request waits: there is nothing to suspend",
            )),
            (false, false) => Ok(ReturnStatus::invalid_request("the request is not suspended")),
            (false, true) if live.is_ended() => {
                Ok(ReturnStatus::invalid_request("the request has ended: nothing to resume"))
            }
            _ => {
                let until = expiry(self.site().pin_lifetime(Some(-1))).filter(|_| suspended);
                self.core.store.suspend(live.id, until, live.len()).await?;
                live.set_suspended(until);
                if let Some(at) = until {
                    self.wake_at(at);
                    return Ok(ReturnStatus::success("what waits in the request is suspended"));
                }
                self.go_on(live);
                Ok(ReturnStatus::success("the request goes on"))
            }
        }
    }
}
