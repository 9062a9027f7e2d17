"""One state of everything: journal of the core, link, file of the route, FIX line, broker."""

from __future__ import annotations

from typing import Any, NamedTuple

HELD, DISPATCHED, OUT, ACKNOWLEDGED, UNKNOWN = "held", "dispatched", "out", "acknowledged", "unknown"
FILLED, REJECTED, MISSED = "filled", "rejected", "missed"
DONE = frozenset((FILLED, REJECTED, MISSED))

Item = tuple[Any, ...]
"""A frame, a row, a message or a report: its kind, then its numbers. An order is named by its place."""

DOUBLE = "double send"
OVER = "close of what is not held"
STUCK = "stuck intent"
LOST_CLOSE = "lost close"


class Order(NamedTuple):
    """An order as the core's journal has it."""

    opens: bool
    state: str = HELD
    try_no: int = 1
    incarnation: int = 0
    """Of the route that it was handed to, while that matters: dispatched or out."""
    epoch: int = 0
    counted: bool = False
    """Its fill is in the books."""
    proof: bool = False
    """The settle time had passed when the newest question was asked: "not known" counts."""
    denied: bool = False
    """The broker said "not known" since it became unknown: the settle time runs."""

    asked: tuple[bool | None, ...] = ()
    """Questions that no answer was counted for, the oldest first: whether "not known" would be proof; None:
    it was asked before the order was sent again. Where answers are counted only."""

    @property
    def live(self) -> bool:
        """Something is still expected."""
        return self.state not in DONE

    def to(self, state: str) -> Order:
        """In another state: nothing that was said about the one before counts."""
        done = state in DONE
        asked = () if done else (None,) * len(self.asked)
        return Order(self.opens, state, 1 if done else self.try_no, counted=self.counted, asked=asked)


class World(NamedTuple):
    """Everything. What survives a kill is the core's journal, the route's file, and the broker."""

    faults: int
    """Faults that may still happen."""
    fresh: bool = True
    """The open's deadline has not been seen to pass."""
    bad: str = ""
    """The promise that was broken."""

    heard: int = 1
    """Number of the leader's report that the core expects: 1 opens, 2 closes."""
    target: int = 0
    filled: int = 0
    orders: tuple[Order, ...] = ()
    epoch: int = 1
    linked: int = 1
    """Incarnation of the route that said HELLO to this core; 0: none."""
    synced: bool = True
    up: bool = True
    """The line is logged on, as far as the core was told."""

    connected: bool = True
    """The connection under the link is the one that HELLO came by."""
    queue: tuple[Item, ...] = ()
    """Frames of the core on their way, in their order."""
    late: tuple[Item, ...] = ()
    """Frames of a connection that is gone, which may still be read, in any order."""

    incarnation: int = 1
    obeys: int = 1
    """Highest core epoch that greeted; in the file."""
    greeted: bool = True
    seen: frozenset[Item] = frozenset()
    """(order, try, left): in the file."""
    rows: tuple[Item, ...] = ()
    """Rows that the core has not taken; in the file."""
    hand: tuple[Item, ...] = ()
    """Between its row and QuickFIX."""

    line: bool = True
    """The FIX session is logged on."""
    wire: tuple[Item, ...] = ()
    store: frozenset[int] = frozenset()
    """Orders that QuickFIX could send again (without `no_replay` only)."""

    gateway: tuple[int, ...] = ()
    """Orders that the broker has read and not looked at."""
    book: tuple[int, ...] = ()
    """By order: 0 not accepted, 1 works, 2 filled."""
    reports: tuple[Item, ...] = ()

    @property
    def ready(self) -> bool:
        """The core may hand something to the route (`RouteState::ready`), and it would arrive."""
        return self.synced and self.up and self.linked != 0 and self.connected

    @property
    def position(self) -> int:
        """What the follower holds at the broker."""
        works = zip(self.book, self.orders, strict=False)
        return sum((1 if order.opens else -1) for place, order in works if place == 2)

    @property
    def good(self) -> bool:
        """Both intents have a known outcome, and the follower holds what the leader holds: nothing."""
        at_rest = not (self.gateway or self.wire or self.hand)
        known = not any(order.live for order in self.orders)
        return self.heard == 3 and at_rest and known and self.position == self.filled == self.target == 0

    @property
    def has_lost_close(self) -> bool:
        """The leader is flat, the follower is not, and nothing lives that could change it."""
        return self.heard == 3 and self.position != 0 and not any(order.live for order in self.orders)

    def having(self, at: int, order: Order) -> World:
        """The same with another order in one place."""
        return self._replace(orders=(*self.orders[:at], order, *self.orders[at + 1 :]))

    def placed(self, at: int) -> int:
        """What the broker's book says of an order."""
        return self.book[at] if at < len(self.book) else 0
