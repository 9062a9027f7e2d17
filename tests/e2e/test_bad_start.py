"""Starts that cannot work: each ends with its exit code and a message that names what is wrong."""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import clock, demo_config, resources
from gateway._fastcore import Pipeline, RoutePipeline
from gateway.config import core_json, load
from gateway.demo_config import DemoDeployment

USAGE, ENVIRONMENT, STATE, RETRY = 2, 3, 4, 75
START_S = 60
"""A start that cannot work must have ended by then."""
ROWS = 400
FILE_BYTES_MAX = 16_384
"""A disk that is full: smaller than any journal."""
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def start(
    config: Path,
    *arguments: str,
    root: Path | None = None,
    before: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """`python -m gateway run`, from a checkout or from the installation in `root`, until it ends."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", "run", str(config), *arguments],
        cwd=root or resources.root(),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
        preexec_fn=before,
    )


def obey_permissions() -> None:
    """Root may read and write everything: without these it meets the permissions that others meet."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def fill_the_disk() -> None:
    """No file of the process can grow beyond a size that no journal fits into."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))


def failed(ended: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line that says why; the code and the absence of a traceback are checked."""
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    lines = [line for line in ended.stderr.splitlines() if '"run.failed"' in line]
    assert len(lines) == 1, ended.stderr
    said = json.loads(lines[0])
    assert said["exit_code"] == code
    return str(said["error"])


@pytest.fixture
def deployment(tmp_path: Path) -> DemoDeployment:
    """A deployment that would start, with nobody at the other ends."""
    made = demo_config.plan(tmp_path / "deployment", 1, 1)
    demo_config.write(made)
    return made


@pytest.mark.slow
def test_malformed_toml_names_file_and_line(deployment: DemoDeployment) -> None:
    """A file that is not TOML ends the start with code 2; the message names file and line."""
    text = deployment.config.read_text(encoding="utf-8")
    deployment.config.write_text("[gateway\n" + text, encoding="utf-8")
    ended = start(deployment.config)
    assert ended.returncode == USAGE, ended.stderr
    assert f"{deployment.config}:1:" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_port_in_use_is_named(deployment: DemoDeployment) -> None:
    """An acceptor whose port another program holds ends with code 3; the message names the port."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = int(holder.getsockname()[1])
        text = deployment.config.read_text(encoding="utf-8")
        head, mark, tail = text.partition("[sessions.R1]")
        tail = tail.replace('role = "initiator"', 'role = "acceptor"', 1).replace("reconnect_s = 1", "", 1)
        tail = tail.replace(f"port = {deployment.ports['R1']}", f"port = {port}", 1)
        deployment.config.write_text(head + mark + tail, encoding="utf-8")
        ended = start(deployment.config, "--only", "route:r1")
    assert ended.returncode == ENVIRONMENT, ended.stderr
    assert "the port cannot be opened" in ended.stderr
    assert str(port) in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_missing_dictionary_is_named(deployment: DemoDeployment, tmp_path: Path) -> None:
    """An installation without a FIX dictionary ends with code 3; the message names the missing file."""
    root = tmp_path / "installation"
    for name in ("gateway", "fix_specs"):
        shutil.copytree(resources.root() / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    missing = root / "fix_specs" / "structural" / "FIX44.xml"
    missing.unlink()
    ended = start(deployment.config, "--only", "route:r1", root=root)
    assert ended.returncode == ENVIRONMENT, ended.stderr
    assert str(missing) in ended.stderr
    assert "Traceback" not in ended.stderr


def write_journal(deployment: DemoDeployment) -> Path:
    """A journal as a run leaves it, with its rows in the file itself, not in the write-ahead log."""
    path = deployment.state / "core" / "journal.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    pipeline = Pipeline.open(str(path), core_json(load(deployment.config)), "process", clock.wall_ns())
    for _ in range(ROWS):
        pipeline.submit("session", "LEADER", b"down", clock.wall_ns())
    pipeline.close()
    database = sqlite3.connect(path)
    database.execute("pragma wal_checkpoint(truncate)")
    database.close()
    return path


@pytest.mark.slow
def test_a_journal_cut_in_the_middle_is_final_and_stays_as_it_is(deployment: DemoDeployment) -> None:
    """`run` stops with code 4 instead of starting again for ever; file, cause and remedy are said."""
    path = write_journal(deployment)
    whole = path.read_bytes()
    assert len(whole) > ROWS
    path.write_bytes(whole[: len(whole) // 2])
    ended = start(deployment.config)
    error = failed(ended, STATE)
    assert str(path) in error
    assert "torn or truncated" in error
    assert "restore a copy" in error
    assert ended.stderr.count('"run.started"') <= 3, "the core was started again"
    assert path.read_bytes() == whole[: len(whole) // 2], "the evidence must stay as it was"


@pytest.mark.slow
def test_a_changed_row_is_named(deployment: DemoDeployment) -> None:
    """A row that is not what was written ends the start with code 4 and its number."""
    path = write_journal(deployment)
    database = sqlite3.connect(path)
    database.execute("update rows set payload = x'00' where seq = 77")
    database.commit()
    database.close()
    error = failed(start(deployment.config, "--only", "core"), STATE)
    assert f"{path}: row 77: its bytes do not match its checksum" in error


@pytest.mark.slow
@pytest.mark.parametrize("gone", [True, False], ids=["gone", "empty"])
def test_a_journal_that_lost_everything_is_not_begun_anew(deployment: DemoDeployment, gone: bool) -> None:
    """Starting from nothing would forget what followers hold."""
    path = write_journal(deployment)
    path.unlink()
    if not gone:
        path.touch()
    error = failed(start(deployment.config, "--only", "core"), STATE)
    assert f"{path}: row 0: the file is empty or missing, but it had rows before" in error


@pytest.mark.slow
def test_a_cut_route_file_ends_its_route_with_the_same_code(deployment: DemoDeployment) -> None:
    """What the route's file says about sent orders cannot be made up."""
    path = deployment.state / "route-r1" / "route.db"
    path.parent.mkdir(parents=True)
    RoutePipeline.open(str(path), "r1", ["R1"], 1_000, clock.wall_ns())
    gc.collect()
    path.write_bytes(path.read_bytes()[:5_000])
    assert str(path) in failed(start(deployment.config, "--only", "route:r1"), STATE)


@pytest.mark.slow
@pytest.mark.parametrize("child", ["core", "route:r1"])
def test_a_read_only_state_folder_is_named(deployment: DemoDeployment, child: str) -> None:
    """No right to write is for a person to give: code 3, and which folder."""
    folder = deployment.state / child.replace(":", "-")
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    error = failed(start(deployment.config, "--only", child, before=obey_permissions), ENVIRONMENT)
    assert f"{folder}: open the lock file: Permission denied" in error
    assert "the right to write" in error


@pytest.mark.slow
def test_a_read_only_database_is_named(deployment: DemoDeployment) -> None:
    """SQLite opens such a file and refuses the first write: the message says so, and nothing is changed."""
    path = write_journal(deployment)
    before = path.read_bytes()
    path.chmod(0o400)
    error = failed(start(deployment.config, "--only", "core", before=obey_permissions), ENVIRONMENT)
    assert str(path) in error
    assert "read-only" in error
    assert path.read_bytes() == before


@pytest.mark.slow
def test_a_state_folder_in_use_is_named(deployment: DemoDeployment) -> None:
    """A second core would trade twice; the first one keeps its sockets."""
    path = write_journal(deployment)
    holder = Pipeline.open(str(path), core_json(load(deployment.config)), "process", clock.wall_ns())
    error = failed(start(deployment.config, "--only", "core"), ENVIRONMENT)
    assert "another process holds the lock of this state folder" in error
    assert not (deployment.state / "run").exists()
    holder.close()


@pytest.mark.slow
@pytest.mark.parametrize("child", ["core", "route:r1"])
def test_a_full_disk_at_the_start_is_said_and_may_heal(deployment: DemoDeployment, child: str) -> None:
    """Code 75 asks for another start; once there is room the same command works on."""
    error = failed(start(deployment.config, "--only", child, before=fill_the_disk), RETRY)
    assert ".db" in error
    assert "the disk is full, a quota or size limit is reached" in error
    assert "Make room" in error
    if child == "core":
        write_journal(deployment)


@pytest.mark.slow
def test_a_configuration_that_cannot_be_read_is_named(deployment: DemoDeployment) -> None:
    """Not readable, not text, not a file: each is code 2 and one message with the path."""
    config = deployment.config
    config.chmod(0)
    cases = [start(config, before=obey_permissions), start(config.parent)]
    config.chmod(0o600)
    config.write_bytes(b"\xff\xfe\x00")
    for ended in [*cases, start(config)]:
        assert ended.returncode == USAGE, ended.stderr
        assert str(config.parent) in ended.stderr
        assert "Traceback" not in ended.stderr
