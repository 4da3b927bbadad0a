//! Who a user name and a password are: a local user, or an app password. For the https door.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Srm;
use crate::auth::password::{Attempts, Credential, KEPT, NOBODY, PASSWORD_MAX, Verified, matches};
use crate::model::{Identity, Refusal};

/// Passwords that are verified at once: half of the processors, within these. Each takes 19 MiB and some tens
/// of milliseconds.
const AT_ONCE: (usize, usize) = (2, 8);
/// How long somebody waits for that.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest user name that is looked up, in bytes.
const USER_MAX: usize = 128;
/// One text for whatever was wrong: which of the two it was is not told.
const WRONG: &str = "wrong user name or password, or an app password that was revoked: try again, or make a new \
     app password";

/// What was learnt of passwords.
pub(super) struct SignIn {
    verified: Verified,
    attempts: Attempts,
    turns: Arc<Semaphore>,
}

impl SignIn {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let turns = Arc::new(Semaphore::new((cores / 2).clamp(AT_ONCE.0, AT_ONCE.1)));
        Self { verified: Verified::default(), attempts: Attempts::default(), turns }
    }
}

impl Srm {
    /// Who knows this password. Somebody who is wrong is [`Identity::Refused`], with no rights at all;
    /// after some failures of one user name or from one address nothing is looked at for a while. A
    /// password that was right lately costs next to nothing, any other an argon2id.
    pub async fn sign_in(&self, user: &str, password: &str, peer: IpAddr) -> Identity {
        match self.try_sign_in(user, password, peer).await {
            Ok(known) => {
                self.note_use(user);
                Identity::Person(Arc::clone(&known.person))
            }
            Err(refusal) => Identity::Refused(Arc::new(refusal)),
        }
    }

    async fn try_sign_in(
        &self,
        user: &str,
        password: &str,
        peer: IpAddr,
    ) -> Result<Arc<Credential>, Refusal> {
        if user.len() > USER_MAX || password.len() > PASSWORD_MAX {
            return Err(Refusal::new(None, WRONG.to_owned()));
        }
        let SignIn { verified, attempts, .. } = &self.core.sign_in;
        let known = self.credential(user);
        let proof = verified.proof(user, password);
        let was_right = |within| {
            let (known, proof) = (known.as_ref()?, proof.as_ref()?);
            verified.holds(proof, known, within).then(|| in_time(Arc::clone(known)))
        };
        if let Some(known) = was_right(KEPT) {
            return known;
        }
        // Who is in stays in, however long others guess at his name.
        let not_looked_at = |wait| {
            let refusal = || Err(too_often(user, known.is_some(), peer, wait));
            was_right(Duration::MAX).unwrap_or_else(refusal)
        };
        // Who is not looked at does not wait for a turn either.
        match attempts.wait(user, peer) {
            Duration::ZERO => {}
            wait => return not_looked_at(wait),
        }
        let turn = self.turn_for_argon2().await?;
        // Another request of the same mount may have done it meanwhile.
        if let Some(known) = was_right(KEPT) {
            return known;
        }
        if let Err(wait) = attempts.begin(user, peer) {
            return not_looked_at(wait);
        }
        let hash = known.as_ref().map_or(NOBODY, |known| &known.hash).to_owned();
        let password = password.to_owned();
        let right = tokio::task::spawn_blocking(move || {
            // Held to the end, also when the client has gone: else whoever hangs up gets more turns.
            let _turn = turn;
            matches(&hash, &password)
        });
        match (right.await.unwrap_or(false), known) {
            (true, Some(known)) => {
                attempts.right(user, peer);
                if let Some(proof) = proof {
                    verified.keep(proof, &known);
                }
                in_time(known)
            }
            (_, known) => {
                // A name that nobody has may be a password in the wrong field.
                let user = if known.is_some() { user } else { "of nobody here" };
                tracing::warn!(user, %peer, "wrong password");
                Err(Refusal::new(None, WRONG.to_owned()))
            }
        }
    }

    /// What the password of that user opens.
    fn credential(&self, user: &str) -> Option<Arc<Credential>> {
        let local = self.site().policy.users.get().get(user);
        local.or_else(|| self.app_credential(user))
    }

    /// For a hash that takes long, of a password that is looked at or made.
    pub(super) async fn turn_for_argon2(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let turn = Arc::clone(&self.core.sign_in.turns).acquire_owned();
        match tokio::time::timeout(PATIENCE, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => {
                let why = "too many passwords wait to be looked at: try again in ten seconds";
                Err(Refusal::later(why.to_owned(), PATIENCE))
            }
        }
    }
}

/// Told only to who knows the password.
fn in_time(known: Arc<Credential>) -> Result<Arc<Credential>, Refusal> {
    let person = &known.person;
    if person.not_after > SystemTime::now() {
        return Ok(known);
    }
    let why = "this app password has come to its end: make a new one".to_owned();
    Err(Refusal::new(Some(person.dn.clone()), why))
}

fn too_often(user: &str, known: bool, peer: IpAddr, wait: Duration) -> Refusal {
    let user = if known { user } else { "of nobody here" };
    tracing::debug!(user, %peer, ?wait, "too many wrong passwords: not looked at");
    // Up: a client that comes back in time is not to be told to wait again.
    let wait = Duration::from_secs(wait.as_secs() + 1);
    let why = format!(
        "too many wrong passwords: nothing is looked at for {} s (the right one neither)",
        wait.as_secs()
    );
    Refusal::later(why, wait)
}
