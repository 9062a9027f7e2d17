"""A running deployment whose counterparties can misbehave: a leader on a bare socket, several brokers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from gateway import control
from gateway.clock import wait_until
from gateway.config import load
from gateway.errors import EnvironmentProblem
from gateway.keys import write_pair
from gateway.resources import root
from gateway.sim.actors import MarketTicker, demo_accounts
from gateway.sim.book import Book
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.fix_server import FixServer, SimSession, free_port
from gateway.sim.market import Market
from tests.e2e.venue import Venue
from tests.session.harness import field

PATIENCE_MS = 60_000
LOT = 100_000
STOP_S = 10

CONFIG = """
[gateway]
deployment = "plant"
state_dir = "state"
durability = "power"

[faults]
reject_burst = 0

[core]
bind = "tcp://127.0.0.1:{core_port}"
public_key_file = "keys/core.public"
secret_key_file = "keys/core.secret"
beat_ms = 200
orphan_ms = 2000
journal_stall_ms = 300

[timing]
dispatch_timeout_ms = 500
ack_timeout_ms = 2000
settle_ms = 300
query_retry_ms = 500
close_retry_ms = 100

[limits]
max_order_qty_lots = "20"
max_position_lots = "1000"

[instruments.EURUSD]
contract_size = 100000
lot_step = "0.01"
min_lot = "0.01"
tick = "0.00001"
base = "EUR"
currency = "USD"

[leaders.alpha]
session = "LEADER"
account = "LEADER"
currency = "USD"
assume_flat = true
"""
SESSION = """
[sessions.{name}]
role = "initiator"
begin_string = "FIX.4.4"
sender_comp_id = "COPYGATE"
target_comp_id = "{name}"
host = "127.0.0.1"
port = {port}
profile = "copygate44"
heartbeat_s = 5
reconnect_s = 1
"""
FOLLOWER = """
[routes.r{n}]
session = "{name}{n}"
public_key_file = "keys/r{n}.public"
secret_key_file = "keys/r{n}.secret"

[followers.f{n}]
route = "r{n}"
account = "F{n}"
currency = "USD"

[[subscriptions]]
follower = "f{n}"
leader = "alpha"
sizing = {{ mode = "multiplier", k = 1 }}
max_age_ms = {age_ms}
"""
GOOD, REJECTING, SILENT, RAW = 1, 2, 3, 4
"""Follower n trades at Pn: a broker that fills, one that rejects, one that never logs on, a bare socket."""


def fill_at_once(venue: Venue, raw: bytes) -> None:
    """A broker that fills every order whole."""
    if field(raw, 35) != "D":
        return
    order, qty, side = field(raw, 11), field(raw, 38), field(raw, 54)
    venue.say(
        "8",
        f"37=B{order}|11={order}|17=X{order}|150=F|39=2|1={field(raw, 1)}|55=EURUSD|54={side}|38={qty}|"
        f"32={qty}|31=1.1|14={qty}|151=0|6=1.1|60={now()}|",
    )


def now() -> str:
    """UTCTimestamp with milliseconds."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


class Plant:
    """The deployment. `close` ends everything that it started."""

    BROKERS = "P"
    """Their names begin with it. QuickFIX knows a session once in a process, and tests share one."""

    def __init__(self, folder: Path, more: str = "") -> None:
        """`more` is added to the configuration."""
        self.folder = folder
        self._more = more
        self.leader = Venue("LEADER")
        self.raw = Venue(self.name(RAW), fill_at_once)
        self.core_port = free_port()
        self._ports = {"LEADER": self.leader.port, self.name(RAW): self.raw.port}
        self._ports |= {self.name(n): free_port() for n in (GOOD, REJECTING, SILENT)}
        self._stack = ExitStack()
        self._serial = 0
        self.log: list[dict[str, Any]] = []
        self.config = folder / "gateway.toml"
        self._write()
        self._read_config = load(self.config)
        self.good = self._broker(GOOD, Behaviour())
        self.rejecting = self._broker(REJECTING, Behaviour(reject_per_10k=10_000))
        self.gateway = self._start()

    def close(self) -> None:
        """Ends gateway, brokers and venues."""
        self.gateway.terminate()
        try:
            self.gateway.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.gateway.kill()
            self.gateway.wait()
        self._stack.close()
        self.leader.close()
        self.raw.close()

    def fill(
        self, side: int = 1, qty: object = LOT, venue_does: str = "say", order: str = "", **other: object
    ) -> str:
        """The leader's order of this quantity is filled whole; gives its id. `t14=5` replaces field 14."""
        self._serial += 1
        order = order or f"O{self._serial}"
        tags: dict[int, object] = {
            37: order, 11: f"C{order}", 17: f"E{self._serial}", 150: "F", 39: "2", 1: "LEADER", 55: "EURUSD",
            54: side, 38: qty, 32: qty, 31: "1.1", 14: qty, 151: "0", 6: "1.1", 60: now(),
        }  # fmt: skip
        tags |= {int(tag.removeprefix("t")): value for tag, value in other.items()}
        rest = "".join(f"{tag}={value}|" for tag, value in tags.items() if value is not None)
        getattr(self.leader, venue_does)("8", rest)
        return order

    def status(self) -> dict[str, Any]:
        """The core's own view; empty while it is down."""
        try:
            return control.ask(self._read_config, {"cmd": "status"})
        except EnvironmentProblem:
            return {}

    def line(self, follower: int) -> dict[str, Any]:
        """The ledger line of a follower."""
        lines = self.status().get("subscriptions", [])
        return next((line for line in lines if line["follower"] == f"f{follower}"), {})

    def held(self, follower: int) -> int:
        """What a follower holds by the ledger, units."""
        return int(float(self.line(follower).get("filled", "0")))

    def rests(self, follower: int) -> bool:
        """Nothing of the follower works, and it is less than a lot step from its target."""
        line = self.line(follower)
        off = abs(Decimal(line.get("filled", "0")) - Decimal(line.get("target", "0")))
        return line.get("working", "0") == "0" and off < Decimal(line.get("step", "1"))

    def read(self, server: FixServer, what: Callable[[Book], int]) -> int:
        """A number from a simulated broker's own book, read on the broker's thread."""
        return server.call(lambda: what(server.broker.book))

    def orders(self, server: FixServer) -> int:
        """Orders that a simulated broker ever took."""
        return self.read(server, lambda book: len(book.orders))

    def position(self, server: FixServer) -> int:
        """What the follower holds by its broker's own book, units."""
        return self.read(
            server, lambda book: int(sum(a.positions.get("EURUSD", 0) for a in book.accounts.values()))
        )

    def doubled(self) -> int:
        """ClOrdIDs that a broker saw twice."""
        models = (self.good, self.rejecting)
        repeats = sum(self.read(server, lambda book: book.duplicate_requests) for server in models)
        ids = [field(raw, 11) for raw in self.raw.heard_of("D")]
        return repeats + len(ids) - len(set(ids))

    def alerts(self, code: str) -> list[dict[str, Any]]:
        """Alerts of one kind in the log."""
        return [row for row in list(self.log) if row.get("event") == "core.alert" and row.get("code") == code]

    def said(self, event: str) -> list[dict[str, Any]]:
        """Lines of one event in the log."""
        return [row for row in list(self.log) if row.get("event") == event]

    def pid(self, child: str) -> int:
        """The process id that the supervisor gave a child last."""
        return int([row["pid"] for row in self.said("run.started") if row.get("child") == child][-1])

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Polls until it holds; fails with `what` and the end of the log."""
        done = wait_until(condition, PATIENCE_MS, 20)
        assert done, f"{what}\n{self.status()}\n" + "\n".join(map(str, self.log[-25:]))

    def is_ready(self) -> bool:
        """Leader logged on, and every route but the silent one up and synced."""
        routes = self.status().get("routes", [])
        ready = {route["name"] for route in routes if route["up"] and route["synced"]}
        return self.leader.is_up and ready >= {"r1", "r2", "r4"}

    def copies_a_round_trip(self) -> None:
        """Proof of life: a fill and its close reach the good and the bare broker, once each."""
        # A test that looked at the good broker only may leave the bare one a close behind.
        self.until(lambda: self.rests(RAW), "the bare broker does not come to rest")
        before, orders, raw = self.position(self.good), self.orders(self.good), len(self.raw.heard_of("D"))
        held = self.held(RAW)
        self.fill(1)
        self.until(lambda: self.position(self.good) == before + LOT, "the fill is copied")
        self.until(lambda: self.held(RAW) == held + LOT, "the fill is copied to the bare broker")
        self.fill(2)
        self.until(lambda: self.position(self.good) == before, "the close is copied")
        self.until(lambda: self.held(RAW) == held, "the close is copied to the bare broker")
        assert self.orders(self.good) == orders + 2
        assert len(self.raw.heard_of("D")) == raw + 2
        assert self.doubled() == 0

    def _write(self) -> None:
        text = CONFIG.format(core_port=self.core_port)
        text += "".join(SESSION.format(name=name, port=port) for name, port in self._ports.items())
        text += "".join(
            FOLLOWER.format(n=n, name=self.BROKERS, age_ms=2_000 if n == SILENT else 30_000)
            for n in (GOOD, REJECTING, SILENT, RAW)
        )
        self.config.write_text(text + self._more, encoding="utf-8")
        for name in ("core", "r1", "r2", "r3", "r4"):
            write_pair(self.folder / "keys", name)

    def name(self, n: int) -> str:
        """CompID of a broker."""
        return f"{self.BROKERS}{n}"

    def _broker(self, n: int, behaviour: Behaviour, *more: SimSession) -> FixServer:
        model, name = Broker(n, demo_accounts([f"F{n}"]), behaviour), self.name(n)
        sessions, folder = [SimSession(name), *more], self.folder / "sim" / name
        server = FixServer(model, sessions, self._ports[name], folder, [MarketTicker(Market(n), model)])
        server.start()
        self._stack.callback(server.stop)
        return server

    def silent_appears(self) -> FixServer:
        """The broker that never logged on is there at last."""
        return self._broker(SILENT, Behaviour())

    def _start(self) -> subprocess.Popen[str]:
        gateway = subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", str(self.config)],
            cwd=root(),
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        reader = threading.Thread(target=self._read, args=(gateway,), daemon=True)
        reader.start()
        self._stack.callback(reader.join, 5)
        return gateway

    def _read(self, gateway: subprocess.Popen[str]) -> None:
        """The log into memory: a file would meet the disk limits that tests set."""
        assert gateway.stderr is not None
        with gateway.stderr:
            for line in gateway.stderr:
                try:
                    self.log.append(json.loads(line))
                except ValueError:
                    self.log.append({"event": "not json", "line": line})


AnyPlant = TypeVar("AnyPlant", bound=Plant)


@contextmanager
def started(plant: AnyPlant) -> Iterator[AnyPlant]:
    """The deployment once it is ready; all of it ends with the block."""
    try:
        plant.until(plant.is_ready, "the deployment does not start")
        yield plant
    finally:
        plant.close()
