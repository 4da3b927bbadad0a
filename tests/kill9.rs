//! `kill -9` in the middle of 200 concurrent puts, ten times. What was acknowledged must hold: a
//! token that a client has seen can still be asked about, a file whose srmPutDone was answered is
//! there with its bytes; and when the rest is aborted nothing is left: no hidden file, no busy SURL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::client::Tls;
use common::soap::{self, Answer};
use common::wire::{self, Conn};
use common::{TestStorm, bytes, leftovers};
use rustls::ClientConfig;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const ROUNDS: usize = 10;
const PUTS: usize = 200;
/// How long a client that stopped halfway keeps its connection, at most.
const HOLD: Duration = Duration::from_secs(60);
/// Connections that ask afterwards.
const ASKERS: usize = 8;

/// How far a put had come when its client last heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// The token was received.
    Acked,
    /// The PUT was answered with 2xx.
    Stored,
    /// srmPutDone was sent, and no answer came: either outcome is right.
    DoneSent,
    /// srmPutDone was answered with success.
    Done,
}

/// One put, as its client knows it.
#[derive(Clone, Debug)]
struct Put {
    surl: String,
    disk: PathBuf,
    token: String,
    phase: Phase,
    content: Vec<u8>,
}

/// What all puts of a round tell.
#[derive(Default)]
struct Round {
    puts: Mutex<BTreeMap<usize, Put>>,
    acked: AtomicUsize,
    stored: AtomicUsize,
    done: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost() {
    let started = Instant::now();
    let config = wire::config(Some("voms"), Tls::Any);
    let mut storm = TestStorm::start();
    let (mut acked, mut answered, mut left, mut busy, mut done) = (0, 0, 0, 0, 0);
    for number in 0..ROUNDS {
        let puts = one_round(&mut storm, &config, number).await;
        let phases = |p: Phase| puts.iter().filter(|put| put.phase == p).count();
        assert!(phases(Phase::Done) < PUTS, "round {number}: the kill came after the last put");
        let seen = judge(&storm, &config, &puts).await;
        println!(
            "round {number}: {} acked, {} stored, {} in doubt, {} done; {} answered, {} left, {} busy",
            puts.len(),
            phases(Phase::Stored),
            phases(Phase::DoneSent),
            phases(Phase::Done),
            seen.answered,
            seen.leftovers.len(),
            seen.busy.len()
        );
        let few = &seen.wrong[..seen.wrong.len().min(10)];
        assert!(few.is_empty(), "round {number}: {} wrong:\n{}", seen.wrong.len(), few.join("\n"));
        assert!(seen.leftovers.is_empty(), "round {number}: left behind: {:?}", seen.leftovers);
        assert!(seen.busy.is_empty(), "round {number}: still busy: {:?}", seen.busy);
        acked += puts.len();
        answered += seen.answered;
        left += seen.leftovers.len();
        busy += seen.busy.len();
        done += phases(Phase::Done);
    }
    println!("acked={acked} answered={answered} leftovers={left} busy={busy}");
    println!("{done} done, {:.1} s", started.elapsed().as_secs_f64());
    assert_eq!(acked, answered);
    // A run in which no put was done, or none was caught halfway, would have shown nothing.
    assert!(done > 0 && done < acked, "{done} of {acked} done");
}

/// 200 puts at once, killed in the middle: in the first rounds when so many tokens are out, then
/// when so many files are stored, then when so many are done. Started again at the end.
async fn one_round(storm: &mut TestStorm, config: &Arc<ClientConfig>, number: usize) -> Vec<Put> {
    let dir = storm.root("test.vo").join(format!("r{number}"));
    std::fs::create_dir(&dir).unwrap();
    let round = Arc::new(Round::default());
    let barrier = Arc::new(Barrier::new(PUTS + 1));
    let mut tasks = JoinSet::new();
    for n in 0..PUTS {
        let surl = storm.surl(&format!("/test.vo/r{number}/f{n}"));
        let size = [0, 1, 100, 70_000][n % 4];
        let put = Put {
            surl,
            disk: dir.join(format!("f{n}")),
            token: String::new(),
            phase: Phase::Acked,
            content: bytes(size, (number * PUTS + n) as u64 + 1),
        };
        let (round, barrier) = (Arc::clone(&round), Arc::clone(&barrier));
        let (config, port) = (Arc::clone(config), storm.ports.srm);
        tasks.spawn(async move {
            let conn = Conn::tls(&config, port).await;
            barrier.wait().await;
            // When the daemon dies every client gets an error: that ends it.
            if let Ok(conn) = conn {
                let _ = cycle(conn, &config, n, put, &round).await;
            }
        });
    }
    barrier.wait().await;
    let (counter, least) = match number {
        0..3 => (&round.acked, 20 + 70 * number),
        3..6 => (&round.stored, 10 + 60 * (number - 3)),
        _ => (&round.done, 5 + 35 * (number - 6)),
    };
    let end = Instant::now() + Duration::from_secs(60);
    while counter.load(Ordering::Relaxed) < least {
        let wrong = round.wrong.lock().unwrap().first().cloned();
        assert!(wrong.is_none(), "round {number}: {}", wrong.unwrap_or_default());
        assert!(Instant::now() < end, "round {number}: too few puts came through");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    storm.kill9();
    while tasks.join_next().await.is_some() {}
    storm.restart();
    let wrong = round.wrong.lock().unwrap().clone();
    assert!(wrong.is_empty(), "round {number}: {}", wrong.join("\n"));
    let puts = round.puts.lock().unwrap();
    puts.values().cloned().collect()
}

async fn cycle(
    mut conn: Conn,
    config: &Arc<ClientConfig>,
    n: usize,
    mut put: Put,
    round: &Round,
) -> io::Result<()> {
    let tell = |put: &Put| round.puts.lock().unwrap().insert(n, put.clone());
    let wrong = |what: String| round.wrong.lock().unwrap().push(what);
    let inner = soap::prepare_to_put(&[&put.surl], Some(put.content.len() as u64));
    let mut answer = soap::call(&mut conn, "srmPrepareToPut", &inner).await?;
    let Some(token) = answer.token.clone() else {
        wrong(format!("no token for {}: {}", put.surl, answer.xml));
        return Ok(());
    };
    put.token = token;
    tell(&put);
    round.acked.fetch_add(1, Ordering::Relaxed);
    let turl = loop {
        match answer.files.first().and_then(|f| f.turl.clone()) {
            Some(turl) => break turl,
            None if waits(&answer) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let inner = soap::token(&put.token);
                answer = soap::call(&mut conn, "srmStatusOfPutRequest", &inner).await?;
            }
            None => {
                wrong(format!("no TURL for {}: {}", put.surl, answer.xml));
                return Ok(());
            }
        }
    };
    // Some clients get no further: what they leave must be there to abort.
    if n.is_multiple_of(7) {
        conn.closed_within(HOLD).await;
        return Ok(());
    }
    let (port, path) = wire::split_url(&turl);
    let stored = Conn::tls(config, port).await?.request("PUT", &path, &[], &put.content).await?;
    if !(200..300).contains(&stored.status) {
        wrong(format!("PUT {path}: {} {}", stored.status, stored.text()));
        return Ok(());
    }
    put.phase = Phase::Stored;
    tell(&put);
    round.stored.fetch_add(1, Ordering::Relaxed);
    if n.is_multiple_of(5) {
        conn.closed_within(HOLD).await;
        return Ok(());
    }
    put.phase = Phase::DoneSent;
    tell(&put);
    let inner = soap::token(&put.token) + &soap::surls(&[&put.surl]);
    let answer = soap::call(&mut conn, "srmPutDone", &inner).await?;
    if answer.code != "SRM_SUCCESS" || answer.file_code() != "SRM_SUCCESS" {
        wrong(format!("srmPutDone of {}: {}", put.surl, answer.xml));
        return Ok(());
    }
    put.phase = Phase::Done;
    tell(&put);
    round.done.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

fn waits(answer: &Answer) -> bool {
    matches!(answer.code.as_str(), "SRM_REQUEST_QUEUED" | "SRM_REQUEST_INPROGRESS")
}

/// What is found after the restart.
#[derive(Default)]
struct Seen {
    /// Tokens that were answered with the request's state.
    answered: usize,
    leftovers: Vec<String>,
    busy: Vec<String>,
    wrong: Vec<String>,
}

async fn judge(storm: &TestStorm, config: &Arc<ClientConfig>, puts: &[Put]) -> Seen {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let queue = Arc::new(Mutex::new(puts.to_vec()));
    let mut tasks = JoinSet::new();
    for _ in 0..ASKERS {
        let (seen, queue) = (Arc::clone(&seen), Arc::clone(&queue));
        let (config, port) = (Arc::clone(config), storm.ports.srm);
        tasks.spawn(async move {
            let mut conn = Conn::tls(&config, port).await.unwrap();
            loop {
                let Some(put) = queue.lock().unwrap().pop() else { break };
                let told = after(&mut conn, &put).await.unwrap();
                let mut seen = seen.lock().unwrap();
                match told {
                    Ok(()) => seen.answered += 1,
                    Err(why) => {
                        let Put { surl, phase, token, .. } = &put;
                        let line = format!("{surl} {token} ({phase:?}): {why}");
                        seen.wrong.push(line.chars().take(1500).collect());
                    }
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let mut seen = Arc::into_inner(seen).unwrap().into_inner().unwrap();
    let mut conn = Conn::tls(config, storm.ports.srm).await.unwrap();
    let all: Vec<&str> = puts.iter().map(|p| p.surl.as_str()).collect();
    let answer = soap::call(&mut conn, "srmLs", &soap::surls(&all)).await.unwrap();
    assert_eq!(answer.files.len(), all.len(), "{}", answer.xml);
    let busy = answer.files.iter().filter(|f| f.code == "SRM_FILE_BUSY");
    seen.busy = busy.map(|f| f.surl.clone()).collect();
    // A busy SURL would refuse a new put: what is not there must take one.
    let free: Vec<&Put> = puts.iter().filter(|p| !p.disk.exists()).collect();
    if !free.is_empty() {
        let surls: Vec<&str> = free.iter().map(|p| p.surl.as_str()).collect();
        let inner = soap::prepare_to_put(&surls, None);
        let mut answer = soap::call(&mut conn, "srmPrepareToPut", &inner).await.unwrap();
        let token = answer.token.clone().expect("a token");
        while waits(&answer) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let inner = soap::token(&token);
            answer = soap::call(&mut conn, "srmStatusOfPutRequest", &inner).await.unwrap();
        }
        assert_eq!(answer.files.len(), free.len(), "{}", answer.xml);
        let refused = answer.files.iter().filter(|f| f.code != "SRM_SPACE_AVAILABLE");
        seen.busy.extend(refused.map(|f| format!("{} {}", f.surl, f.code)));
        soap::call(&mut conn, "srmAbortRequest", &soap::token(&token)).await.unwrap();
    }
    seen.leftovers = leftovers(&storm.root("test.vo"));
    seen
}

/// Asks for one put after the restart, and aborts it where it is not done.
async fn after(conn: &mut Conn, put: &Put) -> io::Result<Result<(), String>> {
    let status = soap::call(conn, "srmStatusOfPutRequest", &soap::token(&put.token)).await?;
    let code = status.file_code().to_owned();
    let known = !status.files.is_empty() && status.files[0].surl == put.surl;
    if !known
        || matches!(status.code.as_str(), "FAULT" | "SRM_INVALID_REQUEST" | "SRM_INTERNAL_ERROR")
    {
        return Ok(Err(format!("the token is not known any more: {}", status.xml)));
    }
    let whole = || std::fs::read(&put.disk).is_ok_and(|bytes| bytes == put.content);
    if put.phase == Phase::Done {
        if code != "SRM_SUCCESS" {
            return Ok(Err(format!("srmPutDone was answered, now it is {code}: {}", status.xml)));
        }
        return Ok(if whole() { Ok(()) } else { Err("the file is gone or wrong".to_owned()) });
    }
    let wanted: &[&str] = match put.phase {
        Phase::DoneSent => &["SRM_SPACE_AVAILABLE", "SRM_SUCCESS"],
        _ => &["SRM_SPACE_AVAILABLE", "SRM_REQUEST_QUEUED", "SRM_REQUEST_INPROGRESS"],
    };
    if !wanted.contains(&code.as_str()) {
        return Ok(Err(format!("{code} where one of {wanted:?} is right: {}", status.xml)));
    }
    if code == "SRM_SUCCESS" {
        return Ok(if whole() { Ok(()) } else { Err("done, and the bytes are wrong".to_owned()) });
    }
    if put.disk.exists() {
        return Ok(Err("not done, and yet there is a file".to_owned()));
    }
    let aborted = soap::call(conn, "srmAbortRequest", &soap::token(&put.token)).await?;
    if aborted.code != "SRM_SUCCESS" {
        return Ok(Err(format!("srmAbortRequest: {}", aborted.xml)));
    }
    Ok(Ok(()))
}
