"""The core tries rejected opens again as the reference model does."""

from __future__ import annotations

from tests.model.rejecting import reject_steps, retrying
from tests.unit.test_reference_model_money import EXAMPLES, reached_by, seldom


def test_the_core_tries_again_as_the_reference_model_does() -> None:
    """Rejected, expired and cancelled opens, within their window and after it; residues that are refused."""
    reached = reached_by(retrying(), reject_steps(), 3 * EXAMPLES // 2)
    assert not seldom(reached, {"tried again": 20, "tried too long": 20})
