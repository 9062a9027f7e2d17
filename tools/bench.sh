#!/usr/bin/env bash
# Measures core, journal and wire to wire. Other work on the machine spoils the figures: the load is printed first.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/common.sh

say "$(nproc) processors, load $(cut -d' ' -f1-3 /proc/loadavg), $(rustc --version), $(.venv/bin/python --version)"
cargo bench --package fastcore --package journal --benches
[ -e tests/bench/__main__.py ] || fail "tests/bench/__main__.py is missing: wire to wire was not measured." "use a complete checkout"
.venv/bin/python -m tests.bench "$@"
.venv/bin/python -m tests.bench.recovery
.venv/bin/python -m tests.bench.hostile
# Short: shows that nothing grows at once. The figures of the documents are of half an hour.
.venv/bin/python -m tests.bench.soak --minutes 2
