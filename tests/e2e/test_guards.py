"""An account falls to its floor while everything trades: it is closed, and nobody else notices."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.config import load
from gateway.control_cli import app
from tests.e2e.trading import QUIET_MS, TRADE_MS, Run, started, status_of

FOLLOWER = "f1"
GUARDS = 'guards = { rules = [{ rule = "equity_floor", amount = 1000, action = "close_all" }] }'


def guarded(text: str) -> str:
    """The deployment with guards for one follower."""
    section = f"[followers.{FOLLOWER}]\n"
    assert section in text
    return text.replace(section, f"{section}{GUARDS}\n")


def status(run: Run) -> dict[str, Any]:
    return status_of(load(run.deployment.config))


def lines(run: Run) -> list[dict[str, Any]]:
    """The ledger lines of the follower that hold or work something."""
    mine = [one for one in status(run)["subscriptions"] if one["follower"] == FOLLOWER]
    return [one for one in mine if any(Decimal(one[key]) for key in ("filled", "working"))]


def has(run: Run, balance: int) -> None:
    """The account at its broker: what an operator says would hold until the next report only."""
    name = run.deployment.accounts[FOLLOWER]
    server = next(one for one in run.parties.brokers if name in one.broker.book.accounts)
    server.call(lambda: setattr(server.broker.book.accounts[name], "balance", Decimal(balance)))


def ctl(run: Run, *words: str) -> str:
    done = CliRunner().invoke(app, [str(run.deployment.config), *words])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_an_account_at_its_floor_is_closed_while_the_others_trade(tmp_path: Path) -> None:
    with started(tmp_path, 4, 2, guarded) as run:
        run.until(
            "never holds anything",
            TRADE_MS,
            lambda: any(Decimal(one["filled"]) for one in lines(run)),
        )
        (before,) = status(run)["guards"]
        assert Decimal(before["equity"]) > 1000, "its broker said what it is worth"
        assert before["floor"] == "1000"
        has(run, 500)
        run.until("is not closed", QUIET_MS, lambda: not lines(run))
        (stop,) = json.loads(ctl(run, "stops", "--json"))
        assert (stop["name"], stop["level"], stop["code"]) == (FOLLOWER, "close_only", "suspended_equity")
        assert "at or below 1000" in stop["numbers"]
        assert "suspended_equity" in ctl(run, "status")
        run.traded(10)
        assert not lines(run)
        assert status(run)["refusals"]["suspended_equity"] > 0
        # Below its floor a release does not hold; with money paid in it does.
        done = CliRunner().invoke(
            app, [str(run.deployment.config), "arm", "--who", "ann", "--follower", FOLLOWER]
        )
        assert done.exit_code != 0
        assert "not in effect" in done.output
        has(run, 50_500)
        ctl(run, "account", FOLLOWER, "--deposit", "50000")
        ctl(run, "arm", "--who", "ann", "--follower", FOLLOWER)
        run.until("does not trade again", TRADE_MS, lambda: bool(lines(run)))
        run.finish()
        verdict = run.verdict()
        assert verdict.good, verdict.reasons
