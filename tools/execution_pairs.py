"""What the core does with every ExecType(150) and OrdStatus(39), found by asking it: a deployment with one
leader and one follower for each pair is played, and what a report changes is written down.

Nothing of it is listed by hand but the values of the two fields, which are the standard's (FIX 4.2 and 4.4).
"""

from __future__ import annotations

import itertools
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from reference_keys import row
from stage import Played

from gateway._fastcore import read_message
from gateway.sim.text import Fields, decode, encode, first

EXEC_TYPES = "0123456789ABCDEFGHIJKLMN"
ORD_STATUSES = "0123456789ABCDE"
OLD_EXEC_TYPES = "0123456789ABCDE"
TRANS_TYPES = "0123"
QTY, PART, CORRECTED = "10", "4", "3"
STAGE_PAIRS = 30
"""Pairs of one deployment: its status has a line for each, and is read twice for each."""
HEAD = """
[gateway]
deployment = "pairs"
state_dir = "state"
[core]
bind = "ipc"
[limits]
max_order_qty_lots = "1000"
max_position_lots = "1000"
[instruments.EURUSD]
contract_size = 1
lot_step = "1"
min_lot = "1"
tick = "0.00001"
base = "EUR"
currency = "USD"
[routes.r]
session = "BROKER"
"""
SESSION = """
[sessions.{name}]
role = "initiator"
begin_string = "{begin}"
sender_comp_id = "US"
target_comp_id = "{name}"
host = "127.0.0.1"
port = {port}
profile = "copygate{version}"
"""
PAIR = """
[leaders.l{n}]
session = "LEADER"
account = "L{n}"
currency = "USD"
assume_flat = true
[followers.f{n}]
route = "r"
account = "F{n}"
currency = "USD"
[[subscriptions]]
name = "s{n}"
follower = "f{n}"
leader = "l{n}"
copy = "{copy}"
sizing = {{ mode = "multiplier", k = 1 }}
"""
FIRST = "FIRST"
"""ExecID(17) of the fill that a bust or a correction names."""
DOUBT_MS = 6_000
NOTHING, FILLED, TAKEN = "nothing filled", "a fill", "a fill is less"
Pair = tuple[str, str]
"""The values of two fields."""


@dataclass(frozen=True)
class Asked:
    """One table: the fields that are combined, and the version of FIX."""

    version: str
    tags: tuple[int, int]
    pairs: tuple[Pair, ...]


NEW = Asked("44", (150, 39), tuple(itertools.product(EXEC_TYPES, ORD_STATUSES)))
OLD = Asked("42", (150, 20), tuple(itertools.product(OLD_EXEC_TYPES, TRANS_TYPES)))
"""OrdStatus(39) is the ExecType(150) there: FIX 4.2 has the same values for both."""


class Stage(Played):
    """The deployment, played. The broker says what he is told to say."""

    def __init__(self, folder: Path, version: str, size: int, copy: str) -> None:
        begin = f"FIX.{version[0]}.{version[1]}"
        text = HEAD + "".join(
            SESSION.format(name=name, port=port, begin=begin, version=version)
            for name, port in (("LEADER", 5001), ("BROKER", 5002))
        )
        text += "".join(PAIR.format(n=n, copy=copy) for n in range(size))
        super().__init__(folder, text, begin)

    def report(self, account: str, order: str, **tags: str) -> bytes:
        """An ExecutionReport about a buy of 10."""
        self._serial += 1
        values = {
            "37": f"B{order}", "11": order, "17": f"E{self._serial}", "1": account, "55": "EURUSD",
            "54": "1", "38": QTY, "40": "2", "44": "1.1", "59": "1", "14": "0", "151": QTY, "6": "0",
            "60": self.now(),
        }  # fmt: skip
        values |= {tag.removeprefix("t"): value for tag, value in tags.items()}
        body = [(35, "8"), (34, str(self._serial)), *((int(tag), v) for tag, v in values.items())]
        return encode(self.begin, body)

    def status(self) -> dict[str, Any]:
        """The core's own view."""
        found: dict[str, Any] = json.loads(self.core.status())
        return found


Prepare = Callable[[Stage, int, bool], str]
"""Makes an order and names it; with True, a part of it was filled."""


def amounts(asked: Asked, pair: Pair, case: str) -> dict[str, str]:
    """The report's own fields: what it combines, and what was filled."""
    one, two = pair
    status = two if asked.tags[1] == 39 else one
    tags = {f"t{asked.tags[0]}": one, f"t{asked.tags[1]}": two, "t39": status}
    if case == FILLED:
        qty = QTY if status == "2" else PART
        tags |= {"t14": qty, "t32": qty, "t31": "1.1", "t151": str(int(QTY) - int(qty)), "t6": "1.1"}
    if case == TAKEN:
        left = CORRECTED if "G" in pair or (asked.tags[1] == 20 and two == "2") else "0"
        tags |= {"t14": left, "t32": PART if left == "0" else left, "t31": "1.1", "t19": FIRST}
    return tags


def changes(before: Mapping[str, Any], after: Mapping[str, Any], name: str, sent: Sequence[Fields]) -> str:
    """What one report did, in words."""
    said: list[str] = []
    old, new = (line(at, name) for at in (before, after))
    moved = int(new["filled"]) - int(old["filled"])
    if moved:
        said.append(f"fill of {moved} counted")
    states = {s for s, n in after["orders"].items() if n > before["orders"].get(s, 0)}
    gone = {s for s, n in before["orders"].items() if n > after["orders"].get(s, 0)}
    if states and gone:
        said.append(f"{'/'.join(sorted(gone))} → {'/'.join(sorted(states))}")
    target = int(new["target"]) - int(old["target"])
    if target:
        said.append(f"target {target:+}")
    mirrored = int(new["mirrored"]) - int(old["mirrored"])
    if mirrored:
        said.append(f"mirrors {mirrored:+}")
    said += sorted({sent_words(fields) for fields in sent})
    if new["bust_hold"] and not old["bust_hold"]:
        said.append("opens held until a person looks")
    said += [f"refused `{code}`" for code in grown(before, after, "refusals")]
    said += [f"alert `{code}`" for code in grown(before, after, "alerts")]
    return ", ".join(said) or "noted"


def sent_words(fields: Fields) -> str:
    """A message of ours."""
    side = "buy" if first(fields, 54) == "1" else "sell"
    words = {
        "D": f"we {side} {first(fields, 38)}",
        "F": "we cancel",
        "G": f"we replace to {first(fields, 38)}",
    }
    return words.get(first(fields, 35), f"we ask ({first(fields, 35)})")


def line(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The ledger line of a subscription; before its first trade there is none."""
    flat = {"filled": "0", "target": "0", "mirrored": "0", "bust_hold": False}
    return next((found for found in status["subscriptions"] if found["subscription"] == name), flat)


def grown(before: Mapping[str, Any], after: Mapping[str, Any], what: str) -> list[str]:
    """Names whose count is higher than before."""
    return sorted(code for code, n in after[what].items() if n > before[what].get(code, 0))


def played(asked: Asked, copy: str, prepare: Prepare, side: str, case: str) -> dict[Pair, str]:
    """Every pair, each about an order of its own that `prepare` makes."""
    found: dict[Pair, str] = {}
    for pairs in batched(asked.pairs, STAGE_PAIRS):
        with tempfile.TemporaryDirectory() as folder:
            stage = Stage(Path(folder), asked.version, len(pairs), copy)
            try:
                found |= played_on(stage, asked, pairs, prepare, side, case)
            finally:
                stage.close()
    return found


def batched(pairs: Sequence[Pair], size: int) -> Iterator[Sequence[Pair]]:
    """So many at a time."""
    return (pairs[at : at + size] for at in range(0, len(pairs), size))


def played_on(
    stage: Stage, asked: Asked, pairs: Sequence[Pair], prepare: Prepare, side: str, case: str
) -> dict[Pair, str]:
    """The pairs of one deployment."""
    found: dict[Pair, str] = {}
    orders = [prepare(stage, n, case == TAKEN) for n in range(len(pairs))]
    if prepare is doubts:
        stage.wait(DOUBT_MS)
    stage.carry()
    stage.core.take_questions()
    account = "L" if side == "leader" else "F"
    tell = stage.leader if side == "leader" else stage.broker
    for n, (pair, order) in enumerate(zip(pairs, orders, strict=True)):
        before = stage.status()
        tell(stage.report(f"{account}{n}", order, **amounts(asked, pair, case)))
        sent = stage.carry() + [decode(q) for _, q in stage.core.take_questions()]
        found[pair] = changes(before, stage.status(), f"s{n}", sent)
    return found


def fill(stage: Stage, qty: str, exec_id: str = "") -> dict[str, str]:
    """Fields of a trade, as the version writes it."""
    status = "2" if qty == QTY else "1"
    kind = {"t150": "F"} if stage.begin == "FIX.4.4" else {"t150": status, "t20": "0"}
    own = {"t17": exec_id} if exec_id else {}
    return kind | own | {"t39": status, "t14": qty, "t32": qty, "t31": "1.1"}


def leads(stage: Stage, n: int, filled: bool) -> str:
    """A working order of a leader's; mirrors of it are acknowledged."""
    order = f"O{n}"
    stage.leader(stage.report(f"L{n}", order, t150="0", t39="0"))
    acknowledge(stage, n)
    if filled:
        stage.leader(stage.report(f"L{n}", order, **fill(stage, PART, FIRST)))
        acknowledge(stage, n)
    return order


def acknowledge(stage: Stage, n: int) -> str:
    """The broker has what was sent to it; gives the last one's name."""
    own = ""
    for fields in stage.carry():
        own = first(fields, 11)
        stage.broker(stage.report(f"F{n}", own, t150="0", t39="0", t38=first(fields, 38)))
    stage.carry()
    return own


def follows(stage: Stage, n: int, filled: bool) -> str:
    """An order of a follower's that its broker has acknowledged."""
    stage.leader(stage.report(f"L{n}", f"O{n}", **fill(stage, QTY)))
    own = acknowledge(stage, n)
    if filled:
        stage.broker(stage.report(f"F{n}", own, **fill(stage, PART, FIRST)))
        stage.carry()
    return own


def doubts(stage: Stage, n: int, filled: bool) -> str:
    """An order of a follower's that nobody has answered for, or nobody any more."""
    stage.leader(stage.report(f"L{n}", f"O{n}", **fill(stage, QTY)))
    own = next(first(fields, 11) for fields in stage.carry())
    if filled:
        stage.broker(stage.report(f"F{n}", own, **fill(stage, PART, FIRST)))
        stage.carry()
    return own


def meaning(asked: Asked, pair: Pair, case: str) -> str:
    """How the core reads it."""
    values = {tag.removeprefix("t"): v for tag, v in amounts(asked, pair, case).items()}
    begin = f"FIX.{asked.version[0]}.{asked.version[1]}"
    raw = encode(begin, [(35, "8"), (34, "1"), (37, "B"), *((int(tag), v) for tag, v in values.items())])
    kind = str(json.loads(read_message(raw, json.dumps({"name": "p", "begin_string": begin})))["kind"])
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", kind.partition("(")[0].partition(" {")[0]).lower()


COLUMNS: Mapping[str, tuple[str, Prepare, str]] = {
    "from the leader": ("fills", leads, "leader"),
    'with `copy = "orders"`': ("orders", leads, "leader"),
    "of a follower's order": ("fills", follows, "broker"),
    "of one in doubt": ("fills", doubts, "broker"),
}
"""What is copied, the order that the report is about, and who says it."""


@cache
def table(asked: Asked) -> str:
    """One table: lines of one ExecType that are equal are one."""
    out = row(*map(str, asked.tags), "says", "read as", *COLUMNS) + "|---" * (4 + len(COLUMNS)) + "|\n"
    found: dict[str, list[dict[Pair, str]]] = {}
    for case in (NOTHING, FILLED, TAKEN):
        found[case] = [{pair: meaning(asked, pair, case) for pair in asked.pairs}]
        found[case] += [played(asked, *column, case) for column in COLUMNS.values()]
    for one in dict.fromkeys(pair[0] for pair in asked.pairs):
        for case, columns in found.items():
            groups: dict[tuple[str, ...], list[str]] = {}
            for pair in (p for p in asked.pairs if p[0] == one):
                takes = columns[0][pair] in ("bust", "correct")
                if takes == (case == TAKEN):
                    groups.setdefault(tuple(c[pair] for c in columns), []).append(pair[1])
            out += "".join(row(one, " ".join(twos), case, *cells) for cells, twos in groups.items())
    return out


def execution_reports() -> str:
    """ExecType(150) and OrdStatus(39), FIX 4.4."""
    return table(NEW)


def execution_reports_old() -> str:
    """ExecType(150) and ExecTransType(20), FIX 4.2."""
    return table(OLD)
