"""What `audit subscriptions` counts: mirrors, orders, rejects, nameless executions, sums of an account."""

from __future__ import annotations

import json
import sqlite3
from fractions import Fraction
from pathlib import Path
from typing import Any

from gateway.audit.store import day_files
from gateway.audit.subscriptions import collect
from tests.unit.audit_rows import DAY_NS, T0_NS, Row, decision, later, moved, outcome, told
from tests.unit.test_audit_subscriptions import lines_of
from tests.unit.test_audit_subscriptions_view import asked

NAMELESS = "0" * 32
SUB = "f1<alpha"
KEY = (SUB, "EURUSD")
BETA: dict[str, Any] = {"subscription": "f1<beta", "leader": "beta"}


def mirror(journal: int, act: str, cl_ord_id: str | None = None, code: str | None = None) -> Row:
    """A step of a mirrored order: what was made of it has a name, a refused one a code."""
    row = {
        "kind": "mirror", "journal": str(journal), "at_ns": str(T0_NS), "leader": "alpha", "follower": "f1",
        "subscription": SUB, "instrument": "EURUSD", "act": act, "code": code,
        "to": None if cl_ord_id is None else {"cl_ord_id": cl_ord_id, "qty": "100"},
    }  # fmt: skip
    return journal, "mirror", json.dumps(row)


def test_mirrors_count_as_orders_once_and_as_refusals_by_their_code(tmp_path: Path) -> None:
    """A replaced order is the same one under another name; what is kept or cancelled makes none."""
    rows = [
        mirror(1, "place", "M1"),
        mirror(2, "place", "M2"),
        mirror(3, "replace", "M3"),
        mirror(4, "keep", "M3"),
        mirror(5, "cancel", None, "cancelled"),
        *(mirror(number, "refuse", None, "price_collar") for number in (6, 7)),
        mirror(8, "refuse"),
    ]
    one = lines_of(tmp_path, rows)[KEY]
    assert told(one.decisions, one.orders, one.leader, one.follower) == (0, 2, "alpha", "f1")
    assert one.refusals == {"price_collar": 2, "none": 1}


def test_a_rejected_mirror_is_a_reject_of_its_subscription(tmp_path: Path) -> None:
    """The order that was placed, and the one that it was replaced by."""
    rows = [mirror(1, "place", "M1"), mirror(2, "replace", "M2")]
    rows += [outcome(3, name, "rejected", px=None) for name in ("M1", "M2")]
    assert lines_of(tmp_path, rows)[KEY].refusals == {"broker_reject": 2}


def test_an_order_is_rejected_once_however_often_it_is_said(tmp_path: Path) -> None:
    """Also where it is said again on another day; other states of an order, and other orders, are none."""
    rows = [
        decision(1),
        decision(2),
        decision(3),
        outcome(4, "C1-1", "rejected", px=None),
        outcome(5, "C1-1", "rejected", px=None),
        outcome(6, "C2-1", "acknowledged"),
        outcome(7, "C3-1", "rejected", px=None),
        outcome(8, "NOT-OURS", "rejected", px=None),
        outcome(9, "C1-1", "rejected", px=None, at_ns=T0_NS + DAY_NS),
    ]
    assert lines_of(tmp_path, rows)[KEY].refusals == {"broker_reject": 2}
    assert len(day_files(tmp_path / "audit")) == 2


def test_decisions_refusals_and_orders_add_up_over_days(tmp_path: Path) -> None:
    """Each day has a file, with tables of its own; an order made later belongs to no decision of its day."""
    days = (0, DAY_NS)
    rows = [
        decision(n + 10 * i, at_ns=T0_NS + day, result="refused", code="stale", orders=[])
        for i, day in enumerate(days)
        for n in (1, 2)
    ]
    rows += [decision(20, at_ns=T0_NS + DAY_NS), later(21, "L1", "100", at_ns=T0_NS + DAY_NS)]
    one = lines_of(tmp_path, rows)[KEY]
    assert told(one.decisions, one.orders, one.refusals) == (5, 2, {"stale": 4})


def test_an_order_of_a_day_without_its_decision_has_its_subscription(tmp_path: Path) -> None:
    """It may be all that the log has of a line."""
    one = lines_of(tmp_path, [later(1, "L1", "100")])[KEY]
    assert told(one.leader, one.follower, one.orders, one.decisions) == ("alpha", "f1", 1, 0)


def test_a_file_without_mirrors_is_read(tmp_path: Path) -> None:
    """An older version made it."""
    lines_of(tmp_path, [decision(1)])
    db = sqlite3.connect(day_files(tmp_path / "audit")[0])
    db.executescript("DROP VIEW mirrors; DROP TABLE mirror;")
    db.close()
    (one,) = collect(tmp_path / "audit").lines
    assert one.orders == 1


def test_what_takes_back_a_nameless_execution_takes_back_no_other_nameless_one(tmp_path: Path) -> None:
    """Nothing says which: the fills stay as they are, and the position moves without a price."""
    rows = [
        moved(1, SUB, "fill", 10, "1", NAMELESS),
        moved(2, SUB, "fill", 10, "3", NAMELESS),
        moved(3, SUB, "bust", -4, "3", NAMELESS, side="buy"),
    ]
    line = lines_of(tmp_path, rows)[KEY].line
    assert told(line.bought, line.sold, line.position, line.average) == (20, 4, 16, 2)
    assert told(line.realised, line.unpriced) == (0, 1)


def test_a_nameless_bust_of_a_sale_buys_back(tmp_path: Path) -> None:
    """What is taken back of a sale that nobody knows moves the other way."""
    line = lines_of(tmp_path, [moved(1, SUB, "bust", -4, "3", NAMELESS, side="sell")])[KEY].line
    assert told(line.bought, line.sold, line.position, line.average) == (4, 0, 4, None)


def test_the_price_of_a_bust_is_not_the_price_of_what_it_leaves(tmp_path: Path) -> None:
    """A correction's price is; a bust says at what it takes back, or anything."""
    name = f"{1:032x}"
    first = moved(1, SUB, "fill", 10, "2")
    bust = lines_of(tmp_path / "bust", [first, moved(2, SUB, "bust", -4, "9", name, side="buy")])[KEY].line
    assert told(bust.position, bust.average) == (6, 2)
    correct = lines_of(tmp_path / "correct", [first, moved(2, SUB, "correct", -4, "9", name)])[KEY].line
    assert told(correct.position, correct.average) == (6, 9)


def test_what_nobody_knows_is_shown_as_empty(tmp_path: Path) -> None:
    """No zero is made of it: null in the JSON, nothing on the screen, also for the account of both lines."""
    rows = [
        moved(1, SUB, "fill", 100_000, None),
        moved(2, "f1<beta", "fill", 100_000, "1.1"),
        moved(3, "f1<beta", "fill", -50_000, "1.2"),
    ]
    lines_of(tmp_path, rows)
    words = ("--price", "EURUSD=1.3")
    found = json.loads(asked(tmp_path, 120, "--json", *words).stdout)
    unknown, known = found["subscriptions"]
    assert (unknown["average_px"], unknown["floating"], unknown["unpriced_fills"]) == (None, None, 1)
    assert (known["average_px"], known["floating"], known["realised"]) == ("1.1", "10000", "5000")
    (account,) = found["accounts"]
    assert (account["floating"], account["realised"], account["position_lots"]) == (None, "5000", "1.5")
    lines = [line.split() for line in asked(tmp_path, 120, *words).stdout.splitlines()]
    assert ["f1<alpha", "EURUSD", "0", "0", "1", "1", "0", "1", "0", "USD"] in lines
    assert ["f1", "EURUSD", "1.5", "5000", "USD"] in lines
    narrow = asked(tmp_path, 50, *words).stdout.splitlines()
    assert "  position 1  realised 0 USD" in narrow
    assert any(line.startswith("1 fills have no price, or closed") for line in narrow)


def test_an_account_is_the_sum_of_its_lines_and_of_no_others(tmp_path: Path) -> None:
    """By follower and instrument that it trades; a line that never filled is in none."""
    rows = [
        decision(1, result="refused", code="stale", orders=[], instrument="GBPUSD"),
        moved(2, SUB, "fill", 10, "1"),
        moved(3, SUB, "fill", -4, "2"),
        moved(4, "f1<beta", "fill", -20, "3"),
        moved(5, "f1<beta", "fill", 5, "2"),
        moved(5, "f1<gamma", "fill", 1, None),
        moved(5, "f1<gamma", "fill", -1, "2"),
        moved(6, "f2<alpha", "fill", 7, "5"),
        moved(7, SUB, "fill", 3, "1000", instrument="XAUUSD"),
    ]
    lines_of(tmp_path, rows)
    first, gold, other = collect(tmp_path / "audit").accounts()
    assert [(one.follower, one.traded) for one in (first, gold, other)] == [
        ("f1", "EURUSD"),
        ("f1", "GOLD"),
        ("f2", "EURUSD"),
    ]
    assert told(first.line.position, first.line.realised) == (6 - 15, 4 + 5)
    assert told(first.line.bought, first.line.sold, first.line.unpriced) == (10 + 5 + 1, 4 + 20 + 1, 2)
    assert first.line.floating(Fraction(4)) == 6 * (4 - 1) - 15 * (4 - 3)
    assert told(gold.line.position, gold.line.floating(Fraction(1001))) == (3, 3)
    assert told(other.line.position, other.line.realised, other.line.floating(Fraction(4))) == (7, 0, -7)


def test_busts_and_corrections_stand_beside_refusals(tmp_path: Path) -> None:
    """As words on the screen, as counts in the JSON; refusals by their code, in order."""
    name = f"{4:032x}"
    rows = [
        *(decision(n, result="refused", code=code, orders=[]) for n, code in enumerate(("stale", "kill"), 1)),
        decision(3, result="refused", code="stale", orders=[]),
        moved(4, SUB, "fill", 300_000, "2"),
        moved(5, SUB, "correct", -100_000, "3", name),
        *(moved(n, SUB, "bust", -50_000, None, name) for n in (6, 7)),
    ]
    rows += [later(8, "L1", "100"), outcome(9, "L1", "rejected", px=None)]
    one = lines_of(tmp_path, rows)[KEY]
    assert told(one.busts, one.corrections, one.fills) == (2, 1, 1)
    text = asked(tmp_path, 200).stdout
    assert "1 broker_reject, 1 kill, 2 stale, 2 busts, 1 corrections" in " ".join(text.split())
    assert "f1 EURUSD 1 0 USD" in " ".join(text.split())
