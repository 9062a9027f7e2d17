"""What a follower earned: paired with the statement's rows, or netted."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from gateway.sim.history import History, load
from gateway.sim.history_result import Fill, Follower

HEADER = (
    "section,ticket,open_time,type,lots,symbol,open_price,stop_loss,take_profit,close_time,close_price,"
    "commission,taxes,swap,profit,comment\n"
)
ROWS = (
    "closed,1,2024.01.01 10:00:00,buy,0.10,eurusd,1.1,0,0,2024.01.01 12:00:00,1.2,-2,0,0,1000,\n"
    "closed,2,2024.01.01 11:00:00,sell,0.10,eurusd,1.3,0,0,2024.01.01 13:00:00,1.2,0,0,-1,1000,\n"
)


def statement(folder: Path) -> History:
    """Two overlapping trades of 10,000 EURUSD, hedged between 11 and 12 o'clock."""
    path = folder / "h.csv"
    path.write_text(HEADER + ROWS, encoding="utf-8")
    return load(path)


def follower(history: History, *fills: tuple[str, int, str]) -> Follower:
    """A follower with fills of EURUSD: leader order, signed units, price."""
    made = Follower("f", history)
    for order_id, qty, px in fills:
        made.fill(Fill(order_id, "EURUSD", Fraction(qty), Fraction(px)))
    return made


def test_one_share_of_every_fill_is_paired_as_the_statement_does(tmp_path: Path) -> None:
    """Half of everything earns half of it, costs included."""
    history = statement(tmp_path)
    made = follower(
        history, ("1O", 5_000, "1.1"), ("2O", -5_000, "1.3"), ("1C", -5_000, "1.2"), ("2C", 5_000, "1.2")
    )
    assert made.share == Fraction(1, 2)
    assert made.total == Fraction(history.statement_total) / 2 == Decimal("998.5")


def test_a_fill_at_another_price_earns_less_than_the_statement(tmp_path: Path) -> None:
    """The result is the follower's own: 10,000 units bought a tenth of a cent dearer cost 10."""
    history = statement(tmp_path)
    made = follower(
        history,
        ("1O", 10_000, "1.101"),
        ("2O", -10_000, "1.3"),
        ("1C", -10_000, "1.2"),
        ("2C", 10_000, "1.2"),
    )
    assert made.total == Fraction(history.statement_total) - 10


def test_fills_of_unequal_shares_are_netted_at_their_average_price(tmp_path: Path) -> None:
    """Two buys at 1.1 and 1.2 are a position at 1.15; a sale of more than it turns it round."""
    history = statement(tmp_path)
    made = follower(history, ("1O", 10_000, "1.1"), ("2C", 10_000, "1.2"), ("2O", -30_000, "1.25"))
    assert made.share is None
    costs = Decimal(-1)
    assert made.total == 2_000 + costs
    made.fill(Fill("1C", "EURUSD", Fraction(10_000), Fraction("1.15")))
    assert made.total == 2_000 + costs + 1_000 - 2
