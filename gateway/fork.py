"""Child processes by `fork`: a child shares the pages of a program that is loaded already.

The parent has one thread, and nothing open that a child uses. A child gets nothing of it but memory: no
descriptor above 2, no handler of a stop signal, no unwinding into the parent's frames. It ends when its
parent does.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

from gateway.errors import ExitCode

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
NAME_BYTES_MAX = 15
"""The kernel's limit for the name that `ps` and `top` show."""
FIRST_OWN = 3
"""Descriptors below are standard input, output and error."""
T = TypeVar("T")


class Process:
    """A forked child, for its parent."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        """Exit code, or minus the signal that ended it. None while it runs."""

    def poll(self) -> int | None:
        """The return code, None while the child runs."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int | None:
        """Waits for the end of the child."""
        return self._wait(0)

    def terminate(self) -> None:
        """Asks the child to stop."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the child at once."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        # A child that was waited for is gone; its number may belong to another process.
        if self.poll() is None:
            os.kill(self.pid, number)

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            found, status = os.waitpid(self.pid, options)
            if found == self.pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def fork(name: str, work: Callable[[], int], keep: int | None = None) -> Process:
    """Starts a child that runs `work` and ends with its result as exit code.

    `keep` is a descriptor that the child needs; all others are closed in it. `work` sets the handlers of stop
    signals itself: a signal that comes before has the system's own effect, which ends the child.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # Between the fork and the first line of the child a signal would run the parent's handler in it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            _be_child(name, parent, before, work, keep)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Process(pid)


def apart(name: str, work: Callable[[], T]) -> T:
    """What `work` gives, worked out in a child that takes its garbage with it.

    What is freed in pieces between things that stay never goes back to the system as a whole. Where the child
    fails, `work` runs here: its error then takes the one way that errors take.
    """
    out, into = os.pipe()
    child = fork(name, lambda: _hand_over(into, work), keep=into)
    os.close(into)
    with os.fdopen(out, "rb") as stream:
        data = stream.read()
    if child.wait() != ExitCode.OK:
        return work()
    found: T = pickle.loads(data)
    return found


def _hand_over(into: int, work: Callable[[], object]) -> int:
    try:
        data = pickle.dumps(work())
    except Exception:  # noqa: BLE001 (the parent meets it again, and says it)
        return int(ExitCode.USAGE)
    with os.fdopen(into, "wb") as stream:
        stream.write(data)
    return int(ExitCode.OK)


def _be_child(name: str, parent: int, mask: set[int], work: Callable[[], int], keep: int | None) -> None:
    """Never returns: nothing of the parent's frames may run a second time, neither `finally` nor `atexit`."""
    code = int(ExitCode.INTERNAL)
    try:
        _begin(name, parent, mask, keep)
        code = work()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(ExitCode.INTERNAL)
    except BaseException:  # noqa: BLE001 (the last frame of a process: what is not said here is never said)
        os.write(2, traceback.format_exc().encode())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _begin(name: str, parent: int, mask: set[int], keep: int | None) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    end = os.sysconf("SC_OPEN_MAX")
    middle = FIRST_OWN if keep is None else keep
    os.closerange(FIRST_OWN, middle)
    os.closerange(middle if keep is None else middle + 1, end)
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:NAME_BYTES_MAX])
    die_with(parent)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def die_with(parent: int) -> None:
    """This process gets SIGTERM when its parent ends, however that one ends."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It ended before the call above.
        raise SystemExit(int(ExitCode.OK))
