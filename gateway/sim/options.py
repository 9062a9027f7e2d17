"""What the options of `copygate sim` must be, checked before anything starts: a run must not end without its
book, and QuickFIX says of a bad session only that it does not like it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import get_args

from gateway.config_sections import BeginString
from gateway.config_types import FIX_TEXT_PATTERN
from gateway.errors import EnvironmentProblem, UsageError
from gateway.sim.fix_server import SimSession

BEGIN_STRINGS: tuple[str, ...] = get_args(BeginString)
"""The versions that a session of the gateway can have."""
FIX_TEXT_BOUND = "1 to 64 printable ASCII characters without =, no space at either end"
"""What the gateway's configuration takes, in words."""


def checked_session(session: str, peer: str, begin_string: str) -> SimSession:
    """The session of these options. UsageError when no gateway could log on to it."""
    checked_text("--session", session)
    checked_text("--peer", peer)
    if session == peer:
        raise UsageError(
            "is the same as --peer", path="--session", value=session,
            hint="--session is the simulator's SenderCompID(49), --peer the gateway's.",
        )  # fmt: skip
    if begin_string not in BEGIN_STRINGS:
        raise UsageError(
            "unknown version of FIX", path="--begin-string", value=begin_string,
            bound=f"one of {', '.join(BEGIN_STRINGS)}",
        )  # fmt: skip
    return SimSession(session, peer, begin_string)


def checked_accounts(option: str, text: str) -> list[str]:
    """The names in a list with commas. UsageError when one of them is none."""
    return [checked_text(option, name.strip()) for name in text.split(",")]


def check_book(path: Path | None) -> None:
    """Opens the file of the book as at the end of the run, and leaves it as it was."""
    if path is None:
        return
    existed = path.exists()
    try:
        path.open("a", encoding="utf-8").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise EnvironmentProblem(
            "the book cannot be written", path=f"--book {path}",
            hint=f"{error.strerror}. Name a file in a folder that exists and that this user may write to.",
        ) from error  # fmt: skip


def check_store(folder: Path | None) -> None:
    """Makes the folder of the FIX store and writes to it; QuickFIX would fail on it with no reason."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise EnvironmentProblem(
            "the FIX store cannot be written", path=f"--store {folder}",
            hint=f"{error.strerror}. Name a folder that this user may write to.",
        ) from error  # fmt: skip


def checked_text(option: str, text: str) -> str:
    """A value that goes on the wire. UsageError when it cannot."""
    if not re.search(FIX_TEXT_PATTERN, text):
        raise UsageError("cannot be used", path=option, value=text or "nothing", bound=FIX_TEXT_BOUND)
    return text
