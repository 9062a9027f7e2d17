"""Equal lines: the first few of a while as they come, then one that says how many more there were.

A counterparty that repeats itself a hundred thousand times must neither fill the disk with what is said about
it nor hide what is said about others.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

MOST = 10
"""Equal lines in one window that are let through."""
WINDOW_MS = 60_000
LINES_MAX = 10_000
"""Different lines that are counted at a time. More are said as they come: what differs repeats nothing."""


@dataclass(slots=True)
class _Count:
    ends_ms: int
    seen: int = 0


class Repeats(Generic[K]):
    """Counts lines by what makes them equal. Pure: the time is given, milliseconds that never go back."""

    def __init__(self, most: int = MOST, window_ms: int = WINDOW_MS) -> None:
        self._most, self._window_ms = most, window_ms
        self._counts: dict[K, _Count] = {}

    def admits(self, line: K, now_ms: int) -> bool:
        """Whether the line is to be said. One that is not is counted, and told of by `ended`."""
        if line not in self._counts and len(self._counts) >= LINES_MAX:
            return True
        count = self._counts.setdefault(line, _Count(now_ms + self._window_ms))
        count.seen += 1
        return count.seen <= self._most

    def ended(self, now_ms: int) -> list[tuple[K, int]]:
        """Lines whose window is over, and how many of each were not said; the next one begins another."""
        over = [line for line, count in self._counts.items() if count.ends_ms <= now_ms]
        left = [(line, self._counts.pop(line).seen - self._most) for line in over]
        return [(line, number) for line, number in left if number > 0]
