//! A bounded reader and a small writer of DER. Certificates are read with it too, since no library
//! reads proxyCertInfo and attribute certificates. The reader never recurses by itself.

/// DER tags used in this room.
pub(crate) mod tag {
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTF8: u8 = 0x0c;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[n]`, constructed.
    pub(crate) const fn context(n: u8) -> u8 {
        0xa0 | n
    }

    /// `[n]`, primitive.
    pub(crate) const fn context_primitive(n: u8) -> u8 {
        0x80 | n
    }
}

/// Object identifiers, as the content octets of their encoding.
pub(crate) mod oid {
    pub(crate) const CN: &[u8] = &[0x55, 4, 3];
    /// emailAddress, PKCS#9.
    pub(crate) const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
    /// RFC 3820 proxyCertInfo, 1.3.6.1.5.5.7.1.14.
    pub(crate) const PROXY_CERT_INFO: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 14];
    /// Globus draft proxyCertInfo, 1.3.6.1.4.1.3536.1.222.
    pub(crate) const DRAFT_PROXY_CERT_INFO: &[u8] = &[0x2b, 6, 1, 4, 1, 0x9b, 0x50, 1, 0x81, 0x5e];
    /// 1.3.6.1.5.5.7.21.1
    pub(crate) const POLICY_INHERIT_ALL: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 21, 1];
    /// 1.3.6.1.5.5.7.21.2
    pub(crate) const POLICY_INDEPENDENT: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 21, 2];
    /// Globus, 1.3.6.1.4.1.3536.1.1.1.9.
    pub(crate) const POLICY_LIMITED: &[u8] = &[0x2b, 6, 1, 4, 1, 0x9b, 0x50, 1, 1, 1, 9];
    /// The list of attribute certificates in a proxy, 1.3.6.1.4.1.8005.100.100.5.
    pub(crate) const VOMS_ACS: &[u8] = &[0x2b, 6, 1, 4, 1, 0xbe, 0x45, 100, 100, 5];
    /// The attribute that holds the FQANs, 1.3.6.1.4.1.8005.100.100.4.
    pub(crate) const VOMS_FQANS: &[u8] = &[0x2b, 6, 1, 4, 1, 0xbe, 0x45, 100, 100, 4];
    /// The attribute authority's certificates in an AC, 1.3.6.1.4.1.8005.100.100.10.
    pub(crate) const VOMS_AA_CERTS: &[u8] = &[0x2b, 6, 1, 4, 1, 0xbe, 0x45, 100, 100, 10];
    pub(crate) const SUBJECT_KEY_ID: &[u8] = &[0x55, 29, 14];
    pub(crate) const KEY_USAGE: &[u8] = &[0x55, 29, 15];
    pub(crate) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 29, 17];
    pub(crate) const ISSUER_ALT_NAME: &[u8] = &[0x55, 29, 18];
    pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 29, 19];
    pub(crate) const DELTA_CRL: &[u8] = &[0x55, 29, 27];
    pub(crate) const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 29, 28];
    pub(crate) const NAME_CONSTRAINTS: &[u8] = &[0x55, 29, 30];
    pub(crate) const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 29, 31];
    pub(crate) const CERTIFICATE_POLICIES: &[u8] = &[0x55, 29, 32];
    pub(crate) const POLICY_MAPPINGS: &[u8] = &[0x55, 29, 33];
    pub(crate) const AUTHORITY_KEY_ID: &[u8] = &[0x55, 29, 35];
    pub(crate) const POLICY_CONSTRAINTS: &[u8] = &[0x55, 29, 36];
    pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 29, 37];
    pub(crate) const INHIBIT_ANY_POLICY: &[u8] = &[0x55, 29, 54];
    pub(crate) const TARGETS: &[u8] = &[0x55, 29, 55];
    pub(crate) const NO_REV_AVAIL: &[u8] = &[0x55, 29, 56];
    /// nsCertType, 2.16.840.1.113730.1.1: old CAs mark it critical.
    pub(crate) const NS_CERT_TYPE: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 1, 1];
}

/// The bytes are not the DER that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the expected DER")]
pub(crate) struct DerError;

/// One element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlv<'a> {
    pub(crate) tag: u8,
    /// The content.
    pub(crate) value: &'a [u8],
    /// Tag, length and content.
    pub(crate) whole: &'a [u8],
}

/// Reads one level of elements, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The content of the one `SEQUENCE` that `bytes` must be.
    pub(crate) fn sequence(bytes: &'a [u8]) -> Result<Self, DerError> {
        let mut outer = Self::new(bytes);
        let value = outer.expect(tag::SEQUENCE)?;
        outer.finish()?;
        Ok(Self::new(value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element. Lengths are definite and minimal, tags are one byte (DER).
    pub(crate) fn next(&mut self) -> Result<Tlv<'a>, DerError> {
        let (&tag, after) = self.rest.split_first().ok_or(DerError)?;
        let (&first, after) = after.split_first().ok_or(DerError)?;
        if tag & 0x1f == 0x1f {
            return Err(DerError);
        }
        let (length, body) = match first {
            0..=0x7f => (usize::from(first), after),
            0x81..=0x84 => {
                let (digits, body) =
                    after.split_at_checked(usize::from(first & 0x7f)).ok_or(DerError)?;
                let length = digits.iter().fold(0u64, |sum, &digit| sum << 8 | u64::from(digit));
                if digits.first() == Some(&0) || length < 0x80 {
                    return Err(DerError);
                }
                (usize::try_from(length).map_err(|_| DerError)?, body)
            }
            _ => return Err(DerError),
        };
        let (value, rest) = body.split_at_checked(length).ok_or(DerError)?;
        let whole = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        Ok(Tlv { tag, value, whole })
    }

    /// The content of the next element, which must bear this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], DerError> {
        let tlv = self.next()?;
        if tlv.tag == tag { Ok(tlv.value) } else { Err(DerError) }
    }

    /// The content of the next element if it bears this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, DerError> {
        if self.rest.first() == Some(&tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }

    /// Nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), DerError> {
        if self.is_empty() { Ok(()) } else { Err(DerError) }
    }
}

/// The content of an `INTEGER` that is not negative and fits.
pub(crate) fn small_integer(content: &[u8]) -> Result<u32, DerError> {
    match content {
        [] => Err(DerError),
        [first, ..] if first & 0x80 != 0 => Err(DerError),
        _ => {
            let digits = without_zeros(content);
            if digits.len() > 4 {
                return Err(DerError);
            }
            Ok(digits.iter().fold(0, |sum, &digit| sum << 8 | u32::from(digit)))
        }
    }
}

/// The content of a `BIT STRING` of whole bytes.
pub(crate) fn whole_bits(content: &[u8]) -> Result<&[u8], DerError> {
    match content.split_first() {
        Some((0, bits)) => Ok(bits),
        _ => Err(DerError),
    }
}

/// An integer's digits without leading zero bytes, so that two encoders' serials compare.
pub(crate) fn without_zeros(content: &[u8]) -> &[u8] {
    let zeros = content.iter().take_while(|&&byte| byte == 0).count();
    &content[zeros..]
}

/// Writes one element around `parts`.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let digits = (length as u64).to_be_bytes();
        let digits = without_zeros(&digits);
        out.push(0x80 | digits.len() as u8);
        out.extend_from_slice(digits);
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_it_writes() {
        for length in [0usize, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7u8; length];
            let written = tlv(tag::OCTET_STRING, &[&content]);
            let mut reader = Reader::new(&written);
            assert_eq!(reader.expect(tag::OCTET_STRING).unwrap(), content);
            reader.finish().unwrap();
        }
    }

    #[test]
    fn refuses_what_is_not_der() {
        let bad: [&[u8]; 7] = [
            &[0x30],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 0x05, 0, 0, 0, 0, 0],
            &[0x30, 0x82, 0x00, 0x81],
            &[0x30, 2, 0],
            &[0x1f, 0x81, 1, 0],
            &[0x30, 0x85, 1, 0, 0, 0, 0],
        ];
        for bytes in bad {
            assert!(Reader::new(bytes).next().is_err(), "{bytes:02x?}");
        }
        assert_eq!(small_integer(&[0, 0xff]).unwrap(), 255);
        assert!(small_integer(&[0xff]).is_err());
        assert!(small_integer(&[1, 0, 0, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(tlv) = reader.next() {
                prop_assert!(tlv.whole.len() >= tlv.value.len() + 2);
            }
        }
    }
}
