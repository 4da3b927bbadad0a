//! Requests of many files come in by steps: whole, or not at all.

use rusqlite::Connection;

use super::*;

const MANY: u32 = 1_000;

fn many() -> Vec<FileRow> {
    (0..MANY).map(|n| file(n, &format!("f{n}"))).collect()
}

/// Rows of files, and of what has not come in wholly.
fn rows(store: &TestStore) -> (u32, u32) {
    let connection = Connection::open(store.path()).unwrap();
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    (count("files"), count("arrivals"))
}

#[tokio::test]
async fn many_files_come_in_as_few_do() {
    let store = TestStore::new();
    let mut ids = Vec::new();
    for number in 1..=4 {
        let files = if number % 2 == 0 { vec![file(0, "one")] } else { many() };
        ids.push(store.submit(request(number, RequestKind::Get), files).await.unwrap());
    }
    assert!(ids.is_sorted_by(|before, after| before < after), "{ids:?}");
    let store = store.reopen();
    let stored = store.load(&token(3)).await.unwrap().unwrap();
    assert_eq!((stored.id, stored.request), (ids[2], request(3, RequestKind::Get)));
    assert_eq!(stored.files, many());
    assert_eq!(rows(&store), (2 * MANY + 2, 0));
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let store = TestStore::new();
    store.submit(request(1, RequestKind::Get), vec![file(0, "a")]).await.unwrap();
    let again = store.submit(request(1, RequestKind::Get), many()).await;
    assert!(matches!(again, Err(StoreError::Database(_))), "{again:?}");
    let mut twice = many();
    twice[700].n = 3;
    let twice = store.submit(request(2, RequestKind::Get), twice).await;
    assert!(matches!(twice, Err(StoreError::Database(_))), "{twice:?}");
    // Nobody waits for what clears up, which lets others pass; what is as large comes after it.
    store.submit(request(3, RequestKind::Get), many()).await.unwrap();
    assert_eq!(rows(&store), (MANY + 1, 0));
}

#[tokio::test]
async fn what_a_stop_cut_short_is_gone_at_the_next_start() {
    let store = TestStore::new();
    let first = store.submit(request(1, RequestKind::Get), many()).await.unwrap();
    {
        let connection = Connection::open(store.path()).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        let cut = "INSERT INTO arrivals VALUES (2, 'a'), (3, 'b');
             INSERT INTO files (request, n, owner, kind, surl, state, live, explanation)
                 SELECT 2, n, owner, kind, surl, state, live, explanation FROM files;";
        connection.execute_batch(cut).unwrap();
    }
    assert_eq!(rows(&store), (2 * MANY, 2));
    let store = store.reopen();
    // What another daemon is about to write stays.
    assert_eq!(rows(&store), (MANY, 1));
    let id = store.submit(request(2, RequestKind::Get), many()).await.unwrap();
    assert!(id > first, "{id:?}");
}
