//! srmGetRequestSummary and srmGetRequestTokens: what somebody asked for, without its files.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::access::owner;
use super::checks::{no_such_request, of_codes, parse_token};
use super::live::explain;
use super::{Error, Srm};
use crate::model::{FileState, Identity, RequestKind, RequestToken, ReturnStatus, StatusCode};

/// Answer of srmGetRequestSummary.
#[derive(Clone, Debug)]
pub struct SummaryAnswer {
    /// Of the call.
    pub status: ReturnStatus,
    /// One per token asked for, in order.
    pub summaries: Option<Vec<RequestSummary>>,
}

/// `TRequestSummary`.
#[derive(Clone, Debug)]
pub struct RequestSummary {
    /// As asked.
    pub token: String,
    /// Of the request; or why nothing is told of it.
    pub status: ReturnStatus,
    /// What was asked for.
    pub kind: Option<RequestKind>,
    /// How its files stand.
    pub files: Option<Tally>,
}

/// Answer of srmGetRequestTokens.
#[derive(Clone, Debug)]
pub struct TokensAnswer {
    /// Of the call.
    pub status: ReturnStatus,
    /// The newest first; when each request came.
    pub tokens: Vec<(RequestToken, SystemTime)>,
}

impl Srm {
    /// srmGetRequestSummary: one entry per token, in order.
    pub async fn request_summary(&self, who: &Identity, tokens: Vec<String>) -> SummaryAnswer {
        let refused = |status| SummaryAnswer { status, summaries: None };
        if let Err(error) = self.admit(who).await {
            return refused(error.into());
        }
        if tokens.is_empty() {
            return refused(ReturnStatus::invalid_request(
                "arrayOfRequestTokens is empty or missing",
            ));
        }
        if let Err(status) = self.check_count(tokens.len()) {
            return refused(status);
        }
        // A token that is named again is looked up once.
        let mut known: HashMap<&str, Result<RequestSummary, ReturnStatus>> = HashMap::new();
        for token in &tokens {
            if !known.contains_key(token.as_str()) {
                known.insert(token, self.summarize(who, token).await);
                // Counting a large request takes a moment, and there may be thousands.
                tokio::task::yield_now().await;
            }
        }
        let mut summaries = Vec::with_capacity(tokens.len());
        let mut found = Vec::with_capacity(tokens.len());
        for token in &tokens {
            let (code, summary) = match known.get(token.as_str()) {
                Some(Ok(summary)) => (StatusCode::Success, summary.clone()),
                Some(Err(status)) => (status.code, untold(token, status.clone())),
                None => continue,
            };
            found.push(code);
            summaries.push(summary);
        }
        let status = of_codes(
            &found,
            "All tokens retrieved",
            "some tokens were not found: look at the status of each",
            "None of the requested tokens were found",
        );
        SummaryAnswer { status, summaries: Some(summaries) }
    }

    async fn summarize(&self, who: &Identity, text: &str) -> Result<RequestSummary, ReturnStatus> {
        let token = parse_token(text)?;
        let mut files = Tally::default();
        let (user, kind, status) = if let Some(live) = self.core.requests.find(&token) {
            live.tally().into_iter().for_each(|(state, count)| files.add(state, count));
            (live.request.user.clone(), live.kind(), live.status())
        } else {
            let found = self.core.store.summary(&token).await.map_err(Error::from)?;
            let Some(found) = found else { return Err(no_such_request(&token)) };
            found.files.iter().for_each(|(state, count)| files.add(*state, *count));
            let request = found.request;
            // What has not ended and is not here goes on elsewhere.
            let code = request.ended.map_or(StatusCode::RequestInProgress, |(code, _)| code);
            let status = ReturnStatus::new(code, explain(request.kind, code));
            (request.user, request.kind, status)
        };
        Self::check_owner(who, &user)?;
        let token = token.to_string();
        Ok(RequestSummary { token, status, kind: Some(kind), files: Some(files) })
    }

    /// srmGetRequestTokens: the caller's own requests, the newest first, with that description or with
    /// any; as many as one request may have files.
    pub async fn request_tokens(&self, who: &Identity, description: Option<&str>) -> TokensAnswer {
        match self.find_tokens(who, description).await {
            Ok(answer) => answer,
            Err(status) => TokensAnswer { status, tokens: Vec::new() },
        }
    }

    async fn find_tokens(
        &self,
        who: &Identity,
        description: Option<&str>,
    ) -> Result<TokensAnswer, ReturnStatus> {
        self.check_person(who).await?;
        let limit = self.site().config.limits.files_per_request;
        let found = self.core.store.tokens(owner(who), description, limit.saturating_add(1)).await;
        let mut found = found.map_err(Error::from)?;
        // StoRM's words: scripts look for them.
        let status = match (found.len(), description) {
            (0, Some(_)) => {
                return Err(ReturnStatus::invalid_request(
                    "'userRequestDescription' does not refer to any existing known requests",
                ));
            }
            (0, None) => {
                return Err(ReturnStatus::invalid_request("No request tokens owned by this user"));
            }
            (n, _) if n > limit => ReturnStatus::new(
                StatusCode::TooManyResults,
                format!("these are the newest {limit}: name a description to find older ones"),
            ),
            _ => ReturnStatus::success("All tokens retrieved"),
        };
        found.truncate(limit);
        let tokens = found.into_iter().map(|(token, created)| {
            let since = Duration::from_millis(u64::try_from(created.0).unwrap_or(0));
            (token, SystemTime::UNIX_EPOCH + since)
        });
        Ok(TokensAnswer { status, tokens: tokens.collect() })
    }
}

/// Why nothing is told of a request.
fn untold(token: &str, status: ReturnStatus) -> RequestSummary {
    RequestSummary { token: token.to_owned(), status, kind: None, files: None }
}

/// How the files of a request stand (`TRequestSummary`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub total: u32,
    /// Ready, or done.
    pub completed: u32,
    /// Not ready yet.
    pub waiting: u32,
    /// Failed, aborted or expired.
    pub failed: u32,
}

impl Tally {
    fn add(&mut self, state: FileState, files: u32) {
        self.total += files;
        *match state {
            FileState::Queued | FileState::InProgress | FileState::Suspended => &mut self.waiting,
            FileState::SpaceAvailable
            | FileState::Pinned
            | FileState::Success
            | FileState::Released => &mut self.completed,
            FileState::Aborted | FileState::Failed | FileState::Expired => &mut self.failed,
        } += files;
    }
}
