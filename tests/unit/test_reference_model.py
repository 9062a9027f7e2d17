"""The core decides what the reference model decides, for random deployments and histories."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings

from tests.model.deployment import Deployment
from tests.model.histories import Step, play, priced, steps

EXAMPLES = int(os.environ.get("COPYGATE_MODEL_EXAMPLES", "400"))
"""How many histories; more find what the fixed ones do not (docs/explanation/reference-model.md)."""


@settings(
    max_examples=EXAMPLES,
    derandomize="COPYGATE_MODEL_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(priced(), steps())
def test_the_core_decides_what_the_reference_model_decides(
    deployment: Deployment, history: list[Step]
) -> None:
    """Orders, cancels, targets, fills and refusals are the same after every event."""
    play(deployment, history)
