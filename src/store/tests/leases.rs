//! What is lent, over a stop.

use super::*;
use crate::fsdriver::Permission;

fn entry(id: i64, path: &str, before: Option<Permission>, given: Permission) -> LentRow {
    LentRow { id: LentId(id), uid: 1000, key: key(path), before, given }
}

#[tokio::test]
async fn what_is_lent_outlives_a_stop_until_it_is_given_back() {
    let store = TestStore::new();
    let (r, x) = (Permission::READ, Permission::TRAVERSE);
    let lease = |n| LeaseRow { request: RequestId(7), n, uid: 1000, key: key("d/f") };
    let directory = entry(1, "d", Some(r), r | x);
    let file = entry(2, "d/f", None, r);
    store.lend(vec![lease(0)], vec![directory.clone(), file.clone()]).await.unwrap();
    // Another lease on the same: what was there before them is not overwritten.
    let again = LentRow { before: None, given: Permission::WRITE, ..directory.clone() };
    store.lend(vec![lease(1)], vec![again]).await.unwrap();
    let store = store.reopen();
    let given = r | x | Permission::WRITE;
    let directory = LentRow { given, ..directory };
    let all = (vec![lease(0), lease(1)], vec![directory.clone(), file.clone()]);
    assert_eq!(store.lent().await.unwrap(), all);

    store.move_lent(vec![(LentId(1), RelPath::parse("e").unwrap())]).await.unwrap();
    store.give_back(vec![(RequestId(7), 0)], vec![LentId(2)]).await.unwrap();
    let moved = LentRow { key: key("e"), ..directory };
    assert_eq!(store.lent().await.unwrap(), (vec![lease(1)], vec![moved]));
    // Nobody else's.
    let other = Store::open(&store.path(), "b").unwrap();
    assert_eq!(other.lent().await.unwrap(), (Vec::new(), Vec::new()));
}
