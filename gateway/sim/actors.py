"""What moves by itself beside a simulated broker: the market, and the leader who trades on it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal

from gateway.sim.book import Account
from gateway.sim.broker import Broker
from gateway.sim.fix_server import FixServer
from gateway.sim.history import History
from gateway.sim.market import Market
from gateway.sim.reports import POSITION_TAG, Outgoing
from gateway.sim.scenario import LeaderScenario, LeaderTrade
from gateway.sim.text import Fields, decode, number, utc

MS = 1_000_000


class MarketTicker:
    """Moves the market, lets resting orders trade, and publishes quotes and account values."""

    def __init__(
        self,
        market: Market,
        broker: Broker,
        quote_ms: int = 100,
        publish_ms: int = 500,
        account_ms: int = 2000,
    ) -> None:
        self._market = market
        self._quote_ms, self._publish_ms, self._account_ms = quote_ms, publish_ms, account_ms
        self._due_ns = self._publish_ns = self._account_ns = time.time_ns()
        for quote in market.quotes():
            broker.quote(quote.symbol, quote.bid, quote.ask, self._due_ns)

    def next_due_ns(self) -> int | None:
        """The next move of the market."""
        return self._due_ns

    def run(self, server: FixServer, now_ns: int) -> list[Outgoing]:
        """One move; late moves are dropped, not caught up."""
        self._due_ns = now_ns + self._quote_ms * MS
        out: list[Outgoing] = []
        for quote in self._market.step():
            out += server.broker.quote(quote.symbol, quote.bid, quote.ask, now_ns)
        if now_ns >= self._publish_ns:
            self._publish_ns = now_ns + self._publish_ms * MS
            for session in sorted(server.logged_on):
                out += server.broker.quote_messages(session, now_ns)
        if now_ns >= self._account_ns and not server.broker.dialect.old:
            self._account_ns = now_ns + self._account_ms * MS
            for session in sorted(server.logged_on):
                out += server.broker.account_values(session, now_ns)
        return out


@dataclass
class LeaderTicker:
    """Places the leader's orders at his own broker. Trades while `trading`, then goes flat and rests."""

    scenario: LeaderScenario
    account: Account
    session: str
    trade_ms: int = 150
    trading: bool = False
    flat: bool = False
    """Set once, after trading was stopped and every position is closed."""
    trades: list[LeaderTrade] = field(default_factory=list)
    _serial: int = 0
    _due_ns: int = 0
    _stopping: bool = False
    _asked: list[Fields] = field(default_factory=list)

    def begin(self) -> None:
        """Starts trading. Call on the model's thread."""
        self.trading = True

    def finish(self) -> None:
        """Stops opening and closes everything. Call on the model's thread."""
        self._stopping = True

    def ask(self, request: Fields) -> None:
        """One message to his broker: a working order, its replace or cancel. Call on the model's thread."""
        self._asked.append(request)

    def next_due_ns(self) -> int | None:
        """The next trade, while there is one."""
        if self._asked:
            return 0
        return None if self.flat or not (self.trading or self._stopping) else self._due_ns

    def run(self, server: FixServer, now_ns: int) -> list[Outgoing]:
        """One decision of the leader. He waits for his own orders first, so that he knows what he holds."""
        if self._asked:
            request = self._asked.pop(0)
            return server.broker.receive(self.session, [*request, (60, utc(now_ns))], now_ns)
        self._due_ns = now_ns + self.trade_ms * MS
        if any(o.live for o in server.broker.book.orders.values()):
            return []
        if self._stopping:
            wanted = self.scenario.flatten(self.account.positions)
            self.flat = not wanted
        else:
            wanted = [self.scenario.next_trade(self.account.positions)]
        out: list[Outgoing] = []
        for trade in wanted:
            self.trades.append(trade)
            out += server.broker.receive(self.session, self._order(trade, now_ns), now_ns)
        return out

    def _order(self, trade: LeaderTrade, now_ns: int) -> Fields:
        self._serial += 1
        named: Fields = [(POSITION_TAG, trade.position_id)] if trade.position_id else []
        return [
            (35, "D"), (11, f"L{self._serial}"), (1, self.account.name), (55, trade.symbol),
            (54, trade.side), (38, number(trade.qty)), (40, "1"), (59, "0"), (60, utc(now_ns)), *named,
        ]  # fmt: skip


class HistoryTicker:
    """Plays a statement's messages, in order, at a fixed pace; its trades get the present time.

    The statement's own times would make every open stale.
    """

    def __init__(self, history: History, session: str, messages_per_s: int = 200) -> None:
        self._waiting = [decode(m.raw) for m in reversed(history.messages)]
        self._session = session
        self._pace_ns = 1_000_000_000 // max(1, messages_per_s)
        self._due_ns = 0

    @property
    def done(self) -> bool:
        """Every message was handed to the session."""
        return not self._waiting

    def next_due_ns(self) -> int | None:
        """The next message, while there is one."""
        return None if self.done else self._due_ns

    def run(self, server: FixServer, now_ns: int) -> list[Outgoing]:
        """One message. It waits for the counterparty to be logged on."""
        self._due_ns = now_ns + self._pace_ns
        if self._session not in server.logged_on:
            return []
        return [Outgoing(now_ns, self._session, fresh(self._waiting.pop(), now_ns))]


def fresh(fields: Fields, now_ns: int) -> Fields:
    """The message without its frame, and with TransactTime(60) set to now."""
    return [(tag, utc(now_ns) if tag == 60 else value) for tag, value in fields if tag not in (8, 9, 10)]


def demo_accounts(names: list[str], balance: Decimal = Decimal(100_000)) -> list[Account]:
    """Accounts with a spread of balances, so that account-based sizing modes differ."""
    return [Account(name, balance=balance * (1 + index % 5) / 2) for index, name in enumerate(names)]
