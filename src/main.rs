//! The `stormd` program.
#![deny(unsafe_code)]

use std::process::ExitCode;

/// It keeps what is large apart from what is small, so that an idle connection's buffers take memory only
/// as far as they were filled. Huge pages are off (`no_thp`): they would fill up the rest.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    stormd::cli::main()
}
