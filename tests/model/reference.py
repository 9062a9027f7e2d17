"""The reference model: leader reports and broker answers in, orders, targets and refusals out.

Plain and slow on purpose: exact fractions, everything recomputed after every event, each rule with its place
in the design (02 copy semantics, 03 risk controls, 04 execution reports).
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from tests.model.limits import clipped
from tests.model.lots import (
    AMOUNT_MODES,
    Refused,
    Undecided,
    asked,
    cap_of,
    desired,
    limit_px,
    split,
    toward_zero,
)
from tests.model.terms import (
    MS,
    ZERO,
    Action,
    Cancel,
    Follower,
    Instrument,
    LeaderOrder,
    Limits,
    Line,
    New,
    Order,
    Report,
    Sized,
    Subscription,
    Window,
    sign_of,
)
from tests.model.values import Values
from tests.model.windows import consume, trim

CLOSE_RETRY_NS, CLOSE_RETRY_MAX_NS = 500 * MS, 30_000 * MS
"""First and longest pause before a close that the broker did not take is sent again (`timing`)."""


class Model:
    """All lines of a deployment. What is told to it is answered by the orders and cancels that it causes."""

    def __init__(
        self,
        instruments: dict[str, Instrument],
        followers: list[Follower],
        subscriptions: list[Subscription],
        positions: dict[tuple[str, str], Fraction],
    ) -> None:
        self.positions = dict(positions)
        """P: (leader, instrument) to signed units."""
        self.refusals: Counter[str] = Counter()
        self.lines = [
            Line(s, instruments[name], mapping) for s in subscriptions for name, mapping in s.symbols.items()
        ]
        self._followers = {f.name: f for f in followers}
        self._orders: dict[str, LeaderOrder] = {}
        self._seen: set[tuple[str, str, str, Fraction, Fraction]] = set()
        self._values = Values()
        self._made: list[Line] = []
        self._actions: list[Action] = []

    # What happens.

    def value(self, account: str, kind: str, amount: Fraction, now_ns: int) -> list[Action]:
        """An account value: equity, balance or free_margin."""
        self._values.accounts[account, kind] = (amount, now_ns)
        return self._settled(now_ns)

    def quote(self, instrument: str, px: Fraction, now_ns: int) -> list[Action]:
        """A price; bid and ask are the same here."""
        self._values.prices[instrument] = (px, now_ns)
        return self._settled(now_ns)

    def report(self, r: Report, now_ns: int) -> list[Action]:
        """02 step 1: what a leader did; then steps 2 and 3 for each of its lines."""
        identity = (r.order, r.exec_id, r.kind, r.last_qty, r.cum_qty)
        if identity in self._seen:
            return self._settled(now_ns)
        self._seen.add(identity)
        order = self._orders.get(r.order)
        if order is None:
            begun = {"new": ZERO, "trade": r.cum_qty - r.last_qty}.get(r.kind, r.cum_qty)
            order = self._orders[r.order] = LeaderOrder(begun, r.order_qty)
        order.order_qty = r.order_qty
        before_ns = order.last_ns
        order.last_ns = max((t for t in (before_ns, r.transact_ns) if t is not None), default=None)
        # "A CumQty that falls without a bust, or exceeds OrderQty, freezes increases of that order."
        order.frozen = order.frozen or r.cum_qty < order.known or r.cum_qty > r.order_qty
        delta = max(ZERO, r.cum_qty - order.known)
        order.known = max(order.known, r.cum_qty)
        if delta:
            self._moved(r, order, delta, before_ns, now_ns)
        return self._settled(now_ns)

    def fill(self, number: int, qty: Fraction, now_ns: int) -> list[Action]:
        """A broker filled a part of an order of ours."""
        line, order = self._find(number)
        order.leaves -= qty
        line.filled += order.sign * qty
        consume(order.windows, qty)
        if not order.opens:
            line.rejected_closes = 0
        if order.leaves == 0:
            line.orders.remove(order)
        self._work(line, now_ns)
        return self._settled(now_ns)

    def end(self, number: int, how: str, now_ns: int) -> list[Action]:
        """A broker ended an order of ours: `rejected`, `canceled`, `expired`."""
        line, order = self._find(number)
        line.orders.remove(order)
        if how == "rejected":
            self.refusals["broker_reject"] += 1
        if not order.opens and order.canceling:
            if order.sign == sign_of(line.target):
                raise Undecided("02 step 3d: the close of a flip is withdrawn while its open is there")
        elif not order.opens:
            # "Missing part of a close: retried with back-off until done."
            line.pause_until_ns = now_ns + min(CLOSE_RETRY_NS << line.rejected_closes, CLOSE_RETRY_MAX_NS)
            line.rejected_closes += 1
        elif order.canceling:
            # ADR 0006: what we withdrew ourselves lowers nothing, and is sent again within its own window.
            if order.sign == sign_of(line.target):
                line.windows = sorted(line.windows + order.windows, key=lambda w: w.until_ns)
        else:
            self._give_up(line, order.leaves)
        self._work(line, now_ns)
        return self._settled(now_ns)

    def tick(self, now_ns: int) -> list[Action]:
        """Time passed: windows end, pauses end."""
        return self._settled(now_ns)

    # Step 2: move the target.

    def _moved(
        self, r: Report, order: LeaderOrder, delta: Fraction, before_ns: int | None, now_ns: int
    ) -> None:
        p = self.positions.get((r.leader, r.instrument), ZERO)
        self.positions[r.leader, r.instrument] = p + r.sign * delta
        reduce = min(delta, abs(p)) if sign_of(p) == -r.sign else ZERO
        increase = delta - reduce
        # "Of the increase part, LastQty of a trade report has its TransactTime's age; the rest is of unknown
        # age: stale, unless the order's previous report is younger than max_age_s."
        # "No TransactTime: opens are refused."
        dated = min(increase, r.last_qty) if r.kind == "trade" else ZERO
        if before_ns is not None:
            before_ns = None if r.transact_ns is None else min(before_ns, r.transact_ns)
        parts = [(increase - dated, before_ns, r.cum_qty - dated), (dated, r.transact_ns, r.cum_qty)]
        for line in self.lines:
            if line.subscription.leader != r.leader or line.leader_instrument.name != r.instrument:
                continue
            if reduce:
                line.target *= 1 - reduce / abs(p)  # r = |P| gives exactly 0
                line.pause_until_ns = 0
                if line.target == 0:
                    line.windows = []
            if r.px is None and increase and line.subscription.slippage_bps is not None:
                raise Undecided('02 "What is copied": a limit open, and the report has no price')
            line.leader_px = r.px or line.leader_px
            for qty, since_ns, cum_qty in parts:
                if qty:
                    self._increase(line, r, order, qty, since_ns, cum_qty, now_ns)
            self._work(line, now_ns)

    def _increase(
        self,
        line: Line,
        r: Report,
        order: LeaderOrder,
        qty: Fraction,
        since_ns: int | None,
        cum_qty: Fraction,
        now_ns: int,
    ) -> None:
        """02 step 2: one part of an increase; a refused one enlarges nothing."""
        rule = line.subscription
        sized = line.sized.setdefault(r.order, Sized())
        refused = None
        if order.frozen:
            refused = "frozen_order"
        elif since_ns is None or now_ns - since_ns > rule.max_age_ns:
            refused = "stale"
        if refused and rule.mode not in AMOUNT_MODES:
            self.refusals[refused] += 1
            return
        try:
            size = self._values.size(line, sized, qty, order.order_qty, cum_qty, now_ns)
        except Refused as why:
            refused = refused or str(why)
        if refused:
            self.refusals[refused] += 1
            return
        assert since_ns is not None
        side = r.sign * (-1 if rule.reverse else 1)
        line.target += side * size
        line.windows = sorted(
            [*line.windows, Window(since_ns + rule.max_age_ns, size)], key=lambda w: w.until_ns
        )

    # Step 3: work the difference.

    def _work(self, line: Line, now_ns: int) -> None:
        want = self._wanted(line)
        line.closing = bool(line.target and line.filled and not want)
        self._withdraw(line, want - line.filled)
        self._reduce(line, want, now_ns)
        self._open(line, want, now_ns)

    def _wanted(self, line: Line) -> Fraction:
        """The smallest lot is opened because of a leader increase only."""
        want, side = desired(line), sign_of(line.target)
        if want or line.subscription.rounding != "min_lot_if_nonzero":
            return want
        if side and sign_of(line.filled) == -side:
            raise Undecided(
                "02 rounding: a flip to less than the smallest lot, opened beyond max_inflation too"
            )
        if line.working(side) and sign_of(line.filled) != side:
            return side * min(line.working(side), line.instrument.least)
        return asked(line) if line.windows else want

    def _withdraw(self, line: Line, need: Fraction) -> None:
        """(a) Working quantity against `need`, or beyond it, is cancelled; the newest order first.
        What a cancel is open for counts in full."""
        beyond = line.working(sign_of(need)) - abs(need)
        for order in reversed(line.orders):
            against = order.sign != sign_of(need)
            if (against or beyond > 0) and not order.canceling:
                order.canceling = True
                self._actions.append(Cancel(order.number, line.subscription.follower))
            if not against:
                beyond -= order.leaves

    def _reduce(self, line: Line, want: Fraction, now_ns: int) -> None:
        """(b) The part towards zero, at most |filled| minus what already works that way, goes out at once."""
        sign = sign_of(want - line.filled)
        if sign != -sign_of(line.filled):
            return
        qty = min(abs(want - line.filled), abs(line.filled)) - line.working(sign)
        to_zero = qty == abs(line.filled)
        if qty <= 0 or now_ns < line.pause_until_ns or (qty < line.instrument.least and not to_zero):
            return
        cap = cap_of(line.instrument, line.subscription.limits, self._limits(line))
        for part in split(qty, cap, line.instrument.step):
            self._make(line, sign, part, [], None)

    def _open(self, line: Line, want: Fraction, now_ns: int) -> None:
        """(c) The part away from zero: the leader's doing, nothing works against it, no cancel is open."""
        side, least = sign_of(want), line.instrument.least
        entered = max(ZERO, side * line.filled + line.working(side))
        qty = abs(want) - entered if side else ZERO
        against = line.working(-side) if side else ZERO
        if qty + against <= 0 or (qty < least and not against):
            line.windows = []
            return
        # What works the other way may still fill: what it takes away is wanted again, within the same window.
        trim(line.windows, qty + against)
        # What is held still covers the oldest of them.
        covered = max(ZERO, sum((w.qty for w in line.windows), ZERO) - qty)
        expired = min(qty, sum((w.qty for w in line.windows if w.until_ns <= now_ns), ZERO) - covered)
        if expired > 0:
            whole = toward_zero(expired, line.instrument.step) == expired
            if not whole or qty > sum((w.qty for w in line.windows), ZERO):
                raise Undecided("02 step 4, m = min(unsent, size): the core takes all that is too late")
            self.refusals["stale"] += 1
            consume(line.windows, expired)
            self._give_up(line, expired)
            self._work(line, now_ns)
            return
        if not line.windows or against or any(order.canceling for order in line.orders):
            return
        if -side * line.filled > line.working(side):
            raise Undecided("02 step 3d: a flip whose close waits to be tried again")
        size = sum((w.qty for w in line.windows), ZERO)
        allowed = clipped(
            self.lines, line, self._followers[line.subscription.follower], side, qty, self.refusals
        )
        windows, line.windows = line.windows, []
        windows[-1].qty += qty - size  # what was too little before goes with the newest increase
        if allowed:
            self._enter(line, side, allowed, windows)
        if allowed < qty:
            if qty - allowed > size:
                raise Undecided("02 step 4, m = min(unsent, size): the core takes all that is unsent")
            self._give_up(line, qty - allowed)

    def _enter(self, line: Line, side: int, qty: Fraction, windows: list[Window]) -> None:
        px = limit_px(line, side)
        for part in split(qty, cap_of(line.instrument), line.instrument.step):
            mine = [Window(w.until_ns, w.qty) for w in windows]
            trim(mine, part)
            consume(windows, part)
            self._make(line, side, part, mine, px)

    def _make(self, line: Line, sign: int, qty: Fraction, windows: list[Window], px: Fraction | None) -> None:
        self._made.append(line)
        number, follower = len(self._made), line.subscription.follower
        line.orders.append(Order(number, sign, qty, bool(windows), windows))
        self._actions.append(New(number, follower, line.instrument.name, sign, qty, px))

    # Step 4: only the leader enlarges the target.

    def _give_up(self, line: Line, lost: Fraction) -> None:
        """Lowers |T| by min(m, gap), never past 0; the gap is how far round(T) exceeds `committed`."""
        side = sign_of(line.target)
        gap = side * (asked(line) - line.committed)
        line.target -= side * min(max(ZERO, min(lost, gap)), abs(line.target))
        small = 0 < abs(line.target) < line.instrument.least and not line.committed
        if small and line.subscription.rounding == "min_lot_if_nonzero":
            raise Undecided("02 step 3c: the core opens the smallest lot for what a refusal or a reject left")

    def _limits(self, line: Line) -> Limits:
        return self._followers[line.subscription.follower].limits

    def flips(self, number: int) -> bool:
        """Is it the close of a flip: a close on the side that the target is on?"""
        line, order = self._find(number)
        return not order.opens and order.sign == sign_of(line.target)

    def _find(self, number: int) -> tuple[Line, Order]:
        line = self._made[number - 1]
        return line, next(order for order in line.orders if order.number == number)

    def _settled(self, now_ns: int) -> list[Action]:
        """Every event also does what is due at its time, on every line."""
        for line in self.lines:
            self._work(line, now_ns)
        taken, self._actions = self._actions, []
        return taken
