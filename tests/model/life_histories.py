"""Histories in which followers come and go, files change, and instruments are split, rolled and given up."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import cast

from hypothesis import strategies as st

from tests.model.amends import Resume, Taken, less_bound
from tests.model.deployment import LEADER_INSTRUMENTS, OUR_INSTRUMENTS, Bounds, Deployment, Rule, exact
from tests.model.filters import EVERY_ORDER, Filters
from tests.model.histories import (
    FACTORS,
    TAG,
    VALUES,
    FillAll,
    LeaderBook,
    Price,
    Step,
    Trade,
    bounds,
    steps,
)
from tests.model.life import CLOSE_NOW, CLOSE_WITH_LEADER, KEEP
from tests.model.life_rig import LifeRig
from tests.model.lots import Undecided
from tests.model.rig import Rig
from tests.model.stopping import Pause

RULES = (KEEP, CLOSE_NOW, CLOSE_WITH_LEADER)
JOINING = ("flat", "target", "target")
SUBSCRIPTIONS_MAX = 6
LATE_MS = 61_000
PLAIN = ("1", "0.95", "1.9", "0.5")
"""Multipliers of what is copied without bounds: with whole lots, and with parts of them left over."""


@dataclass(frozen=True)
class Life:
    """`leave`, `join` or `resync` of a subscription."""

    what: str
    which: int
    word: str

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Says so."""
        life = cast(LifeRig, rig)
        life.life(self.what, f"s{self.which % len(rig.deployment.rules)}", self.word)


@dataclass(frozen=True)
class Split:
    """A factor of an instrument; first everything that works is done, where a person waits for that."""

    leader: int
    instrument: int
    factor: str
    excepted: int
    """A follower whose broker rescales nothing; beyond their number: nobody."""
    waits: bool
    resumes: bool

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Adjusts, and lets opens go on."""
        if self.waits:
            quiet(rig)
        leader = leaders[self.leader % len(leaders)].name
        excepted = [f"f{self.excepted}"] if self.excepted < len(rig.deployment.followers) else []
        cast(LifeRig, rig).split(leader, LEADER_INSTRUMENTS[self.instrument], self.factor, excepted)
        if self.resumes:
            rig.bust_resume(leader)


@dataclass(frozen=True)
class Moved:
    """A leader's position after a give-up, a transfer or an expiry, in tenths of what it is."""

    leader: int
    instrument: int
    tenths: int
    rescale: bool
    waits: bool

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Adjusts."""
        if self.waits:
            quiet(rig)
        leader, name = leaders[self.leader % len(leaders)].name, LEADER_INSTRUMENTS[self.instrument]
        to = rig.model.positions.get((leader, name), Fraction(0)) * self.tenths / 10
        cast(LifeRig, rig).moved_to(leader, name, exact(to), self.rescale)


@dataclass(frozen=True)
class Roll:
    """What a leader holds of X is Y from now on, without a trade; his copies are set anew."""

    leader: int

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """As the page about coming and going says."""
        quiet(rig)
        leader, life = leaders[self.leader % len(leaders)].name, cast(LifeRig, rig)
        held = [rig.model.positions.get((leader, name), Fraction(0)) for name in LEADER_INSTRUMENTS]
        life.moved_to(leader, "X", "0", rescale=True)
        quiet(rig)
        life.moved_to(leader, "Y", exact(held[1] + held[0]), rescale=False)
        for n, rule in enumerate(rig.deployment.rules):
            if f"l{rule.leader}" == leader:
                life.life("resync", f"s{n}")


@dataclass(frozen=True)
class Restated:
    """A corporate action, told by the broker of a leader who has an order."""

    leader: int

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Reports it."""
        told = leaders[self.leader % len(leaders)].told
        if told and told[-1].kind in ("trade", "status"):
            cast(LifeRig, rig).restated(told[-1])


@dataclass(frozen=True)
class Bought:
    """A leader trades an order that fills at once, and so do its copies, where brokers have the time."""

    leader: int
    instrument: int
    buy: bool
    steps: int
    fills: bool

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Reports it, and fills."""
        book = leaders[self.leader % len(leaders)]
        trade = Trade(0, self.instrument, 0, self.buy, self.steps, 0, 0, "10", "trade", True, 0, tagged=True)
        rig.leader(book.trade(trade, rig))
        if self.fills:
            quiet(rig)


@dataclass(frozen=True)
class LeftClosing:
    """A leader closes, and while the copies' closes work one of them leaves."""

    leader: int
    steps: int
    rule: str

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Trades against what he holds, and says so of all his copies."""
        book = leaders[self.leader % len(leaders)]
        held = rig.model.positions.get((book.name, "X"), Fraction(0))
        Bought(self.leader, 0, held < 0, self.steps, fills=False).play(rig, leaders)
        for n, rule in enumerate(rig.deployment.rules):
            if f"l{rule.leader}" == book.name:
                Life("leave", n, self.rule).play(rig, leaders)


@dataclass(frozen=True)
class HeldAnew:
    """A restatement, and before a person has looked at it a copy is set anew."""

    leader: int
    which: int

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Reports it, and says so."""
        Restated(self.leader).play(rig, leaders)
        Life("resync", self.which, "").play(rig, leaders)


@dataclass(frozen=True)
class Late:
    """Long after the last trade and the last quote a copy is set anew, or comes back."""

    what: str
    which: int

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Waits, and says so."""
        rig.wait(LATE_MS)
        Life(self.what, self.which, "target" if self.what == "join" else "").play(rig, leaders)


@dataclass(frozen=True)
class Turned:
    """A file in which a subscription copies the other way round: only where nothing is held."""

    which: int

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Tries to start with it."""
        life, now = cast(LifeRig, rig), rig.deployment
        rules, at = list(now.rules), self.which % len(now.rules)
        rules[at] = replace(rules[at], reverse=not rules[at].reverse)
        turned = replace(now, rules=tuple(rules))
        life.restart(turned if life.tries(turned) else now)


@dataclass(frozen=True)
class Change:
    """The core starts with another file: a ratio, bounds, a factor of the symbol map, a new name, an end."""

    which: int
    factor: int
    qty_factor: str
    limits: Bounds | None
    adds: bool
    joining: str
    leaves: str

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Writes it, and starts."""
        life, now = cast(LifeRig, rig), rig.deployment
        at = self.which % len(now.rules)
        rules, changed = list(now.rules), now.rules[at]
        listed = FACTORS[changed.mode]
        rules[at] = replace(changed, factor=listed[self.factor % len(listed)])
        if not rig.live:
            rules[at] = replace(rules[at], qty_factor=self.qty_factor)
        followers = list(now.followers)
        if self.limits is not None:
            rules[at] = replace(rules[at], bounds=self.limits)
            restricted, _ = followers[changed.follower]
            followers[changed.follower] = restricted, self.limits if self.factor % 2 else Bounds()
        if self.adds and len(rules) < SUBSCRIPTIONS_MAX:
            life.joining[f"s{len(rules)}"] = self.joining
            rules.append(now.rules[at])
        if self.leaves:
            life.leaving[f"s{at}"] = self.leaves
        life.restart(replace(now, rules=tuple(rules), followers=tuple(followers)))


def quiet(rig: Rig) -> None:
    """Everything that works fills, or is cancelled, until nothing does."""
    for _ in range(6):
        if not rig.live:
            return
        for order in list(rig.live):
            if order in rig.live:
                rig.fill(order, order.leaves)


def life_steps() -> st.SearchStrategy[list[Step]]:
    """Histories with lives among the others."""
    small = st.sampled_from((0, 1, 2, 3, 4, 5))
    leave = st.builds(Life, what=st.just("leave"), which=small, word=st.sampled_from(RULES))
    join = st.builds(Life, what=st.just("join"), which=small, word=st.sampled_from(JOINING))
    resync = st.builds(Life, what=st.just("resync"), which=small, word=st.just(""))
    instrument = st.sampled_from((0, 0, 0, 1))
    split = st.builds(
        Split,
        leader=small,
        instrument=instrument,
        factor=st.sampled_from(("2", "3", "1.5", "1/2", "1/5", "0.1", "1/3")),
        excepted=st.sampled_from((0, 1, 9, 9, 9)),
        waits=st.sampled_from((True, True, True, False)),
        resumes=st.sampled_from((True, True, False)),
    )
    moved = st.builds(
        Moved,
        leader=small,
        instrument=instrument,
        tenths=st.sampled_from((0, 5, 6, 6, 12, -5)),
        rescale=st.booleans(),
        waits=st.sampled_from((True, True, True, False)),
    )
    change = st.builds(
        Change,
        which=small,
        factor=small,
        qty_factor=st.sampled_from(("1", "2", "0.1")),
        limits=st.none() | bounds(),
        adds=st.booleans(),
        joining=st.sampled_from(JOINING),
        leaves=st.sampled_from(("",) * 12 + RULES),
    )
    bought = st.builds(
        Bought,
        leader=small,
        instrument=instrument,
        buy=st.booleans(),
        steps=st.sampled_from((3, 7, 10, 20, 50)),
        fills=st.sampled_from((True, True, False)),
    )
    taken = st.builds(Taken, leader=small, which=small, tenths=st.sampled_from((0, 5, 13)), age_ms=st.just(0))
    parts: list[tuple[int, st.SearchStrategy[Step]]] = [
        (1, st.one_of(taken, st.builds(Restated, leader=small))),
        (1, st.builds(Resume, leader=small)),
        (1, st.builds(Turned, which=small)),
        (1, st.builds(HeldAnew, leader=small, which=small)),
        (1, st.builds(Late, what=st.sampled_from(("resync", "join")), which=small)),
        (9, bought),
        (1, st.builds(LeftClosing, leader=small, steps=st.sampled_from((3, 7)), rule=st.sampled_from(RULES))),
        (2, leave),
        (2, join),
        (4, resync),
        (3, split),
        (2, moved),
        (1, st.builds(Roll, leader=small)),
        (3, change),
        (6, st.builds(FillAll)),
        (1, st.builds(Pause, which=small, level=st.sampled_from((1, 2, 0, 0)))),
        (2, st.builds(Price, instrument=small, px=st.sampled_from(("10", "12.5", "7")))),
    ]
    return steps(values=1, lengths=(25, 40), more=tuple(parts))


@st.composite
def living(draw: st.DrawFn) -> Deployment:
    """Deployments most of which have few limits; some filter."""
    plain = draw(less_bound())
    filters = st.sampled_from((EVERY_ORDER,) * 8 + (
        Filters(instruments=("X",)), Filters(side="long"), Filters(min_order_qty="7"), Filters(tags=(TAG,)),
    ))  # fmt: skip
    seldom = st.sampled_from((False,) * 4 + (True,))

    def rule(one: Rule) -> Rule:
        if draw(st.booleans()):
            one = replace(one, mode="multiplier", factor=draw(st.sampled_from(PLAIN)), bounds=Bounds())
            return replace(one, qty_factor="1", slippage_bps="7" if draw(seldom) else None)
        one = replace(one, filters=draw(filters))
        one = replace(one, slippage_bps="7") if draw(seldom) else one
        one = replace(one, drift_bps="50") if draw(seldom) else one
        return replace(one, retry_ms=20_000) if draw(seldom) else one

    return replace(plain, rules=tuple(rule(one) for one in plain.rules))


def play_life(deployment: Deployment, history: list[Step]) -> Counter[str]:
    """Tells both sides a history; the interesting states that it came to."""
    with LifeRig(deployment) as rig:
        leaders = [LeaderBook(f"l{n}") for n in range(deployment.leaders)]
        for kind in VALUES:
            for n in range(deployment.leaders):
                rig.value(f"l{n}", kind, "1000")
            for n in range(len(deployment.followers)):
                rig.value(f"f{n}", kind, "800")
        for name in LEADER_INSTRUMENTS + OUR_INSTRUMENTS:
            rig.quote(name, "10")
        with suppress(Undecided):
            for step in history:
                step.play(rig, leaders)
        return rig.model.reached
