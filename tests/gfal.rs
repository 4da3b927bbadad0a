//! gfal2 and ARC, as people use them: directories, copies both ways over https TURLs, listings,
//! checksums, renames, removal; with both forms of SURL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::path::{Path, PathBuf};

use common::client::Person;
use common::{TestStorm, USER_DN, adler32, bytes, leftovers};

/// 0 byte, 1 byte, 5 MB.
const SIZES: [usize; 3] = [0, 1, 5_000_000];

#[test]
fn gfal_with_the_short_surl() {
    let storm = TestStorm::start();
    gfal(&storm, &|path| storm.surl(path));
}

#[test]
fn gfal_with_the_sfn_surl() {
    let storm = TestStorm::start();
    gfal(&storm, &|path| storm.surl_sfn(path));
}

#[test]
fn arc_with_the_short_surl() {
    let storm = TestStorm::start();
    arc(&storm, &|path| storm.surl(path));
}

#[test]
fn arc_with_the_sfn_surl() {
    let storm = TestStorm::start();
    arc(&storm, &|path| storm.surl_sfn(path));
}

/// Names that people give to files, where the client can carry them.
#[test]
fn names_with_spaces_and_more() {
    let storm = TestStorm::start();
    let person = Person::new(&storm, "voms");
    let (local, content) = local_file(&storm, "plain", 1000, 7);
    // ARC's clients escape the escapes of a TURL again: they can carry what needs none, and a TURL
    // must hold no more of them than it has to.
    for name in ["plus+and=and,and@", "under_score-dash.tar.gz", "~tilde"] {
        let surl = storm.surl(&format!("/test.vo/{name}"));
        person.run("arccp", &[&local, &surl]).ok();
        assert_eq!(std::fs::read(storm.root("test.vo").join(name)).unwrap(), content, "{name}");
        let back = storm.dir().join("home/back").display().to_string();
        let _ = std::fs::remove_file(&back);
        person.run("arccp", &[&surl, &back]).ok();
        assert_eq!(std::fs::read(&back).unwrap(), content, "{name}");
        person.run("arcrm", &[&surl]).ok();
        assert!(!storm.root("test.vo").join(name).exists(), "{name}");
    }
    // gfal2 takes a name as it is or escaped, and sends it decoded: blanks stand in the SURL.
    // (Letters beyond ASCII it sends as if they were Latin-1: that name is not the one meant.)
    for (told, name) in [
        ("with space", "with space"),
        ("two%20blank%20s", "two blank s"),
        ("plus+and=and,and@", "plus+and=and,and@"),
    ] {
        let surl = storm.surl(&format!("/test.vo/{told}"));
        person.run("gfal-copy", &[&format!("file://{local}"), &surl]).ok();
        assert_eq!(std::fs::read(storm.root("test.vo").join(name)).unwrap(), content, "{name}");
        let listed = person.run("gfal-ls", &[&storm.surl("/test.vo")]).ok();
        assert!(listed.out.lines().any(|l| l == name), "{name}: {listed}");
        let back = storm.dir().join("home/back").display().to_string();
        person.run("gfal-copy", &["-f", &surl, &format!("file://{back}")]).ok();
        assert_eq!(std::fs::read(&back).unwrap(), content, "{name}");
        person.run("gfal-rm", &[&surl]).ok();
        assert!(!storm.root("test.vo").join(name).exists(), "{name}");
    }
}

/// What must fail, and say so.
#[test]
fn refusals_are_told() {
    let storm = TestStorm::start();
    let person = Person::new(&storm, "voms");
    let missing = person.run("gfal-ls", &[&storm.surl("/test.vo/none")]).refused();
    assert_eq!(missing.code, 2, "{missing}");
    let closed = person.run("gfal-ls", &[&storm.surl("/closed")]).refused();
    assert!(closed.code == 13 || closed.err.contains("may not"), "{closed}");
    let (local, _) = local_file(&storm, "second", 10, 3);
    let surl = storm.surl("/test.vo/twice");
    person.run("gfal-copy", &[&format!("file://{local}"), &surl]).ok();
    let twice = person.run("gfal-copy", &[&format!("file://{local}"), &surl]).refused();
    assert_eq!(twice.code, 17, "{twice}");
    // Without VOMS attributes the VO's area stays shut.
    let plain = Person::new(&storm, "rfc");
    plain.run("gfal-ls", &[&storm.surl("/test.vo")]).refused();
    assert!(leftovers(&storm.root("test.vo")).is_empty());
}

fn gfal(storm: &TestStorm, surl: &dyn Fn(&str) -> String) {
    let person = Person::new(storm, "voms");
    let dir = surl("/test.vo/a/b/c");
    person.run("gfal-mkdir", &["-p", &dir]).ok();
    assert!(storm.root("test.vo").join("a/b/c").is_dir());
    for size in SIZES {
        let name = format!("f{size}");
        let (local, content) = local_file(storm, &name, size, size as u64 + 1);
        let disk = storm.root("test.vo").join("a/b/c").join(&name);
        let remote = surl(&format!("/test.vo/a/b/c/{name}"));
        person.run("gfal-copy", &[&format!("file://{local}"), &remote]).ok();
        assert_eq!(std::fs::read(&disk).unwrap(), content, "{size} bytes in");
        assert_copied_over_https(storm, "PUT", &name);

        let listed = person.run("gfal-ls", &["-l", &remote]).ok();
        let fields: Vec<&str> = listed.out.split_whitespace().collect();
        assert!(fields.contains(&size.to_string().as_str()), "{listed}");
        let stat = person.run("gfal-stat", &[&remote]).ok();
        assert!(stat.out.contains("regular file"), "{stat}");
        assert!(stat.out.contains(&format!("Size: {size}")), "{stat}");
        let sum = person.run("gfal-sum", &[&remote, "ADLER32"]).ok();
        assert!(sum.out.trim_end().ends_with(&adler32(&content)), "{sum}");

        let moved = surl(&format!("/test.vo/a/b/c/{name}-moved"));
        person.run("gfal-rename", &[&remote, &moved]).ok();
        assert!(!disk.exists(), "{name} is still there after gfal-rename");
        let back = home(storm, &format!("{name}-back"));
        person.run("gfal-copy", &[&moved, &format!("file://{}", back.display())]).ok();
        assert_eq!(std::fs::read(&back).unwrap(), content, "{size} bytes out");
        assert_copied_over_https(storm, "GET", &format!("{name}-moved"));

        let copy = surl(&format!("/test.vo/a/b/{name}-copy"));
        person.run("gfal-copy", &["--copy-mode", "streamed", &moved, &copy]).ok();
        let disk = storm.root("test.vo").join("a/b").join(format!("{name}-copy"));
        assert_eq!(std::fs::read(disk).unwrap(), content, "{size} bytes streamed within");
    }
    let long = person.run("gfal-ls", &["-l", &dir]).ok();
    assert_eq!(long.out.lines().count(), SIZES.len(), "{long}");
    person.run("gfal-rm", &["-r", &surl("/test.vo/a")]).ok();
    nothing_left(storm);
    // The whole session was this person's, with the VO's groups.
    for line in storm.access().iter().filter(|a| a.tls().starts_with("TLS")) {
        assert_eq!((line.dn(), line.get("fqan")), (USER_DN, "/test.vo,/test.vo/Role=admin"));
    }
}

fn arc(storm: &TestStorm, surl: &dyn Fn(&str) -> String) {
    let person = Person::new(storm, "voms");
    person.run("arcmkdir", &["-p", &surl("/test.vo/a/b")]).ok();
    assert!(storm.root("test.vo").join("a/b").is_dir());
    for size in SIZES {
        let name = format!("f{size}");
        let (local, content) = local_file(storm, &name, size, size as u64 + 2);
        let disk = storm.root("test.vo").join("a/b").join(&name);
        let remote = surl(&format!("/test.vo/a/b/{name}"));
        person.run("arccp", &[&local, &remote]).ok();
        assert_eq!(std::fs::read(&disk).unwrap(), content, "{size} bytes in");
        assert_copied_over_https(storm, "PUT", &name);

        let listed = person.run("arcls", &["-l", &remote]).ok();
        assert!(listed.out.split_whitespace().any(|f| f == size.to_string()), "{listed}");

        let moved = surl(&format!("/test.vo/a/b/{name}-moved"));
        person.run("arcrename", &[&remote, &moved]).ok();
        assert!(!disk.exists(), "{name} is still there after arcrename");
        let back = home(storm, &format!("{name}-back"));
        let _ = std::fs::remove_file(&back);
        person.run("arccp", &[&moved, &back.display().to_string()]).ok();
        assert_eq!(std::fs::read(&back).unwrap(), content, "{size} bytes out");
        assert_copied_over_https(storm, "GET", &format!("{name}-moved"));
        person.run("arcrm", &[&moved]).ok();
    }
    for dir in ["/test.vo/a/b", "/test.vo/a"] {
        person.run("arcrm", &[&surl(dir)]).ok();
    }
    nothing_left(storm);
}

/// The bytes went through our https door, at a path that names the file.
#[track_caller]
fn assert_copied_over_https(storm: &TestStorm, method: &str, name: &str) {
    let pick = |a: &common::access::Access| a.op() == method && a.target().ends_with(name);
    for line in storm.access_of(&format!("{method} {name}"), pick) {
        assert!(line.tls().starts_with("TLSv1."), "{line:?}");
        assert!(!line.is("gsi"), "{line:?}");
        assert_eq!(line.dn(), USER_DN);
    }
}

#[track_caller]
fn nothing_left(storm: &TestStorm) {
    let left: Vec<_> = common::snapshot(&storm.root("test.vo")).into_keys().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

fn home(storm: &TestStorm, name: &str) -> PathBuf {
    storm.dir().join("home").join(name)
}

/// A file in the person's home: its path, and what it holds.
fn local_file(storm: &TestStorm, name: &str, size: usize, seed: u64) -> (String, Vec<u8>) {
    let (path, content) = (home(storm, name), bytes(size, seed));
    std::fs::write(&path, &content).unwrap();
    (Path::new(&path).display().to_string(), content)
}
