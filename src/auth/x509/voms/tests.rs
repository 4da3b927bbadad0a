//! One test per check of an attribute certificate: the fault drops it with its reason and leaves the person, the
//! control beside it keeps its FQANs.

use std::path::Path;

use super::super::der::tlv;
use super::super::forge_ac::ac_list;
use super::super::testing::*;
use super::super::{Judgement, Trust};
use super::*;

const USER: &str = "/C=IT/O=Test Grid/CN=Test User";
const VOMS: &str = "/C=IT/O=Test Grid/CN=voms.example.org";

struct World {
    ca: Holder,
    voms: Holder,
    user: Holder,
    dir: tempfile::TempDir,
}

fn world() -> World {
    let ca = Holder::root("/C=IT/O=Test Grid/CN=Test CA");
    let voms = ca.issue(VOMS, |f| {
        f.serial = vec![0x77];
        f.set(oid::EXTENDED_KEY_USAGE, false, extended_key_usage(1));
    });
    let user = ca.issue(USER, |_| {});
    let dir = tempfile::tempdir().unwrap();
    let world = World { ca, voms, user, dir };
    world.lsc("test.vo", &format!("{VOMS}\n{}\n", world.ca.name));
    world
}

impl World {
    fn lsc(&self, vo: &str, text: &str) {
        let dir = self.dir.path().join(vo);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("voms.example.org.lsc"), text).unwrap();
    }

    fn no_lsc(&self) {
        std::fs::remove_file(self.dir.path().join("test.vo/voms.example.org.lsc")).unwrap();
    }

    fn trust(&self) -> Trust {
        let tls = tls(Path::new("/nonexistent"), self.dir.path());
        Trust::load(&tls, &chain(&[&self.ca]), HOST).0
    }

    fn ac(&self) -> Ac {
        Ac::of(&self.user, &self.voms)
    }

    fn judge_acs(&self, acs: &[Vec<u8>]) -> Judgement {
        let proxy = self.user.proxy("1", |f| f.set(oid::VOMS_ACS, false, ac_list(acs)));
        judge(&self.trust(), &[&proxy, &self.user]).unwrap()
    }

    fn judge(&self, change: impl FnOnce(&mut Ac)) -> Judgement {
        let mut ac = self.ac();
        change(&mut ac);
        self.judge_acs(&[ac.sign(&self.voms.key)])
    }

    #[track_caller]
    fn good(&self, change: impl FnOnce(&mut Ac)) {
        let judgement = self.judge(change);
        assert_eq!(judgement.person.notes, Vec::<String>::new());
        assert_eq!(names(&judgement), ["/test.vo", "/test.vo/Role=admin"]);
    }

    #[track_caller]
    fn bad(&self, says: &str, change: impl FnOnce(&mut Ac)) {
        dropped(&self.judge(change), says);
    }
}

#[track_caller]
fn dropped(judgement: &Judgement, says: &str) {
    assert_eq!(judgement.person.dn, USER);
    assert!(judgement.person.fqans.is_empty(), "{:?}", judgement.person.fqans);
    assert_eq!(judgement.person.notes.len(), 1, "{:?}", judgement.person.notes);
    assert!(
        judgement.person.notes[0].contains(says),
        "{:?} does not say {says:?}",
        judgement.person.notes
    );
}

fn names(judgement: &Judgement) -> Vec<&str> {
    judgement.person.fqans.iter().map(Fqan::as_str).collect()
}

#[test]
fn fqans_come_in_their_order() {
    let w = world();
    w.good(|_| {});
    let judgement = w.judge(|ac| ac.fqans.reverse());
    assert_eq!(names(&judgement), ["/test.vo/Role=admin", "/test.vo"]);
    assert_eq!(judgement.review_at, super::super::when::system_time(NOW + 11 * HOUR + 300));
}

#[test]
fn attributes_may_sit_in_any_proxy_and_the_nearest_counts() {
    let w = world();
    let trust = w.trust();
    let first = w.user.proxy("1", |f| {
        f.set(oid::VOMS_ACS, false, ac_list(&[w.ac().sign(&w.voms.key)]));
    });
    let plain = first.proxy("2", |_| {});
    let judgement = judge(&trust, &[&plain, &first, &w.user]).unwrap();
    assert_eq!(names(&judgement), ["/test.vo", "/test.vo/Role=admin"]);
    let mut ac = w.ac();
    ac.fqans = vec!["/test.vo/other".to_owned()];
    let newer = first.proxy("2", |f| f.set(oid::VOMS_ACS, false, ac_list(&[ac.sign(&w.voms.key)])));
    let judgement = judge(&trust, &[&newer, &first, &w.user]).unwrap();
    assert_eq!(names(&judgement), ["/test.vo/other"]);
    // A CA puts none into an end entity.
    let eec = w.ca.issue(USER, |f| {
        f.set(oid::VOMS_ACS, false, ac_list(&[w.ac().sign(&w.voms.key)]));
    });
    assert!(judge(&trust, &[&eec]).unwrap().person.fqans.is_empty());
}

#[test]
fn a_bad_one_does_not_take_the_others_along() {
    let w = world();
    w.lsc("other.vo", &format!("{VOMS}\n{}\n", w.ca.name));
    let mut old = w.ac();
    old.not_after = NOW - HOUR;
    let mut other = w.ac();
    other.authority = "other.vo://voms.example.org:15001".to_owned();
    other.fqans = vec!["/other.vo".to_owned()];
    let signed: Vec<_> = [w.ac(), old, other].iter().map(|ac| ac.sign(&w.voms.key)).collect();
    let judgement = w.judge_acs(&signed);
    assert_eq!(names(&judgement), ["/test.vo", "/test.vo/Role=admin", "/other.vo"]);
    assert_eq!(judgement.person.notes.len(), 1);
    assert!(judgement.person.notes[0].contains("expired 60 min ago: run voms-proxy-init"));
}

#[test]
fn dates() {
    let w = world();
    w.good(|ac| ac.not_after = NOW - 299);
    w.bad("expired", |ac| ac.not_after = NOW - 301);
    w.good(|ac| ac.not_before = NOW + 299);
    w.bad("valid only in", |ac| ac.not_before = NOW + 301);
}

#[test]
fn holders() {
    let w = world();
    w.good(|ac| ac.holder_name = w.ca.name.clone());
    w.good(|ac| ac.entity = true);
    let somebody = "/C=IT/O=Test Grid/CN=Boss";
    w.bad("somebody else", |ac| ac.holder_name = somebody.to_owned());
    w.bad("somebody else", |ac| ac.holder_serial = vec![0x11, 0x23]);
    w.bad("somebody else", |ac| {
        ac.entity = true;
        ac.holder_name = somebody.to_owned();
    });
}

#[test]
fn signatures_and_lsc() {
    let w = world();
    let stranger = rcgen::KeyPair::generate().unwrap();
    dropped(&w.judge_acs(&[w.ac().sign(&stranger)]), "does not match the key");
    let mut bent = w.ac().sign(&w.voms.key);
    let at = bent.windows(5).position(|part| part == b"admin").unwrap();
    bent[at] = b'A';
    dropped(&w.judge_acs(&[bent]), "does not match the key");
    w.bad("did not come with them", |ac| ac.drop(oid::VOMS_AA_CERTS));
    w.bad("came with the certificate of", |ac| ac.issuer = "/CN=other".to_owned());

    // Another server of a CA that is trusted, with a certificate of its own.
    let other = w.ca.issue("/C=IT/O=Test Grid/CN=evil.example.org", |_| {});
    let mut ac = w.ac();
    ac.issuer = other.name.clone();
    let certs = tlv(tag::SEQUENCE, &[&tlv(tag::SEQUENCE, &[&other.der])]);
    ac.set(oid::VOMS_AA_CERTS, false, certs);
    let id = Cert::parse(&other.der).unwrap().key.identifier();
    ac.set(oid::AUTHORITY_KEY_ID, false, tlv(tag::SEQUENCE, &[&tlv(0x80, &[&id])]));
    dropped(&w.judge_acs(&[ac.sign(&other.key)]), "which is not what");

    // A name that only reads like the server's: one O with a slash in it.
    let rest = VOMS.strip_prefix("/C=IT/O=").unwrap();
    let rdn = |kind: &[u8], value: &str| {
        let pair = [tlv(tag::OID, &[kind]), tlv(tag::UTF8, &[value.as_bytes()])];
        tlv(tag::SET, &[&tlv(tag::SEQUENCE, &[&pair[0], &pair[1]])])
    };
    let subject = tlv(tag::SEQUENCE, &[&rdn(&[0x55, 4, 6], "IT"), &rdn(&[0x55, 4, 10], rest)]);
    let fake = w.ca.issue(VOMS, |f| f.subject = subject);
    let mut ac = w.ac();
    ac.set(oid::VOMS_AA_CERTS, false, tlv(tag::SEQUENCE, &[&tlv(tag::SEQUENCE, &[&fake.der])]));
    dropped(&w.judge_acs(&[ac.sign(&fake.key)]), "which is not what");

    // The LSC names the right server and another CA.
    w.lsc("test.vo", &format!("{VOMS}\n/O=Other CA\n"));
    w.bad("which is not what", |_| {});
    w.lsc("test.vo", &format!("{VOMS}\n"));
    w.bad("which is not what", |_| {});
    w.lsc(
        "test.vo",
        &format!("# old\n/CN=a\n/CN=b\n------ NEXT CHAIN ------\n\n \"{VOMS}\"\n{}\n", w.ca.name),
    );
    w.good(|_| {});
    w.no_lsc();
    w.bad("ask the site for the file", |_| {});
}

#[test]
fn the_servers_certificate_must_hold() {
    let w = world();
    let with = |voms: &Holder| {
        let mut ac = w.ac();
        let certs = tlv(tag::SEQUENCE, &[&tlv(tag::SEQUENCE, &[&voms.der])]);
        ac.set(oid::VOMS_AA_CERTS, false, certs);
        let id = Cert::parse(&voms.der).unwrap().key.identifier();
        ac.set(oid::AUTHORITY_KEY_ID, false, tlv(tag::SEQUENCE, &[&tlv(0x80, &[&id])]));
        w.judge_acs(&[ac.sign(&voms.key)])
    };
    assert_eq!(names(&with(&w.ca.issue(VOMS, |_| {}))).len(), 2);
    dropped(&with(&w.ca.issue(VOMS, |f| f.not_after = NOW - HOUR)), "does not hold");
    dropped(&with(&w.ca.issue(VOMS, |f| f.wrong_key = true)), "was not signed by");
    // All right in its names, but its CA is not ours.
    let evil = Holder::root(&w.ca.name);
    dropped(&with(&evil.issue(VOMS, |_| {})), "was not signed by");
}

#[test]
fn without_lsc_a_local_certificate_decides() {
    let w = world();
    let pem = w.dir.path().join("test.vo/voms.pem");
    let stranger = w.ca.issue(VOMS, |_| {});
    std::fs::write(&pem, &stranger.der).unwrap();
    // An LSC that exists decides, whatever the certificates say.
    w.good(|_| {});
    w.no_lsc();
    w.bad("does not match the certificate of", |_| {});
    std::fs::write(&pem, &w.voms.der).unwrap();
    w.good(|ac| ac.drop(oid::VOMS_AA_CERTS));
    w.lsc("test.vo", "/CN=a\n/CN=b\n");
    w.bad("which is not what", |_| {});
    w.lsc("test.vo", "broken");
    w.bad("which is not what", |_| {});
}

#[test]
fn targets() {
    let w = world();
    w.good(|ac| ac.target(true, &["other.example.org", "SE.example.org"]));
    w.good(|ac| ac.target(true, &["https://se.example.org:8443/"]));
    w.bad("other hosts", |ac| ac.target(true, &["other.example.org"]));
    w.bad("other hosts", |ac| ac.target(false, &["se.example.org.evil"]));
    w.bad("other hosts", |ac| ac.set(oid::TARGETS, true, vec![0x30, 0]));
}

#[test]
fn extensions() {
    let w = world();
    w.bad("lacks noRevAvail", |ac| ac.drop(oid::NO_REV_AVAIL));
    w.bad("critical", |ac| ac.set(oid::NO_REV_AVAIL, true, vec![5, 0]));
    w.bad("lacks authorityKeyIdentifier", |ac| ac.drop(oid::AUTHORITY_KEY_ID));
    w.bad("is not that of", |ac| {
        ac.set(oid::AUTHORITY_KEY_ID, false, tlv(0x30, &[&tlv(0x80, &[&[7; 20]])]));
    });
    let by_serial = |name: &str| {
        let issuer = tlv(0xa1, &[&tlv(0xa4, &[&dn(name)])]);
        tlv(0x30, &[&issuer, &tlv(0x82, &[&[0, 0x77]])])
    };
    w.good(|ac| ac.set(oid::AUTHORITY_KEY_ID, false, by_serial(&w.ca.name)));
    w.bad("is not that of", |ac| {
        ac.set(oid::AUTHORITY_KEY_ID, false, by_serial("/CN=x"));
    });
    w.bad("critical", |ac| ac.set(&[0x2a, 3, 4], true, vec![5, 0]));
    w.good(|ac| ac.set(&[0x2a, 3, 4], false, vec![5, 0]));
}

#[test]
fn authority_and_fqans_agree() {
    let w = world();
    w.bad("is not of the VO", |ac| ac.fqans.push("/test.vox".to_owned()));
    w.bad("is not of the VO", |ac| ac.fqans.push("/atlas/Role=production".to_owned()));
    w.bad("is no FQAN", |ac| ac.fqans.push("test.vo".to_owned()));
    w.bad("name no group", |ac| ac.fqans.clear());
    w.bad("cannot be read", |ac| ac.twice = true);
    // One VO's server does not speak for another.
    w.bad("no VOMS server", |ac| {
        ac.authority = "atlas://voms.example.org:15000".to_owned();
        ac.fqans = vec!["/atlas".to_owned()];
    });
    for authority in
        ["../x://h:1", "a/b://h:1", "test.vo://../../x:1", "test.vo", "://h:1", "test.vo://h:x"]
    {
        w.bad("is not vo://host:port", |ac| ac.authority = authority.to_owned());
    }
}

#[test]
fn broken_lists_do_no_harm() {
    let w = world();
    let good = ac_list(&[w.ac().sign(&w.voms.key)]);
    for end in (0..good.len()).step_by(7) {
        let proxy = w.user.proxy("1", |f| f.set(oid::VOMS_ACS, false, good[..end].to_vec()));
        dropped(&judge(&w.trust(), &[&proxy, &w.user]).unwrap(), "cannot be read");
    }
    let ac = w.ac().sign(&w.voms.key);
    for at in (0..ac.len()).step_by(5) {
        let mut bent = ac.clone();
        bent[at] ^= 0x21;
        let judgement = w.judge_acs(&[bent]);
        assert!(judgement.person.fqans.is_empty(), "byte {at}");
        assert_eq!(judgement.person.notes.len(), 1);
    }
    dropped(&w.judge_acs(&vec![vec![0x30, 0]; 33]), "more than 32");
}
