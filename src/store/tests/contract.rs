//! Every method, by what it promises.

use super::*;
use crate::model::Protocol;

#[tokio::test]
async fn what_is_written_reads_back() {
    let store = TestStore::new();
    let full = RequestRow {
        description: Some("run 7\n\0é".to_owned()),
        deadline: Some(Millis(2_000)),
        pin_lifetime: -1,
        file_lifetime: Some(86_400),
        storage_type: Some(FileStorageType::Volatile),
        overwrite: Some(OverwriteMode::WhenFilesAreDifferent),
        protocols: vec![Protocol::Https, Protocol::Gsiftp],
        space_token: Some("tok".to_owned()),
        starts: Some(Millis(1_500)),
        suspended: true,
        ..request(1, RequestKind::Put)
    };
    let files = vec![
        FileRow { expected_size: Some(u64::MAX), ..file(0, "a/b") },
        FileRow {
            key: None,
            state: FileState::Failed,
            code: Some(StatusCode::InvalidPath),
            size: Some(0),
            turl: Some((Protocol::Root, "root://h//x".to_owned())),
            expires: Some(Millis(-5)),
            ..file(1, "")
        },
        FileRow {
            key: Some(key(".storm.hidden.0")),
            source: Some("srm://se/y".to_owned()),
            ..file(2, "x")
        },
        FileRow { levels: Some(-1), parent: Some(2), ..file(3, "d") },
    ];
    let id = store.submit(full.clone(), files.clone()).await.unwrap();
    let stored = StoredRequest { id, request: full, files };
    assert_eq!(store.load(&token(1)).await.unwrap().as_ref(), Some(&stored));
    assert_eq!(store.load(&token(2)).await.unwrap(), None);

    let bare = RequestRow { fqans: Vec::new(), ..request(2, RequestKind::BringOnline) };
    let id = store.submit(bare.clone(), Vec::new()).await.unwrap();
    let stored = StoredRequest { id, request: bare, files: Vec::new() };
    assert_eq!(store.load(&token(2)).await.unwrap(), Some(stored));
}

#[tokio::test]
async fn a_token_is_taken_once() {
    let store = TestStore::new();
    let row = request(1, RequestKind::Get);
    store.submit(row.clone(), vec![file(0, "a")]).await.unwrap();
    let again = store.submit(row, vec![file(0, "b")]).await;
    assert!(matches!(again, Err(StoreError::Database(_))), "{again:?}");
    let twins = store.submit(request(2, RequestKind::Get), vec![file(0, "a"), file(0, "b")]).await;
    assert!(matches!(twins, Err(StoreError::Database(_))), "{twins:?}");
    assert_eq!(store.load(&token(2)).await.unwrap(), None, "half a request was left");
    assert_eq!(store.load(&token(1)).await.unwrap().unwrap().files[0].surl, "srm://se/dteam/a");
}

#[tokio::test]
async fn a_change_must_find_what_it_expects() {
    use FileState::{Aborted, InProgress, Pinned, Queued};
    let store = TestStore::new();
    let files = [file(0, "a"), file(1, "b")];
    let id = store.submit(request(1, RequestKind::Get), files.to_vec()).await.unwrap();
    let pinned = FileRow {
        size: Some(9),
        turl: Some((Protocol::Https, "https://h/a".to_owned())),
        expires: Some(Millis(77)),
        explanation: "ready".to_owned(),
        surl: "not written".to_owned(),
        ..files[0].clone()
    };
    let changes = vec![
        change(id, Queued, &pinned, Pinned),
        change(id, InProgress, &files[1], Aborted),
        change(id, Queued, &file(7, "c"), Aborted),
        change(RequestId(id.0 + 1), Queued, &files[0], Aborted),
    ];
    let came = store.advance(changes, None).await.unwrap();
    let expected = [Advanced::Yes, Advanced::Found(Queued), Advanced::Gone, Advanced::Gone];
    assert_eq!(came, expected);
    let stored = store.load(&token(1)).await.unwrap().unwrap();
    let expected = FileRow { state: Pinned, surl: files[0].surl.clone(), ..pinned };
    assert_eq!(stored.files, [expected, files[1].clone()]);
}

#[tokio::test]
async fn one_live_put_per_file() {
    use FileState::{Queued, SpaceAvailable, Success};
    let store = TestStore::new();
    let target = file(0, "a");
    let first = store.submit(request(1, RequestKind::Put), vec![target.clone()]).await.unwrap();
    let second = store
        .submit(request(2, RequestKind::Put), vec![target.clone(), file(1, "b")])
        .await
        .unwrap();
    let get = store.submit(request(3, RequestKind::Get), vec![target.clone()]).await.unwrap();
    let live = |id| change(id, Queued, &target, SpaceAvailable);
    assert_eq!(store.advance(vec![live(first)], None).await.unwrap(), [Advanced::Yes]);
    // The other file of the same call goes on.
    let both = vec![live(second), change(second, Queued, &file(1, "b"), SpaceAvailable)];
    assert_eq!(store.advance(both, None).await.unwrap(), [Advanced::LivePut, Advanced::Yes]);
    // A get is no put, and the same path in another area is another file.
    let pin = change(get, Queued, &target, FileState::Pinned);
    assert_eq!(store.advance(vec![pin], None).await.unwrap(), [Advanced::Yes]);
    let elsewhere =
        FileRow { key: Some(FileKey { area: "X".into(), path: key("a").path }), ..target.clone() };
    let third = store.submit(request(4, RequestKind::Put), vec![elsewhere.clone()]).await.unwrap();
    let live_elsewhere = change(third, Queued, &elsewhere, SpaceAvailable);
    assert_eq!(store.advance(vec![live_elsewhere], None).await.unwrap(), [Advanced::Yes]);
    // Once the first is done, the second may.
    let done = change(first, SpaceAvailable, &target, Success);
    let came = store.advance(vec![done, live(second)], None).await.unwrap();
    assert_eq!(came, [Advanced::Yes, Advanced::Yes]);
}

#[tokio::test]
async fn a_status_is_frozen_once_and_only_at_the_end() {
    use FileState::{Failed, Queued, Success};
    let store = TestStore::new();
    let files = [file(0, "a"), file(1, "b")];
    let id = store.submit(request(1, RequestKind::Put), files.to_vec()).await.unwrap();
    let end = |code, at| Some(End { request: id, code, at: Millis(at) });
    let ended = async || store.load(&token(1)).await.unwrap().unwrap().request.ended;

    let first = vec![change(id, Queued, &files[0], Failed)];
    store.advance(first, end(StatusCode::Failure, 5)).await.unwrap();
    assert_eq!(ended().await, None, "a file was still live");

    let last = vec![change(id, Queued, &files[1], Success)];
    store.advance(last, end(StatusCode::PartialSuccess, 6)).await.unwrap();
    assert_eq!(ended().await, Some((StatusCode::PartialSuccess, Millis(6))));

    store.advance(Vec::new(), end(StatusCode::Aborted, 7)).await.unwrap();
    store.mark_aborted(id, Vec::new(), None).await.unwrap();
    let stored = store.load(&token(1)).await.unwrap().unwrap();
    assert_eq!(stored.request.ended, Some((StatusCode::PartialSuccess, Millis(6))));
    assert!(!stored.request.aborted);

    let ended = RequestRow {
        ended: Some((StatusCode::Failure, Millis(1))),
        ..request(2, RequestKind::Put)
    };
    assert!(store.submit(ended.clone(), vec![file(0, "a")]).await.is_err());
    let failed = FileRow { state: Failed, ..file(0, "a") };
    store.submit(ended, vec![failed]).await.unwrap();
}

#[tokio::test]
async fn abort_marks_changes_and_ends_in_one() {
    use FileState::{Aborted, Queued};
    let store = TestStore::new();
    let id = store.submit(request(1, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
    let end = End { request: id, code: StatusCode::Aborted, at: Millis(9) };
    let changes = vec![change(id, Queued, &file(0, "a"), Aborted)];
    assert_eq!(store.mark_aborted(id, changes, Some(end)).await.unwrap(), [Advanced::Yes]);
    let stored = store.load(&token(1)).await.unwrap().unwrap();
    assert!(stored.request.aborted);
    assert_eq!(stored.request.ended, Some((StatusCode::Aborted, Millis(9))));
    assert_eq!(stored.files[0].state, Aborted);
}

#[tokio::test]
async fn unfinished_comes_in_pages() {
    let store = TestStore::new();
    for number in 1..=5 {
        store.submit(request(number, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
    }
    let third = store.load(&token(3)).await.unwrap().unwrap().id;
    let end = End { request: third, code: StatusCode::Aborted, at: Millis(9) };
    let changes = vec![change(third, FileState::Queued, &file(0, "a"), FileState::Aborted)];
    store.advance(changes, Some(end)).await.unwrap();

    let first = store.unfinished(RequestId(0), 3).await.unwrap();
    let tokens = |page: &[StoredRequest]| -> Vec<RequestToken> {
        page.iter().map(|stored| stored.request.token.clone()).collect()
    };
    assert_eq!(tokens(&first), [token(1), token(2), token(4)]);
    assert_eq!(first[0].files, [file(0, "a")]);
    let second = store.unfinished(first[2].id, 3).await.unwrap();
    assert_eq!(tokens(&second), [token(5)]);
    assert_eq!(store.unfinished(second[0].id, 3).await.unwrap(), []);
}

#[tokio::test]
async fn due_files_come_soonest_first() {
    use FileState::{Pinned, Queued, Released, Success};
    let store = TestStore::new();
    assert_eq!(store.next_due().await.unwrap(), None);
    let at = |n, expires: Option<i64>| FileRow { expires: expires.map(Millis), ..file(n, "a") };
    let files = [at(0, Some(30)), at(1, Some(10)), at(2, None), at(3, Some(20))];
    let id = store.submit(request(1, RequestKind::Get), files.to_vec()).await.unwrap();
    let pins = files.iter().map(|file| change(id, Queued, file, Pinned)).collect();
    store.advance(pins, None).await.unwrap();

    assert_eq!(store.next_due().await.unwrap(), Some(Millis(10)));
    assert_eq!(store.due(Millis(9), 10).await.unwrap(), []);
    assert_eq!(store.due(Millis(20), 10).await.unwrap(), [(token(1), 1), (token(1), 3)]);
    assert_eq!(store.due(Millis(99), 1).await.unwrap(), [(token(1), 1)]);

    // A file that has ended is not due; a staged one still has a pin to lose.
    store.advance(vec![change(id, Pinned, &files[1], Released)], None).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(Millis(20)));
    let bring = request(2, RequestKind::BringOnline);
    let id = store.submit(bring, vec![at(0, Some(5))]).await.unwrap();
    store.advance(vec![change(id, Queued, &at(0, Some(5)), Success)], None).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(Millis(5)));
}

#[tokio::test]
async fn purge_takes_old_ended_requests_only() {
    let store = TestStore::new();
    for number in 0..200 {
        let row = RequestRow {
            ended: Some((StatusCode::Success, Millis(number as i64))),
            ..request(number, RequestKind::Put)
        };
        let done = |n| FileRow { state: FileState::Success, ..file(n, "a") };
        store.submit(row, (0..3).map(done).collect()).await.unwrap();
    }
    store.submit(request(999, RequestKind::Put), vec![file(0, "a")]).await.unwrap();
    assert_eq!(store.purge(Millis(150), 100).await.unwrap(), 100);
    assert_eq!(store.load(&token(99)).await.unwrap(), None);
    assert!(store.load(&token(100)).await.unwrap().is_some(), "the oldest go first");
    assert_eq!(store.purge(Millis(150), 100).await.unwrap(), 50);
    assert_eq!(store.purge(Millis(150), 100).await.unwrap(), 0);
    assert!(store.load(&token(150)).await.unwrap().is_some());
    assert!(store.load(&token(999)).await.unwrap().is_some());
    let left = count(&store, "SELECT count(*) FROM files").await;
    assert_eq!(left, 50 * 3 + 1, "files went with their requests");
}

#[tokio::test]
async fn an_area_keeps_its_token() {
    let store = TestStore::new();
    let (one, two) = tokio::join!(store.area_token("A"), store.area_token("A"));
    let token = one.unwrap();
    assert_eq!(two.unwrap(), token);
    assert_ne!(store.area_token("B").await.unwrap(), token);
    let store = store.reopen();
    assert_eq!(store.area_token("A").await.unwrap(), token);
}

#[tokio::test]
async fn intents_stay_until_they_are_settled() {
    let store = TestStore::new();
    let forget = |intents| Settled { intents, ..Settled::default() };
    let all = vec![
        Intent::Change { key: key("a"), before: Some(7) },
        Intent::Change { key: key("b"), before: None },
        Intent::Discard { hidden: key("d/.storm.t.1") },
        Intent::RemoveTree { hidden: key("d/.storm.rm.1"), tree: key("d/e") },
        Intent::MakeWay { hidden: key("d/.storm.rm.3"), tree: key("d/h") },
        Intent::Move { from: key("d/f"), to: key("g") },
        Intent::DiscardTree { hidden: key("d/.storm.rm.2") },
    ];
    let ids = store.announce(all.clone()).await.unwrap();
    let left: Vec<_> = ids.iter().copied().zip(all.clone()).collect();
    assert_eq!(store.intents().await.unwrap(), left);
    store.settle(forget(vec![ids[0]])).await.unwrap();
    assert_eq!(store.intents().await.unwrap(), left[1..]);
    // Settled and closed at once: written all the same.
    let more = store.announce(all).await.unwrap();
    store.settle(forget(more)).await.unwrap();
    let store = store.reopen();
    assert_eq!(store.intents().await.unwrap(), left[1..]);
    let next = Intent::Discard { hidden: key("e") };
    let (next_id, _) = store.settle_and_announce(forget(ids), next.clone()).await.unwrap();
    assert_eq!(store.intents().await.unwrap(), [(next_id, next)]);
}

#[tokio::test]
async fn usage_is_what_was_counted_and_what_changed_since() {
    let store = TestStore::new();
    let area: Arc<str> = Arc::from("A");
    let bytes = |used, counted| Settled {
        usage: vec![UsageDelta { area: Arc::from("A"), used, counted }],
        ..Settled::default()
    };
    let scan = |after: Option<&str>, counted| ScanRow {
        after: after.map(|path| RelPath::parse(path).unwrap()),
        counted,
    };
    store.settle(bytes(5, 0)).await.unwrap();
    store.save_scan(Arc::clone(&area), scan(None, 0)).await.unwrap();
    store.save_scan(Arc::clone(&area), scan(Some("d/e"), 100)).await.unwrap();
    // With a put that is done, in one transaction.
    let put = file(0, "a");
    let id = store.submit(request(1, RequestKind::Put), vec![put.clone()]).await.unwrap();
    let ready = change(id, FileState::Queued, &put, FileState::SpaceAvailable);
    store.publish(vec![ready], None, bytes(-3, -2)).await.unwrap();
    let store = store.reopen();
    let row = UsageRow {
        area: Arc::clone(&area),
        used: 2,
        scanned: None,
        drift: 0,
        scan: Some(scan(Some("d/e"), 98)),
    };
    assert_eq!(store.usage().await.unwrap(), [row]);
    store.end_scan(Arc::clone(&area), 120, 4, Millis(9)).await.unwrap();
    store.settle(bytes(1, 0)).await.unwrap();
    let row = UsageRow { area, used: 121, scanned: Some(Millis(9)), drift: 4, scan: None };
    assert_eq!(store.usage().await.unwrap(), [row]);
}

#[tokio::test]
async fn a_run_that_was_cut_off_by_another_boot_is_told() {
    let store = TestStore::new();
    assert!(!store.begin_run("one".to_owned()).await.unwrap(), "the first run");
    assert!(!store.begin_run("one".to_owned()).await.unwrap(), "killed, on the same boot");
    assert!(store.begin_run("two".to_owned()).await.unwrap());
    store.end_run().await.unwrap();
    assert!(!store.begin_run("three".to_owned()).await.unwrap(), "it had ended well");
}

#[tokio::test]
async fn two_owners_share_a_file() {
    let ours = TestStore::new();
    let theirs = Store::open(&ours.path(), "b").unwrap();
    let due = FileRow { expires: Some(Millis(5)), ..file(0, "a") };
    let id = theirs.submit(request(1, RequestKind::Get), vec![due.clone()]).await.unwrap();
    theirs.announce(vec![Intent::Discard { hidden: key("x") }]).await.unwrap();

    assert!(ours.load(&token(1)).await.unwrap().is_some(), "a token is good everywhere");
    assert_eq!(ours.unfinished(RequestId(0), 9).await.unwrap(), []);
    assert_eq!(ours.due(Millis(9), 9).await.unwrap(), []);
    assert_eq!(ours.next_due().await.unwrap(), None);
    assert_eq!(ours.intents().await.unwrap(), []);
    assert_eq!(theirs.next_due().await.unwrap(), Some(Millis(5)));
    assert_eq!(theirs.unfinished(RequestId(0), 9).await.unwrap().len(), 1);

    let end = End { request: id, code: StatusCode::Aborted, at: Millis(1) };
    let stop = vec![change(id, FileState::Queued, &due, FileState::Aborted)];
    assert_eq!(ours.advance(stop, Some(end)).await.unwrap(), [Advanced::Yes]);
    assert_eq!(ours.purge(Millis(9), 9).await.unwrap(), 0);
    assert_eq!(theirs.purge(Millis(9), 9).await.unwrap(), 1);
    assert_eq!(ours.area_token("A").await.unwrap(), theirs.area_token("A").await.unwrap());
}

#[tokio::test]
async fn ten_thousand_files_are_few_commits() {
    let store = TestStore::new();
    let id = store.number().await.unwrap();
    // Until nobody is about any more: those would be let pass.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let before = store.commits();
    let files = (0..10_000).map(|n| file(n, &format!("d/{n}"))).map(Arc::new).collect();
    store.submit_numbered(id, request(1, RequestKind::Get), files, None).await.unwrap();
    assert!(store.commits() <= before + 20, "{}", store.commits() - before);
    assert_eq!(store.load(&token(1)).await.unwrap().unwrap().files[9_999], file(9_999, "d/9999"));
}

#[tokio::test]
async fn a_row_that_does_not_read_is_told() {
    for (spoil, word) in [
        ("UPDATE files SET state = 'ASLEEP'", "ASLEEP"),
        ("UPDATE files SET path = '../../etc/shadow'", "shadow"),
        ("UPDATE files SET n = -1", "file -1"),
        ("UPDATE requests SET kind = 'MKDIR'", "MKDIR"),
        ("UPDATE requests SET fqans = '{'", "fqans"),
        ("UPDATE requests SET protocols = 'https,smb'", "smb"),
        ("UPDATE requests SET ended = 3", "end_code"),
    ] {
        let store = TestStore::new();
        store.submit(request(1, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
        store.on_writer(move |connection| Ok(connection.execute_batch(spoil)?)).await.unwrap();
        match store.load(&token(1)).await {
            Err(StoreError::Corrupt(why)) => assert!(why.contains(word), "{spoil}: {why}"),
            other => panic!("{spoil}: {other:?}"),
        }
    }
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    let work = move |connection: &rusqlite::Connection| {
        Ok(connection.query_row(sql, [], |row| row.get(0))?)
    };
    store.on_writer(work).await.unwrap()
}
