//! What a storage area holds: as the daemon says, and as the disk does.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::TestStorm;
use super::wire::Conn;

/// `GET /space`: of one area.
pub async fn known(storm: &TestStorm, area: &str) -> serde_json::Value {
    let token = std::fs::read_to_string(storm.dir().join("var/admin.token")).unwrap();
    let mut conn = Conn::tcp(storm.ports.admin).await.unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let answer = conn.request("GET", "/space", &[("Authorization", &bearer)], b"").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all: Vec<serde_json::Value> = serde_json::from_str(&answer.text()).unwrap();
    all.into_iter().find(|one| one["area"] == area).unwrap()
}

/// Bytes of the area once it was counted.
pub async fn used(storm: &TestStorm, area: &str) -> u64 {
    for _ in 0..3000 {
        let known = known(storm, area).await;
        if known["scanning"] == false {
            return known["used"].as_u64().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the count does not end");
}

/// Has all areas counted again, with what a test put there behind the daemon's back.
#[track_caller]
pub fn count(storm: &TestStorm) {
    let done = Command::new(env!("CARGO_BIN_EXE_stormd"))
        .arg("--config")
        .arg(storm.dir().join("storm.toml"))
        .args(["admin", "space", "check"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Bytes on disk: regular files that are not hidden.
pub fn held(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let about = entry.path().symlink_metadata().unwrap();
        if entry.file_name().to_str().unwrap().starts_with(".storm.") {
            continue;
        }
        if about.is_dir() {
            bytes += held(&entry.path());
        } else if about.is_file() {
            bytes += about.len();
        }
    }
    bytes
}
