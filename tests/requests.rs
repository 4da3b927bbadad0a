//! Puts and gets over SOAP, with data over https and by movers: every option and every code of the
//! asynchronous operations, against the real daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "requests/checksums.rs"]
mod checksums;
#[path = "requests/ends.rs"]
mod ends;
#[path = "requests/gets.rs"]
mod gets;
#[path = "requests/puts.rs"]
mod puts;
#[path = "requests/restarts.rs"]
mod restarts;
#[path = "requests/rounds.rs"]
mod rounds;
#[path = "requests/spaces.rs"]
mod spaces;
#[path = "requests/tokens.rs"]
mod tokens;
#[path = "requests/world.rs"]
mod world;
