"""A clock that is put forward or back: who is told, and when."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway import clock
from gateway.core import STEP_NS, StepWatch

MS = clock.NS_PER_MS


class Machine:
    """A machine's two clocks, and a pipeline that keeps what it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_ns = self.steady_ns = 10**18
        self.ahead = 0
        self.told: list[dict[str, Any]] = []
        monkeypatch.setattr(clock, "wall_ns", lambda: self.wall_ns)
        monkeypatch.setattr(clock, "steady_ns", lambda: self.steady_ns)

    def passes(self, ms: int, step_ms: int = 0) -> None:
        """Time, and a step of the wall clock."""
        self.steady_ns += ms * MS
        self.wall_ns += (ms + step_ms) * MS

    def ahead_ns(self, _now_ns: int) -> int:
        return self.ahead

    def submit(self, kind: str, session: str, payload: bytes, _now_ns: int) -> None:
        assert (kind, session) == ("operator", "")
        self.told.append(json.loads(payload))


def test_a_clock_that_is_put_forward_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour that a process was stopped is no step: that time has passed."""
    machine = Machine(monkeypatch)
    watch = StepWatch(machine)  # type: ignore[arg-type]
    for ms, step_ms in ((10, 0), (3_600_000, 0), (10, STEP_NS // MS), (10, 5_000), (10, 0), (10, -5_000)):
        machine.passes(ms, step_ms)
        watch.look()
    assert machine.told == [{"cmd": "clock_step", "by_ms": 5_000}]


def test_a_clock_that_is_put_back_is_said_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal's time is ahead of it meanwhile, and trades look older than they are."""
    machine = Machine(monkeypatch)
    watch = StepWatch(machine)  # type: ignore[arg-type]
    with capture_logs() as log:
        for machine.ahead in (0, 20_000 * MS, 10_000 * MS, STEP_NS, 0):
            watch.look()
    assert [(row["event"], row["ahead_ms"]) for row in log] == [
        ("core.clock_back", 20_000),
        ("core.clock_back", 250),
    ]
    assert "half its speed" in log[0]["advice"]
    assert machine.told == []
