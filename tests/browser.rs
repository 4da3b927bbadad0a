//! The page of a directory in a real browser: Debian's Chromium without a window, over https. Pictures of what
//! it shows are in target/screenshots.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/reading.rs"]
mod reading;
#[path = "browser/writing.rs"]
mod writing;

mod common;

use std::path::PathBuf;

use common::TestStorm;

/// A daemon where anybody may write to `/open`, and the address of that at its https door.
fn writable() -> (TestStorm, String, PathBuf) {
    let mut storm = TestStorm::start();
    storm.http = "anonymous_write = true".to_owned();
    storm.restart();
    let url = format!("https://localhost:{}/open/", storm.ports.https);
    let root = storm.root("open");
    (storm, url, root)
}
