"""Whether the audit process is still there, and how old the log is: by its own last word, `status.json`.

It says once a second how it is. One that was killed says nothing any more, and its last word sounds well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.clock import wait_until, wall_ns

NS_PER_S = 1_000_000_000
AGAIN_MS = 1_500
"""Within this time a process that lives has said something new."""
SILENT_S_MAX = 10
"""The process says how it is once a second; on a machine that is busy a few seconds later."""
LAG_ROWS_MAX = 10_000
"""About what a fill to thousands of followers makes; the audit lags behind it for seconds."""
ENDED = "stopped", "failed"
"""Words that a process says last, when it ends by itself."""
UNITS = (("days", 86_400), ("h", 3_600), ("min", 60))
TWICE = 2
"""From two of a unit on it is exact enough: 119 min, 2 h."""


@dataclass(frozen=True, slots=True)
class Word:
    """What the audit process said last."""

    status: dict[str, Any] = field(default_factory=dict)
    """status.json; empty where none ever ran, or nobody can read it."""
    age_s: float = 0.0
    """Since it said so."""
    lives: bool = True
    """A process has its number."""

    @property
    def runs(self) -> bool:
        """It is there, and did not say that it ends."""
        return self.lives and bool(self.status) and self.status.get("state") not in ENDED

    @property
    def line(self) -> str:
        """For a person: state, place in the journal, lag, and what is not so any more."""
        if not self.status:
            return "audit process: never ran here"
        said = self.status
        lag_ms = _number(said.get("lag_ns")) // 1_000_000
        state = said.get("state") if self.runs or said.get("state") in ENDED else "ended, without a word"
        line = (
            f"audit process: {state}, row {said.get('journal')} of {said.get('journal_head')},"
            f" lag {said.get('lag_rows')} rows, {lag_ms} ms"
        )
        if not self.runs or self.age_s > SILENT_S_MAX:
            line += f", {ago(self.age_s)} ago"
        return f"{line}: {said['detail']}" if said.get("detail") else line


def last_word(folder: Path, now_ns: Callable[[], int] = wall_ns, again_ms: int = AGAIN_MS) -> Word:
    """Reads status.json of an audit folder, and looks whether its process is there.

    One that nobody can see here may live in another container: then it says something new soon.
    """
    said, written_ns = _read(folder)
    if not said:
        return Word()
    lives = _lives(_number(said.get("pid")))
    # A file that was copied is younger than what it says.
    age_ns = now_ns() - (_number(said.get("at_ns")) or written_ns)
    if not lives and said.get("state") not in ENDED and age_ns < SILENT_S_MAX * NS_PER_S:
        lives = wait_until(lambda: _read(folder)[0].get("at_ns") != said.get("at_ns"), again_ms)
    return Word(said, max(0, age_ns) / NS_PER_S, lives)


def _read(folder: Path) -> tuple[dict[str, Any], int]:
    """The word, and when its file was written; an empty one where there is none, or nobody can read it."""
    place = folder / "status.json"
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        return (found if isinstance(found, dict) else {}), place.stat().st_mtime_ns
    except (OSError, ValueError):
        return {}, 0


def trouble(word: Word, core_runs: bool) -> str:
    """Why the log may lack what happened; empty where it has all of it."""
    said = word.status
    behind = f"row {said.get('journal')} of {said.get('journal_head')}"
    if not said:
        return "the audit process never ran here, and the core runs" if core_runs else ""
    if not word.runs and core_runs:
        return (
            f"the audit process does not run while the core does: the log ends {ago(word.age_s)} ago,"
            f" at {behind}{_why(said)}"
        )
    if word.runs and word.age_s > SILENT_S_MAX:
        return f"the audit process says nothing: the log may end {ago(word.age_s)} ago, at {behind}"
    if not word.runs and (said.get("state") == "failed" or _number(said.get("lag_rows"))):
        return f"the log ends {ago(word.age_s)} ago, at {behind}, and was not finished{_why(said)}"
    if _number(said.get("lag_rows")) > LAG_ROWS_MAX:
        return f"the log is behind: it has {behind}"
    return ""


def core_runs(state: Path) -> bool:
    """Whether a core has its folder. Nothing is asked and nothing is locked."""
    from gateway.doctor.system import lock_holder

    try:
        return lock_holder(state / "core" / "lock") is not None
    except OSError:
        return False


def say_trouble(folder: Path) -> str:
    """The same of an audit folder, now."""
    return trouble(last_word(folder), core_runs(folder.parent))


def ago(seconds: float) -> str:
    """A span to about the second digit: 90 s, 40 min, 7 h, 3 days."""
    for name, of_s in UNITS:
        if seconds >= TWICE * of_s:
            return f"{seconds / of_s:.0f} {name}"
    return f"{seconds:.0f} s"


def _why(said: dict[str, Any]) -> str:
    return f": {said['detail']}" if said.get("detail") else ""


def _number(value: object) -> int:
    """Whole numbers are text where they may be large; 0 for what is none."""
    try:
        return int(value) if isinstance(value, int | str) else 0
    except ValueError:
        return 0


def _lives(pid: int) -> bool:
    """Whether there is a process of this number, of whatever user."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
