"""The numbered steps at which a process of the gateway can be ended, and how they are put into it.

Each call by which a thin shell does something that lasts is two steps: before it and behind it. The program
is not written for this: the calls are wrapped in the process under test, and a program that is not tested
has none of it.
Between the steps nothing lasts, or it is a write to a file: `shim.cpp` ends a process there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fault.page import Page, Slot

ORDERS, ROWS = 3, 4
"""Type byte of frames with orders and with rows, the fourth of a frame (fastcore/src/link.rs)."""


@dataclass(frozen=True)
class Call:
    """One call of a shell. `often`: how many times it happens in a second of trading, about."""

    process: str
    name: str
    often: int


CALLS = (
    Call("core", "open", 0),
    Call("core", "submit", 20),
    Call("core", "receive", 60),
    Call("core", "drain", 40),
    Call("core", "tick", 3),
    Call("core", "snapshot", 1),
    Call("core", "send_frame", 40),
    Call("route", "open", 0),
    Call("route", "hello", 0),
    Call("route", "receive_some", 10),
    Call("route", "fix_send", 15),
    Call("route", "fix_wire", 15),
    Call("route", "record", 20),
    Call("route", "session", 0),
    Call("route", "pending", 60),
    Call("route", "send_frame", 20),
    Call("audit", "open", 0),
    Call("audit", "replay", 20),
    Call("audit", "append", 8),
    Call("audit", "status", 1),
)
"""`fix_wire` is inside QuickFIX, between its own store and the socket. A call that happens at starts only
has 0."""


def names() -> list[str]:
    """All steps; a step's number is its place here, from 1."""
    return [f"{c.process}.{c.name}.{side}" for c in CALLS for side in ("before", "behind")]


NUMBERS = {name: number for number, name in enumerate(names(), 1)}


class Steps:
    """The steps of this process."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def reach(self, number: int) -> None:
        """Ends the process if the page says so. The page forgets it first: the next process lives."""
        if self._page[Slot.STEP] != number:
            return
        left = self._page[Slot.STEP_LEFT]
        if left > 0:
            self._page[Slot.STEP_LEFT] = left - 1
            return
        self._page[Slot.STEP] = 0
        self._page[Slot.STEP_FIRED] = self._page[Slot.STEP_FIRED] + 1
        os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call with a step on both sides."""
        before, behind = NUMBERS[f"{name}.before"], NUMBERS[f"{name}.behind"]

        def stepped(*args: Any, **kwargs: Any) -> Any:
            self.reach(before)
            result = call(*args, **kwargs)
            self.reach(behind)
            return result

        return stepped

    def loses(self, slot: Slot, frame: bytes) -> bool:
        """Whether this frame of orders or rows gets lost on its way between two processes."""
        if self._page[slot] <= 0 or frame[3:4] not in (bytes([ORDERS]), bytes([ROWS])):
            return False
        self._page[slot] = self._page[slot] - 1
        self._page[Slot.DROPPED] = self._page[Slot.DROPPED] + 1
        return True


class Wrapped:
    """An object of the core with steps around some of its calls; everything else goes through."""

    def __init__(self, inner: Any, process: str, calls: tuple[str, ...], steps: Steps) -> None:
        self._inner = inner
        for call in calls:
            setattr(self, call, steps.around(f"{process}.{call}", getattr(inner, call)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Opener:
    """Stands for a class of the core whose objects come from `open`."""

    def __init__(self, kind: Any, process: str, calls: tuple[str, ...], steps: Steps) -> None:
        self._open = steps.around(f"{process}.open", kind.open)
        self._process, self._calls, self._steps = process, calls, steps

    def open(self, *args: Any) -> Wrapped:
        """Opens as the class does."""
        return Wrapped(self._open(*args), self._process, self._calls, self._steps)


def install(page: Page) -> None:
    """Puts the steps into this process and into those that it forks."""
    from gateway import _fastcore, core, route, wire
    from gateway.audit import store, tail
    from gateway.fix import application, engine

    steps = Steps(page)
    patch = _Patches(steps)
    core_calls = ("submit", "receive", "drain", "tick", "snapshot")
    _put(core, "Pipeline", Opener(_fastcore.Pipeline, "core", core_calls, steps))
    route_calls = ("hello", "receive_some", "record", "session", "pending")
    _put(route, "RoutePipeline", Opener(_fastcore.RoutePipeline, "route", route_calls, steps))
    patch.method(wire.CoreSocket, "send", "core.send_frame")
    patch.method(wire.RouteSocket, "send", "route.send_frame")
    patch.method(engine.FixEngine, "send", "route.fix_send")
    patch.method(application.SessionTap, "onOutgoing", "route.fix_wire")
    patch.method(store.Store, "append", "audit.append")
    patch.method(tail.Tail, "pass_once", "audit.replay")
    tail._open_replay = steps.around("audit.open", tail._open_replay)
    tail.write_status = steps.around("audit.status", tail.write_status)
    patch.losing(wire.CoreSocket, Slot.DROP_TO_ROUTE)
    patch.losing(wire.RouteSocket, Slot.DROP_TO_CORE)


def _put(module: Any, name: str, value: object) -> None:
    setattr(module, name, value)


class _Patches:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def method(self, kind: Any, name: str, step: str) -> None:
        """Steps around a method; `self` stays the first argument."""
        setattr(kind, name, self._steps.around(step, getattr(kind, name)))

    def losing(self, kind: Any, slot: Slot) -> None:
        """Frames of a socket get lost: the sender believes that they are on their way."""
        send, steps = kind.send, self._steps

        def send_or_lose(self: Any, *args: Any) -> bool:
            return True if steps.loses(slot, args[-1]) else bool(send(self, *args))

        kind.send = send_or_lose
