"""An account history copied to three followers by the real core and a route's guard, in one process.

Each report is journaled at its own time; the orders that the core derives go through the route's file to a
simulated broker, which fills them at the leader's price before the next report comes.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from gateway._fastcore import Pipeline, RoutePipeline
from gateway.config import core_json, load
from gateway.sim.book import Account, Execution
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.history import History, HistoryMessage, contract_units
from gateway.sim.history_result import Fill, Follower
from gateway.sim.reports import Outgoing
from gateway.sim.text import Fields, decode, encode, first, number, utc

BEGIN = "FIX.4.4"
START_BEFORE_NS = 1_000_000_000
ORPHAN_MS = 60_000
LOT_STEP = "0.01"
COPIERS = {
    "percent": ('{ mode = "percent", percent = 100 }', Decimal(1)),
    "fixed": ('{ mode = "fixed", lots = "0.1" }', Decimal(1)),
    "equity": ('{ mode = "equity", k = 1 }\nmax_ratio = 100', Decimal("0.5")),
}
"""Follower to its sizing and its starting balance, as a share of the leader's first one."""
PROMPT = Behaviour(ack_ms=0, fill_ms=0, jitter_ms=0, cancel_ms=0)
"""Fills every order whole and at once, so that the follower's prices are the leader's."""
ROOM_NS = 120_000_000_000
"""What is rejected is tried again within this, where the next report leaves so much time."""
ROUNDS_MAX = 1_000
"""More exchanges between core, route and broker for one report are a loop."""
CONFIG = """
[gateway]
deployment = "history"
[sessions.LEADER]
role = "initiator"
begin_string = "FIX.4.4"
sender_comp_id = "COPYGATE"
target_comp_id = "LEADER"
host = "127.0.0.1"
port = 1
profile = "copygate44"
[sessions.R]
role = "initiator"
begin_string = "FIX.4.4"
sender_comp_id = "COPYGATE"
target_comp_id = "BROKER"
host = "127.0.0.1"
port = 2
profile = "copygate44"
[leaders.leader]
session = "LEADER"
currency = "ACCOUNT"
assume_flat = true
symbols = {{ {symbols} }}
[routes.r]
session = "R"
"""
INSTRUMENT = """
[instruments.{name}]
contract_size = {units}
lot_step = "{step}"
min_lot = "{step}"
tick = "0.00001"
currency = "QUOTE"
"""
FOLLOWER = """
[followers.{name}]
route = "r"
account = "{name}"
currency = "ACCOUNT"
[[subscriptions]]
follower = "{name}"
leader = "leader"
sizing = {sizing}
account_max_age_ms = 604800000
"""


class CopyError(RuntimeError):
    """The run came to no end or the books disagree: a defect, with the numbers."""


@dataclass
class CopyResult:
    """What came of a statement."""

    rows: int
    reports: int
    leader_executions: int
    orders: int
    fills: int
    duplicated: int
    refusals: dict[str, int]
    alerts: dict[str, int]
    leader_positions: dict[str, Decimal]
    followers: list[Follower]
    off_target: list[str] = field(default_factory=list)
    """A text for each moment of quiet at which a follower was a step or more from its target."""
    statement_total: Decimal = Decimal(0)

    @property
    def difference(self) -> Fraction:
        """What the full copy earned beyond the statement's total; exact, and 0 when all is well."""
        return self.followers[0].total - Fraction(self.statement_total)

    @property
    def good(self) -> bool:
        """Nothing doubled, nothing off target, and the full copy earned what the statement says."""
        return not self.duplicated and not self.off_target and not self.difference


def render(history: History) -> str:
    """The deployment as TOML."""
    symbols = history.symbols
    pairs = ", ".join(f'"{theirs}" = "{name}"' for theirs, name in symbols.items())
    parts = [CONFIG.format(symbols=pairs)]
    for theirs, name in symbols.items():
        parts.append(INSTRUMENT.format(name=name, units=contract_units(theirs), step=LOT_STEP))
    parts += [FOLLOWER.format(name=name, sizing=sizing) for name, (sizing, _) in COPIERS.items()]
    return "".join(parts)


def run(history: History, moods: Behaviour = PROMPT, seed: int = 1) -> CopyResult:
    """Plays a whole history. With another broker than the prompt one, followers are judged where the next
    report leaves room, and results mean nothing."""
    with tempfile.TemporaryDirectory(prefix="copygate-history-") as folder:
        copier = _Copier(history, Path(folder), Broker(seed, [Account(name) for name in COPIERS], moods))
        try:
            for message, following in zip_longest(history.messages, history.messages[1:]):
                room_ns = ROOM_NS if following is None else following.at_ns - message.at_ns
                copier.take(message)
                copier.settle(min(room_ns, ROOM_NS))
                if moods == PROMPT or room_ns >= ROOM_NS:
                    copier.judge()
            return copier.result()
        finally:
            copier.close()


class _Copier:
    """Core, route guard and broker, wired without sockets."""

    def __init__(self, history: History, folder: Path, broker: Broker) -> None:
        self._history = history
        self._symbols = history.symbols
        self._now = history.messages[0].at_ns - START_BEFORE_NS if history.messages else 0
        config = folder / "gateway.toml"
        config.write_text(render(history), encoding="utf-8")
        text = core_json(load(config))
        self._core = Pipeline.open(folder / "journal.db", text, "process", self._now)
        (folder / "route").mkdir()
        self._route = RoutePipeline.open(folder / "route" / "route.db", "r", ["R"], ORPHAN_MS, self._now)
        self._broker = broker
        self._followers = {name: Follower(name, history) for name in COPIERS}
        self._start: Decimal | None = None
        self._seen = 0
        self._moved = True
        self._seq = 0
        self._off_target: list[str] = []
        self._link()

    def take(self, message: HistoryMessage) -> None:
        """One report of the leader's broker, and everything that follows from it."""
        self._now = max(self._now, message.at_ns)
        fields = decode(message.raw)
        if first(fields, 35) == "BA":
            self._values(Decimal(first(fields, 901)))
        px = first(fields, 31)
        self._moved = self._moved or bool(px)
        if px:
            name = self._symbols[first(fields, 55)]
            # Not `quote`: no order rests here, and looking through all of them for each report is slow.
            self._broker.quotes[name] = (Decimal(px), Decimal(px))
        self._beats()
        self._core.submit("leader", "LEADER", message.raw, self._now)
        self._exchange()
        self._book(first(fields, 37))

    def settle(self, room_ns: int) -> None:
        """What the core and the broker still want to do, within the time that there is."""
        self._timers(self._now + room_ns)
        self._book("")

    def result(self) -> CopyResult:
        """The numbers at the end."""
        status, book = self._status(), self._broker.book
        ids = Counter(o.cl_ord_id for o in book.orders.values())
        leader = {x["leader_instrument"]: Decimal(x["leader_position"] or 0) for x in status["subscriptions"]}
        if status["orders_sent"] != len(book.orders) or status["follower_fills"] != len(book.executions):
            raise CopyError(
                f"history: the core counts {status['orders_sent']} orders, {status['follower_fills']} fills; "
                f"the broker {len(book.orders)} and {len(book.executions)}"
            )
        for name, follower in self._followers.items():
            follower.positions = {s: q for s, q in book.accounts[name].positions.items() if q}
        return CopyResult(
            rows=len(self._history.rows),
            reports=len(self._history.messages),
            leader_executions=status["leader_executions"],
            orders=len(book.orders),
            fills=len(book.executions),
            duplicated=book.duplicate_requests + sum(n - 1 for n in ids.values()),
            refusals=status["refusals"],
            alerts=status["alerts"],
            leader_positions={s: q for s, q in leader.items() if q},
            followers=list(self._followers.values()),
            off_target=self._off_target,
            statement_total=self._history.statement_total,
        )

    def close(self) -> None:
        """Closes both files."""
        self._core.close()
        self._route.close()

    def _link(self) -> None:
        self._core.receive(self._route.identity, self._route.hello(self._now), self._now)
        self._route.session("R", True, self._now)
        self._core.submit("session", "LEADER", b"up", self._now)
        self._exchange()

    def _exchange(self) -> None:
        """Frames both ways until nobody has anything to say."""
        for _ in range(ROUNDS_MAX):
            frames, busy = self._core.drain(), False
            for _, frame in frames:
                for session, order in self._route.receive(frame, self._now):
                    self._record(self._broker.receive(session, decode(order), self._now))
            self._record(self._broker.advance(self._now))
            for frame in self._route.pending():
                self._core.receive(self._route.identity, frame, self._now)
                busy = True
            if not frames and not busy:
                return
        raise CopyError(f"history: core and broker talk without end at {utc(self._now)}")

    def _record(self, out: Iterable[Outgoing]) -> None:
        for message in out:
            self._say(message.flat())

    def _say(self, fields: Fields) -> None:
        self._seq += 1
        raw = encode(BEGIN, [fields[0], (34, str(self._seq)), *fields[1:]])
        self._route.record("R", self._seq, raw, self._now)

    def _beats(self) -> None:
        """Years pass between two reports; a route that hears nothing would stop sending."""
        for _, frame in self._core.beat(self._now):
            self._route.receive(frame, self._now)
        self._core.receive(self._route.identity, self._route.beat(self._now), self._now)

    def _timers(self, until_ns: int) -> None:
        """What is due until then, each at its time."""
        for _ in range(ROUNDS_MAX):
            due_ns = self._core.next_due_ns()
            if due_ns is None or due_ns > until_ns:
                return
            self._now = max(self._now, due_ns)
            self._beats()
            self._core.tick(self._now)
            self._exchange()
        raise CopyError(f"history: timers without end at {utc(self._now)}")

    def _values(self, leader: Decimal) -> None:
        """The followers' accounts, whenever the leader's is told: a share of his first, and own result."""
        self._start = leader if self._start is None else self._start
        for name, follower in self._followers.items():
            balance = self._start * COPIERS[name][1] + follower.cash
            text = number(balance.quantize(Decimal("0.01")))
            body: Fields = [(35, "BA"), (908, f"{name}{self._seq}"), (910, "3"), (1, name), (15, "ACCOUNT"),
                            (899, text), (900, text), (901, text), (60, utc(self._now))]  # fmt: skip
            self._say(body)
        self._exchange()

    def _book(self, leader_order_id: str) -> None:
        """Gives each follower the fills that a report caused; later ones have no price of the leader's."""
        executions = self._broker.book.executions
        new: list[Execution] = list(islice(executions.values(), self._seen, None))
        self._seen = len(executions)
        self._moved = self._moved or bool(new)
        for execution in new:
            signed = Fraction(execution.qty) * (1 if execution.side == "1" else -1)
            fill = Fill(leader_order_id, execution.symbol, signed, Fraction(execution.px))
            if leader_order_id:
                self._followers[execution.account].fill(fill)

    def judge(self) -> None:
        """Notes each follower that is a step or more from its target, where anybody has traded since."""
        if not self._moved:
            return
        self._moved = False
        for line in self._status()["subscriptions"]:
            filled, target, step = (Decimal(line[key]) for key in ("filled", "target", "step"))
            flat = line["leader_position"] is not None and Decimal(line["leader_position"]) == 0
            if abs(filled - target) >= step or Decimal(line["working"]) or (flat and filled):
                self._off_target.append(
                    f"{utc(self._now)} {line['follower']} {line['instrument']}: filled {filled}, "
                    f"target {target}, working {line['working']}, leader {line['leader_position']}"
                )

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self._core.status())
        return status
