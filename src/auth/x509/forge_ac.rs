//! Forges VOMS attribute certificates, right and wrong ones, for tests; see `forge`.

use rcgen::PublicKeyData;

use super::asn1::{oid, tag, tlv};
use super::forge::{HOUR, Holder, dn, extension_list, gen_time, signed};
use super::tests_now;

/// The value of the proxy's extension.
pub(crate) fn ac_list(acs: &[Vec<u8>]) -> Vec<u8> {
    let parts: Vec<&[u8]> = acs.iter().map(Vec::as_slice).collect();
    tlv(tag::SEQUENCE, &[&tlv(tag::SEQUENCE, &parts)])
}

/// An attribute certificate before it is signed; a test changes what it likes.
pub(crate) struct Ac {
    pub(crate) holder_name: String,
    pub(crate) holder_serial: Vec<u8>,
    pub(crate) entity: bool,
    pub(crate) issuer: String,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) authority: String,
    pub(crate) fqans: Vec<String>,
    pub(crate) twice: bool,
    pub(crate) extensions: Vec<(Vec<u8>, bool, Vec<u8>)>,
}

impl Ac {
    /// A good one for `holder`, signed by `voms`, of the VO `test.vo` with two FQANs.
    pub(crate) fn of(holder: &Holder, voms: &Holder) -> Self {
        let mut ac = Self {
            holder_name: holder.name.clone(),
            holder_serial: vec![0x11, 0x22],
            entity: false,
            issuer: voms.name.clone(),
            not_before: tests_now() - HOUR,
            not_after: tests_now() + 11 * HOUR,
            authority: "test.vo://voms.example.org:15000".to_owned(),
            fqans: vec!["/test.vo/Role=NULL/Capability=NULL".into(), "/test.vo/Role=admin".into()],
            twice: false,
            extensions: vec![(oid::NO_REV_AVAIL.to_vec(), false, vec![5, 0])],
        };
        ac.from(&[voms]);
        ac
    }

    /// Says that it is from `chain[0]`, whose certificate and those above come along.
    pub(crate) fn from(&mut self, chain: &[&Holder]) {
        use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
        let id = digest(&SHA1_FOR_LEGACY_USE_ONLY, chain[0].key.der_bytes());
        let id = tlv(tag::SEQUENCE, &[&tlv(0x80, &[id.as_ref()])]);
        self.set(oid::AUTHORITY_KEY_ID, false, id);
        let certs: Vec<&[u8]> = chain.iter().map(|one| one.der.as_ref()).collect();
        let certs = tlv(tag::SEQUENCE, &[&tlv(tag::SEQUENCE, &certs)]);
        self.set(oid::VOMS_AA_CERTS, false, certs);
    }

    pub(crate) fn drop(&mut self, oid: &[u8]) {
        self.extensions.retain(|(kind, _, _)| kind != oid);
    }

    pub(crate) fn set(&mut self, oid: &[u8], critical: bool, value: Vec<u8>) {
        self.drop(oid);
        self.extensions.push((oid.to_vec(), critical, value));
    }

    pub(crate) fn target(&mut self, critical: bool, hosts: &[&str]) {
        let targets: Vec<u8> = hosts
            .iter()
            .flat_map(|host| {
                let name = tlv(tag::context(0), &[&tlv(0x86, &[host.as_bytes()])]);
                tlv(tag::SEQUENCE, &[&name])
            })
            .collect();
        self.set(oid::TARGETS, critical, tlv(0x30, &[&tlv(0x30, &[&targets])]));
    }

    pub(crate) fn sign(&self, signer: &rcgen::KeyPair) -> Vec<u8> {
        let general = |name: &str| tlv(tag::context(4), &[&dn(name)]);
        let serial = tlv(tag::INTEGER, &[&self.holder_serial]);
        let holder = if self.entity {
            tlv(tag::context(1), &[&general(&self.holder_name)])
        } else {
            let names = tlv(tag::SEQUENCE, &[&general(&self.holder_name)]);
            tlv(tag::context(0), &[&names, &serial])
        };
        let issuer = tlv(tag::context(0), &[&tlv(tag::SEQUENCE, &[&general(&self.issuer)])]);
        let validity = tlv(tag::SEQUENCE, &[&gen_time(self.not_before), &gen_time(self.not_after)]);
        let fqans: Vec<u8> =
            self.fqans.iter().flat_map(|fqan| tlv(tag::OCTET_STRING, &[fqan.as_bytes()])).collect();
        let authority = tlv(tag::context(0), &[&tlv(0x86, &[self.authority.as_bytes()])]);
        let syntax = tlv(tag::SEQUENCE, &[&authority, &tlv(tag::SEQUENCE, &[&fqans])]);
        let attribute =
            tlv(tag::SEQUENCE, &[&tlv(tag::OID, &[oid::VOMS_FQANS]), &tlv(tag::SET, &[&syntax])]);
        let again: &[u8] = if self.twice { &attribute } else { &[] };
        let attributes = tlv(tag::SEQUENCE, &[&attribute, again]);
        signed(signer, |algorithm| {
            tlv(
                tag::SEQUENCE,
                &[
                    &tlv(tag::INTEGER, &[&[1]]),
                    &tlv(tag::SEQUENCE, &[&holder]),
                    &issuer,
                    algorithm,
                    &tlv(tag::INTEGER, &[&[9]]),
                    &validity,
                    &attributes,
                    &extension_list(&self.extensions),
                ],
            )
        })
    }
}
