#!/usr/bin/env bash
# Compiles the Rust core into gateway/ and installs the `copygate` command into .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/common.sh

command -v cargo >/dev/null || fail "Rust (cargo) is needed and was not found." "install Rust with rustup, then run make again"
show_elapsed "building the Rust core" env VIRTUAL_ENV="$PWD/.venv" .venv/bin/maturin develop --release --quiet
touch .venv/.core
