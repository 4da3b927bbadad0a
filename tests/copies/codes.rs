//! What is refused, and with which code.

use crate::common::client::Tls;
use crate::common::disk::Disk;
use crate::common::soap;
use crate::common::storm::{Area, Setup, TestStorm};
use crate::common::wire;
use crate::files::copy_files;
use crate::world::*;

const DENIED: &str = "SRM_AUTHORIZATION_FAILURE";

#[tokio::test]
async fn other_sites() {
    let world = World::new();
    let here = world.write("f", b"f");
    for (source, target) in [
        ("srm://other.example:8444/vo/f", world.surl("new").as_str()),
        (&here, "srm://other.example/vo/f"),
        ("gsiftp://other.example/f", &world.surl("new")),
    ] {
        let answer = world.copy(&[(source, target)], "").await;
        let answer = world.copied(token(&answer)).await.expect(NOT_SUPPORTED);
        assert_eq!(answer.code, NOT_SUPPORTED);
        assert!(
            answer.file_explanation().contains("other sites are not offered"),
            "{}",
            answer.xml
        );
        let good = world.surl("good");
        let answer = world.copy(&[(source, target), (&here, &good)], ALWAYS).await;
        let answer = world.copied(token(&answer)).await;
        assert_eq!((answer.code.as_str(), codes(&answer)), (PARTIAL, vec![NOT_SUPPORTED, SUCCESS]));
    }
    let answer = world.copy(&[("nonsense", &world.surl("new"))], "").await;
    world.copied(token(&answer)).await.expect(INVALID_PATH);
}

#[tokio::test]
async fn requests_that_make_no_sense() {
    let world = World::new();
    let here = world.write("f", b"f");
    let new = world.surl("new");
    let empty = world.srm("srmCopy", "<arrayOfFileRequests></arrayOfFileRequests>").await;
    assert_eq!(empty.code, INVALID_REQUEST, "{}", empty.xml);
    for more in [
        "<desiredTotalRequestTime>-1</desiredTotalRequestTime>",
        "<targetSpaceToken>none</targetSpaceToken>",
        "<overwriteOption>PERHAPS</overwriteOption>",
    ] {
        let answer = world.copy(&[(&here, &new)], more).await;
        assert_eq!(answer.code, INVALID_REQUEST, "{}", answer.xml);
        assert!(answer.token.is_none());
    }
    let deep = "<dirOption><isSourceADirectory>true</isSourceADirectory>\
         <numOfLevels>-1</numOfLevels></dirOption>";
    let answer = world.srm("srmCopy", &copy_files(&[(&here, &new)], deep)).await;
    assert_eq!(answer.code, INVALID_REQUEST, "{}", answer.xml);
    assert!(!world.disk("new").exists());

    let answer = world.copy(&[(&here, &new)], "").await;
    let id = soap::token(token(&answer));
    let foreign = world.ask(&world.user2, "srmStatusOfCopyRequest", &id).await;
    assert_eq!(foreign.code, DENIED);
    let unknown = soap::token("0a1b2c3d-0000-4000-8000-0123456789ab");
    assert_eq!(world.srm("srmStatusOfCopyRequest", &unknown).await.code, INVALID_REQUEST);
    assert_eq!(world.srm("srmStatusOfPutRequest", &id).await.code, INVALID_REQUEST);
    assert_eq!(world.srm("srmReleaseFiles", &id).await.code, INVALID_REQUEST);
    let nobody = wire::config(None, Tls::Any);
    let stranger = world.ask(&nobody, "srmCopy", &copy_files(&[(&here, &new)], "")).await;
    assert_eq!(stranger.code, "SRM_AUTHENTICATION_FAILURE");
    let stranger = world.ask(&nobody, "srmStatusOfCopyRequest", &id).await;
    assert_eq!(stranger.code, "SRM_AUTHENTICATION_FAILURE");
}

#[tokio::test]
async fn who_may_not() {
    let mut world = World::new();
    for name in ["read", "write", "free"] {
        std::fs::create_dir(world.disk(name)).unwrap();
        world.write(&format!("{name}/f"), b"f");
    }
    let rules =
        "@ALL@ / RLFDMNW permit\n@ALL@ /test.vo/read R deny\n@ALL@ /test.vo/write WN deny\n";
    std::fs::write(world.storm.dir().join("path-authz.db"), rules).unwrap();
    world.storm.restart();
    for (source, target, code) in [
        ("read/f", "free/new", DENIED),
        ("free/f", "write/new", DENIED),
        ("free/none", "free/new", INVALID_PATH),
        ("free", "free/new", INVALID_PATH),
    ] {
        let answer = world.copy(&[(&world.surl(source), &world.surl(target))], "").await;
        world.copied(token(&answer)).await.expect(code);
        assert!(!world.disk(target).exists());
    }
    let closed = world.storm.surl("/closed/f");
    let answer = world.copy(&[(&closed, &world.surl("free/new"))], "").await;
    world.copied(token(&answer)).await.expect(DENIED);
    // From one area to another.
    let open = world.storm.surl("/open/copy");
    let answer = world.copy(&[(&world.surl("free/f"), &open)], "").await;
    world.copied(token(&answer)).await.expect(SUCCESS);
    assert_eq!(std::fs::read(world.storm.root("open").join("copy")).unwrap(), b"f");
}

#[tokio::test]
async fn busy_files() {
    let world = World::new();
    let (source, target) = (world.write("source", b"s"), world.surl("target"));
    let to = async |more: &str| {
        let answer = world.copy(&[(&source, &target)], more).await;
        world.copied(token(&answer)).await
    };
    let put = world.put(&[&target], "").await.expect(READY);
    to(ALWAYS).await.expect(BUSY);
    to("").await.expect(DUPLICATION);
    assert_eq!(world.abort(token(&put)).await.code, SUCCESS);
    let put = world.put(&[&source], ALWAYS).await.expect(READY);
    to("").await.expect(BUSY);
    assert_eq!(world.abort(token(&put)).await.code, SUCCESS);
    let open = std::fs::OpenOptions::new().append(true).open(world.disk("source")).unwrap();
    to("").await.expect(BUSY);
    drop(open);
    to("").await.expect(SUCCESS);
    let get = world.get(&[&target], "").await.expect(PINNED);
    to(ALWAYS).await.expect(BUSY);
    world.release(token(&get), &[]).await.expect(SUCCESS);
    to(ALWAYS).await.expect(SUCCESS);
    // A source that is pinned is read all the same.
    world.get(&[&source], "").await.expect(PINNED);
    to(ALWAYS).await.expect(SUCCESS);
    world.tidy();
}

#[tokio::test]
async fn no_room() {
    let disk = Disk::new("mke2fs", &["-q", "-F", "-t", "ext4", "-m", "0"], 8, "");
    let root = Some(disk.mount.clone());
    let area = Area { name: "SMALL", stfn: "small", vo: None, anonymous: false, root };
    let storm = TestStorm::set_up(Setup { areas: vec![area], ..Setup::default() });
    let user = wire::config(Some("voms"), Tls::Any);
    let world = World { storm, user2: user.clone(), user };
    let source = world.write("f", &vec![1; 20_000_000]);
    let target = world.storm.surl("/small/f");
    let answer = world.copy(&[(&source, &target)], "").await;
    let answer = world.copied(token(&answer)).await.expect("SRM_NO_FREE_SPACE");
    assert_eq!(answer.code, "SRM_NO_FREE_SPACE");
    assert!(crate::common::leftovers(&disk.mount).is_empty());
}
