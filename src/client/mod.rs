//! stormd as a client: for the command line.

mod admin;

pub use admin::{AdminClient, AdminError};
