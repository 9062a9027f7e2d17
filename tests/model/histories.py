"""Random deployments and histories. A history is a list of small numbers that pick among what there is, so
that it stays a history when steps are taken out of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Protocol

from hypothesis import strategies as st

from tests.model.deployment import LEADER_INSTRUMENTS, OUR_INSTRUMENTS, Bounds, Deployment, Lots, Rule
from tests.model.lots import Undecided
from tests.model.past import CONFIGURED
from tests.model.rig import Rig
from tests.model.side_by_side import Wait
from tests.model.terms import MS, Allowance, Report

ROUNDINGS = ("toward_zero", "nearest", "hold", "min_lot_if_nonzero")
FACTORS = {
    "multiplier": ("1", "0.5", "2", "0.333333333333333333", "1.7", "0.05"),
    "percent": ("100", "50", "33", "150", "7"),
    "lots_multiplier": ("1", "0.5", "2.5", "0.1"),
    "fixed": ("7", "1.05", "0.3", "20"),
    "equity": ("1", "0.4", "1.1"),
    "balance": ("1", "0.7", "2"),
    "free_margin": ("1", "0.3"),
    "notional": ("1", "1.5", "0.6"),
    "percent_equity": ("10", "5", "33"),
}
LENGTHS = (1, 3, 10, 25, 30, 40, 40)
UNBOUNDED = "1000000000"
ALLOWANCES = (None,) * 6 + tuple(Allowance(*n) for n in ((1, 2, 0), (2, 4, 1), (5, 10, 2), (1, 3, 2)))
INEXACT = ("3.01", "100", "1.51")
"""`max_inflation` where targets are quotients: the core rounds them, and none is just at such a bound."""
REPEATED = ((0, 0),) * 3 + ((1, 1_000), (2, 1_000), (3, 30_000), (5, 60_000))
TAG = (5001, "swing")
VALUES = ("equity", "balance", "free_margin")
AMOUNTS = ("1000", "500", "1500.5", "333.33", "0", "-5")
PRICES = ("10", "12.5", "7", "3")
UNQUOTED = (frozenset[str](),) * 2 + (frozenset("A"), frozenset("AB"), frozenset("AX"))
"""Instruments that nobody quotes in the beginning: what is copied into them costs what the leader's does."""


@dataclass(frozen=True)
class Trade:
    """A leader order trades; `which` is an order of before, or a new one."""

    leader: int
    instrument: int
    which: int
    buy: bool
    steps: int
    order_steps: int
    age_ms: int
    px: str
    kind: str
    dated: bool
    before_steps: int
    """What a new order had filled before anybody listened."""
    tif: str | None = None
    """TimeInForce(59) that the report says."""
    tagged: bool = False
    """It carries the field that filters may ask for."""

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Reports it."""
        book = leaders[self.leader % len(leaders)]
        rig.leader(book.trade(self, rig))


@dataclass(frozen=True)
class Again:
    """A report of before comes once more."""

    leader: int
    which: int

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Reports it."""
        told = leaders[self.leader % len(leaders)].told
        if told:
            rig.leader(told[self.which % len(told)])


@dataclass(frozen=True)
class Fill:
    """A broker fills a part of an order, in tenths, at least a step; or all of it."""

    which: int
    tenths: int

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Fills it."""
        if not rig.live:
            return
        order = rig.live[self.which % len(rig.live)]
        step = rig.step_of(order)
        steps = max(1, order.leaves * self.tenths // (10 * step))
        rig.fill(order, min(order.leaves, steps * step) if self.tenths < 10 else order.leaves)


@dataclass(frozen=True)
class FillAll:
    """Brokers fill everything that is there."""

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Fills it."""
        for order in list(rig.live):
            if order in rig.live:
                rig.fill(order, order.leaves)


@dataclass(frozen=True)
class End:
    """A broker ends an order, whether or not a cancel of it is open."""

    which: int
    how: str

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Ends it."""
        if not rig.live:
            return
        order = rig.live[self.which % len(rig.live)]
        rig.end(order, "expired" if self.how == "rejected" and order.filled else self.how)


@dataclass(frozen=True)
class Answer:
    """A broker answers the cancels that are open."""

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Answers them."""
        for order in list(rig.live):
            if order.asked is not None and order in rig.live:
                rig.end(order, "canceled")


@dataclass(frozen=True)
class Value:
    """An account value changes."""

    leader: bool
    account: int
    kind: str
    amount: str

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Tells it."""
        d = rig.deployment
        name = f"l{self.account % d.leaders}" if self.leader else f"f{self.account % len(d.followers)}"
        rig.value(name, self.kind, self.amount)


@dataclass(frozen=True)
class Price:
    """A quote."""

    instrument: int
    px: str

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Tells it."""
        names = LEADER_INSTRUMENTS + OUR_INSTRUMENTS
        rig.quote(names[self.instrument % len(names)], self.px)


class Step(Protocol):
    """Anything that happens in a history."""

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Lets it happen on both sides."""


@dataclass
class LeaderBook:
    """What one leader did so far."""

    name: str
    orders: dict[tuple[int, bool], list[Report]] = field(default_factory=dict)
    told: list[Report] = field(default_factory=list)
    amended: set[str] = field(default_factory=set)
    """Orders one of whose trades was taken back."""
    worth: dict[str, Fraction] = field(default_factory=dict)
    """What a trade is worth now, by ExecID."""
    renamed: dict[str, str] = field(default_factory=dict)
    """The ExecID of its newest correction."""

    def trade(self, t: Trade, rig: Rig) -> Report:
        """The report of a trade: of an order that is not filled, or of a new one."""
        name = LEADER_INSTRUMENTS[t.instrument]
        step = rig.deployment.instruments()[name].step
        orders = self.orders.setdefault((t.instrument, t.buy), [])
        working = [n for n, order in enumerate(orders) if order.cum_qty < order.order_qty]
        n = len(self.told)
        if t.which == 0 or not working:
            total, zero, sign = step * max(t.order_steps, t.steps), Fraction(0), 1 if t.buy else -1
            before = step * t.before_steps
            new = Report(
                self.name, name, f"{self.name}-{n}", "", "new", sign, before + total, zero, before, None, 0
            )
            orders.append(new)
            working = [len(orders) - 1]
        at = working[t.which % len(working)]
        was = orders[at]
        kind = "trade" if t.kind == "new" and was.exec_id else t.kind
        qty = Fraction(0) if kind == "new" else min(step * t.steps, was.order_qty - was.cum_qty)
        if was.order in self.amended and kind != "trade":
            qty = Fraction(0)  # its reports count by LastQty, and only a trade has one
        r = replace(
            was,
            exec_id=f"E{n}",
            kind=kind,
            last_qty=qty if kind == "trade" else Fraction(0),
            cum_qty=was.cum_qty + qty,
            px=Fraction(t.px) if kind == "trade" else None,
            transact_ns=(rig.now_ns // MS + 1 - t.age_ms) * MS if t.dated else None,
            tif=t.tif,
            tags=(TAG,) if t.tagged else (),
        )
        orders[at] = r
        self.told.append(r)
        return r

    def take_back(self, which: int, tenths: int) -> Report | None:
        """A trade of before, from the newest on, becomes so many tenths of itself; 0 is a bust."""
        trades = [r for r in self.told if r.kind == "trade" and self.worth.get(r.exec_id, r.last_qty)]
        if not trades:
            return None
        trade = trades[-1 - which % len(trades)]
        orders = next(o for o in self.orders.values() if any(r.order == trade.order for r in o))
        at = next(n for n, r in enumerate(orders) if r.order == trade.order)
        was, had = orders[at], self.worth.get(trade.exec_id, trade.last_qty)
        now = min(had * tenths / 10, had + was.order_qty - was.cum_qty)
        self.worth[trade.exec_id] = now
        self.amended.add(trade.order)
        r = replace(
            was,
            exec_id=f"E{len(self.told)}",
            kind="correct" if now else "bust",
            last_qty=now or had,
            cum_qty=was.cum_qty + now - had,
            px=trade.px,
            ref=self.renamed.get(trade.exec_id, trade.exec_id) if which % 2 else trade.exec_id,
        )
        self.renamed[trade.exec_id] = r.exec_id
        orders[at] = replace(r, ref=None)
        self.told.append(r)
        return r


def steps(
    values: int = 2,
    lengths: tuple[int, ...] = LENGTHS,
    prices: tuple[str, ...] = PRICES,
    traded: tuple[str, ...] = ("1.1", "10", "9.995"),
    more: tuple[tuple[int, st.SearchStrategy[Step]], ...] = (),
    kinds: tuple[str, ...] = ("status", "new", "canceled"),
) -> st.SearchStrategy[list[Step]]:
    """A history of one of these lengths; so much of it is account values, and steps of other kinds; what
    leaders report beside trades. Prices are quoted, and traded."""
    small = st.sampled_from((0, 1, 2, 3, 4, 5))
    trade = st.builds(
        Trade,
        leader=small,
        instrument=st.sampled_from((0, 0, 0, 1)),
        which=small,
        buy=st.booleans(),
        steps=st.sampled_from((1, 2, 3, 5, 7, 10, 11, 20)),
        order_steps=st.sampled_from((5, 10, 30, 50)),
        age_ms=st.sampled_from((0,) * 9 + (500, 20_000, 59_999, 61_000)),
        px=st.sampled_from(traded),
        kind=st.sampled_from(("trade",) * 9 + kinds),
        dated=st.sampled_from((True,) * 19 + (False,)),
        before_steps=st.sampled_from((0,) * 9 + (4,)),
        tif=st.sampled_from((None, None, "0", "1", "6")),
        tagged=st.booleans(),
    )
    ended = st.sampled_from(("rejected", "canceled", "expired"))
    value = st.builds(
        Value,
        leader=st.booleans(),
        account=small,
        kind=st.sampled_from(VALUES),
        amount=st.sampled_from(AMOUNTS),
    )
    parts: list[tuple[int, st.SearchStrategy[Step]]] = [
        (10, trade),
        (4, st.builds(FillAll)),
        (4, st.builds(Fill, which=small, tenths=st.sampled_from((1, 3, 5, 10)))),
        (3, st.builds(End, which=small, how=ended)),
        (3, st.builds(Answer)),
        (3, st.builds(Wait, ms=st.sampled_from((1, 600, 5_000, 30_000, 61_000)))),
        (values, value),
        (1, st.builds(Again, leader=small, which=small)),
        (1, st.builds(Price, instrument=small, px=st.sampled_from(prices))),
        *more,
    ]
    # By weight: `one_of` takes the same strategy only once.
    listed = [part for weight, part in parts for _ in range(weight)]
    one = st.sampled_from(range(len(listed))).flatmap(lambda n: listed[n])
    # Left to itself, hypothesis makes short lists; most of what goes wrong needs a long one.
    return st.sampled_from(lengths).flatmap(lambda n: st.lists(one, min_size=n, max_size=n))


def bounds() -> st.SearchStrategy[Bounds]:
    """Limits: mostly none, and so low that they bind."""
    lots = st.sampled_from((None, None, None, "2", "5", "7.5"))
    return st.builds(
        Bounds,
        order=lots,
        position=lots,
        refuse=st.booleans(),
        collar_bps=st.sampled_from((None,) * 6 + ("5", "50", "2000", "9900")),
        open_orders=st.sampled_from((None, None, None, 1, 2, 4)),
        exposure=st.sampled_from((None, None, None, "55", "300", "1000.5")),
        leverage=st.sampled_from((None, None, None, "0.05", "0.4", "1.25")),
    )


def together() -> st.SearchStrategy[Bounds]:
    """Limits over all followers."""
    return st.builds(
        Bounds,
        position=st.sampled_from((None, "4", "9", "12.5")),
        refuse=st.booleans(),
        open_orders=st.sampled_from((None, None, 2, 3, 6)),
    )


@st.composite
def rules(draw: st.DrawFn, leaders: int, followers: int) -> Rule:
    """One subscription."""
    mode = draw(st.sampled_from(tuple(FACTORS)))
    return Rule(
        leader=draw(st.integers(0, leaders - 1)),
        follower=draw(st.integers(0, followers - 1)),
        mode=mode,
        factor=draw(st.sampled_from(FACTORS[mode])),
        max_ratio=draw(st.sampled_from((UNBOUNDED, UNBOUNDED, UNBOUNDED, "1"))),
        rounding=draw(st.sampled_from(ROUNDINGS)),
        max_inflation=draw(st.sampled_from(("3", "100", "1.5") if mode in CONFIGURED else INEXACT)),
        reverse=draw(st.booleans()),
        both_to_a=draw(st.booleans()),
        qty_factor=draw(st.sampled_from(("1", "1", "2", "0.1"))),
        price_factor=draw(st.sampled_from(("1", "0.01"))),
        slippage_bps=draw(st.sampled_from((None, None, "0", "7"))),
        max_age_ms=draw(st.sampled_from((60_000, 60_000, 1_000))),
        account_max_age_ms=draw(st.sampled_from((3_600_000, 20_000))),
        bounds=draw(bounds()),
        amplification=draw(st.sampled_from((None, None, None, "0.1", "0.5", "1", "2.5"))),
    )


@st.composite
def deployments(draw: st.DrawFn) -> Deployment:
    """1 or 2 leaders, 1 to 3 followers, 1 to 4 subscriptions."""
    lots = st.builds(
        Lots,
        contract=st.sampled_from(("1", "1", "2", "10")),
        step=st.sampled_from(("1", "1", "0.5", "0.1")),
        least_steps=st.sampled_from((1, 1, 2, 3)),
        most_steps=st.sampled_from((None, None, 6, 20)),
    )
    leaders, count = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    chosen = [draw(lots) for _ in range(4)]
    listed = draw(st.lists(rules(leaders, count), min_size=1, max_size=4))
    return Deployment(
        leaders=leaders,
        followers=tuple((draw(st.sampled_from((False, False, True))), draw(bounds())) for _ in range(count)),
        lots=(chosen[0], chosen[1], chosen[2], chosen[3]),
        rules=tuple(listed),
        positions=tuple(draw(st.sampled_from((0, 0, 5, -3))) for _ in range(leaders)),
        messages=tuple(draw(st.sampled_from(ALLOWANCES)) for _ in range(2 + count)),
        repeated=draw(st.sampled_from(REPEATED)),
        together=tuple(draw(st.none() | together()) for _ in range(1 + leaders)),
    )


@st.composite
def priced(draw: st.DrawFn) -> Deployment:
    """Instruments of the followers under the leaders' names or under others, with and without quotes of their
    own, at other prices."""
    plain, factors = draw(deployments()), st.sampled_from(("1", "0.01", "0.5", "4"))
    return replace(
        plain,
        rules=tuple(
            replace(r, price_factor=draw(factors), same_name=draw(st.booleans())) for r in plain.rules
        ),
        silent=draw(st.sampled_from(UNQUOTED)),
    )


def play(deployment: Deployment, history: list[Step]) -> None:
    """Tells both sides a history; a difference is an error that has it."""
    with Rig(deployment) as rig:
        leaders = [LeaderBook(f"l{n}") for n in range(deployment.leaders)]
        for n in range(deployment.leaders):
            for kind in VALUES:
                rig.value(f"l{n}", kind, "1000")
        for n in range(len(deployment.followers)):
            for kind in VALUES:
                rig.value(f"f{n}", kind, "800")
        for name in LEADER_INSTRUMENTS + OUR_INSTRUMENTS:
            if name not in deployment.silent:
                rig.quote(name, "10")
        with suppress(Undecided):
            for step in history:
                step.play(rig, leaders)
