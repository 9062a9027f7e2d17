"""The spool: what processes leave is read once at least, over rotation, torn records and restarts."""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway import clock
from gateway.fork import fork
from gateway.notify import inbox as inboxes
from gateway.notify import spool as spools
from gateway.notify.inbox import Inbox, Place, split
from gateway.notify.spool import RECORD_BYTES_MAX, Spool, SpoolLast, record, spool_of


def line(number: int, event: str = "run.ended") -> str:
    """A line of the log."""
    return json.dumps({"event": event, "n": number})


def numbers(lines: list[tuple[dict[str, Any], bytes]]) -> list[int]:
    """The numbers of lines that were read."""
    return [int(values["n"]) for values, _ in lines]


def read_all(inbox: Inbox) -> list[int]:
    """Everything that is there."""
    found: list[int] = []
    while lines := inbox.read():
        found += numbers(lines)
    return found


RECORDS = b"".join(record(line(number)) for number in range(3))


@pytest.mark.parametrize("end", range(len(RECORDS) + 1))
def test_a_spool_that_ends_anywhere_loses_no_record(end: int) -> None:
    """Whole records are read, what was begun is waited for, and both together are the file."""
    first = split(RECORDS[:end], ended=False)
    rest = split(RECORDS[first.used :], ended=False)
    assert [json.loads(raw)["n"] for raw in (*first.lines, *rest.lines)] == [0, 1, 2]
    assert first.torn == rest.torn == 0


@pytest.mark.parametrize("cut", range(1, len(record(line(1)))))
def test_a_torn_record_is_counted_and_spoils_no_other(cut: int) -> None:
    """The disk was full in the middle of it: the next writer's record begins with its own mark."""
    data = record(line(0)) + record(line(1))[:cut] + record(line(2))
    found = split(data, ended=False)
    assert [json.loads(raw)["n"] for raw in found.lines] == [0, 2]
    assert found.torn == 1
    assert found.used == len(data)


def test_a_record_that_stays_begun_is_given_up(tmp_path: Path) -> None:
    """Its writer was killed, and nobody wrote after it: it is counted as torn, after a while."""
    now_ms = [0]
    spool_of(tmp_path).parent.mkdir()
    spool_of(tmp_path).write_bytes(record(line(0)) + record(line(1))[:5])
    inbox = Inbox(tmp_path, Place(), lambda: now_ms[0])
    assert read_all(inbox) == [0]
    assert inbox.torn == 0
    now_ms[0] += inboxes.TORN_MS
    assert read_all(inbox) == []
    assert inbox.torn == 1
    Spool(tmp_path, "core").write("run.ended", line(2))
    assert read_all(inbox) == [2]


def test_a_place_that_was_kept_goes_on_where_it_was(tmp_path: Path) -> None:
    """A reader that is killed reads again what it had not kept, and nothing else."""
    spool = Spool(tmp_path, "core")
    inbox = Inbox(tmp_path, Place())
    spool.write("a", line(0))
    assert read_all(inbox) == [0]
    kept = inbox.place
    spool.write("a", line(1))
    assert read_all(inbox) == [1]
    assert read_all(Inbox(tmp_path, kept)) == [1]
    assert read_all(Inbox(tmp_path, Place())) == [0, 1]


def test_rotation_waits_for_what_is_durable_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is put aside at any time, and removed only when all of it was read and kept."""
    monkeypatch.setattr(inboxes, "ROTATE_BYTES", 1)
    spool, inbox = Spool(tmp_path, "core"), Inbox(tmp_path, Place())
    old = spool_of(tmp_path).with_name("spool.old")
    spool.write("a", line(0))
    assert read_all(inbox) == [0]
    assert inbox.rotate(Place())
    assert old.exists()
    assert not inbox.rotate(Place())
    # A writer with the old file open: its record lands there, and once more in the new one.
    spool.write("a", line(1))
    assert read_all(inbox) == [1]
    assert not inbox.rotate(Place())
    assert read_all(Inbox(tmp_path, Place())) == [0, 1], "not kept: it is all still there"
    assert inbox.rotate(inbox.place)
    assert not old.exists()
    spool.write("a", line(2))
    assert read_all(inbox) == [1, 2]


def test_many_writers_lose_nothing_while_the_reader_rotates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line is read at least once, whoever wrote it and whenever the file was changed under it."""
    monkeypatch.setattr(inboxes, "ROTATE_BYTES", 500)
    enough, writers, rotations_min = threading.Event(), 4, 40
    written: set[int] = set()
    # Writers that a busy machine lets run ahead would fill the spool, and a full one takes no more.
    ahead = threading.Semaphore(2_000)

    def work(first: int) -> None:
        spool = Spool(tmp_path, f"w{first}")
        for number in itertools.count(first, writers):
            while not ahead.acquire(timeout=0.1):
                if enough.is_set():
                    return
            if enough.is_set():
                return
            spool.write("a", line(number))
            written.add(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(writers)]
    inbox, seen, rotations = Inbox(tmp_path, Place()), set[int](), 0
    for thread in threads:
        thread.start()
    quiet, deadline_ms = 0, clock.steady_ms() + 60_000
    # The last file is read when the one before it is removed.
    while quiet < 3:
        known = len(seen)
        quiet = 0 if read_more(inbox, seen) or any(thread.is_alive() for thread in threads) else quiet + 1
        if len(seen) > known:
            ahead.release(len(seen) - known)
        rotations += inbox.rotate(inbox.place)
        if rotations >= rotations_min or clock.steady_ms() > deadline_ms:
            enough.set()
    assert rotations >= rotations_min
    assert seen == written
    assert inbox.torn == 0


def read_more(inbox: Inbox, seen: set[int]) -> bool:
    """Adds what is there now; whether there was something."""
    found = numbers(inbox.read())
    seen.update(found)
    return bool(found)


def test_a_spool_that_nobody_reads_takes_the_first_of_each_code_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is bounded, a code that is new is still written, and what was left out is told."""
    monkeypatch.setattr(spools, "SPOOL_BYTES_MAX", 1_000)
    spool, inbox = Spool(tmp_path, "core"), Inbox(tmp_path, Place())
    for number in range(1_000):
        spool.write("a", line(number))
    spool.write("b", line(5_000, "b"))
    assert spool_of(tmp_path).stat().st_size < 2_000
    lines = inbox.read()
    events = [values["event"] for values, _ in lines]
    written = events.count("run.ended")
    assert events[0] == "run.ended"
    assert events[-2:] == ["alerts.spool_full", "b"]
    spool_of(tmp_path).unlink()
    spool.write("a", line(9_000))
    (told, _), (fresh, _) = Inbox(tmp_path, Place()).read()
    assert told["text"] == f"{1_000 - written} are in the log only"
    assert fresh["n"] == 9_000


def test_a_spool_that_cannot_be_written_disturbs_nothing_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trading goes on; the log has the alerts, and says once that nobody else gets them."""
    (tmp_path / "alerts").write_text("a file where the folder should be")
    monkeypatch.setattr(sys, "stderr", out := StringIO())
    spool = Spool(tmp_path, "core")
    for number in range(3):
        spool.write("a", line(number))
    said = [json.loads(text)["event"] for text in out.getvalue().splitlines()]
    assert said == ["alerts.spool_fails"]
    (tmp_path / "alerts").unlink()
    spool.write("a", line(3))
    assert read_all(Inbox(tmp_path, Place())) == [3]


def test_a_long_line_is_cut_to_a_record_and_says_what_happened() -> None:
    """A traceback of a hundred kilobytes is for the log; the alert has the event and its error."""
    found = record(json.dumps({"event": "run.failed", "error": "é" * 400, "exception": "x" * 100_000}))
    assert json.loads(found[1:]) == {"event": "run.failed", "error": "é" * 400}
    every = dict.fromkeys(spools.CUT_FIELDS, "\x01" * 30_000)
    assert len(record(json.dumps(every))) <= RECORD_BYTES_MAX


def test_a_forked_child_writes_to_no_descriptor_of_its_parent(tmp_path: Path) -> None:
    """Its descriptors were closed, and the spool's number is another file by now: a journal, at worst."""
    spool = Spool(tmp_path, "run")
    spool.write("a", line(0))
    other = tmp_path / "journal"

    def child() -> int:
        # The first number that is free is the one that the spool had.
        descriptors = [os.open(other, os.O_CREAT | os.O_WRONLY) for _ in range(8)]
        spool.write("a", line(1))
        return 0 if spool._fd not in descriptors else 1

    assert fork("child", child).wait() == 0
    assert other.read_bytes() == b""
    assert read_all(Inbox(tmp_path, Place())) == [0, 1]


def test_only_the_owner_may_read_the_spool(tmp_path: Path) -> None:
    """Its lines have the names of followers."""
    Spool(tmp_path, "core").write("a", line(0))
    assert spool_of(tmp_path).stat().st_mode & 0o777 == 0o600
    assert spool_of(tmp_path).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("level", "event", "log_level", "spooled", "logged"),
    [
        ("info", "run.started", "info", False, True),
        ("warning", "core.alert", "info", True, True),
        ("warning", "core.alert", "error", True, False),
        ("error", "run.ended", "error", True, True),
        ("warning", "control.command", "info", False, True),
    ],
)
def test_warnings_are_spooled_whatever_the_level_of_the_log(
    tmp_path: Path, level: str, event: str, log_level: str, spooled: bool, logged: bool
) -> None:
    """A quiet log is no reason to be told nothing; what an operator typed is no alert."""
    last = SpoolLast(
        Spool(tmp_path, "core"), spools.LEVELS[log_level], structlog.processors.JSONRenderer(sort_keys=True)
    )
    values = {"event": event, "level": level, "code": "kill", "n": 1}
    try:
        shown = last(None, level, dict(values))
    except structlog.DropEvent:
        shown = ""
    assert bool(shown) is logged
    found = Inbox(tmp_path, Place()).read()
    assert [entry for entry, _ in found] == ([values] if spooled else [])


def test_a_new_file_has_its_room_already(tmp_path: Path) -> None:
    """That the disk is full is an alert that must find room itself (where the file system can reserve it)."""
    Spool(tmp_path, "core").write("a", line(0))
    found = spool_of(tmp_path).stat()
    assert found.st_size < 1_000
    fd = os.open(tmp_path / "other", os.O_CREAT | os.O_WRONLY)
    spools.reserve(fd)
    can = os.fstat(fd).st_blocks * 512 >= spools.RESERVED_BYTES
    os.close(fd)
    assert (found.st_blocks * 512 >= spools.RESERVED_BYTES) is can
