"""Deployments with inverse contracts, and histories at prices whose reciprocals are decimals: the core rounds
worth up at the eighteenth digit, and what is just at a bound is beyond it where something is rounded."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import strategies as st

from tests.model.deployment import Deployment, Lots, exact
from tests.model.histories import Step, priced, steps
from tests.model.money import guarded, money_steps, shared

PRICES = ("10", "8", "12.5", "6.25", "16", "20", "5")
LOT = 100
"""Units of an inverse contract that are worth at 10 what ten units are that cost 1: the same bounds bind."""
WHICH = (
    (True, True, True, True),
    (True, True, True, True),
    (False, False, True, True),
    (False, False, True, False),
)
"""Of X, Y, A and B: contracts into contracts, and coins into contracts."""


@st.composite
def inverse(draw: st.DrawFn) -> Deployment:
    """Some or all of the instruments are inverse; a coin is copied into so many units."""
    plain = draw(priced() | guarded() | shared())
    which = draw(st.sampled_from(WHICH))
    x, y, a, b = (_turned(lots, turn) for lots, turn in zip(plain.lots, which, strict=True))
    more = 1 if which[0] else LOT
    return replace(
        plain,
        lots=(x, y, a, b),
        rules=tuple(
            rule if rule.same_name else replace(rule, qty_factor=exact(Fraction(rule.qty_factor) * more))
            for rule in plain.rules
        ),
    )


def _turned(lots: Lots, inverse: bool) -> Lots:
    if not inverse:
        return lots
    return replace(lots, inverse=True, contract=exact(Fraction(lots.contract) * LOT))


def inverse_steps() -> st.SearchStrategy[list[Step]]:
    """Histories of both kinds."""
    return money_steps(PRICES) | steps(values=3, prices=PRICES, traded=("1.25", "10", "8"))
