//! Passwords that were right a moment ago: a mount sends its own with each of a thousand requests, and
//! argon2 is meant to be slow. What is kept is no password but a keyed hash of it, whose key nobody
//! has seen and which goes with the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, Tag, sign};
use aws_lc_rs::rand::SystemRandom;

use super::Credential;

/// How long a password is not verified again, unless nothing is looked at.
pub const KEPT: Duration = Duration::from_secs(600);
/// Passwords that are remembered at once; one more, and all are forgotten.
const REMEMBERED: usize = 4096;

/// See the module.
pub struct Verified {
    /// `None` where the system gives no random bytes: then nothing is remembered.
    key: Option<Key>,
    known: Mutex<Known>,
}

type Known = HashMap<Proof, (Arc<Credential>, Instant)>;

/// A user name and a password, as they are remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proof(Vec<u8>);

impl Default for Verified {
    fn default() -> Self {
        Self { key: Key::generate(HMAC_SHA256, &SystemRandom::new()).ok(), known: Mutex::default() }
    }
}

impl Verified {
    /// What stands for a user name, which holds no colon, and a password.
    pub fn proof(&self, user: &str, password: &str) -> Option<Proof> {
        let tag: Tag = sign(self.key.as_ref()?, format!("{user}:{password}").as_bytes());
        Some(Proof(tag.as_ref().to_vec()))
    }

    /// True when it was right no longer than `within` ago for the very same credential: one that was read or
    /// made anew has to be verified anew.
    pub fn holds(&self, proof: &Proof, credential: &Arc<Credential>, within: Duration) -> bool {
        let known = self.known();
        let found = known.get(proof);
        found.is_some_and(|(known, at)| Arc::ptr_eq(known, credential) && at.elapsed() <= within)
    }

    /// It was right.
    pub fn keep(&self, proof: Proof, credential: &Arc<Credential>) {
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(proof, (Arc::clone(credential), Instant::now()));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::password::users::local_person;

    #[test]
    fn what_was_right_stays_so_for_the_same_credential() {
        let credential = || {
            let person = Arc::new(local_person("/CN=local/CN=alice".to_owned(), Vec::new()));
            Arc::new(Credential { hash: "h".to_owned(), person })
        };
        let (one, anew) = (credential(), credential());
        let verified = Verified::default();
        let proof = verified.proof("alice", "secret").unwrap();
        assert!(!verified.holds(&proof, &one, KEPT));
        verified.keep(proof.clone(), &one);
        assert!(verified.holds(&proof, &one, KEPT));
        std::thread::sleep(Duration::from_millis(2));
        assert!(!verified.holds(&proof, &one, Duration::from_millis(1)));
        assert!(verified.holds(&proof, &one, Duration::MAX));
        assert!(!verified.holds(&proof, &anew, Duration::MAX));
        assert!(!verified.holds(&verified.proof("alice", "Secret").unwrap(), &one, Duration::MAX));
        assert_ne!(Some(proof), Verified::default().proof("alice", "secret"));
        for n in 0..2 * REMEMBERED {
            verified.keep(verified.proof("bob", &n.to_string()).unwrap(), &one);
        }
        assert!(verified.known().len() <= REMEMBERED);
    }
}
