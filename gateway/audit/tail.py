"""The audit process: follows the journal, replays it, stores what it says, then tells observers.

It holds nothing that the journal does not have. Killed anywhere, it goes on from its database's place.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

import structlog

from gateway.audit.entry import ENTRY_BYTES_MAX, Entry
from gateway.audit.places import Places
from gateway.audit.rules import Hashes, Read, Rules
from gateway.audit.store import COMMIT_ENTRIES, Store, StoreError
from gateway.errors import ExitCode
from gateway.fork import apart
from gateway.resources import give_back_memory
from gateway.stop import Stop

log = structlog.get_logger("audit")

IDLE_S = 0.05
"""Pause when the journal has nothing new. An observer sees a decision this much later at most."""

STATUS_S = 1.0
"""Longest age of status.json while the process lives."""

STOP_S = 2.0
"""How long a stop waits for the end of the journal. What comes later, the next start writes."""

FIRST_ROW_S = 5.0
"""How long a journal may be there without being readable, when none of it was read yet."""

ROWS_MAX = 4096
"""Rows asked for in one step when rows have few entries."""


class Replay(Protocol):
    """What the audit needs of `gateway._fastcore.Replay`."""

    @property
    def position(self) -> int: ...

    @property
    def config(self) -> str: ...

    def step(self, max_rows: int) -> Sequence[tuple[int, str, str]]: ...

    def head(self) -> int: ...


Publish = Callable[[Entry], None]


def read_aside(read: Read, chars: int) -> tuple[Entry | None, Hashes]:
    """Reads a large configuration in a child: as values it takes ten times its length, and leaves holes."""
    return apart("read", read) if chars > ENTRY_BYTES_MAX else read()


class Tail:
    """One pass after the other from journal to store; no threads, no clock of its own."""

    def __init__(self, replay: Replay, store: Store, publish: Publish) -> None:
        self._replay = replay
        self._store = store
        self._publish = publish
        self._rules = Rules(replay.config, replay.position, read_aside)
        self._rows = 8

    def pass_once(self) -> int:
        """Stores and publishes the next rows. Returns how many rows it moved; 0 means that it is at the end.

        Raises StoreError when the journal is shorter than the log: rows that were there are gone.
        """
        before = self._replay.position
        # Let go of one by one: a fill to 10,000 followers has 12 MB of lines.
        found = deque(self._replay.step(self._rows))
        moved = self._replay.position - before
        entries: list[Entry] = []
        while found:
            entries.append(self._rules.entry(*found.popleft()))
        fresh = [entry for entry in entries if entry.journal > self._store.journal]
        if moved or fresh:
            self._store.append(fresh, self._replay.position)
            self._pace(moved, len(entries))
        # Behind the commit: an observer never sees what a crash could take back.
        for entry in fresh:
            self._publish(entry)
        return moved

    def check_head(self) -> int:
        """The journal's last row. Raises StoreError when the log already has later rows (09, 7)."""
        head = self._replay.head()
        if head < self._store.journal:
            raise StoreError(
                f"journal ends at row {head} but the log has row {self._store.journal}: journal_tail_lost",
                hint="Keep both files; compare the followers' positions with their brokers before trading.",
                exit_code=ExitCode.STATE,
            )
        return head

    def _pace(self, rows: int, entries: int) -> None:
        """Rows per step so that a commit has about COMMIT_ENTRIES: bounds memory for wide fan-out."""
        per_row = max(1, entries // max(1, rows))
        self._rows = max(1, min(ROWS_MAX, COMMIT_ENTRIES // per_row, self._rows * 2))


def status(store: Store, head: int, now_ns: int, state: str, detail: str = "") -> dict[str, str | int]:
    """What status.json says. Lag: journal rows waiting, and ns since the last entry while any wait."""
    lag_rows = max(0, head - store.journal)
    return {
        "state": state,
        "detail": detail,
        "pid": os.getpid(),
        "at_ns": str(now_ns),
        "journal": store.journal,
        "journal_head": head,
        "lag_rows": lag_rows,
        "lag_ns": str(max(0, now_ns - store.at_ns) if lag_rows and store.at_ns else 0),
        "entries": store.size,
        "file": store.path.name if store.path else "",
    }


def write_status(folder: Path, values: dict[str, str | int]) -> None:
    """Replaces status.json in one step: a reader sees the old or the new one, never half."""
    fresh = folder / "status.json.new"
    try:
        fresh.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        # A write that fails names no file.
        raise OSError(error.errno, error.strerror, str(fresh)) from error
    fresh.replace(folder / "status.json")


def follow(tail: Tail, store: Store, stop: threading.Event, now_ns: Callable[[], int] = time.time_ns) -> None:
    """Runs passes until `stop` is set, then to the end of the journal.

    A core that stops at the same time writes its last stage times at its end: they are waited for, briefly.
    """
    written = 0.0
    deadline: float | None = None
    idle = False
    while True:
        stopping = stop.is_set()
        moved = tail.pass_once()
        if idle != (moved == 0):
            idle = not idle
            if idle:
                # A fill to 10,000 followers took 100 MB, in pieces between what stays.
                give_back_memory()
        if time.monotonic() - written >= STATUS_S:
            write_status(store.folder, status(store, tail.check_head(), now_ns(), "following"))
            written = time.monotonic()
        if not moved:
            if stopping:
                deadline = deadline or time.monotonic() + STOP_S
                if tail.check_head() <= store.journal or time.monotonic() > deadline:
                    break
                time.sleep(IDLE_S)
            stop.wait(IDLE_S)
    write_status(store.folder, status(store, tail.check_head(), now_ns(), "stopped"))


def main(where: Places) -> int:
    """Runs the audit process until SIGTERM. Returns the exit code; not 0 asks for a start with back-off."""
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    from gateway.failures import say

    try:
        store = Store(where.audit)
    except Exception as error:  # noqa: BLE001 (the end of the process: one line says why, and the code what next)
        return int(say(error).exit_code)
    with store:
        return _run(where, store, stop)


def _run(where: Places, store: Store, stop: threading.Event) -> int:
    from gateway.audit.observers import Publisher
    from gateway.failures import say

    try:
        replay = _open_replay(where, store, stop)
        if replay is None:
            return ExitCode.OK
        log.info("audit.started", after_row=store.journal, observers=where.observers or "off")
        with Publisher(where.observers) if where.observers else nullcontext() as publisher:
            tail = Tail(replay, store, publisher.publish if publisher else _nobody)
            tail.check_head()
            follow(tail, store, stop)
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 (as above: what cannot heal must not be tried for ever)
        problem = say(error)
        _note_failure(store, problem.text())
        return int(problem.exit_code)


def _nobody(_entry: Entry) -> None:
    """Stands for the stream where the configuration has none."""


def _open_replay(where: Places, store: Store, stop: threading.Event) -> Replay | None:
    """Opens the journal; waits for it, since the core may start later. None when told to stop first."""
    from gateway._fastcore import JournalError
    from gateway._fastcore import Replay as CoreReplay

    while not where.journal.exists():
        write_status(store.folder, status(store, 0, time.time_ns(), "waiting", f"no {where.journal}"))
        if stop.wait(0.2):
            return None
    deadline = time.monotonic() + FIRST_ROW_S
    while not stop.is_set():
        try:
            # The row at the place may come again: `append` drops it. Asking for the next one could skip it.
            replay: Replay = CoreReplay.open(str(where.journal), store.journal, None)
        except JournalError as error:
            # The core may be in the middle of making the file; a journal we have read before must open.
            if store.journal > 0 or time.monotonic() > deadline:
                raise
            write_status(store.folder, status(store, 0, time.time_ns(), "waiting", str(error)))
            stop.wait(0.2)
        else:
            return replay
    return None


def _note_failure(store: Store, why: str) -> None:
    """Leaves the reason in status.json, where `audit stats` shows it."""
    try:
        write_status(store.folder, status(store, store.journal, time.time_ns(), "failed", why))
    except OSError as second:
        log.error("audit.no_status", error=str(second))
