"""Collars: how far the price of an open may be from the market, now and lately (03)."""

from __future__ import annotations

from fractions import Fraction

from tests.model.lots import BPS, Refused, Undecided
from tests.model.quotes import Quote
from tests.model.terms import MS, Line, PriceWindow
from tests.model.values import Values

PARTS = 64
"""ADR 0018: the core "keeps the lowest and highest quote of 64 parts of it", of each window."""


def near(line: Line, px: Fraction | None, bps: Fraction, values: Values, now_ns: int) -> bool:
    """Whether a price is within a band around the middle of a fresh quote, both ways."""
    market = values.market(line, now_ns)
    if market is None or px is None:
        raise Refused("no_quote")
    return _within(px, market, bps)


def moved(line: Line, px: Fraction | None, windows: list[PriceWindow], values: Values, now_ns: int) -> bool:
    """Whether a price is too far from the lowest or the highest middle of one of these windows. Raises
    Undecided where it depends on a quote that is just leaving one: the core remembers in parts."""
    market = values.market(line, now_ns)
    if market is None or px is None:
        raise Refused("no_quote")

    def is_far(window: PriceWindow, more_parts: int) -> bool:
        window_ns = window.window_ms * MS
        since_ns = now_ns - window_ns - more_parts * (window_ns // PARTS)
        return not all(_within(px, quote, window.bps) for quote in values.lately(line, since_ns, now_ns))

    # A quote that is leaving may still be in the part of a younger one.
    early, late = (any(is_far(w, more_parts) for w in windows) for more_parts in (-1, 1))
    if early != late:
        raise Undecided("ADR 0018: a quote is about to leave a collar's window")
    values.reached["moved within a window" if late else "not moved within a window"] += 1
    values.reached["moved, but not by the newest quote"] += late and all(
        _within(px, market, w.bps) for w in windows
    )
    return late


def _within(px: Fraction, quote: Quote, bps: Fraction) -> bool:
    return abs(px - quote.middle) * BPS <= bps * quote.middle
