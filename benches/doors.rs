//! What the SRM door costs beside TLS and HTTP alone: srmPing at the real stormd, a process of its
//! own with its default settings and its log in a file, and at a bare server, a process of its own
//! too (this program once more), that does nothing but echo.
//!
//! - Kept-alive connections, against axum behind the same TLS configuration: at least 0.70 of its
//!   requests per second.
//! - New GSI connections (handshake with a proxy chain of three RSA-2048 certificates or a VOMS
//!   proxy, the byte `0`, one srmPing), against a server that asks for the chain, looks at none of
//!   it and speaks no real HTTP: at most 1.25 of its time.
//!
//! The same client sends the same bytes to both, and both answers have the same length. They take
//! turns of a fraction of a second; what is told are medians, and the median of the turns' ratios.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A bench may die.

#[path = "support/bare.rs"]
mod bare;
#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use bare::Bare;
use common::client::Tls;
use common::{TestStorm, soap, wire};
use support::{Bounds, Client, median, rate};

const LEAST_OF_ECHO: f64 = 0.70;
const MOST_OF_HANDSHAKE: f64 = 1.25;

/// Threads of clients, and kept-alive connections of each.
const THREADS: usize = 2;
const KEPT: usize = 16;
/// Threads that open connections.
const OPENERS: usize = 4;
const TURN: Duration = Duration::from_millis(300);
const TURNS: usize = 21;

fn main() -> ExitCode {
    if let Some(code) = bare::serve_if_asked() {
        return code;
    }
    let storm = TestStorm::start();
    let request = support::post(&soap::envelope("srmPing", ""));
    let person = wire::config(Some("rfc2"), Tls::Any);
    let answer = {
        let mut client = Client::connect(&person, storm.ports.srm).unwrap();
        let (status, body) = client.ask(&request).unwrap();
        assert!(status == 200 && body.windows(6).any(|six| six == b"stormd"));
        body.len()
    };
    let bare = Bare::start(answer);
    println!("srmPing: {} bytes, answered with a body of {answer}", request.len());

    let mut bounds = Bounds::default();
    let (mut ours, mut theirs) = (kept(&person, storm.ports.srm), kept(&person, bare.echo));
    let ping = |clients: &mut Vec<Client>| all_at_once(clients, &request);
    let [ping_rate, echo_rate, ratio] =
        take_turns(|| rate(&mut ours, TURN, ping), || rate(&mut theirs, TURN, ping));
    println!(
        "{THREADS} times {KEPT} kept-alive connections: srmPing {ping_rate:.0}/s, echo {echo_rate:.0}/s"
    );
    bounds.at_least("srmPing rate against an axum echo", ratio, LEAST_OF_ECHO);
    drop((ours, theirs));

    for (kind, tls) in [("rfc2", Tls::V13), ("rfc2", Tls::V12), ("voms", Tls::V13)] {
        let config = wire::config(Some(kind), tls);
        let open = |port: u16| {
            rate(&mut [(); OPENERS], TURN, |()| {
                let mut client = Client::connect(&config, port)?;
                client.gsi()?;
                client.ask(&request)?;
                client.close();
                Ok(1)
            })
        };
        let [ours, theirs, ratio] = take_turns(|| open(storm.ports.srm), || open(bare.handshake));
        let each = |rate: f64| OPENERS as f64 / rate * 1e3;
        println!(
            "{kind} proxy, {}, {OPENERS} at a time: stormd {:.2} ms, bare rustls {:.2} ms",
            tls.name(),
            each(ours),
            each(theirs)
        );
        let name = format!("new connection's time, {kind} {}", tls.name());
        bounds.at_most(&name, 1.0 / ratio, MOST_OF_HANDSHAKE);
    }
    bounds.exit_code()
}

/// Median of the one, median of the other, median of one by the other.
fn take_turns(mut one: impl FnMut() -> f64, mut other: impl FnMut() -> f64) -> [f64; 3] {
    one();
    other();
    let (mut ones, mut others): (Vec<_>, Vec<_>) = (0..TURNS).map(|_| (one(), other())).unzip();
    let mut ratios: Vec<f64> = ones.iter().zip(&others).map(|(one, other)| one / other).collect();
    [median(&mut ones), median(&mut others), median(&mut ratios)]
}

fn kept(config: &Arc<ClientConfig>, port: u16) -> Vec<Vec<Client>> {
    let connect = |_| Client::connect(config, port).unwrap();
    (0..THREADS).map(|_| (0..KEPT).map(connect).collect()).collect()
}

/// A request on each connection, then the answers: the last first, so that the client sleeps while
/// the server works, and does not push it from its core for every answer.
fn all_at_once(clients: &mut [Client], request: &[u8]) -> io::Result<u32> {
    for client in &mut *clients {
        client.send(request)?;
    }
    for client in clients.iter_mut().rev() {
        client.answer()?;
    }
    Ok(clients.len() as u32)
}
