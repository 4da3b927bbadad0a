//! What is asked of requests beside their files: summaries, tokens, suspension, files that come later.

use super::*;
use crate::store::{ListingRow, Summary};

#[tokio::test]
async fn a_summary_counts_by_state() {
    use FileState::{Failed, Queued};
    let store = TestStore::new();
    let failed = |n| FileRow { state: Failed, ..file(n, "a") };
    let files = vec![file(0, "a"), failed(1), failed(2)];
    let row = request(1, RequestKind::Get);
    store.submit(row.clone(), files).await.unwrap();
    let Summary { request, mut files } = store.summary(&token(1)).await.unwrap().unwrap();
    files.sort_by_key(|(state, _)| state.as_str());
    assert_eq!((request, files), (row, vec![(Failed, 2), (Queued, 1)]));
    assert_eq!(store.summary(&token(2)).await.unwrap(), None);
}

#[tokio::test]
async fn tokens_are_the_users_own_newest_first() {
    let store = TestStore::new();
    for number in 0..6 {
        let row = request(number, RequestKind::Get);
        let user = if number == 5 { "/CN=Other".to_owned() } else { row.user.clone() };
        let description = (number % 2 == 0).then(|| "run 7".to_owned());
        let row = RequestRow { user, description, created: Millis(number as i64), ..row };
        store.submit(row, vec![file(0, "a")]).await.unwrap();
    }
    let user = request(0, RequestKind::Get).user;
    let of = async |description, limit| {
        let found = store.tokens(&user, description, limit).await.unwrap();
        found.into_iter().map(|(token, created)| (token, created.0)).collect::<Vec<_>>()
    };
    let expected = |numbers: &[u64]| -> Vec<_> {
        numbers.iter().map(|number| (token(*number), *number as i64)).collect()
    };
    assert_eq!(of(None, 9).await, expected(&[4, 3, 2, 1, 0]));
    assert_eq!(of(None, 2).await, expected(&[4, 3]));
    assert_eq!(of(Some("run 7"), 9).await, expected(&[4, 2, 0]));
    assert_eq!(of(Some("Run 7"), 9).await, []);
    assert_eq!(store.tokens("/CN=Nobody", None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_suspension_is_kept_until_the_end() {
    let store = TestStore::new();
    let id = store.submit(request(1, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
    let is_suspended =
        async |store: &Store| store.load(&token(1)).await.unwrap().unwrap().request.suspended;
    store.suspend(id, Some(Millis(5)), 1).await.unwrap();
    let store = store.reopen();
    assert!(is_suspended(&store).await);
    // What waits in it has an end meanwhile.
    assert_eq!(store.next_due().await.unwrap(), Some(Millis(5)));
    store.suspend(id, None, 1).await.unwrap();
    assert!(!is_suspended(&store).await);
    assert_eq!(store.next_due().await.unwrap(), None);
    let end = End { request: id, code: StatusCode::Aborted, at: Millis(9) };
    let abort = change(id, FileState::Queued, &file(0, "a"), FileState::Aborted);
    store.advance(vec![abort], Some(end)).await.unwrap();
    store.suspend(id, Some(Millis(5)), 1).await.unwrap();
    assert!(!is_suspended(&store).await, "a request that has ended changed");
    // The end that it has anyhow is no later for it.
    let row = RequestRow { deadline: Some(Millis(7)), ..request(2, RequestKind::Get) };
    let waiting = FileRow { expires: Some(Millis(7)), ..file(0, "a") };
    let id = store.submit(row, vec![waiting]).await.unwrap();
    for (until, due) in [(Some(9), 7), (Some(3), 3), (None, 7)] {
        store.suspend(id, until.map(Millis), 1).await.unwrap();
        assert_eq!(store.next_due().await.unwrap(), Some(Millis(due)));
    }
}

#[tokio::test]
async fn files_are_added_with_their_directory_or_not_at_all() {
    use FileState::{Pinned, Queued};
    let store = TestStore::new();
    let directory = FileRow { levels: Some(-1), ..file(0, "d") };
    let row = request(1, RequestKind::Get);
    let id = store.submit(row, vec![directory.clone()]).await.unwrap();
    let found = |n| FileRow { parent: Some(0), ..file(n, "d/a") };
    let ready = change(id, Queued, &directory, Pinned);
    let request = (id, RequestKind::Get);
    let expanded = store.expand(request, vec![ready.clone()], vec![found(1), found(2)]).await;
    assert_eq!(expanded.unwrap(), [Advanced::Yes]);
    let expected = vec![ready.row.clone(), found(1), found(2)];
    assert_eq!(store.load(&token(1)).await.unwrap().unwrap().files, expected);
    // A second time finds another state, and adds nothing.
    let again = store.expand(request, vec![ready], vec![found(3)]).await;
    assert_eq!(again.unwrap(), [Advanced::Found(Pinned)]);
    assert_eq!(store.load(&token(1)).await.unwrap().unwrap().files, expected);
}

#[tokio::test]
async fn what_a_list_asked_for_is_kept_as_long_as_its_request() {
    let store = TestStore::new();
    let wide = ListingRow { levels: i32::MAX, offset: 7, count: Some(usize::MAX >> 1), full: true };
    let plain = ListingRow { levels: 0, offset: 0, count: None, full: false };
    for (number, listing) in [(1, wide), (2, plain)] {
        let end = Some((StatusCode::Aborted, Millis(number as i64)));
        let row = RequestRow { ended: end, ..request(number, RequestKind::Ls) };
        let files = vec![FileRow { state: FileState::Aborted, ..file(0, "a") }];
        let id = store.number().await.unwrap();
        let files = files.into_iter().map(Arc::new).collect();
        store.submit_numbered(id, row, files, Some(listing)).await.unwrap();
        assert_eq!(store.listing(id).await.unwrap(), Some(listing));
    }
    let ids = [1, 2].map(RequestId);
    assert_eq!(store.purge(Millis(2), 10).await.unwrap(), 1);
    assert_eq!(store.listing(ids[0]).await.unwrap(), None);
    assert_eq!(store.listing(ids[1]).await.unwrap(), Some(plain));
    // Of so many SURLs that they are written by steps.
    let files = (0..1000).map(|n| Arc::new(file(n, "a"))).collect();
    let many = store.number().await.unwrap();
    store.submit_numbered(many, request(4, RequestKind::Ls), files, Some(wide)).await.unwrap();
    assert_eq!(store.listing(many).await.unwrap(), Some(wide));
    assert_eq!(store.load(&token(4)).await.unwrap().unwrap().files.len(), 1000);
    let get = store.submit(request(3, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
    assert_eq!(store.listing(get).await.unwrap(), None);
}
