"""Breadth first through all states that a setup reaches, and backwards from the good ones."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.protocol.rules import Setup
from tests.protocol.state import FILLED, LOST_CLOSE, STUCK, Order, World
from tests.protocol.steps import STEPS, Step
from tests.protocol.tidy import tidy

NOT_SURE = ("FAULT", "route takes late frame")
"""Steps that nobody may count on: a late frame may as well be lost."""
MEETS_HAND = (
    "route hands over",
    "line logs on",
    "FAULT route is killed",
    "FAULT line is cut",
)
"""Between an order's row and its hand-over nothing else needs to happen: it could as well happen after it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A promise that is broken, and the shortest way there."""

    promise: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What one exploration saw."""

    states: int
    edges: int
    depth: int
    found: Found | None


def successors(w: World, setup: Setup) -> Iterator[tuple[Step, int, World]]:
    """Every step that may be taken, and where it leads."""
    for step in BESIDE_HAND if w.hand else STEPS:
        for choice in step.guard(w, setup):
            yield step, choice, tidy(step.effect(w, setup, choice), setup)


BESIDE_HAND = tuple(step for step in STEPS if step.name in MEETS_HAND)


def beginning(setup: Setup) -> World:
    """Everything is linked and logged on; nothing was traded, or the open was."""
    if not setup.held:
        return World(setup.faults)
    held = Order(opens=True, state=FILLED, counted=True)
    return World(setup.faults, heard=2, target=1, filled=1, orders=(held,), book=(2,))


class Explorer:
    """All states of one setup, numbered as they were found."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._numbers: dict[World, int] = {}
        self._states: list[World] = []
        self._parents = array("l")
        self._edges = array("l")
        self._begins = array("l")
        """Where the edges of a state begin: those without a fault come first in the table."""
        self._all_edges = 0
        self._values: dict[Any, Any] = {}

    def run(self) -> Result:
        """Stops at the first broken promise."""
        self._add(beginning(self._setup), -1)
        number, level_ends, depth = 0, 1, 0
        while number < len(self._states):
            if number == level_ends:
                depth, level_ends = depth + 1, len(self._states)
            broken = self._expand(number)
            if broken is not None:
                return self._result(depth + 1, Found(self._states[broken].bad, self._way(broken)))
            number += 1
        self._begins.append(len(self._edges))
        return self._result(depth, self._trapped())

    def _result(self, depth: int, found: Found | None) -> Result:
        return Result(len(self._states), self._all_edges, depth, found)

    def _expand(self, number: int) -> int | None:
        self._begins.append(len(self._edges))
        for step, _, after in successors(self._states[number], self._setup):
            self._all_edges += 1
            known = self._numbers.get(after)
            if known is None:
                known = self._add(after, number)
                if after.bad:
                    return known
            if not step.name.startswith(NOT_SURE):
                self._edges.append(known)
        return None

    def _add(self, w: World, parent: int) -> int:
        # Equal parts of states are kept once: most of a state is that of its neighbours.
        w = World._make(self._values.setdefault(x, x) if isinstance(x, tuple | frozenset) else x for x in w)
        number = self._numbers[w] = len(self._states)
        self._states.append(w)
        self._parents.append(parent)
        return number

    def _trapped(self) -> Found | None:
        """A state from which no way without faults leads to a good one: the first at rest, else the first."""
        fine = bytearray(w.good for w in self._states)
        moved = True
        while moved:
            moved = False
            for number in range(len(fine) - 1, -1, -1):
                if not fine[number]:
                    ways = self._edges[self._begins[number] : self._begins[number + 1]]
                    if any(fine[way] for way in ways):
                        fine[number] = moved = True
        traps = [number for number, is_fine in enumerate(fine) if not is_fine]
        if not traps:
            return None
        lost = (number for number in traps if self._states[number].has_lost_close)
        number = next(lost, traps[0])
        return Found(LOST_CLOSE if self._states[number].has_lost_close else STUCK, self._way(number))

    def _way(self, number: int) -> tuple[str, ...]:
        steps: list[str] = []
        while (parent := self._parents[number]) >= 0:
            before, after = self._states[parent], self._states[number]
            steps.append(
                next(told(step, n, before) for step, n, w in successors(before, self._setup) if w == after)
            )
            number = parent
        return tuple(reversed(steps))


def told(step: Step, choice: int, before: World) -> str:
    """A step in words."""
    if step.name.endswith("order"):
        order = before.orders[choice]
        return f"{step.name} {choice} ({'open' if order.opens else 'close'})"
    if step.name.endswith("row"):
        return f"{step.name}: {before.rows[0]}"
    if step.name.endswith("late frame"):
        return f"{step.name}: {before.late[choice]}"
    if step.name.endswith("a frame"):
        return f"{step.name}: {before.queue[0]}"
    if step.name.endswith("frame is lost"):
        return f"{step.name}: {before.queue[choice]}"
    return step.name


def explore(setup: Setup) -> Result:
    """All interleavings of one open and one close with the faults of a setup."""
    return Explorer(setup).run()
