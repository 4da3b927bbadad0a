//! A question to the daemon that runs, and what is printed of its answer.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::{USAGE, say};
use crate::client::{AdminClient, AdminError};
use crate::config::Config;
use crate::daemon;

/// Finds the daemon of that configuration, asks, and prints the text.
pub(super) fn run<A>(config: &Path, ask: impl FnOnce(AdminClient) -> A) -> ExitCode
where
    A: Future<Output = Result<String, AdminError>>,
{
    let config = match Config::load(config) {
        Ok(config) => config,
        Err(problems) => {
            say(daemon::problems_text(&problems));
            return ExitCode::from(USAGE);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(format!("stormd: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let answer = runtime.block_on(async { ask(AdminClient::find(&config.paths.state)?).await });
    match answer {
        Ok(text) => {
            // The exit code says it too, if nobody reads.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(format!("stormd: {error}"));
            ExitCode::FAILURE
        }
    }
}
