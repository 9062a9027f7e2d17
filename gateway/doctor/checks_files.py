"""What the doctor says of the state folder, its disk, secrets and keys. Pure."""

from __future__ import annotations

import errno
from statistics import median

from gateway.doctor.facts import MIB, Facts, Finding, Result, unknown

OK, WARN, FAIL, SKIP = Result.OK, Result.WARN, Result.FAIL, Result.SKIP
FREE_BYTES_MIN, FREE_BYTES_WELL = 256 * MIB, 2048 * MIB
"""Below the first a busy day does not fit, below the second a busy week."""
SYNC_POWER_US, SYNC_SLOW_US = 10_000, 100_000
"""With durability "power" each group of rows waits for one fsync before its orders leave."""
OTHERS_WRITE, OTHERS_READ, ANY_OTHER = 0o022, 0o044, 0o077
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "lustre", "glusterfs", "afs", "gfs2"}
)
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
NO_RIGHT = "Give this user the right to write there, or name another state_dir."
FULL = "Make room there, in bytes (df -h) and in files (df -i): nothing is journaled, and nothing is sent."
WRITABLE = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: f"Raise this user's quota. {FULL}",
    errno.EROFS: "Mount it for writing. If nobody mounted it so, the disk had an error: `dmesg` says which."
    " Check it (fsck) before you mount it again, or name a state_dir on another disk.",
    errno.EIO: "The disk fails: `dmesg` says how. Put state_dir on another one, with what can still be read.",
}
"""What helps where nothing can be written."""


def state_folder(facts: Facts) -> list[Finding]:
    """Who may write there may trade; who may read there sees every trade."""
    disk = facts.disk
    if facts.problems:
        return unknown("state folder")
    if disk.problem:
        advice = WRITABLE.get(disk.problem_errno, NO_RIGHT)
        return [Finding("state folder", FAIL, f"{disk.path}: {disk.problem}", advice)]
    if not disk.exists:
        return [Finding("state folder", OK, f"{disk.path} is not there yet: the first start makes it")]
    seen = f"{disk.path}, mode {disk.mode:03o}, owner {disk.owner_uid}"
    if disk.mode & OTHERS_WRITE:
        advice = f"Others can command the gateway and change its journal: chmod 700 {disk.path}."
        return [Finding("state folder", FAIL, seen, advice)]
    if disk.owner_uid != facts.machine.uid:
        advice = f"Run the doctor as the user that runs the gateway (this is {facts.machine.uid})."
        return [Finding("state folder", WARN, seen, advice)]
    if disk.mode & OTHERS_READ:
        advice = f"Others can read accounts and trades: chmod 700 {disk.path}."
        return [Finding("state folder", WARN, seen, advice)]
    return [Finding("state folder", OK, seen)]


def file_system(facts: Facts) -> list[Finding]:
    """SQLite in WAL mode and file locks need a local disk, and a journal one that lasts."""
    kind, name = facts.disk.file_system, "file system"
    if facts.problems:
        return unknown(name)
    seen = f"{kind} at {facts.disk.mounted_at}"
    if kind in NETWORK or kind.startswith("fuse."):
        advice = "Put state_dir on a local disk: SQLite's WAL and file locks are not safe over a network."
        return [Finding(name, WARN, seen, advice)]
    if kind in IN_MEMORY:
        return [Finding(name, WARN, seen, "It does not survive a reboot: put state_dir on a disk.")]
    if kind == "overlay":
        advice = "It goes with the container: put state_dir on a volume."
        return [Finding(name, WARN, seen, advice)]
    return [Finding(name, OK, seen)]


def disk_space(facts: Facts) -> list[Finding]:
    """Without room nothing is journaled, and nothing is sent."""
    disk, name = facts.disk, "disk space"
    if facts.problems:
        return unknown(name)
    seen = f"{disk.free_bytes // MIB:,} MiB free of {disk.total_bytes // MIB:,} MiB"
    advice = "Make room: without it nothing is journaled, and nothing is sent."
    if disk.free_bytes < FREE_BYTES_MIN:
        return [Finding(name, FAIL, seen, advice)]
    return [
        Finding(name, WARN, seen, advice) if disk.free_bytes < FREE_BYTES_WELL else Finding(name, OK, seen)
    ]


def disk_speed(facts: Facts) -> list[Finding]:
    """How long an append of 4 KiB with fsync takes there."""
    disk, name = facts.disk, "disk speed"
    if facts.problems or disk.problem or not disk.sync_us:
        return unknown(name, disk.problem or "not measured")
    middle, worst = int(median(disk.sync_us)), max(disk.sync_us)
    seen = (
        f"{len(disk.sync_us)} writes of 4 KiB with fsync: p50 {middle / 1000:.2f} ms, "
        f"max {worst / 1000:.2f} ms"
    )
    power = facts.wanted.durability == "power"
    if power and middle > SYNC_POWER_US:
        advice = 'Each group of orders waits so long: use a faster disk, or durability = "process".'
        return [Finding(name, WARN, seen, advice)]
    if middle > SYNC_SLOW_US:
        return [Finding(name, WARN, seen, "Use a faster disk: a start and each snapshot wait for it.")]
    return [Finding(name, OK, seen)]


def passwords(facts: Facts) -> list[Finding]:
    """Files and variables that hold secrets: there, and readable by us alone."""
    name = "secrets"
    if facts.problems and not facts.secrets:
        return unknown(name)
    lines: list[Finding] = []
    for file in facts.secrets:
        seen = f"{file.key}: {file.path}"
        if file.problem:
            advice = "Make it, or give this user the right to read it."
            lines.append(Finding(name, FAIL, f"{seen}: {file.problem}", advice))
        elif file.mode & ANY_OTHER:
            advice = f"Others can read it: chmod 600 {file.path}."
            lines.append(Finding(name, FAIL, f"{seen}, mode {file.mode:03o}", advice))
        elif file.owner_uid not in (facts.machine.uid, 0):
            advice = "Make the user that runs the gateway its owner."
            lines.append(Finding(name, WARN, f"{seen}, owner {file.owner_uid}", advice))
    for key, variable, is_set in facts.variables:
        if not is_set:
            advice = "Set it where the gateway runs; it may be set there and not here."
            lines.append(Finding(name, WARN, f"{key}: {variable} is not set here", advice))
    if lines:
        return lines
    return [Finding(name, OK, f"{len(facts.secrets)} files, {len(facts.variables)} variables")]


def keys(facts: Facts) -> list[Finding]:
    """CURVE keys belong together; a host has the secrets of its own processes only."""
    name = "keys"
    if facts.problems:
        return unknown(name)
    if not facts.keys:
        return [Finding(name, SKIP, "core.bind is ipc: there are no keys")]
    lines = []
    for pair in facts.keys:
        advice = f"Make both again: `copygate keys DIR {pair.owner.rpartition('.')[2]}`."
        if pair.problem:
            lines.append(Finding(name, FAIL, f"{pair.owner}: {pair.problem}", advice))
        elif pair.is_missing:
            advice = "The core's host needs all public keys; another host the core's, and its own parts'."
            lines.append(Finding(name, WARN, f"{pair.owner}: the public key is not here", advice))
        elif pair.has_both and not pair.is_pair:
            lines.append(Finding(name, FAIL, f"{pair.owner}: public and secret key are no pair", advice))
    pairs = sum(pair.has_both for pair in facts.keys)
    return lines or [
        Finding(name, OK, f"{pairs} pairs, {len(facts.keys) - pairs} public keys of other hosts")
    ]
