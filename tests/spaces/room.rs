//! What is promised to one is nobody else's, at every door; and what is used is what is there.

use std::time::Duration;

use crate::common::{soap, wait_until};
use crate::small::*;
use crate::world::*;

#[tokio::test]
async fn promises_hold_at_every_door() {
    let world = small();
    let space = world.space(600_000, "").await;
    let (f, g) = (world.surl("f"), world.surl("g"));
    // Outside there are 400,000 bytes, and a live put has what it expects.
    assert_eq!(world.put_sized(&f, 400_001, "").await.code, NO_FREE);
    let live = world.put_sized(&f, 300_000, "").await.expect(READY);
    world.put_sized(&g, 100_001, "").await.expect(NO_FREE);
    let url = |name: &str| world.storm.url(&format!("/test.vo/{name}"));
    assert_eq!(world.http("PUT", &url("dav"), &vec![7; 100_001]).await.status, 507);
    assert_eq!(world.http("PUT", &url("dav"), &vec![7; 100_000]).await.status, 201);
    assert_eq!(world.http("DELETE", &url("dav"), b"").await.status, 204);
    // More than was announced does not come in either; unknown sizes take what there is.
    let unknown = world.put(&[&g], "").await.expect(READY);
    assert_eq!(world.http("PUT", turl(&unknown), &vec![7; 100_001]).await.status, 507);
    assert_eq!(world.http("PUT", turl(&live), &vec![7; 400_001]).await.status, 507);
    assert_eq!(world.abort(token(&live)).await.code, SUCCESS);
    World::stored(&world.http("PUT", turl(&unknown), &vec![7; 400_000]).await);
    // Even a byte more finds no room now.
    world.put(&[&f], "").await.expect(NO_FREE);
    assert_eq!(world.abort(token(&unknown)).await.code, SUCCESS);

    // In the space.
    let inside = world.put_sized(&f, 500_000, &into(&space)).await.expect(READY);
    world.put_sized(&g, 100_001, &into(&space)).await.expect(NO_USER);
    world.put_sized(&g, 600_001, &into(&space)).await.expect(EXCEED);
    assert_eq!(world.put_sized(&g, 600_001, &into(&space)).await.code, EXCEED);
    assert_eq!(world.used(&space).await, 0, "nothing is there yet");
    World::stored(&world.http("PUT", turl(&inside), &vec![7; 500_000]).await);
    world.done(token(&inside), &[&f]).await.expect(SUCCESS);
    assert_eq!(world.used(&space).await, 500_000);
    assert_eq!(world.used(&world.area().await).await, 500_000);
    let listed = world.listed(&f).await;
    assert!(listed.xml.contains(&space), "{}", listed.xml);
    // The promise outside is as it was.
    world.put_sized(&g, 400_001, "").await.expect(NO_FREE);
    let live = world.put_sized(&g, 400_000, "").await.expect(READY);
    assert_eq!(world.abort(token(&live)).await.code, SUCCESS);
    world.tidy();
}

#[tokio::test]
async fn what_a_mover_wrote_beyond_a_space_is_not_published() {
    let world = small();
    let space = world.space(1000, "").await;
    let f = world.surl("f");
    let by_file = async |more: &str| {
        let put = world.put_by("file", &f, more).await.expect(READY);
        (token(&put).to_owned(), behind(turl(&put)))
    };
    let (put, path) = by_file(&into(&space)).await;
    std::fs::write(path, vec![7; 1001]).unwrap();
    world.done(&put, &[&f]).await.expect(EXCEED);
    world.tidy();
    assert_eq!(world.used(&space).await, 0);
    let (put, path) = by_file(&into(&space)).await;
    std::fs::write(path, vec![7; 1000]).unwrap();
    world.done(&put, &[&f]).await.expect(SUCCESS);
    assert_eq!(world.used(&space).await, 1000);
    // The area is no larger than it is, outside of spaces too.
    let g = world.surl("g");
    let put = world.put_by("file", &g, "").await.expect(READY);
    std::fs::write(behind(turl(&put)), vec![7; 999_001]).unwrap();
    world.done(token(&put), &[&g]).await.expect(EXCEED);
    world.tidy();
}

#[tokio::test]
async fn targets_and_classes_agree() {
    let world = small();
    let space = world.space(1000, "").await;
    let f = world.surl("f");
    let target = |policy: &str, latency: &str| {
        class(policy, latency).replace("retentionPolicyInfo", "targetFileRetentionPolicyInfo")
    };
    let put = async |surl: &str, more: String| {
        let answer = world.put(&[surl], &more).await;
        if answer.code == SUCCESS {
            assert_eq!(world.abort(token(&answer)).await.code, SUCCESS);
        }
        answer.code
    };
    assert_eq!(put(&f, into(&space) + &target("REPLICA", "ONLINE")).await, SUCCESS);
    assert_eq!(put(&f, into(&space) + &target("CUSTODIAL", "ONLINE")).await, INVALID_REQUEST);
    assert_eq!(put(&f, target("REPLICA", "ONLINE")).await, SUCCESS);
    assert_eq!(put(&f, target("REPLICA", "")).await, SUCCESS);
    assert_eq!(put(&f, target("OUTPUT", "ONLINE")).await, NOT_SUPPORTED);
    assert_eq!(put(&f, target("REPLICA", "NEARLINE")).await, NOT_SUPPORTED);
    let open = world.storm.surl("/open/f");
    assert_eq!(put(&open, into(&space)).await, INVALID_REQUEST);
    assert_eq!(put(&open, target("OUTPUT", "ONLINE")).await, SUCCESS);
    assert_eq!(put(&f, into("nonsense")).await, INVALID_REQUEST);
    assert_eq!(put(&f, into(&world.area().await)).await, SUCCESS);
    // Who is in the group of its owner writes into it; nobody else.
    let inner = soap::prepare_to_put(&[&f], Some(10)) + &into(&space);
    let other = world.ask(&world.user2, "srmPrepareToPut", &inner).await.expect(READY);
    world.ask(&world.user2, "srmAbortRequest", &soap::token(token(&other))).await;
    let other = world.ask(&stranger(), "srmPrepareToPut", &inner).await;
    assert_eq!(other.code, DENIED, "{}", other.xml);
}

#[tokio::test]
async fn used_space_is_exact() {
    let mut world = small();
    let space = world.space(500_000, "").await;
    let area = world.area().await;
    let check = async |world: &World, inside: i64| {
        assert_eq!(world.used(&space).await, inside);
        assert_eq!(world.used(&area).await, world.on_disk() as i64);
    };
    world.publish("a", &[1; 1000], &into(&space)).await;
    world.publish("b", &[1; 200], "").await;
    check(&world, 1000).await;
    // A PUT over a file leaves it in its space; within its bounds.
    let url = |world: &World, name: &str| world.storm.url(&format!("/test.vo/{name}"));
    assert_eq!(world.http("PUT", &url(&world, "a"), &[2; 3000]).await.status, 204);
    check(&world, 3000).await;
    assert_eq!(world.http("PUT", &url(&world, "a"), &vec![2; 500_001]).await.status, 507);
    assert_eq!(world.http("PUT", &url(&world, "a"), &[2; 500]).await.status, 204);
    check(&world, 500).await;
    // An SRM put says itself where it goes.
    world.publish("a", &[3; 700], ALWAYS).await;
    check(&world, 0).await;
    world.publish("a", &[3; 800], &(ALWAYS.to_owned() + &into(&space))).await;
    check(&world, 800).await;
    // Names.
    let names = |from: &str, to: &str| {
        element("fromSURL", world.surl(from)) + &element("toSURL", world.surl(to))
    };
    for name in ["d", "d/e"] {
        let inner = element("SURL", world.surl(name));
        assert_eq!(world.srm("srmMkdir", &inner).await.code, SUCCESS);
    }
    assert_eq!(world.srm("srmMv", &names("a", "d/e/a")).await.code, SUCCESS);
    world.publish("d/f", &[4; 100], &into(&space)).await;
    world.publish("d-f", &[4; 10], &into(&space)).await;
    check(&world, 910).await;
    assert_eq!(world.srm("srmMv", &names("d", "moved")).await.code, SUCCESS);
    check(&world, 910).await;
    let listed = world.listed(&world.surl("moved/e/a")).await;
    assert!(listed.xml.contains(&space), "{}", listed.xml);
    world.storm.restart();
    check(&world, 910).await;
    let inner = element("SURL", world.surl("moved")) + &element("recursive", "true");
    assert_eq!(world.srm("srmRmdir", &inner).await.code, SUCCESS);
    check(&world, 10).await;
    world.rm(&world.surl("d-f")).await.expect(SUCCESS);
    check(&world, 0).await;
    world.storm.restart();
    check(&world, 0).await;
    assert_eq!(world.told(&space).await.unused, 500_000);
}

#[tokio::test]
async fn the_file_system_holds_what_is_promised() {
    let disk = crate::common::small_disk::SmallDisk::new();
    let storm = crate::common::TestStorm::with(
        "",
        vec![crate::common::storm::Area {
            name: "DISK",
            stfn: "disk",
            vo: Some("test.vo"),
            anonymous: false,
            root: Some(disk.mount.clone()),
        }],
    );
    let base = small();
    let world = World { storm, user: base.user.clone(), user2: base.user2.clone() };
    let f = world.storm.surl("/disk/f");
    // The area's own bound is 100 GB; the disk has less than 8 MB.
    world.put_sized(&f, 100_000_000, "").await.expect(NO_FREE);
    let live = world.put_sized(&f, 4_000_000, "").await.expect(READY);
    let g = world.storm.surl("/disk/g");
    world.put_sized(&g, 4_000_000, "").await.expect(NO_FREE);
    // What has come counts once.
    World::stored(&world.http("PUT", turl(&live), &vec![7; 4_000_000]).await);
    let second = world.put_sized(&g, 2_000_000, "").await.expect(READY);
    World::stored(&world.http("PUT", turl(&second), &vec![7; 2_000_000]).await);
    world.done(token(&live), &[&f]).await.expect(SUCCESS);
    world.done(token(&second), &[&g]).await.expect(SUCCESS);
    world.rm(&f).await.expect(SUCCESS);
    world.rm(&g).await.expect(SUCCESS);

    // Also while it comes, to a path and to a TURL.
    let free = || {
        let known = rustix::fs::statvfs(&disk.mount).unwrap();
        known.f_bavail * known.f_frsize
    };
    let whole = free();
    let settled = || wait_until(Duration::from_secs(10), || free() + 100_000 > whole);
    let (dav, content) = (world.storm.url("/disk/dav"), vec![7; 4_000_000]);
    for to_turl in [false, true] {
        let live = match to_turl {
            true => Some(world.put_sized(&f, 4_000_000, "").await.expect(READY)),
            false => None,
        };
        let url = live.as_ref().map_or(dav.as_str(), turl);
        let coming = world.half_upload(url, &content).await;
        assert!(wait_until(Duration::from_secs(10), || free() + 1_500_000 < whole));
        let fits = world.put_sized(&g, 1_800_000, "").await.expect(READY);
        assert_eq!(world.abort(token(&fits)).await.code, SUCCESS);
        world.put_sized(&g, 4_000_000, "").await.expect(NO_FREE);
        drop(coming);
        assert!(settled(), "{to_turl}: {} of {whole} are free", free());
        if let Some(live) = live {
            assert_eq!(world.abort(token(&live)).await.code, SUCCESS);
        }
    }
}
