"""Starts that cannot work: each ends with its exit code and a message that names what is wrong."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import clock, demo_config, resources
from gateway._fastcore import Pipeline
from gateway.config import core_json, load
from gateway.demo_config import DemoDeployment

USAGE, ENVIRONMENT = 2, 3
START_S = 20
"""A start that cannot work must have ended by then."""
ROWS = 400


def start(config: Path, *arguments: str, root: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m gateway run`, from a checkout or from the installation in `root`, until it ends."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", "run", str(config), *arguments],
        cwd=root or resources.root(),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


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
    path.parent.mkdir(parents=True)
    pipeline = Pipeline.open(str(path), core_json(load(deployment.config)), "process", clock.wall_ns())
    for _ in range(ROWS):
        pipeline.submit("session", "LEADER", b"down", clock.wall_ns())
    pipeline.close()
    database = sqlite3.connect(path)
    database.execute("pragma wal_checkpoint(truncate)")
    database.close()
    return path


@pytest.mark.slow
def test_a_journal_cut_in_the_middle_is_named(deployment: DemoDeployment) -> None:
    """The core refuses a journal that lost its second half; the message names the file and what is wrong."""
    path = write_journal(deployment)
    whole = path.read_bytes()
    assert len(whole) > ROWS
    path.write_bytes(whole[: len(whole) // 2])
    ended = start(deployment.config, "--only", "core")
    assert ended.returncode != 0
    assert str(path) in ended.stderr
    assert "torn or truncated" in ended.stderr
    assert path.read_bytes() == whole[: len(whole) // 2], "the evidence must stay as it was"
