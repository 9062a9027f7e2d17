"""The page of memory by which a test tells running processes what to break.

It is a file that the test, the library of `shim.cpp` and the steps of `steps.py` map. All zero: nothing.
"""

from __future__ import annotations

import mmap
import os
import struct
from enum import IntEnum
from pathlib import Path

PAGE = "COPYGATE_FAULTS"
"""Environment variable with the page's path."""
PAGE_BYTES = 4096
PATH_AT, PATH_BYTES = 64, 128
_I64, _I32 = struct.Struct("<q"), struct.Struct("<i")


class Slot(IntEnum):
    """Where a 32-bit number stands in the page; `shim.cpp` has the same."""

    STEP = 8
    """Number of the step at which the process kills itself."""
    STEP_LEFT = 12
    """How many times the step is passed before that."""
    STEP_FIRED = 16
    IO = 20
    """What becomes of a write to the named file: an `Io`."""
    IO_LEFT = 24
    IO_FIRED = 28
    DROP_TO_ROUTE = 32
    """Frames of orders, from core to routes, that get lost."""
    DROP_TO_CORE = 36
    """Frames of rows, from routes to core, that get lost."""
    DROPPED = 40


class Io(IntEnum):
    """What `shim.cpp` does to a write or a sync of the file whose path contains the page's text."""

    NOTHING = 0
    FULL = 1
    """No space left on the device."""
    BAD = 2
    """A sync fails: input/output error."""
    READ_ONLY = 3
    """The file system was mounted read-only."""
    KILL_BEFORE = 4
    """The process ends before the write."""
    KILL_TORN = 5
    """The process ends with half of it written."""
    KILL_BEHIND = 6
    """The process ends when it is written, and before it is synced."""
    KILL_SYNC = 7
    """The process ends in place of the sync."""


class Page:
    """The mapped page. Numbers are read and written whole; a race costs a fault, never a crash."""

    def __init__(self, path: Path) -> None:
        path.touch()
        with path.open("r+b") as file:
            if path.stat().st_size < PAGE_BYTES:
                file.truncate(PAGE_BYTES)
            self._map = mmap.mmap(file.fileno(), PAGE_BYTES)

    @classmethod
    def of_environment(cls) -> Page | None:
        """The page of this process; None where nothing is to be broken."""
        path = os.environ.get(PAGE)
        return None if path is None else cls(Path(path))

    def __getitem__(self, slot: Slot) -> int:
        found: int = _I32.unpack_from(self._map, slot)[0]
        return found

    def __setitem__(self, slot: Slot, value: int) -> None:
        _I32.pack_into(self._map, slot, value)

    def step_clock(self, offset_ns: int) -> None:
        """The wall clock of all processes is off by this much from now on."""
        _I64.pack_into(self._map, 0, offset_ns)

    def break_file(self, part_of_path: str, what: Io, after: int = 0) -> None:
        """From the `after`-th write on, counted from 0, for an error; at it, for a kill."""
        text = part_of_path.encode()
        if len(text) >= PATH_BYTES:
            raise ValueError(f"too long for the page: {part_of_path!r}")
        self[Slot.IO] = Io.NOTHING
        self._map[PATH_AT : PATH_AT + PATH_BYTES] = text.ljust(PATH_BYTES, b"\0")
        self[Slot.IO_LEFT] = after
        self[Slot.IO] = what

    def mend_file(self, what: Io) -> None:
        """Ends this breakage, unless another has taken its place."""
        if self[Slot.IO] == what:
            self[Slot.IO] = Io.NOTHING

    def kill_at(self, step: int, after: int = 0) -> None:
        """The process that reaches this step ends there, when it was passed `after` times."""
        self[Slot.STEP_LEFT] = after
        self[Slot.STEP] = step

    def lift(self) -> None:
        """Nothing is broken any more. What has fired stays counted."""
        for slot in (Slot.STEP, Slot.IO, Slot.DROP_TO_ROUTE, Slot.DROP_TO_CORE):
            self[slot] = 0
        self.step_clock(0)
