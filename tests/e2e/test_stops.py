"""A follower that is halted while everything trades: its closes wait, and go out at the release."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.config import load
from gateway.control_cli import app
from tests.e2e.trading import QUIET_MS, TRADE_MS, Run, status_of, trading

__all__ = ["trading"]

FOLLOWER = "f1"


def lines(run: Run) -> list[dict[str, Any]]:
    """The ledger lines of the follower that hold or want something."""
    status = status_of(load(run.deployment.config))
    mine = [one for one in status["subscriptions"] if one["follower"] == FOLLOWER]
    return [one for one in mine if Decimal(one["filled"]) or Decimal(one["target"])]


def ctl(run: Run, *words: str) -> None:
    """`copygate ctl … --follower f1`, which must work."""
    done = CliRunner().invoke(app, [str(run.deployment.config), *words, "--follower", FOLLOWER])
    assert done.exit_code == 0, done.output


def halted_with_a_position(run: Run) -> bool:
    """Halts the follower; releases it again where it has no position to keep, or a close is on its way."""
    ctl(run, "kill", "--level", "halt")
    if any(Decimal(one["filled"]) and not Decimal(one["working"]) for one in lines(run)):
        return True
    ctl(run, "arm", "--who", "ann")
    return False


@pytest.mark.slow
def test_a_halted_follower_keeps_its_position_until_it_is_released(trading: Run) -> None:
    """The leader goes flat, and so does everybody else; the follower does after its release."""
    trading.until("never holds anything", TRADE_MS, lambda: halted_with_a_position(trading))
    trading.traded(5)
    trading.finish()
    kept = lines(trading)
    assert [Decimal(one["target"]) for one in kept] == [Decimal(0)] * len(kept)
    assert all(Decimal(one["filled"]) and one["close_waits"] for one in kept), kept
    assert kept
    ctl(trading, "arm", "--who", "ann")
    trading.until("the closes do not go out", QUIET_MS, lambda: not lines(trading))
    trading.finish()
    verdict = trading.verdict()
    assert verdict.good, verdict.reasons
