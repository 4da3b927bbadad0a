//! VOMS attributes: one that does not hold leaves the person in, without it, and tells why where it would
//! have been needed.

use crate::world::*;

/// An attribute certificate that `change` bent does not count; one that nobody bent does.
#[track_caller]
fn bent(change: impl FnOnce(&mut Ac), says: &[&str]) {
    let w = World::running();
    w.no_fqans(&[&w.with_ac(change), &w.user], says);
    w.has_fqans(&[&w.with_ac(|_| {}), &w.user], "/test.vo,/test.vo/Role=admin");
}

#[test]
fn expired() {
    bent(
        |ac| ac.not_after = tests_now() - 3 * HOUR,
        &["your VOMS attributes did not count", "they expired 3 h ago: run voms-proxy-init again"],
    );
}

#[test]
fn of_another_holder() {
    let says = ["they were given to somebody else: run voms-proxy-init again"];
    bent(|ac| ac.holder_name = "/C=IT/O=Forged Grid/CN=Boss".to_owned(), &says);
    bent(|ac| ac.holder_serial = vec![0x11, 0x23], &says);
}

#[test]
fn another_server_than_the_lsc_says() {
    let mut w = World::new();
    w.lsc("/C=IT/O=Forged Grid/CN=other.example.org\n/C=IT/O=Forged Grid/CN=Forged CA\n");
    w.start("");
    let proxy = w.with_ac(|_| {});
    w.no_fqans(
        &[&proxy, &w.user],
        &["which is not what", "voms.example.org.lsc says: ask the site"],
    );
    // Both spellings of the line between two chains, and the labels of other tools.
    for next in ["------ NEXT CHAIN ------", "------NEXT CHAIN------"] {
        w.lsc(&format!("/CN=a\n/CN=b\n{next}\n{}\n\"{CA}\"\n", VOMS.replace("/O=", "/o=")));
        w.start("");
        w.has_fqans(&[&proxy, &w.user], "/test.vo,/test.vo/Role=admin");
    }
}

/// Four lines for a server below a sub-CA; both certificates come along.
#[test]
fn lsc_of_a_longer_chain() {
    let mut w = World::new();
    let sub = w.ca.sub_ca("/C=IT/O=Forged Grid/CN=Sub CA", |_| {});
    w.signing_policy(&sub, "/C=IT/O=Forged Grid/*");
    let server = sub.issue(VOMS, |_| {});
    let mut ac = Ac::of(&w.user, &server);
    ac.from(&[&server, &sub]);
    let proxy = w.voms_proxy(&[ac.sign(&server.key)]);
    w.lsc(&format!("{VOMS}\n{}\n", sub.name));
    w.start("");
    w.no_fqans(&[&proxy, &w.user], &["which is not what"]);
    w.lsc(&format!("{VOMS}\n{}\n{}\n{CA}\n", sub.name, sub.name));
    w.start("");
    w.has_fqans(&[&proxy, &w.user], "/test.vo,/test.vo/Role=admin");
}

#[test]
fn tampered() {
    let w = World::running();
    let mut der = Ac::of(&w.user, &w.voms).sign(&w.voms.key);
    let at = der.windows(5).position(|part| part == b"admin").unwrap();
    der[at..at + 5].copy_from_slice(b"ADMIN");
    let says = ["does not match the key that should have made it: run voms-proxy-init again"];
    w.no_fqans(&[&w.voms_proxy(&[der]), &w.user], &says);
    w.has_fqans(&[&w.with_ac(|_| {}), &w.user], "/test.vo,/test.vo/Role=admin");
}

#[test]
fn targeted_to_another_host() {
    bent(
        |ac| ac.target(true, &["other.example.org"]),
        &["they are meant for other hosts than `localhost`"],
    );
    let w = World::running();
    let ours = w.with_ac(|ac| ac.target(true, &["other.example.org", "localhost"]));
    w.has_fqans(&[&ours, &w.user], "/test.vo,/test.vo/Role=admin");
}

#[test]
fn with_an_unknown_critical_extension() {
    bent(|ac| ac.set(&[0x2a, 3, 4], true, vec![5, 0]), &["has a critical extension"]);
}

#[test]
fn of_an_unknown_vo() {
    bent(
        |ac| {
            ac.authority = "atlas://voms.example.org:15000".to_owned();
            ac.fqans = vec!["/atlas".to_owned()];
        },
        &[
            "no VOMS server `voms.example.org` is known for the VO `atlas`",
            "ask the site for the file",
        ],
    );
}

/// The server of one VO names groups of another.
#[test]
fn of_another_vo_than_the_servers() {
    bent(|ac| ac.fqans.push("/atlas/Role=production".to_owned()), &["is not of the VO `test.vo`"]);
}

/// Names that would lead out of vomsdir.
#[test]
fn with_a_path_for_a_name() {
    bent(
        |ac| {
            ac.authority = "test.vo://../test.vo/voms.example.org:15000".to_owned();
        },
        &["is not vo://host:port"],
    );
    bent(
        |ac| {
            ac.authority = "../vomsdir/test.vo://voms.example.org:15000".to_owned();
        },
        &["is not vo://host:port"],
    );
}

#[test]
fn the_order_of_fqans_stays() {
    let w = World::running();
    let reversed = w.with_ac(|ac| ac.fqans.reverse());
    w.has_fqans(&[&reversed, &w.user], "/test.vo/Role=admin,/test.vo");
    // Over several attribute certificates as well, and a bad one in between takes no other along.
    let sign = |fqans: &[&str], ago: i64| {
        let mut ac = Ac::of(&w.user, &w.voms);
        ac.fqans = fqans.iter().map(|&fqan| fqan.to_owned()).collect();
        ac.not_after -= ago;
        ac.sign(&w.voms.key)
    };
    let acs = [
        sign(&["/test.vo/b", "/test.vo/a"], 0),
        sign(&["/test.vo/Role=admin"], DAY),
        sign(&["/test.vo/a", "/test.vo"], 0),
    ];
    w.has_fqans(&[&w.voms_proxy(&acs), &w.user], "/test.vo/b,/test.vo/a,/test.vo");
}
