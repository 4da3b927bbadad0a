//! gvfs, as GNOME's file manager uses it: by gio, and by its FUSE mount.

use super::common::passwords::app_password;
use super::*;

/// A session at the plain door: see [`session_at`].
fn session(world: &World, script: &str) -> String {
    session_at(world, ("dav", world.storm.ports.plain, "/open"), "", script)
}

/// Mounts, does what the script says, and unmounts; `answers` are what is typed meanwhile, line by line. The
/// script has the address in `$URL`, the FUSE mount of it in `$MOUNT`, the local folder in `$LOCAL` and a folder
/// for what comes out in `$OUT`.
fn session_at(
    world: &World,
    (scheme, port, path): (&str, u16, &str),
    answers: &str,
    script: &str,
) -> String {
    let runtime = world.dir("run");
    shell("chmod 700 \"$1\"", &[&runtime]);
    let ssl = scheme == "davs";
    let script = format!(
        "exec 2>&1\n\
         URL={scheme}://localhost:{port}{path}\n\
         MOUNT=\"$XDG_RUNTIME_DIR/gvfs/dav:host=localhost,port={port},ssl={ssl}{path}\"\n\
         gio mount \"$URL\" <<< \"$ANSWERS\"\n\
         trap 'gio mount -u \"$URL\" || true' EXIT\n\
         for n in $(seq 100); do [ -d \"$MOUNT\" ] && break; sleep 0.1; done\n\
         {script}"
    );
    let done = limited("dbus-run-session", &["--", "bash", "-euc", &script])
        .env("XDG_RUNTIME_DIR", &runtime)
        .env("HOME", world.dir("home"))
        .env("ANSWERS", answers)
        .env("LOCAL", world.dir("local"))
        .env("OUT", world.dir("out"))
        .env("GIO_USE_VOLUME_MONITOR", "unix")
        .output()
        .unwrap();
    // Its FUSE mount goes with the session; what is left of one that was killed goes here.
    drop(Mounted { at: runtime.join("gvfs") });
    told(&done, "gvfs")
}

/// Its FUSE mount closes files in the background: waits until they are there.
const SETTLE: &str =
    "for n in $(seq 50); do diff -rq \"$LOCAL\" \"$MOUNT/tree\" && break; sleep 0.1; done\n";

#[tokio::test]
async fn by_its_mount() {
    let world = World::new();
    session(&world, &format!("cp -r \"$LOCAL\" \"$MOUNT/tree\"\n{SETTLE}"));
    world.same("tree", "gvfs: copied in").await;
    session(&world, "diff -r \"$LOCAL\" \"$MOUNT/tree\"\ncp -r \"$MOUNT/tree\" \"$OUT\"");
    shell("diff -r \"$1\" \"$2/tree\"", &[&world.dir("local"), &world.dir("out")]);
    // Over WebDAV it does not write into a file: its editors save all of it.
    shell(EDITS, &[&world.dir("local")]);
    let moves =
        format!("moves() {{ ( {MOVES} ) }}\nmoves \"$MOUNT/tree\"\nmoves \"$LOCAL\"\n{SETTLE}");
    let save = "for f in edit append shorter; do gio save \"$URL/tree/$f\" < \"$LOCAL/$f\"; done\n";
    session(&world, &format!("{save}{moves}"));
    world.same("tree", "gvfs: lived in").await;
    session(&world, "rm -r \"$MOUNT/tree\"");
    assert!(!world.area().join("tree").exists());
}

/// gio itself: space, copies both ways, renames, and a file that is saved over what somebody else wrote.
#[tokio::test]
async fn by_gio() {
    let world = World::new();
    let told = session(
        &world,
        r#"
        gio mkdir "$URL/new folder"
        for n in "two words" "100% sicher" "C# und #hash" "was?" "a%20b"; do
            to="$URL/new%20folder/$(python3 -c 'import sys, urllib.parse as u; print(u.quote(sys.argv[1]))' "$n")"
            gio copy "$LOCAL/$n" "$to"
            gio cat "$to" | cmp - "$LOCAL/$n"
            gio copy "$to" "$OUT/$n"
            cmp "$OUT/$n" "$LOCAL/$n"
        done
        gio list "$URL/new folder" | sed 's/^/listed: /'
        gio rename "$URL/new%20folder/was%3F" so
        gio move "$URL/new%20folder/so" "$URL/moved"
        gio copy "$LOCAL/d/large" "$URL/large"
        gio remove "$URL/new%20folder/a%2520b"
        gio info -a etag::value "$URL/moved" | sed 's/^/before: /'
        old=$(gio info -a etag::value "$URL/moved" | sed -n 's/.*etag::value: //p')
        gio save -e "$old" "$URL/moved" < "$LOCAL/one" && echo saved: once
        gio save -e "$old" "$URL/moved" < "$LOCAL/two" || echo saved: not twice
        gio info -f "$URL" | sed 's/^ */info: /'
        "#,
    );
    let local = world.dir("local");
    let read = |path: &Path| std::fs::read(path).unwrap();
    assert!(told.contains("saved: once") && told.contains("saved: not twice"), "{told}");
    assert!(read(&world.area().join("moved")) == read(&local.join("one")), "{told}");
    let listed = told.lines().filter(|l| l.starts_with("listed: ")).count();
    assert_eq!(listed, 5, "{told}");
    let left = snapshot(&world.area().join("new folder"));
    assert_eq!(left.keys().collect::<Vec<_>>(), ["100% sicher", "C# und #hash", "two words"]);
    let number = |name: &str| {
        let line =
            told.lines().find_map(|l| l.strip_prefix(&format!("info: filesystem::{name}: ")));
        line.unwrap_or_else(|| panic!("no {name}: {told}")).parse::<u64>().unwrap()
    };
    let taken = held(&world.area());
    assert_eq!(number("size"), SIZE);
    assert_eq!(number("used"), taken);
    assert_eq!(number("free"), SIZE - taken);
    assert_eq!(used(&world.storm, "OPEN").await, taken);
}

/// By an app password that is good for one directory, from a server whose authority the system does not know: what
/// gio asks is answered as a person does.
#[tokio::test]
async fn with_an_app_password() {
    let world = World::new();
    let mine = world.storm.root("test.vo").join("mine");
    std::fs::create_dir(&mine).unwrap();
    let (user, password) = app_password(&world.storm, &["--path", "/test.vo/mine", "--write"]);
    let place = ("davs", world.storm.ports.https, "/test.vo/mine");
    let copy = format!("cp -r \"$LOCAL\" \"$MOUNT/tree\"\n{SETTLE}");
    let told = session_at(&world, place, &format!("1\n{user}\n{password}\n"), &copy);
    assert!(told.contains("[1] Yes") && told.contains("User:"), "{told}");
    assert_eq!(snapshot(&mine.join("tree")), snapshot(&world.dir("local")), "{told}");
    assert_eq!(leftovers(&mine), Vec::<String>::new());
    let puts = world.storm.access_of("PUT", |line| line.op() == "PUT");
    assert!(puts.iter().all(|line| line.get("proxy") == "app-password"), "{told}");
    // After a wrong one it asks again.
    let answers = format!("1\n{user}\nwrong\n{password}\n");
    let told = session_at(&world, place, &answers, "gio list \"$URL\" | sed 's/^/listed: /'");
    assert!(told.matches("Password:").count() == 2 && told.contains("listed: tree"), "{told}");
}
