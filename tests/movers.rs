//! Outside movers for real: Debian's GridFTP server and xrootd, and local programs, write and read
//! through TURLs; and what somebody might do with the right to write.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "movers/hostile.rs"]
mod hostile;
#[path = "movers/rounds.rs"]
mod rounds;
