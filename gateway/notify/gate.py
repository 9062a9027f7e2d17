"""How often people are told of one code: a pure state machine for each, whose clock is an argument.

| state | an alert comes | the minute is over |
|---|---|---|
| quiet | told; a minute begins | |
| fewer than the limit in this minute | told | quiet |
| the limit is reached | held back | the newest is told with the number of the others, and a minute begins; |
| | | where none was held back: quiet |

So the first alert of a code is always told at once, and what is not told is counted in one that is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from gateway.notify.alert import Alert, of_state
from gateway.notify.spool import LEVELS

WINDOW_MS = 60_000
CODES_MAX = 500
"""Codes in one minute: more than there are. What comes beyond shares one window."""
ALL_OTHERS = ""


@dataclass(slots=True)
class Window:
    """One code's minute."""

    began_ms: int
    told: int
    held: int = 0
    newest: Alert | None = None
    """Of those that are held, with the level of the most severe of them."""


class Gate:
    """What one sink is told, by code. Times are wall-clock milliseconds, so that they outlive the process."""

    def __init__(self, max_per_minute: int, windows: dict[str, Window] | None = None) -> None:
        self._max = max_per_minute
        self._windows: dict[str, Window] = windows or {}

    def offer(self, alert: Alert, now_ms: int) -> list[Alert]:
        """What is told now that this alert has come: nothing, it, or first what was held before it."""
        key = alert.code
        if key not in self._windows and len(self._windows) >= CODES_MAX:
            key = ALL_OTHERS
        out = self._end(key, now_ms)
        window = self._windows.get(key)
        if window is None:
            self._windows[key] = Window(now_ms, told=1)
            return [*out, alert]
        if window.told < self._max:
            window.told += 1
            return [*out, alert]
        window.held += 1
        worst = window.newest
        if worst is not None and LEVELS[worst.level] > LEVELS[alert.level]:
            alert = replace(alert, level=worst.level)
        window.newest = alert
        return out

    def due(self, now_ms: int) -> list[Alert]:
        """Summaries of minutes that are over."""
        return [alert for code in list(self._windows) for alert in self._end(code, now_ms)]

    def state(self) -> dict[str, Any]:
        """As plain data, for a later process."""
        return {code: asdict(window) for code, window in self._windows.items()}

    def _end(self, code: str, now_ms: int) -> list[Alert]:
        """Ends a minute that is over; gives the summary of what it held back."""
        window = self._windows.get(code)
        if window is None:
            return []
        # A clock that was put back must not make a minute of an hour.
        window.began_ms = min(window.began_ms, now_ms)
        if now_ms - window.began_ms < WINDOW_MS:
            return []
        if window.newest is None:
            del self._windows[code]
            return []
        newest = window.newest
        self._windows[code] = Window(now_ms, told=1)
        return [replace(newest, held_back=newest.held_back + window.held - 1)]


def windows_of(values: dict[str, Any]) -> dict[str, Window]:
    """What `state` gave. Raises TypeError, KeyError or ValueError where it is something else."""
    return {
        code: Window(
            int(one["began_ms"]),
            int(one["told"]),
            int(one["held"]),
            None if one["newest"] is None else of_state(one["newest"]),
        )
        for code, one in values.items()
    }
