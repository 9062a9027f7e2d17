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
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, partial
from pathlib import Path

from rich.console import Console
from rich.live import Live

from gateway import control, demo_config, demo_result, demo_view
from gateway.app import SUPERVISOR
from gateway.audit import stats as audit_stats
from gateway.config import load
from gateway.demo_config import LEADER_ACCOUNT, DemoDeployment
from gateway.demo_result import Ledger
from gateway.demo_watch import Watch
from gateway.errors import EnvironmentProblem, ExitCode
from gateway.screen import say_line, screen
from gateway.sim.actors import LeaderTicker, MarketTicker, demo_accounts
from gateway.sim.book import Book
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.fix_server import FixServer, SimSession, Ticker
from gateway.sim.market import DEMO_INSTRUMENTS, Market
from gateway.sim.scenario import LeaderScenario

LOGON_S, FLAT_S, QUIET_S, STOP_S = 30, 15, 30, 10
"""How long each phase may take before the demo goes on and lets the comparison speak."""
CALM_S = 2
"""Quiet means: nothing moved at any broker for this long."""
TRADE_MS = 200
DEMO_COLUMNS = 100
LOTS_MAX = 1
"""Largest order of the leader, lots: small enough that the followers' lots fit their column."""
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
    """Runs the demo; 0 when the brokers' books and the ledger agree, 1 when they do not.

    Ctrl-C and SIGTERM end it early; then nothing is proven, and the code is 128 and the signal's number.
    """
    console = screen(DEMO_COLUMNS, stderr=json_output, markup=True, highlight=True)
    # Kept after the run: `copygate audit` reads it.
    folder = Path(tempfile.mkdtemp(prefix="copygate-demo-"))
    deployment = demo_config.plan(folder, followers, sessions)
    demo_config.write(deployment)
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
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
            return conclude(deployment, leader, books, ledger, json_output)
    except Interrupted as interrupted:
        console.print(f"Stopped by {interrupted.name}. Nothing was compared.", style="yellow")
        console.print("Gateway, leader and brokers are down; no process is left.")
        say_line(console, f"Files: {folder}")
        return interrupted.exit_code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interrupted(BaseException):
    """Somebody asked us to stop. No ordinary error: nothing on the way may take it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number


def _interrupt(number: int, _frame: object) -> None:
    # A second Ctrl-C would cut the clean-up short and leave processes.
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(number)


def conclude(
    deployment: DemoDeployment, leader: Book, books: list[Book], ledger: Ledger, json_output: bool
) -> int:
    """Compares, says what came out, and gives the exit code."""
    verdict = demo_result.judge(leader, books, ledger, _lot_steps())
    result = demo_result.summary(
        leader, books, ledger, verdict, audit_stats.collect(deployment.state / "audit")
    )
    if json_output:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        # Nothing of a summary may be cut because the output goes into a file.
        console = screen(DEMO_COLUMNS, markup=True, highlight=True)
        console.print(demo_view.closing(result, verdict))
        for line in demo_view.afterwards(str(deployment.folder)):
            say_line(console, line)
    return int(ExitCode.OK if verdict.good else ExitCode.BAD_RESULT)


def start_counterparties(
    deployment: DemoDeployment, seed: int, begin_string: str = "FIX.4.4"
) -> Counterparties:
    """One broker per session, each with its own seed, all on the same generated market."""
    leader = Broker(seed, demo_accounts([LEADER_ACCOUNT]), LEADER_MOODS)
    trader = LeaderTicker(
        LeaderScenario(seed, DEMO_INSTRUMENTS, LOTS_MAX),
        leader.book.accounts[LEADER_ACCOUNT],
        "LEADER",
        TRADE_MS,
    )
    parties = Counterparties(_server(deployment, "LEADER", leader, seed, [trader], begin_string), trader)
    for index, name in enumerate(deployment.brokers, 1):
        accounts = demo_accounts([f.account for f in deployment.followers if f.session == name])
        model = Broker(seed + index, accounts, BROKER_MOODS)
        parties.brokers.append(_server(deployment, name, model, seed, [], begin_string))
    for server in parties.servers:
        server.start()
    return parties


def _server(
    deployment: DemoDeployment, name: str, model: Broker, seed: int, tickers: list[Ticker], begin_string: str
) -> FixServer:
    market = MarketTicker(Market(seed), model)
    folder = deployment.folder / "sim" / name
    return FixServer(
        model,
        [SimSession(name, begin_string=begin_string)],
        deployment.ports[name],
        folder,
        [market, *tickers],
    )


def start_gateway(deployment: DemoDeployment) -> subprocess.Popen[bytes]:
    """The gateway as a user starts it, with its log in a file."""
    log = (deployment.folder / "gateway.log").open("wb")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", str(deployment.config)],
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C is ours alone: we stop the gateway in order. However we end, it ends with us.
            start_new_session=True,
            env={**os.environ, SUPERVISOR: str(os.getpid())},
        )


_load = cache(load)


def ask_ledger(deployment: DemoDeployment) -> Ledger:
    """The core's status; unknown when it does not answer, which the comparison then reports."""
    try:
        answer = control.ask(_load(deployment.config), {"cmd": "status"})
        return demo_result.ledger_of(answer, deployment.accounts)
    except EnvironmentProblem:
        return Ledger()


def stop_gateway(gateway: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL for the whole group when that is not enough. Safe to call twice."""
    if gateway.poll() is not None:
        if gateway.returncode:
            # It died: its children end by themselves, but not before we say that we are done.
            with suppress(ProcessLookupError):
                os.killpg(gateway.pid, signal.SIGKILL)
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
        show = _shower(deployment, parties, console, stack)

        def wait(phase: str, done: Callable[[], bool], patience_s: float) -> bool:
            return _wait(deployment, parties, gateway, partial(show, phase), done, patience_s)

        if not wait("waiting for logons", parties.all_logged_on, LOGON_S):
            missing = sorted(n for s in parties.servers for n in set(s.sessions) - s.logged_on)
            raise _problem(deployment, f"sessions did not log on within {LOGON_S} s", ", ".join(missing))
        parties.leader.call(parties.trader.begin)
        wait(f"trading for {seconds:g} s", lambda: False, seconds)
        parties.leader.call(parties.trader.finish)
        wait("leader goes flat", lambda: parties.trader.flat, FLAT_S)
        wait("waiting for quiet", Quiet(parties), QUIET_S)


def _shower(
    deployment: DemoDeployment, parties: Counterparties, console: Console | None, stack: ExitStack
) -> Callable[[str], None]:
    """What is called with the phase at each look: a full screen, lines for a pipe, or nothing."""
    if console is None:
        return lambda _phase: None
    if not console.is_terminal:
        last: list[str] = []

        def say(phase: str) -> None:
            if last[-1:] != [phase]:
                last.append(phase)
                say_line(console, f"demo: {phase}")
                # Whoever reads the pipe wants to know now.
                console.file.flush()

        return say
    live = stack.enter_context(Live(console=console, screen=True, auto_refresh=False))
    watch = Watch(parties.leader, parties.brokers, deployment.state / "audit")

    def draw(phase: str) -> None:
        # Nobody answers before the core has its sessions, and asking would cost the view its pace.
        ledger = ask_ledger(deployment) if parties.all_logged_on() else Ledger()
        height = console.size.height
        live.update(demo_view.screen(deployment, watch.look(), ledger, phase, height), refresh=True)

    return draw


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


def take_snapshot(parties: Counterparties) -> demo_view.Snapshot:
    """What the books say now, without the audit log."""
    return Watch(parties.leader, parties.brokers, Path()).look()


def _wait(
    deployment: DemoDeployment,
    parties: Counterparties,
    gateway: subprocess.Popen[bytes],
    show: Callable[[], None],
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
        show()
        pause.wait(0.25)
    return done()


def _problem(deployment: DemoDeployment, what: str, value: str) -> EnvironmentProblem:
    log = deployment.folder / "gateway.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    last = " / ".join(lines[-3:])
    hint = f"The gateway's log is {log}. Its end: {last}"
    return EnvironmentProblem(what, path="demo", value=value, hint=hint)


def _lot_steps() -> dict[str, Decimal]:
    return {i.name: i.lot_units / 100 for i in DEMO_INSTRUMENTS}
