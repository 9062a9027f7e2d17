"""What the limits leave of an open (03)."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from tests.model.lots import toward_zero
from tests.model.terms import ZERO, Follower, Line


def clipped(
    lines: list[Line], line: Line, follower: Follower, side: int, qty: Fraction, refusals: Counter[str]
) -> Fraction:
    """03: what the limits leave of an open. The smallest clip wins, the codes of all are recorded; the
    first bound that refuses ends it."""
    contract, rooms = line.instrument.contract, list[tuple[str, Fraction, bool]]()
    scopes = ((line.subscription.limits, True), (follower.limits, False))
    if line.instrument.name in follower.restricted:
        rooms.append(("restricted", ZERO, True))
    for limits, _ in scopes:
        if limits.max_order_lots is not None:
            rooms.append(("max_order_qty", limits.max_order_lots * contract, limits.refuse))
    for limits, mine in scopes:
        if limits.max_position_lots is not None:
            room = limits.max_position_lots * contract - entered(lines, line, side, mine)
            rooms.append(("max_position", max(ZERO, room), limits.refuse))
    codes, whole = list[str](), qty
    for code, room, refuse in rooms:
        if room < whole:
            codes.append(code)
            qty = ZERO if refuse else min(qty, toward_zero(room, line.instrument.step))
            if refuse:
                break
    refusals.update(dict.fromkeys(codes, 1))
    return qty if qty >= line.instrument.least else ZERO


def entered(lines: list[Line], line: Line, side: int, mine: bool) -> Fraction:
    """03: positions counted from orders entered, longs and shorts apart, over the lines of a bound."""
    total = ZERO
    for other in lines:
        same = other.subscription.follower == line.subscription.follower
        if mine:
            same = other.subscription is line.subscription
        if same and other.instrument.name == line.instrument.name:
            total += max(ZERO, side * other.filled + other.working(side))
    return total
