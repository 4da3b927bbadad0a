//! People's certificates and the CAs above them: dates, policies, revocation, chains, names.

use crate::common::soap;
use crate::world::*;

#[test]
fn expired() {
    let w = World::running();
    let old = w.ca.issue(USER, |f| f.not_after = tests_now() - 3 * DAY);
    let says = ["expired 3 days ago", "get a new one from your CA"];
    w.refused(&[&old], &says);
    // A proxy that is still good does not help.
    w.refused(&[&old.proxy("1", |_| {}), &old], &says);
    w.accepted(&[&w.user], USER);
}

#[test]
fn not_yet_valid() {
    let w = World::running();
    let early = w.ca.issue(USER, |f| f.not_before = tests_now() + 3 * HOUR + 30);
    w.refused(&[&early], &["is valid only in 3 h: wait, or check the clock"]);
    w.accepted(&[&w.user], USER);
}

#[test]
fn outside_the_signing_policy() {
    let w = World::running();
    let stranger = w.ca.issue("/C=IT/O=Other Grid/CN=Bob", |_| {});
    let says =
        ["may not certify the name `/C=IT/O=Other Grid/CN=Bob`", "signing_policy): ask your CA"];
    w.refused(&[&stranger], &says);
    w.refused(&[&stranger.proxy("1", |_| {}), &stranger], &says);
    w.accepted(&[&w.user.proxy("1", |_| {}), &w.user], USER);
}

#[test]
fn outside_the_namespaces() {
    let mut w = World::new();
    let text = "TO Issuer SELF PERMIT Subject \"/C=IT/O=Forged Grid/.*\"\n\
                TO Issuer SELF DENY Subject \".*/CN=Mallory\"\n";
    w.file(&w.ca, "namespaces", text.as_bytes());
    w.start("");
    let denied = w.ca.issue("/C=IT/O=Forged Grid/CN=Mallory", |_| {});
    w.refused(&[&denied], &["may not certify the name", "namespaces): ask your CA"]);
    w.accepted(&[&w.user], USER);
}

#[test]
fn a_ca_without_policy() {
    let mut w = World::new();
    w.file(
        &w.ca,
        "signing_policy",
        b"access_id_CA X509 '/CN=Other'\npos_rights globus CA:sign\ncond_subjects globus '*'\n",
    );
    w.start("");
    let says =
        ["says which names the CA `/C=IT/O=Forged Grid/CN=Forged CA`", "ask the site to install"];
    w.refused(&[&w.user], &says);
    w.start("namespaces = \"ignore\"");
    w.accepted(&[&w.user], USER);
}

#[test]
fn a_policy_that_cannot_be_read() {
    let mut w = World::new();
    w.file(&w.ca, "signing_policy", b"# ours\naccess_id_CA X509 '/C=IT\n");
    w.start("");
    w.refused(&[&w.user], &["signing_policy, line 2): ask the site to mend it"]);
    let log = w.storm().log();
    assert!(log.contains("signing_policy:2: ") && log.contains("no closing '"), "{log:.2000}");
    w.signing_policy(&w.ca, "/C=IT/*");
    w.start("");
    w.accepted(&[&w.user], USER);
}

#[test]
fn revoked() {
    let mut w = World::new();
    w.crl(&[&[0x11, 0x22]], -DAY, DAY);
    w.start("");
    let says = ["was revoked by its CA: get a new one"];
    w.refused(&[&w.user], &says);
    w.refused(&[&w.user.proxy("1", |_| {}), &w.user], &says);
    w.accepted(&[&w.ca.issue(USER, |f| f.serial = vec![0x11, 0x23])], USER);
}

#[test]
fn expired_crl() {
    let mut w = World::new();
    w.crl(&[], -3 * DAY, -DAY);
    for mode in ["", "crl = \"require\""] {
        w.start(mode);
        w.refused(&[&w.user], &["is out of date: ask the site to run fetch-crl"]);
    }
    w.start("crl = \"ignore\"");
    w.accepted(&[&w.user], USER);
    w.crl(&[], -3 * DAY, DAY);
    w.start("");
    w.accepted(&[&w.user], USER);
}

#[test]
fn missing_crl() {
    let mut w = World::new();
    w.start("crl = \"require\"");
    w.refused(
        &[&w.user],
        &["there is no revocation list of the CA", "ask the site to run fetch-crl"],
    );
    w.crl(&[], -DAY, DAY);
    w.start("crl = \"require\"");
    w.accepted(&[&w.user], USER);
}

#[test]
fn rollover_with_the_same_subject() {
    let mut w = World::new();
    let newer = Holder::root(CA);
    let user = newer.issue(USER, |_| {});
    w.start("");
    w.refused(&[&user], &["was not signed by the CA", "ask the site to update its trust anchors"]);
    // Not even with its CA along: what counts stands in the directory.
    w.refused(&[&user, &newer], &["was not signed by the CA"]);
    w.anchor(&newer, "1");
    w.start("");
    w.accepted(&[&user], USER);
    w.accepted(&[&w.user], USER);
}

#[test]
fn unknown_ca() {
    let w = World::running();
    let stranger = Holder::root("/C=IT/O=Nowhere/CN=CA");
    let user = stranger.issue(USER, |_| {});
    w.refused(&[&user, &stranger], &["not among the trust anchors", "ask the site to install it"]);
    w.accepted(&[&w.user, &w.ca], USER);
}

#[test]
fn missing_intermediate() {
    let mut w = World::new();
    let sub = w.ca.sub_ca("/C=IT/O=Forged Grid/CN=Sub CA", |_| {});
    let user = sub.issue(USER, |_| {});
    w.signing_policy(&sub, "/C=IT/O=Forged Grid/*");
    w.start("");
    let says = ["`/C=IT/O=Forged Grid/CN=Sub CA` is not among the trust anchors", "ask the site"];
    w.refused(&[&user], &says);
    w.accepted(&[&user, &sub], USER);
    // The directory completes what a client left out.
    w.anchor(&sub, "0");
    w.start("");
    w.accepted(&[&user], USER);
    w.accepted(&[&user.proxy("1", |_| {}), &user], USER);
}

#[test]
fn a_person_who_plays_ca() {
    let w = World::running();
    let child = w.user.issue("/C=IT/O=Forged Grid/CN=Boss", |_| {});
    w.refused(&[&child, &w.user], &["which is no CA: send your own certificate"]);
    w.accepted(&[&w.user], USER);
}

/// What webpki would refuse, and real CAs do: critical policies, a host's usage.
#[test]
fn habits_of_real_cas_are_taken() {
    let w = World::running();
    let odd = w.ca.issue(USER, |f| {
        f.set(oid::CERTIFICATE_POLICIES, true, vec![0x30, 0]);
        f.set(oid::EXTENDED_KEY_USAGE, true, extended_key_usage(1));
    });
    w.accepted(&[&odd], USER);
    let unknown = w.ca.issue(USER, |f| f.set(&[0x2a, 3, 4], true, vec![5, 0]));
    w.refused(&[&unknown], &["critical extension that is not understood", "ask your CA"]);
}

/// Names that have broken databases and logs elsewhere: each is one person from end to end.
#[test]
fn names_with_quotes_letters_and_mail() {
    let w = World::running();
    for (number, name) in [
        "CN=Robert'); DROP TABLE request;--",
        "CN=Say \"Hi\" \\o",
        "CN=Jos\u{e9} \u{141}\u{105}",
        "CN=x/emailAddress=a@b.org",
    ]
    .iter()
    .enumerate()
    {
        let dn = format!("/C=IT/O=Forged Grid/{name}");
        let user = w.ca.issue(&dn, |_| {});
        w.accepted(&[&user], &dn);
        let (storm, config) = (w.storm(), config(&[&user], crate::common::client::Tls::Any));
        let call = |operation: &str, inner: &str| {
            block_on(soap::once(&config, storm.ports.srm, operation, inner)).unwrap()
        };
        let surl = storm.surl(&format!("/open/new-{number}"));
        let put = call("srmPrepareToPut", &soap::prepare_to_put(&[&surl], None));
        let token = put.token.expect("a token");
        // The request is theirs, and nobody else's.
        let status = call("srmStatusOfPutRequest", &soap::token(&token));
        assert_eq!(status.file_code(), "SRM_SPACE_AVAILABLE", "{dn}: {}", status.xml);
        let other = config_of_the_user(&w);
        let abort = soap::token(&token);
        let theirs = soap::once(&other, storm.ports.srm, "srmAbortRequest", &abort);
        assert_eq!(block_on(theirs).unwrap().code, "SRM_AUTHORIZATION_FAILURE", "{dn}");
        assert_eq!(call("srmAbortRequest", &soap::token(&token)).code, "SRM_SUCCESS", "{dn}");
    }
    // One CN that reads like two is no name for anybody.
    let thief = w.ca.issue(USER, |f| {
        let pair = tlv(tag::SEQUENCE, &[&tlv(tag::OID, &[oid::CN]), &tlv(tag::UTF8, &[b"x/CN=y"])]);
        f.subject = tlv(tag::SEQUENCE, &[&tlv(tag::SET, &[&pair])]);
    });
    w.refused(&[&thief], &["cannot be told from another's", "get a certificate with another name"]);
}

fn config_of_the_user(w: &World) -> std::sync::Arc<rustls::ClientConfig> {
    config(&[&w.user], crate::common::client::Tls::Any)
}
