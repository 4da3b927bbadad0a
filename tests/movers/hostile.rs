//! A right to write is no right to change what is published.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::common::accounts::{one, service};
use super::common::grid::open;
use super::common::movers::Movers;
use super::common::{adler32, bytes, leftovers, wait_until};

const ALWAYS: &str = "<overwriteOption>ALWAYS</overwriteOption>";

fn size(path: &str) -> u64 {
    std::fs::metadata(path).map_or(0, |about| about.len())
}

#[tokio::test]
async fn an_overwrite_that_is_aborted_leaves_the_old_bytes() {
    let movers = Movers::new();
    let grid = &movers.grid;
    let source = grid.storm.dir().join("home/source");
    std::fs::write(&source, bytes(2_000_000, 1)).unwrap();
    let source = source.display().to_string();
    for area in ["jit", "aot"] {
        let path = format!("/{area}/file");
        grid.plant(&path, "the old bytes");
        for protocol in ["gsiftp", "file", "root"] {
            let put = grid.put(&path, protocol, ALWAYS).await;
            match protocol {
                "gsiftp" => drop(
                    movers.run("globus-url-copy", &[&format!("file://{source}"), &put.turl]).ok(),
                ),
                "root" => drop(movers.run("xrdcp", &["-s", &source, &put.turl]).ok()),
                _ => assert!(one().write(put.path(), "half")),
            }
            assert!(size(put.path()) > 0, "{area} {protocol}");
            assert_eq!(grid.abort(&put).await.code, "SRM_SUCCESS");
            let old = std::fs::read(grid.disk(&path)).unwrap();
            assert_eq!(old, b"the old bytes", "{area} {protocol}");
        }
    }
    assert!(leftovers(&grid.storm.dir().join("areas")).is_empty());
}

#[tokio::test]
async fn a_transfer_that_still_runs_is_not_published() {
    let movers = Movers::new();
    let grid = &movers.grid;
    let content = bytes(200_000_000, 2);
    let source = grid.storm.dir().join("home/large");
    std::fs::write(&source, &content).unwrap();
    let (plain, source) = (source.display().to_string(), format!("file://{}", source.display()));
    for (path, protocol) in [("/jit/g", "gsiftp"), ("/aot/g", "gsiftp"), ("/jit/x", "root")] {
        let put = grid.put(path, protocol, "").await;
        let client = match protocol {
            "gsiftp" => movers.spawn("globus-url-copy", &[&source, &put.turl]),
            _ => movers.spawn("xrdcp", &["-s", &plain, &put.turl]),
        };
        assert!(wait_until(Duration::from_secs(20), || size(put.path()) > 0), "{path}");
        // It holds its breath; the server has the file open.
        client.signal(Signal::SIGSTOP);
        let early = grid.put_done(&put).await;
        assert_eq!(early.file_code(), "SRM_FILE_BUSY", "{path}: {}", early.xml);
        assert!(!std::fs::exists(grid.disk(path)).unwrap(), "{path}");
        client.signal(Signal::SIGCONT);
        assert!(client.ended_well(), "{path}");
        let mut done = grid.put_done(&put).await;
        // The server may close it a moment after its client has gone.
        for _ in 0..50 {
            if done.file_code() != "SRM_FILE_BUSY" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            done = grid.put_done(&put).await;
        }
        done.expect("SRM_SUCCESS");
        assert!(std::fs::read(grid.disk(path)).unwrap() == content, "{path}");
    }
}

#[tokio::test]
async fn a_writer_that_goes_on_changes_nothing() {
    let movers = Movers::new();
    let grid = &movers.grid;
    for path in ["/jit/f", "/aot/f"] {
        let put = grid.put(path, "file", "").await;
        let hidden = put.path();
        let go = grid.storm.dir().join("home/go");
        let _ = std::fs::remove_file(&go);
        // Opens the file, and writes on when it is told to.
        let script = format!(
            "exec 3>\"$1\"; printf one >&3; while [ ! -e '{}' ]; do sleep 0.05; done; \
             printf two >&3",
            go.display()
        );
        open(&grid.storm.dir().join("home").display().to_string());
        let mut writer = one().command("sh");
        let mut writer = writer.args(["-c", &script, "sh", hidden]).spawn().unwrap();
        assert!(wait_until(Duration::from_secs(10), || size(hidden) == 3));
        let early = grid.put_done(&put).await;
        assert_eq!(early.file_code(), "SRM_FILE_BUSY", "{}", early.xml);
        assert!(!one().write(hidden, "opened anew"), "the right went first");
        std::fs::write(&go, "").unwrap();
        assert!(writer.wait().unwrap().success());
        grid.put_done(&put).await.expect("SRM_SUCCESS");
        assert_eq!(std::fs::read(grid.disk(path)).unwrap(), b"onetwo");
        assert!(!one().write(&grid.disk(path), "late") && !one().write(hidden, "late"));
    }
}

#[tokio::test]
async fn forged_attributes_are_wiped() {
    let movers = Movers::new();
    let grid = &movers.grid;
    for path in ["/jit/f", "/aot/f"] {
        let put = grid.put(path, "file", "").await;
        assert!(one().write(put.path(), "data"));
        for (name, value) in [
            ("checksum.adler32", "deadbeef"),
            ("checksum.stamp", "4:0"),
            ("migrated", "1"),
            ("pinned", "99999999999"),
            ("put", "00000000-0000-4000-8000-000000000000.0"),
        ] {
            let set =
                one().sh(&format!("setfattr -n user.storm.{name} -v {value} \"$1\""), put.path());
            assert!(set.ok, "{}", set.err);
        }
        grid.put_done(&put).await.expect("SRM_SUCCESS");
        let shown = || {
            let shown = service().sh("getfattr -d \"$1\"", &grid.disk(path));
            String::from_utf8(shown.out).unwrap()
        };
        // What the mover wrote gets its checksum afterwards, from its bytes.
        let sum = format!("user.storm.checksum.adler32=\"{}\"", adler32(b"data"));
        assert!(wait_until(Duration::from_secs(10), || shown().contains(&sum)));
        let shown = shown();
        let names: Vec<&str> = shown.lines().filter(|line| line.starts_with("user.")).collect();
        let mark = format!("user.storm.put=\"{}.0\"", put.token);
        assert!(names.contains(&mark.as_str()) && names.len() == 3, "{shown}");
        assert!(!shown.contains("checksum.stamp=\"4:0\""), "{shown}");
        let set = one().sh("setfattr -n user.storm.migrated -v 1 \"$1\"", &grid.disk(path));
        assert!(!set.ok, "{path}");
    }
}

#[tokio::test]
async fn a_hard_link_taken_aside_is_harmless() {
    let movers = Movers::new();
    let grid = &movers.grid;
    for path in ["/jit/f", "/aot/f"] {
        let put = grid.put(path, "file", "").await;
        assert!(one().write(put.path(), "data"));
        let aside = grid.storm.dir().join("areas").join(format!("aside{}", &path[1..4]));
        std::fs::create_dir(&aside).unwrap();
        open(&aside.display().to_string());
        let link = aside.join("own").display().to_string();
        // Some kernels forbid it (fs.protected_hardlinks): it may write the file, so they do not.
        let linked = one().sh(&format!("ln \"$1\" '{link}'"), put.path());
        assert!(linked.ok, "{}", linked.err);
        // Open by its other name: a writer all the same.
        let script = "exec 3>>\"$1\"; touch \"$1.open\"; sleep 1; printf more >&3";
        let mut writer = one().command("sh");
        let mut writer = writer.args(["-c", script, "sh", &link]).spawn().unwrap();
        let ready = || std::fs::exists(format!("{link}.open")).unwrap();
        assert!(wait_until(Duration::from_secs(10), ready));
        let early = grid.put_done(&put).await;
        assert_eq!(early.file_code(), "SRM_FILE_BUSY", "{}", early.xml);
        assert!(writer.wait().unwrap().success());
        grid.put_done(&put).await.expect("SRM_SUCCESS");
        let published = std::fs::read(grid.disk(path)).unwrap();
        assert_eq!(published, b"datamore");
        assert!(!one().write(&link, "later"), "{path}");
        assert!(!one().sh("truncate -s 0 \"$1\"", &link).ok, "{path}");
        assert!(!one().sh("setfattr -n user.storm.migrated -v 1 \"$1\"", &link).ok, "{path}");
        assert!(!one().sh("chmod 0666 \"$1\"", &link).ok, "{path}");
        assert_eq!(std::fs::read(grid.disk(path)).unwrap(), published, "{path}");
        // And the next put over it is another file.
        let over = grid.put(path, "file", ALWAYS).await;
        assert!(one().write(over.path(), "new"));
        grid.put_done(&over).await.expect("SRM_SUCCESS");
        assert_eq!(std::fs::read(grid.disk(path)).unwrap(), b"new");
        assert_eq!(std::fs::read(&link).unwrap(), published);
    }
}
