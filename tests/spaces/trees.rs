//! Directories with files of spaces in them that are moved and removed.

use std::process::Command;
use std::time::Duration;

use crate::common::trace::Trace;
use crate::common::{soap, wait_until};
use crate::small::*;
use crate::world::*;

impl World {
    async fn mkdir(&self, name: &str) {
        let inner = element("SURL", self.surl(name));
        assert_eq!(self.srm("srmMkdir", &inner).await.code, SUCCESS);
    }

    async fn remove_tree(&self, name: &str) -> soap::Answer {
        let inner = element("SURL", self.surl(name)) + &element("recursive", "true");
        self.srm("srmRmdir", &inner).await
    }

    fn hidden(&self) -> usize {
        let names = std::fs::read_dir(self.storm.root("test.vo")).unwrap().flatten();
        names.filter(|name| name.file_name().to_string_lossy().starts_with(".storm.rm.")).count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_free_before_its_tree_is_gone() {
    let world = small();
    world.mkdir("d").await;
    for n in 0..3000 {
        world.write(&format!("d/{n}"), b"");
    }
    let get = world.get(&[&world.surl("d/1")], "").await.expect(PINNED);
    let slow = Trace::slow(world.storm.pid(), "unlinkat", Duration::from_millis(10));
    let again = async {
        assert!(wait_until(Duration::from_secs(20), || !world.disk("d").exists()));
        world.mkdir("d").await;
        world.publish("d/1", &[7; 100], "").await;
        let new = world.get(&[&world.surl("d/1")], "").await.expect(PINNED);
        assert_eq!(world.hidden(), 1, "the old one is gone already");
        drop(slow);
        new
    };
    // Apart from each other: the wait blocks.
    let (removed, new) = tokio::join!(
        async {
            let inner = element("SURL", world.surl("d")) + &element("recursive", "true");
            let (user, port) = (world.user.clone(), world.storm.ports.srm);
            tokio::spawn(async move { soap::once(&user, port, "srmRmdir", &inner).await.unwrap() })
                .await
                .unwrap()
        },
        again
    );
    assert_eq!(removed.code, SUCCESS, "{}", removed.xml);
    world.holds("d/1", &[7; 100]);
    assert_eq!(world.get_status(token(&get)).await.file_code(), ABORTED);
    assert_eq!(world.get_status(token(&new)).await.file_code(), PINNED);
    assert_eq!(world.used(&world.area().await).await, 100);
    world.tidy();
}

#[tokio::test]
async fn what_stays_of_a_tree_stays_in_its_space() {
    let world = small();
    let space = world.space(100_000, "").await;
    world.mkdir("d").await;
    for n in 0..10 {
        world.publish(&format!("d/{n}"), &[7; 100], &into(&space)).await;
    }
    let protect = |how: &str| {
        let done = Command::new("chattr").arg(how).arg(world.disk("d/5")).status().unwrap();
        assert!(done.success());
    };
    protect("+i");
    let failed = world.remove_tree("d").await;
    protect("-i");
    assert_ne!(failed.code, SUCCESS);
    let left = std::fs::read_dir(world.disk("d")).unwrap().count() as i64;
    assert!((1..=10).contains(&left));
    assert_eq!(world.used(&space).await, 100 * left);
    assert_eq!(world.used(&world.area().await).await, 100 * left);
    let listed = world.listed(&world.surl("d/5")).await.expect(SUCCESS);
    assert!(listed.xml.contains(&space), "{}", listed.xml);
    assert_eq!(world.remove_tree("d").await.code, SUCCESS);
    assert_eq!(world.used(&space).await, 0);
    world.tidy();
}

#[tokio::test]
async fn a_volatile_file_that_was_read_goes_also_when_it_was_moved() {
    let world = small();
    world.mkdir("d").await;
    world.publish("d/v", &[7; 100], &stored("VOLATILE", 1)).await;
    let get = world.get(&[&world.surl("d/v")], "").await.expect(PINNED);
    seconds(1.5).await;
    assert!(world.disk("d/v").exists());
    let inner = element("fromSURL", world.surl("d")) + &element("toSURL", world.surl("e"));
    assert_eq!(world.srm("srmMv", &inner).await.code, SUCCESS);
    assert_eq!(world.get_status(token(&get)).await.file_code(), ABORTED);
    assert!(wait_until(Duration::from_secs(5), || !world.disk("e/v").exists()));
    world.uses(&world.area().await, 0).await;
}
