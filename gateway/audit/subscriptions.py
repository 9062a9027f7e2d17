"""What each subscription did and won: decisions, orders, fills, position, result, refusals. Reads only.

One line for each subscription and instrument of its leader, and one for each account and instrument: what all
its subscriptions hold and have won there. Everything is counted from the log's own entries. Fills that were
taken back count as if they had never been, corrected ones at their corrected price and quantity.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from gateway.audit import fill_table
from gateway.audit.fill_table import has_fills
from gateway.audit.mirror_table import has_mirrors
from gateway.audit.pnl import Execution, Line, correct
from gateway.audit.store import day_files, has_decisions, read_kind, reading

NAMELESS = "0" * 32
"""An execution that its broker gave no name: nothing can name it later."""
BY_HAND = ("adjust", "position", "reconcile", "resync")
"""Commands that may move what a line holds without a fill."""
# fmt: off
DECISIONS = """SELECT subscription, instrument, leader, follower, result = 'refused' AS refused, code,
  count(*) FROM decision GROUP BY subscription, instrument, leader, follower, refused, code"""
ORDERS = """SELECT d.subscription, d.instrument, d.leader, d.follower, c.cl_ord_id FROM child_order c
  JOIN decision d ON d.id = c.decision_id WHERE NOT c.later"""
MIRRORS = """SELECT subscription, instrument, leader, follower, act, code, to_cl_ord_id FROM mirror
  WHERE act IN ('place', 'replace', 'refuse')"""
FILLS = """id, subscription, instrument, leader, follower, traded, contract, currency, act, side, units, px,
  execution"""
# fmt: on

Key = tuple[str, str]
"""Subscription, and instrument of its leader."""


@dataclass(slots=True)
class Copied:
    """One subscription in one instrument of its leader."""

    subscription: str
    instrument: str
    leader: str
    follower: str
    traded: str = ""
    """The follower's instrument, its units in a lot, the currency that it pays: known from the first fill."""
    contract: Fraction = Fraction(1)
    currency: str = ""
    decisions: int = 0
    orders: int = 0
    fills: int = 0
    busts: int = 0
    corrections: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    """By code; `broker_reject` are orders that the broker rejected."""
    line: Line = field(default_factory=Line)


@dataclass(slots=True)
class Account:
    """What all subscriptions of one follower hold and have won in one of its instruments."""

    follower: str
    traded: str
    currency: str
    contract: Fraction
    line: Line
    """The sum of theirs; its average means nothing."""


@dataclass(slots=True)
class Subscriptions:
    """Everything that `audit subscriptions` shows."""

    lines: list[Copied] = field(default_factory=list)
    by_hand: Counter[str] = field(default_factory=Counter)
    """Commands since which a position may be another one than that of the fills."""
    without_fills: list[str] = field(default_factory=list)
    """Files that an older version wrote: their fills do not say enough, and are not counted."""
    followers: list[str] = field(default_factory=list)
    """All in the log, also where one of them is asked for."""
    traded: set[tuple[str, str]] = field(default_factory=set)
    """Instruments that these followers trade, each with a leader's name of it."""

    def accounts(self) -> list[Account]:
        """The lines by account and instrument."""
        found: dict[tuple[str, str], Account] = {}
        for one in self.lines:
            if not one.traded:
                continue
            empty = Line(inverse=one.line.inverse)
            fresh = Account(one.follower, one.traded, one.currency, one.contract, empty)
            found.setdefault((one.follower, one.traded), fresh).line.add(one.line)
        return [found[key] for key in sorted(found)]


def collect(folder: Path, follower: str | None = None) -> Subscriptions:
    """Reads all files of the folder; of one follower where it is named."""
    found = Subscriptions()
    lines: dict[Key, Copied] = {}
    order_lines: dict[tuple[str, str], Copied] = {}
    commands: list[Command] = []
    amended = _amended(folder)
    for path in day_files(folder):
        with reading(path) as db:
            if not has_decisions(db):
                continue
            _decisions(db, lines)
            _orders(db, lines, order_lines)
            _rejects(db, order_lines)
            if has_fills(db):
                _fills(db, path.name, lines, amended)
            else:
                found.without_fills.append(path.name)
            commands += _commands(db)
    mine = [one for one in lines.values() if follower in (None, one.follower)]
    found.lines = sorted(mine, key=lambda one: (one.follower, one.subscription, one.instrument))
    found.by_hand = Counter(
        str(one["cmd"]) for one in commands if follower is None or _concerns(one, follower, mine)
    )
    found.followers = sorted({one.follower for one in lines.values()})
    found.traded = {(one.traded, one.instrument) for one in lines.values() if one.traded}
    return found


Command = dict[str, Any]


def _commands(db: sqlite3.Connection) -> Iterator[Command]:
    for data in read_kind(db, "operator"):
        command = json.loads(data).get("command")
        if isinstance(command, dict) and command.get("cmd") in BY_HAND:
            yield command


def _concerns(command: Command, follower: str, mine: list[Copied]) -> bool:
    """Whether it may have moved what this follower holds: it names it, or a subscription or leader of it."""
    names = {"follower": {follower}, "subscription": {one.subscription for one in mine}}
    names["leader"] = {one.leader for one in mine}
    return any(command.get(key) in known for key, known in names.items())


def _line(lines: dict[Key, Copied], subscription: str, instrument: str, leader: str, follower: str) -> Copied:
    key = (subscription or "", instrument or "")
    return lines.setdefault(key, Copied(*key, leader or "", follower or ""))


def _decisions(db: sqlite3.Connection, lines: dict[Key, Copied]) -> None:
    for *names, refused, code, count in db.execute(DECISIONS):
        one = _line(lines, *names)
        one.decisions += count
        if refused:
            one.refusals[code or "none"] += count


def _orders(
    db: sqlite3.Connection, lines: dict[Key, Copied], order_lines: dict[tuple[str, str], Copied]
) -> None:
    """Orders of decisions, those made later, and mirrors, by name: a broker may reject them."""
    for *names, cl_ord_id in (*db.execute(ORDERS), *_later(db)):
        one = _line(lines, *names)
        one.orders += 1
        order_lines[one.subscription, cl_ord_id] = one
    if not has_mirrors(db):
        return
    for *names, act, code, cl_ord_id in db.execute(MIRRORS):
        one = _line(lines, *names)
        if act == "refuse":
            one.refusals[code or "none"] += 1
        else:
            one.orders += act == "place"
            order_lines[one.subscription, cl_ord_id] = one


def _later(db: sqlite3.Connection) -> Iterator[tuple[str, str, str, str, str]]:
    """Orders without a decision of their own. Tables know their lines by the decision before, which stands in
    another file after midnight."""
    for data in read_kind(db, "order"):
        get = json.loads(data).get
        names = ("subscription", "instrument", "leader", "follower", "cl_ord_id")
        subscription, instrument, leader, follower, cl_ord_id = (get(name) for name in names)
        yield subscription, instrument, leader, follower, cl_ord_id


def _rejects(db: sqlite3.Connection, order_lines: dict[tuple[str, str], Copied]) -> None:
    """Each order once, however often and on however many days it is said: it is taken out."""
    query = "SELECT subscription, cl_ord_id FROM outcome WHERE state = 'rejected'"
    for subscription, cl_ord_id in db.execute(query):
        if (one := order_lines.pop((subscription, cl_ord_id), None)) is not None:
            one.refusals["broker_reject"] += 1


Amended = dict[tuple[str, int], Execution]
"""By file and entry: fills as they count now, and what a correction moved that no fill is known of."""


def _amended(folder: Path) -> Amended:
    """All that was taken back or corrected, and by what: a correction may come days after its fill."""
    named = {row["execution"] for _, row in _rows(folder) if row["act"] != "fill"}
    found: Amended = {}
    executions: dict[str, list[Execution]] = {}
    for file, row in _rows(folder) if named else ():
        if row["execution"] not in named:
            continue
        one = _execution(row)
        of = executions.setdefault(row["execution"], [])
        if row["act"] == "fill":
            found[file, row["id"]] = one
            of += [one] if row["execution"] != NAMELESS else []
        elif left := correct(of, one.units, one.px if row["act"] == "correct" else None):
            # Of a fill that the log does not have: it moves the position, at a price that nobody knows.
            found[file, row["id"]] = Execution(left, None, one.buys)
    return found


def _rows(folder: Path) -> Iterator[tuple[str, sqlite3.Row]]:
    for path in day_files(folder):
        with reading(path) as db:
            if has_fills(db):
                for row in fill_table.select(db, FILLS):
                    yield path.name, row


def _execution(row: sqlite3.Row) -> Execution:
    px = None if row["px"] is None else Fraction(row["px"])
    return Execution(Fraction(row["units"]), px, row["side"] == "buy")


def _fills(db: sqlite3.Connection, file: str, lines: dict[Key, Copied], amended: Amended) -> None:
    for row in fill_table.select(db, FILLS):
        one = _line(lines, row["subscription"], row["instrument"], row["leader"], row["follower"])
        one.traded, one.currency = row["traded"], row["currency"]
        one.contract, one.line.inverse = Fraction(row["contract"]), bool(row["inverse"])
        now = amended.get((file, row["id"]))
        if row["act"] == "fill":
            one.fills += 1
            now = now or _execution(row)
        elif row["act"] == "bust":
            one.busts += 1
        else:
            one.corrections += 1
        if now is not None and now.units:
            one.line.fill(now.signed, now.px)
