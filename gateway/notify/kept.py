"""What the alerts process keeps in a file: its place in the spool, and what waits for each sink."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from gateway.notify.gate import windows_of
from gateway.notify.inbox import Place
from gateway.notify.spool import OWNER_ONLY
from gateway.notify.waiting import alerts_of

STATE_BYTES_MAX = 64 * 1024 * 1024
"""Sixteen sinks with full queues take a quarter of it."""

log = structlog.get_logger("alerts")


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier process left."""

    place: Place = field(default_factory=Place)
    sinks: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name: `told`, `down_since`, `said`, `gate`, `waiting`."""


def file_of(folder: Path) -> Path:
    """The file."""
    return folder / "state.json"


def keep(folder: Path, state: dict[str, Any]) -> None:
    """Replaces the file in one step. Raises OSError when it cannot be written: the old one stays."""
    fresh = folder / "state.json.new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(file_of(folder))


def kept_of(folder: Path) -> Kept:
    """What was kept; nothing at the first start. A file that cannot be read is set aside, and that is told:
    the spool, as far as it is there, is told from its beginning."""
    file = file_of(folder)
    try:
        with file.open("rb") as stream:
            values = json.loads(stream.read(STATE_BYTES_MAX))
        for one in values["sinks"].values():
            windows_of(one["gate"])
            alerts_of(one["waiting"])
        return Kept(Place(int(values["inode"]), int(values["offset"])), values["sinks"])
    except FileNotFoundError:
        return Kept()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.error("alerts.state_lost", error=repr(error), kept_as="state.json.lost")
        file.replace(file.with_suffix(".json.lost"))
        return Kept()
