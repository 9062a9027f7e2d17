"""A kill switch for a core that does not answer: a file that routes heed, and that the core takes up.

`copygate ctl CONFIG kill` leaves it when no core answers. Every route on this host holds back new orders at
that level from its next heartbeat on. The core that comes back journals the stop as if it had been told, and
removes the file: from then on the stop is its own.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

LEVELS = ("no_opens", "close_only", "halt")
"""Each stops what the one before it stops, and more. A route counts them from 1."""
UNREADABLE = "somebody, in a file that cannot be read"


@dataclass(frozen=True, slots=True)
class LeftStop:
    """A stop of everything that no core has taken up yet."""

    level: str
    who: str

    @property
    def number(self) -> int:
        """The level as a route knows it: 1 no opens, 3 nothing new at all."""
        return LEVELS.index(self.level) + 1


def place_of(state_dir: Path) -> Path:
    """The file of a deployment."""
    return state_dir / "kill.json"


def leave(state_dir: Path, stop: LeftStop) -> LeftStop:
    """Writes the stop, whole or not at all; one that stops more stays. What stands then.

    Raises OSError when the folder cannot be written.
    """
    there = left(state_dir)
    if there is not None and there.number >= stop.number:
        return there
    place = place_of(state_dir)
    state_dir.mkdir(parents=True, exist_ok=True)
    fresh = place.with_suffix(f".{os.getpid()}")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"level": stop.level, "who": stop.who}))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(place)
    return stop


def left(state_dir: Path) -> LeftStop | None:
    """The stop that stands: the one that was left, or one that is being taken up, whichever stops more."""
    found = [_read(place) for place in (place_of(state_dir), _taken(state_dir))]
    return max((stop for stop in found if stop is not None), key=lambda stop: stop.number, default=None)


def _taken(state_dir: Path) -> Path:
    return state_dir / "kill.taken.json"


def _read(place: Path) -> LeftStop | None:
    """None without a file. One that cannot be read stops opens: somebody meant to."""
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return LeftStop(LEVELS[0], UNREADABLE)
    level, who = (found.get("level"), found.get("who")) if isinstance(found, dict) else (None, None)
    return LeftStop(level if level in LEVELS else LEVELS[0], who if isinstance(who, str) else UNREADABLE)


def set_aside(state_dir: Path) -> None:
    """Before a stop is journaled: a harder one that is left meanwhile is another file, and is not lost.

    Raises OSError when the folder cannot be written.
    """
    if place_of(state_dir).exists():
        place_of(state_dir).replace(_taken(state_dir))


def taken_up(state_dir: Path) -> None:
    """What was set aside is in the journal. Raises OSError when it cannot be removed."""
    _taken(state_dir).unlink(missing_ok=True)
