//! Who a certificate chain is: the trust store behind the listener's question.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::demo::HostIdentity;
use super::remembered::Remembered;
use crate::auth::x509::{Trust, delegation};
use crate::config::{Config, Problem};
use crate::listener::{DelegatedCredential, Judge, PendingDelegation};
use crate::model::{Identity, Person};

/// Keys made ahead for delegations.
const KEYS_AHEAD: usize = 4;

/// Judges chains by the newest trust anchors.
pub(super) struct Gatekeeper {
    trust: ArcSwap<Trust>,
    generation: AtomicU64,
    remembered: Remembered,
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
            remembered: Remembered::default(),
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

impl Judge for Gatekeeper {
    fn identity(&self, chain: &[CertificateDer<'static>], now: SystemTime) -> Identity {
        let judge = || match self.trust.load().judge(chain, now) {
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
        };
        self.remembered.identity(chain, self.generation(), now, judge)
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
