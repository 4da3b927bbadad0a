//! srmLs: what is told, of whom, with which code.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::common::scene::Scene;
use super::common::{adler32, bytes, soap};
use super::{attribute, children, details, list, set_attribute};

const FULL: &str = "<fullDetailedList>true</fullDetailedList>";

#[tokio::test]
async fn short_and_full() {
    let scene = Scene::new();
    let short = list(&scene, "/test.vo/dir/file", "").await.expect("SRM_SUCCESS");
    let short = &details(&short)[0];
    assert_eq!((short.path.as_str(), short.number("size")), ("/test.vo/dir/file", Some(1000)));
    for absent in ["lastModificationTime", "ownerPermission", "checkSumValue", "lifetimeLeft"] {
        assert!(!short.xml.contains(absent), "{absent}: {}", short.xml);
    }
    // Both forms of SURL, answered with the same path.
    let surl = scene.storm.surl_sfn("/test.vo//dir/./file");
    let other = scene.srm("srmLs", &soap::surls(&[surl])).await.expect("SRM_SUCCESS");
    assert_eq!(details(&other)[0].path, "/test.vo/dir/file");

    let put = scene.http("PUT", "/test.vo/dir/summed", &bytes(5000, 1)).await;
    assert_eq!(put.0, 201);
    let path = scene.storm.root("test.vo").join("dir/summed");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let full = list(&scene, "/test.vo/dir", FULL).await.expect("SRM_SUCCESS");
    let entries = details(&full);
    let (directory, summed) = (&entries[0], &entries[2]);
    assert_eq!(directory.text("type").as_deref(), Some("DIRECTORY"));
    assert_eq!(directory.number("size"), Some(0));
    assert!(!directory.xml.contains("checkSumType"));
    assert_eq!(summed.path, "/test.vo/dir/summed");
    for (name, value) in [
        ("type", "FILE"),
        ("size", "5000"),
        ("fileStorageType", "PERMANENT"),
        ("retentionPolicy", "REPLICA"),
        ("accessLatency", "ONLINE"),
        ("fileLocality", "ONLINE"),
        ("lifetimeAssigned", "-1"),
        ("lifetimeLeft", "-1"),
        ("checkSumType", "ADLER32"),
    ] {
        assert_eq!(summed.text(name).as_deref(), Some(value), "{}", summed.xml);
    }
    assert_eq!(summed.text("checkSumValue"), Some(adler32(&bytes(5000, 1))));
    assert!(summed.text("createdAtTime").is_some_and(|t| t.ends_with('Z')), "{}", summed.xml);
    assert!(summed.text("lastModificationTime").is_some(), "{}", summed.xml);
    let owner = soap::text(&summed.xml, "userID").unwrap();
    assert!(!owner.is_empty() && soap::text(&summed.xml, "groupID").is_some(), "{owner}");
    let modes: Vec<_> = summed.xml.split("<mode>").skip(1).map(|m| m.split('<').next()).collect();
    assert_eq!(modes, [Some("RW"), Some("R")]);
    assert_eq!(summed.text("otherPermission").as_deref(), Some("NONE"));
    assert!(summed.xml.contains("arrayOfSpaceTokens"), "{}", summed.xml);
}

#[tokio::test]
async fn a_checksum_is_told_while_it_is_fresh_and_else_made_anew() {
    let scene = Scene::new();
    assert_eq!(scene.http("PUT", "/test.vo/f", b"fresh").await.0, 201);
    let path = scene.storm.root("test.vo").join("f");
    let sum = async || {
        let alone = list(&scene, "/test.vo/f", FULL).await.expect("SRM_SUCCESS");
        let within = list(&scene, "/test.vo", FULL).await;
        let within = details(&within).into_iter().find(|e| e.path == "/test.vo/f").unwrap();
        let alone = details(&alone)[0].text("checkSumValue");
        assert_eq!(alone, within.text("checkSumValue"));
        alone
    };
    assert_eq!(sum().await, Some(adler32(b"fresh")));
    let stamp = attribute(&path, "user.storm.checksum.stamp").unwrap();
    let (size, time) = stamp.split_once(':').unwrap();
    assert_eq!((size, time.parse::<u128>().is_ok()), ("5", true));
    std::fs::write(&path, "other").unwrap();
    assert_eq!(sum().await, Some(adler32(b"other")), "the file changed behind our back");
    set_attribute(&path, "user.storm.checksum.adler32", &adler32(b"fresh"));
    // StoRM wrote no stamp: trusted.
    rustix::fs::removexattr(&path, "user.storm.checksum.stamp").unwrap();
    assert_eq!(sum().await, Some(adler32(b"fresh")));
    set_attribute(&path, "user.storm.checksum.adler32", "not a sum");
    assert_eq!(sum().await, Some(adler32(b"other")));
}

#[tokio::test]
async fn levels() {
    let scene = Scene::with("", Vec::new(), |storm| {
        let root = storm.root("test.vo");
        std::fs::create_dir_all(root.join("t/a/b/c")).unwrap();
        std::fs::create_dir(root.join("t/empty")).unwrap();
        for name in ["t/a/b/f", "t/z"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        symlink(".", root.join("t/round")).unwrap();
        symlink("nowhere", root.join("t/dangling")).unwrap();
    });
    let levels = async |options: &str| {
        children(&list(&scene, "/test.vo/t", options).await.expect("SRM_SUCCESS"), "/test.vo/t")
    };
    let none: [&str; 0] = [];
    assert_eq!(levels("<numOfLevels>0</numOfLevels>").await, none);
    assert_eq!(levels("").await, ["a", "empty", "round", "z"]);
    assert_eq!(levels("<numOfLevels>1</numOfLevels>").await, ["a", "empty", "round", "z"]);
    let two = ["a", "a/b", "empty", "round", "z"];
    assert_eq!(levels("<numOfLevels>2</numOfLevels>").await, two);
    // A link that goes round is shown, and not gone round.
    let all = ["a", "a/b", "a/b/c", "a/b/f", "empty", "round", "z"];
    assert_eq!(levels("<numOfLevels>40</numOfLevels>").await, all);
    let recursive = "<allLevelRecursive>true</allLevelRecursive><numOfLevels>0</numOfLevels>";
    assert_eq!(levels(recursive).await, all);
    assert_eq!(levels("<allLevelRecursive>false</allLevelRecursive>").await.len(), 4);
    // Pages through the flattened list of a recursion.
    let page = async |offset: usize| {
        levels(&format!("{recursive}<offset>{offset}</offset><count>2</count>")).await
    };
    assert_eq!(page(0).await, ["a", "a/b"]);
    assert_eq!(page(2).await, ["a", "a/b", "a/b/c", "a/b/f"], "with the way to them");
    assert_eq!(page(4).await, ["empty", "round"]);
    assert_eq!(page(6).await, ["z"]);
    assert_eq!(page(7).await, none);
    let empty = list(&scene, "/test.vo/t/empty", FULL).await.expect("SRM_SUCCESS");
    assert_eq!(empty.code, "SRM_SUCCESS");
    assert!(!empty.xml.contains("arrayOfSubPaths"), "{}", empty.xml);
}

#[tokio::test]
async fn values_that_make_no_sense() {
    let scene = Scene::new();
    for wrong in ["numOfLevels", "offset", "count"] {
        let answer = list(&scene, "/test.vo/dir", &format!("<{wrong}>-1</{wrong}>")).await;
        assert_eq!(answer.code, "SRM_INVALID_REQUEST", "{wrong}: {}", answer.xml);
        assert!(answer.explanation.contains(wrong), "{}", answer.xml);
    }
    for (kind, code) in [
        ("PERMANENT", "SRM_SUCCESS"),
        ("VOLATILE", "SRM_SUCCESS"),
        ("DURABLE", "SRM_SUCCESS"),
        ("ANY", "SRM_INVALID_REQUEST"),
    ] {
        let filter = format!("<fileStorageType>{kind}</fileStorageType>");
        assert_eq!(list(&scene, "/test.vo/dir", &filter).await.code, code);
    }
    for nothing in ["", "<arrayOfSURLs></arrayOfSURLs>"] {
        assert_eq!(scene.srm("srmLs", nothing).await.code, "SRM_INVALID_REQUEST");
    }
    let large = "<count>2147483647</count><offset>2147483647</offset>\
                 <numOfLevels>2147483647</numOfLevels>";
    let answer = list(&scene, "/test.vo/dir", large).await;
    assert_eq!((answer.code.as_str(), details(&answer).len()), ("SRM_SUCCESS", 1));
}

#[tokio::test]
async fn missing_denied_and_mixed() {
    let scene = Scene::with("", Vec::new(), |storm| {
        symlink("/etc", storm.root("test.vo").join("out")).unwrap();
    });
    let storm = &scene.storm;
    let ask = async |paths: &[&str]| {
        let surls: Vec<String> = paths.iter().map(|path| storm.surl(path)).collect();
        let answer = scene.srm("srmLs", &soap::surls(&surls)).await;
        let codes: Vec<String> = answer.files.iter().map(|f| f.code.clone()).collect();
        (answer.code, codes.join(" "), answer.files[0].explanation.clone())
    };
    let (code, files, why) = ask(&["/test.vo/none"]).await;
    assert_eq!((code.as_str(), files.as_str()), ("SRM_FAILURE", "SRM_INVALID_PATH"));
    assert!(why.contains("No such file or directory"), "{why}");
    let (code, files, _) = ask(&["/closed/x", "/test.vo/out"]).await;
    let denied = "SRM_AUTHORIZATION_FAILURE SRM_AUTHORIZATION_FAILURE";
    assert_eq!((code.as_str(), files.as_str()), ("SRM_FAILURE", denied));
    let (code, files, _) = ask(&["/test.vo/none", "/test.vo/dir/file", "/nothing"]).await;
    assert_eq!(code, "SRM_PARTIAL_SUCCESS");
    assert_eq!(files, "SRM_INVALID_PATH SRM_SUCCESS SRM_INVALID_PATH");
    // A file is no directory, nor is there anything in it.
    let (_, files, _) = ask(&["/test.vo/dir/file/x"]).await;
    assert_eq!(files, "SRM_INVALID_PATH");
    // An entry that cannot be looked at is told in the listing that holds it.
    let answer = list(&scene, "/test.vo", "").await;
    assert_eq!(answer.code, "SRM_PARTIAL_SUCCESS");
    assert_eq!(children(&answer, "/test.vo"), ["dir", "out:SRM_AUTHORIZATION_FAILURE"]);
    // Hosts.
    for (surl, code) in [
        (format!("srm://elsewhere.example:{}/test.vo/dir", storm.ports.srm), "SRM_INVALID_PATH"),
        ("srm://localhost:1/test.vo/dir".to_owned(), "SRM_INVALID_PATH"),
        ("srm://LOCALHOST/test.vo/dir".to_owned(), "SRM_SUCCESS"),
        ("https://localhost/test.vo/dir".to_owned(), "SRM_INVALID_PATH"),
        (String::new(), "SRM_INVALID_PATH"),
    ] {
        let answer = scene.srm("srmLs", &soap::surls(&[&surl])).await;
        let told = if answer.files.is_empty() { &answer.code } else { answer.file_code() };
        assert_eq!(told, code, "{surl}: {}", answer.xml);
    }
}

#[tokio::test]
async fn the_top_and_the_ways_to_areas() {
    let scene = Scene::new();
    for (options, codes) in [
        ("<numOfLevels>0</numOfLevels>", Vec::new()),
        ("", vec!["open", "test.vo"]),
        ("<count>1</count>", vec!["open"]),
        ("<count>1</count><offset>1</offset>", vec!["test.vo"]),
        ("<numOfLevels>2</numOfLevels>", vec!["open", "open/file", "test.vo", "test.vo/dir"]),
        (FULL, vec!["open", "test.vo"]),
    ] {
        let answer = list(&scene, "/", options).await.expect("SRM_SUCCESS");
        assert_eq!(answer.code, "SRM_SUCCESS", "{options}: {}", answer.xml);
        assert_eq!(children(&answer, "/"), codes, "{options}");
    }
    let full = list(&scene, "/", FULL).await;
    assert_eq!(details(&full)[1].text("type").as_deref(), Some("DIRECTORY"));
}

#[tokio::test]
async fn odd_names() {
    let long = "l".repeat(255);
    let names = [
        "a blank",
        "a&b<c>\"d'",
        "caf\u{e9} \u{1f600}",
        "dots...",
        "line\nbreak",
        "percent%41",
        "plus+hash#question?",
        "tab\tand\rreturn",
        ".hidden",
        "-dash",
        "control\u{1}",
        long.as_str(),
    ];
    let scene = Scene::with("", Vec::new(), |storm| {
        std::fs::create_dir(storm.root("test.vo").join("odd")).unwrap();
    });
    let root = scene.storm.root("test.vo").join("odd");
    for name in names {
        let target: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, text) = scene.http("PUT", &format!("/test.vo/odd/{target}"), b"x").await;
        assert_eq!(status, 201, "{name:?}: {text}");
        assert!(root.join(name).is_file(), "{name:?}");
        let path = format!("/test.vo/odd/{target}");
        let alone = list(&scene, &path, FULL).await.expect("SRM_SUCCESS");
        assert_eq!(details(&alone)[0].number("size"), Some(1), "{name:?}");
    }
    let answer = list(&scene, "/test.vo/odd", FULL).await;
    assert_eq!(answer.code, "SRM_SUCCESS", "{}", answer.xml);
    let mut told = children(&answer, "/test.vo/odd");
    let mut wanted: Vec<String> =
        // No XML can hold this one; the carriage return comes as a reference.
        names.iter().map(|name| name.replace('\u{1}', "\u{fffd}")).collect();
    told.iter_mut().for_each(|name| *name = name.replace("&#13;", "\r").replace("&#xD;", "\r"));
    told.iter_mut().for_each(|name| *name = name.replace("&#10;", "\n").replace("&#9;", "\t"));
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted);
    // As gfal2 writes them: decoded.
    for name in ["a blank", "dots...", "a&b<c>\"d'"] {
        list(&scene, &format!("/test.vo/odd/{name}"), "").await.expect("SRM_SUCCESS");
    }
    for wrong in [&"x".repeat(256), ".storm.x", "%zz", "%ff"] {
        let answer = list(&scene, &format!("/test.vo/odd/{wrong}"), "").await;
        assert_eq!(answer.file_code(), "SRM_INVALID_PATH", "{wrong}: {}", answer.xml);
    }
}

#[tokio::test]
async fn live_puts_are_busy_in_listings_and_alone() {
    let scene = Scene::new();
    let (_, token, _, turl) = scene.put("dir/new", Some(3)).await;
    let listing = async || children(&list(&scene, "/test.vo/dir", FULL).await, "/test.vo/dir");
    assert_eq!(listing().await, ["file", "new:SRM_FILE_BUSY"]);
    let alone = list(&scene, "/test.vo/dir/new", FULL).await.expect("SRM_FILE_BUSY");
    assert_eq!(alone.code, "SRM_SUCCESS", "{}", alone.xml);
    assert_eq!(details(&alone)[0].number("size"), Some(0));
    assert_eq!(scene.http("PUT", &turl, b"abc").await.0, 201);
    let alone = list(&scene, "/test.vo/dir/new", FULL).await.expect("SRM_FILE_BUSY");
    let alone = &details(&alone)[0];
    assert_eq!(alone.number("size"), Some(3));
    assert_eq!(alone.text("checkSumValue"), Some(adler32(b"abc")));
    let recursive = list(&scene, "/test.vo", "<allLevelRecursive>true</allLevelRecursive>").await;
    let all = children(&recursive, "/test.vo");
    assert_eq!(all, ["dir", "dir/file", "dir/new:SRM_FILE_BUSY"]);
    assert_eq!(recursive.code, "SRM_SUCCESS");
    super::put_done(&scene, &token, "/test.vo/dir/new").await.expect("SRM_SUCCESS");
    assert_eq!(listing().await, ["file", "new"]);
}
