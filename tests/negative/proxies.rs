//! Proxies: dates, names, kinds, rights (RFC 3820 and its forerunners).

use crate::world::*;

const ANEW: &str = "make a new one with voms-proxy-init";

/// A proxy of the person that `change` bent is refused; one that nobody bent holds.
#[track_caller]
fn bent(change: fn(&mut Forge), says: &[&str]) {
    let w = World::running();
    w.refused(&[&w.user.proxy("1", change), &w.user], says);
    w.accepted(&[&w.user.proxy("1", |_| {}), &w.user], USER);
}

fn limited(f: &mut Forge) {
    f.set(oid::PROXY_CERT_INFO, true, proxy_info(oid::POLICY_LIMITED, None));
}

#[test]
fn expired() {
    bent(|f| f.not_after = tests_now() - 3 * HOUR, &["your proxy expired 3 h ago", ANEW]);
}

#[test]
fn not_yet_valid() {
    bent(
        |f| f.not_before = tests_now() + 3 * HOUR + 30,
        &["your proxy is valid only in 3 h", "set the clock"],
    );
}

#[test]
fn signed_by_a_wrong_key() {
    bent(|f| f.wrong_key = true, &["was not signed by `/C=IT/O=Forged Grid/CN=Forged User`", ANEW]);
}

#[test]
fn two_cns_more() {
    bent(|f| f.subject = dn(&format!("{USER}/CN=1/CN=2")), &["exactly one CN more", ANEW]);
}

#[test]
fn something_else_than_a_cn_more() {
    bent(|f| f.subject = dn(&format!("{USER}/O=1")), &["exactly one CN more", ANEW]);
}

#[test]
fn somebody_elses_name() {
    bent(
        |f| f.subject = dn("/C=IT/O=Forged Grid/CN=Boss/CN=1"),
        &["exactly one CN more", "/CN=Boss/CN=1`", ANEW],
    );
}

/// A CA may sign a person, never a proxy; nor is one that it signed taken for a person.
#[test]
fn issued_by_a_ca() {
    let w = World::running();
    let proxy = w.ca.issue("/C=IT/O=Forged Grid/CN=Forged User/CN=proxy", |_| {});
    w.refused(&[&proxy, &w.user], &["is not the next certificate of the chain"]);
    w.refused(&[&proxy, &w.ca], &["is a CA: use a person's or a host's certificate"]);
    w.refused(&[&proxy], &["did not come with it: send the whole chain"]);
    w.accepted(&[&w.user.legacy_proxy("proxy"), &w.user], USER);
}

#[test]
fn with_an_alternative_name() {
    bent(
        |f| {
            let names = tlv(tag::SEQUENCE, &[&tlv(0x82, &[b"se.example.org"])]);
            f.set(oid::SUBJECT_ALT_NAME, false, names);
        },
        &["has an alternative name, which is forbidden", ANEW],
    );
}

#[test]
fn more_than_the_path_length() {
    let w = World::running();
    let none_below = |f: &mut Forge| {
        f.set(oid::PROXY_CERT_INFO, true, proxy_info(oid::POLICY_INHERIT_ALL, Some(0)));
    };
    let last = w.user.proxy("1", none_below);
    let more = last.proxy("2", |_| {});
    w.refused(&[&more, &last, &w.user], &["one more than its issuer allows", ANEW]);
    w.accepted(&[&last, &w.user], USER);
}

#[test]
fn full_below_limited() {
    let w = World::running();
    let above = w.user.proxy("1", limited);
    w.refused(&[&above.proxy("2", |_| {}), &above, &w.user], &["full one below a limited", ANEW]);
    w.accepted(&[&above.proxy("2", limited), &above, &w.user], USER);
}

#[test]
fn rfc_below_legacy() {
    let w = World::running();
    let above = w.user.legacy_proxy("proxy");
    w.refused(&[&above.proxy("2", |_| {}), &above, &w.user], &["is of another kind (rfc)", ANEW]);
    w.accepted(&[&above.legacy_proxy("proxy"), &above, &w.user], USER);
}

#[test]
fn unknown_policy_language() {
    bent(
        |f| f.set(oid::PROXY_CERT_INFO, true, proxy_info(&[0x2a, 3, 4], None)),
        &["policy language that is not known here", "make one with voms-proxy-init"],
    );
}

#[test]
fn independent() {
    bent(
        |f| f.set(oid::PROXY_CERT_INFO, true, proxy_info(oid::POLICY_INDEPENDENT, None)),
        &["carries none of your rights", "make one without -independent"],
    );
}
