"""Profit and loss of a line of fills, by average cost. Pure and exact: fractions, no float.

Units are those of the instrument, so a price is for one of them: a lot is a contract size of units. What is
booked is the signed value whose differences are what is won (decision 0036): units x price, of an inverse
contract -units / price. So both are the same sums.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

DENOMINATOR_MAX = 10**60
"""Each partial close divides the cost: that of a line which is never flat would grow without end."""
COST_PLACES = 30
"""What the cost of an open position is rounded to (half-even) beyond that."""
VALUE_PLACES = 40
"""What units / price is rounded to (half-even): a sum of such fractions would grow with every price."""


def value(units: Fraction, px: Fraction | None, inverse: bool) -> Fraction | None:
    """Signed value of signed units at a price, in the currency that the contract pays.

    None where nobody knows it: without a price, and of an inverse contract at one that is not positive.
    """
    if px is None or (inverse and px <= 0):
        return None
    return Fraction(round(-units / px, VALUE_PLACES)) if inverse else units * px


@dataclass(slots=True)
class Line:
    """What one subscription holds and has won in one instrument."""

    bought: Fraction = Fraction(0)
    sold: Fraction = Fraction(0)
    """Units, without what was taken back."""
    position: Fraction = Fraction(0)
    """Signed units."""
    cost: Fraction | None = Fraction(0)
    """Signed value of the open position when it was opened; None where a price of it is not known."""
    realised: Fraction = Fraction(0)
    """In the currency that the contract pays."""
    unpriced: int = 0
    """Fills whose result nobody knows: they, or what they closed, had no price."""
    inverse: bool = False
    """A unit is worth 1 / price. It does not change while a position is open: the core refuses that."""

    @property
    def average(self) -> Fraction | None:
        """Average price of the open position, of an inverse contract the harmonic one: at it nothing is won.
        None without a position, or where it is not known."""
        if self.cost is None or not self.position:
            return None
        if self.inverse:
            return -self.position / self.cost if self.cost else None
        return self.cost / self.position

    def floating(self, px: Fraction) -> Fraction | None:
        """What the open position would win at a price; None where that, or its cost, is not known."""
        worth = value(self.position, px, self.inverse)
        return None if self.cost is None or worth is None else worth - self.cost

    def add(self, other: Line) -> None:
        """Adds what another line of the same instrument holds and has won: each closes at its own average, so
        an average of both means nothing, and all the rest is theirs together."""
        self.bought += other.bought
        self.sold += other.sold
        self.position += other.position
        self.realised += other.realised
        self.unpriced += other.unpriced
        self.cost = None if self.cost is None or other.cost is None else self.cost + other.cost

    def fill(self, units: Fraction, px: Fraction | None) -> None:
        """Books signed units. What goes through zero closes first, and opens the rest."""
        if units > 0:
            self.bought += units
        else:
            self.sold -= units
        if self.position * units < 0:
            closing = max(-self.position, units) if self.position > 0 else min(-self.position, units)
            self._close(closing, px)
            units -= closing
        if units:
            self._open(units, px)

    def _open(self, units: Fraction, px: Fraction | None) -> None:
        worth = value(units, px, self.inverse)
        if worth is None:
            self.unpriced += 1
        self.cost = None if self.cost is None or worth is None else self.cost + worth
        self.position += units

    def _close(self, units: Fraction, px: Fraction | None) -> None:
        left, worth = self.position + units, value(-units, px, self.inverse)
        if self.cost is None or worth is None:
            self.unpriced += 1
            self.cost = None if self.cost is None else self.cost * left / self.position
        else:
            taken = self.cost * -units / self.position
            self.realised += worth - taken
            self.cost -= taken
        self.position = left
        if not left:
            self.cost = Fraction(0)
        elif self.cost is not None and self.cost.denominator > DENOMINATOR_MAX:
            # What is left out here is in the result: both together stay the money that changed hands.
            rounded = round(self.cost, COST_PLACES)
            self.realised += rounded - self.cost
            self.cost = rounded


@dataclass(slots=True)
class Execution:
    """A fill, as it counts after what was corrected."""

    units: Fraction
    """In the direction of its order; below 0 only where nobody has what was taken back."""
    px: Fraction | None
    buys: bool = True

    @property
    def signed(self) -> Fraction:
        """Units with the sign of the position."""
        return self.units if self.buys else -self.units


def correct(named: list[Execution], units: Fraction, px: Fraction | None) -> Fraction:
    """Changes executions of one name by units, the newest first, each to nothing at most: a venue that
    repeats a name means all of them. A price is that of all. What is left: nobody has it."""
    for one in reversed(named):
        if not units:
            break
        after = one.units + units
        one.units, units = max(after, Fraction(0)), min(after, Fraction(0))
    if px is not None:
        for one in named:
            one.px = px
    return units


def booked(executions: Iterable[Execution]) -> Line:
    """The line of some executions, in their order."""
    line = Line()
    for one in executions:
        if one.units:
            line.fill(one.signed, one.px)
    return line
