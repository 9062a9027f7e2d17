"""What the model of mirrored orders is told and what it answers. Units and prices are Fractions, times ns."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from tests.model.lots import rounded
from tests.model.terms import ZERO, sign_of

SNAP = Fraction(1, 1_000_000)
LEAST = Fraction(1)
"""The smallest lot, and the step."""


@dataclass(frozen=True)
class Terms:
    """Type and prices of an order: `market`, `limit`, `stop`, `stop_limit`."""

    kind: str
    px: Fraction | None = None
    stop_px: Fraction | None = None


@dataclass(frozen=True)
class Rule:
    """One subscription, decimal texts."""

    copy: str = "orders"
    copy_stops: bool = False
    mode: str = "multiplier"
    factor: str = "1"
    rounding: str = "toward_zero"
    max_inflation: str = "2.5"
    reverse: bool = False
    price_factor: str = "1"
    ahead: str = "close"
    leader_filled: str = "none"
    stop_multiplier: str = "1"
    max_position: str | None = None
    max_open_orders: int | None = None
    refuse: bool = False
    """`on_breach`: what is beyond a bound is refused whole."""
    replaces: bool = True
    """The venue's profile has `supports.replace`; of all followers together."""


@dataclass(frozen=True)
class Report:
    """One ExecutionReport of the leader's broker: new, trade, replaced or canceled."""

    order: str
    kind: str
    sign: int
    qty: Fraction
    cum: Fraction
    terms: Terms
    tif: str = "0"
    last: Fraction = Fraction(0)
    last_px: Fraction = Fraction(0)


@dataclass(frozen=True)
class Place:
    """A new order."""

    number: int
    follower: str
    sign: int
    qty: Fraction
    terms: Terms
    tif: str


@dataclass(frozen=True)
class Ask:
    """A request about an order: to be of this quantity (filled and open) and terms, or to end (None)."""

    number: int
    follower: str
    qty: Fraction | None = None
    terms: Terms | None = None


Message = Place | Ask


def whole(qty: Fraction) -> Fraction:
    """Whole steps (of one unit) in a quantity, not below zero."""
    return Fraction(max(0, floor(qty + SNAP)))


@dataclass
class Theirs:
    """A leader's order."""

    name: str
    sign: int
    qty: Fraction
    terms: Terms
    tif: str
    cum: Fraction = ZERO
    canceled: bool = False

    @property
    def left(self) -> Fraction:
        """What it may still fill."""
        return ZERO if self.canceled else max(ZERO, self.qty - self.cum)


@dataclass
class Order:
    """An order of ours that is not terminal."""

    number: int
    sign: int
    qty: Fraction
    terms: Terms
    cum: Fraction = ZERO
    asked: Ask | None = None
    irreplaceable: bool = False
    canceled: bool = False
    """A cancel of it was asked for, and refused."""
    pause_until_ns: int = 0
    opens: bool = False
    known: bool = True
    """The broker is known to have it: "what was on its way is cancelled as soon as the broker has it"."""

    @property
    def leaves(self) -> Fraction:
        """What it may still fill as the broker is known to have it."""
        return self.qty - self.cum

    @property
    def may_fill(self) -> Fraction:
        """0017, 4: "a replace that is not answered may have been accepted: what it asks for counts"."""
        asked = self.asked.qty if self.asked and self.asked.qty is not None else ZERO
        return max(self.qty, asked) - self.cum


@dataclass
class Mirror:
    """What a leader's working order is to one line."""

    theirs: Theirs
    sign: int
    """The follower's side."""
    closes: bool
    """It began as a close: it never opens (0017, 6)."""
    rate: Fraction | None
    """None: the leader's order is worth an amount."""
    amount: Fraction = ZERO
    sized: Fraction = ZERO
    """Of the amount, what the leader's fills have used up."""
    ahead: Fraction = ZERO
    """How far its fills are ahead of what the leader's moved the target by; negative is behind (0017, 1)."""
    rejected: Fraction = ZERO
    lost: str = ""
    """How its order ended without our asking."""
    lost_qty: Fraction = ZERO
    """Of a rejected one: what the leader may still fill of it, which is given up (0017, 10)."""
    order: Order | None = None
    stopped: bool = False
    """A stop cancels it, or did, and its order may still fill."""
    ended_ns: int | None = None

    @property
    def opening(self) -> Fraction:
        """What the leader's live order could still move the target by, units, where it opens."""
        if not self.theirs.left:
            return ZERO
        return self.theirs.left * self.rate if self.rate is not None else max(ZERO, self.amount - self.sized)


def may_fill(mirror: Mirror) -> Fraction:
    """What its order may still fill."""
    return mirror.order.may_fill if mirror.order else ZERO


def not_asked_to_go(line: Line, mirror: Mirror) -> Fraction:
    """What other orders of its side still protect: the leader's have ended, and a cancel of ours waits."""

    def waits(order: Order) -> bool:
        return not order.known or bool(order.asked and order.asked.qty is not None)

    others = [m for m in line.mirrors if m is not mirror and m.sign == mirror.sign and m.ended_ns is not None]
    return sum((m.order.may_fill for m in others if m.order and waits(m.order)), ZERO)


def rejected(mirror: Mirror) -> Fraction:
    """What the leader filled of what the broker had rejected: it is given up (0017, 10)."""
    if mirror.lost != "rejected":
        return mirror.rejected
    return mirror.rejected + max(ZERO, min(-mirror.ahead - mirror.rejected, mirror.lost_qty))


def working(line: Line, sign: int) -> Fraction:
    """Leaves of orders of one side that mirror nothing."""
    return sum((o.leaves for o in line.plain if o.sign == sign), ZERO)


@dataclass
class Line:
    """One follower."""

    name: str
    rule: Rule
    position: Fraction = ZERO
    """The leader's."""
    target: Fraction = ZERO
    filled: Fraction = ZERO
    mirrors: list[Mirror] = field(default_factory=list)
    plain: list[Order] = field(default_factory=list)
    """Orders at the market that mirror nothing."""
    pause_until_ns: int = 0
    rejected_closes: int = 0
    sized: dict[str, Fraction] = field(default_factory=dict)
    """Of an amount, by the leader's orders: what his fills have used up."""
    increased: bool = False
    """The leader has added to his position, so something may be opened."""
    asked: Fraction = ZERO
    """What he has added now, units."""
    waited: Fraction = ZERO
    """What was to be opened and could not go out yet."""
    declined: bool = False
    """Something of the newest that he added was lost: no smallest lot makes up for it."""

    @property
    def wanted(self) -> Fraction:
        """0017, 1: the line is worked for the target and these numbers. Rounded by 02 step 3."""
        moved, side = self.moved, sign_of(self.moved)
        committed = self.filled + side * working(self, side)
        lots = rounded(moved, committed, LEAST, self.rule.rounding)
        if lots or not moved or self.rule.rounding != "min_lot_if_nonzero":
            return lots
        little = LEAST / abs(moved) > Fraction(self.rule.max_inflation)
        return (
            side * LEAST
            if side * committed > 0 or (self.increased and not self.declined and not little)
            else ZERO
        )

    @property
    def moved(self) -> Fraction:
        """The same before it is rounded: closes close what is held, and open nothing (0017, 5 and 6)."""
        opened = self.opened
        closed = (m for m in self.mirrors if self.closing(m) and m.sign != sign_of(opened))
        ahead = sum((max(ZERO, m.ahead) for m in closed), ZERO)
        return sign_of(opened) * max(ZERO, abs(opened) - ahead)

    @property
    def opened(self) -> Fraction:
        """The same without what closes have closed ahead."""
        behind = sum((max(ZERO, -m.ahead) for m in self.mirrors), ZERO)
        held = sign_of(self.target) * max(ZERO, abs(self.target) - behind)
        opens = (m.sign * m.ahead for m in self.mirrors if m.ahead > 0 and not self.closing(m))
        return held + sum(opens, ZERO)

    def closing(self, mirror: Mirror) -> bool:
        """It closes: it began so, or the leader's order is against his position by now."""
        return mirror.closes or sign_of(self.position) == -mirror.theirs.sign
