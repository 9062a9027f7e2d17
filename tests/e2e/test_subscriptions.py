"""`audit subscriptions` of a running gateway against the brokers' own books."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from gateway.audit.subscriptions import Copied, collect
from gateway.clock import wait_until
from tests.e2e.plant import LOT, PATIENCE_MS, Plant, started

BETA = """
[leaders.beta]
session = "LEADER"
account = "BETA"
currency = "USD"
assume_flat = true

[[subscriptions]]
follower = "f1"
leader = "beta"
sizing = { mode = "multiplier", k = "0.5" }
max_age_ms = 60000
"""


class Two(Plant):
    """f1 copies two leaders into one account, beta at half his size."""

    BROKERS = "U"

    def lines(self) -> dict[str, Copied]:
        """What the log says of f1 by leader, once it has every fill of the broker's book."""
        found: list[Copied] = []

        def complete() -> bool:
            found[:] = collect(self.folder / "state" / "audit", "f1").lines
            return sum(one.fills for one in found) == self.read(self.good, lambda book: len(book.executions))

        assert wait_until(complete, PATIENCE_MS), f"the log has not every fill: {found}"
        return {one.leader: one for one in found}

    def holds(self, units: int) -> None:
        """Waits until f1 holds so much at its broker."""
        self.until(lambda: self.position(self.good) == units, f"f1 does not hold {units}")

    def book(self) -> tuple[Fraction, Fraction]:
        """Units and money of f1's account in the broker's own book, exact."""
        both = self.good.call(
            lambda: [
                (one.positions.get("EURUSD", 0), one.cash.get("EURUSD", 0))
                for one in self.good.broker.book.accounts.values()
                if one.name == "F1"
            ]
        )
        ((units, cash),) = both
        return Fraction(units), Fraction(cash)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Two]:
    """A gateway that runs."""
    with started(Two(tmp_path, BETA)) as made:
        yield made


def held(one: Copied) -> tuple[Fraction, Fraction]:
    """Units, and the money that changed hands for them, of one line."""
    assert one.line.cost is not None
    return one.line.position, one.line.realised - one.line.cost


def together(one: Copied, other: Copied) -> tuple[Fraction, Fraction]:
    """The same of both."""
    (units, money), (more, other_money) = held(one), held(other)
    return units + more, money + other_money


@pytest.mark.slow
def test_figures_are_those_of_the_brokers_books(plant: Two) -> None:
    """One leader on the account: his line is it. Two: their sum is; a bust counts in the right one."""
    for side, qty, held_then in ((1, LOT, LOT), (1, 2 * LOT, 3 * LOT), (2, LOT, 2 * LOT)):
        plant.fill(side, qty)
        plant.holds(held_then)
    alpha = plant.lines()["alpha"]
    assert held(alpha) == plant.book()
    assert alpha.line.realised != 0, "a part was closed at another price"

    plant.fill(2, 3 * LOT, t1="BETA")
    plant.holds(2 * LOT - 3 * LOT // 2)
    plant.fill(1, LOT, t1="BETA")
    plant.holds(LOT)
    alpha, beta = (plant.lines()[name] for name in ("alpha", "beta"))
    assert [one.line.position for one in (alpha, beta)] == [2 * LOT, -LOT]
    assert together(alpha, beta) == plant.book()

    plant.good.call(plant.good.bust_newest)
    plant.until(lambda: plant.lines()["beta"].busts == 1, "the bust is not in the log")
    plant.holds(LOT)
    alpha, beta = (plant.lines()[name] for name in ("alpha", "beta"))
    assert (alpha.busts, alpha.corrections, beta.line.unpriced) == (0, 0, 0)
    assert together(alpha, beta) == plant.book()

    rejected = collect(plant.folder / "state" / "audit", "f2").lines
    orders = plant.read(plant.rejecting, lambda book: len(book.orders))
    assert sum(one.refusals["broker_reject"] for one in rejected) == orders > 0
