"""Steps of the core: leader's reports, plan, dispatch, rows, timers. Its state is its journal."""

from __future__ import annotations

from collections.abc import Iterable

from tests.protocol.rules import Setup
from tests.protocol.state import (
    ACKNOWLEDGED,
    DISPATCHED,
    FILLED,
    HELD,
    MISSED,
    OUT,
    REJECTED,
    UNKNOWN,
    Item,
    Order,
    World,
)

WAITING_MAX = 3
"""Bound of frames and rows where probes are not bounded by the rules: their timer would fire for ever."""


def places(w: World, *states: str) -> list[int]:
    """Places of the orders in one of these states."""
    return [at for at, order in enumerate(w.orders) if order.state in states]


def planned(w: World, s: Setup) -> World:
    """`work_line`: opens beyond the target are withdrawn while held, closes are made for what is filled."""
    working = [at for at, order in enumerate(w.orders) if order.opens and order.live]
    if w.target < w.filled + len(working):
        for at in working:
            if w.orders[at].state == HELD:
                w = w.having(at, w.orders[at].to(MISSED))
    base = w.filled
    if not s.rules.reduces_filled:
        base += sum(order.opens and order.live for order in w.orders)
    # A close ends as missed only without `close_again`: it is given up then, as an open is.
    closing = any((order.live or order.state == MISSED) and not order.opens for order in w.orders)
    if w.target < base and not closing and not places(w, UNKNOWN):
        w = w._replace(orders=(*w.orders, Order(opens=False)))
    return w


def next_report(w: World, s: Setup) -> Iterable[int]:
    """The leader opens, then closes."""
    return [w.heard] if w.heard <= 2 else []


def takes_report(w: World, s: Setup, number: int) -> World:
    """`Pipeline.submit` and `on_leader`: row and decision are one."""
    return planned(copied(w._replace(heard=number + 1), number), s)


def copied(w: World, number: int) -> World:
    """What a leader's report does to the target."""
    if number == 2:
        return w._replace(target=0)
    return w._replace(target=w.target + 1, orders=(*w.orders, Order(opens=True)))


def dispatchable(w: World, s: Setup) -> Iterable[int]:
    """`again`: held, the route is ready, an open is in time."""
    if not w.ready:
        return []
    return [at for at in places(w, HELD) if w.fresh or not w.orders[at].opens]


def dispatches(w: World, s: Setup, at: int) -> World:
    """`write_order` and `handed_over`: one ORDERS frame, for this incarnation, of this epoch."""
    order = w.orders[at].to(DISPATCHED)._replace(incarnation=w.linked, epoch=w.epoch)
    frame: Item = ("order", at, order.try_no, w.linked, w.epoch)
    return w.having(at, order)._replace(queue=(*w.queue, frame))


def overdue(w: World, s: Setup) -> Iterable[int]:
    """`again`: an open past its deadline, which may be now."""
    return [at for at in places(w, HELD) if w.orders[at].opens]


def misses(w: World, s: Setup, at: int) -> World:
    """`end_unsent(Missed)`: the target gives it up."""
    w = w.having(at, w.orders[at].to(MISSED))
    return planned(w._replace(target=max(0, w.target - 1), fresh=False), s)


def probable(w: World, s: Setup) -> Iterable[int]:
    """`run_queues`: dispatched for `dispatch_timeout_ms`. Not while its own frame or an answer is on its
    way: the probe's answer would come behind that, and be ignored."""
    if not s.rules.dispatch_timeout or not (w.connected and w.linked):
        return []
    if not (s.rules.try_numbers and s.rules.probe_looks):
        return places(w, DISPATCHED) if len(w.rows) + len(w.queue) < WAITING_MAX else []
    flying = {x[1:3] for x in (*w.queue, *w.rows) if x[0] in ("order", "probe", "out", "no")}
    return [at for at in places(w, DISPATCHED) if (at, w.orders[at].try_no) not in flying]


def probe_of(w: World, at: int) -> Item:
    """The PROBE frame of an order's try."""
    return ("probe", at, w.orders[at].try_no)


def probes(w: World, s: Setup, at: int) -> World:
    """The route answers with a row."""
    return w._replace(queue=(*w.queue, probe_of(w, at)))


def unreported(w: World, s: Setup) -> Iterable[int]:
    """`run_queues`: out for `ack_timeout_ms`."""
    return places(w, OUT) if s.rules.ack_timeout else []


def doubts(w: World, s: Setup, at: int) -> World:
    """`doubt`: unknown, and asked about."""
    if not s.rules.asks:
        return held(w, at)
    return asks(w.having(at, w.orders[at].to(UNKNOWN)), at, s)


def unanswered(w: World, s: Setup) -> Iterable[int]:
    """`DUE_QUERY`: asked `query_retry_ms` ago. Where old answers count, also with a question on its way;
    where they do not, that would only take longer."""
    if not s.rules.asks_again or not askable(w):
        return []
    flying = {x[1] for x in questions(w) if x[2] or ignores_old(s)}
    return [at for at in places(w, UNKNOWN) if at not in flying]


def askable(w: World) -> bool:
    """A question would reach the line. The link is skipped: what waits there is as good as asked later."""
    return w.ready and w.line


def questions(w: World) -> list[Item]:
    """Questions and their answers, wherever they are: kind, order, whether a newer question was asked."""
    rows = (word(row) for row in w.rows if row[0] == "in")
    return [x for x in (*w.wire, *w.reports, *rows) if x[0] in ("ask", "answer")]


def asks_again(w: World, s: Setup, at: int) -> World:
    """`query`, and whether it was asked late enough for "not known" to count (`absent`).

    `settle_ms` is at least what a broker holds an order for. When it is over, the order is not on its way;
    when the order is not on its way, it may be over.
    """
    return asks(w, at, s, proof=settling(w, s, at) and not on_its_way(w, at))


def settling(w: World, s: Setup, at: int) -> bool:
    """The settle time runs."""
    return w.orders[at].denied or not s.rules.settles_from_answer


def on_its_way(w: World, at: int) -> bool:
    """The order is on the wire or in the broker's gateway."""
    return at in w.gateway or any(x[0] == "order" and x[1] == at for x in w.wire)


def asks(w: World, at: int, s: Setup, *, proof: bool = False) -> World:
    """`query`: a new number makes earlier questions old. What cannot be handed over waits for the timer."""
    if not w.orders[at].live:
        return w
    w = aged(w, s, at).having(at, w.orders[at]._replace(proof=proof))
    if not askable(w):
        return w
    asked = w.orders[at].asked
    if counts(s):
        w = w.having(at, w.orders[at]._replace(asked=(*asked, proof)))
    return w._replace(wire=(*w.wire, ("ask", at, False)))


def aged(w: World, s: Setup, at: int) -> World:
    """Every question about the order that is on its way is an old one now, and so is its answer: left out
    where the core ignores it."""
    ignored = ignores_old(s)

    def old(items: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(
            (*x[:2], True, *x[3:]) if about(x, at) else x for x in items if not (ignored and about(x, at))
        )

    rows = (row if row[0] != "in" else ("in", *old((word(row),))) for row in w.rows)
    return w._replace(
        wire=old(w.wire), reports=old(w.reports), rows=tuple(row for row in rows if row != ("in",))
    )


def about(x: Item, at: int) -> bool:
    """A question about an order, or its answer."""
    return x[0] in ("ask", "answer") and x[1] == at


def word(row: Item) -> Item:
    """The report in a row."""
    report: Item = row[1]
    return report


def ignores_old(s: Setup) -> bool:
    """The answer to an older question changes nothing."""
    return s.rules.query_id and s.venue.names_question


def counts(s: Setup) -> bool:
    """Answers that name no question are counted."""
    return s.rules.counts_answers and not s.venue.names_question


def counted(w: World, at: int) -> tuple[World, bool | None]:
    """The answer is that to the oldest open question; whether "not known" is proof then; None: it says
    nothing."""
    asked = w.orders[at].asked
    return w.having(at, w.orders[at]._replace(asked=asked[1:])), asked[0] if asked else None


def held(w: World, at: int) -> World:
    """`hold`: back under the next try number."""
    order = w.orders[at]
    return w.having(at, order.to(HELD)._replace(try_no=order.try_no + 1))


def waiting_rows(w: World, s: Setup) -> Iterable[int]:
    """Rows go out when the order of their turn is handed over, and are taken on a link that said HELLO."""
    there = w.connected and w.linked == w.incarnation
    return [0] if there and w.rows and not w.hand else []


def takes_row(w: World, s: Setup, _: int) -> World:
    """`on_route`: journaled, applied, never to be taken again."""
    row = w.rows[0]
    return planned(ROWS[str(row[0])](w._replace(rows=w.rows[1:]), s, row), s)


def went_out(w: World, s: Setup, row: Item) -> World:
    """`went_out`."""
    at, try_no = int(row[1]), row[2]
    order = w.orders[at]
    if order.state != DISPATCHED or (s.rules.try_numbers and order.try_no != try_no):
        return w
    return w.having(at, order._replace(state=OUT))


def not_sent(w: World, s: Setup, row: Item) -> World:
    """`not_sent`."""
    at, try_no = int(row[1]), row[2]
    order = w.orders[at]
    if order.state != DISPATCHED or (s.rules.try_numbers and order.try_no != try_no):
        return w
    return held(w, at)


def synced(w: World, s: Setup, row: Item) -> World:
    """`synced`: all older rows are applied."""
    if row[1] != w.linked or row[2] != w.epoch:
        return w
    return without_row(w._replace(synced=True), s, older_only=s.rules.sync_older_only)


def without_row(w: World, s: Setup, *, older_only: bool) -> World:
    """What was dispatched before and has no OUT row never left; what has one is asked about."""
    for at, order in enumerate(w.orders):
        older = order.incarnation != w.linked or order.epoch != w.epoch
        if older or not older_only:
            if order.state == DISPATCHED:
                w = held(w, at)
            elif order.state == OUT and older:
                w = doubts(w, s, at)
    return w


def logged_on(w: World, s: Setup, row: Item) -> World:
    """`Row::Logon`: at a venue that resends nothing, everything that lives is asked about (`ask_all`)."""
    w = w._replace(up=True)
    if s.venue.resends or not s.rules.asks_after_logon:
        return w
    for at in places(w, OUT, ACKNOWLEDGED):
        w = doubts(w, s, at)
    for at in places(w, UNKNOWN):
        w = asks(w, at, s)
    return w


def logged_off(w: World, s: Setup, row: Item) -> World:
    """`Row::Logout`."""
    return w._replace(up=False)


def reported(w: World, s: Setup, row: Item) -> World:
    """`on_report`: what the broker said, moved along the table of order.rs."""
    report = word(row)
    at = int(report[1])
    match report[0]:
        case "new":
            return acknowledged(w, at)
        case "fill":
            return filled(w, at)
        case "duplicate":
            return asks(w, at, s) if s.rules.duplicate_asks else rejected(w, at)
    return answered(w, s, at, old=bool(report[2]), says=str(report[3]))


def acknowledged(w: World, at: int) -> World:
    """New, or a status that shows it alive."""
    order = w.orders[at]
    return w.having(at, order.to(ACKNOWLEDGED)) if order.live else w


def filled(w: World, at: int) -> World:
    """A fill moves the books once, whatever our own state says."""
    order = w.orders[at]
    if not order.counted:
        w = w._replace(filled=w.filled + (1 if order.opens else -1))
        order = order._replace(counted=True)
    return w.having(at, order.to(FILLED) if order.live else order)


def rejected(w: World, at: int) -> World:
    """`Input::Reject`: what an open does not get, the target gives up."""
    order = w.orders[at]
    if not order.live or order.state == HELD:
        return w
    return w.having(at, order.to(REJECTED))._replace(target=max(0, w.target - order.opens))


def answered(w: World, s: Setup, at: int, *, old: bool, says: str) -> World:
    """`transition` for a status: `status_input`, `status_unknown`, `absent`."""
    if old and ignores_old(s):
        return w
    proof: bool | None = w.orders[at].proof
    if counts(s):
        w, proof = counted(w, at)
    order = w.orders[at]
    if says == "filled":
        return filled(w, at)
    if says == "working":
        return acknowledged(w, at)
    if s.venue.denies_by_reject and not s.rules.denial_no_reject and order.state in (DISPATCHED, OUT):
        return rejected(w, at)
    if s.venue.denies_by_reject and order.state == ACKNOWLEDGED:
        return doubts(w, s, at)
    if order.state != UNKNOWN or proof is None:
        return w
    if s.rules.settles and not proof:
        return w.having(at, order._replace(denied=s.rules.settles_from_answer))
    if not order.opens and not s.rules.close_again:
        return w.having(at, order.to(MISSED))
    return held(w, at)


ROWS = {
    "out": went_out,
    "no": not_sent,
    "sync": synced,
    "logon": logged_on,
    "logoff": logged_off,
    "in": reported,
}
"""What the core does with each kind of row (`Engine::row`)."""
