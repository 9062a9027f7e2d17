"""Watchdogs: from when on a value is bad, when it is good again, and what is done about it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from gateway import clock, watch_process
from gateway.config_watch import WatchSection
from gateway.errors import ExitCode
from gateway.watch import MemoryEnd, Turn, Watchdog, Watched
from gateway.watch_process import CoreWatch, Memory, RouteWatch

ROWS = Watched("route_rows", 100, "rows", "look")
BAD, STILL, GOOD = Turn.BAD, Turn.STILL, Turn.GOOD


@pytest.mark.parametrize(
    ("values", "turns"),
    [
        ([0, 100, 100], [None, None, None]),
        ([101], [BAD]),
        ([101, 200, 101, 90], [BAD, None, None, None]),
        ([101, 80, 80, 80], [BAD, None, None, GOOD]),
        ([101, 81, 81, 81, 81], [BAD, None, None, None, None]),
        ([101, 80, 80, 81, 80, 80, 80], [BAD, None, None, None, None, None, GOOD]),
        ([101, 80, 80, 80, 101], [BAD, None, None, GOOD, BAD]),
    ],
)
def test_a_value_turns_bad_at_once_and_good_slowly(values: list[int], turns: list[Turn | None]) -> None:
    """Above the bound: bad. Four fifths of it, three looks in a row: good. Between it stays as it was."""
    dog = Watchdog([ROWS], 0)
    found = [dog.look({("route_rows", ""): value}, second * 1_000) for second, value in enumerate(values)]
    assert [one[0].turn if one else None for one in found] == turns


def test_what_stays_bad_is_told_again_in_its_time_only() -> None:
    """One line in a minute here; none between, and none at all where it is told never."""
    often, never = Watchdog([ROWS], 60_000), Watchdog([ROWS], 0)
    told = [
        (second, one.turn)
        for second in range(0, 150, 10)
        for one in often.look({("route_rows", ""): 500}, second * 1_000)
    ]
    assert told == [(0, BAD), (60, STILL), (120, STILL)]
    assert sum(len(never.look({("route_rows", ""): 500}, second * 1_000)) for second in range(1_000)) == 1


def test_routes_are_told_apart() -> None:
    """One of two is bad, and named."""
    found = Watchdog([ROWS], 0).look({("route_rows", "a"): 101, ("route_rows", "b"): 1}, 0)
    assert [one.fields() for one in found] == [
        {
            "code": "route_rows",
            "turn": "bad",
            "value": 101,
            "bound": 100,
            "unit": "rows",
            "advice": "look",
            "route": "a",
        }
    ]


def test_a_bound_of_zero_watches_nothing() -> None:
    """Off is off, and what nobody watches is passed over."""
    dog = Watchdog([Watched("outbox", 0, "frames", "")], 0)
    assert dog.look({("outbox", ""): 10**9, ("other", ""): 10**9}, 0) == []


@pytest.mark.parametrize(
    ("bound_mib", "looks", "ends"),
    [
        (0, [10, 10_000], False),
        (100, [10, 100], False),
        (100, [10, 101], True),
        (100, [79, 101], True),
        (100, [80, 101], False),
        (100, [120, 130], False),
    ],
)
def test_only_a_process_that_grew_ends(bound_mib: int, looks: list[int], ends: bool) -> None:
    """One that begins near the bound would begin there again, and end for ever."""
    end = MemoryEnd(bound_mib)
    assert [end.must_end(value) for value in looks][-1] is ends


def test_memory_is_read() -> None:
    """Some MiB, from the kernel, of this process."""
    memory = Memory()
    assert 5 < memory.mib() < 100_000
    memory.close()
    assert memory.mib() == 0


class FakePipeline:
    """Gives what a test says; keeps commands."""

    def __init__(self) -> None:
        self.slowest_ns = 0
        self.frames = 0
        self.rows: list[tuple[str, int]] = []
        self.commands: list[dict[str, Any]] = []

    def watched(self) -> tuple[int, int, list[tuple[str, int]]]:
        """As the core's."""
        return self.slowest_ns, self.frames, self.rows

    def submit(self, kind: str, session: str, payload: bytes, _now_ns: int) -> int:
        """An operator's command."""
        assert (kind, session) == ("operator", "")
        self.commands.append(json.loads(payload))
        return 1


class Clock:
    """A clock that a test owns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = 0
        monkeypatch.setattr(clock, "steady_ms", lambda: self.now_ms)


class Said:
    """The lines of the log."""

    def __init__(self, watch: CoreWatch | RouteWatch) -> None:
        self.lines: list[dict[str, Any]] = []
        for level in ("warning", "error", "critical"):
            setattr(self, level, self._say)
        watch._log = self

    def _say(self, event: str, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})


def test_a_route_with_too_many_rows_opens_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's own stop, at that route alone, once; what is good again is released by a person only."""
    time, pipeline = Clock(monkeypatch), FakePipeline()
    section = WatchSection(route_rows=10, route_rows_action="no_opens")
    core = CoreWatch(section, pipeline)  # type: ignore[arg-type]
    said = Said(core)
    for count in (5, 50, 60, 1, 1, 1):
        pipeline.rows = [("a", 0), ("b", count)]
        core.look()
        core.look()  # within the same second nothing is measured
        time.now_ms += 1_000
    assert pipeline.commands == [
        {"cmd": "kill", "level": "no_opens", "route": "b", "who": "watch: route_rows 50 rows"}
    ]
    assert [(line["turn"], line["route"], line["action"]) for line in said.lines] == [
        ("bad", "b", "no_opens"),
        ("good again", "b", "alert"),
    ]
    assert {line["event"] for line in said.lines} == {"core.watch"}


def test_an_alert_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As shipped: a slow journal and a long outbox are told, and trading goes on."""
    Clock(monkeypatch)
    pipeline = FakePipeline()
    pipeline.slowest_ns, pipeline.frames, pipeline.rows = 2_000_000_000, 20_000, [("a", 30_000)]
    core = CoreWatch(WatchSection(), pipeline)  # type: ignore[arg-type]
    said = Said(core)
    core.look()
    assert [line["code"] for line in said.lines] == ["journal", "outbox", "route_rows"]
    assert all(line["action"] == "alert" and line["advice"] for line in said.lines)
    assert pipeline.commands == []
    assert core.exit_code is None


def test_a_process_that_grew_beyond_its_bound_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cleanly, with a code that every supervisor starts again."""
    time = Clock(monkeypatch)
    sizes = iter([50, 150, 250, 260])
    monkeypatch.setattr(watch_process.Memory, "mib", lambda _self: next(sizes))
    core = CoreWatch(WatchSection(memory_mib=100, memory_end_mib=200), FakePipeline())  # type: ignore[arg-type]
    said = Said(core)
    codes = []
    for _ in range(4):
        core.look()
        codes.append(core.exit_code)
        time.now_ms += 1_000
    assert codes == [None, None, int(ExitCode.ENVIRONMENT), int(ExitCode.ENVIRONMENT)]
    assert [line["code"] for line in said.lines] == ["memory", "memory_end"]


class FakeRoute:
    """A route's pipeline."""

    def watched(self) -> tuple[int, int]:
        """No rows, a quick file."""
        return 0, 1_000


def test_a_window_that_stays_full_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a break for so long; one look with room begins anew."""
    time, rooms = Clock(monkeypatch), [0, 0, 5, 0, 0, 0, 0, 5, 5, 5]
    route = RouteWatch(WatchSection(window_full_ms=2_000), FakeRoute(), lambda: rooms[time.now_ms // 1_000])  # type: ignore[arg-type]
    said = Said(route)
    for _ in rooms:
        route.look()
        time.now_ms += 1_000
    assert [(line["event"], line["turn"], line["value"]) for line in said.lines] == [
        ("route.watch", "bad", 3_000),
        ("route.watch", "good again", 0),
    ]


def test_the_end_comes_behind_the_alert() -> None:
    """A bound below the one that alerts is a mistake."""
    with pytest.raises(ValidationError, match="above memory_mib"):
        WatchSection(memory_mib=100, memory_end_mib=100)
    assert WatchSection(memory_mib=100, memory_end_mib=101).memory_end_mib == 101
