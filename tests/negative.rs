//! What must be refused, a test for each fault: of proxies, of certificates and CAs, of VOMS attributes, of
//! delegation and TLS. The real daemon over real TLS must name cause and remedy; beside each refusal
//! stands the same without the fault, which passes. What no tool makes is forged here. Bans and pools of accounts:
//! suite `mapping`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "negative/certificates.rs"]
mod certificates;
#[path = "negative/clients.rs"]
mod clients;
#[path = "negative/handshake.rs"]
mod handshake;
#[path = "negative/proxies.rs"]
mod proxies;
#[path = "negative/voms.rs"]
mod voms;
#[path = "negative/world.rs"]
mod world;
