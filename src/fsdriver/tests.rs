//! The POSIX driver on a real file system.

use std::io::Write;
use std::os::unix::fs::symlink;

use super::*;
use crate::model::RelPath;

fn area() -> (tempfile::TempDir, Posix) {
    let dir = tempfile::tempdir().unwrap();
    let driver = Posix::open(dir.path(), Vec::new()).unwrap();
    (dir, driver)
}

fn rel(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

#[test]
fn links_are_followed_inside_and_never_out() {
    let (dir, driver) = area();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    std::fs::write(dir.path().join("d/f"), b"x").unwrap();
    symlink("d/f", dir.path().join("inside")).unwrap();
    symlink("/etc/passwd", dir.path().join("absolute")).unwrap();
    symlink("../../../etc", dir.path().join("up")).unwrap();
    assert_eq!(driver.stat(&rel("inside")).unwrap().size, 1);
    assert!(matches!(driver.stat(&rel("absolute")), Err(DriverError::Escapes)));
    assert!(matches!(driver.open(&rel("up/passwd")), Err(DriverError::Escapes)));
    assert!(matches!(driver.create(&rel("up/new")), Err(DriverError::Escapes)));
    assert!(matches!(driver.directory(&rel("up")).err(), Some(DriverError::Escapes)));
    let top = driver.directory(&RelPath::root()).unwrap();
    assert_eq!(top.stat("inside").unwrap().size, 1);
    assert!(top.open("inside").is_ok());
    assert!(matches!(top.stat("absolute"), Err(DriverError::Escapes)));
    assert!(matches!(top.open("absolute"), Err(DriverError::Escapes)));
    assert!(matches!(top.stat("none"), Err(DriverError::NotFound)));
}

#[test]
fn another_areas_root_below_ours_is_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("tape");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("f"), b"x").unwrap();
    symlink("tape", dir.path().join("link")).unwrap();
    let driver = Posix::open(dir.path(), vec![inner.canonicalize().unwrap()]).unwrap();
    assert!(matches!(driver.stat(&rel("tape/f")), Err(DriverError::OtherArea)));
    assert!(matches!(driver.stat(&rel("link/f")), Err(DriverError::OtherArea)));
    let top = driver.directory(&RelPath::root()).unwrap();
    assert!(matches!(top.stat("tape"), Err(DriverError::OtherArea)));
    assert!(matches!(top.stat("link"), Err(DriverError::OtherArea)));
}

#[test]
fn another_areas_root_is_not_moved_or_removed_with_ours() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/tape");
    std::fs::create_dir_all(&inner).unwrap();
    symlink("a", dir.path().join("way")).unwrap();
    let driver = Posix::open(dir.path(), vec![inner.canonicalize().unwrap()]).unwrap();
    for path in ["a/tape", "way/tape"] {
        let done = driver.remove_directory(&rel(path));
        assert!(matches!(done, Err(DriverError::OtherArea)), "{path}");
    }
    let done = driver.rename(&rel("a"), &rel("b"), false);
    assert!(matches!(done, Err(DriverError::OtherArea)));
    let done = driver.remove_tree(&rel("a"));
    assert!(matches!(done, Err(DriverError::OtherArea)));
    assert!(inner.is_dir());
}

#[test]
fn an_unpublished_file_is_seen_only_once_linked() {
    let (dir, driver) = area();
    let mut file = driver.begin(&RelPath::root(), None).unwrap();
    file.file.write_all(b"abc").unwrap();
    driver.set_attribute(&file.file, "user.storm.checksum.adler32", b"024d0127").unwrap();
    driver.link(&file, &rel("f")).unwrap();
    assert!(matches!(driver.link(&file, &rel("f")), Err(DriverError::Exists)));
    assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"abc");
    let open = driver.open(&rel("f")).unwrap();
    let value = driver.attribute(&open, "user.storm.checksum.adler32").unwrap();
    assert_eq!(value.as_deref(), Some(b"024d0127".as_slice()));
    assert_eq!(driver.attributes(&open, "user.storm.").unwrap().len(), 1);
    let top = driver.directory(&RelPath::root()).unwrap();
    assert_eq!(top.entries().unwrap().count(), 1);
}

#[test]
fn an_open_directory_publishes_too() {
    let (dir, driver) = area();
    let top = driver.directory(&RelPath::root()).unwrap();
    let mut begun = top.begin().unwrap();
    begun.file.write_all(b"abc").unwrap();
    std::fs::write(dir.path().join("f"), b"old").unwrap();
    assert!(driver.has_unnamed() && begun.hidden.is_none());
    assert!(matches!(top.link(&begun.file, "f"), Err(DriverError::Exists)));
    top.link(&begun.file, ".storm.up").unwrap();
    top.rename(".storm.up", "f").unwrap();
    assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"abc");
    assert_eq!(top.entries().unwrap().count(), 1);
}

#[test]
fn where_there_are_no_unnamed_files_it_has_a_hidden_name() {
    let (dir, driver) = area();
    let hidden = rel(".storm.up");
    let file = driver.begin(&RelPath::root(), Some(&hidden)).unwrap();
    assert!(dir.path().join(".storm.up").exists());
    driver.link(&file, &rel("f")).unwrap();
    assert!(dir.path().join("f").exists() && !dir.path().join(".storm.up").exists());
    let none = driver.begin(&rel("none"), None);
    assert!(matches!(none.unwrap_err(), DriverError::NotFound));
}

#[test]
fn our_own_files_are_no_links() {
    let (dir, driver) = area();
    std::fs::write(dir.path().join("f"), b"x").unwrap();
    symlink("f", dir.path().join("link")).unwrap();
    assert!(driver.open(&rel("link")).is_ok() && driver.open_own(&rel("f")).is_ok());
    assert!(driver.open_own(&rel("link")).is_err());
}

#[test]
fn rename_respects_what_is_there() {
    let (dir, driver) = area();
    std::fs::write(dir.path().join("a"), b"a").unwrap();
    std::fs::write(dir.path().join("b"), b"b").unwrap();
    assert!(matches!(driver.rename(&rel("a"), &rel("b"), false), Err(DriverError::Exists)));
    driver.rename(&rel("a"), &rel("b"), true).unwrap();
    assert_eq!(std::fs::read(dir.path().join("b")).unwrap(), b"a");
}

#[test]
fn a_writer_is_noticed() {
    let (dir, driver) = area();
    std::fs::write(dir.path().join("f"), b"x").unwrap();
    let reader = driver.open(&rel("f")).unwrap();
    assert_eq!(driver.has_writer(&reader).unwrap(), Some(false));
    let writer = std::fs::OpenOptions::new().write(true).open(dir.path().join("f")).unwrap();
    assert_eq!(driver.has_writer(&reader).unwrap(), Some(true));
    drop(writer);
    assert_eq!(driver.has_writer(&reader).unwrap(), Some(false));
}

#[test]
fn the_root_itself_is_never_removed_or_renamed() {
    let (_dir, driver) = area();
    assert!(matches!(driver.remove_directory(&RelPath::root()), Err(DriverError::Denied)));
    assert!(matches!(driver.rename(&RelPath::root(), &rel("x"), true), Err(DriverError::Denied)));
}

fn run(program: &str, arguments: &[&str]) -> String {
    let done = std::process::Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn acls_are_what_setfacl_sets_and_getfacl_shows() {
    let (dir, driver) = area();
    assert!(driver.has_acls());
    let path = dir.path().join("f").display().to_string();
    std::fs::write(&path, b"x").unwrap();
    let file = driver.open(&rel("f")).unwrap();
    for mode in [0o600, 0o640, 0o666] {
        run("chmod", &[&format!("{mode:o}"), &path]);
        assert_eq!(driver.acl(&file).unwrap(), Acl::of_mode(mode));
    }
    run(
        "setfacl",
        &["-m", "u::rw,u:1001:r,u:1000:rw,g::r,g:50:rwx,g:4294967294:w,m::rx,o::-", &path],
    );
    let acl = driver.acl(&file).unwrap();
    assert_eq!(acl.entry(Subject::User(1000)), Some(Permission::READ_WRITE));
    assert_eq!(acl.effective(Subject::User(1000)), Permission::READ);
    assert_eq!(acl.mask(), Some(Permission::LIST));
    let shown = run("getfacl", &["-pcnE", &path]);
    run("setfacl", &["-b", &path]);
    driver.set_acl(&file, &acl).unwrap();
    assert_eq!(run("getfacl", &["-pcnE", &path]), shown);
    assert_eq!(driver.acl(&file).unwrap(), acl);
    // More than fits a small buffer.
    let mut many = acl;
    for uid in 2000..2100 {
        many.set(Subject::User(uid), Some(Permission::READ));
    }
    driver.set_acl(&file, &many).unwrap();
    assert_eq!(driver.acl(&file).unwrap(), many);
    // What bits can say again is bits again.
    driver.set_acl(&file, &Acl::of_mode(0o640)).unwrap();
    assert_eq!(run("getfacl", &["-pcnE", &path]).trim(), "user::rw-\ngroup::r--\nother::---");
}

#[test]
fn people_see_names() {
    let (dir, driver) = area();
    let path = dir.path().join("f").display().to_string();
    std::fs::write(&path, b"x").unwrap();
    run("setfacl", &["-m", "u:daemon:r,g:daemon:rw", &path]);
    let file = driver.open(&rel("f")).unwrap();
    let text = driver.acl_text(&file).unwrap();
    assert!(text.contains("user:daemon:r") && text.contains("group:daemon:rw"), "{text}");
    assert!(!text.contains(char::is_whitespace), "{text}");
}

#[test]
fn directories_hand_down_their_default() {
    let (dir, driver) = area();
    let root = dir.path().display().to_string();
    let top = driver.directory(&RelPath::root()).unwrap();
    assert_eq!(top.default_acl().unwrap(), None);
    run("setfacl", &["-d", "-m", "u::rwx,u:1000:rwx,g::rx,o::rx", &root]);
    let acl = top.default_acl().unwrap().unwrap().for_file();
    // The same as the kernel makes of it, but for others.
    driver.create(&rel("f")).unwrap();
    let shown = run("getfacl", &["-pcnE", &dir.path().join("f").display().to_string()]);
    assert!(shown.contains("user:1000:rwx") && shown.contains("mask::rw-"), "{shown}");
    assert_eq!(acl.effective(Subject::User(1000)), Permission::READ_WRITE);
    assert_eq!((acl.owner, acl.other), (Permission::READ_WRITE, Permission::NONE));
}

#[test]
fn a_grant_is_taken_back_unless_somebody_changed_it() {
    let (dir, driver) = area();
    let path = dir.path().join("f").display().to_string();
    std::fs::write(&path, b"x").unwrap();
    let file = driver.open(&rel("f")).unwrap();
    let (me, r) = (Subject::User(1000), Permission::READ);
    let before = driver.acl(&file).unwrap();
    let now = grant(&driver, &file, [(me, r)]).unwrap();
    assert_eq!(now.effective(me), r);
    restore(&driver, &file, me, None, r).unwrap();
    assert_eq!(driver.acl(&file).unwrap(), before);
    grant(&driver, &file, [(me, r)]).unwrap();
    run("setfacl", &["-m", "u:1000:rw", &path]);
    restore(&driver, &file, me, None, r).unwrap();
    assert_eq!(driver.acl(&file).unwrap().entry(me), Some(Permission::READ_WRITE));
    // A mask of somebody's stays, and shows.
    run("setfacl", &["-m", "m::-", &path]);
    let other = Subject::Group(50);
    assert_eq!(grant(&driver, &file, [(other, r)]).unwrap().effective(other), Permission::NONE);
}
