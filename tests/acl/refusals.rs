//! Who has no account, masks that are too narrow, directories that are not ours, and file systems
//! without ACLs.

use super::common::accounts::{one, service, two};
use super::common::client::Tls;
use super::common::disk::Disk;
use super::common::grid::Grid;
use super::common::storm::{Area, Setup, TestStorm};
use super::common::wire;

#[tokio::test]
async fn who_has_no_account_gets_our_own_doors_only() {
    let grid = Grid::with(
        Setup::default(),
        "<prot name=\"gsiftp\"><schema>gsiftp</schema><host>ftp.example</host></prot>\
         <prot name=\"root\"><schema>root</schema><host>xrd.example</host></prot>",
    );
    grid.plant("/jit/f", "text");
    std::fs::write(grid.storm.dir().join("etc/grid-mapfile"), "").unwrap();
    let grid = {
        let mut grid = grid;
        grid.storm.restart();
        grid
    };
    for protocols in ["gsiftp", "file", "root", "file gsiftp root"] {
        for area in ["/jit", "/aot"] {
            let put = grid.prepare_to_put(&format!("{area}/new"), protocols, "").await;
            let put = put.expect("SRM_AUTHORIZATION_FAILURE");
            assert!(put.file_explanation().contains("local account"), "{}", put.xml);
        }
        let get = grid.prepare_to_get(&grid.user, "/jit/f", protocols, "").await;
        get.expect("SRM_AUTHORIZATION_FAILURE");
    }
    // The first that he may have wins.
    let put = grid.put("/jit/new", "gsiftp file https", "").await;
    assert!(put.turl.starts_with("https://"), "{}", put.turl);
    let get = grid.get(&grid.user, "/jit/f", "root https").await;
    assert!(get.turl.starts_with("https://"), "{}", get.turl);
    assert!(super::common::leftovers(&grid.storm.dir().join("areas")).is_empty());
}

#[tokio::test]
async fn a_mask_that_takes_it_away_is_told() {
    let grid = Grid::new();
    grid.plant("/jit/f", "text");
    grid.setfacl(&["-m", &format!("u:{}:rw-,m::---", two().uid)], "/jit/f");
    std::fs::copy(grid.disk("/jit/f"), grid.disk("/aot/f")).unwrap();
    grid.plant("/aot/f", "text");
    grid.setfacl(&["-m", &format!("u:{}:rw-,m::-w-", two().uid)], "/aot/f");
    for path in ["/jit/f", "/aot/f"] {
        let (file, root) = (grid.acl(path), grid.acl("/jit"));
        let get = grid.prepare_to_get(&grid.user, path, "file", "").await.expect("SRM_FAILURE");
        let told = get.file_explanation();
        assert!(told.contains("Local filesystem mask does not allow"), "{told}");
        assert!(told.contains(&one().name) && told.contains("setfacl"), "{told}");
        if path == "/jit/f" {
            assert_eq!((grid.acl(path), grid.acl("/jit")), (file, root), "all is as before");
        }
        // Our own door needs no ACL.
        grid.get(&grid.user, path, "https").await;
    }
}

#[tokio::test]
async fn a_directory_that_is_not_ours_is_used_as_it_is_or_named() {
    let grid = Grid::new();
    grid.plant("/jit/f", "text");
    // The administrator's own, and closed.
    std::os::unix::fs::chown(grid.disk("/jit"), Some(0), Some(service().gid)).unwrap();
    let get = grid.prepare_to_get(&grid.user, "/jit/f", "file", "").await.expect("SRM_FAILURE");
    assert!(get.file_explanation().contains("does not own"), "{}", get.xml);
    // He opens it by hand.
    grid.setfacl(&["-m", &format!("u:{}:x", one().uid)], "/jit");
    let before = grid.acl("/jit");
    let get = grid.get(&grid.user, "/jit/f", "file").await;
    assert!(one().read(get.path()).is_some());
    grid.release(&grid.user, &get).await.expect("SRM_SUCCESS");
    assert_eq!(grid.acl("/jit"), before);
}

#[tokio::test]
async fn without_acls_there_are_only_our_own_doors_and_a_warning() {
    let disk = Disk::without_acls();
    let root = Some(disk.mount.clone());
    let area = Area { name: "BARE", stfn: "bare", vo: None, anonymous: false, root };
    let gridmap = super::common::accounts::grid_mapfile();
    let storm = TestStorm::set_up(Setup { areas: vec![area], gridmap, ..Setup::default() });
    let log = storm.log();
    assert!(log.contains("BARE") && log.contains("no ACLs"), "{log}");
    let user = wire::config(Some("voms"), Tls::Any);
    let user2 = user.clone();
    let grid = Grid { storm, user, user2 };
    let put = grid.prepare_to_put("/bare/f", "file", "").await.expect("SRM_NOT_SUPPORTED");
    assert!(put.file_explanation().contains("no ACLs"), "{}", put.xml);
    let put = grid.put("/bare/f", "file https", "").await;
    assert!(put.turl.starts_with("https://"));
    let (port, path) = wire::split_url(&put.turl);
    let wrote = wire::once(&grid.user, port, "PUT", &path, b"data").await.unwrap();
    assert_eq!(wrote.status, 201);
    grid.put_done(&put).await.expect("SRM_SUCCESS");
    assert_eq!(std::fs::read(disk.mount.join("f")).unwrap(), b"data");
}
