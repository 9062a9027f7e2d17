"""The simulated broker's own book: accounts, orders, executions. The demo compares it with the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from gateway.sim.text import number

ZERO = Decimal(0)

PENDING, WORKING = "pending", "working"
FILLED, CANCELED, EXPIRED, REJECTED = "filled", "canceled", "expired", "rejected"
LIVE = (PENDING, WORKING)


def worth(signed_qty: Decimal, px: Decimal, inverse: bool) -> Decimal:
    """Signed value of units at a price, whose differences are what is won: units x price, of an inverse
    contract -units / price, in the coin that it pays; 28 digits of it."""
    if not inverse:
        return signed_qty * px
    return -signed_qty / px if px else ZERO


@dataclass
class Account:
    """One client account. Cash is in what the instruments pay, valued one to one."""

    name: str
    currency: str = "USD"
    balance: Decimal = Decimal(100_000)
    positions: dict[str, Decimal] = field(default_factory=dict)
    cash: dict[str, Decimal] = field(default_factory=dict)
    """What was paid and got for the position of each symbol: with its worth at mid, the running profit."""
    tickets: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    """Of a hedging account: symbol and signed units by position id."""

    def book(self, symbol: str, signed_qty: Decimal, px: Decimal, inverse: bool = False) -> None:
        """Adds one signed execution. A bust is the same execution with the other sign."""
        self.positions[symbol] = self.positions.get(symbol, ZERO) + signed_qty
        self.cash[symbol] = self.cash.get(symbol, ZERO) - worth(signed_qty, px, inverse)

    def move_ticket(self, position_id: str, symbol: str, signed_qty: Decimal) -> None:
        """Adds to one position of a hedging account; one that holds nothing is gone."""
        left = self.ticket(position_id) + signed_qty
        if left:
            self.tickets[position_id] = (symbol, left)
        else:
            self.tickets.pop(position_id, None)

    def ticket(self, position_id: str) -> Decimal:
        """Signed units of one position; 0 where there is none."""
        return self.tickets.get(position_id, ("", ZERO))[1]


@dataclass
class Order:
    """One order as the broker holds it. `cl_ord_id` moves along a replace chain, `order_id` never does."""

    order_id: str
    cl_ord_id: str
    session: str
    account: str
    symbol: str
    side: str
    order_type: str
    tif: str
    order_qty: Decimal
    px: Decimal | None
    state: str = PENDING
    cum_qty: Decimal = ZERO
    notional: Decimal = ZERO
    """Worth of what it bought or sold, as if bought."""
    inverse: bool = False
    """Of a contract whose unit is worth 1 / price."""
    cancel_id: str = ""
    stop_px: Decimal | None = None
    triggered: bool = False
    """A stop whose price was reached: from then on it is a market or a limit order."""
    position_id: str = ""
    """Of a hedging account: the position that it closes, or the one that it opens."""
    closes: bool = False
    """It named a position: it takes from that one and opens nothing."""

    @property
    def live(self) -> bool:
        """Whether a fill can still come."""
        return self.state in LIVE

    @property
    def leaves_qty(self) -> Decimal:
        """What may still be filled; nothing after a terminal state."""
        return max(self.order_qty - self.cum_qty, ZERO) if self.live else ZERO

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self.side == "1" else -1

    @property
    def ord_status(self) -> str:
        """OrdStatus(39)."""
        if self.state == PENDING:
            return "A"
        if self.state == WORKING:
            return "6" if self.cancel_id else "1" if self.cum_qty else "0"
        return {FILLED: "2", CANCELED: "4", EXPIRED: "C", REJECTED: "8"}[self.state]

    def take(self, qty: Decimal, px: Decimal) -> None:
        """Counts a fill; one that is taken back has the other sign."""
        self.cum_qty += qty
        self.notional += worth(qty, px, self.inverse)

    @property
    def avg_px(self) -> Decimal:
        """Average price of the fills, of an inverse contract the harmonic one, exact to 10 decimals."""
        if not self.cum_qty or not self.notional:
            return ZERO
        average = -self.cum_qty / self.notional if self.inverse else self.notional / self.cum_qty
        return average.quantize(Decimal("1E-10"))


@dataclass
class Execution:
    """One fill. Busted fills stay in the book, marked."""

    exec_id: str
    order_id: str
    cl_ord_id: str
    account: str
    symbol: str
    side: str
    qty: Decimal
    px: Decimal
    at_ns: int
    busted: bool = False


@dataclass
class Book:
    """Everything the broker knows. Orders are addressable for ever: a bust can follow a cancel."""

    accounts: dict[str, Account] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    by_cl_ord_id: dict[tuple[str, str], str] = field(default_factory=dict)
    """(account, ClOrdID) to OrderID; ids of every request, so that a repeat is seen."""
    executions: dict[str, Execution] = field(default_factory=dict)
    inverse: frozenset[str] = frozenset()
    """Symbols of inverse contracts."""
    duplicate_requests: int = 0

    def find(self, account: str, cl_ord_id: str) -> Order | None:
        """The order that a client id belongs to. An empty account searches all of them."""
        if account:
            order_id = self.by_cl_ord_id.get((account, cl_ord_id))
            return self.orders.get(order_id) if order_id else None
        for (_, known), order_id in self.by_cl_ord_id.items():
            if known == cl_ord_id:
                return self.orders.get(order_id)
        return None

    def export(self) -> dict[str, object]:
        """The whole book as JSON values; decimals are strings."""
        return {
            "accounts": {
                name: {
                    "balance": number(a.balance),
                    "currency": a.currency,
                    "positions": {s: number(q) for s, q in sorted(a.positions.items()) if q},
                    "cash": {s: number(money) for s, money in sorted(a.cash.items())},
                    "tickets": {i: [s, number(q)] for i, (s, q) in sorted(a.tickets.items())},
                }
                for name, a in sorted(self.accounts.items())
            },
            "orders": [_order_row(o) for o in self.orders.values()],
            "executions": [_execution_row(e) for e in self.executions.values()],
            "duplicate_requests": self.duplicate_requests,
        }


def _order_row(order: Order) -> dict[str, str]:
    return {
        "order_id": order.order_id,
        "cl_ord_id": order.cl_ord_id,
        "account": order.account,
        "symbol": order.symbol,
        "side": order.side,
        "order_qty": number(order.order_qty),
        "cum_qty": number(order.cum_qty),
        "state": order.state,
    }


def _execution_row(execution: Execution) -> dict[str, object]:
    return {
        "exec_id": execution.exec_id,
        "order_id": execution.order_id,
        "cl_ord_id": execution.cl_ord_id,
        "account": execution.account,
        "symbol": execution.symbol,
        "side": execution.side,
        "qty": number(execution.qty),
        "px": number(execution.px),
        "at_ns": str(execution.at_ns),
        "busted": execution.busted,
    }
