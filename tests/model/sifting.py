"""Deployments that leave opens out: by filters, and by how far the price has moved."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tests.model.amends import less_bound
from tests.model.deployment import Deployment, Rule
from tests.model.filters import Filters
from tests.model.histories import TAG, FillAll, Price, Step, steps

PRICES = ("10", "10.01", "9.99", "1.1", "1.101", "1.09", "0.1", "40", "5")


def filters() -> st.SearchStrategy[Filters]:
    """Mostly one or none of them, so that something is copied."""
    return st.builds(
        Filters,
        instruments=st.sampled_from((None, None, None, None, ("X",), ("Y",), ("X", "Y"), ())),
        side=st.sampled_from(("both", "both", "both", "long", "short")),
        min_order_qty=st.sampled_from(("0", "30.5", "0", "10", "0")),
        tags=st.sampled_from(((), (TAG,), (), ((5001, "other"),), (), (TAG, (5002, "x")), ())),
    )


@st.composite
def sifted(draw: st.DrawFn) -> Deployment:
    """Every other rule has a filter, every other one a bound of the price's way."""
    plain = draw(less_bound())
    drifts = st.sampled_from((None, None, "0", "10", "500", "20000", "0", "10"))
    factors = st.sampled_from(("1", "1", "0.01", "4"))

    def rule(one: Rule) -> Rule:
        return replace(
            one,
            filters=draw(filters()),
            drift_bps=draw(drifts),
            price_factor=draw(factors),
            slippage_bps=draw(st.sampled_from((None, None, "7"))),
        )

    silent = st.sampled_from((frozenset[str](), frozenset("A"), frozenset("AB"), frozenset("AX")))
    return replace(plain, rules=tuple(rule(one) for one in plain.rules), silent=draw(silent))


def sift_steps() -> st.SearchStrategy[list[Step]]:
    """Histories with many prices."""
    price = st.builds(Price, instrument=st.sampled_from((0, 0, 0, 1, 2)), px=st.sampled_from(PRICES))
    return steps(values=1, lengths=(25, 40), more=((4, price), (3, st.builds(FillAll))))
