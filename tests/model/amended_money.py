"""Histories in which trades are taken back where guards look on, and where members of blocks hold them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.model.amends import FillTaken, Resume, Taken
from tests.model.deployment import Deployment, Rule
from tests.model.histories import LeaderBook, Step, Value, steps
from tests.model.money import HOUR_MS, PRICES, STARTS, FillAt, divided, guarded, guards, money_steps
from tests.model.rig import Rig

MOSTLY = (True, True, True, False)


@dataclass(frozen=True)
class TakenFromAnEquity:
    """A broker says what its account is worth when no price was told for hours, and takes a fill back."""

    account: int
    amount: str
    taken: FillTaken

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Says both."""
        rig.wait(5 * HOUR_MS)
        rig.value(f"f{self.account % len(rig.deployment.followers)}", "equity", self.amount)
        self.taken.play(rig, leaders)


@dataclass(frozen=True)
class TakenWhenFlat:
    """Everything fills, also what that closes, and then a fill is taken back."""

    px: str
    taken: FillTaken

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Reports it."""
        for _ in range(2):
            FillAt(None, self.px).play(rig, leaders)
        self.taken.play(rig, leaders)


def fill_taken() -> st.SearchStrategy[FillTaken]:
    """A fill of ours is taken back, in steps or whole, or has another price."""
    which, px = st.sampled_from((0, 0, 0, 1, 2, 3, 5)), st.sampled_from((None, *PRICES))
    return st.builds(FillTaken, which=which, steps=st.sampled_from((None, 0, 0, 0, 1, 2)), px=px)


def taken_back() -> tuple[tuple[int, st.SearchStrategy[Step]], ...]:
    """Busts and corrections of leaders' trades and of ours, at other prices; persons who look at them."""
    small = st.sampled_from((0, 0, 0, 1, 2, 3, 5))
    taken = st.builds(
        Taken,
        leader=small,
        which=small,
        tenths=st.sampled_from((0, 0, 0, 3, 5, 13, 20)),
        age_ms=st.sampled_from((0,) * 4 + (20_000, 61_000, None)),
    )
    return (4, taken), (6, fill_taken()), (2, st.builds(Resume, leader=small))


def amended_money_steps() -> st.SearchStrategy[list[Step]]:
    """Prices move, days end, and trades are taken back."""
    filled = st.builds(FillAt, st.just(None), st.sampled_from(PRICES))
    equity = st.builds(
        Value,
        leader=st.just(False),
        account=st.sampled_from((0, 1, 2)),
        kind=st.just("equity"),
        amount=st.sampled_from(("800", "850", "780")),
    )
    behind = st.builds(
        TakenFromAnEquity,
        account=st.sampled_from((0, 1, 2)),
        amount=st.sampled_from(("800", "850", "780")),
        taken=fill_taken(),
    )
    flat = st.builds(TakenWhenFlat, px=st.sampled_from(PRICES), taken=fill_taken())
    return money_steps(more=(*taken_back(), (8, filled), (1, equity), (1, behind), (1, flat)))


def amended_block_steps() -> st.SearchStrategy[list[Step]]:
    """Lots are dealt and given back, filled at prices that differ, and taken back."""
    filled = st.builds(FillAt, st.none() | st.sampled_from((0, 1, 2)), st.sampled_from(PRICES))
    return steps(values=5, lengths=(25, 40), prices=PRICES, more=(*taken_back(), (4, filled)))


@st.composite
def amended_guards(draw: st.DrawFn) -> Deployment:
    """Guarded accounts and subscriptions, some of which follow busts."""
    plain, follows = draw(guarded()), st.sampled_from(MOSTLY)
    return replace(plain, rules=tuple(replace(one, follows_busts=draw(follows)) for one in plain.rules))


@st.composite
def amended_blocks(draw: st.DrawFn) -> Deployment:
    """Blocks, whose lots wait for a person; some members and their accounts are guarded, and what is copied
    beside them may follow busts."""
    plain, sometimes = draw(divided()), st.sampled_from((True, False, False))
    zone, start_s = draw(st.sampled_from(STARTS))

    def rule(one: Rule) -> Rule:
        own = draw(guards(zone, amounts_only=True)) if draw(sometimes) else None
        return replace(one, guards=own, follows_busts=one.mode != "block" and draw(st.booleans()))

    return replace(
        plain,
        start_ms=start_s * 1_000,
        guards=tuple(draw(guards(zone)) if draw(sometimes) else None for _ in plain.followers),
        rules=tuple(rule(one) for one in plain.rules),
    )
