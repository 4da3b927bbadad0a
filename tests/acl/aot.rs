//! AoT areas: the primary group of the account, for good.

use super::common::accounts::{one, two};
use super::common::grid::{Grid, getfacl};
use super::common::storm::Setup;

#[tokio::test]
async fn the_group_reads_what_its_people_put_and_get() {
    let grid = Grid::new();
    let group = one().gid;
    let put = grid.put("/aot/new", "file", "").await;
    let wanted = format!("user::rw-\ngroup::rw-\ngroup:{group}:rw-\nmask::rw-\nother::---");
    assert_eq!(getfacl(put.path()), wanted);
    assert!(!two().write(put.path(), "x") && one().write(put.path(), "data"));
    grid.put_done(&put).await.expect("SRM_SUCCESS");
    let published = grid.disk("/aot/new");
    let wanted = format!("user::rw-\ngroup::rw-\ngroup:{group}:r--\nmask::rw-\nother::---");
    assert_eq!(getfacl(&published), wanted);
    // Ahead of time: nobody asks any more. But what is published nobody changes.
    assert_eq!(one().read(&published).unwrap(), b"data");
    assert!(!one().write(&published, "later") && two().read(&published).is_none());

    // A file that came some other way is opened by the first get, for good.
    grid.plant("/aot/old", "old");
    assert!(one().read(&grid.disk("/aot/old")).is_none());
    let get = grid.get(&grid.user, "/aot/old", "file").await;
    assert_eq!(one().read(get.path()).unwrap(), b"old");
    grid.release(&grid.user, &get).await.expect("SRM_SUCCESS");
    assert_eq!(one().read(get.path()).unwrap(), b"old");
    assert!(two().read(get.path()).is_none());
    let root = grid.acl("/aot");
    assert!(root.contains(&format!("group:{group}:--x")), "{root}");
}

#[tokio::test]
async fn directories_are_listed_by_the_group_and_written_where_told() {
    for (settings, entry, may) in [("", "r-x", false), ("directory_writeperm = true", "rwx", true)]
    {
        let settings = settings.to_owned();
        let grid = Grid::with(Setup { settings, ..Setup::default() }, "");
        // A file opens the way to the area.
        let put = grid.put("/aot/first", "file", "").await;
        grid.put_done(&put).await.expect("SRM_SUCCESS");
        let inner = format!("<SURL>{}</SURL>", grid.storm.surl("/aot/d"));
        let made = grid.ask(&grid.user, "srmMkdir", &inner).await;
        assert_eq!(made.code, "SRM_SUCCESS", "{}", made.xml);
        let acl = grid.acl("/aot/d");
        assert!(acl.contains(&format!("group:{}:{entry}", one().gid)), "{acl}");
        let disk = grid.disk("/aot/d");
        assert!(one().sh("ls \"$1\"", &disk).ok);
        assert_eq!(one().write(&format!("{disk}/own"), "x"), may);
        assert!(!two().sh("ls \"$1\"", &disk).ok);
        // A put that makes its parents dresses them alike; and MKCOL.
        let port = grid.storm.ports.https;
        let made = super::common::wire::once(&grid.user, port, "MKCOL", "/aot/e", b"").await;
        assert_eq!(made.unwrap().status, 201);
        assert_eq!(grid.acl("/aot/e"), acl);
    }
}

#[tokio::test]
async fn our_own_doors_publish_for_the_group_too() {
    let grid = Grid::new();
    let port = grid.storm.ports.https;
    for (name, size) in [("/aot/g", 3), ("/aot/h", 300_000)] {
        let body = super::common::bytes(size, 1);
        let wrote = super::common::wire::once(&grid.user, port, "PUT", name, &body).await;
        assert_eq!(wrote.unwrap().status, 201);
        let acl = grid.acl(name);
        assert!(acl.contains(&format!("group:{}:r--", one().gid)), "{acl}");
    }
}
