"""The tutorial, followed literally: its commands are read from the page, only ports and folders are ours."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.clock import wait_until
from gateway.sim.fix_server import free_port

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "first-copied-fill.md"
PATIENCE_MS, POLL_MS = 60_000, 200
RUN_S = 60

pytestmark = pytest.mark.slow


def commands(beginning: str) -> list[list[str]]:
    """The page's commands that begin so, without their comments."""
    lines = re.findall(rf"^(copygate {beginning}.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert lines, f"the tutorial has no `copygate {beginning}`"
    return [shlex.split(line, comments=True) for line in lines]


class Reader:
    """Somebody in an empty folder, with a number of terminals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = {"9001": str(free_port()), "9002": str(free_port())}

    def types(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs one command to its end."""
        return subprocess.run(
            self._line(words), cwd=self.folder, capture_output=True, text=True, timeout=RUN_S, check=False
        )

    def starts(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Runs one command in a terminal of its own."""
        log = (self.folder / f"{words[1]}-{words[2].replace('/', '-')}.log").open("wb")
        with log:
            return subprocess.Popen(self._line(words), cwd=self.folder, stdout=log, stderr=log)

    def moves_ports(self) -> None:
        """The page's ports may be taken on this machine."""
        file = self.folder / "desk" / "gateway.toml"
        text = file.read_text("utf-8")
        for old, new in self._ports.items():
            assert text.count(f"port = {old}") == 1
            text = text.replace(f"port = {old}", f"port = {new}")
        file.write_text(text, "utf-8")

    def _line(self, words: list[str]) -> list[str]:
        return [sys.executable, "-m", "gateway", *(self._ports.get(word, word) for word in words[1:])]


@pytest.fixture
def reader(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """A new user. Everything he started ends with the test."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    return Reader(tmp_path_factory.mktemp("t"))


def end(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C, and harder when that is not enough."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(RUN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def test_a_new_user_sees_trades(reader: Reader) -> None:
    """Section 3 to 5 of the tutorial: init, check, three terminals, status, trace, stats, kill and arm."""
    assert reader.types(commands("init")[0]).returncode == 0
    reader.moves_ports()
    check = reader.types(commands("check desk")[0])
    assert check.returncode == 0, check.stdout
    with ExitStack() as stack:
        for words in (*commands("sim"), *commands("run")):
            stack.callback(end, reader.starts(words))
        (status,) = commands("status")

        def traded() -> bool:
            answer = reader.types([*status, "--json"])
            return answer.returncode == 0 and json.loads(answer.stdout)["follower_fills"] > 0

        assert wait_until(traded, PATIENCE_MS, POLL_MS), (
            reader.folder / "run-desk-gateway.toml.log"
        ).read_text()
        assert "leader executions" in reader.types(status).stdout
        trace = commands("audit trace")[0]
        assert wait_until(lambda: "filled" in reader.types(trace).stdout, PATIENCE_MS, POLL_MS)
        assert "received_to_filled" in reader.types(commands("audit stats")[0]).stdout
        for words in commands("ctl"):
            done = reader.types(words)
            assert done.returncode == 0, done.stderr
