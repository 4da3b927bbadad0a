//! What the ACL of a prepare costs, beside one bare getxattr and one bare setxattr of the same file:
//! srmPrepareToGet of a file in a JiT area opens the file, adds the account's entry and reads it
//! again, and looks whether the directory lets it pass; srmPrepareToPut does the same with the ACL of
//! a file it just made, written whole.
//!
//! Bound: at most 3 times the bare pair. `ACL_BENCH_DIR` names a directory on the disk that is meant,
//! else the temporary one is taken.

mod support;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::fs::XattrFlags;
use stormd::fsdriver::{Acl, Driver, Permission, Posix, Subject, dress, grant};
use stormd::model::RelPath;

use support::{Bounds, median};

const FILES: usize = 4000;
const REPEATS: usize = 9;
const MOST: f64 = 3.0;
const ACCESS: &str = "system.posix_acl_access";
const ACCOUNT: Subject = Subject::User(4321);

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
    let base = std::env::var_os("ACL_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    println!("{FILES} files, {REPEATS} times, below {}", base.display());
    let (mut gets, mut puts) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        // In turn, so that a disk that slows down slows all.
        let bare = bare(&base)?;
        let (get, put) = (get(&base)?, put(&base)?);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / FILES as f64;
        println!(
            "bare {:5.2} us, get {:5.2} us, put {:5.2} us per file",
            each(bare),
            each(get),
            each(put)
        );
        gets.push(get.as_secs_f64() / bare.as_secs_f64());
        puts.push(put.as_secs_f64() / bare.as_secs_f64());
    }
    let mut bounds = Bounds::default();
    bounds.at_most("ACL of a get against bare getxattr + setxattr", median(&mut gets), MOST);
    bounds.at_most("ACL of a put against bare getxattr + setxattr", median(&mut puts), MOST);
    Ok(bounds.exit_code())
}

/// An area with a directory of files that have no ACL yet.
fn area(base: &Path) -> Outcome<(tempfile::TempDir, Vec<RelPath>)> {
    let dir = tempfile::tempdir_in(base)?;
    std::fs::create_dir(dir.path().join("d"))?;
    let names = (0..FILES).map(|n| RelPath::parse(&format!("d/{n}")));
    let names: Vec<RelPath> = names.collect::<Result<_, _>>()?;
    for name in &names {
        std::fs::write(dir.path().join(name.as_str()), b"x")?;
    }
    Ok((dir, names))
}

fn bare(base: &Path) -> Outcome<Duration> {
    let (dir, names) = area(base)?;
    let probe = Posix::open(dir.path(), Vec::new())?;
    grant(&probe, &probe.open(&names[0])?, [(ACCOUNT, Permission::READ)])?;
    let mut value = [0_u8; 256];
    let size = rustix::fs::getxattr(dir.path().join(names[0].as_str()), ACCESS, &mut value)?;
    let value = &value[..size];
    let started = Instant::now();
    for name in &names[1..] {
        let path = dir.path().join(name.as_str());
        // No ACL yet: an error that says so.
        let _ = rustix::fs::getxattr(&path, ACCESS, &mut [0_u8; 256]);
        rustix::fs::setxattr(&path, ACCESS, value, XattrFlags::empty())?;
    }
    Ok(started.elapsed())
}

fn get(base: &Path) -> Outcome<Duration> {
    let (dir, names) = area(base)?;
    let driver = Posix::open(dir.path(), Vec::new())?;
    let started = Instant::now();
    for name in &names {
        let directory = driver.open_directory(&name.parent().ok_or("no parent")?)?;
        grant(&driver, &directory, [(ACCOUNT, Permission::TRAVERSE)])?;
        let now = grant(&driver, &driver.open(name)?, [(ACCOUNT, Permission::READ)])?;
        assert!(now.effective(ACCOUNT).contains(Permission::READ));
    }
    Ok(started.elapsed())
}

fn put(base: &Path) -> Outcome<Duration> {
    let (dir, names) = area(base)?;
    let driver = Posix::open(dir.path(), Vec::new())?;
    let mut acl = Acl::of_mode(0o660);
    acl.set(ACCOUNT, Some(Permission::READ_WRITE));
    let started = Instant::now();
    for name in &names {
        let directory = driver.open_directory(&name.parent().ok_or("no parent")?)?;
        grant(&driver, &directory, [(ACCOUNT, Permission::TRAVERSE)])?;
        dress(&driver, &driver.open(name)?, &acl)?;
    }
    Ok(started.elapsed())
}
