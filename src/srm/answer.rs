//! Answers of srmPrepareToPut, srmPrepareToGet, srmBringOnline and their status calls: what they tell
//! alike.

use std::sync::Arc;

use super::live::Live;
use super::requests::seconds_left;
use super::{RequestAnswer, Srm};
use crate::model::{Identity, RequestKind, ReturnStatus};
use crate::store::FileRow;

/// What is told of one file; without a row, of a SURL that is not in the request.
type Told<F> = fn(&Live, String, Option<&FileRow>) -> F;

impl Srm {
    /// The first answer, which waits up to `answer_wait` for what gets ready meanwhile.
    pub(super) async fn answer_first<F>(
        &self,
        submitted: Result<Arc<Live>, ReturnStatus>,
        told: Told<F>,
    ) -> RequestAnswer<F> {
        match submitted {
            Ok(live) => {
                let (status, files) = live.first_answer(self.site().config.srm.answer_wait).await;
                let token = Some(live.token().clone());
                RequestAnswer { token, ..answer(&live, status, files, told) }
            }
            Err(status) => refused(status),
        }
    }

    /// The answer of a status call, on some of the files or all.
    pub(super) async fn answer_status<F>(
        &self,
        who: &Identity,
        token: &str,
        kind: RequestKind,
        surls: Option<Vec<String>>,
        told: Told<F>,
    ) -> RequestAnswer<F> {
        match self.find_request(who, token, Some(kind)).await {
            Ok(live) => {
                if let Err(status) = self.check_count(surls.as_ref().map_or(0, Vec::len)) {
                    return refused(status);
                }
                let site = self.site();
                // Before its files: none that goes on is told of beside an end.
                let status = live.status();
                let picked = live.pick(surls.as_deref(), |surl| site.canonical(surl));
                answer(&live, status, picked, told)
            }
            Err(status) => refused(status),
        }
    }
}

/// Seconds until a file that has no answer yet is worth asking about again.
pub(super) fn estimated_wait(file: &FileRow) -> Option<i32> {
    (!file.state.is_answered()).then_some(1)
}

/// The TURL of a file, while it is ready.
pub(super) fn turl_while(ready: bool, file: &FileRow) -> Option<String> {
    file.turl.as_ref().filter(|_| ready).map(|(_, url)| url.clone())
}

fn answer<F>(
    live: &Live,
    status: ReturnStatus,
    files: Vec<(String, Option<Arc<FileRow>>)>,
    told: Told<F>,
) -> RequestAnswer<F> {
    let files = files.into_iter().map(|(surl, file)| told(live, surl, file.as_deref()));
    RequestAnswer { status, files: Some(files.collect()), ..bare(live) }
}

/// What a status call tells of the request alone.
pub(super) fn bare<F>(live: &Live) -> RequestAnswer<F> {
    RequestAnswer {
        status: live.status(),
        token: None,
        files: None,
        remaining_total_time: live.request.deadline.map(|at| seconds_left(Some(at))),
        remaining_deferred_start: live.request.starts.map(|at| seconds_left(Some(at))),
    }
}

pub(super) fn refused<F>(status: ReturnStatus) -> RequestAnswer<F> {
    RequestAnswer {
        status,
        token: None,
        files: None,
        remaining_total_time: None,
        remaining_deferred_start: None,
    }
}
