"""Until when a part of a target may be entered: lists of windows, oldest first."""

from __future__ import annotations

from fractions import Fraction

from tests.model.terms import ZERO, Window


def consume(windows: list[Window], qty: Fraction) -> None:
    """Takes a quantity off the oldest windows."""
    while windows and qty > 0:
        part = min(windows[0].qty, qty)
        windows[0].qty -= part
        qty -= part
        if windows[0].qty == 0:
            windows.pop(0)


def trim(windows: list[Window], qty: Fraction) -> None:
    """Keeps a quantity of the oldest windows: what is no longer wanted goes from the newest."""
    kept = ZERO
    for at, window in enumerate(windows):
        window.qty = min(window.qty, qty - kept)
        kept += window.qty
        if kept == qty:
            del windows[at + 1 :]
            return
