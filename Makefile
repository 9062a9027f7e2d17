# Copygate. A bare `make` prints help. `make demo` and `make test` do their own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
# pyo3 and maturin look here, so that the interpreter is always the one of .venv.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export PATH := $(CURDIR)/$(BIN):$(PATH):$(HOME)/.cargo/bin

RUST_SOURCES := $(shell find fastcore -type f \( -name '*.rs' -o -name Cargo.toml \) 2>/dev/null)
RUST_LIBS := --workspace
# The binding is tested from Python; building it as a Rust test binary would need libpython to link with.
RUST_TESTED := --workspace --exclude fastcore-py
# Tests and benches may unwrap, panic and do plain arithmetic: a panic there is a failed test.
TEST_ALLOW := -A clippy::unwrap_used -A clippy::expect_used -A clippy::panic \
              -A clippy::float_arithmetic -A clippy::arithmetic_side_effects
DEMO_ARGS ?=
PYTEST_ARGS ?=
FUZZ_INPUTS ?= 1000000
FUZZ_SEED ?= $(shell date +%s)
SEEDS ?= 1..20
LEAVE_OUT := target/leave_out
MUTANTS ?= ledger sizing risk order
MUTANTS_ARGS ?=

.PHONY: help build test rust-tests fuzz torture fault-rules mutants demo bench lint lint-rust lint-python format docs clean distclean

help: ## print this list
	@echo "Copygate: a leader's fill becomes the followers' orders, over real FIX sessions."
	@echo
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make demo DEMO_ARGS='--followers 20 --sessions 4 --seconds 15 --json'"

build: .venv/.core ## set up .venv, QuickFIX and the Rust core (skipped when done)

.venv/.deps: pyproject.toml tools/setup.sh
	@tools/setup.sh

.venv/.core: .venv/.deps Cargo.toml Cargo.lock pyproject.toml $(RUST_SOURCES)
	@tools/build_core.sh

demo: build ## run the main job: one leader, several followers, on loopback
	@$(BIN)/copygate demo $(DEMO_ARGS)

test: ## everything: fmt, clippy, cargo test, ruff, mypy --strict, pytest
	@# Linking the core and mypy take one processor for minutes: what else there is to build and check goes beside them.
	@$(MAKE) --no-print-directory .venv/.deps
	@$(MAKE) --no-print-directory -j2 build lint rust-tests
	cargo test --profile tested $(RUST_TESTED)
	@# A short folder: sockets of a deployment have paths of at most 107 bytes.
	dir=$$(mktemp -d) && $(BIN)/python -m pytest -n 2 --dist loadfile --basetemp "$$dir/t" --ignore tests/fault \
	    $(PYTEST_ARGS) && rm -rf "$$dir"
	$(BIN)/python -m pytest tests/fault $(PYTEST_ARGS)

fuzz: ## hostile bytes for readers and engine; FUZZ_INPUTS=10000000, FUZZ_SEED=7 (another each time)
	FUZZ_INPUTS=$(FUZZ_INPUTS) FUZZ_SEED=$(FUZZ_SEED) \
	    cargo test --profile tested -p fastcore -p journal --test fuzz -- --nocapture --test-threads 1

torture: build ## break a running deployment, and compare the books; SEEDS=1..300
	$(BIN)/python -m tests.fault --seeds $(SEEDS)

fault-rules: build ## leave one rule of delivery out after the other: the judge of torture must find each
	cargo build --release -p fastcore-py --features leave_out --target-dir $(LEAVE_OUT)
	$(BIN)/python -m tests.fault --rules --core $(LEAVE_OUT)/release/lib_fastcore.so

mutants: .venv/.deps ## change the core in every small way: a test must find each; MUTANTS='ledger risk', MUTANTS_ARGS=--again
	@cargo mutants --version >/dev/null 2>&1 || { echo "Needed: cargo install --locked cargo-mutants --version 27.1.0"; exit 2; }
	$(BIN)/python -m tools.mutants $(MUTANTS) $(MUTANTS_ARGS)

bench: build ## measure speed; every figure beside its baseline in the same run
	@tools/bench.sh

lint: lint-rust lint-python ## cargo fmt and clippy, ruff, mypy --strict

rust-tests: .venv/.deps
	cargo test --profile tested $(RUST_TESTED) --no-run

lint-rust: .venv/.deps
	@tools/need_rust_tools.sh
	cargo fmt --all --check
	cargo clippy $(RUST_LIBS) --lib -- -D warnings
	cargo clippy $(RUST_TESTED) --all-targets -- -D warnings $(TEST_ALLOW)

lint-python: .venv/.deps
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict gateway tests tools

format: build ## rewrite Rust and Python sources in the house format
	cargo fmt --all
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

docs: build ## reference pages from the code, Rust API pages and config schema in target/; checks the links
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/check_links.py
	cargo doc $(RUST_TESTED) --no-deps
	@mkdir -p target/doc
	$(BIN)/copygate schema > target/doc/gateway.schema.json
	@echo "target/doc/fastcore/index.html and target/doc/gateway.schema.json"

clean: ## remove what was built from sources; keeps .venv
	rm -rf target gateway/_fastcore*.so .ruff_cache .mypy_cache .pytest_cache .hypothesis .venv/.core
	find gateway tests tools -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove .venv too; the next build compiles QuickFIX unless pip still has it
	rm -rf .venv
