"""A broker whose answers are old when they come.

The first answer about an order leaves at once. All else that is said of it waits for a question OLD_MS behind
the first one, and then comes in its order: an old "not known" right behind a new question. It keeps what
brokers promise: an order is in its book TAKES_MS behind the first question about it, before the settle time
of whoever asked is over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from gateway.sim.reports import Outgoing
from gateway.sim.text import Fields, first

MS = 1_000_000
TAKES_MS = 500
OLD_MS = 700
"""Above the deployment's settle time: a "not known" to this question would prove that there is no order."""
BEHIND_MS = 20
PATIENCE_MS = 3_000
"""Nobody asks: after this it goes on by itself."""


class Takes(Protocol):
    """The model behind the session."""

    def receive(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        """Treats a message."""


@dataclass
class Crossed:
    """One order, what came for it before it was in the book, and what was said of it since."""

    due_ns: int
    released_ns: int
    came: list[tuple[str, Fields]]
    asked_ns: int = 0
    """The first question about it."""
    answered: bool = False
    unsaid: list[Outgoing] = field(default_factory=list)


@dataclass
class Crossing:
    """All orders that are treated so. Nothing is, until `begin`."""

    until_ns: int = 0
    orders: dict[str, Crossed] = field(default_factory=dict)

    def begin(self, for_ms: int, now_ns: int) -> None:
        """Orders that arrive within this time are treated so."""
        self.until_ns = now_ns + for_ms * MS

    def end(self) -> None:
        """Everything goes on at once."""
        self.until_ns = 0
        for order in self.orders.values():
            order.due_ns = order.released_ns = 0

    def reads(self, session: str, fields: Fields, now_ns: int) -> bool:
        """A message that arrives. True: it waits; a question never does."""
        kind, name = first(fields, 35), first(fields, 11)
        if kind == "D" and now_ns < self.until_ns and name not in self.orders:
            later_ns = now_ns + PATIENCE_MS * MS
            self.orders[name] = Crossed(later_ns, later_ns, [(session, fields)])
            return True
        if kind == "H" and name in self.orders:
            self._asked(self.orders[name], now_ns)
        named = name if kind == "D" else first(fields, 41)
        if kind in ("D", "F", "G") and named in self.orders and self.orders[named].came:
            self.orders[named].came.append((session, fields))
            return True
        return False

    @staticmethod
    def _asked(order: Crossed, now_ns: int) -> None:
        order.asked_ns = order.asked_ns or now_ns
        order.due_ns = min(order.due_ns, order.asked_ns + TAKES_MS * MS)
        if now_ns >= order.asked_ns + OLD_MS * MS:
            # Its own answer is on its way out, and comes last.
            order.released_ns = min(order.released_ns, now_ns + BEHIND_MS * MS)

    def says(self, message: Outgoing, *, status: bool) -> bool:
        """A message that is to leave. True: it waits."""
        named = (first(message.fields, tag) for tag in (11, 41))
        order = next((self.orders[name] for name in named if name in self.orders), None)
        if order is None:
            return False
        if status and not order.answered:
            order.answered = True
            return False
        order.unsaid.append(message)
        return True

    def next_due_ns(self) -> int | None:
        """When an order goes into the book, or what was said of one leaves."""
        return min((o.due_ns if o.came else o.released_ns for o in self.orders.values()), default=None)

    def run(self, broker: Takes, now_ns: int) -> list[Outgoing]:
        """Lets through what is due."""
        out: list[Outgoing] = []
        for name, order in list(self.orders.items()):
            if order.came and order.due_ns <= now_ns:
                came, order.came = order.came, []
                for session, fields in came:
                    out += broker.receive(session, fields, now_ns)
            elif not order.came and order.released_ns <= now_ns:
                out += self.orders.pop(name).unsaid
        return out
