"""Messages the simulated broker sends, as lists of (tag, value). Pure; the server adds the session header."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from decimal import Decimal

from gateway.amounts import WITH_CENTS
from gateway.sim.book import Account, Execution, Order, worth
from gateway.sim.text import Fields, number, trade_date, utc

ZERO = Decimal(0)
NO_SYMBOL = "[N/A]"
POSITION_TAG = 721
"""PosMaintRptID(721): the id of a position of a hedging account, in reports and on orders."""


@dataclass(frozen=True)
class Group:
    """A repeating group. Kept apart from the flat fields because QuickFIX re-sorts a flat body."""

    count_tag: int
    delimiter: int
    entries: tuple[tuple[tuple[int, str], ...], ...]


@dataclass(frozen=True)
class Outgoing:
    """One message to send at `due_ns`. `fields` begin with MsgType(35)."""

    due_ns: int
    session: str
    fields: Fields
    groups: tuple[Group, ...] = field(default=())

    def flat(self) -> Fields:
        """Fields with the groups written out, for readers that need no dictionary."""
        out = list(self.fields)
        for group in self.groups:
            out.append((group.count_tag, str(len(group.entries))))
            for entry in group.entries:
                out.extend(entry)
        return out


@dataclass(frozen=True)
class Dialect:
    """What differs between FIX 4.2 and later versions in our own dialect."""

    begin_string: str = "FIX.4.4"

    @property
    def old(self) -> bool:
        """FIX 4.2: ExecTransType(20), fills are 150=1/2, no status type I, no positions."""
        return self.begin_string == "FIX.4.2"

    def exec_type(self, order: Order, exec_type: str) -> str:
        """ExecType(150) as this version writes it."""
        if not self.old:
            return exec_type
        if exec_type == "F":
            return "2" if order.ord_status == "2" else "1"
        if exec_type in ("H", "I"):
            return order.ord_status
        return exec_type


def execution_report(
    dialect: Dialect, order: Order, exec_type: str, exec_id: str, at_ns: int, extra: Fields | None = None
) -> Fields:
    """An ExecutionReport on a known order. `extra` follows the common fields."""
    trans_type = {"H": "1", "I": "3"}.get(exec_type, "0")
    fields: Fields = [(35, "8"), (37, order.order_id), (11, order.cl_ord_id), (17, exec_id)]
    if dialect.old:
        fields.append((20, trans_type))
    fields += [
        (150, dialect.exec_type(order, exec_type)),
        (39, order.ord_status),
        (1, order.account),
        (55, order.symbol or NO_SYMBOL),
        (54, order.side or "1"),
        (38, number(order.order_qty)),
        (40, order.order_type or "1"),
        (59, order.tif or "0"),
        (14, number(order.cum_qty)),
        (151, number(order.leaves_qty)),
        (6, number(order.avg_px)),
        (60, utc(at_ns)),
    ]
    if order.px is not None:
        fields.append((44, number(order.px)))
    if order.stop_px is not None:
        fields.append((99, number(order.stop_px)))
    if order.position_id:
        fields.append((POSITION_TAG, order.position_id))
    return fields + (extra or [])


def fill_fields(execution: Execution) -> Fields:
    """LastQty(32) and LastPx(31) of one fill."""
    return [(32, number(execution.qty)), (31, number(execution.px))]


def unknown_status(
    dialect: Dialect, account: str, cl_ord_id: str, request: Fields, text: str, at_ns: int
) -> Fields:
    """The answer to a status request that names no order. FIX 4.2 has no ExecType I."""
    fields: Fields = [(35, "8"), (37, "NONE"), (17, "0")]
    fields += [(20, "3"), (150, "8")] if dialect.old else [(150, "I")]
    fields += [(39, "8"), (1, account or "NONE")]
    if cl_ord_id:
        fields.append((11, cl_ord_id))
    zero: Fields = [(55, NO_SYMBOL), (54, "1"), (38, "0"), (14, "0"), (151, "0"), (6, "0")]
    return fields + zero + [(103, "5"), (58, text), (60, utc(at_ns))] + request


def cancel_reject(order: Order | None, request: Fields, reason: str, text: str, at_ns: int) -> Fields:
    """OrderCancelReject(9). `request` is the refused F or G."""
    values = dict(request)
    to_replace = values.get(35) == "G"
    return [
        (35, "9"),
        (37, order.order_id if order else "NONE"),
        (11, values.get(11) or "NONE"),
        (41, values.get(41) or "NONE"),
        (39, order.ord_status if order else "8"),
        (434, "2" if to_replace else "1"),
        (102, reason),
        (58, text),
        (60, utc(at_ns)),
    ]


def business_reject(request: Fields, text: str, reason: str = "3") -> Fields:
    """BusinessMessageReject(j). 380=3: unsupported message type."""
    values = dict(request)
    fields: Fields = [(35, "j"), (372, values.get(35) or "?"), (380, reason), (58, text)]
    if values.get(34):
        fields.insert(1, (45, values[34]))
    if values.get(11):
        fields.append((379, values[11]))
    return fields


def position_reports(
    account: Account, request_id: str, unique: str, at_ns: int
) -> list[tuple[Fields, tuple[Group, ...]]]:
    """One PositionReport(AP) per open position, or one with 728=2 when there is none. A hedging account has
    several of one symbol, each under its own id."""
    held = [(s, q, "") for s, q in sorted(account.positions.items()) if q]
    if account.tickets:
        held = [(s, q, name) for name, (s, q) in sorted(account.tickets.items())]
    common: Fields = [(35, "AP"), (710, request_id), (1, account.name), (715, trade_date(at_ns)), (581, "1")]
    if not held:
        return [([*common, (721, f"{unique}-0"), (727, "0"), (728, "2")], ())]
    out: list[tuple[Fields, tuple[Group, ...]]] = []
    for index, (symbol, qty, name) in enumerate(held, 1):
        head: Fields = [
            (POSITION_TAG, name or f"{unique}-{index}"),
            (727, str(len(held))),
            (728, "0"),
            (55, symbol),
        ]
        head += [(730, "0"), (731, "1"), (734, "0")]
        side = (704, number(qty)) if qty > 0 else (705, number(-qty))
        out.append((common + head, (Group(702, 703, (((703, "TQ"), side),)),)))
    return out


def account_report(
    account: Account, mids: dict[str, Decimal], inverse: Container[str], report_id: str, at_ns: int
) -> Fields:
    """CollateralReport(BA): balance 901, equity 900, free margin 899 at a leverage of 30.

    What every instrument pays counts one to one as the account currency: a simplification of the model.
    """
    held = {s: worth(q, mids.get(s, ZERO), s in inverse) for s, q in account.positions.items()}
    profit = sum((account.cash.get(s, ZERO) + value for s, value in held.items()), ZERO)
    used = sum((abs(value) for value in held.values()), ZERO) / 30
    cents = Decimal("0.01") if account.currency in WITH_CENTS else Decimal("0.00000001")
    equity = (account.balance + profit).quantize(cents)
    return [
        (35, "BA"),
        (908, report_id),
        (910, "3"),
        (1, account.name),
        (15, account.currency),
        (899, number((equity - used).quantize(cents))),
        (900, number(equity)),
        (901, number(account.balance.quantize(cents))),
        (60, utc(at_ns)),
    ]


def quote_message(symbol: str, bid: Decimal, ask: Decimal, at_ns: int) -> tuple[Fields, tuple[Group, ...]]:
    """MarketDataSnapshotFullRefresh(W) with one bid and one offer."""
    entries = (((269, "0"), (270, number(bid))), ((269, "1"), (270, number(ask))))
    return [(35, "W"), (55, symbol), (60, utc(at_ns))], (Group(268, 269, entries),)
