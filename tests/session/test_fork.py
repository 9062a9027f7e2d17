"""What a forked child gets of its parent, and what it must not get."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import resources
from gateway.config import ConfigProblems, load
from gateway.deployment import read, read_apart, unpacked
from gateway.errors import ExitCode
from gateway.fork import STOP_SIGNALS, fork
from tests.session.harness import until
from tests.unit.config_text import changed, write

PATIENCE_S = 90


def ended(work: Callable[[], int]) -> int | None:
    """The exit code of a child that runs `work`."""
    return fork("child", work).wait()


def pause() -> int:
    """A child that waits for its end, and brings it about when nothing else does."""
    signal.alarm(PATIENCE_S)
    while True:
        signal.pause()


def test_a_child_has_no_descriptor_of_its_parent(tmp_path: Path) -> None:
    """A socket or a database that two processes hold is closed by neither, and locked by both."""
    said = tmp_path / "said"

    def look() -> int:
        said.write_text(str(Path("/proc/self/fd/0").readlink()))
        # The listing itself is open while it is made, and gone when it is looked at.
        return sum(path.exists() for path in list(Path("/proc/self/fd").iterdir()) if int(path.name) > 2)

    with socket.create_server(("127.0.0.1", 0)) as open_socket, (tmp_path / "other").open("w") as open_file:
        os.set_inheritable(open_socket.fileno(), True)
        os.set_inheritable(open_file.fileno(), True)
        stdin = os.dup(0)
        os.dup2(open_file.fileno(), 0)
        try:
            assert ended(look) == 0
        finally:
            os.dup2(stdin, 0)
            os.close(stdin)
    assert said.read_text() == os.devnull


def test_the_kept_descriptor_alone_is_there() -> None:
    """The child that reads the configuration answers by a pipe."""
    out, into = os.pipe()
    other_out, other_into = os.pipe()

    def look() -> int:
        os.write(into, b"x")
        try:
            os.fstat(other_into)
        except OSError:
            return 0
        return 1

    child = fork("child", look, keep=into)
    os.close(into)
    assert os.read(out, 2) == b"x"
    assert child.wait() == 0
    for descriptor in (out, other_out, other_into):
        os.close(descriptor)


def test_the_parent_runs_one_thread_and_holds_nothing_when_it_forks() -> None:
    """A lock that another thread holds would stay locked in the child for ever."""
    program = (
        "import os; from gateway import app; app.share(); "
        "print(len(os.listdir('/proc/self/task')), "
        "[n for n in os.listdir('/proc/self/fd') if int(n) > 2 and os.path.exists(f'/proc/self/fd/{n}')])"
    )
    command = [sys.executable, "-c", program]
    out = subprocess.run(command, cwd=resources.root(), capture_output=True, text=True, check=True).stdout
    assert out.split() == ["1", "[]"]


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_stop_signal_ends_a_child_without_the_parents_handler(tmp_path: Path, number: int) -> None:
    """The parent's handler would set the child's copy of the parent's flag, and the child would run on."""
    handled = tmp_path / "handled"
    before = signal.signal(number, lambda *_: handled.touch())
    try:
        child = fork("child", pause)
        os.kill(child.pid, number)
        assert child.wait() == -number
    finally:
        signal.signal(number, before)
    assert not handled.exists()


def test_no_frame_of_the_parent_runs_on_in_a_child(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its `finally` stops the children: run in a child, it would stop the others."""
    trace = tmp_path / "trace"

    def fail() -> int:
        raise ValueError("told once")

    try:
        assert ended(fail) == ExitCode.INTERNAL
    finally:
        with trace.open("a") as file:
            file.write(f"{os.getpid()}\n")
    assert trace.read_text() == f"{os.getpid()}\n"
    assert "ValueError: told once" in capfd.readouterr().err


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """Nobody trades on without a supervisor."""
    program = (
        "import signal; from gateway.fork import fork; from tests.session.test_fork import pause; "
        "print(fork('child', pause).pid, flush=True); signal.pause()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=resources.root(), stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        until(lambda: not alive(pid), "the child ends")


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_that_was_waited_for_is_sent_nothing() -> None:
    """Its number may belong to another program by then."""
    child = fork("child", lambda: 7)
    assert child.wait() == 7
    child.terminate()
    child.kill()
    assert child.poll() == 7


def test_the_configuration_of_a_child_is_that_of_its_file(tmp_path: Path) -> None:
    """Read apart or here: the same configuration, and the core's own text."""
    path = write(tmp_path)
    apart, here = read_apart(path, with_core=True), read(path, with_core=True)
    assert apart.config == here.config
    assert apart.config.profiles == load(path).profiles
    assert apart.config.folder == tmp_path
    assert unpacked(apart.core_text) == unpacked(here.core_text)
    assert not apart.config.followers
    assert read_apart(path, with_core=False).core_text == b""


def test_the_problems_of_a_file_are_told_in_full(tmp_path: Path) -> None:
    """As without a child: each with its line."""
    path = write(tmp_path, changed("port = 9001", "port = 0"))
    with pytest.raises(ConfigProblems) as direct:
        load(path)
    with pytest.raises(ConfigProblems) as apart:
        read_apart(path, with_core=True)
    assert apart.value.text() == direct.value.text()


def test_a_child_is_named_for_ps_and_top() -> None:
    """All share one command line; the name tells which is which."""
    child = fork("route:a-very-long-name", pause)
    try:
        until(lambda: Path(f"/proc/{child.pid}/comm").read_text() == "route:a-very-lo\n", "it has its name")
    finally:
        child.kill()
        child.wait()
    assert child.returncode == -signal.SIGKILL
