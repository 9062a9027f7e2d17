"""A deployment under test: the gateway as processes, counterparties, and lines that can break."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from signal import Signals
from typing import Any

from gateway import control
from gateway.app import SUPERVISOR
from gateway.clock import wait_until
from gateway.config import load
from gateway.errors import EnvironmentProblem
from gateway.resources import root
from gateway.sim.actors import LeaderTicker, demo_accounts
from gateway.sim.broker import Behaviour
from gateway.sim.fix_server import free_port
from gateway.sim.reports import Dialect
from gateway.sim.scenario import LeaderScenario
from tests.fault.counterparty import INSTRUMENTS, Counterparty, LeaderHand, TrustingBroker
from tests.fault.judge import Copier
from tests.fault.page import PAGE, Page
from tests.fault.proxy import Proxy
from tests.fault.schedule import BROKERS, SESSIONS, SETTLE_MS

LEADER_ACCOUNT = "LEADER"
TRADE_MS = 120
PORTS_BEGIN, PORTS = 12_000, 16_000
RESTART_S = 0.3
"""A gateway that ended is started again behind this pause, as a service manager does."""
STOP_S = 10

CONFIG = """
[gateway]
deployment = "fault"
state_dir = "state"
durability = "{durability}"

[faults]
reject_burst = 0

[core]
beat_ms = 100
orphan_ms = 1500
journal_stall_ms = 200
snapshot_rows = 1000

[timing]
dispatch_timeout_ms = 400
ack_timeout_ms = 800
settle_ms = {settle_ms}
query_retry_ms = 400
close_retry_ms = 100

[limits]
max_order_qty_lots = "50"
max_position_lots = "1000"
"""
INSTRUMENT = """
[instruments.{name}]
contract_size = 100000
lot_step = "0.01"
min_lot = "0.01"
tick = "0.00001"
base = "{base}"
currency = "{currency}"
"""
SESSION = """
[sessions.{name}]
role = "initiator"
begin_string = "{version}"
sender_comp_id = "COPYGATE"
target_comp_id = "{name}"
host = "127.0.0.1"
port = {port}
profile = "{profile}"
heartbeat_s = 1
reconnect_s = 1
"""
LEADER = """
[leaders.alpha]
session = "LEADER"
account = "LEADER"
currency = "USD"
assume_flat = true
"""
ROUTE = """
[routes.{route}]
session = "{session}"
"""
FOLLOWER = """
[followers.{name}]
route = "{route}"
account = "{account}"
currency = "USD"

[[subscriptions]]
follower = "{name}"
leader = "alpha"
sizing = {{ mode = "multiplier", k = "{k}" }}
max_age_ms = {age_ms}
{more}
"""


def copiers(seed: int) -> tuple[Copier, ...]:
    """Four followers on three brokers; how late an open may be depends on the seed."""
    age_ms = (2_000, 10_000)[seed % 2]
    plan = (("f1", "A", "1"), ("f2", "A", "0.5"), ("f3", "B", "1"), ("f4", "C", "2"))
    return tuple(Copier(name, name.upper(), session, Decimal(k), age_ms) for name, session, k in plan)


def own_port(seed: int, index: int) -> int:
    """A port that no other seed has and no connection is given: those of connections begin above it."""
    port = PORTS_BEGIN + (seed * len(SESSIONS) + index) % PORTS
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return port
    return free_port()


def version_of(session: str, seed: int) -> str:
    """In every third seed one broker speaks FIX 4.2: its answers name no question."""
    return "FIX.4.2" if session == "C" and seed % 3 == 0 else "FIX.4.4"


class Rig:
    """Everything of one seed. `close` ends all of it."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        environment: dict[str, str],
        *,
        trusting: bool,
        program: str = "tests.fault.gateway",
    ) -> None:
        self._program = program
        self.folder, self.seed = folder, seed
        self.copiers = copiers(seed)
        self.page = Page(folder / "faults.page")
        self._environment = {**environment, PAGE: str(folder / "faults.page")}
        self._leader_account = demo_accounts([LEADER_ACCOUNT])[0]
        scenario = LeaderScenario(seed, INSTRUMENTS, 1)
        self.trader = LeaderTicker(scenario, self._leader_account, "LEADER", TRADE_MS)
        self.hand = LeaderHand("LEADER", LEADER_ACCOUNT)
        ports = {name: own_port(seed, index) for index, name in enumerate(SESSIONS)}
        self.parties = {name: self._party(name, ports[name], trusting) for name in SESSIONS}
        self.lines = {name: Proxy(ports[name]) for name in SESSIONS}
        self.config = folder / "gateway.toml"
        self._write()
        self._read_config = load(self.config)
        self.log: list[dict[str, Any]] = []
        self.restarts = 0
        self.final_code: int | None = None
        """The gateway ended with a code that no start heals."""
        for party in self.parties.values():
            party.start()
        self._stopping = False
        self.gateway = self._start()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._keeper.start()

    @property
    def leader(self) -> Counterparty:
        """The leader's broker."""
        return self.parties["LEADER"]

    def party_of(self, who: Copier) -> Counterparty:
        """The broker of a follower."""
        return self.parties[who.session]

    def close(self) -> None:
        """Ends gateway, lines and brokers."""
        self._stopping = True
        self._keeper.join(5)
        self.signal_all(signal.SIGCONT)
        self.gateway.terminate()
        try:
            self.gateway.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.gateway.pid, signal.SIGKILL)
            self.gateway.wait()
        for party in self.parties.values():
            party.stop()
        for line in self.lines.values():
            line.close()

    def status(self) -> dict[str, Any]:
        """The core's view; empty while it does not answer."""
        try:
            return control.ask(self._read_config, {"cmd": "status"})
        except EnvironmentProblem:
            return {}

    def pid(self, child: str) -> int | None:
        """The living process of a child; None while it is down."""
        if child == "run":
            return self.gateway.pid
        for row in reversed(self.log):
            if row.get("child") == child and row.get("event") in ("run.started", "run.ended"):
                return int(row["pid"]) if row["event"] == "run.started" else None
            if row.get("event") == "fault.gateway_started":
                return None
        return None

    def signal(self, child: str, number: Signals) -> bool:
        """Sends a signal; False when there is nobody."""
        pid = self.pid(child)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    def signal_all(self, number: Signals) -> None:
        """To every process of the gateway."""
        with suppress(ProcessLookupError):
            os.killpg(self.gateway.pid, number)

    def logged_on(self) -> bool:
        """Whether every counterparty has its session."""
        return all(party.logged_on == set(party.sessions) for party in self.parties.values())

    def until(self, done: Any, seconds: float) -> bool:
        """Polls; tells whether it came true. A gateway that is damaged ends the wait."""
        return wait_until(lambda: self.final_code is not None or done(), int(seconds * 1000), 20) and (
            self.final_code is None
        )

    # ---- parts ---------------------------------------------------------------------------------------

    def _party(self, name: str, port: int, trusting: bool) -> Counterparty:
        index = SESSIONS.index(name)
        names = [c.account for c in self.copiers if c.session == name]
        moods = Behaviour(partial_per_10k=3_000, reject_per_10k=50 if index else 0)
        known = demo_accounts(names) if index else [self._leader_account]
        dialect = Dialect(version_of(name, self.seed))
        model = TrustingBroker(self.seed * 10 + index, known, moods, dialect)
        model.trusting = trusting
        more = () if index else (self.trader, self.hand)
        return Counterparty(name, model, port, self.folder / "sim", self.seed, *more)

    def _write(self) -> None:
        parts = [CONFIG.format(settle_ms=SETTLE_MS, durability=("process", "power")[self.seed // 2 % 2])]
        parts += [INSTRUMENT.format(name=i.name, base=i.name[:3], currency=i.name[3:]) for i in INSTRUMENTS]
        for name, line in self.lines.items():
            version = version_of(name, self.seed)
            profile = "copygate" + version[-3:].replace(".", "")
            parts.append(SESSION.format(name=name, port=line.port, version=version, profile=profile))
        parts += [LEADER, *(ROUTE.format(route=name.lower(), session=name) for name in BROKERS)]
        parts += [
            FOLLOWER.format(
                name=c.name, route=c.session.lower(), account=c.account, k=c.k, age_ms=c.max_age_ms, more=""
            )
            for c in self.copiers
        ]
        self.config.write_text("".join(parts), encoding="utf-8")

    def _start(self) -> subprocess.Popen[str]:
        gateway = subprocess.Popen(
            [sys.executable, "-m", self._program, "run", str(self.config)],
            cwd=root(),
            # However we end, it ends with us: a gateway without counterparties would turn for ever.
            env={**os.environ, **self._environment, SUPERVISOR: str(os.getpid())},
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.log.append({"event": "fault.gateway_started"})
        threading.Thread(target=self._read, args=(gateway,), daemon=True).start()
        return gateway

    def _keep(self) -> None:
        """Starts a gateway again that ended, unless it says that this is of no use."""
        while not self._stopping:
            code = self.gateway.poll()
            if code is not None and not self._stopping:
                if code in (2, 4):
                    self.final_code = code
                    return
                self.restarts += 1
                time.sleep(RESTART_S)
                self.gateway = self._start()
            time.sleep(0.02)

    def _read(self, gateway: subprocess.Popen[str]) -> None:
        assert gateway.stderr is not None
        with gateway.stderr, (self.folder / "gateway.log").open("a", encoding="utf-8") as file:
            for line in gateway.stderr:
                file.write(line)
                file.flush()
                try:
                    self.log.append(json.loads(line))
                except ValueError:
                    self.log.append({"event": "not json", "line": line})
