#!/bin/bash
# Does what a newcomer does: clones the repository, `make run`, and the three things that the demo prints.
#   make try
# Prints "3 passed, 0 failed" at the end. TRY_TARGET=DIR builds there instead of in the clone (faster).
set -uo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
health=http://127.0.0.1:9998/health
export GFAL_PYTHONBIN=/usr/bin/python3
work=$(mktemp -d "${TMPDIR:-/tmp}/stormd-try.XXXXXX")
log=$work/run.log
daemon=

finish() {
  if [ -n "$daemon" ]; then
    # The whole group that make leads: make, cargo, stormd.
    kill -TERM -- "-$daemon" 2>/dev/null
    for _ in $(seq 100); do kill -0 -- "-$daemon" 2>/dev/null || break; sleep 0.1; done
    kill -KILL -- "-$daemon" 2>/dev/null
  fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

die() { echo "make try: $*" >&2; [ -s "$log" ] && tail -n 40 "$log" >&2; echo "0 passed, 3 failed"; exit 1; }

curl -fs -m 2 -o /dev/null "$health" && die "something answers at $health already: stop it first"
git -C "$repository" diff --quiet HEAD 2>/dev/null || echo "note: what is not committed is not tried"
git clone -q "$repository" "$work/stormd" || die "git clone failed"
cd "$work/stormd" || exit 1
unset CARGO_TARGET_DIR
[ -n "${TRY_TARGET:-}" ] && export CARGO_TARGET_DIR=$TRY_TARGET

started=$SECONDS
# A group of its own, to be ended as one. MAKEFLAGS of the make that called us are none of its business.
env -u MAKEFLAGS -u MAKELEVEL setsid make run >"$log" 2>&1 &
daemon=$!
until curl -fs -m 2 -o /dev/null "$health"; do
  kill -0 "$daemon" 2>/dev/null || die "make run ended"
  [ $((SECONDS - started)) -lt 2400 ] || die "no answer at $health after 40 minutes"
  sleep 1
done
echo "up after $((SECONDS - started)) s"

# Printed at the start, perhaps a moment after the doors are open.
lines() { sed -n "s/^.*$1: //p" "$log" | sed 's/\x1b\[[0-9;]*m//g'; }
for _ in $(seq 50); do [ "$(lines try | grep -c .)" -ge 3 ] && break; sleep 0.2; done
mapfile -t tries < <(lines try)
[ ${#tries[@]} = 3 ] || die "${#tries[@]} lines begin with \"try: \", not 3"
install=$(lines install | head -1)
[ -n "$install" ] || die "no line begins with \"install: \""

if ! command -v gfal-ls >/dev/null; then
  # Root has no need of sudo, and often has none.
  [ "$(id -u)" = 0 ] && install=${install//sudo /}
  DEBIAN_FRONTEND=noninteractive bash -c "$install" >"$work/install.log" 2>&1 || die "\"$install\" failed: $(tail -3 "$work/install.log")"
fi

passed=0 failed=0
verdict() { # verdict CODE LINE OUTPUT
  if [ "$1" = 0 ]; then passed=$((passed + 1)); echo "ok      $2"
  else failed=$((failed + 1)); printf 'FAILED  %s\n%s\n' "$2" "$3"; fi
}
name=
for line in "${tries[@]}"; do
  case $line in
    http://*) # For a browser: a page, and the file that was put is on it.
      output=$(curl -fsS -m 20 "$line" 2>&1) && grep -qi '<html' <<<"$output" && grep -qF "$name" <<<"$output"
      verdict $? "$line" "$output" ;;
    *gfal-ls*) # It lists what curl has put.
      output=$(timeout 60 bash -c "$line" 2>&1) && grep -qF "$name" <<<"$output"
      verdict $? "$line" "$output" ;;
    *curl*) # curl is content with a 403: look whether the file is there.
      url=$(grep -oE 'https://[^ "'"'"']+' <<<"$line" | tail -1)
      name=$(basename "$url")
      output=$(timeout 60 bash -c "$line" 2>&1 &&
        curl -fsS -m 20 -o /dev/null "http://localhost:8085/${url#https://*/}" 2>&1)
      verdict $? "$line" "$output" ;;
    *) verdict 1 "$line" "make try does not know what to do with this line" ;;
  esac
done
[ "$failed" = 0 ] || tail -n 20 "$log"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
