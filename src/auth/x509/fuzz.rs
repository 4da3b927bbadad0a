//! This room's entries for hostile bytes: see `crate::fuzz`.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;

use super::cert::Cert;
use super::constraints;
use super::crl::Crl;
use super::der::{Reader, oid, tag, tlv};
use super::name::Name;
use super::policy;
use super::proxy::{self, Pair};
use super::signature::Strength;
use super::voms;
use super::{MAX_CHAIN_CERTIFICATES, Trust};
use crate::config::Config;

/// Certificates (or CRLs) one after the other, the leaf first; the last one is trusted.
pub fn chain(bytes: &[u8]) {
    let mut rest = Reader::new(bytes);
    let mut chain = Vec::new();
    while chain.len() <= MAX_CHAIN_CERTIFICATES
        && let Ok(one) = rest.next()
    {
        let _ = Crl::parse(one.whole);
        chain.push(CertificateDer::from(one.whole.to_vec()));
    }
    let certs: Vec<Cert> = chain.iter().filter_map(|der| Cert::parse(der).ok()).collect();
    for pair in certs.windows(2) {
        let [cert, issuer] = pair else { continue };
        let _ = constraints::allow(issuer, cert);
        let _ = cert.extended_key_usage();
        // Pair by pair, since few bent chains get so far in the judge.
        if let Ok(Some(proxy)) = proxy::classify(cert) {
            let above = proxy::classify(issuer).ok().flatten();
            let pair = Pair { issuer, above: above.as_ref(), cert, proxy: &proxy };
            let _ = pair.check(Some(1), Strength::Legacy, cert.not_before);
        }
    }
    let trusted: Vec<_> = chain.last().cloned().into_iter().collect();
    let tls = Config::defaults(Path::new("/nonexistent")).tls;
    let (trust, _) = Trust::load(&tls, &trusted, "se.example.org");
    let _ = trust.judge(&chain, now(&certs));
}

/// The extension of a proxy that holds attribute certificates.
pub fn attribute_certificates(bytes: &[u8]) {
    voms::fuzz(bytes);
}

/// A `<hash>.signing_policy`.
pub fn signing_policy(bytes: &[u8]) {
    policy::fuzz(bytes, policy::parse_signing_policy, &name());
}

/// A `<hash>.namespaces`.
pub fn namespaces(bytes: &[u8]) {
    policy::fuzz(bytes, policy::parse_namespaces, &name());
}

/// When the first certificate holds, so that more than its dates is looked at.
fn now(certs: &[Cert]) -> SystemTime {
    let begin = certs.first().map_or(0, |cert| u64::try_from(cert.not_before).unwrap_or(0));
    SystemTime::UNIX_EPOCH + Duration::from_secs(begin.min(1 << 36) + 60)
}

/// `/CN=aaaa…`
fn name() -> Name {
    let value = tlv(tag::UTF8, &[&[b'a'; 100]]);
    let pair = tlv(tag::SEQUENCE, &[&tlv(tag::OID, &[oid::CN]), &value]);
    let der = tlv(tag::SEQUENCE, &[&tlv(tag::SET, &[&pair])]);
    #[allow(clippy::expect_used)] // We have just made it.
    Name::parse(&der).expect("a name")
}

/// Inputs that reach far: target, file, bytes.
#[cfg(test)]
pub(crate) fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    use super::forge_ac::ac_list;
    use super::testing::*;

    let ca = Holder::root("/C=IT/O=Grid/CN=CA");
    let sub = ca.sub_ca("/C=IT/O=Grid/CN=Sub", |f| {
        let base = tlv(tag::SEQUENCE, &[&tlv(tag::context(4), &[&dn("/C=IT")])]);
        let bases = tlv(tag::SEQUENCE, &[&tlv(tag::context(0), &[&base])]);
        f.set(oid::NAME_CONSTRAINTS, true, bases);
    });
    let user = sub.issue("/C=IT/O=Grid/CN=User/emailAddress=a@b", |f| {
        f.set(oid::EXTENDED_KEY_USAGE, false, extended_key_usage(2));
    });
    let voms = ca.issue("/C=IT/O=Grid/CN=voms", |_| {});
    let mut ac = Ac::of(&user, &voms);
    let good = ac_list(&[ac.sign(&voms.key)]);
    ac.target(true, &["se.example.org"]);
    ac.entity = true;
    let targeted = ac_list(&[ac.sign(&voms.key), ac.sign(&voms.key)]);
    ac.fqans = (0..30).map(|n| format!("/test.vo/group{n}/Role=r/Capability=NULL")).collect();
    let long = ac_list(&[ac.sign(&voms.key)]);
    ac.authority = "../x://h".to_owned();
    let odd = ac_list(&[ac.sign(&voms.key)]);

    let rfc = user.proxy("1", |f| f.set(oid::VOMS_ACS, false, good.clone()));
    let below = rfc.proxy("2", |f| {
        f.set(oid::PROXY_CERT_INFO, true, proxy_info(oid::POLICY_LIMITED, Some(3)));
    });
    let legacy = user.legacy_proxy("limited proxy");
    let list = crl(&ca, &ca.key, &[&[5], &[1, 2]], (NOW - DAY, NOW + DAY), &[]);
    let chain = |holders: &[&Holder]| -> Vec<u8> {
        holders.iter().flat_map(|one| one.der.to_vec()).collect()
    };
    vec![
        ("ac", "good", good),
        ("ac", "targeted", targeted),
        ("ac", "long", long),
        ("ac", "odd", odd),
        ("chain", "rfc", chain(&[&rfc, &user, &sub, &ca])),
        ("chain", "limited", chain(&[&below, &rfc, &user, &sub, &ca])),
        ("chain", "legacy", chain(&[&legacy, &user, &sub, &ca])),
        ("chain", "person", chain(&[&user, &sub, &ca])),
        ("chain", "crl", [list, chain(&[&ca])].concat()),
    ]
}
