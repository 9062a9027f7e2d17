"""Samples of a running deployment: what its processes hold, and what waits in its queues."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway import control
from gateway.errors import EnvironmentProblem
from tests.bench.measured import family

SAMPLE_S = 5.0
Sample = dict[str, Any]


def processes(pid: int) -> dict[str, dict[str, int]]:
    """By name: memory in KiB, descriptors, threads. A process that ends meanwhile is left out."""
    found: dict[str, dict[str, int]] = {}
    members: list[int] = []
    with suppress(OSError):
        members = family(pid)
    for member in members:
        with suppress(OSError):
            name = "supervisor" if member == pid else Path(f"/proc/{member}/comm").read_text().strip()
            values: dict[str, int] = {"pid": member, "fds": len(list(Path(f"/proc/{member}/fd").iterdir()))}
            for key, line in _pairs(Path(f"/proc/{member}/smaps_rollup").read_text()):
                if key in ("Rss", "Pss", "Anonymous"):
                    values[f"{key.lower()}_kib"] = int(line.split()[0])
            for key, line in _pairs(Path(f"/proc/{member}/status").read_text()):
                if key == "Threads":
                    values["threads"] = int(line)
            found[name] = values
    return found


def queues(state: Path) -> dict[str, float]:
    """What waits: frames of the core, orders and rows of the routes, rows that the audit log has not read."""
    status: dict[str, Any] = {}
    with suppress(EnvironmentProblem):
        status = control.ask_at(state, {"cmd": "status"})
    pipeline = status.get("pipeline") or {}
    audit: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        audit = json.loads((state / "audit" / "status.json").read_text())
    return {
        "answered": float(bool(status)),
        "outbox": float(pipeline.get("outbox", 0)),
        "held": float(sum(route["held"] for route in status.get("routes", []))),
        "route_rows": float(sum((pipeline.get("route_rows") or {}).values())),
        "audit_lag": float(audit.get("lag_rows", 0)),
        "journal_rows": float(status.get("journal_rows", 0)),
        "orders_sent": float(status.get("orders_sent", 0)),
    }


def sizes(state: Path) -> dict[str, int]:
    """Bytes on the disk by kind, write-ahead logs included."""
    return {
        "journal": _bytes(state.glob("core/journal.db*")),
        "routes": _bytes(state.glob("route-*/route.db*")),
        "audit": _bytes(state.glob("audit/*")),
        "fix": _bytes(state.glob("*/fix/*")),
    }


class Sampler:
    """Takes samples in a thread of its own: the loop that measures must not wait for them."""

    def __init__(self, pid: int, state: Path, write: Callable[[Sample], None]) -> None:
        self._pid, self._state, self._write = pid, state, write
        self._stop = threading.Event()
        self._began = time.monotonic()
        self.samples: list[Sample] = []
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends, with the sample that is being taken."""
        self._stop.set()
        self._thread.join(10)

    def now_s(self) -> float:
        """Seconds since the begin."""
        return time.monotonic() - self._began

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            sample = {
                "kind": "sample",
                "at_s": round(self.now_s(), 1),
                "processes": processes(self._pid),
                "queues": queues(self._state),
                "bytes": sizes(self._state),
            }
            self.samples.append(sample)
            self._write(sample)


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(key, value.strip()) for key, _, value in (line.partition(":") for line in text.splitlines())]


def _bytes(files: Any) -> int:
    total = 0
    for file in files:
        with suppress(OSError):
            total += file.stat().st_size
    return total
