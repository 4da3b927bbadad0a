//! srmExtendFileLifeTime: with a token the lifetime of pins and TURLs, without one that of files.

use std::sync::Arc;

use super::checks::{not_in_request, of_codes};
use super::live::Live;
use super::requests::seconds_left;
use super::submit::expiry;
use super::transition::{As, Change};
use super::{Error, Srm, to_the_end};
use crate::model::{Event, FileState, Identity, ReturnStatus, StatusCode};
use crate::store::FileRow;

/// srmExtendFileLifeTime.
#[derive(Clone, Debug, Default)]
pub struct ExtendRequest {
    /// With it, pins are extended.
    pub token: Option<String>,
    /// Of which files.
    pub surls: Vec<String>,
    /// `newFileLifeTime`: seconds from now, -1 infinite.
    pub file_lifetime: Option<i32>,
    /// `newPinLifeTime`: seconds from now, -1 the longest there is.
    pub pin_lifetime: Option<i32>,
}

/// Answer of srmExtendFileLifeTime.
#[derive(Clone, Debug)]
pub struct LifetimesAnswer {
    /// Of the call.
    pub status: ReturnStatus,
    /// Per file, in the order of the call; `None` when it was refused as a whole.
    pub files: Option<Vec<SurlLifetime>>,
}

/// `TSURLLifetimeReturnStatus`.
#[derive(Clone, Debug)]
pub struct SurlLifetime {
    /// As the client wrote it.
    pub surl: String,
    /// What became of it.
    pub status: ReturnStatus,
    /// Seconds the file lives from now on, -1 infinite.
    pub file_lifetime: Option<i32>,
    /// Seconds the pin or TURL lives from now on.
    pub pin_lifetime: Option<i32>,
}

impl Srm {
    /// srmExtendFileLifeTime: a lifetime is never shortened.
    pub async fn extend_lifetime(&self, who: &Identity, request: ExtendRequest) -> LifetimesAnswer {
        match self.extend(who, request).await {
            Ok(files) => {
                let codes: Vec<StatusCode> = files.iter().map(|file| file.status.code).collect();
                let status = of_codes(
                    &codes,
                    "all lifetimes are extended",
                    "some lifetimes were not extended: look at the status of each",
                    "All file requests are failed",
                );
                LifetimesAnswer { status, files: Some(files) }
            }
            Err(status) => LifetimesAnswer { status, files: None },
        }
    }

    async fn extend(
        &self,
        who: &Identity,
        request: ExtendRequest,
    ) -> Result<Vec<SurlLifetime>, ReturnStatus> {
        self.check_surls(who, &request.surls).await?;
        // StoRM's words: scripts look for them.
        let refused = |why: &str| Err(ReturnStatus::invalid_request(why));
        match (request.token, request.file_lifetime, request.pin_lifetime) {
            (Some(token), None, Some(seconds)) => {
                let live = self.find_request(who, &token, None).await?;
                if live.status().code == StatusCode::RequestTimedOut {
                    return Err(ReturnStatus::new(
                        StatusCode::RequestTimedOut,
                        "desiredTotalRequestTime of the request is over",
                    ));
                }
                let (srm, surls) = (self.clone(), request.surls);
                let extended =
                    to_the_end(async move { srm.extend_pins(&live, surls, seconds).await });
                Ok(extended.await?)
            }
            (None, Some(seconds), None) => Ok(self.extend_files(who, request.surls, seconds).await),
            (_, Some(_), Some(_)) => refused("Cannot update both FileLifetime and PinLifetime"),
            (_, None, None) => refused("newPinLifeTime or newFileLifeTime is needed"),
            (Some(_), Some(_), None) => {
                refused("Do not specify the request token to update the FileLifetime")
            }
            (None, None, Some(_)) => refused("Attempt to extend PinLifetime without request token"),
        }
    }

    async fn extend_pins(
        &self,
        live: &Arc<Live>,
        surls: Vec<String>,
        seconds: i32,
    ) -> Result<Vec<SurlLifetime>, Error> {
        let site = self.site();
        let longest = site.pin_lifetime(Some(-1));
        let granted = if seconds < 0 { longest } else { i64::from(seconds).min(longest) };
        let until = expiry(granted);
        let _turn = live.turn.lock().await;
        let picked = live.pick_trees(Some(&surls), |surl| site.canonical(surl));
        let files = picked.files().into_values();
        let longer = files.filter(|file| file.state.holds(live.kind())).filter(|file| {
            // None never ends.
            file.expires.is_some_and(|at| until.is_none_or(|until| until > at))
        });
        let changes = longer.map(|file| {
            let row = FileRow { expires: until, ..FileRow::clone(&file) };
            Change::new(&row, Event::Extend, file.explanation.clone())
        });
        for changed in self.advance(live, changes.collect(), As::Whole).await? {
            changed?;
        }
        let told = |files: &[Arc<FileRow>]| {
            // Of several on one SURL: the one that is held.
            let after = files.iter().filter_map(|file| live.file(file.n));
            let file = after.min_by_key(|file| !file.state.holds(live.kind()));
            let held = file.as_ref().filter(|file| file.state.holds(live.kind()));
            let pin_lifetime = held.map(|file| seconds_left(file.expires));
            let status = match file {
                Some(file) => extended(&file, file.state.holds(live.kind()), seconds, granted),
                None => not_in_request(),
            };
            (status, pin_lifetime)
        };
        let told = picked.tell(told).into_iter();
        let told = told.map(|(surl, (status, pin_lifetime))| SurlLifetime {
            surl,
            status,
            file_lifetime: None,
            pin_lifetime,
        });
        Ok(told.collect())
    }
}

/// What is told of one file of a request.
fn extended(file: &FileRow, held: bool, asked: i32, granted: i64) -> ReturnStatus {
    if held {
        return ReturnStatus::success(if asked >= 0 && i64::from(asked) > granted {
            "the lifetime is the longest that this site grants"
        } else {
            "Lifetime extended"
        });
    }
    let status = ReturnStatus::new;
    match file.state {
        FileState::Released => status(StatusCode::Released, "it is released: ask for it again"),
        FileState::Aborted => status(StatusCode::Aborted, "it was aborted: ask for it again"),
        FileState::Expired => {
            status(StatusCode::FileLifetimeExpired, "its lifetime is over: ask for it again")
        }
        FileState::Success => ReturnStatus::invalid_request("it is done: nothing is pinned"),
        // StoRM's words: scripts look for them.
        _ => ReturnStatus::invalid_request("No TURL available"),
    }
}
