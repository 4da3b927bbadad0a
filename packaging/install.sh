#!/bin/bash
# Installs what is missing of packaging/apt-<list>.txt, and sees to it that there is a Rust to build with.
#   packaging/install.sh build|test|fuzz|peers
set -euo pipefail
list=${1:?usage: install.sh build|test|fuzz|peers}
here=$(cd "$(dirname "$0")" && pwd)

mapfile -t wanted < <(grep -v '^#' "$here/apt-$list.txt")
if command -v dpkg-query >/dev/null; then
  missing=()
  installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null | sed -n 's/^ii *//p' || true)
  for package in "${wanted[@]}"; do
    grep -qxF "$package" <<<"$installed" || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" != 0 ]; then
      command -v sudo >/dev/null || { echo "install.sh: as root, do: apt-get install ${missing[*]}" >&2; exit 1; }
      as_root=(sudo)
    fi
    echo "installing ${missing[*]}"
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600)
    "${apt[@]}" update >/dev/null
    "${apt[@]}" install --no-install-recommends "${missing[@]}" >/dev/null
  fi
else
  echo "install.sh: no Debian here; needed are: ${wanted[*]}" >&2
fi

if [ "$list" = build ] && ! command -v cargo >/dev/null; then
  echo "install.sh: cargo is missing: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../Cargo.toml") or newer from https://rustup.rs" >&2
  exit 1
fi
