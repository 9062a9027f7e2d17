"""Who comes, goes and is set anew while something is held; and splits, rolls and give-ups (02 "Joining",
"Leaving", step 4; ADR 0016; the page about bringing a follower in and out)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction

from tests.model.lots import AMOUNT_MODES, Refused, desired
from tests.model.past import CONFIGURED, grown
from tests.model.reference import Model
from tests.model.stops import Stops
from tests.model.terms import (
    ZERO,
    Action,
    Follower,
    LeaderOrder,
    Line,
    New,
    Report,
    Sized,
    Subscription,
    sign_of,
)

KEEP, CLOSE_NOW, CLOSE_WITH_LEADER = "keep", "close_now", "close_with_leader"


class Leaving(Stops):
    """Stops, and who is on the way out, by which rule."""

    def __init__(self) -> None:
        super().__init__()
        self.rules: dict[str, str] = {}

    def refusal(self, line: Line) -> str | None:
        """ "The order of the checks": `kill`; `paused`; `leaving`."""
        return super().refusal(line) or ("leaving" if line.subscription.name in self.rules else None)


class LivingModel(Model):
    """A model whose subscriptions come and go."""

    def __init__(self, *told: object) -> None:
        super().__init__(*told)  # type: ignore[arg-type]
        self._stops: Leaving = Leaving()
        self.commands_refused = 0
        """Commands of persons that changed nothing."""
        self._holds: set[tuple[str, str]] = set()
        """Leaders' instruments that a person has to look at: no opens, "now or later"."""
        self._unquoted: set[tuple[str, str]] = set()
        """Lines that were set anew without a fresh quote, since the leader's last trade."""
        self._first: dict[tuple[str, str], int] = {}
        """Lines in the order in which something first happened to them."""
        self._file_leaves: dict[str, str] = {}
        """What the file said last about leaving, by subscription."""

    def kept(self, line: Line) -> bool:
        """It left with its position, which is nobody's but the account's."""
        return self._stops.rules.get(line.subscription.name) == KEEP

    def leaving_rules(self) -> dict[str, str]:
        """Who is on the way out, by which rule."""
        return self._stops.rules

    # Persons.

    def pause(self, subscription: str, level: int, now_ns: int) -> list[Action]:
        """Who leaves has nothing to be paused; leaving ends a pause."""
        if subscription in self._stops.rules:
            self._refused("pause of who leaves")
            return self.tick(now_ns)
        return super().pause(subscription, level, now_ns)

    def leave(self, name: str, rule: str, now_ns: int) -> list[Action]:
        """A subscription opens nothing any more, and what it holds goes by the rule."""
        self.watch.begin(now_ns)
        self._leaves(name, rule, now_ns)
        return self._settled(now_ns)

    def join(self, name: str, joining: str, now_ns: int) -> list[Action]:
        """Who was leaving copies again, "except with a position that was kept"."""
        self.watch.begin(now_ns)
        if any(self.kept(line) and (line.filled or line.orders) for line in self._of(name)):
            self._refused("join of what was kept")
            return self._settled(now_ns)
        self._stops.rules.pop(name, None)
        self.reached[f"join back, {joining}"] += 1
        if joining == "target":
            self._set_anew(name, now_ns)
        return self._settled(now_ns)

    def resync(self, name: str, now_ns: int) -> list[Action]:
        """ "Every target becomes what the leader's position is worth now, as if the subscription joined"."""
        self.watch.begin(now_ns)
        if name in self._stops.rules:
            self._refused("resync of who leaves")
        else:
            self._set_anew(name, now_ns)
        return self._settled(now_ns)

    def split(
        self, leader: str, instrument: str, factor: Fraction, excepted: list[str], now_ns: int
    ) -> list[Action]:
        """`adjust --factor`: "position, target and filled move alike"; nothing is opened by it."""
        self.watch.begin(now_ns)
        lines = self._copies(leader, instrument)
        scaled = [o for o in lines if o.subscription.follower not in excepted]
        why = "split while orders work" if any(line.orders or line.windows for line in lines) else None
        scaled_units = [self.positions.get((leader, instrument), ZERO), *(line.filled for line in scaled)]
        if not all(is_decimal(units * factor) for units in scaled_units):
            why = "a split that is not exact"
        if why:
            self._refused(why)
            return self._settled(now_ns)
        self._moves(leader, instrument, lambda p: p * factor)
        for line in scaled:
            line.target, line.filled = line.target * factor, line.filled * factor
        self._forget_prices(instrument, scaled)
        self.reached["split" if factor > 1 else "split the other way"] += any(o.filled for o in scaled)
        for line in scaled:
            # "Whole lots that only rescaling made are given up (step 4)."
            self._unmake(line)
            self._work(line, now_ns)
        return self._settled(now_ns)

    def _unmake(self, line: Line) -> None:
        side = sign_of(line.target)
        made = max(ZERO, side * (desired(line) - line.committed))
        made = made if made >= line.instrument.least else ZERO
        line.open_until_ns = 0
        self.reached["lots that a split made"] += made > 0
        line.target -= side * min(made, abs(line.target))

    def moved_to(
        self, leader: str, instrument: str, position: Fraction, rescale: bool, now_ns: int
    ) -> list[Action]:
        """`adjust --position`: P moves; with `rescaled` "targets come nearer to zero by its share"."""
        self.watch.begin(now_ns)
        lines, was = self._copies(leader, instrument), self.positions.get((leader, instrument), ZERO)
        why = self._unmovable(lines, was, position, rescale)
        if why:
            self._refused(why)
            return self._settled(now_ns)
        self._moves(leader, instrument, lambda _: position)
        if rescale:
            self.reached["given up with targets" if position else "expired"] += any(o.target for o in lines)
            for line in lines:
                line.target *= position / was if was else 1
                if not line.target:
                    line.flatten()
                self._work(line, now_ns)
        else:
            self.reached["a position alone"] += 1
        return self._settled(now_ns)

    def _unmovable(self, lines: list[Line], was: Fraction, position: Fraction, rescale: bool) -> str | None:
        if any(line.orders or line.windows for line in lines):
            return "position while orders work"
        if rescale:
            grows = abs(position) > abs(was) or (position and sign_of(position) != sign_of(was))
            return "targets would grow" if grows else None
        for line in lines:
            copies = -1 if line.subscription.reverse else 1
            if not self.kept(line) and line.target and sign_of(line.target) != copies * sign_of(position):
                return "nobody would close it"
        return None

    # A start of the core with another file.

    def restart(
        self,
        followers: list[Follower],
        subscriptions: list[Subscription],
        more: list[Line],
        joining: dict[str, str],
        leaving: dict[str, str],
        now_ns: int,
    ) -> list[Action]:
        """Ratios, limits and factors of the file bind what opens from now on; names that are new begin; "the
        file's word is followed once, when it is new"."""
        self.watch.begin(now_ns)
        self._followers = {f.name: f for f in followers}
        named = {s.name: s for s in subscriptions}
        for line in self.lines:
            line.subscription = named[line.subscription.name]
            line.mapping = line.subscription.symbols[line.leader_instrument.name]
            if line.subscription.mode in CONFIGURED:
                # "k changes at once"; ratios of values and amounts are the order's.
                for sized in line.sized.values():
                    sized.rate = None
        for line in more:
            line.held = (line.subscription.leader, line.leader_instrument.name) in self._holds
        self.lines += more
        for name, rule in leaving.items():
            if self._file_leaves.get(name) != rule:
                self._file_leaves[name] = rule
                self._leaves(name, rule, now_ns)
        for name in dict.fromkeys(line.subscription.name for line in more):
            self.reached[f"new, {joining.get(name, 'flat')}"] += any(map(self.position_of, self._of(name)))
            if joining.get(name) == "target" and name not in self._stops.rules:
                self._set_anew(name, now_ns)
        # What waits for its line goes out in turn: closes, requests, opens.
        return sorted(self._settled(now_ns), key=_turn)

    def may_start(self, subscriptions: list[Subscription]) -> bool:
        """ "`reverse`, the symbols of the map, the sizing mode, filters and accounts may not" change while
        something is held."""
        named = {s.name: s for s in subscriptions}
        for line in self.lines:
            was, now = line.subscription, named[line.subscription.name]
            fixed = (was.reverse, was.mode, was.filters) == (now.reverse, now.mode, now.filters)
            if not fixed and not self.kept(line) and (line.target or line.filled or line.orders):
                self.reached["start refused"] += 1
                return False
        return True

    # How.

    def _leaves(self, name: str, rule: str, now_ns: int) -> None:
        self._stops.rules[name] = rule
        self._stops.pauses.pop(name, None)
        for line in self._of(name):
            self.reached[f"leaves, {rule}"] += bool(line.filled)
            self.reached[f"leaves with an open working, {rule}"] += any(o.opens for o in line.orders)
            self.reached[f"leaves with a close working, {rule}"] += any(not o.opens for o in line.orders)
            self._cancel_opens(line, now_ns)
            if rule == CLOSE_NOW:
                line.flatten()
            self._work(line, now_ns)

    def _set_anew(self, name: str, now_ns: int) -> None:
        for line in self.lines:
            if line.subscription.name == name:
                self._anew(line, now_ns)

    def _anew(self, line: Line, now_ns: int) -> None:
        """ "The leader's position counts as one order that he fills now"; "what cannot be sized changes
        nothing"."""
        self._first.setdefault(line.key, len(self._first))
        position, had = self.position_of(line), line.target
        wanted = self._worth(line, position, now_ns)
        if wanted is None:
            return
        line.target = wanted
        line.pause_until_ns = 0
        if not wanted:
            line.flatten()
            self.reached["set anew, flat"] += bool(had)
        else:
            self.reached["set anew while held"] += line.held
            self.reached["set anew, more"] += abs(wanted) > abs(had)
            self.reached["set anew, less"] += abs(wanted) < abs(had)
            self.reached["set anew, other side"] += sign_of(wanted) == -sign_of(had)
            quote = self._values.quotes.newest(line.leader_instrument.name)
            self._unquoted.add(line.key)
            if quote and now_ns - quote.at_ns <= line.subscription.max_age_ns:
                line.leader_px = quote.middle
                self._unquoted.remove(line.key)
            more = abs(wanted) - max(ZERO, sign_of(wanted) * had)
            if more > 0:
                grown(line, sign_of(wanted), more, now_ns)
        self._work(line, now_ns)
        line.asked, line.asked_until_ns = ZERO, 0

    def _worth(self, line: Line, position: Fraction, now_ns: int) -> Fraction | None:
        """Signed units of the follower; None: it cannot be sized, and the refusal is counted."""
        if not position:
            return ZERO
        rule, units = line.subscription, abs(position)
        order = LeaderOrder(ZERO, units)
        r = Report(
            rule.leader, line.leader_instrument.name, "", "", "trade", sign_of(position), units, units, units,
            None, now_ns,
        )  # fmt: skip
        why = rule.filters.leave_out(r, order)
        try:
            if why:
                self.reached[f"set anew, filtered: {why}"] += 1
                raise Refused("filtered")
            size = self._values.size(line, Sized(), units, units, units, now_ns)
        except Refused as code:
            if why not in ("instrument", "side"):  # nobody asked for these
                self.refusals[str(code)] += 1
            self.reached[f"set anew, refused: {code}"] += 1
            return None
        return sign_of(position) * (-1 if rule.reverse else 1) * size

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
        """What a leader adds is nothing to who leaves: "later ones refused with the code `leaving`"."""
        if line.subscription.name not in self._stops.rules:
            return super()._increase(line, r, order, qty, since_ns, cum_qty, now_ns)
        if not self.kept(line):
            self.refusals["leaving"] += 1
            self.reached["increase while leaving"] += 1
        # "Refused parts count as sized", also for who comes back.
        sized = self._values.sized(line, r.order, order, r.transact_ns or now_ns)
        if line.subscription.mode in AMOUNT_MODES:
            with suppress(Refused):
                self._values.size(line, sized, qty, order.order_qty, cum_qty, now_ns)
        return ZERO

    def _taken_back(self, r: Report, order: LeaderOrder, now_ns: int) -> None:
        was = self.positions.get((r.leader, r.instrument), ZERO)
        super()._taken_back(r, order, now_ns)
        if self.positions.get((r.leader, r.instrument), ZERO) != was:
            self._holds.add((r.leader, r.instrument))
            kept = sum(self.kept(line) for line in self._copies(r.leader, r.instrument))
            if kept:
                self.refusals["leaving"] += kept

    def restated(self, leader: str, instrument: str, now_ns: int) -> list[Action]:
        """ "A restatement by a corporate action (378=0) is an alert, and opens on the instrument wait"."""
        self.watch.begin(now_ns)
        self._holds.add((leader, instrument))
        for line in self._copies(leader, instrument):
            line.held = True
        return self._settled(now_ns)

    def bust_resume(self, leader: str, now_ns: int) -> list[Action]:
        """A person lets opens of a leader go on."""
        self._holds = {held for held in self._holds if held[0] != leader}
        return super().bust_resume(leader, now_ns)

    def _moved(
        self, r: Report, order: LeaderOrder, delta: Fraction, before_ns: int | None, now_ns: int
    ) -> None:
        """What was kept "follows no close of its leader, and says `leaving`"."""
        kept = [line for line in self._copies(r.leader, r.instrument) if self.kept(line)]
        if kept:
            self.refusals["leaving"] += len(kept)
            self.reached["a leader trades what was kept"] += any(line.filled for line in kept)
        for line in self._copies(r.leader, r.instrument):
            self._first.setdefault(line.key, len(self._first))
            self._unquoted.discard(line.key)
        super()._moved(r, order, delta, before_ns, now_ns)

    def _work(self, line: Line, now_ns: int, newest_ns: int | None = None) -> None:
        """What is kept: "T follows `filled`, not the leader"; no close goes out for it."""
        if not self.kept(line):
            super()._work(line, now_ns, newest_ns)
            return
        line.target, line.windows, line.needless = line.filled, [], []

    def _enter(self, line: Line, side: int, qty: Fraction, now_ns: int) -> Fraction:
        """A limit open that no price is known for is refused: "there is no trade to compare a price with"."""
        known = line.leader_px is not None and line.key not in self._unquoted
        if line.subscription.slippage_bps is None or known:
            return super()._enter(line, side, qty, now_ns)
        self.refusals["no_quote"] += 1
        self.reached["a limit open without a price"] += 1
        line.windows = []
        return ZERO

    def _forget_prices(self, instrument: str, lines: list[Line]) -> None:
        """ "Quotes and prices of before are forgotten", but those of a broker who rescales nothing."""
        self._values.quotes.told.pop(instrument, None)
        for line in lines:
            line.leader_px = None
            self._values.quotes.told.pop(line.instrument.name, None)

    def _moves(self, leader: str, instrument: str, to: Callable[[Fraction], Fraction]) -> None:
        was = self.positions.get((leader, instrument), ZERO)
        self.positions[leader, instrument] = to(was)

    def _of(self, name: str) -> list[Line]:
        """In the order in which the leader first traded them, then as the file has them."""
        mine = [line for line in self.lines if line.subscription.name == name]
        return sorted(mine, key=lambda line: self._first.get(line.key, len(self._first)))

    def _copies(self, leader: str, instrument: str) -> list[Line]:
        return [
            o for o in self.lines if (o.subscription.leader, o.leader_instrument.name) == (leader, instrument)
        ]

    def _refused(self, why: str) -> None:
        self.commands_refused += 1
        self.reached[f"refused: {why}"] += 1


def _turn(action: Action) -> int:
    if isinstance(action, New):
        return 2 if action.opens else 0
    return 1


def left(line: Line, rule: str) -> bool:
    """Whether a line that leaves has nothing left to do."""
    return not line.orders and (rule == KEEP or not (line.filled or line.target))


def is_decimal(value: Fraction) -> bool:
    """Whether it has a decimal text: "10 x 1/3 is refused, because a broker rounds it"."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1
