"""The spool: where every process of a deployment leaves its alerts, each with one append to a file.

Records are those of RFC 7464: a record separator, one line of JSON, a line feed. A record that was written in
part, because the disk was full or the process ended, does not spoil the next one.

Several processes write, one reads and rotates, and nobody locks. The reader renames the file, and then reads
it to its end. A writer looks after each append whether the name still leads to the file that it wrote to; if
not, the reader may have been past it already, and the record is written once more. None is lost; one may come
twice.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from gateway import clock

RECORD_BEGIN, RECORD_END = b"\x1e", b"\n"
RECORD_BYTES_MAX = 16_384
"""A longer line, such as one with a traceback, is cut for the spool; the log has it whole."""
TEXT_CHARS_MAX = 250
"""Of a field of a line that is cut: nine of them fit, whatever characters they have."""
SPOOL_BYTES_MAX = 4 * 1024 * 1024
"""A spool of this size is not read by anybody. Then a process writes the first alert of each code only."""
RESERVED_BYTES = 256 * 1024
"""Taken on the disk beforehand: that the disk is full is an alert too."""
FALLOC_FL_KEEP_SIZE = 1
OWNER_ONLY, OWNER_FOLDER = 0o600, 0o700
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
CORE_ALERT = "core.alert"
"""The event whose alerts have codes of their own."""
NO_ALERTS = frozenset({"control.command"})
"""Warnings that repeat what an operator typed; the core's own alert says what became of it."""
CUT_FIELDS = ("event", "level", "process", "timestamp", "code", "text", "error", "child", "advice")


def folder_of(state_dir: Path) -> Path:
    """What the alerts of a deployment have in its state folder."""
    return state_dir / "alerts"


def spool_of(state_dir: Path) -> Path:
    """The file that processes append to."""
    return folder_of(state_dir) / "spool"


class Spool:
    """One process' end. Never raises, and waits for nothing but a write to a local file."""

    def __init__(self, state_dir: Path, process: str) -> None:
        self._path = spool_of(state_dir)
        self._name = str(self._path)
        self._process = process
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._inode = 0
        self._pid = os.getpid()
        self._codes: set[str] = set()
        """Written since the start: a full spool takes no more of these."""
        self._full = False
        self._left_out = 0
        self._failed = False
        with self._lock:
            self._try(self._open)

    def write(self, code: str, line: str) -> None:
        """Appends a line of the log. That it cannot is told once, in the log, which has the line anyway."""
        with self._lock:
            self._try(partial(self._write, code, line))

    def close(self) -> None:
        """Frees the descriptor."""
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None

    def _write(self, code: str, line: str) -> None:
        if self._full:
            if self._size() > SPOOL_BYTES_MAX and code in self._codes:
                self._left_out += 1
                return
            if self._size() <= SPOOL_BYTES_MAX:
                self._full = False
                self._append(record(self._note("alerts.spool_full", f"{self._left_out} are in the log only")))
        size = self._append(record(line))
        self._codes.add(code)
        if size > SPOOL_BYTES_MAX and not self._full:
            self._full, self._left_out = True, 0
            self._append(record(self._note("alerts.spool_full", f"{size} bytes are waiting")))

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _append(self, data: bytes) -> int:
        """Appends a record to the file that has the spool's name; gives that file's size."""
        if self._pid != os.getpid():
            # A forked child: its descriptors were closed, and the number may be another file by now.
            self._pid, self._fd = os.getpid(), None
        while True:
            if self._fd is None:
                self._open()
            assert self._fd is not None
            written = os.write(self._fd, data)
            if written != len(data):
                raise OSError(errno.ENOSPC, f"{written} of {len(data)} bytes were written", str(self._path))
            try:
                found = os.stat(self._name)  # noqa: PTH116 (an alert of the core goes this way: half the time)
            except FileNotFoundError:
                found = None
            if found is not None and found.st_ino == self._inode:
                return found.st_size
            self._open()

    def _open(self) -> None:
        self._path.parent.mkdir(mode=OWNER_FOLDER, parents=True, exist_ok=True)
        fresh = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, OWNER_ONLY)
        if self._fd is not None:
            os.close(self._fd)
        self._fd = fresh
        found = os.fstat(fresh)
        self._inode = found.st_ino
        if found.st_size == 0:
            reserve(fresh)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
            self._failed = False
        except OSError as error:
            if not self._failed:
                self._failed = True
                sys.stderr.write(self._note("alerts.spool_fails", str(error)) + "\n")

    def _note(self, event: str, text: str) -> str:
        line = {"event": event, "level": "error", "process": self._process, "text": text}
        line["timestamp"] = clock.utc_text()
        return json.dumps(line, sort_keys=True)


def record(line: str) -> bytes:
    """A line of the log as a record, cut where it is too long."""
    data = line.encode("utf-8", "backslashreplace")
    if len(data) > RECORD_BYTES_MAX:
        found = json.loads(line)
        found.pop("exception", None)
        data = json.dumps(found, sort_keys=True).encode()
    if len(data) > RECORD_BYTES_MAX:
        short = {key: str(found[key])[:TEXT_CHARS_MAX] for key in CUT_FIELDS if key in found}
        data = json.dumps(short, sort_keys=True, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return RECORD_BEGIN + data + RECORD_END


def reserve(fd: int) -> None:
    """Takes room behind the end of a new file; a file system that cannot do so does without."""
    if sys.platform.startswith("linux"):
        take = getattr(ctypes.CDLL(None), "fallocate", None)
        if take is not None:
            begin, size = ctypes.c_int64(0), ctypes.c_int64(RESERVED_BYTES)
            take(ctypes.c_int(fd), ctypes.c_int(FALLOC_FL_KEEP_SIZE), begin, size)


class SpoolLast:
    """The end of the log's processors: writes the line for people, and an alert to the spool as well.

    It stands at the end so that a line is made once, and so that a log which is told to be silent about
    warnings keeps no alert from being told.
    """

    def __init__(self, spool: Spool, log_level: int, render: structlog.typing.Processor) -> None:
        self._spool = spool
        self._log_level = log_level
        self._render = render

    def __call__(
        self, logger: structlog.typing.WrappedLogger, method: str, event: structlog.typing.EventDict
    ) -> str:
        """One line. Raises `DropEvent` for what is below the level of the log."""
        level = LEVELS.get(event.get("level", ""), 0)
        name = event.get("event", "")
        code = str(event.get("code", name)) if name == CORE_ALERT else str(name)
        line = str(self._render(logger, method, event))
        if level >= LEVELS["warning"] and name not in NO_ALERTS:
            self._spool.write(code, line)
        if level < self._log_level:
            raise structlog.DropEvent
        return line
