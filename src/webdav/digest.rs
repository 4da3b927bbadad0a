//! Checksums in headers. Asked for by `Want-Digest` (RFC 3230) and `Want-Repr-Digest` (RFC 9530), told
//! by `Digest` and `Repr-Digest`; and what a client says its body has, in one of five headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, StatusCode};

use super::reply::Refusal;
use super::reply::text;
use crate::model::{Algorithm, Digests};
use crate::srm::ErrorKind;

/// RFC 3230 4.3.2; the name of the header both ways.
const DIGEST: HeaderName = HeaderName::from_static("digest");
/// RFC 9530 3; the name of the header both ways.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The headers that say something about what was sent. Those that speak of the whole file, not of the
/// body, are no word about a part.
const CLAIMS: [(&str, Form, bool); 5] = [
    ("digest", Form::Rfc3230, true),
    ("repr-digest", Form::Rfc9530, true),
    ("content-digest", Form::Rfc9530, false),
    ("content-md5", Form::ContentMd5, false),
    ("oc-checksum", Form::OwnCloud, true),
];

/// How a header writes checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `adler32=03da0195,md5=<base64>`
    Rfc3230,
    /// `sha-256=:<base64>:, adler=:<base64>:`
    Rfc9530,
    /// `<base64>`
    ContentMd5,
    /// `SHA1:<hex>`
    OwnCloud,
}

/// What a client wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    digest: Option<Algorithm>,
    repr: Option<Algorithm>,
}

impl Wishes {
    /// Of each header the algorithm it likes best; among equals the strongest.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let rfc3230 = |parameters: &str| match parameters.trim() {
            "" => Some(1.0),
            q => q.strip_prefix("q=")?.trim().parse().ok(),
        };
        let digest = items(headers, "want-digest").filter_map(|wish| {
            let (name, parameters) = wish.split_once(';').unwrap_or((wish, ""));
            Some((by_name(Form::Rfc3230, name)?, rfc3230(parameters)?))
        });
        let repr = items(headers, "want-repr-digest").filter_map(|wish| {
            let (name, weight) = wish.split_once('=')?;
            let weight = weight.trim().parse::<u8>().ok().filter(|weight| *weight <= 10)?;
            Some((by_name(Form::Rfc9530, name)?, f32::from(weight)))
        });
        Self { digest: best(digest), repr: best(repr) }
    }

    /// What has to be known to answer.
    pub(super) fn algorithms(self) -> impl Iterator<Item = Algorithm> {
        self.digest.into_iter().chain(self.repr.filter(|repr| Some(*repr) != self.digest))
    }

    /// Tells what is wanted and known.
    pub(super) fn tell(self, known: &Digests, headers: &mut HeaderMap) {
        for (header, form, wish) in
            [(DIGEST, Form::Rfc3230, self.digest), (REPR_DIGEST, Form::Rfc9530, self.repr)]
        {
            let Some((algorithm, hex)) = wish.and_then(|one| Some((one, known.get(&one)?))) else {
                continue;
            };
            headers.insert(header, text(&written(form, algorithm, hex)));
        }
    }
}

/// What a client says its body has.
#[derive(Debug, Default)]
pub(super) struct Claims {
    claims: Vec<(&'static str, Algorithm, String)>,
}

impl Claims {
    /// Of the headers, or of the trailers. Algorithms that are not known here are passed over. A value
    /// that is none: 400. So is, with a `part`, one that speaks of the whole file.
    pub(super) fn of(headers: &HeaderMap, part: bool) -> Result<Self, Refusal> {
        let mut claims = Vec::new();
        for (header, form, of_file) in CLAIMS {
            for item in items(headers, header) {
                let (name, value) = match form {
                    Form::ContentMd5 => ("MD5", item),
                    Form::OwnCloud => item.split_once(':').unwrap_or((item, "")),
                    Form::Rfc3230 | Form::Rfc9530 => item.split_once('=').unwrap_or((item, "")),
                };
                let Some(algorithm) = by_name(form, name) else { continue };
                if part && of_file {
                    return Err(bad(format!(
                        "{header} speaks of the whole file, and this is a part: use Content-Digest"
                    )));
                }
                let hex = read(form, algorithm, value.trim()).ok_or_else(|| {
                    bad(format!("the {header} header holds no {}", algorithm.name()))
                })?;
                claims.push((header, algorithm, hex));
            }
        }
        Ok(Self { claims })
    }

    /// What has to be computed to judge them.
    pub(super) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.claims.iter().map(|(_, algorithm, _)| *algorithm)
    }

    /// 400 where one does not hold. What was not computed is passed over.
    pub(super) fn judge(&self, found: &Digests) -> Result<(), Refusal> {
        for (header, algorithm, claimed) in &self.claims {
            let Some(found) = found.get(algorithm).filter(|found| *found != claimed) else {
                continue;
            };
            return Err(bad(format!(
                "what came has {} {found}, not the one of the {header} header: send it again",
                algorithm.name()
            )));
        }
        Ok(())
    }
}

/// True when the head announces checksums behind the body: only then is known what to compute.
pub(super) fn in_trailer(headers: &HeaderMap) -> bool {
    items(headers, "trailer")
        .any(|field| CLAIMS.iter().any(|(header, ..)| field.eq_ignore_ascii_case(header)))
}

/// As `Digest` would tell all of them.
pub(super) fn rfc3230(digests: &Digests) -> String {
    let each = digests.iter().map(|(algorithm, hex)| written(Form::Rfc3230, *algorithm, hex));
    each.collect::<Vec<_>>().join(",")
}

/// As ownCloud's servers tell all of them.
pub(super) fn own_cloud(digests: &Digests) -> String {
    let each = digests.iter().map(|(algorithm, hex)| written(Form::OwnCloud, *algorithm, hex));
    each.collect::<Vec<_>>().join(" ")
}

fn written(form: Form, algorithm: Algorithm, hex: &str) -> String {
    let name = name(form, algorithm);
    match (form, algorithm) {
        (Form::OwnCloud, _) => format!("{}:{hex}", name.to_ascii_uppercase()),
        (Form::Rfc3230, Algorithm::Adler32) => format!("{name}={hex}"),
        (Form::Rfc3230 | Form::ContentMd5, _) => format!("{name}={}", STANDARD.encode(bytes(hex))),
        (Form::Rfc9530, _) => format!("{name}=:{}:", STANDARD.encode(bytes(hex))),
    }
}

/// The items of a list, over all lines of a header.
fn items<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// The one with the highest weight above 0.
fn best(wishes: impl Iterator<Item = (Algorithm, f32)>) -> Option<Algorithm> {
    let wanted = wishes.filter(|(_, weight)| *weight > 0.0);
    let better = |one: &(Algorithm, f32), other: &(Algorithm, f32)| {
        one.1.total_cmp(&other.1).then(one.0.cmp(&other.0))
    };
    wanted.max_by(better).map(|(algorithm, _)| algorithm)
}

const fn name(form: Form, algorithm: Algorithm) -> &'static str {
    match (form, algorithm) {
        (Form::Rfc9530, Algorithm::Adler32) => "adler",
        (Form::OwnCloud, Algorithm::Sha1) => "SHA1",
        (Form::OwnCloud, Algorithm::Sha256) => "SHA256",
        (Form::OwnCloud, Algorithm::Sha512) => "SHA512",
        (_, Algorithm::Sha1) => "sha",
        (_, algorithm) => algorithm.name(),
    }
}

fn by_name(form: Form, text: &str) -> Option<Algorithm> {
    let text = text.trim();
    Algorithm::ALL.into_iter().find(|one| name(form, *one).eq_ignore_ascii_case(text))
}

/// A value as hex digits.
fn read(form: Form, algorithm: Algorithm, value: &str) -> Option<String> {
    let short = matches!(algorithm, Algorithm::Adler32 | Algorithm::Crc32c);
    match form {
        Form::OwnCloud => algorithm.hex(value),
        // Clients leave out zeros in front.
        Form::Rfc3230 if short && (1..=8).contains(&value.len()) && !value.ends_with('=') => {
            algorithm.hex(&format!("{value:0>8}"))
        }
        Form::Rfc3230 | Form::ContentMd5 => decode(algorithm, value),
        // Parameters may follow.
        Form::Rfc9530 => {
            let (value, _) = value.split_once(';').unwrap_or((value, ""));
            decode(algorithm, value.trim().strip_prefix(':')?.strip_suffix(':')?)
        }
    }
}

fn decode(algorithm: Algorithm, value: &str) -> Option<String> {
    let bytes = STANDARD.decode(value).ok().filter(|bytes| bytes.len() == algorithm.bytes())?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Of hex digits of our own.
fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).filter_map(pair).collect()
}

fn bad(why: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srm::Hasher;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap())).collect()
    }

    fn digests() -> Digests {
        let mut hasher = Hasher::new(Algorithm::ALL);
        hasher.update(b"abc");
        hasher.finish()
    }

    #[test]
    fn wishes() {
        use Algorithm::{Adler32, Md5, Sha1, Sha256, Sha512};
        for (value, wanted) in [
            ("ADLER32", Some(Adler32)),
            ("md5;q=0.3, adler32;q=0.5", Some(Adler32)),
            ("adler32;q=0", None),
            ("adler32;q=0, md5;q=0.001", Some(Md5)),
            ("adler32, SHA, md5", Some(Sha1)),
            ("sha-256;q=1.0,sha-512", Some(Sha512)),
            ("xadler32, unixsum", None),
            ("md5;level=1", None),
        ] {
            assert_eq!(Wishes::of(&headers(&[("want-digest", value)])).digest, wanted, "{value}");
        }
        for (value, wanted) in [
            ("sha-256=10, adler=1", Some(Sha256)),
            ("sha-256=0, adler=1", Some(Adler32)),
            ("sha-256=11", None),
            ("sha-256", None),
            ("adler32=3", None),
            ("sha=2, md5=3", Some(Md5)),
        ] {
            let wishes = Wishes::of(&headers(&[("want-repr-digest", value)]));
            assert_eq!(wishes.repr, wanted, "{value}");
        }
    }

    #[test]
    fn answers() {
        let told = |wanted: &str, wanted_repr: &str| {
            let wishes = [("want-digest", wanted), ("want-repr-digest", wanted_repr)];
            let mut told = HeaderMap::new();
            Wishes::of(&headers(&wishes)).tell(&digests(), &mut told);
            let text = |name| told.get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
            (text(DIGEST), text(REPR_DIGEST))
        };
        let (digest, repr) = told("adler32", "md5=1");
        assert_eq!(digest, "adler32=024d0127");
        assert_eq!(repr, "md5=:kAFQmDzST7DWlj99KOF/cg==:");
        let (digest, repr) = told("sha", "adler=3");
        assert_eq!(digest, "sha=qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        assert_eq!(repr, "adler=:Ak0BJw==:");
        assert_eq!(told("x", ""), (String::new(), String::new()));
    }

    #[test]
    fn claims() {
        let judged = |name, value: &str, part| {
            let claims = Claims::of(&headers(&[(name, value)]), part);
            claims.and_then(|claims| claims.judge(&digests())).map_err(|r| r.status.as_u16())
        };
        for (name, holds, fails, no_value) in [
            ("digest", "ADLER32=024D0127", "adler32=1", "adler32=xyz"),
            ("digest", "unknown=1, adler32=24d0127", "sha-256=1,adler32=024d0128", "adler32="),
            ("digest", "md5=kAFQmDzST7DWlj99KOF/cg==", "md5=AAAAAAAAAAAAAAAAAAAAAA==", "md5=abc"),
            ("digest", "crc32c=NksxtA==", "crc32c=364b3fb8", "crc32c=+1"),
            ("repr-digest", "adler=:Ak0BJw==:", "adler=:AAAAAA==:", "adler=Ak0BJw=="),
            ("content-digest", "md5=:kAFQmDzST7DWlj99KOF/cg==:;x=1", "adler=:AAAAAA==:", "sha=::"),
            ("content-md5", "kAFQmDzST7DWlj99KOF/cg==", "AAAAAAAAAAAAAAAAAAAAAA==", "abc"),
            (
                "oc-checksum",
                "SHA1:a9993e364706816aba3e25717850c26c9cd0d89d",
                "ADLER32:00000001",
                "MD5:abc",
            ),
        ] {
            let crc = digests()[&Algorithm::Crc32c].clone();
            let holds = holds.replace("NksxtA==", &crc);
            assert_eq!(judged(name, &holds, false), Ok(()), "{name}: {holds}");
            assert_eq!(judged(name, fails, false), Err(400), "{name}: {fails}");
            assert_eq!(judged(name, no_value, false), Err(400), "{name}: {no_value}");
            let of_body = name.starts_with("content-");
            assert_eq!(judged(name, &holds, true).is_ok(), of_body, "{name}");
        }
        assert_eq!(judged("digest", "unixsum=5, x", true), Ok(()));
    }

    #[test]
    fn properties() {
        let mut few = digests();
        few.retain(|one, _| matches!(one, Algorithm::Adler32 | Algorithm::Md5 | Algorithm::Sha1));
        assert_eq!(
            own_cloud(&few),
            "ADLER32:024d0127 MD5:900150983cd24fb0d6963f7d28e17f72 \
             SHA1:a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(
            rfc3230(&few),
            "adler32=024d0127,md5=kAFQmDzST7DWlj99KOF/cg==,sha=qZk+NkcGgWq6PiVxeFDCbJzQ2J0="
        );
    }

    #[test]
    fn trailers() {
        assert!(in_trailer(&headers(&[("trailer", "x, Repr-Digest")])));
        assert!(!in_trailer(&headers(&[("trailer", "x")])));
    }
}
