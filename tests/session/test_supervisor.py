"""The supervisor restarts what ended, with growing pauses, and stops everything in time."""

from __future__ import annotations

import sys

from gateway import app, clock
from tests.session.harness import until


def child(program: str) -> app.Child:
    """A child that runs a line of Python."""
    return app.Child("child", [sys.executable, "-c", program])


def test_an_ended_child_is_started_again_after_a_growing_pause() -> None:
    """A crash loop must not eat the machine."""
    crashing = child("raise SystemExit(70)")
    codes: list[int] = []

    def ended_twice() -> bool:
        code = crashing.look()
        codes.extend([] if code is None else [code])
        return len(codes) == 2

    until(ended_twice, "the child ends twice")
    assert codes == [70, 70]
    assert crashing.failures == 2
    assert 0 < crashing.start_at_ms - clock.steady_ms() <= app.BACK_OFF_MS[1]


def test_stopping_ends_willing_and_unwilling_children_within_five_seconds() -> None:
    """A child that ignores SIGTERM is killed; nobody outlives a stop."""
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    children = [child("import time; time.sleep(60)"), child(stubborn)]
    for one in children:
        one.start()
    started_ms = clock.steady_ms()
    app._stop(children)
    assert clock.steady_ms() - started_ms < 5_000
    assert all(one.process is not None and one.process.returncode is not None for one in children)
