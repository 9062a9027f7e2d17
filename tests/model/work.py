"""Steps 3 and 4 of the reference model: a line's difference is worked, and what is lost lowers its target."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from tests.model.blocks import all_blocks
from tests.model.heard import Heard, Inactive
from tests.model.limits import Open, clipped
from tests.model.lots import asked, cap_of, desired, limit_px, split, toward_zero
from tests.model.over_time import Bucket, Repeated
from tests.model.past import Past
from tests.model.stops import CLOSE_ONLY, HALT, Stops
from tests.model.terms import (
    EVERYTHING,
    ZERO,
    Action,
    Allowance,
    Cancel,
    Follower,
    Instrument,
    LeaderOrder,
    Limits,
    Line,
    New,
    Order,
    Subscription,
    Window,
    sign_of,
)
from tests.model.values import Values
from tests.model.watch import Watch
from tests.model.windows import ask, consume, total

ROUTE = "r"
"""A scope of message allowances, beside everything and the followers."""


class Worker:
    """All lines of a deployment, and what bounds their opens. Its answers gather in `_actions`."""

    def __init__(
        self,
        instruments: dict[str, Instrument],
        followers: list[Follower],
        subscriptions: list[Subscription],
        positions: dict[tuple[str, str], Fraction],
        allowances: dict[str, Allowance],
        repeated: Repeated,
        together: dict[str, Limits],
        currencies: dict[str, str],
        inactive: dict[str, Inactive],
    ) -> None:
        self.lines = [
            Line(s, instruments[name], mapping) for s in subscriptions for name, mapping in s.symbols.items()
        ]
        self.positions = dict(positions)
        """P: (leader, instrument) to signed units."""
        for line in self.lines:
            if line.subscription.follows_busts:
                begun = self.position_of(line)
                line.past = Past(begun, ZERO, -1 if line.subscription.reverse else 1)
        self.refusals: Counter[str] = Counter()
        self._followers = {f.name: f for f in followers}
        self._values = Values(list(instruments.values()), currencies)
        self._heard = Heard(inactive)
        self._buckets = {scope: Bucket(allowance) for scope, allowance in allowances.items()}
        self._repeated = repeated
        self._together = together
        self.watch = Watch(followers, subscriptions, self._values, self.lines)
        self._values.guarded = {name: guard.known for name, guard in self.watch.accounts.items()}
        self.reached = self._values.reached
        """Interesting states that the history came to, by name: what tests count."""
        self._stops = Stops()
        self._made: list[tuple[Line, Order]] = []
        self._fills = 0
        """How many there were."""
        self._actions: list[Action] = []
        self._orders: dict[str, LeaderOrder] = {}
        self._seen: set[tuple[str, str, str, Fraction, Fraction]] = set()
        self._blocks = all_blocks(self.lines, self.reached)

    def position_of(self, line: Line) -> Fraction:
        """Its leader's, signed units."""
        return self.positions.get((line.subscription.leader, line.leader_instrument.name), ZERO)

    # Step 3: work the difference.

    def _work(self, line: Line, now_ns: int, newest_ns: int | None = None) -> None:
        """`newest_ns`: until when what is asked for now may be opened; the leader's word, else the newest."""
        line.stuck = line.stuck and 0 < abs(line.filled) < line.instrument.least
        want = self._wanted(line, now_ns)
        line.closing = bool(line.target and line.filled and not want)
        self._withdraw(line, want - line.filled, now_ns)
        self._reduce(line, want, now_ns)
        self._open(line, want, now_ns, newest_ns)
        if line.asked_until_ns and not want and self._may_be_least(line, now_ns):
            self.refusals["max_inflation"] += 1  # asked for now, and less than the smallest lot may stand for

    def _may_be_least(self, line: Line, now_ns: int) -> bool:
        """A leader increase lets the smallest lot stand for less; how much less is `max_inflation`'s."""
        least = line.subscription.rounding == "min_lot_if_nonzero" and bool(line.target)
        alone = sign_of(line.target) * line.committed <= 0
        return least and alone and line.asks(now_ns)

    def _wanted(self, line: Line, now_ns: int) -> Fraction:
        """The smallest lot is opened because of a leader increase only."""
        want, side = desired(line), sign_of(line.target)
        if want or line.subscription.rounding != "min_lot_if_nonzero":
            return want
        if side * line.committed > 0:
            return side * line.instrument.least
        return asked(line) if line.asks(now_ns) else want

    def _withdraw(self, line: Line, need: Fraction, now_ns: int) -> None:
        """(a) Working quantity against `need`, or beyond it, is cancelled; the newest order first.
        What a cancel is open for counts in full."""
        beyond = line.working(sign_of(need)) - abs(need)
        for order in reversed(line.orders):
            against = order.sign != sign_of(need)
            if against or beyond > 0:
                self._cancel(line, order, now_ns)
            if not against:
                beyond -= order.leaves

    def _cancel(self, line: Line, order: Order, now_ns: int) -> None:
        if not order.canceling:
            order.canceling = True
            self._count(line, now_ns)
            self._actions.append(Cancel(order.number, line.subscription.follower))

    def _reduce(self, line: Line, want: Fraction, now_ns: int) -> None:
        """(b) The part towards zero, at most |filled| minus what already works that way, goes out at once."""
        sign = sign_of(want - line.filled)
        if sign != -sign_of(line.filled):
            return
        if self._stops.level(line) == HALT:
            self.reached["close held by a halt"] += line.to_close(sign) > 0
            return
        # An open of a flip works the same way, and never stands in for the close.
        room = abs(want - line.filled) - line.working(sign)
        qty = min(line.to_close(sign), max(ZERO, room))
        to_zero = qty == abs(line.filled)
        if qty <= 0 or now_ns < line.pause_until_ns or (qty < line.instrument.least and not to_zero):
            return
        cap = cap_of(line.instrument, line.subscription.limits, self._limits(line))
        for part in split(qty, cap, line.instrument.step):
            self._make(line, sign, part, [], None, now_ns)

    def _open(self, line: Line, want: Fraction, now_ns: int, newest_ns: int | None) -> None:
        """(c) The part away from zero: the leader's doing, nothing works against it, no cancel is open."""
        side, least = sign_of(want), line.instrument.least
        qty = (
            max(ZERO, side * (want - line.filled) - line.working(side) - line.to_close(side))
            if side
            else ZERO
        )
        if line.stuck:
            qty -= min(qty, max(ZERO, -side * line.filled))  # a rest that nobody takes stays
        against = line.working(-side) if side else ZERO
        # What works the other way may still fill: what it takes away is wanted again, within the same window.
        held = max(ZERO, side * line.filled)
        again = max(ZERO, abs(want) - max(ZERO, held - against)) - max(ZERO, abs(want) - held)
        if newest_ns is None:
            newest_ns = line.asked_until_ns or line.open_until_ns
        ask(line.needless, again, newest_ns)
        if qty < least:
            if not qty or not again:
                line.windows = []
            return  # "an increase waits"
        waited = total(line.windows)
        # What is missing was asked for last; what is too much goes from the newest.
        ask(line.windows, qty, newest_ns)
        late = min(qty, total(w for w in line.windows if w.until_ns <= now_ns))
        if late:
            self.refusals["stale"] += 1
            consume(line.windows, late)
        young = toward_zero(qty - late, line.instrument.step) if late else qty
        canceling = any(order.canceling for order in line.orders)
        waits = against or canceling or self._open_waits(line, side, now_ns)
        lost = late if waits or young < least else late + young - self._enter(line, side, young, now_ns)
        # "For a refusal or clip m = min(unsent, size)", with what waited as a part of it (ADR 0012).
        self._give_up(line, side, min(lost, line.asked + waited) if line.asked_until_ns else lost)
        if lost and not waits and not line.windows:
            # Parts that are no whole steps may leave one together, and nothing asks for it.
            self._give_up(line, side, toward_zero(side * (desired(line) - line.committed), least))

    def _open_waits(self, line: Line, side: int, now_ns: int) -> bool:
        return bool(line.to_close(side)) or now_ns < line.open_pause_until_ns

    def _enter(self, line: Line, side: int, qty: Fraction, now_ns: int) -> Fraction:
        """Sends an increase as far as the limits allow; what was sent."""
        until_ns = line.windows[0].until_ns
        line.windows = []
        follower, px = self._followers[line.subscription.follower], limit_px(line, side)
        buckets = self._buckets_of(line)
        together = [(self._together.get(scope), scope) for scope in (EVERYTHING, line.subscription.leader)]
        whole = [(limits, scope) for limits, scope in together if limits is not None]
        stopped = self._stops.refusal(line)
        if stopped:
            self.reached[f"open refused: {stopped}"] += 1
        stopped = stopped or self.watch.refusal(line, now_ns)
        if not stopped and line.subscription.leader in self._heard.inactive:
            stopped = "provider_inactive"
            self.reached["open refused: provider_inactive"] += 1
        new = Open(
            line, side, qty, px, follower, self.lines, self._values, self.position_of(line), buckets,
            whole, stopped, now_ns,
        )  # fmt: skip
        allowed, codes = clipped(new)
        self.refusals.update(codes)
        for part in split(allowed, cap_of(line.instrument), line.instrument.step) if allowed else []:
            self._make(line, side, part, [Window(until_ns, part)], px, now_ns)
        if allowed:
            line.copied_ns.append(now_ns)
            line.repeated = line.repeated or self._repeated.stops(line.copied_ns, now_ns)
        return allowed

    def _cancel_opens(self, line: Line, now_ns: int) -> None:
        for order in [o for o in line.orders if o.opens]:
            self._cancel(line, order, now_ns)

    def _stopped(self, now_ns: int) -> None:
        """A stop was set: "opens that work are cancelled" from close_only on."""
        for line in sorted(self.lines, key=lambda o: o.seen):
            if self._stops.level(line) >= CLOSE_ONLY:
                self.reached["open cancelled by a stop"] += any(o.opens for o in line.orders)
                self._cancel_opens(line, now_ns)

    def _buckets_of(self, line: Line) -> list[Bucket]:
        scopes = (EVERYTHING, ROUTE, line.subscription.follower)
        return [self._buckets[scope] for scope in scopes if scope in self._buckets]

    def _count(self, line: Line, now_ns: int) -> None:
        for bucket in self._buckets_of(line):
            bucket.take(now_ns)

    def _make(
        self,
        line: Line,
        sign: int,
        qty: Fraction,
        windows: list[Window],
        px: Fraction | None,
        now_ns: int,
    ) -> None:
        self._count(line, now_ns)
        number, follower = len(self._made) + 1, line.subscription.follower
        line.orders.append(Order(number, sign, qty, bool(windows), windows))
        self._made.append((line, line.orders[-1]))
        self._actions.append(New(number, follower, line.instrument.name, sign, qty, px, bool(windows)))

    # Step 4: only the leader enlarges the target.

    def _give_up(self, line: Line, side: int, lost: Fraction) -> None:
        """Lowers |T| by min(m, gap), never past 0; the gap is how far round(T) exceeds `committed`.

        What is lost on the other side was no part of it (ADR 0012).
        """
        if side != sign_of(line.target) or lost <= 0:
            return
        line.declined = True
        gap = side * (asked(line) - line.committed)
        less = min(max(ZERO, min(lost, gap)), abs(line.target))
        line.target -= side * less
        if line.past and less:
            line.past.lost(side * less)

    def _limits(self, line: Line) -> Limits:
        return self._followers[line.subscription.follower].limits
