"""What the doctor finds in real files and at real ports, and how it reads texts of /proc."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

from gateway import cli, control, kill_file
from gateway.doctor import network, system
from gateway.doctor.checks import examine
from gateway.doctor.facts import Finding, Holder, Result
from gateway.doctor.gather import gather
from gateway.keys import write_pair
from gateway.kill_file import LeftStop
from gateway.sim.fix_server import free_port
from tests.unit.config_text import GOOD, changed, write


def deployment(folder: Path, text: str = GOOD) -> Path:
    """The small deployment at ports of its own."""
    ports = {str(port): str(free_port()) for port in range(9001, 9005)}
    # whole numbers, all at once: 9002 may also stand inside of a port that was just written
    text = re.sub(r"\b900[1-4]\b", lambda found: ports[found[0]], text)
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    return write(folder, text)


def said(path: Path, name: str, offline: bool = True) -> list[Finding]:
    """What the doctor says under a name."""
    return [finding for finding in examine(gather(path, offline)) if finding.name == name]


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    """Mode and time of everything in a folder."""
    found = {str(path): path.lstat() for path in [folder, *folder.rglob("*")]}
    return {
        path: (stat.st_mode, stat.st_mtime_ns if "state" not in path else 0) for path, stat in found.items()
    }


def test_nothing_is_changed(tmp_path: Path) -> None:
    """The file of the measurement is gone, and nothing else was touched."""
    path = deployment(tmp_path)
    before = everything(tmp_path)
    findings = examine(gather(path, False))
    assert everything(tmp_path) == before
    assert {one.name for one in findings if one.result is Result.FAIL} == {"counterparties"}


def test_the_disk_is_measured(tmp_path: Path) -> None:
    """Times of fsync, room, type and mode of the folder where it is, or will be."""
    path = deployment(tmp_path)
    disk = gather(path, True).disk
    assert len(disk.sync_us) > 0
    assert min(disk.sync_us) > 0
    assert disk.total_bytes >= disk.free_bytes > 0
    assert (disk.exists, disk.mode, disk.owner_uid) == (True, 0o700, os.geteuid())
    assert disk.file_system != "unknown"
    (tmp_path / "state").rmdir()
    assert not gather(path, True).disk.exists
    assert not (tmp_path / "state").exists()


def test_a_folder_that_others_may_write_fails(tmp_path: Path) -> None:
    """They could command the gateway."""
    path = deployment(tmp_path)
    (tmp_path / "state").chmod(0o777)
    (finding,) = said(path, "state folder")
    assert finding.result is Result.FAIL
    assert "mode 777" in finding.seen


def test_a_password_that_others_may_read_fails(tmp_path: Path) -> None:
    """Its file is named, its text is nowhere."""
    (tmp_path / "pw").write_text("VERYSECRET")
    (tmp_path / "pw").chmod(0o644)
    path = deployment(tmp_path, changed("port = 9001", 'port = 9001\npassword_file = "pw"'))
    (finding,) = said(path, "secrets")
    assert (finding.result, "mode 644" in finding.seen) == (Result.FAIL, True)
    assert "VERYSECRET" not in str(gather(path, True))


def test_a_port_that_somebody_has_fails_with_who(tmp_path: Path) -> None:
    """By a process that is not of this deployment."""
    path = deployment(tmp_path)
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        path.write_text(path.read_text().replace('role = "acceptor"', 'role = "acceptor"', 1))
        text = path.read_text().split("[sessions.R1]")
        first = text[1].split("port = ", 1)
        rest = first[1].partition("\n")[2]
        path.write_text(f"{text[0]}[sessions.R1]{first[0]}port = {port}\n{rest}")
        (finding,) = said(path, "ports")
    assert finding.result is Result.FAIL
    assert f"sessions.R1.port: 0.0.0.0:{port}: Address already in use by" in finding.seen
    assert f"(pid {os.getpid()})" in finding.seen


def test_counterparties_are_tried(tmp_path: Path) -> None:
    """One that listens, one that does not, one whose name does not resolve."""
    with socket.socket() as listens:
        listens.bind(("127.0.0.1", 0))
        listens.listen()
        port = listens.getsockname()[1]
        path = deployment(tmp_path, changed("port = 9001", f"port = {port}"))
        (finding,) = said(path, "counterparties", offline=False)
        assert (finding.result, finding.seen.startswith("1 take")) == (Result.OK, True)
    (finding,) = said(path, "counterparties", offline=False)
    assert (finding.result, "Connection refused" in finding.seen) == (Result.FAIL, True)
    path = deployment(tmp_path, changed('host = "127.0.0.1"', 'host = "no-such-host.invalid"'))
    (finding,) = said(path, "counterparties", offline=False)
    assert "does not resolve" in finding.seen


CURVE = """
[core]
bind = "tcp://127.0.0.1:9004"
public_key_file = "keys/core.public"
secret_key_file = "keys/core.secret"
"""


def with_keys(folder: Path) -> Path:
    """A deployment over tcp:// with all its keys."""
    text = GOOD + CURVE
    for name in ("r1", "r2"):
        keys = f'public_key_file = "keys/{name}.public"\nsecret_key_file = "keys/{name}.secret"\n'
        text = text.replace(f"[routes.{name}]\n", f"[routes.{name}]\n{keys}")
    for name in ("core", "r1", "r2"):
        write_pair(folder / "keys", name)
    return deployment(folder, text)


def test_keys_that_are_no_pair_fail(tmp_path: Path) -> None:
    """Somebody made one of them again; both look well."""
    path = with_keys(tmp_path)
    assert said(path, "keys")[0].seen == "3 pairs, 0 public keys of other hosts"
    write_pair(tmp_path / "other", "r1")
    (tmp_path / "other" / "r1.public").replace(tmp_path / "keys" / "r1.public")
    (finding,) = said(path, "keys")
    assert (finding.result, finding.seen) == (Result.FAIL, "routes.r1: public and secret key are no pair")


def test_keys_that_are_missing_or_garbage_are_told_and_not_shown(tmp_path: Path) -> None:
    """A host of a route has no secret of the core."""
    path = with_keys(tmp_path)
    secret = (tmp_path / "keys" / "core.secret").read_text().strip()
    assert secret not in str(gather(path, True))
    (tmp_path / "keys" / "core.secret").unlink()
    assert said(path, "keys")[0].seen == "2 pairs, 1 public keys of other hosts"
    (tmp_path / "keys" / "r2.public").unlink()
    (tmp_path / "keys" / "r1.secret").write_text("garbage")
    results = {finding.seen.partition(":")[0]: finding.result for finding in said(path, "keys")}
    assert results == {"routes.r1": Result.FAIL, "routes.r2": Result.WARN}


def test_who_holds_a_lock_is_found_without_taking_it(tmp_path: Path) -> None:
    """A flock of another process on a file of the state folder."""
    path = deployment(tmp_path)
    lock = tmp_path / "state" / "core" / "lock"
    lock.parent.mkdir()
    lock.touch()
    assert system.lock_holder(lock) is None
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        holder = system.lock_holder(lock)
        assert holder is not None
        assert holder.pid == os.getpid()
        assert f"core by pid {os.getpid()}" in said(path, "locks")[0].seen


def test_a_socket_that_we_may_not_open_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor runs as another user than the gateway: no traceback, and no gateway that is not there."""

    def refuse(*_: object) -> dict[str, object]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(control, "ask", refuse)
    (finding,) = said(deployment(tmp_path), "core runs")
    assert (finding.result, finding.seen) == (Result.FAIL, "its control socket: Permission denied")
    assert "as the user that runs" in finding.advice


def test_a_stop_that_was_left_is_told(tmp_path: Path) -> None:
    """Somebody stopped a gateway that did not run; the next start would surprise."""
    path = deployment(tmp_path)
    kill_file.leave(tmp_path / "state", LeftStop("halt", "ann"))
    assert said(path, "left stop")[0].seen == "halt, by ann"
    kill_file.leave(tmp_path / "state", LeftStop("no_opens", "bob", "follower", "f1"))
    assert said(path, "left stop")[0].seen == "no_opens of follower f1, by bob; halt, by ann"


def test_the_program_that_runs_these_tests_is_whole(tmp_path: Path) -> None:
    """The core, its SQLite, QuickFIX and the dictionaries are what the package says."""
    path = deployment(tmp_path)
    names = ("python", "core", "sqlite of the core", "quickfix", "dictionaries")
    found = {name: said(path, name)[0] for name in names}
    assert all(finding.result is Result.OK for finding in found.values()), found


@pytest.mark.parametrize(("bad", "code"), [(False, 0), (True, 1)])
def test_the_exit_code_and_json_say_whether_something_failed(tmp_path: Path, bad: bool, code: int) -> None:
    """One object, with every check by name."""
    path = deployment(tmp_path)
    if bad:
        (tmp_path / "state").chmod(0o777)
    done = CliRunner().invoke(cli.app, ["doctor", str(path), "--offline", "--json"])
    assert done.exit_code == code, done.output
    report = json.loads(done.stdout)
    assert report["ok"] is not bad
    assert set(report["checks"][0]) == {"name", "result", "seen", "advice"}
    table = CliRunner().invoke(cli.app, ["doctor", str(path), "--offline"])
    assert table.exit_code == code
    assert "what to do" in table.output
    assert all(check["name"] in table.output for check in report["checks"])


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    """No traceback: the configuration fails, the machine is judged."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "doctor", str(tmp_path / "none.toml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be read" in done.stdout
    assert done.stderr == ""


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /srv rw shared:1 - nfs4 host:/srv rw,vers=4.2
31 30 0:26 / /srv/my\\040state rw - tmpfs tmpfs rw
32 22 0:27 / /srvother rw - xfs /dev/vdb rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/home/x", ("ext4", "/")),
        ("/srv", ("nfs4", "/srv")),
        ("/srv/a", ("nfs4", "/srv")),
        ("/srvother/a", ("xfs", "/srvother")),
        ("/srv/my state/a", ("tmpfs", "/srv/my state")),
    ],
)
def test_the_mount_of_a_path(path: str, wanted: tuple[str, str]) -> None:
    """The deepest mount point above it, not one that only begins alike."""
    assert system.mount_of(path, MOUNTS) == wanted
    assert system.mount_of(path, "") == ("unknown", "?")


def test_the_holder_of_a_lock_by_text() -> None:
    """Exclusive ones only; who waits holds nothing; a device that differs counts when none agrees."""
    text = (
        "1: FLOCK  ADVISORY  WRITE 11 fe:00:77 0 EOF\n"
        "1: -> FLOCK  ADVISORY  WRITE 12 fe:00:77 0 EOF\n"
        "2: FLOCK  ADVISORY  READ 13 fe:00:78 0 EOF\n"
        "3: POSIX  ADVISORY  WRITE 14 fe:00:79 0 EOF\n"
        "4: FLOCK  ADVISORY  WRITE 15 00:31:77 0 EOF\n"
    )
    assert system.locker(text, 77, "fe:00") == 11
    assert system.locker(text, 77, "00:31") == 15
    assert system.locker(text, 77, "aa:00") == 11
    assert system.locker(text, 78, "fe:00") is None
    assert system.locker(text, 79, "fe:00") is None


def test_sockets_by_text() -> None:
    """Listening ones by port, connections by the port of the other side."""
    head = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    )
    tail = "00000000:00000000 00:00000000 00000000     0        0"
    text = (
        f"{head}   0: 00000000:2329 00000000:0000 0A {tail} 501 1\n"
        f"   1: 0100007F:2329 0100007F:1F90 01 {tail} 502 1\n"
        f"   2: 0100007F:1F90 00000000:0000 0A {tail} 503 1\n   3: short\n"
    )
    assert network.listening(text, 9001) == {"501"}
    assert network.listening(text, 1) == set()
    assert network.established(text) == [(8080, "502")]


def test_limits_of_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tightest of a group and those above it; `max` is none."""
    monkeypatch.setattr(system, "CGROUPS", tmp_path)
    inner = tmp_path / "system.slice" / "copygate.service"
    inner.mkdir(parents=True)
    assert system.limits_of_groups("0::/system.slice/copygate.service\n") == (None, None)
    (inner / "memory.max").write_text("max\n")
    (inner / "cpu.max").write_text("150000 100000\n")
    (inner.parent / "memory.max").write_text("1048576\n")
    (inner.parent / "cpu.max").write_text("max 100000\n")
    assert system.limits_of_groups("0::/system.slice/copygate.service\n") == (1_048_576, 1.5)
    assert system.limits_of_groups("4:memory:/x\n") == (None, None)


def test_free_memory_by_text() -> None:
    """MemAvailable, not what is free of everything."""
    assert system.memory_free("MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:   5 kB\n") == 5 * 1024
    assert system.memory_free("") == 0


def test_a_holder_of_our_own_is_said_to_be_ours(tmp_path: Path) -> None:
    """A port that the deployment itself has is no problem."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = network._port("k", "0.0.0.0", port, frozenset([os.getpid()]))
    assert found.holder == Holder(os.getpid(), system.name_of(os.getpid()), True)


@pytest.mark.parametrize(
    ("number", "seen", "advice"),
    [
        (errno.ENOSPC, "No space left on device", "Make room there"),
        (errno.EROFS, "Read-only file system", "Mount it for writing"),
    ],
)
def test_a_disk_that_takes_nothing_says_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, seen: str, advice: str
) -> None:
    """Another right to write, or another folder on the same disk, does not."""
    path = deployment(tmp_path)
    monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(number, os.strerror(number))))
    (finding,) = said(path, "state folder")
    assert (finding.result, finding.seen) == (Result.FAIL, f"{tmp_path / 'state'}: {seen}")
    assert advice in finding.advice
