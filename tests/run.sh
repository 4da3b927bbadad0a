#!/bin/bash
# Runs the suites, each with its time, and ends with one line: N passed, N failed.
#   tests/run.sh [SUITE…]      without a name: all of them
# Suites: fmt, clippy, unit, and every tests/<name>.rs. Full logs: target/test-logs/.
set -uo pipefail
cd "$(dirname "$0")/.."
logs=${CARGO_TARGET_DIR:-target}/test-logs
mkdir -p "$logs"
passed=0 failed=0

all=(fmt clippy unit)
for file in tests/*.rs; do all+=("$(basename "$file" .rs)"); done
suites=("$@"); [ $# -gt 0 ] || suites=("${all[@]}")
# One suite: a person is looking at it, so show everything.
[ ${#suites[@]} -eq 1 ] && loud=1 || loud=

run() { # run NAME COMMAND…
  local name=$1 log=$logs/$1.log started=$EPOCHREALTIME code sum bad; shift
  if [ -n "$loud" ]; then "$@" 2>&1 | tee "$log"; code=${PIPESTATUS[0]}
  else "$@" >"$log" 2>&1; code=$?; grep -E '^(acked|cells|requests|violations)=' "$log"; fi
  read -r sum bad < <(sed -nE 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed;.*/\1 \2/p' "$log" |
    awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
  # What is no test binary is one test; a test binary that dies without a result failed.
  if [ "$((sum + bad))" = 0 ] && [ "$code" = 0 ]; then sum=1; fi
  if [ "$bad" = 0 ] && [ "$code" != 0 ]; then bad=1; fi
  passed=$((passed + sum)) failed=$((failed + bad))
  printf '%-12s %6.1f s  %4d passed, %d failed\n' "$name" \
    "$(awk "BEGIN { print $EPOCHREALTIME - $started }")" "$sum" "$bad"
  if [ "$bad" != 0 ] && [ -z "$loud" ]; then
    echo "--- $log (end)"; tail -n 150 "$log"; echo "---"
  fi
}

for suite in "${suites[@]}"; do
  case $suite in
    fmt) run fmt cargo fmt --check ;;
    clippy) run clippy cargo clippy --quiet --all-targets -- -D warnings ;;
    unit) run unit cargo test --quiet --lib --bins ;;
    *)
      if [ ! -f "tests/$suite.rs" ]; then
        echo "no suite $suite: there are ${all[*]}"; failed=$((failed + 1)); continue
      fi
      run "$suite" cargo test --test "$suite" -- --show-output ;;
  esac
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
