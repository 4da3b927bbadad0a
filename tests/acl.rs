//! ACLs on disk: what a local account may do with a TURL, before it and after it. Proven by becoming
//! the account, and reading and writing, or failing to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "acl/aot.rs"]
mod aot;
#[path = "acl/jit.rs"]
mod jit;
#[path = "acl/leases.rs"]
mod leases;
#[path = "acl/refusals.rs"]
mod refusals;
