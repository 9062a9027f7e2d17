"""A signal that comes while its own thread waits ends the wait, and never the process's life."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from gateway.resources import root
from gateway.stop import Stop

HAMMER = """
import os, signal, subprocess, sys, threading
from gateway.stop import Stop
KIND = {"Stop": Stop, "Event": threading.Event}[sys.argv[1]]
stop = KIND()
signal.signal(signal.SIGUSR1, lambda *_: stop.set())
# Another process: a thread of ours would have the interpreter when it signals, and never meet a wait.
code = "import os, sys, time\\nwhile True: os.kill(int(sys.argv[1]), 10); time.sleep(0.0001)"
hammer = subprocess.Popen([sys.executable, "-c", code, str(os.getpid())])
for _ in range(20_000):
    stop = KIND()
    stop.wait(0.0001)
hammer.kill()
print("alive")
"""
HANGS_S = 120


def test_a_signal_at_any_moment_of_a_wait_does_not_hang_the_process() -> None:
    """Twenty thousand waits under a hail of signals whose handler raises the flag."""
    words = [sys.executable, "-c", HAMMER, "Stop"]
    ended = subprocess.run(words, cwd=root(), capture_output=True, text=True, timeout=HANGS_S, check=False)
    assert (ended.returncode, ended.stdout) == (0, "alive\n"), ended.stderr


def test_it_wakes_who_waits() -> None:
    """From another thread as well; it stays raised."""
    stop = Stop()
    assert not stop.wait(0)
    threading.Timer(0.02, stop.set).start()
    began = time.monotonic()
    assert stop.wait(30)
    assert time.monotonic() - began < 20
    assert stop.is_set()
    assert stop.wait()
