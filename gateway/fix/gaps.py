"""Which numbers of a counterparty are missing, and when to ask again. Pure: it is told what came and when.

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


SESSION_MESSAGES = frozenset("0125A")
"""Heartbeat, TestRequest, ResendRequest, Logout, Logon: what a GapFill may pass over without loss. A
counterparty never resends them."""
HEARD_MAX = 8_192
"""Numbers kept of one session: more than any gap that a venue would fill."""


class Heard:
    """Numbers of one session that cannot hide news when a GapFill passes over them.

    After a start we ask for everything behind the last report that we have written down, so the answer passes
    over every heartbeat since. Those below `before` were consumed by QuickFIX: a report among them has been
    written down first. The power may have failed in between, where the deployment's durability allows for
    that; then a venue sends its reports again, and one that does not is asked at each logon by its profile.
    """

    def __init__(self) -> None:
        self._before = 0
        self._numbers: dict[int, None] = {}

    def starts(self, before: int) -> None:
        """QuickFIX expects this number next: all lower ones were consumed, here or before."""
        self._before = before

    def came(self, kind: str, msg_seq_num: int, resets: bool) -> None:
        """A message came. A Logon that begins anew makes all that was known worthless."""
        if kind == "A" and (resets or msg_seq_num < self._before):
            self._before = 0
            self._numbers.clear()
        if kind in SESSION_MESSAGES:
            if len(self._numbers) >= HEARD_MAX:
                del self._numbers[next(iter(self._numbers))]
            self._numbers[msg_seq_num] = None

    def hides_news(self, first: int, last: int) -> bool:
        """Whether a GapFill over these numbers passes over one that we never read."""
        first = max(first, self._before)
        if last - first >= HEARD_MAX:
            return True
        return any(number not in self._numbers for number in range(first, last + 1))
