"""When guards are asked, and whom they stop: the accounts and the subscriptions of a deployment."""

from __future__ import annotations

from fractions import Fraction

from tests.model.guards import Guard
from tests.model.terms import MS, ZERO, Follower, Line, Subscription
from tests.model.values import Values

PASS_NS = 250 * MS
"""ADR 0013: "at most one pass per quarter of a second, whatever the market sends"."""


class Watch:
    """All guards, by name of follower and of subscription. They are judged when an event has been worked."""

    def __init__(
        self, followers: list[Follower], subscriptions: list[Subscription], values: Values, lines: list[Line]
    ) -> None:
        self.reached = values.reached
        self.accounts = {
            f.name: Guard(f.guards, values, self.reached, values.currency(f.name))
            for f in followers
            if f.guards
        }
        self.subs = {
            s.name: Guard(s.guards, values, self.reached, values.currency(s.follower), ZERO)
            for s in subscriptions
            if s.guards
        }
        self._lines = lines
        self._asked: list[Guard] = []
        self._passed_ns = 0
        self._pass_due = False

    def named(self) -> list[tuple[tuple[str, str], Guard]]:
        """With the scope and the name of what they stop; accounts first."""
        subs = [(("subscription", name), guard) for name, guard in self.subs.items()]
        return [*((("follower", name), guard) for name, guard in self.accounts.items()), *subs]

    def begin(self, now_ns: int) -> None:
        """Before an event: periods that began since the last one."""
        self._asked += [guard for _, guard in self.named() if guard.roll(now_ns)]

    def told(self, account: str, kind: str, amount: Fraction, now_ns: int) -> None:
        """An account value."""
        if account in self.accounts and self.accounts[account].told(kind, amount, now_ns):
            self._asked.append(self.accounts[account])

    def paid(self, account: str, amount: Fraction) -> None:
        """Money paid in or out."""
        if account in self.accounts:
            self.accounts[account].paid(amount)
            self._asked.append(self.accounts[account])

    def armed(self, account: str) -> None:
        """A person releases a follower, and with it its subscriptions."""
        names = {o.subscription.name for o in self._lines if o.subscription.follower == account}
        for (_, name), guard in self.named():
            if name in (account, *names) and guard.release():
                self._asked.append(guard)

    def quoted(self) -> None:
        """A price: everything is valued, four times a second."""
        self._pass_due = True

    def filled(self, line: Line, units: Fraction, px: Fraction, number: int, now_ns: int) -> None:
        """An order of ours filled, signed units; the number of the fill."""
        for guard in self._of(line):
            guard.filled(line, units, px, number, now_ns)
            self._asked.append(guard)

    def amended(
        self, line: Line, number: int, was: tuple[Fraction, Fraction], now: tuple[Fraction, Fraction]
    ) -> None:
        """A fill was of other signed units, at another price."""
        for guard in self._of(line):
            guard.amended(line, number, was, now)
            self._asked.append(guard)

    def refusal(self, line: Line, now_ns: int) -> str | None:
        """Why a line may not open: by the account's guards, then by the subscription's."""
        for guard in self._of(line):
            code, found = guard.refusal(now_ns)
            if found:
                self._asked.append(guard)
            if code:
                return code
        return None

    def finish(self, now_ns: int) -> list[list[Line]]:
        """After an event: lines that have to be closed, for each guard that says so."""
        passes = self._pass_due and now_ns >= self._passed_ns + PASS_NS
        if passes:
            self._pass_due, self._passed_ns = False, now_ns
        asked, self._asked = self._asked, []
        closed = []
        for (_, name), guard in self.named():
            if (passes or any(guard is one for one in asked)) and guard.judge(now_ns):
                own = [o for o in self._lines if name in (o.subscription.follower, o.subscription.name)]
                self.reached["closed by a guard"] += any(line.target for line in own)
                closed.append(own)
        return closed

    def _of(self, line: Line) -> list[Guard]:
        rule = line.subscription
        found = (self.accounts.get(rule.follower), self.subs.get(rule.name))
        return [guard for guard in found if guard is not None]
