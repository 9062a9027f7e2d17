"""What the limits leave of an open (03): the bounds of its subscription and its follower, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from tests.model.collars import moved, near
from tests.model.lots import BPS, Refused, cap_of, toward_zero
from tests.model.over_time import Bucket
from tests.model.terms import EVERYTHING, ZERO, Follower, Instrument, Limits, Line
from tests.model.values import Values

Bound = tuple[str, Fraction | None, bool]
"""A code, how much of the open fits (None: all of it), and whether more is refused whole."""


@dataclass(frozen=True)
class Open:
    """An open that is about to be sent, and all that bounds may ask about."""

    line: Line
    side: int
    qty: Fraction
    px: Fraction | None
    """Of a limit order."""
    follower: Follower
    lines: list[Line]
    values: Values
    leader_position: Fraction
    buckets: list[Bucket]
    together: list[tuple[Limits, str]]
    """Over all followers: of everything, or of one leader's copies."""
    stopped: str | None
    """What stops it whatever its size: a guard."""
    now_ns: int

    def scopes(self) -> list[tuple[Limits, list[Line]]]:
        """Bounds, and the lines that they count: the subscription's, the account's, everybody's."""
        return [*self.own(), *self.whole()]

    def own(self) -> list[tuple[Limits, list[Line]]]:
        """Of the subscription and of the account."""
        mine = self.line.subscription
        return [
            (mine.limits, [o for o in self.lines if o.subscription is mine]),
            (self.follower.limits, [o for o in self.lines if o.subscription.follower == self.follower.name]),
        ]

    def whole(self) -> list[tuple[Limits, list[Line]]]:
        """Of all followers together."""
        return [
            (limits, [o for o in self.lines if scope in (EVERYTHING, o.subscription.leader)])
            for limits, scope in self.together
        ]


def clipped(new: Open) -> tuple[Fraction, list[str]]:
    """What is left of an open, and every code. Each bound sees the whole open, the smallest clip wins, and
    one that refuses it, or has no room at all, ends the list."""
    left, codes, step = new.qty, list[str](), new.line.instrument.step
    bounds = bounds_of(new)
    while True:
        try:
            code, room, refuse = next(bounds)
        except StopIteration:
            break
        except Refused as why:  # "what cannot be valued is not opened"
            code, room, refuse = str(why), ZERO, True
        if room is None or room >= new.qty:
            continue
        codes.append(code)
        left = min(left, ZERO if refuse else toward_zero(max(ZERO, room), step))
        if refuse or room <= 0:
            break
    return left if left >= new.line.instrument.least else ZERO, list(dict.fromkeys(codes))


def bounds_of(new: Open) -> Iterator[Bound]:
    """All bounds of an open ("the order of the checks")."""
    rule = new.line.subscription
    if new.stopped:
        yield new.stopped, ZERO, True
    if new.line.held:
        new.values.reached["open while a bust is held"] += 1
        yield "bust_hold", ZERO, True
    if new.line.repeated:
        yield "repeated_execution", ZERO, True
    if new.line.instrument.name in new.follower.restricted:
        yield "restricted", ZERO, True
    if new.together:
        new.values.ask(new.line)
    yield from order_bounds(new)
    for bucket in new.buckets:
        yield "max_messages", in_places(new.line, bucket.places(new.now_ns)), rule.limits.refuse
    yield from position_bounds(new)
    yield from worth_bounds(new)
    if rule.max_amplification is not None:
        theirs = abs(new.leader_position) * new.line.mapping.qty_factor
        room = rule.max_amplification * theirs - entered(new.line, new.side)
        yield "amplification", room, rule.limits.refuse
    if rule.max_drift_bps is not None:
        yield "drift", ZERO if drifted(new, rule.max_drift_bps) else None, True


def order_bounds(new: Open) -> Iterator[Bound]:
    """Size and price of one order."""
    for limits, _ in new.scopes():
        if limits.max_order_lots is not None:
            yield "max_order_qty", limits.max_order_lots * new.line.instrument.contract, limits.refuse
    for limits, _ in new.own():
        if limits.max_order_value is not None:
            cut = limits.max_order_value / price_of(new, new.line)
            new.values.reached["worth of an order cut"] += cut < new.qty
            yield "max_order_value", cut, limits.refuse
    px = new.px or leader_px(new.line)
    for limits, _ in new.own():
        if limits.price_collar_bps is not None:
            inside = near(new.line, px, limits.price_collar_bps, new.values, new.now_ns)
            yield "price_collar", None if inside else ZERO, True
    windows = [window for limits, _ in new.own() for window in limits.price_windows]
    if windows:
        far = moved(new.line, px, windows, new.values, new.now_ns)
        yield "price_collar_window", ZERO if far else None, True


def position_bounds(new: Open) -> Iterator[Bound]:
    """The position of one instrument, and orders that are not done."""
    line = new.line
    for limits, lines in new.scopes():
        if limits.max_position_lots is not None:
            same = [o for o in lines if o.instrument.name == line.instrument.name]
            held = sum((entered(o, new.side) for o in same), ZERO)
            yield "max_position", limits.max_position_lots * line.instrument.contract - held, limits.refuse
    for limits, lines in new.scopes():
        if limits.max_open_orders is not None:
            places = limits.max_open_orders - sum(len(o.orders) for o in lines)
            yield "max_open_orders", in_places(line, places), limits.refuse


def worth_bounds(new: Open) -> Iterator[Bound]:
    """The worth of everything, in money and in equities. Of several scopes the smallest answer is that of the
    bound, the first of equals."""

    def of_worth(limits: Limits, lines: list[Line], bound: Fraction) -> Bound:
        return _answer("max_exposure", lambda: affordable(new, lines, bound), limits)

    def of_all(limits: Limits, lines: list[Line], bound: Fraction) -> Bound:
        room = _answer("max_exposure", lambda: affordable_together(new, lines, limits), limits)
        if room[1] is not None and room[1] < new.qty:
            full = room[1] <= 0 or limits.refuse
            new.values.reached["worth of all full" if full else "worth of all cut"] += 1
        return room

    scopes = [(of_worth, *scope) for scope in new.own()] + [(of_all, *scope) for scope in new.whole()]
    asked = [of(x, lines, x.max_exposure) for of, x, lines in scopes if x.max_exposure is not None]
    yield from sorted(asked, key=lambda bound: _left(new, bound))[:1]
    for limits, lines in new.scopes():
        if limits.max_leverage is not None:
            affordable(new, lines, ZERO)  # no price or rate is told first
            bound = limits.max_leverage * new.values.equity(new.line, new.now_ns)
            yield "max_leverage", affordable(new, lines, bound), limits.refuse


def _answer(code: str, room: Callable[[], Fraction], limits: Limits) -> Bound:
    try:
        return code, room(), limits.refuse
    except Refused as why:
        return str(why), ZERO, True


def _left(new: Open, bound: Bound) -> Fraction:
    _, room, refuse = bound
    if room is None or room >= new.qty:
        return new.qty
    return ZERO if refuse else max(ZERO, room)


def entered(line: Line, side: int) -> Fraction:
    """03: a position counted from orders entered."""
    return max(ZERO, side * line.filled + line.working(side))


def drifted(new: Open, bps: Fraction) -> bool:
    """Whether the price of what the leader trades has moved against the follower since his trade: "a better
    price is no drift"."""
    rule, px = new.line.subscription, new.line.leader_px
    market = new.values.quotes.newest(new.line.leader_instrument.name)
    if market is None or new.now_ns - market.at_ns > rule.max_age_ns or px is None:
        raise Refused("no_quote")
    gone = new.side * (market.of(new.side) - px) * BPS > bps * px
    new.values.reached["drifted" if gone else "not drifted"] += 1
    return gone


def in_places(line: Line, places: int) -> Fraction | None:
    """How much fits into so many orders: an open in parts takes as many places."""
    if places <= 0:
        return ZERO
    cap = cap_of(line.instrument)
    return None if cap is None else cap * places


def own_room(new: Open, units: Fraction) -> Fraction:
    """What is left to a line that may be so large: its other side counts while that is the larger one."""
    return ZERO if units < entered(new.line, -new.side) else units - entered(new.line, new.side)


def affordable(new: Open, lines: list[Line], bound: Fraction) -> Fraction:
    """ADR 0018: exposure is gross. A line counts its larger side, lines are added."""
    for other in lines:
        larger = max(entered(other, 1), entered(other, -1))
        if other is not new.line and larger:
            bound -= larger * of_account(new, other)
    return own_room(new, bound / of_account(new, new.line))


def of_account(new: Open, line: Line) -> Fraction:
    """What a unit is worth in the account's currency."""
    into = new.values.currency(new.follower.name)
    worth = price_of(new, line)
    return worth * new.values.sizing_rate(line, line.instrument.currency, into, new.now_ns)


def affordable_together(new: Open, lines: list[Line], limits: Limits) -> Fraction:
    """ADR 0027: the same over all followers; one price for each instrument."""

    def worth_of(i: Instrument) -> Fraction:
        side = new.side if i.name == new.line.instrument.name else 0
        worth = new.values.shared_worth(i, side, limits.worth_age_ns, new.now_ns)
        return worth * new.values.rate(i.currency, limits.currency, limits.worth_age_ns, new.now_ns)

    bound = limits.max_exposure or ZERO
    for other in lines:
        larger = max(entered(other, 1), entered(other, -1))
        if other is not new.line and larger:
            bound -= larger * worth_of(other.instrument)
    return own_room(new, bound / worth_of(new.line.instrument))


def price_of(new: Open, line: Line) -> Fraction:
    """What a unit is worth: by a fresh quote of what either trades, else by the leader's trade. Of the quote
    it is the side that is traded, and of other lines the one that is worth more."""
    market, px = new.values.market(line, new.now_ns), leader_px(line)
    if market and line is not new.line:
        return max(line.instrument.worth(market.bid), line.instrument.worth(market.ask))
    if market:
        px = market.of(new.side)
    if px is None:
        raise Refused("no_quote")
    return line.instrument.worth(px)


def leader_px(line: Line) -> Fraction | None:
    """The leader's newest price, as the follower's instrument has it."""
    return None if line.leader_px is None else line.leader_px * line.mapping.price_factor
