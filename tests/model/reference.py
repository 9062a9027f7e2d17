"""The reference model: leader reports and broker answers in, orders, targets and refusals out.

Plain and slow on purpose: exact fractions, everything recomputed after every event, each rule with its place
in the design (02 copy semantics, 03 risk controls, 04 execution reports).
"""

from __future__ import annotations

from fractions import Fraction

from tests.model.lots import (
    AMOUNT_MODES,
    Refused,
    Undecided,
    too_late,
)
from tests.model.past import Past, follow, grown, remember
from tests.model.quotes import Quote
from tests.model.stops import LEVELS
from tests.model.terms import (
    MS,
    ZERO,
    Action,
    Execution,
    LeaderOrder,
    Line,
    New,
    Order,
    Report,
    Window,
    sign_of,
)
from tests.model.windows import consume, total, trim
from tests.model.work import Worker

CLOSE_RETRY_NS, CLOSE_RETRY_MAX_NS = 500 * MS, 30_000 * MS
"""First and longest pause before a close that the broker did not take is sent again (`timing`)."""


class Model(Worker):
    """All lines of a deployment. What is told to it is answered by the orders and cancels that it causes."""

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

    def kill(self, scope: tuple[str, str], level: int, now_ns: int) -> list[Action]:
        """A person stops a scope."""
        self.watch.begin(now_ns)
        self._stops.kill(scope, level)
        self._stopped(now_ns)
        return self._settled(now_ns)

    def release(self, scope: tuple[str, str], now_ns: int) -> list[Action]:
        """A person releases a scope; of a follower also its guards."""
        self._stops.arm(scope)
        if scope[0] == "leader":
            self._heard.arm(scope[1], now_ns)
        done = self.arm(scope[1], now_ns) if scope[0] == "follower" else self.tick(now_ns)
        self.reached["close released"] += any(isinstance(one, New) and not one.opens for one in done)
        return done

    def stopped(self) -> set[tuple[str, str, str, str]]:
        """What `stops` lists of persons: scope, name, level and code."""
        kills = {(*scope, LEVELS[level], "kill") for scope, level in self._stops.kills.items()}
        paused = self._stops.pauses.items()
        kills |= {
            ("leader", name, level, "provider_inactive") for name, level in self._heard.inactive.items()
        }
        return kills | {("subscription", name, LEVELS[level], "paused") for name, level in paused}

    def pause(self, subscription: str, level: int, now_ns: int) -> list[Action]:
        """A person pauses a subscription."""
        self.watch.begin(now_ns)
        self._stops.pause(subscription, level)
        self._stopped(now_ns)
        return self._settled(now_ns)

    def resume(self, subscription: str, now_ns: int) -> list[Action]:
        """A person lets a subscription go on."""
        self._stops.resume(subscription)
        return self.tick(now_ns)

    def quote(
        self, instrument: str, bid: Fraction, ask: Fraction, now_ns: int, leader: str = ""
    ) -> list[Action]:
        """A price, by the session of a leader."""
        self.watch.begin(now_ns)
        self._heard.say(leader, now_ns)
        self._values.quotes.tell(instrument, Quote(bid, ask, now_ns))
        self.watch.quoted()
        return self._settled(now_ns)

    def watched(self) -> list[str]:
        """Leaders that may be inactive."""
        return list(self._heard.rules)

    def down(self) -> set[str]:
        """Leaders whose sessions are down."""
        return set(self._heard.down_ns)

    def session(self, leader: str, up: bool, now_ns: int) -> list[Action]:
        """A leader's session goes up or down."""
        self.watch.begin(now_ns)
        self._heard.session(leader, up, now_ns)
        return self._settled(now_ns)

    def report(self, r: Report, now_ns: int) -> list[Action]:
        """02 step 1: what a leader did; then steps 2 and 3 for each of its lines."""
        self.watch.begin(now_ns)
        self._heard.say(r.leader, now_ns)
        identity = (r.order, r.exec_id, r.kind, r.last_qty, r.cum_qty)
        if identity in self._seen:
            return self._settled(now_ns)
        self._seen.add(identity)
        order = self._orders.get(r.order)
        if order is None:
            begun = {"new": ZERO, "trade": r.cum_qty - r.last_qty}.get(r.kind, r.cum_qty)
            order = self._orders[r.order] = LeaderOrder(begun, r.order_qty)
            held = self.positions.get((r.leader, r.instrument), ZERO)
            if begun and sign_of(held) != -r.sign:
                # What closed the other side has opened nothing: its amount is still to come.
                order.missed = begun
                self.reached["begun before anybody listened"] += 1
        order.order_qty = r.order_qty
        order.tif = r.tif or order.tif
        if r.kind in ("bust", "correct"):
            self._taken_back(r, order, now_ns)
            return self._settled(now_ns)
        before_ns = order.last_ns
        order.last_ns = max((t for t in (before_ns, r.transact_ns) if t is not None), default=None)
        delta = self._counted(r, order)
        if delta:
            self._moved(r, order, delta, before_ns, now_ns)
        return self._settled(now_ns)

    def _counted(self, r: Report, order: LeaderOrder) -> Fraction:
        """What a report says was filled, the leader's units. ADR 0008: a trade "explains its own part" of
        what was counted by CumQty alone; "after the first bust of an order its reports count by LastQty"."""
        said = r.last_qty if r.kind == "trade" else ZERO
        if r.kind == "trade":
            order.execs[r.exec_id] = Execution(f"{r.order} {r.exec_id}", said)
        if order.amended:
            explained = min(order.unexplained, said)
            order.unexplained -= explained
            order.known += said - explained
            return said - explained
        # "A CumQty that falls without a bust, or exceeds OrderQty, freezes increases of that order."
        order.frozen = order.frozen or r.cum_qty < order.known or r.cum_qty > r.order_qty
        delta = max(ZERO, r.cum_qty - order.known)
        order.known = max(order.known, r.cum_qty)
        order.unexplained = max(ZERO, order.unexplained + delta - said)
        return delta

    def _taken_back(self, r: Report, order: LeaderOrder, now_ns: int) -> None:
        """02 step 1: a bust or correction. "P moves, T waits for the operator, P = 0 still gives T = 0", or
        the target is followed."""
        order.amended = True
        execution = order.execs[r.ref or ""]
        order.execs[r.exec_id] = execution  # "a later bust may name either"
        qty = r.last_qty if r.kind == "correct" else ZERO
        more, execution.qty = qty - execution.qty, qty
        order.known += more
        if not more:
            return
        was = self.positions.get((r.leader, r.instrument), ZERO)
        now = self.positions[r.leader, r.instrument] = was + r.sign * more
        self.reached[f"{r.kind} of a leader's trade"] += 1
        flat = now == 0 or sign_of(now) == -sign_of(was)
        block = self._blocks.get((r.leader, r.instrument))
        if block and flat:
            block.flatten()
        for line in self.lines:
            if line.subscription.leader != r.leader or line.leader_instrument.name != r.instrument:
                continue
            had, has = r.sign * (qty - more), r.sign * qty
            if not follow(line, execution.name, had, has, r.transact_ns, now_ns, self.refusals, self.reached):
                line.held = True
                if flat:
                    line.pause_until_ns = 0
                    self.reached["held, and flat"] += bool(line.target)
                    line.flatten()
                if line.past:
                    self.reached["a bust that nobody can follow"] += 1
                    line.past = Past(now, line.target, line.past.copies)
            self._work(line, now_ns)
            line.asked, line.asked_until_ns = ZERO, 0

    def bust_resume(self, leader: str, now_ns: int) -> list[Action]:
        """A person lets opens of a leader go on."""
        self.watch.begin(now_ns)
        for line in self.lines:
            if line.held and line.subscription.leader == leader:
                # What was asked for until now is over, as what was refused is.
                line.held, line.declined = False, True
        return self._settled(now_ns)

    def amend(
        self,
        number: int,
        fill: int,
        was: tuple[Fraction, Fraction],
        now: tuple[Fraction, Fraction],
        now_ns: int,
    ) -> list[Action]:
        """A broker says that a fill of an order of ours, the one of that number, was of another quantity and
        price. What an open lost lowers the target (step 4); what a close did not close is closed again."""
        self.watch.begin(now_ns)
        line, order = self._made[number - 1]
        less = was[0] - now[0]
        line.filled -= order.sign * less
        line.stuck = line.stuck and not less  # "until the position changes"
        if less:
            self.reached["bust of a fill, open" if order.opens else "bust of a fill, close"] += 1
        else:
            self.reached["a price is corrected"] += 1
        self.watch.amended(line, fill, (order.sign * was[0], was[1]), (order.sign * now[0], now[1]))
        self._give_up(line, order.sign, less)
        # What this makes needless is not opened again: the leader has no part in it.
        self._work(line, now_ns, newest_ns=0)
        return self._settled(now_ns)

    def fill(self, number: int, qty: Fraction, px: Fraction, now_ns: int) -> list[Action]:
        """A broker filled a part of an order of ours."""
        self.watch.begin(now_ns)
        line, order = self._made[number - 1]
        # ADR 0012: what the open of a flip closes for a close that was lost is lost to the target.
        instead = min(qty, line.unclosed(order.sign)) if order.opens else ZERO
        order.leaves -= qty
        line.filled += order.sign * qty
        line.stuck = False  # "not tried again until the position changes"
        self._give_up(line, order.sign, instead)
        consume(order.windows, qty)
        self._hand_over(line)
        toward_zero = sign_of(line.filled - order.sign * qty) == -order.sign
        if not order.opens or toward_zero or line.subscription.retry_ns:
            line.rejects = line.open_rejects = 0  # a close, or an open in its place
        if order.leaves == 0:
            line.orders.remove(order)
        self.watch.filled(line, order.sign * qty, px, self._fills, now_ns)
        self._fills += 1
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
        line, order = self._made[number - 1]
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
            line.pause_until_ns = now_ns + min(CLOSE_RETRY_NS << line.rejects, CLOSE_RETRY_MAX_NS)
            line.rejects += 1
            # "A rest below the smallest lot is tried once."
            line.stuck = how == "rejected" and order.leaves < line.instrument.least
            self.reached["stuck residue"] += line.stuck
        elif not self._retried(line, order, now_ns):
            self._give_up(line, order.sign, order.leaves)
        self._work(line, now_ns)
        return self._settled(now_ns)

    def _retried(self, line: Line, order: Order, now_ns: int) -> bool:
        """Whether an open is tried again: "the missing part of a rejected open" is, inside a window that
        began with the leader's trade. It keeps the time that it had, and pauses as a close does."""
        rule = line.subscription
        if not rule.retry_ns:
            return False
        if now_ns >= order.windows[0].until_ns - rule.max_age_ns + min(rule.retry_ns, rule.max_age_ns):
            self.reached["tried too long"] += 1
            return False
        self.reached["tried again"] += 1
        line.open_pause_until_ns = now_ns + min(CLOSE_RETRY_NS << line.open_rejects, CLOSE_RETRY_MAX_NS)
        line.open_rejects += 1
        if order.sign == sign_of(line.target):
            line.windows = sorted(line.windows + order.windows, key=lambda w: w.until_ns)
        return True

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
        # What we count, where an execution was taken back: "venues disagree on whether CumQty falls".
        cum_qty = order.known if order.amended else r.cum_qty
        parts = [(increase - dated, before_ns, cum_qty - dated), (dated, r.transact_ns, cum_qty)]
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
            added, used = list[Fraction](), list[Fraction]()
            for qty, since_ns, cum_qty in parts:
                before = line.used_of(r.order)
                if not qty:
                    added.append(ZERO)
                elif line.key in dealt:
                    added.append(self._take(line, r.sign, dealt[line.key].sizes.pop(0), since_ns))
                else:
                    added.append(self._increase(line, r, order, qty, since_ns, cum_qty, now_ns))
                used.append(line.used_of(r.order) - before)
            if line.past:
                remember(line.past, r, delta, increase, added, used)
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
    ) -> Fraction:
        """02 step 2: one part of an increase; a refused one enlarges nothing. What the target grew by."""
        rule = line.subscription
        sized = self._values.sized(line, r.order, order, r.transact_ns or now_ns)
        why = rule.filters.leave_out(r, order)
        if why:
            self.reached[f"filtered: {why}"] += 1
        refused = "filtered" if why else too_late(line, order, since_ns, now_ns)
        if refused and rule.mode not in AMOUNT_MODES:
            self.refusals[refused] += 1
            return ZERO
        try:
            size = self._values.size(line, sized, qty, order.order_qty, cum_qty, now_ns)
        except Refused as why:
            refused = refused or str(why)
        return self._take(line, r.sign, refused or size, since_ns)

    def _take(self, line: Line, sign: int, size: Fraction | str, since_ns: int | None) -> Fraction:
        """The target grows by a size, units, or a refusal is counted. What it grew by."""
        if isinstance(size, str):
            self.refusals[size] += 1
            return ZERO
        if not size:
            return ZERO  # others of its block were dealt what the leader opened
        assert since_ns is not None
        side = sign * (-1 if line.subscription.reverse else 1)
        line.target += side * size
        grown(line, side, size, since_ns)
        return size

    def _close_all(self, lines: list[Line], now_ns: int) -> None:
        for line in sorted(lines, key=lambda o: o.seen):
            if line.past and line.target:
                self.reached["closed, and busts are followed"] += 1
                line.past.lost(line.target)  # no bust opens it again
            line.flatten()
            self._cancel_opens(line, now_ns)
            self._work(line, now_ns)

    def _settled(self, now_ns: int) -> list[Action]:
        """Every event also does what is due at its time, on every line. ADR 0013: "`close_all` sets the
        targets to 0: it is the leader's flat"."""
        for leader in self._heard.look(now_ns):
            own = [line for line in self.lines if line.subscription.leader == leader]
            self.reached["closed for a leader that is not heard"] += any(line.target for line in own)
            self._close_all(own, now_ns)
        for lines in self.watch.finish(now_ns):
            self._close_all(lines, now_ns)
        for line in sorted(self.lines, key=lambda o: o.seen):
            self._work(line, now_ns)
        # "The message throttle serves closes first": whatever lets nobody in goes out before what does.
        taken, self._actions = self._actions, []
        return sorted(taken, key=lambda action: isinstance(action, New) and action.opens)
