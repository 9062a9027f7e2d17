"""A seed's faults: what is broken, where and when. Pure: the same seed gives the same list.

What then happens between threads and processes is not in the seed's hand; what is done to them is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.fault.page import Io
from tests.fault.steps import CALLS

SESSIONS = ("LEADER", "A", "B", "C")
BROKERS = SESSIONS[1:]
ROUTES = ("route:a", "route:b", "route:c")
CHILDREN = ("core", *ROUTES, "audit")
FILES = ("core/journal.db", "route-a/route.db", "route-b/route.db", "route-c/route.db", "audit/audit-")
FAULTY_MS = 6_000
"""Faults begin within this time."""
SETTLE_MS = 600
"""The deployment's `settle_ms`: a broker that holds an order back for longer breaks its promise."""


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that goes wrong. `for_ms` is how long, `number` how many, how far or how often."""

    at_ms: int
    kind: str
    where: str = ""
    for_ms: int = 0
    number: int = 0

    def __str__(self) -> str:
        rest = [
            self.where,
            f"{self.for_ms} ms" if self.for_ms else "",
            str(self.number) if self.number else "",
        ]
        return f"{self.at_ms:5} ms {self.kind} " + ", ".join(part for part in rest if part)


Make = Callable[[random.Random, int], Fault]


def _at_step(dice: random.Random, at_ms: int) -> Fault:
    call = dice.choice(CALLS)
    step = f"{call.process}.{call.name}.{dice.choice(('before', 'behind'))}"
    return Fault(at_ms, "kill_at_step", step, number=dice.randint(0, max(1, call.often)))


def _at_write(dice: random.Random, at_ms: int) -> Fault:
    how = dice.choice((Io.KILL_BEFORE, Io.KILL_TORN, Io.KILL_BEHIND, Io.KILL_SYNC))
    return Fault(at_ms, how.name.lower(), dice.choice(FILES), number=dice.randint(0, 12))


def _at(
    kind: str, places: tuple[str, ...], ms: tuple[int, int] = (0, 0), n: tuple[int, int] = (0, 0)
) -> Make:
    def make(dice: random.Random, at_ms: int) -> Fault:
        return Fault(at_ms, kind, dice.choice(places), dice.randint(*ms), dice.randint(*n))

    return make


def _clock(dice: random.Random, at_ms: int) -> Fault:
    seconds = dice.choice((-8, -3, -1, 1, 3, 8))
    return Fault(at_ms, "clock", "", dice.randint(300, 2_500), seconds)


KINDS: dict[str, tuple[int, Make]] = {
    # Processes.
    "kill": (6, _at("kill", (*CHILDREN, "core", *ROUTES))),
    "kill_all": (1, _at("kill_all", ("run",))),
    "kill_at_step": (8, _at_step),
    "kill_at_write": (6, _at_write),
    "pause": (3, _at("pause", CHILDREN, (100, 2_500))),
    # The network.
    "cut": (4, _at("cut", SESSIONS)),
    "down": (3, _at("cut", SESSIONS, (300, 3_000))),
    "stall": (3, _at("stall", SESSIONS, (200, 3_000))),
    "half_open": (3, _at("half_open", SESSIONS, (500, 3_500))),
    "slow": (2, _at("slow", SESSIONS, (300, 2_500), (20, 400))),
    "pieces": (2, _at("pieces", SESSIONS, (300, 3_000))),
    "garble_in": (2, _at("garble_in", SESSIONS)),
    "garble_out": (2, _at("garble_out", SESSIONS)),
    "lose_orders": (3, _at("lose_orders", ("",), n=(1, 4))),
    "lose_rows": (3, _at("lose_rows", ("",), n=(1, 6))),
    # The disk and the clock.
    "full": (2, _at("full", FILES, (200, 2_500))),
    "bad": (1, _at("bad", FILES, (200, 1_500))),
    "read_only": (1, _at("read_only", FILES, (200, 1_500))),
    "clock": (2, _clock),
    # Counterparties.
    "silence": (3, _at("silence", BROKERS, (300, 3_000))),
    "slow_gateway": (3, _at("slow_gateway", BROKERS, (500, 3_000), (50, SETTLE_MS - 200))),
    "late_fills": (2, _at("late_fills", BROKERS, (300, 2_000), (300, 2_500))),
    "rejects": (2, _at("rejects", BROKERS, (300, 2_000))),
    "expires": (2, _at("expires", BROKERS, (300, 2_000))),
    "bust": (2, _at("bust", BROKERS)),
    "repeat": (3, _at("repeat", SESSIONS, n=(1, 8))),
    "skip_numbers": (2, _at("skip_numbers", SESSIONS, n=(1, 9))),
}
"""Name to weight and maker."""

BY_NAME: dict[str, tuple[int, Make]] = {
    "crossed_answers": (1, _at("crossed_answers", BROKERS, (1_500, 4_000))),
}
"""Kinds that come up only where they are asked for: a seed's mixture stays what it was."""

LATE_KINDS = frozenset(
    ("pause", "stall", "slow", "pieces", "silence", "clock", "slow_gateway", "crossed_answers")
)
"""With one of these an order may reach its broker late and nobody can help it."""


def schedule(seed: int, kinds: Iterable[str] = ()) -> list[Fault]:
    """Five to ten faults within FAULTY_MS, in order. Unknown kinds raise ValueError."""
    chosen = tuple(kinds) or tuple(KINDS)
    known = KINDS | BY_NAME
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise ValueError(f"no such kind: {', '.join(unknown)}; there are {', '.join(known)}")
    dice = random.Random(seed)
    faults: list[Fault] = []
    for _ in range(dice.randint(5, 10)):
        name = dice.choices(chosen, [known[kind][0] for kind in chosen])[0]
        faults += _with_start(known[name][1](dice, dice.randrange(FAULTY_MS)), dice)
    return sorted(faults)


def _with_start(fault: Fault, dice: random.Random) -> list[Fault]:
    """A step that is reached at starts only needs a start: its process is killed right behind."""
    process, _, call = fault.where.rpartition(".")[0].partition(".")
    if fault.kind != "kill_at_step" or any(c.often for c in CALLS if (c.process, c.name) == (process, call)):
        return [fault]
    child = dice.choice(ROUTES) if process == "route" else process
    return [fault, Fault(fault.at_ms + 1, "kill", child)]
