//! Forges certificates and CRLs, right and wrong ones, for tests. DER by hand, because no library makes the
//! wrong ones. The integration tests build this file too, so that it uses nothing of the crate but what
//! `super` must have: `asn1`, and the seconds since 1970 that are the tests' now.

use rcgen::{KeyPair, PublicKeyData, SigningKey};
use rustls::pki_types::CertificateDer;

use super::asn1::{oid, tag, tlv};
use super::tests_now;

pub(crate) const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A certificate before it is signed; a test changes what it likes.
pub(crate) struct Forge {
    /// `v3` is 2.
    pub(crate) version: u8,
    pub(crate) serial: Vec<u8>,
    /// DER.
    pub(crate) subject: Vec<u8>,
    /// DER.
    pub(crate) issuer: Vec<u8>,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) extensions: Vec<(Vec<u8>, bool, Vec<u8>)>,
    pub(crate) wrong_key: bool,
}

impl Forge {
    /// Adds an extension, or replaces the one of this type.
    pub(crate) fn set(&mut self, oid: &[u8], critical: bool, value: Vec<u8>) {
        self.drop(oid);
        self.extensions.push((oid.to_vec(), critical, value));
    }

    pub(crate) fn drop(&mut self, oid: &[u8]) {
        self.extensions.retain(|(kind, _, _)| kind != oid);
    }

    fn sign(&self, spki: &[u8], signer: &KeyPair) -> CertificateDer<'static> {
        let version = tlv(tag::context(0), &[&tlv(tag::INTEGER, &[&[self.version]])]);
        let validity = tlv(tag::SEQUENCE, &[&gen_time(self.not_before), &gen_time(self.not_after)]);
        let extensions = tlv(tag::context(3), &[&extension_list(&self.extensions)]);
        let parts: Vec<&[u8]> = vec![
            if self.version == 0 { &[] } else { &version },
            &[],
            &self.issuer,
            &validity,
            &self.subject,
            spki,
            if self.extensions.is_empty() { &[] } else { &extensions },
        ];
        let serial = tlv(tag::INTEGER, &[&self.serial]);
        let wrong = KeyPair::generate().unwrap();
        signed(if self.wrong_key { &wrong } else { signer }, |algorithm| {
            let mut head = vec![parts[0], serial.as_slice(), algorithm];
            head.extend(&parts[2..]);
            tlv(tag::SEQUENCE, &head)
        })
        .into()
    }
}

/// Somebody with a key and a certificate.
pub(crate) struct Holder {
    pub(crate) name: String,
    pub(crate) key: KeyPair,
    pub(crate) der: CertificateDer<'static>,
}

impl Holder {
    /// A self-signed CA.
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(name, KeyPair::generate().unwrap(), |_| {})
    }

    pub(crate) fn root_with(name: &str, key: KeyPair, change: impl FnOnce(&mut Forge)) -> Self {
        let mut forge = forge(name, name);
        forge.not_after = tests_now() + 3650 * DAY;
        forge.set(oid::BASIC_CONSTRAINTS, true, basic_constraints(true, None));
        forge.set(oid::KEY_USAGE, true, key_usage(0x06));
        change(&mut forge);
        let der = forge.sign(&key.subject_public_key_info(), &key);
        Self { name: name.to_owned(), key, der }
    }

    /// Issues an end entity certificate, or what `change` makes of it.
    pub(crate) fn issue(&self, name: &str, change: impl FnOnce(&mut Forge)) -> Self {
        self.issue_for(KeyPair::generate().unwrap(), name, change)
    }

    pub(crate) fn issue_for(
        &self,
        key: KeyPair,
        name: &str,
        change: impl FnOnce(&mut Forge),
    ) -> Self {
        let mut forge = forge(name, &self.name);
        forge.set(oid::BASIC_CONSTRAINTS, true, basic_constraints(false, None));
        forge.set(oid::KEY_USAGE, true, key_usage(0xa0));
        change(&mut forge);
        let der = forge.sign(&key.subject_public_key_info(), &self.key);
        Self { name: name.to_owned(), key, der }
    }

    /// Issues a CA.
    pub(crate) fn sub_ca(&self, name: &str, change: impl FnOnce(&mut Forge)) -> Self {
        self.issue(name, |forge| {
            forge.set(oid::BASIC_CONSTRAINTS, true, basic_constraints(true, None));
            forge.set(oid::KEY_USAGE, true, key_usage(0x06));
            change(forge);
        })
    }

    /// Issues an RFC proxy of full rights, or what `change` makes of it.
    pub(crate) fn proxy(&self, cn: &str, change: impl FnOnce(&mut Forge)) -> Self {
        self.proxy_for(KeyPair::generate().unwrap(), cn, change)
    }

    pub(crate) fn proxy_for(
        &self,
        key: KeyPair,
        cn: &str,
        change: impl FnOnce(&mut Forge),
    ) -> Self {
        let mut forge = self.proxy_forge(cn);
        change(&mut forge);
        let der = forge.sign(&key.subject_public_key_info(), &self.key);
        Self { name: format!("{}/CN={cn}", self.name), key, der }
    }

    /// A proxy for a key that somebody else holds (SubjectPublicKeyInfo, DER): what a client answers to a
    /// request to delegate.
    pub(crate) fn delegate(&self, spki: &[u8], cn: &str) -> CertificateDer<'static> {
        self.proxy_forge(cn).sign(spki, &self.key)
    }

    fn proxy_forge(&self, cn: &str) -> Forge {
        let name = format!("{}/CN={cn}", self.name);
        let mut forge = forge(&name, &self.name);
        forge.not_before = tests_now() - HOUR;
        forge.not_after = tests_now() + 12 * HOUR;
        forge.set(oid::KEY_USAGE, true, key_usage(0xa0));
        forge.set(oid::PROXY_CERT_INFO, true, proxy_info(oid::POLICY_INHERIT_ALL, None));
        forge
    }

    /// A legacy proxy; `cn` is `proxy` or `limited proxy`.
    pub(crate) fn legacy_proxy(&self, cn: &str) -> Self {
        self.proxy(cn, |forge| {
            forge.drop(oid::PROXY_CERT_INFO);
        })
    }
}

fn forge(subject: &str, issuer: &str) -> Forge {
    Forge {
        version: 2,
        serial: vec![0x11, 0x22],
        subject: dn(subject),
        issuer: dn(issuer),
        not_before: tests_now() - 30 * DAY,
        not_after: tests_now() + 300 * DAY,
        extensions: Vec::new(),
        wrong_key: false,
    }
}

/// The chain that TLS would give.
pub(crate) fn chain(holders: &[&Holder]) -> Vec<CertificateDer<'static>> {
    holders.iter().map(|one| one.der.clone()).collect()
}

/// `/O=Grid/CN=Bob` as DER, UTF8Strings.
pub(crate) fn dn(line: &str) -> Vec<u8> {
    dn_of(line, tag::UTF8)
}

/// With values of this string type.
pub(crate) fn dn_of(line: &str, string: u8) -> Vec<u8> {
    let rdns: Vec<u8> = line
        .split('/')
        .skip(1)
        .flat_map(|part| {
            let (label, value) = part.split_once('=').unwrap();
            let kind: &[u8] = match label {
                "CN" => oid::CN,
                "O" => &[0x55, 4, 10],
                "C" => &[0x55, 4, 6],
                "emailAddress" => oid::EMAIL,
                _ => panic!("label {label}"),
            };
            let pair = [tlv(tag::OID, &[kind]), tlv(string, &[value.as_bytes()])];
            tlv(tag::SET, &[&tlv(tag::SEQUENCE, &[&pair[0], &pair[1]])])
        })
        .collect();
    tlv(tag::SEQUENCE, &[&rdns])
}

pub(crate) fn gen_time(seconds: i64) -> Vec<u8> {
    let time = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let (date, clock) = (time.date(), time.time());
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    );
    tlv(tag::GENERALIZED_TIME, &[text.as_bytes()])
}

pub(crate) fn basic_constraints(ca: bool, path_len: Option<u8>) -> Vec<u8> {
    let ca = if ca { tlv(tag::BOOLEAN, &[&[0xff]]) } else { Vec::new() };
    let path_len = path_len.map_or(Vec::new(), |most| tlv(tag::INTEGER, &[&[most]]));
    tlv(tag::SEQUENCE, &[&ca, &path_len])
}

/// `0x80` digitalSignature, `0x20` keyEncipherment, `0x04` keyCertSign, `0x02` cRLSign.
pub(crate) fn key_usage(bits: u8) -> Vec<u8> {
    tlv(tag::BIT_STRING, &[&[0, bits]])
}

pub(crate) fn extended_key_usage(last_arc: u8) -> Vec<u8> {
    let purpose = tlv(tag::OID, &[&[0x2b, 6, 1, 5, 5, 7, 3, last_arc]]);
    tlv(tag::SEQUENCE, &[&purpose])
}

pub(crate) fn proxy_info(language: &[u8], path_len: Option<u8>) -> Vec<u8> {
    let path_len = path_len.map_or(Vec::new(), |most| tlv(tag::INTEGER, &[&[most]]));
    let policy = tlv(tag::SEQUENCE, &[&tlv(tag::OID, &[language])]);
    tlv(tag::SEQUENCE, &[&path_len, &policy])
}

pub(crate) fn extension_list(extensions: &[(Vec<u8>, bool, Vec<u8>)]) -> Vec<u8> {
    let list: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, critical, value)| {
            let critical = if *critical { tlv(tag::BOOLEAN, &[&[0xff]]) } else { Vec::new() };
            let value = tlv(tag::OCTET_STRING, &[value]);
            tlv(tag::SEQUENCE, &[&tlv(tag::OID, &[kind]), &critical, &value])
        })
        .collect();
    tlv(tag::SEQUENCE, &[&list])
}

/// Signs what `message` makes, which gets the AlgorithmIdentifier.
pub(crate) fn signed(signer: &KeyPair, message: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let algorithm: Vec<u8> = if signer.algorithm() == &rcgen::PKCS_RSA_SHA256 {
        let sha256_rsa = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
        tlv(tag::SEQUENCE, &[&tlv(tag::OID, &[&sha256_rsa]), &[5, 0]])
    } else {
        let sha256_ecdsa = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
        tlv(tag::SEQUENCE, &[&tlv(tag::OID, &[&sha256_ecdsa])])
    };
    let message = message(&algorithm);
    let signature = signer.sign(&message).unwrap();
    tlv(tag::SEQUENCE, &[&message, &algorithm, &tlv(tag::BIT_STRING, &[&[0], &signature])])
}

/// A CRL of `ca` over `serials`.
pub(crate) fn crl(
    ca: &Holder,
    signer: &KeyPair,
    serials: &[&[u8]],
    (this_update, next_update): (i64, i64),
    extensions: &[(Vec<u8>, bool, Vec<u8>)],
) -> Vec<u8> {
    let entries: Vec<u8> = serials
        .iter()
        .flat_map(|serial| {
            tlv(tag::SEQUENCE, &[&tlv(tag::INTEGER, &[serial]), &gen_time(this_update)])
        })
        .collect();
    let entries = if serials.is_empty() { Vec::new() } else { tlv(tag::SEQUENCE, &[&entries]) };
    let extensions = if extensions.is_empty() {
        Vec::new()
    } else {
        tlv(tag::context(0), &[&extension_list(extensions)])
    };
    signed(signer, |algorithm| {
        tlv(
            tag::SEQUENCE,
            &[
                &tlv(tag::INTEGER, &[&[1]]),
                algorithm,
                &dn(&ca.name),
                &gen_time(this_update),
                &gen_time(next_update),
                &entries,
                &extensions,
            ],
        )
    })
}
