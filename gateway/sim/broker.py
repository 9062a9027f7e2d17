"""A broker as a pure model: decoded FIX and a clock go in, messages with a due time come out.

Nothing here reads a clock, a socket or an unseeded generator, so one seed gives one life of the broker.
Chances are whole numbers per 10,000 and quantities are decimals: no float decides anything.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from gateway.sim import reports
from gateway.sim.book import (
    CANCELED,
    EXPIRED,
    FILLED,
    PENDING,
    REJECTED,
    WORKING,
    ZERO,
    Account,
    Book,
    Execution,
    Order,
)
from gateway.sim.reports import Dialect, Outgoing
from gateway.sim.text import Fields, decimal_or_none, first, number

MS = 1_000_000
PER_10K = 10_000
QTY_MAX = Decimal("1e15")
"""Orders above this are refused; it keeps sums inside the decimal context's 28 digits."""
MARKET, LIMIT, STOP, STOP_LIMIT = "1", "2", "3", "4"
IOC, FOK = "3", "4"


@dataclass(frozen=True)
class Behaviour:
    """How the broker treats orders. Delays in milliseconds, chances per 10,000."""

    ack_ms: int = 1
    fill_ms: int = 3
    jitter_ms: int = 2
    cancel_ms: int = 2
    reject_per_10k: int = 0
    partial_per_10k: int = 0
    parts_max: int = 4
    expire_per_10k: int = 0
    """Chance that the rest of an order expires after its first part."""
    late_cancel_per_10k: int = 0
    """Chance that a cancelled order is filled before the cancel takes effect."""
    overfill_per_10k: int = 0
    """Chance that the last fill exceeds the order: off unless a test asks for a broken broker."""
    lot_step_units: Decimal = Decimal(1000)
    """Partial fills are cut at whole steps."""
    hedging: bool = False
    """Positions stand side by side: an order that names none (721) opens one."""


class Broker:
    """Accounts, orders and positions of one broker. Call `receive` and `advance`; send what they return."""

    def __init__(
        self,
        seed: int,
        accounts: list[Account],
        behaviour: Behaviour | None = None,
        dialect: Dialect | None = None,
        inverse: Iterable[str] = (),
    ) -> None:
        """`inverse`: symbols of contracts whose unit is worth 1 / price."""
        self.behaviour = behaviour or Behaviour()
        self.dialect = dialect or Dialect()
        self.book = Book(accounts={a.name: a for a in accounts}, inverse=frozenset(inverse))
        self.quotes: dict[str, tuple[Decimal, Decimal]] = {}
        self._random = random.Random(seed)
        self._serial = 0
        self._steps: list[tuple[int, int, Callable[[int], list[Outgoing]]]] = []
        self._handlers: dict[str, Callable[[str, Fields, int], list[Outgoing]]] = {
            "D": self._new_order,
            "F": self._cancel_request,
            "G": self._replace_request,
            "H": self._status_request,
            "AF": self._mass_status_request,
            "AN": self._positions_request,
            "BB": self._account_request,
        }

    # ---- inputs -------------------------------------------------------------------------------------

    def receive(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        """Takes one application message; answers now, and plans the rest for `advance`."""
        handler = self._handlers.get(first(fields, 35))
        if handler is None:
            return [Outgoing(now_ns, session, reports.business_reject(fields, "message type not supported"))]
        if self.dialect.old and first(fields, 35) in ("AF", "AN", "BB"):
            return [Outgoing(now_ns, session, reports.business_reject(fields, "not in FIX 4.2"))]
        return handler(session, fields, now_ns)

    def advance(self, now_ns: int) -> list[Outgoing]:
        """Runs every planned step that is due, in order, each at its own time."""
        out: list[Outgoing] = []
        while self._steps and self._steps[0][0] <= now_ns:
            at_ns, _, step = heapq.heappop(self._steps)
            out += step(at_ns)
        return out

    def next_due_ns(self) -> int | None:
        """When `advance` has something to do next; None when all is quiet."""
        return self._steps[0][0] if self._steps else None

    def quote(self, symbol: str, bid: Decimal, ask: Decimal, now_ns: int) -> list[Outgoing]:
        """A new price. Resting limit orders that it crosses are filled, and stops that it reaches."""
        self.quotes[symbol] = (bid, ask)
        for order in self.book.orders.values():
            resting = order.state == WORKING and order.symbol == symbol and order.order_type != MARKET
            if resting and self._price(order) is not None:
                self._plan(now_ns, 0, self._fill_step(order.order_id, 1))
        return self.advance(now_ns)

    def bust(self, exec_id: str, now_ns: int) -> list[Outgoing]:
        """Takes one fill back: positions and CumQty fall, the report is 150=H (4.2: 20=1)."""
        execution = self.book.executions.get(exec_id)
        if execution is None or execution.busted:
            raise ValueError(f"bust: no live execution {exec_id!r}")
        order = self.book.orders[execution.order_id]
        execution.busted = True
        self._book(order, -execution.qty, execution.px)
        order.take(-execution.qty, execution.px)
        if order.state == FILLED:
            order.state = CANCELED  # a busted fill is not offered again
        extra: Fields = [(19, exec_id), *reports.fill_fields(execution)]
        return [self._report(order, "H", now_ns, extra)]

    def newest_fill(self) -> Execution | None:
        """The newest fill that is not busted; None when there is none."""
        return next((e for e in reversed(self.book.executions.values()) if not e.busted), None)

    def expire_day_orders(self, now_ns: int) -> list[Outgoing]:
        """The end of the trading day: every working order of time in force Day expires."""
        out: list[Outgoing] = []
        for order in self.book.orders.values():
            if order.state == WORKING and order.tif in ("", "0"):
                order.state = EXPIRED
                out.append(self._report(order, "C", now_ns))
        return out

    def account_values(self, session: str, now_ns: int, names: list[str] | None = None) -> list[Outgoing]:
        """CollateralReports for the named accounts, or all of them."""
        mids = {s: (bid + ask) / 2 for s, (bid, ask) in self.quotes.items()}
        chosen = [self.book.accounts[n] for n in names if n in self.book.accounts] if names else None
        out: list[Outgoing] = []
        for account in self.book.accounts.values() if chosen is None else chosen:
            fields = reports.account_report(account, mids, self.book.inverse, self._next("C"), now_ns)
            out.append(Outgoing(now_ns, session, fields))
        return out

    def quote_messages(self, session: str, now_ns: int) -> list[Outgoing]:
        """Market data for every quoted symbol."""
        out: list[Outgoing] = []
        for symbol, (bid, ask) in self.quotes.items():
            fields, groups = reports.quote_message(symbol, bid, ask, now_ns)
            out.append(Outgoing(now_ns, session, fields, groups))
        return out

    # ---- requests -----------------------------------------------------------------------------------

    def _new_order(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        qty = decimal_or_none(first(fields, 38))
        order = Order(
            order_id=self._next("O"),
            cl_ord_id=first(fields, 11) or "NONE",
            session=session,
            account=first(fields, 1),
            symbol=first(fields, 55),
            side=first(fields, 54),
            order_type=first(fields, 40),
            tif=first(fields, 59),
            order_qty=qty if qty is not None and abs(qty) <= QTY_MAX else ZERO,
            px=decimal_or_none(first(fields, 44)),
            stop_px=decimal_or_none(first(fields, 99)),
            position_id=first(fields, reports.POSITION_TAG) if self.behaviour.hedging else "",
        )
        order.closes, order.inverse = bool(order.position_id), order.symbol in self.book.inverse
        fault = self._fault(order, first(fields, 11))
        if fault is not None:
            return [self._refuse(order, *fault, now_ns)]
        if self.behaviour.hedging and not order.closes:
            order.position_id = self._next("T")
        self.book.orders[order.order_id] = order
        self.book.by_cl_ord_id[(order.account, order.cl_ord_id)] = order.order_id
        if self._chance(self.behaviour.reject_per_10k):
            self._plan(now_ns, self.behaviour.ack_ms, self._reject_step(order.order_id))
        else:
            self._plan(now_ns, self.behaviour.ack_ms, self._accept_step(order.order_id))
        return self.advance(now_ns)

    def _fault(self, order: Order, cl_ord_id: str) -> tuple[str, str] | None:
        """OrdRejReason(103) and Text(58) of an order that cannot be taken, or None."""
        checks = (
            (not cl_ord_id, "99", "ClOrdID(11) is missing"),
            (order.account not in self.book.accounts, "15", f"unknown account {order.account!r}"),
            (self._known(order), "6", "duplicate ClOrdID(11)"),
            (order.symbol not in self.quotes, "1", f"unknown symbol {order.symbol!r}"),
            (order.side not in ("1", "2"), "99", "Side(54) must be 1 or 2"),
            (order.order_qty <= 0, "13", "OrderQty(38) must be above 0 and at most 1e15"),
            (order.order_type not in (MARKET, LIMIT, STOP, STOP_LIMIT), "11", "OrdType(40) must be 1 to 4"),
            (order.order_type in (LIMIT, STOP_LIMIT) and not order.px, "99", "Price(44) is missing"),
            (order.order_type in (STOP, STOP_LIMIT) and not order.stop_px, "99", "StopPx(99) is missing"),
            (any(px is not None and px < 0 for px in (order.px, order.stop_px)), "99", "a price is negative"),
            (
                order.closes and order.order_qty > self._closable(order),
                "99",
                "POSITION_NOT_FOUND, or too small",
            ),
        )
        return next(((reason, text) for failed, reason, text in checks if failed), None)

    def _closable(self, order: Order) -> Decimal:
        """Units that a close by name can take: what its position holds on the other side."""
        account = self.book.accounts.get(order.account)
        return ZERO if account is None else max(-order.sign * account.ticket(order.position_id), ZERO)

    def _known(self, order: Order) -> bool:
        known = (order.account, order.cl_ord_id) in self.book.by_cl_ord_id
        self.book.duplicate_requests += known
        return known

    def _cancel_request(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        order = self._target(fields)
        refused = self._refused_change(order, session, fields, now_ns)
        if order is None or refused:
            return refused
        request_id = first(fields, 11)
        self.book.by_cl_ord_id[(order.account, request_id)] = order.order_id
        order.cancel_id = request_id
        if order.state == WORKING and self._chance(self.behaviour.late_cancel_per_10k):
            self._plan(now_ns, 0, self._fill_step(order.order_id, 1))
        self._plan(now_ns, self.behaviour.cancel_ms, self._cancel_step(order.order_id, session, fields))
        return [self._change_report(order, "6", now_ns, order.cl_ord_id), *self.advance(now_ns)]

    def _replace_request(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        order = self._target(fields)
        refused = self._refused_change(order, session, fields, now_ns)
        if order is None or refused:
            return refused
        qty = decimal_or_none(first(fields, 38)) or order.order_qty
        if not order.cum_qty < qty <= QTY_MAX:
            text = f"OrderQty(38) must be above CumQty {number(order.cum_qty)}"
            return [Outgoing(now_ns, session, reports.cancel_reject(order, fields, "99", text, now_ns))]
        previous, order.cl_ord_id = order.cl_ord_id, first(fields, 11)
        self.book.by_cl_ord_id[(order.account, order.cl_ord_id)] = order.order_id
        order.order_qty = qty
        order.px = decimal_or_none(first(fields, 44)) or order.px
        order.stop_px = decimal_or_none(first(fields, 99)) or order.stop_px
        if order.state == WORKING:
            self._plan(now_ns, self.behaviour.fill_ms, self._fill_step(order.order_id, 1))
        return [self._change_report(order, "5", now_ns, previous), *self.advance(now_ns)]

    def _refused_change(
        self, order: Order | None, session: str, fields: Fields, now_ns: int
    ) -> list[Outgoing]:
        request_id = first(fields, 11)
        if order is None:
            fault = ("1", "unknown order")
        elif not request_id or (order.account, request_id) in self.book.by_cl_ord_id:
            self.book.duplicate_requests += 1
            fault = ("6", "duplicate or missing ClOrdID(11)")
        elif not order.live:
            fault = ("0", "too late to cancel")
        elif order.cancel_id:
            fault = ("3", "a cancel is already pending")
        else:
            return []
        return [Outgoing(now_ns, session, reports.cancel_reject(order, fields, *fault, now_ns))]

    def _target(self, fields: Fields) -> Order | None:
        return self.book.find(first(fields, 1), first(fields, 41))

    def _status_request(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        cl_ord_id = first(fields, 11)
        order = self.book.find(first(fields, 1), cl_ord_id)
        echo: Fields = [(790, v)] if (v := first(fields, 790)) else []
        if order is None:
            unknown = reports.unknown_status(
                self.dialect, first(fields, 1), cl_ord_id, echo, "unknown order", now_ns
            )
            return [Outgoing(now_ns, session, unknown)]
        return [self._report(order, "I", now_ns, echo, session)]

    def _mass_status_request(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        account = first(fields, 1)
        echo: Fields = [(584, first(fields, 584) or "NONE")]
        live = [o for o in self.book.orders.values() if o.live and account in ("", o.account)]
        if not live:
            empty = reports.unknown_status(
                self.dialect, account, "", [*echo, (911, "0"), (912, "Y")], "no working orders", now_ns
            )
            return [Outgoing(now_ns, session, empty)]
        out: list[Outgoing] = []
        for index, order in enumerate(live, 1):
            tail: Fields = [*echo, (911, str(len(live))), (912, "Y" if index == len(live) else "N")]
            out.append(self._report(order, "I", now_ns, tail, session))
        return out

    def _positions_request(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        wanted = first(fields, 1)
        request_id = first(fields, 710) or "NONE"
        accounts = [a for a in self.book.accounts.values() if wanted in ("", a.name)]
        if not accounts:
            refused = reports.business_reject(fields, f"unknown account {wanted!r}", "0")
            return [Outgoing(now_ns, session, refused)]
        out: list[Outgoing] = []
        for account in accounts:
            for body, groups in reports.position_reports(account, request_id, self._next("P"), now_ns):
                out.append(Outgoing(now_ns, session, body, groups))
        return out

    def _account_request(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        wanted = first(fields, 1)
        return self.account_values(session, now_ns, [wanted] if wanted else None)

    # ---- planned steps ------------------------------------------------------------------------------

    def _accept_step(self, order_id: str) -> Callable[[int], list[Outgoing]]:
        def accept(at_ns: int) -> list[Outgoing]:
            order = self.book.orders[order_id]
            if order.state != PENDING:
                return []
            order.state = WORKING
            acknowledged = self._report(order, "0", at_ns)
            if self._price(order) is not None:
                self._plan(at_ns, self.behaviour.fill_ms, self._fill_step(order_id, self._parts()))
            elif order.order_type == MARKET or order.tif in (IOC, FOK):
                order.state = EXPIRED
                return [acknowledged, self._report(order, "C", at_ns)]
            return [acknowledged]

        return accept

    def _reject_step(self, order_id: str) -> Callable[[int], list[Outgoing]]:
        def reject(at_ns: int) -> list[Outgoing]:
            order = self.book.orders[order_id]
            if order.state != PENDING:
                return []
            order.state = REJECTED
            return [self._report(order, "8", at_ns, [(103, "0"), (58, "rejected by the simulated broker")])]

        return reject

    def _fill_step(self, order_id: str, parts_left: int) -> Callable[[int], list[Outgoing]]:
        def fill(at_ns: int) -> list[Outgoing]:
            order = self.book.orders[order_id]
            px = self._price(order)
            if order.state != WORKING or not order.leaves_qty:
                return []
            if px is None:
                return self._no_longer_marketable(order, at_ns)
            if order.closes and self._closable(order) < order.leaves_qty:
                order.state = CANCELED  # another close, or a bust, took from it meanwhile
                return [self._report(order, "4", at_ns)]
            out = [self._execute(order, self._slice(order, parts_left), px, at_ns)]
            if order.state == WORKING and parts_left > 1:
                if self._chance(self.behaviour.expire_per_10k):
                    order.state = EXPIRED
                    out.append(self._report(order, "C", at_ns))
                else:
                    self._plan(at_ns, self.behaviour.fill_ms, self._fill_step(order_id, parts_left - 1))
            return out

        return fill

    def _no_longer_marketable(self, order: Order, at_ns: int) -> list[Outgoing]:
        if order.tif not in (IOC, FOK):
            return []
        order.state = EXPIRED
        return [self._report(order, "C", at_ns)]

    def _cancel_step(self, order_id: str, session: str, request: Fields) -> Callable[[int], list[Outgoing]]:
        def cancel(at_ns: int) -> list[Outgoing]:
            order = self.book.orders[order_id]
            if not order.live:
                order.cancel_id = ""
                refused = reports.cancel_reject(order, request, "0", "too late to cancel", at_ns)
                return [Outgoing(at_ns, session, refused)]
            previous, order.cl_ord_id = order.cl_ord_id, order.cancel_id
            order.state, order.cancel_id = CANCELED, ""
            return [self._change_report(order, "4", at_ns, previous)]

        return cancel

    # ---- parts --------------------------------------------------------------------------------------

    def _execute(self, order: Order, qty: Decimal, px: Decimal, at_ns: int) -> Outgoing:
        exec_id = self._next("E")
        execution = Execution(
            exec_id, order.order_id, order.cl_ord_id, order.account, order.symbol, order.side, qty, px, at_ns
        )
        self.book.executions[exec_id] = execution
        self._book(order, qty, px)
        order.take(qty, px)
        if order.cum_qty >= order.order_qty:
            order.state = FILLED
        return self._report(order, "F", at_ns, reports.fill_fields(execution), exec_id=exec_id)

    def _book(self, order: Order, qty: Decimal, px: Decimal) -> None:
        account = self.book.accounts[order.account]
        account.book(order.symbol, order.sign * qty, px, order.inverse)
        if order.position_id:
            account.move_ticket(order.position_id, order.symbol, order.sign * qty)

    def _slice(self, order: Order, parts_left: int) -> Decimal:
        """The next fill's quantity: a whole number of steps, or all that is left."""
        leaves = order.leaves_qty
        if parts_left > 1 and order.tif != FOK:
            step = self.behaviour.lot_step_units
            part = (leaves / parts_left / step).to_integral_value(ROUND_DOWN) * step
            return part if part > 0 else leaves
        if self._chance(self.behaviour.overfill_per_10k):
            return leaves + self.behaviour.lot_step_units
        return leaves

    def _price(self, order: Order) -> Decimal | None:
        """The price the order trades at now; None when there is no quote or limit or stop is not reached."""
        quote = self.quotes.get(order.symbol)
        if quote is None:
            return None
        px = quote[1] if order.side == "1" else quote[0]
        if order.order_type in (STOP, STOP_LIMIT) and order.stop_px is not None and not order.triggered:
            order.triggered = (px - order.stop_px) * order.sign >= 0
            if not order.triggered:
                return None
        limited = order.order_type in (LIMIT, STOP_LIMIT)
        if limited and order.px is not None and (px - order.px) * order.sign > 0:
            return None
        return px

    def _parts(self) -> int:
        if not self._chance(self.behaviour.partial_per_10k):
            return 1
        return self._random.randint(2, max(2, self.behaviour.parts_max))

    def _refuse(self, order: Order, reason: str, text: str, now_ns: int) -> Outgoing:
        order.state = REJECTED
        order.order_id = order.order_id or "NONE"
        return self._report(order, "8", now_ns, [(103, reason), (58, text)])

    def _report(
        self,
        order: Order,
        exec_type: str,
        at_ns: int,
        extra: Fields | None = None,
        session: str = "",
        exec_id: str = "",
    ) -> Outgoing:
        exec_id = exec_id or self._next("E")
        fields = reports.execution_report(self.dialect, order, exec_type, exec_id, at_ns, extra)
        return Outgoing(at_ns, session or order.session, fields)

    def _change_report(self, order: Order, exec_type: str, at_ns: int, previous: str) -> Outgoing:
        """A report about a cancel or replace: 11 is the request's id, 41 the id before it."""
        report = self._report(order, exec_type, at_ns, [(41, previous)])
        if exec_type == "6":
            report.fields[2] = (11, order.cancel_id)
        return report

    def _plan(self, now_ns: int, delay_ms: int, step: Callable[[int], list[Outgoing]]) -> None:
        jitter_ns = self._random.randint(0, self.behaviour.jitter_ms * MS) if delay_ms else 0
        self._serial += 1
        heapq.heappush(self._steps, (now_ns + delay_ms * MS + jitter_ns, self._serial, step))

    def _chance(self, per_10k: int) -> bool:
        return per_10k > 0 and self._random.randrange(PER_10K) < per_10k

    def _next(self, prefix: str) -> str:
        """Ids are unique within one broker and derived from a counter: replays produce the same."""
        self._serial += 1
        return f"{prefix}{self._serial:09d}"
