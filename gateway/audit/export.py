"""The audit log as text: one entry per line (jsonl), or a table for a spreadsheet (csv)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gateway.audit.entry import canonical, whole_number
from gateway.audit.store import read_entries
from gateway.audit.tables import DECISION_TEXTS, ORDER_STAGES, STAGES, in_units

FORMATS = ("jsonl", "csv")

TIMES = (*STAGES, *ORDER_STAGES)

UNITS = {"target_before_units": "target_before", "target_after_units": "target_after"}
"""Columns for people, computed: an entry has targets in parts of a step."""

COLUMNS = (
    "entry", "journal", "kind", "at_ns", *DECISION_TEXTS, "step", *UNITS, "k", "n", *STAGES, "orders",
    "cl_ord_id", "state", "qty", "cum_qty", "px", *ORDER_STAGES, "more",
)  # fmt: skip
"""Columns of the table. `more` holds, as JSON, every field that has no column: nothing is left out."""


def selected(folder: Path, from_ns: int | None, to_ns: int | None) -> Iterator[tuple[int, bytes]]:
    """Entries with from_ns <= at_ns < to_ns. An entry without a time belongs to the one before it."""
    at_ns = 0
    for number, data in read_entries(folder):
        if from_ns is not None or to_ns is not None:
            found = whole_number(json.loads(data).get("at_ns"))
            at_ns = at_ns if found is None else found
            if (from_ns is not None and at_ns < from_ns) or (to_ns is not None and at_ns >= to_ns):
                continue
        yield number, data


def write_jsonl(entries: Iterator[tuple[int, bytes]], out: IO[str]) -> int:
    """One entry per line, byte for byte as it is in the log. Returns how many."""
    count = 0
    for _, data in entries:
        out.write(data.decode("utf-8"))
        out.write("\n")
        count += 1
    return count


def write_csv(entries: Iterator[tuple[int, bytes]], out: IO[str]) -> int:
    """A heading and one line per entry. Returns how many entries."""
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    count = 0
    for number, data in entries:
        writer.writerow(csv_row(number, json.loads(data)))
        count += 1
    return count


def csv_row(number: int, fields: dict[str, Any]) -> dict[str, str]:
    """One entry as text by column."""
    rest = dict(fields)
    row = {"entry": str(number)}
    stages = rest.get("stages")
    if isinstance(stages, dict):
        known = {name: stages[name] for name in TIMES if isinstance(stages.get(name), str)}
        row.update(known)
        rest["stages"] = {name: value for name, value in stages.items() if name not in known}
        if not rest["stages"]:
            del rest["stages"]
    for name, source in UNITS.items():
        if isinstance(rest.get(source), str):
            row[name] = in_units(rest[source], rest.get("step"))
    for name in COLUMNS[1:-1]:
        value = rest.get(name)
        if name not in rest or value is None or name in TIMES:
            continue
        row[name] = value if isinstance(value, str) else canonical(value).decode()
        del rest[name]
    row["more"] = canonical(rest).decode() if rest else ""
    return row
