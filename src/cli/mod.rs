//! The command line: arguments, logging, exit codes.

mod admin;
mod app_password;
mod ask;
mod authz;
mod format;
mod help;
mod lines;
mod passwd;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use self::admin::Admin;
use self::app_password::AppPasswords;
use self::authz::Authz;
use self::format::Format;
use self::help::Help;
use self::lines::Lines;
use self::passwd::Passwd;
use crate::config::Severity;
use crate::daemon::{self, DaemonError};

/// Exit code of a wrong command line or configuration (clap uses it too).
const USAGE: u8 = 2;

/// How long threads may take to end when all else has.
const LAST_WORK: Duration = Duration::from_secs(3);

/// A storage resource manager: SRM v2.2, https and WebDAV over a POSIX file system.
#[derive(Debug, Parser)]
#[command(name = "stormd", version, about, long_about = None, disable_help_subcommand = true)]
struct Arguments {
    /// The configuration file.
    #[arg(long, short, global = true, default_value = "storm.toml", value_name = "FILE")]
    config: PathBuf,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (what `stormd` alone does).
    Serve,
    /// Tell every problem of the configuration, with file and line, and start nothing.
    Check,
    /// Who may do what, and why.
    #[command(subcommand)]
    Authz(Authz),
    /// To the daemon that runs.
    #[command(subcommand)]
    Admin(Admin),
    /// Give a local user a password, or take it from him.
    Passwd(Passwd),
    /// Passwords for programs and machines, at the daemon that runs.
    #[command(subcommand)]
    AppPassword(AppPasswords),
    /// How to use a command; `help mount`: how to mount this server.
    Help(Help),
}

/// Runs the program. Exit codes: 0 clean stop, 1 failure, 2 usage or configuration.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(&arguments.config),
        Command::Check => check(&arguments.config),
        Command::Admin(command) => admin::run(&arguments.config, command),
        Command::Authz(command) => authz::run(&arguments.config, command),
        Command::Passwd(command) => passwd::run(&arguments.config, command),
        Command::AppPassword(command) => app_password::run(&arguments.config, command),
        Command::Help(about) => help::run(&arguments.config, about),
    }
}

fn serve(config: &Path) -> ExitCode {
    if let Err(error) = daemon::lock_down() {
        say(format!("stormd: cannot give up rights that it does not need: {error}"));
        return ExitCode::FAILURE;
    }
    let lines = match log_to_stderr() {
        Ok(lines) => lines,
        Err(error) => {
            say(format!("stormd: no thread to be had for the log: {error}"));
            return ExitCode::FAILURE;
        }
    };
    abort_on_panic();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(format!("stormd: no threads to be had: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(daemon::run(config));
    // A thread that hangs in a file system shall not keep the process.
    runtime.shutdown_timeout(LAST_WORK);
    lines.flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(DaemonError::Config(problems)) => {
            say(daemon::problems_text(&problems));
            ExitCode::from(USAGE)
        }
        Err(DaemonError::Start(why)) => {
            say(format!("stormd: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn check(config: &Path) -> ExitCode {
    let problems = daemon::check(config);
    let mut text = String::new();
    if !problems.is_empty() {
        text = daemon::problems_text(&problems) + "\n";
    }
    let bad = problems.iter().any(|problem| problem.severity == Severity::Error);
    if !bad {
        text += &format!("{}: ok\n", config.display());
    }
    // The exit code says it too, if nobody reads.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if bad { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// To standard error; that nobody can be told is no reason to panic.
fn say(text: String) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// One line per event; `RUST_LOG` says how much.
fn log_to_stderr() -> std::io::Result<Lines> {
    let lines = Lines::start(std::io::stderr())?;
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = EnvFilter::try_new(if wanted.trim().is_empty() { "info" } else { &wanted });
    let filter = filter.unwrap_or_else(|error| {
        say(format!("stormd: RUST_LOG={wanted:?}: {error}: it logs as with \"info\""));
        EnvFilter::new("info")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines.clone())
        .with_ansi(false)
        // It would tell a full disk by eprintln!, which panics there.
        .log_internal_errors(false)
        .event_format(Format)
        .init();
    Ok(lines)
}

/// A panic is a defect that leaves nobody knows what behind. Everything that was promised is on
/// disk, so the process ends, and whoever started it starts it again.
fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            version = env!("CARGO_PKG_VERSION"),
            place,
            backtrace = %std::backtrace::Backtrace::capture(),
            "panic: {}; please report it", text.unwrap_or("no words")
        );
        std::process::abort();
    }));
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// Runs itself anew, in a process that may die.
    #[test]
    fn a_panic_is_logged_and_ends_the_process() {
        const ME: &str = "STORMD_TEST_PANIC";
        if std::env::var_os(ME).is_some() {
            log_to_stderr().unwrap();
            abort_on_panic();
            let worker = std::thread::spawn(|| panic!("something that cannot be"));
            let _ = worker.join();
            std::process::exit(0);
        }
        let done = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--nocapture", "--exact", "cli::tests::a_panic_is_logged_and_ends_the_process"])
            .env(ME, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.signal(), Some(nix::libc::SIGABRT), "{told}");
        assert!(told.contains("panic: something that cannot be"), "{told}");
        assert!(told.contains("src/cli/mod.rs:"), "{told}");
    }
}
