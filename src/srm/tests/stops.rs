//! What a start finds that a stop left in the middle.

use std::sync::Arc;
use std::time::Duration;

use super::world::World;
use crate::model::{FileKey, FileStorageType, RelPath};
use crate::store::{FileRecord, Intent};

pub(super) fn key(path: &str) -> FileKey {
    FileKey { area: Arc::from("DEMO"), path: RelPath::parse(path).unwrap() }
}

/// Gives a file a record.
pub(super) async fn remember(world: &World, key: &FileKey, record: FileRecord) {
    let set = world.srm.core.store.replace_record(key.clone(), None, Some(record)).await.unwrap();
    world.srm.core.books.apply(&set.unwrap());
}

/// A second core over the same folder, as after a kill of the first.
async fn start_again(world: &World) -> World {
    let again = World::over(&world.dir);
    again.srm.recover().await.unwrap();
    again
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_goes_along_with_a_file_whose_move_was_cut_short() {
    let world = World::new();
    std::fs::write(world.folder().join("a"), "bytes").unwrap();
    let record = FileRecord {
        space: None,
        storage_type: FileStorageType::Durable,
        lifetime: 1000,
        expires: None,
        size: 5,
    };
    remember(&world, &key("a"), record.clone()).await;
    // Nothing is settled from here on, as if it were killed.
    let _held = world.srm.core.usage.order.write().await;
    let moving = {
        let (srm, who) = (world.srm.clone(), world.who.clone());
        let (from, to) = (world.surl(0), world.surl(1));
        tokio::spawn(async move { srm.mv(&who, &from, &to).await })
    };
    while !world.folder().join("b").exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let again = start_again(&world).await;
    let store = &again.srm.core.store;
    assert_eq!(store.record(&key("b")).await.unwrap(), Some(record));
    assert_eq!(store.record(&key("a")).await.unwrap(), None);
    assert!(store.intents().await.unwrap().is_empty());
    moving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_was_cut_short_below_what_is_a_file_now_is_settled() {
    let world = World::new();
    std::fs::write(world.folder().join("d"), "a file").unwrap();
    let intent = Intent::Move { from: key("d/a"), to: key("b") };
    world.srm.core.store.announce(vec![intent]).await.unwrap();
    let again = start_again(&world).await;
    assert!(again.srm.core.store.intents().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_made_way_comes_back_unless_another_stands_there() {
    let world = World::new();
    let folder = world.folder();
    std::fs::write(folder.join("a"), "old a").unwrap();
    for name in ["d", "e"] {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("in"), "old").unwrap();
    }
    for name in ["a", "d", "e"] {
        let stfn = crate::model::Stfn::parse(&format!("/demo/{name}")).unwrap();
        let access = crate::namespace::Access::Write;
        let located = world.srm.site().locate(&world.who, &stfn, access).unwrap();
        let aside = world.srm.step_aside(&located).await.unwrap();
        assert!(!folder.join(name).exists());
        // Nobody brings it back here: it is killed.
        std::mem::forget(aside);
    }
    std::fs::write(folder.join("e"), "new e").unwrap();
    let again = start_again(&world).await;
    assert_eq!(std::fs::read(folder.join("a")).unwrap(), b"old a");
    assert_eq!(std::fs::read(folder.join("d/in")).unwrap(), b"old");
    assert_eq!(std::fs::read(folder.join("e")).unwrap(), b"new e");
    let left = std::fs::read_dir(&folder).unwrap();
    let hidden = left
        .filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().starts_with(".storm."));
    assert_eq!(hidden.count(), 0);
    assert!(again.srm.core.store.intents().await.unwrap().is_empty());
}
