//! Floods: ten thousand who hold their connection and do nothing, or next to nothing; heads, bodies and XML
//! that are made to cost much; HTTP/2 misused. Others are served meanwhile, memory is bounded, and who
//! misuses a connection loses it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;
#[path = "floods/crowd.rs"]
mod crowd;
#[path = "floods/heads.rs"]
mod heads;
#[path = "floods/two.rs"]
mod two;
#[path = "floods/xml.rs"]
mod xml;

use std::time::Duration;

use common::pinger::Pinger;
use common::scene::Scene;

/// What the others may wait for their answer, on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_millis(100);

/// The same on this machine now.
fn patience(scene: &Scene) -> Duration {
    PATIENCE.max(4 * Pinger::quiet(&scene.voms, scene.storm.ports.srm))
}

/// Others are served while somebody does something, and memory grows by no more than `memory` bytes.
async fn harmless<T>(scene: &Scene, what: &str, memory: u64, work: impl Future<Output = T>) -> T {
    let patience = patience(scene);
    let before = scene.storm.memory();
    scene.storm.forget_peak();
    let others = Pinger::start(&scene.voms, scene.storm.ports.srm);
    // A ping or two without it.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let done = work.await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (p99, grown) = (others.p99(), scene.storm.peak().saturating_sub(before));
    println!("{what}: {} KiB more, srmPing p99 {p99:.1?}", grown >> 10);
    assert!(grown < memory, "{what}: {grown} bytes more");
    assert!(p99 < patience, "{what}: srmPing took {p99:?}");
    done
}
