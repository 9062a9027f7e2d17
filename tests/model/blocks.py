"""Blocks: one leader's quantity is divided lot by lot among members (02, table of modes; ADR 0019)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from tests.model.lots import SNAP, Refused, too_late
from tests.model.terms import ZERO, LeaderOrder, Line, Report
from tests.model.values import Values

HALF = Fraction(1, 2)


@dataclass
class Dealt:
    """What a leader's report is to one member: the part of its target that it keeps, and then the units, or
    the refusal, of each part of an increase."""

    kept: Fraction
    sizes: list[Fraction | str] = field(default_factory=list)


@dataclass
class Block:
    """The members of one leader's block in one of its instruments, in the order of the file."""

    lines: list[Line]
    reached: Counter[str]
    target: Fraction = ZERO
    """Signed leader units; it "moves as a target does"."""
    dealt: list[int] = field(default_factory=list)
    """Lots of each member."""
    weights: list[Fraction | None] = field(default_factory=list)
    """What each member had last; None before its first deal."""

    def __post_init__(self) -> None:
        self.dealt, self.weights = [0] * len(self.lines), [None] * len(self.lines)

    def deal(
        self,
        r: Report,
        order: LeaderOrder,
        share: Fraction,
        parts: list[tuple[Fraction, int | None, Fraction]],
        values: Values,
        now_ns: int,
    ) -> dict[tuple[str, str], Dealt]:
        """A leader's report: the share of its position that it closes, then the parts of an increase."""
        out = [Dealt(kept) for kept in self._reduce(share)]
        for qty, since_ns, _ in parts:
            if not qty:
                continue
            late = [too_late(line, order, since_ns, now_ns) for line in self.lines]
            weights, codes = self._weigh(r, order, values, now_ns)
            some = any(weights) and not order.frozen
            lots = self._increase(r.sign * qty, weights) if some else [0] * len(self.lines)
            for one, line, why, code, lot in zip(out, self.lines, late, codes, lots, strict=True):
                # Who is late is dealt its lots and does not take them: "nobody else gets those".
                one.sizes.append(why or code or lot * line.instrument.step)
        return {line.key: one for line, one in zip(self.lines, out, strict=True)}

    def flatten(self) -> None:
        """The leader is flat, or has turned, by a trade that was taken back: "a leader who is flat means flat
        followers". Every other bust leaves it to a person, as it leaves targets."""
        self.reached["a block, flat by a bust"] += any(self.dealt)
        self.target, self.dealt = ZERO, [0] * len(self.dealt)

    def _weigh(
        self, r: Report, order: LeaderOrder, values: Values, now_ns: int
    ) -> tuple[list[Fraction | None], list[str | None]]:
        weights, codes = list[Fraction | None](), list[str | None]()
        for line in self.lines:
            weight, code = None, None
            try:
                sized = values.sized(line, r.order, order, r.transact_ns or now_ns)
                weight = values.weight(line, sized, now_ns)
            except Refused as why:
                code = str(why)
            weights.append(weight)
            codes.append(code)
        return weights, codes

    @property
    def _lots(self) -> int:
        """Its whole lots (02 State: near a whole number is that number). Members have lots of one size."""
        mapping = self.lines[0].mapping
        exact = abs(self.target) * mapping.qty_factor / mapping.instrument.step
        return round(exact) if abs(exact - round(exact)) <= SNAP else floor(exact)

    def _reduce(self, share: Fraction) -> list[Fraction]:
        """The share of its target that each member keeps: "each reduced lot comes from the one furthest
        above", by (lots - 1/2) / weight; of equals the last of the file, since a way down leads to what a
        way up came from."""
        self.target *= 1 - share
        before, lots = list(self.dealt), self._lots
        while sum(self.dealt) > lots:
            held = [(n, w) for n, w in zip(self.dealt, self.weights, strict=True)]
            ahead = [(n - HALF) / w if n and w else Fraction(-1) for n, w in held]
            self.dealt[max(n for n, one in enumerate(ahead) if one == max(ahead))] -= 1
        self.reached["lots given back"] += before != self.dealt and lots > 0
        # A leader who is flat leaves exactly 0, also to who was dealt nothing.
        rest = Fraction(1 if share < 1 else 0)
        kept = zip(self.dealt, before, strict=True)
        return [Fraction(now, was) if was else rest for now, was in kept]

    def _increase(self, units: Fraction, weights: list[Fraction | None]) -> list[int]:
        """The leader adds signed units. Lots that each member is dealt: "each lot goes to the member furthest
        below", by (lots + 1/2) / weight; equals in the order of the file. Who has no weight takes no part."""
        self.target += units
        self.weights = [new or old for new, old in zip(weights, self.weights, strict=True)]
        before, lots = list(self.dealt), self._lots
        while sum(self.dealt) < lots:
            behind = [(n + HALF) / w if w else None for n, w in zip(self.dealt, weights, strict=True)]
            self.dealt[behind.index(min(one for one in behind if one is not None))] += 1
        self._count(weights, lots)
        return [now - was for now, was in zip(self.dealt, before, strict=True)]

    def _count(self, weights: list[Fraction | None], lots: int) -> None:
        whole = sum((w for w in weights if w), ZERO)
        self.reached["dealt"] += 1
        self.reached["dealt with a remainder"] += any(
            (lots * w / whole).denominator > 1 for w in weights if w
        )
        self.reached["dealt while a member has no weight"] += None in weights


def all_blocks(lines: list[Line], reached: Counter[str]) -> dict[tuple[str, str], Block]:
    """The block of each leader and instrument that has one."""
    members: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if line.subscription.mode == "block":
            key = line.subscription.leader, line.leader_instrument.name
            members.setdefault(key, []).append(line)
    return {key: Block(some, reached) for key, some in members.items()}
