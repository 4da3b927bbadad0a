//! Leases of pool accounts: LCMAPS' own, and those of several processes at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use stormd::auth::mapping::Unmapped;

use super::accounts::{POOL, gridmapdir, make, mapping, person};

const GRIDMAP: &str = "\"/test.vo/Role=admin\" stfix\n\
    \"/test.vo*\" .stpool\n\
    \"/C=IT/CN=Pool Person\" .stdn\n\
    \"/C=IT/CN=Local Person\" stfix\n\
    /C=IT/CN=host/se.example stdn1\n";
const GROUPMAP: &str = "\"/test.vo/Role=admin\" stadm\n\
    \"/test.vo\" stvo\n\
    \"/test.vo/prod*\" stprd\n";

/// LCMAPS with the policy of StoRM over a folder's files.
fn lcmaps(folder: &Path, dn: &str, fqans: &[&str]) -> Option<(u32, Vec<u32>, String)> {
    let at = folder.display();
    let policy = format!(
        "path = /usr/lib/lcmaps\n\
         vlg = \"lcmaps_voms_localgroup.mod -groupmapfile {at}/groupmap -mapmin 0\"\n\
         vla = \"lcmaps_voms_localaccount.mod -gridmapfile {at}/gridmap\"\n\
         vpa = \"lcmaps_voms_poolaccount.mod -gridmapfile {at}/gridmap -gridmapdir {at}/dir \
         -override_inconsistency\"\n\
         pa = \"lcmaps_poolaccount.mod -gridmapfile {at}/gridmap -gridmapdir {at}/dir \
         -override_inconsistency\"\n\
         la = \"lcmaps_localaccount.mod -gridmapfile {at}/gridmap\"\n\
         good = \"lcmaps_dummy_good.mod\"\n\
         standard:\nvlg -> vla | pa\nvla -> good | vpa\nvpa -> good | pa\npa -> good | la\nla -> good\n"
    );
    std::fs::write(folder.join("lcmaps.db"), policy).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mapping/lcmaps.py");
    let done =
        Command::new("python3").arg(script).arg(folder).arg(dn).args(fqans).output().unwrap();
    let told = String::from_utf8(done.stdout).unwrap();
    let log = std::fs::read_to_string(folder.join("lcmaps.log")).unwrap_or_default();
    assert!(done.status.success(), "{}{log}", String::from_utf8_lossy(&done.stderr));
    let words: Vec<&str> = told.split_whitespace().collect();
    match words.as_slice() {
        ["none"] => None,
        [uid, gids, lease] => {
            let gids = gids.split(',').map(|gid| gid.parse().unwrap()).collect();
            Some((uid.parse().unwrap(), gids, (*lease).to_owned()))
        }
        _ => panic!("lcmaps.py: {told:?}"),
    }
}

#[test]
fn accounts_groups_and_leases_are_those_of_lcmaps() {
    make();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("gridmap"), GRIDMAP).unwrap();
    std::fs::write(folder.join("groupmap"), GROUPMAP).unwrap();
    let (vo, prod, admin) = ("/test.vo", "/test.vo/prod", "/test.vo/Role=admin");
    for (dn, fqans) in [
        ("/C=IT/O=Test Grid/CN=Test User", &[vo][..]),
        ("/C=IT/O=Test Grid/CN=Test User", &[prod, vo]),
        ("/C=IT/O=Test Grid/CN=Test User", &[vo, prod]),
        ("/C=IT/O=Test Grid/CN=Test User", &[prod, "/test.vo/none", vo]),
        ("/C=IT/O=Test Grid/CN=Test User", &[admin, vo]),
        ("/C=IT/O=Test Grid/CN=Test User", &[vo, admin]),
        ("/C=IT/O=Test Grid/CN=Test User", &["/other.vo", vo]),
        ("/C=IT/CN=Jos\u{e9} \u{dc}bel (x) O'Hara_-.@:+,~", &[vo]),
        ("/DC=ch/emailAddress=a@b.example/CN=x", &[prod]),
        ("/C=IT/CN=Pool Person", &[]),
        ("/C=IT/CN=Pool Person", &["/other.vo"]),
        ("/C=IT/CN=Pool Person", &[vo]),
        ("/C=IT/CN=Local Person", &[]),
        ("/C=IT/CN=Local Person", &["/other.vo/x"]),
        ("/C=IT/CN=host/se.example", &[]),
        ("/C=IT/CN=Nobody", &[]),
        ("/C=IT/CN=Nobody", &["/other.vo"]),
    ] {
        // Whoever comes second finds the lease of the first.
        for lcmaps_first in [true, false] {
            let dir = folder.join("dir");
            let _ = std::fs::remove_dir_all(&dir);
            gridmapdir(&dir, &POOL);
            gridmapdir(&dir, &["stdn1", "stfix", "stpool"]);
            let ours = || mapping(folder).account(&person(dn, fqans), &|_| false);
            let early = (!lcmaps_first).then(ours);
            let theirs = lcmaps(folder, dn, fqans);
            let ours = early.unwrap_or_else(ours);
            let case = format!("{dn} {fqans:?}, LCMAPS first: {lcmaps_first}");
            match (theirs, ours) {
                (Some((uid, gids, lease)), Ok(account)) => {
                    assert_eq!((account.uid, &account.gids), (uid, &gids), "{case}");
                    if lease != "-" {
                        let named = dir.join(&lease);
                        assert!(named.exists(), "{case}: no {lease}");
                        assert_eq!(leases(&dir), 1, "{case}: {lease} is not the only one");
                    }
                }
                // Of a first FQAN without group it makes no primary group, and then no account.
                (None, Ok(_)) if fqans.first() == Some(&"/other.vo") && fqans.len() > 1 => {}
                (None, Err(Unmapped::NoEntry(_))) => assert_eq!(leases(&dir), 0, "{case}"),
                (theirs, ours) => panic!("{case}: LCMAPS {theirs:?}, we {ours:?}"),
            }
        }
    }
}

fn leases(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().contains('%')).count()
}

/// Set in the processes that lease: the folder, and a number of their own.
const PROCESS: &str = "STORMD_TEST_LEASES";

#[test]
fn several_processes_share_a_gridmapdir() {
    const PEOPLE: usize = 5;
    if let Some(setting) = std::env::var_os(PROCESS) {
        let setting = setting.into_string().unwrap();
        let (number, folder) = setting.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        let mapping = mapping(Path::new(folder));
        // A moment at which all have begun.
        while !Path::new(folder).join("go").exists() {
            std::thread::yield_now();
        }
        for at in 0..PEOPLE {
            let dn = format!("/CN=Person {}", (at + number) % PEOPLE);
            let account = mapping.account(&person(&dn, &["/test.vo"]), &|_| false).unwrap();
            println!("leased {dn}={}", account.name);
        }
        return;
    }
    make();
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::write(folder.join("gridmap"), GRIDMAP).unwrap();
        gridmapdir(&folder.join("dir"), &POOL);
        let children: Vec<_> = (0..4)
            .map(|number| {
                Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "leases::several_processes_share_a_gridmapdir"])
                    .arg("--nocapture")
                    .env(PROCESS, format!("{number} {}", folder.display()))
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        std::fs::write(folder.join("go"), "").unwrap();
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        for child in children {
            let done = child.wait_with_output().unwrap();
            let told = String::from_utf8(done.stdout).unwrap();
            assert!(done.status.success(), "{told}");
            let lines: Vec<_> = told.lines().filter_map(|l| l.split_once("leased ")).collect();
            assert_eq!(lines.len(), PEOPLE, "{told}");
            for (_, lease) in lines {
                let (dn, account) = lease.rsplit_once('=').unwrap();
                let other = given.insert(dn.to_owned(), account.to_owned());
                assert!(other.is_none_or(|other| other == account), "{dn}: {told}");
            }
        }
        let accounts: std::collections::BTreeSet<_> = given.values().collect();
        assert_eq!((given.len(), accounts.len()), (PEOPLE, PEOPLE), "{given:?}");
        assert_eq!(leases(&folder.join("dir")), PEOPLE);
    }
}

#[test]
fn a_pool_account_that_is_still_named_on_disk_is_not_given_anew() {
    make();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gridmap"), GRIDMAP).unwrap();
    gridmapdir(&folder.path().join("dir"), &["stpool1", "stpool2"]);
    let mapping = mapping(folder.path());
    let uid = nix::unistd::User::from_name("stpool1").unwrap().unwrap().uid.as_raw();
    let first = mapping.account(&person("/CN=a", &["/test.vo"]), &|held| held == uid).unwrap();
    assert_eq!(first.name, "stpool2");
    let full = mapping.account(&person("/CN=b", &["/test.vo"]), &|held| held == uid).unwrap_err();
    assert!(full.to_string().contains("every account of the pool stpool is taken"), "{full}");
}

#[test]
fn nobody_is_mapped_to_root() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gridmap"), "\"/CN=a\" root\n\"/CN=b\" nobody\n").unwrap();
    let mapping = mapping(folder.path());
    let refused = mapping.account(&person("/CN=a", &[]), &|_| false).unwrap_err().to_string();
    assert!(refused.contains("gridmap:1 is root: ask the site to name another"), "{refused}");
    assert_eq!(mapping.account(&person("/CN=b", &[]), &|_| false).unwrap().name, "nobody");
}
