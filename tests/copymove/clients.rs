//! rclone and cadaver, by the plain door where anybody may write.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

fn open() -> TestStorm {
    let mut storm = TestStorm::start();
    storm.http = "anonymous_write = true".to_owned();
    storm.restart();
    let root = storm.root("open");
    std::fs::create_dir_all(root.join("tree/below")).unwrap();
    std::fs::write(root.join("tree/one"), bytes(1000, 1)).unwrap();
    std::fs::write(root.join("tree/below/two"), bytes(300_000, 2)).unwrap();
    storm
}

fn rclone(storm: &TestStorm, arguments: &[&str]) {
    let done = Command::new("timeout")
        .args(["-k", "5", "60", "rclone", "--config", "/dev/null", "--retries", "1"])
        .args(arguments)
        .env("RCLONE_WEBDAV_URL", format!("http://localhost:{}/open", storm.ports.plain))
        .env("HOME", storm.dir().join("home"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "rclone {arguments:?}: {why}");
}

#[test]
fn rclone_copies_moves_and_purges() {
    let storm = open();
    let at = |path: &str| storm.root("open").join(path);
    let log = |method: &str| storm.access().iter().filter(|line| line.op() == method).count();
    rclone(&storm, &["copyto", ":webdav:tree/one", ":webdav:copies/one"]);
    assert_eq!(std::fs::read(at("copies/one")).unwrap(), bytes(1000, 1));
    rclone(&storm, &["copy", ":webdav:tree", ":webdav:all"]);
    assert_eq!(std::fs::read(at("all/below/two")).unwrap(), bytes(300_000, 2));
    rclone(&storm, &["moveto", ":webdav:all/one", ":webdav:all/first"]);
    assert!(at("all/first").is_file() && !at("all/one").exists());
    rclone(&storm, &["move", ":webdav:all", ":webdav:moved"]);
    assert_eq!(std::fs::read(at("moved/below/two")).unwrap(), bytes(300_000, 2));
    rclone(&storm, &["purge", ":webdav:moved"]);
    assert!(!at("moved").exists());
    // By us, not by carrying it over the line.
    assert!(log("COPY") >= 3 && log("MOVE") >= 2, "{} {}", log("COPY"), log("MOVE"));
    assert_eq!(leftovers(&storm.root("open")), Vec::<String>::new());
}

#[test]
fn cadaver_copies_moves_and_removes() {
    let storm = open();
    let mut child = Command::new("timeout")
        .args(["-k", "5", "60", "cadaver"])
        .arg(format!("http://localhost:{}/open/", storm.ports.plain))
        .env("HOME", storm.dir().join("home"))
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cadaver: make test installs it");
    let commands = "mkcol made\ncopy tree/one made/copy\nmove made/copy made/moved\n\
                    copy tree made/tree\nrmcol tree\nls made\nquit\n";
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert_eq!(said.matches("succeeded").count(), 6, "{said}");
    let at = |path: &str| storm.root("open").join(path);
    assert_eq!(std::fs::read(at("made/moved")).unwrap(), bytes(1000, 1));
    assert_eq!(std::fs::read(at("made/tree/below/two")).unwrap(), bytes(300_000, 2));
    assert!(!at("made/copy").exists() && !at("tree").exists());
}
