"""The alerts process: takes alerts from the spool, and keeps every sink told.

Each sink has a thread that does nothing but wait for it, so one that hangs or is down holds up no other. All
else is done by one loop. What it knows (its place in the spool, what waits for whom) is one small file, which
is replaced as a whole; the spool is removed only as far as that file says. Killed anywhere, the next process
goes on from there: nothing is lost, and what was being told is told again. A full disk does not keep it from
telling.
"""

from __future__ import annotations

import fcntl
import os
import queue
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from gateway import clock
from gateway.config import GatewayConfig
from gateway.config_alerts import Sink
from gateway.errors import EnvironmentProblem, ExitCode
from gateway.notify.alert import Alert, of_line
from gateway.notify.gate import Gate, windows_of
from gateway.notify.inbox import Inbox, Place
from gateway.notify.kept import Kept, keep, kept_of
from gateway.notify.sinks import Answer, Telling, sink_of
from gateway.notify.spool import LEVELS, OWNER_FOLDER, folder_of
from gateway.notify.waiting import Waiting, alerts_of
from gateway.resources import give_back_memory

TURN_S = 0.1
"""An alert is seen this much later at most."""
BACK_OFF_MS = (500, 1_000, 2_000, 5_000, 10_000, 30_000)
"""Pauses before a sink that did not take an alert is tried again. The last one repeats."""
REFUSALS_MAX = 3
"""An alert that a sink refuses for what it says is given up after so many attempts: others wait behind it."""
STOP_MS = 600
"""A stop waits so long for alerts that are being told, and for those that came with it."""
KEEP_AGAIN_MS = 5_000
"""A state that could not be written is tried again after this: the disk may have room by then."""

log = structlog.get_logger("alerts")


class Worker:
    """A thread that tells one sink, one alert at a time."""

    def __init__(self, name: str, telling: Telling, deployment: str, wake: threading.Event) -> None:
        self._telling = telling
        self._deployment = deployment
        self._wake = wake
        self._jobs: queue.SimpleQueue[Alert] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        # A daemon: a sink that hangs does not keep the process from stopping.
        threading.Thread(target=self._work, name=f"sink-{name}", daemon=True).start()

    def begin(self, alert: Alert) -> None:
        """Gives the thread an alert to tell."""
        self._jobs.put(alert)

    def answer(self) -> Answer | None:
        """What became of it, once."""
        try:
            return self._answers.get_nowait()
        except queue.Empty:
            return None

    def _work(self) -> None:
        while True:
            alert = self._jobs.get()
            self._answers.put(self._telling.tell(alert.body(self._deployment)))
            self._wake.set()


@dataclass(slots=True)
class Line:
    """One sink, what waits for it, and how it fares."""

    name: str
    sink: Sink
    worker: Worker
    gate: Gate
    waiting: Waiting
    failures: int = 0
    refusals: int = 0
    again_at_ms: int = 0
    down_since: str = ""
    """UTC; empty while it works."""
    said: str = ""
    told: int = 0
    changed: bool = field(default=False)

    def wants(self, alert: Alert) -> bool:
        """Whether the configuration has this alert told here."""
        if LEVELS[alert.level] < LEVELS[self.sink.least_level] or alert.code in self.sink.except_codes:
            return False
        return not self.sink.codes or alert.code in self.sink.codes

    def offer(self, alert: Alert, now_ms: int) -> None:
        """A new alert."""
        if self.wants(alert):
            self._put(self.gate.offer(alert, now_ms))
            self.changed = True

    def turn(self, wall_ms: int, steady_ms: int) -> None:
        """Takes what the sink answered, adds what is due, and hands out the next one."""
        if (answer := self.worker.answer()) is not None:
            self._judge(answer, steady_ms)
            self.changed = True
        if due := self.gate.due(wall_ms):
            self._put(due)
            self.changed = True
        if steady_ms >= self.again_at_ms and (alert := self.waiting.take()) is not None:
            self.worker.begin(alert)

    def _put(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            self.waiting.put(alert)

    def _judge(self, answer: Answer, steady_ms: int) -> None:
        self.said = answer.said
        if answer.ok:
            self.waiting.told()
            self.told += 1
            if self.down_since:
                log.info("alerts.sink_up", sink=self.name, waiting=len(self.waiting))
            self.failures = self.refusals = 0
            self.down_since = ""
            return
        self.refusals = self.refusals + 1 if answer.refused else 0
        if self.refusals >= REFUSALS_MAX:
            self._give_up(answer)
            return
        self.waiting.give_back()
        pause_ms = BACK_OFF_MS[min(self.failures, len(BACK_OFF_MS) - 1)]
        self.failures += 1
        self.again_at_ms = steady_ms + max(pause_ms, 1000 * (answer.pause_s or 0))
        if not self.down_since:
            self.down_since = clock.utc_text()
            log.warning("alerts.sink_down", sink=self.name, said=answer.said)

    def _give_up(self, answer: Answer) -> None:
        alert = self.waiting.flying
        self.waiting.told()
        self.failures = self.refusals = 0
        if alert is not None:
            log.error("alerts.not_taken", sink=self.name, said=answer.said, about=alert.code, id=alert.id)


class Desk:
    """The loop's work, a turn at a time."""

    def __init__(self, config: GatewayConfig, wake: threading.Event) -> None:
        self._folder = folder_of(config.state_dir)
        kept = kept_of(self._folder)
        self._inbox = Inbox(config.state_dir, kept.place)
        self._kept_place = kept.place
        self._kept_turn_ms = 0
        self._idle = False
        deployment = config.gateway.deployment
        self.lines = [
            _line(name, sink, kept, Worker(name, sink_of(config, name), deployment, wake))
            for name, sink in config.alerts.sinks.items()
        ]
        for name in kept.sinks.keys() - config.alerts.sinks.keys():
            if waiting := len(kept.sinks[name].get("waiting", ())):
                log.warning("alerts.sink_gone", sink=name, waiting=waiting)

    def turn(self) -> bool:
        """Everything that is there to do now; whether there was something new."""
        before = self._inbox.place
        lines = self._inbox.read()
        wall_ms, steady_ms = clock.wall_ns() // clock.NS_PER_MS, clock.steady_ms()
        for values, raw in lines:
            alert = of_line(values, raw)
            for line in self.lines:
                line.offer(alert, wall_ms)
        for line in self.lines:
            line.turn(wall_ms, steady_ms)
        if self._inbox.torn:
            log.error("alerts.spool_torn", count=self._inbox.torn)
            self._inbox.torn = 0
        moved = self._inbox.place != before
        self._keep(steady_ms)
        return moved

    def is_quiet(self) -> bool:
        """Nothing is being told, or could be right now."""
        now_ms = clock.steady_ms()
        return all(not line.waiting or line.again_at_ms > now_ms for line in self.lines)

    def _keep(self, steady_ms: int) -> None:
        """Makes durable what has changed; then the spool may let go of what was read."""
        changed = self._inbox.place != self._kept_place or any(line.changed for line in self.lines)
        if changed and steady_ms >= self._kept_turn_ms:
            try:
                keep(self._folder, _state(self._inbox.place, self.lines))
            except OSError as error:
                if not self._kept_turn_ms:
                    log.error("alerts.state_not_kept", error=str(error))
                self._kept_turn_ms = steady_ms + KEEP_AGAIN_MS
                return
            self._kept_turn_ms = 0
            self._kept_place = self._inbox.place
            for line in self.lines:
                line.changed = False
        try:
            self._inbox.rotate(self._kept_place)
        except OSError:
            return  # Tried again at the next turn; the spool's own bound holds meanwhile.


def run(config: GatewayConfig, stop: threading.Event) -> int:
    """Runs the alerts process until `stop` is set.

    Raises `EnvironmentProblem` when another process does it for this deployment already.
    """
    lock = _lock(folder_of(config.state_dir))
    wake = threading.Event()
    desk = Desk(config, wake)
    log.info(
        "alerts.started", sinks=list(config.alerts.sinks), waiting=sum(len(a.waiting) for a in desk.lines)
    )
    give_back_memory()
    try:
        while not stop.is_set():
            wake.clear()
            if not desk.turn():
                wake.wait(TURN_S)
        deadline_ms = clock.steady_ms() + STOP_MS
        while (desk.turn() or not desk.is_quiet()) and clock.steady_ms() < deadline_ms:
            wake.wait(TURN_S / 4)
    finally:
        os.close(lock)
    return int(ExitCode.OK)


def _lock(folder: Path) -> int:
    folder.mkdir(mode=OWNER_FOLDER, parents=True, exist_ok=True)
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        hint = "Stop the other one: two would tell everything twice."
        raise EnvironmentProblem(
            "another alerts process has this deployment", path=str(folder), hint=hint
        ) from error
    return fd


def _line(name: str, sink: Sink, kept: Kept, worker: Worker) -> Line:
    values = kept.sinks.get(name, {})
    gate = Gate(sink.max_per_minute, windows_of(values.get("gate", {})))
    waiting = Waiting(alerts_of(values.get("waiting", [])))
    return Line(name, sink, worker, gate, waiting, told=int(values.get("told", 0)))


def _state(place: Place, lines: list[Line]) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "inode": place.inode,
        "offset": place.offset,
        "sinks": {
            line.name: {
                "told": line.told,
                "down_since": line.down_since,
                "said": line.said,
                "gate": line.gate.state(),
                "waiting": line.waiting.state(),
            }
            for line in lines
        },
    }
