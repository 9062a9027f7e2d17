"""The reference model: leader reports and broker answers in, orders, targets and refusals out.

Plain and slow on purpose: exact fractions, everything recomputed after every event, each rule with its place
in the design (02 copy semantics, 03 risk controls, 04 execution reports).
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from tests.model.blocks import Block
from tests.model.limits import Open, clipped
from tests.model.lots import (
    AMOUNT_MODES,
    Refused,
    Undecided,
    asked,
    cap_of,
    desired,
    limit_px,
    split,
    too_late,
    toward_zero,
)
from tests.model.over_time import Bucket, Repeated
from tests.model.terms import (
    EVERYTHING,
    MS,
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
    Report,
    Subscription,
    Window,
    sign_of,
)
from tests.model.values import Values
from tests.model.watch import Watch
from tests.model.windows import ask, consume, total, trim

CLOSE_RETRY_NS, CLOSE_RETRY_MAX_NS = 500 * MS, 30_000 * MS
"""First and longest pause before a close that the broker did not take is sent again (`timing`)."""


ROUTE = "r"
"""A scope of message allowances, beside everything and the followers."""


class Model:
    """All lines of a deployment. What is told to it is answered by the orders and cancels that it causes."""

    def __init__(
        self,
        instruments: dict[str, Instrument],
        followers: list[Follower],
        subscriptions: list[Subscription],
        positions: dict[tuple[str, str], Fraction],
        allowances: dict[str, Allowance],
        repeated: Repeated,
        together: dict[str, Limits],
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
        self._buckets = {scope: Bucket(allowance) for scope, allowance in allowances.items()}
        self._repeated = repeated
        self._together = together
        self.watch = Watch(followers, subscriptions, self._values, self.lines)
        self._values.guarded = {name: guard.known for name, guard in self.watch.accounts.items()}
        self.reached = self._values.reached
        """Interesting states that the history came to, by name: what tests count."""
        self._blocks = self._all_blocks()
        self._made: list[Line] = []
        self._actions: list[Action] = []

    def _all_blocks(self) -> dict[tuple[str, str], Block]:
        members: dict[tuple[str, str], list[Line]] = {}
        for line in self.lines:
            if line.subscription.mode == "block":
                key = line.subscription.leader, line.leader_instrument.name
                members.setdefault(key, []).append(line)
        return {key: Block(lines, self.reached) for key, lines in members.items()}

    # What happens.

    def value(self, account: str, kind: str, amount: Fraction, now_ns: int) -> list[Action]:
        """An account value: equity, balance or free_margin."""
        self.watch.begin(now_ns)
        self._values.accounts[account, kind] = (amount, now_ns)
        self.watch.told(account, kind, amount, now_ns)
        return self._settled(now_ns)

    def deposit(self, account: str, amount: Fraction, now_ns: int) -> list[Action]:
        """Money paid in, or out."""
        self.watch.begin(now_ns)
        self.watch.paid(account, amount)
        return self._settled(now_ns)

    def arm(self, account: str, now_ns: int) -> list[Action]:
        """A person releases a follower: its guards, those of its subscriptions, and what was repeated."""
        self.watch.begin(now_ns)
        self.watch.armed(account)
        for line in self.lines:
            if line.subscription.follower == account and line.repeated:
                line.repeated, line.copied_ns = False, []
        return self._settled(now_ns)

    def quote(self, instrument: str, px: Fraction, now_ns: int) -> list[Action]:
        """A price; bid and ask are the same here."""
        self.watch.begin(now_ns)
        self._values.prices[instrument] = (px, now_ns)
        self.watch.quoted()
        return self._settled(now_ns)

    def report(self, r: Report, now_ns: int) -> list[Action]:
        """02 step 1: what a leader did; then steps 2 and 3 for each of its lines."""
        self.watch.begin(now_ns)
        identity = (r.order, r.exec_id, r.kind, r.last_qty, r.cum_qty)
        if identity in self._seen:
            return self._settled(now_ns)
        self._seen.add(identity)
        order = self._orders.get(r.order)
        if order is None:
            begun = {"new": ZERO, "trade": r.cum_qty - r.last_qty}.get(r.kind, r.cum_qty)
            order = self._orders[r.order] = LeaderOrder(begun, r.order_qty)
        order.order_qty = r.order_qty
        order.tif = r.tif or order.tif
        before_ns = order.last_ns
        order.last_ns = max((t for t in (before_ns, r.transact_ns) if t is not None), default=None)
        # "A CumQty that falls without a bust, or exceeds OrderQty, freezes increases of that order."
        order.frozen = order.frozen or r.cum_qty < order.known or r.cum_qty > r.order_qty
        delta = max(ZERO, r.cum_qty - order.known)
        order.known = max(order.known, r.cum_qty)
        if delta:
            self._moved(r, order, delta, before_ns, now_ns)
        return self._settled(now_ns)

    def fill(self, number: int, qty: Fraction, px: Fraction, now_ns: int) -> list[Action]:
        """A broker filled a part of an order of ours."""
        self.watch.begin(now_ns)
        line, order = self._find(number)
        # ADR 0012: what the open of a flip closes for a close that was lost is lost to the target.
        instead = min(qty, line.to_close(order.sign)) if order.opens else ZERO
        order.leaves -= qty
        line.filled += order.sign * qty
        self._give_up(line, order.sign, instead)
        consume(order.windows, qty)
        self._hand_over(line)
        if not order.opens:
            line.rejected_closes = 0
        if order.leaves == 0:
            line.orders.remove(order)
        self.watch.filled(line, order.sign * qty, px, now_ns)
        self._work(line, now_ns)
        return self._settled(now_ns)

    def _hand_over(self, line: Line) -> None:
        """What a needless close took after all is wanted again, in the window that it was needless by."""
        side = sign_of(line.target)
        keep = min(max(ZERO, side * line.filled), line.working(-side)) if side else ZERO
        taken = [Window(w.until_ns, w.qty) for w in line.needless]
        trim(taken, max(ZERO, total(taken) - keep))
        consume(line.needless, total(taken))
        line.windows = sorted(line.windows + taken, key=lambda w: w.until_ns)

    def end(self, number: int, how: str, now_ns: int) -> list[Action]:
        """A broker ended an order of ours: `rejected`, `canceled`, `expired`."""
        self.watch.begin(now_ns)
        line, order = self._find(number)
        line.orders.remove(order)
        if how == "rejected":
            self.refusals["broker_reject"] += 1
        if order.canceling and how == "canceled":
            # ADR 0006: what we withdrew ourselves lowers nothing, and is sent again within its own window.
            if order.opens and order.sign == sign_of(line.target):
                line.windows = sorted(line.windows + order.windows, key=lambda w: w.until_ns)
        elif not order.opens:
            # What the open of its flip has closed already is lost to the target (ADR 0012).
            self._give_up(line, order.sign, order.leaves - line.to_close(order.sign))
            # "Missing part of a close: retried with back-off until done."
            line.pause_until_ns = now_ns + min(CLOSE_RETRY_NS << line.rejected_closes, CLOSE_RETRY_MAX_NS)
            line.rejected_closes += 1
        else:
            self._give_up(line, order.sign, order.leaves)
        self._work(line, now_ns)
        return self._settled(now_ns)

    def tick(self, now_ns: int) -> list[Action]:
        """Time passed: windows end, pauses end."""
        self.watch.begin(now_ns)
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
        share = reduce / abs(p) if reduce else ZERO
        block = self._blocks.get((r.leader, r.instrument))
        dealt = block.deal(r, order, share, parts, self._values, now_ns) if block else {}
        for line in self.lines:
            if line.subscription.leader != r.leader or line.leader_instrument.name != r.instrument:
                continue
            line.seen = line.seen or len(self._seen)
            if reduce:
                # r = |P| gives exactly 0.
                line.target *= dealt[line.key].kept if line.key in dealt else 1 - share
                line.pause_until_ns = 0
                if line.target == 0:
                    line.flatten()
            if r.px is None and increase and line.subscription.slippage_bps is not None:
                raise Undecided('02 "What is copied": a limit open, and the report has no price')
            line.leader_px = r.px or line.leader_px
            for qty, since_ns, cum_qty in parts:
                if not qty:
                    continue
                if line.key in dealt:
                    self._take(line, r.sign, dealt[line.key].sizes.pop(0), since_ns)
                else:
                    self._increase(line, r, order, qty, since_ns, cum_qty, now_ns)
            self._work(line, now_ns)
            line.asked, line.asked_until_ns = ZERO, 0

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
        sized = self._values.sized(line, r.order, order, r.transact_ns or now_ns)
        refused = too_late(line, order, since_ns, now_ns)
        if refused and rule.mode not in AMOUNT_MODES:
            self.refusals[refused] += 1
            return
        try:
            size = self._values.size(line, sized, qty, order.order_qty, cum_qty, now_ns)
        except Refused as why:
            refused = refused or str(why)
        self._take(line, r.sign, refused or size, since_ns)

    def _take(self, line: Line, sign: int, size: Fraction | str, since_ns: int | None) -> None:
        """The target grows by a size, units, or a refusal is counted."""
        rule = line.subscription
        if isinstance(size, str):
            self.refusals[size] += 1
            return
        if not size:
            return  # others of its block were dealt what the leader opened
        assert since_ns is not None
        side = sign * (-1 if rule.reverse else 1)
        line.target += side * size
        line.declined = False
        until_ns = since_ns + rule.max_age_ns
        line.asked, line.asked_until_ns = line.asked + size, until_ns
        same_side = sign_of(line.target - side * size) == sign_of(line.target)
        line.open_until_ns = max(line.open_until_ns, until_ns) if same_side else until_ns

    # Step 3: work the difference.

    def _work(self, line: Line, now_ns: int) -> None:
        want = self._wanted(line, now_ns)
        line.closing = bool(line.target and line.filled and not want)
        self._withdraw(line, want - line.filled, now_ns)
        self._reduce(line, want, now_ns)
        self._open(line, want, now_ns)
        if line.asked_until_ns and not want and self._may_be_least(line, now_ns):
            self.refusals["max_inflation"] += 1  # asked for now, and less than the smallest lot may stand for

    def _may_be_least(self, line: Line, now_ns: int) -> bool:
        """A leader increase lets the smallest lot stand for less; how much less is `max_inflation`'s."""
        least = line.subscription.rounding == "min_lot_if_nonzero" and bool(line.target)
        alone = sign_of(line.target) * line.committed <= 0
        return least and alone and line.open_until_ns > now_ns and not line.declined

    def _wanted(self, line: Line, now_ns: int) -> Fraction:
        """The smallest lot is opened because of a leader increase only."""
        want, side = desired(line), sign_of(line.target)
        if want or line.subscription.rounding != "min_lot_if_nonzero":
            return want
        if side * line.committed > 0:
            return side * line.instrument.least
        return asked(line) if line.open_until_ns > now_ns and not line.declined else want

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
        # An open of a flip works the same way, and never stands in for the close.
        room = abs(want - line.filled) - line.working(sign)
        qty = min(line.to_close(sign), max(ZERO, room))
        to_zero = qty == abs(line.filled)
        if qty <= 0 or now_ns < line.pause_until_ns or (qty < line.instrument.least and not to_zero):
            return
        cap = cap_of(line.instrument, line.subscription.limits, self._limits(line))
        for part in split(qty, cap, line.instrument.step):
            self._make(line, sign, part, [], None, now_ns)

    def _open(self, line: Line, want: Fraction, now_ns: int) -> None:
        """(c) The part away from zero: the leader's doing, nothing works against it, no cancel is open."""
        side, least = sign_of(want), line.instrument.least
        qty = (
            max(ZERO, side * (want - line.filled) - line.working(side) - line.to_close(side))
            if side
            else ZERO
        )
        against = line.working(-side) if side else ZERO
        # What works the other way may still fill: what it takes away is wanted again, within the same window.
        held = max(ZERO, side * line.filled)
        again = max(ZERO, abs(want) - max(ZERO, held - against)) - max(ZERO, abs(want) - held)
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
        waits = against or any(order.canceling for order in line.orders) or line.to_close(side)
        lost = late if waits or young < least else late + young - self._enter(line, side, young, now_ns)
        # "For a refusal or clip m = min(unsent, size)", with what waited as a part of it (ADR 0012).
        self._give_up(line, side, min(lost, line.asked + waited) if line.asked_until_ns else lost)
        if lost and not waits and not line.windows:
            # Parts that are no whole steps may leave one together, and nothing asks for it.
            self._give_up(line, side, toward_zero(side * (desired(line) - line.committed), least))

    def _enter(self, line: Line, side: int, qty: Fraction, now_ns: int) -> Fraction:
        """Sends an increase as far as the limits allow; what was sent."""
        until_ns = line.windows[0].until_ns
        line.windows = []
        follower, px = self._followers[line.subscription.follower], limit_px(line, side)
        position = self.positions.get((line.subscription.leader, line.leader_instrument.name), ZERO)
        buckets = self._buckets_of(line)
        together = [(self._together.get(scope), scope) for scope in (EVERYTHING, line.subscription.leader)]
        whole = [(limits, scope) for limits, scope in together if limits is not None]
        stopped = self.watch.refusal(line, now_ns)
        new = Open(
            line, side, qty, px, follower, self.lines, self._values, position, buckets, whole, stopped,
            now_ns,
        )  # fmt: skip
        allowed, codes = clipped(new)
        self.refusals.update(codes)
        for part in split(allowed, cap_of(line.instrument), line.instrument.step) if allowed else []:
            self._make(line, side, part, [Window(until_ns, part)], px, now_ns)
        if allowed:
            line.copied_ns.append(now_ns)
            line.repeated = line.repeated or self._repeated.stops(line.copied_ns, now_ns)
        return allowed

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
        self._made.append(line)
        number, follower = len(self._made), line.subscription.follower
        line.orders.append(Order(number, sign, qty, bool(windows), windows))
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
        line.target -= side * min(max(ZERO, min(lost, gap)), abs(line.target))

    def _limits(self, line: Line) -> Limits:
        return self._followers[line.subscription.follower].limits

    def _find(self, number: int) -> tuple[Line, Order]:
        line = self._made[number - 1]
        return line, next(order for order in line.orders if order.number == number)

    def _settled(self, now_ns: int) -> list[Action]:
        """Every event also does what is due at its time, on every line. ADR 0013: "`close_all` sets the
        targets to 0: it is the leader's flat"."""
        for lines in self.watch.finish(now_ns):
            for line in sorted(lines, key=lambda o: o.seen):
                line.flatten()
                for order in [o for o in line.orders if o.opens]:
                    self._cancel(line, order, now_ns)
                self._work(line, now_ns)
        for line in self.lines:
            self._work(line, now_ns)
        # "The message throttle serves closes first": whatever lets nobody in goes out before what does.
        taken, self._actions = self._actions, []
        return sorted(taken, key=lambda action: isinstance(action, New) and action.opens)
