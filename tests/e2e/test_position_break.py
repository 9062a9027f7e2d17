"""A follower trades the same account by hand: its broker says it, we tell it, and a person settles it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.control_cli import app
from tests.e2e.plant import GOOD, LOT, Plant


def trades_by_hand(plant: Plant, lots: int) -> None:
    """At the broker's own screen: no order of ours, no report to us."""

    def trade() -> None:
        positions = plant.good.broker.book.accounts[f"F{GOOD}"].positions
        positions["EURUSD"] = positions.get("EURUSD", Decimal(0)) + lots * LOT

    plant.good.call(trade)


def reconcile(plant: Plant, remedy: str) -> str:
    """The operator's command."""
    words = ["reconcile", f"f{GOOD}", "EURUSD", "--remedy", remedy, "--as", "ann"]
    done = CliRunner().invoke(app, [str(plant.config), *words])
    assert done.exit_code == 0, done.output
    return done.output


def found(plant: Plant) -> dict[str, Any]:
    """The break of the follower, once it is one."""
    breaks = plant.status().get("breaks", [])
    return next((one for one in breaks if one["follower"] == f"f{GOOD}" and one["confirmed"]), {})


@pytest.mark.slow
def test_what_is_traded_by_hand_is_told_and_settled_as_a_person_says(plant: Plant) -> None:
    """Half is sold by hand and adopted: the close takes the rest. What is bought by hand is closed."""
    plant.fill(1, 2 * LOT)
    plant.until(lambda: plant.position(plant.good) == 2 * LOT, "the fill is copied")
    plant.until(lambda: plant.held(GOOD) == 2 * LOT, "its report is counted")
    trades_by_hand(plant, -1)
    assert "its broker is asked, by ann" in reconcile(plant, "ask").lower()
    plant.until(lambda: bool(found(plant)), "the break is found")
    assert (found(plant)["units"], found(plant)["lots"]) == ("-100000", "-1")
    shown = CliRunner().invoke(app, [str(plant.config), "status"]).output
    assert "position break" in shown
    orders = plant.orders(plant.good)
    assert "adopt of -100000 units by ann" in reconcile(plant, "adopt")
    assert (plant.held(GOOD), plant.orders(plant.good)) == (LOT, orders), "nothing is opened again"
    plant.fill(2, 2 * LOT)
    plant.until(lambda: plant.position(plant.good) == 0, "the rest is closed")
    plant.until(lambda: plant.rests(GOOD), "its report is counted")

    trades_by_hand(plant, 3)
    reconcile(plant, "ask")
    plant.until(lambda: bool(found(plant)), "the second break is found")
    reconcile(plant, "close")
    plant.until(lambda: plant.position(plant.good) == 0, "what was bought by hand is closed")
    plant.until(lambda: plant.rests(GOOD) and not found(plant), "the books agree")
    assert len(plant.alerts("position_break")) == 2
    assert plant.doubled() == 0
