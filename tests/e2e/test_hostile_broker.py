"""A broker that lies, floods or does not listen: its follower's books follow it, others notice nothing."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.repeats import MOST
from tests.e2e.plant import LOT, RAW, Plant, fill_at_once, now
from tests.e2e.venue import Venue
from tests.session.harness import field

pytestmark = pytest.mark.slow

FLOOD = 3_000
"""Messages of one flood."""
GARBAGE_BYTES = 1_000_000


@contextmanager
def answering(plant: Plant, answer: Callable[[Venue, bytes], None]) -> Iterator[None]:
    """The bare broker answers like this for a while."""
    plant.raw.answer = answer
    try:
        yield
    finally:
        plant.raw.answer = fill_at_once


def report(venue: Venue, order: bytes, exec_id: str, kind: str, last: int, cum: int, status: str) -> None:
    """An ExecutionReport about an order that came."""
    cl_ord_id, qty = field(order, 11), field(order, 38)
    fill = f"32={last}|31=1.1|" if last else ""
    venue.say(
        "8",
        f"37=B{cl_ord_id}|11={cl_ord_id}|17={exec_id}|150={kind}|39={status}|1={field(order, 1)}|55=EURUSD|"
        f"54={field(order, 54)}|38={qty}|{fill}14={cum}|151=0|6=1.1|60={now()}|",
    )


def stranger(venue: Venue, cl_ord_id: str, number: int) -> None:
    """A report about an order that nobody here sent."""
    rest = f"37=Z|11={cl_ord_id}|17=F{number}|150=0|39=0|1=F{RAW}|55=EURUSD|54=1|38=1|14=0|151=1|60={now()}|"
    venue.say("8", rest)


def others_are_served(plant: Plant) -> None:
    """An open and its close at the good broker, whatever the bare one does."""
    before = plant.position(plant.good)
    plant.fill(1)
    plant.until(lambda: plant.position(plant.good) == before + LOT, "the open is copied")
    plant.fill(2)
    plant.until(lambda: plant.position(plant.good) == before, "the close is copied")


def closes_what_is_held(plant: Plant) -> int:
    """The leader is flat, and the bare broker fills again as it should: units that its closes took."""
    heard = len(plant.raw.heard_of("D"))
    plant.fill(2)
    plant.until(lambda: plant.held(RAW) == 0 and plant.rests(RAW), "what is held is closed")
    closes = plant.raw.heard_of("D")[heard:]
    return sum(int(field(raw, 38)) for raw in closes if field(raw, 54) == "2")


def test_more_than_was_ordered_is_closed_at_once(plant: Plant) -> None:
    """Filled for twice the quantity: it is told, and what the leader does not hold is sold again."""
    alerts, heard = len(plant.alerts("unexpected_fill")), len(plant.raw.heard_of("D"))

    def overfills(venue: Venue, raw: bytes) -> None:
        if field(raw, 54) == "2":
            fill_at_once(venue, raw)
        else:
            report(venue, raw, f"X{field(raw, 11)}", "F", 2 * LOT, 2 * LOT, "2")

    with answering(plant, overfills):
        plant.fill(1)
        plant.until(lambda: len(plant.alerts("unexpected_fill")) > alerts, "it is an alert")
        plant.until(lambda: plant.held(RAW) == LOT and plant.rests(RAW), "the rest is sold")
    orders = [(field(raw, 54), field(raw, 38)) for raw in plant.raw.heard_of("D")[heard:]]
    assert orders == [("1", str(LOT)), ("2", str(LOT))]
    assert closes_what_is_held(plant) == LOT


def test_a_fill_of_a_cancelled_order_is_held_and_closed(plant: Plant) -> None:
    """Canceled, and then filled: what is held is what the broker says. The open was given up with its end, so
    it is sold at once, and not again when the leader closes."""
    alerts, heard = len(plant.alerts("unexpected_fill")), len(plant.raw.heard_of("D"))
    before = plant.position(plant.good)

    def lies(venue: Venue, raw: bytes) -> None:
        if field(raw, 54) == "2":
            fill_at_once(venue, raw)
        else:
            report(venue, raw, f"C{field(raw, 11)}", "4", 0, 0, "4")
            report(venue, raw, f"X{field(raw, 11)}", "F", LOT, LOT, "2")

    with answering(plant, lies):
        plant.fill(1)
        plant.until(lambda: len(plant.alerts("unexpected_fill")) > alerts, "the late fill is an alert")
        plant.until(lambda: plant.held(RAW) == 0 and plant.rests(RAW), "it is sold")
        plant.until(lambda: plant.position(plant.good) == before + LOT, "the open is copied")
    plant.fill(2)
    plant.until(lambda: plant.position(plant.good) == before, "the close is copied")
    orders = [(field(raw, 54), field(raw, 38)) for raw in plant.raw.heard_of("D")[heard:]]
    assert orders == [("1", str(LOT)), ("2", str(LOT))]


def test_an_exec_id_that_is_used_again_is_two_fills(plant: Plant) -> None:
    """Two halves under one ExecID(17): CumQty(14) tells them apart."""

    def halves(venue: Venue, raw: bytes) -> None:
        report(venue, raw, "SAME", "F", LOT // 2, LOT // 2, "1")
        report(venue, raw, "SAME", "F", LOT // 2, LOT, "2")

    with answering(plant, halves):
        plant.fill(1)
        plant.until(lambda: plant.held(RAW) == LOT, "both halves are booked")
    assert closes_what_is_held(plant) == LOT


def test_an_order_that_is_acknowledged_and_filled_twice_is_filled_once(plant: Plant) -> None:
    """The same reports once more, as new messages."""

    def stutters(venue: Venue, raw: bytes) -> None:
        for _ in range(2):
            report(venue, raw, f"N{field(raw, 11)}", "0", 0, 0, "0")
        for _ in range(2):
            report(venue, raw, f"X{field(raw, 11)}", "F", LOT, LOT, "2")

    with answering(plant, stutters):
        plant.fill(1)
        plant.until(lambda: plant.held(RAW) == LOT, "the fill is booked")
        others_are_served(plant)
        plant.until(lambda: plant.held(RAW) == LOT and plant.rests(RAW), "each one once")
    assert closes_what_is_held(plant) == LOT


def test_a_broker_that_never_acknowledges_is_asked_and_sent_nothing_twice(plant: Plant) -> None:
    """Its order stays unknown and its close waits; others are served; told at last, everything goes on."""
    unanswered: list[bytes] = []
    heard = len(plant.raw.heard_of("D"))

    def is_silent(_: Venue, raw: bytes) -> None:
        if field(raw, 35) == "D":
            unanswered.append(raw)

    with answering(plant, is_silent):
        plant.fill(1)
        plant.until(lambda: plant.line(RAW)["unknown"] == 1, "nobody knows what became of it")
        asked = len(plant.raw.heard_of("H"))
        plant.until(lambda: len(plant.raw.heard_of("H")) > asked + 1, "it is asked about, again and again")
        others_are_served(plant)
        ids = {field(raw, 11) for raw in plant.raw.heard_of("D")[heard:]}
        assert len(ids) == len(plant.raw.heard_of("D")[heard:]), "no order left twice"
    for raw in unanswered:
        fill_at_once(plant.raw, raw)
    plant.until(lambda: plant.held(RAW) == LOT, "the fill is booked at last")
    assert closes_what_is_held(plant) == LOT


def test_a_flood_of_reports_delays_nobody_else(plant: Plant) -> None:
    """Reports about orders that nobody sent, as fast as the line takes them; each one is synced to disk."""

    def floods() -> None:
        for number in range(FLOOD):
            stranger(plant.raw, "NOTOURS", number)
        stranger(plant.raw, "LAST", FLOOD)

    told = len(plant.alerts("foreign_order"))
    flood = threading.Thread(target=floods, daemon=True)
    flood.start()
    rounds = 0
    while flood.is_alive() or rounds < 2:
        others_are_served(plant)
        rounds += 1
    flood.join()
    plant.until(lambda: any("LAST" in a["text"] for a in plant.alerts("foreign_order")), "all of it is taken")
    equal = [a for a in plant.alerts("foreign_order")[told:] if "NOTOURS" in a["text"]]
    assert len(equal) <= 2 * MOST, "and told of without filling the disk"


def test_garbage_on_the_line_is_passed_over(plant: Plant) -> None:
    """A megabyte of noise between two messages: the session lives, or comes back; nothing is booked."""
    held, noise = plant.held(RAW), random.Random(7).randbytes(GARBAGE_BYTES)
    plant.raw.put(noise)
    others_are_served(plant)
    plant.until(plant.is_ready, "the line comes back")
    plant.until(lambda: plant.rests(RAW), "and its follower to rest")
    assert plant.held(RAW) == held


def test_a_broker_that_does_not_read_delays_nobody_else(plant: Plant) -> None:
    """Its receive buffer stays full: its own orders wait, the others' leave."""
    release = plant.raw.deafen()
    try:
        for _ in range(5):
            others_are_served(plant)
    finally:
        release()
    plant.until(plant.is_ready, "the line comes back")
    plant.until(lambda: plant.rests(RAW), "and its follower to rest")


def test_a_second_logon_within_a_session_changes_nothing(plant: Plant) -> None:
    """Logon(A) once more, under the next number."""
    plant.raw.say("A", "98=0|108=30|")
    others_are_served(plant)
    plant.until(plant.is_ready, "the line is up")
    others_are_served(plant)
