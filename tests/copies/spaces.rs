//! Copies into reserved spaces, and of files that have a lifetime.

use std::time::Duration;

use crate::common::{bytes, wait_until};
use crate::small::*;
use crate::world::*;

#[tokio::test]
async fn into_a_space() {
    let mut world = small();
    let space = world.space(2000, &total(2000)).await;
    let source = world.write("f", &bytes(1500, 1));
    let large = world.write("large", &bytes(3000, 2));
    let to = async |world: &World, source: &str, name: &str| {
        let answer = world.copy(&[(source, &world.surl(name))], &into(&space)).await;
        world.copied(token(&answer)).await
    };
    to(&world, &source, "a").await.expect(SUCCESS);
    world.uses(&space, 1500).await;
    let full = to(&world, &source, "b").await.expect(NO_USER);
    assert_eq!(full.code, NO_USER);
    let more = to(&world, &large, "b").await.expect(EXCEED);
    assert_eq!(more.code, EXCEED);
    assert!(!world.disk("b").exists());
    world.storm.kill9();
    world.storm.restart();
    world.uses(&space, 1500).await;
    world.rm(&world.surl("a")).await.expect(SUCCESS);
    world.uses(&space, 0).await;
    to(&world, &source, "b").await.expect(SUCCESS);
    world.uses(&space, 1500).await;
    world.tidy();

    // Targets outside of the space's area, and of another class.
    let (there, open) = (world.surl("c"), world.storm.surl("/open/c"));
    let answer = world.copy(&[(&source, &open)], &into(&space)).await;
    assert_eq!(answer.code, INVALID_REQUEST, "{}", answer.xml);
    let custodial = "<targetFileRetentionPolicyInfo><retentionPolicy>CUSTODIAL</retentionPolicy>\
         </targetFileRetentionPolicyInfo>";
    let answer = world.copy(&[(&source, &there)], custodial).await;
    assert_eq!(answer.code, NOT_SUPPORTED, "{}", answer.xml);
    let short = world.space(2000, &lifetime(1)).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let answer = world.copy(&[(&source, &there)], &into(&short)).await;
    assert_eq!(answer.code, OVER, "{}", answer.xml);
    // More than the area holds.
    let huge = world.storm.root("open").join("huge");
    std::fs::write(&huge, vec![1; 1_100_000]).unwrap();
    let answer = world.copy(&[(&world.storm.surl("/open/huge"), &there)], "").await;
    let answer = world.copied(token(&answer)).await.expect(NO_FREE);
    assert_eq!(answer.code, NO_FREE);
}

#[tokio::test]
async fn a_volatile_copy_ends_in_time() {
    let world = small();
    let source = world.write("f", b"f");
    let volatile = "<desiredTargetSURLLifeTime>2</desiredTargetSURLLifeTime>\
         <targetFileStorageType>VOLATILE</targetFileStorageType>";
    let answer = world.copy(&[(&source, &world.surl("copy"))], volatile).await;
    world.copied(token(&answer)).await.expect(SUCCESS);
    world.holds("copy", b"f");
    assert!(wait_until(Duration::from_secs(6), || !world.disk("copy").exists()));
    world.holds("f", b"f");
}
