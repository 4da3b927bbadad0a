//! Whole connections over real sockets.

mod gsi;
mod http;
mod limits;
mod line;
mod support;
mod timeouts;
mod tls;
