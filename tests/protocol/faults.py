"""Faults. Each takes one from what may still happen, and leaves what the crash or the cut may leave."""

from __future__ import annotations

from collections.abc import Iterable

from tests.protocol import broker, core
from tests.protocol.core import copied, planned
from tests.protocol.rules import Setup
from tests.protocol.state import UNKNOWN, World


def any_time(w: World, s: Setup) -> Iterable[int]:
    """While there are faults left."""
    return [0] if w.faults else []


def one_less(w: World) -> World:
    """A fault has happened."""
    return w._replace(faults=w.faults - 1)


def unlinked(w: World, s: Setup) -> World:
    """The connection between core and route is gone. Its orders are read some time later, or never; a GREET
    or a PROBE that is read late does what a new one does."""
    late = tuple(sorted((*w.late, *(x for x in w.queue if x[0] == "order"))))
    rows = w.rows if s.rules.rows_until_taken else w.rows[1:]
    return w._replace(connected=False, queue=(), late=late, rows=rows)


def cuts_link(w: World, s: Setup, _: int) -> World:
    """Core and route live on."""
    return one_less(unlinked(w, s))


def linked(w: World, s: Setup) -> Iterable[int]:
    """There is something to cut."""
    return any_time(w, s) if w.connected else []


def kills_core(w: World, s: Setup, _: int) -> World:
    """`kill -9`: the journal is replayed, the epoch raised. The last leader report comes again."""
    w = one_less(unlinked(w, s))._replace(epoch=w.epoch + 1, linked=0, synced=False, up=False)
    if not s.rules.leader_recognised and w.heard > 1:
        w = planned(copied(w, w.heard - 1), s)
    return w


def refusable(w: World, s: Setup) -> Iterable[int]:
    """The core's disk refuses the row of the leader's next report."""
    return any_time(w, s) if w.heard <= 2 else []


def refuses_row(w: World, s: Setup, _: int) -> World:
    """The process ends in the callback, and the report comes again. Off: the callback returns."""
    if s.rules.leader_row_first:
        return kills_core(w, s, 0)
    return one_less(w)._replace(heard=w.heard + 1)


def kill_fates(w: World, s: Setup) -> Iterable[int]:
    """How many messages on the wire the broker still reads."""
    return range(len(w.wire) + 1) if w.faults else []


def kills_route(w: World, s: Setup, arrive: int) -> World:
    """`kill -9`: its file stays, what it had in hand is gone, both of its lines are down."""
    w = line_lost(one_less(unlinked(w, s)), s, arrive)
    rows = w.rows if s.rules.broker_row_first else tuple(row for row in w.rows if row[0] != "in")
    return w._replace(incarnation=w.incarnation + 1, greeted=False, hand=(), rows=rows)


def line_lost(w: World, s: Setup, arrive: int) -> World:
    """The FIX line is gone: the broker reads the first messages, and its reports come again or do not."""
    for _ in range(arrive):
        w = broker.reads(w, s, 0)
    return w._replace(line=False, wire=(), reports=w.reports if s.venue.resends else ())


def cuttable(w: World, s: Setup) -> Iterable[int]:
    """How many messages the broker still reads."""
    return range(len(w.wire) + 1) if w.faults and w.line else []


def cuts_line(w: World, s: Setup, arrive: int) -> World:
    """`onLogout` writes its row."""
    w = line_lost(one_less(w), s, arrive)
    return w._replace(rows=(*w.rows, ("logoff",)))


def frames(w: World, s: Setup) -> Iterable[int]:
    """A frame that a full queue, or a connection that looks alive, swallows."""
    return range(len(w.queue)) if w.faults else []


def loses_frame(w: World, s: Setup, at: int) -> World:
    """The rest comes."""
    return one_less(w)._replace(queue=(*w.queue[:at], *w.queue[at + 1 :]))


def slow(w: World, s: Setup) -> Iterable[int]:
    """The settle time passes while an order is on its way: in a line that carries nothing for so long, or
    at a broker that holds it for longer, where only its own check of ids helps."""
    if not w.faults or not core.askable(w):
        return []
    stalled = {x[1] for x in w.wire if x[0] == "order"}
    waiting = {at for at in core.unanswered(w, s) if s.venue.checks_ids and at in w.gateway}
    late = waiting | stalled.intersection(core.places(w, UNKNOWN))
    return sorted(at for at in late if core.settling(w, s, at))


def settles_early(w: World, s: Setup, at: int) -> World:
    """It is asked about, and "not known" counts, though the order is on its way."""
    return core.asks(one_less(w), at, s, proof=True)


def silent(w: World, s: Setup) -> Iterable[int]:
    """The route says nothing for `orphan_ms`, on a connection that stays."""
    return [0] if w.faults and w.connected and w.linked else []


def gives_up(w: World, s: Setup, _: int) -> World:
    """`Pipeline::lost`."""
    return one_less(w)._replace(linked=0, synced=False, up=False)
