//! Who was behind a chain the last time: clients come back with the same proxy again and again, and
//! the signatures of a chain cost a tenth of a handshake.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::pki_types::CertificateDer;

use crate::model::{Identity, Person};

/// Chains that are remembered at once; one more, and all are forgotten.
const REMEMBERED: usize = 4096;

/// Verdicts of one generation of trust. Only on who was let in: a refusal may be over at any moment,
/// and refused clients shall not push out the others.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Verdicts>);

impl Remembered {
    /// The verdict that still holds, or that of `judge`. `generation` was read before the trust by
    /// which `judge` goes: at worst, a newer trust's verdict bears an older number.
    pub(super) fn identity(
        &self,
        chain: &[CertificateDer<'static>],
        generation: u64,
        now: SystemTime,
        judge: impl FnOnce() -> Identity,
    ) -> Identity {
        let chain = digest(chain);
        let verdicts = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = verdicts().find(&chain, generation, now);
        known.unwrap_or_else(|| {
            let identity = judge();
            if let Identity::Person(person) = &identity {
                verdicts().keep(chain, generation, now, person);
            }
            identity
        })
    }
}

#[derive(Default)]
struct Verdicts {
    generation: u64,
    /// By the chain's digest; with when it was judged.
    people: HashMap<Vec<u8>, (Arc<Person>, SystemTime)>,
}

impl Verdicts {
    /// A clock that was set back asks anew.
    fn find(&self, chain: &[u8], generation: u64, now: SystemTime) -> Option<Identity> {
        let (person, judged) = self.people.get(chain)?;
        (self.generation == generation && *judged <= now && now <= person.not_after)
            .then(|| Identity::Person(Arc::clone(person)))
    }

    fn keep(&mut self, chain: Vec<u8>, generation: u64, now: SystemTime, person: &Arc<Person>) {
        if self.generation != generation || self.people.len() >= REMEMBERED {
            self.generation = generation;
            self.people.clear();
        }
        self.people.insert(chain, (Arc::clone(person), now));
    }
}

fn digest(chain: &[CertificateDer<'static>]) -> Vec<u8> {
    let mut digest = Context::new(&SHA256);
    for certificate in chain {
        digest.update(&certificate.len().to_le_bytes());
        digest.update(certificate);
    }
    digest.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::ProxyKind;

    #[test]
    fn a_verdict_is_remembered_while_it_holds() {
        let now = SystemTime::now();
        let hour = Duration::from_secs(3600);
        let person = Arc::new(Person {
            dn: "/CN=u".to_owned(),
            fqans: Vec::new(),
            not_after: now + hour,
            proxy: ProxyKind::EndEntity,
            notes: Vec::new(),
            scope: None,
        });
        let mut verdicts = Verdicts::default();
        verdicts.keep(vec![1], 0, now, &person);
        assert!(verdicts.find(&[1], 0, now + hour).is_some());
        assert!(verdicts.find(&[2], 0, now).is_none());
        assert!(verdicts.find(&[1], 0, now + 2 * hour).is_none());
        assert!(verdicts.find(&[1], 0, now - hour).is_none());
        // Trust anchors, CRLs or bans were read again.
        assert!(verdicts.find(&[1], 1, now).is_none());
        verdicts.keep(vec![2], 1, now, &person);
        assert!(verdicts.find(&[1], 1, now).is_none());
        for n in 0..2 * REMEMBERED {
            verdicts.keep(n.to_le_bytes().to_vec(), 1, now, &person);
        }
        assert!(verdicts.people.len() <= REMEMBERED);
    }
}
