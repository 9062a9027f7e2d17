"""A kill switch for a core that does not answer: files that routes heed, and that the core takes up.

`copygate ctl CONFIG kill` leaves one when no core answers: `kill.json` for everything, and one beside it for
each scope that a route knows. Every route on this host that it concerns holds back new orders at that level
from its next heartbeat on. The core that comes back journals the stops as if it had been told, and removes
the files: from then on they are its own.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

LEVELS = ("no_opens", "close_only", "halt")
"""Each stops what the one before it stops, and more. A route counts them from 1."""
EVERYTHING = "global"
"""The scope without a name, as the core calls it."""
SCOPES = ("follower", "instrument", "route")
"""Scopes that a route can heed by itself: its orders and its own name say whether they are under one."""
UNREADABLE = "somebody, in a file that cannot be read"
TAKEN = ".taken.json"
"""The end of a file's name while its stop is being taken up."""
HALF = re.compile(r"kill(-.*)?\.\d+")
"""What a writer leaves that was ended, or could not remove it: its process number is at the end."""
HALF_NS_MAX = 3_600_000_000_000
"""Nobody writes a file for so long, nanoseconds."""


@dataclass(frozen=True, slots=True)
class LeftStop:
    """A stop that no core has taken up yet."""

    level: str
    who: str
    scope: str = EVERYTHING
    name: str = ""
    left_ns: int = field(default=0, compare=False)
    """When its file was written, nanoseconds; 0 where it is not known."""

    @property
    def number(self) -> int:
        """The level as a route knows it: 1 no opens, 3 nothing new at all."""
        return LEVELS.index(self.level) + 1

    @property
    def names(self) -> dict[str, str]:
        """The scope as a command says it; empty for everything."""
        return {} if self.scope == EVERYTHING else {self.scope: self.name}

    @property
    def text(self) -> str:
        """For a person: `halt, by ann`, `no_opens of follower f1, by ann`."""
        of = "".join(f" of {scope} {name}" for scope, name in self.names.items())
        return f"{self.level}{of}, by {self.who}"


def place_of(state_dir: Path, scope: str = EVERYTHING, name: str = "") -> Path:
    """The file of a scope. A name stands in it without dots and slashes, whatever symbols have."""
    part = "" if scope == EVERYTHING else f"-{scope}-{quote(name, safe='').replace('.', '%2E')}"
    return state_dir / f"kill{part}.json"


def leave(state_dir: Path, stop: LeftStop) -> LeftStop:
    """Writes the stop, whole or not at all; one of its scope that stops more stays. What stands then.

    Raises OSError when the folder cannot be written.
    """
    same = [one for one in left(state_dir) if (one.scope, one.name) == (stop.scope, stop.name)]
    if same and same[0].number >= stop.number:
        return same[0]
    text = json.dumps({"level": stop.level, "who": stop.who})
    write_whole(place_of(state_dir, stop.scope, stop.name), text.encode())
    return stop


def write_whole(place: Path, data: bytes, mode: int = 0o666) -> None:
    """Writes a file whole or not at all, and leaves nothing beside it. `mode`: as the umask lets it be.

    Raises OSError when the folder cannot be written.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_suffix(f".{os.getpid()}")
    try:
        with open(fresh, "wb", opener=lambda path, flags: os.open(path, flags, mode)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(place)
    finally:
        # A full disk, or a person who did not wait for one: half a file helps nobody.
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def left(state_dir: Path) -> tuple[LeftStop, ...]:
    """The stops that stand, one of each scope: the one that was left, or the one that is being taken up,
    whichever stops more."""
    try:
        places = _places(state_dir)
    except FileNotFoundError:
        return ()
    except OSError:
        return (LeftStop(LEVELS[0], UNREADABLE),)
    hardest: dict[tuple[str, str], LeftStop] = {}
    for stop in filter(None, map(_read, places)):
        there = hardest.get((stop.scope, stop.name))
        if there is None or stop.number > there.number:
            hardest[stop.scope, stop.name] = stop
    return tuple(hardest.values())


def _places(state_dir: Path) -> list[Path]:
    with os.scandir(state_dir) as entries:
        names = [entry.name for entry in entries]
    mine = (name for name in names if name.endswith(".json") and name.startswith(("kill.", "kill-")))
    return [state_dir / name for name in sorted(mine)]


def _read(place: Path) -> LeftStop | None:
    """None without a file. One that cannot be read stops opens: somebody meant to."""
    scope = _scope_of(place.name.removesuffix(".json").removesuffix(".taken"))
    left_ns = 0
    try:
        left_ns = place.stat().st_mtime_ns
        found = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return LeftStop(LEVELS[0], UNREADABLE, *scope, left_ns)
    level, who = (found.get("level"), found.get("who")) if isinstance(found, dict) else (None, None)
    who = who if isinstance(who, str) else UNREADABLE
    return LeftStop(level if level in LEVELS else LEVELS[0], who, *scope, left_ns)


def _scope_of(stem: str) -> tuple[str, str]:
    """Scope and name of a file's name; everything where it is none that we write."""
    _, _, part = stem.partition("-")
    scope, _, name = part.partition("-")
    return (scope, unquote(name)) if scope in SCOPES and name else (EVERYTHING, "")


def set_aside(state_dir: Path) -> None:
    """Before stops are journaled: a harder one that is left meanwhile is another file, and is not lost.

    What cannot be moved stays, and counts as it is.
    """
    with suppress(OSError):
        for place in _places(state_dir):
            if not place.name.endswith(TAKEN):
                with suppress(OSError):
                    place.replace(place.with_name(place.name.removesuffix(".json") + TAKEN))


def tidy(state_dir: Path, now_ns: int) -> None:
    """Removes what ended writers left. What is young may be being written; what stays is no stop."""
    with suppress(OSError), os.scandir(state_dir) as entries:
        for entry in entries:
            if HALF.fullmatch(entry.name):
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime_ns < now_ns - HALF_NS_MAX:
                        Path(entry.path).unlink()


def taken_up(state_dir: Path) -> None:
    """What was set aside is in the journal. Raises OSError when a file of it cannot be removed."""
    problem: OSError | None = None
    for place in _places(state_dir):
        if place.name.endswith(TAKEN):
            try:
                place.unlink(missing_ok=True)
            except OSError as error:
                problem = error
    if problem is not None:
        raise problem
