"""A deployment of the demo that trades, for tests that disturb it and look at the books afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from gateway import control, demo, demo_config, demo_result
from gateway.clock import wait_until
from gateway.config_model import GatewayConfig
from gateway.demo_config import DemoDeployment

LOGON_MS, TRADE_MS, BACK_MS, FLAT_MS, QUIET_MS = 20_000, 10_000, 15_000, 15_000, 20_000
POLL_MS = 50
DEMO_S = 40
"""A short demo gets this long, all phases included."""
SEED = 7


def run_demo(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A whole `copygate demo` with JSON figures; `TMPDIR` keeps its files in the test's folder."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--json", *words],
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=DEMO_S,
        check=False,
    )


def status_of(config: GatewayConfig) -> dict[str, Any]:
    """The core's own view. On a busy machine it may take longer to answer than a person waits: it is asked
    again, as a person would ask."""
    answers: list[dict[str, Any]] = []

    def answered() -> bool:
        try:
            answers.append(control.ask(config, {"cmd": "status"}))
        except control.NoCore:
            return False
        return True

    assert wait_until(answered, BACK_MS, POLL_MS), "the core does not say how it is"
    return answers[0]


@dataclass
class Run:
    """A deployment that trades."""

    deployment: DemoDeployment
    parties: demo.Counterparties
    gateway: Popen[bytes]

    def pids(self, child: str) -> list[int]:
        """Process ids that the supervisor gave a child, oldest first, from its log."""
        lines = (self.deployment.folder / "gateway.log").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if '"run.started"' in line and line.endswith("}")]
        return [int(row["pid"]) for row in rows if row["child"] == child]

    def fills(self) -> int:
        """Fills at the followers' brokers so far."""
        return demo.take_snapshot(self.parties).fills

    def until(self, what: str, patience_ms: int, done: Callable[[], bool]) -> None:
        """Polls; fails the test with `what`."""
        assert wait_until(done, patience_ms, POLL_MS), what

    def finish(self) -> None:
        """The leader goes flat, and everything comes to rest."""
        self.parties.leader.call(self.parties.trader.finish)
        self.until("the leader is not flat", FLAT_MS, lambda: self.parties.trader.flat)
        self.until("orders stay live", QUIET_MS, demo.Quiet(self.parties))

    def verdict(self) -> demo_result.Verdict:
        """The brokers' own books against the ledger."""
        ledger = demo.ask_ledger(self.deployment)
        books = [server.broker.book for server in self.parties.brokers]
        return demo_result.judge(self.parties.leader.broker.book, books, ledger, demo._lot_steps())

    def traded(self, more: int) -> None:
        """Waits for more fills than there are now."""
        before = self.fills()
        self.until("no trading", TRADE_MS, lambda: self.fills() >= before + more)


@contextmanager
def started(
    folder: Path,
    followers: int,
    sessions: int,
    change: Callable[[str], str] = lambda text: text,
    begin_string: str = "FIX.4.4",
    *,
    trades: bool = True,
) -> Iterator[Run]:
    """Simulated counterparties and the gateway, with the leader trading unless he waits to be told; `change`
    rewrites the file."""
    deployment = demo_config.plan(folder, followers, sessions)
    demo_config.write(deployment)
    deployment.config.write_text(change(deployment.config.read_text("utf-8")), "utf-8")
    with ExitStack() as stack:
        parties = demo.start_counterparties(deployment, SEED, begin_string)
        stack.callback(parties.stop)
        gateway = demo.start_gateway(deployment)
        stack.callback(demo.stop_gateway, gateway)
        run = Run(deployment, parties, gateway)
        run.until("no logon", LOGON_MS, parties.all_logged_on)
        if trades:
            parties.leader.call(parties.trader.begin)
        yield run


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Run]:
    """Four followers on two sessions."""
    with started(tmp_path, 4, 2) as run:
        yield run
