"""Alerts of a running deployment reach a webhook and a command within five seconds, and none is lost."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import clock, control
from gateway.notify.kept import file_of
from gateway.notify.spool import folder_of
from tests.e2e.plant import Plant
from tests.unit.notify_rig import Receiver, script

WITHIN_MS = 5_000
SINKS = """
[alerts.sinks.web]
kind = "webhook"
url = "{url}"
timeout_ms = 1000
max_per_minute = 600

[alerts.sinks.page]
kind = "command"
argv = ["./page"]
max_per_minute = 600

[alerts.sinks.stuck]
kind = "command"
argv = ["./stuck"]
timeout_ms = 500
"""


class Told(Plant):
    """A deployment whose brokers have names of their own."""

    BROKERS = "N"


class Watched:
    """The deployment, and who is told of its alerts."""

    def __init__(self, folder: Path) -> None:
        script(folder, "page", ["cat >> pages"])
        script(folder, "stuck", ["echo $$ >> stuck_pids", "exec sleep 600"])
        self.folder = folder
        self.receiver = Receiver()
        self.plant = Told(folder, SINKS.format(url=self.receiver.url))

    def close(self) -> None:
        """Ends everything."""
        self.plant.close()
        self.receiver.close()

    def down(self) -> None:
        """Nobody listens at the webhook's address."""
        self.receiver.close()

    def up(self) -> None:
        """Somebody listens there again; what came before is kept."""
        got, self.receiver = self.receiver.got, Receiver(self.receiver.port)
        self.receiver.got[:0] = got

    def pages(self) -> list[dict[str, Any]]:
        """What the command got."""
        try:
            text = (self.folder / "pages").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines()]

    def state(self) -> dict[str, Any]:
        """What the alerts process keeps of the webhook."""
        found = json.loads(file_of(folder_of(self.folder / "state")).read_text())["sinks"]["web"]
        assert isinstance(found, dict)
        return found

    def say(self, command: str, **rest: object) -> None:
        """An operator's command, which the core confirms by an alert."""
        control.ask_at(self.folder / "state", {"cmd": command, "who": "test", **rest})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The deployment, trading."""
    os.environ["no_proxy"] = "127.0.0.1"
    watched = Watched(tmp_path_factory.mktemp("alerts"))
    try:
        watched.plant.until(watched.plant.is_ready, "the deployment does not start")
        yield watched
    finally:
        watched.close()


@pytest.fixture
def watched(running: Watched) -> Watched:
    """The same, ready again."""
    running.plant.until(running.plant.is_ready, "an earlier test left the deployment down")
    return running


def about(alerts: list[dict[str, Any]], code: str, words: str = "") -> list[dict[str, Any]]:
    """Alerts of a code whose text has these words."""
    return [alert for alert in list(alerts) if alert["code"] == code and words in alert["text"]]


def test_a_killed_core_is_told_within_five_seconds(watched: Watched) -> None:
    """The core cannot tell of its own end: its supervisor does."""
    began_ms = clock.steady_ms()
    os.kill(watched.plant.pid("core"), signal.SIGKILL)
    watched.plant.until(
        lambda: bool(
            about(watched.receiver.got, "run.ended", "child core, exit_code -9")
            and about(watched.pages(), "run.ended", "child core, exit_code -9")
        ),
        "nobody was told",
    )
    assert clock.steady_ms() - began_ms < WITHIN_MS
    (alert,) = about(watched.receiver.got, "run.ended", "child core")
    assert (alert["deployment"], alert["process"], alert["level"]) == ("plant", "run", "error")
    assert alert["time"].endswith("Z")
    assert "who killed it" in alert["advice"]


def test_an_alert_of_the_core_is_told_within_five_seconds(watched: Watched) -> None:
    """Somebody stops everything, and everybody learns it; a command that hangs is in nobody's way."""
    before = len(about(watched.receiver.got, "kill")), len(about(watched.pages(), "kill"))
    began_ms = clock.steady_ms()
    watched.say("kill", level="no_opens")
    watched.plant.until(
        lambda: (
            len(about(watched.receiver.got, "kill")) > before[0]
            and len(about(watched.pages(), "kill")) > before[1]
        ),
        "nobody was told",
    )
    assert clock.steady_ms() - began_ms < WITHIN_MS
    watched.say("arm")
    stuck = [int(pid) for pid in (watched.folder / "stuck_pids").read_text().split()]
    assert stuck
    for pid in stuck[:-1]:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_webhook_that_was_down_gets_everything_later(watched: Watched) -> None:
    """In the meantime the command is told; when it is up again, so is the webhook, first alert first."""
    watched.down()
    os.kill(watched.plant.pid("route:r1"), signal.SIGKILL)
    watched.plant.until(lambda: bool(about(watched.pages(), "run.ended", "route:r1")), "the command waits")
    watched.plant.until(lambda: bool(watched.state()["down_since"]), "the outage is not noticed")
    assert not about(watched.receiver.got, "run.ended", "route:r1")
    watched.up()
    watched.plant.until(
        lambda: bool(about(watched.receiver.got, "run.ended", "route:r1")), "lost by the outage"
    )
    watched.plant.until(lambda: not watched.state()["down_since"], "the outage does not end")


def test_killing_the_alerts_process_loses_nothing(watched: Watched) -> None:
    """Again and again, while a webhook is down and alerts go on; its own deaths are told as well."""
    watched.down()
    reasons = [f"r{number}" for number in range(12)]
    for number, reason in enumerate(reasons):
        command = "kill" if number % 2 == 0 else "arm"
        watched.say(command, who=reason, **({"level": "no_opens"} if number % 2 == 0 else {}))
        if number % 4 == 3:
            deaths = len(watched.plant.said("run.started"))
            os.kill(watched.plant.pid("alerts"), signal.SIGKILL)
            watched.plant.until(
                lambda deaths=deaths: len(watched.plant.said("run.started")) > deaths,  # type: ignore[misc]
                "not started again",
            )
    watched.up()

    def told(alerts: list[dict[str, Any]]) -> set[str]:
        texts = [alert["text"] for alert in list(alerts) if alert["code"] in ("kill", "arm")]
        return {word.strip(";") for text in texts for word in text.split()} & set(reasons)

    for alerts in (lambda: watched.receiver.got, watched.pages):
        watched.plant.until(lambda alerts=alerts: told(alerts()) == set(reasons), "lost")  # type: ignore[misc]
        watched.plant.until(
            lambda alerts=alerts: len(about(alerts(), "run.ended", "child alerts")) >= 3,  # type: ignore[misc]
            "its deaths are not told",
        )


def test_trading_goes_on(watched: Watched) -> None:
    """After all of it a fill and its close are copied once each."""
    watched.plant.copies_a_round_trip()
