"""The core decides what the reference model decides about blocks, guards, and worth over all followers."""

from __future__ import annotations

from tests.model.compared import EXAMPLES, reached_by, seldom
from tests.model.histories import steps
from tests.model.inverse import inverse, inverse_steps
from tests.model.money import divided, guarded, money_steps, play_money, shared


def test_the_core_deals_blocks_as_the_reference_model_does() -> None:
    """Lots are dealt and given back, with remainders, and while a member has no weight."""
    reached = reached_by(play_money, divided(), steps(values=5, lengths=(25, 40)), 2 * EXAMPLES)
    wanted = {"dealt with a remainder": 180, "lots given back": 75, "dealt while a member has no weight": 8}
    assert not seldom(reached, wanted)


def test_the_core_guards_as_the_reference_model_does() -> None:
    """Accounts and subscriptions are worth the same, stop, are closed, and go on."""
    reached = reached_by(play_money, guarded(), money_steps(), 2 * EXAMPLES, first=3)
    wanted = {
        "suspended_equity": 5, "daily_loss": 5, "period_drawdown": 5, "closed by a guard": 5,
        "new day": 100, "new week": 2, "new month": 2, "new period, clock changed": 10,
        "released by a new period": 3, "released by a person": 1, "deposit": 10,
        "open while worth is unknown": 5, "held without a price at a new equity": 1,
    }  # fmt: skip
    assert not seldom(reached, wanted)


def test_the_core_counts_worth_over_all_followers_as_the_reference_model_does() -> None:
    """Opens are cut to what is left, by quotes, by the leader's quotes, and by trades."""
    reached = reached_by(play_money, shared(), steps() | money_steps())
    wanted = {
        "worth of all cut": 8, "worth of all full": 8, "worth by the leader's quote": 4,
        "worth by the newest trade": 4,
    }  # fmt: skip
    assert not seldom(reached, wanted)


def test_the_core_values_inverse_contracts_as_the_reference_model_does() -> None:
    """Sized, bounded and guarded by units / price, alone and beside coins."""
    reached = reached_by(play_money, inverse(), inverse_steps(), 3 * EXAMPLES)
    wanted = {
        "suspended_equity": 1, "daily_loss": 1, "period_drawdown": 1, "closed by a guard": 1, "new day": 20,
        "worth of all cut": 1, "worth of all full": 1,
    }  # fmt: skip
    assert not seldom(reached, wanted)
