"""Bounds what is handed to QuickFIX but not yet read by the counterparty.

QuickFIX queues without limit: with a slow peer, orders would pile up and leave late. A TestRequest(1) after
every few orders is a fence: its answer proves that everything before it was read.
"""

from __future__ import annotations

import threading

FENCES_PER_WINDOW = 4
"""Fences in a full window: the answer to one opens a quarter of it."""


class SendWindow:
    """Counts orders that no answered fence covers. Used by the sending thread and the FIX thread."""

    def __init__(self, unacked_max: int) -> None:
        self._unacked_max = unacked_max
        self._fence_every = max(1, unacked_max // FENCES_PER_WINDOW)
        self._lock = threading.Lock()
        self._sent = 0
        self._covered = 0
        self._last_fence = 0

    @property
    def room(self) -> int:
        """How many more orders may be handed over."""
        return max(0, self._unacked_max - self.unacked)

    @property
    def unacked(self) -> int:
        """Orders handed over that no answered fence covers."""
        return self._sent - self._covered

    def count(self) -> str | None:
        """Counts an order; gives the TestReqID(112) of the fence to send behind it, if one is due."""
        with self._lock:
            self._sent += 1
            if self._sent - self._last_fence < self._fence_every:
                return None
            self._last_fence = self._sent
            return f"FENCE-{self._sent}"

    def answered(self, test_req_id: str) -> None:
        """A Heartbeat(0) answers a fence. Other ids are QuickFIX's own."""
        kind, _, number = test_req_id.partition("-")
        if kind == "FENCE" and number.isdecimal():
            with self._lock:
                if self._covered < int(number) <= self._sent:
                    self._covered = int(number)

    def reset(self) -> None:
        """A new connection starts with empty queues."""
        with self._lock:
            self._sent = self._covered = self._last_fence = 0
