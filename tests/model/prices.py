"""Deployments and histories of prices: bids and asks that differ, collars, worth of one order, leaders that
are not heard."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.model.deployment import (
    LEADER_INSTRUMENTS,
    OUR_INSTRUMENTS,
    Bounds,
    Deployment,
    Rule,
)
from tests.model.heard import Inactive
from tests.model.histories import Answer, End, Fill, LeaderBook, Step, Trade, Value
from tests.model.money import FillAt, guards, plainer
from tests.model.rig import Rig
from tests.model.side_by_side import Wait

MIDDLES = ("10", "10", "10.02", "9.98", "10.1", "9.9", "10.5", "9.5")
SPREADS = ("0", "0.01", "0.02", "0.2", "1", "-0.02")
"""From the middle to either side; below zero it is crossed."""
QUOTED = (0, 0, 0, 1, 2, 2, 3)
TRADED = ("10", "10.01", "9.99", "10.06", "10.5", "9.4")
WAITS_MS = (1, 600, 3_000, 7_000, 7_000, 20_000, 40_000, 61_000)
WINDOWS = (("5", 10), ("40", 5), ("60", 30), ("300", 60), ("0", 5))


@dataclass(frozen=True)
class Spread:
    """A quote whose sides differ, hundredths."""

    instrument: int
    middle: str
    half: str
    leader: int = 0
    """Whose session says it, if it is up."""

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Tells it."""
        names = [*LEADER_INSTRUMENTS, *OUR_INSTRUMENTS, *(name for name, _, _ in rig.deployment.money.pairs)]
        middle, half = (round(float(text) * 100) for text in (self.middle, self.half))
        bid, ask = ((middle + sign * half) / 100 for sign in (-1, 1))
        leader, name = leaders[self.leader % len(leaders)].name, names[self.instrument % len(names)]
        by = leader if name in LEADER_INSTRUMENTS and leader not in rig.model.down() else ""
        rig.quote(name, f"{bid:.2f}", f"{ask:.2f}", by)


@dataclass(frozen=True)
class Session:
    """The session of a leader goes down, or up."""

    leader: int
    up: bool

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Tells it."""
        rig.session(leaders[self.leader % len(leaders)].name, self.up)


@dataclass(frozen=True)
class Heard:
    """A person releases a leader."""

    leader: int

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Releases it."""
        rig.stop("arm", ("leader", leaders[self.leader % len(leaders)].name))


@dataclass(frozen=True)
class Told:
    """A leader trades; his session is up then."""

    trade: Trade

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Reports it."""
        name = leaders[self.trade.leader % len(leaders)].name
        if name in rig.model.down():
            rig.session(name, True)
        self.trade.play(rig, leaders)


def priced_bounds() -> st.SearchStrategy[Bounds]:
    """Of prices and worth; mostly one or two of them."""
    none = (None,) * 4
    return st.builds(
        Bounds,
        refuse=st.sampled_from((False, False, True)),
        collar_bps=st.sampled_from((*none, "10", "100", "0", "1000")),
        exposure=st.sampled_from((*none, "55", "120.5", "300", "1000")),
        leverage=st.sampled_from((*none, "0.05", "0.4", "1.25")),
        value=st.sampled_from((*none, "52.5", "100", "31", "200")),
        windows=st.sampled_from((*((),) * 4, *((w,) for w in WINDOWS), WINDOWS[1:3])),
    )


@st.composite
def spread_out(draw: st.DrawFn) -> Deployment:
    """Bounds of prices, guards, drift, limit orders, and instruments under one name or two."""
    plain = draw(plainer())
    mostly = st.sampled_from((True, True, False))

    def priced(rule: Rule) -> Rule:
        return replace(
            rule,
            bounds=draw(priced_bounds()),
            same_name=draw(st.booleans()),
            price_factor=draw(st.sampled_from(("1", "1", "1.25"))),
            slippage_bps=draw(st.sampled_from((None, None, "7"))),
            drift_bps=draw(st.sampled_from((None, None, None, "5", "100"))),
            max_age_ms=draw(st.sampled_from((60_000, 60_000, 10_000))),
            guards=draw(guards("UTC", amounts_only=True))
            if draw(st.sampled_from((False,) * 5 + (True,)))
            else None,
        )

    together = st.builds(
        Bounds, exposure=st.sampled_from(("120.5", "300", "1000")), worth_age_ms=st.just(20_000)
    )
    inactive = st.builds(
        Inactive,
        down_ms=st.sampled_from((0, 5_000, 10_000)),
        silent_ms=st.sampled_from((0, 15_000, 30_000)),
        close_all=st.booleans(),
    )
    return replace(
        plain,
        rules=tuple(priced(rule) for rule in plain.rules),
        followers=tuple((no, draw(priced_bounds())) for no, _ in plain.followers),
        guards=tuple(None if draw(mostly) else draw(guards("UTC")) for _ in plain.followers),
        together=(draw(st.none() | together),),
        inactive=tuple(draw(st.none() | inactive) for _ in range(plain.leaders)),
        silent=draw(st.sampled_from((frozenset[str](), frozenset("A"), frozenset("AB"), frozenset("AX")))),
    )


def price_steps(more: tuple[tuple[int, st.SearchStrategy[Step]], ...] = ()) -> st.SearchStrategy[list[Step]]:
    """A history in which prices move by little, and steps of other kinds."""
    small = st.sampled_from((0, 1, 2, 3, 4, 5))
    trade = st.builds(
        Trade,
        leader=small,
        instrument=st.sampled_from((0, 0, 0, 1)),
        which=small,
        buy=st.sampled_from((True, True, False)),
        steps=st.sampled_from((1, 2, 3, 5, 7, 10, 20)),
        order_steps=st.sampled_from((5, 10, 30)),
        age_ms=st.sampled_from((0,) * 9 + (5_000,)),
        px=st.sampled_from(TRADED),
        kind=st.sampled_from(("trade",) * 12 + ("status",)),
        dated=st.just(True),
        before_steps=st.just(0),
    )
    amount = st.sampled_from(("800", "750", "1000", "690"))
    ended = st.sampled_from(("rejected", "canceled", "expired"))
    value = st.builds(Value, leader=st.just(False), account=small, kind=st.just("equity"), amount=amount)
    parts: list[tuple[int, st.SearchStrategy[Step]]] = [
        (9, st.builds(Told, trade)),
        (5, st.builds(FillAt, st.none() | small, st.sampled_from(TRADED))),
        (1, st.builds(Fill, which=small, tenths=st.sampled_from((3, 5)))),
        (6, st.builds(Spread, st.sampled_from(QUOTED), st.sampled_from(MIDDLES), st.sampled_from(SPREADS))),
        (4, st.builds(Wait, ms=st.sampled_from(WAITS_MS))),
        (1, value),
        (1, st.builds(End, which=small, how=ended)),
        (1, st.builds(Answer)),
        (2, st.builds(Session, leader=small, up=st.booleans())),
        (1, st.builds(Heard, leader=small)),
        *more,
    ]
    listed = [part for weight, part in parts for _ in range(weight)]
    one = st.sampled_from(range(len(listed))).flatmap(lambda n: listed[n])
    return st.sampled_from((20, 40)).flatmap(lambda n: st.lists(one, min_size=n, max_size=n))
