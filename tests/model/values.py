"""What an increase is worth: account values, prices, what of a leader order was sized already (02 step 2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction

from tests.model.lots import ACCOUNT_VALUE, AMOUNT_MODES, Refused, lots_per_lot, rate_of, share
from tests.model.quotes import Quote, Quotes
from tests.model.terms import MS, USD, ZERO, Instrument, LeaderOrder, Line, Sized

DAY_NS = 24 * 3600 * 1000 * MS
GOOD_TILL = ("1", "6")
"""TimeInForce(59) of orders that outlive their day: till cancelled, till a date."""


class Values:
    """The newest account values and prices, each with its time."""

    def __init__(self, instruments: list[Instrument], currencies: dict[str, str]) -> None:
        self.accounts: dict[tuple[str, str], tuple[Fraction, int]] = {}
        """(account, equity or balance or free_margin) to amount and time."""
        self.quotes = Quotes(instruments)
        self.currencies = currencies
        """Of accounts that are not in dollars, by name."""
        self.guarded: dict[str, Callable[[int], Fraction | None]] = {}
        """What an account with guards is worth at a time; None: nobody knows."""
        self.asked: dict[str, Line] = {}
        """The line that asked last what an instrument is worth to all followers together."""
        self.traded: dict[str, Fraction] = {}
        """The newest trade that such a line knew of, in the prices of its instrument."""
        self.reached: Counter[str] = Counter()
        """What tests count."""

    def sized(self, line: Line, name: str, order: LeaderOrder, traded_ns: int) -> Sized:
        """What a leader order is worth to a line: "frozen at the first increase that can be sized, and again
        each trade date for GT orders"; a date is UTC's, of TransactTime(60)."""
        sized = line.sized.setdefault(name, Sized(missed=order.missed))
        date = traded_ns // DAY_NS
        nothing_yet = sized.rate is None and sized.amount is None
        if sized.date != date and (nothing_yet or order.tif in GOOD_TILL):
            # "An amount that was used up stays so": another one of another day is none to this order.
            sized.used_up = sized.amount is not None and sized.begun + sized.used >= sized.amount
            sized.date, sized.rate, sized.amount = date, None, None
        return sized

    def size(
        self, line: Line, sized: Sized, qty: Fraction, order_qty: Fraction, cum_qty: Fraction, now_ns: int
    ) -> Fraction:
        """02 step 2: rho x i, or the share of what is left of A. Refused parts count as sized."""
        if line.subscription.mode in AMOUNT_MODES:
            if sized.amount is None:
                sized.amount = self._amount(line, now_ns)
            if sized.missed is not None:
                # Decision 0016: "what an order had filled before it was copied has used up its part".
                sized.begun = sized.amount * sized.missed / max(order_qty, sized.missed)
                sized.missed = None
            if sized.used_up:
                sized.begun = max(sized.begun, sized.amount - sized.used)
            left = max(ZERO, sized.amount - sized.begun - sized.used)
            size = left * share(qty, order_qty, cum_qty)
            sized.used += size
            return size
        if sized.rate is None:
            sized.rate = self._rate(line, now_ns)
        return sized.rate * qty

    def _rate(self, line: Line, now_ns: int) -> Fraction:
        rule, ours, theirs = line.subscription, Fraction(1), Fraction(1)
        if rule.mode in ACCOUNT_VALUE:
            kind = ACCOUNT_VALUE[rule.mode]
            ours, theirs = self._accounts(line, [rule.follower, rule.leader], kind, now_ns)
            ours *= self.sizing_rate(line, self.currency(rule.follower), self.currency(rule.leader), now_ns)
        elif rule.mode == "notional":
            quote = self.quotes.newest(line.leader_instrument.name)
            if quote is None or now_ns - quote.at_ns > rule.account_max_age_ns:
                raise Refused("no_quote")
            ours = line.leader_instrument.worth(quote.middle)
            theirs = line.instrument.worth(self._px(line, now_ns))
            # Both are compared in the currency of the account.
            of, account = line.leader_instrument.currency, self.currency(rule.follower)
            ours *= self.sizing_rate(line, of, account, now_ns)
            theirs *= self.sizing_rate(line, line.instrument.currency, account, now_ns)
        rate = rate_of(line, ours, theirs)
        if lots_per_lot(line, rate) > rule.max_ratio:
            raise Refused("max_ratio")
        return rate

    def _amount(self, line: Line, now_ns: int) -> Fraction:
        rule = line.subscription
        if rule.mode == "fixed":
            return rule.factor * line.instrument.contract
        (equity,) = self._accounts(line, [rule.follower], "equity", now_ns)
        equity *= self.sizing_rate(line, self.currency(rule.follower), line.instrument.currency, now_ns)
        return equity * rule.factor / 100 / line.instrument.worth(self._px(line, now_ns))

    def _accounts(self, line: Line, accounts: list[str], kind: str, now_ns: int) -> list[Fraction]:
        """One value of each account; an old one, or none, is refused before one that is not positive."""
        found = [self.accounts.get((account, kind), (ZERO, 0)) for account in accounts]
        if any(now_ns - at_ns > line.subscription.account_max_age_ns for _, at_ns in found):
            raise Refused("stale_account")
        if any(amount <= 0 for amount, _ in found):
            raise Refused("bad_account")
        return [amount for amount, _ in found]

    def weight(self, line: Line, sized: Sized, now_ns: int) -> Fraction:
        """A member's weight in its block, "frozen for each order of the leader, as ratios are"."""
        rule = line.subscription
        if sized.rate is None:
            of = ACCOUNT_VALUE.get(rule.by)
            value = self._accounts(line, [rule.follower], of, now_ns)[0] if of else Fraction(1)
            sized.rate = rule.factor * value
        return sized.rate

    def ask(self, line: Line) -> None:
        """A line is about to ask what its instrument is worth to all followers together."""
        self.asked[line.instrument.name] = line
        if line.leader_px is not None:
            self.traded[line.instrument.name] = line.leader_px * line.mapping.price_factor

    def shared_worth(self, i: Instrument, side: int, max_age_ns: int, now_ns: int) -> Fraction:
        """What a unit is worth to all followers: the side that is traded, or, 0, the one that is worth more.
        ADR 0027: by "its fresh quote, else its leader's, else the newest trade of a leader that was copied
        into it. The line that asks last says which"."""
        line = self.asked.get(i.name)
        quote = self.quote(line, max_age_ns, now_ns) if line else None
        if quote is not None:
            return i.worth(quote.of(side)) if side else max(i.worth(quote.bid), i.worth(quote.ask))
        if i.name not in self.traded:
            raise Refused("no_quote")
        self.reached["worth by the newest trade"] += 1
        return i.worth(self.traded[i.name])

    def equity(self, line: Line, now_ns: int) -> Fraction:
        """The equity of a line's account, for `max_leverage`: "of its guards, else of its broker"."""
        if line.subscription.follower in self.guarded:
            equity = self.guarded[line.subscription.follower](now_ns)
            if equity is None or equity <= 0:
                raise Refused("stale_account" if equity is None else "bad_account")
            return equity
        if (line.subscription.follower, "equity") not in self.accounts:
            raise Refused("bad_account")
        return self._accounts(line, [line.subscription.follower], "equity", now_ns)[0]

    def currency(self, account: str) -> str:
        """Of an account."""
        return self.currencies.get(account, USD)

    def sizing_rate(self, line: Line, of: str, into: str, now_ns: int) -> Fraction:
        """By a quote that may size an open."""
        return self.rate(of, into, line.subscription.account_max_age_ns, now_ns)

    def rate(self, of: str, into: str, max_age_ns: int, now_ns: int) -> Fraction:
        """What one of a currency is in another, by a quote that is young enough."""
        rate = self.quotes.rate(of, into)
        if rate is None or now_ns - rate[1] > max_age_ns:
            self.reached["no rate" if rate is None else "a rate that is too old"] += 1
            raise Refused("no_quote")
        self.reached["converted"] += of != into
        return rate[0]

    def market(self, line: Line, now_ns: int) -> Quote | None:
        """The market of what the follower trades, by a quote that is not older than an open may be."""
        return self.quote(line, line.subscription.max_age_ns, now_ns)

    def quote(self, line: Line, max_age_ns: int, now_ns: int) -> Quote | None:
        """ADR 0032: a quote of the follower's instrument that is young enough, else the leader's, times
        `price_factor`."""
        for quote, own in self.all_quotes(line):
            if now_ns - quote.at_ns <= max_age_ns:
                self.reached["worth by the leader's quote"] += not own
                return quote
        return None

    def all_quotes(self, line: Line) -> list[tuple[Quote, bool]]:
        """What is quoted for the follower's instrument, and whether under a name of its own."""
        return [(quotes[-1], own) for quotes, own in self._tapes(line) if quotes]

    def lately(self, line: Line, since_ns: int, now_ns: int) -> list[Quote]:
        """The quotes since a time of the instrument whose quote is the market; "the newest one counts"."""
        oldest_ns = now_ns - line.subscription.max_age_ns
        quotes = next(told for told, _ in self._tapes(line) if told and told[-1].at_ns >= oldest_ns)
        return [quote for quote in quotes[:-1] if quote.at_ns >= since_ns] + quotes[-1:]

    def _tapes(self, line: Line) -> list[tuple[list[Quote], bool]]:
        """All quotes of the follower's instrument, and of the leader's: one name on both sides is the
        leader's quote, which has the factor."""
        ours, theirs, told = line.instrument.name, line.leader_instrument.name, self.quotes.told
        factor = line.mapping.price_factor
        own = [] if ours == theirs else [(told.get(ours, []), True)]
        return [*own, ([quote.times(factor) for quote in told.get(theirs, [])], False)]

    def _px(self, line: Line, now_ns: int) -> Fraction:
        quote = self.quote(line, line.subscription.account_max_age_ns, now_ns)
        if quote is None:
            raise Refused("no_quote")
        return quote.middle
