"""Followers' brokers that do not do their part: their own followers miss an open, the others miss nothing."""

from __future__ import annotations

import pytest

from tests.e2e.plant import GOOD, LOT, RAW, REJECTING, SILENT, Plant, fill_at_once, now
from tests.e2e.venue import Venue
from tests.session.harness import field

pytestmark = pytest.mark.slow


def test_a_broker_that_rejects_everything_costs_only_its_own_followers(plant: Plant) -> None:
    """The open is refused with a code and not repeated; others hold it."""
    before, refusals = plant.position(plant.good), plant.status()["refusals"].get("broker_reject", 0)
    orders = plant.orders(plant.rejecting)
    plant.fill(1)
    plant.until(lambda: plant.position(plant.good) == before + LOT, "the others are served")
    plant.until(lambda: plant.status()["refusals"].get("broker_reject", 0) > refusals, "it is counted")
    plant.fill(2)
    plant.until(lambda: plant.position(plant.good) == before, "the close is copied")
    assert plant.orders(plant.rejecting) == orders + 1, "one open, and nothing to close"
    assert (plant.held(REJECTING), float(plant.line(REJECTING)["target"])) == (0, 0)


def test_a_report_for_an_unknown_order_moves_no_books(plant: Plant) -> None:
    """Somebody else's order on the follower's account is named, and not ours."""
    held, alerts = plant.held(RAW), len(plant.alerts("foreign_order"))
    plant.raw.say(
        "8",
        "37=Z|11=NOTOURS|17=XZ|150=F|39=2|1=F4|55=EURUSD|54=1|38=100000|32=100000|31=1.1|14=100000|151=0|"
        f"6=1.1|60={now()}|",
    )
    plant.until(lambda: len(plant.alerts("foreign_order")) > alerts, "it is an alert")
    assert "NOTOURS" in plant.alerts("foreign_order")[-1]["text"]
    assert "trades this account" in plant.alerts("foreign_order")[-1]["advice"]
    assert plant.held(RAW) == held


def test_a_garbled_report_is_asked_for_again(plant: Plant) -> None:
    """A follower's fill with a wrong CheckSum(10) reaches the ledger by the broker's resend, once."""
    held, executions = plant.held(RAW), int(plant.status()["follower_fills"])

    def garbled(venue: Venue, raw: bytes) -> None:
        if field(raw, 35) == "D":
            order, qty = field(raw, 11), field(raw, 38)
            venue.garble(
                "8",
                f"37=B{order}|11={order}|17=X{order}|150=F|39=2|1=F4|55=EURUSD|54=1|38={qty}|32={qty}|31=1.1|"
                f"14={qty}|151=0|6=1.1|60={now()}|",
            )
            venue.say("0", "")

    answering(plant, garbled)
    plant.fill(1)
    plant.until(lambda: plant.held(RAW) == held + LOT, "the resent report is booked")
    plant.until(lambda: plant.held(GOOD) == plant.position(plant.good), "the other broker's too")
    assert int(plant.status()["follower_fills"]) == executions + 2
    answering(plant, fill_at_once)
    plant.fill(2)
    plant.until(lambda: plant.held(RAW) == held, "the close is copied")


def test_an_order_rejected_by_its_number_alone_is_known_at_once(plant: Plant) -> None:
    """Reject(3) names RefSeqNum(45) and nothing else: the order is rejected, not unknown."""
    held, refusals = plant.held(RAW), plant.status()["refusals"].get("broker_reject", 0)
    before, rejected = plant.position(plant.good), plant.status()["orders"].get("rejected", 0)

    def reject(venue: Venue, raw: bytes) -> None:
        if field(raw, 35) == "D":
            venue.say("3", f"45={field(raw, 34)}|371=38|372=D|373=5|58=value is incorrect|")

    answering(plant, reject)
    plant.fill(1)
    plant.until(lambda: bool(plant.alerts("order_rejected")), "it is an alert")
    assert "value is incorrect" in plant.alerts("order_rejected")[-1]["text"]
    # The bare broker's order, and that of the broker that rejects everything.
    plant.until(lambda: plant.status()["orders"].get("rejected", 0) == rejected + 2, "both are rejected")
    assert plant.status()["refusals"].get("broker_reject", 0) == refusals + 2
    assert plant.line(RAW)["unknown"] == 0
    answering(plant, fill_at_once)
    plant.fill(2)
    plant.until(lambda: plant.position(plant.good) == before, "the close is copied where the open was")
    assert plant.held(RAW) == held


def answering(plant: Plant, answer: object) -> None:
    """From now on the bare broker answers orders so."""
    plant.raw.answer = answer  # type: ignore[assignment]


def test_a_route_that_never_logs_on_delays_nobody_and_catches_up(plant: Plant) -> None:
    """Its followers miss the open, said by name; once the broker is there the next fill is copied."""
    before = plant.position(plant.good)
    plant.fill(1)
    plant.until(lambda: plant.position(plant.good) == before + LOT, "the others are served")
    plant.until(lambda: float(plant.line(SILENT)["target"]) == 0, "the open is given up in time")
    route = next(r for r in plant.status()["routes"] if r["name"] == "r3")
    assert (route["up"], plant.held(SILENT), float(plant.line(SILENT)["working"])) == (False, 0, 0)
    plant.fill(2)
    plant.until(lambda: plant.position(plant.good) == before, "the close is copied")
    late = plant.silent_appears()
    plant.until(lambda: next(r for r in plant.status()["routes"] if r["name"] == "r3")["up"], "it logs on")
    assert plant.orders(late) == 0, "nothing old is sent"
    plant.fill(1)
    plant.until(lambda: plant.position(late) == LOT, "the next fill is copied")
    plant.fill(2)
    plant.until(lambda: plant.position(late) == 0, "and its close")
    assert plant.orders(late) == 2
