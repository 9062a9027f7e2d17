"""Collars: how far the price of an open may be from the market, now and lately (03)."""

from __future__ import annotations

from fractions import Fraction

from tests.model.lots import BPS, Refused, Undecided
from tests.model.quotes import Quote
from tests.model.terms import MS, Line, PriceWindow
from tests.model.values import Values

PARTS = 64
"""ADR 0018: the core "keeps the lowest and highest quote of 64 parts of the longest window"."""


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
    newest_ns = market.at_ns

    def is_far(window: PriceWindow, more_ns: int) -> bool:
        since_ns = now_ns - window.window_ms * MS - more_ns
        if more_ns > 0:
            since_ns = min(since_ns, newest_ns - more_ns)
        return not all(_within(px, quote, window.bps) for quote in values.lately(line, since_ns, now_ns))

    # A quote that is leaving may still be in the part of a younger one, and those of the newest one stay.
    part_ns = values.longest_window_ms * MS // PARTS
    early, late = (any(is_far(w, more_ns) for w in windows) for more_ns in (-part_ns, part_ns))
    if early != late:
        raise Undecided("ADR 0018: a quote is about to leave a collar's window")
    values.reached["moved within a window" if late else "not moved within a window"] += 1
    values.reached["moved, but not by the newest quote"] += late and all(
        _within(px, market, w.bps) for w in windows
    )
    return late


def _within(px: Fraction, quote: Quote, bps: Fraction) -> bool:
    return abs(px - quote.middle) * BPS <= bps * quote.middle
