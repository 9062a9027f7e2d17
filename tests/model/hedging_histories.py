"""Random histories of accounts whose positions stand side by side: leaders with several tickets, and brokers
that name what they filled, or do not."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Protocol

from hypothesis import strategies as st

from tests.model.deployment import Bounds, Deployment, Lots, Rule
from tests.model.hedging_rig import Hedged, HedgingRig
from tests.model.hedging_terms import POSITION_TAG
from tests.model.histories import ROUNDINGS, UNBOUNDED, Again, Answer, End, LeaderBook, Trade
from tests.model.lots import Undecided
from tests.model.side_by_side import Live, Wait
from tests.model.terms import ZERO, Report

LONG = "x" * 65
"""No name: too long."""


@dataclass
class Desk(LeaderBook):
    """What the leader did so far."""

    names: dict[str, str] = field(default_factory=dict)
    """What an order of his is about, by OrderID."""
    opened: int = 0

    def held(self, rig: HedgingRig) -> list[tuple[str, Fraction]]:
        """His positions by name."""
        book = rig.model.leaders.get((self.name, "X"))
        return sorted(book.held().items()) if book else []

    def report(self, t: Trade, rig: HedgingRig, name: str, says: str) -> Report:
        """A trade of an order that is about this position; what the report says of it."""
        r = self.trade(t, rig)
        name = self.names.setdefault(r.order, name)
        r = replace(r, tags=said(name, says, self.opened))
        self.told[-1] = r
        return r


def said(name: str, says: str, n: int) -> tuple[tuple[int, str], ...]:
    """The field that names a position, or none."""
    text = {"yes": name, "other": f"P{n}", "unknown": f"U{n}", "long": LONG}.get(says, "")
    return ((POSITION_TAG, text),) if text else ()


@dataclass(frozen=True)
class Ticket:
    """The leader opens a position, or adds to one by an order of before."""

    trade: Trade
    says: str

    def play(self, rig: HedgingRig, leaders: list[Desk]) -> None:
        """Reports it."""
        desk = leaders[0]
        desk.opened += 1
        rig.leader(desk.report(self.trade, rig, f"P{desk.opened}", self.says))


@dataclass(frozen=True)
class CloseTicket:
    """The leader closes tenths of one position by its name."""

    trade: Trade
    which: int
    tenths: int
    says: str

    def play(self, rig: HedgingRig, leaders: list[Desk]) -> None:
        """Reports it, where he holds any."""
        desk = leaders[0]
        held = desk.held(rig)
        if held:
            name, units = held[self.which % len(held)]
            rig.leader(desk.report(part(self.trade, units, self.tenths, rig), rig, name, self.says))


@dataclass(frozen=True)
class CloseBy:
    """The leader closes two positions by each other: two orders that name one each."""

    trade: Trade
    which: int

    def play(self, rig: HedgingRig, leaders: list[Desk]) -> None:
        """Reports both, where he holds a pair."""
        desk = leaders[0]
        held = desk.held(rig)
        longs, shorts = [p for p in held if p[1] > 0], [p for p in held if p[1] < 0]
        if longs and shorts:
            rig.model.reached["closed by each other"] += 1
            pair = longs[self.which % len(longs)], shorts[self.which % len(shorts)]
            least = min(abs(units) for _, units in pair)
            for name, units in pair:
                t = part(self.trade, least if units > 0 else -least, 10, rig)
                rig.leader(desk.report(t, rig, name, "yes"))


def part(trade: Trade, units: Fraction, tenths: int, rig: HedgingRig) -> Trade:
    """A new order that closes tenths of what a position holds, filled as the trade's kind says."""
    step = rig.deployment.instruments()["X"].step
    steps = max(1, int(abs(units) / step) * tenths // 10)
    return replace(trade, which=0, buy=units < 0, steps=steps, order_steps=steps, before_steps=0)


@dataclass(frozen=True)
class LateName:
    """A status of a leader's order names a position, after its trades."""

    which: int
    says: str

    def play(self, rig: HedgingRig, leaders: list[Desk]) -> None:
        """Reports it."""
        desk = leaders[0]
        orders = [r for group in desk.orders.values() for r in group if r.exec_id]
        if orders:
            was = orders[-1 - self.which % len(orders)]
            name = desk.names.get(was.order, "P1")
            r = replace(
                was, kind="status", exec_id=f"E{len(desk.told)}", last_qty=ZERO, px=None,
                tags=said(name, self.says, desk.opened),
            )  # fmt: skip
            desk.told.append(r)
            rig.leader(r)


@dataclass(frozen=True)
class TakeBack:
    """A trade of the leader's is busted, or corrected; a person lets opens go on at once, or not."""

    which: int
    tenths: int
    says: str
    resumed: bool

    def play(self, rig: HedgingRig, leaders: list[Desk]) -> None:
        """Reports it, where there is a trade."""
        desk = leaders[0]
        r = desk.take_back(self.which, self.tenths)
        if r is not None:
            r = desk.told[-1] = replace(r, tags=said(desk.names[r.order], self.says, desk.opened))
            rig.leader(r)
            if self.resumed:
                rig.bust_resume("l0")


@dataclass(frozen=True)
class Fill:
    """A broker fills a part of an order, in tenths; what it names."""

    which: int
    tenths: int
    says: str

    def play(self, rig: HedgingRig, leaders: list[Desk]) -> None:
        """Fills it."""
        if rig.live:
            order = rig.live[self.which % len(rig.live)]
            step = rig.step_of(order)
            steps = max(1, order.leaves * self.tenths // (10 * step))
            qty = min(order.leaves, steps * step) if self.tenths < 10 else order.leaves
            rig.fill_as(order, qty, named(rig, order, self.says))


def named(rig: HedgingRig, order: Live, says: str) -> str:
    """What a broker says of a fill: the position of the order, one of its own, another one, or none."""
    closes = rig.position_on(order)
    own = closes or f"V{order.number}"
    if says == "other" and rig.model.parted(order.number):
        return own  # a pair beside a pair, or within it
    each = closes or f"V{order.number}.{len(rig.ours.fills)}"
    return {"own": own, "each": each, "none": "", "long": LONG}.get(says, f"W{order.number}")


@dataclass(frozen=True)
class FillAll:
    """Brokers fill everything that is there."""

    says: str

    def play(self, rig: HedgingRig, leaders: list[Desk]) -> None:
        """Fills it."""
        for order in list(rig.live):
            if order in rig.live:
                rig.fill_as(order, order.leaves, named(rig, order, self.says))


@dataclass(frozen=True)
class Name:
    """A broker's status of an order names its position."""

    which: int
    says: str

    def play(self, rig: HedgingRig, leaders: list[Desk]) -> None:
        """Reports it."""
        if rig.ours.orders:
            order = rig.ours.orders[-1 - self.which % len(rig.ours.orders)]
            rig.name(order, named(rig, order, self.says))


class Step(Protocol):
    """Anything that happens in a history."""

    def play(self, rig: HedgingRig, leaders: Any) -> None:
        """Lets it happen on both sides."""


def trades() -> st.SearchStrategy[Trade]:
    """Trades of the leader's in X."""
    small = st.sampled_from((0, 0, 1, 2, 3))
    return st.builds(
        Trade,
        leader=st.just(0),
        instrument=st.just(0),
        which=small,
        buy=st.booleans(),
        steps=st.sampled_from((1, 2, 3, 5, 7, 10)),
        order_steps=st.sampled_from((5, 10, 30)),
        age_ms=st.sampled_from((0,) * 9 + (59_999, 61_000)),
        px=st.just("10"),
        kind=st.sampled_from(("trade",) * 9 + ("status", "new", "canceled")),
        dated=st.just(True),
        before_steps=st.sampled_from((0,) * 9 + (4,)),
    )


def steps(brokers: tuple[str, ...], leaders: tuple[str, ...]) -> st.SearchStrategy[list[Step]]:
    """A history; how brokers and the leader's broker name positions."""
    small = st.sampled_from((0, 1, 2, 3))
    says, theirs, one = st.sampled_from(brokers), st.sampled_from(leaders), trades()
    tenths = st.sampled_from((1, 3, 5, 10, 10))
    parts: list[tuple[int, st.SearchStrategy[Step]]] = [
        (6, st.builds(Ticket, one, theirs)),
        (5, st.builds(CloseTicket, one, small, tenths, theirs)),
        (1, st.builds(CloseBy, one, small)),
        (1, st.builds(LateName, small, theirs)),
        (1, st.builds(TakeBack, small, st.sampled_from((0, 0, 5, 10)), theirs, st.booleans())),
        (4, st.builds(FillAll, says)),
        (4, st.builds(Fill, small, tenths, says)),
        (1, st.builds(Name, small, says)),
        (2, st.builds(End, small, st.sampled_from(("rejected", "canceled", "expired")))),
        (2, st.builds(Answer)),
        (2, st.builds(Wait, st.sampled_from((1, 600, 5_000, 61_000)))),
        (1, st.builds(Again, st.just(0), small)),
    ]
    listed = [part for weight, part in parts for _ in range(weight)]
    chosen = st.sampled_from(range(len(listed))).flatmap(lambda n: listed[n])
    return st.sampled_from((3, 10, 20, 30)).flatmap(lambda n: st.lists(chosen, min_size=n, max_size=n))


@st.composite
def hedged(draw: st.DrawFn, leader: bool = True, follower: bool = True) -> Hedged:
    """One leader, one or two followers, one instrument."""
    ours = st.builds(
        Lots,
        contract=st.just("1"),
        step=st.sampled_from(("1", "1", "0.5")),
        least_steps=st.sampled_from((1, 1, 1, 2, 3)),
        most_steps=st.sampled_from((None, None, 6)),
    )
    plain = Lots("1", "1", 1, None)
    lots = draw(ours)
    count = draw(st.sampled_from((1, 1, 2)))
    rules = tuple(rule(n, draw) for n in range(count))
    deployment = Deployment(
        leaders=1,
        followers=((False, Bounds()),) * count,
        lots=(plain, plain, lots, lots),
        rules=rules,
        positions=(draw(st.sampled_from((0, 0, 0, 5, -3))),),
    )
    return Hedged(deployment, leader, follower, draw(st.sampled_from((None, None, 9041))))


def rule(n: int, draw: st.DrawFn) -> Rule:
    """One subscription."""
    return Rule(
        leader=0, follower=n, mode="percent", factor=draw(st.sampled_from(("100", "100", "50", "33", "150"))),
        max_ratio=UNBOUNDED, rounding=draw(st.sampled_from(ROUNDINGS)), max_inflation="3",
        reverse=draw(st.sampled_from((False, False, True))), both_to_a=False, qty_factor="1",
        price_factor="1", slippage_bps=None, max_age_ms=60_000, account_max_age_ms=3_600_000, bounds=Bounds(),
    )  # fmt: skip


def play(deployed: Hedged, history: list[Step]) -> Counter[str]:
    """Tells both sides a history; a difference is an error that has it. The states that it came to."""
    with HedgingRig(deployed) as rig:
        desks = [Desk("l0")]
        with suppress(Undecided):
            for step in history:
                step.play(rig, desks)
        return rig.model.reached
