//! What several requests, a restart and a moved directory do to what is lent.

use std::time::Duration;

use super::common::accounts::{one, service, two};
use super::common::grid::Grid;

#[tokio::test]
async fn the_last_of_several_takes_it_back() {
    let grid = Grid::new();
    grid.plant("/jit/f", "text");
    let before = (grid.acl("/jit"), grid.acl("/jit/f"));
    let now = || (grid.acl("/jit"), grid.acl("/jit/f"));
    // Two people.
    let first = grid.get(&grid.user, "/jit/f", "file").await;
    let second = grid.get(&grid.user2, "/jit/f", "file").await;
    let path = first.path();
    assert!(one().read(path).is_some() && two().read(path).is_some());
    grid.release(&grid.user, &first).await.expect("SRM_SUCCESS");
    assert!(one().read(path).is_none() && two().read(path).is_some());
    grid.release(&grid.user2, &second).await.expect("SRM_SUCCESS");
    assert_eq!(now(), before);
    // One person twice, and a put of his beside it.
    let first = grid.get(&grid.user, "/jit/f", "file").await;
    let second = grid.get(&grid.user, "/jit/f", "file").await;
    let put = grid.put("/jit/new", "file", "").await;
    grid.release(&grid.user, &first).await.expect("SRM_SUCCESS");
    assert!(one().read(path).is_some());
    grid.release(&grid.user, &second).await.expect("SRM_SUCCESS");
    assert!(one().read(path).is_none() && one().write(put.path(), "still"));
    assert_eq!(grid.acl("/jit/f"), before.1);
    assert_eq!(grid.abort(&put).await.code, "SRM_SUCCESS");
    assert_eq!(now(), before);
}

#[tokio::test]
async fn many_at_once_end_as_they_began() {
    let grid = Grid::new();
    for n in 0..20 {
        grid.plant(&format!("/jit/f{n}"), "text");
    }
    let before = (grid.acl("/jit"), grid.acl("/jit/f0"));
    let turn = |n: usize| {
        let grid = &grid;
        async move {
            let (who, me) =
                if n.is_multiple_of(2) { (&grid.user, one()) } else { (&grid.user2, two()) };
            for round in 0..4 {
                let get = grid.get(who, &format!("/jit/f{}", (n + round) % 5), "file").await;
                assert!(me.read(get.path()).is_some(), "{n} {round}");
                grid.release(who, &get).await.expect("SRM_SUCCESS");
            }
        }
    };
    futures_util::future::join_all((0..8).map(turn)).await;
    assert_eq!((grid.acl("/jit"), grid.acl("/jit/f0")), before);
}

#[tokio::test]
async fn a_restart_keeps_what_lives_and_takes_back_what_is_over() {
    let mut grid = Grid::new();
    for name in ["/jit/f", "/jit/g"] {
        grid.plant(name, "text");
        // An entry that is to come back.
        grid.setfacl(&["-m", &format!("u:{}:-w-", one().uid)], name);
    }
    let before = (grid.acl("/jit"), grid.acl("/jit/f"), grid.acl("/jit/g"));
    let get = grid.get(&grid.user, "/jit/f", "file").await;
    let put = grid.put("/jit/new", "file", "").await;
    let pin = "<desiredPinLifeTime>1</desiredPinLifeTime>";
    let short = grid.prepare_to_get(&grid.user, "/jit/g", "file", pin).await;
    short.expect("SRM_FILE_PINNED");
    assert_ne!(grid.acl("/jit/g"), before.2);
    grid.storm.kill9();
    std::thread::sleep(std::time::Duration::from_millis(1200));
    assert_ne!(grid.acl("/jit/g"), before.2, "nobody was there to take it back");
    grid.storm.restart();
    // At once: before the doors opened.
    assert_eq!(grid.acl("/jit/g"), before.2);
    assert!(one().read(get.path()).is_some() && one().write(put.path(), "after the restart"));
    grid.release(&grid.user, &get).await.expect("SRM_SUCCESS");
    assert_eq!(grid.acl("/jit/f"), before.1);
    grid.put_done(&put).await.expect("SRM_SUCCESS");
    assert_eq!(grid.acl("/jit"), before.0);
    assert_eq!(std::fs::read(grid.disk("/jit/new")).unwrap(), b"after the restart");
}

#[tokio::test]
async fn what_is_lent_moves_with_its_directory() {
    let grid = Grid::new();
    grid.mkdir("/jit/a");
    grid.mkdir("/jit/a/d");
    grid.plant("/jit/a/d/f", "text");
    let before = (grid.acl("/jit/a"), grid.acl("/jit/a/d"), grid.acl("/jit/a/d/f"));
    let get = grid.get(&grid.user, "/jit/a/d/f", "file").await;
    let (from, to) = (grid.storm.surl("/jit/a"), grid.storm.surl("/jit/b"));
    let inner = format!("<fromSURL>{from}</fromSURL><toSURL>{to}</toSURL>");
    let moved = grid.ask(&grid.user, "srmMv", &inner).await;
    assert_eq!(moved.code, "SRM_SUCCESS", "{}", moved.xml);
    grid.release(&grid.user, &get).await;
    let now = (grid.acl("/jit/b"), grid.acl("/jit/b/d"), grid.acl("/jit/b/d/f"));
    assert_eq!(now, before);
}

#[tokio::test]
async fn what_belongs_to_no_live_file_is_taken_back_at_the_start() {
    let mut grid = Grid::new();
    grid.plant("/jit/f", "text");
    let before = (grid.acl("/jit"), grid.acl("/jit/f"));
    let get = grid.get(&grid.user, "/jit/f", "file").await;
    assert!(one().read(get.path()).is_some());
    grid.storm.kill9();
    // As a crash leaves it between what is lent and the file that becomes ready.
    let database = rusqlite::Connection::open(grid.storm.dir().join("var/stormd.db")).unwrap();
    let gone = database.execute("UPDATE files SET state = 'RELEASED', live = 0", ()).unwrap();
    assert_eq!(gone, 1);
    drop(database);
    grid.storm.restart();
    assert_eq!((grid.acl("/jit"), grid.acl("/jit/f")), before);
}

/// The gridmapdir calls it free once its lease was removed there; what is lent says otherwise.
#[tokio::test]
async fn a_pool_account_is_nobody_elses_while_it_is_lent() {
    let mut grid = Grid::new();
    grid.plant("/jit/f", "text");
    let etc = grid.storm.dir().join("etc");
    let people = [super::common::USER_DN, super::common::USER2_DN];
    let pool = people.map(|dn| format!("\"{dn}\" .stormdt\n")).concat();
    std::fs::write(etc.join("grid-mapfile"), pool).unwrap();
    let leases = etc.join("gridmapdir");
    std::fs::create_dir_all(&leases).unwrap();
    std::fs::write(leases.join(&one().name), "").unwrap();
    for path in [&leases, &leases.join(&one().name)] {
        std::os::unix::fs::chown(path, Some(service().uid), Some(service().gid)).unwrap();
    }
    grid.storm.restart();

    let get = grid.get(&grid.user, "/jit/f", "file").await;
    assert!(one().read(get.path()).is_some());
    let lease = std::fs::read_dir(&leases).unwrap().map(|entry| entry.unwrap().path());
    let lease = lease.into_iter().find(|path| path.display().to_string().contains('%')).unwrap();
    std::fs::remove_file(lease).unwrap();
    let refused = grid.prepare_to_get(&grid.user2, "/jit/f", "file", "").await;
    let refused = refused.expect("SRM_AUTHORIZATION_FAILURE");
    assert!(refused.file_explanation().contains("of the pool stormdt is taken"), "{}", refused.xml);
    grid.release(&grid.user, &get).await.expect("SRM_SUCCESS");
    // That there was none is remembered for a moment.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let get = grid.get(&grid.user2, "/jit/f", "file").await;
    assert!(one().read(get.path()).is_some());
}
