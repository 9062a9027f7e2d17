"""Simulated brokers that can be slow, silent, repetitive and trusting; the judge reads their books."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from gateway.fix.swig import fix
from gateway.sim.actors import MarketTicker
from gateway.sim.book import Order
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.fix_server import FixServer, SimSession
from gateway.sim.market import DEMO_INSTRUMENTS, Market
from gateway.sim.reports import Dialect, Outgoing
from gateway.sim.text import Fields, decode, first, utc
from tests.fault.crossing import Crossing
from tests.fault.judge import Arrival

MS = 1_000_000
INSTRUMENTS = tuple(i for i in DEMO_INSTRUMENTS if i.name in ("EURUSD", "GBPUSD"))
REMEMBERED = 64
"""Reports that a broker can repeat."""


class TrustingBroker(Broker):
    """Takes an order again under a ClOrdID that it has: what a careful one refuses shows in its book."""

    trusting = True

    def __init__(self, seed: int, accounts: list[Any], behaviour: Behaviour, dialect: Dialect) -> None:
        super().__init__(seed, accounts, behaviour, dialect)
        self.arrivals: list[Arrival] = []
        self._now_ns = 0

    def receive(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        """Notes each order that arrives, then treats it."""
        self._now_ns = now_ns
        return super().receive(session, fields, now_ns)

    def _known(self, order: Order) -> bool:
        known = super()._known(order)
        held = self.book.accounts[order.account].positions.get(order.symbol, Decimal(0))
        if not known or self.trusting:
            opens = held * order.sign >= 0
            self.arrivals.append(
                Arrival(self._now_ns, order.cl_ord_id, order.account, order.symbol, opens=opens)
            )
        return known and not self.trusting


@dataclass
class Gate:
    """Orders wait here before the broker knows them, as in its gateway; reports wait before they leave."""

    intake_ms: int = 0
    intake_until_ns: int = 0
    silent_until_ns: int = 0
    waiting: deque[tuple[int, str, Fields]] = field(default_factory=deque)
    unsaid: list[Outgoing] = field(default_factory=list)
    crossing: Crossing = field(default_factory=Crossing)

    def next_due_ns(self) -> int | None:
        """When the first order goes on, or the silence ends."""
        due = [self.waiting[0][0]] if self.waiting else []
        if self.unsaid:
            due.append(self.silent_until_ns)
        crossed = self.crossing.next_due_ns()
        return min(due if crossed is None else [*due, crossed], default=None)

    def run(self, server: FixServer, now_ns: int) -> list[Outgoing]:
        """Lets through what is due."""
        out = self.crossing.run(server.broker, now_ns)
        if now_ns >= self.silent_until_ns:
            out, self.unsaid = [*self.unsaid, *out], []
        while self.waiting and self.waiting[0][0] <= now_ns:
            _, session, fields = self.waiting.popleft()
            out += server.broker.receive(session, fields, now_ns)
        return out


class Counterparty(FixServer):
    """One broker with one session. Faults are set by `call`, on the model's thread."""

    def __init__(
        self, name: str, model: TrustingBroker, port: int, folder: Any, seed: int, *more: Any
    ) -> None:
        self.gate = Gate()
        self.name = name
        tickers = [MarketTicker(Market(seed, INSTRUMENTS), model), self.gate, *more]
        session = SimSession(name, begin_string=model.dialect.begin_string)
        super().__init__(model, [session], port, folder / name, tickers)
        self.model = model
        self._usual = model.behaviour
        self._usual_until_ns: int | None = None
        self._said: deque[Outgoing] = deque(maxlen=REMEMBERED)

    # ---- faults, each on the model's thread -----------------------------------------------------------

    def be_silent(self, for_ms: int) -> None:
        """Says nothing for a while; then all of it, in order."""
        self.gate.silent_until_ns = time.time_ns() + for_ms * MS

    def be_slow_to_take(self, for_ms: int, by_ms: int) -> None:
        """For a while orders are known to nobody here until `by_ms` after they arrived."""
        self.gate.intake_ms, self.gate.intake_until_ns = by_ms, time.time_ns() + for_ms * MS

    def cross_answers(self, for_ms: int) -> None:
        """For a while answers about an order that it takes are old when they come."""
        self.gate.crossing.begin(for_ms, time.time_ns())

    def behave(self, behaviour: Behaviour, for_ms: int) -> None:
        """Treats orders otherwise for a while."""
        self.model.behaviour = behaviour
        self._usual_until_ns = time.time_ns() + for_ms * MS

    def repeat(self, number: int) -> None:
        """Says its newest reports once more, as new messages with PossResend(97)."""
        for message in list(self._said)[-number:]:
            super()._send(
                Outgoing(message.due_ns, message.session, [*message.fields, (97, "Y")], message.groups)
            )

    def skip_numbers(self, number: int) -> None:
        """The next message has a number that is too high by so many."""
        session = fix.Session.lookupSession(self._session_id(self.sessions[self.name]))
        session.setNextSenderMsgSeqNum(session.getExpectedSenderNum() + number)

    def bust(self) -> bool:
        """Takes the newest fill back; False when there is none."""
        return self.bust_newest() is not None

    def settle(self) -> None:
        """Everything as usual from now on."""
        self.gate.silent_until_ns = 0
        self.gate.intake_until_ns = 0
        self.gate.crossing.end()
        # Who rejects by chance would do it to the last orders, too, by which we see that all is well.
        self._usual = replace(self._usual, reject_per_10k=0)
        self.model.behaviour, self._usual_until_ns = self._usual, None

    # ---- the server ----------------------------------------------------------------------------------

    def _handle(self, item: tuple[Any, Any, Any]) -> list[Outgoing]:
        what, subject, payload = item
        now_ns = time.time_ns()
        if self._usual_until_ns is not None and now_ns >= self._usual_until_ns:
            self.model.behaviour, self._usual_until_ns = self._usual, None
        if what == "message" and (now_ns < self.gate.intake_until_ns or self.gate.waiting):
            fields = decode(payload)
            # Questions are answered at once, from a book that does not know what waits here.
            if first(fields, 35) in ("D", "F", "G"):
                self.gate.waiting.append((now_ns + self.gate.intake_ms * MS, subject, fields))
                return []
        if what == "message" and self.gate.crossing.reads(subject, decode(payload), now_ns):
            return []
        return super()._handle(item)

    def _send(self, message: Outgoing) -> None:
        status = first(message.fields, 150) == "I" or first(message.fields, 20) == "3"
        if self.gate.crossing.says(message, status=status):
            return
        if time.time_ns() < self.gate.silent_until_ns:
            self.gate.unsaid.append(message)
            return
        if first(message.fields, 35) == "8" and not status:
            self._said.append(message)
        super()._send(message)


@dataclass
class LeaderHand:
    """Orders that the test places for the leader, one at a time."""

    session: str
    account: str
    serial: int = 0
    waiting: list[Fields] = field(default_factory=list)

    def place(self, symbol: str, side: str, units: Decimal) -> None:
        """A market order. On the model's thread."""
        self.serial += 1
        self.waiting.append(
            [
                (35, "D"),
                (11, f"T{self.serial}"),
                (1, self.account),
                (55, symbol),
                (54, side),
                (38, str(units)),
                (40, "1"),
                (59, "0"),
            ]
        )

    def next_due_ns(self) -> int | None:
        """At once, while something waits."""
        return 0 if self.waiting else None

    def run(self, server: FixServer, now_ns: int) -> list[Outgoing]:
        """Places all of it."""
        placed, self.waiting = self.waiting, []
        out: list[Outgoing] = []
        for fields in placed:
            out += server.broker.receive(self.session, [*fields, (60, utc(now_ns))], now_ns)
        return out
