"""A leader's broker that sends what it should not: said clearly, nothing lost, nothing copied twice, and the
next fill is copied as if nothing had happened (the fixture proves that after each test)."""

from __future__ import annotations

import pytest

from tests.e2e.plant import GOOD, LOT, RAW, Plant

pytestmark = pytest.mark.slow


def test_a_garbled_fill_is_asked_for_again_and_copied_once(plant: Plant) -> None:
    """A wrong CheckSum(10) is no message; the gap behind it makes the broker send it again."""
    before, orders = plant.position(plant.good), plant.orders(plant.good)
    plant.fill(1, venue_does="garble")
    plant.leader.say("0", "")
    plant.until(lambda: plant.position(plant.good) == before + LOT, "the resent fill is copied")
    assert plant.orders(plant.good) == orders + 1
    plant.fill(2)
    plant.until(lambda: plant.position(plant.good) == before, "its close is copied")


def test_a_wrong_comp_id_is_refused_and_alerted(plant: Plant) -> None:
    """Another sender on the leader's line moves nobody's money, and the operator reads of it."""
    orders, alerts = plant.orders(plant.good), len(plant.alerts("we_rejected"))
    fill = "37=OX|11=CX|17=EX|150=F|39=2|1=LEADER|55=EURUSD|54=1|38=100000|32=100000|31=1.1|14=100000|151=0|"
    logons = plant.leader.logons
    plant.leader.say_as("STRANGER", "8", fill)
    plant.until(lambda: len(plant.alerts("we_rejected")) > alerts, "the refusal is an alert")
    plant.until(lambda: plant.leader.logons > logons and plant.leader.is_up, "the line comes back")
    assert plant.orders(plant.good) == orders
    assert "send it again" in plant.alerts("we_rejected")[-1]["advice"]
    said = [row for row in plant.said("fix.event") if "CompID problem" in row["text"]]
    assert {(row["level"], row["session"]) for row in said} == {("warning", "LEADER")}
    assert "49 must be our `target_comp_id`, 56 our `sender_comp_id`" in said[-1]["advice"]


def test_a_sequence_number_too_low_ends_the_line_and_copies_nothing(plant: Plant) -> None:
    """The reason names both numbers, in our Logout(5) and in the log."""
    orders, logons = plant.orders(plant.good), plant.leader.logons
    fill = "37=OY|11=CY|17=EY|150=F|39=2|1=LEADER|55=EURUSD|54=1|38=100000|32=100000|31=1.1|14=100000|151=0|"
    plant.leader.repeat_number(1, "8", fill)
    plant.until(lambda: plant.leader.logons > logons and plant.leader.is_up, "the line comes back")
    assert any(b"too low, expecting" in raw for raw in plant.leader.heard_of("5"))
    said = [row for row in plant.said("fix.event") if "too low, expecting" in row["text"]]
    assert {(row["level"], row["session"]) for row in said} == {("warning", "LEADER")}
    assert "Compare both numbers" in said[-1]["advice"]
    assert "`reset` of the session" in said[-1]["advice"]
    assert plant.orders(plant.good) == orders


def test_an_unknown_symbol_is_not_copied_and_named(plant: Plant) -> None:
    """The alert names the symbol and says how to have it copied."""
    orders = plant.orders(plant.good)
    plant.fill(1, t55="XXXYYY")
    plant.until(lambda: bool(plant.alerts("unknown_symbol")), "the symbol is named")
    said = plant.alerts("unknown_symbol")[-1]
    assert "XXXYYY" in said["text"]
    assert "`symbols`" in said["advice"]
    assert plant.orders(plant.good) == orders


@pytest.mark.parametrize("qty", ["0", "-100000", "1e30", "NaN", "100000.12345678901234567890"])
def test_a_quantity_that_is_none_opens_nothing(plant: Plant, qty: str) -> None:
    """Not a number, not positive, or finer than anything tradable: no order, and the bytes stay journaled."""
    orders, rows = plant.orders(plant.good), int(plant.status()["journal_rows"])
    targets = {line["follower"]: line["target"] for line in plant.status()["subscriptions"]}
    unreadable = len(plant.alerts("unreadable"))
    plant.fill(1, qty)
    plant.until(lambda: int(plant.status()["journal_rows"]) > rows, "the report is journaled")
    if qty != "0":
        plant.until(lambda: len(plant.alerts("unreadable")) > unreadable, "the quantity is refused loudly")
        assert "Ask the counterparty" in plant.alerts("unreadable")[-1]["advice"]
    assert {line["follower"]: line["target"] for line in plant.status()["subscriptions"]} == targets
    assert plant.orders(plant.good) == orders


def test_a_fill_without_a_price_is_copied_at_the_market(plant: Plant) -> None:
    """Quantity decides; a market order needs no price of the leader's."""
    before = plant.position(plant.good)
    plant.fill(1, t31=None, t6=None)
    plant.until(lambda: plant.position(plant.good) == before + LOT, "the open is copied")
    plant.fill(2, t31=None, t6=None)
    plant.until(lambda: plant.position(plant.good) == before, "the close is copied")


def test_a_report_for_an_unknown_order_copies_only_what_it_says_itself(plant: Plant) -> None:
    """The middle of an order: its last part counts, what came before is no business of ours. Its end copies
    nothing."""
    before, orders = plant.position(plant.good), plant.orders(plant.good)
    plant.fill(1, LOT, order="STRANGE", t38=5 * LOT, t14=3 * LOT, t39="1", t151=2 * LOT)
    plant.until(lambda: plant.position(plant.good) == before + LOT, "its last part is copied")
    plant.fill(1, "0", order="NEVERSEEN", t150="4", t39="4", t38=LOT, t14="0")
    plant.fill(2)
    plant.until(lambda: plant.position(plant.good) == before, "its close is copied")
    assert plant.orders(plant.good) == orders + 2


def test_a_filled_order_with_quantity_left_is_taken_at_its_quantity(plant: Plant) -> None:
    """39=2 with LeavesQty(151) above 0 is what real terminals send: CumQty(14) counts."""
    before = plant.position(plant.good)
    plant.fill(1, t151=5 * LOT)
    plant.until(lambda: plant.position(plant.good) == before + LOT, "the fill is copied")
    plant.fill(2, t151=LOT)
    plant.until(lambda: plant.position(plant.good) == before, "the close is copied")


def test_text_that_is_not_utf8_copies_and_is_audited(plant: Plant) -> None:
    """Text(58) in Latin-1 stops neither the copy nor the audit."""
    before = plant.position(plant.good)
    plant.fill(1, t58="caf\xe9 \xff\x80")
    plant.until(lambda: plant.position(plant.good) == before + LOT, "the fill is copied")
    plant.fill(2)
    plant.until(lambda: plant.position(plant.good) == before, "the close is copied")
    assert not [row for row in plant.said("run.ended") if row.get("child") == "audit"]
    assert plant.held(GOOD) == plant.held(RAW)


def test_a_close_that_never_comes_is_found_by_the_leaders_position(plant: Plant) -> None:
    """The broker passes over the number of a fill: it is asked for positions, and what is gone is closed."""
    asked = len(plant.leader.heard_of("AN"))
    before = plant.position(plant.good)
    plant.fill(1)
    plant.until(lambda: plant.position(plant.good) == before + LOT, "the open is copied")
    plant.leader.answer = lambda venue, raw: venue.hold_nothing("LEADER", raw)
    plant.leader.lose()
    plant.leader.say("0", "")
    plant.until(lambda: plant.position(plant.good) == 0, "the close that was lost is made")
    plant.leader.answer = None
    assert len(plant.leader.heard_of("AN")) - asked == 2, "asked again until it is said twice"
    assert plant.alerts("leader_gap")
    assert plant.alerts("leader_drift")
