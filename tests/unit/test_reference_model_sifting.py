"""The core leaves out what the reference model leaves out: by filters, and by how far the price has moved."""

from __future__ import annotations

from tests.model.compared import EXAMPLES, reached_by, seldom
from tests.model.money import play_money
from tests.model.sifting import sift_steps, sifted


def test_the_core_leaves_out_what_the_reference_model_does() -> None:
    """Filters by instrument, side, order and fields; prices that moved against the follower."""
    reached = reached_by(play_money, sifted(), sift_steps(), 3 * EXAMPLES // 2)
    wanted = {
        "filtered: instrument": 30, "filtered: side": 30, "filtered: smallest order": 30,
        "filtered: tags": 30, "drifted": 5, "not drifted": 12,
    }  # fmt: skip
    assert not seldom(reached, wanted)
