//! Volatile files whose time comes while others are at work.

use std::time::Duration;

use super::stops::{key, remember};
use super::world::World;
use crate::model::FileStorageType;
use crate::srm::requests::now;
use crate::store::{FileRecord, Millis};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_due_below_a_directory_on_its_way_goes_right_after() {
    let world = World::new();
    std::fs::create_dir(world.folder().join("d")).unwrap();
    let file = world.folder().join("d/v");
    std::fs::write(&file, "bytes").unwrap();
    let record = FileRecord {
        space: None,
        storage_type: FileStorageType::Volatile,
        lifetime: 1,
        expires: Some(now()),
        size: 5,
    };
    remember(&world, &key("d/v"), record).await;
    let closed = world.srm.core.usage.close(key("d")).await;
    let swept = world.srm.sweep_files().await.unwrap();
    assert!(swept.removed == 0 && file.exists());
    let soon = Millis(now().0 + 1000);
    assert!(swept.next.is_some_and(|at| at < soon), "{:?} is not before {soon:?}", swept.next);
    drop(closed);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let swept = world.srm.sweep_files().await.unwrap();
    assert!(swept.removed == 1 && !file.exists());
}
