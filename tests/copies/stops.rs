//! Copies that are aborted, removed, timed out, suspended or killed.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::soap::{self, Answer};
use crate::common::{bytes, leftovers, wait_until};
use crate::world::*;

const LARGE: u64 = 512 << 20;
const SLOW: &str = "answer_wait = \"0s\"\n[workers]\ncopy = { threads = 1, queue = 1000 }";

/// A file whose copy takes a moment: no holes, and on a file system that shares no blocks.
fn large(world: &World) -> String {
    let mut file = std::fs::File::create(world.disk("large")).unwrap();
    let block = bytes(1 << 20, 3);
    for _ in 0..LARGE >> 20 {
        std::io::Write::write_all(&mut file, &block).unwrap();
    }
    world.surl("large")
}

/// Copies it to these; one after the other.
async fn begin(world: &World, targets: &[String], more: &str) -> Answer {
    let source = world.surl("large");
    let pairs: Vec<(&str, &str)> = targets.iter().map(|t| (source.as_str(), t.as_str())).collect();
    let answer = world.copy(&pairs, more).await;
    assert_eq!(answer.code, QUEUED, "{}", answer.xml);
    answer
}

/// Waits until bytes are on their way to the area's folder.
fn under_way(world: &World, folder: &Path) {
    let hidden = || !leftovers(folder).is_empty();
    assert!(wait_until(Duration::from_secs(20), hidden), "nothing is copied");
    assert!(world.storm.healthy());
}

#[tokio::test]
async fn aborted_in_part_and_whole() {
    let world = World::with(SLOW);
    large(&world);
    let targets: Vec<String> = (0..4).map(|n| world.surl(&format!("t{n}"))).collect();
    let first = begin(&world, &targets, "").await;
    let id = token(&first);
    under_way(&world, &world.storm.root("test.vo"));
    // While it is written it is nobody else's, and shown as busy.
    let surl = &targets[0];
    world.put(&[surl], ALWAYS).await.expect(QUEUED);
    let listed = world.srm("srmLs", &soap::surls(&[surl])).await;
    if !world.disk("t0").exists() {
        listed.expect(BUSY);
    }
    world.abort_files(id, &[&targets[2]]).await.expect(SUCCESS);
    assert_eq!(world.abort(id).await.code, SUCCESS);
    let status = world.copy_status(id).await;
    assert_eq!(status.code, ABORTED, "{}", status.xml);
    assert!(codes(&status)[1..].iter().all(|code| *code == ABORTED), "{}", status.xml);
    assert!(!world.disk("t2").exists() && !world.disk("t3").exists());
    world.tidy();
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.tidy();
    assert_eq!(world.abort(id).await.code, SUCCESS, "twice is fine");
    // Nothing is kept from others.
    for target in &targets[1..] {
        let answer = world.put(&[target], ALWAYS).await;
        let end = Instant::now() + Duration::from_secs(10);
        while world.put_status(token(&answer)).await.file_code() != READY {
            assert!(Instant::now() < end);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A worker takes two of these eight at once; they are too large to be published together.
#[tokio::test]
async fn large_ones_are_published_by_and_by() {
    let world = World::with(SLOW);
    let source = std::fs::File::create(world.disk("large")).unwrap();
    source.set_len(40 << 20).unwrap();
    drop(source);
    let targets: Vec<String> = (0..8).map(|n| world.surl(&format!("t{n}"))).collect();
    let answer = begin(&world, &targets, "").await;
    assert_eq!(world.copied(token(&answer)).await.code, SUCCESS);
    let written = |first: usize| {
        let targets = (first..8).step_by(2);
        targets.map(|n| world.disk(&format!("t{n}")).metadata().unwrap().modified().unwrap())
    };
    let (last, next) = (written(0).max().unwrap(), written(1).min().unwrap());
    assert!(last <= next, "the second of each two went back to the queue");
    world.tidy();
}

#[tokio::test]
async fn removed_or_moved_away_meanwhile() {
    let world = World::with(SLOW);
    large(&world);
    std::fs::create_dir(world.disk("d")).unwrap();
    for how in ["rm", "mv"] {
        let target = world.surl("d/t");
        let answer = begin(&world, std::slice::from_ref(&target), "").await;
        under_way(&world, &world.disk("d"));
        let expected = match how {
            "rm" => {
                world.rm(&target).await.expect(SUCCESS);
                ABORTED
            }
            _ => {
                let (from, to) = (world.surl("d"), world.surl("elsewhere"));
                let inner = format!("<fromSURL>{from}</fromSURL><toSURL>{to}</toSURL>");
                assert_eq!(world.srm("srmMv", &inner).await.code, SUCCESS);
                INVALID_PATH
            }
        };
        world.copied(token(&answer)).await.expect(expected);
        assert!(!world.disk("d/t").exists() && !world.disk("elsewhere/t").exists());
        assert!(wait_until(Duration::from_secs(5), || {
            leftovers(&world.storm.root("test.vo")).is_empty()
        }));
    }
}

#[tokio::test]
async fn not_done_in_time() {
    let world = World::with(SLOW);
    large(&world);
    let targets: Vec<String> = (0..40).map(|n| world.surl(&format!("t{n}"))).collect();
    let time = "<desiredTotalRequestTime>1</desiredTotalRequestTime>";
    let answer = begin(&world, &targets, time).await;
    // Nothing of this one is begun.
    let rests = begin(&world, &[world.surl("rests")], time).await;
    let asked = world.srm("srmSuspendRequest", &soap::token(token(&rests))).await;
    assert_eq!(asked.code, SUCCESS, "{}", asked.explanation);
    let status = world.copied(token(&answer)).await;
    let end = Instant::now() + Duration::from_secs(20);
    while world.copy_status(token(&rests)).await.code != "SRM_REQUEST_TIMED_OUT" {
        assert!(Instant::now() < end, "what rests does not time out");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let found = codes(&status);
    assert_eq!(found.last(), Some(&FAILURE), "{}", status.xml);
    let none = found.iter().all(|code| *code == FAILURE);
    assert_eq!(status.code, if none { "SRM_REQUEST_TIMED_OUT" } else { PARTIAL });
    for (n, code) in found.iter().enumerate() {
        let there = world.disk(&format!("t{n}")).exists();
        assert_eq!(there, *code == SUCCESS, "{n}");
    }
    assert!(wait_until(Duration::from_secs(5), || {
        leftovers(&world.storm.root("test.vo")).is_empty()
    }));
}

#[tokio::test]
async fn suspended_over_a_kill() {
    let mut world = World::with(SLOW);
    large(&world);
    let small = world.write("small", b"small");
    begin(&world, &[world.surl("t0"), world.surl("t1")], "").await;
    let kept = world.copy(&[(&small, &world.surl("copy"))], "").await;
    let id = soap::token(token(&kept));
    assert_eq!(world.srm("srmSuspendRequest", &id).await.code, SUCCESS);
    let status = world.copy_status(token(&kept)).await.expect("SRM_REQUEST_SUSPENDED");
    assert_eq!(status.code, "SRM_REQUEST_SUSPENDED");
    world.storm.kill9();
    world.storm.restart();
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.copy_status(token(&kept)).await.expect("SRM_REQUEST_SUSPENDED");
    assert!(!world.disk("copy").exists());
    assert_eq!(world.srm("srmResumeRequest", &id).await.code, SUCCESS);
    world.copied(token(&kept)).await.expect(SUCCESS);
    world.holds("copy", b"small");
}

#[tokio::test]
async fn killed_and_stopped_copies_go_on() {
    let mut world = World::with(SLOW);
    large(&world);
    let content = std::fs::read(world.disk("large")).unwrap();
    for stop in ["kill", "term"] {
        let targets: Vec<String> = (0..2).map(|n| world.surl(&format!("{stop}{n}"))).collect();
        let answer = begin(&world, &targets, "").await;
        under_way(&world, &world.storm.root("test.vo"));
        match stop {
            "kill" => world.storm.kill9(),
            _ => {
                let (status, took) = world.storm.term();
                assert!(status.success() && took < Duration::from_secs(10), "{status} {took:?}");
            }
        }
        world.storm.restart();
        let status = world.copied(token(&answer)).await;
        assert_eq!((status.code.as_str(), codes(&status)), (SUCCESS, vec![SUCCESS; 2]));
        for n in 0..2 {
            world.holds(&format!("{stop}{n}"), &content);
        }
        world.tidy();
    }
}

#[tokio::test]
async fn many_small_ones_over_many_kills() {
    let mut world = World::with("answer_wait = \"0s\"");
    std::fs::create_dir(world.disk("from")).unwrap();
    for n in 0..300 {
        world.write(&format!("from/{n}"), format!("file {n}").as_bytes());
    }
    // Some are there already, and longer.
    std::fs::create_dir(world.disk("to")).unwrap();
    for n in 0..150 {
        world.write(&format!("to/{n}"), &bytes(1000 + n, 5));
    }
    count(&world);
    let option = "<dirOption><isSourceADirectory>true</isSourceADirectory></dirOption>";
    let pair = (world.surl("from"), world.surl("to"));
    let inner = crate::files::copy_files(&[(&pair.0, &pair.1)], option) + ALWAYS;
    let answer = world.srm("srmCopy", &inner).await;
    for round in 0..5 {
        std::thread::sleep(Duration::from_millis(40 * round));
        world.storm.kill9();
        world.storm.restart();
    }
    let status = world.copied(token(&answer)).await;
    assert_eq!((status.code.as_str(), codes(&status)), (SUCCESS, vec![SUCCESS; 301]));
    for n in 0..300 {
        world.holds(&format!("to/{n}"), format!("file {n}").as_bytes());
    }
    world.tidy();
    let told = count(&world);
    assert!(told.contains("as was known"), "{told}");
}

/// Counts what the area holds: what was written behind stormd's back is known then.
fn count(world: &World) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stormd"));
    command.arg("--config").arg(world.storm.dir().join("storm.toml"));
    let done = command.args(["admin", "space", "check", "TESTVO"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
