//! The `stormd` program.
#![deny(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    stormd::cli::main()
}
