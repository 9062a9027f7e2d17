"""Equal states are made equal: what can make no difference is left out, and numbers are counted from one."""

from __future__ import annotations

from tests.protocol.rules import Setup
from tests.protocol.state import DISPATCHED, HELD, Item, World


def tidy(w: World, s: Setup) -> World:
    """Another state of which everything that can happen is the same, step by step."""
    if w.late:
        w = w._replace(late=tuple(x for x in w.late if matters(w, s, x)))
    if w.seen:
        named = {x[1:3] for x in (*w.queue, *w.late) if x[0] != "greet"}
        named.update((at, order.try_no) for at, order in enumerate(w.orders) if order.live)
        if any(x[:2] not in named for x in w.seen):
            w = w._replace(seen=frozenset(x for x in w.seen if x[:2] in named))
    if w.rows and s.rules.try_numbers:
        rows = tuple(row for row in w.rows if tells(w, row))
        if len(rows) < len(w.rows):
            w = w._replace(rows=rows)
    if w.epoch > 1 or w.incarnation > 1:
        w = renumbered(w)
    for at, order in enumerate(w.orders):
        if order.try_no > 1 and s.rules.try_numbers:
            w = recounted(w, at)
    return w


def matters(w: World, s: Setup, frame: Item) -> bool:
    """A late frame that can still be sent, or whose refusal would tell the core something."""
    _, at, try_no, incarnation, epoch = frame
    if (at, try_no, True) in w.seen:
        return False
    ignored = s.rules.try_numbers and not (w.orders[at].live and w.orders[at].try_no == try_no)
    refused = (at, try_no, False) in w.seen
    refused = refused or (s.rules.names_incarnation and incarnation != w.incarnation)
    return not (ignored and (refused or (s.rules.names_epoch and epoch < w.obeys)))


def tells(w: World, row: Item) -> bool:
    """A row that can still change something at the core: of the try of now, about an order that lives."""
    match row[0]:
        case "out" | "no":
            order = w.orders[row[1]]
            return order.state in (HELD, DISPATCHED) and order.try_no <= row[2]
        case "sync":
            return bool(row[1] == w.incarnation and row[2] == w.epoch)
        case "in":
            order = w.orders[row[1][1]]
            return order.live or (row[1][0] == "fill" and not order.counted)
    return True


def renumbered(w: World) -> World:
    """Incarnations and epochs are only compared: those that nothing names any more leave no gap."""
    orders = [frame for frame in (*w.queue, *w.late) if frame[0] == "order"]
    pairs = [x[3:5] for x in orders]
    pairs += [x[1:3] for x in (*w.queue, *w.rows) if x[0] in ("greet", "sync")]
    pairs += [(x.incarnation, x.epoch) for x in w.orders]
    incarnations = sorted({x for x, _ in pairs} | {0, w.incarnation, w.linked})
    epochs = sorted({x for _, x in pairs} | {0, w.epoch, w.obeys})
    if incarnations[-1] == len(incarnations) - 1 and epochs[-1] == len(epochs) - 1:
        return w
    first = {number: at for at, number in enumerate(incarnations)}
    second = {number: at for at, number in enumerate(epochs)}

    def item(x: Item) -> Item:
        if x[0] == "order":
            return (*x[:3], first[x[3]], second[x[4]])
        return (x[0], first[x[1]], second[x[2]]) if x[0] in ("greet", "sync") else x

    return w._replace(
        incarnation=first[w.incarnation],
        linked=first[w.linked],
        epoch=second[w.epoch],
        obeys=second[w.obeys],
        queue=tuple(map(item, w.queue)),
        late=tuple(map(item, w.late)),
        rows=tuple(map(item, w.rows)),
        orders=tuple(
            order._replace(incarnation=first[order.incarnation], epoch=second[order.epoch])
            for order in w.orders
        ),
    )


def recounted(w: World, at: int) -> World:
    """Tries are only compared too: those that no frame names any more leave no gap."""
    now = w.orders[at].try_no
    named = {x[2] for x in (*w.queue, *w.late) if x[0] != "greet" and x[1] == at} | {now}
    if now == len(named):
        return w
    number = {try_no: place for place, try_no in enumerate(sorted(named), start=1)}

    def mine(items: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple((*x[:2], number[x[2]], *x[3:]) if x[0] in TRIES and x[1] == at else x for x in items)

    return w.having(at, w.orders[at]._replace(try_no=number[now]))._replace(
        queue=mine(w.queue),
        late=mine(w.late),
        rows=mine(w.rows),
        hand=mine(w.hand),
        seen=frozenset((at, number[x[1]], x[2]) if x[0] == at else x for x in w.seen),
    )


TRIES = ("order", "probe", "out", "no", "row")
"""Frames and rows that name a try. In the hand an order is on its way, whatever its try."""
