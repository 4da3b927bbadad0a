//! 2,000 clients at once, each on a new GSI connection: TCP, the handshake with a VOMS proxy, the byte
//! `0`, one srmPing and its answer; at the real stormd with its default settings, and at a bare
//! mutual-TLS echo that sees to it that the client has its key, and to nothing else. Nobody may be
//! refused, nothing may fail, and the 99th of a hundred may wait at most 1.5 times as long.
//!
//! The same clients drive both, in turns; what is told are medians over the turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A bench may die.

#[path = "support/bare.rs"]
mod bare;
#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;

use bare::Bare;
use common::client::Tls;
use common::wire::{self, Conn};
use common::{TestStorm, soap};
use support::{Bounds, median};

const CLIENTS: usize = 2000;
const TURNS: usize = 5;
const MOST_OF_ECHO: f64 = 1.5;

fn main() -> ExitCode {
    if let Some(code) = bare::serve_if_asked() {
        return code;
    }
    support::raise_open_files();
    let storm = TestStorm::start();
    let config = wire::config(Some("voms"), Tls::V13);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(one(&config, storm.ports.srm)).unwrap();
    let bare = Bare::start(answer);

    let mut failures = Vec::new();
    let mut burst = |port| {
        let (mut times, failed) = runtime.block_on(all_at_once(&config, port));
        failures.extend(failed);
        times.sort_by(f64::total_cmp);
        let of = |percent: usize| times.get(times.len() * percent / 100).copied();
        [of(50), of(99)].map(|time| time.unwrap_or(f64::NAN))
    };
    burst(bare.mutual);
    burst(storm.ports.srm);
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let (one, other) = (burst(storm.ports.srm), burst(bare.mutual));
        println!(
            "stormd: median {:.2} s, p99 {:.2} s; bare echo: median {:.2} s, p99 {:.2} s",
            one[0], one[1], other[0], other[1]
        );
        ours.push(one[1]);
        theirs.push(other[1]);
        ratios.push(one[1] / other[1]);
    }
    println!("p99: stormd {:.2} s, bare echo {:.2} s", median(&mut ours), median(&mut theirs));
    for failure in failures.iter().take(5) {
        println!("failure: {failure}");
    }
    let mut bounds = Bounds::default();
    let name = format!("failures of {CLIENTS} new connections at once");
    bounds.at_most(&name, failures.len() as f64, 0.0);
    let metrics = wire::plain_get(storm.ports.admin, "/metrics").unwrap().text();
    let refused = metrics.lines().filter(|line| {
        line.starts_with("stormd_connections_refused_total{")
            || line.starts_with("stormd_tls_handshake_failures_total{")
    });
    bounds.at_most("refused or broken off by stormd", refused.count() as f64, 0.0);
    let name = format!("p99 of {CLIENTS} new connections against an echo's");
    bounds.at_most(&name, median(&mut ratios), MOST_OF_ECHO);
    bounds.exit_code()
}

/// What each client had to wait, in seconds, and what failed.
async fn all_at_once(config: &Arc<ClientConfig>, port: u16) -> (Vec<f64>, Vec<String>) {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let config = Arc::clone(config);
            tokio::spawn(async move {
                let begun = Instant::now();
                one(&config, port).await.map(|_| begun.elapsed().as_secs_f64())
            })
        })
        .collect();
    let (mut times, mut failures) = (Vec::new(), Vec::new());
    for client in clients {
        match client.await.unwrap() {
            Ok(time) => times.push(time),
            Err(error) => failures.push(error.to_string()),
        }
    }
    (times, failures)
}

/// One client from its connection to its answer, whose length it gives.
async fn one(config: &Arc<ClientConfig>, port: u16) -> std::io::Result<usize> {
    let mut conn = Conn::tls(config, port).await?;
    conn.send(b"0").await?;
    let ping = soap::envelope("srmPing", "");
    let headers = [("content-type", "text/xml; charset=utf-8"), ("soapaction", "\"\"")];
    let answer = conn.request("POST", "/srm/managerv2", &headers, ping.as_bytes()).await?;
    match answer.status {
        200 => Ok(answer.body.len()),
        other => Err(std::io::Error::other(format!("HTTP {other}"))),
    }
}
