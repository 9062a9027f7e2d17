#!/usr/bin/env bash
# The tests include rustfmt and clippy. A toolchain without them must be told plainly, not skipped in silence.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/common.sh

cargo fmt --version >/dev/null 2>&1 || fail "rustfmt is missing from this Rust toolchain." "rustup component add rustfmt"
cargo clippy --version >/dev/null 2>&1 || fail "clippy is missing from this Rust toolchain." "rustup component add clippy"
