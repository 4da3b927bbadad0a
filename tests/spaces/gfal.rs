//! A reserved space as gfal2's users see it.

use crate::common::bytes;
use crate::common::client::Person;
use crate::small::*;

#[tokio::test]
async fn gfal_copy_puts_files_into_a_reserved_space() {
    let world = small();
    let space = world.space(50_000, &described("MY_SPACE")).await;
    let person = Person::new(&world.storm, "voms");
    let content = bytes(20_000, 3);
    let local = world.storm.dir().join("home/f");
    std::fs::write(&local, &content).unwrap();
    let local = format!("file://{}", local.display());
    let copy = |name: &str| person.run("gfal-copy", &["-S", "MY_SPACE", &local, &world.surl(name)]);
    for name in ["f", "g"] {
        copy(name).ok();
        world.holds(name, &content);
    }
    assert_eq!(world.used(&space).await, 40_000);
    // The third finds no room, and leaves nothing.
    copy("h").refused();
    assert!(!world.disk("h").exists());
    world.tidy();
    // A space that nobody knows is not passed over.
    person.run("gfal-copy", &["-S", "NO_SPACE", &local, &world.surl("h")]).refused();
    assert!(!world.disk("h").exists());
    person.run("gfal-rm", &[&world.surl("f")]).ok();
    assert_eq!(world.used(&space).await, 20_000);
}
