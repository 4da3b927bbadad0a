//! What the operations check alike before they begin, and how a request's status comes from its
//! files'.

use std::sync::Arc;

use super::access::owner;
use super::live::Live;
use super::{Error, ErrorKind, Srm, SurlStatus};
use crate::model::{Identity, MAX_PATH, RequestKind, RequestToken, ReturnStatus, StatusCode};

/// Bytes of a SURL: each of its path's in percent escapes, and what stands before it.
const LONGEST_SURL: usize = 3 * MAX_PATH + 512;
/// Bytes of a description.
const LONGEST_DESCRIPTION: usize = 1024;

impl Srm {
    /// As [`Srm::admit`], and refuses who cannot be told from others: requests belong to a person.
    pub(super) async fn check_person(&self, who: &Identity) -> Result<(), ReturnStatus> {
        self.admit(who).await?;
        match who {
            Identity::Person(_) => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Unauthenticated,
                "no certificate came: requests belong to a person, so send one",
            )
            .into()),
        }
    }

    /// Rules of every array of SURLs: there is one, it is not too long, and the caller is somebody.
    pub(super) async fn check_surls(
        &self,
        who: &Identity,
        surls: &[String],
    ) -> Result<(), ReturnStatus> {
        self.admit(who).await?;
        if surls.is_empty() {
            return Err(ReturnStatus::invalid_request("arrayOfSURLs is empty or missing"));
        }
        self.check_count(surls.len())
    }

    pub(super) fn check_count(&self, count: usize) -> Result<(), ReturnStatus> {
        let limit = self.site().config.limits.files_per_request;
        if count > limit {
            return Err(ReturnStatus::invalid_request(format!(
                "{count} files in one request: at most {limit} are taken, send several requests"
            )));
        }
        Ok(())
    }

    /// True when the person of the request is the caller.
    pub(super) fn is_owner(who: &Identity, user: &str) -> bool {
        matches!(who, Identity::Person(_)) && owner(who) == user
    }

    pub(super) fn check_owner(who: &Identity, user: &str) -> Result<(), ReturnStatus> {
        match Self::is_owner(who, user) {
            true => Ok(()),
            false => Err(ReturnStatus::new(
                StatusCode::AuthorizationFailure,
                "the request was made by somebody else",
            )),
        }
    }

    /// Finds a request by its token, for who it belongs to. `kind`: the kind it must be of.
    pub(super) async fn find_request(
        &self,
        who: &Identity,
        token: &str,
        kind: Option<RequestKind>,
    ) -> Result<Arc<Live>, ReturnStatus> {
        self.admit(who).await?;
        let parsed = parse_token(token)?;
        let live = match self.core.requests.find(&parsed) {
            Some(live) => live,
            None => match self.core.store.load(&parsed).await {
                Ok(Some(stored)) if stored.request.ended.is_some() => Live::new(stored),
                // It came a moment ago, or ended and was forgotten: what can still change is in
                // memory alone, once.
                Ok(Some(_)) => self.core.requests.find(&parsed).ok_or_else(not_here)?,
                Ok(None) => return Err(no_such_request(&parsed)),
                Err(error) => return Err(Error::from(error).into()),
            },
        };
        Self::check_owner(who, &live.request.user)?;
        match kind {
            Some(kind) if kind != live.kind() => Err(ReturnStatus::invalid_request(format!(
                "token {parsed} belongs to a {} request",
                live.kind()
            ))),
            _ => Ok(live),
        }
    }
}

/// Refuses a SURL that names no path, however it is written: requests are kept, and told of again
/// and again.
pub(super) fn check_surl_length(surl: &str) -> Result<(), ReturnStatus> {
    if surl.len() > LONGEST_SURL {
        return Err(ReturnStatus::invalid_request(format!(
            "a SURL of {} bytes: no path is written in more than {LONGEST_SURL}",
            surl.len()
        )));
    }
    Ok(())
}

/// Refuses a description of a request or a space that is a text of its own.
pub(super) fn check_description(description: Option<&str>) -> Result<(), ReturnStatus> {
    match description.map_or(0, str::len) {
        long if long > LONGEST_DESCRIPTION => Err(ReturnStatus::invalid_request(format!(
            "a description of {long} bytes: at most {LONGEST_DESCRIPTION} are kept, shorten it"
        ))),
        _ => Ok(()),
    }
}

/// Reads a token.
pub(super) fn parse_token(text: &str) -> Result<RequestToken, ReturnStatus> {
    // StoRM's words: scripts look for them.
    RequestToken::parse(text).ok_or_else(|| {
        let shown: String = text.chars().take(64).collect();
        ReturnStatus::invalid_request(format!("invalid token: {shown}"))
    })
}

/// Nobody knows it, or it was forgotten.
pub(super) fn no_such_request(token: &RequestToken) -> ReturnStatus {
    // StoRM's words: scripts look for them.
    ReturnStatus::invalid_request(format!("No request found matching token {token}"))
}

/// The store has it and memory has not: it is only just coming in.
fn not_here() -> ReturnStatus {
    ReturnStatus::internal("the request is only just coming in: ask again")
}

/// The call's status where each part has one that is SUCCESS or not: all, some, none.
pub(super) fn of_codes(parts: &[StatusCode], all: &str, some: &str, none: &str) -> ReturnStatus {
    match parts.iter().filter(|code| **code == StatusCode::Success).count() {
        n if n == parts.len() => ReturnStatus::success(all),
        0 => ReturnStatus::new(StatusCode::Failure, none),
        _ => ReturnStatus::new(StatusCode::PartialSuccess, some),
    }
}

/// The request's status from its files' (srm-spec 2.2): all, some, none.
pub(super) fn of_files(files: &[SurlStatus], all: &str, some: &str, none: &str) -> ReturnStatus {
    let good = files
        .iter()
        .filter(|f| matches!(f.status.code, StatusCode::Success | StatusCode::Released))
        .count();
    if good == files.len() {
        ReturnStatus::success(all)
    } else if good > 0 {
        ReturnStatus::new(StatusCode::PartialSuccess, some)
    } else if files.iter().all(|f| f.status.code == StatusCode::AuthenticationFailure) {
        ReturnStatus::new(StatusCode::AuthenticationFailure, none)
    } else {
        ReturnStatus::new(StatusCode::Failure, none)
    }
}

/// Of a SURL that the request does not hold.
pub(super) fn not_in_request() -> ReturnStatus {
    ReturnStatus::new(StatusCode::InvalidPath, "No information about this SURL in the request")
}
