//! srmReleaseSpace: what stays, what goes.

use crate::common::soap;
use crate::small::*;
use crate::world::*;

#[tokio::test]
async fn what_is_in_use_is_not_released() {
    let world = small();
    let space = world.space(900_000, "").await;
    let f = world.surl("f");
    // A put under way, even with force.
    let live = world.put_sized(&f, 10, &into(&space)).await.expect(READY);
    for force in [false, true] {
        let kept = world.let_go(&space, force).await;
        assert_eq!(kept.code, FAILURE, "{}", kept.xml);
    }
    assert_eq!(world.abort(token(&live)).await.code, SUCCESS);
    // A file whose lifetime is not over.
    world.publish("f", &[7; 10], &into(&space)).await;
    assert_eq!(world.let_go(&space, false).await.code, FAILURE);
    assert_eq!(world.used(&space).await, 10, "nothing changed");
    world.rm(&f).await.expect(SUCCESS);
    // Not theirs; no such space; an area's own.
    let inner = element("spaceToken", &space);
    let other = world.ask(&world.user2, "srmReleaseSpace", &inner).await;
    assert_eq!(other.code, DENIED, "{}", other.xml);
    assert_eq!(world.let_go("nonsense", false).await.code, INVALID_REQUEST);
    assert_eq!(world.let_go(&world.area().await, false).await.code, DENIED);

    assert_eq!(world.let_go(&space, false).await.code, SUCCESS);
    assert_eq!(world.let_go(&space, false).await.code, INVALID_REQUEST);
    assert_eq!(world.put(&[&f], &into(&space)).await.code, INVALID_REQUEST);
    let told = world.meta_data(&world.user, &space).await;
    assert_eq!(told.code, FAILURE, "{}", told.xml);
    // What it was promised is free again.
    assert_eq!(world.reserve(SIZE, "").await.code, SUCCESS);
}

#[tokio::test]
async fn force_keeps_what_is_permanent_or_durable() {
    let mut world = small();
    let space = world.space(900_000, "").await;
    let kinds = [("p", "PERMANENT"), ("d", "DURABLE"), ("v", "VOLATILE"), ("pinned", "VOLATILE")];
    for (name, kind) in kinds {
        world.publish(name, &[7; 100], &(stored(kind, 3600) + &into(&space))).await;
    }
    let pinned = world.surl("pinned");
    let get = world.get(&[&pinned], "").await.expect(PINNED);
    assert_eq!(world.let_go(&space, true).await.code, SUCCESS);
    world.holds("p", &[7; 100]);
    world.holds("d", &[7; 100]);
    let soon = std::time::Duration::from_secs(5);
    assert!(crate::common::wait_until(soon, || !world.disk("v").exists()));
    // Who reads it reads it to the end.
    world.holds("pinned", &[7; 100]);
    assert_eq!(world.release(token(&get), &[]).await.code, SUCCESS);
    assert!(crate::common::wait_until(soon, || !world.disk("pinned").exists()));
    let area = world.area().await;
    world.storm.restart();
    let listed = world.listed(&world.surl("p")).await;
    assert!(listed.xml.contains("PERMANENT") && listed.xml.contains(&area), "{}", listed.xml);
    let listed = world.listed(&world.surl("d")).await.expect(EXPIRED);
    assert!(listed.xml.contains("DURABLE") && listed.xml.contains(&area), "{}", listed.xml);
    assert_eq!(number(&listed, "lifetimeLeft"), 0);
    assert_eq!(world.used(&area).await, 200);
    let summary = soap::surls(&[world.surl("p"), world.surl("d")]);
    assert_eq!(world.srm("srmRm", &summary).await.code, SUCCESS);
    assert_eq!(world.used(&area).await, 0);
}

#[tokio::test]
async fn a_space_with_nothing_but_what_is_over_goes_without_force() {
    let world = small();
    let space = world.space(1000, "").await;
    world.publish("d", &[7; 100], &(stored("DURABLE", 1) + &into(&space))).await;
    assert_eq!(world.let_go(&space, false).await.code, FAILURE);
    seconds(1.1).await;
    // Unless somebody reads it.
    let get = world.get(&[&world.surl("d")], "").await.expect(PINNED);
    assert_eq!(world.let_go(&space, false).await.code, FAILURE);
    assert_eq!(world.release(token(&get), &[]).await.code, SUCCESS);
    assert_eq!(world.let_go(&space, false).await.code, SUCCESS);
    world.holds("d", &[7; 100]);
    world.listed(&world.surl("d")).await.expect(EXPIRED);
}
