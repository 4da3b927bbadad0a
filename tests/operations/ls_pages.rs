//! srmLs of many entries and of deep trees.

use std::time::Instant;

use super::common::scene::Scene;
use super::common::soap;
use super::common::wire::Conn;
use super::{children, details, list};

const FULL: &str = "<fullDetailedList>true</fullDetailedList>";

/// `name-0000` and so on.
pub fn fill(scene: &Scene, directory: &str, count: usize) -> std::path::PathBuf {
    let path = scene.storm.root("test.vo").join(directory);
    std::fs::create_dir(&path).unwrap();
    for n in 0..count {
        std::fs::write(path.join(format!("name-{n:04}")), "").unwrap();
    }
    path
}

#[tokio::test]
async fn too_many_results_go_on_by_offset() {
    let scene = Scene::with("[limits]\nls_entries = 10\n", Vec::new(), |_| ());
    let path = fill(&scene, "many", 34);
    let page = async |offset: usize| {
        let answer = list(&scene, "/test.vo/many", &format!("<offset>{offset}</offset>")).await;
        (answer.code.clone(), children(&answer, "/test.vo/many"))
    };
    // As srm-ifce does: while there are too many, ask from the number of those that came.
    let (mut all, mut pages) = (Vec::new(), 0);
    loop {
        let (code, names) = page(all.len()).await;
        all.extend(names);
        pages += 1;
        // Files come and go meanwhile: no other is left out or shown twice.
        std::fs::write(path.join(format!("a-new-{pages}")), "").unwrap();
        let _ = std::fs::remove_file(path.join(format!("name-{:04}", pages * 4)));
        let _ = std::fs::remove_file(path.join(format!("name-{:04}", pages * 10 + 3)));
        if code != "SRM_TOO_MANY_RESULTS" {
            assert_eq!(code, "SRM_SUCCESS");
            break;
        }
        assert_eq!(all.len(), pages * 10);
    }
    let gone = ["name-0013", "name-0023", "name-0033"];
    let wanted: Vec<String> = (0..34).map(|n| format!("name-{n:04}")).collect();
    let wanted: Vec<&String> = wanted.iter().filter(|n| !gone.contains(&n.as_str())).collect();
    assert_eq!(all.iter().collect::<Vec<_>>(), wanted);
    // A new first page sees what is there now.
    assert_eq!(page(0).await.1[..3], ["a-new-1", "a-new-2", "a-new-3"]);
}

#[tokio::test]
async fn count_and_offset() {
    let scene = Scene::with("[limits]\nls_entries = 10\n", Vec::new(), |_| ());
    fill(&scene, "many", 12);
    for (offset, count, code, first, total) in [
        (0, 3, "SRM_SUCCESS", Some("name-0000"), 3),
        (1, 1, "SRM_SUCCESS", Some("name-0001"), 1),
        (10, 10, "SRM_SUCCESS", Some("name-0010"), 2),
        (12, 5, "SRM_SUCCESS", None, 0),
        (99, 5, "SRM_SUCCESS", None, 0),
        (0, 10, "SRM_SUCCESS", Some("name-0000"), 10),
        (0, 11, "SRM_TOO_MANY_RESULTS", Some("name-0000"), 10),
        (0, 0, "SRM_TOO_MANY_RESULTS", Some("name-0000"), 10),
        (2, 11, "SRM_SUCCESS", Some("name-0002"), 10),
    ] {
        let options = format!("<offset>{offset}</offset><count>{count}</count>");
        let answer = list(&scene, "/test.vo/many", &options).await;
        assert_eq!(answer.code, code, "{options}: {}", answer.explanation);
        let names = children(&answer, "/test.vo/many");
        assert_eq!((names.first().map(String::as_str), names.len()), (first, total), "{options}");
        if code == "SRM_TOO_MANY_RESULTS" {
            assert!(answer.explanation.contains("10"), "{}", answer.explanation);
        }
    }
    // Several directories share the limit.
    let surls: Vec<String> = ["many", "dir", "many"]
        .iter()
        .map(|d| scene.storm.surl(&format!("/test.vo/{d}")))
        .collect();
    let answer = scene.srm("srmLs", &soap::surls(&surls)).await;
    assert_eq!(answer.code, "SRM_TOO_MANY_RESULTS");
    assert_eq!(details(&answer).len(), 3 + 10);
}

#[tokio::test]
async fn deep_trees_are_listed_in_part_and_removed_whole() {
    let scene = Scene::new();
    let area = scene.storm.root("test.vo");
    let mut at =
        rustix::fs::open(&area, rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&at, "d", rustix::fs::Mode::from_raw_mode(0o770)).unwrap();
        let flags = rustix::fs::OFlags::RDONLY;
        at = rustix::fs::openat(&at, "d", flags, rustix::fs::Mode::empty()).unwrap();
    }
    let all = format!("{FULL}<allLevelRecursive>true</allLevelRecursive>");
    let answer = list(&scene, "/test.vo/d", &all).await;
    assert_eq!(answer.code, "SRM_TOO_MANY_RESULTS", "{}", answer.explanation);
    assert!(answer.explanation.contains("deeper"), "{}", answer.explanation);
    let shown = details(&answer).len();
    assert!((50..1000).contains(&shown), "{shown}");
    // The deepest that a path can name, and beyond.
    let deepest = format!("/test.vo{}", "/d".repeat(2000));
    list(&scene, &deepest, "").await.expect("SRM_SUCCESS");
    let beyond = format!("/test.vo{}", "/d".repeat(2100));
    list(&scene, &beyond, "").await.expect("SRM_INVALID_PATH");
    let gone = super::rmdir(&scene, "/test.vo/d", true).await;
    assert_eq!(gone.code, "SRM_SUCCESS", "{}", gone.explanation);
    scene.unchanged();
}

#[tokio::test]
async fn two_thousand_entries() {
    let scene = Scene::new();
    let path = fill(&scene, "many", 2000);
    for n in 0..2000 {
        super::set_attribute(
            &path.join(format!("name-{n:04}")),
            "user.storm.checksum.adler32",
            "00000001",
        );
    }
    let surls = soap::surls(&[scene.storm.surl("/test.vo/many")]);
    let mut conn = Conn::tls(&scene.voms, scene.storm.ports.srm).await.unwrap();
    for (name, options) in [("short", ""), ("full", FULL)] {
        let mut best = f64::MAX;
        for _ in 0..5 {
            let started = Instant::now();
            let answer =
                soap::call(&mut conn, "srmLs", &format!("{surls}{options}")).await.unwrap();
            best = best.min(started.elapsed().as_secs_f64());
            assert_eq!(answer.code, "SRM_SUCCESS");
            assert_eq!(answer.files.len(), 2001);
        }
        println!("srmLs of 2,000 entries, {name}: {:.1} ms with reading the answer", best * 1e3);
    }
    let took = scene.storm.access_of("srmLs", |line| line.op() == "srmLs");
    for line in took {
        println!("in the daemon: {} ms, {} bytes", line.get("ms"), line.get("bytes_out"));
    }
}
