//! Local accounts, pools and bans: against LCMAPS itself, between processes, and at a daemon that runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "mapping/accounts.rs"]
mod accounts;
#[path = "mapping/daemon.rs"]
mod daemon;
#[path = "mapping/leases.rs"]
mod leases;
