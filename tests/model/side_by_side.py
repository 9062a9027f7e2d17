"""The core and a model side by side, without sockets: both are told the same, and what they decide is
compared. Brokers are played by the test."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from gateway._fastcore import Pipeline, RoutePipeline
from gateway.sim.text import Fields, decode, encode, first, utc
from tests.model.deployment import NEVER_MS, exact
from tests.model.terms import MS

BEGIN = "FIX.4.4"
OFF_NS = 500_000
"""Half a millisecond off what TransactTime(60) can say, so that nothing is due at an event's time."""
TICKS_MAX = 1_000
NEAR = Fraction(1, 10**9)
"""Targets of the core are fixed point: they are the model's within this part of a step."""
MEMORY = Path("/dev/shm")
"""Thousands of histories have a journal each, for milliseconds: where there is a folder in memory they are
played five times as fast as on a disk."""
ENDS = {"rejected": ("8", "8"), "canceled": ("4", "4"), "expired": ("C", "C")}

Said = TypeVar("Said")
"""What a model answers: orders and requests."""


class Difference(AssertionError):  # noqa: N818 it is what is looked for
    """Core and model decided otherwise; the text has the history."""


class Decides(Protocol[Said]):
    """A model, as far as the broker and the clock are concerned."""

    def end(self, number: int, how: str, now_ns: int) -> list[Said]:
        """A broker ended an order."""

    def tick(self, now_ns: int) -> list[Said]:
        """Time passed."""


class Counted(Protocol):
    """A line of a model, signed units."""

    target: Fraction
    filled: Fraction


@dataclass
class Live:
    """An order of ours at its broker."""

    number: int
    fields: Fields
    cl_ord_id: str
    qty: Fraction
    cum: Fraction = Fraction(0)
    """What it filled, also where that was taken back."""
    asked: Fields | None = None
    """A replace or cancel that is not answered."""
    busted: Fraction = Fraction(0)
    acknowledged: bool = True

    @classmethod
    def sent(cls, number: int, message: Fields) -> Live:
        """As a NewOrderSingle says."""
        return cls(number, message, first(message, 11), Fraction(first(message, 38)))

    @property
    def leaves(self) -> Fraction:
        """What it may still fill."""
        return self.qty - self.cum

    @property
    def filled(self) -> Fraction:
        """CumQty(14)."""
        return self.cum - self.busted

    @property
    def replacing(self) -> bool:
        """It is asked to be another one."""
        return self.asked is not None and first(self.asked, 35) == "G"

    @property
    def asked_qty(self) -> Fraction:
        """OrderQty of the request that is not answered."""
        assert self.asked is not None
        return Fraction(first(self.asked, 38))


@lru_cache(maxsize=4096)
def number(text: str) -> Fraction:
    """A number of the core's status: most lines say the same again and again."""
    return Fraction(text)


class SideBySide(ABC, Generic[Said]):
    """Both sides of one history."""

    def __init__(self, model: Decides[Said], core_json: str, start_ms: int, story: list[str]) -> None:
        self.now_ns = self._start_ns = start_ms * MS + OFF_NS
        self.story = story
        self.live: list[Live] = []
        self._decides = model
        self._execs = 0
        self._folder = tempfile.TemporaryDirectory(
            prefix="copygate-model-", dir=MEMORY if MEMORY.is_dir() else None
        )
        folder = Path(self._folder.name)
        self._core = Pipeline.open(folder / "core.db", core_json, "process", self.now_ns)
        (folder / "route").mkdir()
        self._route = RoutePipeline.open(folder / "route" / "route.db", "r", ["R"], NEVER_MS, self.now_ns)
        self._core.receive(self._route.identity, self._route.hello(self.now_ns), self.now_ns)
        self._route.session("R", True, self.now_ns)
        self._exchange()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._core.close()
        self._route.close()
        del self._core, self._route
        self._folder.cleanup()

    @abstractmethod
    def _compare(self, messages: list[Fields], actions: list[Said]) -> None:
        """Compares what both sides said, and what they have then; `_differs` is raised."""

    # What both sides are told.

    def end(self, order: Live, how: str) -> None:
        """The broker ends an order; `canceled` answers a cancel where one is open."""
        self.live.remove(order)
        exec_type, status = ENDS[how]
        more: Fields = [(14, exact(order.filled)), (151, "0")]
        if how == "rejected":
            more.append((103, "99"))
        self._broker(
            order, exec_type, status, more, lambda: self._decides.end(order.number, how, self.now_ns)
        )

    def wait(self, ms: int) -> None:
        """Time passes; what is due happens when it is due."""
        until_ns = self.now_ns + ms * MS
        self.story.append(f"{self._clock()} wait {ms} ms")
        for _ in range(TICKS_MAX):
            due_ns = self._core.next_due_ns()
            if due_ns is None or due_ns > until_ns:
                self.now_ns = until_ns
                return
            self.now_ns = max(self.now_ns, due_ns)
            self._tell(
                "tick",
                lambda: self._core.tick(self.now_ns),
                lambda: self._decides.tick(self.now_ns),
                pause_ms=0,
            )
        raise self._differs("the core's timers are due without end")

    def _fill(self, order: Live, qty: Fraction, px: str, model: Callable[[], list[Said]]) -> None:
        order.cum += qty
        if not order.leaves:
            self.live.remove(order)
        more: Fields = [(32, exact(qty)), (31, px), (14, exact(order.filled)), (151, exact(order.leaves))]
        self._broker(order, "F", "1" if order.leaves else "2", more, model)

    # How they are told.

    def _broker(
        self, order: Live, exec_type: str, status: str, more: Fields, model: Callable[[], list[Said]]
    ) -> None:
        fields = self._report(order, exec_type, status, more)
        self._tell(f"broker: {said(fields)}", lambda: self._say(fields), model)

    def _report(self, order: Live, exec_type: str, status: str, more: Fields) -> Fields:
        self._execs += 1
        own = order.fields
        ids: Fields = [(11, order.cl_ord_id)]
        if order.asked is not None and exec_type == "4" and not order.replacing:
            ids = [(11, first(order.asked, 11)), (41, order.cl_ord_id)]
        return [
            (35, "8"), (37, f"B{first(own, 11)}"), *ids, (17, f"E{self._execs}"), (150, exec_type),
            (39, status), (1, first(own, 1)), (55, first(own, 55)), (54, first(own, 54)),
            (38, exact(order.qty)), *more, (60, utc(self.now_ns)),
        ]  # fmt: skip

    def _say(self, fields: Fields) -> None:
        self._execs += 1
        raw = encode(BEGIN, [fields[0], (34, str(self._execs)), *fields[1:]])
        self._route.record("R", self._execs, raw, self.now_ns)

    def _tell(
        self, what: str, core: Callable[[], object], model: Callable[[], list[Said]], pause_ms: int = 1
    ) -> None:
        self.now_ns += pause_ms * MS
        self.story.append(f"{self._clock()} {what}")
        core()
        messages = self._exchange()
        self.story += [f"    core  → {said(message)}" for message in messages]
        actions = model()
        self.story += [f"    model → {action}" for action in actions]
        self._compare(messages, actions)

    def _exchange(self) -> list[Fields]:
        """Frames both ways until nobody has anything to say."""
        messages: list[Fields] = []
        busy = True
        while busy:
            busy = False
            for _, frame in self._core.drain():
                for _, raw in self._route.receive(frame, self.now_ns):
                    messages.append(decode(raw))
                    if first(messages[-1], 35) == "D":
                        self._arrived(Live.sent(0, messages[-1]))
            for frame in self._route.pending():
                self._core.receive(self._route.identity, frame, self.now_ns)
                busy = True
        return messages

    def _arrived(self, order: Live) -> None:
        """The broker acknowledges a new order, at once."""
        self._say(self._report(order, "0", "0", [(14, "0"), (151, exact(order.leaves))]))

    # Comparing.

    def _same_line(self, name: object, core: dict[str, str] | None, line: Counted, near: Fraction) -> None:
        """Target and filled; the core shows no line that nothing happened to."""
        core = core or {"target": "0", "filled": "0"}
        if abs(number(core["target"]) - line.target) > near:
            raise self._differs(f"{name}: target {core['target']} in the core, {line.target} in the model")
        if number(core["filled"]) != line.filled:
            raise self._differs(f"{name}: filled {core['filled']} in the core, {line.filled} in the model")

    def _clock(self) -> str:
        return f"{(self.now_ns - self._start_ns) // MS:>7} ms"

    def _differs(self, what: str) -> Difference:
        """The error that stops a history."""
        return Difference("\n".join([what, "the history:", *self.story]))


@dataclass(frozen=True)
class Wait:
    """Time passes in a history."""

    ms: int

    def play(self, rig: SideBySide[Any], books: object) -> None:
        """Waits."""
        rig.wait(self.ms)


def said(fields: Fields) -> str:
    """A message without what every message has."""
    return "|".join(f"{tag}={value}" for tag, value in fields if tag not in (8, 9, 10, 34, 49, 52, 56))
