"""What the model of mirrored orders does after every event: what mirrors are ahead and behind by is settled,
the line is worked, and then its mirrors."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import ceil, floor

from tests.model.mirror_bounds import allowed
from tests.model.mirror_terms import (
    Ask,
    Line,
    Message,
    Mirror,
    Order,
    Place,
    Rule,
    Terms,
    Theirs,
    may_fill,
    not_asked_to_go,
    rejected,
    whole,
    working,
)
from tests.model.stops import CLOSE_ONLY, HALT
from tests.model.terms import MS, ZERO, sign_of

TICK = Fraction(1, 10)
SETTLES_MAX = 20
LEADER_FILLED_NS = 5_000 * MS


class Worker:
    """All lines of a leader, and their orders."""

    def __init__(self, rules: list[Rule], reached: Counter[str]) -> None:
        self.position = ZERO
        self.lines = [Line(f"f{n}", rule) for n, rule in enumerate(rules)]
        self.reached = reached
        self._entry: Fraction | None = None
        self._theirs: dict[str, Theirs] = {}
        self._made: dict[int, tuple[Line, Order]] = {}
        self._said: list[Message] = []
        self._stops: dict[tuple[str, str], int] = {}
        """By scope: everything, a follower, a subscription."""

    def _level(self, line: Line) -> int:
        """ "A line is stopped at the highest level of all that it is under"."""
        over = (("global", ""), ("follower", line.name), ("subscription", f"s{line.name[1:]}"))
        return max(self._stops.get(scope, 0) for scope in over)

    # What is worked after every event.

    def _settled(self, now_ns: int) -> list[Message]:
        for line in self.lines:
            self._work_line(line, now_ns)
            if any(m.rejected and m.ahead < 0 and not m.theirs.left for m in line.mirrors):
                self._work_line(line, now_ns)  # nothing asks for it again: it is given up at once
        taken, self._said = self._said, []
        return taken

    def _work_line(self, line: Line, now_ns: int) -> None:
        self._settle(line, now_ns)
        self._work(line, now_ns)
        for mirror in list(line.mirrors):
            self._work_mirror(line, mirror, now_ns)

    def _settle(self, line: Line, now_ns: int) -> None:
        """0017, 2 and 3: how far a mirror may be ahead, and behind. What one gives up is less for another:
        until nothing moves, so that a report that changes nothing moves nothing."""
        for _ in range(SETTLES_MAX):
            was = line.target, [(m.ahead, m.rejected) for m in line.mirrors]
            self._turned(line)
            for mirror in list(line.mirrors):
                self._settle_mirror(line, mirror, now_ns)
            for sign in (1, -1):
                self._closes_ahead(line, sign)
            if was == (line.target, [(m.ahead, m.rejected) for m in line.mirrors]):
                return
        raise AssertionError("what mirrors are ahead and behind by is never settled")

    def _settle_mirror(self, line: Line, mirror: Mirror, now_ns: int) -> None:
        self._late(line, mirror, now_ns)
        if not line.closing(mirror) and mirror.ahead > mirror.opening:
            if line.rule.ahead == "keep" and sign_of(self.position) == mirror.theirs.sign:
                line.target += mirror.sign * (mirror.ahead - mirror.opening)
                self.reached["ahead and kept"] += 1
            mirror.ahead = mirror.opening
            self.reached["ahead and closed"] += 1
        side = mirror.sign * sign_of(line.target)
        mirror.ahead = max(mirror.ahead, -abs(line.target) if side > 0 else ZERO)
        self._stopped(line, mirror)
        if not mirror.theirs.left:
            gone = min(rejected(mirror), max(ZERO, -mirror.ahead))
            mirror.ahead, mirror.rejected, mirror.lost_qty = mirror.ahead + gone, ZERO, ZERO
            line.target -= mirror.sign * gone
            if mirror.order is None and mirror.ahead <= 0:
                self._over(line, mirror, now_ns)

    def _stopped(self, line: Line, mirror: Mirror) -> None:
        """0017, 7: "What the leader fills while a stop cancels opens is given up"; it lasts until the cancel
        is answered, and where there is no order until the last stop is released."""
        stops = self._level(line) >= CLOSE_ONLY
        mirror.stopped = mirror.stopped or stops
        if mirror.stopped and mirror.order is None and mirror.ahead < 0:
            self.reached["given up in a stop"] += 1
            line.target += mirror.sign * mirror.ahead
            mirror.ahead = ZERO
        order = mirror.order
        canceled = order is not None and order.asked is not None and order.asked.qty is None
        again = canceled if order else self._level(line) > 0
        mirror.stopped = stops or (mirror.stopped and again)

    def _closes_ahead(self, line: Line, sign: int) -> None:
        """What was closed stays closed (0017, 2): the share of each is of the target and of what opens are
        ahead by. What is beyond is taken off those, and off the target, by as much as it ever would be: so
        much that each has just closed its share of what is left."""
        mine = [m for m in line.mirrors if m.sign == sign and m.ahead > 0 and line.closing(m)]
        opens = [m for m in line.mirrors if m.sign == -sign and m.ahead > 0 and not line.closing(m)]
        held = max(ZERO, -sign * line.target)
        whole = held + sum((m.ahead for m in opens), ZERO)
        down = self._beyond(mine, whole)
        for mirror in mine:
            most = self._share(mirror) * (whole - down)
            self.reached["a close stays closed"] += mirror.ahead > most
            mirror.ahead = min(mirror.ahead, most)
        for other in reversed(opens):
            taken = min(down, other.ahead)
            other.ahead, other.rejected, down = other.ahead - taken, other.rejected + taken, down - taken
        line.target += sign * min(down, held)

    def _beyond(self, closes: list[Mirror], whole: Fraction) -> Fraction:
        """By how much `whole` comes down, so that none of them is ahead by more than its share of it. One of
        the whole position takes nothing: what it closed beyond the target was rounding's."""
        shares, ahead, down = ZERO, ZERO, ZERO
        rest = [m for m in closes if self._share(m) < 1]
        while over := [m for m in rest if m.ahead > self._share(m) * (whole - down)]:
            rest = [m for m in rest if m.ahead <= self._share(m) * (whole - down)]
            shares += sum((self._share(m) for m in over), ZERO)
            ahead += sum((m.ahead for m in over), ZERO)
            if shares >= 1:
                break
            down = min(whole, (ahead - shares * whole) / (1 - shares))
        return down

    def _share(self, mirror: Mirror) -> Fraction:
        """Of the leader's position, what his order may still close."""
        return min(Fraction(1), mirror.theirs.left / abs(self.position)) if self._closes_now(mirror) else ZERO

    def _turned(self, line: Line) -> None:
        """0017, 5: two alternatives that both fill turn the account; that is closed again at once. "Together
        they are ahead by no more than there was to close"."""
        opened = line.opened
        room = abs(opened)
        for mirror in line.mirrors:
            if not line.closing(mirror) or mirror.sign == sign_of(opened) or mirror.ahead <= 0:
                continue
            self.reached["turned"] += mirror.ahead > room
            mirror.ahead = min(mirror.ahead, room)
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

    def _may_close(self, mirror: Mirror) -> bool:
        """0017, 4 and 6: it closes, or its order was placed when it did."""
        placed = mirror.order is not None and not mirror.order.opens
        return mirror.closes or self._closes_now(mirror) or placed

    def _work(self, line: Line, now_ns: int) -> None:
        """02 step 3 of what has no mirror; 0017, 4: what a live closing mirror may fill is left to it."""
        need = line.wanted - line.filled
        self._withdraw(line, need, now_ns)
        closing = min(abs(line.filled), abs(need)) if sign_of(need) == -sign_of(line.filled) else ZERO
        self.reached["a close held by a halt"] += closing > 0 and self._level(line) == HALT
        if closing and now_ns >= line.pause_until_ns and self._level(line) != HALT:
            # "An open of a flip works the same way, and never stands in for the close."
            room = abs(need) - working(line, sign_of(need))
            self._close(line, sign_of(need), min(closing - closes_at_work(line, sign_of(need)), room), now_ns)
        self._open(line, sign_of(need), abs(need) - closing)

    def _withdraw(self, line: Line, need: Fraction, now_ns: int) -> None:
        """02 step 3 (a): what works against `need`, or beyond it, is cancelled; the newest first."""
        reduces = sign_of(need) == -sign_of(line.filled)
        left = self._left(line, sign_of(need)) if reduces else ZERO
        most = min(abs(need), abs(line.filled) - left) if left else abs(need)
        beyond = working(line, sign_of(need)) - max(ZERO, most)
        for order in reversed(line.plain):
            against = order.sign != sign_of(need)
            stopped = order.opens and self._level(line) >= CLOSE_ONLY
            if (against or beyond > 0 or stopped) and not order.asked and now_ns >= order.pause_until_ns:
                order.asked = Ask(order.number, line.name)
                self._said.append(order.asked)
            if not against:
                beyond -= order.leaves

    def _left(self, line: Line, sign: int) -> Fraction:
        """What live closing mirrors may still fill: alternatives, so the largest."""
        closers = (m for m in line.mirrors if self._may_close(m))
        return max((may_fill(m) for m in closers if m.sign == sign), default=ZERO)

    def _close(self, line: Line, sign: int, qty: Fraction, now_ns: int) -> None:
        """02 step 3 (b); 0017, 4: what a live closing mirror may still fill is left to it."""
        free = abs(line.filled) - closes_at_work(line, sign) - self._left(line, sign)
        closers = [m for m in line.mirrors if m.sign == sign and self._may_close(m)]
        over = [may_fill(m) - self._kept(line, m, now_ns) for m in closers if m.order]
        now = min(free, qty - max([ZERO, *over]))
        if now > 0:
            line.plain.append(self._place(line, sign, now, Terms("market"), ""))
            self.reached["closed at the market"] += 1
        elif qty > 0:
            self.reached["a close waits for its mirror"] += 1

    def _open(self, line: Line, sign: int, qty: Fraction) -> None:
        """02 step 3 (c): histories are shorter than `max_age_ms`, so nothing is stale."""
        to_close = max(ZERO, -sign * line.filled - closes_at_work(line, sign))
        qty += max(ZERO, -sign * line.filled) - working(line, sign) - to_close
        against = working(line, -sign) or any(o.asked for o in line.plain)
        left = self._left(line, sign) if sign_of(line.filled) == -sign else ZERO
        waits = against or to_close or left  # 0017, 4: what a mirror may still close is left to it
        if qty > 0 and (not line.increased or (self._level(line) and not waits)):
            # (c): "only if a leader increase ... caused it"; it is lost like any refusal
            self._refused(line, sign, min(qty, line.asked + line.waited) if line.asked else qty)
        elif qty > 0 and not waits:
            left = allowed(line, sign, qty, is_new=True)
            if left:
                order = self._place(line, sign, left, Terms("market"), "")
                order.opens = True
                line.plain.append(order)
                self.reached["opened at the market"] += 1
            if left < qty:
                lost = qty - left
                self._refused(line, sign, min(lost, line.asked + line.waited) if line.asked else lost)
            waits = ZERO
        line.asked, line.waited = ZERO, max(ZERO, qty) if waits else ZERO

    def _refused(self, line: Line, sign: int, lost: Fraction) -> None:
        """02 step 4: "For a refusal or clip m = min(unsent, size)"; parts that are a lot together go too."""
        line.declined = True
        side = sign_of(line.target)
        if side == sign:
            line.target -= sign * min(lost, max(ZERO, sign * line.moved))
            more = sign * (line.wanted - line.filled) - working(line, sign)
            line.target -= sign * min(max(ZERO, more), max(ZERO, sign * line.moved))

    def _rest(self, mirror: Mirror) -> Fraction:
        return ZERO if mirror.lost else max(ZERO, mirror.opening - mirror.ahead - mirror.rejected)

    def _turned_open(self, mirror: Mirror) -> bool:
        """0017, 6: "A close that would open by now is cancelled and placed anew"."""
        opens = not mirror.closes and not self._closes_now(mirror)
        return bool(mirror.order and opens and not mirror.order.opens)

    def _kept(self, line: Line, mirror: Mirror, now_ns: int) -> Fraction:
        """What of its order is not taken back: "the close follows the broker's answer" (0017, 4), also to the
        end of one that opens by now."""
        return ZERO if self._turned_open(mirror) else self._units(line, mirror, now_ns)

    def _units(self, line: Line, mirror: Mirror, now_ns: int) -> Fraction:
        """What its order is to have open."""
        if mirror.closes or self._closes_now(mirror):
            return self._close_units(line, mirror)
        if self._late(line, mirror, now_ns) or self._level(line) >= CLOSE_ONLY:
            return ZERO
        if mirror.stopped and self._level(line):
            return ZERO  # what a stop has cancelled waits for the end of the last one
        return whole(self._rest(mirror))

    def _close_units(self, line: Line, mirror: Mirror) -> Fraction:
        """how-to: "what the follower holds, times the share that the leader's order has of his position";
        alternatives, each of the whole (0017, 5)."""
        if mirror.lost or not self._closes_now(mirror) or sign_of(line.filled) != -mirror.sign:
            return ZERO
        closers = [m for m in line.mirrors if self._closes_now(m)]
        base = abs(line.filled) + sum((m.ahead for m in closers), ZERO)
        all_of_it = base * min(Fraction(1), mirror.theirs.left / abs(self.position))
        held = abs(line.filled)
        need = max(ZERO, held - max(ZERO, -mirror.sign * line.wanted))
        room = held - max(need, working(line, mirror.sign))
        # 0017, 5: of one that ended at the leader, and is not asked to go yet, what it protects is protected.
        open_now = mirror.order.leaves if mirror.order else ZERO
        return whole(min(all_of_it - mirror.ahead, room, max(room - not_asked_to_go(line, mirror), open_now)))

    def _work_mirror(self, line: Line, mirror: Mirror, now_ns: int) -> None:
        order = mirror.order
        if order and (order.asked or not order.known or now_ns < order.pause_until_ns):
            return
        units = self._units(line, mirror, now_ns)
        opens, turned = not line.closing(mirror), self._turned_open(mirror)
        anew = turned or bool(order and (order.irreplaceable or not line.rule.replaces))
        if opens:
            # what is cancelled and placed anew is asked about when it is placed
            units = units if anew else self._allowed(line, mirror, units)
        elif self._level(line) == HALT:
            return  # "`halt` leaves it as it is"
        if order is None:
            if units:
                terms = self._terms(line, mirror)
                tif = "" if terms.kind == "market" else mirror.theirs.tif
                mirror.order = self._place(line, mirror.sign, units, terms, tif)
                mirror.order.opens = opens
            return
        terms = self._terms(line, mirror)
        if units == order.leaves and terms == order.terms and not turned:
            return
        if units and not anew:
            order.asked = Ask(order.number, line.name, order.cum + units, terms)
        else:
            order.asked = Ask(order.number, line.name)
        self._said.append(order.asked)
        self.reached["a close was cut"] += mirror.closes and units < order.leaves

    def _allowed(self, line: Line, mirror: Mirror, units: Fraction) -> Fraction:
        """0017, 7: "All checks of an open apply when a mirror is placed or grows"; what they refuse is not
        asked for again."""
        has = mirror.order.leaves if mirror.order else ZERO
        more = units - has
        if more <= 0:
            return units
        left = ZERO if self._level(line) else allowed(line, mirror.sign, more, mirror.order is None)
        self.reached["a mirror was refused"] += left < more
        mirror.rejected += more - left
        return has + left

    def _terms(self, line: Line, mirror: Mirror) -> Terms:
        """how-to: prices times `price_factor` on the tick: limits never worse, stops away from the market."""
        terms, buys = mirror.theirs.terms, mirror.sign > 0
        kind, px, stop_px = terms.kind, terms.px, terms.stop_px
        multiplier = Fraction(line.rule.stop_multiplier)
        if stop_px is not None and self._closes_now(mirror) and self._entry is not None:
            moved = self._entry + (stop_px - self._entry) * multiplier
            px, stop_px = (None if px is None else px + moved - stop_px), moved
        if line.rule.reverse and kind != "market":
            # where the leader's stop is triggered the other side has its limit
            kind, px, stop_px = ("stop", None, px) if kind == "limit" else ("limit", stop_px, None)
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


def closes_at_work(line: Line, sign: int) -> Fraction:
    """Leaves of closes of one side that mirror nothing."""
    return sum((o.leaves for o in line.plain if o.sign == sign and not o.opens), ZERO)
