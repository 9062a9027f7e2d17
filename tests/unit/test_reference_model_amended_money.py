"""The core decides what the reference model decides about trades taken back under guards and in blocks."""

from __future__ import annotations

from tests.model.amended_money import amended_block_steps, amended_blocks, amended_guards, amended_money_steps
from tests.model.compared import reached_by, seldom
from tests.model.money import play_money


def test_guards_count_what_is_taken_back_as_the_reference_model_does() -> None:
    """Accounts and subscriptions are worth the same, stop and are closed, whatever is taken back."""
    reached = reached_by(play_money, amended_guards(), amended_money_steps(), first=7)
    wanted = {
        "bust of a leader's trade": 15, "bust of a fill, open": 30, "bust of a fill, close": 9,
        "a price is corrected": 20, "another price of what is held": 30, "amended while worth waits": 10,
        "amended while stopped": 30, "amended after all was closed": 8, "closed by a guard": 12,
        "closed, and busts are followed": 12, "followed up": 9, "followed down": 20,
        "a period that begins with an unknown worth": 50, "released by a new period": 4,
    }  # fmt: skip
    assert not seldom(reached, wanted)


def test_blocks_hold_what_is_taken_back_as_the_reference_model_does() -> None:
    """Lots are dealt and given back as before, while trades of the leader and of members are taken back."""
    reached = reached_by(play_money, amended_blocks(), amended_block_steps())
    wanted = {
        "bust of a leader's trade": 30, "correct of a leader's trade": 60, "bust of a fill, open": 5,
        "bust of a fill, close": 1, "a price is corrected": 10, "a block, flat by a bust": 10,
        "held, and flat": 10, "open while a bust is held": 50, "dealt with a remainder": 80,
        "lots given back": 17, "closed by a guard": 1, "amended while stopped": 2,
    }  # fmt: skip
    assert not seldom(reached, wanted)
