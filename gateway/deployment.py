"""A configuration as the processes of a deployment need it: read once, in a process of its own."""

from __future__ import annotations

import os
import pickle
import zlib
from dataclasses import dataclass
from pathlib import Path

from gateway.config import GatewayConfig, core_json, load, without_followers
from gateway.errors import ExitCode
from gateway.fork import fork

FASTEST = 1
"""zlib level. The text of 10,000 followers is the same words 10,000 times."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What all processes share; a process that is started again gets what it had."""

    config: GatewayConfig
    """Without followers and subscriptions: only the core's engine holds those."""
    core_text: bytes = b""
    """The core's configuration, packed; empty where no core is started."""


def read(path: Path, with_core: bool) -> Deployment:
    """Reads and checks a configuration file. Raises `ConfigProblems` as `load` does."""
    config = load(path)
    text = zlib.compress(core_json(config).encode(), FASTEST) if with_core else b""
    return Deployment(without_followers(config), text)


def unpacked(core_text: bytes) -> str:
    """The core's configuration as JSON text."""
    return zlib.decompress(core_text).decode()


def read_apart(path: Path, with_core: bool) -> Deployment:
    """The same in a child that ends then: 10,000 followers take 400 MB while they are checked, and what is
    freed in pieces never goes back to the system as a whole."""
    out, into = os.pipe()
    child = fork("read", lambda: _hand_over(into, path, with_core), keep=into)
    os.close(into)
    with os.fdopen(out, "rb") as stream:
        data = stream.read()
    if child.wait() == ExitCode.OK:
        found: Deployment = pickle.loads(data)
        return found
    # It has problems. Told here, they reach the operator by the one way that errors take.
    return read(path, with_core)


def _hand_over(into: int, path: Path, with_core: bool) -> int:
    try:
        data = pickle.dumps(read(path, with_core))
    except Exception:  # noqa: BLE001 (the parent meets it again, and says it)
        return int(ExitCode.USAGE)
    with os.fdopen(into, "wb") as stream:
        stream.write(data)
    return int(ExitCode.OK)
