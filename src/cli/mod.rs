//! The command line: arguments, logging, exit codes.

mod lines;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use self::lines::Lines;
use crate::config::Severity;
use crate::daemon::{self, DaemonError};

/// Exit code of a wrong command line or configuration (clap uses it too).
const USAGE: u8 = 2;

/// A storage resource manager: SRM v2.2, https and WebDAV over a POSIX file system.
#[derive(Debug, Parser)]
#[command(name = "stormd", version, about, long_about = None)]
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
}

/// Runs the program. Exit codes: 0 clean stop, 1 failure, 2 usage or configuration.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(&arguments.config),
        Command::Check => check(&arguments.config),
    }
}

fn serve(config: &std::path::Path) -> ExitCode {
    let lines = match log_to_stderr() {
        Ok(lines) => lines,
        Err(error) => {
            eprintln!("stormd: no thread to be had for the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("stormd: no threads to be had: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(daemon::run(config));
    lines.flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(DaemonError::Config(problems)) => {
            eprintln!("{}", daemon::problems_text(&problems));
            ExitCode::from(USAGE)
        }
        Err(DaemonError::Start(why)) => {
            eprintln!("stormd: {why}");
            ExitCode::FAILURE
        }
    }
}

fn check(config: &std::path::Path) -> ExitCode {
    let problems = daemon::check(config);
    if !problems.is_empty() {
        println!("{}", daemon::problems_text(&problems));
    }
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return ExitCode::from(USAGE);
    }
    println!("{}: ok", config.display());
    ExitCode::SUCCESS
}

/// One line per event; `RUST_LOG` says how much.
fn log_to_stderr() -> std::io::Result<Lines> {
    let lines = Lines::start(std::io::stderr())?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines.clone())
        .with_ansi(false)
        .init();
    Ok(lines)
}
