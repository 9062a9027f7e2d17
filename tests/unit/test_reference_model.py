"""The core decides what the reference model decides, for random deployments and histories."""

from __future__ import annotations

from tests.model.compared import examples, play_each
from tests.model.histories import play, priced, steps


def test_the_core_decides_what_the_reference_model_decides() -> None:
    """Orders, cancels, targets, fills and refusals are the same after every event."""
    play_each(play, priced(), steps(), examples(400))
