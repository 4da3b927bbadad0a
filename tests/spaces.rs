//! Reserved spaces, storage types and lifetimes, against the real daemon on a small storage area: every
//! operation on spaces with every code it gives, and what is promised and used, over kills too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "spaces/change.rs"]
mod change;
#[path = "spaces/gfal.rs"]
mod gfal;
#[path = "spaces/kills.rs"]
mod kills;
#[path = "spaces/lifetimes.rs"]
mod lifetimes;
#[path = "spaces/release.rs"]
mod release;
#[path = "spaces/reserve.rs"]
mod reserve;
#[path = "spaces/room.rs"]
mod room;
#[path = "spaces/small.rs"]
mod small;
#[path = "spaces/trees.rs"]
mod trees;
#[path = "spaces/update.rs"]
mod update;
#[allow(dead_code)] // Another suite uses more of it.
#[path = "requests/world.rs"]
mod world;
