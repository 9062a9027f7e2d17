"""The core decides what the reference model decides where persons stop, pause and release."""

from __future__ import annotations

from tests.model.compared import EXAMPLES, reached_by, seldom
from tests.model.money import play_money
from tests.model.stopping import stop_steps, stoppable


def test_the_core_stops_as_the_reference_model_does() -> None:
    """`kill` at each level and scope, `arm`, `pause`, `resume`; what is listed as stopped; closes that wait
    under `halt` only, and go out at the release."""
    reached = reached_by(play_money, stoppable(), stop_steps(), 3 * EXAMPLES // 2, first=3)
    wanted = {
        "open refused: kill": 150, "open refused: paused": 3, "open cancelled by a stop": 12,
        "close held by a halt": 80, "close released": 7,
    }  # fmt: skip
    assert not seldom(reached, wanted)
