//! There and back again, by each mover and in each kind of area.

use super::common::accounts::one;
use super::common::movers::Movers;
use super::common::{bytes, leftovers};

/// A file of the client's own.
fn local(movers: &Movers, name: &str, content: &[u8]) -> String {
    let path = movers.grid.storm.dir().join("home").join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn gfal_copies_through_gridftp() {
    let movers = Movers::new();
    for (area, size) in [("jit", 3_000_000), ("aot", 5_000_001)] {
        let content = bytes(size, 7);
        let source = local(&movers, "source", &content);
        let (path, back) = (format!("/{area}/file"), format!("{source}.back"));
        let surl = movers.grid.storm.surl(&path);
        movers.run("gfal-copy", &[&format!("file://{source}"), &surl]).ok();
        assert!(std::fs::read(movers.grid.disk(&path)).unwrap() == content, "{area}");
        movers.run("gfal-copy", &["-f", &surl, &format!("file://{back}")]).ok();
        assert!(std::fs::read(&back).unwrap() == content, "{area}");
        // It went by that server, under that account, to the hidden file.
        movers.gridftp.logged(&one().name);
        movers.gridftp.logged(&format!("areas/{area}/.storm."));
        movers.gridftp.logged(&format!("areas/{area}/file"));
    }
    assert!(leftovers(&movers.grid.storm.dir().join("areas")).is_empty());
}

#[tokio::test]
async fn a_raw_turl_serves_its_own_person_only() {
    let movers = Movers::new();
    let grid = &movers.grid;
    let content = bytes(1_000_000, 3);
    let source = format!("file://{}", local(&movers, "source", &content));
    let back = grid.storm.dir().join("home/back");
    let target = format!("file://{}", back.display());
    let stranger = super::common::client::Person::new(&grid.storm, "voms-user2");
    for area in ["jit", "aot"] {
        let path = format!("/{area}/file");
        let put = grid.put(&path, "gsiftp", "").await;
        stranger.run("globus-url-copy", &[&source, &put.turl]).refused();
        movers.run("globus-url-copy", &["-p", "4", &source, &put.turl]).ok();
        // Shorter, over it: no tail of the first stays.
        let shorter = format!("file://{}", local(&movers, "shorter", &content[..70_000]));
        movers.run("globus-url-copy", &[&shorter, &put.turl]).ok();
        grid.put_done(&put).await.expect("SRM_SUCCESS");
        assert!(std::fs::read(grid.disk(&path)).unwrap() == content[..70_000], "{area}");

        let get = grid.get(&grid.user, &path, "gsiftp").await;
        movers.run("globus-url-copy", &[&get.turl, &target]).ok();
        assert!(std::fs::read(&back).unwrap() == content[..70_000], "{area}");
        stranger.run("globus-url-copy", &[&get.turl, &target]).refused();
        movers.run("globus-url-copy", &[&source, &get.turl]).refused();
        grid.release(&grid.user, &get).await.expect("SRM_SUCCESS");
        // What was lent is gone; a group reads on.
        let again = movers.run("globus-url-copy", &[&get.turl, &target]);
        assert_eq!(again.code == 0, area == "aot", "{again}");
    }
}

#[tokio::test]
async fn local_programs_write_and_read_files() {
    let movers = Movers::new();
    let grid = &movers.grid;
    let content = bytes(500_000, 9);
    let source = local(&movers, "source", &content);
    super::common::grid::open(&source);
    for area in ["jit", "aot"] {
        let path = format!("/{area}/file");
        let put = grid.put(&path, "file", "").await;
        let copy = one().sh(&format!("cp '{source}' \"$1\""), put.path());
        assert!(copy.ok, "{}", copy.err);
        grid.put_done(&put).await.expect("SRM_SUCCESS");
        let get = grid.get(&grid.user, &path, "file").await;
        assert!(one().read(get.path()).unwrap() == content);
        grid.release(&grid.user, &get).await.expect("SRM_SUCCESS");
    }
}

#[tokio::test]
async fn xrootd_writes_and_reads_as_our_own_account() {
    let movers = Movers::new();
    let grid = &movers.grid;
    let content = bytes(2_000_000, 5);
    let source = local(&movers, "source", &content);
    let back = grid.storm.dir().join("home/back").display().to_string();
    for area in ["jit", "aot"] {
        let path = format!("/{area}/file");
        let put = grid.put(&path, "root", "").await;
        assert!(!std::fs::exists(put.path()).unwrap(), "xrootd makes it");
        movers.run("xrdcp", &["-s", &source, &put.turl]).ok();
        grid.put_done(&put).await.expect("SRM_SUCCESS");
        assert!(std::fs::read(grid.disk(&path)).unwrap() == content, "{area}");
        let acl = grid.acl(&path);
        assert!(acl.contains("group::rw-") && acl.ends_with("other::---"), "{acl}");
        let get = grid.get(&grid.user, &path, "root").await;
        movers.run("xrdcp", &["-s", "-f", &get.turl, &back]).ok();
        assert!(std::fs::read(&back).unwrap() == content, "{area}");
        grid.release(&grid.user, &get).await.expect("SRM_SUCCESS");

        // gfal keeps a file only when it was closed whole, and leaves it readable by everybody.
        let put = grid.put(&format!("/{area}/gfal"), "root", "").await;
        movers.run("gfal-copy", &["--just-copy", &format!("file://{source}"), &put.turl]).ok();
        grid.put_done(&put).await.expect("SRM_SUCCESS");
        let acl = grid.acl(&format!("/{area}/gfal"));
        assert!(acl.contains("user::rw-") && acl.ends_with("other::---"), "{acl}");
    }
    movers.xrootd.logged("login as");
}
