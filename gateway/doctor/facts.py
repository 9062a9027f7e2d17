"""What was found on a machine. Plain data, without secrets: the checks judge nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gateway.audit.alive import Word

MIB = 1024 * 1024


class Result(Enum):
    """What a check says."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    name: str
    result: Result
    seen: str
    """What was found, numbers with their units."""
    advice: str = ""
    """What to do. Empty where there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a lock or a port."""

    pid: int
    name: str
    ours: bool
    """It belongs to this deployment."""


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that holds a password, an address, a token or a key."""

    key: str
    """Its key in the configuration."""
    path: str
    problem: str = ""
    """Why it cannot be read; empty when it can."""
    mode: int = 0o600
    owner_uid: int = 0


@dataclass(frozen=True, slots=True)
class KeyPair:
    """CURVE keys of the core or of a route, as far as this host has them."""

    owner: str
    is_missing: bool = False
    """The public key is not on this host."""
    problem: str = ""
    """Why one that is here cannot be used."""
    has_both: bool = False
    is_pair: bool = False


@dataclass(frozen=True, slots=True)
class Port:
    """An address that a process of ours listens on."""

    key: str
    address: str
    """HOST:PORT."""
    problem: str = ""
    """Why it cannot be listened on; empty when it is free."""
    holder: Holder | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """A counterparty that a session connects to."""

    session: str
    address: str
    problem: str = ""
    took_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the state folder is, or will be."""

    exists: bool = True
    """The folder itself; where not, its nearest parent was looked at."""
    path: str = "state"
    mode: int = 0o700
    owner_uid: int = 0
    file_system: str = "ext4"
    mounted_at: str = "/"
    free_bytes: int = 0
    total_bytes: int = 0
    sync_us: tuple[int, ...] = ()
    """Times of single appends of 4 KiB with fsync."""
    problem: str = ""
    """Why nothing could be written there."""
    problem_errno: int = 0
    """Its number (errno(3)); 0 where it has none."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a running deployment says."""

    status: dict[str, Any] | None = None
    """The core's answer; None where none runs."""
    problem: str = ""
    """Why a core that is there does not answer."""
    audit: Word = field(default_factory=Word)
    """What the audit process said last, and whether it is there."""
    alerts: dict[str, Any] | None = None
    locks: tuple[tuple[str, Holder | None], ...] = ()
    """Folders of the deployment's processes that have a lock file, and who holds it."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is installed."""

    version: str = ""
    python: tuple[int, int, int] = (3, 11, 0)
    python_sqlite: tuple[int, int, int] = (3, 51, 3)
    core_problem: str = ""
    core_version: str = ""
    core_sqlite: tuple[int, int, int] = (3, 51, 3)
    engine_version: str = ""
    leaves_out: bool = False
    """The core is a test build in which rules of delivery can be left out."""
    quickfix_problem: str = ""
    quickfix: str = ""
    quickfix_wanted: str = ""
    """The version that this program was tested with."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Clock, processors, memory, limits."""

    uid: int = 0
    clock_error_us: int | None = 0
    clock_rate_ppm: float = 0.0
    """How much faster the wall clock ran than the steady one while the doctor was at work."""
    open_files: int = 1024
    processors: float = 2.0
    """That this process may use, a share of a control group counted."""
    memory_free_bytes: int = 0
    memory_limit_bytes: int | None = None
    """Of the control group; None without one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the configuration asks for, as numbers."""

    durability: str = "process"
    clock_error_us: int | None = None
    sessions: int = 0
    leader_sessions: int = 0
    routes: int = 0
    followers: int = 0
    sinks: tuple[str, ...] = ()
    orphan_ms: int = 5_000


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it."""

    config_path: str
    problems: tuple[str, ...] = ()
    """Errors of the configuration. With one, most of the rest is not known."""
    warnings: int = 0
    is_offline: bool = False
    program: Program = field(default_factory=Program)
    machine: Machine = field(default_factory=Machine)
    wanted: Wanted = field(default_factory=Wanted)
    disk: Disk = field(default_factory=Disk)
    secrets: tuple[SecretFile, ...] = ()
    variables: tuple[tuple[str, str, bool], ...] = ()
    """Key, name of the environment variable, whether it is set here."""
    keys: tuple[KeyPair, ...] = ()
    ports: tuple[Port, ...] = ()
    peers: tuple[Peer, ...] = ()
    profiles: tuple[str, ...] = ()
    dictionaries: tuple[tuple[str, str], ...] = ()
    """File, and why it cannot be read."""
    left_stops: tuple[str, ...] = ()
    """Stops that no core has taken up: level, scope and author."""
    running: Running = field(default_factory=Running)


def unknown(name: str, why: str = "the configuration has errors") -> list[Finding]:
    """What a check says that has no facts to judge."""
    return [Finding(name, Result.SKIP, why)]
