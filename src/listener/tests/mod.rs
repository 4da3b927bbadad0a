//! Whole connections over real sockets.

mod gsi;
mod http;
mod limits;
mod support;
mod timeouts;
mod tls;
