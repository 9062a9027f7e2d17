"""Steps of the follower's broker. Its questions may overtake its orders: that is what makes absence hard."""

from __future__ import annotations

from collections.abc import Iterable

from tests.protocol.rules import Setup
from tests.protocol.state import DOUBLE, OVER, Item, World

SAYS = ("unknown", "working", "filled")
"""An answer, by what the book says."""


def next_message(w: World, s: Setup) -> Iterable[int]:
    """What is on the wire comes in its order."""
    return [0] if w.wire else []


def reads(w: World, s: Setup, _: int) -> World:
    """An order goes to the gateway, a question is answered from the book at once."""
    message, w = w.wire[0], w._replace(wire=w.wire[1:])
    at = int(message[1])
    if message[0] == "order":
        return w._replace(gateway=tuple(sorted((*w.gateway, at))))
    answer: Item = ("answer", at, message[2], SAYS[w.placed(at)])
    return says(w, answer)


def says(w: World, report: Item) -> World:
    """A report waits until the route records it."""
    return w._replace(reports=(*w.reports, report))


def broken(w: World, promise: str) -> World:
    """The end of this exploration."""
    return w._replace(bad=promise)


def in_gateway(w: World, s: Setup) -> Iterable[int]:
    """In any order: gateways are many."""
    return sorted(set(w.gateway))


def accepts(w: World, s: Setup, at: int) -> World:
    """One order of one intent; a second one breaks the promise, unless the broker refuses its ClOrdID."""
    first = w.gateway.index(at)
    w = w._replace(gateway=(*w.gateway[:first], *w.gateway[first + 1 :]))
    if w.placed(at):
        if not s.venue.checks_ids:
            return broken(w, DOUBLE)
        return says(w, ("duplicate", at))
    same = (other for other, order in enumerate(w.orders) if order.opens == w.orders[at].opens)
    if any(w.placed(other) for other in same):
        return broken(w, DOUBLE)
    book = (*w.book, *(0 for _ in range(at + 1 - len(w.book))))
    book = (*book[:at], 1, *book[at + 1 :])
    return says(w._replace(book=book), ("new", at))


def working(w: World, s: Setup) -> Iterable[int]:
    """Orders in the book."""
    return [at for at, place in enumerate(w.book) if place == 1]


def fills(w: World, s: Setup, at: int) -> World:
    """Whole, at once."""
    if not w.orders[at].opens and w.position < 1:
        return broken(w, OVER)
    book = (*w.book[:at], 2, *w.book[at + 1 :])
    return says(w._replace(book=book), ("fill", at))
