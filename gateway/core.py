"""The core process: leader sessions, the pipeline, and the ROUTER that orders leave by."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import ExitStack

import structlog

from gateway import clock, wire
from gateway._fastcore import FastcoreError, Pipeline
from gateway.alerts import advice as alert_advice
from gateway.config import GatewayConfig
from gateway.control import ControlSocket
from gateway.deployment import unpacked
from gateway.errors import ExitCode
from gateway.failures import end_now
from gateway.fix.application import Application
from gateway.fix.engine import FixEngine
from gateway.fix.settings import spec_of
from gateway.keys import read_key
from gateway.repeats import Repeats
from gateway.resources import give_back_memory
from gateway.watch_process import CoreWatch
from gateway.wire import CoreSocket, Curve, Waiter, Wakeup

SWITCH_INTERVAL_S = 0.0002
"""A FIX callback waits at most this long for the GIL; Python's own 5 ms would be the largest delay of all."""
POLL_MS_MAX = 100
"""The loop looks at timers and the stop flag at least this often."""
CLOCK_EVERY_MS = 10_000
"""A clock that loses its source drifts by less than a millisecond in this time."""

STEP_NS = 250 * clock.NS_PER_MS
"""A clock that went on by so much more than the time that passed was put forward."""
CLOCK_BACK = (
    "The clock was put back behind the journal's last row. Time goes on from there at half its speed until "
    "the clock is there; until then trades look older than they are, and opens may be refused as stale."
)
CLOCK_HERE = "The clock has come to the journal's time again."

log = structlog.get_logger("core")


class LeaderSink:
    """Journals what leader sessions say; returns when the row is durable."""

    def __init__(self, pipeline: Pipeline, wakeup: Wakeup) -> None:
        self._pipeline = pipeline
        self._wakeup = wakeup

    def record(self, session: str, _msg_seq_num: int, raw: bytes) -> None:
        self._submit("leader", session, raw)

    def refused(self, session: str, raw: bytes) -> None:
        payload = json.dumps({"cmd": "refused", "who": session, "raw": raw.decode("latin-1")})
        self._submit("operator", session, payload.encode())

    def session(self, session: str, up: bool) -> None:
        self._submit("session", session, b"up" if up else b"down")

    def expected(self, session: str) -> int | None:
        # Nothing journaled: everything is asked for, and what is too old is not copied.
        return self._pipeline.expected_seq_num(session) or 1

    def gap(self, session: str, _first: int, _last: int, raw: bytes) -> None:
        self._submit("leader", session, raw)

    def sent(self, session: str, raw: bytes) -> None:
        """Nothing of ours goes to a leader but questions."""

    def _submit(self, kind: str, session: str, payload: bytes) -> None:
        self._pipeline.submit(kind, session, payload, clock.wall_ns())
        self._wakeup.ring()


class ClockWatch:
    """Tells the core how far this machine's clock is from UTC: at once, and whenever it turns good or bad."""

    def __init__(self, limit_us: int, pipeline: Pipeline) -> None:
        self._limit_us = limit_us
        self._pipeline = pipeline
        self._good: bool | None = None
        self._next_ms = 0

    def look(self) -> None:
        """Measures where it is time; what has not turned is no row of the journal."""
        now_ms = clock.steady_ms()
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + CLOCK_EVERY_MS
        error_us = clock.error_us()
        good = error_us is not None and error_us <= self._limit_us
        if good != self._good:
            self._good = good
            payload = json.dumps({"cmd": "clock", "error_us": error_us}).encode()
            self._pipeline.submit("operator", "", payload, clock.wall_ns())


class StepWatch:
    """Tells the core when this machine's clock was put forward, and the log when it was put back.

    A step is what the clock went on by more than the time that passed; a slow correction (slew) is none.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._wall_ns, self._steady_ns = clock.wall_ns(), clock.steady_ns()
        self._behind = False

    def look(self) -> None:
        """Called before anything that this clock decides."""
        wall_ns, steady_ns = clock.wall_ns(), clock.steady_ns()
        step_ns = (wall_ns - self._wall_ns) - (steady_ns - self._steady_ns)
        self._wall_ns, self._steady_ns = wall_ns, steady_ns
        if step_ns > STEP_NS:
            payload = json.dumps({"cmd": "clock_step", "by_ms": step_ns // clock.NS_PER_MS}).encode()
            self._pipeline.submit("operator", "", payload, wall_ns)
        ahead_ns = self._pipeline.ahead_ns(wall_ns)
        if self._behind != (ahead_ns > STEP_NS):
            self._behind = not self._behind
            advice = CLOCK_BACK if self._behind else CLOCK_HERE
            log.warning("core.clock_back", ahead_ms=ahead_ns // clock.NS_PER_MS, advice=advice)


class Snapshots:
    """Takes a snapshot after so many rows. The core stands while it is written."""

    def __init__(self, rows: int, pipeline: Pipeline) -> None:
        self._rows = rows
        self._pipeline = pipeline
        # Not 0: one would be due at the first row behind every start, while fills wait to be copied.
        self._last = pipeline.snapshot_seq()

    def look(self, newest: int) -> None:
        """`newest` is the last row of this turn, 0 without one."""
        if newest - self._last >= self._rows:
            self._pipeline.snapshot(clock.wall_ns())
            self._last = newest


class SocketLoop:
    """Owns the ROUTER: takes the routes' frames in, sends what the pipeline releases, keeps the beats."""

    def __init__(self, config: GatewayConfig, pipeline: Pipeline, wakeup: Wakeup, socket: CoreSocket) -> None:
        self._pipeline = pipeline
        self._socket = socket
        self._control = ControlSocket(config, pipeline)
        self._clock = None if config.clock is None else ClockWatch(config.clock.max_error_us, pipeline)
        self._steps = StepWatch(pipeline)
        self.watch = CoreWatch(config.watch, pipeline)
        self._waiter = Waiter([socket.socket, self._control.socket], wakeup)
        self._beat_ms = config.core.beat_ms
        self._silent_ms = config.core.orphan_ms
        self._snapshots = Snapshots(config.core.snapshot_rows, pipeline)
        self._heard_ms: dict[bytes, int] = {}
        self._repeats: Repeats[tuple[str, str]] = Repeats()
        self._next_beat_ms = 0

    def routes(self) -> set[str]:
        """Names of the routes that are there."""
        return {identity.split(b"/")[0].decode("utf-8", "replace") for identity in list(self._heard_ms)}

    def questions(self) -> list[tuple[str, bytes]]:
        """What leaders' brokers are to be asked: session, FIX message."""
        return self._pipeline.take_questions()

    def close(self) -> None:
        """Frees the control socket; the ROUTER belongs to who made it."""
        self.watch.close()
        self._control.close()

    def turn(self) -> None:
        """One round: wait, send, take in, tick, send."""
        self._waiter.wait(self._wait_ms())
        # First what a leader's fill asked for, which rang: no other duty may stand in its way.
        self._drain()
        self._steps.look()
        newest = self._control.answer()
        for identity, frame in self._socket.receive():
            self._heard_ms[identity] = clock.steady_ms()
            newest = max(newest, self._pipeline.receive(identity, frame, clock.wall_ns()))
            # A route that says a lot must not hold back what a leader's fill asked for meanwhile.
            self._drain()
        now_ns = clock.wall_ns()
        due_ns = self._pipeline.next_due_ns(now_ns)
        if due_ns is not None and due_ns <= now_ns:
            newest = max(newest, self._pipeline.tick(now_ns))
        self._beat()
        self._drain()
        self._tell()
        self._snapshots.look(newest)

    def _wait_ms(self) -> int:
        now_ns = clock.wall_ns()
        due_ns = self._pipeline.next_due_ns(now_ns)
        until_beat_ms = self._next_beat_ms - clock.steady_ms()
        wait_ms = min(POLL_MS_MAX, until_beat_ms)
        if due_ns is not None:
            # Rounded up: rounded down, the last millisecond would be spent turning.
            wait_ms = min(wait_ms, -((now_ns - due_ns) // clock.NS_PER_MS))
        return max(0, wait_ms)

    def _drain(self) -> None:
        while frames := self._pipeline.drain(wire.BURST_FRAMES):
            for identity, frame in wire.forward(frames, self._socket.send):
                self._pipeline.undeliverable(identity, frame, clock.wall_ns())

    def _tell(self) -> None:
        """Alerts go to the log: whoever watches it learns of each one within a turn of the loop."""
        for journal_no, code, text in self._pipeline.take_alerts():
            if self._repeats.admits((code, text), clock.steady_ms()):
                log.warning("core.alert", code=code, text=text, journal=journal_no, advice=alert_advice(code))

    def _tell_repeats(self, now_ms: int) -> None:
        for (code, text), number in self._repeats.ended(now_ms):
            more = f"{text} ({number} more of it in a minute)"
            log.warning("core.alert", code=code, text=more, journal=None, advice=alert_advice(code))

    def _beat(self) -> None:
        now_ms = clock.steady_ms()
        if now_ms < self._next_beat_ms:
            return
        self._next_beat_ms = now_ms + self._beat_ms
        self._control.take_up()
        self._tell_repeats(now_ms)
        self.watch.look()
        if self._clock is not None:
            self._clock.look()
        gone = {
            identity for identity, _ in wire.forward(self._pipeline.beat(clock.wall_ns()), self._socket.send)
        }
        gone |= {identity for identity, heard in self._heard_ms.items() if now_ms - heard > self._silent_ms}
        for identity in gone:
            if self._heard_ms.pop(identity, None) is not None:
                log.error("core.route_lost", identity=identity.decode("utf-8", "replace"))
                self._pipeline.lost(identity, clock.wall_ns())


def run(config: GatewayConfig, core_text: bytes, stop: threading.Event) -> int:
    """Runs the core process until `stop` is set. Start order: replay, START, routes, then leader logon."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    folder = config.state_dir / "core"
    folder.mkdir(parents=True, exist_ok=True)
    # First: it takes the folder's lock. A second core must not touch the sockets of the one that runs.
    pipeline = Pipeline.open(
        str(folder / "journal.db"), unpacked(core_text), config.gateway.durability, clock.wall_ns()
    )
    specs = [
        spec_of(name, session, config.profile_of(name), config.folder)
        for name, session in config.leader_sessions().items()
    ]
    wakeup = Wakeup()
    with ExitStack() as stack:
        socket = CoreSocket(config.core_bind(), config.core.queue_frames_max, curve_of(config))
        stack.callback(socket.close)
        stack.callback(pipeline.close)
        loop = SocketLoop(config, pipeline, wakeup, socket)
        stack.callback(loop.close)
        application = Application(specs, LeaderSink(pipeline, wakeup), config.core.journal_stall_ms)
        engine = FixEngine(specs, application, folder / "fix")
        stack.callback(engine.stop)
        log.info("core.started", epoch=pipeline.epoch, address=socket.address)
        try:
            _serve(config, loop, engine, stop)
        except FastcoreError as error:
            end_now(error)
    return loop.watch.exit_code or int(ExitCode.OK)


def curve_of(config: GatewayConfig) -> Curve | None:
    """The core's keys and its list of routes; None on ipc."""
    core = config.core
    if not core.uses_tcp or core.public_key_file is None or core.secret_key_file is None:
        return None
    allowed = {
        read_key(config.resolve(route.public_key_file)): name
        for name, route in config.routes.items()
        if route.public_key_file is not None
    }
    return Curve(
        read_key(config.resolve(core.public_key_file)),
        read_key(config.resolve(core.secret_key_file)),
        None,
        allowed,
    )


def _serve(config: GatewayConfig, loop: SocketLoop, engine: FixEngine, stop: threading.Event) -> None:
    """Greets the routes first, so that the first leader fill finds its way; a missing route delays nobody
    for long."""
    deadline_ms = clock.steady_ms() + config.core.orphan_ms
    missing = set(config.routes)
    while missing and not stop.is_set() and clock.steady_ms() < deadline_ms:
        loop.turn()
        missing -= loop.routes()
    if missing:
        log.error("core.routes_missing", routes=sorted(missing), action="leaders log on without them")
    engine.start()
    give_back_memory()
    while not stop.is_set() and loop.watch.exit_code is None:
        loop.turn()
        _ask(loop, engine)
        engine.check()


def _ask(loop: SocketLoop, engine: FixEngine) -> None:
    """Sends what the engine wants to know from leaders' brokers. What cannot be sent is asked at the next
    logon: the answer to an old question is worth nothing."""
    for session, message in loop.questions():
        asked = engine.send(session, message)
        # Names of orders are the broker's own bytes, in whatever encoding.
        text = message.decode("utf-8", "backslashreplace").replace("\x01", "|")
        log.info("core.question", session=session, asked=asked, text=text)
