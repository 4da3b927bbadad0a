//! cadaver: a session of commands.

use super::*;

/// What cadaver says to these commands. It ends with 0 whatever became of them.
fn session(world: &World, commands: &str) -> String {
    let url = format!("http://localhost:{}/open/", world.storm.ports.plain);
    let file = world.storm.dir().join("commands");
    std::fs::write(&file, commands).unwrap();
    let mut command = limited("cadaver", &[&url]);
    command.stdin(std::fs::File::open(&file).unwrap());
    command.env("HOME", world.dir("home")).current_dir(world.dir("local"));
    told(&command.output().unwrap(), "cadaver")
}

#[tokio::test]
async fn a_session() {
    let world = World::new();
    let names =
        ["two words", "100% sicher", "a%20b", "C# und #hash", "was?", "a+b&c=d;e", NAMES[1]];
    let quoted = |name: &str| format!("\"{name}\"");
    let mut commands = String::from("mkcol \"a folder\"\ncd \"a folder\"\n");
    for name in names {
        commands += &format!("put {}\n", quoted(name));
    }
    commands += "ls\nmput append edit shorter\n";
    let told = session(&world, &commands);
    for name in names {
        assert!(
            told.lines().any(|l| l.trim_start().starts_with(name)),
            "{name} is not listed: {told}"
        );
        let (here, there) =
            (world.dir("local").join(name), world.area().join("a folder").join(name));
        assert!(std::fs::read(here).unwrap() == std::fs::read(there).unwrap(), "{name}: {told}");
    }
    let out = world.dir("out").display().to_string();
    let mut commands = String::from("cd \"a folder\"\n");
    for name in names {
        commands += &format!("get {} \"{out}/{name}\"\n", quoted(name));
    }
    // Over one that is there, away, gone; a lock of its own does not stand in its way.
    commands += "mkcol below\nmove edit append\ncopy shorter below/\nlock shorter\nput ../local/one shorter\n\
                 unlock shorter\ndelete \"was?\"\ncopy below also\nrmcol below\n";
    let told = session(&world, &commands);
    assert!(!told.contains("failed"), "{told}");
    let local = |name: &str| std::fs::read(world.dir("local").join(name)).unwrap();
    let there = |name: &str| std::fs::read(world.area().join("a folder").join(name)).ok();
    for name in names {
        assert!(
            std::fs::read(world.dir("out").join(name)).unwrap() == local(name),
            "{name}: {told}"
        );
    }
    assert!(there("append") == Some(local("edit")) && there("edit").is_none(), "{told}");
    assert!(there("also/shorter") == Some(local("shorter")), "{told}");
    assert!(there("shorter") == Some(local("one")), "{told}");
    assert!(there("was?").is_none() && !world.area().join("a folder/below").exists(), "{told}");
    assert_eq!(leftovers(&world.area()), Vec::<String>::new());
    assert_eq!(used(&world.storm, "OPEN").await, held(&world.area()));
}
