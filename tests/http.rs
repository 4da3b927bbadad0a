//! HTTP whole, against the real daemon: every shape of a PUT over HTTP/1.1 and 2, what a client that
//! hangs up leaves, parts of files beside what SRM knows of them, checksums in every form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

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

use common::scene::Scene;
use common::wire::{Conn, Response};

/// A request at the https door, with headers.
async fn https(
    scene: &Scene,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
    conn.request(method, target, headers, body).await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.header(name).unwrap_or_default()
}
