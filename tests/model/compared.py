"""Plays many random histories on both sides, and counts the states that they came to."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import TypeVar
from unittest.mock import patch

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import HypothesisProvider

NAME = "COPYGATE_MODEL_EXAMPLES"
"""So many histories of each kind, and always others (docs/explanation/reference-model.md)."""
SEED = 1
"""Of the histories that are always the same."""

Deployed = TypeVar("Deployed")
Told = TypeVar("Told")


def examples(usual: int) -> int:
    """How many histories of a kind are played, unless the environment says another number."""
    return int(os.environ.get(NAME, usual))


EXAMPLES = examples(80)
"""Of each kind; a test may play some times as many."""


def play_each(
    play: Callable[[Deployed, Told], object],
    deployments: st.SearchStrategy[Deployed],
    histories: st.SearchStrategy[Told],
    how_many: int,
    first: int = SEED,
) -> None:
    """Plays so many: the same ones each time, which `first` chooses, unless the environment says how many."""

    @settings(
        max_examples=how_many,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(deployments, histories)
    def one(deployment: Deployed, history: Told) -> None:
        play(deployment, history)

    # `derandomize` would draw others when this function is written in another way or place, and so would the
    # numbers that hypothesis picks out of all source that happens to be loaded.
    with patch.object(HypothesisProvider, "_maybe_draw_constant", return_value=None):
        (one if NAME in os.environ else seed(first)(one))()


def reached_by(
    play: Callable[[Deployed, Told], Counter[str]],
    deployments: st.SearchStrategy[Deployed],
    histories: st.SearchStrategy[Told],
    how_many: int = EXAMPLES,
    first: int = SEED,
) -> Counter[str]:
    """Plays so many; how often they came to each interesting state."""
    reached = Counter[str]()
    play_each(lambda one, story: reached.update(play(one, story)), deployments, histories, how_many, first)
    print(dict(sorted(reached.items())))
    return reached


def seldom(reached: Counter[str], wanted: dict[str, int]) -> dict[str, int]:
    """States that fewer histories came to than wanted: a comparison of nothing proves nothing."""
    return {state: reached[state] for state, least in wanted.items() if reached[state] < least}
