//! `stormd help`: of clap for the commands, and `stormd help mount` for who wants to use the server.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use super::{Arguments, USAGE, say};
use crate::config::Config;
use crate::daemon;
use crate::web::help::{Address, host, text};

/// What there is help about.
#[derive(Debug, Parser)]
pub(super) struct Help {
    #[command(subcommand)]
    about: Option<About>,
}

#[derive(Debug, Subcommand)]
enum About {
    /// How to mount this server, on each system.
    Mount {
        /// The directory, as /atlas.
        #[arg(default_value = "/")]
        path: String,
    },
    /// A command.
    #[command(external_subcommand)]
    Command(Vec<String>),
}

pub(super) fn run(config: &Path, help: Help) -> ExitCode {
    let shown = match help.about {
        Some(About::Mount { path }) => match Config::load(config) {
            Ok(config) => {
                let host = host(&config.site.host, config.http.https.port());
                text(&Address { host, path })
            }
            Err(problems) => {
                say(daemon::problems_text(&problems));
                return ExitCode::from(USAGE);
            }
        },
        Some(About::Command(names)) => match of_command(&names) {
            Ok(text) => text,
            Err(why) => {
                say(format!("stormd: {why}"));
                return ExitCode::from(USAGE);
            }
        },
        None => of_command(&[]).unwrap_or_default(),
    };
    // The exit code says it too, if nobody reads.
    let _ = std::io::stdout().write_all(shown.as_bytes());
    ExitCode::SUCCESS
}

fn of_command(names: &[String]) -> Result<String, String> {
    let mut command = Arguments::command();
    command.build();
    let mut found = &mut command;
    for name in names {
        found = found
            .find_subcommand_mut(name)
            .ok_or_else(|| format!("there is no command {name:?}: `stormd help` shows them"))?;
    }
    Ok(found.render_long_help().to_string())
}
