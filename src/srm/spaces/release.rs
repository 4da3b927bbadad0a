//! srmReleaseSpace, and the end of spaces that nobody released.

use std::time::Duration;

use super::super::requests::now;
use super::super::{Error, ErrorKind, Srm, to_the_end};
use super::book::Space;
use crate::auth::area_authz::SpaceOperation;
use crate::model::{Identity, ReturnStatus, SpaceToken, StatusCode};
use crate::store::Millis;

/// Files taken out of a space in one commit.
const STEP: usize = 500;
/// After a failure of the request database.
const AGAIN: Duration = Duration::from_secs(60);

impl Srm {
    /// srmReleaseSpace. Without `force` a space that holds files whose lifetime is not over, or that
    /// are pinned, stays. With it permanent files become files outside of spaces, volatile ones go,
    /// and durable ones stay with a lifetime that is over. A put under way keeps the space in any case.
    pub async fn release_space(&self, who: &Identity, token: &str, force: bool) -> ReturnStatus {
        let (srm, who, token) = (self.clone(), who.clone(), token.to_owned());
        let released = to_the_end(async move {
            let _turn = srm.core.space_turn.lock().await;
            let found = srm.find_own_space(&who, &token, SpaceOperation::Release).await;
            let (_, space) = match found {
                Ok(found) => found,
                // StoRM's words: scripts look for them.
                Err(status) if status.code == StatusCode::InvalidRequest => {
                    let why = "SpaceToken does not refers to an existing space.";
                    return Ok(ReturnStatus::invalid_request(why));
                }
                Err(status) => return Ok(status),
            };
            srm.release_found(&space, force)
                .await
                .map(|()| ReturnStatus::success("Space Released."))
        });
        match released.await {
            Ok(status) => status,
            // srmReleaseSpace knows no SRM_FILE_BUSY.
            Err(error) if error.kind == ErrorKind::Busy => {
                ReturnStatus::new(StatusCode::Failure, error.explanation)
            }
            Err(error) => error.into(),
        }
    }

    async fn release_found(&self, space: &Space, force: bool) -> Result<(), Error> {
        let token = &space.row.token;
        self.core.books.close(token)?;
        let end = force.then(now);
        let begun = async {
            if !force {
                self.check_over(token).await?;
            }
            self.empty_step(token, end).await
        };
        let done = begun.await.inspect_err(|_| self.core.books.reopen(token))?;
        // From here on it is released, whatever comes.
        let emptied = if done { Ok(()) } else { self.empty_space(token, end).await };
        emptied.inspect_err(|_| self.go_on_releasing(token.clone(), end))
    }

    /// Goes on with a release that was cut short.
    pub(in super::super) fn go_on_releasing(&self, token: SpaceToken, end: Option<Millis>) {
        let srm = self.clone();
        tokio::spawn(async move {
            loop {
                let turn = srm.core.space_turn.lock().await;
                let Err(error) = srm.empty_space(&token, end).await else { return };
                drop(turn);
                tracing::error!(space = %token.0, %error, "not released yet: again soon");
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    () = srm.core.stopping.cancelled() => return,
                }
            }
        });
    }

    async fn empty_space(&self, token: &SpaceToken, end: Option<Millis>) -> Result<(), Error> {
        while !self.empty_step(token, end).await? {}
        Ok(())
    }

    /// Takes some files out; whether the space is gone.
    async fn empty_step(&self, token: &SpaceToken, end: Option<Millis>) -> Result<bool, Error> {
        let (deltas, done) = self.core.store.release_space(token.clone(), end, STEP).await?;
        self.core.books.apply(&deltas);
        if let Some(end) = end {
            self.note_due(end);
        }
        if done {
            self.core.books.forget(token);
        }
        Ok(done)
    }

    /// Fails while the space holds something that is not over.
    async fn check_over(&self, token: &SpaceToken) -> Result<(), Error> {
        let mut after = None;
        loop {
            let files = self.core.store.files_of_space(token, after, STEP).await?;
            let Some((last, _)) = files.last() else { return Ok(()) };
            after = Some(last.clone());
            for (key, record) in &files {
                if record.expires.is_none_or(|at| at > now()) || self.core.requests.is_pinned(key) {
                    return Err(Error::new(
                        ErrorKind::Busy,
                        "the space holds files whose lifetime is not over, or that are pinned: \
                         remove or release them first, or set forceFileRelease",
                    ));
                }
            }
        }
    }

    /// Lets go of spaces whose lifetime was over before `before`, as a forced release does.
    pub(in super::super) async fn forget_spaces(&self, before: Millis) -> Result<(), Error> {
        let _turn = self.core.space_turn.lock().await;
        let over = |at: Option<Millis>| at.is_some_and(|at| at < before);
        for row in self.core.books.list(|row| over(row.expires)) {
            let Some(space) = self.core.books.find(&row.token) else { continue };
            match self.release_found(&space, true).await {
                Err(error) if error.kind != ErrorKind::Busy => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
