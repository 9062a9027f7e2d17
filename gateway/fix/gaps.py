"""Asks again when a resend left numbers out. Pure: it is told what came and when.

QuickFIX asks once for a gap and then waits for all of it. Some venues resend a part only (CME's certification
does it on purpose): everything behind the hole then stays in QuickFIX's queue, closes too, on a session that
looks healthy.
"""

from __future__ import annotations

RETRY_MS = 5_000
"""Pause between two requests for the same number. Without it, each message of an incomplete resend would ask
for another resend, and a number that never comes would make that a flood."""
STILL_WAITING = "Already sent ResendRequest"
"""Beginning of QuickFIX's event for a message behind a gap that it has asked for."""


class GapWatch:
    """One session's gap: which number is missing, and when it was last asked for."""

    def __init__(self) -> None:
        self._missing = 0
        self._asked_ms: int | None = None

    def ask(self, missing: int, resent: bool, now_ms: int) -> bool:
        """Whether to ask for `missing` now. `resent`: what came behind the gap is itself a part of a resend.

        A message of the live stream says nothing about the resend, which may be on its way.
        """
        if missing != self._missing:
            self._missing = missing
            self._asked_ms = None if resent else now_ms
        if self._asked_ms is not None and now_ms - self._asked_ms < RETRY_MS:
            return False
        self._asked_ms = now_ms
        return True
