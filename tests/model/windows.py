"""Until when a part of a target may be entered: lists of windows, oldest first."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from tests.model.terms import ZERO, Window


def total(windows: Iterable[Window]) -> Fraction:
    """What waits in all."""
    return sum((w.qty for w in windows), ZERO)


def consume(windows: list[Window], qty: Fraction) -> None:
    """Takes a quantity off the oldest windows."""
    while windows and qty > 0:
        part = min(windows[0].qty, qty)
        windows[0].qty -= part
        qty -= part
        if windows[0].qty == 0:
            windows.pop(0)


def trim(windows: list[Window], qty: Fraction) -> Fraction:
    """Keeps at most a quantity of the oldest windows; what is missing of it."""
    for window in windows:
        window.qty = min(window.qty, qty)
        qty -= window.qty
    windows[:] = [w for w in windows if w.qty]
    return qty


def ask(windows: list[Window], qty: Fraction, newest_ns: int) -> None:
    """Makes them `qty` in all: what is missing has the newest window, what is too much goes from there."""
    missing = trim(windows, qty)
    if missing:
        windows.append(Window(newest_ns, missing))
        windows.sort(key=lambda w: w.until_ns)
