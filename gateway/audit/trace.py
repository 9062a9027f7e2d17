"""One execution of a leader, through every decision, to every follower's fill, on one screen. Reads only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.audit.store import day_files, open_reader
from gateway.audit.tables import STAGES

LINES_MAX = 40
"""Followers shown one by one; beyond it those that need a look come first and the rest are counted."""

ENDED = frozenset({"filled", "canceled", "rejected", "missed", "expired"})
"""Order states after which nothing more is expected."""

Row = dict[str, str | int | None]


@dataclass(slots=True)
class Child:
    """One order of a follower and what became of it."""

    cl_ord_id: str
    side: str
    qty: str
    state: str = "queued"
    cum_qty: str = "0"
    px: str = ""
    times: dict[str, int] = field(default_factory=dict)
    """First time in ns of each state."""


@dataclass(slots=True)
class Step:
    """One decision with its orders."""

    row: Row
    children: list[Child] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """True when nothing more is expected and nothing went wrong."""
        if self.row["result"] == "refused":
            return False
        return all(child.state == "filled" for child in self.children)


@dataclass(slots=True)
class Trace:
    """Everything about one execution: one journal row, its decisions in order k of n."""

    journal: int
    steps: list[Step]

    @property
    def complete(self) -> bool:
        """True when the log has all n decisions that the row says it has, each once."""
        n = self.steps[0].row["n"]
        return n is None or sorted(s.row["k"] or 0 for s in self.steps) == list(range(1, int(n) + 1))


def find(folder: Path, exec_id: str) -> list[Trace]:
    """All executions with this ExecID(17): leaders and days may share one. Oldest first."""
    traces: dict[int, Trace] = {}
    children: dict[str, list[Child]] = {}
    for path in day_files(folder):
        with closing(open_reader(path)) as db:
            for step in _decisions(db, exec_id):
                journal = int(step.row["journal"] or 0)
                traces.setdefault(journal, Trace(journal, [])).steps.append(step)
                for child in step.children:
                    children.setdefault(child.cl_ord_id, []).append(child)
            # A day's fills may belong to an order of the day before.
            _outcomes(db, children)
    return [traces[journal] for journal in sorted(traces)]


def _decisions(db: sqlite3.Connection, exec_id: str) -> list[Step]:
    steps: list[Step] = []
    for row in db.execute("SELECT * FROM decision WHERE exec_id = ? ORDER BY id", (exec_id,)):
        orders = db.execute("SELECT * FROM child_order WHERE decision_id = ? ORDER BY id", (row["id"],))
        steps.append(
            Step(dict(row), [Child(o["cl_ord_id"], o["side"] or "", o["qty"] or "") for o in orders])
        )
    return steps


def _outcomes(db: sqlite3.Connection, children: dict[str, list[Child]]) -> None:
    for cl_ord_id, group in children.items():
        for row in db.execute("SELECT * FROM outcome WHERE cl_ord_id = ? ORDER BY id", (cl_ord_id,)):
            for child in group:
                child.state = row["state"] or child.state
                child.cum_qty = row["cum_qty"] or child.cum_qty
                child.px = row["px"] or child.px
                child.times.setdefault(row["state"] or "", row["at_ns"] or 0)


def render(trace: Trace, lines_max: int = LINES_MAX) -> RenderableType:
    """The screen for one execution."""
    first = trace.steps[0].row
    steps = sorted(trace.steps, key=lambda step: (step.settled, step.row["k"] or 0))
    if len(steps) <= lines_max:
        steps, hidden = list(trace.steps), 0
    else:
        hidden = len(steps) - lines_max
        steps = steps[:lines_max]
    head = Text.assemble(
        (f"{first['leader']} ", "bold"), f"{first['side']} {first['leader_qty']} {first['instrument']}  ",
        f"ExecID {first['exec_id']}  OrderID {first['order_id']}  journal row {trace.journal}",
    )  # fmt: skip
    parts: list[RenderableType] = [head, Text(_stage_line(first), style="dim"), _table(steps)]
    if hidden:
        parts.append(Text(f"… and {hidden} more; --all shows every line", style="dim"))
    parts.append(Text(summary(trace), style="green" if trace.complete else "bold red"))
    return Group(*parts)


def _table(steps: Iterable[Step]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("k/n", "follower", "rule", "target", "decision", "order", "state", "filled", "at px"):
        table.add_column(name, overflow="fold")
    for name in ("sent", "acked", "filled"):
        table.add_column(f"{name} ms", justify="right", no_wrap=True)
    for step in steps:
        row = step.row
        start = [
            f"{row['k']}/{row['n']}", str(row["follower"] or row["subscription"]),
            f"{row['mode'] or ''} x{row['ratio']}" if row["ratio"] else str(row["mode"] or ""),
            f"{row['target_before']} → {row['target_after']}", _decision(row),
        ]  # fmt: skip
        if not step.children:
            table.add_row(*start)
        for i, child in enumerate(step.children):
            table.add_row(*(start if i == 0 else [""] * len(start)), *_child(child, _received(row)))
    return table


def _child(child: Child, received_ns: int | None) -> list[str]:
    style = "green" if child.state == "filled" else "red" if child.state in ENDED else "yellow"
    times = [child.times.get(name) for name in ("out", "acknowledged", "filled")]
    after = [ms(at - received_ns) if at and received_ns else "" for at in times]
    state = f"[{style}]{child.state}[/]"
    return [f"{child.side} {child.qty} {child.cl_ord_id}", state, child.cum_qty, child.px, *after]


def _decision(row: Row) -> str:
    if row["result"] == "refused":
        return f"[red]refused {row['code']}[/] {row['numbers'] or ''}"
    return str(row["result"]) if not row["code"] else f"{row['result']} {row['code']}"


def _received(row: Row) -> int | None:
    found = row["received_ns"] or row["at_ns"]
    return int(found) if found else None


def _stage_line(row: Row) -> str:
    times = [(name.removesuffix("_ns"), row[name]) for name in STAGES]
    known = [(name, int(at)) for name, at in times if at is not None]
    if len(known) < 2:
        return "stage times are not in the journal"
    steps = [f" → {name} +{(at - before) // 1000} µs" for (_, before), (name, at) in pairwise(known)]
    return known[0][0] + "".join(steps)


def ms(ns: int) -> str:
    """Milliseconds with three decimals, from integers."""
    return str(Decimal(ns // 1000).scaleb(-3))


def summary(trace: Trace) -> str:
    """One line: are all decisions there, and how did the orders end."""
    results: dict[str, int] = {}
    for step in trace.steps:
        name = str(step.row["result"])
        results[name] = results.get(name, 0) + 1
    orders = [child for step in trace.steps for child in step.children]
    filled = sum(child.state == "filled" for child in orders)
    open_ = sum(child.state not in ENDED for child in orders)
    said = ", ".join(f"{count} {name}" for name, count in sorted(results.items()))
    n = trace.steps[0].row["n"]
    whole = f"{'' if trace.complete else 'only '}{len(trace.steps)} of {n} decisions"
    return f"{whole}: {said}; {len(orders)} orders: {filled} filled, {open_} open"
