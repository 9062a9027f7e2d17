"""The one place where the shells read a clock.

The core never does: `now_ns` is part of every event.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from gateway.errors import UsageError

NS_PER_MS = 1_000_000
DAY = timedelta(days=1)


def wall_ns() -> int:
    """Nanoseconds since 1970, UTC. May step; the journal makes it strictly rising."""
    return time.time_ns()


def steady_ns() -> int:
    """Nanoseconds that never step."""
    return time.monotonic_ns()


def steady_ms() -> int:
    """Milliseconds that never step back, for deadlines and heartbeats inside one process."""
    return time.monotonic_ns() // NS_PER_MS


def utc_text() -> str:
    """Now, UTC, as lines of the log have it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class _Timex(ctypes.Structure):
    """The kernel's `struct timex` of 64-bit Linux (adjtimex(2))."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


STA_UNSYNC = 0x0040
"""Nobody disciplines the clock (adjtimex(2))."""


def error_us() -> int | None:
    """How far the kernel admits that this clock may be from UTC, microseconds; None where nobody disciplines
    it, or the kernel cannot be asked."""
    if not sys.platform.startswith("linux") or ctypes.sizeof(ctypes.c_long) != ctypes.sizeof(ctypes.c_int64):
        return None
    asked = _Timex()  # modes 0: only reads
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    return None if state < 0 or asked.status & STA_UNSYNC else int(asked.maxerror)


def wait_until(condition: Callable[[], bool], timeout_ms: int, poll_ms: int = 5) -> bool:
    """Polls a condition until it holds or the time is over; tells which."""
    deadline_ms = steady_ms() + timeout_ms
    while not condition():
        if steady_ms() >= deadline_ms:
            return False
        time.sleep(poll_ms / 1000)
    return True


def option_ns(text: str | None, option: str) -> int | None:
    """The time that an option names, UTC, in nanoseconds. A plain day in --to means its end."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        if option == "--to" and len(text) == len("2026-11-23"):
            at += DAY
    except (ValueError, OverflowError) as error:
        raise UsageError("not a time", path=option, value=text, bound="like 2026-11-23[T09:30:00]") from error
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def fix_text(at_ns: int) -> str:
    """A time as FIX has it, UTC, with microseconds: what an option can say is no finer."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000)
    return f"{at:%Y%m%d-%H:%M:%S.%f}"
