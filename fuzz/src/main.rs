//! One fuzzer for all targets: `STORMD_FUZZ=<target>` names the one of `stormd::fuzz::TARGETS`.
#![no_main]

use std::process::exit;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use stormd::fuzz::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("STORMD_FUZZ").unwrap_or_default();
    match TARGETS.iter().find(|(target, _)| *target == name) {
        Some((_, run)) => *run,
        None => {
            let names: Vec<&str> = TARGETS.iter().map(|(target, _)| *target).collect();
            eprintln!("STORMD_FUZZ must name one of {}", names.join(", "));
            exit(2);
        }
    }
});

fuzz_target!(|data: &[u8]| TARGET(data));
