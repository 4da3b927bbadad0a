//! stormd: a storage resource manager in one process. `ARCHITECTURE.md` draws the floors.
#![deny(unsafe_code)]

pub mod auth;
pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod fsdriver;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod listener;
pub mod model;
pub mod namespace;
pub mod scheduler;
pub mod soap;
pub mod srm;
pub mod store;
pub mod web;
pub mod webdav;
