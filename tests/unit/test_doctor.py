"""Each check of the doctor, by facts: well, or failing for its reason with what to do."""

from __future__ import annotations

import dataclasses
import errno
import os
from dataclasses import replace
from typing import Any

import pytest

from gateway.audit.alive import Word
from gateway.doctor.checks import CHECKS, examine
from gateway.doctor.facts import (
    MIB,
    Disk,
    Facts,
    Finding,
    Holder,
    KeyPair,
    Machine,
    Peer,
    Port,
    Program,
    Result,
    Running,
    SecretFile,
    Wanted,
)

GIB = 1024 * MIB
OK, WARN, FAIL, SKIP = Result.OK, Result.WARN, Result.FAIL, Result.SKIP
STATUS = {"epoch": 3, "journal_rows": 17, "stops": [], "routes": [{"name": "r1", "up": True, "synced": True}]}
FOLLOWING = {"state": "following", "lag_rows": 0, "pid": 42}
SINK = {"told": 4, "down_since": "", "said": "HTTP 204", "waiting": []}
OURS = Holder(41, "core", True)
GOOD = Facts(
    config_path="gateway.toml",
    program=Program(
        version="0.4.0", core_version="0.4.0", engine_version="7", quickfix="1.16.0", quickfix_wanted="1.16.0"
    ),
    machine=Machine(clock_error_us=900, memory_free_bytes=8 * GIB),
    wanted=Wanted(leader_sessions=1, routes=2, followers=10, sinks=("desk",), clock_error_us=50_000),
    disk=Disk(free_bytes=90 * GIB, total_bytes=100 * GIB, sync_us=(900, 1_000, 1_100)),
    secrets=(SecretFile("sessions.L.password_file", "secrets/l"),),
    variables=(("sessions.R.password_env", "PW", True),),
    keys=(KeyPair("core", has_both=True, is_pair=True), KeyPair("routes.r1")),
    ports=(Port("sessions.R.port", "0.0.0.0:9001"), Port("core.bind", "h:9", "Address already in use", OURS)),
    peers=(Peer("L", "h:1", took_ms=3.0),),
    profiles=("copygate44",),
    dictionaries=(("FIX.4.4", ""),),
    running=Running(
        status=STATUS,
        audit=Word(FOLLOWING),
        alerts={"sinks": {"desk": SINK}},
        locks=(("core", OURS), ("audit", Holder(42, "audit", True))),
    ),
)


def having(**parts: Any) -> Facts:
    """Good facts with others in their place; a dictionary replaces fields of a part."""
    values = {
        name: replace(getattr(GOOD, name), **value) if isinstance(value, dict) else value
        for name, value in parts.items()
    }
    return replace(GOOD, **values)


def unwritable(number: int) -> Facts:
    """A state folder that nothing can be written to, by the number of the error."""
    return having(disk={"problem": os.strerror(number), "problem_errno": number})


def found(facts: Facts, name: str) -> list[Finding]:
    """What is said under a name."""
    return [finding for finding in examine(facts) if finding.name == name]


def test_a_good_machine_is_good() -> None:
    """Every check says ok, has something to show, and nothing to advise."""
    findings = examine(GOOD)
    assert len(findings) >= len(CHECKS)
    assert {finding.result for finding in findings} == {OK}, findings
    assert all(finding.seen and not finding.advice for finding in findings)


NOT_RUNNING = Running()
BAD: list[tuple[str, Facts, Result, str, str]] = [
    ("python", having(program={"python": (3, 10, 2)}), FAIL, "3.10.2", "3.11 or newer"),
    ("sqlite of python", having(program={"python_sqlite": (3, 40, 1)}), WARN, "3.40.1", "audit"),
    ("core", having(program={"core_problem": "no module"}), FAIL, "no module", "make build"),
    ("core", having(program={"leaves_out": True}), FAIL, "test build", "make build"),
    ("core", having(program={"core_version": "0.3.0"}), FAIL, "but the program is 0.4.0", "make build"),
    ("sqlite of the core", having(program={"core_sqlite": (3, 51, 2)}), FAIL, "3.51.2", "make build"),
    ("quickfix", having(program={"quickfix": "1.15.1"}), FAIL, "tested with 1.16.0", "quickfix==1.16.0"),
    ("quickfix", having(program={"quickfix_problem": "cannot be used"}), FAIL, "cannot be used", "1.16.0"),
    ("configuration", having(problems=("a", "b")), FAIL, "a (and 1 more)", "copygate check gateway.toml"),
    ("configuration", having(warnings=2), WARN, "2 warnings", "copygate check gateway.toml"),
    ("dictionaries", having(dictionaries=(("FIX.4.4", "gone"),)), FAIL, "FIX.4.4: gone", "generate.py"),
    ("state folder", having(disk={"mode": 0o770}), FAIL, "mode 770", "chmod 700"),
    ("state folder", having(disk={"mode": 0o755}), WARN, "mode 755", "chmod 700"),
    ("state folder", having(disk={"owner_uid": 7}), WARN, "owner 7", "as the user that runs"),
    ("state folder", unwritable(errno.EACCES), FAIL, "state: Permission denied", "right to write"),
    ("state folder", unwritable(errno.EROFS), FAIL, "state: Read-only file system", "Mount it for writing"),
    ("state folder", unwritable(errno.ENOSPC), FAIL, "state: No space left on device", "df -i"),
    ("state folder", unwritable(errno.EDQUOT), FAIL, "state: Disk quota exceeded", "this user's quota"),
    ("state folder", unwritable(errno.EIO), FAIL, "state: Input/output error", "another one"),
    ("file system", having(disk={"file_system": "nfs4"}), WARN, "nfs4", "local disk"),
    ("file system", having(disk={"file_system": "fuse.sshfs"}), WARN, "fuse.sshfs", "local disk"),
    ("file system", having(disk={"file_system": "tmpfs"}), WARN, "tmpfs", "reboot"),
    ("file system", having(disk={"file_system": "overlay"}), WARN, "overlay", "volume"),
    ("disk space", having(disk={"free_bytes": 200 * MIB}), FAIL, "200 MiB free", "Make room"),
    ("disk space", having(disk={"free_bytes": GIB}), WARN, "1,024 MiB free", "Make room"),
    (
        "disk speed",
        having(disk={"sync_us": (20_000,) * 9}, wanted={"durability": "power"}),
        WARN,
        "p50 20.00 ms",
        "faster disk",
    ),
    ("disk speed", having(disk={"sync_us": (200_000,) * 3}), WARN, "max 200.00 ms", "faster disk"),
    ("secrets", having(secrets=(SecretFile("k", "f", "gone"),)), FAIL, "k: f: gone", "right to read"),
    ("secrets", having(secrets=(SecretFile("k", "f", mode=0o640),)), FAIL, "mode 640", "chmod 600 f"),
    ("secrets", having(secrets=(SecretFile("k", "f", owner_uid=5),)), WARN, "owner 5", "its owner"),
    ("secrets", having(variables=(("k", "PW", False),)), WARN, "k: PW is not set", "Set it"),
    (
        "keys",
        having(keys=(KeyPair("core", has_both=True),)),
        FAIL,
        "core: public and",
        "copygate keys DIR core",
    ),
    ("keys", having(keys=(KeyPair("routes.r1", problem="no key"),)), FAIL, "no key", "copygate keys DIR r1"),
    ("keys", having(keys=(KeyPair("routes.r1", is_missing=True),)), WARN, "not here", "core's host"),
    ("keys", having(keys=()), SKIP, "ipc", ""),
    ("clock", having(machine={"clock_error_us": None}), FAIL, "nobody keeps it", "chrony"),
    (
        "clock",
        having(machine={"clock_error_us": None}, wanted={"clock_error_us": None}),
        WARN,
        "nobody keeps it",
        "chrony",
    ),
    ("clock", having(machine={"clock_error_us": 60_000}), FAIL, "opens stop beyond 50,000 us", "chrony"),
    (
        "clock",
        having(machine={"clock_error_us": 200_000}, wanted={"clock_error_us": None}),
        WARN,
        "200,000 us",
        "chrony",
    ),
    ("clock rate", having(machine={"clock_rate_ppm": -5_000.0}), WARN, "-5,000 ppm", "slowly"),
    ("processors", having(machine={"processors": 1.0}), WARN, "1", "two"),
    ("memory", having(machine={"memory_limit_bytes": 64 * MIB}), FAIL, "limit 64 MiB", "MemoryMax"),
    (
        "memory",
        having(machine={"memory_free_bytes": 90 * MIB}, running=NOT_RUNNING),
        WARN,
        "90 MiB free",
        "Make room",
    ),
    ("open files", having(machine={"open_files": 64}), FAIL, "limit 64", "LimitNOFILE"),
    ("open files", having(machine={"open_files": 100}), WARN, "limit 100", "LimitNOFILE"),
    (
        "ports",
        having(ports=(Port("core.bind", "h:9", "Address already in use", Holder(7, "nginx", False)),)),
        FAIL,
        "core.bind: h:9: Address already in use by nginx (pid 7)",
        "another port",
    ),
    ("ports", having(ports=(Port("core.bind", "h:9", "in use"),)), FAIL, "h:9: in use", "another port"),
    ("ports", having(ports=()), SKIP, "nothing listens", ""),
    ("counterparties", having(peers=(Peer("L", "h:1", "refused"),)), FAIL, "L: h:1: refused", "firewalls"),
    ("counterparties", having(is_offline=True), SKIP, "--offline", ""),
    ("counterparties", having(peers=()), SKIP, "no session has to be tried", ""),
    ("left stop", having(left_stops=("halt, by ann",)), WARN, "halt, by ann", "arm --who"),
    ("locks", having(running=NOT_RUNNING), SKIP, "never ran", ""),
    ("locks", having(running=Running(locks=(("audit", OURS),))), WARN, "audit by pid 41", "without its core"),
    ("core runs", having(running=Running(problem="does not answer")), FAIL, "does not answer", "log"),
    ("core runs", having(running={"status": {**STATUS, "stops": [1]}}), WARN, "1 stops", "ctl CONFIG stops"),
    ("core runs", having(running=NOT_RUNNING), SKIP, "does not run", ""),
    (
        "routes",
        having(running={"status": {**STATUS, "routes": [{"name": "r1", "up": False, "synced": True}]}}),
        WARN,
        "0 of 1 up; not: r1",
        "fix.event",
    ),
    ("audit", having(running={"audit": Word()}), WARN, "says nothing", "log"),
    ("audit", having(running={"audit": Word({"state": "failed", "detail": "torn"})}), FAIL, "torn", "log"),
    ("audit", having(running={"audit": Word(FOLLOWING, 60.0)}), WARN, "60 s ago", "log"),
    (
        "audit",
        having(running={"audit": Word(FOLLOWING, 150.0, lives=False)}),
        FAIL,
        "does not run while the core does: process 42 is gone; its last word, 2 min ago: following, 0 rows",
        "--only audit",
    ),
    (
        "audit",
        having(running={"audit": Word({**FOLLOWING, "state": "stopped"}, 1.0)}),
        FAIL,
        "does not run while the core does",
        "copygate run",
    ),
    (
        "audit",
        having(running={"audit": Word({**FOLLOWING, "lag_rows": 20_000})}),
        WARN,
        "20000 rows behind",
        "log",
    ),
    ("alerts", having(wanted={"sinks": ()}), WARN, "nobody is told", "[alerts]"),
    (
        "alerts",
        having(running={"alerts": {"sinks": {"desk": {**SINK, "down_since": "T", "waiting": [1, 2]}}}}),
        FAIL,
        "desk since T (HTTP 204), 2 waiting",
        "alerts test",
    ),
    ("alerts", having(running=NOT_RUNNING), SKIP, "1 sinks", ""),
]


@pytest.mark.parametrize(("name", "facts", "result", "seen", "advice"), BAD)
def test_a_check_says_what_is_wrong_and_what_to_do(
    name: str, facts: Facts, result: Result, seen: str, advice: str
) -> None:
    """One thing is wrong, and its own check says so; no other fails for it."""
    (finding,) = found(facts, name)
    assert finding.result is result, finding
    assert seen in finding.seen, finding
    assert advice in finding.advice, finding
    others = [one for one in examine(facts) if one.result is FAIL and one.name != name]
    assert others == []


def test_every_check_is_tried() -> None:
    """A new check needs its row in the table above."""
    assert {finding.name for finding in examine(GOOD)} == {name for name, *_ in BAD}


def test_without_a_configuration_what_is_known_is_still_said() -> None:
    """The machine is judged, everything that the file names is skipped, and only the file fails."""
    findings = examine(Facts("gateway.toml", problems=("bad",), program=GOOD.program, machine=GOOD.machine))
    results = {finding.name: finding.result for finding in findings}
    assert [name for name, result in results.items() if result is FAIL] == ["configuration"]
    assert results["processors"] is OK
    assert results["clock"] is OK
    assert results["ports"] is SKIP


def test_secrets_have_no_place_in_the_facts() -> None:
    """A report is sent around: what holds a secret is named by its file, its variable, its key."""
    fields = {field.name for part in (SecretFile, KeyPair) for field in dataclasses.fields(part)}
    assert fields == {
        "key", "path", "problem", "mode", "owner_uid", "owner", "is_missing", "has_both", "is_pair",
    }  # fmt: skip
