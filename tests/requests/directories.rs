//! Directories in srmPrepareToGet and srmBringOnline.

use std::os::unix::fs::symlink;

use crate::common::soap;
use crate::common::storm::{Area, TestStorm};
use crate::world::*;

fn option(more: &str) -> String {
    format!("<dirOption><isSourceADirectory>true</isSourceADirectory>{more}</dirOption>")
}

fn of(surls: &[&str], option: &str) -> String {
    soap::prepare_to_get(surls).replace("</sourceSURL>", &format!("</sourceSURL>{option}"))
}

const ALL: &str = "<allLevelRecursive>true</allLevelRecursive>";

fn levels(levels: i32) -> String {
    format!("<numOfLevels>{levels}</numOfLevels>")
}

/// Names below the VO's area, with their codes.
fn listed<'a>(world: &World, answer: &'a soap::Answer) -> Vec<(String, &'a str)> {
    let top = world.surl("");
    let one = |file: &'a soap::File| {
        (file.surl.strip_prefix(&top).unwrap().to_owned(), file.code.as_str())
    };
    answer.files.iter().map(one).collect()
}

fn tree(world: &World) {
    for directory in ["d/b/c", "d/empty"] {
        std::fs::create_dir_all(world.disk(directory)).unwrap();
    }
    for name in ["d/a", "d/b/1", "d/b/c/deep", "d/z", "d/odd %?#é", "d/.storm.x.0", "d/.dot"] {
        world.write(name, name.as_bytes());
    }
    symlink("b/1", world.disk("d/link")).unwrap();
    symlink("/etc/hostname", world.disk("d/out")).unwrap();
    symlink("b", world.disk("d/round")).unwrap();
    symlink("not/there", world.disk("d/nowhere")).unwrap();
}

#[tokio::test]
async fn files_of_a_directory() {
    let mut world = World::new();
    tree(&world);
    let (d, file, none) = (world.surl("d"), world.write("f", b"f"), world.surl("none"));
    let own = |code| ("d".to_owned(), code);
    let denied = "SRM_AUTHORIZATION_FAILURE";
    let first = [
        ("d/.dot", PINNED),
        ("d/a", PINNED),
        ("d/link", PINNED),
        ("d/odd%20%25%3F%23%C3%A9", PINNED),
        ("d/out", denied),
        ("d/z", PINNED),
    ];
    let owned = |files: &[(&str, &'static str)]| -> Vec<(String, &'static str)> {
        files.iter().map(|(name, code)| ((*name).to_owned(), *code)).collect()
    };
    let ask =
        async |world: &World, option: &str| world.srm("srmPrepareToGet", &of(&[&d], option)).await;
    for more in [String::new(), levels(1)] {
        let answer = ask(&world, &option(&more)).await;
        assert_eq!(answer.code, PARTIAL, "{}", answer.xml);
        assert_eq!(listed(&world, &answer), [vec![own(PINNED)], owned(&first)].concat());
    }
    let mut second = first.to_vec();
    second.insert(2, ("d/b/1", PINNED));
    let answer = ask(&world, &option(&levels(2))).await;
    assert_eq!(listed(&world, &answer), [vec![own(PINNED)], owned(&second)].concat());
    second.insert(3, ("d/b/c/deep", PINNED));
    for more in [levels(3), ALL.to_owned(), format!("{ALL}{}", levels(1))] {
        let answer = ask(&world, &option(&more)).await;
        assert_eq!(listed(&world, &answer), [vec![own(PINNED)], owned(&second)].concat());
    }
    let answer = ask(&world, &option(&levels(0))).await;
    assert_eq!((answer.code.as_str(), listed(&world, &answer)), (SUCCESS, vec![own(PINNED)]));
    assert_eq!(ask(&world, &option(&levels(-1))).await.code, INVALID_REQUEST);
    ask(&world, "<dirOption><isSourceADirectory>false</isSourceADirectory></dirOption>")
        .await
        .expect(INVALID_PATH);
    // Between others, in the order of the request; each can be read.
    let answer = world.srm("srmPrepareToGet", &of(&[&none, &d, &file], &option(ALL))).await;
    let all = listed(&world, &answer);
    assert_eq!(all[0], ("none".to_owned(), INVALID_PATH));
    assert_eq!(all[1..all.len() - 1], [vec![own(PINNED)], owned(&second)].concat());
    assert_eq!(all[all.len() - 1], ("f".to_owned(), INVALID_PATH), "a file is no directory");
    for got in answer.files.iter().filter(|file| file.turl.is_some()) {
        let read = world.http("GET", got.turl.as_ref().unwrap(), b"").await;
        assert_eq!((read.status, read.body.starts_with(b"d/")), (200, true), "{}", got.surl);
    }
    let empty = world.surl("d/empty");
    let answer = world.srm("srmPrepareToGet", &of(&[&empty], &option(ALL))).await.expect(PINNED);
    assert_eq!((answer.code.as_str(), answer.files.len()), (SUCCESS, 1));
    // The same for what is brought online; over a kill too.
    let brought = world.srm("srmBringOnline", &of(&[&d], &option(ALL))).await;
    let online: Vec<_> = [vec![own(SUCCESS)], owned(&second)].concat();
    let online: Vec<_> = online
        .into_iter()
        .map(|(name, code)| (name, if code == PINNED { SUCCESS } else { code }))
        .collect();
    assert_eq!(listed(&world, &brought), online);
    world.storm.kill9();
    world.storm.restart();
    let status = world.bring_status(token(&brought)).await;
    assert_eq!((status.code.as_str(), listed(&world, &status)), (PARTIAL, online));
    world.put(&[&world.surl("d/a")], ALWAYS).await.expect(BUSY);
    // By its SURL a directory goes as a whole.
    world.release(token(&brought), &[&d]).await.expect(SUCCESS);
    let status = world.bring_status(token(&brought)).await;
    let left: Vec<&str> = codes(&status).into_iter().filter(|code| *code == SUCCESS).collect();
    assert!(left.is_empty(), "{}", status.xml);
    let get = ask(&world, &option(ALL)).await;
    world.abort_files(token(&get), &[&d]).await.expect(SUCCESS);
    let status = world.get_status(token(&get)).await;
    assert!(!codes(&status).contains(&PINNED), "{}", status.xml);
}

#[tokio::test]
async fn a_directory_that_does_not_fit() {
    let world = World::with("[limits]\nfiles_per_request = 10");
    std::fs::create_dir_all(world.disk("d/sub")).unwrap();
    for n in 0..8 {
        world.write(&format!("d/{n}"), b"x");
    }
    let d = world.surl("d");
    let answer = world.srm("srmPrepareToGet", &of(&[&d], &option(ALL))).await.expect(PINNED);
    assert_eq!((answer.code.as_str(), answer.files.len()), (SUCCESS, 9));
    for n in 0..8 {
        world.write(&format!("d/sub/{n}"), b"x");
    }
    let answer = world.srm("srmPrepareToGet", &of(&[&d], &option(ALL))).await;
    let answer = answer.expect(INVALID_REQUEST);
    assert_eq!((answer.code.as_str(), answer.files.len()), (FAILURE, 1));
    assert!(answer.file_explanation().contains("more files than the 9"), "{}", answer.xml);
    // Twice would be too many, however the workers meet.
    let answer = world.srm("srmPrepareToGet", &of(&[&d, &d], &option(""))).await;
    assert_eq!((answer.code.as_str(), answer.files.len()), (PARTIAL, 10), "{}", answer.xml);
    let refused = codes(&answer).into_iter().filter(|code| *code == INVALID_REQUEST).count();
    assert_eq!(refused, 1, "{}", answer.xml);
}

#[tokio::test]
async fn another_areas_root_is_not_looked_into() {
    let area = |name, stfn| Area { name, stfn, vo: None, anonymous: false, root: None };
    let inner = area("INNER", "test.vo/d/sub/inner");
    let world = World::of(TestStorm::with("", vec![inner]));
    world.write("d/a", b"x");
    world.write("d/sub/b", b"x");
    world.write("d/sub/inner/c", b"x");
    let answer = world.srm("srmPrepareToGet", &of(&[&world.surl("d")], &option(ALL))).await;
    let all = ["d", "d/a", "d/sub/b"].map(|name| (name.to_owned(), PINNED));
    assert_eq!((answer.code.as_str(), listed(&world, &answer)), (SUCCESS, all.to_vec()));
    // By its own name it is.
    let inner = world.surl("d/sub/inner");
    let answer = world.srm("srmPrepareToGet", &of(&[&inner], &option(ALL))).await.expect(PINNED);
    let all = ["d/sub/inner", "d/sub/inner/c"].map(|name| (name.to_owned(), PINNED));
    assert_eq!((answer.code.as_str(), listed(&world, &answer)), (SUCCESS, all.to_vec()));
}
