#!/bin/bash
# Fuzzes the parsers, guided by coverage.
#   fuzz/run.sh RUNS [TARGET…]      without a name: RUNS are shared out among all targets
# A crash stops it, and leaves its input in target/fuzz/crashes. What finds new ways grows in target/fuzz/found; the small
# corpus in fuzz/corpus is where it begins, and what `make test` replays.
#
# Works with a stable toolchain: the coverage is LLVM's own pass, and libFuzzer comes as a crate.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:?usage: fuzz/run.sh RUNS [TARGET…]}; shift
work=${CARGO_TARGET_DIR:-target}/fuzz
mkdir -p "$work/crashes"
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
# With --target the flags stay away from build scripts and macros.
cargo build --release --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$work"
fuzzer=$work/$host/release/stormd-fuzz

targets=("$@")
[ $# -gt 0 ] || for corpus in fuzz/corpus/*/; do targets+=("$(basename "$corpus")"); done
each=$(((runs + ${#targets[@]} - 1) / ${#targets[@]}))
total=0
for target in "${targets[@]}"; do
  mkdir -p "$work/found/$target"
  log=$work/$target.log
  if ! STORMD_FUZZ=$target "$fuzzer" "$work/found/$target" "fuzz/corpus/$target" -runs="$each" -max_len=16384 \
    -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$work/crashes/$target-" >"$log" 2>&1; then
    tail -n 40 "$log" | cut -c1-300
    echo "fuzz: $target failed; its input stands in $work/crashes"
    exit 1
  fi
  sed -nE "s/^Done ([0-9]+) runs in ([0-9]+) second.*/$target: \1 runs in \2 s/p" "$log"
  total=$((total + each))
done
echo "runs=$total crashes=0"
