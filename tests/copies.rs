//! srmCopy within the site: modes, directories, refusals, stops of every kind, and that no bytes are
//! carried where the file system can share them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "copies/codes.rs"]
mod codes;
#[path = "copies/directories.rs"]
mod directories;
#[path = "copies/disks.rs"]
mod disks;
#[path = "copies/files.rs"]
mod files;
#[allow(dead_code)] // The suite `spaces` uses all of it.
#[path = "spaces/small.rs"]
mod small;
#[path = "copies/spaces.rs"]
mod spaces;
#[path = "copies/stops.rs"]
mod stops;
#[allow(dead_code)] // The suite `requests` uses all of it.
#[path = "requests/world.rs"]
mod world;
