"""Whether what was sampled over time stayed flat. Pure: points go in, a verdict comes out.

Judged is the second half: a program fills its caches and pools in the first. The line of least squares
through it says what it grew by from the half's begin to its end; a single spike moves that line little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
"""(seconds since the begin, value)."""
POINTS_MIN = 4
"""Fewer points in the second half prove nothing."""


@dataclass(frozen=True, slots=True)
class Series:
    """One thing that was sampled."""

    name: str
    unit: str
    points: Sequence[Point]
    bound: float = 0.0
    """Largest growth over the second half that still counts as flat, in `unit`."""
    bound_share: float = 0.0
    """The same as a share of the half's mean; the larger of both holds."""
    known: float = 0.0
    """Growth that is known and allowed for beside the bound, in `unit`: what is kept by design."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out for one series."""

    name: str
    unit: str
    mean: float
    growth: float
    """Over the second half, along the line of least squares."""
    bound: float
    known: float
    flat: bool
    """Within the bound, and what is known."""

    def text(self) -> str:
        """One line for people."""
        word = (
            "NOT FLAT"
            if not self.flat
            else ("as known" if self.known and self.growth > self.bound else "flat")
        )
        known = f" and {self.known:.0f} that is known" if self.known else ""
        return (
            f"{word:8} {self.name}: mean {self.mean:.1f} {self.unit}, growth {self.growth:+.2f} {self.unit}, "
            f"bound {self.bound:.2f}{known}"
        )


def slope(points: Sequence[Point]) -> float:
    """Value for each second, by least squares; 0 for points that are all at one time."""
    count = len(points)
    if count == 0:
        return 0.0
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def second_half(points: Sequence[Point]) -> list[Point]:
    """The points of the later half of the time that was sampled."""
    if not points:
        return []
    first, last = points[0][0], points[-1][0]
    return [point for point in points if point[0] >= (first + last) / 2]


def judge(series: Series) -> Verdict:
    """Flat when the growth is not above the bound. What shrinks is flat. Too few points are not flat."""
    half = second_half(series.points)
    mean = sum(y for _, y in half) / len(half) if half else 0.0
    growth = slope(half) * (half[-1][0] - half[0][0]) if half else 0.0
    bound = max(series.bound, series.bound_share * abs(mean))
    flat = len(half) >= POINTS_MIN and growth <= bound + series.known
    return Verdict(series.name, series.unit, mean, growth, bound, series.known, flat)
