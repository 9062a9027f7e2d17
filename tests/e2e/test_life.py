"""Followers who come and go while everything trades: paused, set anew, ended, and back by a new name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway import demo
from gateway.config import load
from gateway.control_cli import app
from tests.e2e.trading import LOGON_MS, QUIET_MS, TRADE_MS, Run, started, status_of, trading

__all__ = ["trading"]


def status(run: Run) -> dict[str, Any]:
    return status_of(load(run.deployment.config))


def lines(run: Run, subscription: str) -> list[dict[str, Any]]:
    """The ledger lines of a subscription that hold or work something."""
    mine = [one for one in status(run)["subscriptions"] if one["subscription"] == subscription]
    return [one for one in mine if any(Decimal(one[key]) for key in ("filled", "working"))]


def ctl(run: Run, *words: str) -> str:
    done = CliRunner().invoke(app, [str(run.deployment.config), *words, "--as", "ann"])
    assert done.exit_code == 0, done.output
    return done.output


def holds(run: Run, subscription: str) -> bool:
    return any(Decimal(one["filled"]) for one in lines(run, subscription))


def gone(run: Run) -> set[str]:
    """Subscriptions that have left."""
    return {one["subscription"] for one in status(run)["leaving"] if one["done"]}


def of(run: Run, follower: str) -> str:
    """The first subscription of a follower."""
    return next(s.label for s in load(run.deployment.config).subscriptions if s.follower == follower)


@pytest.mark.slow
def test_each_rule_ends_a_subscription_while_the_others_trade(trading: Run) -> None:
    """Closed at once or with the leader, paused and set anew: the brokers' books agree with it."""
    now, later, paused = (of(trading, follower) for follower in ("f1", "f2", "f3"))
    held: set[str] = set()

    def all_held() -> bool:
        held.update(name for name in (now, later, paused) if holds(trading, name))
        return len(held) == 3

    trading.until("somebody never holds anything", TRADE_MS, all_held)
    ctl(trading, "leave", now, "--rule", "close_now")
    ctl(trading, "leave", later, "--rule", "close_with_leader")
    ctl(trading, "pause", paused, "--level", "close_only")
    trading.until("is not closed", QUIET_MS, lambda: now in gone(trading))
    trading.traded(10)
    assert not lines(trading, now)
    refusals = status(trading)["refusals"]
    assert refusals["leaving"] > 0
    assert refusals["paused"] > 0
    ctl(trading, "resume", paused)
    ctl(trading, "resync", paused)
    trading.until("does not trade again", TRADE_MS, lambda: holds(trading, paused))
    trading.finish()
    trading.until("has not left", QUIET_MS, lambda: gone(trading) == {now, later})
    verdict = trading.verdict()
    assert verdict.good, verdict.reasons


@pytest.mark.slow
def test_who_left_comes_back_by_a_new_name_with_what_the_leader_holds(tmp_path: Path) -> None:
    """A start with a new subscription opens the leader's position once; the next start does not."""
    with started(tmp_path, 4, 2) as run:
        old = of(run, "f1")
        run.until("never holds anything", TRADE_MS, lambda: holds(run, old))
        ctl(run, "leave", old, "--rule", "close_now")
        run.until("is not closed", QUIET_MS, lambda: old in gone(run))
        text = run.deployment.config.read_text("utf-8")
        again = (
            '\n[[subscriptions]]\nname = "again"\nfollower = "f1"\nleader = "alpha"\njoining = "target"\n'
            'sizing = { mode = "multiplier", k = 1 }\n'
        )
        ended = text.replace('follower = "f1"\n', 'follower = "f1"\nleaving = "close_now"\n', 1)
        run.deployment.config.write_text(ended + again, "utf-8")
        joins = []
        for _ in range(2):
            demo.stop_gateway(run.gateway)
            run.gateway = demo.start_gateway(run.deployment)
            run.until("no logon", LOGON_MS, run.parties.all_logged_on)
            run.until("does not copy", TRADE_MS, lambda: holds(run, "again"))
            joins.append(status(run)["alerts"].get("join", 0))
        assert joins[0] > 0
        assert joins[0] == joins[1], "it joined twice"
        run.traded(5)
        run.finish()
        verdict = run.verdict()
        demo.stop_gateway(run.gateway)
        assert verdict.good, verdict.reasons
