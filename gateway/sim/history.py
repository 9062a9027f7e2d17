"""An MT4 account history as a leader: every row becomes the reports a broker would have sent.

A closed row is an opening and a closing order, an open one an opening order, a cancelled one an order that
never filled. MT4 splits a partly closed position into rows that name each other
in their comment ("from #123"); they were opened by one order, so they share one opening fill here.
Symbols go out as the venue prints them, suffix and all; `History.symbols` maps them to instrument names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from gateway.errors import UsageError
from gateway.sim.statement import amount, read_statement, time_ns
from gateway.sim.text import Fields, decode, encode, first, number, utc

ZERO = Decimal(0)
BALANCE = Decimal(10_000)
"""Opening balance of a statement that does not tell one; only account sizing modes need it."""
DAY_NS = 86_400_000_000_000
"""Account values are told after each change, and again when they are a day old."""
SECTIONS = ("closed", "open", "cancelled", "working")
FROM = re.compile(r"from #(\d+)")
TAXES, SWAP = 5101, 5102
"""Custom tags of our dialect: taxes and swap of a closing fill, in account currency. Commission is tag 12."""

CONTRACT_UNITS = {
    "XAUUSD": 100, "XAGUSD": 5000, "XTIUSD": 1000, "UKOUSD": 1000, "US_OIL": 1000, "OILUSD": 1000,
    "NDX": 10, "SPX500": 250, "JP225": 1000,
}  # fmt: skip
"""Units in one lot where it is not a currency pair's 100,000; worked out from the statements' own profits."""


@dataclass(frozen=True)
class HistoryRow:
    """One row of the statement. Times in nanoseconds UTC; `close_ns` is 0 while open."""

    section: str
    ticket: str
    kind: str
    symbol: str
    lots: Decimal
    open_ns: int
    close_ns: int
    open_px: Decimal
    close_px: Decimal
    commission: Decimal
    taxes: Decimal
    swap: Decimal
    profit: Decimal
    comment: str

    @property
    def traded(self) -> bool:
        """A closed buy or sell: it was filled twice."""
        return self.section == "closed" and self.kind in ("buy", "sell")

    @property
    def held(self) -> bool:
        """A buy or sell that is still open: it was filled once."""
        return self.section == "open" and self.kind in ("buy", "sell")

    @property
    def units(self) -> Decimal:
        """Quantity in units."""
        return self.lots * contract_units(self.symbol)

    @property
    def result(self) -> Decimal:
        """What the row adds to the balance."""
        return self.profit + self.commission + self.taxes + self.swap

    @property
    def rate(self) -> Fraction:
        """Account currency per unit of quote currency that the statement used for this row, exactly."""
        sign = 1 if self.kind == "buy" else -1
        move = (self.close_px - self.open_px) * sign * self.units
        return Fraction(self.profit) / Fraction(move) if move else Fraction(1)


@dataclass(frozen=True)
class HistoryMessage:
    """One report of the leader's broker, framed FIX bytes."""

    at_ns: int
    raw: bytes


@dataclass
class History:
    """A whole statement: its rows and the messages they become."""

    rows: list[HistoryRow]
    messages: list[HistoryMessage] = field(default_factory=list)

    @property
    def statement_total(self) -> Decimal:
        """Profit, commission, taxes and swap of all closed trades, in account currency."""
        return sum((r.result for r in self.rows if r.traded), ZERO)

    @property
    def openings(self) -> dict[str, list[HistoryRow]]:
        """OrderID(37) of an opening order to the rows that it opened."""
        return {open_order_id(rows[0]): rows for rows in _openings(self.rows)}

    @property
    def symbols(self) -> dict[str, str]:
        """Venue symbol to instrument name."""
        return {r.symbol: instrument_name(r.symbol) for r in self.rows if r.symbol}

    @property
    def rates(self) -> dict[str, Fraction]:
        """Closing order id to the row's conversion rate."""
        return {close_order_id(r): r.rate for r in self.rows if r.traded}


def instrument_name(symbol: str) -> str:
    """Upper case, without a broker's suffix: `usdjpy.` and `usdjpy.pro` are USDJPY, `us_oil` is US_OIL."""
    return re.split(r"[.\-#+!]", symbol, maxsplit=1)[0].upper()


def contract_units(symbol: str) -> int:
    """Units in one lot."""
    name = instrument_name(symbol)
    if name in CONTRACT_UNITS:
        return CONTRACT_UNITS[name]
    if len(name) == 6 and name.isalpha():
        return 100_000
    raise ValueError(f"history: contract size of {symbol!r} is not known; add it to CONTRACT_UNITS")


def open_order_id(row: HistoryRow) -> str:
    """OrderID(37) of the order that opened the row and those split from it."""
    return f"{row.ticket}O"


def close_order_id(row: HistoryRow) -> str:
    """OrderID(37) of the order that closed the row."""
    return f"{row.ticket}C"


def load(
    path: Path, account: str = "LEADER", begin_string: str = "FIX.4.4", balance: Decimal | None = None
) -> History:
    """Reads a statement and makes its messages; `balance` is what the account held before its first row.
    Not given: nothing, or BALANCE where the statement shows no deposit.

    Raises UsageError, with what is expected, when the file is missing or no statement.
    """
    rows = read_statement(path, _row)
    if not any(row.symbol for row in rows):
        raise UsageError("the statement has no orders", path=str(path), value=f"{len(rows)} rows")
    history = History(rows)
    if balance is None:
        balance = ZERO if any(r.kind == "balance" for r in rows) else BALANCE
    history.messages = list(_messages(history, account, begin_string, balance))
    return history


def _row(values: dict[str, str]) -> HistoryRow:
    """One row. ValueError names the column that cannot be read."""
    section, ticket, kind = values["section"], values["ticket"], values["type"]
    if section not in SECTIONS:
        raise ValueError(f"section must be one of {', '.join(SECTIONS)}, got {section!r}")
    if not (ticket.isascii() and ticket.isdigit()):
        raise ValueError(f"ticket must be a whole number, got {ticket!r}")
    return HistoryRow(
        section=section,
        ticket=ticket,
        kind=kind,
        symbol=values["symbol"],
        lots=amount(values, "lots"),
        open_ns=time_ns(values, "open_time"),
        close_ns=time_ns(values, "close_time"),
        open_px=amount(values, "open_price"),
        close_px=amount(values, "close_price"),
        commission=amount(values, "commission"),
        taxes=amount(values, "taxes"),
        swap=amount(values, "swap"),
        profit=amount(values, "profit"),
        comment="" if kind == "balance" else values["comment"],
    )


@dataclass(frozen=True)
class _Step:
    """Something at one time; `rank` orders steps of one second: what frees a position goes first."""

    at_ns: int
    rank: int
    ticket: int
    bodies: tuple[tuple[tuple[int, str], ...], ...]
    balance_change: Decimal | None = None


def _messages(
    history: History, account: str, begin_string: str, balance: Decimal
) -> Iterator[HistoryMessage]:
    steps = sorted(_steps(history.rows, account), key=lambda s: (s.at_ns, s.rank, s.ticket))
    told_ns = 0
    for serial, step in enumerate(steps, 1):
        changed = step.balance_change is not None
        if not changed and balance > 0 and step.at_ns - told_ns > DAY_NS:
            told_ns = step.at_ns
            fields = _balance(account, balance, f"{serial}D", step.at_ns)
            yield HistoryMessage(step.at_ns, encode(begin_string, fields))
        for body in step.bodies:
            yield HistoryMessage(step.at_ns, encode(begin_string, list(body)))
        if step.balance_change is not None:
            balance += step.balance_change
            told_ns = step.at_ns
            fields = _balance(account, balance, str(serial), step.at_ns)
            yield HistoryMessage(step.at_ns, encode(begin_string, fields))


def _steps(rows: list[HistoryRow], account: str) -> Iterator[_Step]:
    for opened in _openings(rows):
        root, units = opened[0], sum((r.units for r in opened), ZERO)
        side = "1" if root.kind == "buy" else "2"
        common = (root, account, root.ticket)
        bodies = _life(*common, open_order_id(root), side, units, root.open_px, root.open_ns, ())
        yield _Step(root.open_ns, 1, int(root.ticket), bodies)
        for row in opened:
            if row.held:
                continue
            rank = 2 if row.close_ns == root.open_ns else 0
            costs = (
                (12, number(row.commission)), (13, "3"), (TAXES, number(row.taxes)), (SWAP, number(row.swap)),
            )  # fmt: skip
            other = "2" if side == "1" else "1"
            bodies = _life(row, account, root.ticket, close_order_id(row), other, row.units, row.close_px,
                           row.close_ns, costs)  # fmt: skip
            yield _Step(row.close_ns, rank, int(row.ticket), bodies, row.result)
    for row in rows:
        if row.kind == "balance":
            yield _Step(row.open_ns, 0, int(row.ticket), (), row.profit)
        elif row.section in ("cancelled", "working"):
            yield from _pending(row, account)


def _openings(rows: list[HistoryRow]) -> list[list[HistoryRow]]:
    """Filled rows grouped by the order that opened them; its ticket is the first row's."""
    traded = {r.ticket: r for r in rows if r.traded or r.held}
    groups: dict[str, list[HistoryRow]] = {}
    for row in sorted(traded.values(), key=lambda r: int(r.ticket)):
        root = row
        while (parent := _parent(root, traded)) is not None:
            root = parent
        groups.setdefault(root.ticket, []).append(row)
    return list(groups.values())


def _parent(row: HistoryRow, traded: dict[str, HistoryRow]) -> HistoryRow | None:
    """The row this one was split from, if it is the same position; a ticket only names a lower one."""
    match = FROM.search(row.comment)
    parent = traded.get(match.group(1)) if match else None
    if parent is None or int(parent.ticket) >= int(row.ticket):
        return None
    same = (row.symbol, row.kind, row.open_ns, row.open_px)
    return parent if same == (parent.symbol, parent.kind, parent.open_ns, parent.open_px) else None


def _life(
    row: HistoryRow, account: str, position_id: str, order_id: str, side: str, units: Decimal, px: Decimal,
    at_ns: int, extra: tuple[tuple[int, str], ...],
) -> tuple[tuple[tuple[int, str], ...], ...]:  # fmt: skip
    """A market order's two reports: New, then one Trade of everything."""
    head = _head(account, row.symbol, order_id, side, units, "1", at_ns)
    new = (*head, (17, f"{order_id}0"), (150, "0"), (39, "0"), (14, "0"), (151, number(units)), (6, "0"))
    fill = (
        *head, (17, f"{order_id}1"), (150, "F"), (39, "2"), (14, number(units)), (151, "0"), (6, number(px)),
        (32, number(units)), (31, number(px)), (721, position_id), *extra,
    )  # fmt: skip
    return new, fill


def _head(
    account: str, symbol: str, order_id: str, side: str, units: Decimal, order_type: str, at_ns: int
) -> tuple[tuple[int, str], ...]:
    return (
        (35, "8"), (37, order_id), (11, order_id), (1, account), (55, symbol), (54, side),
        (38, number(units)), (40, order_type), (60, utc(at_ns)),
    )  # fmt: skip


def _pending(row: HistoryRow, account: str) -> Iterator[_Step]:
    """A pending order that never filled: New, and Canceled where the statement says so."""
    side = "1" if row.kind.startswith("buy") else "2"
    order_type, px_tag = ("2", 44) if row.kind.endswith("limit") else ("3", 99)
    order_id = f"{row.ticket}P"
    units = number(row.units)
    head = (*_head(account, row.symbol, order_id, side, row.units, order_type, row.open_ns),
            (px_tag, number(row.open_px)), (14, "0"), (6, "0"))  # fmt: skip
    new = (*head, (17, f"{order_id}0"), (150, "0"), (39, "0"), (151, units))
    yield _Step(row.open_ns, 1, int(row.ticket), (new,))
    if row.section == "cancelled":
        # One statement prints a cancel time before the open time; the cancel still comes second.
        ended_ns = max(row.close_ns, row.open_ns)
        ended = (*head, (17, f"{order_id}4"), (150, "4"), (39, "4"), (151, "0"))
        yield _Step(ended_ns, 2, int(row.ticket), (ended,))


def _balance(account: str, balance: Decimal, serial: str, at_ns: int) -> Fields:
    text = number(balance)
    return [(35, "BA"), (908, f"B{serial}"), (910, "3"), (1, account), (899, text), (900, text), (901, text),
            (60, utc(at_ns))]  # fmt: skip


@dataclass
class FollowerResult:
    """What a proportional follower made of the messages."""

    profit: Fraction = Fraction(0)
    costs: Fraction = Fraction(0)
    positions: dict[str, Fraction] = field(default_factory=dict)

    @property
    def total(self) -> Fraction:
        """Profit and costs, account currency."""
        return self.profit + self.costs


def follow(messages: list[HistoryMessage], rates: dict[str, Fraction], percent: int = 100) -> FollowerResult:
    """Trades every fill at the leader's price, `percent` of its size, from the FIX bytes alone.

    Only the conversion rates come from the statement: FIX reports do not carry them.
    """
    ratio = Fraction(percent, 100)
    result = FollowerResult()
    entry: dict[str, tuple[int, Fraction]] = {}
    for message in messages:
        fields = decode(message.raw)
        if first(fields, 150) != "F":
            continue
        sign = 1 if first(fields, 54) == "1" else -1
        qty, px = Fraction(first(fields, 32)) * ratio, Fraction(first(fields, 31))
        symbol, position_id, order_id = first(fields, 55), first(fields, 721), first(fields, 37)
        result.positions[symbol] = result.positions.get(symbol, Fraction(0)) + sign * qty
        if position_id not in entry:
            entry[position_id] = (sign, px)
            continue
        opened_sign, open_px = entry[position_id]
        result.profit += (px - open_px) * opened_sign * qty * rates[order_id]
        for tag in (12, TAXES, SWAP):
            result.costs += Fraction(first(fields, tag) or "0") * ratio
    return result
