"""Limits over time: message allowances, and how often one line may copy by itself (03, ADR 0018)."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from tests.model.terms import Allowance

SECOND_NS = 1_000_000_000


@dataclass
class Bucket:
    """What an allowance has left, messages; below zero it is owed, by closes and cancels."""

    allowance: Allowance
    left: Fraction = field(init=False)
    at_ns: int = 0

    def __post_init__(self) -> None:
        self.left = Fraction(self.allowance.burst)

    def places(self, now_ns: int) -> int:
        """How many orders an open may be made of: it leaves what is kept for closes."""
        self._refill(now_ns)
        return max(0, floor(self.left - self.allowance.kept))

    def take(self, now_ns: int) -> None:
        """One message goes out; no more than one burst is owed."""
        self._refill(now_ns)
        self.left = max(self.left - 1, Fraction(-self.allowance.burst))

    def _refill(self, now_ns: int) -> None:
        more = Fraction(self.allowance.per_s * (now_ns - self.at_ns), SECOND_NS)
        self.left = min(self.left + more, Fraction(self.allowance.burst))
        self.at_ns = now_ns


@dataclass(frozen=True)
class Repeated:
    """So many copies of one line in the window stop its opens; 0 is no number. Nobody releases it here."""

    copies: int = 0
    window_ns: int = 0

    def stops(self, copied_ns: list[int], now_ns: int) -> bool:
        """Whether the copies of a line, the newest at this time, are too many."""
        recent = [at_ns for at_ns in copied_ns if now_ns - at_ns < self.window_ns]
        return 0 < self.copies <= len(recent)
