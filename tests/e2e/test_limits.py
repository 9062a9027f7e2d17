"""Limits are reached while everything trades: opens are refused, and everybody ends flat with the leader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.config import load
from gateway.control_cli import app
from tests.e2e.trading import QUIET_MS, TRADE_MS, Run, started, status_of

OF_ALL = """[limits]
max_open_orders = 2
max_exposure = "40000"
max_leverage = "0.3"
price_collar_bps = 100
"""
OVER_TIME = """
[messages]
per_s = 15
burst = 15
[faults]
repeated_copies = 12
repeated_window_ms = 600000
"""


def limited(text: str) -> str:
    """The deployment with limits that its trading reaches."""
    assert text.count("[limits]\n") == 1
    return text.replace("[limits]\n", OF_ALL) + OVER_TIME


def status(run: Run) -> dict[str, Any]:
    return status_of(load(run.deployment.config))


@pytest.mark.slow
def test_limits_refuse_opens_and_no_close(tmp_path: Path) -> None:
    """Books and ledger agree at the end; what was disabled is released by name and trades again."""
    with started(tmp_path, 4, 2, limited) as run:
        run.until(
            "nothing is refused",
            4 * TRADE_MS,
            lambda: {"max_messages", "repeated_execution"} <= set(status(run)["refusals"]),
        )
        run.until(
            "is not disabled",
            TRADE_MS,
            lambda: any(one["code"] == "repeated_execution" for one in status(run)["stops"]),
        )
        done = CliRunner().invoke(app, [str(run.deployment.config), "stops", "--json"])
        names = {one["name"] for one in json.loads(done.output) if one["code"] == "repeated_execution"}
        for name in sorted(names):
            words = [str(run.deployment.config), "arm", "--who", "ann", "--follower", name]
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, done.output
        before = run.fills()
        run.until("does not trade again", TRADE_MS, lambda: run.fills() > before)
        run.finish()
        run.until(
            "is not flat",
            QUIET_MS,
            lambda: all(one["filled"] == "0" for one in status(run)["subscriptions"]),
        )
        verdict = run.verdict()
        assert verdict.good, verdict.reasons
