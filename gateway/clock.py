"""The one place where the shells read a clock.

The core never does: `now_ns` is part of every event.
"""

from __future__ import annotations

import time
from collections.abc import Callable

NS_PER_MS = 1_000_000


def wall_ns() -> int:
    """Nanoseconds since 1970, UTC. May step; the journal makes it strictly rising."""
    return time.time_ns()


def steady_ms() -> int:
    """Milliseconds that never step back, for deadlines and heartbeats inside one process."""
    return time.monotonic_ns() // NS_PER_MS


def wait_until(condition: Callable[[], bool], timeout_ms: int, poll_ms: int = 5) -> bool:
    """Polls a condition until it holds or the time is over; tells which."""
    deadline_ms = steady_ms() + timeout_ms
    while not condition():
        if steady_ms() >= deadline_ms:
            return False
        time.sleep(poll_ms / 1000)
    return True
