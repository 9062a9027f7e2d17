"""What the model of hedging accounts remembers: positions by name, in signed units."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from tests.model.terms import ZERO, Line, New, Report, sign_of

POSITION_TAG = 721
"""PosMaintRptID, unless a profile says another one."""
POSITION_ID_MAX_BYTES = 64
"""Longer names are not believed (0025, 0029)."""


@dataclass(frozen=True)
class Named(New):
    """A new order, and the position that it closes; an open names none."""

    position: str = ""


def position_of(tags: tuple[tuple[int, str], ...]) -> str:
    """The name that a report says, "up to 64 bytes"; empty: none."""
    said = next((text for tag, text in tags if tag == POSITION_TAG), "")
    return said if len(said) <= POSITION_ID_MAX_BYTES else ""


@dataclass
class LeaderBook:
    """0029: positions are a book beside the net. "Units of an id are the sum of what its reports say"."""

    units: dict[str, Fraction] = field(default_factory=dict)
    named: dict[str, set[str]] = field(default_factory=dict)
    """What an order named, by its OrderID."""
    rest: dict[str, Fraction] = field(default_factory=dict)
    """What an order filled before it named anything."""
    late: bool = False
    """The newest report named what had no name."""

    def told(self, r: Report, moved: Fraction) -> None:
        """A report moved the net by so much, or by nothing. 0029, 4: "A fill without an id belongs to the
        position that its order named, if that is one, else to the rest until a later report names it. An
        id is believed on what has traded, never on an acknowledgement"."""
        names = self.named.setdefault(r.order, set())
        if moved or (r.kind in ("trade", "status", "bust", "correct") and r.cum_qty > 0):
            names |= {position_of(r.tags)} - {""}
        only = "".join(names) if len(names) == 1 else ""
        where = (position_of(r.tags) if moved else "") or only
        late = self.rest.pop(r.order, ZERO) if only else ZERO
        self.late = bool(late)
        if where:
            self.units[where] = self.units.get(where, ZERO) + moved + late
        else:
            self.rest[r.order] = self.rest.get(r.order, ZERO) + moved

    def held(self) -> dict[str, Fraction]:
        """0029, 9: "a position that holds nothing is gone"."""
        return {name: units for name, units in self.units.items() if units}


@dataclass
class Ticket:
    """One position of a follower at its broker."""

    name: str
    units: Fraction


@dataclass
class Apart:
    """0025, 1: beside a line, "a list of positions, in order of opening, with signed units"."""

    line: Line
    tickets: list[Ticket] = field(default_factory=list)

    @property
    def unnamed(self) -> Fraction:
        """0025, 3: "units whose fills named no position are held back from closes"."""
        return self.line.filled - sum((t.units for t in self.tickets), ZERO)

    def find(self, name: str) -> Ticket | None:
        """The position of that name."""
        return next((t for t in self.tickets if t.name == name), None)

    def move(self, name: str, units: Fraction) -> None:
        """Units go to a position; one that holds nothing is gone."""
        ticket = self.find(name)
        if ticket is None:
            ticket = Ticket(name, ZERO)
            self.tickets.append(ticket)
        ticket.units += units
        self.tickets = [t for t in self.tickets if t.units]


def dealt(
    qty: Fraction, sign: int, least: Fraction, tickets: list[Ticket], working: dict[str, Fraction]
) -> list[tuple[str, Fraction]]:
    """0025, 2: "A close is dealt out to positions, the oldest first, one order for each, never more than a
    position holds beside what other closes work on it. Less than the minimum lot goes out only where it is
    all of a position"."""
    parts: list[tuple[str, Fraction]] = []
    for ticket in tickets:
        free = abs(ticket.units) - working.get(ticket.name, ZERO)
        part = min(qty, free)
        if sign_of(ticket.units) != -sign or part <= 0:
            continue
        if part < least and part != free:
            # The position before leaves it a smallest lot, where it can give one up and still be one.
            name, before = parts[-1] if parts else ("", ZERO)
            short = least - part
            if before - short < least or free < least:
                break
            parts[-1] = name, before - short
            qty, part = qty + short, least
        parts.append((ticket.name, part))
        qty -= part
    return parts
