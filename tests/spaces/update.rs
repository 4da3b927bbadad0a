//! srmUpdateSpace and its status; the end of a space.

use crate::common::soap;
use crate::small::*;
use crate::world::*;

fn new_total(bytes: u64) -> String {
    element("newSizeOfTotalSpaceDesired", bytes)
}

fn new_guaranteed(bytes: u64) -> String {
    element("newSizeOfGuaranteedSpaceDesired", bytes)
}

fn new_lifetime(seconds: i64) -> String {
    element("newLifeTime", seconds)
}

#[tokio::test]
async fn a_space_grows_shrinks_and_lives_longer() {
    let world = small();
    let space = world.space(100_000, &lifetime(600)).await;
    let updated = world.update(&space, &(new_total(300_000) + &new_guaranteed(200_000))).await;
    assert_eq!(updated.code, SUCCESS, "{}", updated.xml);
    let asked = soap::token(token(&updated));
    let status = world.srm("srmStatusOfUpdateSpaceRequest", &asked).await;
    for answer in [&updated, &status] {
        assert_eq!(answer.code, SUCCESS, "{}", answer.xml);
        assert_eq!(number(answer, "sizeOfTotalSpace"), 300_000);
        assert_eq!(number(answer, "sizeOfGuaranteedSpace"), 200_000);
        assert_eq!(number(answer, "lifetimeGranted"), 600);
    }
    let other = world.ask(&world.user2, "srmStatusOfUpdateSpaceRequest", &asked).await;
    assert_eq!(other.code, DENIED, "{}", other.xml);
    let told = world.told(&space).await;
    assert_eq!((told.total, told.guaranteed), (300_000, 200_000));

    let longer = world.update(&space, &new_lifetime(3600)).await;
    assert_eq!((longer.code.as_str(), number(&longer, "lifetimeGranted")), (SUCCESS, 3600));
    assert!((3590..=3600).contains(&world.told(&space).await.left));
    assert_eq!(world.update(&space, &new_lifetime(-1)).await.code, SUCCESS);
    assert_eq!(world.told(&space).await.left, -1);

    // Not below what is in it, nor beyond the area.
    world.publish("f", &[7; 50_000], &into(&space)).await;
    let lower = world.update(&space, &(new_total(1000) + &new_guaranteed(1000))).await;
    assert_eq!(lower.code, LOWER, "{}", lower.xml);
    assert_eq!(number(&lower, "sizeOfTotalSpace"), 50_000);
    let status = world.srm("srmStatusOfUpdateSpaceRequest", &soap::token(token(&lower))).await;
    assert_eq!(status.code, LOWER, "{}", status.xml);
    world.put_sized(&world.surl("g"), 1, &into(&space)).await.expect(NO_USER);
    assert_eq!(world.update(&space, &new_guaranteed(SIZE + 1)).await.code, EXCEED);
    let other = world.space(500_000, "").await;
    assert_eq!(world.update(&space, &new_guaranteed(500_001)).await.code, NO_FREE);
    assert_eq!(world.update(&space, &new_guaranteed(500_000)).await.code, SUCCESS);

    for (more, code) in [
        (String::new(), INVALID_REQUEST),
        (new_lifetime(0), INVALID_REQUEST),
        (new_lifetime(-2), INVALID_REQUEST),
        (new_total(10) + &new_guaranteed(11), INVALID_REQUEST),
        (new_total(u64::MAX), INVALID_REQUEST),
    ] {
        let answer = world.update(&space, &more).await;
        assert_eq!(answer.code, code, "{}", answer.xml);
    }
    assert_eq!(world.update("nonsense", &new_total(10)).await.code, INVALID_REQUEST);
    assert_eq!(world.update(&world.area().await, &new_total(10)).await.code, DENIED);
    let inner = element("spaceToken", &other) + &new_total(10);
    let answer = world.ask(&world.user2, "srmUpdateSpace", &inner).await;
    assert_eq!(answer.code, DENIED, "the group writes, the owner decides: {}", answer.xml);
}

#[tokio::test]
async fn a_shorter_life_of_a_space_is_one_of_its_files() {
    let mut world = small();
    let space = world.space(100_000, "").await;
    for (name, kind, seconds) in
        [("v", "VOLATILE", 3600), ("d", "DURABLE", -1), ("p", "PERMANENT", -1)]
    {
        world.publish(name, &[7; 10], &(stored(kind, seconds) + &into(&space))).await;
    }
    // One that is on its way, with the lifetime that it was told.
    let late = world.surl("late");
    let put = world.put(&[&late], &(stored("VOLATILE", 3600) + &into(&space))).await.expect(READY);
    World::stored(&world.http("PUT", turl(&put), &[7; 10]).await);
    assert_eq!(world.update(&space, &new_lifetime(4)).await.code, SUCCESS);
    world.done(token(&put), &[&late]).await.expect(SUCCESS);
    for name in ["v", "d", "late"] {
        let listed = world.listed(&world.surl(name)).await.expect(SUCCESS);
        assert!((0..=4).contains(&number(&listed, "lifetimeLeft")), "{name}: {}", listed.xml);
    }
    world.storm.kill9();
    world.storm.restart();
    let soon = std::time::Duration::from_secs(10);
    let gone = || !world.disk("v").exists() && !world.disk("late").exists();
    assert!(crate::common::wait_until(soon, gone));
    seconds(0.2).await;
    world.listed(&world.surl("d")).await.expect(EXPIRED);
    assert_eq!(number(&world.listed(&world.surl("p")).await.expect(SUCCESS), "lifetimeLeft"), -1);
}

#[tokio::test]
async fn a_space_that_is_over_takes_nothing_and_keeps_nothing_free() {
    let mut world = small();
    let space = world.space(900_000, &lifetime(3)).await;
    world.publish("kept", &[7; 1000], &into(&space)).await;
    let late = world.surl("late");
    let live = world.put_sized(&late, 10, &into(&space)).await.expect(READY);
    World::stored(&world.http("PUT", turl(&live), &[7; 10]).await);
    world.put_sized(&world.surl("f"), 500_000, "").await.expect(NO_FREE);
    seconds(3.1).await;
    let told = world.told(&space).await;
    assert_eq!((told.code.as_str(), told.left, told.unused), (OVER, 0, 899_000));
    // It is told all the same.
    assert_eq!(world.meta_data(&world.user, &space).await.code, SUCCESS);
    let put = world.put_sized(&world.surl("f"), 10, &into(&space)).await;
    assert_eq!(put.code, OVER, "{}", put.xml);
    world.done(token(&live), &[&late]).await.expect(OVER);
    world.tidy();
    assert_eq!(world.update(&space, &new_lifetime(60)).await.code, OVER);
    assert_eq!(world.change(&[&world.surl("kept")], &space).await.code, OVER);
    let inner = element("spaceToken", &space);
    assert_eq!(world.srm("srmExtendFileLifeTimeInSpace", &inner).await.code, OVER);
    // What it was guaranteed is free, what is in it stays.
    let f = world.put_sized(&world.surl("f"), 500_000, "").await.expect(READY);
    assert_eq!(world.abort(token(&f)).await.code, SUCCESS);
    world.storm.restart();
    assert_eq!(world.told(&space).await.code, OVER);
    world.holds("kept", &[7; 1000]);
    assert_eq!(world.let_go(&space, true).await.code, SUCCESS);
    world.holds("kept", &[7; 1000]);
}
