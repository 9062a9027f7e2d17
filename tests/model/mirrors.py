"""The reference model of mirrored working orders: what a leader's order is at a follower's broker.

Plain and slow on purpose: exact fractions, everything recomputed after every event. Rules name their place:
"how-to" is the page about mirroring orders, 0017, 0031 and 0037 are decisions, 02 is the design.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import ceil, floor

from tests.model.mirror_terms import (
    Ask,
    Line,
    Message,
    Mirror,
    Order,
    Place,
    Report,
    Rule,
    Terms,
    Theirs,
    may_fill,
    rejected,
    whole,
    working,
)
from tests.model.reference import CLOSE_RETRY_MAX_NS, CLOSE_RETRY_NS
from tests.model.terms import MS, ZERO, sign_of

TICK = Fraction(1, 10)
LEADER_FILLED_NS = 5_000 * MS
PAUSE_NS = 1_000 * MS
"""A request that was refused is repeated no sooner."""


class Model:
    """What is told to it is answered by the messages that it causes."""

    def __init__(self, rules: list[Rule], reached: Counter[str]) -> None:
        self.position = ZERO
        self.lines = [Line(f"f{n}", rule) for n, rule in enumerate(rules)]
        self.reached = reached
        self._entry: Fraction | None = None
        self._theirs: dict[str, Theirs] = {}
        self._made: dict[int, tuple[Line, Order]] = {}
        self._said: list[Message] = []

    # What happens.

    def report(self, r: Report, now_ns: int) -> list[Message]:
        """What the leader's broker reports."""
        theirs = self._theirs.get(r.order)
        if theirs is None:
            theirs = self._theirs[r.order] = Theirs(r.sign, r.qty, r.terms, r.tif)
            for line in self.lines:
                self._begin(line, theirs)
        if r.kind == "replaced":
            for line, mirror in self._of(theirs):
                if mirror.lost:
                    self.reached["placed again"] += 1
                if mirror.lost == "rejected":
                    # "what he filled of a rejected one meanwhile is given up" (0017, 10)
                    gone = min(rejected(mirror) - mirror.rejected, max(ZERO, -mirror.ahead))
                    mirror.ahead += gone
                    line.target -= mirror.sign * gone
                mirror.lost = ""
        theirs.qty, theirs.terms, theirs.tif = r.qty, r.terms, r.tif
        theirs.canceled = theirs.canceled or r.kind == "canceled"
        delta, theirs.cum = r.cum - theirs.cum, r.cum
        if delta:
            self._moved(theirs, delta, r.last_px)
        return self._settled(now_ns)

    def fill(self, number: int, qty: Fraction, now_ns: int) -> list[Message]:
        """A broker filled a part of an order of ours."""
        line, order = self._made[number]
        mirror = self._mirror_of(line, order)
        if mirror:
            done = ZERO
            closes = mirror.closes or self._closes_now(mirror)
            if closes and sign_of(line.filled) == -order.sign:
                # "it was the close that was still wanted"
                beyond = -order.sign * (line.filled - line.wanted) - working(line, order.sign)
                done = min(qty, max(ZERO, beyond))
            mirror.ahead += qty - done
            self.reached["a close filled"] += mirror.closes
            self.reached["a close filled ahead"] += mirror.closes and qty > done
        order.cum += qty
        line.filled += order.sign * qty
        if mirror is None:
            line.rejected_closes = 0
        if not order.leaves:
            self._gone(line, order)
        return self._settled(now_ns)

    def end(self, number: int, how: str, now_ns: int) -> list[Message]:
        """A broker ended an order of ours."""
        line, order = self._made[number]
        asked = order.canceled or (order.asked is not None and order.asked.qty is None)
        mirror = self._mirror_of(line, order)
        if mirror and not asked:
            mirror.lost, mirror.lost_qty = how, order.leaves
            self.reached["a close was lost"] += mirror.closes
        # ADR 0006, for what mirrors nothing: only a cancel that was asked for lowers nothing
        asked = asked and (mirror is not None or how == "canceled")
        if mirror is None and order.opens and not asked:
            self._give_up(line, order)
        elif mirror is None and not asked:
            # "Missing part of a close: retried with back-off until done."
            line.pause_until_ns = now_ns + min(CLOSE_RETRY_NS << line.rejected_closes, CLOSE_RETRY_MAX_NS)
            line.rejected_closes += 1
        self._gone(line, order)
        return self._settled(now_ns)

    def _give_up(self, line: Line, order: Order) -> None:
        """02 step 4: what is lost lowers |T| by min(m, gap), never past 0."""
        side = sign_of(line.target)
        if side == order.sign:
            gap = side * (line.wanted - line.filled) - working(line, side) + order.leaves
            line.target -= side * min(max(ZERO, min(order.leaves, gap)), abs(line.target))

    def accepted(self, number: int, now_ns: int) -> list[Message]:
        """A broker replaced an order of ours."""
        _, order = self._made[number]
        asked = order.asked
        assert asked is not None
        assert asked.qty is not None
        assert asked.terms is not None
        order.qty, order.terms, order.asked = asked.qty, asked.terms, None
        return self._settled(now_ns)

    def refused(self, number: int, now_ns: int) -> list[Message]:
        """A broker refused a request. 0017, 10: what it does not replace it is asked to cancel."""
        _, order = self._made[number]
        assert order.asked
        order.pause_until_ns = now_ns + PAUSE_NS
        order.irreplaceable = order.irreplaceable or order.asked.qty is not None
        order.canceled = order.canceled or order.asked.qty is None
        order.asked = None
        return self._settled(now_ns)

    def tick(self, now_ns: int) -> list[Message]:
        """Time passed."""
        return self._settled(now_ns)

    # What the leader does.

    def _begin(self, line: Line, theirs: Theirs) -> None:
        """how-to: "An order against the leader's position closes"; the ratio is frozen (0017, 7)."""
        rule = line.rule
        if rule.copy == "fills" and theirs.terms.kind not in ("stop", "stop_limit"):
            return  # 0037, 1: stops and stop-limits alone
        sign = theirs.sign * (-1 if rule.reverse else 1)
        # 0037, 2: beside fills "such a mirror only closes, from its first moment"
        closes = rule.copy == "fills" or sign_of(self.position) == -theirs.sign
        rate = None if rule.mode == "fixed" else Fraction(rule.factor)
        line.mirrors.append(Mirror(theirs, sign, closes, rate, Fraction(rule.factor)))

    def _moved(self, theirs: Theirs, delta: Fraction, px: Fraction) -> None:
        p = self.position
        reduce = min(delta, abs(p)) if sign_of(p) == -theirs.sign else ZERO
        increase = delta - reduce
        self.position = p + theirs.sign * delta
        if increase:
            held = abs(p) if sign_of(p) == theirs.sign and self._entry is not None else ZERO
            self._entry = ((self._entry or ZERO) * held + px * increase) / (held + increase)
        for line in self.lines:
            mirror = next((m for m in line.mirrors if m.theirs is theirs), None)
            if reduce:
                self._reduced(line, mirror, reduce / abs(p))
            if increase:
                size = Fraction(line.rule.factor) * increase
                line.target += theirs.sign * (-1 if line.rule.reverse else 1) * size
                if mirror and not mirror.closes:
                    mirror.ahead -= size

    def _reduced(self, line: Line, mirror: Mirror | None, share: Fraction) -> None:
        """02 step 2, and 0017, 3: what is missing shrinks with the leader's position."""
        took = abs(line.target) * share
        line.pause_until_ns = 0
        line.target *= 1 - share
        for other in line.mirrors:
            if other.ahead < 0 and not other.closes:
                other.ahead *= 1 - share
        if mirror and mirror.ahead > 0:
            mirror.ahead = max(ZERO, mirror.ahead - took)

    # What is worked after every event.

    def _settled(self, now_ns: int) -> list[Message]:
        for line in self.lines:
            self._settle(line, now_ns)
            self._work(line, now_ns)
            for mirror in list(line.mirrors):
                self._work_mirror(line, mirror, now_ns)
        taken, self._said = self._said, []
        return taken

    def _settle(self, line: Line, now_ns: int) -> None:
        """0017, 2 and 3: how far a mirror may be ahead, and behind."""
        self._turned(line)
        for mirror in list(line.mirrors):
            self._late(line, mirror, now_ns)
            if mirror.closes or self._closes_now(mirror):
                live = self._closes_now(mirror)
                part = min(Fraction(1), mirror.theirs.left / abs(self.position)) if live else ZERO
                self._close_ahead(line, mirror, part)
            else:
                if mirror.ahead > mirror.opening:
                    if line.rule.ahead == "keep" and sign_of(self.position) == mirror.theirs.sign:
                        line.target += mirror.sign * (mirror.ahead - mirror.opening)
                        self.reached["ahead and kept"] += 1
                    mirror.ahead = mirror.opening
                    self.reached["ahead and closed"] += 1
            side = mirror.sign * sign_of(line.target)
            mirror.ahead = max(mirror.ahead, -abs(line.target) if side > 0 else ZERO)
            if not mirror.theirs.left:
                gone = min(rejected(mirror), max(ZERO, -mirror.ahead))
                mirror.ahead, mirror.rejected, mirror.lost_qty = mirror.ahead + gone, ZERO, ZERO
                line.target -= mirror.sign * gone
            over = not mirror.theirs.left and mirror.order is None
            if over:
                self._over(line, mirror, now_ns)

    def _close_ahead(self, line: Line, mirror: Mirror, part: Fraction) -> None:
        """What was closed stays closed (0017, 2): its share is of the target and of what opens are ahead by.
        What is beyond is taken off those, and off the target, by as much as it ever would be."""
        opens = [m for m in line.mirrors if not m.closes and m.sign == -mirror.sign and m.ahead > 0]
        opens = [m for m in opens if not self._closes_now(m)]

        def most() -> Fraction:
            beside = sum((m.ahead for m in opens), ZERO)
            return (abs(line.target) + beside) * part

        if mirror.ahead <= most():
            return
        self.reached["a close stays closed"] += 1
        down = (mirror.ahead - most()) / (1 - part) if part < 1 else ZERO
        for other in reversed(opens):
            taken = min(down, other.ahead)
            other.ahead, other.rejected = other.ahead - taken, other.rejected + taken
            mirror.ahead, down = mirror.ahead - taken, down - taken
        low = min(down, abs(line.target))
        line.target += mirror.sign * low
        mirror.ahead = min(mirror.ahead - low, most())

    def _turned(self, line: Line) -> None:
        """0017, 5: two alternatives that both fill turn the account; that is closed again at once."""
        closers = [m for m in line.mirrors if m.closes or self._closes_now(m)]
        for mirror in closers:
            if not mirror.theirs.left:
                self._close_ahead(line, mirror, ZERO)
        room = abs(line.target) - sum((max(ZERO, -m.ahead) for m in line.mirrors), ZERO)
        room += sum((max(ZERO, m.ahead) for m in line.mirrors if m not in closers), ZERO)
        for mirror in closers:
            if mirror.ahead > room:
                self.reached["turned"] += room > 0 or len(closers) > 1
                mirror.ahead = max(ZERO, room)
            room -= mirror.ahead

    def _over(self, line: Line, mirror: Mirror, now_ns: int) -> None:
        """how-to, "Who fills first": what a mirror is behind by when both orders have ended."""
        rule, behind = line.rule.leader_filled, max(ZERO, -mirror.ahead)
        late = self._late(line, mirror, now_ns)
        if not late and whole(self._rest(mirror)) and not mirror.lost:
            return  # the follower's order works on
        if not late and mirror.lost and whole(behind) and rule == "market_after_s":
            return
        gives_up = rule == "cancel_after_s" if late else bool(mirror.lost) and rule != "market_after_s"
        if behind and gives_up:
            line.target -= mirror.sign * behind
            self.reached["given up"] += 1
        elif whole(behind):
            self.reached["behind, to the market"] += 1
        # less than an order counts later
        line.mirrors.remove(mirror)

    def _late(self, line: Line, mirror: Mirror, now_ns: int) -> bool:
        if mirror.theirs.left:
            mirror.ended_ns = None
        elif mirror.ended_ns is None:
            mirror.ended_ns = now_ns
        ended_ns = mirror.ended_ns
        return line.rule.leader_filled != "none" and (
            ended_ns is not None and now_ns >= ended_ns + LEADER_FILLED_NS
        )

    def _closes_now(self, mirror: Mirror) -> bool:
        return sign_of(self.position) == -mirror.theirs.sign

    def _work(self, line: Line, now_ns: int) -> None:
        """02 step 3 of what has no mirror; 0017, 4: what a live closing mirror may fill is left to it."""
        need = line.wanted - line.filled
        self._withdraw(line, need, now_ns)
        closing = min(abs(line.filled), abs(need)) if sign_of(need) == -sign_of(line.filled) else ZERO
        if closing and now_ns >= line.pause_until_ns:
            self._close(line, sign_of(need), closing, now_ns)
        self._open(line, sign_of(need), abs(need) - closing)

    def _withdraw(self, line: Line, need: Fraction, now_ns: int) -> None:
        """02 step 3 (a): what works against `need`, or beyond it, is cancelled; the newest first."""
        reduces = sign_of(need) == -sign_of(line.filled)
        most = min(abs(need), abs(line.filled) - self._left(line, sign_of(need))) if reduces else abs(need)
        beyond = working(line, sign_of(need)) - max(ZERO, most)
        for order in reversed(line.plain):
            against = order.sign != sign_of(need)
            if (against or beyond > 0) and not order.asked and now_ns >= order.pause_until_ns:
                order.asked = Ask(order.number, line.name)
                self._said.append(order.asked)
            if not against:
                beyond -= order.leaves

    def _left(self, line: Line, sign: int) -> Fraction:
        """What live closing mirrors may still fill: alternatives, so the largest."""
        closers = (m for m in line.mirrors if m.closes or self._closes_now(m))
        return max((may_fill(m) for m in closers if m.sign == sign), default=ZERO)

    def _close(self, line: Line, sign: int, qty: Fraction, now_ns: int) -> None:
        """02 step 3 (b); 0017, 4: what a live closing mirror may still fill is left to it."""
        qty -= working(line, sign)
        free = abs(line.filled) - working(line, sign) - self._left(line, sign)
        closers = [m for m in line.mirrors if m.sign == sign and (m.closes or self._closes_now(m))]
        over = [may_fill(m) - self._units(line, m, now_ns) for m in closers if m.order]
        now = min(free, qty - max([ZERO, *over]))
        if now > 0:
            line.plain.append(self._place(line, sign, now, Terms("market"), ""))
            self.reached["closed at the market"] += 1
        elif qty > 0:
            self.reached["a close waits for its mirror"] += 1

    def _open(self, line: Line, sign: int, qty: Fraction) -> None:
        """02 step 3 (c): histories are shorter than `max_age_ms`, so nothing is stale."""
        qty -= max(ZERO, working(line, sign) - max(ZERO, -sign * line.filled))
        against = working(line, -sign) or any(o.asked for o in line.plain)
        to_close = max(ZERO, -sign * line.filled - working(line, sign))
        if qty > 0 and not against and not to_close:
            order = self._place(line, sign, qty, Terms("market"), "")
            order.opens = True
            line.plain.append(order)
            self.reached["opened at the market"] += 1

    def _rest(self, mirror: Mirror) -> Fraction:
        return ZERO if mirror.lost else max(ZERO, mirror.opening - mirror.ahead - mirror.rejected)

    def _units(self, line: Line, mirror: Mirror, now_ns: int) -> Fraction:
        """What its order is to have open."""
        if mirror.closes or self._closes_now(mirror):
            return self._close_units(line, mirror)
        return ZERO if self._late(line, mirror, now_ns) else whole(self._rest(mirror))

    def _close_units(self, line: Line, mirror: Mirror) -> Fraction:
        """how-to: "what the follower holds, times the share that the leader's order has of his position";
        alternatives, each of the whole (0017, 5)."""
        if mirror.lost or not self._closes_now(mirror) or sign_of(line.filled) != -mirror.sign:
            return ZERO
        closers = [m for m in line.mirrors if self._closes_now(m)]
        base = abs(line.filled) + sum((m.ahead for m in closers), ZERO)
        share = base * min(Fraction(1), mirror.theirs.left / abs(self.position))
        held = abs(line.filled)
        need = max(ZERO, held - max(ZERO, -mirror.sign * line.wanted))
        return whole(min(share - mirror.ahead, held - max(need, working(line, mirror.sign))))

    def _work_mirror(self, line: Line, mirror: Mirror, now_ns: int) -> None:
        units, order = self._units(line, mirror, now_ns), mirror.order
        if order is None:
            if units:
                terms = self._terms(line, mirror)
                tif = "" if terms.kind == "market" else mirror.theirs.tif
                mirror.order = self._place(line, mirror.sign, units, terms, tif)
            return
        if order.asked or now_ns < order.pause_until_ns:
            return
        terms = self._terms(line, mirror)
        if units == order.leaves and terms == order.terms:
            return
        if units and line.rule.replaces and not order.irreplaceable:
            order.asked = Ask(order.number, line.name, order.cum + units, terms)
        else:
            order.asked = Ask(order.number, line.name)
        self._said.append(order.asked)
        self.reached["a close was cut"] += mirror.closes and units < order.leaves

    def _terms(self, line: Line, mirror: Mirror) -> Terms:
        """how-to: prices times `price_factor` on the tick: limits never worse, stops away from the market."""
        terms, buys = mirror.theirs.terms, mirror.sign > 0
        kind, px, stop_px = terms.kind, terms.px, terms.stop_px
        multiplier = Fraction(line.rule.stop_multiplier)
        if stop_px is not None and self._closes_now(mirror) and self._entry is not None:
            moved = self._entry + (stop_px - self._entry) * multiplier
            px, stop_px = (None if px is None else px + moved - stop_px), moved
        if line.rule.reverse:
            kind = {"limit": "stop", "stop": "limit"}.get(kind, kind)
            px, stop_px = stop_px, px
        factor = Fraction(line.rule.price_factor)
        return Terms(kind, _on_tick(px, factor, not buys), _on_tick(stop_px, factor, buys))

    # Orders.

    def _place(self, line: Line, sign: int, qty: Fraction, terms: Terms, tif: str) -> Order:
        number = len(self._made) + 1
        order = Order(number, sign, qty, terms)
        self._made[number] = line, order
        self._said.append(Place(number, line.name, sign, qty, terms, tif))
        return order

    def _gone(self, line: Line, order: Order) -> None:
        mirror = self._mirror_of(line, order)
        if mirror:
            mirror.order = None
        if order in line.plain:
            line.plain.remove(order)

    def _of(self, theirs: Theirs) -> list[tuple[Line, Mirror]]:
        return [(line, m) for line in self.lines for m in line.mirrors if m.theirs is theirs]

    def _mirror_of(self, line: Line, order: Order) -> Mirror | None:
        return next((m for m in line.mirrors if m.order is order), None)


def _on_tick(px: Fraction | None, factor: Fraction, up: bool) -> Fraction | None:
    if px is None:
        return None
    ticks = px * factor / TICK
    return (ceil(ticks) if up else floor(ticks)) * TICK
