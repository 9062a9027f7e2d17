"""Finds the decisions and steps of mirrors that `copygate explain` tells, and shows them. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.audit import explain, explain_mirror, trace
from gateway.audit.mirror_table import has_mirrors
from gateway.audit.store import day_files, has_decisions, read_entry, reading
from gateway.errors import UsageError
from gateway.hints import did_you_mean


@dataclass(frozen=True, slots=True)
class Told:
    """One decision of one follower, or one step of a mirror, and the steps that led to it."""

    entry: dict[str, Any]
    reasons: list[explain.Reason]


def find(folder: Path, exec_id: str, follower: str) -> list[Told]:
    """What was decided for the follower about this ExecID(17), oldest first: leaders and days may share one.

    Of a mirrored order that is every step from this report to the leader's next one. `follower` may name a
    subscription as well. UsageError when there is no such execution, or none of this follower.
    """
    steps = [step for one in trace.find(folder, exec_id) for step in one.steps]
    mirrors = _mirrors(folder, exec_id)
    rows: list[trace.Row] = [*(step.row for step in steps), *(row for _, row in mirrors)]
    if not rows:
        raise UsageError("no decision has this ExecID", path="EXECID", value=exec_id)
    if not any(_is_of(row, follower) for row in rows):
        others = did_you_mean(follower, [str(row["follower"]) for row in rows])
        what = "this follower has no decision about the execution"
        raise UsageError(what, path="FOLLOWER", value=follower, hint=others)
    mine = [(path, row) for path, row in mirrors if _is_of(row, follower)]
    said = {(row["journal"], row["subscription"]) for _, row in mine}
    told = [
        _told(folder, step, (step.row["journal"], step.row["subscription"]) in said)
        for step in steps
        if _is_of(step.row, follower)
    ]
    # A decision that moved no target is told by the mirror's own step.
    plain = [one for one in told if one.entry.get("conversion") or _place(one) not in said]
    # Before the mirrors' steps of the same row: the leader's fill comes first, then what it means to them.
    found = plain + [_told_mirror(folder, path, int(row["id"] or 0)) for path, row in mine]
    return sorted(found, key=lambda one: int(one.entry["journal"]))


def _is_of(row: trace.Row, follower: str) -> bool:
    return follower in (row["follower"], row["subscription"])


def _place(told: Told) -> tuple[int, Any]:
    return int(told.entry["journal"]), told.entry["subscription"]


def _mirrors(folder: Path, exec_id: str) -> list[tuple[Path, trace.Row]]:
    """Steps of mirrors that this report of the leader's led to, oldest first: of the order that it is about,
    up to its next report, and of other orders in the same row."""
    query = "SELECT id, journal, follower, subscription FROM mirror WHERE exec_id = ? OR cause_exec_id = ?"
    found: list[tuple[Path, trace.Row]] = []
    for path in day_files(folder):
        with reading(path) as db:
            if has_mirrors(db):
                rows = db.execute(f"{query} ORDER BY id", (exec_id, exec_id))
                found += [(path, dict(row)) for row in rows]
    return found


def _told(folder: Path, step: trace.Step, mirrors: bool) -> Told:
    """`mirrors`: the same row has a step of a mirror, whatever the log has of the configuration."""
    number = int(step.row["id"] or 0)
    path = _file_of(folder, number)
    entry = json.loads(read_entry(path, number))
    known = explain.context(_config(folder, path, number), entry)
    known = replace(known, mirrors=known.mirrors or mirrors)
    return Told(entry, explain.explain(entry, known, step.children))


def _told_mirror(folder: Path, path: Path, number: int) -> Told:
    entry = json.loads(read_entry(path, number))
    known = explain.context(_config(folder, path, number), entry)
    return Told(entry, explain_mirror.explain(entry, known))


def _file_of(folder: Path, number: int) -> Path:
    for path, _ in _newest(folder, "SELECT id FROM decision WHERE id = ?", number):
        return path
    raise UsageError("the decision is not in the log any more", path=str(folder), value=number)


def _config(folder: Path, path: Path, number: int) -> Any:
    """The configuration of the start that was in force; None before the first."""
    query = "SELECT max(id) AS id FROM entry WHERE kind = 'start' AND id < ?"
    for found, start in _newest(folder, query, number):
        if found <= path:
            return json.loads(read_entry(found, start)).get("config")
    return None


def _newest(folder: Path, query: str, number: int) -> Iterator[tuple[Path, int]]:
    """Day files, the newest first, in which the query finds an entry, and its number."""
    for path in reversed(day_files(folder)):
        with reading(path) as db:
            row = db.execute(query, (number,)).fetchone() if has_decisions(db) else None
        if row is not None and row["id"] is not None:
            yield path, int(row["id"])


def render(told: Told) -> RenderableType:
    """The steps, numbered, one below the other."""
    entry = told.entry
    at = trace.time_text(int(entry["at_ns"])) if entry.get("at_ns") else "time unknown"
    who = f"{entry['follower']} and ExecID {entry['exec_id']} of {entry['leader']}"
    if entry.get("kind") == "mirror":
        order = entry["cl_ord_id"] or entry["order_id"]
        who = f"{entry['follower']}: mirror of {entry['leader']}'s order {order}"
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(justify="right", style="dim")
    table.add_column(overflow="fold")
    for n, one in enumerate(told.reasons, 1):
        style = "red" if one.step == "refusal" else "bold" if one.step == "result" else ""
        table.add_row(str(n), Text(one.text, style=style))
    return Group(
        Text(who, style="bold"), Text(f"{at}, journal row {entry['journal']}", style="dim"), table, Text()
    )


def as_json(told: Told) -> str:
    """One JSON object."""
    return explain.as_json(told.entry, told.reasons)
