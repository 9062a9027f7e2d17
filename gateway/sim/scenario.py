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
    position_id: str = ""
    """Of a hedging account: the position that it closes; empty: it opens one."""


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
        if why == "part" and (part := self._part(instrument, held)):
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

    def _part(self, instrument: SimInstrument, held: Decimal) -> Decimal:
        """A part of what is held, in hundredths of a lot; 0 where that is nothing or all of it."""
        step = instrument.lot_units / 100
        share = abs(held) * self._random.randint(20, 70) / 100
        part = (share / step).to_integral_value(ROUND_DOWN) * step
        return part if part < abs(held) else ZERO

    def _some_lots(self, instrument: SimInstrument) -> Decimal:
        """Between 0.10 lot and `lots_max` lots, in tenths."""
        return instrument.lot_units * self._random.randint(1, 10 * self._lots_max) / 10


class HedgingScenario(LeaderScenario):
    """The same on a hedging account: longs and shorts stand side by side, and closes name theirs."""

    TICKETS_MAX = 4
    """Positions of one symbol at once."""

    def __init__(
        self,
        seed: int,
        instruments: tuple[SimInstrument, ...],
        tickets: dict[str, tuple[str, Decimal]],
        lots_max: int = 3,
    ) -> None:
        """`tickets` is the account's own: symbol and signed units by position id, now and later."""
        super().__init__(seed, instruments, lots_max)
        self._tickets = tickets

    def next_trade(self, positions: dict[str, Decimal]) -> LeaderTrade:  # noqa: ARG002 - he sees tickets
        """Opens either way, or closes a position or a part of it."""
        instrument = self._random.choice(self._instruments)
        held_here = (one for one in self._tickets.items() if one[1][0] == instrument.name)
        mine = sorted((i, units) for i, (_, units) in held_here)
        why = self._random.choice(("open", "open", "part", "close")) if mine else "open"
        if why == "open" and len(mine) < self.TICKETS_MAX:
            side = self._random.choice((BUY, SELL))
            return LeaderTrade(instrument.name, side, self._some_lots(instrument), why)
        position_id, held = self._random.choice(mine)
        part = self._part(instrument, held) if why == "part" else ZERO
        return self._close(instrument.name, position_id, held, part or abs(held), "part" if part else "close")

    def flatten(self, positions: dict[str, Decimal]) -> list[LeaderTrade]:  # noqa: ARG002 - he sees tickets
        """A close of every position."""
        held = sorted(self._tickets.items())
        return [self._close(symbol, i, units, abs(units), "flat") for i, (symbol, units) in held]

    @staticmethod
    def _close(symbol: str, position_id: str, held: Decimal, qty: Decimal, why: str) -> LeaderTrade:
        return LeaderTrade(symbol, SELL if held > 0 else BUY, qty, why, position_id)
