"""The supervisor restarts what ended, with growing pauses, and stops everything in time."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import app, clock
from gateway._fastcore import DiskFull, FastcoreError, JournalDamaged, JournalError, ReplayMismatch
from gateway.app import Fate
from gateway.errors import ExitCode
from gateway.failures import operating
from tests.session.harness import until


def child(program: str) -> app.Child:
    """A child that runs a line of Python."""

    def work() -> int:
        os.execv(sys.executable, [sys.executable, "-c", program])

    return app.Child("child", work)


def sqlite_error(code: int) -> sqlite3.Error:
    """An error as SQLite gives it, with its result code."""
    error = sqlite3.OperationalError(f"code {code}")
    error.sqlite_errorcode = code
    return error


def test_an_ended_child_is_started_again_after_a_growing_pause() -> None:
    """A crash loop must not eat the machine."""
    crashing = child("raise SystemExit(70)")
    codes: list[int] = []

    def ended_twice() -> bool:
        code = crashing.look()
        codes.extend([] if code is None else [code])
        return len(codes) == 2

    until(ended_twice, "the child ends twice")
    assert codes == [70, 70]
    assert crashing.failures == 2
    assert 0 < crashing.start_at_ms - clock.steady_ms() <= app.BACK_OFF_MS[1]


def test_stopping_ends_willing_and_unwilling_children_within_five_seconds() -> None:
    """A child that ignores SIGTERM is killed; nobody outlives a stop."""
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    children = [child("import time; time.sleep(60)"), child(stubborn)]
    for one in children:
        one.start()
    started_ms = clock.steady_ms()
    app._stop(children)
    assert clock.steady_ms() - started_ms < 5_000
    assert all(one.process is not None and one.process.returncode is not None for one in children)


def test_the_audit_stops_behind_the_others(tmp_path: Path) -> None:
    """It reads the journal to the end, so whoever writes there must have written."""
    done, ready = tmp_path / "done", tmp_path / "ready"
    last_row = f"from pathlib import Path; Path({str(done)!r}).touch()"
    writer = child(
        f"import signal, sys, time; signal.signal(15, lambda *_: (time.sleep(0.3), exec({last_row!r}), "
        f"sys.exit(0))); exec({last_row.replace('done', 'ready')!r}); time.sleep(60)"
    )
    writer.name = "core"
    reader = child(
        "import signal, sys, time; from pathlib import Path; signal.signal(15, lambda *_: "
        f"sys.exit(0 if Path({str(done)!r}).exists() else 9)); time.sleep(60)"
    )
    reader.name = app.AUDIT
    for one in (reader, writer):
        one.start()
    until(ready.exists, "the writer runs")
    app._stop([reader, writer])
    assert [one.process.returncode for one in (writer, reader) if one.process is not None] == [0, 0]


@pytest.mark.parametrize(
    ("name", "code", "failures", "fate"),
    [
        ("core", 4, 1, Fate.STOP),
        ("core", 2, 1, Fate.STOP),
        ("route:r1", 2, 1, Fate.STOP),
        ("core", 3, 1, Fate.AGAIN),
        ("core", 3, 6, Fate.STOP),
        ("route:r1", 3, 60, Fate.AGAIN),
        ("core", 75, 60, Fate.AGAIN),
        ("core", 70, 60, Fate.AGAIN),
        ("core", -9, 60, Fate.AGAIN),
        ("route:r1", 4, 1, Fate.PARK),
        ("audit", 4, 1, Fate.PARK),
        ("alerts", 2, 60, Fate.AGAIN),
        ("alerts", 4, 1, Fate.AGAIN),
    ],
)
def test_what_cannot_heal_is_not_started_again(name: str, code: int, failures: int, fate: Fate) -> None:
    """Damage is final; a full disk and a kill are not; one route's damage leaves the others alone, and that
    nobody can be told leaves all of them alone."""
    ended = app.Child(name, lambda: 0, failures=failures)
    assert app.fate_of(ended, code) is fate


def test_a_parked_child_stays_down() -> None:
    """Its pause is over, and still it is not started."""
    parked = child("raise SystemExit(4)")
    parked.parked = True
    assert parked.look() is None
    assert parked.process is None


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (JournalDamaged("j.db: row 3: torn"), ExitCode.STATE, "restore a copy"),
        (ReplayMismatch("j.db: row 3: replay derived digest"), ExitCode.STATE, "version that wrote"),
        (DiskFull("j.db: append row 3"), ExitCode.RETRY, "Make room"),
        (JournalError("j.db: locked"), ExitCode.ENVIRONMENT, "other program"),
        (sqlite_error(13), ExitCode.RETRY, "Make room"),
        (sqlite_error(11 | 1 << 8), ExitCode.STATE, "restore a copy"),
        (sqlite_error(8), ExitCode.ENVIRONMENT, "right to write"),
        (sqlite3.ProgrammingError("wrong call"), ExitCode.INTERNAL, "bug"),
        (FastcoreError("a panic"), ExitCode.INTERNAL, "bug"),
        (OSError(28, "No space left on device", "/x"), ExitCode.RETRY, "/x: No space left"),
        (PermissionError(13, "Permission denied", "/x"), ExitCode.ENVIRONMENT, "/x: Permission denied"),
        (KeyError("x"), ExitCode.INTERNAL, "KeyError('x')"),
    ],
)
def test_each_failure_has_its_code_and_says_what_to_do(error: Exception, code: ExitCode, says: str) -> None:
    """One place maps them, for every process."""
    problem = operating(error)
    assert problem.exit_code == code
    assert says in problem.text()


def test_the_audit_process_stands_back_for_the_others() -> None:
    """It works ten times as long on an event as the core; on two processors, orders would wait for it."""
    program = (
        "import os; from unittest.mock import Mock; from gateway import app; app._work_of(Mock(), 'audit'); "
        "print(os.nice(0), os.sched_getscheduler(0))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    nice, policy = map(int, out.split())
    assert nice == min(19, os.nice(0) + app.BACKGROUND_NICE)
    if sys.platform.startswith("linux"):
        assert policy == os.SCHED_BATCH
