"""Quotes: both sides, what they were lately, and rates of exchange by their middles (ADR 0032)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from tests.model.terms import Instrument


@dataclass(frozen=True)
class Quote:
    """What a unit can be sold and bought for, and since when."""

    bid: Fraction
    ask: Fraction
    at_ns: int

    @property
    def is_good(self) -> bool:
        """It has prices, and is not crossed."""
        return 0 < self.bid <= self.ask

    @property
    def middle(self) -> Fraction:
        """Between both."""
        return (self.bid + self.ask) / 2

    def of(self, side: int) -> Fraction:
        """What one who buys pays, or one who sells gets."""
        return self.ask if side > 0 else self.bid

    def times(self, factor: Fraction) -> Quote:
        """As another instrument has it."""
        return Quote(self.bid * factor, self.ask * factor, self.at_ns)


@dataclass
class Quotes:
    """All quotes of a history."""

    instruments: list[Instrument]
    told: dict[str, list[Quote]] = field(default_factory=dict)
    """Good ones by instrument, oldest first."""

    def tell(self, instrument: str, quote: Quote) -> None:
        """A bad one is none: the one of before grows old."""
        if quote.is_good:
            self.told.setdefault(instrument, []).append(quote)

    def newest(self, instrument: str) -> Quote | None:
        """What counts."""
        return self.told.get(instrument, [None])[-1]

    def rate(self, of: str, into: str) -> tuple[Fraction, int] | None:
        """What one of a currency is in another, and since when: "the newest quote of all pairs of both
        currencies, either way round; of one time the first in the file". None: nobody ever said. Money that
        is not converted is of any age."""
        if of == into:
            return Fraction(1), NEVER_OLD_NS
        found = [one for i in self.instruments for one in self._of_pair(i, of, into)]
        return max(found, key=lambda one: one[1], default=None)

    def _of_pair(self, i: Instrument, of: str, into: str) -> Iterable[tuple[Fraction, int]]:
        quote = self.newest(i.name)
        if quote is None or {i.base, i.currency} != {of, into}:
            return
        # What a unit, which is of `base`, is worth in `currency`; of an inverse contract the other way round.
        worth = i.worth(quote.middle)
        yield (worth if i.base == of else 1 / worth), quote.at_ns


NEVER_OLD_NS = 2**63
"""A time that is older than no bound."""
