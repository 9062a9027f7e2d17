"""What bounds an open of a line with mirrors (0031, and 03): positions and orders that are not done."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tests.model.mirror_terms import Line, Mirror, may_fill, whole, working
from tests.model.terms import ZERO


def allowed(line: Line, sign: int, more: Fraction, is_new: bool) -> Fraction:
    """What the bounds leave of so much more to open. Each sees all of it; the smallest answer wins."""
    left = more
    for room in _rooms(line, sign, is_new):
        if room < more:
            left = min(left, ZERO if line.rule.refuse else whole(room))
    return left


def _rooms(line: Line, sign: int, is_new: bool) -> Iterator[Fraction]:
    rule = line.rule
    if rule.max_position is not None:
        yield Fraction(rule.max_position) - entered(line, sign)
    if rule.max_open_orders is not None and is_new:
        yield Fraction(10**9 if _orders(line) < rule.max_open_orders else 0)


def entered(line: Line, sign: int) -> Fraction:
    """03: a position counted from orders entered; 0017, 7: a mirror's "leaves count as entered", and 4: so
    does what a replace asks for."""
    mirrored = sum((may_fill(m) for m in line.mirrors if m.sign == sign and _opens(m)), ZERO)
    return max(ZERO, sign * line.filled + working(line, sign) + mirrored)


def _opens(mirror: Mirror) -> bool:
    return mirror.order is not None and mirror.order.opens


def _orders(line: Line) -> int:
    """Each order that is not done counts, a mirror's too."""
    return len(line.plain) + sum(m.order is not None for m in line.mirrors)
