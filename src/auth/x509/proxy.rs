//! Proxy certificates: RFC 3820, the Globus draft before it and the legacy kind before that.
//!
//! A certificate says by itself whether it means to be a proxy; whether it is one follows from the
//! certificate that issued it. What looks like a proxy is never taken for an end entity: a CA that
//! signs `CN=proxy` makes no person of that name.

use super::cert::Cert;
use super::der::{DerError, Reader, oid, small_integer, tag};
use super::path::critical;
use super::signature::{SignatureError, Strength};
use super::when::{GRACE, span};
use crate::model::ProxyKind;

/// Which of the three kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rfc,
    Draft,
    Legacy,
}

/// What a proxy says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    kind: Kind,
    limited: bool,
    /// pCPathLenConstraint: how many proxies may follow.
    path_len: Option<u32>,
}

impl Proxy {
    /// For the identity.
    pub(crate) fn kind(&self) -> ProxyKind {
        let limited = self.limited;
        match self.kind {
            Kind::Rfc => ProxyKind::Rfc { limited },
            Kind::Draft => ProxyKind::Draft { limited },
            Kind::Legacy => ProxyKind::Legacy { limited },
        }
    }
}

/// True when `cert` means to be a proxy, well made or not.
pub(crate) fn claims_to_be(cert: &Cert) -> bool {
    cert.extension(oid::PROXY_CERT_INFO).is_some()
        || cert.extension(oid::DRAFT_PROXY_CERT_INFO).is_some()
        || legacy(cert).is_some()
}

/// Reads what a proxy says of itself; `None` for a certificate that is none.
///
/// # Errors
/// A proxy that can grant nothing, or is badly made.
pub(crate) fn classify(cert: &Cert) -> Result<Option<Proxy>, String> {
    let rfc = cert.extension(oid::PROXY_CERT_INFO);
    let draft = cert.extension(oid::DRAFT_PROXY_CERT_INFO);
    let (kind, extension) = match (rfc, draft) {
        (Some(_), Some(_)) => return Err(anew("the proxy is of two kinds at once".to_owned())),
        (Some(rfc), None) if !rfc.critical => {
            return Err(anew("the proxy's proxyCertInfo is not critical (RFC 3820)".to_owned()));
        }
        (Some(rfc), None) => (Kind::Rfc, rfc),
        (None, Some(draft)) => (Kind::Draft, draft),
        (None, None) => {
            return Ok(legacy(cert).map(|limited| Proxy {
                kind: Kind::Legacy,
                limited,
                path_len: None,
            }));
        }
    };
    let info = CertInfo::parse(&extension.value, kind)
        .map_err(|_| anew("the proxy's proxyCertInfo cannot be read".to_owned()))?;
    let limited = match info.language {
        oid::POLICY_INHERIT_ALL if info.has_policy && kind == Kind::Rfc => {
            return Err(anew("the proxy's policy must be empty (RFC 3820 3.8.2)".to_owned()));
        }
        oid::POLICY_INHERIT_ALL => false,
        oid::POLICY_LIMITED => true,
        oid::POLICY_INDEPENDENT => {
            return Err(
                "the proxy is an independent one, which carries none of your rights: make \
                        one without -independent"
                    .to_owned(),
            );
        }
        _ => {
            return Err("the proxy has a policy language that is not known here: make one with \
                        voms-proxy-init"
                .to_owned());
        }
    };
    Ok(Some(Proxy { kind, limited, path_len: info.path_len }))
}

/// How many more proxies may follow below, `None` without a bound.
pub(crate) type Depth = Option<u32>;

/// A proxy and the certificate that issued it.
pub(crate) struct Pair<'a> {
    pub(crate) issuer: &'a Cert,
    /// The issuer's own proxy data, `None` for the end entity.
    pub(crate) above: Option<&'a Proxy>,
    pub(crate) cert: &'a Cert,
    pub(crate) proxy: &'a Proxy,
}

impl Pair<'_> {
    /// Checks the proxy against its issuer, and returns the depth that is left below.
    ///
    /// # Errors
    /// The rule that is broken (RFC 3820 3 and 4.1; canl's for the older kinds), for the person.
    pub(crate) fn check(
        &self,
        depth: Depth,
        strength: Strength,
        now: i64,
    ) -> Result<Depth, String> {
        let &Self { issuer, above, cert, proxy } = self;
        let name = cert.subject.line();
        if issuer.is_ca {
            return Err(anew(format!(
                "`{name}` is a proxy that a CA issued, and only a person's certificate may do that"
            )));
        }
        if issuer.subject.is_empty() || cert.issuer != issuer.subject {
            return Err(anew(format!(
                "the issuer of the proxy `{name}` is not the next certificate of the chain, `{}`",
                issuer.subject.line()
            )));
        }
        if !cert.subject.is_one_cn_below(&issuer.subject) {
            return Err(anew(format!(
                "the proxy's name `{name}` is not its issuer's name and exactly one CN more"
            )));
        }
        if cert.is_ca {
            return Err(anew(format!("the proxy `{name}` says that it is a CA")));
        }
        for alternative in [oid::SUBJECT_ALT_NAME, oid::ISSUER_ALT_NAME] {
            if cert.extension(alternative).is_some() {
                return Err(anew(format!(
                    "the proxy `{name}` has an alternative name, which is forbidden"
                )));
            }
        }
        if let Some(extension) = cert.unknown_critical(KNOWN_CRITICAL) {
            return Err(anew(critical(name, &extension.oid)));
        }
        check_usage(issuer, cert)?;
        if let Some(above) = above {
            if above.kind != proxy.kind {
                return Err(anew(format!(
                    "the proxy `{name}` is of another kind ({}) than the proxy above it ({})",
                    proxy.kind(),
                    above.kind()
                )));
            }
            if above.limited && !proxy.limited {
                return Err(anew(format!("the proxy `{name}` is a full one below a limited one")));
            }
        }
        if depth == Some(0) {
            return Err(anew(format!(
                "the proxy `{name}` is one more than its issuer allows (pCPathLenConstraint)"
            )));
        }
        check_dates(cert, now)?;
        issuer.key.verify(&cert.signed, strength).map_err(|error| match error {
        SignatureError::Mismatch => {
            format!(
                "the proxy `{name}` was not signed by `{}`: its signature is forged or damaged, \
                 make a new one with voms-proxy-init",
                issuer.subject.line()
            )
        }
        error => error.explain(
            &format!("the proxy `{name}`"),
            "make a new one with voms-proxy-init",
        ),
    })?;
        Ok(match (depth.map(|left| left - 1), proxy.path_len) {
            (Some(left), Some(own)) => Some(left.min(own)),
            (left, own) => left.or(own),
        })
    }
}

fn check_usage(issuer: &Cert, cert: &Cert) -> Result<(), String> {
    let name = cert.subject.line();
    if issuer.key_usage.is_some_and(|usage| !usage.digital_signature()) {
        return Err(anew(format!(
            "`{}` may not sign proxies (keyUsage lacks digitalSignature)",
            issuer.subject.line()
        )));
    }
    if cert.key_usage.is_some_and(|usage| !usage.digital_signature() || usage.key_cert_sign()) {
        return Err(anew(format!("the keyUsage of the proxy `{name}` does not suit a proxy")));
    }
    let purposes = cert
        .extended_key_usage()
        .map_err(|_| anew(format!("the proxy `{name}` cannot be read (extendedKeyUsage)")))?;
    if purposes.is_some_and(|list| !list.iter().any(|one| CLIENT_PURPOSES.contains(one))) {
        return Err(anew(format!(
            "the proxy `{name}` is not meant for a client (extendedKeyUsage lacks clientAuth)"
        )));
    }
    Ok(())
}

fn check_dates(cert: &Cert, now: i64) -> Result<(), String> {
    if now > cert.not_after.saturating_add(GRACE) {
        let ago = span(now - cert.not_after);
        return Err(format!("your proxy expired {ago} ago: make a new one with voms-proxy-init"));
    }
    if now < cert.not_before.saturating_sub(GRACE) {
        let ahead = span(cert.not_before - now);
        return Err(format!(
            "your proxy is valid only in {ahead}: set the clock of the machine that made it"
        ));
    }
    Ok(())
}

/// A cause with the remedy that helps against whatever is wrong with a proxy.
fn anew(cause: String) -> String {
    cause + ": make a new one with voms-proxy-init"
}

/// `Some(limited)` when the last CN is that of a legacy proxy.
fn legacy(cert: &Cert) -> Option<bool> {
    match cert.subject.last_cn()?.to_ascii_lowercase().as_str() {
        "proxy" => Some(false),
        "limited proxy" => Some(true),
        _ => None,
    }
}

struct CertInfo<'a> {
    path_len: Option<u32>,
    language: &'a [u8],
    has_policy: bool,
}

impl<'a> CertInfo<'a> {
    /// RFC 3820: `SEQUENCE { INTEGER OPTIONAL, policy }`. The draft had the policy first and the length
    /// after it as `[1]`; writers of both orders were seen.
    fn parse(der: &'a [u8], kind: Kind) -> Result<Self, DerError> {
        let mut info = Reader::sequence(der)?;
        let mut path_len = info.optional(tag::INTEGER)?.map(small_integer).transpose()?;
        let mut policy = Reader::new(info.expect(tag::SEQUENCE)?);
        if kind == Kind::Draft
            && path_len.is_none()
            && let Some(explicit) = info.optional(tag::context(1))?
        {
            let mut inner = Reader::new(explicit);
            path_len = Some(small_integer(inner.expect(tag::INTEGER)?)?);
            inner.finish()?;
        }
        info.finish()?;
        let language = policy.expect(tag::OID)?;
        let has_policy = policy.optional(tag::OCTET_STRING)?.is_some();
        policy.finish()?;
        Ok(Self { path_len, language, has_policy })
    }
}

const KNOWN_CRITICAL: &[&[u8]] = &[
    oid::KEY_USAGE,
    oid::BASIC_CONSTRAINTS,
    oid::EXTENDED_KEY_USAGE,
    oid::CERTIFICATE_POLICIES,
    oid::NS_CERT_TYPE,
    oid::PROXY_CERT_INFO,
    oid::DRAFT_PROXY_CERT_INFO,
    oid::VOMS_ACS,
];

/// clientAuth and any.
const CLIENT_PURPOSES: &[&[u8]] = &[&[0x2b, 6, 1, 5, 5, 7, 3, 2], &[0x55, 29, 37, 0]];
