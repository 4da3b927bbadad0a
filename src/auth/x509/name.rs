//! Distinguished names of certificates: how they read (OpenSSL's one-line form), when two are the same, and
//! which file names a trust anchor directory gives them. What people write is compared in `auth::dn`.

use std::fmt::Write;

use super::der::{DerError, Reader, oid, tag, tlv};
use super::md5::md5;
use crate::auth::dn::folded;

/// One distinguished name.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    /// Without the outer header: text as UTF-8, lower case, white space trimmed and folded. Equal names
    /// have equal bytes here whichever string types and capitals their writers chose (RFC 5280 7.1; the
    /// same form that OpenSSL hashes).
    canonical: Vec<u8>,
    /// Length of `canonical` without the last RDN.
    parent_len: usize,
    rdns: usize,
    /// The value of the last RDN, where that is a single CN.
    last_cn: Option<String>,
    line: String,
    /// Length of `line` without the last RDN.
    parent_line: usize,
    /// No other name reads the same.
    plain: bool,
    /// The values of emailAddress.
    mails: Vec<String>,
    der: Vec<u8>,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Name {}

impl Name {
    /// Reads a DER `Name`, all of `der`: `SEQUENCE OF SET OF SEQUENCE { type, value }`.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, DerError> {
        let mut this = Self {
            canonical: Vec::new(),
            parent_len: 0,
            rdns: 0,
            last_cn: None,
            line: String::new(),
            parent_line: 0,
            plain: true,
            mails: Vec::new(),
            der: der.to_vec(),
        };
        let mut rdns = Reader::sequence(der)?;
        while !rdns.is_empty() {
            let mut rdn = Reader::new(rdns.expect(tag::SET)?);
            this.parent_len = this.canonical.len();
            this.parent_line = this.line.len();
            this.rdns += 1;
            let mut pairs = Vec::new();
            let mut common = None;
            while !rdn.is_empty() || pairs.is_empty() {
                let mut pair = Reader::new(rdn.expect(tag::SEQUENCE)?);
                let kind = pair.expect(tag::OID)?;
                let value = pair.next()?;
                pair.finish()?;
                let text = decode(value.tag, value.value);
                // As OpenSSL since 3.0: the values of one RDN stand together.
                this.line.push(if pairs.is_empty() { '/' } else { '+' });
                pairs.push(canonical_pair(kind, value.tag, value.value, text.as_deref()));
                this.plain &= text.as_deref().is_some_and(is_plain);
                push_label(&mut this.line, kind);
                this.line.push('=');
                push_value(&mut this.line, text.as_deref(), value.value);
                if kind == oid::EMAIL {
                    this.mails.extend(text.clone());
                }
                common = text.filter(|_| kind == oid::CN);
            }
            this.last_cn = common.filter(|_| pairs.len() == 1);
            pairs.sort();
            let parts: Vec<&[u8]> = pairs.iter().map(Vec::as_slice).collect();
            this.canonical.extend(tlv(tag::SET, &parts));
        }
        Ok(this)
    }

    /// `/DC=ch/DC=cern/CN=Name`: what the grid calls the DN. Control characters are written `\xHH`. A
    /// slash inside a value stands as it is (`CN=host/se.example`), as every grid-mapfile has it.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// False when [`Name::line`] could be that of another name: one CN `x/CN=y` reads like two. Rights
    /// go by the line, so that nobody may be let in under such a name.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// The same without the last RDN.
    pub(crate) fn parent_line(&self) -> &str {
        &self.line[..self.parent_line]
    }

    /// The mail addresses in it.
    pub(crate) fn mails(&self) -> &[String] {
        &self.mails
    }

    /// The key under which equal names meet.
    pub(crate) fn key(&self) -> &[u8] {
        &self.canonical
    }

    /// True for the name without any RDN.
    pub(crate) fn is_empty(&self) -> bool {
        self.rdns == 0
    }

    /// The last RDN's value where that is a single CN.
    pub(crate) fn last_cn(&self) -> Option<&str> {
        self.last_cn.as_deref()
    }

    /// True when `self` is `parent` plus one RDN that holds one CN (RFC 3820 3.4).
    pub(crate) fn is_one_cn_below(&self, parent: &Name) -> bool {
        self.last_cn.is_some()
            && self.rdns == parent.rdns + 1
            && self.canonical[..self.parent_len] == parent.canonical
    }

    /// True when `self` lies in the subtree of `base` (RFC 5280 4.2.1.10, directoryName).
    pub(crate) fn is_within(&self, base: &Name) -> bool {
        // RDNs are whole DER elements, so that a prefix of bytes is a prefix of RDNs.
        self.canonical.starts_with(&base.canonical)
    }

    /// `HHHHHHHH` of `openssl x509 -subject_hash`.
    pub(crate) fn hash(&self) -> String {
        use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.canonical);
        hash_text(digest.as_ref())
    }

    /// `HHHHHHHH` of `openssl x509 -subject_hash_old`.
    pub(crate) fn old_hash(&self) -> String {
        hash_text(&md5(&self.der))
    }
}

/// True for a value that can be told from what stands around it in the one-line form.
fn is_plain(value: &str) -> bool {
    let bytes = value.as_bytes();
    !bytes.iter().enumerate().any(|(at, &byte)| match byte {
        b'/' | b'+' => begins_with_label(&bytes[at + 1..]),
        // A control character is written so.
        b'\\' => matches!(bytes[at + 1..], [b'x', high, low, ..]
            if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
        _ => false,
    })
}

fn begins_with_label(bytes: &[u8]) -> bool {
    let length = bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'.').count();
    length > 0 && bytes.get(length) == Some(&b'=')
}

fn hash_text(digest: &[u8]) -> String {
    digest.iter().take(4).rev().fold(String::with_capacity(8), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn canonical_pair(kind: &[u8], tag: u8, raw: &[u8], text: Option<&str>) -> Vec<u8> {
    let value = match text {
        // NumericString is the one text type that OpenSSL leaves alone.
        Some(text) if tag != NUMERIC => tlv(tag::UTF8, &[folded(text).as_bytes()]),
        _ => tlv(tag, &[raw]),
    };
    tlv(tag::SEQUENCE, &[&tlv(tag::OID, &[kind]), &value])
}

/// The text of a string type; `None` for other types and for broken text.
fn decode(tag: u8, raw: &[u8]) -> Option<String> {
    match tag {
        tag::UTF8 | PRINTABLE | IA5 | VISIBLE | NUMERIC => {
            std::str::from_utf8(raw).ok().map(str::to_owned)
        }
        // Everybody writes Latin-1 in it.
        T61 => Some(raw.iter().map(|&byte| char::from(byte)).collect()),
        BMP if raw.len().is_multiple_of(2) => {
            let units = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<String, _>>().ok()
        }
        UNIVERSAL if raw.len().is_multiple_of(4) => raw
            .chunks_exact(4)
            .map(|unit| char::from_u32(u32::from_be_bytes([unit[0], unit[1], unit[2], unit[3]])))
            .collect(),
        _ => None,
    }
}

fn push_value(line: &mut String, text: Option<&str>, raw: &[u8]) {
    match text {
        Some(text) => {
            for c in text.chars() {
                if c.is_control() {
                    let mut bytes = [0; 4];
                    for byte in c.encode_utf8(&mut bytes).bytes() {
                        let _ = write!(line, "\\x{byte:02X}");
                    }
                } else {
                    line.push(c);
                }
            }
        }
        None => {
            for &byte in raw {
                if (b' '..=b'~').contains(&byte) {
                    line.push(char::from(byte));
                } else {
                    let _ = write!(line, "\\x{byte:02X}");
                }
            }
        }
    }
}

/// OpenSSL's short names; other types as dotted numbers.
fn push_label(line: &mut String, kind: &[u8]) {
    let label = match kind {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 4] => "SN",
        [0x55, 4, 5] => "serialNumber",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 9] => "street",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x55, 4, 12] => "title",
        [0x55, 4, 13] => "description",
        [0x55, 4, 17] => "postalCode",
        [0x55, 4, 41] => "name",
        [0x55, 4, 42] => "GN",
        [0x55, 4, 43] => "initials",
        [0x55, 4, 46] => "dnQualifier",
        [0x55, 4, 65] => "pseudonym",
        oid::EMAIL => "emailAddress",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2] => "unstructuredName",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        _ => {
            push_dotted(line, kind);
            return;
        }
    };
    line.push_str(label);
}

fn push_dotted(line: &mut String, kind: &[u8]) {
    let mut arc = 0u64;
    let mut first = true;
    for &byte in kind {
        // An arc beyond 64 bits wraps: it is only shown.
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if first {
            let top = (arc / 40).min(2);
            let _ = write!(line, "{top}.{}", arc - top * 40);
            first = false;
        } else {
            let _ = write!(line, ".{arc}");
        }
        arc = 0;
    }
}

const NUMERIC: u8 = 18;
const PRINTABLE: u8 = 19;
const T61: u8 = 20;
const IA5: u8 = 22;
const VISIBLE: u8 = 26;
const UNIVERSAL: u8 = 28;
const BMP: u8 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const O: &[u8] = &[0x55, 4, 10];

    /// Type, string tag, value.
    type Pair<'a> = (&'a [u8], u8, &'a [u8]);

    fn name(rdns: &[&[Pair<'_>]]) -> Name {
        let mut content = Vec::new();
        for rdn in rdns {
            let pairs: Vec<Vec<u8>> = rdn
                .iter()
                .map(|(kind, tag, value)| {
                    tlv(tag::SEQUENCE, &[&tlv(tag::OID, &[kind]), &tlv(*tag, &[value])])
                })
                .collect();
            let parts: Vec<&[u8]> = pairs.iter().map(Vec::as_slice).collect();
            content.extend(tlv(tag::SET, &parts));
        }
        Name::parse(&tlv(tag::SEQUENCE, &[&content])).unwrap()
    }

    #[test]
    fn reads_as_openssl_writes_it() {
        let dc: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25];
        let email: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
        let odd: &[u8] = &[0x2a, 3, 4];
        let dn = name(&[
            &[(dc, IA5, b"ch")],
            &[(O, T61, b"Caf\xe9"), (oid::CN, tag::UTF8, "Jos\u{e9}\n".as_bytes())],
            &[(email, IA5, b"a@b"), (odd, PRINTABLE, b"x")],
        ]);
        assert_eq!(dn.line(), "/DC=ch/O=Caf\u{e9}+CN=Jos\u{e9}\\x0A/emailAddress=a@b+1.2.3.4=x");
        assert_eq!(dn.parent_line(), "/DC=ch/O=Caf\u{e9}+CN=Jos\u{e9}\\x0A");
        assert_eq!(dn.last_cn(), None);
    }

    /// The values are OpenSSL 3.0's, of certificates with these subjects.
    #[test]
    fn hash_names_are_those_of_openssl() {
        let c: &[u8] = &[0x55, 4, 6];
        let dc: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25];
        let email: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
        let plain = name(&[
            &[(c, PRINTABLE, b"IT")],
            &[(O, tag::UTF8, b"Test Grid")],
            &[(oid::CN, tag::UTF8, b"Test CA")],
        ]);
        assert_eq!((plain.hash(), plain.old_hash()), ("578d37c1".into(), "282b3e23".into()));
        let odd = name(&[
            &[(dc, IA5, b"org")],
            &[(dc, IA5, b"Example")],
            &[(O, tag::UTF8, "\u{dc}n\u{ef}  Grid ".as_bytes())],
            &[(oid::CN, tag::UTF8, b"Some CA")],
            &[(email, IA5, b"A@B.org")],
        ]);
        assert_eq!((odd.hash(), odd.old_hash()), ("05e4b342".into(), "91c412a0".into()));
    }

    #[test]
    fn compares_by_value() {
        let printable = name(&[&[(O, PRINTABLE, b"Test  Grid")], &[(oid::CN, PRINTABLE, b"Bob")]]);
        let utf8 = name(&[&[(O, tag::UTF8, b" test grid ")], &[(oid::CN, BMP, b"\0b\0O\0b")]]);
        let other = name(&[&[(O, tag::UTF8, b"test grid")], &[(oid::CN, tag::UTF8, b"bobo")]]);
        assert_eq!(printable, utf8);
        assert_ne!(printable, other);
    }

    #[test]
    fn exactly_one_cn_below() {
        let eec: &[Pair<'_>] = &[(oid::CN, tag::UTF8, b"Bob")];
        let cn: &[Pair<'_>] = &[(oid::CN, PRINTABLE, b"proxy")];
        let org: &[Pair<'_>] = &[(O, PRINTABLE, b"proxy")];
        let two: &[Pair<'_>] = &[(oid::CN, PRINTABLE, b"proxy"), (O, PRINTABLE, b"proxy")];
        let parent = name(&[eec]);
        assert!(name(&[eec, cn]).is_one_cn_below(&parent));
        for bad in [name(&[eec]), name(&[eec, cn, cn]), name(&[eec, org]), name(&[eec, two])] {
            assert!(!bad.is_one_cn_below(&parent), "{}", bad.line());
        }
        assert!(!name(&[cn, cn]).is_one_cn_below(&parent));
        assert!(name(&[eec, org]).is_within(&parent));
        assert!(!name(&[org]).is_within(&parent));
    }

    #[test]
    fn names_that_read_like_others_are_not_plain() {
        let of =
            |kind, value: &[u8]| name(&[&[(O, PRINTABLE, b"Grid")], &[(kind, tag::UTF8, value)]]);
        let two = name(&[
            &[(O, PRINTABLE, b"Grid")],
            &[(oid::CN, PRINTABLE, b"x")],
            &[(oid::CN, PRINTABLE, b"y")],
        ]);
        let one = of(oid::CN, b"x/CN=y");
        assert_eq!(one.line(), two.line());
        assert!(two.is_plain() && !one.is_plain());
        let joined = name(&[&[(O, PRINTABLE, b"a"), (oid::CN, PRINTABLE, b"b")]]);
        let split = name(&[&[(O, PRINTABLE, b"a")], &[(oid::CN, PRINTABLE, b"b")]]);
        assert!(joined.is_plain() && joined.line() != split.line());
        for value in
            ["host/se.example", "a/b c=d", "1+1", "http://h/?a=b", "Caf\u{e9}", "a\\b", "x\n"]
        {
            assert!(of(oid::CN, value.as_bytes()).is_plain(), "{value}");
        }
        for value in ["/CN=y", "x/1.2.3=y", "x+O=y", "x/emailAddress=a@b", "a//CN=b", "x\\x0A"] {
            assert!(!of(oid::CN, value.as_bytes()).is_plain(), "{value}");
        }
        // No text: shown as the bytes it has, which may be another's text.
        assert!(!name(&[&[(oid::CN, tag::OCTET_STRING, b"Bob")]]).is_plain());
        assert!(!name(&[&[(oid::CN, tag::UTF8, b"Bob\xff")]]).is_plain());
    }
}
