#!/bin/bash
# Runs the benches one after the other; ends with one line: N bounds held, M missed.
#   benches/run.sh [BENCH…]     without a name: all of them
set -uo pipefail
cd "$(dirname "$0")/.."
benches=("$@"); [ $# -gt 0 ] || benches=(soap store acl authz doors connections footprint load requests)
cargo bench --no-run --quiet || exit 1
log=$(mktemp); trap 'rm -f "$log"' EXIT
broken=0
for bench in "${benches[@]}"; do
  echo "--- $bench"
  before=$(wc -l <"$log")
  cargo bench --quiet --bench "$bench" 2>&1 | tee -a "$log"
  # A bench that died told of no bound.
  [ "${PIPESTATUS[0]}" = 0 ] || tail -n "+$((before + 1))" "$log" | grep -q '^MISSED ' || broken=$((broken + 1))
done
missed=$(($(grep -c '^MISSED ' "$log") + broken))
echo "--- ratios"
grep -E '^(held|MISSED) ' "$log"
echo "$(grep -c '^held ' "$log") bounds held, $missed missed"
[ "$missed" = 0 ]
