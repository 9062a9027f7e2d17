"""What a process watches of itself: a value, its bound, and whether it turned bad or good. Pure: values and a
time go in, turns come out.

A value is bad once it is above its bound, and good again once it stayed at or below four fifths of it for
three looks: what moves around its bound is told once, not at every look. What stays bad is told again from
time to time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

GOOD_PER_5 = 4
"""Fifths of the bound at which a value may count as good again."""
GOOD_LOOKS = 3
"""Looks in a row that it takes."""


class Turn(Enum):
    """What a look found."""

    BAD = "bad"
    STILL = "still bad"
    GOOD = "good again"


@dataclass(frozen=True, slots=True)
class Watched:
    """One thing that is watched."""

    code: str
    """Name in the log; never renamed."""
    bound: int
    """Largest good value. 0: not watched."""
    unit: str
    advice: str
    """What a person can do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One turn of one thing, of the route that it is about where there are several."""

    watched: Watched
    subject: str
    value: int
    turn: Turn

    def fields(self) -> dict[str, str | int]:
        """For a line of the log."""
        said: dict[str, str | int] = {
            "code": self.watched.code,
            "turn": self.turn.value,
            "value": self.value,
            "bound": self.watched.bound,
            "unit": self.watched.unit,
            "advice": self.watched.advice,
        }
        return said | ({"route": self.subject} if self.subject else {})


@dataclass(slots=True)
class _Bad:
    """A thing that is bad now."""

    told_ms: int
    good_looks: int = 0


class Watchdog:
    """Remembers what is bad. `look` is called with what was measured, about once a second."""

    def __init__(self, watched: Sequence[Watched], repeat_ms: int) -> None:
        self._watched = {one.code: one for one in watched if one.bound > 0}
        self._repeat_ms = repeat_ms
        self._bad: dict[tuple[str, str], _Bad] = {}

    def look(self, values: Mapping[tuple[str, str], int], now_ms: int) -> list[Finding]:
        """The turns since the last look. Keys are (code, subject); what is not watched is passed over."""
        found = []
        for (code, subject), value in values.items():
            watched = self._watched.get(code)
            turn = None if watched is None else self._turn(watched, subject, value, now_ms)
            if watched is not None and turn is not None:
                found.append(Finding(watched, subject, value, turn))
        return found

    def _turn(self, watched: Watched, subject: str, value: int, now_ms: int) -> Turn | None:
        key = (watched.code, subject)
        bad = self._bad.get(key)
        if bad is None:
            if value <= watched.bound:
                return None
            self._bad[key] = _Bad(now_ms)
            return Turn.BAD
        bad.good_looks = bad.good_looks + 1 if 5 * value <= GOOD_PER_5 * watched.bound else 0
        if bad.good_looks >= GOOD_LOOKS:
            del self._bad[key]
            return Turn.GOOD
        if value > watched.bound and self._repeat_ms and now_ms - bad.told_ms >= self._repeat_ms:
            bad.told_ms = now_ms
            return Turn.STILL
        return None


class MemoryEnd:
    """Whether a process must end because of its memory.

    Only one that grew: a process that had four fifths of the bound when it was first looked at has it again
    behind its next start, and would end for ever.
    """

    def __init__(self, end_mib: int) -> None:
        self._end_mib = end_mib
        self._first_mib: int | None = None

    def must_end(self, memory_mib: int) -> bool:
        """Called with each look's value."""
        if self._first_mib is None:
            self._first_mib = memory_mib
        if not self._end_mib or memory_mib <= self._end_mib:
            return False
        return 5 * self._first_mib < GOOD_PER_5 * self._end_mib
