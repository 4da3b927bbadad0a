//! Volatile, durable and permanent files; lifetimes in spaces; srmPurgeFromSpace.

use std::time::{Duration, Instant};

use crate::common::{soap, wait_until};
use crate::small::*;
use crate::world::*;

#[tokio::test]
async fn a_volatile_file_goes_at_its_second() {
    let world = small();
    let area = world.area().await;
    let begun = Instant::now();
    world.publish("v", &[7; 100], &stored("VOLATILE", 2)).await;
    let published = Instant::now();
    let listed = world.listed(&world.surl("v")).await.expect(SUCCESS);
    assert!(listed.xml.contains("VOLATILE"), "{}", listed.xml);
    assert_eq!(number(&listed, "lifetimeAssigned"), 2);
    assert!((1..=2).contains(&number(&listed, "lifetimeLeft")), "{}", listed.xml);
    assert!(wait_until(Duration::from_secs(10), || !world.disk("v").exists()));
    let (most, least) = (begun.elapsed().as_secs_f64(), published.elapsed().as_secs_f64());
    assert!(most >= 2.0 && least < 3.0, "it lived {least} to {most} s");
    world.uses(&area, 0).await;
    assert_eq!(world.listed(&world.surl("v")).await.file_code(), INVALID_PATH);

    // Its lifetime begins with srmPutDone, and is told before.
    let put = world.put(&[&world.surl("w")], &stored("VOLATILE", 1)).await.expect(READY);
    assert_eq!(number(&put, "remainingFileLifetime"), 1);
    seconds(1.2).await;
    World::stored(&world.http("PUT", turl(&put), &[7; 10]).await);
    world.done(token(&put), &[&world.surl("w")]).await.expect(SUCCESS);
    assert!(world.disk("w").exists());
    // Permanent files have none.
    let put = world.put(&[&world.surl("p")], &stored("PERMANENT", 1)).await.expect(READY);
    assert_eq!(number(&put, "remainingFileLifetime"), -1);
    let put = world.put(&[&world.surl("q")], &stored("VOLATILE", -2)).await;
    assert_eq!(put.code, INVALID_REQUEST, "{}", put.xml);
}

#[tokio::test]
async fn a_volatile_file_in_use_goes_when_it_is_free() {
    let mut world = small();
    for name in ["get", "put", "dav", "again", "over"] {
        world.publish(name, &[7; 100], &stored("VOLATILE", 2)).await;
    }
    let get = world.get(&[&world.surl("get")], "").await.expect(PINNED);
    let put = world.put(&[&world.surl("put")], ALWAYS).await.expect(READY);
    // A PUT keeps what is remembered of the file, an SRM put does not.
    let url = world.storm.url("/test.vo/dav");
    assert_eq!(world.http("PUT", &url, &[8; 50]).await.status, 204);
    world.publish("over", &[8; 100], ALWAYS).await;
    world.publish("again", &[8; 100], &(ALWAYS.to_owned() + &stored("VOLATILE", 600))).await;
    assert!(wait_until(Duration::from_secs(10), || !world.disk("dav").exists()));
    seconds(0.5).await;
    for name in ["get", "put", "over", "again"] {
        assert!(world.disk(name).exists(), "{name}");
    }
    world.listed(&world.surl("get")).await.expect(EXPIRED);
    // Also after a restart.
    world.storm.restart();
    seconds(0.5).await;
    assert!(world.disk("get").exists() && world.disk("put").exists());
    assert_eq!(world.release(token(&get), &[]).await.code, SUCCESS);
    assert_eq!(world.abort(token(&put)).await.code, SUCCESS);
    let gone = || !world.disk("get").exists() && !world.disk("put").exists();
    assert!(wait_until(Duration::from_secs(5), gone));
    world.holds("over", &[8; 100]);
    world.holds("again", &[8; 100]);
    world.uses(&world.area().await, 200).await;
}

#[tokio::test]
async fn a_durable_file_stays_and_says_that_it_is_over() {
    let world = small();
    world.publish("d", &[7; 100], &stored("DURABLE", 1)).await;
    let listed = world.listed(&world.surl("d")).await.expect(SUCCESS);
    assert!(listed.xml.contains("DURABLE"), "{}", listed.xml);
    seconds(1.1).await;
    let listed = world.listed(&world.surl("d")).await.expect(EXPIRED);
    assert_eq!(listed.code, SUCCESS, "{}", listed.xml);
    assert_eq!(number(&listed, "lifetimeLeft"), 0);
    world.holds("d", &[7; 100]);
    // It is read as before.
    world.get(&[&world.surl("d")], "").await.expect(PINNED);
}

#[tokio::test]
async fn a_full_area_lets_go_of_what_is_over() {
    let mut world = small();
    world.publish("v", &vec![7; 900_000], &stored("VOLATILE", 2)).await;
    world.put_sized(&world.surl("f"), 500_000, "").await.expect(NO_FREE);
    // The daemon is down when its time comes: the next put finds the room.
    world.storm.kill9();
    seconds(2.0).await;
    world.storm.restart();
    world.put_sized(&world.surl("f"), 500_000, "").await.expect(READY);
}

#[tokio::test]
async fn lifetimes_in_a_space_end_with_it() {
    let world = small();
    let space = world.space(100_000, &lifetime(600)).await;
    let other = world.space(1000, "").await;
    let surl = |name: &str| world.surl(name);
    let named =
        [("v", stored("VOLATILE", 60)), ("d", stored("DURABLE", 5000)), ("p", String::new())];
    for (name, more) in named {
        world.publish(name, &[7; 10], &(more + &into(&space))).await;
    }
    world.publish("plain", &[7; 10], "").await;
    world.publish("short", &[7; 10], &(stored("DURABLE", 1) + &into(&space))).await;
    seconds(1.1).await;
    let left = async |name: &str| number(&world.listed(&surl(name)).await, "lifetimeLeft");
    assert!((590..=600).contains(&left("d").await));
    let extend = async |token: &str, surls: &[String], seconds: i64| {
        let surls = if surls.is_empty() { String::new() } else { soap::surls(surls) };
        let new = element("newLifeTime", seconds);
        let inner = element("spaceToken", token) + &surls + &new;
        world.srm("srmExtendFileLifeTimeInSpace", &inner).await
    };
    let answer = extend(&space, &[surl("v")], 300).await.expect(SUCCESS);
    assert_eq!(number(&answer, "fileLifetime"), 300);
    assert!((290..=300).contains(&left("v").await));
    // Never shorter, and not beyond the space.
    let answer = extend(&space, &[surl("v")], 10).await.expect(SUCCESS);
    assert!((290..=300).contains(&number(&answer, "fileLifetime")), "{}", answer.xml);
    let answer = extend(&space, &[surl("v")], -1).await.expect(SUCCESS);
    assert!((590..=600).contains(&number(&answer, "fileLifetime")), "{}", answer.xml);
    let answer = extend(&space, &[surl("p")], 10).await.expect(SUCCESS);
    assert_eq!(number(&answer, "fileLifetime"), -1);
    extend(&space, &[surl("short")], 10).await.expect(EXPIRED);
    extend(&space, &[surl("plain")], 10).await.expect(INVALID_PATH);
    extend(&space, &[surl("missing")], 10).await.expect(INVALID_PATH);
    extend(&other, &[surl("v")], 10).await.expect(INVALID_PATH);
    // All that are in it.
    let answer = extend(&space, &[], 100).await;
    assert_eq!(answer.code, PARTIAL, "{}", answer.xml);
    let mut told: Vec<String> = answer.files.iter().map(|file| file.surl.clone()).collect();
    told.sort();
    assert_eq!(told, ["d", "p", "short", "v"].map(surl));
    let some = extend(&space, &[surl("v"), surl("missing")], 10).await;
    assert_eq!((some.code.as_str(), codes(&some)), (PARTIAL, vec![SUCCESS, INVALID_PATH]));
    assert_eq!(extend(&space, &[surl("missing")], 10).await.code, FAILURE);
    for (token, seconds, code) in [
        (space.as_str(), 0, INVALID_REQUEST),
        (&space, -2, INVALID_REQUEST),
        ("nonsense", 10, INVALID_REQUEST),
        (&world.area().await, 10, INVALID_REQUEST),
    ] {
        let answer = extend(token, &[], seconds).await;
        assert_eq!(answer.code, code, "{}", answer.xml);
    }
    let inner = element("spaceToken", &space) + &soap::surls(&[surl("v")]);
    let answer = world.ask(&stranger(), "srmExtendFileLifeTimeInSpace", &inner).await;
    assert_eq!(answer.code, DENIED, "{}", answer.xml);
}

#[tokio::test]
async fn names_are_for_who_may_list_them() {
    let mut world = small();
    let space = world.space(100_000, &lifetime(600)).await;
    std::fs::create_dir(world.disk("private")).unwrap();
    for name in ["open", "private/a", "private/b"] {
        world.publish(name, &[7; 10], &(stored("VOLATILE", 60) + &into(&space))).await;
    }
    let rules = "@ALL@ / WRFDLMN permit\n@ALL@ /test.vo/private WRFDLMN deny\n";
    std::fs::write(world.storm.dir().join("path-authz.db"), rules).unwrap();
    world.storm.restart();
    let inner = element("spaceToken", &space) + &element("newLifeTime", 300);
    let answer = world.srm("srmExtendFileLifeTimeInSpace", &inner).await;
    assert_eq!((answer.code.as_str(), codes(&answer)), (PARTIAL, vec![SUCCESS]));
    assert_eq!(answer.files[0].surl, world.surl("open"));
    assert!(answer.explanation.contains("2 files that you may not list"), "{}", answer.xml);
    assert!(!answer.xml.contains("private"), "{}", answer.xml);
    // Who names one knows it.
    let named = inner.clone() + &soap::surls(&[world.surl("private/a")]);
    world.srm("srmExtendFileLifeTimeInSpace", &named).await.expect(DENIED);
    world.rm(&world.surl("open")).await.expect(SUCCESS);
    let answer = world.srm("srmExtendFileLifeTimeInSpace", &inner).await;
    assert_eq!((answer.code.as_str(), answer.files.len()), (DENIED, 0), "{}", answer.xml);
}

#[tokio::test]
async fn files_live_longer_when_asked_for() {
    let world = small();
    world.publish("v", &[7; 10], &stored("VOLATILE", 2)).await;
    world.publish("d", &[7; 10], &stored("DURABLE", 1)).await;
    world.publish("p", &[7; 10], "").await;
    let extend = async |name: &str, seconds: i64| {
        let new = element("newFileLifeTime", seconds);
        let inner = soap::surls(&[world.surl(name)]) + &new;
        world.srm("srmExtendFileLifeTime", &inner).await
    };
    let answer = extend("v", 4).await.expect(SUCCESS);
    assert_eq!(number(&answer, "fileLifetime"), 4);
    let answer = extend("v", 1).await.expect(SUCCESS);
    assert!((3..=4).contains(&number(&answer, "fileLifetime")), "{}", answer.xml);
    let answer = extend("p", 4).await.expect(SUCCESS);
    assert_eq!(number(&answer, "fileLifetime"), -1);
    seconds(2.2).await;
    assert!(world.disk("v").exists());
    extend("d", 4).await.expect(EXPIRED);
    extend("missing", 4).await.expect(INVALID_PATH);
    assert!(wait_until(Duration::from_secs(5), || !world.disk("v").exists()));
}

#[tokio::test]
async fn the_only_copy_is_not_purged() {
    let world = small();
    let space = world.space(1000, "").await;
    let surl = |name: &str| world.surl(name);
    world.publish("f", &[7; 10], &into(&space)).await;
    world.publish("plain", &[7; 10], "").await;
    let purge = async |token: &str, surls: &[String]| {
        let inner = soap::surls(surls) + &element("spaceToken", token);
        world.srm("srmPurgeFromSpace", &inner).await
    };
    let answer = purge(&space, &[surl("f")]).await.expect("SRM_LAST_COPY");
    assert_eq!(answer.code, FAILURE, "{}", answer.xml);
    purge(&space, &[surl("plain")]).await.expect(INVALID_REQUEST);
    purge(&world.area().await, &[surl("plain")]).await.expect("SRM_LAST_COPY");
    purge(&space, &[surl("missing")]).await.expect(INVALID_PATH);
    let get = world.get(&[&surl("f")], "").await.expect(PINNED);
    purge(&space, &[surl("f")]).await.expect(FAILURE);
    assert_eq!(world.release(token(&get), &[]).await.code, SUCCESS);
    assert_eq!(purge("nonsense", &[surl("f")]).await.code, INVALID_REQUEST);
    assert_eq!(purge(&space, &[]).await.code, INVALID_REQUEST);
    let inner = soap::surls(&[surl("f")]) + &element("spaceToken", &space);
    let answer = world.ask(&stranger(), "srmPurgeFromSpace", &inner).await;
    assert_eq!(answer.code, DENIED, "{}", answer.xml);
    world.holds("f", &[7; 10]);
}

#[tokio::test]
async fn a_put_of_which_nothing_came_leaves_the_file_as_it_is() {
    let mut world = small();
    let (space, other) = (world.space(10_000, "").await, world.space(10, "").await);
    world.publish("p", &[7; 100], "").await;
    world.publish("in", &[7; 100], &into(&space)).await;
    let nothing = async |name: &str, more: String| {
        let surl = world.surl(name);
        let put = world.put(&[&surl], &(ALWAYS.to_owned() + &more)).await.expect(READY);
        world.done(token(&put), &[&surl]).await.expect(SUCCESS);
    };
    nothing("p", stored("VOLATILE", 1)).await;
    nothing("p", into(&other)).await;
    nothing("in", String::new()).await;
    // Nor one of the same content.
    world.publish("p", &[7; 100], &(DIFFERENT.to_owned() + &stored("VOLATILE", 1))).await;
    // Nor one that was killed once it had found the same, before it could say so.
    let surl = world.surl("p");
    let put = world.put(&[&surl], &(ALWAYS.to_owned() + &stored("VOLATILE", 1))).await;
    world.storm.kill9();
    let mark = format!("{}.0", token(&put.expect(READY)));
    for (name, value) in [("user.storm.put", mark.as_str()), ("user.storm.replaced", "kept")] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(world.disk("p"), name, value.as_bytes(), flags).unwrap();
    }
    world.storm.restart();
    world.put_status(&mark[..mark.len() - 2]).await.expect(SUCCESS);
    seconds(1.5).await;
    world.holds("p", &[7; 100]);
    let listed = world.listed(&world.surl("p")).await.expect(SUCCESS);
    assert!(listed.xml.contains("PERMANENT"), "{}", listed.xml);
    assert_eq!((world.used(&space).await, world.used(&other).await), (100, 0));
}
