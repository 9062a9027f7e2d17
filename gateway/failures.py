"""What went wrong below the shells, in one clear line, with an exit code and what to do: mapped here only."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import NoReturn

import structlog
import zmq

from gateway._fastcore import (
    ConfigError,
    DiskFull,
    FastcoreError,
    JournalDamaged,
    JournalError,
    ReplayMismatch,
)
from gateway.errors import ExitCode, OperatingError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No room on the disk, in the quota, under the file-size limit."""

_DAMAGED = (
    "Starting again does not help. Keep the folder as it is, restore a copy of it, and compare the "
    "followers' positions with their brokers before you trade on."
)
_MISMATCH = (
    "Starting again does not help. Run the version that wrote the journal, or begin a new one while no "
    "follower holds a position."
)
_FULL = "Make room; nothing is acted on that cannot be written, and the start is tried again."
_REFUSED = "Stop the other program that holds it, or give this user the right to write there."
_BUG = "This is a bug: report it with this log."
_REMEDIES: tuple[tuple[type[FastcoreError], ExitCode, str], ...] = (
    (JournalDamaged, ExitCode.STATE, _DAMAGED),
    (ReplayMismatch, ExitCode.STATE, _MISMATCH),
    (DiskFull, ExitCode.RETRY, _FULL),
    (ConfigError, ExitCode.USAGE, "Run `copygate check` on the configuration."),
    (JournalError, ExitCode.ENVIRONMENT, _REFUSED),
)

log = structlog.get_logger("run")


def operating(error: BaseException) -> OperatingError:
    """The failure in an operator's words. What nobody foresaw is a bug: code 70, and its name is kept."""
    if isinstance(error, OperatingError):
        return error
    for kind, code, hint in _REMEDIES:
        if isinstance(error, kind):
            return OperatingError(str(error), hint=hint, exit_code=code)
    if isinstance(error, zmq.ZMQError):
        return OperatingError("a socket between processes failed", hint=str(error))
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error)
    if isinstance(error, OSError):
        return _of_system(error)
    return OperatingError(
        f"the program failed: {error!r}",
        hint=_BUG,
        exit_code=ExitCode.INTERNAL,
    )


def end_now(error: BaseException) -> NoReturn:
    """Says why, and ends the process as `kill -9` would.

    For a failing journal: a polite stop would wait for rows that cannot be written, and what was not
    journaled is asked for again after the restart.
    """
    problem = say(error)
    os._exit(int(problem.exit_code))


def say(error: BaseException) -> OperatingError:
    """Logs the failure in one line; a bug comes with its traceback, inside that line."""
    problem = operating(error)
    bug = error if problem.exit_code == ExitCode.INTERNAL else None
    log.critical("run.failed", error=problem.text(), exit_code=int(problem.exit_code), exc_info=bug)
    return problem


def _of_sqlite(error: sqlite3.Error) -> OperatingError:
    """By SQLite's own result code. An error without one is a wrong call of ours: a bug."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return OperatingError(f"the program failed: {error!r}", hint=_BUG, exit_code=ExitCode.INTERNAL)
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return OperatingError(str(error), hint=_FULL, exit_code=ExitCode.RETRY)
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return OperatingError(str(error), hint=_DAMAGED, exit_code=ExitCode.STATE)
    return OperatingError(str(error), hint=_REFUSED)


def _of_system(error: OSError) -> OperatingError:
    full = error.errno in FULL
    return OperatingError(
        error.strerror or str(error),
        path=str(error.filename or ""),
        hint="Make room; the start is tried again." if full else "Give this user access, or mend the path.",
        exit_code=ExitCode.RETRY if full else ExitCode.ENVIRONMENT,
    )
