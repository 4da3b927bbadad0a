//! Leases in a folder of files.

use super::*;

fn pool(accounts: &[&str]) -> (tempfile::TempDir, GridMapDir) {
    let folder = tempfile::tempdir().unwrap();
    for account in accounts {
        fs::write(folder.path().join(account), "").unwrap();
    }
    let dir = GridMapDir::new(folder.path());
    (folder, dir)
}

fn any(_: &str) -> bool {
    true
}

#[test]
fn lease_names() {
    assert_eq!(
        lease_key("/C=IT/O=Test Grid/CN=Test User", &["tvo".into(), "tprd".into()]),
        "%2fc%3dit%2fo%3dtest%20grid%2fcn%3dtest%20user:tvo:tprd"
    );
    assert_eq!(lease_key("/CN=Übel (x)-._'", &[]), "%2fcn%3d%ff%ffbel%20%28x%29%2d%2e%5f%27");
}

#[test]
fn an_account_is_leased_once_and_found_again() {
    let (folder, dir) = pool(&["p001", "p002", "p", "psgm", "p00x", "q001"]);
    assert_eq!(dir.look("%a", "p"), Ok(Held::Free(2, "p001".to_owned())));
    assert_eq!(dir.lease("%a", "p", &any).unwrap(), "p001");
    let old = std::time::SystemTime::UNIX_EPOCH;
    File::open(folder.path().join("%a")).unwrap().set_modified(old).unwrap();
    assert_eq!(dir.lease("%a", "p", &any).unwrap(), "p001");
    let used = fs::metadata(folder.path().join("%a")).unwrap().modified().unwrap();
    assert!(used > old, "the time of use is set");
    assert_eq!(dir.look("%a", "p"), Ok(Held::Account("p001".to_owned())));
    assert_eq!(dir.lease("%b", "p", &any).unwrap(), "p002");
    let full = dir.lease("%c", "p", &any).unwrap_err();
    assert!(full.to_string().contains("every account of the pool p is taken"), "{full}");
    assert!(matches!(dir.look("%c", "p"), Err(LeaseError::Full { .. })));
    assert!(matches!(dir.lease("%c", "none", &any), Err(LeaseError::Empty { .. })));
    fs::remove_file(folder.path().join("%a")).unwrap();
    assert_eq!(dir.lease("%c", "p", &any).unwrap(), "p001");
    // Of another pool by now.
    assert_eq!(dir.lease("%b", "q", &any).unwrap(), "q001");
    assert_eq!(dir.look("%d", "p"), Ok(Held::Free(1, "p002".to_owned())));
    // The account's own file is gone.
    fs::remove_file(folder.path().join("q001")).unwrap();
    assert_eq!(dir.lease("%b", "p", &any).unwrap(), "p002");
}

#[test]
fn accounts_in_use_elsewhere_are_not_given() {
    let (_folder, dir) = pool(&["p001", "p002"]);
    assert_eq!(dir.lease("%a", "p", &|name| name != "p001").unwrap(), "p002");
    assert!(matches!(dir.lease("%b", "p", &|name| name != "p001"), Err(LeaseError::Full { .. })));
    // Whoever has it already keeps it.
    assert_eq!(dir.lease("%a", "p", &|_| false).unwrap(), "p002");
}

#[test]
fn two_leases_on_one_account_serve_nobody() {
    let (folder, dir) = pool(&["p001"]);
    dir.lease("%a", "p", &any).unwrap();
    fs::hard_link(folder.path().join("p001"), folder.path().join("%b")).unwrap();
    assert!(matches!(dir.lease("%a", "p", &any), Err(LeaseError::Twice { .. })));
    assert_eq!(dir.problem(), None);
    let nowhere = GridMapDir::new(Path::new("/nonexistent/g"));
    assert!(nowhere.problem().unwrap().text.contains("cannot be leased: No such file"));
    assert!(matches!(nowhere.lease("%a", "p", &any), Err(LeaseError::Io { .. })));
}

#[test]
fn many_at_once_get_different_accounts() {
    let accounts: Vec<String> = (0..40).map(|n| format!("p{n:03}")).collect();
    let names: Vec<&str> = accounts.iter().map(String::as_str).collect();
    let (folder, _) = pool(&names);
    // Each with a handle of its own, as processes have, and two for each person.
    let path = folder.path();
    let given: Vec<(usize, String)> = std::thread::scope(|scope| {
        let run = |n: usize| {
            let dir = GridMapDir::new(path);
            (n % 20, dir.lease(&format!("%{}", n % 20), "p", &any).unwrap())
        };
        let threads: Vec<_> = (0..40).map(|n| scope.spawn(move || run(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (n, account) in &given {
        for (m, other) in &given {
            assert_eq!(n == m, account == other, "{given:?}");
        }
    }
}
