//! What group commit is worth: 64 callers who each want their request durable, beside one bare
//! connection that writes batches of 64 and waits for no disk (synchronous=NORMAL).
//!
//! Bounds: at most 1 commit per 16 submits, and at least 0.4 of the bare rate. Run it on the disk
//! that is meant: `STORE_BENCH_DIR` names a directory, else the temporary one is taken.

mod support;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use stormd::model::{FileKey, FileState, RelPath, RequestKind, RequestToken};
use stormd::store::{FileRow, Millis, RequestRow, Store};

use support::{Bounds, median};

const CALLERS: u64 = 64;
const ROUNDS: u64 = 100;
const REPEATS: usize = 5;
const MOST_COMMITS_PER_SUBMIT: f64 = 1.0 / 16.0;
const LEAST_OF_BARE: f64 = 0.4;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<ExitCode> {
    let base = std::env::var_os("STORE_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    println!("{CALLERS} callers, {ROUNDS} submits each, {REPEATS} times, below {}", base.display());
    let mut shares = Vec::new();
    let mut ratios = Vec::new();
    for _ in 0..REPEATS {
        // In turn, so that a disk that slows down slows both.
        let (store_time, commits) = grouped(tempfile::tempdir_in(&base)?.path())?;
        let bare_time = bare(tempfile::tempdir_in(&base)?.path())?;
        let submits = (CALLERS * ROUNDS) as f64;
        shares.push(commits as f64 / submits);
        ratios.push(bare_time.as_secs_f64() / store_time.as_secs_f64());
        println!(
            "store {:8.0} submits/s ({commits} commits), bare {:8.0} submits/s",
            submits / store_time.as_secs_f64(),
            submits / bare_time.as_secs_f64(),
        );
    }
    let (alone, sync) = (one_caller(tempfile::tempdir_in(&base)?.path())?, sync_time(&base)?);
    println!("one caller: {alone:?} per submit; one fdatasync of 4 KiB: {sync:?}");
    let (share, ratio) = (median(&mut shares), median(&mut ratios));
    let mut bounds = Bounds::default();
    bounds.at_most("commits per submit", share, MOST_COMMITS_PER_SUBMIT);
    bounds.at_least("submits against bare batches", ratio, LEAST_OF_BARE);
    Ok(bounds.exit_code())
}

fn grouped(dir: &Path) -> Outcome<(Duration, u64)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let store = Store::open(&dir.join("storm.db"), "bench")?;
    let started = Instant::now();
    runtime.block_on(async {
        let callers = (0..CALLERS).map(|caller| {
            let store = store.clone();
            tokio::spawn(async move {
                for turn in 0..ROUNDS {
                    let (request, file) = rows(caller * ROUNDS + turn);
                    store.submit(request, vec![file]).await?;
                }
                Ok::<(), stormd::store::StoreError>(())
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await??;
        }
        Ok::<(), Box<dyn Error>>(())
    })?;
    Ok((started.elapsed(), store.commits()))
}

fn one_caller(dir: &Path) -> Outcome<Duration> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let store = Store::open(&dir.join("storm.db"), "bench")?;
    let started = Instant::now();
    runtime.block_on(async {
        for turn in 0..ROUNDS {
            let (request, file) = rows(turn);
            store.submit(request, vec![file]).await?;
        }
        Ok::<(), Box<dyn Error>>(())
    })?;
    Ok(started.elapsed() / ROUNDS as u32)
}

/// The same rows into the same tables, with nothing between the loop and SQLite.
fn bare(dir: &Path) -> Outcome<Duration> {
    let path = dir.join("storm.db");
    // Makes the tables.
    drop(Store::open(&path, "bench")?);
    let connection = Connection::open(&path)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let mut request_row = connection.prepare(
        "INSERT INTO requests (token, owner, kind, user, fqans, created, pin_lifetime, protocols,
             aborted)
         VALUES (?1, 'bench', ?2, ?3, ?4, ?5, ?6, '', 0)",
    )?;
    let mut file_row = connection.prepare(
        "INSERT INTO files (request, n, owner, kind, surl, area, path, state, live, explanation)
         VALUES (?1, ?2, 'bench', ?3, ?4, ?5, ?6, ?7, 1, ?8)",
    )?;
    let started = Instant::now();
    for round in 0..ROUNDS {
        connection.execute_batch("BEGIN")?;
        for caller in 0..CALLERS {
            let (request, file) = rows(caller * ROUNDS + round);
            let key = file.key.ok_or("a file without a key")?;
            request_row.execute((
                request.token.as_str(),
                request.kind.as_str(),
                &request.user,
                r#"["/dteam"]"#,
                request.created.0,
                request.pin_lifetime,
            ))?;
            file_row.execute((
                connection.last_insert_rowid(),
                file.n,
                request.kind.as_str(),
                &file.surl,
                &*key.area,
                key.path.as_str(),
                file.state.as_str(),
                &file.explanation,
            ))?;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(started.elapsed())
}

fn sync_time(base: &Path) -> Outcome<Duration> {
    use std::io::Write;
    let mut file = tempfile::tempfile_in(base)?;
    let started = Instant::now();
    for _ in 0..50 {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
    }
    Ok(started.elapsed() / 50)
}

fn rows(number: u64) -> (RequestRow, FileRow) {
    // As a UUID: no order in it.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (high, low) = (spread >> 32, spread & 0xffff_ffff);
    let token = format!("{high:08x}-0000-4000-8000-0000{low:08x}");
    let path = format!("data/run{:03}/file{number}", number % 100);
    let request = RequestRow {
        fqans: vec!["/dteam".to_owned()],
        pin_lifetime: 14_400,
        ..RequestRow::new(
            RequestToken::parse(&token).unwrap_or_else(|| unreachable!("{token}")),
            RequestKind::Get,
            "/C=IT/O=Test Grid/CN=Test User".to_owned(),
            Millis(1_764_000_000_000),
        )
    };
    let file = FileRow {
        n: 0,
        surl: format!("srm://se.example.org:8444/srm/managerv2?SFN=/dteam/{path}"),
        key: RelPath::parse(&path).ok().map(|path| FileKey { area: Arc::from("DTEAM"), path }),
        state: FileState::Queued,
        code: None,
        explanation: "waits for a worker".to_owned(),
        size: None,
        expected_size: None,
        turl: None,
        expires: None,
        levels: None,
        parent: None,
        source: None,
    };
    (request, file)
}
