"""Histories in which persons stop, pause and release."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from hypothesis import strategies as st

from tests.model.amends import less_bound
from tests.model.deployment import LEADER_INSTRUMENTS, OUR_INSTRUMENTS, Deployment
from tests.model.histories import FillAll, LeaderBook, Step, Trade, deployments, steps
from tests.model.rig import Rig
from tests.model.stops import CLOSE_ONLY, HALT, NO_OPENS

KINDS = ("global", "leader", "follower", "follower", "instrument", "instrument", "route")


@dataclass(frozen=True)
class Stop:
    """`kill` of a scope, or its `arm`."""

    kind: str
    which: int
    level: int
    """0: it is released."""

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Says so."""
        names = {
            "global": [""],
            "leader": [book.name for book in leaders],
            "follower": [f"f{n}" for n in range(len(rig.deployment.followers))],
            "instrument": [*LEADER_INSTRUMENTS, *OUR_INSTRUMENTS],
            "route": ["r"],
        }[self.kind]
        scope = self.kind, names[self.which % len(names)]
        rig.stop("kill" if self.level else "arm", scope, self.level)


@dataclass(frozen=True)
class HaltedClose:
    """A leader closes while everything is halted, and it is released, or not yet."""

    leader: int
    steps: int
    released: bool

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Halts, trades against what he holds, releases."""
        book = leaders[self.leader % len(leaders)]
        held = rig.model.positions.get((book.name, "X"), Fraction(0))
        rig.stop("kill", ("global", ""), HALT)
        close = Trade(0, 0, 0, held < 0, self.steps, 50, 0, "10", "trade", True, 0)
        rig.leader(book.trade(close, rig))
        if self.released:
            rig.stop("arm", ("global", ""))


@dataclass(frozen=True)
class Arms:
    """Everything that was stopped is released."""

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Says so, scope by scope."""
        for kind, name, _, code in sorted(rig.model.stopped()):
            rig.stop("arm" if code == "kill" else "resume", (kind, name))


@dataclass(frozen=True)
class Pause:
    """`pause` of a subscription, or `resume`."""

    which: int
    level: int
    """0: it goes on."""

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Says so."""
        name = f"s{self.which % len(rig.deployment.rules)}"
        rig.stop("pause" if self.level else "resume", ("subscription", name), self.level)


def stop_steps() -> st.SearchStrategy[list[Step]]:
    """Histories with stops among the others."""
    small = st.sampled_from((0, 1, 2, 3))
    stop = st.builds(
        Stop,
        kind=st.sampled_from(KINDS),
        which=small,
        level=st.sampled_from((NO_OPENS, CLOSE_ONLY, CLOSE_ONLY, HALT, HALT, 0)),
    )
    pause = st.builds(Pause, which=small, level=st.sampled_from((NO_OPENS, CLOSE_ONLY, 0)))
    parts: list[tuple[int, st.SearchStrategy[Step]]] = [
        (3, stop),
        (2, st.builds(Arms)),
        (2, pause),
        (4, st.builds(FillAll)),
        (2, st.builds(HaltedClose, leader=small, steps=st.sampled_from((1, 5, 20)), released=st.booleans())),
    ]
    return steps(values=1, lengths=(25, 40), more=tuple(parts))


@st.composite
def stoppable(draw: st.DrawFn) -> Deployment:
    """Deployments most of which have few limits."""
    plain = draw(less_bound())
    return replace(plain, repeated=draw(deployments()).repeated)
