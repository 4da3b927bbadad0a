//! Accounts and groups of this host, made once for the suite, and mappings over files in a folder.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Once;
use std::time::{Duration, SystemTime};

use stormd::auth::mapping::Mapping;
use stormd::config::Config;
use stormd::model::{Fqan, Person, ProxyKind};

/// Accounts of the pool `stpool`.
pub const POOL: [&str; 6] = ["stpool1", "stpool2", "stpool3", "stpool4", "stpool5", "stpool6"];

/// Groups `stvo`, `stadm`, `stprd`, in the order of their ids; the accounts of [`POOL`] (in `stvo`), `stfix`
/// (in `stadm` and `stprd`), and `stdn1` (in `stprd`), the one of a pool for DNs.
pub fn make() {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        for (at, group) in ["stvo", "stadm", "stprd"].into_iter().enumerate() {
            run("groupadd", &["-f", "-g", &(64_201 + at).to_string(), group]);
        }
        for name in POOL {
            user(name, &["-g", "stvo"]);
        }
        user("stfix", &["-g", "stadm", "-G", "stprd"]);
        user("stdn1", &["-g", "stprd"]);
    });
}

fn user(name: &str, more: &[&str]) {
    if nix::unistd::User::from_name(name).unwrap().is_none() {
        run("useradd", &[&["-M", "-s", "/usr/sbin/nologin"], more, &[name]].concat());
    }
}

fn run(program: &str, arguments: &[&str]) {
    let root = nix::unistd::geteuid().is_root();
    let mut command = Command::new(if root { program } else { "sudo" });
    if !root {
        command.args(["-n", program]);
    }
    let done = command.args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{program} {arguments:?}: {told}");
}

/// Empty files of a gridmapdir.
pub fn gridmapdir(folder: &Path, names: &[&str]) {
    std::fs::create_dir_all(folder).unwrap();
    for name in names {
        std::fs::write(folder.join(name), "").unwrap();
    }
}

/// The mapping over `gridmap`, `groupmap` and `dir` in a folder.
pub fn mapping(folder: &Path) -> Mapping {
    let mut text = String::from("[auth]\n");
    for (key, file) in [("gridmap", "gridmap"), ("groupmap", "groupmap"), ("gridmapdir", "dir")] {
        writeln!(text, "{key} = \"{}\"", folder.join(file).display()).unwrap();
    }
    let file = folder.join("storm.toml");
    let config = Config::parse(&text, &file).unwrap();
    Mapping::load(&config.auth, &file, None).unwrap().0
}

/// Somebody.
pub fn person(dn: &str, fqans: &[&str]) -> Person {
    Person {
        dn: dn.to_owned(),
        fqans: fqans.iter().map(|fqan| Fqan::parse(fqan).unwrap()).collect(),
        not_after: SystemTime::now() + Duration::from_secs(600),
        proxy: ProxyKind::EndEntity,
        notes: Vec::new(),
        scope: None,
    }
}
