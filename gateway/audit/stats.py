"""What the audit log says in numbers: counts, refusals, latency per stage, lag. Reads only."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.audit.alive import Word, last_word
from gateway.audit.store import day_files, has_decisions, reading
from gateway.audit.trace import note

PERCENTILES = (("p50", 5000), ("p90", 9000), ("p99", 9900), ("p99_9", 9990))
"""Names and ranks in 1/10,000."""

ROW_STAGES = (
    ("journal", "received_ns", "journaled_ns"),
    ("decide", "journaled_ns", "decided_ns"),
    ("queue", "decided_ns", "queued_ns"),
)
"""Stages of a journal row: name, from, to. Its decisions share these times, so each row counts once."""


SERIES = (
    ("send", "queued_ns", "sent_ns"),
    ("acknowledge", "sent_ns", "acknowledged_ns"),
    ("fill", "acknowledged_ns", "filled_ns"),
    ("received_to_sent", "received_ns", "sent_ns"),
    ("received_to_filled", "received_ns", "filled_ns"),
)
"""Stages of one order; the last two are sums, from the leader's report on."""


@dataclass(slots=True)
class Stats:
    """Everything that `audit stats` shows."""

    files: list[str] = field(default_factory=list)
    entries: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    executions: int = 0
    results: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    states: Counter[str] = field(default_factory=Counter)
    """Last known state of every order."""
    latency_us: dict[str, dict[str, int]] = field(default_factory=dict)
    """Stage → percentile → microseconds, rounded down."""
    status: dict[str, Any] = field(default_factory=dict)
    """status.json of the audit process: position, journal head, lag."""
    word: Word = field(default_factory=Word)
    """The same, and whether the process is there: of this moment, so not in the JSON."""

    def as_json(self) -> str:
        """One object, keys sorted."""
        # Not asdict: it rebuilds a Counter from its pairs and so counts the pairs.
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "word"}
        return json.dumps(values, sort_keys=True)


def collect(folder: Path) -> Stats:
    """Reads all files of the folder."""
    stats = Stats()
    times: dict[str, array[int]] = {}
    queued: dict[str, tuple[int, int]] = {}
    last: dict[str, str] = {}
    for path in day_files(folder):
        with reading(path) as db:
            if not has_decisions(db):
                continue
            stats.files.append(path.name)
            _counts(db, stats)
            _row_stages(db, times)
            _order_stages(db, times, queued, last)
    stats.orders = len(queued)
    stats.states = Counter(last.get(cl_ord_id, "queued") for cl_ord_id in queued)
    stats.latency_us = {stage: percentiles(values) for stage, values in times.items() if values}
    stats.word = last_word(folder)
    stats.status = stats.word.status
    return stats


def percentiles(values: array[int]) -> dict[str, int]:
    """Exact percentiles (nearest rank) and the count, ns in, µs out."""
    ranked = sorted(values)
    last = len(ranked) - 1
    places = {name: -(-rank * len(ranked) // 10_000) - 1 for name, rank in PERCENTILES}
    found = {name: ranked[min(last, place)] // 1000 for name, place in places.items()}
    return {"count": len(ranked), **found, "max": ranked[last] // 1000}


def _counts(db: sqlite3.Connection, stats: Stats) -> None:
    for kind, count in db.execute("SELECT kind, count(*) FROM entry GROUP BY kind"):
        stats.kinds[kind] += count
        stats.entries += count
    results = "SELECT result, code, count(*) FROM decision GROUP BY result, code"
    for result, code, count in db.execute(results):
        stats.results[result or "unknown"] += count
        if result == "refused":
            stats.refusals[code or "none"] += count
    query = "SELECT count(*) FROM (SELECT DISTINCT journal FROM decision WHERE exec_id <> '')"
    stats.executions += db.execute(query).fetchone()[0]


def _row_stages(db: sqlite3.Connection, times: dict[str, array[int]]) -> None:
    for stage, start, end in ROW_STAGES:
        query = f"SELECT max({end} - {start}) FROM decision WHERE {end} IS NOT NULL GROUP BY journal"
        _series(times, stage).extend(max(0, row[0]) for row in db.execute(query) if row[0] is not None)


def _order_stages(
    db: sqlite3.Connection,
    times: dict[str, array[int]],
    queued: dict[str, tuple[int, int]],
    last: dict[str, str],
) -> None:
    """Sent, acknowledged and filled: per order, from the first outcome of each kind."""
    query = (
        "SELECT c.cl_ord_id, coalesce(d.received_ns, d.at_ns, 0), coalesce(d.queued_ns, 0), c.later"
        " FROM child_order c LEFT JOIN decision d ON d.id = c.decision_id"
    )
    for cl_ord_id, received_ns, queued_ns, later in db.execute(query):
        # An order that was made later has waited on purpose: it is no latency of its decision.
        queued.setdefault(cl_ord_id, (0, 0) if later else (received_ns, queued_ns))
    at: dict[str, dict[str, int]] = {}
    for row in db.execute("SELECT * FROM outcome ORDER BY id"):
        last[row["cl_ord_id"]] = row["state"]
        if row["cl_ord_id"] in queued:
            note(at.setdefault(row["cl_ord_id"], {}), row)
    for cl_ord_id, found in at.items():
        received_ns, queued_ns = queued[cl_ord_id]
        times_of = {"received_ns": received_ns, "queued_ns": queued_ns, **found}
        for stage, start, end in SERIES:
            if times_of.get(start) and times_of.get(end):
                _series(times, stage).append(max(0, times_of[end] - times_of[start]))


def _series(times: dict[str, array[int]], stage: str) -> array[int]:
    return times.setdefault(stage, array("q"))


def render(stats: Stats) -> RenderableType:
    """The screen."""
    counts = Table(box=None, pad_edge=False, show_header=False)
    counts.add_row("files", ", ".join(stats.files) or "none yet")
    counts.add_row("entries", f"{stats.entries}  ({_said(stats.kinds)})")
    counts.add_row("leader executions", str(stats.executions))
    counts.add_row("decisions", _said(stats.results))
    counts.add_row("refusals", _said(stats.refusals))
    counts.add_row("orders", f"{stats.orders}  ({_said(stats.states)})")
    latency = Table(box=None, pad_edge=False, header_style="bold")
    latency.add_column("stage, µs")
    for name in ("count", *(name for name, _ in PERCENTILES), "max"):
        latency.add_column(name, justify="right")
    for stage, found in stats.latency_us.items():
        latency.add_row(stage, *(str(value) for value in found.values()))
    return Group(counts, Text(), latency, Text(), Text(stats.word.line))


def _said(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"
