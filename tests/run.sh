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
for file in tests/*.rs; do [ "$file" = tests/codes.rs ] || all+=("$(basename "$file" .rs)"); done
# The last: it is made of what others received.
all+=(codes)
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

one() { # one SUITE
  case $1 in
    fmt) run fmt cargo fmt --check ;;
    clippy) run clippy cargo clippy --quiet --all-targets -- -D warnings ;;
    unit) run unit cargo test --quiet --lib --bins ;;
    *)
      if [ ! -f "tests/$1.rs" ]; then
        echo "no suite $1: there are ${all[*]}"; failed=$((failed + 1)); return
      fi
      rm -f "$STORMD_CODES/$1.tsv"
      run "$1" cargo test --test "$1" -- --show-output ;;
  esac
}

# What the suites receive over the wire goes here, for docs/codes.md.
STORMD_CODES=$(realpath -m "${CARGO_TARGET_DIR:-target}/codes"); export STORMD_CODES
rm -rf "$STORMD_CODES"; mkdir -p "$STORMD_CODES"
done=" "
for suite in "${suites[@]}"; do
  if [ "$suite" = codes ]; then
    for needed in $(sed -n 's|^//! Suites: ||p' tests/codes.rs); do
      [[ $done == *" $needed "* ]] || one "$needed"
    done
  fi
  one "$suite"; done+="$suite "
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
