//! 200 clients at once, each on connections that it keeps: srmLs, then a put from srmPrepareToPut to
//! srmPutDone and its data by https, then srmRm, for 20 s against the real stormd with its default
//! settings. Nothing may fail, and memory must not grow without end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A bench may die.

#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use common::client::Tls;
use common::wire::Conn;
use common::{TestStorm, leftovers, soap, wire};
use support::Bounds;

const CLIENTS: usize = 200;
const TIME: Duration = Duration::from_secs(20);
/// In each client's directory.
const FILES: usize = 20;
const DATA: usize = 4096;
/// Of resident memory, in MB.
const MOST_MEMORY: f64 = 256.0;
/// Resident memory at the end, beside that of the half.
const MOST_GROWTH: f64 = 1.25;

/// Each operation's times in ms.
type Times = BTreeMap<&'static str, Vec<f64>>;

fn main() -> ExitCode {
    let storm = Arc::new(TestStorm::start());
    for client in 0..CLIENTS {
        let dir = storm.root("test.vo").join(format!("c{client}"));
        std::fs::create_dir(&dir).unwrap();
        for file in 0..FILES {
            std::fs::write(dir.join(format!("f{file}")), "x").unwrap();
        }
    }
    let config = wire::config(Some("voms"), Tls::Any);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let at_start = megabytes(&storm);
    let (times, failures, at_half) = runtime.block_on(load(&storm, &config));
    let at_end = megabytes(&storm);

    for (operation, mut times) in times {
        times.sort_by(f64::total_cmp);
        let of = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        let per_second = times.len() as f64 / TIME.as_secs_f64();
        println!(
            "{operation:16} {per_second:7.0}/s  median {:6.1} ms  p99 {:6.1} ms  longest {:6.1} ms",
            of(0.5),
            of(0.99),
            of(1.0)
        );
    }
    println!(
        "resident: {at_start:.0} MB at start, {at_half:.0} after half, {at_end:.0} at the end"
    );
    for failure in failures.iter().take(5) {
        println!("failure: {failure}");
    }
    let mut bounds = Bounds::default();
    bounds.at_most("failures under load", failures.len() as f64, 0.0);
    bounds.at_most(
        "puts left over after load",
        leftovers(&storm.root("test.vo")).len() as f64,
        0.0,
    );
    bounds.at_most("resident MB under load", at_end, MOST_MEMORY);
    bounds.at_most("resident at the end beside half time", at_end / at_half, MOST_GROWTH);
    bounds.exit_code()
}

fn megabytes(storm: &TestStorm) -> f64 {
    storm.memory() as f64 / 1e6
}

/// What each operation took, what failed, and the resident memory at half time.
async fn load(storm: &Arc<TestStorm>, config: &Arc<ClientConfig>) -> (Times, Vec<String>, f64) {
    let end = Instant::now() + TIME;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (storm, config) = (Arc::clone(storm), Arc::clone(config));
            tokio::spawn(async move {
                let mut times = Times::new();
                let result = client(&storm, &config, number, end, &mut times).await;
                (times, result)
            })
        })
        .collect();
    tokio::time::sleep(TIME / 2).await;
    let at_half = megabytes(storm);
    let (mut all, mut failures) = (Times::new(), Vec::new());
    for client in clients {
        let (times, result) = client.await.unwrap();
        for (operation, mut times) in times {
            all.entry(operation).or_default().append(&mut times);
        }
        failures.extend(result.err());
    }
    (all, failures, at_half)
}

/// One client until `end`, or until something fails.
async fn client(
    storm: &TestStorm,
    config: &Arc<ClientConfig>,
    number: usize,
    end: Instant,
    times: &mut Times,
) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mut srm = Conn::tls(config, storm.ports.srm).await.map_err(text)?;
    let mut https = Conn::tls(config, storm.ports.https).await.map_err(text)?;
    let directory = storm.surl(&format!("/test.vo/c{number}"));
    let list = soap::surls(&[&directory]);
    let data = common::bytes(DATA, number as u64);
    for turn in 0.. {
        if Instant::now() > end {
            break;
        }
        let surl = format!("{directory}/new{turn}");
        ask(&mut srm, "srmLs", &list, "SRM_SUCCESS", times).await?;
        let put = soap::prepare_to_put(&[&surl], Some(DATA as u64));
        let put = ask(&mut srm, "srmPrepareToPut", &put, "SRM_SPACE_AVAILABLE", times).await?;
        let (token, turl) = put.token.zip(put.files[0].turl.clone()).ok_or("no token or TURL")?;
        let started = Instant::now();
        let (_, path) = wire::split_url(&turl);
        let answer = https.request("PUT", &path, &[], &data).await.map_err(text)?;
        took("PUT", started, times);
        if answer.status != 201 {
            return Err(format!("PUT: {} {}", answer.status, answer.text()));
        }
        let done = soap::token(&token) + &soap::surls(&[&surl]);
        ask(&mut srm, "srmPutDone", &done, "SRM_SUCCESS", times).await?;
        ask(&mut srm, "srmRm", &soap::surls(&[&surl]), "SRM_SUCCESS", times).await?;
    }
    Ok(())
}

async fn ask(
    conn: &mut Conn,
    operation: &'static str,
    inner: &str,
    code: &str,
    times: &mut Times,
) -> Result<soap::Answer, String> {
    let started = Instant::now();
    let answer =
        soap::call(conn, operation, inner).await.map_err(|e| format!("{operation}: {e}"))?;
    took(operation, started, times);
    if answer.file_code() != code {
        return Err(format!("{operation}: {} {}", answer.file_code(), answer.file_explanation()));
    }
    Ok(answer)
}

fn took(operation: &'static str, started: Instant, times: &mut Times) {
    times.entry(operation).or_default().push(started.elapsed().as_secs_f64() * 1e3);
}
