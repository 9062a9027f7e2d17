"""`kill -9` of a route while trading: what died is started again, and the books agree in the end."""

from __future__ import annotations

import os
import signal

import pytest

from tests.e2e.trading import BACK_MS, Run, trading

__all__ = ["trading"]


@pytest.mark.slow
def test_a_killed_route_costs_no_fill(trading: Run) -> None:
    """`kill -9` of a route while trading: it comes back, nothing is lost or doubled, and every follower
    ends on target."""
    child = "route:r1"
    trading.traded(10)
    os.kill(trading.pids(child)[-1], signal.SIGKILL)
    trading.until("not started again", BACK_MS, lambda: len(trading.pids(child)) > 1)
    trading.until("no logon after the kill", BACK_MS, trading.parties.all_logged_on)
    trading.traded(10)
    trading.finish()
    verdict = trading.verdict()
    assert verdict.good, verdict.reasons
    assert trading.gateway.poll() is None
