//! WHEN_FILES_ARE_DIFFERENT where reading both files takes long: nobody waits for it, and it can be
//! stopped.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::common::soap;
use crate::common::wait_until;
use crate::world::*;

/// Bytes that take seconds to read, and none of the disk.
const SIZE: u64 = 8 << 30;
/// Bytes that take a moment.
const SOME: u64 = 1 << 30;

fn sparse(path: &Path, size: u64, last: u8) {
    let mut file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
    file.set_len(size - 1).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
    file.write_all(&[last]).unwrap();
}

/// A put by a mover whose bytes and those that it would replace are as many; not done yet.
async fn prepared(world: &World, name: &str, size: u64) -> (String, String) {
    sparse(&world.disk(name), size, 1);
    let surl = world.surl(name);
    let answer = world.put_by("file", &surl, DIFFERENT).await.expect(READY);
    sparse(&behind(turl(&answer)), size, 2);
    (surl, token(&answer).to_owned())
}

/// srmPutDone, as a task that waits for its answer.
fn begin(world: &World, token: &str, surl: &str) -> tokio::task::JoinHandle<Option<soap::Answer>> {
    let (user, port) = (world.user.clone(), world.storm.ports.srm);
    let inner = soap::token(token) + &soap::surls(&[surl]);
    tokio::spawn(async move { soap::once(&user, port, "srmPutDone", &inner).await.ok() })
}

fn under_way(world: &World) -> u64 {
    let before = world.bytes_read();
    assert!(wait_until(Duration::from_secs(20), || world.bytes_read() > before + (64 << 20)));
    before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_do_not_wait_and_an_abort_ends_it() {
    let world = World::new();
    let (surl, id) = prepared(&world, "f", SIZE).await;
    let done = begin(&world, &id, &surl);
    let before = under_way(&world);
    // The file's lock is free, and the request's turn is.
    world.rm(&world.surl("other")).await.expect(INVALID_PATH);
    assert_eq!(world.srm("srmMkdir", &format!("<SURL>{surl}</SURL>")).await.code, DUPLICATION);
    let extended =
        soap::token(&id) + &soap::surls(&[&surl]) + "<newPinLifeTime>60</newPinLifeTime>";
    assert_eq!(world.srm("srmExtendFileLifeTime", &extended).await.code, SUCCESS);
    assert_eq!(world.abort(&id).await.code, SUCCESS);
    done.await.unwrap().unwrap().expect(ABORTED);
    let read = world.bytes_read() - before;
    assert!(read < SIZE, "{read} bytes were read before it ended");
    world.tidy();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_it_and_the_put_stays() {
    let mut world = World::new();
    let (surl, id) = prepared(&world, "f", SIZE).await;
    let done = begin(&world, &id, &surl);
    under_way(&world);
    let (ended, time) = world.storm.term();
    assert!(ended.success());
    let answer = done.await.unwrap().expect("an answer");
    assert_eq!(answer.file_code(), BUSY, "after {time:?}: {}", answer.xml);
    world.storm.restart();
    assert_eq!(world.put_status(&id).await.file_code(), READY);
    assert_eq!(world.abort(&id).await.code, SUCCESS);
    world.tidy();
}

/// What changes between the look and the locks is not taken for what was seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_meanwhile_is_told() {
    let world = World::new();
    let (surl, id) = prepared(&world, "f", SOME).await;
    let done = begin(&world, &id, &surl);
    under_way(&world);
    sparse(&world.disk("f"), SOME, 2);
    let answer = done.await.unwrap().unwrap();
    answer.expect(BUSY);
    world.done(&id, &[&surl]).await.expect(SUCCESS);
    world.tidy();
}
