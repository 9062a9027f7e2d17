"""The reference model of mirrored working orders: what a leader's order is at a follower's broker.

Plain and slow on purpose: exact fractions, everything recomputed after every event. Rules name their place:
"how-to" is the page about mirroring orders, 0017, 0031 and 0037 are decisions, 02 is the design.
"""

from __future__ import annotations

from fractions import Fraction

from tests.model.lots import share
from tests.model.mirror_terms import (
    Line,
    Message,
    Mirror,
    Report,
    Theirs,
    working,
)
from tests.model.mirror_work import Worker, closes_at_work
from tests.model.reference import CLOSE_RETRY_MAX_NS, CLOSE_RETRY_NS
from tests.model.terms import MS, ZERO, sign_of

PAUSE_NS = 1_000 * MS
"""A request that was refused is repeated no sooner."""


class Model(Worker):
    """What is told to it is answered by the messages that it causes."""

    # What happens.

    def stop(self, scope: tuple[str, str], level: int, now_ns: int) -> list[Message]:
        """ "`kill` never lowers a stop"; 0: it is released."""
        was = self._stops.get(scope, 0)
        self._stops[scope] = max(level, was) if level else 0
        return self._settled(now_ns) if self._stops[scope] != was else []

    def report(self, r: Report, now_ns: int) -> list[Message]:
        """What the leader's broker reports."""
        theirs = self._theirs.get(r.order)
        if theirs is None:
            theirs = self._theirs[r.order] = Theirs(r.order, r.sign, r.qty, r.terms, r.tif)
            for line in self.lines:
                self._begin(line, theirs)
        if r.kind == "replaced":
            for line, mirror in self._of(theirs):
                if mirror.lost:
                    self.reached["placed again"] += 1
                if mirror.lost == "rejected":
                    # "what he filled of a rejected one meanwhile is given up" (0017, 10)
                    gone = min(mirror.lost_qty, max(ZERO, -mirror.ahead))
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
        order.known = True
        mirror = self._mirror_of(line, order)
        if mirror:
            done = ZERO
            if self._may_close(mirror) and sign_of(line.filled) == -order.sign:
                # "it was the close that was still wanted"
                beyond = -order.sign * (line.filled - line.wanted) - working(line, order.sign)
                done = min(qty, max(ZERO, beyond))
            mirror.ahead += qty - done
            self.reached["a close filled"] += mirror.closes
            self.reached["a close filled ahead"] += mirror.closes and qty > done
        # ADR 0012, 3: what an open "fills in the place of a lost close" is lost to the target
        to_close = max(ZERO, -order.sign * line.filled - closes_at_work(line, order.sign))
        order.cum += qty
        line.filled += order.sign * qty
        if mirror is None:
            line.rejected_closes = 0
            if order.opens:
                self._give_up(line, order.sign, min(qty, to_close))
        if not order.leaves:
            self._gone(line, order)
        return self._settled(now_ns)

    def end(self, number: int, how: str, now_ns: int) -> list[Message]:
        """A broker ended an order of ours."""
        line, order = self._made[number]
        pending = order.asked is not None and order.asked.qty is None
        asked = order.canceled or pending
        mirror = self._mirror_of(line, order)
        if mirror and not asked:
            mirror.lost, mirror.lost_qty = how, order.leaves
            self.reached["a close was lost"] += mirror.closes
        if mirror is None:
            # ADR 0006: only a cancel that was asked for lowers nothing; what he has refused before is his own
            asked = pending and how == "canceled"
        self._gone(line, order)
        if mirror is None and order.opens and not asked:
            self._give_up(line, order.sign, order.leaves)
        elif mirror is None and not asked:
            # "What the open of its flip has closed already is lost to the target" (ADR 0012), or a mirror.
            closing = sum((o.leaves for o in line.plain if o.sign == order.sign and not o.opens), ZERO)
            self._give_up(line, order.sign, order.leaves - max(ZERO, -order.sign * line.filled - closing))
            # "Missing part of a close: retried with back-off until done."
            line.pause_until_ns = now_ns + min(CLOSE_RETRY_NS << line.rejected_closes, CLOSE_RETRY_MAX_NS)
            line.rejected_closes += 1
        return self._settled(now_ns)

    def _give_up(self, line: Line, sign: int, lost: Fraction) -> None:
        """02 step 4: what is lost lowers |T| by min(m, gap), never past 0."""
        side = sign_of(line.target)
        if side == sign and lost > 0:
            line.declined = False
            gap = side * (line.wanted - line.filled) - working(line, side)
            # "never past 0", with what mirrors are ahead by
            line.target -= side * min(max(ZERO, min(lost, gap)), max(ZERO, side * line.moved))
            line.declined = True

    def accepted(self, number: int, now_ns: int) -> list[Message]:
        """A broker replaced an order of ours."""
        line, order = self._made[number]
        asked = order.asked
        assert asked is not None
        assert asked.qty is not None
        assert asked.terms is not None
        order.qty, order.terms, order.asked = asked.qty, asked.terms, None
        if not order.leaves:
            self._gone(line, order)
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

    def silent(self, number: int, is_silent: bool) -> None:
        """A broker has not said that he has an order of ours."""
        self._made[number][1].known = not is_silent

    def known(self, number: int, now_ns: int) -> list[Message]:
        """A broker has it."""
        self._made[number][1].known = True
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
            line.position = self.position
            mirror = next((m for m in line.mirrors if m.theirs is theirs), None)
            if reduce:
                self._reduced(line, mirror, reduce / abs(p))
            if increase:
                size = self._size(line, theirs, increase)
                line.target += theirs.sign * (-1 if line.rule.reverse else 1) * size
                line.increased, line.declined, line.asked = True, False, size
                if mirror:
                    mirror.sized = line.sized.get(theirs.name, ZERO)
                if mirror and not mirror.closes and not reduce:
                    mirror.ahead -= size  # "what turns the leader around ... opens by the fill" (0037, 2)
                self.reached["turned around"] += bool(reduce)

    def _size(self, line: Line, theirs: Theirs, increase: Fraction) -> Fraction:
        """02 step 2: by a rate, or a share of what is left of an amount."""
        factor = Fraction(line.rule.factor)
        if line.rule.mode != "fixed":
            return factor * increase
        sized = line.sized.get(theirs.name, ZERO)
        size = (factor - sized) * share(increase, theirs.qty, theirs.cum)
        line.sized[theirs.name] = sized + size
        return size

    def _reduced(self, line: Line, mirror: Mirror | None, part: Fraction) -> None:
        """02 step 2, and 0017, 3: what is missing shrinks with the leader's position."""
        took = abs(line.target) * part
        line.pause_until_ns = 0
        line.target *= 1 - part
        for other in line.mirrors:
            if other.ahead < 0 and not other.closes:
                other.ahead *= 1 - part
        if mirror and mirror.ahead > 0:
            mirror.ahead = max(ZERO, mirror.ahead - took)
