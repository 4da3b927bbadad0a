# The commands of this project, for people and for CI alike.
#
#   make run            build and start stormd with storm.toml: a demo on localhost
#   make test           everything: style, lints, unit tests, and every suite with real clients
#   make test T=gfal    one suite: fmt, clippy, unit, or the name of a tests/*.rs
#   make lint           style and lints only
#   make bench          benchmarks with their bounds: soap, store, doors, connections, load, requests … (about 5 minutes)
#   make bench B=doors  one of them
#   make bench-peers    stormd beside apache2, nginx, lighttpd, rclone, dufs and xrootd: writes docs/peers.md (about 40 minutes)
#   make fuzz           hostile bytes for the parsers, guided by coverage: RUNS=1000000 in all, F=soap for one of them
#   make soak KILLS=100  many clients, and kill -9 at random moments; SEED=7 for the same choices again
#   make litmus         litmus, the WebDAV test suite, against stormd: each program's result and warnings
#   make try            clone this repository, make run, and do what the demo says

.PHONY: run test lint bench bench-peers fuzz soak litmus try build-tools test-tools

run: build-tools
	cargo build --release
	exec "$${CARGO_TARGET_DIR:-target}/release/stormd" --config storm.toml

test: build-tools test-tools
	@tests/run.sh $(T)

lint: build-tools
	@tests/run.sh fmt clippy

bench: build-tools test-tools
	@benches/run.sh $(B)

bench-peers: build-tools test-tools
	@packaging/install.sh peers
	cargo install --locked --quiet dufs --version 0.47.0 --root "$${CARGO_TARGET_DIR:-target}/peers"
	cargo bench --bench peers

fuzz: build-tools
	@packaging/install.sh fuzz
	@fuzz/run.sh $(or $(RUNS),1000000) $(F)

soak: build-tools test-tools
	@SOAK_KILLS=$(or $(KILLS),100) SOAK_SEED=$(SEED) tests/run.sh soak

litmus: build-tools test-tools
	@tests/run.sh litmus

try: build-tools
	@tests/try.sh

build-tools:
	@packaging/install.sh build

test-tools:
	@packaging/install.sh test
