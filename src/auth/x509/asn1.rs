//! Tags, object identifiers and a small writer of DER. It stands alone, since the forger of the integration
//! tests is built of it too.

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

/// An integer's digits without leading zero bytes, so that two encoders' serials compare.
pub(crate) fn without_zeros(content: &[u8]) -> &[u8] {
    let zeros = content.iter().take_while(|&&byte| byte == 0).count();
    &content[zeros..]
}
