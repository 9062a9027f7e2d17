"""Random histories of a leader's working orders and of what followers' brokers do with theirs. Steps are
small numbers that pick among what there is, so that a history stays one when steps are taken out of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Protocol

from hypothesis import strategies as st

from tests.model.mirror_rig import Rig
from tests.model.mirror_terms import Report, Rule, Terms
from tests.model.side_by_side import Wait
from tests.model.stops import CLOSE_ONLY, HALT, NO_OPENS
from tests.model.terms import ZERO

PRICES = (Fraction(8), Fraction("9.25"), Fraction(11), Fraction("12.05"))


@dataclass
class Book:
    """The leader's orders and position."""

    orders: list[Report] = field(default_factory=list)
    made: int = 0
    position: Fraction = ZERO
    side: int = 0
    """The side of his position, or of the orders that are to open one."""
    turns: bool = False
    """Orders of both sides, and closes of more than he holds."""

    def end(self, at: int, last: Report) -> Report:
        """Takes an order that has ended off."""
        self.orders.pop(at)
        return last


class Step(Protocol):
    """Anything that happens in a history."""

    def play(self, rig: Rig, book: Book) -> None:
        """Lets it happen on both sides."""


@dataclass(frozen=True)
class Begin:
    """The leader's order begins: on the side of his position, or against it."""

    buy: bool
    closes: bool
    kind: str
    steps: int
    px: int
    tif: str = "0"
    early: bool = False
    """A close may begin before there is what it closes."""

    def play(self, rig: Rig, book: Book) -> None:
        """Reports it."""
        quiet = not (rig.live or any(line.filled for line in rig.model.lines))
        if not book.side or (quiet and not book.position and not book.orders):
            book.side = 1 if self.buy else -1
        if book.turns:
            book.side = 1 if self.buy else -1
        sign = -book.side if self.closes and (book.position or self.early) else book.side
        book.made += 1
        terms = _terms(self.kind, self.px)
        r = Report(f"O{book.made}", "new", sign, Fraction(self.steps), ZERO, terms, self.tif)
        book.orders.append(r)
        rig.leader(r)


@dataclass(frozen=True)
class Trade:
    """The leader's order fills so many tenths of what is left, at least a step."""

    which: int
    tenths: int
    px: int

    def play(self, rig: Rig, book: Book) -> None:
        """Reports it."""
        if not book.orders:
            return
        at = self.which % len(book.orders)
        was = book.orders[at]
        left = was.qty - was.cum
        qty = left if self.tenths >= 10 else min(left, Fraction(max(1, left * self.tenths // 10)))
        if not book.turns and was.sign != book.side:
            qty = min(qty, abs(book.position))
        if not qty:
            return
        r = replace(was, kind="trade", cum=was.cum + qty, last=qty, last_px=PRICES[self.px])
        book.position += r.sign * qty
        book.orders[at] = r
        rig.leader(r if r.cum < r.qty else book.end(at, r))


@dataclass(frozen=True)
class Change:
    """The leader's order is replaced: another quantity, another price."""

    which: int
    steps: int
    px: int

    def play(self, rig: Rig, book: Book) -> None:
        """Reports it."""
        if not book.orders:
            return
        at = self.which % len(book.orders)
        was = book.orders[at]
        qty = max(was.cum + 1, Fraction(self.steps)) if self.steps else was.qty
        r = replace(was, kind="replaced", qty=qty, terms=_terms(was.terms.kind, self.px), last=ZERO)
        book.orders[at] = r
        rig.leader(r)


@dataclass(frozen=True)
class Off:
    """The leader's order is canceled."""

    which: int

    def play(self, rig: Rig, book: Book) -> None:
        """Reports it."""
        if book.orders:
            at = self.which % len(book.orders)
            rig.leader(book.end(at, replace(book.orders[at], kind="canceled", last=ZERO)))


@dataclass(frozen=True)
class Fill:
    """A broker fills so many tenths of an order, at least a step."""

    which: int
    tenths: int

    def play(self, rig: Rig, book: Book) -> None:
        """Fills it."""
        if rig.live:
            order = rig.live[self.which % len(rig.live)]
            part = Fraction(max(1, order.leaves * self.tenths // 10))
            rig.fill(order, order.leaves if self.tenths >= 10 else min(order.leaves, part))


@dataclass(frozen=True)
class Answer:
    """Brokers answer everything that they are asked: as asked, or not; what is filled they refuse."""

    refuse: bool = False
    only: int | None = None
    """Of what they are asked, one thing."""

    def play(self, rig: Rig, book: Book) -> None:
        """Answers it."""
        rig.refuse_late()
        asked = [o for o in rig.live if o.asked is not None]
        if self.only is not None and asked:
            asked = [asked[self.only % len(asked)]]
        for order in asked:
            if order not in rig.live or order.asked is None:
                continue
            if self.refuse or (order.replacing and order.asked_qty < order.cum):
                rig.refuse(order)
            elif order.replacing:
                rig.accept(order)
            else:
                rig.end(order, "canceled")


@dataclass(frozen=True)
class Acknowledge:
    """Brokers acknowledge what they have; new orders from now on at once, or not."""

    silent: bool

    def play(self, rig: Rig, book: Book) -> None:
        """Says so."""
        rig.acknowledge()
        rig.silent = self.silent


@dataclass(frozen=True)
class Stop:
    """`kill` of a scope, or `pause`; 0: it is released."""

    which: int
    level: int

    def play(self, rig: Rig, book: Book) -> None:
        """Says so."""
        scopes = [("global", ""), ("follower", "f0"), ("subscription", "s0")]
        scope = scopes[self.which % len(scopes)]
        rig.stop(scope, min(self.level, CLOSE_ONLY) if scope[0] == "subscription" else self.level)


@dataclass(frozen=True)
class End:
    """A broker ends an order that nobody, or somebody, asked to cancel."""

    which: int
    how: str

    def play(self, rig: Rig, book: Book) -> None:
        """Ends it."""
        if rig.live:
            order = rig.live[self.which % len(rig.live)]
            rig.end(order, "expired" if self.how == "rejected" and order.cum else self.how)


def _terms(kind: str, px: int) -> Terms:
    at = PRICES[px]
    named = {"limit": Terms(kind, at), "stop": Terms(kind, None, at)}
    return named.get(kind) or (Terms(kind) if kind == "market" else Terms(kind, at, at))


def play(rules: list[Rule], history: list[Step], turns: bool = False) -> Counter[str]:
    """Plays a history on both sides; states that it came to."""
    with Rig(rules) as rig:
        book = Book(turns=turns)
        for step in history:
            step.play(rig, book)
        return rig.reached


SMALL = st.sampled_from((0, 1, 2, 3))
TENTHS = st.sampled_from((1, 3, 5, 10, 10))
STEPS = st.sampled_from((1, 2, 3, 5, 10, 11))
PX = st.integers(0, len(PRICES) - 1)


def _listed(parts: list[tuple[int, st.SearchStrategy[Step]]]) -> st.SearchStrategy[list[Step]]:
    listed = [part for weight, part in parts for _ in range(weight)]
    one = st.sampled_from(range(len(listed))).flatmap(lambda n: listed[n])
    return st.sampled_from((6, 15, 25, 25)).flatmap(lambda n: st.lists(one, min_size=n, max_size=n))


def brokers() -> list[tuple[int, st.SearchStrategy[Step]]]:
    """What brokers do."""
    return [
        (5, st.builds(Fill, which=SMALL, tenths=TENTHS)),
        (3, st.builds(Answer)),
        (1, st.builds(Answer, refuse=st.booleans(), only=SMALL)),
        (1, st.builds(Answer, refuse=st.just(True))),
        (1, st.builds(Acknowledge, silent=st.sampled_from((True, False, False)))),
        (1, st.builds(End, which=SMALL, how=st.sampled_from(("rejected", "canceled", "expired")))),
        (1, st.builds(Wait, ms=st.sampled_from((1, 600, 2_000, 5_000)))),
    ]


def leaders(
    kinds: tuple[str, ...],
    closes: tuple[bool, ...],
    sides: tuple[bool, ...] = (True, False),
    early: tuple[bool, ...] = (False,),
) -> list[tuple[int, st.SearchStrategy[Step]]]:
    """What a leader does."""
    begin = st.builds(
        Begin, buy=st.sampled_from(sides), closes=st.sampled_from(closes), kind=st.sampled_from(kinds),
        steps=STEPS, px=PX, tif=st.sampled_from(("0", "1")), early=st.sampled_from(early),
    )  # fmt: skip
    return [
        (3, begin),
        (4, st.builds(Trade, which=SMALL, tenths=TENTHS, px=PX)),
        (2, st.builds(Change, which=SMALL, steps=st.sampled_from((0, 0, 1, 3, 8, 15)), px=PX)),
        (1, st.builds(Off, which=SMALL)),
    ]


def openings() -> st.SearchStrategy[list[Step]]:
    """Orders that open, all of one side."""
    return _listed([*leaders(("limit",), (False,), (True,)), *brokers()])


def closings() -> st.SearchStrategy[list[Step]]:
    """Also orders against the position: take profits and stops, alternatives of each other."""
    kinds = ("limit", "limit", "stop", "stop", "stop_limit", "market")
    return _listed([*leaders(kinds, (True, True, False)), *brokers()])


def turning() -> st.SearchStrategy[list[Step]]:
    """Orders of both sides at once, and closes of more than the leader holds."""
    return _listed([*leaders(("limit", "stop", "market"), (False,)), *brokers()])


def stopping() -> st.SearchStrategy[list[Step]]:
    """The same while persons stop and release."""
    kinds = ("limit", "limit", "stop", "market")
    return _listed([*leaders(kinds, (True, False, False)), *brokers(), *_persons(3)])


def beside_fills() -> st.SearchStrategy[list[Step]]:
    """Orders of each kind, and stops that come before what they protect; sometimes persons stop."""
    kinds = ("limit", "market", "stop", "stop", "stop_limit")
    begun = leaders(kinds, (True, True, False), early=(True, False))
    return st.one_of(_listed([*begun, *brokers()]), _listed([*begun, *brokers(), *_persons(1)]))


def _persons(weight: int) -> list[tuple[int, st.SearchStrategy[Step]]]:
    level = st.sampled_from((0, 0, 0, NO_OPENS, CLOSE_ONLY, HALT))
    return [(weight, st.builds(Stop, which=SMALL, level=level))]


def _same_venue(one: st.SearchStrategy[Rule]) -> st.SearchStrategy[list[Rule]]:
    """One or two followers at one venue, which replaces orders or does not."""
    some = st.lists(one, min_size=1, max_size=2)
    replaces = st.sampled_from((True, True, False))
    return st.builds(lambda rules, yes: [replace(rule, replaces=yes) for rule in rules], some, replaces)


def stops() -> st.SearchStrategy[list[Rule]]:
    """Followers that copy fills, and stops."""
    one = st.builds(
        Rule, copy=st.just("fills"), copy_stops=st.just(True), mode=st.sampled_from(MODES),
        factor=st.sampled_from(("1", "2", "0.5", "0.5")), rounding=st.sampled_from(ROUNDINGS),
        price_factor=st.sampled_from(("1", "1", "0.5")), stop_multiplier=st.sampled_from(("1", "1.5", "2")),
    )  # fmt: skip
    return _same_venue(one)


MODES = ("multiplier", "multiplier", "fixed")
ROUNDINGS = ("toward_zero", "toward_zero", "nearest", "hold", "min_lot_if_nonzero")


def rules(
    factors: tuple[str, ...] = ("1", "0.5", "2", "0.333333333333333333"),
) -> st.SearchStrategy[list[Rule]]:
    """Followers that mirror all orders."""
    one = st.builds(
        Rule,
        mode=st.sampled_from(MODES),
        factor=st.sampled_from(factors),
        reverse=st.sampled_from((False, False, True)),
        ahead=st.sampled_from(("close", "close", "keep")),
        leader_filled=st.sampled_from(("none", "market_after_s", "cancel_after_s")),
        price_factor=st.sampled_from(("1", "1", "0.5")),
    )
    return _same_venue(one)


def bounded() -> st.SearchStrategy[list[Rule]]:
    """The same with bounds of what they hold and of their orders."""

    def bound(rules: list[Rule], position: str | None, orders: int | None, refuse: bool) -> list[Rule]:
        more = {"max_position": position, "max_open_orders": orders, "refuse": refuse}
        return [replace(rule, **more) for rule in rules]  # type: ignore[arg-type]

    positions, orders = st.sampled_from((None, "3", "10", "12")), st.sampled_from((None, 1, 2, 4))
    return st.builds(bound, whole_rules(), positions, orders, st.booleans())


def whole_rules() -> st.SearchStrategy[list[Rule]]:
    """The same in whole lots: parts of a lot that several closes leave are not what is compared."""
    return rules(("1", "2"))


def turning_rules() -> st.SearchStrategy[list[Rule]]:
    """The same without amounts, whose shares are parts of a lot again where a leader turns around."""
    return whole_rules().map(lambda rules: [replace(rule, mode="multiplier") for rule in rules])
