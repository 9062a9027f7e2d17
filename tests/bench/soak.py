"""`python -m tests.bench.soak`: a deployment under a steady load, and whether anything in it grows.

Real processes as shipped, five leader fills a second to twenty followers over four sessions. Sampled are
memory, descriptors and threads of every process, queues, latencies by the minute, and files. At the end the
second half is judged by the line of least squares, and the brokers' books are compared with the core's. Exit
code 1: something grew, or the books differ.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from gateway import control
from gateway.errors import EnvironmentProblem
from tests.bench.deployment import Shape, write_config
from tests.bench.measured import audit_is_idle, started
from tests.bench.plant import BenchError
from tests.bench.soak_judge import Series, Verdict, judge, slope
from tests.bench.soak_plant import SYMBOLS, SteadyPlant, wrong_in
from tests.bench.soak_sample import Sample, Sampler

READY_S, END_S = 60.0, 60.0
KEEP_S = 60
"""How long orders that ended are kept: a run is too short for the days of the default."""
ORDER_BYTES = {"core": 100, "audit": 100}
"""What every order leaves in memory, at most: the core and the audit's engine keep its name for ever. It is
bounded here, so that anything beside it is seen. The rest keep nothing."""
MEMORY = "anonymous_kib"
"""What a process itself has written. Pss moves when others that share pages begin, write or end."""
MEMORY_KIB = 2_048
"""What memory may grow by beside that in half a run: pools and caches."""
FDS, THREADS = 0.5, 0.5
ROWS = {"outbox": 20.0, "held": 20.0, "route_rows": 20.0, "audit_lag": 200.0}
"""The audit process reads in groups, when nobody else wants the processor."""
LATENCY_SHARE, LATENCY_MS = 0.5, 1.0
Window = dict[str, Any]


class Soak:
    """One run."""

    def __init__(self, shape: Shape, out: Path) -> None:
        self.shape = shape
        self.windows: list[Window] = []
        self.samples: list[Sample] = []
        self._file = out.open("w", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, row: dict[str, Any]) -> None:
        """One JSON line."""
        with self._lock:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()

    def run(self, folder: Path, seconds: float) -> list[str]:
        """Trades; gives what does not agree in the books."""
        plant = SteadyPlant(self.shape)
        ports = [broker.port for broker in plant.brokers]
        config = write_config(folder, self.shape, plant.leader.port, ports, SYMBOLS)
        with config.open("a", encoding="utf-8") as file:
            file.write(f"[core]\nretire_after_s = {KEEP_S}\n")
        try:
            with started(["gateway", "run", str(config)], folder / "gateway.log") as process:
                alive: Callable[[], bool] = lambda: process.poll() is None  # noqa: E731
                plant.wait_ready(READY_S, alive)
                sampler = Sampler(process.pid, folder / "state", self.write)
                sampler.start()
                try:
                    plant.trade(seconds, alive, lambda found: self._window(sampler.now_s(), found))
                finally:
                    sampler.stop()
                    self.samples = sampler.samples
                self._window(sampler.now_s(), plant.take_window())
                return self._compare(plant, folder / "state", alive)
        finally:
            plant.close()
            self._file.close()

    def _window(self, at_s: float, found: dict[str, float]) -> None:
        if found:
            row = {"kind": "latency_ms", "at_s": round(at_s, 1), **found}
            self.windows.append(row)
            self.write(row)

    def _compare(self, plant: SteadyPlant, state: Path, alive: Callable[[], bool]) -> list[str]:
        """The books, once they agree or do not any more."""
        wrong: list[str] = ["the core was not asked"]
        asked_s = 0.0

        def agree() -> bool:
            nonlocal wrong, asked_s
            if time.monotonic() - asked_s < 0.5:
                return False
            asked_s = time.monotonic()
            status, lines = ledger(state)
            wrong = wrong_in(plant, status, lines)
            return not wrong and audit_is_idle(state.parent)

        try:
            plant.wait(agree, END_S, "agreement of the books", alive)
        except BenchError as error:
            return [*wrong, str(error)]
        self.write(
            {"kind": "end", "fills": plant.fills, "orders": plant.orders, "unmatched": plant.unmatched}
        )
        return wrong


def ledger(state: Path) -> tuple[dict[str, Any], Counter[str]]:
    """The core's status, and how many of its lines are not at rest."""
    try:
        status = control.ask_at(state, {"cmd": "status"})
    except EnvironmentProblem:
        return {}, Counter(unknown=1, open=1)
    lines: Counter[str] = Counter(unknown=0, open=0)
    for line in status.get("subscriptions", []):
        lines["open"] += any(Decimal(line[key]) for key in ("target", "filled", "working"))
        lines["unknown"] += line["unknown"]
    return status, lines


def all_series(samples: list[Sample], windows: list[Window]) -> list[Series]:
    """Everything that is judged, with its bound."""
    made: list[Series] = []
    half = [s for s in samples if s["at_s"] >= (samples[0]["at_s"] + samples[-1]["at_s"]) / 2]
    orders = half[-1]["queues"]["orders_sent"] - half[0]["queues"]["orders_sent"]
    names = sorted({name for sample in samples for name in sample["processes"]})
    for name in names:
        kept_kib = ORDER_BYTES.get(name.partition(":")[0], 0) * orders / 1024
        # Each route has its own sessions' orders only.
        kept_kib /= sum(one.startswith("route:") for one in names) if name.startswith("route:") else 1
        for key, unit, bound in (
            (MEMORY, "KiB", MEMORY_KIB),
            ("fds", "descriptors", FDS),
            ("threads", "threads", THREADS),
        ):
            points = [(s["at_s"], s["processes"][name][key]) for s in samples if name in s["processes"]]
            known = kept_kib if key == MEMORY else 0.0
            made.append(Series(f"{name} {key}", unit, points, bound, known=known))
    for key, bound in ROWS.items():
        points = [(s["at_s"], s["queues"][key]) for s in samples]
        made.append(Series(f"queue {key}", "rows", points, bound))
    for key in ("p50", "p90"):
        points = [(w["at_s"], w[key]) for w in windows]
        made.append(Series(f"latency {key}", "ms", points, LATENCY_MS, LATENCY_SHARE))
    return made


def bytes_per_order(samples: list[Sample]) -> dict[str, float]:
    """What each process kept for each order that was sent, in the second half of the run."""
    half = samples[len(samples) // 2 :]
    names = sorted({name for sample in half for name in sample["processes"]})
    return {
        name: slope(
            [
                (s["queues"]["orders_sent"], s["processes"][name][MEMORY] * 1024)
                for s in half
                if name in s["processes"]
            ]
        )
        for name in names
    }


def verdicts(samples: list[Sample], windows: list[Window]) -> list[Verdict]:
    """What is judged. Latencies of a run too short for two full minutes in its half are left out."""
    if len(samples) < 2:
        return []
    judged = all_series(samples, windows)
    return [judge(one) for one in judged if not (one.name.startswith("latency") and len(windows) < 8)]


def report(samples: list[Sample], windows: list[Window], wrong: list[str]) -> int:
    """Says what came out; gives the exit code."""
    for window in windows:
        times = {key: round(window[key], 2) for key in ("p50", "p90", "p99", "max")}
        print(f"minute {window['at_s'] / 60:.1f}: {window['count']:.0f} orders, ms {times}")
    found = verdicts(samples, windows)
    for verdict in found:
        print(verdict.text())
    kept = ", ".join(f"{name} {size:.0f}" for name, size in bytes_per_order(samples).items())
    print(f"bytes that were kept for each order sent: {kept}")
    for text in wrong:
        print(f"BOOKS DIFFER: {text}")
    bad = [verdict for verdict in found if not verdict.flat]
    words = "all flat, or growing as known" if not bad else f"{len(bad)} of {len(found)} not flat"
    print(f"{words}; books {'differ' if wrong else 'agree'}")
    return 1 if bad or wrong or not found else 0


def again(recorded: Path, png: Path | None) -> int:
    """Judges and plots what an earlier run wrote. Its books were compared then."""
    rows = [json.loads(line) for line in recorded.read_text(encoding="utf-8").splitlines()]
    samples = [row for row in rows if row["kind"] == "sample"]
    windows = [row for row in rows if row["kind"] == "latency_ms"]
    code = report(samples, windows, [] if rows[-1]["kind"] == "end" else ["the run did not end well"])
    draw(samples, windows, png)
    return code


def draw(samples: list[Sample], windows: list[Window], png: Path | None) -> None:
    """Plots, where they are asked for."""
    if png is not None:
        from tests.bench.soak_plot import plot

        for path in plot(samples, windows, png):
            print(f"plot: {path}")


def main(words: list[str]) -> int:
    """0: flat and the books agree."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--fills-per-s", type=int, default=5, help="of the leader (default: 5)")
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--accounts", type=int, default=5, help="followers on each session (default: 5)")
    parser.add_argument("--out", type=Path, default=None, help="JSON lines of all samples go there")
    parser.add_argument("--png", type=Path, default=None, help="plots: PATH-memory.png and so on")
    parser.add_argument("--judge", type=Path, default=None, help="run nothing: judge the samples of a file")
    chosen = parser.parse_args(words)
    if chosen.judge is not None:
        return again(chosen.judge, chosen.png)
    shape = Shape("soak", chosen.sessions, chosen.accounts, 1, max(1, 1_000 // chosen.fills_per_s))
    with tempfile.TemporaryDirectory(prefix="copygate-soak-") as place:
        folder = Path(place)
        soak = Soak(shape, chosen.out or folder / "samples.jsonl")
        try:
            wrong = soak.run(folder, chosen.minutes * 60)
        except BenchError as error:
            tail = (folder / "gateway.log").read_text(errors="replace")[-2_000:]
            sys.stderr.write(f"soak: {error}\n{tail}\n")
            return 1
        code = report(soak.samples, soak.windows, wrong)
        draw(soak.samples, soak.windows, chosen.png)
        return code


if __name__ == "__main__":
    # SIGTERM unwinds like Ctrl-C: what was started here is ended here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
