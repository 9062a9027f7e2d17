"""The core decides what the reference model decides where subscriptions come and go, and lots are split."""

from __future__ import annotations

from tests.model.compared import EXAMPLES, reached_by, seldom
from tests.model.life_histories import life_steps, living, play_life


def test_the_core_lets_come_and_go_as_the_reference_model_does() -> None:
    """Joined, left, set anew, under another file, split, rolled and given up while something is held."""
    reached = reached_by(play_life, living(), life_steps(), 3 * EXAMPLES)
    wanted = {
        "new, target": 40, "new, flat": 12, "join back, target": 60, "join back, flat": 15,
        "leaves, keep": 20, "leaves, close_now": 15, "leaves, close_with_leader": 70,
        "leaves with a close working, keep": 8, "leaves with a close working, close_now": 4,
        "leaves with a close working, close_with_leader": 2,
        "leaves with an open working, close_with_leader": 20,
        "a leader trades what was kept": 10, "increase while leaving": 250,
        "set anew, more": 250, "set anew, less": 10, "set anew while held": 25,
        "set anew, refused: filtered": 12, "set anew, refused: stale_account": 5,
        "a limit open without a price": 4, "start refused": 15,
        "split": 8, "split the other way": 12, "lots that a split made": 2,
        "given up with targets": 8, "expired": 30, "a position alone": 100,
        "refused: a split that is not exact": 12, "refused: position while orders work": 5,
        "refused: targets would grow": 12, "refused: nobody would close it": 8,
    }  # fmt: skip
    assert not seldom(reached, wanted)
