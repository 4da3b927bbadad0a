//! HTTP whole, against the real daemon: every shape of a PUT over HTTP/1.1 and 2, what a client that
//! hangs up leaves, parts of files beside what SRM knows of them, checksums in every form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "http/clients.rs"]
mod clients;
#[path = "http/digests.rs"]
mod digests;
#[path = "http/many.rs"]
mod many;
#[path = "http/parts.rs"]
mod parts;
#[path = "http/shapes.rs"]
mod shapes;
#[path = "http/talk.rs"]
mod talk;

use common::wire::Response;

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.header(name).unwrap_or_default()
}
