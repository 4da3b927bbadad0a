//! Directories, whole or in part.

use crate::common::soap::Answer;
use crate::files::copy_files;
use crate::world::*;

const ALL: &str = "<dirOption><isSourceADirectory>true</isSourceADirectory>\
     <allLevelRecursive>true</allLevelRecursive></dirOption>";

fn levels(count: u32) -> String {
    format!(
        "<dirOption><isSourceADirectory>true</isSourceADirectory>\
         <numOfLevels>{count}</numOfLevels></dirOption>"
    )
}

async fn copy_tree(world: &World, source: &str, target: &str, option: &str, more: &str) -> Answer {
    let pair = (world.surl(source), world.surl(target));
    let inner = copy_files(&[(&pair.0, &pair.1)], option) + more;
    let answer = world.srm("srmCopy", &inner).await;
    world.copied(token(&answer)).await
}

#[tokio::test]
async fn trees() {
    let world = World::new();
    std::fs::create_dir_all(world.disk("d/e/g")).unwrap();
    std::fs::create_dir_all(world.disk("d/void")).unwrap();
    for (name, bytes) in [("d/a", "a"), ("d/e/b b", "b"), ("d/e/g/c", "c"), ("d/z", "z")] {
        world.write(name, bytes.as_bytes());
    }
    // The directory first, then its files by path.
    let answer = copy_tree(&world, "d", "all", ALL, "").await;
    assert_eq!((answer.code.as_str(), codes(&answer)), (SUCCESS, vec![SUCCESS; 5]));
    for (name, bytes) in [("a", "a"), ("e/b b", "b"), ("e/g/c", "c"), ("z", "z")] {
        world.holds(&format!("all/{name}"), bytes.as_bytes());
    }
    let targets: Vec<&str> = answer
        .xml
        .split("<targetSURL>")
        .skip(1)
        .map(|part| part.split_once("</").unwrap().0.rsplit_once("/all").unwrap().1)
        .collect();
    assert_eq!(targets, ["", "/a", "/e/b%20b", "/e/g/c", "/z"]);
    // So many levels, into directories that are made.
    let answer = copy_tree(&world, "d", "new/deep/part", &levels(1), "").await;
    assert_eq!(codes(&answer), [SUCCESS; 3]);
    assert!(world.disk("new/deep/part/a").exists() && !world.disk("new/deep/part/e").exists());
    let answer = copy_tree(&world, "d", "bare", &levels(0), "").await;
    assert_eq!(codes(&answer), [SUCCESS]);
    assert_eq!(std::fs::read_dir(world.disk("bare")).unwrap().count(), 0);
    // Into one that is there.
    std::fs::create_dir(world.disk("mixed")).unwrap();
    world.write("mixed/a", b"mine");
    let answer = copy_tree(&world, "d", "mixed", &levels(1), "").await;
    assert_eq!(
        (answer.code.as_str(), codes(&answer)),
        (PARTIAL, vec![SUCCESS, DUPLICATION, SUCCESS])
    );
    world.holds("mixed/a", b"mine");
    let answer = copy_tree(&world, "d", "mixed", ALL, ALWAYS).await;
    assert_eq!(answer.code, SUCCESS);
    world.holds("mixed/a", b"a");
    world.tidy();
}

#[tokio::test]
async fn refusals() {
    let world = World::new();
    std::fs::create_dir_all(world.disk("d/e")).unwrap();
    let file = world.write("f", b"f");
    world.write("d/x", b"x");
    for (source, target) in
        [("f", "new"), ("none", "new"), ("d", "f"), ("d", "d/e/new"), ("d", "d")]
    {
        let answer = copy_tree(&world, source, target, ALL, ALWAYS).await.expect(INVALID_PATH);
        assert_eq!(answer.code, FAILURE, "{source} {target}: {}", answer.xml);
        assert!(!world.disk("new").exists() && !world.disk("d/e/new").exists());
    }
    let remote = copy_files(&[("srm://other.example/d", &world.surl("new"))], ALL);
    let answer = world.srm("srmCopy", &remote).await;
    world.copied(token(&answer)).await.expect(NOT_SUPPORTED);
    drop(file);
}

#[tokio::test]
async fn more_files_than_the_queue_holds() {
    let world = World::with("answer_wait = \"0s\"\n[workers]\ncopy = { threads = 1, queue = 100 }");
    std::fs::create_dir(world.disk("d")).unwrap();
    for n in 0..120 {
        world.write(&format!("d/{n}"), b"x");
    }
    let answer = copy_tree(&world, "d", "all", ALL, "").await;
    assert_eq!((answer.code.as_str(), codes(&answer)), (SUCCESS, vec![SUCCESS; 121]));
    assert_eq!(std::fs::read_dir(world.disk("all")).unwrap().count(), 120);
    world.tidy();
}
