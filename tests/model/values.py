"""What an increase is worth: account values, prices, what of a leader order was sized already (02 step 2)."""

from __future__ import annotations

from fractions import Fraction

from tests.model.lots import ACCOUNT_VALUE, AMOUNT_MODES, Refused, lots_per_lot, rate_of, share
from tests.model.terms import ZERO, Line, Sized


class Values:
    """The newest account values and prices, each with its time."""

    def __init__(self) -> None:
        self.accounts: dict[tuple[str, str], tuple[Fraction, int]] = {}
        """(account, equity or balance or free_margin) to amount and time."""
        self.prices: dict[str, tuple[Fraction, int]] = {}

    def size(
        self, line: Line, sized: Sized, qty: Fraction, order_qty: Fraction, cum_qty: Fraction, now_ns: int
    ) -> Fraction:
        """02 step 2: rho x i, or the share of what is left of A. Refused parts count as sized."""
        if line.subscription.mode in AMOUNT_MODES:
            if sized.amount is None:
                sized.amount = self._amount(line, now_ns)
            size = (sized.amount - sized.used) * share(qty, order_qty, cum_qty)
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
        elif rule.mode == "notional":
            ours = self._px(line, line.leader_instrument.name, now_ns)
            theirs = self._px(line, line.instrument.name, now_ns)
        rate = rate_of(line, ours, theirs)
        if lots_per_lot(line, rate) > rule.max_ratio:
            raise Refused("max_ratio")
        return rate

    def _amount(self, line: Line, now_ns: int) -> Fraction:
        rule = line.subscription
        if rule.mode == "fixed":
            return rule.factor * line.instrument.contract
        (equity,) = self._accounts(line, [rule.follower], "equity", now_ns)
        return equity * rule.factor / 100 / self._px(line, line.instrument.name, now_ns)

    def _accounts(self, line: Line, accounts: list[str], kind: str, now_ns: int) -> list[Fraction]:
        """One value of each account; an old one is refused before one that is not positive."""
        found = [self.accounts.get((account, kind), (ZERO, now_ns)) for account in accounts]
        if any(now_ns - at_ns > line.subscription.account_max_age_ns for _, at_ns in found):
            raise Refused("stale_account")
        if any(amount <= 0 for amount, _ in found):
            raise Refused("bad_account")
        return [amount for amount, _ in found]

    def equity(self, line: Line, now_ns: int) -> Fraction:
        """The equity of a line's account, for `max_leverage`."""
        return self._accounts(line, [line.subscription.follower], "equity", now_ns)[0]

    def market(self, line: Line, now_ns: int) -> Fraction | None:
        """The market of what the follower trades: its own quote, else the one of what the leader trades."""
        own = self.fresh_px(line, line.instrument.name, now_ns)
        if own is not None:
            return own
        theirs = self.fresh_px(line, line.leader_instrument.name, now_ns)
        return None if theirs is None else theirs * line.mapping.price_factor

    def fresh_px(self, line: Line, instrument: str, now_ns: int) -> Fraction | None:
        """A quote that is not older than an open may be."""
        px, at_ns = self.prices.get(instrument, (ZERO, now_ns))
        return px if px > 0 and now_ns - at_ns <= line.subscription.max_age_ns else None

    def _px(self, line: Line, instrument: str, now_ns: int) -> Fraction:
        px, at_ns = self.prices.get(instrument, (ZERO, now_ns))
        if px <= 0 or now_ns - at_ns > line.subscription.account_max_age_ns:
            raise Refused("no_quote")
        return px
