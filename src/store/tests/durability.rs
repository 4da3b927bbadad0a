//! Group commit, and what outlives a kill, a full disk, a wrong file.

use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::time::Duration;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_submitters_share_commits() {
    let store = TestStore::new();
    let (callers, each) = (64, 16);
    let before = store.commits();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let store = store.store.clone();
            tokio::spawn(async move {
                for turn in 0..each {
                    let number = caller * each + turn;
                    store
                        .submit(request(number, RequestKind::Get), vec![file(0, "a")])
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let commits = store.commits() - before;
    assert!(commits * 16 <= callers * each, "{commits} commits");
    for number in 0..callers * each {
        assert!(store.load(&token(number)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn one_failure_does_not_spoil_the_group() {
    let store = TestStore::new();
    store.submit(request(1, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
    let before = store.commits();
    let release = hold(&store).await;
    let submits = (0..4).map(|number| {
        let store = store.store.clone();
        // Number 1 is taken.
        tokio::spawn(async move {
            store.submit(request(number, RequestKind::Get), vec![file(0, "b")]).await
        })
    });
    let submits: Vec<_> = submits.collect();
    let panicking = {
        let store = store.store.clone();
        tokio::spawn(async move { store.on_writer::<()>(|_| panic!("a bug")).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    release.send(()).unwrap();
    for (number, submit) in submits.into_iter().enumerate() {
        assert_eq!(submit.await.unwrap().is_err(), number == 1);
    }
    assert!(matches!(panicking.await.unwrap(), Err(StoreError::Database(_))));
    assert_eq!(store.commits(), before + 2, "the held unit, then all others at once");
    assert!(store.load(&token(3)).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_heavy_lets_others_pass_and_is_not_forgotten() {
    let store = TestStore::new();
    let release = hold(&store).await;
    let submit = |number, files: u32| {
        let files = (0..files).map(|n| file(n, &format!("{number}-{n}"))).collect();
        let store = store.clone();
        async move { store.submit(request(number, RequestKind::Get), files).await }
    };
    let heavy: Vec<_> = (1..=4).map(|number| tokio::spawn(submit(number, 3000))).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let light = tokio::spawn(submit(9, 1));
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    light.await.unwrap().unwrap();
    let done = heavy.iter().filter(|task| task.is_finished()).count();
    assert!(done < 4, "it waited for all of them");
    for task in heavy {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.load(&token(4)).await.unwrap().unwrap().files.len(), 3000);
}

#[tokio::test]
async fn too_much_is_refused_at_once_and_standing_work_goes_on() {
    let store = TestStore::new();
    let id = store.submit(request(1, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
    let release = hold(&store).await;
    let mut waiting = Vec::new();
    for number in 2..40 {
        let files = (0..10_000).map(|n| file(n, "a")).collect();
        let store = store.store.clone();
        waiting.push(tokio::spawn(async move {
            store.submit(request(number, RequestKind::Get), files).await
        }));
    }
    // Long enough for every task to have its turn.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let refused = waiting.iter().filter(|task| task.is_finished()).count();
    assert!((20..38).contains(&refused), "{refused} of 38 refused");
    let goes_on = {
        let store = store.store.clone();
        let change = change(id, FileState::Queued, &file(0, "a"), FileState::Aborted);
        tokio::spawn(async move { store.advance(vec![change], None).await })
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(store.load(&token(1)).await.unwrap().is_some(), "reading does not wait");
    release.send(()).unwrap();
    assert_eq!(goes_on.await.unwrap().unwrap(), [Advanced::Yes]);
    let mut busy = 0;
    for task in waiting {
        match task.await.unwrap() {
            Ok(_) => {}
            Err(StoreError::Busy) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(busy, refused);
    store.submit(request(99, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
}

#[tokio::test]
async fn what_was_told_outlives_a_kill() {
    let store = TestStore::new();
    for number in 0..20 {
        store.submit(request(number, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
    }
    let id = store.load(&token(7)).await.unwrap().unwrap().id;
    let pin = change(id, FileState::Queued, &file(0, "a"), FileState::Pinned);
    store.advance(vec![pin], None).await.unwrap();
    // What a kill leaves is the files as they are now; nothing has been closed or folded in.
    let copy = tempfile::tempdir().unwrap();
    for name in ["storm.db", "storm.db-wal"] {
        std::fs::copy(store.dir.path().join(name), copy.path().join(name)).unwrap();
    }
    let after = Store::open(&copy.path().join("storm.db"), "a").unwrap();
    assert_eq!(after.unfinished(RequestId(0), 99).await.unwrap().len(), 20);
    let stored = after.load(&token(7)).await.unwrap().unwrap();
    assert_eq!(stored.files[0].state, FileState::Pinned);
    // And after an orderly end.
    let store = store.reopen();
    assert_eq!(store.load(&token(7)).await.unwrap(), Some(stored));
    assert!(!store.dir.path().join("storm.db-wal").metadata().is_ok_and(|wal| wal.len() > 0));
}

#[tokio::test]
async fn a_full_disk_passes() {
    let store = TestStore::new();
    store.submit(request(1, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
    set_pages(&store, 40).await;
    let files: Vec<_> = (0..5_000).map(|n| file(n, &format!("a/{n}"))).collect();
    let full = store.submit(request(2, RequestKind::Get), files.clone()).await;
    assert!(matches!(&full, Err(StoreError::Database(why)) if why.contains("full")), "{full:?}");
    assert_eq!(store.load(&token(2)).await.unwrap(), None);
    assert!(store.load(&token(1)).await.unwrap().is_some(), "reading goes on");
    set_pages(&store, 1_000_000).await;
    store.submit(request(2, RequestKind::Get), files).await.unwrap();
    assert_eq!(store.load(&token(2)).await.unwrap().unwrap().files.len(), 5_000);
}

#[tokio::test]
async fn a_lost_transaction_is_told_to_all() {
    let store = TestStore::new();
    let release = hold(&store).await;
    let submit = {
        let store = store.store.clone();
        let row = request(1, RequestKind::Get);
        tokio::spawn(async move { store.submit(row, vec![file(0, "a")]).await })
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    // As SQLite itself does on some errors of the disk.
    let spoiler = {
        let store = store.store.clone();
        tokio::spawn(async move {
            store
                .on_writer::<()>(|connection| {
                    connection.execute_batch("ROLLBACK")?;
                    Err(StoreError::Database("disk I/O error".to_owned()))
                })
                .await
        })
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    release.send(()).unwrap();
    assert!(submit.await.unwrap().is_err(), "it was undone, and must be told so");
    assert!(spoiler.await.unwrap().is_err());
    assert_eq!(store.load(&token(1)).await.unwrap(), None);
    store.submit(request(1, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let store = TestStore::new();
    store.submit(request(1, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
    store.close().await;
    store.close().await;
    let late = store.submit(request(2, RequestKind::Get), vec![file(0, "a")]).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    assert!(store.load(&token(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn nobody_else_reads_the_file() {
    let store = TestStore::new();
    store.submit(request(1, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
    for name in ["storm.db", "storm.db-wal", "storm.db-shm"] {
        let mode = store.dir.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn a_file_of_others_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("CREATE TABLE t (x); PRAGMA user_version = 1").unwrap();
    let before = std::fs::read(&path).unwrap();
    let refused = Store::open(&path, "a");
    assert!(matches!(&refused, Err(StoreError::Open { .. })), "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    std::fs::write(dir.path().join("text"), "not a database, but long enough to be none").unwrap();
    let refused = Store::open(&dir.path().join("text"), "a").unwrap_err().to_string();
    assert!(refused.contains("text") && refused.contains("not a database"), "{refused}");
    let refused = Store::open(&dir.path().join("no/such"), "a").unwrap_err().to_string();
    assert!(refused.contains("No such file"), "{refused}");
}

#[tokio::test]
async fn a_newer_file_is_refused() {
    let store = TestStore::new();
    store.close().await;
    let raw = rusqlite::Connection::open(store.path()).unwrap();
    raw.execute_batch("PRAGMA user_version = 70").unwrap();
    match Store::open(&store.path(), "a") {
        Err(StoreError::Newer { found: 70, known, .. }) => {
            assert_eq!(known as usize, super::super::schema::MIGRATIONS.len());
        }
        other => panic!("{other:?}"),
    }
}

/// Keeps the writer busy until the answer is sent.
async fn hold(store: &Store) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (started, mut start) = tokio::sync::mpsc::unbounded_channel();
    let store = store.clone();
    tokio::spawn(async move {
        store
            .on_writer(move |_| {
                started.send(()).ok();
                released.recv().ok();
                Ok(())
            })
            .await
    });
    start.recv().await.unwrap();
    release
}

async fn set_pages(store: &Store, pages: i64) {
    let work = move |connection: &rusqlite::Connection| {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        Ok(())
    };
    store.on_writer(work).await.unwrap();
}
