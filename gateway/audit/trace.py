"""One execution of a leader, through every decision, to every follower's fill, on one screen. Reads only."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.audit.entry import NS_PER_S
from gateway.audit.store import day_files, has_decisions, reading
from gateway.audit.tables import ORDER_STAGES, STAGES

LINES_MAX = 40
"""Followers shown one by one; beyond it those that need a look come first and the rest are counted."""

ENDED = frozenset({"filled", "canceled", "rejected", "missed", "expired"})
"""Order states after which nothing more is expected."""

ORDER_TIMES = ORDER_STAGES[:3]
"""Sent, acknowledged, filled."""

SHOWN_PLACES = 2
"""Decimal places of targets and ratios on the screen."""

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
    """Stage name → ns, from the outcomes."""
    later: bool = False
    """Made after the decision: a close that was tried again, or an open that waited."""


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
        with reading(path) as db:
            if not has_decisions(db):
                continue
            for step in _decisions(db, exec_id):
                journal = int(step.row["journal"] or 0)
                traces.setdefault(journal, Trace(journal, [])).steps.append(step)
                for child in step.children:
                    children.setdefault(child.cl_ord_id, []).append(child)
            # A day's fills may belong to an order of the day before.
            _outcomes(db, children)
    return [traces[journal] for journal in sorted(traces)]


def newest(folder: Path) -> str | None:
    """ExecID(17) of the newest execution that was decided on; None when there is none."""
    query = "SELECT exec_id FROM decision WHERE exec_id <> '' ORDER BY id DESC LIMIT 1"
    for path in reversed(day_files(folder)):
        with reading(path) as db:
            row = db.execute(query).fetchone() if has_decisions(db) else None
        if row is not None:
            return str(row["exec_id"])
    return None


def _decisions(db: sqlite3.Connection, exec_id: str) -> list[Step]:
    steps: list[Step] = []
    for row in db.execute("SELECT * FROM decision WHERE exec_id = ? ORDER BY id", (exec_id,)):
        orders = db.execute("SELECT * FROM child_order WHERE decision_id = ? ORDER BY id", (row["id"],))
        steps.append(
            Step(
                dict(row),
                [
                    Child(o["cl_ord_id"], o["side"] or "", o["qty"] or "", later=bool(o["later"]))
                    for o in orders
                ],
            )
        )
    return steps


def _outcomes(db: sqlite3.Connection, children: dict[str, list[Child]]) -> None:
    for cl_ord_id, group in children.items():
        for row in db.execute("SELECT * FROM outcome WHERE cl_ord_id = ? ORDER BY id", (cl_ord_id,)):
            for child in group:
                child.state = row["state"] or child.state
                child.cum_qty = row["cum_qty"] or child.cum_qty
                child.px = row["px"] or child.px
                note(child.times, row)


def note(times: dict[str, int], row: sqlite3.Row) -> None:
    """First sent, first word of the broker, last fill."""
    if row["sent_ns"] is not None:
        times.setdefault("sent_ns", row["sent_ns"])
    heard = row["acknowledged_ns"] if row["acknowledged_ns"] is not None else row["filled_ns"]
    if heard is not None:
        times.setdefault("acknowledged_ns", heard)
    if row["filled_ns"] is not None:
        times["filled_ns"] = row["filled_ns"]


def render(trace: Trace, lines_max: int = LINES_MAX, wide: bool = False) -> RenderableType:
    """The screen for one execution. A wide one has the ClOrdIDs."""
    first = trace.steps[0].row
    steps = sorted(trace.steps, key=lambda step: (step.settled, step.row["k"] or 0))
    if len(steps) <= lines_max:
        steps, hidden = list(trace.steps), 0
    else:
        hidden = len(steps) - lines_max
        steps = steps[:lines_max]
    head = Text.assemble(
        (f"{first['leader']}: {first['side']} {first['leader_qty']} {first['instrument']}", "bold"),
        f"   ExecID {first['exec_id']}   OrderID {first['order_id']}   journal row {trace.journal}",
    )
    parts: list[RenderableType] = [head, Text(_stage_line(first)), Text(), _table(steps, wide)]
    parts += [Text(f"  {line}", style="red") for line in _refusals(steps)]
    parts.append(
        Text("+ is µs after the stage before, from queued on; total is µs from received", style="dim")
    )
    if hidden:
        parts.append(Text(f"… and {hidden} more; --all shows every line", style="dim"))
    parts += [Text(), Text(summary(trace), style="green" if trace.complete else "bold red")]
    return Group(*parts)


def _table(steps: Iterable[Step], wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_edge=False)
    for name in ("follower", "rule", "target, units", "order", "filled", *(("ClOrdID",) if wide else ())):
        table.add_column(name, overflow="fold")
    for name in ("+sent", "+acked", "+filled", "total"):
        table.add_column(name, justify="right", no_wrap=True)
    for step in steps:
        row = step.row
        start = [str(row["follower"] or row["subscription"]), _rule(row), _targets(row)]
        if not step.children:
            said = f"[red]{row['result']}[/]" if row["result"] == "refused" else str(row["result"])
            table.add_row(*start, f"{said} {row['code'] or ''}".strip())
        for i, child in enumerate(step.children):
            table.add_row(*(start if i == 0 else [""] * 3), *_child(child, row, wide))
    return table


def _rule(row: Row) -> str:
    ratio = f" x{_short(str(row['ratio']))}" if row["ratio"] else ""
    return f"{row['mode'] or ''}{ratio}"


def _targets(row: Row) -> str:
    return f"{_short(str(row['target_before']))} → {_short(str(row['target_after']))}"


def _short(text: str) -> str:
    """A quantity with at most SHOWN_PLACES places, cut: the log has all of them."""
    whole, point, places = text.partition(".")
    places = places[:SHOWN_PLACES].rstrip("0")
    return f"{whole}{point}{places}" if places else whole


def _child(child: Child, row: Row, wide: bool) -> list[str]:
    style = "green" if child.state == "filled" else "red" if child.state in ENDED else "yellow"
    part = child.cum_qty if child.state == "filled" else f"{child.state} {child.cum_qty}"
    filled = f"[{style}]{part}[/]" + (f" at {child.px}" if child.px else "")
    # It waited on purpose before it was sent.
    queued_ns = None if child.later else row["queued_ns"]
    times = [queued_ns, *(child.times.get(name) for name in ORDER_TIMES)]
    steps = [_us(before, at) for before, at in pairwise(times)]
    order = f"{'later: ' if child.later else ''}{child.side} {child.qty}"
    return [
        order, filled, *([child.cl_ord_id] if wide else []), *steps,
        _us(row["received_ns"], times[-1]),
    ]  # fmt: skip


def _us(before: str | int | None, at: str | int | None) -> str:
    """Whole µs from one stage to another; empty when one of them is not known."""
    return "" if before is None or at is None else str((int(at) - int(before)) // 1000)


def _refusals(steps: Iterable[Step]) -> list[str]:
    """One line per refusal or cut, with the numbers that were compared."""
    lines = []
    for step in steps:
        row = step.row
        if not row["code"]:
            continue
        what = "refused" if row["result"] == "refused" else "cut" if step.children else "not opened"
        lines.append(f"{row['follower'] or row['subscription']} {what}: {_numbers(row)}")
    return lines


def _numbers(row: Row) -> str:
    """`code (limit 200, value 290)`, or the numbers as they are when they have another form."""
    try:
        found = json.loads(str(row["numbers"] or "null"))
    except json.JSONDecodeError:
        found = None
    refusals = found if isinstance(found, list) else [{"code": row["code"], **(found or {})}]
    said = []
    for one in refusals:
        numbers = {k: v for k, v in one.items() if k != "code" and v not in ("0", None)}
        inside = ", ".join(f"{name} {_short(str(value))}" for name, value in numbers.items())
        said.append(f"{one.get('code')} ({inside})" if inside else str(one.get("code")))
    return ", ".join(said)


def _stage_line(row: Row) -> str:
    known = [(name.removesuffix("_ns"), int(row[name] or 0)) for name in STAGES if row[name] is not None]
    if len(known) < 2:
        return "stage times were lost: the core was killed before it wrote them"
    steps = [f" → {name} {(at - before) // 1000} µs" for (_, before), (name, at) in pairwise(known)]
    return f"received {time_text(known[0][1])}" + "".join(steps)


def time_text(at_ns: int) -> str:
    """UTC time of day with microseconds; integers all the way."""
    at = datetime.fromtimestamp(at_ns // NS_PER_S, tz=UTC)
    return f"{at:%H:%M:%S}.{at_ns % NS_PER_S // 1000:06d} UTC"


def summary(trace: Trace) -> str:
    """One line: are all decisions there, and how did the orders end."""
    results: dict[str, int] = {}
    for step in trace.steps:
        name = str(step.row["result"])
        results[name] = results.get(name, 0) + 1
    orders = [child for step in trace.steps for child in step.children]
    ends = Counter(child.state if child.state in ENDED else "open" for child in orders)
    others = sorted(ends.keys() - {"filled", "open"})
    ended = ", ".join(f"{ends[name]} {name}" for name in ("filled", *others, "open"))
    said = ", ".join(f"{count} {name}" for name, count in sorted(results.items()))
    n = trace.steps[0].row["n"]
    whole = f"{'' if trace.complete else 'only '}{len(trace.steps)} of {n} decisions"
    return f"{whole}: {said}; {len(orders)} orders: {ended}"
