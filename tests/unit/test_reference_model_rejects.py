"""The core tries rejected opens again as the reference model does."""

from __future__ import annotations

from tests.model.compared import EXAMPLES, reached_by, seldom
from tests.model.money import play_money
from tests.model.rejecting import reject_steps, retrying


def test_the_core_tries_again_as_the_reference_model_does() -> None:
    """Rejected, expired and cancelled opens, within their window and after it; residues that are refused."""
    reached = reached_by(play_money, retrying(), reject_steps(), 3 * EXAMPLES // 2)
    assert not seldom(reached, {"tried again": 20, "tried too long": 20})
