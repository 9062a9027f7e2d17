"""The read-only stream: entries as JSON on a ZeroMQ PUB socket.

PUB loses messages by design when an observer is slow. Whoever needs all of them reads the audit log.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import zmq

from gateway.audit.entry import Entry

HIGH_WATER = 10_000
"""Messages kept for one slow observer, about 8 MB; then it misses some."""


class Publisher:
    """Sends [kind, JSON] for every entry: an observer subscribes to b"decision", b"outcome" or b""."""

    def __init__(self, endpoint: str) -> None:
        if endpoint.startswith("ipc://"):
            Path(endpoint.removeprefix("ipc://")).parent.mkdir(parents=True, exist_ok=True)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        self._socket.setsockopt(zmq.LINGER, 0)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise OSError(error.errno, f"observers: cannot bind {endpoint}: {error}") from error

    def publish(self, entry: Entry) -> None:
        """Sends one entry; never waits for an observer."""
        self._socket.send_multipart([entry.kind.encode(), entry.data], flags=zmq.NOBLOCK)

    def close(self) -> None:
        """Closes socket and context; nothing is waited for."""
        self._socket.close()
        self._context.term()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()
