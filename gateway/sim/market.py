"""A generated market: a seeded random walk in whole ticks, so that no price is ever a float."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class SimInstrument:
    """One traded instrument. `mid_ticks` is the starting price in ticks."""

    name: str
    tick: Decimal
    mid_ticks: int
    spread_ticks: int
    move_ticks_max: int
    lot_units: Decimal
    inverse: bool = False
    """A unit is worth 1 / price: the gateway's configuration must say so too."""


@dataclass(frozen=True)
class SimQuote:
    """Best bid and ask."""

    symbol: str
    bid: Decimal
    ask: Decimal


DEMO_INSTRUMENTS = (
    SimInstrument("EURUSD", Decimal("0.00001"), 108_500, 8, 6, Decimal(100_000)),
    SimInstrument("GBPUSD", Decimal("0.00001"), 127_200, 12, 8, Decimal(100_000)),
    SimInstrument("AUDUSD", Decimal("0.00001"), 65_900, 10, 5, Decimal(100_000)),
    SimInstrument("XAUUSD", Decimal("0.01"), 205_000, 25, 30, Decimal(100)),
)
INSTRUMENTS = (
    *DEMO_INSTRUMENTS,
    SimInstrument("XBTUSD", Decimal("0.5"), 120_000, 2, 40, Decimal(100), inverse=True),
)
"""All that there are. What has to be asked for by name stands behind what a demo trades."""


class Market:
    """Random walk per instrument. The same seed gives the same quotes."""

    def __init__(self, seed: int, instruments: tuple[SimInstrument, ...] = DEMO_INSTRUMENTS) -> None:
        self._random = random.Random(seed)
        self.instruments = {i.name: i for i in instruments}
        self._mid_ticks = {i.name: i.mid_ticks for i in instruments}

    def quote(self, symbol: str) -> SimQuote:
        """The current quote of one instrument; unknown symbols raise KeyError."""
        instrument = self.instruments[symbol]
        bid_ticks = self._mid_ticks[symbol] - instrument.spread_ticks // 2
        ask_ticks = bid_ticks + instrument.spread_ticks
        return SimQuote(symbol, instrument.tick * bid_ticks, instrument.tick * ask_ticks)

    def quotes(self) -> list[SimQuote]:
        """All quotes, in the order the instruments were given."""
        return [self.quote(name) for name in self.instruments]

    def step(self) -> list[SimQuote]:
        """Moves every instrument once. A price never falls below twice its spread."""
        for name, instrument in self.instruments.items():
            move = self._random.randint(-instrument.move_ticks_max, instrument.move_ticks_max)
            floor = 2 * instrument.spread_ticks + 1
            self._mid_ticks[name] = max(self._mid_ticks[name] + move, floor)
        return self.quotes()


def inverse(instruments: Iterable[SimInstrument]) -> list[str]:
    """Names of those whose unit is worth 1 / price."""
    return [one.name for one in instruments if one.inverse]
