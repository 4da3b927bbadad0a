//! CRLs and the trust anchor directory: the modes, and what is ignored with a warning.

use std::path::Path;

use super::*;

/// A directory with `<hash>.0` of `ca` and these CRLs.
fn directory(ca: &Holder, crls: &[Vec<u8>]) -> (tempfile::TempDir, Trust, Vec<Problem>) {
    let dir = tempfile::tempdir().unwrap();
    let name = Name::parse(&dn(&ca.name)).unwrap();
    // Both hash names, one in PEM, one in DER, as directories of either kind are.
    let pem = pem(&ca.der);
    std::fs::write(dir.path().join(format!("{}.0", name.hash())), pem).unwrap();
    std::fs::write(dir.path().join(format!("{}.0", name.old_hash())), &ca.der).unwrap();
    for (number, crl) in crls.iter().enumerate() {
        for hash in [name.hash(), name.old_hash()] {
            std::fs::write(dir.path().join(format!("{hash}.r{number}")), crl).unwrap();
        }
    }
    let (trust, problems) = Trust::load(&tls(dir.path(), dir.path()), &[], HOST);
    (dir, trust, problems)
}

fn pem(der: &[u8]) -> String {
    let mut text = "subject=someone\n-----BEGIN CERTIFICATE-----\n".to_owned();
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (at, three) in der.chunks(3).enumerate() {
        if at > 0 && at % 16 == 0 {
            text.push('\n');
        }
        let bits = three.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for digit in 0..4 {
            if digit <= three.len() {
                text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text + "\n-----END CERTIFICATE-----\n"
}

const FRESH: (i64, i64) = (NOW - DAY, NOW + DAY);

#[test]
fn without_a_crl_all_is_well() {
    let w = world();
    let (_dir, trust, problems) = directory(&w.ca, &[]);
    assert_eq!((trust.ca_count(), problems), (1, vec![]));
    holds(&trust, &[&w.user]);
}

#[test]
fn a_revoked_certificate_is_refused() {
    let w = world();
    let list = crl(&w.ca, &w.ca.key, &[&[0x11, 0x22]], FRESH, &[]);
    let (_dir, trust, problems) = directory(&w.ca, &[list]);
    assert_eq!(problems, vec![]);
    refused(&trust, &[&w.user], "was revoked by its CA");
    let proxy = w.user.proxy("1", |_| {});
    refused(&trust, &[&proxy, &w.user], "was revoked by its CA");
    let other = w.ca.issue(USER, |f| f.serial = vec![0x11, 0x23]);
    holds(&trust, &[&other]);
    let judgement = judge(&trust, &[&other]).unwrap();
    assert_eq!(judgement.review_at, system_time(NOW + DAY));
}

#[test]
fn an_old_crl_refuses_the_whole_ca() {
    let w = world();
    let old = crl(&w.ca, &w.ca.key, &[], (NOW - 3 * DAY, NOW - DAY), &[]);
    let (_dir, trust, _) = directory(&w.ca, std::slice::from_ref(&old));
    refused(&trust, &[&w.user], "run fetch-crl");
    let fresh = crl(&w.ca, &w.ca.key, &[], FRESH, &[]);
    let (_dir, trust, _) = directory(&w.ca, &[old, fresh]);
    holds(&trust, &[&w.user]);
}

#[test]
fn a_forged_or_odd_crl_is_ignored_and_told() {
    let w = world();
    let evil = Holder::root(CA);
    let forged = crl(&w.ca, &evil.key, &[&[0x11, 0x22]], FRESH, &[]);
    let (_dir, trust, problems) = directory(&w.ca, &[forged]);
    assert!(problems[0].text.contains("was not signed by"), "{problems:?}");
    holds(&trust, &[&w.user]);

    let odd = [(vec![0x2a, 3, 4], true, vec![5, 0])];
    let odd = crl(&w.ca, &w.ca.key, &[&[0x11, 0x22]], FRESH, &odd);
    let indirect = tlv(0x30, &[&[0x84, 1, 0xff]]);
    let indirect = [(oid::ISSUING_DISTRIBUTION_POINT.to_vec(), true, indirect)];
    let indirect = crl(&w.ca, &w.ca.key, &[&[0x11, 0x22]], FRESH, &indirect);
    let (_dir, trust, problems) = directory(&w.ca, &[odd, indirect, b"garbage".to_vec()]);
    // Each under both its names.
    assert_eq!(problems.len(), 6, "{problems:?}");
    holds(&trust, &[&w.user]);
}

#[test]
fn the_crl_of_a_ca_that_only_came_in_the_chain_counts() {
    let w = world();
    let sub = w.ca.sub_ca("/C=IT/CN=Sub CA", |_| {});
    let user = sub.issue(USER, |f| f.serial = vec![0x33]);
    let list = crl(&sub, &sub.key, &[&[0x33]], FRESH, &[]);
    let (_dir, trust, _) = directory(&w.ca, &[list]);
    refused(&trust, &[&user, &sub], "was revoked by its CA");
    let forged = crl(&sub, &w.user.key, &[&[0x33]], FRESH, &[]);
    let (_dir, trust, _) = directory(&w.ca, &[forged]);
    holds(&trust, &[&user, &sub]);
}

#[test]
fn missing_and_broken_directories_are_warnings() {
    let nowhere = Path::new("/nonexistent");
    let (trust, problems) = Trust::load(&tls(nowhere, nowhere), &[], HOST);
    assert_eq!((trust.ca_count(), problems.len()), (0, 2));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("0123abcd.0"), "nothing").unwrap();
    std::fs::write(dir.path().join("readme.txt"), "nothing").unwrap();
    let (_, problems) = Trust::load(&tls(dir.path(), dir.path()), &[], HOST);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].text.contains("no certificate in PEM or DER"), "{problems:?}");
    assert_eq!(problems[0].severity, crate::config::Severity::Warning);
}

/// Files that are being written, and a directory that is being filled, empty no store.
#[test]
fn what_is_half_written_takes_nothing_away() {
    let w = world();
    let list = crl(&w.ca, &w.ca.key, &[&[0x11, 0x22]], FRESH, &[]);
    let (dir, mut trust, problems) = directory(&w.ca, std::slice::from_ref(&list));
    assert_eq!(problems, []);
    refused(&trust, &[&w.user], "was revoked");
    let files = || {
        let entries = std::fs::read_dir(dir.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let whole: Vec<_> = files().iter().map(|path| std::fs::read(path).unwrap()).collect();
    let mut again = || {
        let (new, problems) = trust.reload(&tls(dir.path(), Path::new("/nonexistent")), &[], HOST);
        trust = new;
        assert_eq!(trust.ca_count(), 1);
        refused(&trust, &[&w.user], "was revoked");
        problems
    };
    for share in [0, 2, 3] {
        for (path, whole) in files().iter().zip(&whole) {
            std::fs::write(path, &whole[..whole.len() * share / 4]).unwrap();
        }
        let problems = again();
        let stay = |text: &str| text.contains("what it held before stays in use");
        assert_eq!(problems.iter().filter(|one| stay(&one.text)).count(), files().len(), "{share}");
    }
    for path in files() {
        std::fs::remove_file(path).unwrap();
    }
    assert!(again().iter().any(|one| one.text.contains("what was there before stays")));
    // Of two CAs one may go.
    let other = Holder::root("/C=IT/CN=Another CA");
    std::fs::write(dir.path().join("00000001.0"), &other.der).unwrap();
    let (trust, _) = trust.reload(&tls(dir.path(), Path::new("/nonexistent")), &[], HOST);
    assert_eq!(trust.ca_count(), 1);
    refused(&trust, &[&w.user], "is not among the trust anchors");
}

#[test]
fn what_a_delta_or_a_future_list_says() {
    let w = world();
    let delta = [(oid::DELTA_CRL.to_vec(), true, vec![2, 1, 1])];
    // A delta may revoke, but cannot stand in for a whole list that ran out.
    let revoking = crl(&w.ca, &w.ca.key, &[&[0x11, 0x22]], FRESH, &delta);
    let (_dir, trust, _) = directory(&w.ca, &[revoking]);
    refused(&trust, &[&w.user], "was revoked");
    let old = crl(&w.ca, &w.ca.key, &[], (NOW - 3 * DAY, NOW - DAY), &[]);
    let empty = crl(&w.ca, &w.ca.key, &[], FRESH, &delta);
    let (_dir, trust, _) = directory(&w.ca, &[old, empty.clone()]);
    refused(&trust, &[&w.user], "run fetch-crl");
    let (_dir, trust, _) = directory(&w.ca, &[empty]);
    holds(&trust, &[&w.user]);
    let future = crl(&w.ca, &w.ca.key, &[], (NOW + DAY, NOW + 2 * DAY), &[]);
    let (_dir, trust, _) = directory(&w.ca, &[future]);
    refused(&trust, &[&w.user], "out of date");
}

#[test]
fn a_broken_crl_does_no_harm() {
    let w = world();
    let list = crl(&w.ca, &w.ca.key, &[&[0x11, 0x22]], FRESH, &[]);
    for end in 0..list.len() {
        assert!(super::super::super::crl::Crl::parse(&list[..end]).is_err());
    }
    super::super::super::crl::Crl::parse(&list).unwrap();
}

#[test]
fn modes() {
    use crate::config::CrlMode;
    let w = world();
    let old = crl(&w.ca, &w.ca.key, &[], (NOW - 3 * DAY, NOW - DAY), &[]);
    let fresh = crl(&w.ca, &w.ca.key, &[], FRESH, &[]);
    let revoking = crl(&w.ca, &w.ca.key, &[&[0x11, 0x22]], FRESH, &[]);
    let cases: [(&[Vec<u8>], [&str; 3]); 4] = [
        (&[], ["there is no revocation list", "", ""]),
        (&[old], ["out of date", "out of date", ""]),
        (&[fresh], ["", "", ""]),
        (&[revoking], ["was revoked", "was revoked", ""]),
    ];
    for (crls, wanted) in cases {
        let (dir, ..) = directory(&w.ca, crls);
        for (mode, says) in
            [CrlMode::Require, CrlMode::IfValid, CrlMode::Ignore].into_iter().zip(wanted)
        {
            let tls = crate::config::TlsSection { crl: mode, ..tls(dir.path(), dir.path()) };
            let (trust, problems) = Trust::load(&tls, &[], HOST);
            match says {
                "" => drop(holds(&trust, &[&w.user])),
                says => refused(&trust, &[&w.user], says),
            }
            let lacks = problems.iter().any(|one| one.text.contains("has no CRL"));
            assert_eq!(lacks, mode == CrlMode::Require && crls.is_empty());
        }
    }
}

#[test]
fn the_last_list_of_a_key_that_was_given_up_does_not_count() {
    let w = world();
    let newer = Holder::root(CA);
    let old_user = w.ca.issue(USER, |f| f.serial = vec![0x41]);
    let user = newer.issue(USER, |f| f.serial = vec![0x42]);
    let dates = (NOW - 3 * DAY, NOW - DAY);
    let last = crl(&w.ca, &w.ca.key, &[&[0x43]], dates, &[]);
    let (dir, ..) = directory(&w.ca, &[last]);
    let name = Name::parse(&dn(CA)).unwrap();
    std::fs::write(dir.path().join(format!("{}.1", name.hash())), &newer.der).unwrap();
    let load = || Trust::load(&tls(dir.path(), dir.path()), &[], HOST).0;
    holds(&load(), &[&user]);
    refused(&load(), &[&old_user], "out of date");
    // What was revoked stays so; and a list by either key speaks for the CA.
    let gone = newer.issue(USER, |f| f.serial = vec![0x43]);
    refused(&load(), &[&gone], "was revoked");
    let fresh = crl(&newer, &newer.key, &[], FRESH, &[]);
    std::fs::write(dir.path().join(format!("{}.r1", name.hash())), fresh).unwrap();
    holds(&load(), &[&user]);
    holds(&load(), &[&old_user]);
}
