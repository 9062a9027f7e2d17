"""A route process: one follower session, its durable rows, and the link to the core."""

from __future__ import annotations

import sys
import threading
from itertools import chain
from pathlib import Path

import structlog

from gateway import clock, kill_file, kill_parts
from gateway._fastcore import FastcoreError, RoutePipeline
from gateway.config import GatewayConfig
from gateway.core import POLL_MS_MAX, SWITCH_INTERVAL_S
from gateway.errors import ExitCode
from gateway.failures import end_now
from gateway.fix.application import Application
from gateway.fix.engine import FixEngine
from gateway.fix.settings import spec_of
from gateway.keys import read_key
from gateway.resources import give_back_memory
from gateway.watch_process import RouteWatch
from gateway.wire import Curve, RouteSocket, Waiter, Wakeup

log = structlog.get_logger("route")


class RouteSink:
    """Writes what the broker says as rows; returns when the row is durable. The link sends them on."""

    def __init__(self, pipeline: RoutePipeline, wakeup: Wakeup) -> None:
        self._pipeline = pipeline
        self._wakeup = wakeup

    def record(self, session: str, msg_seq_num: int, raw: bytes) -> None:
        self._pipeline.record(session, msg_seq_num, raw, clock.wall_ns())
        self._wakeup.ring()

    def refused(self, session: str, raw: bytes) -> None:
        self._pipeline.refused(session, raw, clock.wall_ns())
        self._wakeup.ring()

    def session(self, session: str, up: bool) -> None:
        self._pipeline.session(session, up, clock.wall_ns())
        self._wakeup.ring()

    def expected(self, session: str) -> int | None:
        # No row yet: everything is asked for, and what the core has already is recognised there.
        return self._pipeline.expected_seq_num(session) or 1

    def gap(self, session: str, first: int, last: int, _raw: bytes) -> None:
        self._pipeline.gap(session, first, last, clock.wall_ns())
        self._wakeup.ring()

    def sent(self, session: str, raw: bytes) -> None:
        self._pipeline.sent(session, raw)


class OwnKill:
    """Heeds stops that were left while no core answered: they hold here until the core has taken them up."""

    def __init__(self, state_dir: Path, name: str, parts: bytes, pipeline: RoutePipeline) -> None:
        self._state_dir = state_dir
        self._name = name
        self._parts = parts
        self._pipeline = pipeline
        self._left: tuple[kill_file.LeftStop, ...] = ()
        self._held = kill_parts.Held()

    def look(self) -> None:
        """Reads what is left, at each heartbeat."""
        left = kill_file.left(self._state_dir)
        if left == self._left:
            return
        self._left, before = left, self._held
        self._held = held = kill_parts.held(self._parts, self._name, left)
        self._pipeline.kill_here(held.level, dict(held.parts))
        scopes = {(stop.scope, stop.name) for stop in held.stops}
        for stop in before.stops:
            if (stop.scope, stop.name) not in scopes:
                of = {"scope": stop.scope, "name": stop.name}
                log.warning("route.kill_ends", **of, action="the core decides again")
        for stop in held.stops:
            if stop not in before.stops:
                action = "held back here, without the core"
                of = {"scope": stop.scope, "name": stop.name, "who": stop.who}
                log.warning("route.kill", command_level=stop.level, **of, action=action)


class Link:
    """Owns the DEALER: says HELLO on each connection, sends rows, takes orders, keeps the beat."""

    def __init__(
        self,
        config: GatewayConfig,
        pipeline: RoutePipeline,
        socket: RouteSocket,
        engine: FixEngine,
        session: str,
        wakeup: Wakeup,
        own_kill: OwnKill,
    ) -> None:
        self._pipeline = pipeline
        self._socket = socket
        self._engine = engine
        self._session = session
        self._all = Waiter([socket.monitor, socket.socket], wakeup)
        self._all_but_orders = Waiter([socket.monitor], wakeup)
        self._beat_ms = config.core.beat_ms
        self._keep_ns = config.core.retire_after_s * 1_000_000_000
        self._next_beat_ms = 0
        self._own_kill = own_kill
        self.watch = RouteWatch(config.watch, pipeline, lambda: engine.room(session))
        self._linked = False
        self._begun: bytes | None = None
        """A frame with more orders than the window had room for: the rest has no OUT row yet."""

    def turn(self) -> None:
        """One round: wait, greet, take in, send rows, beat."""
        # Behind a full window orders wait in the socket; opens then miss their deadline instead of leaving
        # late.
        open_window = self._engine.room(self._session) > 0
        goes_on = open_window and self._begun is not None
        waiter = self._all if open_window else self._all_but_orders
        ready = waiter.wait(0 if goes_on else min(POLL_MS_MAX, self._next_beat_ms - clock.steady_ms()))
        if self._socket.monitor in ready and self._socket.reconnected():
            self._linked = False
        if not self._linked:
            self._greet()
        if goes_on or self._socket.socket in ready:
            self._take()
        self._send_rows()
        self._beat()

    def _greet(self) -> None:
        self._pipeline.relink()
        self._linked = self._socket.send(self._pipeline.hello(clock.wall_ns()))

    def _take(self) -> None:
        """Takes frames in their order, as far as the window has room; what was begun goes first."""
        begun, self._begun = self._begun, None
        for frame in chain([] if begun is None else [begun], self._socket.receive()):
            room = self._engine.room(self._session)
            sends, more = self._pipeline.receive_some(frame, room, clock.wall_ns())
            for session, order in sends:
                if not self._engine.send(session, order):
                    # Its OUT row stands: the core asks the broker, and learns that it is not known there.
                    log.error("route.not_handed_over", session=session)
            if more:
                self._begun = frame
                return

    def _send_rows(self) -> None:
        if self._linked:
            for frame in self._pipeline.pending():
                if not self._socket.send(frame):
                    self._linked = False
                    return

    def _beat(self) -> None:
        now_ms = clock.steady_ms()
        if now_ms < self._next_beat_ms:
            return
        self._next_beat_ms = now_ms + self._beat_ms
        self._own_kill.look()
        self.watch.look()
        if self._keep_ns:
            self._pipeline.forget(clock.wall_ns() - self._keep_ns)
        if self._linked:
            self._linked = self._socket.send(self._pipeline.beat(clock.wall_ns()))


def run(config: GatewayConfig, name: str, parts: bytes, stop: threading.Event) -> int:
    """Runs one route until `stop` is set. `parts` is what `kill_parts` packed of the configuration."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    folder = config.state_dir / f"route-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    session_name, session = config.route_session(name)
    pipeline = RoutePipeline.open(
        str(folder / "route.db"),
        name,
        [session_name],
        config.core.orphan_ms,
        clock.wall_ns(),
        config.gateway.durability,
    )
    wakeup = Wakeup()
    spec = spec_of(session_name, session, config.profile_of(session_name), config.folder)
    application = Application([spec], RouteSink(pipeline, wakeup), config.core.journal_stall_ms)
    engine = FixEngine([spec], application, folder / "fix")
    socket = RouteSocket(
        config.core_connect(), pipeline.identity, config.core.queue_frames_max, curve_of(config, name)
    )
    own_kill = OwnKill(config.state_dir, name, parts, pipeline)
    link = Link(config, pipeline, socket, engine, session_name, wakeup, own_kill)
    log.info("route.started", route=name, identity=pipeline.identity.decode())
    try:
        _serve(link, engine, stop)
        # The last reports and the LOGOUT row: the core hears of them now, not at the next start.
        link.turn()
    finally:
        socket.close()
        link.watch.close()
        pipeline.close()
    return link.watch.exit_code or int(ExitCode.OK)


def _serve(link: Link, engine: FixEngine, stop: threading.Event) -> None:
    try:
        engine.start()
        # Reading a dictionary takes three times what it leaves.
        give_back_memory()
        while not stop.is_set() and link.watch.exit_code is None:
            link.turn()
            engine.check()
    except FastcoreError as error:
        end_now(error)
    finally:
        engine.stop()


def curve_of(config: GatewayConfig, name: str) -> Curve | None:
    """The route's keys and the core's public one; None on ipc."""
    route, core = config.routes[name], config.core
    if not core.uses_tcp or core.public_key_file is None:
        return None
    if route.public_key_file is None or route.secret_key_file is None:
        return None
    return Curve(
        read_key(config.resolve(route.public_key_file)),
        read_key(config.resolve(route.secret_key_file)),
        read_key(config.resolve(core.public_key_file)),
    )
