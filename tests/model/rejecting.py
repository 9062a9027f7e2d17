"""Deployments that try rejected opens again, and brokers that reject."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tests.model.amends import less_bound
from tests.model.deployment import Deployment
from tests.model.histories import End, Fill, Step, steps
from tests.model.side_by_side import Wait


@st.composite
def retrying(draw: st.DrawFn) -> Deployment:
    """Most rules try again, for a short or a long time."""
    plain = draw(less_bound())
    windows, ages = st.sampled_from((0, 1, 800, 2_500, 60_000)), st.sampled_from((60_000, 60_000, 1_000))
    rules = tuple(replace(r, retry_ms=draw(windows), max_age_ms=draw(ages)) for r in plain.rules)
    return replace(plain, rules=rules)


def reject_steps() -> st.SearchStrategy[list[Step]]:
    """Histories with brokers that take little, and short waits. Each fill has a trade: how long another one
    is tried again is not agreed on."""
    small = st.sampled_from((0, 1, 2, 3))
    how = st.sampled_from(("rejected", "rejected", "expired", "canceled"))
    more: tuple[tuple[int, st.SearchStrategy[Step]], ...] = (
        (6, st.builds(End, which=small, how=how)),
        (4, st.builds(Wait, ms=st.sampled_from((1, 499, 501, 1_100, 2_100)))),
        (2, st.builds(Fill, which=small, tenths=st.sampled_from((3, 10)))),
    )
    return steps(values=1, lengths=(25, 40), more=more, kinds=("new",))
