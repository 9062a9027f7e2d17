"""Who is served when: each follower's place in the order of dispatch and its delay. Reads only.

Opens and closes apart: a follower that is first at every open and last at every close pays for it, and in the
mean of both it looks fair. A leader's trade that crosses zero is an open.

Places are those of the decisions, k of n. A delay is from the leader's report to the route's OUT row of the
first order of the decision, so it holds what the core, the link and the route's queue took.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.audit.stats import PERCENTILES, percentiles
from gateway.audit.store import day_files, has_decisions, reading

PLACE_FAIR_PERMILLE = 500
"""Mean place of a follower that is served as often early as late: 0 is always first, 1000 always last."""

SENT = """SELECT d.follower, min(o.sent_ns) - d.received_ns FROM decision d
  JOIN child_order c ON c.decision_id = d.id JOIN outcome o ON o.cl_ord_id = c.cl_ord_id
  WHERE o.sent_ns IS NOT NULL AND d.received_ns IS NOT NULL AND d.n > 1 AND NOT c.later GROUP BY d.id"""
"""Delay of each decision that sent something; what left in another file, after midnight, is not counted."""


PLACES = """WITH parts AS (SELECT journal, max(json_extract(numbers, '$.reduce') <> '0') AS reduces,
    max(json_extract(numbers, '$.increase') <> '0') AS increases FROM decision GROUP BY journal)
  SELECT follower, reduces AND NOT increases AS closes, count(*), sum(k = 1), sum(k = n),
    sum(k - 1), sum(n - 1)
  FROM decision JOIN parts USING (journal) WHERE n > 1 AND follower IS NOT NULL GROUP BY follower, closes"""
"""Places by follower, of opens and of closes, by the parts that the core split the leader's trade into: what
increases nothing is a close. What has no numbers has NULL there: an open, as whatever is no close."""


@dataclass(slots=True)
class Places:
    """One follower's places over executions of one kind."""

    decisions: int = 0
    first: int = 0
    """How often it was the first of all."""
    last: int = 0
    ahead: int = 0
    """Sum of k - 1: decisions that were made before its own."""
    others: int = 0
    """Sum of n - 1."""

    @property
    def place_permille(self) -> int:
        """Mean place, 0 (always first) to 1000 (always last)."""
        return self.ahead * 1000 // self.others if self.others else 0


@dataclass(slots=True)
class Served:
    """One follower over all executions that were copied to more than one."""

    opens: Places = field(default_factory=Places)
    closes: Places = field(default_factory=Places)
    delays_ns: array[int] = field(default_factory=lambda: array("q"))


def collect(folder: Path) -> dict[str, Served]:
    """Followers by name, over all files. What only one subscription copies says nothing and is left out."""
    found: dict[str, Served] = {}
    for path in day_files(folder):
        with reading(path) as db:
            if has_decisions(db):
                _places(db, found)
                for follower, delay_ns in db.execute(SENT):
                    found[follower].delays_ns.append(max(0, delay_ns))
    return dict(sorted(found.items()))


def _places(db: sqlite3.Connection, found: dict[str, Served]) -> None:
    for follower, closes, decisions, first, last, ahead, others in db.execute(PLACES):
        served = found.setdefault(follower, Served())
        one = served.closes if closes else served.opens
        one.decisions += decisions
        one.first += first
        one.last += last
        one.ahead += ahead
        one.others += others


def as_json(found: dict[str, Served]) -> str:
    """One object by follower; delays in µs."""
    return json.dumps({name: _numbers(one) for name, one in found.items()}, sort_keys=True)


def _numbers(one: Served) -> dict[str, dict[str, int]]:
    return {
        "opens": _of_kind(one.opens),
        "closes": _of_kind(one.closes),
        "received_to_sent_us": percentiles(one.delays_ns) if one.delays_ns else {},
    }


def _of_kind(one: Places) -> dict[str, int]:
    return {
        "decisions": one.decisions, "first": one.first, "last": one.last,
        "place_permille": one.place_permille,
    }  # fmt: skip


def render(found: dict[str, Served]) -> RenderableType:
    """Places and delays, a line for each follower in both, and how far they are apart."""
    names = [name for name, _ in PERCENTILES]
    of_kind = ("first", "last", "place %")
    places = _table("opens", *of_kind, "closes", *of_kind)
    delays = _table("sent", *(f"{name} µs" for name in names), "max µs")
    for follower, one in found.items():
        places.add_row(follower, *_shown(one.opens), *_shown(one.closes))
        of = percentiles(one.delays_ns) if one.delays_ns else {}
        delays.add_row(follower, *(str(of.get(name, "")) for name in ("count", *names, "max")))
    return Group(places, Text(), delays, Text(), Text(_apart(found)))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("follower", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _shown(one: Places) -> tuple[str, ...]:
    if not one.others:
        return ("0", "", "", "")
    place = f"{one.place_permille // 10}.{one.place_permille % 10}"
    return (str(one.decisions), str(one.first), str(one.last), place)


def _apart(found: dict[str, Served]) -> str:
    if not found:
        return "no execution was copied to more than one follower yet"
    kinds = [kind for one in found.values() for kind in (one.opens, one.closes) if kind.others]
    places = [kind.place_permille for kind in kinds]
    far = max(abs(place - PLACE_FAIR_PERMILLE) for place in places)
    line = f"place: 50 % is fair, the furthest is {far // 10}.{far % 10} away"
    medians = [percentiles(one.delays_ns)["p50"] for one in found.values() if one.delays_ns]
    if medians:
        line += f"; median delay {min(medians)} to {max(medians)} µs"
    return line
