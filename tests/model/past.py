"""How the target of a line came about, and what it would be without an execution (02 step 1, ADR 0028)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from tests.model.lots import rate_of
from tests.model.terms import ZERO, Line, Report, sign_of

CONFIGURED = frozenset({"multiplier", "percent", "lots_multiplier"})
"""Modes whose rate the configuration says: "a mode without one cannot be followed there"."""


class Unknown(Exception):  # noqa: N818 no error: a person decides
    """It cannot be worked out."""


@dataclass
class Traded:
    """An execution of the leader, and what it added to the target."""

    name: str | None
    """None: counted through CumQty alone."""
    units: Fraction
    """Signed, the leader's."""
    added: Fraction
    """What the part of them beyond zero added to the target, without a sign, less what of it was lost."""
    each: Fraction | None
    """What each unit beyond zero added, less what was lost; None: it had only closed."""
    closed: bool
    """It reduces the leader's position, too."""
    order: str
    """The leader's."""
    used: Fraction
    """What it used up of its order's amount, refused parts included, units of the follower."""
    each_used: Fraction
    """What each unit beyond zero used of it."""

    def loses(self, units: Fraction) -> Fraction:
        """Takes so much off what it added, as far as it has that: what was taken. The rest of it is worth as
        much less."""
        part = min(self.added, units)
        if part:
            assert self.each is not None
            self.each *= 1 - part / self.added
            self.added -= part
        return part


@dataclass
class Lost:
    """What the target lost behind a reduce: nobody can tell whose it was."""

    units: Fraction
    """Signed, as the target was."""


@dataclass
class Past:
    """All changes of a target since a beginning."""

    position: Fraction
    """The leader's then, signed units."""
    target: Fraction
    """Then, signed units."""
    copies: int
    """1, or -1 when copying in reverse."""
    events: list[Traded | Lost] = field(default_factory=list)

    def lost(self, units: Fraction) -> None:
        """The target lost so much, signed as it was: "taken off the newest increases", back to a reduce."""
        side, left = sign_of(units), abs(units)
        for event in reversed(self.events):
            if isinstance(event, Lost):
                continue
            if event.added and sign_of(event.units) * self.copies == side:
                left -= event.loses(left)
            if event.closed:
                break
        if left:
            self.events.append(Lost(side * left))

    def change(self, name: str, had: Fraction, units: Fraction) -> Traded:
        """A named execution that had so many signed units has others now. Raises Unknown where it is not in
        the list, or not with as many: a part of it was "counted through CumQty alone"."""
        found = [e for e in self.events if isinstance(e, Traded) and e.name == name]
        if not found:
            raise Unknown
        left = found[0].units + units - had
        if sign_of(left) == -sign_of(had or units):
            raise Unknown
        found[0].units = left
        return found[0]

    def replayed(self, rate: Fraction | None, left: dict[str, Fraction]) -> Fraction:
        """The target that the list leads to; `rate` sizes an execution that had only closed. `left` is what
        the leader's orders have left of their amounts, and has then. Raises Unknown where a rate is needed
        and there is none."""
        position, target = self.position, self.target
        for event in self.events:
            if isinstance(event, Lost):
                # What one side has lost is nothing that the other one has.
                if sign_of(target) == sign_of(event.units):
                    target -= sign_of(target) * min(abs(target), abs(event.units))
                continue
            side = sign_of(event.units)
            reduce = min(abs(event.units), abs(position)) if side == -sign_of(position) else ZERO
            target *= 1 - reduce / abs(position) if reduce else 1
            opens = abs(event.units) - reduce
            if opens and event.each is None:
                if rate is None:
                    raise Unknown
                event.each = rate
            used = opens * event.each_used
            if used > event.used + max(ZERO, left.get(event.order, ZERO)):
                # "A leader order opens exactly A in all."
                used = event.used + max(ZERO, left.get(event.order, ZERO))
                event.each = (event.each or ZERO) * used / (opens * event.each_used)
                event.each_used = used / opens
            left[event.order] = left.get(event.order, ZERO) + event.used - used
            event.used = used
            event.added, event.closed = opens * (event.each or ZERO), bool(reduce)
            target += side * self.copies * event.added
            position += event.units
        return target


def grown(line: Line, side: int, size: Fraction, since_ns: int) -> None:
    """A target has grown by a size because of its leader: when that is too late, and what asks for it now."""
    line.declined = False
    until_ns = since_ns + line.subscription.max_age_ns
    if line.asked:
        # What one report asks for waits together, as long as its oldest part may.
        until_ns = min(until_ns, line.asked_until_ns)
    line.asked, line.asked_until_ns = line.asked + size, until_ns
    same_side = sign_of(line.target - side * size) == sign_of(line.target)
    line.open_until_ns = max(line.open_until_ns, until_ns) if same_side else until_ns


def remember(
    past: Past,
    r: Report,
    delta: Fraction,
    increase: Fraction,
    added: list[Fraction],
    used: list[Fraction],
) -> None:
    """A report of the leader: what of it has no name comes first, then its trade. What each part added to the
    target, and used of its order's amount."""
    named = min(delta, r.last_qty) if r.kind == "trade" else ZERO
    reduce = delta - increase
    parts = zip((None, f"{r.order} {r.exec_id}"), (delta - named, named), added, used, strict=True)
    for name, qty, more, of_it in parts:
        if qty:
            closed = min(qty, reduce)
            reduce -= closed
            opens = qty - closed
            each, each_used = (more / opens, of_it / opens) if opens else (None, ZERO)
            past.events.append(
                Traded(name, r.sign * qty, more, each, bool(closed), r.order, of_it, each_used)
            )


def follow(
    line: Line,
    name: str,
    had_units: Fraction,
    units: Fraction,
    since_ns: int | None,
    now_ns: int,
    refusals: Counter[str],
    reached: Counter[str],
) -> bool:
    """An execution of the leader is of so many signed units now: the target is worked out again. Whether that
    can be done. "What it adds is an open", as old as the bust; "what is too late is given up"."""
    if line.past is None:
        return False
    rate = rate_of(line, Fraction(1), Fraction(1)) if line.subscription.mode in CONFIGURED else None
    had, left = line.target, left_of_amounts(line)
    before = dict(left)
    try:
        changed = line.past.change(name, had_units, units)
        added = changed.added
        wanted = line.past.replayed(rate, left)
        late = since_ns is None or now_ns - since_ns >= line.subscription.max_age_ns
        too_late = bool(beyond(wanted, had)) and late
        if too_late:
            # "What is corrected too late adds no more than it did."
            changed.loses(max(ZERO, changed.added - added))
            wanted = line.past.replayed(rate, left)
    except Unknown:
        return False
    for order, amount in before.items():
        # What an execution did not use belongs to its order again.
        line.sized[order].used += amount - left[order]
        reached["an amount has more left"] += left[order] > amount
    side, more, line.pause_until_ns = sign_of(wanted), beyond(wanted, had), 0
    line.target = wanted
    if not wanted:
        line.flatten()
    if too_late:
        refusals["stale"] += 1
        reached["followed too late"] += 1
        if more:
            line.target -= side * more
            line.past.lost(side * more)
    elif more:
        assert since_ns is not None
        reached["followed up"] += 1
        grown(line, side, more, since_ns)
    else:
        reached["followed down"] += wanted != had
    return True


def left_of_amounts(line: Line) -> dict[str, Fraction]:
    """What the leader's orders have left of the amounts that they are worth to a line."""
    amounts = {order: sized for order, sized in line.sized.items() if sized.amount is not None}
    return {order: (sized.amount or ZERO) - sized.begun - sized.used for order, sized in amounts.items()}


def beyond(wanted: Fraction, had: Fraction) -> Fraction:
    """How much further from zero a target is than another one on its side."""
    return max(ZERO, abs(wanted) - max(ZERO, sign_of(wanted) * had))
