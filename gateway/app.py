"""`copygate run`: starts core, routes and audit as processes, watches them, and stops them cleanly."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path

import structlog

from gateway import clock, kill_parts
from gateway.audit.places import Places
from gateway.config import GatewayConfig
from gateway.deployment import Deployment, read_apart
from gateway.errors import ExitCode, UsageError
from gateway.failures import say
from gateway.fork import STOP_SIGNALS, Process, die_with, fork
from gateway.notify.spool import LEVELS, Spool, SpoolLast
from gateway.resources import give_back_memory, share_one_heap
from gateway.stop import Stop

BACK_OFF_MS = (200, 500, 1_000, 2_000, 5_000, 10_000)
"""Pauses before a child is started again. The last one repeats."""
STEADY_MS = 30_000
"""A child that ran this long has recovered: its next pause is the first one again."""
STOP_MS = 4_500
"""Children get this long to stop; then they are killed. The whole stop must take less than 5 s."""
AUDIT_STOP_MS = 900
"""The part of it that is the audit's and the alerts': they stop last, when there is nothing more to come."""
WATCH_MS = 50
BACKGROUND_NICE = 10
"""Added to the audit process's nice value: it gets a tenth of a busy processor, so its lag stays bounded."""
SUPERVISOR = "COPYGATE_SUPERVISOR"
"""Environment variable with the process id of who started us; a run that finds another parent ends."""
AUDIT = "audit"
"""The child that follows the journal."""
ALERTS = "alerts"
"""The child that tells people, where the configuration names any."""
LAST = (AUDIT, ALERTS)
"""Children that stop behind the others: they read what those leave."""
SHARED = ("gateway.core", "gateway.route", "gateway.audit.tail", "gateway.audit.observers")
"""What children run. The supervisor imports it before it forks, so that its pages are there once."""

log = structlog.get_logger("run")


def run(config_path: Path, only: str | None = None) -> int:
    """Runs a deployment, or one of its processes; returns the exit code.

    `only` is `core`, `route:NAME`, `audit` or `alerts`. SIGTERM and SIGINT stop cleanly, with code 0.
    """
    if (parent := os.environ.get(SUPERVISOR)) is not None:
        die_with(int(parent))
    return _be(read_apart(config_path, with_core=only in (None, "core")), only)


def _be(deployment: Deployment, only: str | None) -> int:
    """The life of one process; None is the supervisor."""
    start_log(deployment.config, only or "run")
    share_one_heap()
    stop = Stop()
    # After the import of QuickFIX, which resets SIGINT.
    work = _work_of(deployment, only)
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    try:
        return work(stop)
    except Exception as error:  # noqa: BLE001 (the end of the process: one line says why, and the code what next)
        return int(say(error).exit_code)


def start_log(config: GatewayConfig, process: str) -> None:
    """One line per event on standard error, as JSON, each with the process it comes from.

    Where somebody is to be told of alerts, they go to the spool as well, whatever the level of the log.
    """
    level = LEVELS[config.gateway.log_level]
    last: structlog.typing.Processor = structlog.processors.JSONRenderer(sort_keys=True)
    least = level
    if config.alerts.sinks:
        last = SpoolLast(Spool(config.state_dir, process), level, last)
        least = min(level, LEVELS["warning"])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _named(process),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


@dataclass(slots=True)
class Child:
    """One supervised process."""

    name: str
    work: Callable[[], int]
    process: Process | None = None
    started_ms: int = 0
    start_at_ms: int = 0
    failures: int = field(default=0)
    parked: bool = False
    """Not started again: what ended it does not heal by itself."""

    def start(self) -> None:
        """Starts the process in our own log stream."""
        self.process = fork(self.name, self.work)
        self.started_ms = clock.steady_ms()
        log.info("run.started", child=self.name, pid=self.process.pid)

    def look(self) -> int | None:
        """Starts the child when its time has come; gives its exit code once, when it has ended."""
        if self.process is None:
            if not self.parked and clock.steady_ms() >= self.start_at_ms:
                self.start()
            return None
        code = self.process.poll()
        if code is not None:
            self.process = None
            self._back_off()
        return code

    def _back_off(self) -> None:
        now_ms = clock.steady_ms()
        self.failures = 1 if now_ms - self.started_ms > STEADY_MS else self.failures + 1
        self.start_at_ms = now_ms + BACK_OFF_MS[min(self.failures, len(BACK_OFF_MS)) - 1]


def supervise(deployment: Deployment, stop: threading.Event) -> int:
    """Keeps all processes of a deployment running until told to stop.

    One thread, and nothing open but the alerts' spool, which no child uses: each child, also one after a
    month, is forked from a clean state.
    """
    names = ["core", *(f"route:{name}" for name in deployment.config.routes), AUDIT]
    names += [ALERTS] if deployment.config.alerts.sinks else []
    children = [Child(name, partial(_be, deployment, name)) for name in names]
    result = int(ExitCode.OK)
    try:
        while not stop.wait(WATCH_MS / 1000):
            for child in children:
                code = child.look()
                fate = Fate.AGAIN if code is None else fate_of(child, code)
                if code is None or fate is Fate.AGAIN:
                    continue
                result = code
                child.parked = True
                if fate is Fate.STOP:
                    stop.set()
    finally:
        _stop(children)
    return result


class Fate(Enum):
    """What becomes of a child that ended."""

    AGAIN = "it is started again"
    PARK = "it stays down until copygate is restarted, the others go on"
    STOP = "everything stops"


def fate_of(child: Child, code: int) -> Fate:
    """Decides by the exit code, and says so.

    What a person must mend is not tried for ever. Without the core nothing works; a route whose file is
    damaged takes only its own followers with it, whose brokers' orders no other process may touch. That
    people cannot be told stops nothing.
    """
    final = {int(ExitCode.USAGE)}
    if child.name == "core":
        final.add(int(ExitCode.STATE))
        if child.failures >= len(BACK_OFF_MS):
            final.add(int(ExitCode.ENVIRONMENT))
    if child.name == ALERTS:
        fate = Fate.AGAIN
    elif code in final:
        fate = Fate.STOP
    elif code == ExitCode.STATE:
        fate = Fate.PARK
    else:
        fate = Fate.AGAIN
    say_it = log.error if fate is Fate.AGAIN and code != ExitCode.RETRY else log.critical
    pause_ms = child.start_at_ms - clock.steady_ms() if fate is Fate.AGAIN else None
    say_it("run.ended", child=child.name, exit_code=code, action=fate.value, restart_in_ms=pause_ms)
    return fate


def _stop(children: list[Child]) -> None:
    """Core and routes first; then the audit and the alerts, which so read all that there is to its end."""
    deadline_ms = clock.steady_ms() + STOP_MS
    _end([child for child in children if child.name not in LAST], deadline_ms - AUDIT_STOP_MS)
    _end([child for child in children if child.name in LAST], deadline_ms)
    log.info("run.stopped")


def _end(children: list[Child], deadline_ms: int) -> None:
    running = [(child.name, child.process) for child in children if child.process is not None]
    for _, process in running:
        process.terminate()
    clock.wait_until(
        lambda: all(process.poll() is not None for _, process in running), deadline_ms - clock.steady_ms()
    )
    for name, process in running:
        if process.poll() is None:
            log.error("run.killed", child=name)
            process.kill()
        process.wait()


def _work_of(deployment: Deployment, only: str | None) -> Callable[[threading.Event], int]:
    """What this process does. Imports what it needs only: core and route do no other Python work."""
    config = deployment.config
    if only is None:
        share()
        _keep_names(deployment)
        return lambda stop: supervise(deployment, stop)
    if only == "core":
        from gateway import core

        return lambda stop: core.run(config, deployment.core_text, stop)
    if only == AUDIT:
        from gateway.audit import tail

        _step_back()
        return lambda _stop: tail.main(Places(config.state_dir, config.observers_bind()))
    if only == ALERTS:
        if not config.alerts.sinks:
            raise UsageError("nobody is to be told", path="alerts.sinks", hint="Add a sink, or leave it out.")
        from gateway.notify import desk

        _step_back()
        return lambda stop: desk.run(config, stop)
    kind, _, name = only.partition(":")
    if kind != "route" or name not in config.routes:
        raise UsageError(
            "no such process", path="--only", value=only, bound="core, route:NAME, audit or alerts"
        )
    from gateway import route

    _keep_names(deployment)
    return lambda stop: route.run(config, name, deployment.kill_parts, stop)


def _keep_names(deployment: Deployment) -> None:
    """Leaves what routes go by for `kill` without a core: the file may have changed when it is needed."""
    try:
        kill_parts.keep(deployment.config.state_dir, deployment.kill_parts)
    except OSError as error:
        # Nothing that trades waits for this.
        log.error("run.stop_names", error=str(error), action="a stop without a core cannot check names")


def share() -> None:
    """Loads what children run, and keeps the garbage collector away from it: it would write to the pages."""
    for module in SHARED:
        importlib.import_module(module)
    give_back_memory()
    gc.freeze()


def _step_back() -> None:
    """Takes the processor only as others leave it: the audit log may lag, an order may not wait for it."""
    os.nice(BACKGROUND_NICE)
    if sys.platform.startswith("linux"):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _named(process: str) -> Callable[..., structlog.typing.EventDict]:
    def add(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["process"] = process
        return event

    return add
