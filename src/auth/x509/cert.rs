//! One certificate, read once and strictly: every byte of it is accounted for, so that no other reader
//! can see something else in it. Only what the checks need is kept.

use rustls::pki_types::CertificateDer;

use super::der::{DerError, Reader, oid, small_integer, tag, without_zeros};
use super::name::Name;
use super::signature::{PublicKey, Signed};

/// One extension.
#[derive(Clone, Debug)]
pub(crate) struct Extension {
    pub(crate) oid: Vec<u8>,
    pub(crate) critical: bool,
    /// The content of the OCTET STRING.
    pub(crate) value: Vec<u8>,
}

/// keyUsage, as far as anything here asks for it (RFC 5280 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyUsage(u8);

impl KeyUsage {
    pub(crate) fn digital_signature(self) -> bool {
        self.0 & 0x80 != 0
    }

    pub(crate) fn key_cert_sign(self) -> bool {
        self.0 & 0x04 != 0
    }

    pub(crate) fn crl_sign(self) -> bool {
        self.0 & 0x02 != 0
    }
}

/// A certificate.
#[derive(Clone, Debug)]
pub(crate) struct Cert {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) signed: Signed,
    /// 1 or 3.
    pub(crate) version: u32,
    /// Without leading zero bytes.
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: Name,
    pub(crate) subject: Name,
    /// Seconds since 1970.
    pub(crate) not_before: i64,
    /// Seconds since 1970; still valid at that second.
    pub(crate) not_after: i64,
    pub(crate) key: PublicKey,
    pub(crate) extensions: Vec<Extension>,
    /// basicConstraints says CA.
    pub(crate) is_ca: bool,
    /// pathLenConstraint.
    pub(crate) path_len: Option<u32>,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) subject_key_id: Option<Vec<u8>>,
    pub(crate) authority_key_id: Option<Vec<u8>>,
}

impl Cert {
    /// Reads one certificate, all of `der` (RFC 5280 4.1).
    pub(crate) fn parse(der: &[u8]) -> Result<Self, DerError> {
        let signed = Signed::parse(der)?;
        let mut tbs = Reader::sequence(&signed.message)?;
        let version = match tbs.optional(tag::context(0))? {
            Some(explicit) => {
                let mut version = Reader::new(explicit);
                let number = small_integer(version.expect(tag::INTEGER)?)?;
                version.finish()?;
                // v1, v2, v3
                if number > 2 {
                    return Err(DerError);
                }
                number + 1
            }
            None => 1,
        };
        let serial = without_zeros(tbs.expect(tag::INTEGER)?).to_vec();
        if tbs.expect(tag::SEQUENCE)? != signed.algorithm {
            return Err(DerError);
        }
        let issuer = Name::parse(tbs.next()?.whole)?;
        let mut validity = Reader::new(tbs.expect(tag::SEQUENCE)?);
        let not_before = time(&mut validity)?;
        let not_after = time(&mut validity)?;
        validity.finish()?;
        let subject = Name::parse(tbs.next()?.whole)?;
        let key = PublicKey::parse(tbs.next()?.whole)?;
        tbs.optional(tag::context_primitive(1))?;
        tbs.optional(tag::context_primitive(2))?;
        let extensions = match tbs.optional(tag::context(3))? {
            Some(explicit) => extensions(explicit)?,
            None => Vec::new(),
        };
        tbs.finish()?;

        let mut cert = Self {
            der: CertificateDer::from(der.to_vec()),
            signed,
            version,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            key,
            extensions,
            is_ca: false,
            path_len: None,
            key_usage: None,
            subject_key_id: None,
            authority_key_id: None,
        };
        cert.read_extensions()?;
        Ok(cert)
    }

    /// The extension of this type.
    pub(crate) fn extension(&self, oid: &[u8]) -> Option<&Extension> {
        find(&self.extensions, oid)
    }

    /// True when subject and issuer are one name.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// False only when both key identifiers are known and differ.
    pub(crate) fn may_be_issued_by(&self, ca: &Cert) -> bool {
        match (&self.authority_key_id, &ca.subject_key_id) {
            (Some(wanted), Some(got)) => wanted == got,
            _ => true,
        }
    }

    /// The first critical extension whose type is not in `known`, as dotted hex for the message.
    pub(crate) fn unknown_critical(&self, known: &[&[u8]]) -> Option<&Extension> {
        self.extensions.iter().find(|one| one.critical && !known.contains(&one.oid.as_slice()))
    }

    /// The OIDs of extendedKeyUsage; `None` when the extension is absent.
    pub(crate) fn extended_key_usage(&self) -> Result<Option<Vec<&[u8]>>, DerError> {
        let Some(extension) = self.extension(oid::EXTENDED_KEY_USAGE) else { return Ok(None) };
        let mut reader = Reader::sequence(&extension.value)?;
        let mut purposes = Vec::new();
        while !reader.is_empty() {
            purposes.push(reader.expect(tag::OID)?);
        }
        Ok(Some(purposes))
    }

    fn read_extensions(&mut self) -> Result<(), DerError> {
        if let Some(extension) = find(&self.extensions, oid::BASIC_CONSTRAINTS) {
            let mut reader = Reader::sequence(&extension.value)?;
            self.is_ca = matches!(reader.optional(tag::BOOLEAN)?, Some([byte]) if *byte != 0);
            self.path_len = reader.optional(tag::INTEGER)?.map(small_integer).transpose()?;
            reader.finish()?;
        }
        if let Some(extension) = find(&self.extensions, oid::KEY_USAGE) {
            let mut reader = Reader::new(&extension.value);
            let bits = reader.expect(tag::BIT_STRING)?;
            reader.finish()?;
            self.key_usage = Some(KeyUsage(bits.get(1).copied().unwrap_or(0)));
        }
        if let Some(extension) = find(&self.extensions, oid::SUBJECT_KEY_ID) {
            let mut reader = Reader::new(&extension.value);
            self.subject_key_id = Some(reader.expect(tag::OCTET_STRING)?.to_vec());
        }
        if let Some(extension) = find(&self.extensions, oid::AUTHORITY_KEY_ID) {
            let mut reader = Reader::sequence(&extension.value)?;
            self.authority_key_id = reader.optional(tag::context_primitive(0))?.map(<[u8]>::to_vec);
        }
        Ok(())
    }
}

/// Reads `SEQUENCE OF Extension`; each type may come once (RFC 5280 4.2).
pub(crate) fn extensions(der: &[u8]) -> Result<Vec<Extension>, DerError> {
    let mut list = Reader::sequence(der)?;
    let mut extensions: Vec<Extension> = Vec::new();
    while !list.is_empty() {
        let mut one = Reader::new(list.expect(tag::SEQUENCE)?);
        let oid = one.expect(tag::OID)?;
        let critical = match one.optional(tag::BOOLEAN)? {
            Some([byte]) => *byte != 0,
            Some(_) => return Err(DerError),
            None => false,
        };
        let value = one.expect(tag::OCTET_STRING)?;
        one.finish()?;
        if find(&extensions, oid).is_some() || extensions.len() == MAX_EXTENSIONS {
            return Err(DerError);
        }
        extensions.push(Extension { oid: oid.to_vec(), critical, value: value.to_vec() });
    }
    Ok(extensions)
}

pub(crate) fn find<'a>(extensions: &'a [Extension], oid: &[u8]) -> Option<&'a Extension> {
    extensions.iter().find(|one| one.oid == oid)
}

/// The next element, which must be a time: seconds since 1970.
pub(crate) fn time(reader: &mut Reader<'_>) -> Result<i64, DerError> {
    let tlv = reader.next()?;
    let digits = tlv.value.strip_suffix(b"Z").ok_or(DerError)?;
    let (year, rest) = match (tlv.tag, digits.len()) {
        (UTC_TIME, 10 | 12) => {
            let (year, rest) = digits.split_at(2);
            let year = number(year)?;
            // RFC 5280 4.1.2.5.1
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (tag::GENERALIZED_TIME, 14) => {
            let (year, rest) = digits.split_at(4);
            (number(year)?, rest)
        }
        _ => return Err(DerError),
    };
    let mut parts = [0u8; 5];
    for (part, pair) in parts.iter_mut().zip(rest.chunks(2)) {
        *part = u8::try_from(number(pair)?).map_err(|_| DerError)?;
    }
    let [month, day, hour, minute, second] = parts;
    let month = time::Month::try_from(month).map_err(|_| DerError)?;
    let date = time::Date::from_calendar_date(year, month, day).map_err(|_| DerError)?;
    let moment = date.with_hms(hour, minute, second).map_err(|_| DerError)?;
    Ok(moment.assume_utc().unix_timestamp())
}

fn number(digits: &[u8]) -> Result<i32, DerError> {
    digits.iter().try_fold(0i32, |sum, digit| match digit {
        b'0'..=b'9' => Ok(sum * 10 + i32::from(digit - b'0')),
        _ => Err(DerError),
    })
}

const UTC_TIME: u8 = 0x17;
/// Real certificates have about ten.
const MAX_EXTENSIONS: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::der::tlv;
    use super::super::testing::{Holder, gen_time};
    use super::*;

    #[test]
    fn times_are_read_strictly() {
        let read = |tag, text: &[u8]| time(&mut Reader::new(&tlv(tag, &[text])));
        assert_eq!(read(UTC_TIME, b"700101000000Z"), Ok(0));
        assert_eq!(read(UTC_TIME, b"491231235959Z"), Ok(2_524_607_999));
        assert_eq!(read(UTC_TIME, b"7001010000Z"), Ok(0));
        assert_eq!(read(tag::GENERALIZED_TIME, b"20270115080000Z"), Ok(1_800_000_000));
        assert_eq!(time(&mut Reader::new(&gen_time(1_800_000_000))), Ok(1_800_000_000));
        for bad in
            ["70010100000Z", "700101000000", "701301000000Z", "70010100000xZ", "7001010000+1Z"]
        {
            assert_eq!(read(UTC_TIME, bad.as_bytes()), Err(DerError), "{bad}");
        }
    }

    #[test]
    fn an_issued_certificate_reads_back() {
        let ca = Holder::root("/O=Grid/CN=CA");
        let cert = Cert::parse(&ca.issue("/O=Grid/CN=Bob", |_| {}).der).unwrap();
        assert_eq!((cert.subject.line(), cert.issuer.line()), ("/O=Grid/CN=Bob", "/O=Grid/CN=CA"));
        assert_eq!(
            (cert.serial.as_slice(), cert.version, cert.is_ca),
            (&[0x11, 0x22][..], 3, false)
        );
        let usage = cert.key_usage.unwrap();
        assert!(usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign());
    }

    proptest! {
        #[test]
        fn bent_certificates_do_not_panic(at in 0usize..600, byte: u8, cut in 0usize..600) {
            static GOOD: std::sync::LazyLock<Vec<u8>> =
                std::sync::LazyLock::new(|| Holder::root("/O=Grid/CN=CA").der.to_vec());
            let mut der = GOOD.clone();
            let at = at % der.len();
            der[at] = byte;
            let _ = Cert::parse(&der);
            der.truncate(cut);
            let _ = Cert::parse(&der);
        }
    }
}
