"""`copygate demo`: a leader, brokers and the gateway on loopback, then the books compared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.live import Live

from gateway import control, demo_config, demo_result, demo_view
from gateway.config import load
from gateway.demo_config import LEADER_ACCOUNT, DemoDeployment
from gateway.demo_result import Ledger
from gateway.errors import EnvironmentProblem, ExitCode
from gateway.sim.actors import LeaderTicker, MarketTicker, demo_accounts
from gateway.sim.book import REJECTED, Book
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.fix_server import FixServer, SimSession, Ticker
from gateway.sim.market import DEMO_INSTRUMENTS, Market
from gateway.sim.scenario import LeaderScenario

LOGON_S, FLAT_S, QUIET_S, STOP_S = 30, 15, 30, 10
"""How long each phase may take before the demo goes on and lets the comparison speak."""
CALM_S = 2
"""Quiet means: nothing moved at any broker for this long."""
TRADE_MS = 200
LEADER_MOODS = Behaviour(partial_per_10k=3000)
BROKER_MOODS = Behaviour(partial_per_10k=2000, reject_per_10k=100, expire_per_10k=300)


@dataclass
class Counterparties:
    """The simulated leader and brokers, running."""

    leader: FixServer
    trader: LeaderTicker
    brokers: list[FixServer] = field(default_factory=list)

    @property
    def servers(self) -> list[FixServer]:
        """All of them."""
        return [self.leader, *self.brokers]

    def all_logged_on(self) -> bool:
        """Whether the gateway has a session with everybody."""
        return all(server.logged_on == set(server.sessions) for server in self.servers)

    def stop(self) -> None:
        """Ends all of them."""
        for server in self.servers:
            server.stop()


def main(followers: int, sessions: int, seconds: float, seed: int, json_output: bool) -> int:
    """Runs the demo; 0 when the brokers' books and the ledger agree, 1 when they do not."""
    console = Console(stderr=json_output)
    # Kept after the run: `copygate audit` reads it.
    folder = Path(tempfile.mkdtemp(prefix="copygate-demo-"))
    deployment = demo_config.plan(folder, followers, sessions)
    demo_config.write(deployment)
    with ExitStack() as stack:
        parties = start_counterparties(deployment, seed)
        stack.callback(parties.stop)
        gateway = start_gateway(deployment)
        stack.callback(stop_gateway, gateway)
        run_trading(deployment, parties, gateway, seconds, None if json_output else console)
        ledger = ask_ledger(deployment)
        stop_gateway(gateway)
        leader = parties.leader.broker.book
        books = [server.broker.book for server in parties.brokers]
        verdict = demo_result.judge(leader, books, ledger, _lot_steps())
        result = demo_result.summary(leader, books, ledger, verdict, deployment.state)
    if json_output:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        console.print(demo_view.closing(result, verdict, str(folder)))
    return int(ExitCode.OK if verdict.good else ExitCode.BAD_RESULT)


def start_counterparties(deployment: DemoDeployment, seed: int) -> Counterparties:
    """One broker per session, each with its own seed, all on the same generated market."""
    leader = Broker(seed, demo_accounts([LEADER_ACCOUNT]), LEADER_MOODS)
    trader = LeaderTicker(
        LeaderScenario(seed, DEMO_INSTRUMENTS), leader.book.accounts[LEADER_ACCOUNT], "LEADER", TRADE_MS
    )
    parties = Counterparties(_server(deployment, "LEADER", leader, seed, [trader]), trader)
    for index, name in enumerate(deployment.brokers, 1):
        accounts = demo_accounts([f.account for f in deployment.followers if f.session == name])
        model = Broker(seed + index, accounts, BROKER_MOODS)
        parties.brokers.append(_server(deployment, name, model, seed, []))
    for server in parties.servers:
        server.start()
    return parties


def _server(
    deployment: DemoDeployment, name: str, model: Broker, seed: int, tickers: list[Ticker]
) -> FixServer:
    market = MarketTicker(Market(seed), model)
    folder = deployment.folder / "sim" / name
    return FixServer(model, [SimSession(name)], deployment.ports[name], folder, [market, *tickers])


def start_gateway(deployment: DemoDeployment) -> subprocess.Popen[bytes]:
    """The gateway as a user starts it, with its log in a file."""
    log = (deployment.folder / "gateway.log").open("wb")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", str(deployment.config)],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def ask_ledger(deployment: DemoDeployment) -> Ledger:
    """The core's status; unknown when it does not answer, which the comparison then reports."""
    accounts = {f.name: f.account for f in deployment.followers}
    try:
        return demo_result.ledger_of(control.ask(load(deployment.config), {"cmd": "status"}), accounts)
    except EnvironmentProblem:
        return Ledger()


def stop_gateway(gateway: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL for the whole group when that is not enough. Safe to call twice."""
    if gateway.poll() is not None:
        return
    gateway.terminate()
    try:
        gateway.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(gateway.pid, signal.SIGKILL)
        gateway.wait()


def run_trading(
    deployment: DemoDeployment,
    parties: Counterparties,
    gateway: subprocess.Popen[bytes],
    seconds: float,
    console: Console | None,
) -> None:
    """Logon, trading, going flat, waiting for quiet; the view follows along."""
    with ExitStack() as stack:
        live = stack.enter_context(Live(console=console, refresh_per_second=4)) if console else None

        def wait(phase: str, done: Callable[[], bool], patience_s: float) -> bool:
            return _wait(deployment, parties, gateway, live, phase, done, patience_s)

        if not wait("waiting for logons", parties.all_logged_on, LOGON_S):
            missing = sorted(n for s in parties.servers for n in set(s.sessions) - s.logged_on)
            raise _problem(deployment, f"sessions did not log on within {LOGON_S} s", ", ".join(missing))
        parties.leader.call(parties.trader.begin)
        wait("trading", lambda: False, seconds)
        parties.leader.call(parties.trader.finish)
        wait("leader goes flat", lambda: parties.trader.flat, FLAT_S)
        wait("waiting for quiet", Quiet(parties), QUIET_S)


class Quiet:
    """True once no order is live, and nothing moved for a while."""

    def __init__(self, parties: Counterparties) -> None:
        self._parties = parties
        self._last: tuple[int, ...] = ()
        self._since = time.monotonic()

    def __call__(self) -> bool:
        """Looks at all books once."""
        now = [s.call(lambda s=s: _activity(s.broker.book)) for s in self._parties.servers]  # type: ignore[misc]
        marks = tuple(mark for mark, _ in now)
        if marks != self._last or any(live for _, live in now):
            self._last, self._since = marks, time.monotonic()
        return time.monotonic() - self._since >= CALM_S


def _activity(book: Book) -> tuple[int, int]:
    return len(book.orders) + len(book.executions), sum(o.live for o in book.orders.values())


def _wait(
    deployment: DemoDeployment,
    parties: Counterparties,
    gateway: subprocess.Popen[bytes],
    live: Live | None,
    phase: str,
    done: Callable[[], bool],
    patience_s: float,
) -> bool:
    """Polls a condition, draws meanwhile, and stops at once when something died."""
    pause = threading.Event()
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if done():
            return True
        if gateway.poll() is not None:
            raise _problem(deployment, "the gateway stopped", f"exit code {gateway.returncode}")
        for server in parties.servers:
            if server.failure:
                raise _problem(deployment, "a simulator stopped", server.failure)
        if live is not None:
            # Nobody answers before the core has its sessions, and asking would cost the view its pace.
            ledger = ask_ledger(deployment) if parties.all_logged_on() else Ledger()
            live.update(demo_view.screen(deployment, take_snapshot(parties), ledger, phase))
        pause.wait(0.25)
    return done()


def take_snapshot(parties: Counterparties) -> demo_view.Snapshot:
    """Copies what the view shows; each book is read on its own model's thread."""
    snapshot = demo_view.Snapshot()

    def read_leader() -> None:
        book = parties.leader.broker.book
        snapshot.leader_positions = dict(book.accounts[LEADER_ACCOUNT].positions)
        snapshot.leader_executions = len(book.executions)
        newest = list(book.executions.values())[-demo_view.FILLS_SHOWN :]
        snapshot.leader_fills = [(e.symbol, e.side, e.qty, e.px) for e in newest]

    def read_broker(book: Book) -> None:
        snapshot.orders += len(book.orders)
        snapshot.fills += len(book.executions)
        snapshot.rejects += sum(o.state == REJECTED for o in book.orders.values())
        snapshot.live_orders += sum(o.live for o in book.orders.values())
        snapshot.positions |= demo_result.broker_positions([book])

    parties.leader.call(read_leader)
    for server in parties.brokers:
        server.call(lambda s=server: read_broker(s.broker.book))  # type: ignore[misc]
    return snapshot


def _problem(deployment: DemoDeployment, what: str, value: str) -> EnvironmentProblem:
    log = deployment.folder / "gateway.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    last = " / ".join(lines[-3:])
    hint = f"The gateway's log is {log}. Its end: {last}"
    return EnvironmentProblem(what, path="demo", value=value, hint=hint)


def _lot_steps() -> dict[str, Decimal]:
    return {i.name: i.lot_units / 100 for i in DEMO_INSTRUMENTS}
