"""The reference model where positions stand side by side: leaders are copied by their net, followers' closes
name what they close (decisions 0025 and 0029)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.model import reference
from tests.model.hedging_terms import POSITION_ID_MAX_BYTES, Apart, LeaderBook, Named, dealt
from tests.model.lots import cap_of, split
from tests.model.terms import ZERO, Action, Line, New, Report, sign_of


class Model(reference.Model):
    """All lines of a deployment, with positions beside those whose follower hedges."""

    def __init__(self, *deployed: Any, hedges: bool) -> None:
        super().__init__(*deployed)
        self.leaders: dict[tuple[str, str], LeaderBook] = {}
        self.books: dict[tuple[str, str], list[Apart]] = {}
        """By line: its own, and those that a pair was parted into."""
        self._parted_works = False
        self._names: dict[int, str] = {}
        """What an order closes, by its number."""
        self._unnamed: dict[int, Fraction] = {}
        """What an order filled before it named a position, signed."""
        self._said: dict[int, str] = {}
        """What an order's fills named last."""
        if hedges:
            self.books = {line.key: [Apart(line)] for line in self.lines}

    # The leader's positions.

    def report(self, r: Report, now_ns: int) -> list[Action]:
        """0029, 2: "The net decides, alone, and is counted as before." """
        key = r.leader, r.instrument
        was = self.positions.get(key, ZERO)
        done = super().report(r, now_ns)
        book = self.leaders.setdefault(key, LeaderBook())
        before = dict(book.units)
        book.told(r, self.positions.get(key, ZERO) - was)
        sides = {sign_of(units) for units in book.units.values()}
        self.reached["the leader holds a pair"] += {1, -1} <= sides
        turned = any(sign_of(had) == -sign_of(book.units[name]) != 0 for name, had in before.items())
        self.reached["a leader's position turned"] += turned
        self.reached["the leader named late"] += book.late
        self.reached["the leader named nothing"] += bool(book.rest.get(r.order))
        return done

    # The follower's.

    def filled(self, number: int, qty: Fraction, name: str, now_ns: int) -> list[Action]:
        """A broker filled a part of an order, and named a position or none."""
        line, order = self._made[number - 1]
        if line.key in self.books:
            self._count_named(line, number, order.sign * qty, name)
            self._part(line, order.sign * qty)
        return self.fill(number, qty, Fraction(1), now_ns)

    def _part(self, line: Line, coming: Fraction) -> None:
        """0025, 5: "what stands on the wrong side becomes a line of its own whose target is zero".
        What a fill brings, signed units, is not counted in the line yet."""
        book = self.book_of(line)
        net = line.filled + coming
        # Wrong is what is against the target, and where that is 0 against the sum; while the sum itself
        # is against the target, all of that side is being closed.
        side = sign_of(line.target) or sign_of(net) or -1
        if sign_of(net) == -side:
            return
        wrong = [t for t in book.tickets if sign_of(t.units) == -side]
        if not side or not any(sign_of(t.units) == side for t in book.tickets) or not wrong:
            return
        self.reached["a pair was parted"] += 1
        units = sum((t.units for t in wrong), ZERO)
        line.filled -= units
        others = self.books[line.key]
        if len(others) < 2:
            others.append(Apart(Line(line.subscription, line.leader_instrument, line.mapping)))
        others[1].line.filled += units
        for ticket in wrong:
            others[1].move(ticket.name, ticket.units)
        book.tickets = [t for t in book.tickets if t not in wrong]

    def parted(self, number: int) -> bool:
        """Something of this order's line was parted once."""
        line, _ = self._made[number - 1]
        return len(self.books.get(line.key, [])) > 1

    def book_of(self, line: Line) -> Apart:
        """The positions of a line, or of what was parted from it."""
        return next(book for book in self.books[line.key] if book.line is line)

    def _work(self, line: Line, now_ns: int, newest_ns: int | None = None) -> None:
        """What was parted is closed first."""
        for book in self.books.get(line.key, [])[1:]:
            if book.line is not line and not self._parted_works:
                self._parted_works = True
                super()._work(book.line, now_ns)
                self._parted_works = False
        super()._work(line, now_ns, newest_ns)

    def named(self, number: int, name: str, now_ns: int) -> list[Action]:
        """0025, 3: "A later trade or status of that order names them"."""
        line, _ = self._made[number - 1]
        if line.key in self.books:
            self._count_named(line, number, ZERO, name)
        return self.tick(now_ns)

    def _count_named(self, line: Line, number: int, units: Fraction, name: str) -> None:
        """0025, 1: "A fill of an open adds to the position that its report names, a fill of a close takes
        from it". A close that says none has closed what it named."""
        name = name if len(name) <= POSITION_ID_MAX_BYTES else ""
        where = name or self._said.get(number, "") or self._names.get(number, "")
        self.reached["a fill named nothing"] += bool(units) and not name
        if not where:
            self._unnamed[number] = self._unnamed.get(number, ZERO) + units
            return
        self._said[number] = where
        self.reached["named late"] += bool(self._unnamed.get(number))
        self.book_of(line).move(where, units + self._unnamed.pop(number, ZERO))

    # Step 3.

    def _reduce(self, line: Line, want: Fraction, now_ns: int) -> None:
        """0025, 2: each close names its position."""
        if line.key not in self.books:
            super()._reduce(line, want, now_ns)
            return
        sign, least = sign_of(want - line.filled), line.instrument.least
        if sign != -sign_of(line.filled) or now_ns < line.pause_until_ns:
            return
        qty = min(line.to_close(sign), max(ZERO, abs(want - line.filled) - line.working(sign)))
        if qty <= 0 or (qty < least and qty != abs(line.filled)):
            return
        cap = cap_of(line.instrument, line.subscription.limits, self._limits(line))
        tickets = self.book_of(line).tickets
        parts = dealt(qty, sign, least, tickets, self._on_positions(line))
        self.reached["several positions were closed"] += len(parts) > 1
        self.reached["a part of a position was closed"] += any(
            part < abs(t.units) for name, part in parts for t in tickets if t.name == name
        )
        self.reached["a close is held back"] += sum((part for _, part in parts), ZERO) < qty
        self.reached["less than a smallest lot closes"] += any(part < least for _, part in parts)
        for name, part in parts:
            for piece in split(part, cap, line.instrument.step):
                self._close(line, sign, piece, name, now_ns)

    def _on_positions(self, line: Line) -> dict[str, Fraction]:
        """What closes work on each position."""
        found: dict[str, Fraction] = {}
        for order in line.orders:
            name = self._names.get(order.number, "")
            found[name] = found.get(name, ZERO) + order.leaves
        return found

    def _close(self, line: Line, sign: int, qty: Fraction, name: str, now_ns: int) -> None:
        self._make(line, sign, qty, [], None, now_ns)
        made = self._actions.pop()
        assert isinstance(made, New)
        self._names[made.number] = name
        self._actions.append(Named(**vars(made), position=name))

    def _open_waits(self, line: Line, side: int, now_ns: int) -> bool:
        """0025, 4: "The open waits until what it would close is closed"."""
        held = line.key in self.books and side * line.filled < 0
        self.reached["a flip waits for its close"] += held and not line.to_close(side)
        return held or super()._open_waits(line, side, now_ns)
