//! One test per rule for the path and the proxies: what breaks it is refused for that reason, and the
//! same chain without the fault holds.

use super::super::der::{oid, tag, tlv};
use super::super::name::Name;
use super::super::testing::*;
use super::*;

const CA: &str = "/C=IT/O=Test Grid/CN=Test CA";
const USER: &str = "/C=IT/O=Test Grid/CN=Test User";

struct World {
    ca: Holder,
    user: Holder,
    trust: Trust,
}

fn world() -> World {
    let ca = Holder::root(CA);
    let user = ca.issue(USER, |_| {});
    let trust = trusting(&[&ca]);
    World { ca, user, trust }
}

/// The reason must contain `part`.
#[track_caller]
fn refused(trust: &Trust, holders: &[&Holder], part: &str) {
    let why = why(trust, holders);
    assert!(why.contains(part), "{why:?} does not say {part:?}");
}

#[track_caller]
fn holds(trust: &Trust, holders: &[&Holder]) -> Person {
    match judge(trust, holders) {
        Ok(judgement) => judgement.person,
        Err(refusal) => panic!("refused: {refusal}"),
    }
}

#[test]
fn end_entities_and_every_kind_of_proxy_hold() {
    let w = world();
    let person = holds(&w.trust, &[&w.user]);
    assert_eq!(person.dn, USER);
    assert_eq!(person.proxy, ProxyKind::EndEntity);
    assert_eq!(person.not_after, system_time(NOW + 300 * DAY));

    let rfc = w.user.proxy("123", |_| {});
    let rfc2 = rfc.proxy("456", |_| {});
    let limited = rfc.proxy("789", |f| {
        f.set(oid::PROXY_CERT_INFO, true, proxy_info(oid::POLICY_LIMITED, None));
    });
    let limited2 = limited.proxy("790", |f| {
        f.set(oid::PROXY_CERT_INFO, true, proxy_info(oid::POLICY_LIMITED, None));
    });
    let draft = w.user.proxy("1", |f| {
        f.drop(oid::PROXY_CERT_INFO);
        f.set(oid::DRAFT_PROXY_CERT_INFO, true, proxy_info(oid::POLICY_INHERIT_ALL, None));
    });
    let legacy = w.user.legacy_proxy("proxy");
    let legacy_limited = legacy.legacy_proxy("limited proxy");
    let cases: [(&[&Holder], ProxyKind); 7] = [
        (&[&rfc, &w.user], ProxyKind::Rfc { limited: false }),
        (&[&rfc2, &rfc, &w.user, &w.ca], ProxyKind::Rfc { limited: false }),
        (&[&limited, &rfc, &w.user], ProxyKind::Rfc { limited: true }),
        (&[&limited2, &limited, &rfc, &w.user], ProxyKind::Rfc { limited: true }),
        (&[&draft, &w.user], ProxyKind::Draft { limited: false }),
        (&[&legacy, &w.user], ProxyKind::Legacy { limited: false }),
        (&[&legacy_limited, &legacy, &w.user], ProxyKind::Legacy { limited: true }),
    ];
    for (chain, kind) in cases {
        let person = holds(&w.trust, chain);
        assert_eq!((person.dn.as_str(), person.proxy), (USER, kind));
        // The proxies end first, with their grace.
        assert_eq!(person.not_after, system_time(NOW + 12 * HOUR + 300));
    }
}

#[test]
fn names_are_compared_by_value() {
    let w = world();
    let printable = 19;
    let proxy = w.user.proxy("1", |f| {
        f.issuer = dn_of("/C=IT/O=TEST  Grid/CN=Test User", printable);
        f.subject = dn_of("/C=IT/O=Test Grid/CN=test user/CN=1", printable);
    });
    assert_eq!(holds(&w.trust, &[&proxy, &w.user]).dn, USER);
}

#[test]
fn broken_input_is_refused_without_panic() {
    let w = world();
    assert!(w.trust.judge(&[], now()).is_err());
    let good = w.user.der.to_vec();
    for end in 0..good.len() {
        assert!(w.trust.judge(&[good[..end].to_vec().into()], now()).is_err());
    }
    let mut longer = good.clone();
    longer.push(0);
    assert!(w.trust.judge(&[longer.into()], now()).is_err());
    for at in (0..good.len()).step_by(3) {
        let mut bent = good.clone();
        bent[at] ^= 0x15;
        assert!(w.trust.judge(&[bent.into()], now()).is_err(), "byte {at}");
    }
    holds(&w.trust, &[&w.user]);
    let many = vec![w.user.der.clone(); 17];
    assert!(w.trust.judge(&many, now()).unwrap_err().why.contains("too long"));
    let large = vec![w.user.der.clone(), vec![0; 65_536].into()];
    assert!(w.trust.judge(&large, now()).unwrap_err().why.contains("too long"));
}

#[test]
fn a_refusal_names_the_end_entity() {
    let w = world();
    let proxy = w.user.proxy("1", |f| f.not_after = NOW - 3 * HOUR);
    let refusal = judge(&w.trust, &[&proxy, &w.user]).unwrap_err();
    assert_eq!(refusal.dn.as_deref(), Some(USER));
    assert_eq!(refusal.why, "your proxy expired 3 h ago: make a new one with voms-proxy-init");
    // Also when the end entity did not come.
    let refusal = judge(&w.trust, &[&proxy]).unwrap_err();
    assert_eq!(refusal.dn.as_deref(), Some(USER));
    assert!(refusal.why.contains("did not come with it"), "{refusal}");
}

#[test]
fn dates_of_proxies_have_a_grace() {
    let w = world();
    let ended = w.user.proxy("1", |f| f.not_after = NOW - 299);
    holds(&w.trust, &[&ended, &w.user]);
    let over = w.user.proxy("1", |f| f.not_after = NOW - 301);
    refused(&w.trust, &[&over, &w.user], "your proxy expired 5 min ago");
    let soon = w.user.proxy("1", |f| f.not_before = NOW + 299);
    holds(&w.trust, &[&soon, &w.user]);
    let early = w.user.proxy("1", |f| f.not_before = NOW + HOUR);
    refused(&w.trust, &[&early, &w.user], "valid only in 60 min");
    // An expired one in the middle counts as well.
    let leaf = over.proxy("2", |_| {});
    refused(&w.trust, &[&leaf, &over, &w.user], "your proxy expired");
}

#[test]
fn dates_of_end_entities_and_cas() {
    let w = world();
    let ended = w.ca.issue(USER, |f| f.not_after = NOW - 3 * DAY);
    refused(&w.trust, &[&ended], "expired 3 days ago: get a new one");
    let early = w.ca.issue(USER, |f| f.not_before = NOW + HOUR);
    refused(&w.trust, &[&early], "valid only in");
    for (change, says) in [((-40, -1), "expired"), ((1, 40), "not valid yet")] {
        let ca = Holder::root_with(CA, rcgen::KeyPair::generate().unwrap(), |f| {
            f.not_before = NOW + change.0 * DAY;
            f.not_after = NOW + change.1 * DAY;
        });
        let user = ca.issue(USER, |_| {});
        refused(&trusting(&[&ca]), &[&user], says);
    }
}

#[test]
fn proxy_rules_one_by_one() {
    let w = world();
    let control = w.user.proxy("1", |_| {});
    holds(&w.trust, &[&control, &w.user]);
    let bad = |change: fn(&mut Forge), says: &str| {
        let proxy = w.user.proxy("1", change);
        refused(&w.trust, &[&proxy, &w.user], says);
    };
    bad(|f| f.wrong_key = true, "was not signed by");
    bad(|f| f.subject = dn(&format!("{USER}/CN=1/CN=2")), "exactly one CN more");
    bad(|f| f.subject = dn(&format!("{USER}/O=1")), "exactly one CN more");
    bad(|f| f.subject = dn(USER), "exactly one CN more");
    bad(|f| f.subject = dn("/C=IT/O=Test Grid/CN=Boss/CN=1"), "exactly one CN more");
    bad(|f| f.issuer = dn("/C=IT/O=Test Grid/CN=Boss"), "not the next certificate of the chain");
    bad(
        |f| f.set(oid::BASIC_CONSTRAINTS, true, basic_constraints(true, None)),
        "says that it is a CA",
    );
    let alternative = || tlv(tag::SEQUENCE, &[&tlv(0x82, &[b"se.example.org"])]);
    for kind in [oid::SUBJECT_ALT_NAME, oid::ISSUER_ALT_NAME] {
        let proxy = w.user.proxy("1", |f| f.set(kind, false, alternative()));
        refused(&w.trust, &[&proxy, &w.user], "alternative name");
    }
    bad(|f| f.set(&[0x2a, 3, 4], true, vec![5, 0]), "critical extension");
    holds(&w.trust, &[&w.user.proxy("1", |f| f.set(&[0x2a, 3, 4], false, vec![5, 0])), &w.user]);
    bad(|f| f.set(oid::KEY_USAGE, true, key_usage(0x20)), "keyUsage");
    bad(|f| f.set(oid::KEY_USAGE, true, key_usage(0x84)), "keyUsage");
    bad(|f| f.set(oid::EXTENDED_KEY_USAGE, false, extended_key_usage(1)), "clientAuth");
    holds(
        &w.trust,
        &[
            &w.user.proxy("1", |f| f.set(oid::EXTENDED_KEY_USAGE, false, extended_key_usage(2))),
            &w.user,
        ],
    );
}

#[test]
fn policies_of_proxies() {
    let w = world();
    let bad = |critical: bool, value: Vec<u8>, says: &str| {
        let proxy = w.user.proxy("1", |f| f.set(oid::PROXY_CERT_INFO, critical, value));
        refused(&w.trust, &[&proxy, &w.user], says);
    };
    bad(true, proxy_info(oid::POLICY_INDEPENDENT, None), "independent");
    bad(true, proxy_info(&[0x2a, 3, 4], None), "policy language");
    bad(false, proxy_info(oid::POLICY_INHERIT_ALL, None), "not critical");
    bad(true, vec![0x30, 0], "cannot be read");
    bad(true, vec![], "cannot be read");
    let negative =
        tlv(tag::SEQUENCE, &[&[2, 1, 0xff], &proxy_info(oid::POLICY_INHERIT_ALL, None)[2..]]);
    bad(true, negative, "cannot be read");
    let language = tlv(tag::OID, &[oid::POLICY_INHERIT_ALL]);
    let policy = tlv(tag::SEQUENCE, &[&language, &tlv(tag::OCTET_STRING, &[b"x"])]);
    bad(true, tlv(tag::SEQUENCE, &[&policy]), "must be empty");
    let both = w.user.proxy("1", |f| {
        f.set(oid::DRAFT_PROXY_CERT_INFO, true, proxy_info(oid::POLICY_INHERIT_ALL, None));
    });
    refused(&w.trust, &[&both, &w.user], "two kinds");
}

#[test]
fn path_length_of_proxies() {
    let w = world();
    let allow = |most| {
        move |f: &mut Forge| {
            f.set(oid::PROXY_CERT_INFO, true, proxy_info(oid::POLICY_INHERIT_ALL, Some(most)));
        }
    };
    let one = w.user.proxy("1", allow(1));
    let two = one.proxy("2", |_| {});
    let three = two.proxy("3", |_| {});
    holds(&w.trust, &[&two, &one, &w.user]);
    refused(&w.trust, &[&three, &two, &one, &w.user], "pCPathLenConstraint");
    // A proxy cannot give itself more than is left.
    let wide = one.proxy("2", allow(9));
    let below = wide.proxy("3", |_| {});
    refused(&w.trust, &[&below, &wide, &one, &w.user], "pCPathLenConstraint");
    let none = w.user.proxy("1", allow(0));
    holds(&w.trust, &[&none, &w.user]);
    let child = none.proxy("2", |_| {});
    refused(&w.trust, &[&child, &none, &w.user], "pCPathLenConstraint");
    // The draft writes it after the policy, as [1].
    let info = proxy_info(oid::POLICY_INHERIT_ALL, None);
    let draft_info = tlv(tag::SEQUENCE, &[&info[2..], &[0xa1, 3, 2, 1, 0]]);
    let draft = |f: &mut Forge| {
        f.drop(oid::PROXY_CERT_INFO);
        f.set(oid::DRAFT_PROXY_CERT_INFO, true, draft_info.clone());
    };
    let top = w.user.proxy("1", draft);
    holds(&w.trust, &[&top, &w.user]);
    refused(&w.trust, &[&top.proxy("2", draft), &top, &w.user], "pCPathLenConstraint");
}

#[test]
fn kinds_are_not_mixed_and_limits_stay() {
    let w = world();
    let rfc = w.user.proxy("1", |_| {});
    let legacy = w.user.legacy_proxy("proxy");
    refused(&w.trust, &[&rfc.legacy_proxy("proxy"), &rfc, &w.user], "another kind");
    refused(&w.trust, &[&legacy.proxy("1", |_| {}), &legacy, &w.user], "another kind");
    let limited = w.user.legacy_proxy("limited proxy");
    holds(&w.trust, &[&limited.legacy_proxy("limited proxy"), &limited, &w.user]);
    refused(&w.trust, &[&limited.legacy_proxy("proxy"), &limited, &w.user], "below a limited");
    let limited = w.user.proxy("1", |f| {
        f.set(oid::PROXY_CERT_INFO, true, proxy_info(oid::POLICY_LIMITED, None));
    });
    refused(&w.trust, &[&limited.proxy("2", |_| {}), &limited, &w.user], "below a limited");
}

#[test]
fn only_end_entities_issue_proxies() {
    let w = world();
    // A CA that issues an RFC proxy, or a person called "proxy".
    let proxy = w.ca.proxy("1", |_| {});
    refused(&w.trust, &[&proxy, &w.ca], "is a CA");
    let person = w.ca.issue("/C=IT/O=Test Grid/CN=proxy", |_| {});
    refused(&w.trust, &[&person, &w.ca], "is a CA");
    refused(&w.trust, &[&person], "did not come with it");
    let forged = w.ca.issue("/C=IT/O=Test Grid/CN=Boss/CN=proxy", |_| {});
    refused(&w.trust, &[&forged, &w.user], "not the next certificate");
    // An end entity that plays CA.
    let child = w.user.issue("/C=IT/O=Test Grid/CN=Boss", |_| {});
    refused(&w.trust, &[&child, &w.user], "which is no CA");
    // An issuer that may not sign.
    let mute = w.ca.issue(USER, |f| f.set(oid::KEY_USAGE, true, key_usage(0x20)));
    refused(&w.trust, &[&mute.proxy("1", |_| {}), &mute], "digitalSignature");
}

#[test]
fn end_entity_rules() {
    let w = world();
    let bad = |change: fn(&mut Forge), says: &str| {
        refused(&w.trust, &[&w.ca.issue(USER, change)], says);
    };
    bad(|f| f.wrong_key = true, "was not signed by the CA");
    bad(|f| f.subject = vec![0x30, 0], "has no name");
    bad(|f| f.version = 3, "no readable certificate");
    bad(|f| f.set(&[0x2a, 3, 4], true, vec![5, 0]), "critical extension");
    bad(|f| f.set(oid::KEY_USAGE, true, key_usage(0x20)), "digitalSignature");
    bad(|f| f.set(oid::EXTENDED_KEY_USAGE, false, extended_key_usage(3)), "clientAuth");
    bad(
        |f| f.issuer = dn("/O=Nobody/CN=CA"),
        "`/O=Nobody/CN=CA` is not among the trust anchors in",
    );
    for purpose in [1, 2] {
        let user = w.ca.issue(USER, |f| {
            f.set(oid::EXTENDED_KEY_USAGE, false, extended_key_usage(purpose));
            // What real CAs do: critical policies.
            f.set(oid::CERTIFICATE_POLICIES, true, vec![0x30, 0]);
        });
        holds(&w.trust, &[&user]);
    }
    let twice = w.ca.issue(USER, |f| {
        let again = f.extensions[0].clone();
        f.extensions.push(again);
    });
    refused(&w.trust, &[&twice], "no readable certificate");
}

#[test]
fn another_ca_of_the_same_name_is_not_enough() {
    let w = world();
    let evil = Holder::root(CA);
    let user = evil.issue(USER, |_| {});
    refused(&w.trust, &[&user], "was not signed by the CA");
    refused(&w.trust, &[&user, &evil], "was not signed by the CA");
    // Roll-over: both keys are known here.
    let both = trusting(&[&w.ca, &evil]);
    holds(&both, &[&user]);
    holds(&both, &[&w.user]);
    let stranger = Holder::root("/O=Evil/CN=CA");
    let user = stranger.issue(USER, |_| {});
    refused(&w.trust, &[&user, &stranger], "not among the trust anchors");
}

#[test]
fn intermediate_cas() {
    let root = Holder::root(CA);
    let sub = root.sub_ca("/C=IT/CN=Sub CA", |_| {});
    let subsub = sub.sub_ca("/C=IT/CN=Sub Sub CA", |_| {});
    let user = subsub.issue(USER, |_| {});
    let trust = trusting(&[&root]);
    holds(&trust, &[&user, &subsub, &sub]);
    holds(&trust, &[&user, &sub, &subsub, &root]);
    refused(&trust, &[&user, &subsub], "`/C=IT/CN=Sub CA` is not among the trust anchors");
    // The directory fills in; a root must be there all the same.
    holds(&trusting(&[&root, &sub, &subsub]), &[&user]);
    refused(&trusting(&[&sub, &subsub]), &[&user], "`/C=IT/O=Test Grid/CN=Test CA` is not among");

    let tight = Holder::root_with(CA, rcgen::KeyPair::generate().unwrap(), |f| {
        f.set(oid::BASIC_CONSTRAINTS, true, basic_constraints(true, Some(0)));
    });
    let sub = tight.sub_ca("/C=IT/CN=Sub CA", |_| {});
    let trust = trusting(&[&tight]);
    refused(&trust, &[&sub.issue(USER, |_| {}), &sub], "pathLenConstraint");
    holds(&trust, &[&tight.issue(USER, |_| {})]);
    let mute = root.sub_ca("/C=IT/CN=Sub", |f| f.set(oid::KEY_USAGE, true, key_usage(2)));
    refused(&trusting(&[&root]), &[&mute.issue(USER, |_| {}), &mute], "may not sign certificates");
}

#[test]
fn hostile_webs_of_cas_end() {
    // Cross-signed CAs of one name make very many paths.
    let root = Holder::root(CA);
    let mut sent: Vec<Holder> = Vec::new();
    for _ in 0..14 {
        sent.push(root.sub_ca("/CN=Loop", |f| f.issuer = dn("/CN=Loop")));
    }
    let user = sent[0].issue(USER, |_| {});
    let mut chain = vec![&user];
    chain.extend(sent.iter());
    assert!(judge(&trusting(&[&root]), &chain).is_err());
}

#[test]
fn name_constraints_bind() {
    let w = world();
    let subtree = |tag: u8, value: &[u8]| tlv(0x30, &[&tlv(tag, &[value])]);
    let constrained = |permitted: Vec<u8>, excluded: Vec<u8>| {
        let permitted = if permitted.is_empty() { vec![] } else { tlv(0xa0, &[&permitted]) };
        let excluded = if excluded.is_empty() { vec![] } else { tlv(0xa1, &[&excluded]) };
        w.ca.sub_ca("/C=IT/CN=Sub", |f| {
            f.set(oid::NAME_CONSTRAINTS, true, tlv(0x30, &[&permitted, &excluded]));
        })
    };
    let italy = constrained(subtree(0xa4, &dn("/C=IT/O=Test Grid")), vec![]);
    holds(&w.trust, &[&italy.issue(USER, |_| {}), &italy]);
    refused(&w.trust, &[&italy.issue("/C=IT/O=Other/CN=x", |_| {}), &italy], "nameConstraints");
    let not_us = constrained(vec![], subtree(0xa4, &dn("/C=IT/O=Test Grid")));
    refused(&w.trust, &[&not_us.issue(USER, |_| {}), &not_us], "nameConstraints");
    holds(&w.trust, &[&not_us.issue("/C=IT/O=Other/CN=x", |_| {}), &not_us]);
    let domain = constrained(subtree(0x82, b"example.org"), vec![]);
    for (host, good) in [("a.example.org", true), ("badexample.org", false)] {
        let host = domain.issue("/CN=host", |f| {
            f.set(oid::SUBJECT_ALT_NAME, false, tlv(0x30, &[&tlv(0x82, &[host.as_bytes()])]));
        });
        assert_eq!(judge(&w.trust, &[&host, &domain]).is_ok(), good);
    }
    let post = constrained(subtree(0x81, b"example.org"), vec![]);
    holds(&w.trust, &[&post.issue("/CN=x/emailAddress=Me@Example.org", |_| {}), &post]);
    let elsewhere = post.issue("/CN=x/emailAddress=me@evil.example.org", |_| {});
    refused(&w.trust, &[&elsewhere, &post], "nameConstraints");
}

/// Requests and rights go by the one-line DN: no certificate may have that of another person.
#[test]
fn a_name_that_reads_like_anothers_is_refused() {
    let w = world();
    let (victim, thief) = ("/O=Grid/CN=Bob/CN=12345", "Bob/CN=12345");
    let pair = |kind: &[u8], value: &str| {
        let pair = [tlv(0x06, &[kind]), tlv(0x0c, &[value.as_bytes()])];
        tlv(0x31, &[&tlv(0x30, &[&pair[0], &pair[1]])])
    };
    let one = tlv(0x30, &[&pair(&[0x55, 4, 10], "Grid"), &pair(oid::CN, thief)]);
    let bob = w.ca.issue(victim, |_| {});
    assert_eq!(holds(&w.trust, &[&bob]).dn, victim);
    let thief = w.ca.issue("/O=Grid/CN=Bob", |f| f.subject = one);
    refused(&w.trust, &[&thief], "cannot be told from another's");
    let host = w.ca.issue("/O=Grid/CN=host", |f| {
        f.subject = tlv(0x30, &[&pair(&[0x55, 4, 10], "Grid"), &pair(oid::CN, "host/se.example")]);
    });
    assert_eq!(holds(&w.trust, &[&host]).dn, "/O=Grid/CN=host/se.example");
}

#[test]
fn weak_keys_and_algorithms_say_so() {
    let w = world();
    let sha1 = {
        // The signature's algorithm says SHA-1: nothing is even computed.
        let mut der = w.user.der.to_vec();
        let sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
        let places: Vec<usize> =
            (0..der.len() - 8).filter(|&at| der[at..at + 8] == sha256).collect();
        assert_eq!(places.len(), 2);
        for at in places {
            der.splice(at..at + 8, [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 9]);
        }
        der
    };
    let refusal = w.trust.judge(&[sha1.into()], now()).unwrap_err();
    assert!(refusal.why.contains("not accepted"), "{refusal}");
}

#[test]
fn rsa_chains_hold() {
    let rsa = || rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let ca = Holder::root_with(CA, rsa(), |_| {});
    let user = ca.issue_for(rsa(), USER, |_| {});
    let proxy = user.proxy("1", |_| {});
    holds(&trusting(&[&ca]), &[&proxy, &user]);
}

#[path = "revocation_tests.rs"]
mod revocation;
