"""A configuration as the processes of a deployment need it: read once, in a process of its own."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.config import GatewayConfig, core_json, load, without_followers
from gateway.fork import apart
from gateway.kill_parts import packed

FASTEST = 1
"""zlib level. The text of 10,000 followers is the same words 10,000 times."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What all processes share; a process that is started again gets what it had."""

    config: GatewayConfig
    """Without followers and subscriptions: only the core's engine holds those."""
    core_text: bytes = b""
    """The core's configuration, packed; empty where no core is started."""
    kill_parts: bytes = b""
    """By what routes know the followers and instruments of a stop that no core has taken up, packed."""


def read(path: Path, with_core: bool) -> Deployment:
    """Reads and checks a configuration file. Raises `ConfigProblems` as `load` does."""
    config = load(path)
    text = zlib.compress(core_json(config).encode(), FASTEST) if with_core else b""
    return Deployment(without_followers(config), text, packed(config))


def unpacked(core_text: bytes) -> str:
    """The core's configuration as JSON text."""
    return zlib.decompress(core_text).decode()


def read_apart(path: Path, with_core: bool) -> Deployment:
    """The same in a child: 10,000 followers take 400 MB while they are checked."""
    return apart("read", partial(read, path, with_core))
