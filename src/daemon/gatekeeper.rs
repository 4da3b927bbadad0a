//! Who a certificate chain or a password is: the trust store, and the core, behind the listener's question.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::OnceCell;

use super::demo::HostIdentity;
use super::remembered::Remembered;
use crate::auth::x509::{Trust, delegation};
use crate::config::{Config, Problem};
use crate::listener::{DelegatedCredential, Judge, PendingDelegation};
use crate::model::{Identity, Person, Refusal};
use crate::srm::Srm;

/// Keys made ahead for delegations.
const KEYS_AHEAD: usize = 4;

/// As clients write it, with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Judges chains by the newest trust anchors.
pub(super) struct Gatekeeper {
    /// Knows who has which password.
    srm: Srm,
    trust: ArcSwap<Trust>,
    generation: AtomicU64,
    remembered: Remembered,
    keys: delegation::KeyPool,
    /// The certificate request for everybody who is refused: see [`Vain`].
    vain: OnceCell<Arc<[u8]>>,
}

impl Gatekeeper {
    pub(super) fn new(trust: Trust, srm: Srm) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            srm,
            trust: ArcSwap::from_pointee(trust),
            generation: AtomicU64::new(0),
            remembered: Remembered::default(),
            keys: delegation::KeyPool::start(KEYS_AHEAD)?,
            vain: OnceCell::new(),
        }))
    }

    /// Reads the directories that the configuration names, the first time or once more. The demo CA
    /// is trusted only while its host certificate is in use.
    pub(super) fn read(
        last: Option<&Self>,
        config: &Config,
        identity: &HostIdentity,
    ) -> (Trust, Vec<Problem>) {
        let demo_ca: Vec<_> = identity.demo.iter().map(|demo| demo.ca.clone()).collect();
        let (tls, host) = (&config.tls, &config.site.host);
        match last {
            None => Trust::load(tls, &demo_ca, host),
            Some(last) => last.trust.load().reload(tls, &demo_ca, host),
        }
    }

    /// Judges by this from now on, also on connections that live.
    pub(super) fn take(&self, new: Trust) {
        self.trust.store(Arc::new(new));
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl Judge for Gatekeeper {
    fn identity(&self, chain: &[CertificateDer<'static>], now: SystemTime) -> Identity {
        let judge = || match self.trust.load().judge(chain, now) {
            Ok(judgement) => {
                for note in &judgement.person.notes {
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

    fn password<'a>(&'a self, credentials: &'a str, peer: IpAddr) -> BoxFuture<'a, Identity> {
        async move {
            let decoded = BASE64.decode(credentials).ok();
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            match decoded.as_deref().and_then(|text| text.split_once(':')) {
                Some((user, password)) => self.srm.sign_in(user, password, peer).await,
                None => {
                    let why = "the Authorization header does not read: Basic and user:password in base64, \
                               as UTF-8, were expected";
                    Identity::Refused(Arc::new(Refusal::new(None, why.to_owned())))
                }
            }
        }
        .boxed()
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn delegation<'a>(
        &'a self,
        chain: &'a [CertificateDer<'static>],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Box<dyn PendingDelegation>, String>> {
        async move {
            if let Err(refusal) = self.trust.load().judge(chain, now) {
                let request = self.nobodys_request().await?;
                let why = refusal.why;
                return Ok(Box::new(Vain { request, why }) as Box<dyn PendingDelegation>);
            }
            let key = self.keys.take().await?;
            let request = delegation::request(&key)?;
            let trust = self.trust.load_full();
            Ok(Box::new(Pending { key, request, trust }) as Box<dyn PendingDelegation>)
        }
        .boxed()
    }
}

impl Gatekeeper {
    /// A request for a key that is thrown away.
    async fn nobodys_request(&self) -> Result<Arc<[u8]>, String> {
        let made = self.vain.get_or_try_init(async || {
            let request = delegation::request(&self.keys.take().await?)?;
            Ok::<_, String>(Arc::from(request))
        });
        made.await.cloned()
    }
}

/// The delegation of somebody who is refused anyway: it goes its way, since the client hears nothing
/// before its end, but no key is made for it: anybody can show a certificate of their own making.
struct Vain {
    request: Arc<[u8]>,
    why: String,
}

impl PendingDelegation for Vain {
    fn request(&self) -> &[u8] {
        &self.request
    }

    fn accept(
        self: Box<Self>,
        _: CertificateDer<'static>,
        _: &[CertificateDer<'static>],
        _: SystemTime,
    ) -> Result<DelegatedCredential, String> {
        Err(self.why)
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
