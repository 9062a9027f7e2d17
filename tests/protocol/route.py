"""Steps of the route: HELLO, frames of the core, hand-over to QuickFIX, rows of what the broker says."""

from __future__ import annotations

from collections.abc import Iterable

from tests.protocol.core import without_row
from tests.protocol.rules import Setup
from tests.protocol.state import Item, World


def says_hello(w: World, s: Setup) -> Iterable[int]:
    """On each new connection, when the beat of a newer core comes or a WHO, and when no GREET comes."""
    greets = sum(frame[0] == "greet" for frame in w.queue)
    newer = w.obeys < w.epoch and greets < 2
    asked = s.rules.hello_again and w.linked != w.incarnation
    again = s.rules.greet_again and greets < 2 and waits(w)
    return [0] if not w.connected or newer or asked or again else []


def waits(w: World) -> bool:
    """The core took the last HELLO, and its GREET is on its way or lost: no SYNC row is there, or was."""
    return w.linked == w.incarnation and not w.synced and ("sync", w.incarnation, w.epoch) not in w.rows


def hello(w: World, s: Setup, _: int) -> World:
    """`on_link`: the core greets, and hands nothing over before the SYNC row comes."""
    greet: Item = ("greet", w.incarnation, w.epoch)
    w = w._replace(connected=True, linked=w.incarnation, synced=False, up=w.line, queue=(*w.queue, greet))
    return w if s.rules.sync_behind_rows else without_row(w, s, older_only=True)


def first_frame(w: World, s: Setup) -> Iterable[int]:
    """Frames come in their order."""
    return [0] if w.queue and not w.hand else []


def takes_frame(w: World, s: Setup, _: int) -> World:
    """`RouteGuard::decide`."""
    return decided(w._replace(queue=w.queue[1:]), s, w.queue[0])


def expired(w: World, s: Setup) -> Iterable[int]:
    """The first frame is an open, and its deadline passes now."""
    first = w.queue[0] if w.queue and not w.hand and w.fresh else ("",)
    return [0] if first[0] == "order" and w.orders[first[1]].opens else []


def takes_expired(w: World, s: Setup, _: int) -> World:
    """`refuse_order`: NOT_SENT."""
    return takes_frame(w._replace(fresh=False), s, 0)


def late_frames(w: World, s: Setup) -> Iterable[int]:
    """A frame of a connection that is gone is read before or after those of the new one."""
    return [] if w.hand else range(len(w.late))


def takes_late(w: World, s: Setup, at: int) -> World:
    """Decided as any other."""
    return decided(w._replace(late=(*w.late[:at], *w.late[at + 1 :])), s, w.late[at])


def decided(w: World, s: Setup, frame: Item) -> World:
    """One frame of the core."""
    match frame[0]:
        case "greet":
            return greeted(w, int(frame[1]), int(frame[2]))
        case "probe":
            return probed(w, s, int(frame[1]), int(frame[2]))
    return ordered(w, s, frame)


def greeted(w: World, incarnation: int, epoch: int) -> World:
    """`on_greet`: SYNC behind all older rows."""
    if incarnation != w.incarnation or epoch < w.obeys:
        return w
    sync: Item = ("sync", incarnation, epoch)
    return w._replace(obeys=epoch, greeted=True, rows=(*w.rows, sync))


def refuses(w: World, s: Setup, incarnation: int, epoch: int) -> bool:
    """`refuse_frame`."""
    other = s.rules.names_incarnation and incarnation != w.incarnation
    return other or (s.rules.names_epoch and not (w.greeted and epoch == w.obeys))


def ordered(w: World, s: Setup, frame: Item) -> World:
    """`on_orders`: seen before, refused, or OUT."""
    _, at, try_no, incarnation, epoch = frame
    if (at, try_no, True) in w.seen:
        return w
    stale = w.orders[int(at)].opens and not w.fresh
    barred = (at, try_no, False) in w.seen
    if barred or stale or not w.line or refuses(w, s, int(incarnation), int(epoch)):
        return barred_by(w, int(at), int(try_no))
    if not s.rules.out_row_first:
        return handed(w, s, ("order", at))._replace(hand=(("row", at, try_no),))
    return out_row(w, int(at), int(try_no))._replace(hand=(("send", at),))


def out_row(w: World, at: int, try_no: int) -> World:
    """An OUT row, and the try among those that left, in one commit."""
    return w._replace(rows=(*w.rows, ("out", at, try_no)), seen=w.seen | {(at, try_no, True)})


def barred_by(w: World, at: int, try_no: int) -> World:
    """A NOT_SENT row, and the try among those that never leave, in one commit."""
    return w._replace(rows=(*w.rows, ("no", at, try_no)), seen=w.seen | {(at, try_no, False)})


def probed(w: World, s: Setup, at: int, try_no: int) -> World:
    """`on_probe`: what left is told again, what did not is barred."""
    answer: Item = ("no", at, try_no)
    if (at, try_no, True) in w.seen and s.rules.probe_looks:
        answer = ("out", at, try_no)
    elif s.rules.probe_bars and s.rules.probe_looks:
        return barred_by(w, at, try_no)
    return w._replace(rows=(*w.rows, answer))


def in_hand(w: World, s: Setup) -> Iterable[int]:
    """A row was written, and its message is next."""
    return [0] if w.hand else []


def hands_over(w: World, s: Setup, _: int) -> World:
    """`FixEngine.send`: only while logged on, for QuickFIX would keep it and send it at the next logon."""
    item = w.hand[0]
    w = w._replace(hand=())
    if item[0] == "row":
        return out_row(w, int(item[1]), int(item[2]))
    return handed(w, s, ("order", item[1])) if w.line else w


def handed(w: World, s: Setup, message: Item) -> World:
    """On the wire, and in QuickFIX's store, which matters only where it may send again."""
    if message[0] == "order" and not s.rules.no_replay:
        w = w._replace(store=w.store | {int(message[1])})
    return w._replace(wire=(*w.wire, message))


def line_down(w: World, s: Setup) -> Iterable[int]:
    """QuickFIX connects again and again."""
    return [] if w.line else [0]


def logs_on(w: World, s: Setup, _: int) -> World:
    """`onLogon`. The broker asks for what it has not stored, which may be more than what it has not read."""
    again: tuple[Item, ...] = tuple(("order", at) for at in sorted(w.store))
    return w._replace(line=True, wire=again, rows=(*w.rows, ("logon",)))


def next_word(w: World, s: Setup) -> Iterable[int]:
    """The broker's reports come in their order."""
    return [0] if w.line and w.reports else []


def records(w: World, s: Setup, _: int) -> World:
    """`fromApp`: returns when the row is in the file."""
    return w._replace(reports=w.reports[1:], rows=(*w.rows, ("in", w.reports[0])))
