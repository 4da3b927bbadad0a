//! One request's whole authorisation, from the SURL to path-authz.db: 1000 entries of path-authz.db, 10
//! approachable rules, a ban list and a grid-mapfile of 1000 lines, a person with three FQANs. It may
//! take at most 0.1 of one RSA-2048 signature, of which every new connection costs the server one.
#![allow(clippy::unwrap_used)] // A bench that fails may die.

mod support;

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use stormd::auth::policy::Policy;
use stormd::auth::trace::Trace;
use stormd::config::Config;
use stormd::fsdriver::{Driver, Posix};
use stormd::model::{Fqan, Identity, Person, ProxyKind};
use stormd::namespace::{Namespace, Ports};
use stormd::srm::{Asked, Site};

use support::{Bounds, median};

const MOST_OF_A_SIGNATURE: f64 = 0.1;
const LINES: usize = 1000;
const RULES: usize = 10;

fn main() -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path());
    let who = Identity::Person(Arc::new(Person {
        dn: "/DC=ch/DC=cern/OU=Organic Units/OU=Users/CN=jdoe/CN=123456/CN=Jane Doe".to_owned(),
        fqans: ["/atlas/Role=production", "/atlas", "/atlas/de"]
            .iter()
            .map(|text| Fqan::parse(text).unwrap())
            .collect(),
        not_after: SystemTime::now() + Duration::from_secs(3600),
        proxy: ProxyKind::Rfc { limited: false },
        notes: Vec::new(),
        scope: None,
    }));
    let port = site.config.srm.listen.port();
    let path = "/atlas/data/run9/dir900/sub/deeper/file.root";
    let surl = format!("srm://localhost:{port}/srm/managerv2?SFN={path}");
    let authorise = || {
        let decided = site.explain(&who, &surl, Asked::Read, &mut Trace::off());
        assert!(decided.is_ok(), "{decided:?}");
    };
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let mut signed = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    let signature = || key.sign(&RSA_PKCS1_SHA256, &random, b"as in a handshake", &mut signed);
    let signature = micros(50, signature);
    let authorisation = micros(500, authorise);
    println!("one authorisation: {authorisation:.2} us; one RSA-2048 signature: {signature:.1} us");
    let mut bounds = Bounds::default();
    bounds.at_most(
        "a request's authorisation against an RSA-2048 signature",
        authorisation / signature,
        MOST_OF_A_SIGNATURE,
    );
    bounds.exit_code()
}

/// The middle of many rounds.
fn micros<T>(times: u32, mut work: impl FnMut() -> T) -> f64 {
    let mut rounds: Vec<f64> = (0..51)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..times {
                black_box(work());
            }
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(times)
        })
        .collect();
    median(&mut rounds)
}

/// The files of a site with all of it.
fn site(folder: &Path) -> Site {
    let mut rules = String::new();
    for rule in 0..RULES {
        // The last one opens the area.
        let name =
            if rule + 1 == RULES { "Jane.*".to_owned() } else { format!("Somebody {rule}.*") };
        write!(
            rules,
            "<app-rule name=\"r{rule}\"><subjects><dn>/DC=ch/DC=cern/OU=Users/CN={name}</dn>\
             <vo-name>atlas</vo-name></subjects><approachable-fs>DEMO</approachable-fs></app-rule>"
        )
        .unwrap();
    }
    // The shipped one, at another path and with other rules.
    let shipped = include_str!("../namespace.xml").replace("/demo<", "/atlas<");
    let (head, tail) = shipped.split_once("<approachable-rules>").unwrap();
    let (_, tail) = tail.split_once("</approachable-rules>").unwrap();
    let text = format!("{head}<approachable-rules>{rules}</approachable-rules>{tail}");
    std::fs::write(folder.join("namespace.xml"), text).unwrap();
    let mut path_authz = "@ALL@ / RL permit\n".to_owned();
    let (mut bans, mut gridmap) = (String::new(), String::new());
    for line in 0..LINES {
        let (run, group) = (line % 10, if line % 2 == 0 { "games" } else { "@ALL@" });
        writeln!(path_authz, "{group} /atlas/data/run{run}/dir{line} WRFDLMN permit").unwrap();
        writeln!(bans, "/DC=ch/DC=cern/OU=Users/CN=Banned {line}\n/banned{line}/Role=*").unwrap();
        writeln!(gridmap, "\"/DC=ch/DC=cern/OU=Users/CN=Person {line}\" man").unwrap();
    }
    gridmap += "\"/atlas/Role=production\" games\n";
    for (name, text) in [("path-authz.db", path_authz), ("ban", bans), ("gridmap", gridmap)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let text = "[auth]\ngridmap = \"gridmap\"\ngroupmap = \"groupmap\"\nban = \"ban\"\n\
                require_mapping = true\n";
    let file = folder.join("storm.toml");
    let config = Arc::new(Config::parse(text, &file).unwrap());
    let open = |root: &Path, others: &[std::path::PathBuf]| {
        let driver = Posix::open(root, others.to_vec()).map_err(|error| error.to_string())?;
        Ok(Arc::new(driver) as Arc<dyn Driver>)
    };
    let (namespace, _) = Namespace::load(&config.paths.namespace, &config, &open).unwrap();
    let (policy, warnings) = Policy::load(&config.auth, &file, None).unwrap();
    assert_eq!(warnings, []);
    let namespace = Arc::new(namespace.with_ports(Ports::of(&config)));
    Site::new(config, namespace, policy)
}
