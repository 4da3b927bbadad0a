//! GSI with real clients: every kind of proxy, both TLS versions, delegation; each time the access
//! log must name the right person.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use common::client::{Output, Person, Tls};
use common::{TestStorm, USER_DN, pki, soap};

/// Proxy kinds that must be let in: the file's name, `proxy` in the access log, has FQANs.
const KINDS: [(&str, &str, &str); 9] = [
    ("rfc", "rfc", "-"),
    ("rfc-limited", "rfc-limited", "-"),
    ("rfc2", "rfc", "-"),
    ("draft", "draft", "-"),
    ("legacy", "legacy", "-"),
    ("legacy-limited", "legacy-limited", "-"),
    ("voms", "rfc", "/test.vo,/test.vo/Role=admin"),
    ("voms-admin", "rfc", "/test.vo/Role=admin,/test.vo"),
    ("voms-legacy", "legacy", "/test.vo,/test.vo/Role=admin"),
];

/// Kinds that the people of ARC's client refuse themselves ("Invalid credentials"): nothing
/// reaches the server.
const NOT_ARC: [&str; 4] = ["draft", "legacy", "legacy-limited", "voms-legacy"];

#[test]
fn every_proxy_kind_in_both_tls_versions() {
    let storm = TestStorm::start();
    let mut jobs = Vec::new();
    for (kind, proxy, fqans) in KINDS {
        for tls in [Tls::V12, Tls::V13] {
            for client in ["gfal-ls", "arcls", "curl"] {
                if client != "arcls" || !NOT_ARC.contains(&kind) {
                    jobs.push((kind, proxy, fqans, tls, client));
                }
            }
        }
    }
    // Each combination looks at a directory of its own, so that its lines can be told apart.
    for (kind, _, fqans, tls, client) in &jobs {
        let dir = storm.root(area(fqans)).join(name(kind, *tls, client));
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("inside"), "x").unwrap();
    }
    let queue = Mutex::new(jobs.clone());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some((kind, _, fqans, tls, client)) = queue.lock().unwrap().pop() else {
                        break;
                    };
                    let surl = storm.surl(&format!("/{}/{}", area(fqans), name(kind, tls, client)));
                    let output =
                        list(&Person::new(&storm, kind).tls(tls), client, &surl, &storm).ok();
                    assert!(output.out.contains("inside"), "{kind} {tls:?}: {output}");
                }
            });
        }
    });
    for (kind, proxy, fqans, tls, client) in jobs {
        let name = name(kind, tls, client);
        let lines = storm
            .access_of(&name, |a| a.op() == "srmLs" && a.target().ends_with(&format!("/{name}")));
        for line in lines {
            assert_eq!(line.dn(), USER_DN, "{name}: {line:?}");
            assert_eq!(line.get("fqan"), fqans, "{name}: {line:?}");
            assert_eq!(line.get("proxy"), proxy, "{name}: {line:?}");
            assert_eq!(line.tls(), tls.name(), "{name}: {line:?}");
            assert_eq!(line.is("gsi"), client != "curl", "{name}: {line:?}");
            assert!(!line.is("delegated"), "{name}: {line:?}");
        }
    }
}

/// The control to [`NOT_ARC`]: if ARC takes them one day, the matrix above must grow.
#[test]
fn arc_itself_refuses_old_proxies() {
    let storm = TestStorm::start();
    for kind in NOT_ARC {
        Person::new(&storm, kind).run("arcls", &[storm.surl("/open")]).refused();
    }
}

/// A credential that does not hold gets an answer that a person can read, on both ports.
#[test]
fn what_does_not_hold_is_told() {
    let storm = TestStorm::start();
    std::fs::write(storm.root("open").join("secret"), "x").unwrap();
    for (kind, words) in [
        ("expired", &["expired", "voms-proxy-init"][..]),
        ("evil", &["CA"]),
        ("forged", &["not signed by"]),
        ("revoked", &["revoked"]),
        ("independent", &["independent"]),
        ("bad-pathlen", &["path"]),
    ] {
        for tls in [Tls::V12, Tls::V13] {
            let person = Person::new(&storm, kind).tls(tls);
            let output = list(&person, "curl", &storm.surl("/open"), &storm);
            assert!(output.out.contains("SRM_AUTHENTICATION_FAILURE"), "{kind}: {output}");
            let told = output.out.to_lowercase();
            for word in words {
                assert!(told.contains(&word.to_lowercase()), "{kind} without {word:?}: {output}");
            }
            assert!(!output.out.contains("secret"), "{kind}: {output}");
            let code = ["-o", "/dev/null", "-w", "%{http_code}", &storm.url("/open/secret")];
            assert_eq!(person.curl(&code).ok().out, "401", "{kind}");
        }
    }
}

/// A gSOAP + CGSI client, generated from the WSDL that stormd serves, decodes the answer of every
/// operation; with and without delegation.
#[test]
fn all_operations_by_gsoap_with_delegation() {
    let storm = TestStorm::start();
    let client = build_cgsi_client(&storm);
    for delegated in [false, true] {
        let dir = format!("/test.vo/cgsi-{delegated}");
        std::fs::create_dir(storm.root("test.vo").join(&dir["/test.vo/".len()..])).unwrap();
        let output =
            cgsi(&storm, &client, "voms", Tls::Any, delegated, &["all", &storm.surl(&dir)]);
        println!("{output}");
        let lines: Vec<(&str, &str)> =
            output.out.lines().filter_map(|l| l.split_once(' ')).collect();
        assert_eq!(lines.len(), 39, "{output}");
        for (operation, code) in &lines {
            let told = code.starts_with("SRM_") || *operation == "srmPing" && *code == "v2.2";
            assert!(told, "{operation} was answered with {code}\n{output}");
        }
        for (operation, wanted) in [
            ("srmPing", "v2.2"),
            ("srmLs", "SRM_SUCCESS"),
            ("srmMkdir", "SRM_SUCCESS"),
            ("srmPrepareToPut", "SRM_SUCCESS"),
            ("srmStatusOfPutRequest", "SRM_SUCCESS"),
            ("srmPutDone", "SRM_SUCCESS"),
            ("srmPrepareToGet", "SRM_SUCCESS"),
            ("srmStatusOfGetRequest", "SRM_SUCCESS"),
            ("srmReleaseFiles", "SRM_SUCCESS"),
            ("srmMv", "SRM_SUCCESS"),
            ("srmRm", "SRM_SUCCESS"),
            ("srmRmdir", "SRM_SUCCESS"),
            ("srmGetTransferProtocols", "SRM_SUCCESS"),
        ] {
            assert!(lines.contains(&(operation, wanted)), "{operation} not {wanted}\n{output}");
        }
        let mine = || -> Vec<_> {
            let srm = storm.access().into_iter().filter(|a| a.op().starts_with("srm"));
            srm.filter(|a| a.is("delegated") == delegated).collect()
        };
        common::wait_until(Duration::from_secs(3), || mine().len() >= 39);
        let lines = mine();
        assert_eq!(lines.len(), 39, "access lines with delegated={delegated}");
        for line in lines {
            assert_eq!((line.dn(), line.is("gsi")), (USER_DN, true), "{line:?}");
            assert_eq!(line.get("fqan"), "/test.vo,/test.vo/Role=admin", "{line:?}");
        }
    }
    // Every kind of credential, in both versions, through the delegation exchange; but limited
    // proxies CGSI itself will not delegate ("Proxy type inconsistent with issuing certificate").
    for (kind, proxy, fqans) in KINDS {
        if kind.ends_with("limited") {
            continue;
        }
        for tls in [Tls::V12, Tls::V13] {
            let before = storm.access().len();
            let output = cgsi(&storm, &client, kind, tls, true, &["ping", &storm.surl("/open")]);
            assert_eq!(output.out.trim(), "srmPing v2.2", "{kind} {tls:?}: {output}");
            let seen = common::wait_until(Duration::from_secs(3), || storm.access().len() > before);
            assert!(seen, "no access line of {kind} {tls:?}");
            let line = storm.access().pop().unwrap();
            assert_eq!((line.op(), line.dn(), line.tls()), ("srmPing", USER_DN, tls.name()));
            assert_eq!((line.get("proxy"), line.get("fqan")), (proxy, fqans), "{line:?}");
            assert!(line.is("delegated") && line.is("gsi"), "{line:?}");
        }
    }
    // A refused person gets a fault or SRM_AUTHENTICATION_FAILURE, never a broken answer.
    let args = ["all", &storm.surl("/test.vo/cgsi-true")];
    let refused = cgsi(&storm, &client, "independent", Tls::Any, false, &args);
    for line in refused.out.lines() {
        let (operation, told) = line.split_once(' ').unwrap();
        let fault = operation == "srmPing" && told.starts_with("FAULT");
        assert!(fault || told == "SRM_AUTHENTICATION_FAILURE", "{line}\n{refused}");
    }
}

/// Area that people with these FQANs look at.
fn area(fqans: &str) -> &'static str {
    if fqans == "-" { "open" } else { "test.vo" }
}

fn name(kind: &str, tls: Tls, client: &str) -> String {
    format!("{kind}-{}-{client}", tls.name())
}

fn list(person: &Person<'_>, client: &str, surl: &str, storm: &TestStorm) -> Output {
    match client {
        "curl" => {
            let body = soap::envelope("srmLs", &soap::surls(&[surl]));
            let endpoint = format!("https://localhost:{}/srm/managerv2", storm.ports.srm);
            person.curl(&["-H", "Content-Type: text/xml", "-d", &body, &endpoint])
        }
        client => person.run(client, &[surl]),
    }
}

fn cgsi(
    storm: &TestStorm,
    client: &Path,
    kind: &str,
    tls: Tls,
    delegated: bool,
    args: &[&str],
) -> Output {
    let endpoint = format!("httpg://localhost:{}/srm/managerv2", storm.ports.srm);
    let mode = if delegated { "delegate" } else { "plain" };
    let all: Vec<&str> =
        [endpoint.as_str(), mode].into_iter().chain(args.iter().copied()).collect();
    Person::new(storm, kind).tls(tls).run(&client.display().to_string(), &all)
}

/// Generates and compiles `tests/cgsi/client.c`. The WSDL is what the daemon serves; the compiled
/// client is kept under its checksum, as compiling takes a while.
fn build_cgsi_client(storm: &TestStorm) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cgsi");
    let url = format!("https://localhost:{}/srm/managerv2?wsdl", storm.ports.srm);
    let wsdl = Person::new(storm, "rfc").curl(&["-f", &url]).ok().out;
    // The address in it holds the port, which says nothing.
    let stable = wsdl.replace(&format!(":{}", storm.ports.srm), ":PORT");
    let mut all = stable.into_bytes();
    for file in ["client.c", "build.sh"] {
        all.extend(std::fs::read(source.join(file)).unwrap());
    }
    let dir =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cgsi-{}", common::adler32(&all)));
    let client = dir.join("client");
    if !client.exists() {
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("srm.wsdl"), wsdl).unwrap();
        let built = Command::new("bash").arg(source.join("build.sh")).arg(&dir).output().unwrap();
        let told = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "gSOAP did not take our WSDL:\n{told}");
    }
    assert!(pki::proxy("voms").exists());
    client
}
