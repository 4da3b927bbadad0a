//! Who a certificate chain is: the trust store behind the listener's question.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, SHA256};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::demo::HostIdentity;
use crate::auth::x509::{Trust, delegation};
use crate::config::{Config, Problem};
use crate::listener::{DelegatedCredential, Judge, PendingDelegation};
use crate::model::{Identity, Person};

/// Chains whose verdict is remembered. Clients come back with the same proxy again and again, and its
/// signatures cost a tenth of a handshake.
const REMEMBERED: usize = 4096;

/// Keys made ahead for delegations.
const KEYS_AHEAD: usize = 4;

/// Judges chains by the newest trust anchors.
pub(super) struct Gatekeeper {
    trust: ArcSwap<Trust>,
    generation: AtomicU64,
    remembered: Mutex<Remembered>,
    keys: delegation::KeyPool,
    anchors: PathBuf,
    vomsdir: PathBuf,
    demo_ca: Vec<CertificateDer<'static>>,
    host: String,
}

impl Gatekeeper {
    pub(super) fn load(
        config: &Config,
        identity: &HostIdentity,
    ) -> std::io::Result<(Arc<Self>, Vec<Problem>)> {
        let demo_ca: Vec<_> = identity.demo.iter().map(|demo| demo.ca.clone()).collect();
        let (anchors, vomsdir) = (&config.tls.trust_anchors, &config.tls.vomsdir);
        let (trust, problems) = Trust::load(anchors, vomsdir, &demo_ca, &config.site.host);
        let gatekeeper = Self {
            trust: ArcSwap::from_pointee(trust),
            generation: AtomicU64::new(0),
            remembered: Mutex::default(),
            keys: delegation::KeyPool::start(KEYS_AHEAD)?,
            anchors: anchors.clone(),
            vomsdir: vomsdir.clone(),
            demo_ca,
            host: config.site.host.clone(),
        };
        Ok((Arc::new(gatekeeper), problems))
    }

    /// Reads the directories again. One that was caught half written does not empty the store.
    pub(super) fn reload(&self) -> Vec<Problem> {
        let (trust, problems) =
            Trust::load(&self.anchors, &self.vomsdir, &self.demo_ca, &self.host);
        if trust.ca_count() > self.demo_ca.len() || self.trust.load().ca_count() == trust.ca_count()
        {
            self.trust.store(Arc::new(trust));
            self.generation.fetch_add(1, Ordering::AcqRel);
        } else {
            tracing::warn!("no CA found in {}: the old ones stay", self.anchors.display());
        }
        problems
    }
}

/// The people behind chains, by the chain's digest. Only who was let in: a refusal may be over at any
/// moment, and refused clients shall not push out the others.
#[derive(Default)]
struct Remembered {
    generation: u64,
    people: HashMap<Vec<u8>, (Arc<Person>, SystemTime)>,
}

impl Remembered {
    /// Who was behind that chain by the trust of `generation`, while that holds. A clock that was set
    /// back asks anew.
    fn find(&self, chain: &[u8], generation: u64, now: SystemTime) -> Option<Identity> {
        let (person, judged) = self.people.get(chain)?;
        (self.generation == generation && *judged <= now && now <= person.not_after)
            .then(|| Identity::Person(Arc::clone(person)))
    }

    fn keep(&mut self, chain: Vec<u8>, generation: u64, now: SystemTime, person: &Arc<Person>) {
        if self.generation != generation {
            self.generation = generation;
            self.people.clear();
        }
        if self.people.len() >= REMEMBERED {
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

impl Judge for Gatekeeper {
    fn identity(&self, chain: &[CertificateDer<'static>], now: SystemTime) -> Identity {
        // Read before the trust: at worst, a newer trust's verdict bears an older number.
        let (key, generation) = (digest(chain), self.generation());
        let remembered = || self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = remembered().find(&key, generation, now) {
            return identity;
        }
        let identity = self.judge(chain, now);
        if let Identity::Person(person) = &identity {
            remembered().keep(key, generation, now, person);
        }
        identity
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn delegation(&self) -> BoxFuture<'_, Result<Box<dyn PendingDelegation>, String>> {
        async move {
            let key = self.keys.take().await?;
            let request = delegation::request(&key)?;
            let trust = self.trust.load_full();
            Ok(Box::new(Pending { key, request, trust }) as Box<dyn PendingDelegation>)
        }
        .boxed()
    }
}

impl Gatekeeper {
    fn judge(&self, chain: &[CertificateDer<'static>], now: SystemTime) -> Identity {
        match self.trust.load().judge(chain, now) {
            Ok(judgement) => {
                for note in &judgement.notes {
                    tracing::info!(dn = %judgement.person.dn, "attribute certificate dropped: {note}");
                }
                // Looked at again when an attribute certificate or CRL runs out, not only a
                // certificate.
                let not_after = judgement.person.not_after.min(judgement.review_at);
                Identity::Person(Arc::new(Person { not_after, ..judgement.person }))
            }
            Err(refusal) => Identity::Refused(Arc::new(refusal)),
        }
    }
}

struct Pending {
    key: delegation::Key,
    request: Vec<u8>,
    trust: Arc<Trust>,
}

impl PendingDelegation for Pending {
    fn request(&self) -> &[u8] {
        &self.request
    }

    fn accept(
        self: Box<Self>,
        certificate: CertificateDer<'static>,
        peer: &[CertificateDer<'static>],
        now: SystemTime,
    ) -> Result<DelegatedCredential, String> {
        let delegated = delegation::accept(&certificate, &self.key, peer, &self.trust, now)?;
        let key = PrivateKeyDer::from_pem_slice(delegated.key_pem.as_bytes())
            .map_err(|_| "the delegated key does not read".to_owned())?;
        Ok(DelegatedCredential { chain: delegated.chain, key })
    }
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
        });
        let mut remembered = Remembered::default();
        remembered.keep(vec![1], 0, now, &person);
        assert!(remembered.find(&[1], 0, now + hour).is_some());
        assert!(remembered.find(&[2], 0, now).is_none());
        assert!(remembered.find(&[1], 0, now + 2 * hour).is_none());
        assert!(remembered.find(&[1], 0, now - hour).is_none());
        // Trust anchors, CRLs or bans were read again.
        assert!(remembered.find(&[1], 1, now).is_none());
        remembered.keep(vec![2], 1, now, &person);
        assert!(remembered.find(&[1], 1, now).is_none());
        for n in 0..2 * REMEMBERED {
            remembered.keep(n.to_le_bytes().to_vec(), 1, now, &person);
        }
        assert!(remembered.people.len() <= REMEMBERED);
    }
}
