"""How the simulated leader trades: buys, sells, adds, partial closes, flips, and always ends flat."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from gateway.sim.market import SimInstrument

ZERO = Decimal(0)
BUY, SELL = "1", "2"


@dataclass(frozen=True)
class LeaderTrade:
    """One market order of the leader, quantity in units."""

    symbol: str
    side: str
    qty: Decimal
    why: str


class LeaderScenario:
    """Draws the leader's next trade from a seed and his current positions. Reads no clock."""

    def __init__(self, seed: int, instruments: tuple[SimInstrument, ...], lots_max: int = 3) -> None:
        if lots_max < 1:
            raise ValueError(f"lots_max: must be at least 1 lot, got {lots_max}")
        self._random = random.Random(seed)
        self._instruments = instruments
        self._lots_max = lots_max

    def next_trade(self, positions: dict[str, Decimal]) -> LeaderTrade:
        """Opens when flat; otherwise adds, closes a part, flips or closes."""
        instrument = self._random.choice(self._instruments)
        held = positions.get(instrument.name, ZERO)
        if not held:
            side = self._random.choice((BUY, SELL))
            return LeaderTrade(instrument.name, side, self._some_lots(instrument), "open")
        with_it, against = (BUY, SELL) if held > 0 else (SELL, BUY)
        why = self._random.choice(("add", "part", "part", "flip", "close"))
        if why == "add" and abs(held) < instrument.lot_units * 2 * self._lots_max:
            return LeaderTrade(instrument.name, with_it, self._some_lots(instrument), why)
        if why == "part":
            step = instrument.lot_units / 100
            share = abs(held) * self._random.randint(20, 70) / 100
            part = (share / step).to_integral_value(ROUND_DOWN) * step
            if ZERO < part < abs(held):
                return LeaderTrade(instrument.name, against, part, why)
        if why == "flip":
            return LeaderTrade(instrument.name, against, abs(held) + self._some_lots(instrument), why)
        return LeaderTrade(instrument.name, against, abs(held), "close")

    def flatten(self, positions: dict[str, Decimal]) -> list[LeaderTrade]:
        """The trades that end every position."""
        return [
            LeaderTrade(symbol, SELL if held > 0 else BUY, abs(held), "flat")
            for symbol, held in sorted(positions.items())
            if held
        ]

    def _some_lots(self, instrument: SimInstrument) -> Decimal:
        """Between 0.10 lot and `lots_max` lots, in tenths."""
        return instrument.lot_units * self._random.randint(1, 10 * self._lots_max) / 10
