"""The reader's end of the spool: records from a place that is kept, rotation, and what was torn."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import clock
from gateway.notify.spool import OWNER_ONLY, RECORD_BEGIN, RECORD_BYTES_MAX, RECORD_END, reserve, spool_of

READ_BYTES = 64 * 1024
"""At once: about two hundred alerts."""
ROTATE_BYTES = 256 * 1024
"""A spool of this size is begun anew, also while it is written to: in a storm its end is never seen."""
TORN_MS = 2_000
"""A record that was begun has its end by then, or never."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the reader is: the file, by its inode, and the bytes of it that are done with."""

    inode: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What a stretch of a spool holds."""

    lines: tuple[bytes, ...]
    torn: int
    """Pieces that are no record: begun, and never ended."""
    used: int
    """Bytes that are done with; behind them a record may still be in the making."""


def split(data: bytes, ended: bool) -> Found:
    """The records of a stretch that begins at one. `ended`: nobody goes on writing at its end."""
    pieces = data.split(RECORD_BEGIN)
    lines: list[bytes] = []
    torn = 1 if pieces[0].strip() else 0
    for number, piece in enumerate(pieces[1:], 1):
        is_last = number == len(pieces) - 1
        if piece.endswith(RECORD_END):
            lines.append(piece[: -len(RECORD_END)])
        elif is_last and not ended and len(piece) <= RECORD_BYTES_MAX:
            return Found(tuple(lines), torn, len(data) - len(piece) - len(RECORD_BEGIN))
        else:
            torn += 1
    return Found(tuple(lines), torn, len(data))


class Inbox:
    """Reads what processes left. The place is advanced by `read`, and durable once its owner has kept it."""

    def __init__(self, state_dir: Path, place: Place, now_ms: Callable[[], int] = clock.steady_ms) -> None:
        self._path = spool_of(state_dir)
        self._old = self._path.with_name("spool.old")
        self._now_ms = now_ms
        self._begun_at: tuple[Place, int] | None = None
        self.place = place
        self.torn = 0
        """Records that were written in part, since somebody looked."""

    def read(self) -> list[tuple[dict[str, Any], bytes]]:
        """The next lines, parsed and as they are; none when there is nothing new.

        Raises OSError when the spool cannot be read.
        """
        # The place stays at the end of the old file until that is removed: only then the next one is begun.
        lines = self._read(self._old)
        if lines is None:
            lines = self._read(self._path)
        return lines or []

    def rotate(self, kept: Place) -> bool:
        """Puts a large file aside, or removes the one that was, once `kept`, which is durable, is at its end.

        Whether it did either.

        Raises OSError when the folder cannot be written.
        """
        if self._old.exists():
            if self._read_all(self._old, kept):
                self._old.unlink()
                return True
            return False
        if not self._path.exists() or self._path.stat().st_size < ROTATE_BYTES:
            return False
        # From here on writers that find another file behind the name write once more, into that.
        self._path.rename(self._old)
        self._begin()
        return True

    def _read(self, path: Path) -> list[tuple[dict[str, Any], bytes]] | None:
        """None where the file is not there."""
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                place = self.place if self.place.inode == found.st_ino else Place(found.st_ino)
                if place.offset > found.st_size:
                    place = Place(found.st_ino)
                file.seek(place.offset)
                data = file.read(READ_BYTES)
        except FileNotFoundError:
            return None
        piece = split(data, self._is_given_up(place, data))
        self.torn += piece.torn
        self.place = Place(place.inode, place.offset + piece.used)
        return [line for raw in piece.lines if (line := self._parsed(raw)) is not None]

    def _is_given_up(self, place: Place, data: bytes) -> bool:
        """Whether the same begun record has been all that there is for too long."""
        if not data or split(data, False).used > 0:
            self._begun_at = None
            return False
        if self._begun_at is None or self._begun_at[0] != place:
            self._begun_at = (place, self._now_ms())
        return self._now_ms() - self._begun_at[1] >= TORN_MS

    def _parsed(self, raw: bytes) -> tuple[dict[str, Any], bytes] | None:
        try:
            line = json.loads(raw)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            self.torn += 1
            return None
        return line, raw

    def _read_all(self, path: Path, kept: Place) -> bool:
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        return kept == Place(found.st_ino, found.st_size)

    def _begin(self) -> None:
        """Makes the next file with its room taken, unless a writer was faster."""
        fresh = self._path.with_name("spool.new")
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        try:
            reserve(fd)
        finally:
            os.close(fd)
        try:
            os.link(fresh, self._path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
