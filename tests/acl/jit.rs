//! JiT areas: the account's own entry, while the request lives.

use std::time::Duration;

use super::common::accounts::{one, two};
use super::common::grid::{Grid, getfacl};
use super::common::soap;
use super::common::storm::Setup;
use super::common::wait_until;

#[tokio::test]
async fn a_put_is_open_to_its_account_until_it_is_done() {
    let grid = Grid::new();
    let root = grid.acl("/jit");
    let put = grid.put("/jit/new", "file", "").await;
    let hidden = put.path();
    assert_eq!(
        getfacl(hidden),
        format!("user::rw-\nuser:{}:rw-\ngroup::rw-\nmask::rw-\nother::---", one().uid)
    );
    assert!(grid.acl("/jit").contains(&format!("user:{}:--x", one().uid)), "{}", grid.acl("/jit"));
    assert!(!two().write(hidden, "intruder") && two().read(hidden).is_none());
    assert!(one().write(hidden, "whole"));
    assert_eq!(one().read(hidden).unwrap(), b"whole");
    assert!(!one().sh("ls \"$1\"", &grid.disk("/jit")).ok, "names are not told");

    grid.put_done(&put).await.expect("SRM_SUCCESS");
    let published = grid.disk("/jit/new");
    assert_eq!(std::fs::read(&published).unwrap(), b"whole");
    assert_eq!(getfacl(&published), "user::rw-\ngroup::rw-\nother::---");
    assert_eq!(grid.acl("/jit"), root);
    assert!(!one().write(&published, "later") && one().read(&published).is_none());
}

#[tokio::test]
async fn a_get_is_open_until_it_is_released_aborted_or_over() {
    let grid = Grid::new();
    grid.mkdir("/jit/d");
    grid.plant("/jit/d/f", "text");
    grid.setfacl(&["-m", "u::rwx,g::rwx,o::---"], "/jit/d");
    let before = (grid.acl("/jit"), grid.acl("/jit/d"), grid.acl("/jit/d/f"));
    let now = || (grid.acl("/jit"), grid.acl("/jit/d"), grid.acl("/jit/d/f"));
    for end in ["release", "abort", "expiry", "rm"] {
        let more = if end == "expiry" { "<desiredPinLifeTime>1</desiredPinLifeTime>" } else { "" };
        let answer = grid.prepare_to_get(&grid.user, "/jit/d/f", "gsiftp file", more).await;
        let answer = answer.expect("SRM_FILE_PINNED");
        let turl = answer.files[0].turl.clone().unwrap();
        let path = turl.strip_prefix("file://").unwrap();
        if end != "expiry" {
            assert_eq!(one().read(path).as_deref(), Some(b"text".as_slice()), "{end}");
            assert!(!one().write(path, "mine") && two().read(path).is_none(), "{end}");
        }
        let token = soap::token(&answer.token.unwrap());
        let ended = match end {
            "release" => grid.ask(&grid.user, "srmReleaseFiles", &token).await.code,
            "abort" => grid.ask(&grid.user, "srmAbortRequest", &token).await.code,
            "rm" => {
                let inner = soap::surls(&[grid.storm.surl("/jit/d/f")]);
                grid.ask(&grid.user, "srmRm", &inner).await.code
            }
            _ => {
                assert!(wait_until(Duration::from_secs(5), || now() == before), "{:?}", now());
                continue;
            }
        };
        assert_eq!(ended, "SRM_SUCCESS", "{end}");
        if end == "rm" {
            assert_eq!(
                (grid.acl("/jit"), grid.acl("/jit/d")),
                (before.0.clone(), before.1.clone())
            );
        } else {
            assert_eq!(now(), before, "{end}");
            assert!(one().read(path).is_none(), "{end}");
        }
    }
}

#[tokio::test]
async fn a_put_that_is_aborted_or_over_leaves_no_right_behind() {
    let grid = Grid::new();
    let before = grid.acl("/jit");
    let put = grid.put("/jit/a", "file", "").await;
    assert!(one().write(put.path(), "half"));
    assert_eq!(grid.abort(&put).await.code, "SRM_SUCCESS");
    assert_eq!(grid.acl("/jit"), before);
    assert!(!std::fs::exists(put.path()).unwrap());
    let over = grid.put("/jit/b", "file", "<desiredPinLifeTime>1</desiredPinLifeTime>").await;
    assert_ne!(grid.acl("/jit"), before);
    assert!(wait_until(Duration::from_secs(5), || grid.acl("/jit") == before));
    assert!(!std::fs::exists(over.path()).unwrap());
}

#[tokio::test]
async fn entries_of_an_administrator_stay() {
    let grid = Grid::new();
    grid.mkdir("/jit/d");
    grid.plant("/jit/d/f", "text");
    let (me, other) = (one().uid, two().uid);
    // He may list but not pass; somebody else may all; the mask was made wider by hand.
    grid.setfacl(&["-m", "u::rwx,g::---,o::---"], "/jit/d");
    grid.setfacl(&["-m", &format!("u:{me}:r--,u:{other}:rwx,m::rwx")], "/jit/d");
    grid.setfacl(&["-m", &format!("u:{other}:rw-,g:{other}:r--")], "/jit/d/f");
    let before = (grid.acl("/jit/d"), grid.acl("/jit/d/f"));
    let get = grid.get(&grid.user, "/jit/d/f", "file").await;
    assert!(grid.acl("/jit/d").contains(&format!("user:{me}:r-x")), "{}", grid.acl("/jit/d"));
    assert!(one().read(get.path()).is_some());
    grid.release(&grid.user, &get).await.expect("SRM_SUCCESS");
    assert_eq!((grid.acl("/jit/d"), grid.acl("/jit/d/f")), before);

    // An entry that he changes meanwhile is his.
    let get = grid.get(&grid.user, "/jit/d/f", "file").await;
    grid.setfacl(&["-m", &format!("u:{me}:rw-")], "/jit/d/f");
    grid.release(&grid.user, &get).await.expect("SRM_SUCCESS");
    assert!(grid.acl("/jit/d/f").contains(&format!("user:{me}:rw-")));

    // What is there already is enough, and is not lent.
    let before = grid.acl("/jit/d/f");
    let get = grid.get(&grid.user, "/jit/d/f", "file").await;
    assert_eq!(grid.acl("/jit/d/f"), before);
    grid.release(&grid.user, &get).await.expect("SRM_SUCCESS");
    assert_eq!(grid.acl("/jit/d/f"), before);
}

#[tokio::test]
async fn a_published_file_has_what_its_directory_and_area_say() {
    let group = &two().name;
    let acl = format!(
        "<default-acl><acl-entry><groupName>{group}</groupName>\
         <permissions>R</permissions></acl-entry></default-acl><trans-prot>"
    );
    let changes = vec![("JIT", "<trans-prot>", acl)];
    let grid = Grid::with(Setup { changes, ..Setup::default() }, "");
    let service = super::common::accounts::service().gid;
    grid.setfacl(&["-d", "-m", &format!("u:{}:rwx,g:{service}:rx", one().uid)], "/jit");

    // While it is written nobody else comes in, whatever the directory hands down.
    let put = grid.put("/jit/f", "file", "").await;
    assert!(!two().write(put.path(), "x"));
    assert!(one().write(put.path(), "data"));
    grid.put_done(&put).await.expect("SRM_SUCCESS");
    let (me, reader) = (one().uid, two().gid);
    let wanted = format!(
        "user::rw-\nuser:{me}:rw-\ngroup::rw-\ngroup:{service}:r--\ngroup:{reader}:r--\n\
         mask::rw-\nother::---"
    );
    assert_eq!(grid.acl("/jit/f"), wanted);

    // The same by the DAV door, and directories.
    let surl = grid.storm.surl("/jit/d");
    let made = grid.ask(&grid.user, "srmMkdir", &format!("<SURL>{surl}</SURL>")).await;
    assert_eq!(made.code, "SRM_SUCCESS", "{}", made.xml);
    let acl = grid.acl("/jit/d");
    assert!(acl.contains(&format!("\ngroup:{reader}:r-x\n")), "{acl}");
    assert!(acl.contains(&format!("\ndefault:user:{me}:rwx\n")), "{acl}");
    let port = grid.storm.ports.https;
    // Small bodies and large ones, new and over what is there, whose rights do not stay.
    for (name, size) in [("/jit/g", 3), ("/jit/h", 300_000)] {
        for status in [201, 204] {
            let body = super::common::bytes(size, 1);
            let wrote = super::common::wire::once(&grid.user, port, "PUT", name, &body).await;
            assert_eq!(wrote.unwrap().status, status);
            assert_eq!(grid.acl(name), wanted, "{size} bytes, {status}");
            grid.setfacl(&["-m", "u::r,g::-,o::r"], name);
        }
    }
}
