"""Equity guards: what an account or a subscription is worth, and which of its rules have stopped it (03,
ADR 0013, the page about protecting a follower)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from tests.model.guard_terms import GuardRule, Guards
from tests.model.periods import begins_ns, day_of, first_day, is_plain
from tests.model.terms import MS, USD, ZERO, Line, sign_of
from tests.model.values import Values

Price = tuple[Fraction, int]
"""What a unit costs, and since when that is known."""
Part = tuple[Fraction, Fraction]
"""Signed units at a price."""


@dataclass
class Holding:
    """What one line of an account holds, and what that cost."""

    line: Line
    units: Fraction = ZERO
    cost: Fraction = ZERO
    """Average price of a unit."""
    realised: Fraction = ZERO
    px: Price | None = None
    """Of the newest fill."""
    waits_ns: int | None = None
    """What is held is in an account value of then, at a price that nobody told."""
    newest: int = -1
    """The number of the fill that the price is of."""
    unknown: bool = False
    """Nobody can tell what it has won until the next equity."""

    def begin(self, px: Fraction) -> None:
        """From now on what is held costs what it is worth, and nothing was earned."""
        self.cost, self.realised, self.waits_ns = px, ZERO, None

    def amend(self, number: int, was: Part, now: Part) -> None:
        """A fill of signed units at a price was another one (ADR 0032): "takes back what was booked at its
        old price and books what holds now at its new one"."""
        if self.waits_ns is not None:
            # "A correction makes the account's worth unknown, as a bust does, until the next equity."
            self.unknown, self.units = True, self.units - was[0] + now[0]
        elif now[0] and sign_of(self.units) == sign_of(was[0]) and abs(self.units) >= abs(was[0]):
            # "As long as everything that the fill bought can be held still, only the cost changes."
            of, left = self.line.instrument, self.units - was[0] + now[0]
            paid = self.units * of.worth(self.cost) - was[0] * of.worth(was[1]) + now[0] * of.worth(now[1])
            self.cost, self.units = of.worth(paid / left), left
        else:
            # "Else it is a sale and a purchase"; a bust is a sale at the price of its fill.
            self._trade(-was[0], was[1])
            self._trade(*now)
        if self.px and self.newest == number and now[0]:
            self.px = (now[1], self.px[1])  # "its corrected price takes its place"

    def fill(self, units: Fraction, px: Fraction, number: int, now_ns: int) -> None:
        """Signed units at a price, "by average cost"; what waits for a price begins at this one."""
        if self.waits_ns is not None:
            self.begin(px)
        self._trade(units, px)
        self.px, self.newest = (px, now_ns), number

    def _trade(self, units: Fraction, px: Fraction) -> None:
        if not units:
            return
        against = sign_of(units) == -sign_of(self.units)
        closed = min(abs(units), abs(self.units)) if against else ZERO
        of, left = self.line.instrument, self.units + units
        if closed:
            self.realised += of.won(sign_of(self.units) * closed, self.cost, px)
        if not self.units or (closed and abs(units) > closed):
            self.cost = px
        elif not closed:
            self.cost = of.entry(self.units, self.cost, units, px)
        self.units = left


@dataclass
class Guard:
    """The guards of one account; or of one subscription, whose worth is what its own orders won."""

    guards: Guards
    values: Values
    reached: Counter[str]
    currency: str = USD
    """Of the account."""
    worth: Fraction | None = None
    """The account value that counts; None before the first. A subscription begins with 0."""
    by_equity: bool = False
    """That value is an equity, which has what is held in it; else a balance, which has not."""
    holdings: dict[tuple[str, str], Holding] = field(default_factory=dict)
    bases: dict[GuardRule, Fraction] = field(default_factory=dict)
    over: set[GuardRule] = field(default_factory=set)
    """Rules whose base is of a period that is over: nobody knew what it was worth when the next one began."""
    tripped: list[GuardRule] = field(default_factory=list)
    """Rules that have stopped it, in the order in which they did."""
    seen_ns: int = 0
    """When a new period was looked for."""

    # What is told.

    def told(self, kind: str, amount: Fraction, now_ns: int) -> bool:
        """An account value; whether it counts. "A balance counts while nothing is held", and where a balance
        is what counts; it keeps the costs. "With a new equity all positions begin anew"."""
        held = any(h.units for h in self.holdings.values())
        if kind not in ("equity", "balance") or (kind == "balance" and held and self.by_equity):
            return False
        self.worth, self.by_equity = amount, kind == "equity"
        for holding in self.holdings.values():
            quoted = self.fresh(holding, now_ns)
            # An equity has all of it in it; a balance too, where nothing is held.
            holding.unknown = holding.unknown and kind == "balance" and held
            if kind == "balance" and held:
                holding.realised = ZERO
            elif quoted or not holding.units:
                holding.begin(quoted[0] if quoted else ZERO)
            else:
                holding.realised, holding.waits_ns = ZERO, now_ns
                self.reached["held without a price at a new equity"] += 1
        return True

    def paid(self, amount: Fraction) -> None:
        """ "Moves the value and every base by the same amount"."""
        if self.worth is not None:
            self.worth += amount
            self.bases = {rule: base + amount for rule, base in self.bases.items()}
            self.reached["deposit"] += 1

    def filled(self, line: Line, units: Fraction, px: Fraction, number: int, now_ns: int) -> None:
        """An order of ours filled, signed units; the number of the fill."""
        self.holdings.setdefault(line.key, Holding(line)).fill(units, px, number, now_ns)

    def amended(self, line: Line, number: int, was: Part, now: Part) -> None:
        """A fill was of other signed units, at another price."""
        holding = self.holdings[line.key]
        kept = holding.waits_ns is None and now[0] and was[1] != now[1] and self.worth is not None
        kept = kept and sign_of(holding.units) == sign_of(was[0]) and abs(holding.units) >= abs(was[0])
        self.reached["another price of what is held"] += bool(kept)
        holding.amend(number, was, now)
        self.reached["amended while worth waits"] += self.holdings[line.key].unknown
        self.reached["amended while stopped"] += bool(self.tripped)
        self.reached["amended after all was closed"] += self.closing and not self.holdings[line.key].units

    # What it is worth.

    def quoted(self, holding: Holding) -> Price | None:
        """The newest quote, of the follower's instrument or of the leader's."""
        found = [one for one, _ in self.values.all_quotes(holding.line)]
        quote = max(found, key=lambda one: one.at_ns, default=None)
        # "Longs at the bid, shorts at the ask": what closing would bring.
        return (quote.of(-sign_of(holding.units)), quote.at_ns) if quote else None

    def fresh(self, holding: Holding, now_ns: int) -> Price | None:
        """A quote that is not older than `max_age_ms`."""
        quoted = self.quoted(holding)
        return quoted if quoted and quoted[1] >= now_ns - self.guards.max_age_ms * MS else None

    def mark(self, holding: Holding, now_ns: int) -> Price:
        """ "Without a fresh one, the newest price that is known is used, fills included"."""
        known = [one for one in (self.quoted(holding), holding.px) if one]
        return self.fresh(holding, now_ns) or max(known, key=lambda one: one[1])

    def equity(self, now_ns: int) -> Fraction | None:
        """By what is known, however old; None before the first account value."""
        if self.worth is None or any(h.unknown for h in self.holdings.values()):
            return None
        equity = self.worth
        for holding in [h for h in self.holdings.values() if h.waits_ns is None]:
            rate, won = self.rate(holding), self.won(holding, now_ns)
            if won and rate is None:
                return None
            equity += won * rate[0] if rate else ZERO
        return equity

    def won(self, holding: Holding, now_ns: int) -> Fraction:
        """Realised and open, in the currency of the instrument."""
        if not holding.units:
            return holding.realised
        px, _ = self.mark(holding, now_ns)
        return holding.realised + holding.line.instrument.won(holding.units, holding.cost, px)

    def rate(self, holding: Holding) -> Price | None:
        """What its instrument's currency is in the account's, and since when that is known."""
        return self.values.quotes.rate(holding.line.instrument.currency, self.currency)

    def known(self, now_ns: int) -> Fraction | None:
        """The same where opens may go by it: what is held has a fresh price, or is in a fresh value."""
        oldest_ns = now_ns - self.guards.max_age_ms * MS
        held = [h for h in self.holdings.values() if h.units]
        ages_ns = [self.mark(h, now_ns)[1] if h.waits_ns is None else h.waits_ns for h in held]
        # What was won has to be converted also when nothing is held any more.
        counted = [h for h in self.holdings.values() if h.waits_ns is None and self.won(h, now_ns)]
        rates = [self.rate(h) for h in counted]
        old = any(rate is None or rate[1] < oldest_ns for rate in rates)
        self.reached["worth is unknown by a rate"] += old
        return None if old or any(at_ns < oldest_ns for at_ns in ages_ns) else self.equity(now_ns)

    # What stops it.

    def roll(self, now_ns: int) -> bool:
        """New days, weeks and months: measures begin with what it was worth when the period began."""
        g, was_ns = self.guards, self.seen_ns
        self.seen_ns = now_ns
        if not was_ns:
            return False
        was, day = (day_of(at_ns, g.zone, g.begins_s) for at_ns in (was_ns, now_ns))
        rolled = False
        for rule in g.rules:
            first = first_day(day, rule.spans)
            if first_day(was, rule.spans) == first or rule not in self.bases:
                continue
            equity = self.equity(begins_ns(first, g.zone, g.begins_s))
            if equity is None:
                self.over.add(rule)  # it begins with the first one that is known
                self.reached["a period that begins with an unknown worth"] += 1
            else:
                self.bases[rule] = equity
                self.over.discard(rule)
            rolled = True
            self.reached[f"new {rule.spans}"] += 1
            self.reached["new period, clock changed"] += not is_plain(was, g.zone, g.begins_s)
            if rule.auto_reset and rule in self.tripped:
                self.tripped.remove(rule)
                self.reached["released by a new period"] += 1
        return rolled

    def breached(self, equity: Fraction) -> list[GuardRule]:
        """Moves the bases; rules whose floor is reached."""
        for rule in self.guards.rules:
            base = equity if rule in self.over else self.bases.setdefault(rule, equity)
            self.over.discard(rule)
            self.bases[rule] = max(base, equity) if rule.climbs else base
        return [rule for rule in self.guards.rules if equity <= rule.floor(self.bases[rule])]

    def judge(self, now_ns: int) -> bool:
        """Values it by what is known; whether all of it has to be closed now."""
        for holding in self.holdings.values():
            quoted = self.quoted(holding)
            if holding.waits_ns is not None and quoted and quoted[1] > holding.waits_ns:
                holding.begin(quoted[0])
        equity = self.equity(now_ns)
        if equity is None:
            return False
        closing = self.closing
        for rule in self.breached(equity):
            if rule not in self.tripped:
                self.tripped.append(rule)
                self.reached[rule.code] += 1
        return self.closing and not closing

    @property
    def closing(self) -> bool:
        """Stopped by a rule that closes."""
        return any(rule.close_all for rule in self.tripped)

    def release(self) -> bool:
        """ "A release by a person begins all measures anew"."""
        if not self.tripped:
            return False
        self.reached["released by a person"] += 1
        self.tripped, self.bases, self.over = [], {}, set()
        return True

    def floor(self) -> Fraction | None:
        """The highest of its rules; None before the first equity."""
        return max((rule.floor(base) for rule, base in self.bases.items()), default=None)

    def stops(self) -> set[tuple[str, str]]:
        """What `stops` lists: level and code."""
        return {("close_only" if rule.close_all else "no_opens", rule.code) for rule in self.tripped}

    def refusal(self, now_ns: int) -> tuple[str | None, bool]:
        """Why nothing is opened: the stop that stops most, the first of equals; or nobody knows what it is
        worth; or a breach, and that it is found now."""
        if self.tripped:
            return max(self.tripped, key=lambda rule: rule.close_all).code, False
        equity = self.known(now_ns)
        if equity is None:
            self.reached["open while worth is unknown"] += 1
            return "stale_account", False
        found = self.breached(equity)
        return (found[0].code, True) if found else (None, False)
