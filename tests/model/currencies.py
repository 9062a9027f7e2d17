"""Deployments and histories of several currencies: accounts, instruments and pairs that convert."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.model.deployment import Bounds, Deployment, Money, Rule
from tests.model.histories import LeaderBook, Step, Value
from tests.model.money import guards, plainer
from tests.model.prices import price_steps
from tests.model.rig import Rig
from tests.model.side_by_side import Wait

CODES = ("USD", "USD", "EUR", "GBP")
PAIRS = (
    ("EURUSD", "EUR", "USD"),
    ("USDGBP", "USD", "GBP"),
    ("EURGBP", "EUR", "GBP"),
    ("USDEUR", "USD", "EUR"),
)
SIZED = {"equity": "1.1", "percent_equity": "10", "notional": "1"}
RATES = ("1.25", "0.8", "1", "2", "0.5", "1.6")
"""Decimals whose reciprocals are decimals: what is just at a bound is not beyond it by a rounding."""


@dataclass(frozen=True)
class Rate:
    """A quote of a pair: its middle, and how far its sides are from that, hundredths."""

    which: int
    middle: str
    half: str

    def play(self, rig: Rig, leaders: list[LeaderBook]) -> None:
        """Tells it."""
        name, _, _ = rig.deployment.money.pairs[self.which % len(rig.deployment.money.pairs)]
        middle, half = (round(float(text) * 100) for text in (self.middle, self.half))
        rig.quote(name, f"{(middle - half) / 100:.2f}", f"{(middle + half) / 100:.2f}")


def bounds() -> st.SearchStrategy[Bounds]:
    """Of worth; mostly one or none."""
    none = (None,) * 3
    return st.builds(
        Bounds,
        refuse=st.sampled_from((False, False, True)),
        exposure=st.sampled_from((*none, "55", "120.5", "300", "1000")),
        leverage=st.sampled_from((*none, "0.05", "0.4", "1.25")),
        value=st.sampled_from((*none, *none, "100")),
    )


@st.composite
def converted(draw: st.DrawFn) -> Deployment:
    """Accounts, instruments and bounds in currencies of their own."""
    plain = draw(plainer())
    code, bound = st.sampled_from(CODES), bounds()
    names = [f"l{n}" for n in range(plain.leaders)] + [f"f{n}" for n in range(len(plain.followers))]
    money = Money(
        instruments=tuple((draw(st.sampled_from(("", "", "EUR", "GBP"))), draw(code)) for _ in range(4)),
        accounts=tuple((name, draw(code)) for name in names),
        pairs=tuple(draw(st.permutations(PAIRS)))[: draw(st.sampled_from((2, 3, 4)))],
    )
    modes = st.sampled_from((None, None, *SIZED))
    ages_ms = st.sampled_from((20_000, 20_000, 3_600_000))
    guarded = st.builds(lambda found, age_ms: replace(found, max_age_ms=age_ms), guards("UTC"), ages_ms)

    def rule(one: Rule) -> Rule:
        mode = draw(modes)
        if mode:
            one = replace(one, mode=mode, factor=SIZED[mode], max_inflation="3.01")
        return replace(
            one,
            bounds=draw(bound),
            same_name=draw(st.booleans()),
            account_max_age_ms=draw(st.sampled_from((3_600_000, 20_000))),
            guards=draw(st.one_of(*(st.none(),) * 3, guards("UTC", amounts_only=True))),
        )

    together = st.builds(
        Bounds, exposure=st.sampled_from(("300", "1000")), worth_age_ms=st.just(20_000), worth_in=code
    )
    return replace(
        plain,
        money=money,
        rules=tuple(rule(one) for one in plain.rules),
        followers=tuple((no, draw(bound)) for no, _ in plain.followers),
        guards=tuple(draw(st.none() | guarded) for _ in plain.followers),
        together=(draw(st.none() | together),),
        silent=draw(st.sampled_from((frozenset[str](), frozenset("A"), frozenset("AB")))),
    )


def money_of_all() -> st.SearchStrategy[list[Step]]:
    """Histories with rates among the prices; in the beginning most rates are told."""
    small = st.sampled_from((0, 1, 2, 3))
    rate = st.builds(Rate, small, st.sampled_from(RATES), st.sampled_from(("0", "0", "0.05")))
    value = st.builds(
        Value,
        leader=st.booleans(),
        account=small,
        kind=st.just("equity"),
        amount=st.sampled_from(("800", "750", "1000", "690")),
    )
    more: tuple[tuple[int, st.SearchStrategy[Step]], ...] = (
        (6, rate),
        (2, value),
        (2, st.builds(Wait, ms=st.sampled_from((19_000, 59_000)))),
    )
    told = st.lists(rate, min_size=3, max_size=3)
    return st.tuples(told, price_steps(more=more)).map(lambda both: [*both[0], *both[1]])
