"""The core hangs: the kill switch works without it, and is the core's own when it is back."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import kill_file
from gateway.control_cli import app
from tests.e2e.trading import QUIET_MS, TRADE_MS, Run, trading

__all__ = ["trading"]


def said(run: Run, event: str) -> set[str]:
    """The processes whose log has this event."""
    lines = (run.deployment.folder / "gateway.log").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if event in line and line.endswith("}")]
    return {str(row["process"]) for row in rows if row["event"] == event}


def ctl(run: Run, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(run.deployment.config), *words])
    return done.exit_code, done.output


@pytest.mark.slow
def test_a_kill_while_the_core_hangs_holds_in_the_routes_and_then_in_the_core(trading: Run) -> None:
    trading.traded(3)
    (core,) = trading.pids("core")
    os.kill(core, signal.SIGSTOP)
    try:
        code, text = ctl(trading, "kill", "--who", "ann")
        assert (code, "Left at no_opens for the routes" in text) == (3, True), text
        both = {"route:r1", "route:r2"}
        trading.until("a route does not heed it", QUIET_MS, lambda: said(trading, "route.kill") == both)
    finally:
        os.kill(core, signal.SIGCONT)
    left: Path = kill_file.place_of(trading.deployment.state)
    trading.until("the core does not take it up", QUIET_MS, lambda: not left.exists())
    (stop,) = json.loads(ctl(trading, "stops", "--json")[1])
    assert (stop["scope"], stop["level"], stop["who"]) == ("global", "no_opens", "ann")
    trading.until("a route still holds back", QUIET_MS, lambda: said(trading, "route.kill_ends") == both)
    assert ctl(trading, "arm", "--who", "ann")[0] == 0
    before = trading.fills()
    trading.until("no trading after the release", TRADE_MS, lambda: trading.fills() > before)
    trading.finish()
    verdict = trading.verdict()
    assert verdict.good, verdict.reasons


@pytest.mark.slow
def test_a_kill_of_one_follower_while_the_core_hangs_is_the_cores_own_later(trading: Run) -> None:
    """Only its route heeds it; the core takes it up with its scope; the others trade on, and it does not."""
    trading.traded(3)
    (core,) = trading.pids("core")
    os.kill(core, signal.SIGSTOP)
    try:
        code, text = ctl(trading, "close-only", "--who", "ann", "--follower", "f1")
        assert (code, "Left at close_only of follower f1" in text) == (3, True), text
        trading.until("its route does not heed it", QUIET_MS, lambda: bool(said(trading, "route.kill")))
    finally:
        os.kill(core, signal.SIGCONT)
    left: Path = kill_file.place_of(trading.deployment.state, "follower", "f1")
    trading.until("the core does not take it up", QUIET_MS, lambda: not left.exists())
    (stop,) = json.loads(ctl(trading, "stops", "--json")[1])
    found = (stop["scope"], stop["name"], stop["level"], stop["who"])
    assert found == ("follower", "f1", "close_only", "ann")
    trading.until("the route still holds back", QUIET_MS, lambda: bool(said(trading, "route.kill_ends")))
    assert said(trading, "route.kill") == said(trading, "route.kill_ends") == {"route:r1"}
    trading.traded(3)
    assert ctl(trading, "arm", "--who", "ann", "--follower", "f1")[0] == 0
    trading.traded(3)
    trading.finish()
    verdict = trading.verdict()
    assert verdict.good, verdict.reasons
