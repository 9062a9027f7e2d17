"""A core and one route, played in this process: no session, and no clock but the one that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway._fastcore import Pipeline, RoutePipeline
from gateway.config import core_json, load
from gateway.sim.text import Fields, decode, encode, utc

T0_NS = 1_795_600_000_000_000_000
"""A Wednesday, 09:46:40 UTC."""
MS = 1_000_000
ORPHAN_MS = 10**9
"""The route hears no heartbeat here, and goes on."""
ROUNDS_MAX = 20
"""Frames that go to and fro more often than that never stop."""


class Played:
    """The sessions are LEADER and BROKER, the route is `r`. Both are logged on."""

    def __init__(self, folder: Path, text: str, begin: str = "FIX.4.4") -> None:
        self.begin, self.now_ns = begin, T0_NS
        self._serial = 0
        path = folder / "gateway.toml"
        path.write_text(text, encoding="utf-8")
        (folder / "route").mkdir()
        self.journal = folder / "journal.db"
        self.core = Pipeline.open(self.journal, core_json(load(path)), "process", self.now_ns)
        route = folder / "route" / "route.db"
        self.route = RoutePipeline.open(route, "r", ["BROKER"], ORPHAN_MS, self.now_ns)
        self.route.session("BROKER", True, self.now_ns)
        self.core.receive(self.route.identity, self.route.hello(self.now_ns), self.now_ns)
        self.carry()

    def close(self) -> None:
        """Ends both."""
        self.route.close()
        self.core.close()

    def carry(self) -> list[Fields]:
        """Frames go to and fro until there are none, and the broker answers; what left for him.

        Raises `RuntimeError` after `ROUNDS_MAX` rounds: what was played till then is no result."""
        left: list[Fields] = []
        for _ in range(ROUNDS_MAX):
            frames = [frame for _, frame in self.core.drain(4_096)]
            sent = [decode(raw) for frame in frames for _, raw in self.route.receive(frame, self.now_ns)]
            left += sent
            self.answer(sent)
            rows = self.route.pending()
            for frame in rows:
                self.core.receive(self.route.identity, frame, self.now_ns)
            if not frames and not rows:
                return left
        raise RuntimeError(f"frames still go to and fro after {ROUNDS_MAX} rounds: nothing came to an end")

    def answer(self, sent: Sequence[Fields]) -> None:
        """What the broker does with what was sent to him: nothing."""

    def leader(self, raw: bytes) -> None:
        """The leader's broker says it."""
        self.core.submit("leader", "LEADER", raw, self.now_ns)

    def broker(self, raw: bytes) -> None:
        """The follower's broker says it."""
        self._serial += 1
        self.route.record("BROKER", self._serial, raw, self.now_ns)

    def message(self, fields: Fields) -> bytes:
        """A message of this version, with the next number behind its type."""
        self._serial += 1
        return encode(self.begin, [fields[0], (34, str(self._serial)), *fields[1:]])

    def now(self) -> str:
        """The time as FIX has it."""
        return utc(self.now_ns)

    def wait(self, ms: int) -> None:
        """Time passes, with all timers."""
        end_ns = self.now_ns + ms * MS
        while (due := self.core.next_due_ns(self.now_ns)) is not None and due <= end_ns:
            self.now_ns = max(self.now_ns, due)
            self.core.tick(self.now_ns)
            self.waited()
        self.now_ns = end_ns

    def waited(self) -> None:
        """Behind each timer: nothing."""
