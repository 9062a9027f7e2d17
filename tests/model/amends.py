"""Histories in which brokers take back and correct trades, the leader's and ours."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.model.deployment import Bounds, Deployment, Rule
from tests.model.histories import FACTORS, UNBOUNDED, FillAll, LeaderBook, Step, deployments, steps
from tests.model.rig import Rig
from tests.model.terms import MS

FOLLOWABLE = ("multiplier", "percent", "lots_multiplier", "fixed", "equity")


@dataclass(frozen=True)
class Taken:
    """A leader's trade is taken back, or becomes one of another size; `which` counts from the newest."""

    leader: int
    which: int
    tenths: int
    """What it is then, of what it was; 0 is a bust."""
    age_ms: int | None

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Reports it."""
        book = leaders[self.leader % len(leaders)]
        report = book.take_back(self.which, self.tenths)
        if report is None:
            return
        at_ns = None if self.age_ms is None else (rig.now_ns // MS + 1 - self.age_ms) * MS
        rig.leader(replace(report, transact_ns=at_ns))


@dataclass(frozen=True)
class FillTaken:
    """A broker takes back a fill of ours, or steps of it; `which` counts from the newest."""

    which: int
    steps: int | None
    """None: all of it; 0: only its price is another one."""
    px: str | None = None
    """What the report says was traded at, if it is another price."""

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Reports it."""
        left = [fill for fill in rig.fills if fill.qty]
        if not left:
            return
        fill = left[-1 - self.which % len(left)]
        less = fill.qty if self.steps is None else self.steps * rig.step_of(fill.order)
        rig.amend(fill, min(less, fill.qty), self.px)


@dataclass(frozen=True)
class Resume:
    """A person has looked at the busts of a leader."""

    leader: int

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Says so."""
        rig.bust_resume(f"l{self.leader % len(leaders)}")


def amend_steps() -> st.SearchStrategy[list[Step]]:
    """Histories with trades that are taken back among the others."""
    small = st.sampled_from((0, 0, 0, 1, 2, 3, 5))
    taken = st.builds(
        Taken,
        leader=small,
        which=small,
        tenths=st.sampled_from((0, 0, 0, 3, 5, 13, 20)),
        age_ms=st.sampled_from((0,) * 4 + (20_000, 61_000, None)),
    )
    fill_taken = st.builds(FillTaken, which=small, steps=st.sampled_from((None, None, 1, 2)))
    parts: list[tuple[int, st.SearchStrategy[Step]]] = [
        (5, taken),
        (5, fill_taken),
        (4, st.builds(FillAll)),
        (1, st.builds(Resume, leader=small)),
    ]
    return steps(values=1, lengths=(25, 40), more=tuple(parts))


@st.composite
def less_bound(draw: st.DrawFn) -> Deployment:
    """Deployments with few limits, so that much is held, and no largest lot."""
    plain, mostly = draw(deployments()), st.sampled_from((True, True, True, False))
    x, y, a, b = plain.lots

    def rule(one: Rule) -> Rule:
        mode = draw(st.sampled_from((*FOLLOWABLE, one.mode)))
        one = replace(one, mode=mode, factor=draw(st.sampled_from(FACTORS[mode])), max_ratio=UNBOUNDED)
        one = replace(one, bounds=Bounds(), amplification=None) if draw(mostly) else one
        return replace(one, slippage_bps=None)

    return replace(
        plain,
        lots=(x, y, replace(a, most_steps=None), replace(b, most_steps=None)),
        rules=tuple(rule(one) for one in plain.rules),
        followers=tuple((no, Bounds() if draw(mostly) else limits) for no, limits in plain.followers),
        messages=(),
        repeated=(0, 0),
        together=(),
    )


@st.composite
def amended(draw: st.DrawFn) -> Deployment:
    """Deployments some of whose lines follow busts."""
    plain, mostly = draw(less_bound()), st.sampled_from((True, True, True, False))
    return replace(plain, rules=tuple(replace(one, follows_busts=draw(mostly)) for one in plain.rules))
