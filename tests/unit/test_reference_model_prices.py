"""The core decides what the reference model decides about prices, and about money of several currencies."""

from __future__ import annotations

from tests.model.compared import EXAMPLES, reached_by, seldom
from tests.model.currencies import converted, money_of_all
from tests.model.money import play_money
from tests.model.prices import price_steps, spread_out


def test_the_core_prices_as_the_reference_model_does() -> None:
    """Bids and asks that differ, collars, worth of one order, leaders that are not heard."""
    reached = reached_by(play_money, spread_out(), price_steps(), 3 * EXAMPLES, first=3)
    wanted = {
        "moved within a window": 100, "moved, but not by the newest quote": 6,
        "not moved within a window": 60, "drifted": 6, "not drifted": 8, "worth of an order cut": 200,
        "worth of all cut": 8, "suspended_equity": 6, "period_drawdown": 6,
        "open refused: provider_inactive": 40, "closed for a leader that is not heard": 8,
    }  # fmt: skip
    assert not seldom(reached, wanted)
    assert reached["ended undecided"] < 3 * EXAMPLES / 8


def test_the_core_converts_as_the_reference_model_does() -> None:
    """Sizes, bounds and guards of accounts and instruments in several currencies."""
    reached = reached_by(play_money, converted(), money_of_all(), 2 * EXAMPLES, first=2)
    wanted = {
        "converted": 300, "no rate": 10, "a rate that is too old": 30, "worth is unknown by a rate": 20,
        "worth of an order cut": 8, "worth of all cut": 1, "worth of all full": 10, "daily_loss": 10,
        "suspended_equity": 10, "period_drawdown": 15, "closed by a guard": 8,
    }  # fmt: skip
    assert not seldom(reached, wanted)
