//! File systems that share blocks, and copies between file systems.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use crate::common::client::Tls;
use crate::common::disk::Disk;
use crate::common::storm::{Area, Setup, TestStorm};
use crate::common::{adler32, bytes, wire};
use crate::files::SUM;
use crate::world::*;

const SIZE: usize = 64 << 20;

/// Two areas at `/one` and `/two` on that disk.
fn on(disk: &Disk) -> World {
    let area = |name: &'static str, stfn: &'static str| {
        let root = Some(disk.mount.join(stfn));
        Area { name, stfn, vo: None, anonymous: false, root }
    };
    let areas = vec![area("ONE", "one"), area("TWO", "two")];
    let storm = TestStorm::set_up(Setup { areas, ..Setup::default() });
    let user = wire::config(Some("voms"), Tls::Any);
    World { storm, user2: user.clone(), user }
}

/// How many extents of a file are shared, and how many it has (FIEMAP).
fn extents(path: &Path) -> (usize, usize) {
    let done = Command::new("filefrag").arg("-v").arg(path).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).unwrap();
    let all: Vec<&str> = text.lines().filter(|line| line.contains("..")).collect();
    (all.iter().filter(|line| line.contains("shared")).count(), all.len())
}

async fn shares(disk: Disk) {
    let world = on(&disk);
    let content = bytes(SIZE, 7);
    std::fs::write(disk.mount.join("one/f"), &content).unwrap();
    let before = disk.free();
    // Within an area, and from one to another.
    for target in ["/one/copy", "/two/copy"] {
        let pair = (world.storm.surl("/one/f"), world.storm.surl(target));
        let answer = world.copy(&[(&pair.0, &pair.1)], "").await;
        world.copied(token(&answer)).await.expect(SUCCESS);
        let path = disk.mount.join(&target[1..]);
        assert!(std::fs::read(&path).unwrap() == content, "{target} holds other bytes");
        let (shared, all) = extents(&path);
        assert!(all > 0 && shared == all, "{target}: {shared} of {all} extents are shared");
    }
    let used = before.saturating_sub(disk.free());
    assert!(used < 8 << 20, "{used} bytes more are used");
}

#[tokio::test]
async fn btrfs_shares_blocks() {
    shares(Disk::new("mkfs.btrfs", &["-q"], 512, "")).await;
}

#[tokio::test]
async fn xfs_shares_blocks() {
    shares(Disk::new("mkfs.xfs", &["-q", "-m", "reflink=1"], 512, "")).await;
}

#[tokio::test]
async fn from_one_file_system_to_another() {
    let disk = Disk::new("mkfs.xfs", &["-q"], 512, "");
    let world = on(&disk);
    let content = bytes(SIZE, 8);
    world.publish("f", &content, "").await;
    let file = std::fs::File::create(world.disk("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", 300 << 20).unwrap();
    drop(file);
    for name in ["f", "sparse"] {
        let (there, back) = (world.storm.surl(&format!("/one/{name}")), format!("{name}.back"));
        let answer = world.copy(&[(&world.surl(name), &there)], "").await;
        world.copied(token(&answer)).await.expect(SUCCESS);
        let answer = world.copy(&[(&there, &world.surl(&back))], "").await;
        world.copied(token(&answer)).await.expect(SUCCESS);
        let (old, new) = (world.disk(name), world.disk(&back));
        assert!(std::fs::read(&old).unwrap() == std::fs::read(&new).unwrap(), "{name}");
        let blocks = |path: &Path| std::fs::metadata(path).unwrap().blocks();
        assert!(blocks(&new) <= blocks(&old) + 256, "{name}: {} blocks", blocks(&new));
    }
    assert_eq!(world.attribute("f.back", SUM), Some(adler32(&content)));
}
