//! The `stormd` program.
#![deny(unsafe_code)]

use std::process::ExitCode;

/// It keeps what is large apart from what is small, so that an idle connection's buffers take memory only as
/// far as they were filled, and gives first what was in use last, while that is in the processor's cache.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    stormd::cli::main()
}
