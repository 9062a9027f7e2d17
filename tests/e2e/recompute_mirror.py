"""A step of a mirror worked out again from its entry alone, with exact fractions and no code of ours."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import Any

QUANTA = 10**18
"""Targets are counted in quanta of the follower's lot step."""

SNAP = 10**12
"""As near to a whole step as this many quanta is that step."""


def units(entry: dict[str, Any]) -> Fraction:
    """Units that the order is to have open: `size.units`."""
    size, step = entry["size"], Fraction(entry["step"])
    found = _open(entry) if size["opens"] else _close(entry)
    if size["parts"] > 1:
        return _part(entry, found)
    if size["venue_max"] is not None:
        found = min(found, Fraction(size["venue_max"]))
    assert found % step == 0
    return found if found >= Fraction(size["min"]) else Fraction(0)


def _part(entry: dict[str, Any], whole: Fraction) -> Fraction:
    """One order of several: with what the others have it is no more than is wanted, unless it had that."""
    size, had = entry["size"], entry["order"]
    found = Fraction(size["units"])
    has = Fraction(had["qty"]) - Fraction(had["cum_qty"]) if had else Fraction(0)
    assert size["venue_max"] is None or found <= Fraction(size["venue_max"]), entry
    assert found <= has or found + Fraction(size["others"]) <= whole, entry
    return found


def _asks(entry: dict[str, Any], own: Fraction) -> bool:
    """Limits are asked for all that a mirror is still to enter, of which an order may be a part."""
    asked = Fraction(entry["limits"]["asked"])
    return asked >= own if entry["size"]["parts"] > 1 else asked == own


def _open(entry: dict[str, Any]) -> Fraction:
    size, between, step = entry["size"], entry["between"], Fraction(entry["step"])
    left = Fraction(entry["leader_order"]["left"])
    if left <= 0:
        opening = 0
    elif size["ratio"] is not None:
        opening = round(Fraction(size["ratio"]) * left * QUANTA / step)
    else:
        opening = max(round(Fraction(size["amount"]) * QUANTA / step) - int(size["counted"]), 0)
    assert opening == int(size["opening"]), entry
    rest = max(opening - sum(int(between[name]) for name in ("ahead", "refused", "rejected")), 0)
    if entry["why"] in ("lost", "barred", "leader_filled"):
        rest = 0
    assert rest == int(size["rest"]), entry
    return (rest + SNAP) // QUANTA * step


def _close(entry: dict[str, Any]) -> Fraction:
    size, his, step = entry["size"], entry["leader_order"], Fraction(entry["step"])
    base, share = Fraction(size["base"]), Fraction(size["share"])
    if share:
        part = Fraction(his["left"]) / abs(Fraction(his["position"]))
        assert share == Fraction(round(base * min(part, Fraction(1)) * QUANTA), QUANTA), entry
    bounds = [share - Fraction(size["done"]), Fraction(size["room"])]
    bounds += [Fraction(size["broker"])] if size["broker"] is not None else []
    return floor(max(min(bounds), Fraction(0)) / step) * step


def qty(entry: dict[str, Any]) -> Fraction | None:
    """OrderQty(38) of what leaves: `to.qty`; none for a cancel."""
    wanted, limits = units(entry), entry["limits"]
    admitted = Fraction(limits["admitted"]) if limits else None
    if entry["act"] == "place":
        assert not limits or _asks(entry, wanted), entry
        return wanted if admitted is None else min(admitted, wanted)
    if entry["act"] != "replace":
        return None
    had = entry["order"]
    cum = Fraction(had["cum_qty"])
    most = max(Fraction(had["qty"]), Fraction(had["unanswered"])) - cum
    if admitted is None:
        return cum + wanted
    assert _asks(entry, wanted - most), entry
    return cum + min(most + admitted, wanted)


def terms(entry: dict[str, Any]) -> tuple[Fraction | None, Fraction | None]:
    """Price(44) and StopPx(99) of the follower."""
    prices, his, buys = entry["prices"], entry["leader_order"], entry["side"] == "buy"
    px, stop = (Fraction(his[name]) if his[name] is not None else None for name in ("px", "stop_px"))
    if prices["entry"] is not None and stop is not None:
        at = Fraction(prices["entry"])
        moved = at + (stop - at) * Fraction(prices["multiplier"])
        px, stop = (px + moved - stop if px is not None else None), moved
    if prices["reverse"]:
        px, stop = (None, px) if his["order_type"] == "limit" else (stop, None)
    tick, factor = Fraction(prices["tick"]), Fraction(prices["factor"])

    def on(price: Fraction | None, up: bool) -> Fraction | None:
        ticks = price * factor / tick if price is not None else None
        return None if ticks is None else (ceil(ticks) if up else floor(ticks)) * tick

    return on(px, not buys), on(stop, buys)
