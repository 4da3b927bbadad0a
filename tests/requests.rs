//! Puts and gets over SOAP, with data over https and by movers: every option and every code of the
//! asynchronous operations, against the real daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "requests/asks.rs"]
mod asks;
#[path = "requests/checksums.rs"]
mod checksums;
#[path = "requests/compared.rs"]
mod compared;
#[path = "requests/directories.rs"]
mod directories;
#[path = "requests/ends.rs"]
mod ends;
#[path = "requests/extends.rs"]
mod extends;
#[path = "requests/fairness.rs"]
mod fairness;
#[path = "requests/gets.rs"]
mod gets;
#[path = "requests/online.rs"]
mod online;
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
