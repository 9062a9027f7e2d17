"""What a process has: the files that ship with the program (dictionaries, profiles, deployments), and memory.

A checkout and an installed wheel keep the same layout: `fix_specs/` and `sessions/` stand beside the
`gateway` package. Only this module knows it.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from pathlib import Path

import gateway
from gateway.errors import EnvironmentProblem

M_ARENA_MAX = -8
"""glibc's number for mallopt(3)."""


def root() -> Path:
    """The folder that holds the `gateway` package."""
    return Path(gateway.__file__).resolve().parents[1]


def fix_specs() -> Path:
    """The folder of FIX dictionaries and venue profiles."""
    return _folder("fix_specs")


def profiles() -> Path:
    """The folder of the venue profiles that ship with the program."""
    return _folder("fix_specs") / "profiles"


def sessions() -> Path:
    """The folder of deployments: `demo/` and `examples/`."""
    return _folder("sessions")


def share_one_heap() -> None:
    """All threads of this process take memory from one place. Each thread's own would keep what it took once.

    Ours are few, and mostly hold Python's lock while they work.
    """
    option = getattr(ctypes.CDLL(None), "mallopt", None)
    if option is not None and sys.platform.startswith("linux"):
        option(M_ARENA_MAX, 1)


def give_back_memory() -> None:
    """Returns freed memory to the system: reading a large file takes a multiple of what is kept."""
    gc.collect()
    # glibc's own; other C libraries give memory back by themselves or not at all.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _folder(name: str) -> Path:
    folder = root() / name
    if not folder.is_dir():
        raise EnvironmentProblem(
            "a folder of this installation is missing",
            path=name,
            value=str(folder),
            hint="Install the package again, or run from a complete checkout.",
        )
    return folder
