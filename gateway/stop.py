"""The flag that ends a process, safe to raise in a signal handler."""

from __future__ import annotations

import os
import select
import threading


class Stop(threading.Event):
    """An event that a signal handler may set.

    `Event.set` takes a lock that `Event.wait` of the same thread may hold when the signal comes: the handler
    then waits for its own thread, for ever. Here is no lock: a flag, and a descriptor that wakes who waits.
    It cannot be cleared.
    """

    def __init__(self) -> None:
        super().__init__()
        self._raised = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)

    def __del__(self) -> None:
        os.close(self._bell)

    def is_set(self) -> bool:
        """Whether it was raised."""
        return self._raised

    def set(self) -> None:
        """Raises it, and wakes who waits."""
        self._raised = True
        os.eventfd_write(self._bell, 1)

    def wait(self, timeout: float | None = None) -> bool:
        """Until it is raised, or so many seconds; whether it is. For one thread."""
        if not self._raised:
            self._poll.poll(None if timeout is None else max(0.0, timeout * 1000))
        return self._raised
