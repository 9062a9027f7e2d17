"""The audit log of a gateway whose processes are killed: no entry missing or twice, the same bytes again."""

from __future__ import annotations

import json
import os
import signal
from functools import partial

import pytest

from gateway import demo
from gateway._fastcore import Replay
from gateway.audit.rules import Rules
from gateway.audit.store import Store, read_entries
from gateway.clock import steady_ms
from tests.e2e.trading import BACK_MS, Run, trading

__all__ = ["trading"]


def back(run: Run, child: str) -> bool:
    """Whether a child was started a second time."""
    return len(run.pids(child)) > 1


@pytest.mark.slow
def test_kills_change_no_byte_of_the_audit_log(trading: Run) -> None:
    """`kill -9` of core and audit while trading: the log equals what the journal gives afterwards.

    The killed core took some stage times with it: those decisions have none, in both.
    """
    for victim in ("core", "audit"):
        trading.traded(20)
        os.kill(trading.pids(victim)[-1], signal.SIGKILL)
        trading.until("not started again", BACK_MS, partial(back, trading, victim))
        trading.until("no logon after the kill", BACK_MS, trading.parties.all_logged_on)
    trading.traded(20)
    trading.finish()
    started_ms = steady_ms()
    demo.stop_gateway(trading.gateway)
    stopped_ms = steady_ms() - started_ms
    state = trading.deployment.state
    live = [data for _, data in read_entries(state / "audit")]
    replay = Replay.open(str(state / "core" / "journal.db"), 0, None)
    again: list[bytes] = []
    rules = Rules()
    while replay.position < replay.head():
        again += [rules.entry(*line).data for line in replay.step(100)]
    assert live[1:] == again
    # The audit stops behind the core: the log ends where the journal ends, and still in time.
    with Store(state / "audit") as store:
        assert store.journal == replay.head()
    assert stopped_ms < 5_000
    assert sum(b'"kind":"start"' in data for data in live) == 2
    stages = [json.loads(data)["stages"] for data in live if b'"kind":"decision"' in data]
    assert sum(found is not None for found in stages) > len(stages) // 2
