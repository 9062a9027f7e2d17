"""`python -m tests.bench`: wire to wire beside a bare relay, and memory. Asserts every order it sent for."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from tests.bench.deployment import Shape, write_config
from tests.bench.measured import audit_is_idle, memory_kib, started
from tests.bench.plant import BenchError, Plant, Result

SHAPES = (
    Shape("1 follower", 1, 1, 2000, 5),
    Shape("10 sessions", 10, 1, 500, 20),
    Shape("10 x 100 accounts", 10, 100, 40, 1000),
)
"""Intervals leave time to answer every order: what is measured is latency, not a queue."""
MEMORY = Shape("10,000 followers", 10, 1000, 1, 1000)
TARGET_RATIO = {"1 follower": 4.0, "10 x 100 accounts": 12.0}
MEMORY_MIB_MAX = 286
"""300 MB."""
Memory = list[tuple[str, int, int]]
"""(name of the process, Pss, Rss), KiB."""
WARM_UP = 20
LOUD_MAX = 20
"""Errors of the log that are shown when a run fails: what ended it comes long before its last words."""
READY_S = 120.0
"""Until all sessions are up: every process reads and checks 10,000 followers first, some seconds each."""
REPEATS = 3
"""Pairs of runs of each shape; the one whose ratio is the middle one is shown, with the ratios of all.

Not the best of each side: the fastest relay met another machine than the fastest gateway did.
"""
ORDERS_S = 60.0
PERCENTILES = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99_9", 99.9))


def measure(shape: Shape, folder: Path, gateway: bool, settled: bool = False) -> tuple[Result, Memory]:
    """One run: gateway or relay between the same counterparties. Also the memory at its end.

    `settled` waits for the audit log first, which stands back while orders leave.
    """
    plant = Plant(shape)
    ports = [broker.port for broker in plant.brokers]
    try:
        if gateway:
            words = ["gateway", "run", str(write_config(folder, shape, plant.leader.port, ports))]
        else:
            words = ["tests.bench.relay", str(plant.leader.port), str(shape.accounts), *map(str, ports)]
        log = folder / f"{words[0]}.log"
        with started(words, log) as process:
            try:
                plant.wait_ready(READY_S, lambda: process.poll() is None)
                warm_up = min(WARM_UP, shape.events)
                result = plant.run(warm_up, ORDERS_S, lambda: process.poll() is None)
                if settled:
                    idle = partial(audit_is_idle, folder)
                    plant.wait(idle, READY_S, "end of the audit log", lambda: process.poll() is None)
                return result, memory_kib(process.pid)
            except BenchError as error:
                said = log.read_text(errors="replace")
                loud = [line for line in said.splitlines() if '"error"' in line or '"critical"' in line]
                told = "\n".join([*loud[:LOUD_MAX], "…", said[-2000:]])
                raise BenchError(f"{shape.name}, {words[0]}: {error}\n{told}") from error
    finally:
        plant.close()


def microseconds(histogram: HdrHistogram) -> dict[str, int]:
    """Percentiles in µs, rounded down."""
    found = {name: histogram.get_value_at_percentile(rank) // 1000 for name, rank in PERCENTILES}
    return {**found, "max": histogram.get_max_value() // 1000}


Pair = dict[str, Result]
"""One run of each side, one right after the other: both meet the same machine."""


def ratio_p50(pair: Pair) -> float:
    """How many times the relay's median the gateway takes; 0 without a gateway."""
    medians = {name: microseconds(result.last)["p50"] for name, result in pair.items()}
    return medians["gateway"] / max(1, medians["relay"]) if "gateway" in pair else 0.0


def run_pairs(shape: Shape, repeats: int, names: tuple[str, ...]) -> list[Pair]:
    """The pairs in the order of their ratios."""
    pairs: list[Pair] = []
    for _ in range(repeats):
        pair: Pair = {}
        for name in names:
            with tempfile.TemporaryDirectory(prefix="copygate-bench-") as folder:
                pair[name] = measure(shape, Path(folder), name == "gateway")[0]
        pairs.append(pair)
    return sorted(pairs, key=ratio_p50)


def wire_to_wire(shape: Shape, relay_only: bool, repeats: int) -> list[dict[str, Any]]:
    """Rows of the table for one shape: relay, then gateway, of the pair whose ratio is the middle one."""
    rows: list[dict[str, Any]] = []
    pairs = run_pairs(shape, repeats, ("relay",) if relay_only else ("relay", "gateway"))
    middle = pairs[len(pairs) // 2]
    for name, result in middle.items():
        last = microseconds(result.last)
        row: dict[str, Any] = {"shape": shape.name, "through": name, "events": shape.events, "last_us": last}
        row["first_us"] = microseconds(result.first)
        if rows:
            row["ratio_p50"] = round(ratio_p50(middle), 2)
            row["ratios_p50"] = [round(ratio_p50(pair), 2) for pair in pairs]
            row["other_messages"] = dict(result.other_messages)
        rows.append(row)
    return rows


def memory(shape: Shape) -> dict[str, Any]:
    """Memory of all processes after one fill to every follower, with the audit log written."""
    with tempfile.TemporaryDirectory(prefix="copygate-bench-") as folder:
        _, found = measure(shape, Path(folder), True, settled=True)
    pss, rss = sum(part for _, part, _ in found), sum(part for _, _, part in found)
    processes = {name: round(part / 1024, 1) for name, part, _ in found}
    return {"shape": shape.name, "pss_mib": pss // 1024, "rss_mib": rss // 1024,
            "target_mib": MEMORY_MIB_MAX, "processes_mib": processes}  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """The wire-to-wire table as Markdown. Times are of the last order of a fill, µs."""
    names = [name for name, _ in PERCENTILES] + ["max"]
    lines = [
        "| shape | through | events | " + " | ".join(names) + " | first p50 | ratio p50 | of all | target |",
        "|---|---|" + "---:|" * (len(names) + 5),
    ]
    for row in rows:
        target = TARGET_RATIO.get(row["shape"], "") if "ratio_p50" in row else ""
        spread = " ".join(map(str, row.get("ratios_p50", ())))
        cells = [row["shape"], row["through"], row["events"], *row["last_us"].values()]
        cells += [row["first_us"]["p50"], row.get("ratio_p50", ""), spread, target]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main(words: list[str]) -> int:
    """Runs what is asked for. 0 when all orders arrived once, 1 when not. A missed target is only shown."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--relay-only", action="store_true", help="the baseline alone")
    parser.add_argument("--small", action="store_true", help="few events: shows that it works, not how fast")
    parser.add_argument("--repeat", type=int, default=REPEATS, help="pairs of runs; the middle one is shown")
    parser.add_argument("--no-memory", action="store_true", help="leave out 10,000 followers")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    chosen = parser.parse_args(words)
    shapes = [replace(s, events=max(3, s.events // 20)) for s in SHAPES] if chosen.small else list(SHAPES)
    try:
        rows = [
            row for shape in shapes for row in wire_to_wire(shape, chosen.relay_only, max(1, chosen.repeat))
        ]
        with_memory = not (chosen.no_memory or chosen.relay_only)
        used = memory(MEMORY) if with_memory else None
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if chosen.json:
        print(json.dumps({"wire_to_wire": rows, "memory": used}, sort_keys=True))
        return 0
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    machine = f"{platform.machine()}, {platform.release()}, {os.cpu_count()} processors, load {load}"
    print(f"Wire to wire, last order of a fill, µs from intended time, the middle of {chosen.repeat} pairs")
    print(f"{machine}\n")
    print(table(rows))
    if used is not None:
        mib = f"{used['pss_mib']} MiB Pss, {used['rss_mib']} MiB Rss, target {MEMORY_MIB_MAX} MiB"
        print(f"\nMemory, {used['shape']}: {mib}")
        print(", ".join(f"{name} {part}" for name, part in used["processes_mib"].items()))
    return 0


if __name__ == "__main__":
    # SIGTERM unwinds like Ctrl-C: what was started here is ended here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
