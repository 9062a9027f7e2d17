"""Where a deployment listens, and whom it connects to: tried, and let go of at once."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from gateway.config import GatewayConfig
from gateway.doctor.facts import Holder, Peer, Port
from gateway.doctor.system import PROC, name_of

CONNECT_S = 2.0
"""A counterparty that takes longer would hold up the other sessions of its process."""
AT_ONCE = 32
LISTENS, ESTABLISHED = "0A", "01"
"""TCP states in /proc/net/tcp."""
STATE, INODE = 3, 9
"""Columns there."""
ANY = "0.0.0.0"


def ports(config: GatewayConfig, ours: frozenset[int]) -> tuple[Port, ...]:
    """Every address that a process of the deployment listens on."""
    return tuple(_port(key, host, port, ours) for key, host, port in _listeners(config))


def peers(config: GatewayConfig, without: frozenset[str]) -> tuple[Peer, ...]:
    """Every counterparty that a session connects to, but those named; all at the same time."""
    asked = [
        (name, session.host, session.port)
        for name, session in config.sessions.items()
        if session.role == "initiator" and name not in without
    ]
    if not asked:
        return ()
    with ThreadPoolExecutor(min(AT_ONCE, len(asked))) as pool:
        return tuple(pool.map(lambda one: _peer(*one), asked))


def connected(config: GatewayConfig, ours: frozenset[int]) -> frozenset[str]:
    """Sessions whose counterparty's port a process of ours has a connection with."""
    inodes = {inode for pid in ours for inode in _sockets(pid)}
    there = {
        port
        for table in ("tcp", "tcp6")
        for port, inode in established(_text(PROC / "self" / "net" / table))
        if inode in inodes
    }
    return frozenset(name for name, session in config.sessions.items() if session.port in there)


def _listeners(config: GatewayConfig) -> Iterator[tuple[str, str, int]]:
    for name, session in config.sessions.items():
        if session.role == "acceptor":
            # QuickFIX listens on every address, whatever the session names.
            yield f"sessions.{name}.port", ANY, session.port
    for key, address in (("core.bind", config.core.bind), ("core.observers", config.core.observers)):
        if address.startswith("tcp://"):
            host, _, port = address.removeprefix("tcp://").rpartition(":")
            yield key, ANY if host == "*" else host.strip("[]"), int(port)


def _port(key: str, host: str, port: int, ours: frozenset[int]) -> Port:
    address = f"{host}:{port}"
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the gateway does it: connections of an earlier run that are not over yet are in nobody's way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return Port(key, address, error.strerror or str(error), _holder(port, ours))
    return Port(key, address)


def _peer(name: str, host: str, port: int) -> Peer:
    address = f"{host}:{port}"
    began_s = time.monotonic()
    try:
        with socket.create_connection((host, port), CONNECT_S):
            return Peer(name, address, "", (time.monotonic() - began_s) * 1000)
    except TimeoutError:
        return Peer(name, address, f"no answer in {CONNECT_S:g} s")
    except socket.gaierror as error:
        return Peer(name, address, f"the name does not resolve: {error.strerror}")
    except OSError as error:
        return Peer(name, address, error.strerror or str(error))


def _holder(port: int, ours: frozenset[int]) -> Holder | None:
    """The process that listens on a port, as far as this user may see it."""
    inodes = {
        inode for table in ("tcp", "tcp6") for inode in listening(_text(PROC / "self" / "net" / table), port)
    }
    pids = (pid for pid in _processes(ours) if inodes & _sockets(pid))
    return next((Holder(pid, name_of(pid), pid in ours) for pid in pids), None)


def _sockets(pid: int) -> set[str]:
    """Inodes of a process' sockets, as far as this user may see them."""
    found: set[str] = set()
    with suppress(OSError):
        for link in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                found.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


def established(table: str) -> list[tuple[int, str]]:
    """Remote port and inode of each connection, by the text of /proc/net/tcp (proc(5))."""
    return [
        (int(row[2].rpartition(":")[2], 16), row[INODE]) for row in _rows(table) if row[STATE] == ESTABLISHED
    ]


def listening(table: str, port: int) -> set[str]:
    """Inodes of the sockets that listen on a port, by the text of /proc/net/tcp (proc(5))."""
    return {
        row[INODE]
        for row in _rows(table)
        if row[STATE] == LISTENS and int(row[1].rpartition(":")[2], 16) == port
    }


def _rows(table: str) -> list[list[str]]:
    rows = [line.split() for line in table.splitlines()[1:]]
    return [row for row in rows if len(row) > INODE]


def _processes(first: frozenset[int]) -> Iterator[int]:
    yield from first
    yield from (
        int(path.name) for path in PROC.iterdir() if path.name.isdigit() and int(path.name) not in first
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
