//! What gfal-ls and curl print for the common faults: words by which a person can act.

use std::path::PathBuf;

use crate::common::client::Person;
use crate::common::{pki, soap};
use crate::world::*;

/// The holder of `file` hears every part of `says` from both clients, of a file at `path`.
#[track_caller]
fn told(w: &World, file: PathBuf, path: &str, says: &[&str]) {
    let storm = w.storm();
    let surl = storm.surl(path);
    let gfal = Person::holding(storm, file.clone()).run("gfal-ls", &["-l", &surl]);
    let envelope = soap::envelope("srmLs", &soap::surls(&[&surl]));
    let endpoint = format!("https://localhost:{}/srm/managerv2", storm.ports.srm);
    let curl = Person::holding(storm, file.clone()).curl(&["-d", &envelope, &endpoint]);
    let https = Person::holding(storm, file).curl(&[storm.url(path)]);
    assert_ne!(gfal.code, 0, "{gfal}");
    for output in [gfal, curl, https] {
        for part in says {
            let all = format!("{}{}", output.out, output.err);
            assert!(all.contains(part), "no {part:?} in {output}");
        }
    }
}

/// The control: both clients list the same file.
#[track_caller]
fn listed(w: &World, file: PathBuf, path: &str) {
    let surl = w.storm().surl(path);
    Person::holding(w.storm(), file.clone()).run("gfal-ls", &["-l", &surl]).ok();
    let url = w.storm().url(path);
    assert_eq!(Person::holding(w.storm(), file).curl(&["-f", &url]).ok().out, "what is inside");
}

#[test]
fn of_proxies() {
    let w = World::running();
    let anew = "make a new one with voms-proxy-init";
    let limited = w.user.proxy("1", |f| {
        f.set(oid::PROXY_CERT_INFO, true, proxy_info(oid::POLICY_LIMITED, None));
    });
    let below = limited.proxy("2", |_| {});
    told(&w, w.pem("mixed", &[&below, &limited, &w.user]), "/open/file", &["full one below", anew]);
    let forged = w.user.proxy("1", |f| f.wrong_key = true);
    told(&w, w.pem("forged", &[&forged, &w.user]), "/open/file", &["was not signed by", anew]);
    let independent = w.user.proxy("1", |f| {
        f.set(oid::PROXY_CERT_INFO, true, proxy_info(oid::POLICY_INDEPENDENT, None));
    });
    let says = ["carries none of your rights", "make one without -independent"];
    told(&w, w.pem("independent", &[&independent, &w.user]), "/open/file", &says);
    listed(&w, w.pem("good", &[&w.user.proxy("1", |_| {}), &w.user]), "/open/file");
}

#[test]
fn of_certificates() {
    let mut w = World::new();
    let stranger = w.ca.issue("/C=IT/O=Other Grid/CN=Bob", |_| {});
    let revoked = w.ca.issue(USER, |f| f.serial = vec![7]);
    w.crl(&[&[7]], -DAY, DAY);
    w.start("");
    for (name, user, says) in [
        ("stranger", &stranger, ["may not certify the name", "ask your CA"]),
        ("revoked", &revoked, ["was revoked by its CA", "get a new one"]),
    ] {
        let file = w.pem(name, &[&user.proxy("1", |_| {}), user]);
        told(&w, file, "/open/file", &says);
    }
    let unknown = pki::proxy("rfc");
    told(&w, unknown, "/open/file", &["not among the trust anchors", "ask the site to install it"]);
    listed(&w, w.pem("good", &[&w.user.proxy("1", |_| {}), &w.user]), "/open/file");
    w.crl(&[], -3 * DAY, -DAY);
    w.start("");
    let file = w.pem("good", &[&w.user.proxy("1", |_| {}), &w.user]);
    told(&w, file, "/open/file", &["is out of date", "ask the site to run fetch-crl"]);
}

#[test]
fn of_voms_attributes() {
    let w = World::running();
    let expired = w.with_ac(|ac| ac.not_after = tests_now() - 3 * HOUR);
    let says = ["they expired 3 h ago", "run voms-proxy-init again"];
    told(&w, w.pem("expired", &[&expired, &w.user]), "/test.vo/file", &says);
    let unknown = w.with_ac(|ac| {
        ac.authority = "test.vo://new.example.org:15000".to_owned();
    });
    let says = ["no VOMS server `new.example.org` is known", "ask the site for the file"];
    told(&w, w.pem("unknown", &[&unknown, &w.user]), "/test.vo/file", &says);
    listed(&w, w.pem("good", &[&w.with_ac(|_| {}), &w.user]), "/test.vo/file");
}
