"""What a follower earned from a copied statement, at the leader's prices, in account currency. Exact."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from gateway.sim.history import History, HistoryRow, close_order_id

ZERO = Fraction(0)


@dataclass(frozen=True)
class Fill:
    """A follower's fill, and the leader's order whose report caused it."""

    leader_order_id: str
    instrument: str
    signed_qty: Fraction
    px: Fraction


@dataclass
class _Position:
    """A netted position with its average price."""

    qty: Fraction = ZERO
    px: Fraction = ZERO


class Follower:
    """One follower's fills, paired with the statement's rows, and netted.

    The statement pairs each opening with its own closing and converts each row at a rate of its own. Where
    the follower's fills are the same share of every row's, its result is taken from those pairs. Otherwise
    positions are netted at their average price and converted at the rate of the row that closes.
    """

    def __init__(self, name: str, history: History) -> None:
        self.name = name
        self.positions: dict[str, Decimal] = {}
        """Open units by instrument at the end."""
        self.orders = 0
        self._history = history
        self._by_order: dict[str, _Position] = {}
        self._netted: dict[str, _Position] = {}
        self._result = ZERO
        self._rates: dict[str, Fraction] = {}
        self._rows = {close_order_id(r): r for r in history.rows if r.traded}
        self._opening: dict[str, str] = {}
        """Ticket of a row to the order that opened it."""
        for order_id, rows in history.openings.items():
            self._rows[order_id] = rows[0]
            self._opening |= {row.ticket: order_id for row in rows}

    def fill(self, fill: Fill) -> None:
        """Books one fill."""
        self.orders += 1
        _net(self._by_order.setdefault(fill.leader_order_id, _Position()), fill)
        row = self._rows[fill.leader_order_id]
        if row.traded:
            self._rates[fill.instrument] = row.rate
        rate = self._rates.get(fill.instrument, Fraction(1))
        self._result += _net(self._netted.setdefault(fill.instrument, _Position()), fill) * rate
        if fill.leader_order_id == close_order_id(row):
            costs = row.commission + row.taxes + row.swap
            self._result += Fraction(costs) * abs(fill.signed_qty) / Fraction(row.units)

    @property
    def share(self) -> Fraction | None:
        """The follower's share of every leader fill; None when it differs between fills."""
        shares = {self._traded(order_id).qty / signed for order_id, signed in self._leader().items()}
        return shares.pop() if len(shares) == 1 else None

    @property
    def total(self) -> Fraction:
        """The result of what is closed, costs included."""
        if self.share is None:
            return self._result
        return sum((self._paired(row) for row in self._history.rows if row.traded), ZERO)

    def _traded(self, order_id: str) -> _Position:
        return self._by_order.get(order_id, _Position())

    def _paired(self, row: HistoryRow) -> Fraction:
        """The row's result on the follower's own quantities and prices."""
        opened, closed = self._traded(self._opening[row.ticket]), self._traded(close_order_id(row))
        moved = (opened.px - closed.px) * closed.qty * row.rate
        costs = Fraction(row.commission + row.taxes + row.swap)
        return moved + costs * abs(closed.qty) / Fraction(row.units)

    @property
    def cash(self) -> Decimal:
        """The result so far as a decimal, for account values."""
        return Decimal(self._result.numerator) / Decimal(self._result.denominator)

    def _leader(self) -> dict[str, Fraction]:
        """Signed quantity of each leader order."""
        signed: dict[str, Fraction] = {}
        for order_id, rows in self._history.openings.items():
            signed[order_id] = sum((_signed(r) for r in rows), ZERO)
        for row in self._history.rows:
            if row.traded:
                signed[close_order_id(row)] = -_signed(row)
        return signed


def _signed(row: HistoryRow) -> Fraction:
    return Fraction(row.units) * (1 if row.kind == "buy" else -1)


def _net(position: _Position, fill: Fill) -> Fraction:
    """Adds a fill to a position at its average price; what the closed part earned, in quote currency."""
    qty, px = fill.signed_qty, fill.px
    if position.qty * qty >= 0:
        total = position.qty + qty
        position.px = (position.px * position.qty + px * qty) / total if total else px
        position.qty = total
        return ZERO
    closed = min(abs(qty), abs(position.qty))
    direction = 1 if position.qty > 0 else -1
    earned = (px - position.px) * closed * direction
    left = position.qty + qty
    if abs(qty) > abs(position.qty):
        position.px = px
    position.qty = left
    return earned
