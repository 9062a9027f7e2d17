"""What Linux says of itself: clock, memory, limits, mounts, locks. Pure functions read the texts of /proc."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from gateway import clock
from gateway.doctor.facts import Holder, Machine

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
KIB = 1024


def machine(clock_rate_ppm: float, core_pid: int | None) -> Machine:
    """The numbers; open files are those of the running core where there is one."""
    memory_limit, processor_share = limits_of_groups(_read(PROC / "self" / "cgroup"))
    processors = float(len(os.sched_getaffinity(0)))
    return Machine(
        uid=os.geteuid(),
        clock_error_us=clock.error_us(),
        clock_rate_ppm=clock_rate_ppm,
        open_files=_open_files(core_pid),
        processors=processors if processor_share is None else min(processors, processor_share),
        memory_free_bytes=memory_free(_read(PROC / "meminfo")),
        memory_limit_bytes=memory_limit,
    )


def file_system(path: Path) -> tuple[str, str]:
    """Type and mount point of the file system that a path is on; `unknown` where nobody says."""
    return mount_of(str(path.resolve()), _read(PROC / "self" / "mountinfo"))


def mount_of(path: str, mountinfo: str) -> tuple[str, str]:
    """The same from the text of mountinfo (proc(5)): the longest mount point above, the newest of equals."""
    best = ("unknown", "?")
    length = -1
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        if len(fields.split()) < 5 or not rest.split():
            continue
        point = fields.split()[4].replace("\\040", " ")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= length:
            best, length = (rest.split()[0], point), len(point)
    return best


def memory_free(meminfo: str) -> int:
    """Bytes that programs can have, by the text of meminfo."""
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * KIB
    return 0


def limits_of_groups(cgroup: str) -> tuple[int | None, float | None]:
    """Memory (bytes) and processors that control groups (version 2) leave this process; None: no limit."""
    memory: list[int] = []
    share: list[float] = []
    for folder in _groups(cgroup):
        bytes_max = _read(folder / "memory.max").strip()
        if bytes_max.isdigit():
            memory.append(int(bytes_max))
        quota = _read(folder / "cpu.max").split()
        if len(quota) == 2 and quota[0].isdigit():
            share.append(int(quota[0]) / int(quota[1]))
    return min(memory, default=None), min(share, default=None)


def _groups(cgroup: str) -> Iterator[Path]:
    """The group of a process and those above it."""
    for line in cgroup.splitlines():
        if line.startswith("0::"):
            folder = CGROUPS / line.removeprefix("0::").lstrip("/")
            yield folder
            yield from (parent for parent in folder.parents if parent.is_relative_to(CGROUPS))


def lock_holder(lock: Path) -> Holder | None:
    """Who holds a lock file; nobody is asked and nothing is locked."""
    found = lock.stat()
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    pid = locker(_read(PROC / "locks"), found.st_ino, device)
    return None if pid is None else Holder(pid, name_of(pid), True)


def locker(locks: str, inode: int, device: str) -> int | None:
    """The process that holds an exclusive flock on a file, by the text of /proc/locks (proc(5)).

    A file system may give another device there than to stat(2): then the inode alone counts.
    """
    held: dict[str, int] = {}
    for line in locks.splitlines():
        fields = line.split()
        if "->" in fields or "FLOCK" not in fields:
            continue
        _, _, _, mode, pid, place, *_ = fields
        of_device, _, of_inode = place.rpartition(":")
        if mode == "WRITE" and of_inode == str(inode):
            held[of_device] = int(pid)
    return held.get(device, next(iter(held.values()), None))


def name_of(pid: int) -> str:
    """What `ps` shows for a process."""
    return _read(PROC / str(pid) / "comm").strip() or "?"


def _open_files(core_pid: int | None) -> int:
    try:
        soft, _ = resource.prlimit(core_pid or 0, resource.RLIMIT_NOFILE)
    except (OSError, ValueError):
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 - 1 if soft == resource.RLIM_INFINITY else soft


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
