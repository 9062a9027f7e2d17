"""`audit subscriptions` of an inverse contract against the broker's own book, which counts units / price."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from gateway.audit.subscriptions import Copied, collect
from gateway.clock import wait_until
from gateway.sim.actors import MarketTicker, demo_accounts
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.fix_server import FixServer, SimSession
from gateway.sim.market import INSTRUMENTS, Market, inverse
from tests.e2e.plant import PATIENCE_MS, Plant, started

XBTUSD = """
[instruments.XBTUSD]
contract_size = 100
lot_step = "1"
min_lot = "1"
tick = "0.5"
base = "USD"
currency = "XBT"
inverse = true
"""
NEAR = Fraction(1, 10**20)
"""The broker's book has 28 digits of each sum."""


class Coins(Plant):
    """Brokers that trade a perpetual which is settled in bitcoin, at a market that moves."""

    BROKERS = "X"

    def _broker(self, n: int, behaviour: Behaviour, *more: SimSession) -> FixServer:
        model = Broker(n, demo_accounts([f"F{n}"]), behaviour, inverse=inverse(INSTRUMENTS))
        name = self.name(n)
        ticker = MarketTicker(Market(n, INSTRUMENTS), model)
        server = FixServer(model, [SimSession(name), *more], self._ports[name], self.folder / name, [ticker])
        server.start()
        self._stack.callback(server.stop)
        return server

    def trade(self, units: int, px: int) -> None:
        """The leader buys or sells, at his price."""
        self.fill(1 if units > 0 else 2, abs(units), t55="XBTUSD", t31=px, t6=px)

    def book(self) -> tuple[Fraction, Fraction]:
        """Units and coins of the good broker's account, by its own book."""
        units, cash = self.good.call(
            lambda: (
                self.good.broker.book.accounts["F1"].positions.get("XBTUSD", Decimal(0)),
                self.good.broker.book.accounts["F1"].cash.get("XBTUSD", Decimal(0)),
            )
        )
        return Fraction(units), Fraction(cash)

    def holds(self, units: int) -> None:
        """Waits until f1 holds so much at its broker."""
        self.until(lambda: self.book()[0] == units, f"f1 does not hold {units}")

    def counted(self) -> Copied:
        """What the log says of f1, once it has every fill of the good broker's book."""
        found: list[Copied] = []

        def complete() -> bool:
            found[:] = collect(self.folder / "state" / "audit", "f1").lines
            return sum(one.fills for one in found) == self.read(self.good, lambda book: len(book.executions))

        assert wait_until(complete, PATIENCE_MS), f"the log has not every fill: {found}"
        (one,) = found
        return one


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Coins]:
    """A gateway that runs."""
    with started(Coins(tmp_path, XBTUSD)) as made:
        yield made


@pytest.mark.slow
def test_coins_are_those_of_the_brokers_book(plant: Coins) -> None:
    """Bought, added to, sold in part, through zero, and one fill taken back."""
    for units, then in ((1_500, 1_500), (500, 2_000), (-800, 1_200), (-1_900, -700)):
        plant.trade(units, 60_000)
        plant.holds(then)
    plant.good.call(plant.good.bust_newest)
    plant.until(lambda: plant.counted().busts == 1, "the bust is not in the log")
    plant.holds(0)
    plant.trade(-500, 60_000)
    plant.holds(-500)
    one, (held, coins) = plant.counted().line, plant.book()
    assert one.inverse
    assert one.cost is not None
    assert one.position == held
    assert abs(one.realised - one.cost - coins) < NEAR
    assert 0 < abs(coins) < 1, "counted in dollars"
    assert one.realised != 0, "a part was closed at another price"
