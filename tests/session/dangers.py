"""Processes for `test_facts.py`: our FIX layer with one of its guards taken out, where that kills or hangs.

`python -m tests.session.dangers HOW FOLDER PORT`; each line on standard input is answered by a line.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from gateway._fastcore import RoutePipeline
from gateway.clock import wall_ns
from gateway.fix.application import Application
from gateway.fix.engine import FixEngine
from gateway.fix.settings import SessionSpec
from gateway.route import RouteSink
from gateway.wire import Wakeup
from tests.session.harness import RecordingSink


class Raising(Application):
    """Fact 1 without the guard: an exception leaves the callback."""

    def fromApp(self, message: Any, session_id: Any) -> None:
        raise ValueError("a bug in a callback")


class Failing(RecordingSink):
    """The same bug behind the guard."""

    def record(self, session: str, msg_seq_num: int, raw: bytes) -> None:
        raise ValueError("a bug in a callback")


class Hanging(RecordingSink):
    """A disk that neither works nor fails."""

    def record(self, session: str, msg_seq_num: int, raw: bytes) -> None:
        threading.Event().wait()


class Keeping(Application):
    """Fact 3 without the guard: the Message itself is kept, not its bytes."""

    kept: list[Any]

    def fromApp(self, message: Any, session_id: Any) -> None:
        self.kept.append(message)


class FileSink(RecordingSink):
    """Rows in a file, one number a line, written before the callback returns."""

    def __init__(self, path: Path, *, late: bool = False, asks: bool = True) -> None:
        super().__init__()
        self._path = path
        self._late = late
        self._asks = asks

    def record(self, session: str, msg_seq_num: int, raw: bytes) -> None:
        # `late`: fact 8 without the guard; the row would be written soon, by somebody else.
        if not self._late:
            with self._path.open("a", encoding="ascii") as rows:
                rows.write(f"{msg_seq_num}\n")
                rows.flush()
                os.fsync(rows.fileno())

    def expected(self, session: str) -> int | None:
        if not self._asks:
            return None
        numbers = self._path.read_text("ascii").split() if self._path.exists() else []
        return int(numbers[-1]) + 1 if numbers else 1


def spec(port: int) -> SessionSpec:
    """Our end: an acceptor."""
    return SessionSpec("LEADER", "acceptor", "FIX.4.4", "COPYGATE", "BROKER", "127.0.0.1", port)


def main(how: str, folder: Path, port: int) -> None:
    """Runs until standard input ends."""
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(sys.stderr))
    rows = folder / "rows"
    answer: Callable[[], str] = str
    application = Application([spec(port)], FileSink(rows), 100)
    if how == "raising":
        application = Raising([spec(port)], RecordingSink(), 100)
    elif how == "failing":
        application = Application([spec(port)], Failing(), 100)
    elif how == "hanging":
        application = Application([spec(port)], Hanging(), 100)
        application.watchdog_ms = 100
    elif how == "keeping":
        keeping = Keeping([spec(port)], RecordingSink(), 100)
        keeping.kept = []
        application, answer = keeping, lambda: "\t".join(m.toString() for m in keeping.kept)
    elif how in ("late", "late_asks"):
        application = Application([spec(port)], FileSink(rows, late=True, asks=how == "late_asks"), 100)
    elif how == "trusting":
        application = Application([spec(port)], FileSink(rows, asks=False), 100)
    elif how == "route":
        pipeline = RoutePipeline.open(str(folder / "route.db"), "r1", ["LEADER"], 1_000, wall_ns())
        application = Application([spec(port)], RouteSink(pipeline, Wakeup()), 100)
    engine = FixEngine([spec(port)], application, folder / "store")
    engine.start()
    for line in sys.stdin:
        text = f"{engine.logged_on('LEADER')}" if line == "up\n" else answer()
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") + b"\n")
        sys.stdout.buffer.flush()
    engine.stop()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
