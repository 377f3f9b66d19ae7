# Everything a person does with a checkout, a word each. `make` alone says which words there are.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run static test check needs lint unit tiny real conformance counts counts-accept total torture leak bench simulate mutants

TARGET := $(or $(CARGO_TARGET_DIR),target)
BINARY := $(TARGET)/release/mcproxy
# What `static` builds for; .cargo/config.toml says how that is linked.
MUSL := x86_64-unknown-linux-musl
STATIC := $(TARGET)/$(MUSL)/release/mcproxy
# What the test runners said goes here, a log each, for `total` to add up.
LOGS := $(TARGET)/tests
# How many events `simulate` plays, and how many of them `test`.
HUB_EVENTS ?= 100000000
HUB_EVENTS_OF_TEST := 10000000
# The same for each mutant: what the stories do not notice, more of these seldom do.
HUB_EVENTS_OF_MUTANT := 20000

## help         say what can be made
help:
	@sed -n 's/^## /  make /p' Makefile

## run          build the release binary and serve mcp-servers.json; more options: make run ARGS="--port 8080"
run: needs
	cargo build --release
	$(BINARY) -c mcp-servers.json $(ARGS)

## static       the binary that needs no library of the system; once, before: rustup target add x86_64-unknown-linux-musl
static: needs
	@[[ -d "$$($${RUSTC:-rustc} --print target-libdir --target $(MUSL))" ]] || \
	  { echo "Rust's library for $(MUSL) is missing: rustup target add $(MUSL)" >&2; exit 1; }
	cargo build --release --locked --target $(MUSL)
	@echo "$(STATIC): $$(stat -c %s $(STATIC)) bytes"

## test         unit, simulate, tiny, real, conformance and counts, one after the other, and the count of all their tests
# One after the other, also under `make -j`: they share the machine's ports and cores, and their order is the report's.
test: needs
	@tests/real/setup.sh
	@rm -rf $(LOGS)
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory simulate HUB_EVENTS=$(HUB_EVENTS_OF_TEST)
	@$(MAKE) --no-print-directory tiny
	@$(MAKE) --no-print-directory real
	@$(MAKE) --no-print-directory conformance
	@$(MAKE) --no-print-directory counts
	@$(MAKE) --no-print-directory total

## check        what must hold before a change is taken: formatting, no warning of clippy with or without tiny_http, test
check: needs
	@rm -rf $(LOGS)
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory test

# The feature has code of its own, so clippy reads the project twice.
lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --features tiny_http -- -D warnings
	cargo fmt --check --manifest-path bench/Cargo.toml
	cargo clippy --all-targets --locked --manifest-path bench/Cargo.toml -- -D warnings

## unit         only the project's own tests
unit:
	@mkdir -p $(LOGS)
	cargo test 2>&1 | tee $(LOGS)/1-unit.log
	cargo test --locked --manifest-path bench/Cargo.toml 2>&1 | tee $(LOGS)/6-bench-programs.log
	python3 bench/runner/tests.py | tee $(LOGS)/6-bench.log

## tiny         only the second HTTP engine: its own tests, and the end-to-end tests with it
# The binary and the fixtures must be there for the test program, which `--test` alone does not see to.
tiny:
	@mkdir -p $(LOGS)
	cargo build --examples --features tiny_http
	{ cargo test --features tiny_http --lib http::tests::tiny && \
	  MCPROXY_TEST_ENGINE=tiny_http cargo test --features tiny_http --test tests; } 2>&1 | tee $(LOGS)/3-tiny.log

## real         only the release binary with real servers and clients
real:
	@mkdir -p $(LOGS)
	cargo build --release
	tests/real/run.sh $(BINARY) | tee $(LOGS)/4-real.log

## conformance  only the official conformance suite; some of its rows: make conformance CONFORMANCE_ROWS="2025-11-25, merged"
# The table at the top of the script says what must pass; a regular expression chooses rows by their printed names.
conformance:
	@mkdir -p $(LOGS)
	cargo build --release
	cargo build --example conformance_server
	tests/real/conformance.sh $(BINARY) $(TARGET)/debug/examples/conformance_server "$(CONFORMANCE_ROWS)" | tee $(LOGS)/5-conformance.log

## counts       only what the hub and the wire cost in instructions and allocations, against benches/counts.txt; needs valgrind
counts:
	@mkdir -p $(LOGS)
	benches/counts.py | tee $(LOGS)/6-counts.log

## counts-accept  writes what they cost now into benches/counts.txt; the commit says why it is more
counts-accept:
	benches/counts.py accept

## torture      64 clients with 10,000 calls each, over each transport, against the release binary; takes minutes
torture:
	cargo build --release
	cargo build --examples
	MCPROXY_TORTURE_BINARY=$(BINARY) \
	  cargo test --test tests torture::full -- --ignored --nocapture --test-threads=1

## leak         1,000,000 calls in 10,000 sessions, over each transport, and what memory is held after each tenth; takes long
# With one arena for all threads glibc's figures are calmer: make leak MALLOC_ARENA_MAX=1
leak:
	cargo build --release
	MCPROXY_LEAK_BINARY=$(BINARY) $(if $(MALLOC_ARENA_MAX),MALLOC_ARENA_MAX=$(MALLOC_ARENA_MAX)) \
	  cargo test --test tests leak:: -- --ignored --nocapture --test-threads=1

## bench        mcproxy beside its peers, in one run, into docs/benchmarks.md; most of an hour. Some of it: make bench BENCH="calls start"; shorter: make bench BENCH_ROUNDS=1 BENCH_SECONDS=1
# Modes: calls, idle, start, leak, many. Only a whole run goes into docs/, others into target/bench/. MCPROXY=PATH takes another
# build, MCPROXY_ALSO=TITLE=PATH measures one more beside it. From the last run again: bench/run.py --report
bench:
	$(if $(MCPROXY),,cargo build --release)
	cargo build --release --locked --manifest-path bench/Cargo.toml
	bench/peers.sh
	bench/run.py $(BENCH)

## simulate     the hub's simulation with 10^8 events, a quarter of an hour; shorter: make simulate HUB_EVENTS=1000000; one run again: make simulate HUB_SEED=42
simulate:
	@mkdir -p $(LOGS)
	HUB_EVENTS=$(HUB_EVENTS) $(if $(HUB_SEED),HUB_SEED=$(HUB_SEED)) \
	  cargo test --profile simulation --lib simulation -- --nocapture 2>&1 | tee $(LOGS)/2-simulation.log

## mutants      changes the hub in each way that cargo-mutants knows; no story may fail to notice. Hours: make mutants MUTANTS="--shard 0/8"
# Which changes may go unnoticed, docs/mutants.md says. What was noticed is not tried again: remove target/mutants.out for
# that. A hub that was changed may ask for memory without end, so no program gets more than 8 GiB.
mutants:
	@command -v cargo-mutants >/dev/null || { echo "cargo-mutants is missing: cargo install cargo-mutants" >&2; exit 1; }
	@mkdir -p $(TARGET)
	ulimit -v 8388608; HUB_EVENTS=$(HUB_EVENTS_OF_MUTANT) cargo mutants --iterate -j2 -o $(TARGET) $(MUTANTS)

# Adds up the runs whose logs are there.
total:
	@python3 tests/real/bed.py total $(LOGS)/*.log

# The Rust toolchain; what else `test` needs, tests/real/setup.sh names.
needs:
	@command -v cargo >/dev/null || { echo "cargo (Rust 1.91 or later) is missing: https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "cc, which Rust links with, is missing. Debian, Ubuntu: apt install gcc libc6-dev." \
	  "Fedora: dnf install gcc. macOS: xcode-select --install." >&2; exit 1; }
