"""The watchdogs of the core and route processes: they measure, tell the log, and do what is configured.

The main loop calls them with its heartbeat; they look once a second, and then cost a read of one file of the
kernel and one short call of the pipeline.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from gateway import clock
from gateway.config_watch import WatchSection
from gateway.errors import ExitCode
from gateway.watch import Finding, MemoryEnd, Turn, Watchdog, Watched

if TYPE_CHECKING:
    from gateway._fastcore import Pipeline, RoutePipeline

LOOK_MS = 1_000
STATM = Path("/proc/self/statm")
STATM_BYTES_MAX = 128
MIB = 1024 * 1024
NS_PER_US = 1_000

JOURNAL = (
    "Look after the disk: what else writes to it, and how full it is. A fill is copied only when its row is "
    "written. If it comes every `core.snapshot_rows` rows it is the snapshot, in the core: raise that."
)
OUTBOX = "The core decides faster than its socket takes frames. Look for routes that hang, and at the load."
ROUTE_ROWS = (
    "The core takes this route's rows slower than they come, or the link between them is down. Look at the "
    "core's own lines and at the load of the machine."
)
WINDOW = (
    "The broker does not answer our TestRequest(1): it reads slower than we send, or its line hangs. Opens "
    "expire, closes wait. Ask the broker, or lower what is sent to it."
)
MEMORY = (
    "Every order is kept, so memory grows with trading. Plan a new state_dir while everything is flat, or "
    "more memory; if it grows without trading, report it."
)


class Memory:
    """What this process has in memory; the file is opened once."""

    def __init__(self) -> None:
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._fd = os.open(STATM, os.O_RDONLY | os.O_CLOEXEC) if STATM.exists() else None

    def mib(self) -> int:
        """Resident set, MiB; 0 where the system does not say."""
        if self._fd is None:
            return 0
        pages = int(os.pread(self._fd, STATM_BYTES_MAX, 0).split()[1])
        return pages * self._page_bytes // MIB

    def close(self) -> None:
        """Frees the descriptor."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class _Watch:
    """What both processes have."""

    def __init__(self, event: str, watched: list[Watched], section: WatchSection) -> None:
        self._log = structlog.get_logger(event.partition(".")[0])
        self._event = event
        self._memory = Memory()
        memory = Watched("memory", section.memory_mib, "MiB", MEMORY)
        self._dog = Watchdog([*watched, memory], section.repeat_min * 60_000)
        self._end = MemoryEnd(section.memory_end_mib)
        self._end_mib = section.memory_end_mib
        self._next_ms = 0
        self.exit_code: int | None = None
        """Set when the process must end, cleanly: its supervisor starts it again."""

    def look(self) -> None:
        """Measures, where a second is over."""
        now_ms = clock.steady_ms()
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + LOOK_MS
        memory_mib = self._memory.mib()
        values = {("memory", ""): memory_mib, **self._values(now_ms)}
        for finding in self._dog.look(values, now_ms):
            self._tell(finding)
        if self.exit_code is None and self._end.must_end(memory_mib):
            self.exit_code = int(ExitCode.ENVIRONMENT)
            said = {"code": "memory_end", "value": memory_mib, "bound": self._end_mib, "unit": "MiB"}
            self._log.critical(self._event, **said, action="the process ends and is started again")

    def close(self) -> None:
        """Frees what it holds."""
        self._memory.close()

    def _tell(self, finding: Finding) -> None:
        say = self._log.warning if finding.turn is Turn.GOOD else self._log.error
        say(self._event, **finding.fields(), action=self._act(finding))

    def _values(self, now_ms: int) -> dict[tuple[str, str], int]:
        raise NotImplementedError

    def _act(self, _finding: Finding) -> str:
        """Does what is configured, and says what that was."""
        return "alert"


class CoreWatch(_Watch):
    """Journal, outbox, memory, and the rows that routes keep because the core has not taken them."""

    def __init__(self, section: WatchSection, pipeline: Pipeline) -> None:
        watched = [
            Watched("journal", section.journal_us, "µs", JOURNAL),
            Watched("outbox", section.outbox_frames, "frames", OUTBOX),
            Watched("route_rows", section.route_rows, "rows", ROUTE_ROWS),
        ]
        super().__init__("core.watch", watched, section)
        self._pipeline = pipeline
        self._actions = {"journal": section.journal_action, "route_rows": section.route_rows_action}

    def _values(self, _now_ms: int) -> dict[tuple[str, str], int]:
        slowest_ns, frames, rows = self._pipeline.watched()
        depths = {("route_rows", route): count for route, count in rows}
        return {("journal", ""): slowest_ns // NS_PER_US, ("outbox", ""): frames, **depths}

    def _act(self, finding: Finding) -> str:
        """`no_opens` is the operator's own stop: closes go on, and a person releases it (`ctl arm`)."""
        action = self._actions.get(finding.watched.code, "alert")
        if action == "alert" or finding.turn is not Turn.BAD:
            return "alert"
        why = f"watch: {finding.watched.code} {finding.value} {finding.watched.unit}"
        command: dict[str, Any] = {"cmd": "kill", "who": why, "level": action}
        if finding.subject:
            command["route"] = finding.subject
        self._pipeline.submit("operator", "", json.dumps(command, sort_keys=True).encode(), clock.wall_ns())
        return action


class RouteWatch(_Watch):
    """The route's file, its rows, its window, and its memory."""

    def __init__(self, section: WatchSection, pipeline: RoutePipeline, room: Callable[[], int]) -> None:
        watched = [
            Watched("journal", section.journal_us, "µs", JOURNAL),
            Watched("route_rows", section.route_rows, "rows", ROUTE_ROWS),
            Watched("window", section.window_full_ms, "ms", WINDOW),
        ]
        super().__init__("route.watch", watched, section)
        self._pipeline = pipeline
        self._room = room
        self._full_since_ms: int | None = None

    def _values(self, now_ms: int) -> dict[tuple[str, str], int]:
        rows, slowest_ns = self._pipeline.watched()
        if self._room() > 0:
            self._full_since_ms = None
        elif self._full_since_ms is None:
            self._full_since_ms = now_ms
        full_ms = 0 if self._full_since_ms is None else now_ms - self._full_since_ms
        return {("journal", ""): slowest_ns // NS_PER_US, ("route_rows", ""): rows, ("window", ""): full_ms}
