"""The core decides what the reference model decides where brokers take trades back."""

from __future__ import annotations

from tests.model.amends import amend_steps, amended
from tests.model.compared import EXAMPLES, reached_by, seldom
from tests.model.money import play_money


def test_the_core_takes_trades_back_as_the_reference_model_does() -> None:
    """Busts and corrections, of leaders' trades and of ours, that are held and that are followed."""
    reached = reached_by(play_money, amended(), amend_steps(), 2 * EXAMPLES)
    wanted = {
        "bust of a leader's trade": 60, "correct of a leader's trade": 60, "followed down": 40,
        "followed up": 25, "followed too late": 4, "a bust that nobody can follow": 1, "held, and flat": 8,
        "open while a bust is held": 8, "bust of a fill, open": 50, "bust of a fill, close": 5,
    }  # fmt: skip
    assert not seldom(reached, wanted)
