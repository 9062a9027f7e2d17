"""The alerts process: whom it tells when, what it keeps, and what a restart or a full disk does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway import clock
from gateway.clock import wait_until
from gateway.config import GatewayConfig
from gateway.errors import EnvironmentProblem
from gateway.notify import desk as desks
from gateway.notify import kept as kepts
from gateway.notify.desk import Desk
from gateway.notify.spool import Spool, folder_of, spool_of
from tests.unit.notify_rig import Receiver, with_sinks

PATIENCE_MS = 10_000


@pytest.fixture(autouse=True)
def said() -> Iterator[list[dict[str, Any]]]:
    """Lines of the log."""
    with structlog.testing.capture_logs() as lines:
        yield lines  # type: ignore[misc]


@pytest.fixture
def receivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Receiver]]:
    """Two webhooks' servers, and pauses between attempts that a test can wait for."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(desks, "BACK_OFF_MS", (20, 50))
    servers = [Receiver(), Receiver()]
    yield servers
    for server in servers:
        server.close()


def config_of(folder: Path, servers: list[Receiver], more: str = "") -> GatewayConfig:
    """Sinks a and b at the two servers."""
    return with_sinks(
        folder,
        "".join(
            f'[alerts.sinks.{name}]\nkind = "webhook"\nurl = "{server.url}"\ntimeout_ms = 400\n{more}'
            for name, server in zip("ab", servers, strict=True)
        ),
    )


class Rig:
    """A desk whose turns are made by the test."""

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self.spool = Spool(config.state_dir, "core")
        self.desk = Desk(config, threading.Event())

    def write(self, code: str, number: int = 0, level: str = "warning") -> None:
        """An alert of the core."""
        line = {"event": "core.alert", "code": code, "text": f"n{number}", "level": level, "process": "core"}
        self.spool.write(code, json.dumps(line))

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Turns until it holds."""

        def turned() -> bool:
            self.desk.turn()
            return condition()

        assert wait_until(turned, PATIENCE_MS), what

    def restart(self) -> None:
        """Another process goes on from what was kept; the one before is as if killed."""
        self.desk = Desk(self.config, threading.Event())

    def kept(self) -> dict[str, Any]:
        """What is on the disk."""
        found: dict[str, Any] = json.loads(kepts.file_of(folder_of(self.config.state_dir)).read_text())
        return found


def test_every_sink_is_told(tmp_path: Path, receivers: list[Receiver]) -> None:
    """In the order of the spool, each once."""
    rig = Rig(config_of(tmp_path, receivers))
    for code in ("kill", "arm", "gap"):
        rig.write(code)
    rig.until(lambda: all(len(one.got) == 3 for one in receivers), "not told")
    rig.until(rig.desk.is_quiet, "not done")
    assert all(one.codes() == ["kill", "arm", "gap"] for one in receivers)
    assert [sink["waiting"] for sink in rig.kept()["sinks"].values()] == [[], []]


def test_a_sink_that_hangs_or_is_down_holds_up_no_other(tmp_path: Path, receivers: list[Receiver]) -> None:
    """And gets everything later, in order, the first alert included."""
    bad, good = receivers
    bad.hang.clear()
    rig = Rig(config_of(tmp_path, receivers))
    for code in ("kill", "arm"):
        rig.write(code)
    rig.until(lambda: good.codes() == ["kill", "arm"], "the good one waits for the bad one")
    bad.hang.set()
    bad.status = 500
    rig.until(lambda: rig.desk.lines[0].failures > 2, "no further attempt")
    bad.got.clear()
    bad.status = 204
    rig.until(lambda: {"kill", "arm"} <= set(bad.codes()), "lost")


def test_an_outage_is_told_once_and_to_the_others(
    tmp_path: Path, receivers: list[Receiver], said: list[dict[str, Any]]
) -> None:
    """One line when it begins, one when it is over; its words have no secret."""
    receivers[0].status = 503
    rig = Rig(config_of(tmp_path, receivers))
    rig.write("kill")
    rig.until(lambda: rig.desk.lines[0].failures > 3, "no attempts")
    receivers[0].status = 204
    rig.until(lambda: receivers[0].codes() == ["kill"], "not told")
    rig.until(rig.desk.is_quiet, "not done")
    events = [line["event"] for line in said]
    assert (events.count("alerts.sink_down"), events.count("alerts.sink_up")) == (1, 1)
    assert "SECRETPATH" not in str(said)
    assert "SECRETPATH" not in json.dumps(rig.kept())


def test_levels_and_codes_choose(tmp_path: Path, receivers: list[Receiver]) -> None:
    """Who asked for errors only, or for some codes, or not for others, gets those."""
    config = with_sinks(
        tmp_path,
        f'[alerts.sinks.a]\nkind = "webhook"\nurl = "{receivers[0].url}"\nleast_level = "error"\n'
        f'[alerts.sinks.b]\nkind = "webhook"\nurl = "{receivers[1].url}"\ncodes = ["kill", "gap"]\n'
        'except_codes = ["gap"]\n',
    )
    rig = Rig(config)
    rig.write("kill")
    rig.write("gap")
    rig.write("arm", level="critical")
    rig.until(lambda: rig.desk.is_quiet() and bool(receivers[0].got) and bool(receivers[1].got), "not told")
    assert [one.codes() for one in receivers] == [["arm"], ["kill"]]


def test_a_restart_loses_nothing_that_waited_or_was_held(tmp_path: Path, receivers: list[Receiver]) -> None:
    """Neither what a sink that was down had not taken, nor the count of what the limit held back."""
    receivers[0].status = 500
    rig = Rig(config_of(tmp_path, receivers, "max_per_minute = 1\n"))
    for number in range(5):
        rig.write("kill", number)
    rig.until(lambda: receivers[1].codes() == ["kill"] and rig.desk.lines[0].failures > 0, "not begun")
    rig.restart()
    receivers[0].status = 204
    rig.until(lambda: receivers[0].codes() == ["kill"], "lost by the restart")
    rig.until(rig.desk.is_quiet, "not done")
    held = [sink["gate"]["kill"]["held"] for sink in rig.kept()["sinks"].values()]
    assert held == [4, 4]
    assert receivers[0].got[0]["text"] == "n0"


def test_a_kill_before_anything_was_kept_tells_all_again(
    tmp_path: Path, receivers: list[Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once: the place is behind what was told, never before it."""
    rig = Rig(config_of(tmp_path, receivers))
    monkeypatch.setattr(desks, "keep", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    rig.write("kill")
    rig.until(lambda: receivers[0].codes() == ["kill"], "a full disk keeps it from telling")
    monkeypatch.undo()
    rig.restart()
    rig.until(lambda: receivers[0].codes() == ["kill", "kill"], "lost")
    assert receivers[0].got[0]["id"] == receivers[0].got[1]["id"]


def test_an_alert_that_a_sink_refuses_lets_the_next_one_through(
    tmp_path: Path, receivers: list[Receiver], said: list[dict[str, Any]]
) -> None:
    """Three attempts, then it is named in the log, and the others are told."""
    rig = Rig(config_of(tmp_path, receivers))
    receivers[0].status = 400
    rig.write("kill")
    rig.until(lambda: any(line["event"] == "alerts.not_taken" for line in said), "never given up")
    assert len(receivers[0].seen) == desks.REFUSALS_MAX
    receivers[0].status = 204
    rig.write("gap")
    rig.until(lambda: receivers[0].codes() == ["gap"], "the next one waits behind it")


def test_a_state_that_cannot_be_read_is_set_aside_and_told(
    tmp_path: Path, receivers: list[Receiver], said: list[dict[str, Any]]
) -> None:
    """What is in the spool is told from its beginning; nobody has to mend anything."""
    rig = Rig(config_of(tmp_path, receivers))
    rig.write("kill")
    rig.until(lambda: receivers[0].codes() == ["kill"], "not told")
    rig.until(rig.desk.is_quiet, "not done")
    file = kepts.file_of(folder_of(rig.config.state_dir))
    file.write_text('{"inode": 1, "offset": 2, "sinks": {"a": {"gate": {"x": 1}}}}')
    rig.restart()
    assert file.with_suffix(".json.lost").exists()
    rig.until(lambda: receivers[0].codes() == ["kill", "kill"], "not told again")
    assert [line["event"] for line in said if line["log_level"] == "error"] == ["alerts.state_lost"]


def test_a_storm_takes_bounded_room(tmp_path: Path, receivers: list[Receiver]) -> None:
    """Four thousand alerts while nobody takes them: the spool is begun anew, what waits is bounded."""
    receivers[0].status = receivers[1].status = 500
    rig = Rig(config_of(tmp_path, receivers, "max_per_minute = 600\n"))
    for number in range(4_000):
        rig.write(f"code_{number % 5}", number)
        if number % 500 == 0:
            while rig.desk.turn():
                pass
    while rig.desk.turn():
        pass
    rig.until(lambda: not rig.desk.turn(), "goes on")
    assert spool_of(rig.config.state_dir).stat().st_size < 1_000_000
    line = rig.desk.lines[0]
    assert len(line.waiting) <= 501
    counted = sum(1 + one["held_back"] for one in line.waiting.state())
    counted += sum(window["held"] for window in line.gate.state().values())
    assert counted == 4_000
    assert {one["text"] for one in line.waiting.state()} >= {f"n{n}" for n in range(5)}, "a first one is lost"


def test_two_processes_do_not_tell_everything_twice(tmp_path: Path, receivers: list[Receiver]) -> None:
    """A second one ends at once, and says why."""
    config = config_of(tmp_path, receivers)
    stop = threading.Event()
    first = threading.Thread(target=desks.run, args=(config, stop))
    first.start()
    try:
        assert wait_until(lambda: (folder_of(config.state_dir) / "lock").exists(), PATIENCE_MS)
        with pytest.raises(EnvironmentProblem, match="another alerts process"):
            desks.run(config, threading.Event())
    finally:
        stop.set()
        first.join()


def test_a_stop_tells_what_came_with_it(tmp_path: Path, receivers: list[Receiver]) -> None:
    """The last alerts of a deployment that stops are not left for its next start, where that is possible."""
    rig = Rig(config_of(tmp_path, receivers))
    rig.write("run.killed")
    stop = threading.Event()
    stop.set()
    began_ms = clock.steady_ms()
    assert desks.run(rig.config, stop) == 0
    assert clock.steady_ms() - began_ms < desks.STOP_MS + 500
    assert [one.codes() for one in receivers] == [["run.killed"], ["run.killed"]]
